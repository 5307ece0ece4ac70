/* A cluster in GET /metrics: a table of metric families, each of one value of a cluster, a target
 * or a server. A value that is not known (NAN) has no sample. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "cluster_internal.h"
#include "report/metrics.h"

struct cluster_values {
	double ready, alarm, held, hold_left, hold_timeout, overridden;
	double store_zxid, applied_zxid, primary_age, primary_timeline;
};

struct target_values {
	double in_sync, zxid, moves, failures, old_sessions;
};

struct server_values {
	double up, in_recovery, timeline, lag;
};

struct metric {
	const char *name, *type, *help;
	enum { OF_STATE, OF_PRIMARY, OF_CLUSTER, OF_TARGET, OF_SERVER } of;
	size_t at; /* offset in the values of that; STATE and PRIMARY have none, and are always 1 */
};

static double if_known(bool is_known, double value)
{
	return is_known ? value : NAN;
}

#define CLUSTER(value) OF_CLUSTER, offsetof(struct cluster_values, value)
#define TARGET(value)  OF_TARGET, offsetof(struct target_values, value)
#define SERVER(value)  OF_SERVER, offsetof(struct server_values, value)

static const struct metric metrics[] = {
    {"segue_cluster_state", "gauge",
     "1 for the state that the cluster is in, as `segue status` names it.", OF_STATE, 0},
    {"segue_cluster_ready", "gauge", "1: every target is confirmed on a primary that was admitted.",
     CLUSTER(ready)},
    {"segue_cluster_alarm", "gauge", "1: a person has to look; GET /status says why.",
     CLUSTER(alarm)},
    {"segue_cluster_held", "gauge", "1: there is no primary, and clients are held or fenced.",
     CLUSTER(held)},
    {"segue_cluster_hold_left_seconds", "gauge",
     "How long clients may still be held; only while they are.", CLUSTER(hold_left)},
    {"segue_cluster_hold_timeout_seconds", "gauge",
     "How long clients are held, by hold_timeout or by what auto makes of it.",
     CLUSTER(hold_timeout)},
    {"segue_cluster_overridden", "gauge", "1: pinned or frozen by an operator.",
     CLUSTER(overridden)},
    {"segue_cluster_store_zxid", "gauge", "The zxid of what the store says; 0: nothing yet.",
     CLUSTER(store_zxid)},
    {"segue_cluster_applied_zxid", "gauge", "The zxid of what is applied; 0: nothing yet.",
     CLUSTER(applied_zxid)},
    {"segue_cluster_primary_info", "gauge", "1 for the primary that clients are led to.",
     OF_PRIMARY, 0},
    {"segue_cluster_primary_age_seconds", "gauge",
     "Since when clients are led to this primary, as far as this process knows.",
     CLUSTER(primary_age)},
    {"segue_cluster_primary_timeline", "gauge", "Its timeline, where it is known.",
     CLUSTER(primary_timeline)},
    {"segue_target_in_sync", "gauge",
     "1: the proxy was seen to be as the template says, and its file too.", TARGET(in_sync)},
    {"segue_target_zxid", "gauge", "The zxid of the text that it is kept at; 0: none yet.",
     TARGET(zxid)},
    {"segue_target_moves_total", "counter", "Moves that were completed.", TARGET(moves)},
    {"segue_target_failures_total", "counter",
     "Steps that failed and were logged as an error, though a later try may have gone well.",
     TARGET(failures)},
    {"segue_target_old_sessions", "gauge",
     "Sessions to a former primary that could not be ended when last tried.", TARGET(old_sessions)},
    {"segue_server_up", "gauge", "1: the server answered when it was last asked.", SERVER(up)},
    {"segue_server_in_recovery", "gauge", "1: it was a standby when it last answered.",
     SERVER(in_recovery)},
    {"segue_server_timeline", "gauge", "Its timeline, of servers that take writes.",
     SERVER(timeline)},
    {"segue_server_lag_bytes", "gauge", "How far a standby's replay is behind, about.",
     SERVER(lag)},
};

size_t cluster_metric_count(void)
{
	return ARRAY_LEN(metrics);
}

void cluster_metric_head(size_t index, struct strbuf *out)
{
	metrics_family(out, metrics[index].name, metrics[index].type, metrics[index].help);
}

static void sample(const struct metric *metric, const struct metrics_label *labels,
                   size_t label_count, const void *values, struct strbuf *out)
{
	double value;

	memcpy(&value, (const char *)values + metric->at, sizeof(value));
	if (!isnan(value))
		metrics_sample(out, metric->name, labels, label_count, value);
}

static void sample_cluster(const struct metric *metric, const struct cluster_snapshot *snapshot,
                           struct strbuf *out)
{
	const struct cluster *cluster = snapshot->cluster;
	const struct applied *applied = &cluster->applied;
	const struct metrics_label label = {"cluster", cluster->config->name};
	const struct cluster_values values = {
	    .ready = snapshot->is_ready,
	    .alarm = snapshot->alarm != NULL || snapshot->hold_is_over,
	    .held = snapshot->is_held,
	    .hold_left = if_known(snapshot->is_held && !snapshot->is_fenced,
	                          (double)snapshot->hold_left_ms / 1000),
	    .hold_timeout = (double)cluster_hold_timeout_ms(cluster, false) / 1000,
	    .overridden = cluster->override.kind != OVERRIDE_NONE,
	    .store_zxid = (double)snapshot->input.fact->mzxid,
	    .applied_zxid = (double)applied->zxid,
	    .primary_age = if_known(cluster->moved_us != 0,
	                            (double)(clock_now_us() - cluster->moved_us) / 1e6),
	    .primary_timeline = if_known(applied->has_topology && applied->topology.timeline > 0,
	                                 (double)applied->topology.timeline)};

	sample(metric, &label, 1, &values, out);
}

static void sample_target(const struct metric *metric, const struct cluster_target *entry,
                          struct strbuf *out)
{
	const struct metrics_label labels[] = {
	    {"cluster", entry->config->cluster},
	    {"kind", config_target_kind_name(entry->config->kind)},
	    {"target", entry->config->name}};
	struct target_status status;
	struct target_counts counts;
	struct target_values values;

	target_status(entry->target, &status);
	target_counts(entry->target, &counts);
	values = (struct target_values){.in_sync = status.in_sync,
	                                .zxid = (double)status.zxid,
	                                .moves = (double)counts.moves,
	                                .failures = (double)counts.failures,
	                                .old_sessions = status.old_sessions};
	sample(metric, labels, ARRAY_LEN(labels), &values, out);
}

static void sample_server(const struct metric *metric, const struct cluster_snapshot *snapshot,
                          size_t index, struct strbuf *out)
{
	const struct server_fact *fact = &snapshot->input.servers[index];
	struct cluster_server server;
	struct server_values values;
	char endpoint[MEMBER_ENDPOINT_MAX];
	const struct metrics_label labels[] = {{"cluster", snapshot->cluster->config->name},
	                                       {"server", endpoint}};

	cluster_server(snapshot, index, &server);
	member_endpoint(&server.at, endpoint);
	values = (struct server_values){
	    .up = if_known(fact->class != SERVER_UNASKED, fact->class == SERVER_ANSWERED),
	    .in_recovery = if_known(fact->known, fact->in_recovery),
	    .timeline = if_known(fact->timeline > 0, (double)fact->timeline),
	    .lag = if_known(server.lag_bytes >= 0, (double)server.lag_bytes)};
	sample(metric, labels, ARRAY_LEN(labels), &values, out);
}

/* What is 1 for its labels: the state, or the primary. */
static void sample_info(const struct metric *metric, const struct cluster_snapshot *snapshot,
                        struct strbuf *out)
{
	const char *cluster = snapshot->cluster->config->name;
	const struct member *primary = &snapshot->topology->primary;
	char endpoint[MEMBER_ENDPOINT_MAX];
	const struct metrics_label state[] = {{"cluster", cluster}, {"state", snapshot->state}};
	const struct metrics_label leader[] = {
	    {"cluster", cluster}, {"name", primary->name}, {"address", endpoint}};

	member_endpoint(primary, endpoint);
	if (metric->of == OF_STATE)
		metrics_sample(out, metric->name, state, ARRAY_LEN(state), 1);
	else if (snapshot->cluster->applied.has_topology)
		metrics_sample(out, metric->name, leader, ARRAY_LEN(leader), 1);
}

void cluster_metric_samples(size_t index, const struct cluster *cluster, struct strbuf *out)
{
	const struct metric *metric = &metrics[index];
	struct cluster_snapshot snapshot;

	cluster_snapshot(cluster, &snapshot);
	switch (metric->of) {
	case OF_STATE:
	case OF_PRIMARY:
		sample_info(metric, &snapshot, out);
		return;
	case OF_CLUSTER:
		sample_cluster(metric, &snapshot, out);
		return;
	case OF_TARGET:
		for (size_t i = 0; i < cluster->target_count; i++)
			sample_target(metric, &cluster->targets[i], out);
		return;
	case OF_SERVER:
		for (size_t i = 0; i < snapshot.input.server_count; i++)
			sample_server(metric, &snapshot, i, out);
		return;
	}
}
