/* What the servers say to the store's word: who is the candidate, is it admitted, and if not, is
 * the last primary lost. Before clients are led anywhere for the first time, or back to where they
 * were, every member is heard, as another one may have been promoted meanwhile. */
#include <string.h>

#include "admit.h"
#include "deciding.h"

static bool is_applied(const struct deciding *deciding, const struct member *member)
{
	const struct topology *applied = deciding_applied(deciding);

	return applied != NULL && topology_same_address(&applied->primary, member);
}

/* --- the floor --- */

/* It does not come back by itself, as one that restarts would. */
static bool is_gone(const struct decide_input *in, const struct server_fact *server)
{
	return loss_is_proven(server) && in->now_us - server->heard_us >= DECIDE_GONE_US;
}

/* Who was followed against the store's word is no primary any more: demoted, made anew, or gone. */
static bool is_undone(const struct decide_input *in)
{
	const struct applied *applied = in->applied;
	const struct topology *topology = &applied->topology;
	const struct server_fact *server;

	if (!applied->has_topology || !applied->against_store)
		return false;
	server = server_of(in->servers, in->server_count, &topology->primary);
	if (server == NULL)
		return false;
	if (server->class != SERVER_ANSWERED)
		return is_gone(in, server);
	return server->in_recovery ||
	       (server->timeline > 0 && server->timeline < topology->timeline) ||
	       !same_system(server->system_identifier, topology->system_identifier);
}

struct floor deciding_floor(const struct decide_input *in, const struct topology *named)
{
	struct applied followed = *in->applied;
	struct floor floor;

	followed.against_store = followed.against_store && is_undone(in);
	floor = applied_confirmed(&followed);
	if (topology_is_set_anew(named, &followed.topology))
		floor.timeline = 0;
	return floor;
}

static const char *identifier_of(const struct topology *named, const struct floor *floor)
{
	return named->system_identifier[0] != '\0' ? named->system_identifier
	                                           : floor->system_identifier;
}

/* --- every member is heard --- */

static bool is_heard(const struct decide_input *in, const struct member *member)
{
	const struct server_fact *server = server_of(in->servers, in->server_count, member);

	if (server == NULL)
		return true; /* it has no address to be asked at */
	return server->class != SERVER_UNASKED && server->asked_us >= in->hold.since_us;
}

static bool are_heard(const struct decide_input *in, const struct topology *topology)
{
	if (topology == NULL)
		return true;
	if (topology->has_primary && !is_heard(in, &topology->primary))
		return false;
	for (size_t i = 0; i < topology->standby_count; i++)
		if (!is_heard(in, &topology->standbys[i]))
			return false;
	return true;
}

/* A candidate that the store has just named while the last primary is lost needs nobody's consent.
 */
static bool needs_all(const struct deciding *deciding, const struct member *candidate)
{
	const struct decide_input *in = deciding->in;

	if (in->cluster->verify == CONFIG_VERIFY_DISABLE)
		return false;
	return !in->applied->in_this_run || is_undone(in) ||
	       (in->hold.by == HELD_BY_SERVERS && is_applied(deciding, candidate));
}

/* --- admission --- */

/* A person's word counts more. */
static bool last_lives(const struct decide_input *in, const struct topology *named)
{
	const struct topology *applied = &in->applied->topology;
	const struct server_fact *server =
	    server_of(in->servers, in->server_count, &applied->primary);

	return server != NULL && server->known && !server->in_recovery && !server->interrupted &&
	       server->class != SERVER_FAULTY && !topology_is_set_anew(named, applied);
}

struct admission decide_admission(const struct decide_input *in, const struct topology *named,
                                  const struct member *member)
{
	const struct applied *applied = in->applied;
	const struct floor floor = deciding_floor(in, named);
	const struct server_fact *server = server_of(in->servers, in->server_count, member);
	bool same =
	    applied->has_topology && topology_same_address(&applied->topology.primary, member);

	return admission_decide(&(struct admission_input){
	    .verify = in->cluster->verify,
	    .server = server,
	    .system_identifier = identifier_of(named, &floor),
	    .floor = floor,
	    .last_lives = applied->has_topology && !same && last_lives(in, named),
	    .is_old_news =
	        !same && server != NULL && in->now_us - server->answered_us >= DECIDE_GONE_US,
	    .is_applied = same && applied->in_this_run && in->hold.by == HELD_NOT});
}

/* An answer of before the store named it says nothing yet. */
static bool is_fresh(const struct deciding *deciding, const struct election *election)
{
	if (!deciding->follows || election->against_store || election->server == NULL ||
	    is_applied(deciding, election->candidate) ||
	    deciding->in->cluster->verify == CONFIG_VERIFY_DISABLE)
		return true;
	return election->server->asked_us >= deciding->in->fact->read_us;
}

static struct admission ask_admission(struct deciding *deciding, const struct topology *named,
                                      const struct election *election)
{
	const struct decide_input *in = deciding->in;
	const struct topology *applied = deciding_applied(deciding);
	struct admission admission = decide_admission(in, named, election->candidate);

	if (admission.kind == ADMIT_LATER || admission.kind == ADMIT_NO)
		return admission;
	if (!is_fresh(deciding, election))
		return (struct admission){ADMIT_LATER, "it is asked whether it is the primary now"};
	if (!needs_all(deciding, election->candidate) ||
	    (are_heard(in, named) && are_heard(in, applied) && are_heard(in, in->fact->topology)))
		return admission;
	deciding->out.ask_all = true;
	return (struct admission){ADMIT_LATER, "the other servers are asked first"};
}

/* --- what follows --- */

static const char *move_reason(const struct deciding *deciding, const struct election *election,
                               const struct admission *admission)
{
	if (election->against_store)
		return "it takes writes on a higher timeline than the primary that the store names";
	if (is_undone(deciding->in) && !is_applied(deciding, election->candidate))
		return "the store names it, and the server that was followed against the store is "
		       "no primary any more";
	if (deciding->follows && deciding->word.newer)
		return deciding->word.reason;
	if (deciding->in->hold.by == HELD_NOT)
		return "a name resolves anew, or more became known";
	return admission->kind == ADMIT_UNVERIFIED
	           ? "the primary lives: clients go on, though nobody could check whether it "
	             "takes writes"
	           : "the primary takes writes: clients go on";
}

static void conclude_twin(struct deciding *deciding, const struct election *election)
{
	deciding->out.about = election->candidate;
	deciding_conclude(deciding, DECIDE_REFUSE,
	                  "two servers take writes on one timeline: nothing is moved, one of them "
	                  "has to be stopped by a person");
}

static bool is_lost(const struct decide_input *in)
{
	if (!in->applied->has_topology)
		return false;
	return loss_is_proven(
	    server_of(in->servers, in->server_count, &in->applied->topology.primary));
}

/* Clients stay with the last primary, or wait because it is lost. */
static void conclude_without(struct deciding *deciding, bool refused, bool same)
{
	const struct decide_input *in = deciding->in;

	if (in->hold.by != HELD_NOT)
		deciding_lose(deciding, in->hold.policy, in->hold.by,
		              same ? "the primary is lost"
		                   : "the primary is lost, and its successor is not ready");
	else if (is_lost(in) || (refused && same))
		deciding_lose(deciding, in->cluster->on_primary_loss, HELD_BY_SERVERS,
		              same ? "the primary is lost"
		                   : "the primary is lost, and its successor is not ready");
	else if (refused)
		deciding_conclude(deciding, DECIDE_REFUSE,
		                  "the server that the store names is no primary to be led to");
	else
		deciding_conclude(deciding, DECIDE_KEEP,
		                  same ? "the primary is being asked again"
		                       : "the server that the store names is not ready");
}

/* To the last primary, under its own zxid: the store's value is not followed. */
static bool stay_with_applied(struct deciding *deciding, const char *reason)
{
	const struct decide_input *in = deciding->in;
	const struct topology *applied = deciding_applied(deciding);
	struct election election;
	struct admission admission;

	if (applied == NULL)
		return false;
	election = (struct election){
	    .candidate = &applied->primary,
	    .server = server_of(in->servers, in->server_count, &applied->primary)};
	deciding->follows = false;
	admission = ask_admission(deciding, applied, &election);
	if (admission.kind != ADMIT_YES)
		return false;
	deciding->out.about = NULL;
	deciding->out.why = "";
	deciding_move(deciding, applied, &election, reason);
	return true;
}

bool deciding_release(struct deciding *deciding)
{
	return deciding->in->hold.by != HELD_NOT &&
	       stay_with_applied(deciding, "the primary takes writes: clients go on");
}

/* The last primary is named, and has the system identifier that it had when it was applied: the
 * store's is wrong. */
static bool is_misnamed(const struct deciding *deciding, const struct election *election)
{
	const struct topology *applied = deciding_applied(deciding);

	return is_applied(deciding, election->candidate) && applied->system_identifier[0] != '\0' &&
	       election->server != NULL && server_takes_writes(election->server) &&
	       decide_admission(deciding->in, applied, &applied->primary).kind == ADMIT_YES;
}

/* Who is not admitted leaves clients with the last primary, which has to be led to, too, after a
 * start, or when it was held. */
static void conclude_unadmitted(struct deciding *deciding, const struct election *election,
                                const struct admission *admission)
{
	const struct decide_input *in = deciding->in;
	bool misnamed = admission->kind == ADMIT_NO && is_misnamed(deciding, election);
	bool same = is_applied(deciding, election->candidate) && !misnamed;
	bool led = in->applied->in_this_run && in->hold.by == HELD_NOT;
	bool waits = in->hold.by == HELD_BY_STORE && !misnamed;

	deciding->out.about = election->candidate;
	deciding->out.why = admission->reason;
	deciding->out.misnamed = misnamed;
	if (admission->kind == ADMIT_LATER)
		deciding->out.ask = election->candidate;
	if (same || led || waits ||
	    !stay_with_applied(deciding, "the server that the store names is not admitted, and the "
	                                 "last primary takes writes"))
		conclude_without(deciding, admission->kind == ADMIT_NO, same);
	if (misnamed && deciding->out.kind == DECIDE_REFUSE)
		deciding->out.reason = "the store names the last primary, with a system identifier "
		                       "that it never had";
}

/* Patroni's leader key names one server, and Patroni demotes whoever else takes writes. What is
 * silent for a moment may restart; with the store away its key may be gone unseen. No server
 * overrules the person who named one. */
static bool named_stands(const struct deciding *deciding, const struct topology *named,
                         const struct floor *floor)
{
	const struct decide_input *in = deciding->in;
	const struct server_fact *server =
	    server_of(in->servers, in->server_count, &named->primary);

	if (topology_is_set(named))
		return true;
	if (in->cluster->layout != CONFIG_LAYOUT_PATRONI)
		return false;
	if (server == NULL)
		return true;
	if (server->class == SERVER_ANSWERED)
		return !server->in_recovery &&
		       (server->timeline <= 0 || server->timeline >= floor->timeline);
	return deciding->follows ? !is_gone(in, server) : !loss_is_proven(server);
}

void decide_by_servers(struct deciding *deciding, const struct topology *named)
{
	const struct decide_input *in = deciding->in;
	const struct floor floor = deciding_floor(in, named);
	const struct election_input election_input = {
	    .named = named,
	    .applied = deciding_applied(deciding),
	    .previous = in->previous,
	    .servers = in->servers,
	    .server_count = in->server_count,
	    .moved_us = in->moved_us,
	    .system_identifier = identifier_of(named, &floor),
	    .named_stands = named_stands(deciding, named, &floor)};
	const struct election election = election_decide(&election_input);
	const struct admission admission = ask_admission(deciding, named, &election);
	bool same = is_applied(deciding, election.candidate);

	deciding->out.same_timeline_primary = election.same_timeline_primary;
	deciding->out.stale_primary = election.stale_primary;
	deciding->out.stray_primary = election.stray_primary;
	deciding->out.beside = election.candidate;
	if (admission.kind == ADMIT_LATER || admission.kind == ADMIT_NO) {
		conclude_unadmitted(deciding, &election, &admission);
		return;
	}
	if (election.same_timeline_primary != NULL && !same) {
		conclude_twin(deciding, &election);
		return;
	}
	deciding->out.why = admission.reason;
	deciding->out.overruled = election.against_store && deciding->follows;
	deciding_move(deciding, named, &election, move_reason(deciding, &election, &admission));
}
