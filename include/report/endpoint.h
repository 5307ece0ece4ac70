/* The HTTP endpoint: it serves the status and, on unix sockets only, takes the operator's commands.
 * It knows no cluster: everything comes from its source. */
#ifndef SEGUE_REPORT_ENDPOINT_H
#define SEGUE_REPORT_ENDPOINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"

struct event_base;
struct report_server;

/* The position in a long document that is made part by part; the event loop runs in between. */
struct report_cursor {    /* all 0 at the start */
	size_t next;      /* the part to make next */
	unsigned edition; /* of the source; when it changes, the document starts again */
};

struct report_source {
	/* GET /status: appends the next part of the document; false: this was the last part. */
	bool (*status)(void *arg, struct report_cursor *at, struct strbuf *text);
	bool (*metrics)(void *arg, struct report_cursor *at, struct strbuf *text);
	/* GET /readyz: false if not ready; appends the reasons, one per line. */
	bool (*ready)(void *arg, struct strbuf *why);
	/* All functions are called from the event loop, and must not destroy the server.
	 *
	 * POST /override/<cluster> with {"kind": "pin", "address": ..., "port": ..., "by": ...},
	 * {"kind": "freeze", ...} or {"kind": "none"}. The body is not checked yet: see
	 * override_from_json(). False with the reason in `err`. */
	bool (*override)(void *arg, const char *cluster, const json_t *body, struct err *err);
	void *arg;
};

/* `listen`: "unix:PATH" or "host:port", several of them separated by commas, as in segue.ini, or ""
 * for none. POST is allowed on a unix socket; on TCP only GET is. `source` is copied. Fails only if
 * `listen` is not valid. If an address cannot be used now (no folder, another process listens
 * there), that is logged and tried again, because a sidecar without its endpoint still moves the
 * proxies. A stale socket file is replaced. */
struct report_server *report_server_create(struct event_base *base, const char *listen,
                                           const struct report_source *source,
                                           struct err *err) MUST_CHECK;

/* For a reload. An address that stays is not touched, and its clients stay connected. On failure
 * nothing changes. */
bool report_server_set_listen(struct report_server *server, const char *listen,
                              struct err *err) MUST_CHECK;

/* Sets the names under which it may be asked over TCP, as host_is_allowed() takes them, from the
 * next request on. Before this call only IP addresses and localhost are allowed. */
void report_server_set_names(struct report_server *server, const char *names);

/* "" if it listens on all its addresses, or has none; otherwise why it does not. Borrowed. */
const char *report_server_problem(const struct report_server *server);
void report_server_destroy(struct report_server *server);

#endif
