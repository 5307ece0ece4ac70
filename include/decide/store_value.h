/* Compares the store's value for a cluster with what was applied last: newer, older, no primary, or
 * not usable. Pure. The servers' answers are added after it (decide.h). */
#ifndef SEGUE_DECIDE_STORE_VALUE_H
#define SEGUE_DECIDE_STORE_VALUE_H

#include "config/config.h"
#include "decide/decide.h"
#include "topology/facts.h"

enum store_value_kind {
	STORE_NO_VALUE,     /* no usable value; the applied topology stays */
	STORE_NO_PUBLISHER, /* presence = yes and no publisher is alive: nothing is done */
	STORE_NO_PRIMARY,   /* the store says that there is no primary */
	STORE_ROLLED_BACK,  /* older than what was applied, which stays, with an alarm */
	STORE_PRIMARY,      /* the fact's topology names the primary */
};

struct store_value {
	enum store_value_kind kind;
	bool newer; /* PRIMARY: newer than what this run has applied, or it has applied nothing */
	const char *reason; /* static text */
	int64_t floor_zxid; /* see struct applied */
};

/* True when the znode does not exist and nothing of this store and path was ever applied, but
 * something of another one was: path or hosts may be wrong. */
bool store_is_strange(const struct watch_fact *fact, const struct applied *applied);

struct store_value store_value(const struct config_cluster *cluster, const struct watch_fact *fact,
                               const struct applied *applied);

#endif
