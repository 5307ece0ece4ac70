/* Admission and election; see the headers. Only a server that answered, takes writes, reports its
 * timeline and belongs to the cluster can overrule the store. */
#include "decide/election.h"

#include <string.h>

#include "base/util.h"
#include "decide_internal.h"

/* Admission as one table; the first row that matches wins. */
/* clang-format off */
/*   verify    the server                                                   admitted
 *   -------   ----------------------------------------------------------   ----------
 *   disable   any                                                          yes
 *   any       answered: another system identifier than the cluster's       no
 *   any       answered: takes writes, on a timeline below the floor        no
 *   any       answered: in recovery                                        later
 *   any       answered: takes writes                                       yes
 *   any       not asked yet, refused, timed out, starting                  later
 *   any       full, denied, faulty or other; clients are sent to it now    yes: it runs
 *   any       faulty                                                       later
 *   require   full, denied or other                                        no
 *   prefer    full, denied or other; the last primary took writes when
 *             it last answered, and is running                             later
 *   prefer    full, denied or other; in recovery when it last answered     later
 *   prefer    full, denied or other                                        unverified
 *
 * The floor is that of the server applied last. If that one was followed against the store and is
 * no primary any more, it is that of the last primary before it that the store named
 * (deciding_floor() in decide.c). It has no timeline if a person has named the primary since (segue
 * set-primary).
 *
 * Timelines are compared within one system only. If the store names another system identifier than
 * the floor's, the cluster was initialised again, and its timelines start at 1. */
/* clang-format on */

static struct admission is(enum admission_kind kind, const char *reason)
{
	return (struct admission){.kind = kind, .reason = reason};
}

bool same_system(const char *a, const char *b)
{
	return a == NULL || b == NULL || *a == '\0' || *b == '\0' || strcmp(a, b) == 0;
}

static struct admission admit_answered(const struct admission_input *question)
{
	const struct server_fact *server = question->server;
	const char *cluster = question->system_identifier;

	if (!same_system(server->system_identifier, cluster))
		return is(ADMIT_NO, "its system identifier is not the cluster's");
	if (!server->in_recovery && server->timeline > 0 &&
	    server->timeline < question->floor.timeline &&
	    same_system(cluster, question->floor.system_identifier))
		return is(ADMIT_NO, ADMIT_OLD_PRIMARY);
	if (server->in_recovery)
		return is(ADMIT_LATER, "it is still in recovery");
	return is(ADMIT_YES, "");
}

static struct admission admit_living(const struct admission_input *question)
{
	if (question->is_applied)
		return is(ADMIT_YES, "");
	if (question->server->class == SERVER_FAULTY)
		return is(ADMIT_LATER, "it lets nobody in: its error is not about segue's access");
	if (question->verify == CONFIG_VERIFY_REQUIRE)
		return is(ADMIT_NO, "it does not let segue in (verify = require)");
	if (question->last_lives)
		return is(ADMIT_LATER, "it does not let segue in, and the last primary, which took "
		                       "writes when it was asked, lives");
	if (question->server->known && question->server->in_recovery && !question->is_old_news)
		return is(ADMIT_LATER, "it lets segue in no more, and was in recovery before");
	return is(ADMIT_UNVERIFIED,
	          "it lives but does not let segue in, so that nobody has checked "
	          "whether it is the primary");
}

struct admission admission_decide(const struct admission_input *question)
{
	if (question->verify == CONFIG_VERIFY_DISABLE)
		return is(ADMIT_YES, "");
	if (question->server == NULL)
		return is(ADMIT_LATER, "it has not been asked yet");
	switch (question->server->class) {
	case SERVER_ANSWERED:
		return admit_answered(question);
	case SERVER_UNASKED:
		return is(ADMIT_LATER, "it has not been asked yet");
	case SERVER_REFUSED:
		return is(ADMIT_LATER, "it refuses connections");
	case SERVER_TIMED_OUT:
		return is(ADMIT_LATER, "it does not answer");
	case SERVER_STARTING:
		return is(ADMIT_LATER, "it is starting or shutting down");
	case SERVER_FULL:
	case SERVER_DENIED:
	case SERVER_FAULTY:
	case SERVER_OTHER:
		return admit_living(question);
	case SERVER_CLASSES:
		break;
	}
	return is(ADMIT_NO, "");
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

#define VOTERS_MAX (TOPOLOGY_SLOTS_MAX + 2)

struct voter { /* a server that takes writes */
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

/* The lowest timeline of a rival: above that of the named primary, and not below the last one
 * applied, unless a person has named that primary since. 0: no timeline is known, so there can be
 * no rival. */
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

/* The named primary took writes when it last answered, and is not lost. Otherwise there is no
 * second primary. */
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
