/* Finds settings in the text of a HAProxy configuration that would do harm in a failover. Pure. */
#ifndef SEGUE_HAPROXY_MODEL_LINT_H
#define SEGUE_HAPROXY_MODEL_LINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "base/string_list.h"

#define HAPROXY_LINT_HOLD_MS 30000 /* for clusters without a hold: how long a failover may take */

/* Adds the findings to `out`: "line N: finding: what to do instead". `hold_ms`: how long clients
 * must be able to wait. */
void haproxy_lint(const char *text, size_t len, int64_t hold_ms, struct string_list *out);

/* Only the settings that keep clients of a backend from waiting that long. */
void haproxy_lint_hold(const char *text, size_t len, int64_t hold_ms, struct string_list *out);

/* Only timeouts below 1 s that end idle sessions. Appends all findings on one line, and returns
 * their number. */
size_t haproxy_lint_idle(const char *text, size_t len, struct strbuf *out);

#endif
