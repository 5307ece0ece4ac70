/* The HTTP endpoint: the status, and over the unix socket alone the operator's words. It knows no
 * cluster: all comes from its source. */
#ifndef SEGUE_REPORT_SERVER_H
#define SEGUE_REPORT_SERVER_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct event_base;
struct report_server;

struct report_source {
	json_t *(*status)(void *arg); /* the document of GET /status; a new reference */
	/* POST /override/<cluster> with {"kind": "pin", "address": ..., "port": ..., "by": ...},
	 * {"kind": "freeze", ...} or {"kind": "none"}: false with the reason in `err`. */
	bool (*override)(void *arg, const char *cluster, const json_t *body, struct err *err);
	void *arg;
};

/* `listen`: "unix:PATH" or "host:port", as segue.ini has it; on a unix socket POST is allowed, on
 * TCP nothing but GET. A stale socket file is replaced, one that is in use is an error. `source` is
 * copied. */
struct report_server *report_server_create(struct event_base *base, const char *listen,
                                           const struct report_source *source,
                                           struct err *err) MUST_CHECK;
void report_server_destroy(struct report_server *server);

#endif
