/* segue run: the sidecar as a daemon. The pipeline does the work. On SIGHUP this file replaces it,
 * but only by one that is known to be good, and reports the result in the log, on the endpoint and
 * to systemd. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cluster/override.h"
#include "config/last_good.h"
#include "report/endpoint.h"
#include "run/daemon.h"
#include "run/pipeline.h"
#include "run/precheck.h"

struct run {
	struct daemon *daemon;
	const char *config_file;
	struct pipeline *pipeline;
	struct report_server *report;
	struct { /* the reload of the last SIGHUP, while check_commands check its texts */
		struct pipeline *fresh;
		struct precheck *check;
		struct strbuf problems;
		int64_t started_us;
	} reload;
};

static void announce(const struct run *run, const char *event, int64_t started_us)
{
	const struct config *config = pipeline_config(run->pipeline);

	daemon_log_problems(LOG_WARNING, "config_warning", run->config_file, config->warnings.data);
	log_info(event, KV_STR("version", SEGUE_VERSION), KV_STR("name", config->name),
	         KV_STR("file", run->config_file), KV_INT("clusters", config->cluster_count),
	         KV_INT("targets", config->target_count), KV_STR("store", config->zookeeper_hosts),
	         KV_MS("took_ms", clock_now_us() - started_us));
}

static bool on_status(void *arg, struct report_cursor *at, struct strbuf *text)
{
	const struct run *run = arg;

	return pipeline_status(run->pipeline, daemon_refused(run->daemon), at, text);
}

static bool on_metrics(void *arg, struct report_cursor *at, struct strbuf *text)
{
	const struct run *run = arg;

	return pipeline_metrics(run->pipeline, daemon_refused(run->daemon) != NULL, at, text);
}

static bool on_ready(void *arg, struct strbuf *why)
{
	const struct run *run = arg;

	if (pipeline_is_ready(run->pipeline))
		return true;
	pipeline_headlines(run->pipeline, why);
	return false;
}

static bool on_override(void *arg, const char *cluster, const json_t *body, struct err *err)
{
	const struct run *run = arg;
	struct override override;

	if (!override_from_json(body, &override, err))
		return false;
	clock_wall(override.since, sizeof(override.since));
	return pipeline_set_override(run->pipeline, cluster, &override, err);
}

/* A failure is only logged, because segue moves the proxies without its endpoint, too. */
static void listen_anew(struct run *run)
{
	const struct report_source source = {.status = on_status,
	                                     .metrics = on_metrics,
	                                     .ready = on_ready,
	                                     .override = on_override,
	                                     .arg = run};
	const struct config *config = pipeline_config(run->pipeline);
	auto_free char *names = xasprintf("%s,%s", config->name, config->listen_hosts);
	const char *listen = config->listen;
	struct err err;
	bool ok;

	if (run->report == NULL)
		run->report = report_server_create(daemon_base(run->daemon), listen, &source, &err);
	ok = run->report != NULL && report_server_set_listen(run->report, listen, &err);
	if (ok)
		report_server_set_names(run->report, names);
	else
		log_error(
		    "listen_failed", KV_STR("listen", listen), KV_ERR(&err),
		    KV_STR("next",
		           "segue status, pin, freeze and release do not work until a reload"));
}

/* Takes `fresh` over, or destroys it on failure. NULL: it had problems already, which are in
 * `errors`. */
static bool replace_pipeline(struct run *run, struct pipeline *fresh, struct strbuf *errors)
{
	struct err err;

	if (fresh == NULL)
		return false;
	if (!pipeline_start(fresh, run->pipeline, &err)) {
		strbuf_printf(errors, "%s\n", err.message);
		pipeline_destroy(fresh);
		return false;
	}
	run->pipeline = fresh;
	log_configure(pipeline_config(fresh)->log_level, pipeline_config(fresh)->log_format);
	listen_anew(run);
	last_good_keep(pipeline_config(fresh));
	return true;
}

static void cancel_reload(struct run *run)
{
	precheck_cancel(STEAL(run->reload.check));
	pipeline_destroy(STEAL(run->reload.fresh));
	strbuf_reset(&run->reload.problems);
}

static void end_reload(struct run *run)
{
	struct strbuf *problems = &run->reload.problems;

	if (problems->len == 0 && replace_pipeline(run, STEAL(run->reload.fresh), problems)) {
		announce(run, "config_reloaded", run->reload.started_us);
		daemon_reloaded(run->daemon, NULL);
		return;
	}
	daemon_log_problems(LOG_ERROR, "config_problem", run->config_file, problems->data);
	log_error("config_refused", KV_STR("file", run->config_file),
	          KV_STR("next", "the running configuration and templates stay"));
	daemon_reloaded(run->daemon, problems->data);
	cancel_reload(run);
}

static void on_checked(size_t index, bool accepted, const char *what, void *arg)
{
	struct run *run = arg;
	const struct config_target *target = &pipeline_config(run->reload.fresh)->targets[index];

	if (!accepted)
		strbuf_printf(&run->reload.problems,
		              "[%s %s] check_command rejects the text that %s renders: %s\n",
		              config_target_kind_name(target->kind), target->name,
		              target->template_file, what);
}

/* The new text drops databases. If clients use them, the reload is refused. If not, the target logs
 * it when it applies the text (event=databases_gone). */
static void on_lost(size_t index, bool used, const char *what, void *arg)
{
	struct run *run = arg;
	const struct config_target *target = &pipeline_config(run->reload.fresh)->targets[index];

	if (used)
		strbuf_printf(&run->reload.problems, "[%s %s] %s: %s\n",
		              config_target_kind_name(target->kind), target->name,
		              target->template_file, what);
}

static void on_all_checked(void *arg)
{
	struct run *run = arg;

	run->reload.check = NULL;
	end_reload(run);
}

/* The running pipeline keeps working while the check_commands check the texts of the new one. */
static void on_reload(void *arg)
{
	struct run *run = arg;
	struct precheck_request request = {.changed_only = true,
	                                   .checked = on_checked,
	                                   .lost = on_lost,
	                                   .done = on_all_checked,
	                                   .arg = run};

	cancel_reload(run);
	run->reload.started_us = clock_now_us();
	run->reload.fresh = pipeline_prepare(daemon_base(run->daemon), run->config_file,
	                                     run->pipeline, &run->reload.problems);
	if (run->reload.fresh == NULL) {
		end_reload(run);
		return;
	}
	request.config = pipeline_config(run->reload.fresh);
	request.texts = pipeline_texts(run->reload.fresh);
	run->reload.check = precheck_start(daemon_base(run->daemon), &request);
}

/* Text for systemctl status: the problems, the worst first, or that all targets follow their
 * primary. */
static bool on_status_line(struct strbuf *text, void *arg)
{
	const struct run *run = arg;
	const struct config *config = pipeline_config(run->pipeline);
	const char *store = pipeline_store_problem(run->pipeline);
	bool ready = pipeline_is_ready(run->pipeline);

	pipeline_headlines(run->pipeline, text);
	if (store != NULL && strstr(text->data, store) == NULL)
		strbuf_printf(text, "%s, the applied topology stays\n", store);
	if (ready)
		strbuf_printf(text, "%zu of %zu targets follow their primary", config->target_count,
		              config->target_count);
	return ready;
}

static int run_file(const char *config_file)
{
	struct run run = {.config_file = config_file, .reload.problems = STRBUF_INIT};
	const struct daemon_options options = {
	    .verb = "run", .reload = on_reload, .status = on_status_line, .arg = &run};
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	int64_t started_us = clock_now_us();
	struct pipeline *fresh;
	int code = CMD_OK;

	run.daemon = daemon_create(&options);
	fresh = pipeline_prepare(daemon_base(run.daemon), config_file, NULL, &errors);
	if (replace_pipeline(&run, fresh, &errors)) {
		announce(&run, "started", started_us);
		daemon_serve(run.daemon);
		log_info("stopped", KV_STR("file", config_file),
		         KV_STR("next", "the proxies stay as they are"));
	} else {
		daemon_print_problems(run.daemon, errors.data);
		code = CMD_USAGE;
	}
	cancel_reload(&run);
	strbuf_fini(&run.reload.problems);
	report_server_destroy(run.report);
	pipeline_destroy(run.pipeline);
	daemon_destroy(run.daemon);
	return code;
}

int cmd_run(int argc, char **argv)
{
	struct cmd_args args;
	const struct cmd_syntax syntax = {
	    .usage =
	        "usage: segue run [-c FILE]\n"
	        "\n"
	        "  -c, --config FILE  the configuration (" CONFIG_DEFAULT_FILE ")\n"
	        "\n"
	        "SIGHUP reads the configuration and the templates again; if they have errors, the\n"
	        "running ones stay. SIGTERM and SIGINT end it; the proxies stay as they are.\n" CMD_EXIT_CODES,
	    .options = {CMD_CONFIG(args)}};
	int code;

	return cmd_options(argc, argv, &syntax, &args, &code) ? run_file(args.config_file) : code;
}
