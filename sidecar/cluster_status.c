/* A cluster in the document of GET /status: what the store says, what was admitted or refused and
 * why, and how each target stands. Made when somebody asks, and only then. */
#include <string.h>

#include "admit.h"
#include "base/clock.h"
#include "cluster_own.h"
#include "watch/watcher.h"

static json_t *text_or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *endpoint_json(const struct member *member)
{
	char endpoint[CLUSTER_ENDPOINT_MAX];

	cluster_endpoint(member, endpoint, sizeof(endpoint));
	return json_string(endpoint);
}

static json_t *time_json(int64_t us)
{
	char text[CLOCK_WALL_MAX];

	if (us == 0)
		return json_null();
	clock_wall_at(us, text, sizeof(text));
	return json_string(text);
}

/* Clients are let go by then, to a server that may well be dead. */
static bool is_hold_over(const struct cluster *cluster)
{
	return cluster->hold.by != HELD_NOT && cluster->hold.policy == CONFIG_LOSS_HOLD &&
	       cluster_hold_left_ms(cluster) <= 0;
}

static json_t *alarm_json(const struct cluster *cluster)
{
	if (cluster->verdict.alarm[0] == '\0' && is_hold_over(cluster))
		return json_sprintf("no primary for %lld s, longer than hold_timeout: clients get "
		                    "errors",
		                    (long long)(clock_now_us() - cluster->hold.since_us) / 1000000);
	return text_or_null(cluster->verdict.alarm);
}

const char *cluster_state(const struct cluster *cluster)
{
	if (cluster->override.kind != OVERRIDE_NONE)
		return cluster->override.kind == OVERRIDE_PIN ? "pinned" : "frozen";
	if (is_hold_over(cluster))
		return "lost";
	switch (cluster->verdict.kind) {
	case DECIDE_HOLD:
		return "held";
	case DECIDE_FENCE:
		return "fenced";
	case DECIDE_WAIT:
		return "waiting";
	case DECIDE_REFUSE:
		return "refused";
	case DECIDE_KEEP:
		return cluster->hold.by != HELD_NOT ? "held" : "kept";
	case DECIDE_CURRENT:
	case DECIDE_MOVE:
	case DECIDE_KINDS:
		break;
	}
	if (cluster->verdict.overruled)
		return "overruled";
	for (size_t i = 0; i < cluster->outlet_count; i++) {
		struct target_status status;

		target_status(cluster->outlets[i].target, &status);
		if (!status.in_sync)
			return "moving";
	}
	return "current";
}

static json_t *store_json(const struct watch_fact *fact)
{
	static const char *const states[] = {
	    [WATCH_WAITING] = "waiting",         [WATCH_RESOLVING] = "resolving",
	    [WATCH_UNREACHABLE] = "unreachable", [WATCH_ABSENT] = "absent",
	    [WATCH_INVALID] = "invalid",         [WATCH_VALUE] = "value"};
	const struct topology *topology = fact->topology;
	bool named = topology != NULL && topology->has_primary;

	return json_pack("{s:s, s:I, s:o, s:o}", "state", states[fact->state], "zxid",
	                 (json_int_t)fact->mzxid, "primary",
	                 named ? endpoint_json(&topology->primary) : json_null(), "problem",
	                 text_or_null(fact->problem));
}

static json_t *applied_json(const struct cluster *cluster)
{
	const struct applied *applied = &cluster->applied;
	const struct topology *topology = &applied->topology;

	if (!applied->has_topology)
		return json_null();
	return json_pack("{s:I, s:o, s:o, s:I, s:b, s:o}", "zxid", (json_int_t)applied->zxid,
	                 "primary", endpoint_json(&topology->primary), "name",
	                 text_or_null(topology->primary.name), "timeline",
	                 (json_int_t)topology->timeline, "in_this_run", applied->in_this_run,
	                 "since", time_json(cluster->moved_us));
}

static json_t *override_json(const struct override *override)
{
	json_t *json;

	if (override->kind == OVERRIDE_NONE)
		return json_null();
	json =
	    json_pack("{s:s, s:o, s:o}", "kind", override->kind == OVERRIDE_PIN ? "pin" : "freeze",
	              "by", text_or_null(override->by), "since", text_or_null(override->since));
	if (json != NULL && override->kind == OVERRIDE_PIN) {
		json_object_set_new(json, "address", json_string(override->address));
		json_object_set_new(json, "port", json_integer(override->port));
	}
	return json;
}

/* --- servers --- */

static const struct member *find_member(const struct topology *topology, const struct member *at,
                                        const char **role)
{
	*role = "primary";
	if (topology->has_primary && topology_same_address(&topology->primary, at))
		return &topology->primary;
	*role = "standby";
	for (size_t i = 0; i < topology->standby_count; i++)
		if (topology_same_address(&topology->standbys[i], at))
			return &topology->standbys[i];
	*role = "?";
	return NULL;
}

static struct admission admission_of(const struct cluster *cluster, const struct member *at)
{
	struct decide_input input;

	cluster_input(cluster, &input);
	return decide_admission(
	    &input,
	    input.fact->topology != NULL ? input.fact->topology : &cluster->applied.topology, at);
}

/* How far a standby's replay is behind: by the store, or else by what both have said, which is
 * about right, as they were asked at different times. */
static json_t *lag_json(const struct member *member, const struct server_fact *server,
                        const struct server_fact *primary)
{
	if (member != NULL && member->lag_bytes >= 0)
		return json_integer(member->lag_bytes);
	if (primary == NULL || !server_takes_writes(primary) || !server->known ||
	    !server->in_recovery)
		return json_null();
	return json_integer(primary->lsn > server->lsn ? primary->lsn - server->lsn : 0);
}

static json_t *server_json(const struct cluster *cluster, const struct server_fact *server,
                           const struct server_fact *primary)
{
	const char *role;
	struct member at = {.port = server->port};
	const struct member *member;
	struct admission admission;
	bool admitted;

	memcpy(at.address, server->address, sizeof(at.address));
	member = find_member(&cluster->applied.topology, &at, &role);
	admission = admission_of(cluster, &at);
	admitted = admission.kind == ADMIT_YES || admission.kind == ADMIT_UNVERIFIED;

	return json_pack(
	    "{s:s, s:i, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:s}", "address",
	    server->address, "port", (int)server->port, "name",
	    text_or_null(member != NULL ? member->name : NULL), "role", role, "class",
	    server_class_name(server->class), "problem", text_or_null(server->problem),
	    "in_recovery", server->known ? json_boolean(server->in_recovery) : json_null(),
	    "timeline", server->timeline > 0 ? json_integer(server->timeline) : json_null(),
	    "lag_bytes", lag_json(member, server, primary), "system_identifier",
	    text_or_null(server->system_identifier), "admitted", admitted, "why", admission.reason);
}

static json_t *servers_json(const struct cluster *cluster)
{
	json_t *servers = json_array();
	size_t count;
	const struct server_fact *facts = verifier_facts(cluster->verifier, &count);
	const struct server_fact *primary =
	    server_of(facts, count, &cluster->applied.topology.primary);

	for (size_t i = 0; i < count; i++)
		json_array_append_new(servers, server_json(cluster, &facts[i], primary));
	return servers;
}

static json_t *targets_json(const struct cluster *cluster)
{
	json_t *targets = json_array();

	for (size_t i = 0; i < cluster->outlet_count; i++) {
		const struct outlet *outlet = &cluster->outlets[i];
		struct target_status status;

		target_status(outlet->target, &status);
		json_array_append_new(
		    targets,
		    json_pack("{s:s, s:s, s:I, s:b, s:s, s:o}", "name", outlet->config->name,
		              "kind", config_target_kind_name(outlet->config->kind), "zxid",
		              (json_int_t)status.zxid, "in_sync", status.in_sync, "step",
		              status.step, "problem", text_or_null(status.problem)));
	}
	return targets;
}

json_t *cluster_status(const struct cluster *cluster)
{
	const struct verdict *verdict = &cluster->verdict;

	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
	                 cluster->config->name, "state", cluster_state(cluster), "reason",
	                 text_or_null(cluster->override_problem != NULL ? cluster->override_problem
	                                                                : verdict->reason),
	                 "about", text_or_null(verdict->about), "why", text_or_null(verdict->why),
	                 "store", store_json(watcher_fact(cluster->watcher)), "applied",
	                 applied_json(cluster), "override", override_json(&cluster->override),
	                 "servers", servers_json(cluster), "targets", targets_json(cluster),
	                 "alarm", alarm_json(cluster));
}
