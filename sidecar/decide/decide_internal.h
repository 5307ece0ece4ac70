/* Internals of decide/: the election, and the rows of the tables of admission and of the store's
 * value. Pure. */
#ifndef SEGUE_DECIDE_DECIDE_INTERNAL_H
#define SEGUE_DECIDE_DECIDE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "decide/decide.h"
#include "decide/store_value.h"
#include "topology/facts.h"
#include "topology/topology.h"

/* Which member is the primary by the answers of the servers: the one that the store names, unless
 * another one takes writes on a higher timeline: then the store is late. */
struct election { /* members are borrowed from `named` and `in` */
	const struct member *candidate;
	const struct server_fact *server; /* the candidate's; NULL: none */
	bool against_store;               /* the candidate is not the named primary */
	/* Also takes writes, on the candidate's timeline; or NULL. */
	const struct member *same_timeline_primary;
	/* Also takes writes, on a lower timeline, and was asked after moved_us; or NULL. */
	const struct member *stale_primary;
	/* Takes writes on a higher timeline than the named one, which stands and was seen to take
	 * writes; or NULL. */
	const struct member *stray_primary;
};

/* `system_identifier`: of the cluster; "": not known. `named_stands`: the named primary is
 * followed, whatever timeline another one shows. */
struct election election_decide(const struct decide_input *in, const struct topology *named,
                                const char *system_identifier, bool named_stands);

const struct server_fact *server_at(const struct decide_input *in, const struct member *member);

/* Copies `named` with `candidate` as its primary. The primary that it replaces becomes a standby
 * without read-only traffic. `out` is initialised by the call; the caller frees it with
 * topology_fini(). */
void election_topology(const struct topology *named, const struct member *candidate,
                       struct topology *out);

/* --- tables, of which the first row that matches wins --- */

enum admission_fact {
	ADMIT_IF_OTHER_SYSTEM = 1, /* its system identifier is not the cluster's */
	ADMIT_IF_BELOW_FLOOR = 2,  /* it takes writes on a timeline below the floor */
	ADMIT_IF_IN_RECOVERY = 4,  /* when it last answered, ... */
	ADMIT_IF_WAS_STANDBY = 8,  /* ... and that is not old */
	ADMIT_IF_APPLIED = 16,     /* clients are sent to it now */
	ADMIT_IF_LAST_LIVES = 32,  /* see struct admission_input */
};

struct admission_row {
	unsigned verify;  /* a bit for each enum config_verify */
	unsigned classes; /* a bit for each enum server_class */
	unsigned facts;   /* of enum admission_fact; all must be true */
	enum admission_kind kind;
	const char *reason;
};

#define ADMISSION_ROWS 15
extern const struct admission_row admission_rows[ADMISSION_ROWS];
const struct admission_row *admission_row(const struct admission_input *input);

enum store_fact {
	STORE_IF_NO_PUBLISHER = 1,      /* presence = yes, and no publisher is alive */
	STORE_IF_UNKNOWN_PUBLISHER = 2, /* presence = yes, and it is not known */
	STORE_IF_STRANGE = 4,           /* store_is_strange() */
	/* With a value: */
	STORE_IF_NO_PRIMARY = 8,
	STORE_IF_LEADER = 16,         /* no primary, but Patroni's leader key names a member, ... */
	STORE_IF_LEADER_APPLIED = 32, /* ... which is the applied primary */
	STORE_IF_SEEN = 64,           /* it is not newer than all that were seen before */
	STORE_IF_OLDER = 128,         /* it is older; equal to the floor counts as older */
	STORE_IF_SAME_SERVERS = 256,
	STORE_IF_LATER_TIMELINE = 512, /* in the same system */
	STORE_IF_FOLLOW = 1024,        /* on_store_rollback = follow */
	STORE_IF_APPLIED = 2048,       /* equal to applied, in this run */
	STORE_IF_PERSON = 4096,        /* a person has named the primary */
};

struct store_row {
	unsigned states; /* a bit for each enum watch_state */
	unsigned facts;  /* of enum store_fact; all must be true */
	enum store_value_kind kind;
	bool newer;
	const char *reason;
};

#define STORE_ROWS 20
extern const struct store_row store_rows[STORE_ROWS];
const struct store_row *store_row(const struct config_cluster *cluster,
                                  const struct watch_fact *fact, const struct applied *applied);

#endif
