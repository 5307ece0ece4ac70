/* Decides from the operator's command, the store's value and the servers' answers, in this order.
 * The first row that matches wins. */
/* clang-format off */
/*   operator  the store         the servers                                decision
 *   --------  ----------------  -----------------------------------------  ----------------------
 *   freeze    any               held by the servers, and the applied
 *                               primary is admitted again                  MOVE to it: released
 *   freeze    any               otherwise                                  KEEP
 *   pin       any               any; the pinned one is an own listener     REFUSE
 *   pin       any               any                                        MOVE to it; CURRENT
 *   -         PRIMARY           any; it is an own listener, and clients
 *                               are sent to it now                         loss
 *   -         PRIMARY           any; it is an own listener                 as ROLLED_BACK
 *   -         NO_VALUE          any; the store is lost, on_store_loss is
 *                               hold or fence, and this run has moved      HOLD, FENCE
 *   -         NO_VALUE,         nothing applied in this run, or clients
 *             ROLLED_BACK       are held by the store, or verify = disable KEEP, REFUSE; WAIT
 *   -         NO_PUBLISHER      as with freeze                             MOVE; KEEP, WAIT
 *   -         NO_PRIMARY        the cluster is paused, and the last
 *                               primary takes writes                       KEEP; held: MOVE to it
 *   -         NO_PRIMARY        any                                        loss
 *   -         any other         the candidate is admitted, but another
 *                               one takes writes on its timeline, and the
 *                               candidate is not the last primary          REFUSE
 *   -         any other         the candidate is admitted                  MOVE; CURRENT
 *   -         any other         it is admitted, on a lower timeline than
 *                               the last primary, which was followed
 *                               against the store and is no primary any
 *                               more; and all others were queried          MOVE
 *   -         any other         it is not admitted, and the last primary
 *                               takes writes: at the start, or held by
 *                               the servers                                MOVE to the last one
 *   -         any other         it is the last primary, refused because
 *                               the store has a wrong system identifier:
 *                               the server still has the applied one       REFUSE; held: MOVE
 *   -         any other         it is not admitted, and clients are held   HOLD, FENCE as before
 *   -         any other         it is not admitted, and the last primary
 *                               is lost, or is the candidate and refused   loss
 *   -         any other         it is not admitted now                     KEEP, WAIT; ask again
 *   -         any other         it is refused                              REFUSE
 *
 *   loss: HOLD, FENCE or KEEP by on_primary_loss; WAIT if nothing was ever applied.
 *   An own listener is an address at which a proxy of the cluster itself listens: decide_own().
 *
 *   The candidate (decide_internal.h) is chosen in the store's topology for PRIMARY, and in the
 *   applied one for NO_VALUE and ROLLED_BACK, which otherwise are KEEP and REFUSE:
 *
 *     layout     the named primary                  another one, on a        candidate
 *                                                   higher timeline
 *     --------   --------------------------------   ----------------------   ------------------
 *     any        any                                takes no writes          the named one
 *     patroni    takes writes, not below the floor  takes writes             the named one; alarm
 *     patroni    is in recovery, or takes writes
 *                below the floor                    takes writes             the other one
 *     patroni    silent, PRIMARY: for under 10 s    takes writes             the named one
 *     patroni    silent, else: loss not proven      takes writes             the named one
 *     patroni    silent for longer: gone            takes writes             the other one
 *     segue      any; a person has named it         takes writes             the named one; alarm
 *     others     any                                takes writes             the other one
 *
 *   The alarm is given only if the named one was seen to take writes, and is not lost.
 *   Patroni demotes and rewinds a server that takes writes without the leader key. */
/* clang-format on */
#include "decide/decide.h"
#include "decide_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "decide/admission.h"

/* A decision in progress. */
struct deciding {
	const struct decide_input *in;
	const struct topology *applied; /* in this run or an earlier one; NULL: nothing was */
	struct store_value value;       /* how the store's value was judged */
	bool follows; /* the store's present value is followed: its zxid becomes ours */
	struct decision out;
};

static bool is_applied(const struct deciding *deciding, const struct member *member)
{
	return deciding->applied != NULL &&
	       topology_same_address(&deciding->applied->primary, member);
}

const struct own_listener *decide_own(const struct decide_input *input, const struct member *member)
{
	for (size_t i = 0; i < input->own_count; i++)
		if (topology_same_address(&input->own[i].at, member))
			return &input->own[i];
	return NULL;
}

static void conclude(struct deciding *deciding, enum decision_kind kind, const char *reason)
{
	deciding->out.kind = deciding->applied == NULL && kind != DECIDE_MOVE ? DECIDE_WAIT : kind;
	deciding->out.reason = reason;
}

static void lose(struct deciding *deciding, enum config_loss policy, enum decide_held by,
                 const char *reason)
{
	static const enum decision_kind kinds[] = {[CONFIG_LOSS_HOLD] = DECIDE_HOLD,
	                                           [CONFIG_LOSS_KEEP] = DECIDE_KEEP,
	                                           [CONFIG_LOSS_FENCE] = DECIDE_FENCE};

	conclude(deciding, kinds[policy], reason);
	deciding->out.held = by;
	deciding->out.ask_all = true;
}

/* --- the floor --- */

/* Its loss is proven and it has been silent for long: it is not one that merely restarts. */
static bool is_gone(const struct decide_input *in, const struct server_fact *server)
{
	return loss_is_proven(server) && in->now_us - server->heard_us >= DECIDE_GONE_US;
}

/* The primary that was followed against the store is no primary any more: it was demoted,
 * initialised again, or is gone. */
static bool is_undone(const struct decide_input *in)
{
	const struct applied *applied = in->applied;
	const struct topology *topology = &applied->topology;
	const struct server_fact *server;

	server = applied->has_topology && applied->against_store ? server_at(in, &topology->primary)
	                                                         : NULL;
	if (server == NULL)
		return false;
	if (server->class != SERVER_ANSWERED)
		return is_gone(in, server);
	return server->in_recovery ||
	       (server->timeline > 0 && server->timeline < topology->timeline) ||
	       !same_system(server->system_identifier, topology->system_identifier);
}

/* The floor for the primary of `named`. It has no timeline if a person has named that primary since
 * (segue set-primary). */
static struct floor floor_of(const struct decide_input *in, const struct topology *named)
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

/* --- moves --- */

/* The server's own answer about its timeline and system identifier comes first. */
static void learn(struct topology *next, const struct server_fact *server,
                  const struct floor *floor)
{
	bool answered = server != NULL && server_takes_writes(server);
	const char *identifier =
	    next->system_identifier[0] == '\0' ? floor->system_identifier : NULL;

	if (answered && server->timeline > 0)
		next->timeline = server->timeline;
	else if (same_system(next->system_identifier, floor->system_identifier))
		next->timeline = larger(next->timeline, floor->timeline);
	if (answered && server->system_identifier[0] != '\0')
		identifier = server->system_identifier;
	if (identifier != NULL)
		snprintf(next->system_identifier, sizeof(next->system_identifier), "%s",
		         identifier);
}

/* No read-only traffic for a standby that is too far behind, is an own listener, or takes writes:
 * since the move it has data that the primary does not have. */
static void mark_unread(struct topology *topology, const struct decide_input *in)
{
	int64_t max_lag = in->cluster->max_lag;

	for (size_t i = 0; i < topology->standby_count; i++) {
		struct member *standby = &topology->standbys[i];
		const struct server_fact *server = server_at(in, standby);

		if ((max_lag > 0 && standby->lag_bytes > max_lag) ||
		    decide_own(in, standby) != NULL ||
		    (server != NULL && server_takes_writes(server) &&
		     server->asked_us > in->moved_us))
			standby->no_reads = true;
	}
}

static bool is_news(const struct deciding *deciding)
{
	const struct applied *applied = deciding->in->applied;
	const struct topology *next = &deciding->out.next;

	return !applied->has_topology || !applied->in_this_run ||
	       deciding->in->hold.by != HELD_NOT ||
	       !topology_same_servers(next, &applied->topology) ||
	       deciding->out.against_store != applied->against_store ||
	       next->timeline != applied->topology.timeline ||
	       strcmp(next->system_identifier, applied->topology.system_identifier) != 0;
}

/* MOVE to the candidate, or CURRENT if nothing would change. */
static void move(struct deciding *deciding, const struct topology *named,
                 const struct election *election, const char *reason)
{
	const struct decide_input *in = deciding->in;
	const struct floor floor = floor_of(in, named);
	struct topology *next = &deciding->out.next;

	election_topology(named, election->candidate, next);
	next->zxid = deciding->follows && in->fact->topology != NULL ? in->fact->topology->zxid
	                                                             : in->applied->zxid;
	learn(next, election->server, &floor);
	mark_unread(next, in);
	/* If no value of the store is followed, the flag of the applied primary stays. */
	deciding->out.against_store =
	    election->against_store || (!deciding->follows && in->applied->against_store &&
	                                is_applied(deciding, election->candidate));
	if (next->set_by.id[0] == '\0' || deciding->out.against_store)
		/* Keeps the old mark, so that a new one lowers the floor until it is followed. */
		next->set_by = in->applied->topology.set_by;
	deciding->out.on_news =
	    deciding->follows && deciding->value.newer && !election->against_store;
	if ((deciding->follows && deciding->value.newer) || is_news(deciding)) {
		conclude(deciding, DECIDE_MOVE, reason);
		return;
	}
	topology_fini(next);
	conclude(deciding, DECIDE_CURRENT, "applied");
}

/* --- the servers' answers --- */
/* Who is the candidate, is it admitted, and if not, is the last primary lost? Before clients are
 * sent to a primary for the first time, or again to the one that they were held for, every member
 * is queried, because another one may have been promoted meanwhile. */

/* A member that is not queried (no address, or an own listener) counts as queried. */
static bool is_queried(const struct decide_input *in, const struct member *member)
{
	const struct server_fact *server = server_at(in, member);

	return server == NULL ||
	       (server->class != SERVER_UNASKED && server->asked_us >= in->hold.since_us);
}

static bool are_queried(const struct decide_input *in, const struct topology *topology)
{
	bool all = topology == NULL || !topology->has_primary || is_queried(in, &topology->primary);

	for (size_t i = 0; all && topology != NULL && i < topology->standby_count; i++)
		all = is_queried(in, &topology->standbys[i]);
	return all;
}

/* Must all members be queried first? Not for a candidate that the store has just named while the
 * last primary is lost. */
static bool needs_all(const struct deciding *deciding, const struct member *candidate)
{
	const struct decide_input *in = deciding->in;

	return in->cluster->verify != CONFIG_VERIFY_DISABLE &&
	       (!in->applied->in_this_run || is_undone(in) ||
	        (in->hold.by == HELD_BY_SERVERS && is_applied(deciding, candidate)));
}

/* --- admission --- */

/* The last primary took writes when it last answered, and was not interrupted since. False if a
 * person has named the primary since. */
static bool last_lives(const struct decide_input *in, const struct topology *named)
{
	const struct topology *applied = &in->applied->topology;
	const struct server_fact *server = server_at(in, &applied->primary);

	return server != NULL && server->known && !server->in_recovery && !server->interrupted &&
	       server->class != SERVER_FAULTY && !topology_is_set_anew(named, applied);
}

struct admission decide_admission(const struct decide_input *in, const struct topology *named,
                                  const struct member *member)
{
	const struct applied *applied = in->applied;
	const struct floor floor = floor_of(in, named);
	const struct server_fact *server = server_at(in, member);
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

/* False while the only answer is to a query from before the store named the candidate. */
static bool is_fresh(const struct deciding *deciding, const struct election *election)
{
	return !deciding->follows || election->against_store || election->server == NULL ||
	       is_applied(deciding, election->candidate) ||
	       deciding->in->cluster->verify == CONFIG_VERIFY_DISABLE ||
	       election->server->asked_us >= deciding->in->fact->read_us;
}

static struct admission ask_admission(struct deciding *deciding, const struct topology *named,
                                      const struct election *election)
{
	const struct decide_input *in = deciding->in;
	const struct topology *applied = deciding->applied;
	struct admission admission = decide_admission(in, named, election->candidate);

	if (admission.kind == ADMIT_LATER || admission.kind == ADMIT_NO)
		return admission;
	if (!is_fresh(deciding, election))
		return (struct admission){ADMIT_LATER,
		                          "segue is asking it whether it is the primary now"};
	if (!needs_all(deciding, election->candidate) ||
	    (are_queried(in, named) && are_queried(in, applied) &&
	     are_queried(in, in->fact->topology)))
		return admission;
	deciding->out.ask_all = true;
	return (struct admission){ADMIT_LATER,
	                          "the other servers are queried first, because one of "
	                          "them may have been promoted"};
}

/* --- the conclusion --- */

static const char released[] = "the primary takes writes: held clients are released";

static const char *move_reason(const struct deciding *deciding, const struct election *election,
                               const struct admission *admission)
{
	if (election->against_store)
		return "it takes writes on a higher timeline than the primary that the store names";
	if (is_undone(deciding->in) && !is_applied(deciding, election->candidate))
		return "the store names it, and the server that segue followed against the store "
		       "is no longer a primary";
	if (deciding->follows && deciding->value.newer)
		return deciding->value.reason;
	if (deciding->in->hold.by == HELD_NOT)
		return "a host name now has another address, or the servers reported new facts";
	return admission->kind == ADMIT_UNVERIFIED
	           ? "the primary is running: held clients are released, although segue could "
	             "not check whether it takes writes"
	           : released;
}

/* No candidate: clients stay with the last primary, or wait because it is lost. */
static void conclude_without(struct deciding *deciding, bool refused, bool same)
{
	const struct decide_input *in = deciding->in;
	const struct topology *applied = deciding->applied;
	const char *lost =
	    same ? "the primary is lost"
	         : "the primary is lost, and the new primary does not take writes yet";

	if (in->hold.by != HELD_NOT)
		lose(deciding, in->hold.policy, in->hold.by, lost);
	else if ((refused && same) ||
	         (applied != NULL && loss_is_proven(server_at(in, &applied->primary))))
		lose(deciding, in->cluster->on_primary_loss, HELD_BY_SERVERS, lost);
	else if (refused)
		conclude(deciding, DECIDE_REFUSE,
		         "clients must not be sent to the server that the store names");
	else
		conclude(deciding, DECIDE_KEEP,
		         same ? "segue is asking the primary again"
		              : "the server that the store names is not ready");
}

/* Moves to the last primary under its own zxid; the store's value is not followed. False: it is not
 * admitted, or there is none. */
static bool stay_with_applied(struct deciding *deciding, const char *reason)
{
	const struct decide_input *in = deciding->in;
	const struct topology *applied = deciding->applied;
	struct election election;

	if (applied == NULL)
		return false;
	election = (struct election){.candidate = &applied->primary,
	                             .server = server_at(in, &applied->primary)};
	deciding->follows = false;
	if (ask_admission(deciding, applied, &election).kind != ADMIT_YES)
		return false;
	deciding->out.about = NULL;
	deciding->out.why = "";
	move(deciding, applied, &election, reason);
	return true;
}

/* Releases clients that are held, if the applied primary is admitted again. */
static bool release(struct deciding *deciding)
{
	return deciding->in->hold.by != HELD_NOT && stay_with_applied(deciding, released);
}

/* The store names the last primary, but with a wrong system identifier: the server still has the
 * one that it had when it was applied. */
static bool is_misnamed(const struct deciding *deciding, const struct election *election)
{
	const struct topology *applied = deciding->applied;

	return is_applied(deciding, election->candidate) && applied->system_identifier[0] != '\0' &&
	       election->server != NULL && server_takes_writes(election->server) &&
	       decide_admission(deciding->in, applied, &applied->primary).kind == ADMIT_YES;
}

/* The candidate is not admitted: clients stay with the last primary. After a start or a hold they
 * have to be moved to it. */
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
		deciding->out.reason = "the store names the last primary with a wrong system "
		                       "identifier";
}

/* Whether the named primary is followed even if another one is on a higher timeline. It is, if a
 * person has named it, as no server overrules a person. It is also for Patroni's leader key, as
 * Patroni demotes every other server that takes writes. A leader that is silent for a moment may be
 * restarting. While the store is unreachable its key may be gone unnoticed, so there a proven loss
 * is enough. */
static bool named_stands(const struct deciding *deciding, const struct topology *named,
                         const struct floor *floor)
{
	const struct decide_input *in = deciding->in;
	const struct server_fact *server = server_at(in, &named->primary);

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

/* Decides by the servers' answers about the primary of `named`. */
static void decide_by_servers(struct deciding *deciding, const struct topology *named)
{
	const struct decide_input *in = deciding->in;
	const struct floor floor = floor_of(in, named);
	const struct election election = election_decide(in, named, identifier_of(named, &floor),
	                                                 named_stands(deciding, named, &floor));
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
		deciding->out.about = election.candidate;
		conclude(deciding, DECIDE_REFUSE,
		         "two servers take writes on the same timeline: segue does not move "
		         "clients; stop one of the two servers");
		return;
	}
	deciding->out.why = admission.reason;
	deciding->out.overruled = election.against_store && deciding->follows;
	move(deciding, named, &election, move_reason(deciding, &election, &admission));
}

/* The last primary stays, unless the servers show that it is lost or that another one has replaced
 * it. */
static void stay(struct deciding *deciding, enum decision_kind otherwise)
{
	const struct decide_input *in = deciding->in;
	struct decision *out = &deciding->out;

	if (deciding->applied == NULL || !in->applied->in_this_run ||
	    in->hold.by == HELD_BY_STORE || in->cluster->verify == CONFIG_VERIFY_DISABLE) {
		conclude(deciding, otherwise, deciding->value.reason);
		return;
	}
	decide_by_servers(deciding, deciding->applied);
	if (out->kind == DECIDE_CURRENT || out->kind == DECIDE_KEEP)
		conclude(deciding, otherwise, deciding->value.reason);
}

/* --- the operator --- */

static void obey_pin(struct deciding *deciding)
{
	const struct decide_input *in = deciding->in;
	const struct topology *named =
	    in->fact->topology != NULL ? in->fact->topology : &in->applied->topology;
	struct member pinned = {.port = in->override->port, .lag_bytes = -1};
	struct election election = {.candidate = &pinned};

	memcpy(pinned.address, in->override->address, sizeof(pinned.address));
	deciding->out.own = decide_own(in, &pinned);
	if (deciding->out.own != NULL) {
		deciding->out.about = &deciding->out.own->at;
		conclude(deciding, DECIDE_REFUSE,
		         "the server that an operator pinned is an address on which this proxy "
		         "itself listens");
		return;
	}
	deciding->follows = deciding->value.kind == STORE_PRIMARY;
	memcpy(pinned.host, pinned.address, sizeof(pinned.address));
	if (named->has_primary && topology_same_address(&named->primary, &pinned))
		pinned = named->primary;
	for (size_t i = 0; i < named->standby_count; i++)
		if (topology_same_address(&named->standbys[i], &pinned))
			pinned = named->standbys[i];
	election.server = server_at(in, &pinned);
	election.against_store =
	    !named->has_primary || !topology_same_address(&named->primary, &pinned);
	move(deciding, named, &election, "pinned by an operator");
	if (deciding->out.kind == DECIDE_CURRENT)
		deciding->out.reason = "pinned by an operator";
}

/* --- all together --- */

/* For STORE_NO_PRIMARY. While Patroni is paused nobody is promoted, and the last primary may take
 * writes without a leader key. */
static void follow_no_primary(struct deciding *deciding)
{
	const struct decide_input *in = deciding->in;
	const struct topology *now = in->fact->topology;
	const struct server_fact *server = NULL;

	if (deciding->applied != NULL && now != NULL && now->paused)
		server = server_at(in, &deciding->applied->primary);
	if (server == NULL || !server_takes_writes(server))
		lose(deciding, in->cluster->on_primary_loss, HELD_BY_STORE, deciding->value.reason);
	else if (!release(deciding))
		conclude(deciding, DECIDE_KEEP,
		         "the cluster is paused without a leader, and the last primary takes "
		         "writes");
}

static void follow_no_value(struct deciding *deciding)
{
	const struct decide_input *in = deciding->in;

	if (in->store_lost && in->applied->in_this_run &&
	    in->cluster->on_store_loss != CONFIG_LOSS_KEEP)
		lose(deciding, in->cluster->on_store_loss, HELD_BY_STORE, deciding->value.reason);
	else
		stay(deciding, DECIDE_KEEP);
}

/* Does nothing, except to end a hold that the servers no longer ask for. */
static void do_nothing(struct deciding *deciding, const char *reason)
{
	if (deciding->in->hold.by != HELD_BY_SERVERS || !release(deciding))
		conclude(deciding, DECIDE_KEEP, reason);
}

/* The value is not followed, and does not count as seen. */
static void refuse_own(struct deciding *deciding)
{
	const struct decide_input *in = deciding->in;
	const struct member *at = &deciding->out.own->at;
	struct decision *out = &deciding->out;

	deciding->value.reason =
	    "the primary that the store names is an address on which this proxy itself listens";
	out->floor_zxid = in->applied->floor_zxid;
	if (in->applied->in_this_run && topology_same_address(&in->applied->topology.primary, at))
		lose(deciding, in->cluster->on_primary_loss, HELD_BY_STORE, deciding->value.reason);
	else
		stay(deciding, DECIDE_REFUSE);
	if (out->reason == deciding->value.reason) {
		out->about = at;
		out->why = "";
	}
}

static void follow_store(struct deciding *deciding)
{
	switch (deciding->value.kind) {
	case STORE_NO_VALUE:
		follow_no_value(deciding);
		return;
	case STORE_NO_PUBLISHER:
		do_nothing(deciding, deciding->value.reason);
		return;
	case STORE_NO_PRIMARY:
		follow_no_primary(deciding);
		return;
	case STORE_ROLLED_BACK:
		stay(deciding, DECIDE_REFUSE);
		return;
	case STORE_PRIMARY:
		deciding->out.own =
		    decide_own(deciding->in, &deciding->in->fact->topology->primary);
		if (deciding->out.own != NULL) {
			refuse_own(deciding);
			return;
		}
		deciding->follows = true;
		decide_by_servers(deciding, deciding->in->fact->topology);
		return;
	}
}

struct decision decide(const struct decide_input *input)
{
	struct deciding deciding = {
	    .in = input,
	    .applied = input->applied->has_topology ? &input->applied->topology : NULL,
	    .value = store_value(input->cluster, input->fact, input->applied)};

	deciding.out.floor_zxid = deciding.value.floor_zxid;
	deciding.out.why = "";
	topology_init(&deciding.out.next);
	switch (input->override->kind) {
	case OVERRIDE_NONE:
		follow_store(&deciding);
		break;
	case OVERRIDE_FREEZE:
		do_nothing(&deciding, "frozen by an operator");
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
