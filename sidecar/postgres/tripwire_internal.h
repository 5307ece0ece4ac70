/* Connections to the primary that never send anything. When a postmaster dies, its child processes
 * learn it from a pipe, and Linux wakes the most recently forked ones first. Observed: in most
 * deaths the newest of three such connections ends before all sessions of the server, and in all
 * deaths one of the three does. So a PgBouncer can be paused before the last of its own server
 * connections is gone and it rejects clients.
 *
 * Each connection costs the server a process that waits for a startup packet (PostgreSQL manual,
 * 55.2.1), for at most TRIPWIRE_LIFE_MS, which is shorter than authentication_timeout. It takes no
 * connection slot and no login. With log_connections = on it writes a line to the server's log. */
#ifndef SEGUE_POSTGRES_TRIPWIRE_INTERNAL_H
#define SEGUE_POSTGRES_TRIPWIRE_INTERNAL_H

#include "base/util.h"
#include "topology/topology.h"

#define TRIPWIRES_MAX    8
#define TRIPWIRE_LIFE_MS 30000

struct event_base;
struct tripwire;

enum tripwire_news {
	/* The server ended a connection that was open. This alone proves nothing. */
	TRIPWIRE_ENDED,
	/* The same, and the connection that was tried right after was refused: no process listens
	 * there any more. Nothing more is reported until tripwire_arm(). */
	TRIPWIRE_REFUSED,
};

/* Called from the event loop, never from inside a function below. The tripwire may be destroyed in
 * it. */
typedef void tripwire_cb(enum tripwire_news news, void *arg);

/* `count`: how many connections, 1 to TRIPWIRES_MAX, to the numeric address of `member`. None is
 * opened before tripwire_arm(). */
struct tripwire *tripwire_create(struct event_base *base, const struct member *member,
                                 unsigned count, tripwire_cb *cb, void *arg) MUST_CHECK;
void tripwire_destroy(struct tripwire *tripwire); /* NULL is fine */

/* Call this after each answer in which the server accepts writes. Opens one of the connections that
 * are missing, and replaces the oldest when it is due. It never opens all at once: a time limit
 * (authentication_timeout, a firewall's) would end them together, which looks like a death. */
void tripwire_arm(struct tripwire *tripwire);
/* Call this after any other answer, and after none. Closes the connections, because a server that
 * shuts down would wait for them. */
void tripwire_disarm(struct tripwire *tripwire);

#endif
