/* Election: which member is the primary by the answers of the servers. Only a server that answered,
 * takes writes, reports its timeline and belongs to the cluster can overrule the store. */
#include <string.h>

#include "base/util.h"
#include "decide_internal.h"

const struct server_fact *server_at(const struct decide_input *in, const struct member *member)
{
	return server_of(in->servers, in->server_count, member);
}

#define VOTERS_MAX (TOPOLOGY_SLOTS_MAX + 2)

struct voter { /* a server that takes writes */
	const struct member *member;
	const struct server_fact *server;
};

struct voters {
	struct voter of[VOTERS_MAX];
	size_t count;
};

static void add(struct voters *voters, const struct decide_input *in, const struct member *member,
                const char *system_identifier)
{
	const struct server_fact *server = server_at(in, member);

	if (server == NULL || !server_takes_writes(server) || server->timeline <= 0 ||
	    !same_system(server->system_identifier, system_identifier))
		return;
	for (size_t i = 0; i < voters->count; i++)
		if (topology_same_address(voters->of[i].member, member))
			return;
	voters->of[voters->count++] = (struct voter){member, server};
}

static void collect(struct voters *voters, const struct decide_input *in,
                    const struct topology *named, const char *system_identifier)
{
	const struct topology *applied = &in->applied->topology;

	voters->count = 0;
	add(voters, in, &named->primary, system_identifier);
	for (size_t i = 0; i < named->standby_count; i++)
		add(voters, in, &named->standbys[i], system_identifier);
	if (in->applied->has_topology && applied->has_primary)
		add(voters, in, &applied->primary, system_identifier);
	if (in->previous != NULL)
		add(voters, in, in->previous, system_identifier);
}

/* The server with the highest timeline that overrules the store. That is above the timeline of the
 * named primary, and not below the last one applied, unless a person has named that primary since.
 * NULL: none, or no timeline is known to compare with. */
static const struct member *find_rival(const struct decide_input *in, const struct topology *named,
                                       const struct voters *voters)
{
	const struct topology *last = &in->applied->topology;
	const struct server_fact *server = server_at(in, &named->primary);
	bool counts = in->applied->has_topology && !topology_is_set_anew(named, last);
	int64_t applied = counts ? last->timeline : 0, timeline = named->timeline, highest;
	const struct member *rival = NULL;

	if (server != NULL && server->known)
		timeline = larger(timeline, server->timeline);
	highest = timeline > 0 ? larger(timeline, applied - 1) : applied;
	for (size_t i = 0; highest > 0 && i < voters->count; i++)
		if (voters->of[i].server->timeline > highest) {
			highest = voters->of[i].server->timeline;
			rival = voters->of[i].member;
		}
	return rival != NULL && !topology_same_address(rival, &named->primary) ? rival : NULL;
}

static void find_others(const struct decide_input *in, const struct voters *voters,
                        struct election *election)
{
	if (election->server == NULL || !server_takes_writes(election->server))
		return;
	for (size_t i = 0; i < voters->count; i++) {
		const struct voter *voter = &voters->of[i];

		if (topology_same_address(voter->member, election->candidate))
			continue;
		if (voter->server->timeline == election->server->timeline)
			election->same_timeline_primary = voter->member;
		else if (voter->server->timeline < election->server->timeline &&
		         voter->server->asked_us > in->moved_us)
			election->stale_primary = voter->member;
	}
}

struct election election_decide(const struct decide_input *in, const struct topology *named,
                                const char *system_identifier, bool named_stands)
{
	struct election election = {.candidate = &named->primary};
	const struct server_fact *server = server_at(in, &named->primary);
	const struct member *rival;
	struct voters voters;

	collect(&voters, in, named, system_identifier);
	rival = find_rival(in, named, &voters);
	if (!named_stands && rival != NULL) {
		election.candidate = rival;
		election.against_store = true;
	} else if (server != NULL && server->known && !server->in_recovery &&
	           !loss_is_proven(server)) {
		/* If the named primary was not seen to take writes, or is lost, there is no second
		 * one. */
		election.stray_primary = rival;
	}
	election.server = server_at(in, election.candidate);
	find_others(in, &voters, &election);
	return election;
}

static void remove_standby(struct topology *topology, const struct member *member)
{
	size_t kept = 0;

	for (size_t i = 0; i < topology->standby_count; i++)
		if (!topology_same_address(&topology->standbys[i], member))
			topology->standbys[kept++] = topology->standbys[i];
	topology->standby_count = kept;
}

void election_topology(const struct topology *named, const struct member *candidate,
                       struct topology *out)
{
	struct member primary = *candidate;
	struct member *replaced;

	topology_init(out);
	topology_copy(out, named);
	if (named->has_primary && topology_same_address(&named->primary, candidate))
		return;
	primary.lag_bytes = -1;
	primary.no_reads = false;
	remove_standby(out, &primary);
	replaced = named->has_primary ? topology_add_standby(out) : NULL;
	if (replaced != NULL) {
		*replaced = named->primary;
		replaced->no_reads = true;
	}
	out->primary = primary;
	out->has_primary = true;
}
