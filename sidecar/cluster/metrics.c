/* A cluster in GET /metrics: a table of metric families, each with a function that returns one
 * value of a cluster, a target or a server. A value that is not known has no sample. */
#include <string.h>

#include "base/clock.h"
#include "cluster_internal.h"
#include "report/metrics.h"
#include "watch/watcher.h"

struct metric {
	const char *name, *type, *help;
	/* One of these is set. False: there is no sample. */
	bool (*of_cluster)(const struct cluster *cluster, double *out);
	bool (*of_target)(const struct target *target, double *out);
	bool (*of_server)(const struct cluster *cluster, const struct server_fact *server,
	                  double *out);
	void (*of_itself)(const char *name, const struct cluster *cluster, struct strbuf *out);
};

/* --- of a cluster --- */

static void state(const char *name, const struct cluster *cluster, struct strbuf *out)
{
	const struct metrics_label labels[] = {{"cluster", cluster->config->name},
	                                       {"state", cluster_state(cluster)}};

	metrics_sample(out, name, labels, ARRAY_LEN(labels), 1);
}

static void primary_info(const char *name, const struct cluster *cluster, struct strbuf *out)
{
	const struct member *primary = &cluster->applied.topology.primary;
	char endpoint[MEMBER_ENDPOINT_MAX];
	const struct metrics_label labels[] = {
	    {"cluster", cluster->config->name}, {"name", primary->name}, {"address", endpoint}};

	if (!cluster->applied.has_topology)
		return;
	member_endpoint(primary, endpoint);
	metrics_sample(out, name, labels, ARRAY_LEN(labels), 1);
}

static bool primary_age(const struct cluster *cluster, double *out)
{
	*out = (double)(clock_now_us() - cluster->moved_us) / 1e6;
	return cluster->moved_us != 0;
}

static bool primary_timeline(const struct cluster *cluster, double *out)
{
	*out = (double)cluster->applied.topology.timeline;
	return cluster->applied.has_topology && cluster->applied.topology.timeline > 0;
}

static bool store_zxid(const struct cluster *cluster, double *out)
{
	*out = (double)watcher_fact(cluster->watcher)->mzxid;
	return true;
}

static bool applied_zxid(const struct cluster *cluster, double *out)
{
	*out = (double)cluster->applied.zxid;
	return true;
}

static bool ready(const struct cluster *cluster, double *out)
{
	*out = cluster_is_ready(cluster);
	return true;
}

static bool alarm(const struct cluster *cluster, double *out)
{
	*out = cluster_alarm(cluster) != NULL || cluster_hold_is_over(cluster);
	return true;
}

static bool held(const struct cluster *cluster, double *out)
{
	*out = cluster->hold.by != HELD_NOT;
	return true;
}

static bool hold_left(const struct cluster *cluster, double *out)
{
	int64_t left_ms = cluster_hold_left_ms(cluster);

	*out = left_ms > 0 ? (double)left_ms / 1000 : 0;
	return cluster->hold.by != HELD_NOT && cluster->hold.policy == CONFIG_LOSS_HOLD;
}

static bool hold_timeout(const struct cluster *cluster, double *out)
{
	*out = (double)cluster_hold_timeout_ms(cluster, false) / 1000;
	return true;
}

static bool overridden(const struct cluster *cluster, double *out)
{
	*out = cluster->override.kind != OVERRIDE_NONE;
	return true;
}

/* --- of a target --- */

static bool in_sync(const struct target *target, double *out)
{
	struct target_status status;

	target_status(target, &status);
	*out = status.in_sync;
	return true;
}

static bool target_zxid(const struct target *target, double *out)
{
	struct target_status status;

	target_status(target, &status);
	*out = (double)status.zxid;
	return true;
}

static bool old_sessions(const struct target *target, double *out)
{
	struct target_status status;

	target_status(target, &status);
	*out = status.old_sessions;
	return true;
}

static bool moves(const struct target *target, double *out)
{
	struct target_counts counts;

	target_counts(target, &counts);
	*out = (double)counts.moves;
	return true;
}

static bool failures(const struct target *target, double *out)
{
	struct target_counts counts;

	target_counts(target, &counts);
	*out = (double)counts.failures;
	return true;
}

/* --- of a server --- */

static bool up(const struct cluster *cluster, const struct server_fact *server, double *out)
{
	(void)cluster;
	*out = server->class == SERVER_ANSWERED;
	return server->class != SERVER_UNASKED;
}

static bool in_recovery(const struct cluster *cluster, const struct server_fact *server,
                        double *out)
{
	(void)cluster;
	*out = server->in_recovery;
	return server->known;
}

static bool timeline(const struct cluster *cluster, const struct server_fact *server, double *out)
{
	(void)cluster;
	*out = (double)server->timeline;
	return server->timeline > 0;
}

static bool lag(const struct cluster *cluster, const struct server_fact *server, double *out)
{
	const struct topology *topology = &cluster->applied.topology;
	size_t count;
	const struct server_fact *servers = verifier_facts(cluster->verifier, &count);
	struct member at = {.port = server->port};
	const char *role;
	int64_t bytes;

	memcpy(at.address, server->address, sizeof(at.address));
	bytes = cluster_lag_bytes(cluster_find_member(topology, &at, &role), server,
	                          server_of(servers, count, &topology->primary));
	*out = (double)bytes;
	return bytes >= 0;
}

static const struct metric metrics[] = {
    {"segue_cluster_state", "gauge",
     "1 for the state that the cluster is in, as `segue status` names it.", .of_itself = state},
    {"segue_cluster_ready", "gauge", "1: every target is confirmed on a primary that was admitted.",
     .of_cluster = ready},
    {"segue_cluster_alarm", "gauge", "1: a person has to look; GET /status says why.",
     .of_cluster = alarm},
    {"segue_cluster_held", "gauge", "1: there is no primary, and clients are held or fenced.",
     .of_cluster = held},
    {"segue_cluster_hold_left_seconds", "gauge",
     "How long clients may still be held; only while they are.", .of_cluster = hold_left},
    {"segue_cluster_hold_timeout_seconds", "gauge",
     "How long clients are held, by hold_timeout or by what auto makes of it.",
     .of_cluster = hold_timeout},
    {"segue_cluster_overridden", "gauge", "1: pinned or frozen by an operator.",
     .of_cluster = overridden},
    {"segue_cluster_store_zxid", "gauge", "The zxid of what the store says; 0: nothing yet.",
     .of_cluster = store_zxid},
    {"segue_cluster_applied_zxid", "gauge", "The zxid of what is applied; 0: nothing yet.",
     .of_cluster = applied_zxid},
    {"segue_cluster_primary_info", "gauge", "1 for the primary that clients are led to.",
     .of_itself = primary_info},
    {"segue_cluster_primary_age_seconds", "gauge",
     "Since when clients are led to this primary, as far as this process knows.",
     .of_cluster = primary_age},
    {"segue_cluster_primary_timeline", "gauge", "Its timeline, where it is known.",
     .of_cluster = primary_timeline},
    {"segue_target_in_sync", "gauge",
     "1: the proxy was seen to be as the template says, and its file too.", .of_target = in_sync},
    {"segue_target_zxid", "gauge", "The zxid of the text that it is kept at; 0: none yet.",
     .of_target = target_zxid},
    {"segue_target_moves_total", "counter", "Moves that were completed.", .of_target = moves},
    {"segue_target_failures_total", "counter",
     "Steps that failed and were logged as an error, though a later try may have gone well.",
     .of_target = failures},
    {"segue_target_old_sessions", "gauge",
     "Sessions to a former primary that could not be ended when last tried.",
     .of_target = old_sessions},
    {"segue_server_up", "gauge", "1: the server answered when it was last asked.", .of_server = up},
    {"segue_server_in_recovery", "gauge", "1: it was a standby when it last answered.",
     .of_server = in_recovery},
    {"segue_server_timeline", "gauge", "Its timeline, of servers that take writes.",
     .of_server = timeline},
    {"segue_server_lag_bytes", "gauge", "How far a standby's replay is behind, about.",
     .of_server = lag},
};

size_t cluster_metric_count(void)
{
	return ARRAY_LEN(metrics);
}

void cluster_metric_head(size_t index, struct strbuf *out)
{
	metrics_family(out, metrics[index].name, metrics[index].type, metrics[index].help);
}

static void sample_target(const struct metric *metric, const struct cluster_target *outlet,
                          struct strbuf *out)
{
	const struct metrics_label labels[] = {
	    {"cluster", outlet->config->cluster},
	    {"kind", config_target_kind_name(outlet->config->kind)},
	    {"target", outlet->config->name}};
	double value;

	if (metric->of_target(outlet->target, &value))
		metrics_sample(out, metric->name, labels, ARRAY_LEN(labels), value);
}

static void sample_server(const struct metric *metric, const struct cluster *cluster,
                          const struct server_fact *server, struct strbuf *out)
{
	char endpoint[MEMBER_ENDPOINT_MAX];
	const struct metrics_label labels[] = {{"cluster", cluster->config->name},
	                                       {"server", endpoint}};
	struct member at = {.port = server->port};
	double value;

	memcpy(at.address, server->address, sizeof(at.address));
	member_endpoint(&at, endpoint);
	if (metric->of_server(cluster, server, &value))
		metrics_sample(out, metric->name, labels, ARRAY_LEN(labels), value);
}

void cluster_metric_samples(size_t index, const struct cluster *cluster, struct strbuf *out)
{
	const struct metric *metric = &metrics[index];
	const struct metrics_label label = {"cluster", cluster->config->name};
	size_t server_count = 0;
	const struct server_fact *servers = verifier_facts(cluster->verifier, &server_count);
	double value;

	if (metric->of_itself != NULL)
		metric->of_itself(metric->name, cluster, out);
	if (metric->of_cluster != NULL && metric->of_cluster(cluster, &value))
		metrics_sample(out, metric->name, &label, 1, value);
	for (size_t i = 0; metric->of_target != NULL && i < cluster->target_count; i++)
		sample_target(metric, &cluster->outlets[i], out);
	for (size_t i = 0; metric->of_server != NULL && i < server_count; i++)
		sample_server(metric, cluster, &servers[i], out);
}
