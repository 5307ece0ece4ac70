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

static const struct server_fact *find(const struct electorate *electorate,
                                      const struct member *member)
{
	return server_of(electorate->servers, electorate->server_count, member);
}

static void add(struct voters *voters, const struct electorate *electorate,
                const struct member *member)
{
	const struct server_fact *server = find(electorate, member);

	if (server == NULL || !server_takes_writes(server) || server->timeline <= 0 ||
	    !same_system(server->system_identifier, electorate->system_identifier))
		return;
	for (size_t i = 0; i < voters->count; i++)
		if (topology_same_address(voters->of[i].member, member))
			return;
	voters->of[voters->count++] = (struct voter){
	    .member = member, .timeline = server->timeline, .asked_us = server->asked_us};
}

static void collect(const struct electorate *electorate, struct voters *voters)
{
	const struct topology *named = electorate->named;

	voters->count = 0;
	add(voters, electorate, &named->primary);
	for (size_t i = 0; i < named->standby_count; i++)
		add(voters, electorate, &named->standbys[i]);
	if (electorate->applied != NULL && electorate->applied->has_primary)
		add(voters, electorate, &electorate->applied->primary);
	if (electorate->previous != NULL)
		add(voters, electorate, electorate->previous);
}

/* The lowest timeline of a rival: above that of the one that is named, and never below the last one
 * applied, unless a person has named that one since. 0: nothing is known, and nobody can be a
 * rival. */
static int64_t lowest_of_rival(const struct electorate *electorate)
{
	const struct server_fact *server = find(electorate, &electorate->named->primary);
	bool anew = topology_is_set_anew(electorate->named, electorate->applied);
	int64_t applied = electorate->applied != NULL && !anew ? electorate->applied->timeline : 0;
	int64_t named = electorate->named->timeline;

	if (server != NULL && server->known)
		named = larger(named, server->timeline);
	if (named > 0)
		return larger(named + 1, applied);
	return applied > 0 ? applied + 1 : 0;
}

static const struct member *find_rival(const struct electorate *electorate,
                                       const struct voters *voters)
{
	int64_t lowest = lowest_of_rival(electorate);
	const struct member *rival = NULL;

	for (size_t i = 0; lowest > 0 && i < voters->count; i++)
		if (voters->of[i].timeline >= lowest) {
			lowest = voters->of[i].timeline + 1;
			rival = voters->of[i].member;
		}
	return rival != NULL && !topology_same_address(rival, &electorate->named->primary) ? rival
	                                                                                   : NULL;
}

static void find_others(const struct electorate *electorate, const struct voters *voters,
                        struct election *election)
{
	if (election->server == NULL || !server_takes_writes(election->server))
		return;
	for (size_t i = 0; i < voters->count; i++) {
		const struct voter *voter = &voters->of[i];

		if (topology_same_address(voter->member, election->candidate))
			continue;
		if (voter->timeline == election->server->timeline)
			election->twin = voter->member;
		else if (voter->timeline < election->server->timeline &&
		         voter->asked_us > electorate->moved_us)
			election->lower = voter->member;
	}
}

/* Who never said so, or is down, is no second one. */
static bool was_seen_to_write(const struct electorate *electorate)
{
	const struct server_fact *server = find(electorate, &electorate->named->primary);

	return server != NULL && server->known && !server->in_recovery && !loss_is_proven(server);
}

struct election elect(const struct electorate *electorate)
{
	struct election election = {.candidate = &electorate->named->primary};
	const struct member *rival;
	struct voters voters;

	collect(electorate, &voters);
	rival = find_rival(electorate, &voters);
	if (electorate->named_stands) {
		election.stray = was_seen_to_write(electorate) ? rival : NULL;
	} else if (rival != NULL) {
		election.candidate = rival;
		election.against_store = true;
	}
	election.server = find(electorate, election.candidate);
	find_others(electorate, &voters, &election);
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

void elect_topology(const struct topology *named, const struct member *candidate,
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
