/* Checks where the rendered texts make HAProxy listen. No address may be taken twice, by two
 * targets of one HAProxy or by two sections of one target, and none may be taken by another
 * process. */
#ifndef SEGUE_RUN_BIND_CONFLICTS_H
#define SEGUE_RUN_BIND_CONFLICTS_H

#include "base/strbuf.h"
#include "base/string_list.h"
#include "config/config.h"

/* `texts`: one per target, empty if it is not known. Adds to `out` each address that is taken
 * twice, or that another process has and no output of this HAProxy has yet, and what to do. */
void bind_conflicts_find(const struct config *config, const struct strbuf *texts,
                         struct string_list *out);

#endif
