/* What decider.c (the memory), publish_decide.c (the rules) and decider_topology.c (what is
 * written) share. Nobody else includes it. */
#ifndef SEGUE_PUBLISHER_DECIDE_INTERNAL_H
#define SEGUE_PUBLISHER_DECIDE_INTERNAL_H

#include "publisher/decide.h"

struct decider_node {
	struct node_state now; /* of the last round */
	bool answers;          /* it did in the last round */
	unsigned unanswered;   /* rounds since it did, or since it is known */
	bool was_standby;      /* what it was when it answered last ... */
	int64_t behind;        /* ... and the bytes behind the primary; -1: not known */
	int64_t writes_on;     /* the timeline that it takes writes on; 0: it does not */
	char writes_since[PUBLISH_TIME_MAX]; /* when that was seen first */
	bool turned;  /* it was seen as a standby before it took writes: a promotion, witnessed */
	bool dropped; /* this publisher wrote a topology without it */
	bool joined;  /* since a person named the primary, it was a standby on a timeline of then */
};

struct decider {
	struct publish_rules rules;
	struct decider_node *nodes;
	size_t count;
	int64_t observed_us;
	unsigned rounds_null;              /* without a server that may be the primary, ... */
	char none_since[PUBLISH_TIME_MAX]; /* ... the first of which was then */
	unsigned rounds_blind;             /* without any answer */
	int64_t floor;             /* the highest timeline that any server was ever on, ... */
	struct topology_mark mark; /* ... since a person said this last */
	int64_t stored_timeline;   /* the highest one that the store had since then */
	struct {                   /* no publisher wrote the store's null */
		int64_t zxid;      /* 0: none, or a publisher did */
		int64_t since_us, timeline;
	} null;
	bool said_null; /* this publisher did, and has seen no primary since */
};

/* decider.c */
bool decider_stranger(const struct decider_node *node, const struct stored_value *store);

/* decider_topology.c */
int promotion_time_compare(const char *a, const char *b); /* "" is the earliest */
bool decider_is_member(const struct decider_node *node, const struct member *member);
/* The latest promotion of `node` that anybody's repmgr tables hold; "": none. */
const char *decider_event_of(const struct decider *decider, const struct decider_node *node);
/* `primary` may be NULL. Timeline and promoted_at are the caller's to fill in. */
void decider_topology(const struct decider *decider, const struct stored_value *store,
                      const struct decider_node *primary, struct topology *out);
bool decider_same_topology(const struct topology *a, const struct topology *b);

#endif
