/* What a pipeline tells of itself: the document of GET /status, and whether all is as it should
 * be. The document is made one cluster at a time, as that of 1,000 clusters takes longer than any
 * proxy is to wait. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cluster_own.h"
#include "pipeline_own.h"

/* Enough digits for microseconds in a move of a day, and no 0.51200000000000001. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(12))

static int append(const char *data, size_t len, void *text)
{
	strbuf_append(text, data, len);
	return 0;
}

static void append_json(struct strbuf *text, json_t *json)
{
	if (json == NULL || json_dump_callback(json, append, text, DUMP_FLAGS) != 0)
		strbuf_append_str(text, "{}");
	json_decref(json);
}

/* Up to where the clusters begin. */
static void append_head(const struct pipeline *pipeline, const char *refused, struct strbuf *text)
{
	char now[CLOCK_WALL_MAX], started[CLOCK_WALL_MAX];

	clock_wall(now, sizeof(now));
	clock_wall_at(pipeline->started_us, started, sizeof(started));
	append_json(text, json_pack("{s:s, s:s, s:i, s:s, s:s, s:o, s:o, s:{s:b, s:s}}", "segue",
	                            SEGUE_VERSION, "name", pipeline->config->name, "pid",
	                            (int)getpid(), "started", started, "now", now, "state_dir",
	                            cluster_text_json(pipeline->config->state_dir),
	                            "config_refused", cluster_text_json(refused), "store",
	                            "connected", zk_connected(pipeline->zk), "description",
	                            zk_describe(pipeline->zk)));
	text->data[--text->len] = '\0';
	strbuf_append_str(text, ",\"clusters\":[");
}

bool pipeline_status(const struct pipeline *pipeline, const char *refused, struct report_cursor *at,
                     struct strbuf *text)
{
	if (at->edition != pipeline->edition) {
		*at = (struct report_cursor){.edition = pipeline->edition};
		strbuf_reset(text);
		append_head(pipeline, refused, text);
	}
	if (at->next < pipeline->cluster_count) {
		strbuf_append_str(text, at->next > 0 ? "," : "");
		append_json(text, cluster_status(pipeline->clusters[at->next++]));
		return true;
	}
	strbuf_append_str(text, "]}\n");
	return false;
}

bool pipeline_is_ready(const struct pipeline *pipeline)
{
	for (size_t i = 0; i < pipeline->cluster_count; i++)
		if (!cluster_is_ready(pipeline->clusters[i]))
			return false;
	return true;
}

void pipeline_headlines(const struct pipeline *pipeline, struct strbuf *out)
{
	struct strbuf lines[CLUSTER_LEVELS] = {STRBUF_INIT, STRBUF_INIT, STRBUF_INIT, STRBUF_INIT};

	for (size_t i = 0; i < pipeline->cluster_count; i++) {
		const struct cluster *cluster = pipeline->clusters[i];
		auto_free char *prefix = xasprintf("cluster %s: ", cluster_config(cluster)->name);
		auto_strbuf struct strbuf own = STRBUF_INIT;
		enum cluster_level level = cluster_headlines(cluster, prefix, &own);

		strbuf_append(&lines[level], own.data, own.len);
	}
	for (int level = CLUSTER_LEVELS - 1; level >= 0; level--) {
		strbuf_append(out, lines[level].data, lines[level].len);
		strbuf_fini(&lines[level]);
	}
}
