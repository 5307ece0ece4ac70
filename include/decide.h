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
	int64_t zxid;       /* 0: nothing yet, or of another store and not comparable */
	int64_t floor_zxid; /* after a roll-back of the store was seen: only a value above this is
	                       newer; 0: no roll-back */
	bool in_this_run;   /* false: what follows is from the state file, the targets may differ */
	bool has_topology;  /* false: nothing was ever applied */
	struct topology topology;
};

enum decision_kind {
	DECIDE_WAIT,    /* nothing known, nothing done */
	DECIDE_CURRENT, /* the fact is what is applied */
	DECIDE_KEEP,    /* the fact cannot be followed: the last applied topology stays */
	DECIDE_HOLD,    /* nobody is primary: clients wait, for hold_timeout */
	DECIDE_MOVE,    /* apply the fact's topology */
	DECIDE_REFUSE,  /* an older or impossible fact: the last one stays, and it is an alarm */
};

struct decision {
	enum decision_kind kind;
	const char *reason; /* static text for the log */
	int64_t floor_zxid; /* to be kept in struct applied, and saved when it changed */
};

/* After DECIDE_MOVE was carried out the caller sets applied->zxid and topology from the fact's
 * topology, in_this_run and has_topology to true and floor_zxid to 0. */
struct decision decide(const struct config_cluster *cluster, const struct watch_fact *fact,
                       const struct applied *applied);

#endif
