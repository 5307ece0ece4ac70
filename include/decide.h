/* decide: what to do with what the store says. Pure: no I/O, no clock. */
#ifndef SEGUE_DECIDE_H
#define SEGUE_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "topology.h"
#include "watch/watcher.h"

/* What was applied last, kept over restarts. */
struct applied {
	int64_t zxid;       /* 0: nothing yet */
	int64_t floor_zxid; /* after a roll-back of the store was seen: only a value above this is
	                       newer; 0: no roll-back */
	bool has_topology;
	struct topology topology;
};

enum decision_kind {
	DECIDE_WAIT,   /* nothing known, nothing done */
	DECIDE_KEEP,   /* the last applied topology stays */
	DECIDE_MOVE,   /* apply the fact's topology */
	DECIDE_REFUSE, /* an older or impossible fact: the last one stays, and it is an alarm */
};

struct decision {
	enum decision_kind kind;
	const char *reason; /* static text for the log */
	int64_t floor_zxid; /* to be kept in struct applied */
};

struct decision decide(const struct config_cluster *cluster, const struct watch_fact *fact,
                       const struct applied *applied);

#endif
