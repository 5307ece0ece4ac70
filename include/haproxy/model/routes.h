/* Where the addresses that a rendered HAProxy text binds lead: from bind by default_backend and
 * use_backend to the servers. For the time when a template or a configuration changes, not for each
 * move. Pure. Configuration Manual 4.2. */
#ifndef SEGUE_HAPROXY_MODEL_ROUTES_H
#define SEGUE_HAPROXY_MODEL_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "haproxy/model/config.h"

/* A server that gets clients while others are up: not disabled, no backup, weight above 0. */
bool haproxy_takes_clients(const struct haproxy_server *server);

/* No frontend has a bind and nothing behind it. */
bool haproxy_routes_end(const char *text, size_t len, struct err *err) MUST_CHECK;

/* Some address leads to the primary, or may do so: a backend of another file, a server that has a
 * host name, a name that only HAProxy can resolve. Frontends of mode http do not count. A text
 * without a bind has its frontends elsewhere: then any server will do. */
bool haproxy_routes_lead(const char *text, size_t len, const struct haproxy_endpoint *primary,
                         struct err *err) MUST_CHECK;

/* Appends, on one line, which addresses led to the primary in the text `before`, and do so no more,
 * or no more alone; then, which ones lead there instead. Nothing where that is all as it was, or
 * where a text cannot be read. Each text with the primary that it was rendered with. */
struct haproxy_routes_text {
	const char *text;
	size_t len;
	struct haproxy_endpoint primary;
};
void haproxy_routes_compare(const struct haproxy_routes_text *before,
                            const struct haproxy_routes_text *now, struct strbuf *out);

#endif
