/* Admission and election; see the headers. Only a server that answered, takes writes, reports its
 * timeline and belongs to the cluster can overrule the store. */
#include "decide/election.h"

#include <limits.h>
#include <string.h>

#include "base/util.h"
#include "decide_internal.h"

const struct server_fact *server_at(const struct decide_input *in, const struct member *member)
{
	return server_of(in->servers, in->server_count, member);
}

bool same_system(const char *a, const char *b)
{
	return a == NULL || b == NULL || *a == '\0' || *b == '\0' || strcmp(a, b) == 0;
}

/* --- admission --- */

/* The floor is that of the server applied last. If that one was followed against the store and is
 * no primary any more, it is that of the last primary before it that the store named (floor_of() in
 * decide.c). It has no timeline if a person has named the primary since (segue set-primary).
 *
 * Timelines are compared within one system only. If the store names another system identifier than
 * the floor's, the cluster was initialised again, and its timelines start at 1. */
static unsigned admission_facts(const struct admission_input *input,
                                const struct server_fact *server)
{
	const char *cluster = input->system_identifier;
	bool below = !server->in_recovery && server->timeline > 0 &&
	             server->timeline < input->floor.timeline &&
	             same_system(cluster, input->floor.system_identifier);
	bool was_standby = server->known && server->in_recovery && !input->is_old_news;

	return (same_system(server->system_identifier, cluster) ? 0 : ADMIT_IF_OTHER_SYSTEM) |
	       (below ? ADMIT_IF_BELOW_FLOOR : 0) |
	       (server->in_recovery ? ADMIT_IF_IN_RECOVERY : 0) |
	       (was_standby ? ADMIT_IF_WAS_STANDBY : 0) |
	       (input->is_applied ? ADMIT_IF_APPLIED : 0) |
	       (input->last_lives ? ADMIT_IF_LAST_LIVES : 0);
}

#define BIT(value) (1U << (value))
#define ANY        UINT_MAX
#define RUNS       (BIT(SERVER_FULL) | BIT(SERVER_DENIED) | BIT(SERVER_FAULTY) | BIT(SERVER_OTHER))
#define DISABLE    BIT(CONFIG_VERIFY_DISABLE)
#define REQUIRE    BIT(CONFIG_VERIFY_REQUIRE)

const struct admission_row admission_rows[ADMISSION_ROWS] = {
    {DISABLE, ANY, 0, ADMIT_YES, ""},
    {ANY, BIT(SERVER_UNASKED), 0, ADMIT_LATER, "it has not been asked yet"},
    {ANY, BIT(SERVER_REFUSED), 0, ADMIT_LATER, "it refuses connections"},
    {ANY, BIT(SERVER_TIMED_OUT), 0, ADMIT_LATER, "it does not answer"},
    {ANY, BIT(SERVER_STARTING), 0, ADMIT_LATER, "it is starting or shutting down"},
    {ANY, BIT(SERVER_ANSWERED), ADMIT_IF_OTHER_SYSTEM, ADMIT_NO,
     "its system identifier is not the cluster's"},
    {ANY, BIT(SERVER_ANSWERED), ADMIT_IF_BELOW_FLOOR, ADMIT_NO, ADMIT_OLD_PRIMARY},
    {ANY, BIT(SERVER_ANSWERED), ADMIT_IF_IN_RECOVERY, ADMIT_LATER, "it is still in recovery"},
    {ANY, BIT(SERVER_ANSWERED), 0, ADMIT_YES, ""},
    {ANY, RUNS, ADMIT_IF_APPLIED, ADMIT_YES, ""},
    {ANY, BIT(SERVER_FAULTY), 0, ADMIT_LATER,
     "it rejects all logins with an error that is not about segue's permissions"},
    {REQUIRE, RUNS, 0, ADMIT_NO, "it rejects segue's login (verify = require)"},
    {ANY, RUNS, ADMIT_IF_LAST_LIVES, ADMIT_LATER,
     "it rejects segue's login, and the last primary is still running and took "
     "writes when it last answered"},
    {ANY, RUNS, ADMIT_IF_WAS_STANDBY, ADMIT_LATER,
     "it now rejects segue's login, and was in recovery when it last answered"},
    {ANY, ANY, 0, ADMIT_UNVERIFIED,
     "it is running but rejects segue's login, so segue could not check "
     "whether it is the primary"},
};

const struct admission_row *admission_row(const struct admission_input *input)
{
	static const struct server_fact unasked = {.class = SERVER_UNASKED};
	const struct server_fact *server = input->server != NULL ? input->server : &unasked;
	const struct admission_row *row = admission_rows;
	unsigned facts = admission_facts(input, server);

	while (!(row->verify & BIT(input->verify)) || !(row->classes & BIT(server->class)) ||
	       (row->facts & ~facts) != 0)
		row++; /* the last one matches always */
	return row;
}

struct admission admission_decide(const struct admission_input *input)
{
	const struct admission_row *row = admission_row(input);

	return (struct admission){row->kind, row->reason};
}

bool loss_is_proven(const struct server_fact *server)
{
	return server != NULL && server->unserved >= LOSS_UNSERVED;
}

const struct server_fact *find_denial(const struct server_fact *servers, size_t count)
{
	const struct server_fact *denial = NULL;

	for (size_t i = 0; i < count; i++) {
		if (servers[i].class == SERVER_ANSWERED || servers[i].class == SERVER_UNASKED)
			return NULL;
		if (denial == NULL && servers[i].class == SERVER_DENIED)
			denial = &servers[i];
	}
	return denial;
}

const struct server_fact *server_of(const struct server_fact *servers, size_t count,
                                    const struct member *member)
{
	for (size_t i = 0; i < count; i++)
		if (servers[i].port == member->port &&
		    strcmp(servers[i].address, member->address) == 0)
			return &servers[i];
	return NULL;
}

/* --- election --- */

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
