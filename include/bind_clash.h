/* Targets of one HAProxy whose rendered texts listen on the same address. */
#ifndef SEGUE_BIND_CLASH_H
#define SEGUE_BIND_CLASH_H

#include "base/strbuf.h"
#include "config.h"

/* `texts`: one a target, empty where it is not known. Appends one line for each address that is
 * taken twice. */
void bind_clash_find(const struct config *config, const struct strbuf *texts, struct strbuf *out);

#endif
