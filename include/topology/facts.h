/* The facts that a decision is made from: what ZooKeeper has (filled in by watch/) and what a
 * server answered (filled in by postgres/). Plain values, read by decide(). */
#ifndef SEGUE_TOPOLOGY_FACTS_H
#define SEGUE_TOPOLOGY_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "topology/topology.h"

/* --- ZooKeeper --- */

enum watch_state {
	WATCH_WAITING,     /* ZooKeeper has not answered yet since the start */
	WATCH_RESOLVING,   /* a new value; the host name of its primary is being resolved. With
	                      `problem`: it could not be resolved, and is tried again */
	WATCH_UNREACHABLE, /* there is no connection to ZooKeeper now */
	WATCH_ABSENT,      /* the znode does not exist (reported only after a sync) */
	WATCH_INVALID,     /* the value is empty, invalid, too large or unreadable; see `problem` */
	WATCH_VALUE,       /* `topology` is the current value */
};

struct watch_fact {
	enum watch_state state;
	const struct topology *topology; /* the last valid one that this watcher has read, or NULL;
	                                    it is current if state is WATCH_VALUE */
	int publishers;                  /* number of live ones; -1: not known, or presence = no */
	int64_t mzxid;                   /* of the last value read, valid or not */
	int64_t notified_us, read_us;    /* clock_now_us(): when the last change (of the value or of
	                                    `publishers`) was notified, and when it was read */
	const char *problem; /* INVALID, UNREACHABLE, and RESOLVING if a name cannot be resolved:
	                        the reason, with path, zxid and escaped bytes if they are known.
	                        VALUE: that the path has no keys of Patroni, so that no primary can
	                        be named. Otherwise NULL */
};

/* --- a server --- */

/* How the last attempt ended. */
enum server_class {
	SERVER_UNASKED,  /* no attempt has ended yet */
	SERVER_ANSWERED, /* in_recovery, timeline, ... are of this answer */
	SERVER_REFUSED,  /* no listener or no route (ECONNREFUSED, ...); or it closed the connection
	                    without sending anything, twice in a row */
	SERVER_TIMED_OUT, /* no answer within verify_timeout: frozen, or packets are lost */
	SERVER_STARTING,  /* 57P01, 57P02, 57P03: starting up, shutting down, in crash recovery */
	SERVER_FULL,      /* 53300: it runs, but has no free connection */
	SERVER_DENIED,    /* 28xxx, 3D000, 42501, 55000, no password: it runs, but refuses segue */
	SERVER_FAULTY,    /* it runs, but accepts nobody: any other SQLSTATE, such as 58P01 */
	SERVER_OTHER,     /* it runs, because it sent something, which is in `problem` */
	SERVER_CLASSES,
};

/* This many attempts in a row with the same result are evidence. More of them add nothing. */
#define SERVER_RUNNING_MATTERS 3

struct server_fact {
	char address[TOPOLOGY_ADDRESS_MAX]; /* numeric, no brackets; identifies it with `port` */
	uint16_t port;
	enum server_class class;
	unsigned unserved; /* attempts in a row that show that it takes no writes: refused, timed
	                      out, starting, or answered in recovery. After an open connection has
	                      ended, one refused, timed out or starting attempt already counts as
	                      SERVER_RUNNING_MATTERS */
	unsigned running;  /* attempts in a row with this class; for ANSWERED also with the same
	                      in_recovery. 0: UNASKED */
	/* From the last ANSWERED attempt; they keep their values when later attempts fail. */
	bool known;       /* there was an ANSWERED attempt */
	bool interrupted; /* since then it refused, was starting, or timed out until its loss was
	                     proven: its role may have changed */
	bool in_recovery; /* pg_is_in_recovery() */
	int64_t timeline; /* of a server that takes writes: from pg_walfile_name(); 0: not known */
	int64_t lsn;      /* pg_current_wal_lsn(), or on a standby the replayed one; bytes */
	char system_identifier[32]; /* decimal digits; "": the role may not read it */
	int64_t asked_us;           /* clock_now_us(): start of the last finished attempt */
	int64_t answered_us;        /* end of the last ANSWERED attempt; 0: never */
	int64_t heard_us;  /* as answered_us; before its first answer: when segue began to ask it */
	char problem[256]; /* the reason if class is not ANSWERED, one line of printable ASCII;
	                      otherwise "" */
};

const char *
    server_class_name(enum server_class class); /* "answered", "refused", "timed out", ... */

/* True if class, known, in_recovery, timeline and system_identifier are the same. Counters, times
 * and `problem` are not compared. */
bool server_says_the_same(const struct server_fact *a, const struct server_fact *b);

/* True if its last attempt was answered and it takes writes. */
static inline bool server_takes_writes(const struct server_fact *fact)
{
	return fact->class == SERVER_ANSWERED && !fact->in_recovery;
}

#endif
