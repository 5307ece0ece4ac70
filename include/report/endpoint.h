/* The HTTP endpoint: the status, and over the unix socket alone the operator's words. It knows no
 * cluster: all comes from its source. */
#ifndef SEGUE_REPORT_ENDPOINT_H
#define SEGUE_REPORT_ENDPOINT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "report/cursor.h"

struct event_base;
struct report_server;

struct report_source {
	/* GET /status: appends the next part of the document; false: that was the last one. */
	bool (*status)(void *arg, struct report_cursor *at, struct strbuf *text);
	bool (*metrics)(void *arg, struct report_cursor *at, struct strbuf *text);
	/* GET /readyz: false with why not, one reason a line. */
	bool (*ready)(void *arg, struct strbuf *why);
	/* All are called in the loop and must not destroy the server.
	 *
	 * POST /override/<cluster> with {"kind": "pin", "address": ..., "port": ..., "by": ...},
	 * {"kind": "freeze", ...} or {"kind": "none"}, not looked at yet: override_from_json().
	 * False with the reason in `err`. */
	bool (*override)(void *arg, const char *cluster, const json_t *body, struct err *err);
	void *arg;
};

/* `listen`: "unix:PATH" or "host:port", or several of them with commas, as segue.ini has it, or ""
 * for nowhere; on a unix socket POST is allowed, on TCP nothing but GET. `source` is copied. Fails
 * only where `listen` is no address. One that cannot be listened on now (no folder, another process
 * there) is logged and tried again, as a sidecar without its endpoint still moves the proxies. A
 * stale socket file is replaced. */
struct report_server *report_server_create(struct event_base *base, const char *listen,
                                           const struct report_source *source,
                                           struct err *err) MUST_CHECK;

/* For a reload: an address that stays changes nothing, not even for who is connected. On failure
 * all stays as it was. */
bool report_server_set_listen(struct report_server *server, const char *listen,
                              struct err *err) MUST_CHECK;

/* The names by which it may be asked over TCP, as host_is_allowed() takes them; from the next
 * request on. Until then: none but IP addresses and localhost. */
void report_server_set_names(struct report_server *server, const char *names);

/* "" while it listens everywhere, or is to listen nowhere; otherwise why it does not. Borrowed. */
const char *report_server_problem(const struct report_server *server);
void report_server_destroy(struct report_server *server);

#endif
