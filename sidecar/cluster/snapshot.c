/* What people and machines are told of a cluster, gathered in one place: for GET /status, /metrics
 * and /readyz, for systemd and for the fleet znode. */
#include <string.h>

#include "base/clock.h"
#include "cluster_internal.h"
#include "postgres/verifier.h"
#include "watch/watcher.h"

bool cluster_has_confirmed(const struct cluster *cluster, const struct cluster_target *entry)
{
	struct target_status status;

	target_status(entry->target, &status);
	return status.in_sync && status.zxid == cluster->applied.topology.zxid;
}

int64_t cluster_hold_left_ms(const struct cluster *cluster)
{
	if (cluster->hold.by == HELD_NOT)
		return 0;
	return cluster->hold_limit_ms - (clock_now_us() - cluster->hold.since_us) / 1000;
}

const struct member *cluster_previous(const struct cluster *cluster)
{
	return clock_now_ms() < cluster->previous_until_ms ? &cluster->previous : NULL;
}

void cluster_input(const struct cluster *cluster, struct decide_input *out)
{
	*out = (struct decide_input){.cluster = cluster->config,
	                             .fact = watcher_fact(cluster->watcher),
	                             .applied = &cluster->applied,
	                             .previous = cluster_previous(cluster),
	                             .override = &cluster->override,
	                             .own = cluster->own,
	                             .own_count = cluster->own_count,
	                             .moved_us = cluster->moved_us,
	                             .hold = cluster->hold,
	                             .store_lost = cluster->away_ms != 0 &&
	                                           clock_now_ms() - cluster->away_ms >=
	                                               cluster->segue->session_timeout_ms,
	                             .now_us = clock_now_us()};
	out->servers = verifier_facts(cluster->verifier, &out->server_count);
}

/* `calm`: and no target has an alarm. */
static bool is_in_sync(const struct cluster *cluster, bool calm)
{
	struct target_status status;

	for (size_t i = 0; i < cluster->target_count; i++) {
		target_status(cluster->targets[i].target, &status);
		if (!status.in_sync || (calm && *status.alarm != '\0'))
			return false;
	}
	return true;
}

/* Once primed, the targets have the text of a primary that was admitted in this process or named by
 * the operator. The only other text is the one that is applied in order to hold clients, and then a
 * hold is on. The present value of the store does not matter, only where clients are led. */
bool cluster_is_ready(const struct cluster *cluster)
{
	return cluster->target_count == 0 ||
	       (cluster->primed && cluster->hold.by == HELD_NOT && is_in_sync(cluster, true));
}

bool cluster_leads(const struct cluster *cluster)
{
	return cluster->applied.in_this_run && cluster->applied.has_topology &&
	       cluster->hold.by == HELD_NOT;
}

static const char *state_of(const struct cluster_snapshot *snapshot)
{
	/* CURRENT and MOVE: that depends on the targets */
	static const char *const states[DECIDE_KINDS] = {[DECIDE_HOLD] = "held",
	                                                 [DECIDE_FENCE] = "fenced",
	                                                 [DECIDE_WAIT] = "waiting",
	                                                 [DECIDE_REFUSE] = "refused",
	                                                 [DECIDE_KEEP] = "kept"};
	const struct cluster *cluster = snapshot->cluster;

	if (cluster->override.kind != OVERRIDE_NONE)
		return cluster->override.kind == OVERRIDE_PIN ? "pinned" : "frozen";
	if (snapshot->hold_is_over)
		return "lost";
	if (cluster->last_decision.kind == DECIDE_KEEP && snapshot->is_held)
		return "held";
	if (states[cluster->last_decision.kind] != NULL)
		return states[cluster->last_decision.kind];
	if (cluster->last_decision.overruled)
		return "overruled";
	return is_in_sync(cluster, false) ? "current" : "moving";
}

static const char *alarm_of(const struct cluster *cluster)
{
	if (cluster->last_decision.alarm[0] != '\0')
		return cluster->last_decision.alarm;
	for (size_t i = 0; i < cluster->target_count; i++)
		if (cluster->targets[i].alarm != NULL)
			return cluster->targets[i].alarm;
	return NULL;
}

void cluster_snapshot(const struct cluster *cluster, struct cluster_snapshot *out)
{
	const struct last_decision *decision = &cluster->last_decision;

	*out = (struct cluster_snapshot){.cluster = cluster};
	cluster_input(cluster, &out->input);
	out->topology = out->named = &cluster->applied.topology;
	if (out->input.fact->topology != NULL)
		out->named = out->input.fact->topology;
	out->primary =
	    server_of(out->input.servers, out->input.server_count, &out->topology->primary);
	out->is_held = cluster->hold.by != HELD_NOT;
	out->is_fenced = out->is_held && cluster->hold.policy == CONFIG_LOSS_FENCE;
	out->hold_left_ms = larger(cluster_hold_left_ms(cluster), 0);
	out->hold_is_over = out->is_held && !out->is_fenced && out->hold_left_ms == 0;
	out->is_ready = cluster_is_ready(cluster);
	out->state = state_of(out);
	out->reason =
	    cluster->override_problem != NULL ? cluster->override_problem : decision->reason;
	out->alarm = alarm_of(cluster);
}

/* --- a server --- */

const struct member *cluster_find_member(const struct topology *topology, const struct member *at)
{
	if (topology == NULL)
		return NULL;
	if (topology->has_primary && topology_same_address(&topology->primary, at))
		return &topology->primary;
	for (size_t i = 0; i < topology->standby_count; i++)
		if (topology_same_address(&topology->standbys[i], at))
			return &topology->standbys[i];
	return NULL;
}

/* As the store has it, or else from what both servers answered, which is approximate, because they
 * were asked at different times. */
static int64_t lag_bytes(const struct cluster_snapshot *snapshot, const struct member *member,
                         const struct server_fact *server)
{
	const struct server_fact *primary = snapshot->primary;

	if (member != NULL && member->lag_bytes >= 0)
		return member->lag_bytes;
	if (primary == NULL || !server_takes_writes(primary) || !server->known ||
	    !server->in_recovery)
		return -1;
	return larger(primary->lsn - server->lsn, 0);
}

void cluster_server(const struct cluster_snapshot *snapshot, size_t index,
                    struct cluster_server *out)
{
	const struct server_fact *fact = &snapshot->input.servers[index];

	*out = (struct cluster_server){.fact = fact, .at.port = fact->port};
	memcpy(out->at.address, fact->address, sizeof(out->at.address));
	out->member = cluster_find_member(snapshot->topology, &out->at);
	out->role = out->member == NULL                           ? "?"
	            : out->member == &snapshot->topology->primary ? "primary"
	                                                          : "standby";
	out->lag_bytes = lag_bytes(snapshot, out->member, fact);
}
