/* Settings of a HAProxy configuration that would hurt a failover, found by reading its text. Pure.
 */
#ifndef SEGUE_HAPROXY_MODEL_LINT_H
#define SEGUE_HAPROXY_MODEL_LINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define HAPROXY_LINT_HOLD_MS 30000 /* where clients are not held; a failover may take as long */

/* Appends one line a finding to `out`: "line N: finding: what to do instead"; returns how many.
 * `hold_ms`: how long clients have to be able to wait. */
size_t haproxy_lint(const char *text, size_t len, int64_t hold_ms, struct strbuf *out);

/* Only what keeps the clients of a backend from waiting that long. */
size_t haproxy_lint_hold(const char *text, size_t len, int64_t hold_ms, struct strbuf *out);

/* Only timeouts below 1 s that end idle sessions; all on one line. */
size_t haproxy_lint_idle(const char *text, size_t len, struct strbuf *out);

#endif
