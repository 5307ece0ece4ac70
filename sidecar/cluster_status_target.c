/* A target in the document of GET /status: how it stands, where it leads clients, and how its last
 * moves went. */
#include "cluster_own.h"

static double ms(int64_t us)
{
	return (double)us / 1000;
}

static json_t *places_json(const struct target_endpoints *places)
{
	json_t *json = json_array();

	for (size_t i = 0; i < places->listed; i++)
		json_array_append_new(
		    json, json_pack("{s:o, s:o}", "name", cluster_text_json(places->list[i].name),
		                    "address", cluster_text_json(places->list[i].address)));
	return json;
}

static json_t *step_json(const struct move_step *step)
{
	return json_pack("{s:s, s:f, s:f}", "name", move_step_name(step->kind), "start_ms",
	                 ms(step->start_us), "ms", ms(step->took_us));
}

static json_t *move_json(const struct move *move)
{
	json_t *steps = json_array();

	for (size_t i = 0; i < move->step_count; i++)
		json_array_append_new(steps, step_json(&move->steps[i]));
	return json_pack("{s:I, s:o, s:o, s:f, s:f, s:o}", "zxid", (json_int_t)move->zxid, "at",
	                 cluster_time_json(move->begin_us), "what", cluster_text_json(move->what),
	                 "total_ms", ms(move->total_us), "held_ms", ms(move->held_us), "steps",
	                 steps);
}

static json_t *moves_json(const struct target *target)
{
	json_t *json = json_array();
	const struct move *move;

	for (size_t back = 0; (move = target_move(target, back)) != NULL; back++)
		json_array_append_new(json, move_json(move));
	return json;
}

json_t *cluster_target_json(const struct cluster_target *outlet)
{
	struct target_status status;
	struct target_endpoints desired, live;
	struct target_counts counts;

	target_status(outlet->target, &status);
	target_endpoints(outlet->target, &desired, &live);
	target_counts(outlet->target, &counts);
	return json_pack(
	    "{s:s, s:s, s:I, s:b, s:s, s:o, s:o, s:I, s:o, s:I, s:i, s:I, s:I, s:o}", "name",
	    outlet->config->name, "kind", config_target_kind_name(outlet->config->kind), "zxid",
	    (json_int_t)status.zxid, "in_sync", status.in_sync, "step", status.step, "problem",
	    cluster_text_json(status.problem), "desired", places_json(&desired), "desired_count",
	    (json_int_t)desired.count, "live", places_json(&live), "live_count",
	    (json_int_t)live.count, "old_sessions", (int)status.old_sessions, "moves_total",
	    (json_int_t)counts.moves, "failures_total", (json_int_t)counts.failures, "moves",
	    moves_json(outlet->target));
}
