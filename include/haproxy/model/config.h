/* Parses the rendered HAProxy text as HAProxy does, as far as segue needs it: the servers of each
 * backend with address, port, weight and state. Tells whether two texts differ in anything that the
 * runtime API cannot change. Pure. HAProxy Configuration Manual 2.1, 2.2, 4.2, 5.2. */
#ifndef SEGUE_HAPROXY_MODEL_CONFIG_H
#define SEGUE_HAPROXY_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"

/* Another file may set maxconn, or minconn is set. */
#define HAPROXY_MAXCONN_UNKNOWN (-1)
#define HAPROXY_MAXCONN_HELD    1       /* in a hold: one client tries, the others queue */
#define HAPROXY_MAXCONN_OPEN    1000000 /* empties the queue of a server without a limit */

struct haproxy_server {
	char *backend; /* of a `backend` or `listen` section */
	char *name;
	char *address; /* numeric, no brackets */
	uint16_t port;
	unsigned weight; /* 0 to 256; default 1, or that of default-server */
	bool disabled;
	bool check;       /* it has health checks */
	bool agent;       /* agent-check: the agent sets weight, state and health */
	bool track;       /* it takes its health from another server */
	bool backup;      /* it gets clients only while the others are DOWN */
	char *params;     /* the parameters that cannot change at runtime, those of default-server
	                     first, separated by one blank, escaped for the runtime API (which
	                     knows no quotes): what `add server` takes */
	bool reload_only; /* params hold a character that no command can carry */
	int64_t maxconn;  /* concurrent sessions; 0: no limit; HAPROXY_MAXCONN_UNKNOWN */
	int64_t queue_ms; /* how long a client may wait in its queue while the connections of other
	                     clients fail; 0: clients cannot be held there */
	bool unchecked;   /* disable its health checks; see haproxy_config_hold() */
	bool cut_off;     /* end all its sessions; see haproxy_config_fence() */
	unsigned line;
};

/* Servers that only HAProxy's file can change: a server line whose address is no IP (a unix socket,
 * for example), or a server-template. Their lines are part of `structure`. */
struct haproxy_fixed {
	char *backend, *name;
	unsigned first, last; /* of a server-template: numbers after `name`; both 0: one server */
};

struct haproxy_config {
	struct haproxy_server *servers;
	size_t server_count;
	bool shares_a_name; /* a frontend has the name of a backend (allowed until 3.2): `show stat`
	                       with that name then shows the frontend only */
	char **backends;    /* names of backend and listen sections, in order */
	size_t backend_count;
	struct haproxy_fixed *fixed;
	size_t fixed_count;
	char *structure; /* what only a reload can change: the lines of the text without comments
	                    and `server` lines, words separated by one blank */
};

/* Errors read "line N: reason". Refused are a host name instead of an address, a port that is
 * missing or out of range, a name that a runtime command could not carry, two servers with one name
 * in a backend, and what segue cannot know: an environment variable in a server line, or a
 * conditional block around one. */
bool haproxy_config_parse(const char *text, size_t len, struct haproxy_config *out,
                          struct err *err) MUST_CHECK;
void haproxy_config_free(struct haproxy_config *config);
bool haproxy_config_is_fixed(const struct haproxy_config *config, const char *backend,
                             const char *name);

/* True when a HAProxy that has loaded `old` needs a reload for `new`: the structure differs, or the
 * params or `check` of a server that is in both. Appends the first difference to `why`. Servers
 * that are added or removed do not count: see diff.h. */
bool haproxy_config_needs_reload(const struct haproxy_config *old, const struct haproxy_config *new,
                                 struct strbuf *why);

/* Returns the server of `config` with the backend and name of `like`; NULL: none. Starts the search
 * at *hint (0 for the first call) and wraps around: two texts mostly have the same order, so that
 * looking up all servers in turn takes linear time. */
const struct haproxy_server *haproxy_config_find(const struct haproxy_config *config,
                                                 const struct haproxy_server *like, size_t *hint);

/* True when a HAProxy that follows `config` no longer has `server`, which is not in
 * config->servers: `config` has its backend, and no fixed entry for it. `hint`: as above, among the
 * backends. */
bool haproxy_config_drops(const struct haproxy_config *config, const struct haproxy_server *server,
                          size_t *hint);

struct haproxy_endpoint {
	const char *address; /* as haproxy_address_canonical() spells it; NULL: any */
	uint16_t port;
};
bool haproxy_server_is_at(const struct haproxy_server *server,
                          const struct haproxy_endpoint *place);

/* Makes the config that HAProxy must show in a hold of `hold_ms`. The servers of `config` at the
 * address of `primary` get the address `closed`, where nobody listens, and their health checks are
 * disabled, so that these do not set them DOWN. Where clients can wait that long in HAProxy's queue
 * (see queue_ms), the server also gets maxconn HAPROXY_MAXCONN_HELD: one client tries the closed
 * port, all others wait in the queue. The rest is as in `config`, which `out` borrows from. Returns
 * the number of servers that changed. Free with haproxy_config_open(). */
size_t haproxy_config_hold(const struct haproxy_config *config,
                           const struct haproxy_endpoint *primary,
                           const struct haproxy_endpoint *closed, int64_t hold_ms,
                           struct haproxy_config *out);

/* Makes the config that HAProxy must show in a fence: the servers at `primary` are disabled, and
 * all their sessions are to end. A server with agent-check only loses its sessions, because the
 * agent sets its state. `closed`: the address that these servers have from a hold before; they keep
 * it, so that clients that leave the queue do not reach the primary. NULL: there was no hold.
 * Otherwise as haproxy_config_hold(). */
size_t haproxy_config_fence(const struct haproxy_config *config,
                            const struct haproxy_endpoint *primary,
                            const struct haproxy_endpoint *closed, struct haproxy_config *out);
void haproxy_config_open(struct haproxy_config *config);

/* Appends `text` to `out` with the servers as in `desired`: address, weight, disabled or not. A
 * server that `desired` does not have in that backend becomes disabled. Changes nothing else: a
 * HAProxy that has loaded `text` needs no reload for the result. After an error the content of
 * `out` is undefined. */
bool haproxy_config_patch(const char *text, size_t len, const struct haproxy_config *desired,
                          struct strbuf *out, struct err *err) MUST_CHECK;

#endif
