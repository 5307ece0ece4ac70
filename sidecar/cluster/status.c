/* A cluster in the GET /status document: what the store contains, what was admitted or refused and
 * why, and the state of each target. Built only when somebody asks for it. */
#include <string.h>

#include "base/clock.h"
#include "cluster/override.h"
#include "cluster_internal.h"
#include "report/fleet.h"

/* A value of clock_now_us() as wall time; 0 becomes null. */
static json_t *time_json(int64_t us)
{
	char text[CLOCK_WALL_MAX];

	if (us == 0)
		return json_null();
	clock_wall_at(us, text, sizeof(text));
	return json_string(text);
}

static json_t *endpoint_json(const struct member *member)
{
	char endpoint[MEMBER_ENDPOINT_MAX];

	member_endpoint(member, endpoint);
	return json_string(endpoint);
}

static json_t *known_json(bool known, int64_t number)
{
	return known ? json_integer(number) : json_null();
}

/* --- a target: its state, where it leads clients, and its last moves --- */

static double ms(int64_t us)
{
	return (double)us / 1000;
}

static json_t *places_json(const struct target_endpoints *places)
{
	json_t *json = json_array();

	for (size_t i = 0; i < places->listed; i++)
		json_array_append_new(
		    json, json_pack("{s:o, s:o}", "name", report_text_json(places->list[i].name),
		                    "address", report_text_json(places->list[i].address)));
	return json;
}

static json_t *move_json(const struct move *move)
{
	json_t *steps = json_array();

	for (size_t i = 0; i < move->step_count; i++)
		json_array_append_new(steps, json_pack("{s:s, s:f, s:f}", "name",
		                                       move_step_name(move->steps[i].kind),
		                                       "start_ms", ms(move->steps[i].start_us),
		                                       "ms", ms(move->steps[i].took_us)));
	return json_pack("{s:I, s:o, s:o, s:f, s:f, s:o}", "zxid", (json_int_t)move->zxid, "at",
	                 time_json(move->begin_us), "what", report_text_json(move->what),
	                 "total_ms", ms(move->total_us), "held_ms", ms(move->held_us), "steps",
	                 steps);
}

static json_t *target_json(const struct cluster_target *entry)
{
	struct target_status status;
	struct target_endpoints desired, live;
	struct target_counts counts;
	json_t *moves = json_array();
	const struct move *move;

	for (size_t back = 0; (move = target_move(entry->target, back)) != NULL; back++)
		json_array_append_new(moves, move_json(move));
	target_status(entry->target, &status);
	target_endpoints(entry->target, &desired, &live);
	target_counts(entry->target, &counts);
	return json_pack("{s:s, s:s, s:I, s:b, s:s, s:o, s:o, s:I, s:o, s:I, s:i, s:I, s:I, s:o}",
	                 "name", entry->config->name, "kind",
	                 config_target_kind_name(entry->config->kind), "zxid",
	                 (json_int_t)status.zxid, "in_sync", status.in_sync, "step", status.step,
	                 "problem", report_text_json(status.problem), "desired",
	                 places_json(&desired), "desired_count", (json_int_t)desired.count, "live",
	                 places_json(&live), "live_count", (json_int_t)live.count, "old_sessions",
	                 (int)status.old_sessions, "moves_total", (json_int_t)counts.moves,
	                 "failures_total", (json_int_t)counts.failures, "moves", moves);
}

/* --- the cluster --- */

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
	                 report_text_json(fact->problem));
}

static json_t *applied_json(const struct cluster *cluster)
{
	const struct applied *applied = &cluster->applied;
	const struct topology *topology = &applied->topology;

	if (!applied->has_topology)
		return json_null();
	return json_pack("{s:I, s:o, s:o, s:I, s:b, s:o}", "zxid", (json_int_t)applied->zxid,
	                 "primary", endpoint_json(&topology->primary), "name",
	                 report_text_json(topology->primary.name), "timeline",
	                 (json_int_t)topology->timeline, "in_this_run", applied->in_this_run,
	                 "since", time_json(cluster->moved_us));
}

static json_t *server_json(const struct cluster_snapshot *snapshot, size_t index)
{
	struct cluster_server server;
	const struct server_fact *fact;
	struct admission admission;
	bool admitted;

	cluster_server(snapshot, index, &server);
	fact = server.fact;
	admission = decide_admission(&snapshot->input, snapshot->named, &server.at);
	admitted = admission.kind == ADMIT_YES || admission.kind == ADMIT_UNVERIFIED;
	return json_pack("{s:s, s:i, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:s}", "address",
	                 fact->address, "port", (int)fact->port, "name",
	                 report_text_json(server.member != NULL ? server.member->name : NULL),
	                 "role", server.role, "class", server_class_name(fact->class), "problem",
	                 report_text_json(fact->problem), "in_recovery",
	                 fact->known ? json_boolean(fact->in_recovery) : json_null(), "timeline",
	                 known_json(fact->timeline > 0, fact->timeline), "lag_bytes",
	                 known_json(server.lag_bytes >= 0, server.lag_bytes), "system_identifier",
	                 report_text_json(fact->system_identifier), "admitted", admitted, "why",
	                 admission.reason);
}

static json_t *hold_json(const struct cluster_snapshot *snapshot)
{
	const struct decide_hold *hold = &snapshot->input.hold;
	bool fence = snapshot->is_fenced;

	if (!snapshot->is_held)
		return json_null();
	return json_pack("{s:o, s:o, s:s, s:s}", "since", time_json(hold->since_us), "left_ms",
	                 known_json(!fence, snapshot->hold_left_ms), "by",
	                 hold->by == HELD_BY_STORE ? "store" : "servers", "policy",
	                 fence ? "fence" : "hold");
}

static json_t *alarm_json(const struct cluster_snapshot *snapshot)
{
	int64_t us = clock_now_us() - snapshot->input.hold.since_us;

	if (snapshot->cluster->last_decision.alarm[0] == '\0' && snapshot->hold_is_over)
		return json_sprintf("no primary for %lld s, longer than hold_timeout: clients get "
		                    "errors",
		                    (long long)us / 1000000);
	return report_text_json(snapshot->alarm);
}

static json_t *hold_timeout_json(const struct cluster *cluster)
{
	auto_free char *source = cluster_hold_source(cluster);

	return json_pack("{s:I, s:I, s:s}", "ms",
	                 (json_int_t)cluster_hold_timeout_ms(cluster, false), "starting_up_ms",
	                 (json_int_t)cluster_hold_timeout_ms(cluster, true), "from", source);
}

static json_t *headlines_json(const struct cluster *cluster, enum cluster_level *level)
{
	auto_strbuf struct strbuf lines = STRBUF_INIT;
	json_t *headlines = json_array();

	*level = cluster_headlines(cluster, "", &lines);
	for (char *at = lines.data, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
		*end = '\0';
		json_array_append_new(headlines, report_text_json(at));
	}
	return headlines;
}

json_t *cluster_status(const struct cluster *cluster)
{
	static const char *const levels[CLUSTER_LEVELS] = {[CLUSTER_WELL] = "good",
	                                                   [CLUSTER_BUSY] = "busy",
	                                                   [CLUSTER_WATCH] = "watch",
	                                                   [CLUSTER_BAD] = "bad"};
	const struct last_decision *last_decision = &cluster->last_decision;
	json_t *servers = json_array(), *targets = json_array();
	enum cluster_level level;
	json_t *headlines = headlines_json(cluster, &level);
	struct cluster_snapshot snapshot;

	cluster_snapshot(cluster, &snapshot);
	for (size_t i = 0; i < snapshot.input.server_count; i++)
		json_array_append_new(servers, server_json(&snapshot, i));
	for (size_t i = 0; i < cluster->target_count; i++)
		json_array_append_new(targets, target_json(&cluster->targets[i]));
	return json_pack(
	    "{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, "
	    "s:o}",
	    "name", cluster->config->name, "state", snapshot.state, "reason",
	    report_text_json(snapshot.reason), "about", report_text_json(last_decision->about),
	    "why", report_text_json(last_decision->why), "store", store_json(snapshot.input.fact),
	    "applied", applied_json(cluster), "override", override_to_json(&cluster->override),
	    "hold", hold_json(&snapshot), "hold_timeout", hold_timeout_json(cluster), "servers",
	    servers, "targets", targets, "alarm", alarm_json(&snapshot), "level", levels[level],
	    "headlines", headlines);
}
