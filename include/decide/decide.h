/* decide: what to do with what the store, the servers and the operator say. Pure: no I/O, no
 * clock. */
#ifndef SEGUE_DECIDE_DECIDE_H
#define SEGUE_DECIDE_DECIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "decide/election.h"
#include "decide/override.h"
#include "topology/facts.h"
#include "topology/topology.h"

/* What was applied last, kept over restarts. */
struct applied {
	int64_t zxid;       /* 0: nothing yet, or of another store and not comparable */
	int64_t floor_zxid; /* after a roll-back of the store was seen: only a value above this is
	                       newer; 0: no roll-back */
	bool in_this_run;   /* false: what follows is from the state file, the targets may differ */
	bool has_topology;  /* false: nothing was ever applied */
	struct topology topology; /* with the highest timeline known of its primary */
	/* Its primary was followed against the store's word, and the store has not named it since.
	 * It may be a mistake that is undone: `confirmed` is the floor then, that of the last
	 * primary that the store did name; 0 and "": there was none. */
	bool against_store;
	struct floor confirmed; /* only with against_store */
};

/* The newest that the store has confirmed. */
struct floor applied_confirmed(const struct applied *applied);

/* A server that has not answered for so long, with the proof of its loss, is gone: it is not waited
 * for as one that restarts. */
#define DECIDE_GONE_US INT64_C(10000000)

/* A member that is one of the proxies which it would be led to by: its address is where that one
 * listens itself. */
struct own_listener {
	struct member at;
	const struct config_target *target; /* whose proxy */
};

enum decide_held {
	HELD_NOT,
	HELD_BY_SERVERS, /* they said that the primary is lost: they may take it back */
	HELD_BY_STORE,   /* it said so, or was away: only its next word ends it */
};

struct decide_hold { /* by the last HOLD or FENCE, and no MOVE since */
	enum decide_held by;
	enum config_loss policy; /* HOLD or FENCE */
	int64_t since_us;        /* clock_now_us() */
};

struct decide_input { /* all borrowed */
	const struct config_cluster *cluster;
	const struct watch_fact *fact;
	const struct applied *applied;
	const struct member *previous; /* the primary before the one applied; NULL: none, or long
	                                  ago */
	const struct override *override;
	const struct server_fact *servers;
	size_t server_count;
	const struct own_listener *own; /* of the members of the fact, the one applied, the pin */
	size_t own_count;
	int64_t moved_us; /* when the last MOVE to another primary was carried out; 0: never */
	struct decide_hold hold;
	bool store_lost; /* it is unreachable for longer than session_timeout */
	int64_t now_us;  /* clock_now_us() */
};

enum decision_kind {
	DECIDE_WAIT,    /* nothing known, nothing done */
	DECIDE_CURRENT, /* the fact is what is applied */
	DECIDE_KEEP,    /* the fact cannot be followed: the last applied topology stays */
	DECIDE_HOLD,    /* nobody is primary: clients wait, for hold_timeout */
	DECIDE_FENCE,   /* nobody is primary, and nobody is to reach the last one */
	DECIDE_MOVE,    /* apply `next` */
	DECIDE_REFUSE,  /* an older or impossible fact: the last one stays, and it is an alarm */
	DECIDE_KINDS,
};

struct decision {
	enum decision_kind kind;
	const char *reason;         /* static text for the log */
	const struct member *about; /* whom it is about, where that is not the one applied; NULL */
	const char *why;            /* what admission says of it; static text, "" */
	enum decide_held held;      /* HOLD and FENCE: on whose word */
	bool on_news;               /* MOVE: a newer word of the store, whose times are its own */
	bool overruled;             /* who is followed is not the one that the store names */
	bool against_store;         /* MOVE: becomes that of struct applied */
	bool misnamed;              /* the store's system identifier is not the last primary's,
	                               which has the one that was applied */
	/* Two servers take writes; borrowed, NULL: no. */
	const struct member
	    *same_timeline_primary;         /* on one timeline: a person has to end one of them */
	const struct member *stale_primary; /* on a lower timeline, asked after the move */
	const struct member
	    *stray_primary;          /* on a higher one than the holder of Patroni's leader key */
	const struct member *beside; /* the other one that does; not NULL with one of the three */
	/* Whom the store or the operator names as the primary, and must not; borrowed, NULL: no. */
	const struct own_listener *own;
	const struct member *ask; /* whom to ask again at once; borrowed, NULL: nobody */
	bool ask_all;             /* all others as well, now and then */
	int64_t floor_zxid;       /* to be kept in struct applied, and saved when it changed */
	struct topology next;     /* MOVE: becomes applied->topology, its zxid applied->zxid */
};

/* After DECIDE_MOVE was carried out the caller sets applied->zxid and topology from `next`,
 * in_this_run and has_topology to true, floor_zxid to 0, and against_store; where that turns true,
 * `confirmed` is what applied_confirmed() was before. */
struct decision decide(const struct decide_input *input);
void decision_fini(struct decision *decision);

/* The proxy that `member` is; NULL: it is none. */
const struct own_listener *decide_own(const struct decide_input *input,
                                      const struct member *member);

/* What it would say of this server as the primary; `named`: the topology that names it. */
struct admission decide_admission(const struct decide_input *input, const struct topology *named,
                                  const struct member *member);

#endif
