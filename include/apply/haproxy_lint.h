/* Settings of a HAProxy configuration that would hurt a failover, found by reading its text. Pure.
 */
#ifndef SEGUE_APPLY_HAPROXY_LINT_H
#define SEGUE_APPLY_HAPROXY_LINT_H

#include <stddef.h>

#include "base/strbuf.h"

/* Appends one line a finding to `out`: "line N: finding: what to do instead"; returns how many. */
size_t haproxy_lint(const char *text, size_t len, struct strbuf *out);

#endif
