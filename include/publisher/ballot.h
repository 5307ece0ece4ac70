/* The ballot: from what all servers of a cluster said, and what the store says, to what a publisher
 * is to write, if anything. Pure: no I/O, no clock of its own; it remembers only what it was told.
 *
 * A ballot is told each round of observations once (ballot_observe), and asked for an opinion as
 * often as the store is read (ballot_form): a publisher that lost a compare-and-set forms it anew
 * on what the store says then. */
#ifndef SEGUE_PUBLISHER_BALLOT_H
#define SEGUE_PUBLISHER_BALLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "topology.h"
#include "verify/server.h"

#define BALLOT_TIME_MAX   64 /* as struct topology's promoted_at */
#define BALLOT_REASON_MAX 640

enum sighting_role { SIGHTING_ROLE_UNKNOWN, SIGHTING_PRIMARY, SIGHTING_STANDBY, SIGHTING_WITNESS };

/* One server in one round. */
struct sighting {
	char name[TOPOLOGY_NAME_MAX]; /* repmgr's node name, or the configured one; may be "" */
	char host[TOPOLOGY_HOST_MAX]; /* with the port, what names it where `name` is "" */
	uint16_t port;
	enum server_class class; /* the rest is of this round, and only with SERVER_ANSWERED */
	bool in_recovery;
	bool receiving;   /* a standby that had a message from its primary within the last round */
	int64_t timeline; /* 0: not known */
	int64_t lsn;      /* written, or replayed by a standby; bytes; -1: not known */
	char system_identifier[32];
	/* What repmgr's tables say: of the server itself as anybody has it, ... */
	enum sighting_role role;
	bool inactive;
	/* ... and the latest successful promotion in this server's own event table. */
	char promoted_name[TOPOLOGY_NAME_MAX];
	char promoted_at[BALLOT_TIME_MAX]; /* ISO 8601 UTC; "": none */
};

enum ballot_store_state {
	BALLOT_STORE_ABSENT,
	BALLOT_STORE_INVALID, /* there is something that is no topology */
	BALLOT_STORE_VALUE,
};

struct ballot_store {
	enum ballot_store_state state;
	const struct topology *topology; /* VALUE */
	const char *seen_by; /* VALUE: another publisher, present in the store, that sees the
	                        primary of it take writes; NULL: none does, as far as is known */
	int64_t since_us;    /* VALUE: when this publisher was told that it is there; 0: now */
};

enum ballot_verdict {
	VERDICT_SAME,         /* the store says what is so */
	VERDICT_WAIT,         /* it does not, but nothing may be written (yet): `reason` */
	VERDICT_PUBLISH,      /* write `topology` */
	VERDICT_PUBLISH_NULL, /* write `topology`, which has no primary */
	VERDICT_ALARM,        /* a person has to look */
	VERDICT_BLIND,        /* no server can be seen */
};

struct opinion {
	enum ballot_verdict verdict;
	struct topology topology; /* PUBLISH, PUBLISH_NULL, SAME; else empty */
	char reason[BALLOT_REASON_MAX];
};

struct ballot_rules {
	const char *publisher; /* goes into the topology; borrowed, as the next one */
	const char *cluster;   /* goes into the command lines that reasons end with */
	unsigned null_after;   /* rounds without a primary before null is published */
	unsigned drop_after;   /* rounds without an answer before a standby drops out */
	int64_t fresh_us;      /* older observations are no ground for anything */
	int64_t null_hold_us;  /* for so long a person's null is respected */
};

struct ballot;

struct ballot *ballot_create(const struct ballot_rules *rules) MUST_CHECK;
void ballot_destroy(struct ballot *ballot);

/* A round is over. `wall`: the same moment as `now_us` in ISO 8601 UTC. Servers that are not among
 * the sightings any more are forgotten. */
void ballot_observe(struct ballot *ballot, const struct sighting *sightings, size_t count,
                    const struct ballot_store *store, int64_t now_us, const char *wall);

/* The store was read: a person's word in it counts from now on. To be told before ballot_form(),
 * each time. True: a person has named the primary, which is news; *floor_before is then the lowest
 * timeline that a primary might have had until now. */
bool ballot_hear(struct ballot *ballot, const struct ballot_store *store, int64_t now_us,
                 int64_t *floor_before);

/* `out` is initialised by the call, and the caller's to end with opinion_fini(). */
void ballot_form(const struct ballot *ballot, const struct ballot_store *store, int64_t now_us,
                 struct opinion *out);
void opinion_fini(struct opinion *opinion);

/* The opinion was written. Where somebody else takes back what only absence speaks for (a null, a
 * standby that dropped out), they see more than this one, which then does not insist. */
void ballot_written(struct ballot *ballot, const struct opinion *opinion);

unsigned ballot_rounds_blind(const struct ballot *ballot); /* since a server answered */

/* A line for each server: for --dry-run and the log of an alarm. */
void ballot_describe(const struct ballot *ballot, struct strbuf *out);
const char *verdict_name(enum ballot_verdict verdict);

#endif
