/* The headlines of a cluster: what a person has to know, the worst first. For systemd's status
 * line, GET /readyz, the status page and `segue status`. */
#include <string.h>

#include "base/clock.h"
#include "cluster_internal.h"
#include "decide/store_value.h"

struct lines {
	const struct cluster *cluster;
	struct cluster_snapshot now;
	const char *prefix; /* of each line */
	struct strbuf *out, line;
	enum cluster_level level; /* the worst so far */
};

/* Text from outside cannot start a line of its own: control characters become blanks. */
static void end_line(struct lines *lines, enum cluster_level level)
{
	struct strbuf *line = &lines->line;

	for (size_t i = 0; i < line->len; i++)
		if ((unsigned char)line->data[i] < ' ')
			line->data[i] = ' ';
	strbuf_printf(lines->out, "%s%s\n", lines->prefix, line->data);
	strbuf_reset(line);
	if (level > lines->level)
		lines->level = level;
}

static void append_why(struct strbuf *line, const char *text)
{
	if (text != NULL && text[0] != '\0')
		strbuf_printf(line, ": %s", text);
}

static void append_reason(struct lines *lines)
{
	const struct last_decision *last_decision = &lines->cluster->last_decision;
	const struct watch_fact *fact = lines->now.input.fact;

	append_why(&lines->line, last_decision->reason);
	append_why(&lines->line, last_decision->about);
	append_why(&lines->line, last_decision->why);
	append_why(&lines->line, fact->problem);
	if (fact->topology != NULL)
		append_why(&lines->line, fact->topology->leader);
}

/* --- clients are not led to a primary --- */

static const char *why_not_followed(const struct cluster_snapshot *now,
                                    const struct cluster_server *server)
{
	const int64_t last = now->topology->timeline;
	struct admission admission = decide_admission(&now->input, now->named, &server->at);

	if (admission.reason[0] != '\0')
		return admission.reason;
	if (topology_same_address(&server->at, &now->topology->primary))
		return "it is the last primary, but the store no longer names it";
	if (last == 0)
		return "the store does not name it, and the timeline of the last primary is not "
		       "known";
	if (server->fact->timeline <= last)
		return "the store does not name it, and its timeline is not above that of the "
		       "last primary";
	return "the store does not name it";
}

/* Names a server that takes writes and is not followed. Only a person can know whether it is the
 * right primary. */
static void append_writable(struct lines *lines)
{
	const struct cluster_snapshot *now = &lines->now;
	const struct config_cluster *config = lines->cluster->config;
	char endpoint[MEMBER_ENDPOINT_MAX];
	struct cluster_server server;
	size_t i = 0;

	while (i < now->input.server_count && !server_takes_writes(&now->input.servers[i]))
		i++;
	if (i == now->input.server_count)
		return;
	cluster_server(now, i, &server);
	member_endpoint(&server.at, endpoint);
	strbuf_printf(
	    &lines->line,
	    "; %s takes writes, but is not followed: %s; if it is the right one: segue %s %s %s",
	    endpoint, why_not_followed(now, &server),
	    config->layout == CONFIG_LAYOUT_SEGUE &&
	            !store_is_strange(now->input.fact, now->input.applied)
	        ? "set-primary"
	        : "pin",
	    config->name, endpoint);
}

static void add_hold(struct lines *lines)
{
	const struct cluster_snapshot *now = &lines->now;
	long long since_s = (clock_now_us() - now->input.hold.since_us) / 1000000;
	long long left_s = (now->hold_left_ms + 999) / 1000;

	if (!now->is_held)
		return;
	if (now->hold_is_over)
		strbuf_printf(&lines->line,
		              "LOST, no primary for %lld s, longer than hold_timeout: clients get "
		              "errors",
		              since_s);
	else if (now->is_fenced)
		strbuf_printf(&lines->line, "FENCED for %lld s, no client is let through", since_s);
	else
		strbuf_printf(&lines->line, "HELD, clients wait, %lld s left", left_s);
	append_reason(lines);
	append_writable(lines);
	end_line(lines, CLUSTER_BAD);
}

static void add_nothing_applied(struct lines *lines)
{
	const struct cluster *cluster = lines->cluster;
	char endpoint[MEMBER_ENDPOINT_MAX];

	if (cluster->primed || lines->now.is_held || cluster->target_count == 0)
		return;
	if (cluster->applied.has_topology) {
		member_endpoint(&cluster->applied.topology.primary, endpoint);
		strbuf_printf(&lines->line,
		              "WAITING, nothing is changed: the proxies stay as they are; they "
		              "last led clients to %s",
		              endpoint);
	} else {
		strbuf_append_str(&lines->line, "WAITING, no primary is admitted");
	}
	if (cluster->last_decision.reason == NULL)
		append_why(&lines->line, "the store has not answered yet");
	append_reason(lines);
	end_line(lines, CLUSTER_BUSY);
}

/* --- clients are led to a server --- */

static void add_alarm(struct lines *lines)
{
	const struct cluster *cluster = lines->cluster;
	const struct last_decision *last_decision = &cluster->last_decision;

	if (last_decision->kind == DECIDE_REFUSE) {
		strbuf_append_str(&lines->line, "REFUSED, the last primary stays");
		append_reason(lines);
		end_line(lines, CLUSTER_BAD);
	}
	if (last_decision->alarm[0] != '\0') {
		strbuf_printf(&lines->line, "%s: %s",
		              last_decision->overruled    ? "OVERRULED"
		              : last_decision->unverified ? "UNVERIFIED"
		                                          : "ALARM",
		              last_decision->alarm);
		end_line(lines, CLUSTER_BAD);
	}
	for (size_t i = 0; i < cluster->target_count; i++) {
		if (cluster->targets[i].alarm == NULL)
			continue;
		strbuf_printf(&lines->line, "ALARM: %s", cluster->targets[i].alarm);
		end_line(lines, CLUSTER_BAD);
	}
}

static void add_targets(struct lines *lines)
{
	const struct cluster *cluster = lines->cluster;

	for (size_t i = 0; i < cluster->target_count; i++) {
		const struct config_target *config = cluster->targets[i].config;
		struct target_status status;
		bool troubled;

		target_status(cluster->targets[i].target, &status);
		if (*status.alarm != '\0') {
			strbuf_printf(&lines->line, "ALARM: %s: %s", CONFIG_LABEL(config),
			              status.alarm);
			end_line(lines, CLUSTER_BAD);
		}
		troubled = status.problem[0] != '\0' && status.problem != status.alarm;
		if (status.in_sync || (!troubled && !cluster->primed))
			continue;
		strbuf_printf(&lines->line, "%s: not confirmed: %s", CONFIG_LABEL(config),
		              troubled ? status.problem : status.step);
		end_line(lines, troubled ? CLUSTER_BAD : CLUSTER_BUSY);
	}
}

static void add_kept(struct lines *lines)
{
	const struct cluster *cluster = lines->cluster;

	if (cluster->last_decision.kind != DECIDE_KEEP || lines->now.is_held ||
	    cluster->override.kind != OVERRIDE_NONE || !cluster->primed)
		return;
	strbuf_append_str(&lines->line, "KEPT, the last primary stays");
	append_reason(lines);
	end_line(lines, CLUSTER_WATCH);
}

static void add_override(struct lines *lines)
{
	const struct cluster *cluster = lines->cluster;
	const struct override *override = &cluster->override;
	char endpoint[MEMBER_ENDPOINT_MAX];

	if (override->kind == OVERRIDE_NONE)
		return;
	endpoint_format(endpoint, sizeof(endpoint), override->address, override->port);
	if (override->kind == OVERRIDE_PIN)
		strbuf_printf(&lines->line, "PINNED to %s", endpoint);
	else
		strbuf_append_str(&lines->line, "FROZEN");
	if (cluster->override_problem != NULL)
		append_why(&lines->line, cluster->override_problem);
	else
		strbuf_printf(&lines->line, " by %s since %s",
		              override->by[0] != '\0' ? override->by : "somebody",
		              override->since[0] != '\0' ? override->since : "an unknown time");
	strbuf_printf(&lines->line, "; ends with: segue release %s", cluster->config->name);
	end_line(lines, CLUSTER_WATCH);
}

enum cluster_level cluster_headlines(const struct cluster *cluster, const char *prefix,
                                     struct strbuf *out)
{
	struct lines lines = {
	    .cluster = cluster, .prefix = prefix, .out = out, .line = STRBUF_INIT};

	cluster_snapshot(cluster, &lines.now);
	add_hold(&lines);
	add_alarm(&lines);
	add_targets(&lines);
	add_kept(&lines);
	add_override(&lines);
	add_nothing_applied(&lines);
	strbuf_fini(&lines.line);
	return lines.level;
}
