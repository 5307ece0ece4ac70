/* Desired servers against live ones -> the fewest runtime commands. Pure. */
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
	size_t removals; /* of the commands, `del server` of one in maintenance. HAProxy refuses it
	                    while sessions last, so each diff says it again until it has worked;
	                    when these are all commands, clients are already where they belong */
	struct strbuf
	    summary;        /* for the log: "orders_rw/primary 10.0.0.1:5432->10.0.0.2:5432, ..." */
	bool needs_reload;  /* something is missing or too many that this version cannot add or
	                       remove */
	struct strbuf why;  /* then: what, "; " between */
	bool withholds;     /* limits are raised when HAProxy shows the new addresses: the next diff
	                       says so, and is no failure of this one */
	struct strbuf tidy; /* commands that change nothing for clients: "no limit" said as
	                       HAProxy's file says it. For when all else agrees */
	bool queue_lasts;   /* `tidy` is not complete, as clients are still in a queue */
	bool
	    needs_cleanup; /* an address changed, or a server is cut off: its sessions are to end */
};

#define HAPROXY_LATE_ADDRESS_FROM 3 /* the major version */

struct haproxy_abilities {
	bool can_add;      /* takes add server / del server (2.6 on) */
	bool late_address; /* shows a new address only after its answer (3.0 on) */
};

/* Compares every backend of `desired`; live backends that it does not name are nobody's business.
 * Not drift: maintenance inherited from a tracked server or from name resolution, a server that its
 * check holds down, and weight and state of a server with agent-check. A health check that a hand
 * disabled is drift, as is one that is on where it is to rest, and a limit (maxconn) that is not
 * that of the text, where the text tells.
 *
 * Clients in a queue go on when the limit is raised, and only then: so the address changes before
 * that. "No limit" wakes nobody: a limit that no machine reaches comes first, and `tidy` ends it
 * when the queue is empty. A surplus server is put into maintenance at once either way. */
void haproxy_diff(const struct haproxy_config *desired, const struct haproxy_live *live,
                  struct haproxy_abilities abilities, struct haproxy_diff *out);
void haproxy_diff_free(struct haproxy_diff *diff);

/* A server of `config` that gets the primary's clients, of a backend where HAProxy's own checks
 * have all servers down that do; NULL: there is none. Backends that lead to other servers, too, are
 * not looked at: there a check may well be for who is no primary. */
const struct haproxy_server *haproxy_find_down(const struct haproxy_config *config,
                                               const struct haproxy_endpoint *primary,
                                               const struct haproxy_live *live);

#endif
