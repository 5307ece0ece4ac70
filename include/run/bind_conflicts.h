/* Where the rendered texts have HAProxy listen: at no address twice, whether by two targets of one
 * HAProxy or by two sections of one, and at none that another process has. */
#ifndef SEGUE_RUN_BIND_CONFLICTS_H
#define SEGUE_RUN_BIND_CONFLICTS_H

#include "base/strbuf.h"
#include "config/config.h"

/* `texts`: one a target, empty where it is not known. Appends one line for each address that is
 * taken twice, or that another process has and no output of this HAProxy yet. */
void bind_conflicts_find(const struct config *config, const struct strbuf *texts,
                         struct strbuf *out);

#endif
