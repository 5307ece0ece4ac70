/* Decides what to do from the facts of ZooKeeper, the servers and the operator. Pure: no I/O, no
 * clock. */
#ifndef SEGUE_DECIDE_DECIDE_H
#define SEGUE_DECIDE_DECIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "decide/admission.h"
#include "decide/override.h"
#include "topology/facts.h"
#include "topology/topology.h"

/* What was applied last; kept over restarts in the state file. */
struct applied {
	int64_t zxid; /* 0: nothing yet, or of another store, whose zxids are not comparable */
	/* After a rollback of the store: only a value above it is newer. 0: no rollback. */
	int64_t floor_zxid;
	bool in_this_run;  /* false: the rest is from the state file, and the targets may differ */
	bool has_topology; /* false: nothing was ever applied */
	struct topology topology; /* with the highest known timeline of its primary */
	/* The primary was followed although the store names another one, and the store has not
	 * named it since. If that turns out to be a mistake and is undone, `confirmed` is the
	 * floor: that of the last primary that the store did name; 0 and "": there was none. */
	bool against_store;
	struct floor confirmed; /* only with against_store */
};

/* The floor of the last primary that the store has named. */
struct floor applied_confirmed(const struct applied *applied);

/* Microseconds. A server is gone when its loss is proven and it has not answered for this long.
 * Until then it may be restarting, and is waited for. */
#define DECIDE_GONE_US INT64_C(10000000)

/* A member whose address is one on which a proxy of the cluster itself listens. If it were the
 * primary, that proxy would connect to itself. */
struct own_listener {
	struct member at;
	const struct config_target *target; /* the target of that proxy */
};

enum decide_held {
	HELD_NOT,
	HELD_BY_SERVERS, /* they showed that the primary is lost; they can also end it */
	HELD_BY_STORE,   /* it named no primary, or was unreachable: only its next value ends it */
};

struct decide_hold { /* set by the last HOLD or FENCE, cleared by MOVE */
	enum decide_held by;
	enum config_loss policy; /* HOLD or FENCE */
	int64_t since_us;        /* clock_now_us() */
};

struct decide_input { /* all borrowed */
	const struct config_cluster *cluster;
	const struct watch_fact *fact;
	const struct applied *applied;
	const struct member *previous; /* primary before the applied one; NULL: none or long ago */
	const struct override *override;
	const struct server_fact *servers;
	size_t server_count;
	/* Among the members of `fact` and `applied`, and the pinned server. */
	const struct own_listener *own;
	size_t own_count;
	/* When the last MOVE to another primary, or the first in this run, was carried out; 0:
	 * never. */
	int64_t moved_us;
	struct decide_hold hold;
	bool store_lost; /* the store has been unreachable for longer than session_timeout */
	int64_t now_us;  /* clock_now_us() */
};

enum decision_kind {
	DECIDE_WAIT,    /* nothing was ever applied, and nothing can be now */
	DECIDE_CURRENT, /* the fact is already applied */
	DECIDE_KEEP,    /* the fact cannot be followed: the applied topology stays */
	DECIDE_HOLD,    /* there is no primary: clients wait, at most hold_timeout */
	DECIDE_FENCE,   /* there is no primary, and clients must not reach the last one */
	DECIDE_MOVE,    /* apply `next` */
	DECIDE_REFUSE,  /* an older or impossible fact: the applied topology stays, with an alarm */
	DECIDE_KINDS,
};

struct decision {
	enum decision_kind kind;
	const char *reason;         /* static text for the log */
	const struct member *about; /* the server that it is about; NULL: the applied primary */
	const char *why;            /* the reason of admission; static text, "" */
	enum decide_held held;      /* HOLD and FENCE: who asks for it */
	bool on_news;       /* MOVE: due to a newer value of the store, whose times it takes */
	bool overruled;     /* the primary followed is not the one that the store names */
	bool against_store; /* MOVE: becomes applied->against_store */
	/* The store names the last primary with a wrong system identifier: the server still has the
	 * one with which it was applied. */
	bool misnamed;
	/* A second server that takes writes; borrowed, NULL: there is none. */
	/* On the same timeline: a person has to stop one of the two. */
	const struct member *same_timeline_primary;
	/* On a lower timeline, in an answer to a query made after the move. */
	const struct member *stale_primary;
	/* On a higher timeline than the primary named by Patroni's leader key or by a person. */
	const struct member *stray_primary;
	/* The candidate, the other one of the two; not NULL with one of the three. */
	const struct member *beside;
	/* The named or pinned primary, if it is an own listener and must not be followed; borrowed,
	 * NULL: it is none. */
	const struct own_listener *own;
	const struct member *ask; /* to be queried again at once; borrowed, NULL: nobody */
	bool ask_all;             /* query all others too, from time to time */
	int64_t floor_zxid;       /* to be kept in struct applied, and saved when it has changed */
	struct topology next;     /* MOVE: becomes applied->topology, and its zxid applied->zxid */
};

/* When it has carried out DECIDE_MOVE, the caller sets in struct applied: zxid and topology from
 * `next`, in_this_run and has_topology to true, floor_zxid to 0, and against_store as decided. If
 * against_store becomes true, `confirmed` becomes what applied_confirmed() was before. */
struct decision decide(const struct decide_input *input);
void decision_fini(struct decision *decision);

/* The own listener that has the address of `member`; NULL: none. */
const struct own_listener *decide_own(const struct decide_input *input,
                                      const struct member *member);

/* The admission of `member` as the primary. `named` is the topology that names it. */
struct admission decide_admission(const struct decide_input *input, const struct topology *named,
                                  const struct member *member);

#endif
