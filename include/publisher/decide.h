/* The decider. From the answers of all servers of a cluster and from the value in the store, it
 * decides what a publisher has to write, if anything. Pure: no I/O, no clock of its own; it
 * remembers only what it was given.
 *
 * Each round of observations is given to it once (decider_observe). publish_decide is called as
 * often as the store is read: a publisher that lost a compare-and-set decides again on the value
 * that is there then. */
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
	char host[TOPOLOGY_HOST_MAX]; /* with the port, identifies the server if `name` is "" */
	uint16_t port;
	enum server_class class; /* what follows is of this round, and valid only with
	                            SERVER_ANSWERED */
	bool in_recovery;
	bool receiving;   /* a standby that got a message from its primary within the last round */
	int64_t timeline; /* 0: not known */
	int64_t lsn;      /* bytes written, or replayed by a standby; -1: not known */
	char system_identifier[32];
	/* From repmgr's tables: about this server, as any server's table has it, ... */
	enum node_role role;
	bool inactive;
	/* ... and the latest successful promotion in this server's own event table. */
	char promoted_name[TOPOLOGY_NAME_MAX];
	char promoted_at[PUBLISH_TIME_MAX]; /* ISO 8601 UTC; "": none */
};

enum stored_state {
	STORED_ABSENT,
	STORED_INVALID, /* the content is not a topology */
	STORED_VALUE,
};

struct stored_value {
	enum stored_state state;
	const struct topology *topology; /* VALUE */
	const char *seen_by; /* VALUE: another publisher, present in the store, that sees the
	                        primary of the value take writes; NULL: none is known */
	int64_t since_us;    /* VALUE: when this publisher learned of the value; 0: now */
};

enum publish_action {
	PUBLISH_DO_SAME,    /* the store is right */
	PUBLISH_DO_WAIT,    /* the store is not right, but nothing may be written (yet): `reason` */
	PUBLISH_DO_PUBLISH, /* write `topology` */
	PUBLISH_DO_PUBLISH_NULL, /* write `topology`, which has no primary */
	PUBLISH_DO_ALARM,        /* a person has to look */
	PUBLISH_DO_BLIND,        /* no server answers */
};

struct publish_decision {
	enum publish_action action;
	struct topology topology; /* PUBLISH, PUBLISH_NULL, SAME; otherwise empty */
	char reason[PUBLISH_REASON_MAX];
};

struct publish_rules {
	const char *publisher; /* written into the topology; borrowed, as is `cluster` */
	const char *cluster;   /* for the command lines at the end of reasons */
	unsigned null_after;   /* rounds without a primary before null is published */
	unsigned drop_after;   /* rounds without an answer before a standby drops out */
	int64_t fresh_us;      /* older observations are not used */
	int64_t null_hold_us;  /* how long a null that no publisher wrote is respected */
};

struct decider;

struct decider *decider_create(const struct publish_rules *rules) MUST_CHECK;
void decider_destroy(struct decider *decider);

/* Records a round that is over. `wall` is the moment `now_us` in ISO 8601 UTC. Servers that are not
 * in `states` are forgotten. */
void decider_observe(struct decider *decider, const struct node_state *states, size_t count,
                     const struct stored_value *store, int64_t now_us, const char *wall);

/* Records what was read from the store: if a person has named the primary or written a null there,
 * that counts from now on. To be called before each publish_decide(). Returns true if it is new
 * that a person has named the primary; *floor_before is then the lowest timeline that a primary
 * could have until now. */
bool decider_hear(struct decider *decider, const struct stored_value *store, int64_t now_us,
                  int64_t *floor_before);

/* `out` is initialised by the call; the caller ends it with publish_decision_fini(). */
void publish_decide(const struct decider *decider, const struct stored_value *store, int64_t now_us,
                    struct publish_decision *out);
void publish_decision_fini(struct publish_decision *decision);

/* The decision was written. If another publisher then reverts a null or the drop of a silent
 * standby, it sees more than this one, which does not write it again. */
void decider_written(struct decider *decider, const struct publish_decision *decision);

unsigned decider_rounds_blind(const struct decider *decider); /* rounds since a server answered */

/* Appends one line per server, for --dry-run and for the log of an alarm. */
void decider_describe(const struct decider *decider, struct strbuf *out);
const char *publish_action_name(enum publish_action action);

static inline bool publish_action_writes(enum publish_action action)
{
	return action == PUBLISH_DO_PUBLISH || action == PUBLISH_DO_PUBLISH_NULL;
}

#endif
