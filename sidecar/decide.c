/* What to do, from the operator's word, the store's and the servers', in this order; the first row
 * that matches wins. */
/* clang-format off */
/*   operator  store's word      the servers                                decision
 *   --------  ----------------  -----------------------------------------  ----------------------
 *   freeze    any               any                                        KEEP
 *   pin       any               any                                        MOVE to it; CURRENT
 *   -         SILENT, too long  on_store_loss = hold, fence                HOLD, FENCE
 *   -         SILENT            (nothing applied in this run)              KEEP, WAIT
 *   -         SILENT, OLDER     clients are held on the store's word       KEEP, REFUSE
 *   -         BARRED            any                                        KEEP, WAIT
 *   -         NOBODY            the store pauses, the applied one lives    KEEP
 *   -         NOBODY            any                                        loss
 *   -         any other         the candidate is admitted                  MOVE; CURRENT
 *   -         any other         not, and clients are held already          HOLD, FENCE as before
 *   -         any other         not, and the applied one is lost, or is
 *                               itself refused: it is another one now      loss
 *   -         any other         not admitted now                           KEEP, WAIT; ask again
 *   -         any other         refused, or it has a twin                  REFUSE
 *
 *   The candidate (elect.h): of the store's topology for PRIMARY, of the applied one for SILENT and
 *   OLDER, which would otherwise be KEEP and REFUSE.
 *   loss: HOLD, FENCE or KEEP by on_primary_loss; WAIT where nothing was ever applied. */
/* clang-format on */
#include "decide.h"

#include <stdio.h>
#include <string.h>

#include "admit.h"
#include "elect.h"
#include "store_word.h"

/* One decision in the making. */
struct deciding {
	const struct decide_input *in;
	struct store_word word;
	struct decision out;
};

static const struct server_fact *applied_server(const struct decide_input *in)
{
	if (!in->applied->has_topology)
		return NULL;
	return server_of(in->servers, in->server_count, &in->applied->topology.primary);
}

static void conclude(struct deciding *deciding, enum decision_kind kind, const char *reason)
{
	bool nothing = !deciding->in->applied->has_topology;

	deciding->out.kind = nothing && kind != DECIDE_MOVE ? DECIDE_WAIT : kind;
	deciding->out.reason = reason;
}

static void conclude_loss(struct deciding *deciding, enum config_loss policy, enum decide_held by,
                          const char *reason)
{
	static const enum decision_kind kinds[] = {[CONFIG_LOSS_HOLD] = DECIDE_HOLD,
	                                           [CONFIG_LOSS_KEEP] = DECIDE_KEEP,
	                                           [CONFIG_LOSS_FENCE] = DECIDE_FENCE};

	conclude(deciding, kinds[policy], reason);
	deciding->out.held = by;
	if (deciding->in->applied->has_topology)
		deciding->out.ask[1] = &deciding->in->applied->topology.primary;
}

/* --- moves --- */

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void set_identifier(struct topology *topology, const char *identifier)
{
	snprintf(topology->system_identifier, sizeof(topology->system_identifier), "%s",
	         identifier);
}

/* The server itself knows its timeline and system best. */
static void learn(struct topology *next, const struct server_fact *server,
                  const struct applied *applied)
{
	bool answered = server != NULL && server_takes_writes(server);
	bool same = applied->has_topology &&
	            same_system(next->system_identifier, applied->topology.system_identifier);

	if (answered && server->system_identifier[0] != '\0')
		set_identifier(next, server->system_identifier);
	else if (next->system_identifier[0] == '\0' && applied->has_topology)
		set_identifier(next, applied->topology.system_identifier);
	if (answered && server->timeline > 0)
		next->timeline = server->timeline;
	else if (same)
		next->timeline = larger(next->timeline, applied->topology.timeline);
}

static void mark_unread(struct topology *topology, int64_t max_lag)
{
	for (size_t i = 0; max_lag > 0 && i < topology->standby_count; i++)
		if (topology->standbys[i].lag_bytes > max_lag)
			topology->standbys[i].unread = true;
}

static bool is_news(const struct deciding *deciding)
{
	const struct applied *applied = deciding->in->applied;
	const struct topology *next = &deciding->out.next;

	return !applied->has_topology || deciding->in->held != HELD_NOT ||
	       !topology_same_servers(next, &applied->topology) ||
	       next->timeline != applied->topology.timeline ||
	       strcmp(next->system_identifier, applied->topology.system_identifier) != 0;
}

static void conclude_move(struct deciding *deciding, const struct topology *named,
                          const struct election *election, const char *reason)
{
	const struct applied *applied = deciding->in->applied;
	bool follows = deciding->word.kind == STORE_PRIMARY;
	struct topology *next = &deciding->out.next;

	elect_topology(named, election->candidate, next);
	next->zxid = follows ? deciding->in->fact->topology->zxid : applied->zxid;
	learn(next, election->server, applied);
	mark_unread(next, deciding->in->cluster->max_lag);
	if ((follows && deciding->word.newer) || is_news(deciding)) {
		conclude(deciding, DECIDE_MOVE, reason);
		return;
	}
	topology_fini(next);
	conclude(deciding, DECIDE_CURRENT, "applied");
}

static const char *move_reason(const struct deciding *deciding, const struct election *election)
{
	if (election->against_store)
		return "it takes writes on a higher timeline than the primary that the store names";
	if (deciding->word.kind == STORE_PRIMARY && deciding->word.newer)
		return deciding->word.reason;
	return deciding->in->held != HELD_NOT ? "the primary takes writes: clients go on"
	                                      : "a name resolves anew, or more became known";
}

/* --- what the servers say --- */

static void conclude_twin(struct deciding *deciding, const struct election *election)
{
	deciding->out.about = election->candidate;
	deciding->out.twin = election->twin;
	conclude(deciding, DECIDE_REFUSE,
	         "two servers take writes on one timeline: nothing is moved, one of them has to be "
	         "stopped by a person");
}

static void conclude_unadmitted(struct deciding *deciding, const struct election *election,
                                const struct admission *admission, bool is_applied)
{
	const struct decide_input *in = deciding->in;
	bool refused = admission->kind == ADMIT_NO;
	bool lost = loss_is_proven(applied_server(in)) || (refused && is_applied);

	deciding->out.about = election->candidate;
	deciding->out.why = admission->reason;
	if (!refused)
		deciding->out.ask[0] = election->candidate;
	if (in->held != HELD_NOT || lost)
		conclude_loss(deciding, in->cluster->on_primary_loss,
		              in->held != HELD_NOT ? in->held : HELD_BY_SERVERS,
		              is_applied ? "the primary is lost"
		                         : "the primary is lost, and its successor is not ready");
	else if (refused)
		conclude(deciding, DECIDE_REFUSE,
		         "the server that the store names is no primary to be led to");
	else
		conclude(deciding, DECIDE_KEEP,
		         is_applied ? "the primary is being asked again"
		                    : "the server that the store names is not ready");
}

static bool is_applied(const struct applied *applied, const struct member *member)
{
	return applied->has_topology && same_address(&applied->topology.primary, member);
}

static struct admission ask_admission(const struct deciding *deciding,
                                      const struct electorate *electorate,
                                      const struct election *election)
{
	const struct applied *applied = deciding->in->applied;
	bool known = applied->has_topology;
	bool same = is_applied(applied, election->candidate);

	return admit(&(struct admit_question){
	    .verify = deciding->in->cluster->verify,
	    .server = election->server,
	    .system_identifier = electorate->system_identifier,
	    .applied_identifier = known ? applied->topology.system_identifier : "",
	    .applied_timeline = known ? applied->topology.timeline : 0,
	    .since_us = same || election->against_store ? 0 : deciding->in->fact->read_us,
	    .is_applied = same && applied->in_this_run});
}

/* The store's word is tried on the servers; a twin of the one that is applied changes nothing. */
static void hear_servers(struct deciding *deciding, const struct topology *named)
{
	const struct decide_input *in = deciding->in;
	const struct topology *applied = in->applied->has_topology ? &in->applied->topology : NULL;
	const char *identifier = named->system_identifier;
	struct electorate electorate = {.named = named,
	                                .applied = applied,
	                                .servers = in->servers,
	                                .server_count = in->server_count,
	                                .moved_us = in->moved_us,
	                                .system_identifier = identifier};
	struct election election;
	struct admission admission;

	if (*identifier == '\0' && applied != NULL)
		electorate.system_identifier = applied->system_identifier;
	election = elect(&electorate);
	admission = ask_admission(deciding, &electorate, &election);
	deciding->out.twin = election.twin;
	deciding->out.lower = election.lower;
	if (admission.kind == ADMIT_LATER || admission.kind == ADMIT_NO) {
		conclude_unadmitted(deciding, &election, &admission,
		                    is_applied(in->applied, election.candidate));
		return;
	}
	if (election.twin != NULL && !is_applied(in->applied, election.candidate)) {
		conclude_twin(deciding, &election);
		return;
	}
	deciding->out.unverified = admission.kind == ADMIT_UNVERIFIED;
	deciding->out.why = admission.reason;
	conclude_move(deciding, named, &election, move_reason(deciding, &election));
}

/* The last primary stays; but the servers may say that it is lost, or that another has followed. */
static void stay(struct deciding *deciding, enum decision_kind otherwise)
{
	const struct decide_input *in = deciding->in;
	struct decision *out = &deciding->out;

	if (!in->applied->has_topology || !in->applied->in_this_run || in->held == HELD_BY_STORE ||
	    in->cluster->verify == CONFIG_VERIFY_DISABLE) {
		conclude(deciding, otherwise, deciding->word.reason);
		return;
	}
	hear_servers(deciding, &in->applied->topology);
	if (out->kind == DECIDE_CURRENT || out->kind == DECIDE_KEEP)
		conclude(deciding, otherwise, deciding->word.reason);
}

/* --- the operator --- */

static void obey_pin(struct deciding *deciding)
{
	const struct decide_input *in = deciding->in;
	const struct applied *applied = in->applied;
	const struct topology *named =
	    in->fact->topology != NULL ? in->fact->topology : &applied->topology;
	struct member pinned = {.port = in->override->port, .lag_bytes = -1};
	struct election election = {.candidate = &pinned};

	memcpy(pinned.address, in->override->address, sizeof(pinned.address));
	memcpy(pinned.host, pinned.address, sizeof(pinned.address));
	if (named->has_primary && same_address(&named->primary, &pinned))
		pinned = named->primary;
	for (size_t i = 0; i < named->standby_count; i++)
		if (same_address(&named->standbys[i], &pinned))
			pinned = named->standbys[i];
	election.server = server_of(in->servers, in->server_count, &pinned);
	conclude_move(deciding, named, &election, "pinned by an operator");
	if (deciding->out.kind == DECIDE_CURRENT)
		deciding->out.reason = "pinned by an operator";
}

/* --- all together --- */

static void hear_nobody(struct deciding *deciding)
{
	const struct decide_input *in = deciding->in;
	const struct server_fact *server = applied_server(in);
	bool paused = in->fact->topology != NULL && in->fact->topology->paused;

	if (paused && server != NULL && server_takes_writes(server))
		conclude(deciding, DECIDE_KEEP,
		         "the cluster is paused without a leader, and the last primary takes "
		         "writes");
	else
		conclude_loss(deciding, in->cluster->on_primary_loss, HELD_BY_STORE,
		              deciding->word.reason);
}

static void hear_silence(struct deciding *deciding)
{
	const struct decide_input *in = deciding->in;

	if (in->store_lost && in->cluster->on_store_loss != CONFIG_LOSS_KEEP)
		conclude_loss(deciding, in->cluster->on_store_loss, HELD_BY_STORE,
		              deciding->word.reason);
	else
		stay(deciding, DECIDE_KEEP);
}

static void hear_store(struct deciding *deciding)
{
	switch (deciding->word.kind) {
	case STORE_SILENT:
		hear_silence(deciding);
		return;
	case STORE_BARRED:
		conclude(deciding, DECIDE_KEEP, deciding->word.reason);
		return;
	case STORE_NOBODY:
		hear_nobody(deciding);
		return;
	case STORE_OLDER:
		stay(deciding, DECIDE_REFUSE);
		return;
	case STORE_PRIMARY:
		hear_servers(deciding, deciding->in->fact->topology);
		return;
	}
}

struct decision decide(const struct decide_input *input)
{
	struct deciding deciding = {
	    .in = input, .word = store_word(input->cluster, input->fact, input->applied)};

	deciding.out.floor_zxid = deciding.word.floor_zxid;
	deciding.out.why = "";
	topology_init(&deciding.out.next);
	switch (input->override->kind) {
	case OVERRIDE_NONE:
		hear_store(&deciding);
		break;
	case OVERRIDE_FREEZE:
		conclude(&deciding, DECIDE_KEEP, "frozen by an operator");
		break;
	case OVERRIDE_PIN:
		obey_pin(&deciding);
		break;
	}
	return deciding.out;
}

void decision_fini(struct decision *decision)
{
	topology_fini(&decision->next);
}
