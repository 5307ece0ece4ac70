/* The decider: from what all servers of a cluster said, and what the store says, to what a
 * publisher is to write, if anything. Pure: no I/O, no clock of its own; it remembers only what it
 * was told.
 *
 * A decider is told each round of observations once (decider_observe), and asked for an decision as
 * often as the store is read (publish_decide): a publisher that lost a compare-and-set forms it
 * anew on what the store says then. */
#ifndef SEGUE_PUBLISHER_DECIDE_H
#define SEGUE_PUBLISHER_DECIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "topology/facts.h"
#include "topology/topology.h"

#define PUBLISH_TIME_MAX   64 /* as struct topology's promoted_at */
#define PUBLISH_REASON_MAX 640

enum node_role { NODE_ROLE_UNKNOWN, NODE_PRIMARY, NODE_STANDBY, NODE_WITNESS };

/* One server in one round. */
struct node_state {
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
	enum node_role role;
	bool inactive;
	/* ... and the latest successful promotion in this server's own event table. */
	char promoted_name[TOPOLOGY_NAME_MAX];
	char promoted_at[PUBLISH_TIME_MAX]; /* ISO 8601 UTC; "": none */
};

enum stored_state {
	STORED_ABSENT,
	STORED_INVALID, /* there is something that is no topology */
	STORED_VALUE,
};

struct stored_value {
	enum stored_state state;
	const struct topology *topology; /* VALUE */
	const char *seen_by; /* VALUE: another publisher, present in the store, that sees the
	                        primary of it take writes; NULL: none does, as far as is known */
	int64_t since_us;    /* VALUE: when this publisher was told that it is there; 0: now */
};

enum publish_action {
	PUBLISH_DO_SAME,         /* the store says what is so */
	PUBLISH_DO_WAIT,         /* it does not, but nothing may be written (yet): `reason` */
	PUBLISH_DO_PUBLISH,      /* write `topology` */
	PUBLISH_DO_PUBLISH_NULL, /* write `topology`, which has no primary */
	PUBLISH_DO_ALARM,        /* a person has to look */
	PUBLISH_DO_BLIND,        /* no server can be seen */
};

struct publish_decision {
	enum publish_action action;
	struct topology topology; /* PUBLISH, PUBLISH_NULL, SAME; else empty */
	char reason[PUBLISH_REASON_MAX];
};

struct publish_rules {
	const char *publisher; /* goes into the topology; borrowed, as the next one */
	const char *cluster;   /* goes into the command lines that reasons end with */
	unsigned null_after;   /* rounds without a primary before null is published */
	unsigned drop_after;   /* rounds without an answer before a standby drops out */
	int64_t fresh_us;      /* older observations are no ground for anything */
	int64_t null_hold_us;  /* for so long a person's null is respected */
};

struct decider;

struct decider *decider_create(const struct publish_rules *rules) MUST_CHECK;
void decider_destroy(struct decider *decider);

/* A round is over. `wall`: the same moment as `now_us` in ISO 8601 UTC. Servers that are not among
 * the states any more are forgotten. */
void decider_observe(struct decider *decider, const struct node_state *states, size_t count,
                     const struct stored_value *store, int64_t now_us, const char *wall);

/* The store was read: a person's word in it counts from now on. To be told before publish_decide(),
 * each time. True: a person has named the primary, which is news; *floor_before is then the lowest
 * timeline that a primary might have had until now. */
bool decider_hear(struct decider *decider, const struct stored_value *store, int64_t now_us,
                  int64_t *floor_before);

/* `out` is initialised by the call, and the caller's to end with publish_decision_fini(). */
void publish_decide(const struct decider *decider, const struct stored_value *store, int64_t now_us,
                    struct publish_decision *out);
void publish_decision_fini(struct publish_decision *decision);

/* The decision was written. Where somebody else takes back what only absence speaks for (a null, a
 * standby that dropped out), they see more than this one, which then does not insist. */
void decider_written(struct decider *decider, const struct publish_decision *decision);

unsigned decider_rounds_blind(const struct decider *decider); /* since a server answered */

/* A line for each server: for --dry-run and the log of an alarm. */
void decider_describe(const struct decider *decider, struct strbuf *out);
const char *publish_action_name(enum publish_action action);

#endif
