/* The facts that a decision is made from: what the store said (made by watch/) and what a server
 * answered (made by postgres/). Plain values, read by decide(). */
#ifndef SEGUE_TOPOLOGY_FACTS_H
#define SEGUE_TOPOLOGY_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "topology/topology.h"

/* --- the store --- */

enum watch_state {
	WATCH_WAITING,   /* since the start no answer from the store */
	WATCH_RESOLVING, /* a value whose primary has a name that is being resolved; with `problem`,
	                    one that did not, and is asked again */
	WATCH_UNREACHABLE, /* there is no connection to the store now */
	WATCH_ABSENT,      /* the znode does not exist (believed only after a sync) */
	WATCH_INVALID,     /* empty, garbage, too large or unreadable; `problem` says all of it */
	WATCH_VALUE,       /* `topology` is what the store says */
};

struct watch_fact {
	enum watch_state state;
	const struct topology *topology; /* the last good one ever read by this watcher, or NULL; is
	                                    current when state is WATCH_VALUE */
	int publishers;                  /* live ones; -1: not known or presence = no */
	int64_t mzxid;                   /* of the value read last, good or not */
	int64_t notified_us, read_us;    /* of what was read last, value or presence */
	const char *problem; /* INVALID, UNREACHABLE, RESOLVING when a name does not resolve: path,
	                        zxid, reason, escaped bytes; VALUE where nobody can be named, as no
	                        key of Patroni's is below the path; else NULL */
};

/* --- a server --- */

/* How the last attempt ended. */
enum server_class {
	SERVER_UNASKED,  /* no attempt has ended yet */
	SERVER_ANSWERED, /* in_recovery, timeline, ... are of this answer */
	SERVER_REFUSED,  /* nobody listens, or there is no way to the host (ECONNREFUSED, ...); hung
	                    up without a word, twice running */
	SERVER_TIMED_OUT, /* no answer in verify_timeout: frozen, black-holed, or its packets lost
	                   */
	SERVER_STARTING,  /* 57P03: starting up, shutting down, in crash recovery */
	SERVER_FULL,      /* 53300: it lives, all its connections are taken */
	SERVER_DENIED,    /* 28xxx, 3D000, 42501, no password: it lives, we are not let in */
	SERVER_FAULTY,    /* it lives, and lets nobody in: any other SQLSTATE, as 58P01 */
	SERVER_OTHER,     /* it lives, as it said something; `problem` has it */
	SERVER_CLASSES,
};

/* So many attempts in a row that end alike are evidence; more prove nothing more. */
#define SERVER_RUNNING_MATTERS 3

struct server_fact {
	char address[TOPOLOGY_ADDRESS_MAX]; /* numeric, no brackets: with `port` the server's key */
	uint16_t port;
	enum server_class class;
	unsigned unserved; /* attempts in a row that say it takes no writes: refused, timed out,
	                      starting, or answered in recovery. The end of a warm connection and
	                      one attempt after it that is not answered matter as much as
	                      SERVER_RUNNING_MATTERS of them */
	unsigned running; /* attempts in a row that ended like this one; for ANSWERED: with the same
	                     in_recovery. 0: UNASKED */
	/* Of the last attempt that was ANSWERED; they stay when later ones fail. */
	bool known;       /* there was one */
	bool interrupted; /* since then it refused, was starting, or was silent for so long that
	                     its loss was proven: it may be something else by now */
	bool in_recovery; /* pg_is_in_recovery() */
	int64_t timeline; /* of a server that takes writes: from pg_walfile_name(); 0: not known */
	int64_t lsn;      /* pg_current_wal_lsn(), or what a standby has replayed; bytes */
	char system_identifier[32]; /* decimal digits; "": the role may not read it */
	int64_t asked_us;           /* clock_now_us(): when the last attempt that has ended began */
	int64_t answered_us;        /* when the last ANSWERED one ended; 0: never */
	int64_t heard_us;  /* as answered_us; before the first answer: when it was first followed */
	char problem[256]; /* in words, one line of printable ASCII, when class is not ANSWERED;
	                      else "" */
};

const char *
    server_class_name(enum server_class class); /* "answered", "refused", "timed out", ... */

/* True when class, recovery, timeline and identifier are the same: how often it said so, when, and
 * in which words does not count. */
bool server_says_the_same(const struct server_fact *a, const struct server_fact *b);

/* True when it answered last time and takes writes. */
static inline bool server_takes_writes(const struct server_fact *fact)
{
	return fact->class == SERVER_ANSWERED && !fact->in_recovery;
}

#endif
