/* The store's word on a cluster, weighed against what was applied last: older, newer, nobody, or
 * nothing that can be used. Pure; the servers have their say after it (decide.h). */
#ifndef SEGUE_DECIDE_STORE_VALUE_H
#define SEGUE_DECIDE_STORE_VALUE_H

#include "config/config.h"
#include "decide/decide.h"
#include "topology/facts.h"

enum store_value_kind {
	STORE_NO_VALUE,     /* it says nothing that can be used; the last one stays */
	STORE_NO_PUBLISHER, /* presence = yes and no publisher lives: nothing is to be done at all
	                     */
	STORE_NO_PRIMARY,   /* nobody is primary */
	STORE_ROLLED_BACK,  /* an older fact than the one applied: the last one stays, and an alarm
	                     */
	STORE_PRIMARY,      /* the fact's topology */
};

struct store_value {
	enum store_value_kind kind;
	bool newer; /* PRIMARY: than what this process has applied, or it has applied nothing */
	const char *reason; /* static text */
	int64_t floor_zxid; /* see struct applied */
};

/* Nothing is to be found in this store, below this path, and nothing of it was ever applied, though
 * something of another one was: the path, or the hosts, may be wrong. */
bool store_is_strange(const struct watch_fact *fact, const struct applied *applied);

struct store_value store_value(const struct config_cluster *cluster, const struct watch_fact *fact,
                               const struct applied *applied);

#endif
