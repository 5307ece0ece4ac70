/* Election: which member is the primary, by the answers of the servers. It is the one that the
 * store names, unless another one takes writes on a higher timeline: then the store is late. If
 * `named_stands`, the named one stays the primary, and the other one is a stray. Pure. */
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
	const struct topology *applied; /* the topology applied last; NULL: none */
	const struct member *previous;  /* the primary before that one; NULL: none, or long ago */
	const struct server_fact *servers;
	size_t server_count;
	const char *system_identifier; /* of the cluster; "": not known */
	int64_t moved_us;  /* a server asked before it may not know yet that it lost its role */
	bool named_stands; /* the named primary is followed, whatever timeline another one shows */
};

struct election { /* members are borrowed from the election_input's topologies */
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

struct election election_decide(const struct election_input *election_input);

/* Copies `named` with `candidate` as its primary. The primary that it replaces becomes a standby
 * without read-only traffic. `out` is initialised by the call; the caller frees it with
 * topology_fini(). */
void election_topology(const struct topology *named, const struct member *candidate,
                       struct topology *out);

/* A decision in progress; for decide.c only. */

struct deciding {
	const struct decide_input *in;
	struct store_value word; /* how the store's value was judged */
	bool follows;            /* the store's present value is followed: its zxid becomes ours */
	struct decision out;
};

#endif
