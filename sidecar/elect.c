/* Only a server that answered, takes writes, tells its timeline and belongs to the cluster can
 * speak against the store. */
#include "elect.h"

#include <string.h>

#include "admit.h"
#include "base/util.h"

#define VOTERS_MAX (TOPOLOGY_SLOTS_MAX + 2)

struct voter { /* one that takes writes */
	const struct member *member;
	int64_t timeline, asked_us;
};

struct voters {
	struct voter of[VOTERS_MAX];
	size_t count;
};

static const struct server_fact *find(const struct election_input *election_input,
                                      const struct member *member)
{
	return server_of(election_input->servers, election_input->server_count, member);
}

static void add(struct voters *voters, const struct election_input *election_input,
                const struct member *member)
{
	const struct server_fact *server = find(election_input, member);

	if (server == NULL || !server_takes_writes(server) || server->timeline <= 0 ||
	    !same_system(server->system_identifier, election_input->system_identifier))
		return;
	for (size_t i = 0; i < voters->count; i++)
		if (topology_same_address(voters->of[i].member, member))
			return;
	voters->of[voters->count++] = (struct voter){
	    .member = member, .timeline = server->timeline, .asked_us = server->asked_us};
}

static void collect(const struct election_input *election_input, struct voters *voters)
{
	const struct topology *named = election_input->named;

	voters->count = 0;
	add(voters, election_input, &named->primary);
	for (size_t i = 0; i < named->standby_count; i++)
		add(voters, election_input, &named->standbys[i]);
	if (election_input->applied != NULL && election_input->applied->has_primary)
		add(voters, election_input, &election_input->applied->primary);
	if (election_input->previous != NULL)
		add(voters, election_input, election_input->previous);
}

/* The lowest timeline of a rival: above that of the one that is named, and never below the last one
 * applied, unless a person has named that one since. 0: nothing is known, and nobody can be a
 * rival. */
static int64_t lowest_of_rival(const struct election_input *election_input)
{
	const struct server_fact *server = find(election_input, &election_input->named->primary);
	bool anew = topology_is_set_anew(election_input->named, election_input->applied);
	int64_t applied =
	    election_input->applied != NULL && !anew ? election_input->applied->timeline : 0;
	int64_t named = election_input->named->timeline;

	if (server != NULL && server->known)
		named = larger(named, server->timeline);
	if (named > 0)
		return larger(named + 1, applied);
	return applied > 0 ? applied + 1 : 0;
}

static const struct member *find_rival(const struct election_input *election_input,
                                       const struct voters *voters)
{
	int64_t lowest = lowest_of_rival(election_input);
	const struct member *rival = NULL;

	for (size_t i = 0; lowest > 0 && i < voters->count; i++)
		if (voters->of[i].timeline >= lowest) {
			lowest = voters->of[i].timeline + 1;
			rival = voters->of[i].member;
		}
	return rival != NULL && !topology_same_address(rival, &election_input->named->primary)
	           ? rival
	           : NULL;
}

static void find_others(const struct election_input *election_input, const struct voters *voters,
                        struct election *election)
{
	if (election->server == NULL || !server_takes_writes(election->server))
		return;
	for (size_t i = 0; i < voters->count; i++) {
		const struct voter *voter = &voters->of[i];

		if (topology_same_address(voter->member, election->candidate))
			continue;
		if (voter->timeline == election->server->timeline)
			election->same_timeline_primary = voter->member;
		else if (voter->timeline < election->server->timeline &&
		         voter->asked_us > election_input->moved_us)
			election->stale_primary = voter->member;
	}
}

/* Who never said so, or is down, is no second one. */
static bool was_seen_to_write(const struct election_input *election_input)
{
	const struct server_fact *server = find(election_input, &election_input->named->primary);

	return server != NULL && server->known && !server->in_recovery && !loss_is_proven(server);
}

struct election election_decide(const struct election_input *election_input)
{
	struct election election = {.candidate = &election_input->named->primary};
	const struct member *rival;
	struct voters voters;

	collect(election_input, &voters);
	rival = find_rival(election_input, &voters);
	if (election_input->named_stands) {
		election.stray_primary = was_seen_to_write(election_input) ? rival : NULL;
	} else if (rival != NULL) {
		election.candidate = rival;
		election.against_store = true;
	}
	election.server = find(election_input, election.candidate);
	find_others(election_input, &voters, &election);
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
	primary.unread = false;
	remove_standby(out, &primary);
	replaced = named->has_primary ? topology_add_standby(out) : NULL;
	if (replaced != NULL) {
		*replaced = named->primary;
		replaced->unread = true;
	}
	out->primary = primary;
	out->has_primary = true;
}
