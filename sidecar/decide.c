/* What to do, from the operator's word, the store's and the servers', in this order; the first row
 * that matches wins. */
/* clang-format off */
/*   operator  store's word      the servers                                decision
 *   --------  ----------------  -----------------------------------------  ----------------------
 *   freeze    any               held by the servers, and the primary back  MOVE to it: clients go on
 *   freeze    any               otherwise                                  KEEP
 *   pin       any               any; it is an own listener                 REFUSE
 *   pin       any               any                                        MOVE to it; CURRENT
 *   -         PRIMARY           any; it is an own listener, and the one
 *                               that clients are led to                    loss
 *   -         PRIMARY           any; it is an own listener                 as OLDER
 *   -         SILENT, too long  on_store_loss = hold, fence; not before
 *                               the first move of this run                 HOLD, FENCE
 *   -         SILENT            (nothing applied in this run)              KEEP, WAIT
 *   -         SILENT, OLDER     clients are held on the store's word       KEEP, REFUSE
 *   -         BARRED            as with freeze                             MOVE; KEEP, WAIT
 *   -         NOBODY            the cluster is paused, and the last
 *                               primary takes writes                       KEEP; held: MOVE to it
 *   -         NOBODY            any                                        loss
 *   -         any other         the candidate is admitted                  MOVE; CURRENT
 *   -         any other         it is, on a lower timeline than the last
 *                               primary, which was followed against the
 *                               store's word and is none any more; and
 *                               all others were asked                      MOVE
 *   -         any other         it is not, and the last primary takes
 *                               writes: at the start, or held by servers   MOVE to the last one
 *   -         any other         it is the last primary, refused for its
 *                               system identifier, which is the one that
 *                               was applied: the store's is wrong          REFUSE; held: MOVE
 *   -         any other         it is not, and clients are held already    HOLD, FENCE as before
 *   -         any other         it is not, and the last primary is lost,
 *                               or is itself refused: it is another now    loss
 *   -         any other         it is not admitted now                     KEEP, WAIT; ask again
 *   -         any other         it is refused, or has a twin               REFUSE
 *
 *   The candidate (elect.h): of the store's topology for PRIMARY, of the applied one for SILENT and
 *   OLDER, which would otherwise be KEEP and REFUSE:
 *
 *     layout     the one that is named              another one, on a        candidate
 *                                                   higher timeline
 *     --------   --------------------------------   ----------------------   ------------------
 *     any        whatever it is                     none takes writes        who is named
 *     patroni    takes writes, not below the floor  takes writes             who is named; alarm
 *     patroni    is in recovery                     takes writes             the other
 *     patroni    silent, PRIMARY: not for 10 s      takes writes             who is named
 *     patroni    silent, else: its loss not proven  takes writes             who is named
 *     patroni    gone: silent for longer            takes writes             the other
 *     segue      whatever it is; a person named it  takes writes             who is named; alarm
 *     others     whatever it is                     takes writes             the other
 *
 *   An alarm only where the one that is named was seen to take writes, and is not lost.
 *   Patroni demotes and rewinds whoever takes writes without the leader key.
 *   An own listener is where a proxy that clients are led on by listens itself: decide_own().
 *   loss: HOLD, FENCE or KEEP by on_primary_loss; WAIT where nothing was ever applied. */
/* clang-format on */
#include "decide.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "deciding.h"

const struct topology *deciding_applied(const struct deciding *deciding)
{
	const struct applied *applied = deciding->in->applied;

	return applied->has_topology ? &applied->topology : NULL;
}

const struct own_listener *decide_own(const struct decide_input *input, const struct member *member)
{
	for (size_t i = 0; i < input->own_count; i++)
		if (topology_same_address(&input->own[i].at, member))
			return &input->own[i];
	return NULL;
}

struct floor applied_confirmed(const struct applied *applied)
{
	struct floor floor = applied->confirmed;

	if (applied->against_store)
		return floor;
	if (!applied->has_topology)
		return (struct floor){0};
	floor.timeline = applied->topology.timeline;
	memcpy(floor.system_identifier, applied->topology.system_identifier,
	       sizeof(floor.system_identifier));
	return floor;
}

void deciding_conclude(struct deciding *deciding, enum decision_kind kind, const char *reason)
{
	bool nothing = !deciding->in->applied->has_topology;

	deciding->out.kind = nothing && kind != DECIDE_MOVE ? DECIDE_WAIT : kind;
	deciding->out.reason = reason;
}

void deciding_lose(struct deciding *deciding, enum config_loss policy, enum decide_held by,
                   const char *reason)
{
	static const enum decision_kind kinds[] = {[CONFIG_LOSS_HOLD] = DECIDE_HOLD,
	                                           [CONFIG_LOSS_KEEP] = DECIDE_KEEP,
	                                           [CONFIG_LOSS_FENCE] = DECIDE_FENCE};

	deciding_conclude(deciding, kinds[policy], reason);
	deciding->out.held = by;
	deciding->out.ask_all = true;
}

/* --- moves --- */

static void set_identifier(struct topology *topology, const char *identifier)
{
	snprintf(topology->system_identifier, sizeof(topology->system_identifier), "%s",
	         identifier);
}

/* The server itself knows its timeline and system best. */
static void learn(struct topology *next, const struct server_fact *server,
                  const struct floor *floor)
{
	bool answered = server != NULL && server_takes_writes(server);

	if (answered && server->timeline > 0)
		next->timeline = server->timeline;
	else if (same_system(next->system_identifier, floor->system_identifier))
		next->timeline = larger(next->timeline, floor->timeline);
	if (answered && server->system_identifier[0] != '\0')
		set_identifier(next, server->system_identifier);
	else if (next->system_identifier[0] == '\0')
		set_identifier(next, floor->system_identifier);
}

/* Too far behind, or no standby: it has taken writes since the move, which the primary has not; or
 * the proxy itself. */
static void mark_unread(struct topology *topology, const struct decide_input *in)
{
	int64_t max_lag = in->cluster->max_lag;

	for (size_t i = 0; i < topology->standby_count; i++) {
		struct member *standby = &topology->standbys[i];
		const struct server_fact *server =
		    server_of(in->servers, in->server_count, standby);

		if ((max_lag > 0 && standby->lag_bytes > max_lag) ||
		    decide_own(in, standby) != NULL ||
		    (server != NULL && server_takes_writes(server) &&
		     server->asked_us > in->moved_us))
			standby->unread = true;
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

/* Without a word of the store to follow, who was confirmed stays so, and who was not, too. */
static bool is_against_store(const struct deciding *deciding, const struct election *election)
{
	const struct applied *applied = deciding->in->applied;

	return election->against_store ||
	       (!deciding->follows && applied->against_store &&
	        topology_same_address(&applied->topology.primary, election->candidate));
}

void deciding_move(struct deciding *deciding, const struct topology *named,
                   const struct election *election, const char *reason)
{
	const struct decide_input *in = deciding->in;
	const struct floor floor = deciding_floor(in, named);
	struct topology *next = &deciding->out.next;

	election_topology(named, election->candidate, next);
	next->zxid = deciding->follows && in->fact->topology != NULL ? in->fact->topology->zxid
	                                                             : in->applied->zxid;
	learn(next, election->server, &floor);
	mark_unread(next, in);
	deciding->out.against_store = is_against_store(deciding, election);
	if (next->set_by.id[0] == '\0' || deciding->out.against_store)
		next->set_by = in->applied->topology.set_by; /* it lowers the floor until obeyed */
	deciding->out.on_news =
	    deciding->follows && deciding->word.newer && !election->against_store;
	if ((deciding->follows && deciding->word.newer) || is_news(deciding)) {
		deciding_conclude(deciding, DECIDE_MOVE, reason);
		return;
	}
	topology_fini(next);
	deciding_conclude(deciding, DECIDE_CURRENT, "applied");
}

/* The last primary stays; but the servers may say that it is lost, or that another has followed. */
static void stay(struct deciding *deciding, enum decision_kind otherwise)
{
	const struct decide_input *in = deciding->in;
	struct decision *out = &deciding->out;

	if (!in->applied->has_topology || !in->applied->in_this_run ||
	    in->hold.by == HELD_BY_STORE || in->cluster->verify == CONFIG_VERIFY_DISABLE) {
		deciding_conclude(deciding, otherwise, deciding->word.reason);
		return;
	}
	decide_by_servers(deciding, &in->applied->topology);
	if (out->kind == DECIDE_CURRENT || out->kind == DECIDE_KEEP)
		deciding_conclude(deciding, otherwise, deciding->word.reason);
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
	deciding->out.own = decide_own(in, &pinned);
	if (deciding->out.own != NULL) {
		deciding->out.about = &deciding->out.own->at;
		deciding_conclude(deciding, DECIDE_REFUSE,
		                  "the primary that an operator pinned is this proxy's own "
		                  "listener");
		return;
	}
	deciding->follows = deciding->word.kind == STORE_PRIMARY;
	memcpy(pinned.host, pinned.address, sizeof(pinned.address));
	if (named->has_primary && topology_same_address(&named->primary, &pinned))
		pinned = named->primary;
	for (size_t i = 0; i < named->standby_count; i++)
		if (topology_same_address(&named->standbys[i], &pinned))
			pinned = named->standbys[i];
	election.server = server_of(in->servers, in->server_count, &pinned);
	election.against_store =
	    !named->has_primary || !topology_same_address(&named->primary, &pinned);
	deciding_move(deciding, named, &election, "pinned by an operator");
	if (deciding->out.kind == DECIDE_CURRENT)
		deciding->out.reason = "pinned by an operator";
}

/* --- all together --- */

/* The cluster is paused: nobody is promoted, and its primary takes writes without a leader key. */
static void hear_nobody(struct deciding *deciding)
{
	static const char paused[] = "the cluster is paused without a leader, and the last primary "
	                             "takes writes";
	const struct decide_input *in = deciding->in;
	const struct topology *applied = deciding_applied(deciding);
	const struct server_fact *server = NULL;

	if (applied != NULL && in->fact->topology != NULL && in->fact->topology->paused)
		server = server_of(in->servers, in->server_count, &applied->primary);
	if (server == NULL || !server_takes_writes(server))
		deciding_lose(deciding, in->cluster->on_primary_loss, HELD_BY_STORE,
		              deciding->word.reason);
	else if (!deciding_release(deciding))
		deciding_conclude(deciding, DECIDE_KEEP, paused);
}

static void hear_silence(struct deciding *deciding)
{
	const struct decide_input *in = deciding->in;

	if (in->store_lost && in->applied->in_this_run &&
	    in->cluster->on_store_loss != CONFIG_LOSS_KEEP)
		deciding_lose(deciding, in->cluster->on_store_loss, HELD_BY_STORE,
		              deciding->word.reason);
	else
		stay(deciding, DECIDE_KEEP);
}

/* Nothing is to be done, but to take back a hold that the servers no longer ask for. */
static void do_nothing(struct deciding *deciding, const char *reason)
{
	if (deciding->in->hold.by != HELD_BY_SERVERS || !deciding_release(deciding))
		deciding_conclude(deciding, DECIDE_KEEP, reason);
}

/* The value is not followed, nor is it one that was seen. */
static void refuse_own(struct deciding *deciding)
{
	const struct decide_input *in = deciding->in;
	const struct member *at = &deciding->out.own->at;
	struct decision *out = &deciding->out;

	deciding->word.reason = "the primary that the store names is this proxy's own listener";
	out->floor_zxid = in->applied->floor_zxid;
	if (in->applied->in_this_run && topology_same_address(&in->applied->topology.primary, at))
		deciding_lose(deciding, in->cluster->on_primary_loss, HELD_BY_STORE,
		              deciding->word.reason);
	else
		stay(deciding, DECIDE_REFUSE);
	if (out->reason == deciding->word.reason) {
		out->about = at;
		out->why = "";
	}
}

static void hear_store(struct deciding *deciding)
{
	switch (deciding->word.kind) {
	case STORE_NO_VALUE:
		hear_silence(deciding);
		return;
	case STORE_NO_PUBLISHER:
		do_nothing(deciding, deciding->word.reason);
		return;
	case STORE_NO_PRIMARY:
		hear_nobody(deciding);
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
	    .in = input, .word = store_value(input->cluster, input->fact, input->applied)};

	deciding.out.floor_zxid = deciding.word.floor_zxid;
	deciding.out.why = "";
	topology_init(&deciding.out.next);
	switch (input->override->kind) {
	case OVERRIDE_NONE:
		hear_store(&deciding);
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
