/* The rendered HAProxy text, read the way HAProxy reads it, as far as segue needs: which server
 * stands in which backend with which address, port, weight and state, and whether two texts differ
 * in anything that the runtime API cannot change. Pure. HAProxy Configuration
 * Manual 2.1, 2.2, 4.2, 5.2. */
#ifndef SEGUE_HAPROXY_MODEL_CONFIG_H
#define SEGUE_HAPROXY_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"

#define HAPROXY_MAXCONN_UNKNOWN                                                                  \
	(-1)                         /* a file that is not at hand may say it, or minconn is set \
	                              */
#define HAPROXY_MAXCONN_HELD 1       /* of a server before whose closed port clients queue */
#define HAPROXY_MAXCONN_OPEN 1000000 /* wakes the queue of a server without a limit */

struct haproxy_server {
	char *backend; /* of a `backend` or `listen` section */
	char *name;
	char *address; /* numeric, no brackets */
	uint16_t port;
	unsigned weight; /* 0 to 256; default 1, or the section's default-server's */
	bool disabled;
	bool check;       /* health checks are on for it */
	bool agent;       /* agent-check: weight, state and health are the agent's to set */
	bool track;       /* its health is that of another server */
	char *params;     /* everything after the address that cannot change at runtime,
	                     default-server's parts first, in single blanks, with the escapes of the
	                     runtime socket (which knows no quotes): what `add server` takes */
	bool reload_only; /* params hold a character that no command can carry */
	int64_t maxconn;  /* sessions at once; 0: no limit; HAPROXY_MAXCONN_UNKNOWN */
	int64_t queue_ms; /* how long a client may wait in the queue before it, while others do not
	                     get through; 0: clients cannot be held there */
	bool unchecked;   /* its health checks are to rest; see haproxy_config_hold() */
	bool cut_off;     /* no session may stay; see haproxy_config_fence() */
	unsigned line;
};

/* Servers that only HAProxy's file can change: a server line with a unix socket or another address
 * that is no IP, or a server-template. Their lines belong to the structure. */
struct haproxy_fixed {
	char *backend, *name;
	unsigned first, last; /* numbers that follow `name`; both 0: `name` is all */
};

struct haproxy_config {
	struct haproxy_server *servers;
	size_t server_count;
	bool shares_a_name; /* a frontend has the name of a backend (until 3.2): by its name `show
	                       stat` tells of the frontend alone */
	char **backends;    /* names of backend and listen sections, in order */
	size_t backend_count;
	struct haproxy_fixed *fixed;
	size_t fixed_count;
	char *structure; /* the text without comments, blank runs, and without the server lines;
	                    with line breaks: what only a reload can change */
};

/* Errors read "line N: reason": a host name where an address must be, a port missing or out of
 * range, a name that the runtime socket could not carry, two servers of one name, and what segue
 * cannot know: an environment variable or a conditional block around a server. */
bool haproxy_config_parse(const char *text, size_t len, struct haproxy_config *out,
                          struct err *err) MUST_CHECK;
void haproxy_config_free(struct haproxy_config *config);
bool haproxy_config_is_fixed(const struct haproxy_config *config, const char *backend,
                             const char *name);

/* True when `new` holds something that HAProxy, having loaded `old`, can take up only by a reload:
 * structure, or params of a server that is in both. `why` gets words with the first difference.
 * Servers added or removed do not count: see diff.h. */
bool haproxy_config_needs_reload(const struct haproxy_config *old, const struct haproxy_config *new,
                                 struct strbuf *why);

/* The server of `config` with backend and name of `like`; NULL: none. Looks from *hint (0 at first)
 * on and around, as texts are mostly in the same order: a walk over all servers is linear. */
const struct haproxy_server *haproxy_config_find(const struct haproxy_config *config,
                                                 const struct haproxy_server *like, size_t *hint);

struct haproxy_endpoint {
	const char *address; /* as haproxy_address_canonical() spells it; NULL: any */
	uint16_t port;
};

/* What HAProxy is to show while clients wait `hold_ms` for a primary: the servers of `config` that
 * lead to `primary` lead to `closed`, where nobody listens, and a check does not bring them down
 * there; all else is as in `config`, which `out` borrows from. Where the text lets clients wait
 * that long in HAProxy's queue (see queue_ms), the server's limit is HAPROXY_MAXCONN_HELD: one
 * client tries the closed port, all others wait in the queue. Returns how many they are. Free with
 * haproxy_config_open(). */
size_t haproxy_config_hold(const struct haproxy_config *config,
                           const struct haproxy_endpoint *primary,
                           const struct haproxy_endpoint *closed, int64_t hold_ms,
                           struct haproxy_config *out);

/* Those servers disabled, and no session left to them. One with an agent-check, whose state is the
 * agent's to set, only loses its sessions. `closed`: where a hold before it has led them; they stay
 * there, as clients that leave the queue must not reach the primary. NULL: there was none. */
size_t haproxy_config_fence(const struct haproxy_config *config,
                            const struct haproxy_endpoint *primary,
                            const struct haproxy_endpoint *closed, struct haproxy_config *out);
void haproxy_config_open(struct haproxy_config *config);

/* Appends `text` to `out` with the servers as in `desired`: address, weight, disabled or not; one
 * that `desired` no longer has in that backend is disabled. All else stays: HAProxy, having loaded
 * `text`, needs no reload for it. On an error `out` holds anything. */
bool haproxy_config_patch(const char *text, size_t len, const struct haproxy_config *desired,
                          struct strbuf *out, struct err *err) MUST_CHECK;

#endif
