/* Connections to the primary that never say a word. When a postmaster dies, its children learn it
 * from a pipe, and Linux wakes those that were forked last first: observed, the newest of three
 * ends before all sessions of the server in most deaths, and one of the three does in all of them.
 * So a PgBouncer can be paused before the last of its own connections is gone and it turns clients
 * away.
 *
 * Each costs the server a process that waits for a startup packet (PostgreSQL manual, 55.2.1), for
 * TRIPWIRE_LIFE_MS at most, which is shorter than authentication_timeout; no connection slot, no
 * login; and a line in its log with log_connections = on. */
#ifndef SEGUE_POSTGRES_TRIPWIRE_INTERNAL_H
#define SEGUE_POSTGRES_TRIPWIRE_INTERNAL_H

#include "base/util.h"
#include "topology/topology.h"

#define TRIPWIRES_MAX    8
#define TRIPWIRE_LIFE_MS 30000

struct event_base;
struct tripwire;

enum tripwire_news {
	/* The server ended one that had stood. By itself that proves nothing. */
	TRIPWIRE_ENDED,
	/* And refused the connection that was tried right after: nobody listens there any more.
	 * After that it is quiet until it is armed again. */
	TRIPWIRE_REFUSED,
};

/* Never inside a call from the left; the tripwire may be destroyed in it. */
typedef void tripwire_cb(enum tripwire_news news, void *arg);

/* `count` of them, 1 to TRIPWIRES_MAX, to the address of `member`, which is numeric; none before
 * tripwire_arm(). */
struct tripwire *tripwire_create(struct event_base *base, const struct member *member,
                                 unsigned count, tripwire_cb *cb, void *arg) MUST_CHECK;
void tripwire_destroy(struct tripwire *tripwire); /* NULL is fine */

/* The server has just said that it takes writes: makes one of those that are missing, and replaces
 * the oldest where its turn has come. To be called after each such answer. Not all at once: a limit
 * of time (authentication_timeout, a firewall's) would end them together, as a death does. */
void tripwire_arm(struct tripwire *tripwire);
/* It says something else, or nothing: closes them, as one that shuts down would wait for them. */
void tripwire_disarm(struct tripwire *tripwire);

#endif
