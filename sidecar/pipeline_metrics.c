/* GET /metrics: first what there is once, then family by family what there is for each cluster;
 * made in small parts, as pipeline_status() is. */
#include "apply/target.h"
#include "base/log.h"
#include "pipeline_own.h"
#include "report/metrics.h"

static void append_gauge(struct strbuf *out, const char *name, const char *help, double value)
{
	metrics_family(out, name, "gauge", help);
	metrics_sample(out, name, NULL, 0, value);
}

static void append_build(struct strbuf *out)
{
	const struct metrics_label version = {"version", SEGUE_VERSION};

	metrics_family(out, "segue_build_info", "gauge", "1 for the version that runs.");
	metrics_sample(out, "segue_build_info", &version, 1, 1);
}

static void append_log(struct strbuf *out)
{
	static const char name[] = "segue_log_lines_total";
	static const char *const levels[] = {[LOG_DEBUG] = "debug",
	                                     [LOG_INFO] = "info",
	                                     [LOG_WARNING] = "warning",
	                                     [LOG_ERROR] = "error"};

	metrics_family(out, name, "counter", "Lines of the log.");
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		metrics_sample(out, name, &(const struct metrics_label){"level", levels[i]}, 1,
		               (double)log_count((enum log_level)i));
}

static struct metrics_histogram histogram_of(const struct move_histogram *histogram)
{
	return (struct metrics_histogram){.bounds_us = move_bucket_us,
	                                  .bound_count = MOVE_BUCKETS,
	                                  .counts = histogram->counts,
	                                  .sum_us = histogram->sum_us};
}

static bool is_empty(const struct move_histogram *histogram)
{
	for (size_t i = 0; i <= MOVE_BUCKETS; i++)
		if (histogram->counts[i] != 0)
			return false;
	return true;
}

/* No kind of target does all of the steps: those that were never done are left out. */
static void append_moves(struct strbuf *out, const struct move_tally *tally)
{
	static const char moves[] = "segue_move_seconds", steps[] = "segue_move_step_seconds";
	struct metrics_histogram histogram;

	metrics_family(out, moves, "histogram",
	               "From the store's notification to everything done, by kind of target.");
	for (int kind = 0; kind < MOVE_KINDS; kind++) {
		const char *name = config_target_kind_name((enum config_target_kind)kind);

		histogram = histogram_of(&tally->moves[kind]);
		metrics_histogram(out, moves, &(const struct metrics_label){"kind", name}, 1,
		                  &histogram);
	}
	metrics_family(out, steps, "histogram",
	               "The same, step by step, each from the end of the step before it.");
	for (int i = 0; i < MOVE_KINDS * MOVE_STEPS; i++) {
		int kind = i / MOVE_STEPS, step = i % MOVE_STEPS;
		const struct metrics_label labels[] = {
		    {"kind", config_target_kind_name((enum config_target_kind)kind)},
		    {"step", move_step_name((enum move_step_kind)step)}};

		histogram = histogram_of(&tally->steps[kind][step]);
		if (!is_empty(&tally->steps[kind][step]))
			metrics_histogram(out, steps, labels, ARRAY_LEN(labels), &histogram);
	}
}

static void append_once(const struct pipeline *pipeline, bool refused, struct strbuf *out)
{
	append_build(out);
	metrics_process(out, pipeline->started_us);
	append_gauge(out, "segue_store_connected", "1: there is a session with ZooKeeper.",
	             zk_connected(pipeline->zk));
	append_gauge(out, "segue_clusters", "Clusters in the configuration.",
	             (double)pipeline->cluster_count);
	metrics_family(out, "segue_config_reloads_total", "counter",
	               "Reloads of the configuration that were not refused.");
	metrics_sample(out, "segue_config_reloads_total", NULL, 0, pipeline->edition - 1);
	append_gauge(
	    out, "segue_config_refused",
	    "1: the last reload of the configuration was refused, and the one before is in "
	    "force.",
	    refused);
	append_log(out);
	append_moves(out, target_hub_tally(pipeline->hub));
}

bool pipeline_metrics(const struct pipeline *pipeline, bool refused, struct report_cursor *at,
                      struct strbuf *text)
{
	size_t count = pipeline->cluster_count, metric, cluster;

	if (at->edition != pipeline->edition) {
		*at = (struct report_cursor){.edition = pipeline->edition};
		strbuf_reset(text);
		append_once(pipeline, refused, text);
	}
	if (at->next == count * cluster_metric_count())
		return false;
	metric = at->next / count;
	cluster = at->next % count;
	if (cluster == 0)
		cluster_metric_head(metric, text);
	cluster_metric_samples(metric, pipeline->clusters[cluster], text);
	at->next++;
	return true;
}
