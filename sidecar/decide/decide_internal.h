/* Election: which member is the primary by what the servers say. The one that the store names,
 * unless another takes writes on a higher timeline: then the store is late. Not so where the one
 * that is named stands: then the other is a stray. Pure. */
#ifndef SEGUE_DECIDE_DECIDE_INTERNAL_H
#define SEGUE_DECIDE_DECIDE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "decide/decide.h"
#include "decide/store_value.h"
#include "topology/facts.h"
#include "topology/topology.h"

struct election_input {
	const struct topology *named;   /* has a primary */
	const struct topology *applied; /* the last one; NULL: none */
	const struct member *previous;  /* the primary before that one; NULL: none, or long ago */
	const struct server_fact *servers;
	size_t server_count;
	const char *system_identifier; /* of the cluster; "": not known */
	int64_t moved_us;  /* who was asked before that may not know yet that it is none */
	bool named_stands; /* who is named is followed, whatever timeline another one shows */
};

struct election { /* members are borrowed from the election_input's topologies */
	const struct member *candidate;
	const struct server_fact *server; /* the candidate's; NULL: none */
	bool against_store;               /* the candidate is not the one that is named */
	const struct member
	    *same_timeline_primary; /* takes writes on the candidate's timeline as well; or NULL */
	const struct member *stale_primary; /* takes writes, too, on a lower timeline, and said so
	                               after moved_us; or NULL */
	const struct member
	    *stray_primary; /* takes writes on a higher timeline than the one that is named,
	               which stands, and was seen to take writes; or NULL */
};

struct election election_decide(const struct election_input *election_input);

/* `named` with `candidate` as its primary; whom it replaces becomes a standby that gets no traffic.
 * `out` is initialised by the call, and the caller's to end. */
void election_topology(const struct topology *named, const struct member *candidate,
                       struct topology *out);

/* A decision in the making; for decide*.c only. */

struct deciding {
	const struct decide_input *in;
	struct store_value word;
	bool follows; /* the store's value at hand is being followed: its zxid becomes ours */
	struct decision out;
};

/* --- decide.c --- */

#endif
