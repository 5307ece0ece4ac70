/* Compares the desired servers with the live ones, and makes the fewest runtime commands that
 * remove the differences. Pure. */
#ifndef SEGUE_HAPROXY_MODEL_DIFF_H
#define SEGUE_HAPROXY_MODEL_DIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "haproxy/model/config.h"
#include "haproxy/model/replies.h"

struct haproxy_diff {
	struct strbuf commands; /* "set server be/s addr ...;..." on one line without newline; ""
	                           when live and desired agree */
	size_t command_count;
	size_t removals; /* how many of the commands are `del server`. HAProxy refuses that while
	                    the server has sessions, so each diff repeats it until it succeeds.
	                    When all commands are removals, no client needs to be moved any more */
	struct strbuf
	    summary;        /* for the log: "orders_rw/primary 10.0.0.1:5432->10.0.0.2:5432, ..." */
	bool needs_reload;  /* a server is missing or surplus, and only a reload can add or remove
	                       it */
	struct strbuf why;  /* the reasons for the reload, separated by "; " */
	bool withholds;     /* a new maxconn waits until HAProxy shows the new address: the next
	                       diff has the command, and that is no failure of this one */
	struct strbuf tidy; /* commands that change nothing for clients: they set maxconn back to 0,
	                       as in HAProxy's file. Send them when everything else agrees */
	bool queue_lasts;   /* `tidy` is incomplete, because clients are still in a queue */
	bool needs_cleanup; /* an address changed, or a server is cut off: end its old sessions */
};

#define HAPROXY_LATE_ADDRESS_FROM 3 /* the major version */

struct haproxy_abilities {
	bool can_add;      /* it accepts `add server` and `del server` (2.6 on) */
	bool late_address; /* it changes an address only after its reply (3.0 on) */
};

/* Compares every backend of `desired`, and ignores live backends that it does not name.
 * Drift is also: a health check that somebody disabled, a health check that is enabled though the
 * server is `unchecked`, and a maxconn that differs from that of the text, if that is known.
 * Not drift: maintenance inherited from a tracked server or from name resolution, a server that is
 * DOWN by its check, and weight and state of a server with agent-check.
 *
 * Clients leave a queue only when maxconn is raised, so the address changes before that. maxconn 0
 * (no limit) does not make them leave: the diff first sets HAPROXY_MAXCONN_OPEN, and `tidy` sets 0
 * when the queue is empty. A surplus server is set to maintenance at once, also where this HAProxy
 * cannot remove it. */
void haproxy_diff(const struct haproxy_config *desired, const struct haproxy_live *live,
                  struct haproxy_abilities abilities, struct haproxy_diff *out);
void haproxy_diff_free(struct haproxy_diff *diff);

/* Finds a backend whose servers that take clients are all at `primary` and all DOWN by HAProxy's
 * own checks, and returns one of these servers; NULL: there is no such backend. Backends that also
 * have other servers are ignored: their check may be meant to pass on standbys only. */
const struct haproxy_server *haproxy_find_down(const struct haproxy_config *config,
                                               const struct haproxy_endpoint *primary,
                                               const struct haproxy_live *live);

#endif
