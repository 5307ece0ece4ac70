/* Follows each bind of a rendered HAProxy text through default_backend and use_backend to the
 * servers. For checks when a template or segue.ini changes, not for each move. Pure. Configuration
 * Manual 4.2. */
#ifndef SEGUE_HAPROXY_MODEL_ROUTES_H
#define SEGUE_HAPROXY_MODEL_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "haproxy/model/config.h"

/* True for a server that gets clients while others are UP: not disabled, no backup, weight above
 * 0. */
bool haproxy_takes_clients(const struct haproxy_server *server);

/* As text_check_leads() (cluster/target_kinds.h): every
 * frontend with a bind has a backend, and some bind leads to the primary, or may do so: through a
 * backend of another file, a server without an IP address, or a name that only HAProxy can resolve.
 * Frontends with mode http do not count. A text without a bind has its frontends in another file:
 * then one server at the primary is enough. */
bool haproxy_text_leads(const struct config_target *config, bool whole, const char *text,
                        size_t len, const char *address, uint16_t port, struct err *err) MUST_CHECK;

/* As text_check_keeps(). */
bool haproxy_text_keeps(const char *before, size_t before_len, const char *text, size_t len,
                        struct err *err) MUST_CHECK;

/* Appends on one line the binds that led to the primary in `before`, and in `now` do not, or not to
 * it alone; then the binds that lead to the primary instead. Appends nothing if there are none of
 * the first, or if a text cannot be parsed. `primary`: the one that the text was rendered with. */
struct haproxy_routes_text {
	const char *text;
	size_t len;
	struct haproxy_endpoint primary;
};
void haproxy_routes_compare(const struct haproxy_routes_text *before,
                            const struct haproxy_routes_text *now, struct strbuf *out);

#endif
