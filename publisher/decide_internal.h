/* What decide.c (the memory and the rules) and decide_topology.c (what is written) share. No other
 * file includes it. */
#ifndef SEGUE_PUBLISHER_DECIDE_INTERNAL_H
#define SEGUE_PUBLISHER_DECIDE_INTERNAL_H

#include "publisher/decide.h"

struct decider_node {
	struct node_state now; /* of the last round */
	bool answers;          /* it answered in the last round */
	unsigned unanswered;   /* rounds since its last answer, or since it is known */
	bool was_standby;      /* it was a standby when it answered last, ... */
	int64_t behind;        /* ... and this many bytes behind the primary; -1: not known */
	int64_t writes_on;     /* the timeline that it takes writes on; 0: it does not */
	char writes_since[PUBLISH_TIME_MAX]; /* when it was first seen to do so */
	bool turned;  /* it was seen before it took writes there: this publisher has seen the
	                 promotion */
	bool dropped; /* this publisher wrote a topology without it */
	bool joined;  /* since a person named the primary, it was a standby on a timeline not above
	                 the mark's */
};

struct decider {
	struct publish_rules rules;
	struct decider_node *nodes;
	size_t count;
	int64_t observed_us;
	unsigned rounds_null; /* rounds without a server that may be the primary, ... */
	char none_since[PUBLISH_TIME_MAX]; /* ... and when the first of them was */
	unsigned rounds_blind;             /* rounds without any answer */
	int64_t floor;                     /* the highest timeline that any server was on ... */
	struct topology_mark mark; /* ... since a person last named the primary, in this mark */
	int64_t stored_timeline;   /* the highest timeline that the store had since then */
	struct {                   /* a null in the store that no publisher wrote */
		int64_t zxid;      /* 0: none, or a publisher wrote it */
		int64_t since_us, timeline;
	} null;
	bool said_null; /* this publisher wrote a null, and has seen no primary since */
};

/* decide.c */
bool decider_counts(const struct decider_node *node); /* it answers, and is no witness */
bool decider_stranger(const struct decider_node *node, const struct stored_value *store);

/* decide_topology.c */
/* The store's topology; an empty one if it has none. */
const struct topology *decider_stored(const struct stored_value *store);
int promotion_time_compare(const char *a, const char *b); /* "" is the earliest */
bool decider_is_member(const struct decider_node *node, const struct member *member);
/* The standby of `topology` that is this server; NULL: none. */
const struct member *decider_listed(const struct decider_node *node,
                                    const struct topology *topology);
/* The latest promotion of `node` in the repmgr tables of any server; "": none. */
const char *decider_event_of(const struct decider *decider, const struct decider_node *node);
/* `primary` may be NULL. The caller fills in timeline and promoted_at. */
void decider_topology(const struct decider *decider, const struct stored_value *store,
                      const struct decider_node *primary, struct topology *out);
bool decider_same_topology(const struct topology *a, const struct topology *b);

/* The text of a publisher's presence znode: what each server of the cluster looks like from there.
 * Pure. JSON: {"version":1, "publisher":NAME, "nodes":[{"name","host","port","says","timeline"}]};
 * "says" is "primary", "standby", "witness", or a server_class_name(). */

/* Contains nothing that changes with every transaction, because each change is a write. Caller
 * frees. */
char *seen_nodes_encode(const char *publisher, const struct node_state *states,
                        size_t count) MUST_CHECK;

/* Returns true if it shows the primary of the topology taking writes, on its timeline or a later
 * one. Bytes that are no such document show nothing. */
bool seen_nodes_has_primary(const char *data, size_t size, const struct topology *topology);

#endif
