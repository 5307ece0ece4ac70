/* segue run: the daemon. It owns the event loop and the signals; the pipeline does the rest.
 * SIGHUP swaps the pipeline for a good new one, SIGTERM and SIGINT end it. */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cluster.h"
#include "cmd.h"
#include "pipeline.h"
#include "pipeline_check.h"
#include "report/server.h"

/* How soon a log that nobody takes is offered again. */
static const struct timeval log_retry = {.tv_usec = 100000};

struct daemon {
	const char *config_file;
	struct event_base *base;
	struct pipeline *pipeline;
	struct report_server *report;
	struct { /* of the last SIGHUP, while check_commands run on its texts */
		struct pipeline *fresh;
		struct pipeline_check *check;
		struct strbuf problems;
		int64_t started_us;
	} reload;
	struct event *flush_log, *on_hup, *on_term, *on_int;
};

static void log_lines(enum log_level level, const char *event, const char *file, const char *lines)
{
	while (*lines != '\0') {
		size_t len = strcspn(lines, "\n");
		auto_free char *line = xstrndup(lines, len);

		LOG_EMIT(level, event, KV_STR("file", file), KV_STR("problem", line));
		lines += len + (lines[len] == '\n');
	}
}

static void announce(const struct daemon *daemon, const char *event, int64_t started_us)
{
	const struct config *config = pipeline_config(daemon->pipeline);

	log_lines(LOG_WARNING, "config_warning", daemon->config_file, config->warnings.data);
	log_info(event, KV_STR("version", SEGUE_VERSION), KV_STR("name", config->name),
	         KV_STR("file", daemon->config_file), KV_INT("clusters", config->cluster_count),
	         KV_INT("targets", config->target_count), KV_STR("store", config->zookeeper_hosts),
	         KV_MS("took_ms", clock_now_us() - started_us));
}

static bool on_status(void *arg, struct report_cursor *at, struct strbuf *text)
{
	const struct daemon *daemon = arg;

	return pipeline_status(daemon->pipeline, at, text);
}

static bool on_metrics(void *arg, struct report_cursor *at, struct strbuf *text)
{
	const struct daemon *daemon = arg;

	return pipeline_metrics(daemon->pipeline, at, text);
}

static bool on_ready(void *arg, struct strbuf *why)
{
	const struct daemon *daemon = arg;

	return pipeline_is_ready(daemon->pipeline, why);
}

static bool on_override(void *arg, const char *cluster, const json_t *body, struct err *err)
{
	const struct daemon *daemon = arg;
	struct override override;

	if (!override_from_json(body, &override, err))
		return false;
	clock_wall(override.since, sizeof(override.since));
	return pipeline_set_override(daemon->pipeline, cluster, &override, err);
}

/* Without its endpoint segue still moves the proxies. */
static void listen_anew(struct daemon *daemon)
{
	const struct report_source source = {.status = on_status,
	                                     .metrics = on_metrics,
	                                     .ready = on_ready,
	                                     .override = on_override,
	                                     .arg = daemon};
	const char *listen = pipeline_config(daemon->pipeline)->listen;
	struct err err;
	bool ok;

	if (daemon->report == NULL)
		daemon->report = report_server_create(daemon->base, listen, &source, &err);
	ok = daemon->report != NULL && report_server_set_listen(daemon->report, listen, &err);
	if (!ok)
		log_error("listen_failed", KV_STR("listen", listen), KV_ERR(&err),
		          KV_STR("next", "no status, no pin, freeze and release until a reload"));
}

/* `fresh` is taken over, or ended; NULL: it had problems from the start. */
static bool replace_pipeline(struct daemon *daemon, struct pipeline *fresh, struct strbuf *errors)
{
	struct err err;

	if (fresh == NULL)
		return false;
	if (!pipeline_start(fresh, daemon->pipeline, &err)) {
		strbuf_printf(errors, "%s\n", err.message);
		pipeline_destroy(fresh);
		return false;
	}
	daemon->pipeline = fresh;
	log_configure(pipeline_config(fresh)->log_level, pipeline_config(fresh)->log_format);
	listen_anew(daemon);
	return true;
}

static void cancel_reload(struct daemon *daemon)
{
	pipeline_check_cancel(STEAL(daemon->reload.check));
	pipeline_destroy(STEAL(daemon->reload.fresh));
	strbuf_reset(&daemon->reload.problems);
}

static void end_reload(struct daemon *daemon)
{
	struct strbuf *problems = &daemon->reload.problems;

	if (problems->len == 0 && replace_pipeline(daemon, STEAL(daemon->reload.fresh), problems)) {
		announce(daemon, "config_reloaded", daemon->reload.started_us);
		return;
	}
	log_lines(LOG_ERROR, "config_problem", daemon->config_file, problems->data);
	log_error("config_refused", KV_STR("file", daemon->config_file),
	          KV_STR("next", "the running configuration and templates stay"));
	cancel_reload(daemon);
}

static void on_checked(size_t index, bool accepted, const char *what, void *arg)
{
	struct daemon *daemon = arg;
	const struct config_target *target = &pipeline_config(daemon->reload.fresh)->targets[index];

	if (!accepted)
		strbuf_printf(&daemon->reload.problems,
		              "[%s %s] check_command refuses what %s renders to: %s\n",
		              config_target_kind_name(target->kind), target->name,
		              target->template_file, what);
}

static void on_all_checked(void *arg)
{
	struct daemon *daemon = arg;

	daemon->reload.check = NULL;
	end_reload(daemon);
}

/* The running pipeline goes on while the check_commands look at the new one. */
static void on_hup(evutil_socket_t signal, short what, void *arg)
{
	struct daemon *daemon = arg;
	struct pipeline_check_request request = {
	    .changed_only = true, .checked = on_checked, .done = on_all_checked, .arg = daemon};

	(void)signal;
	(void)what;
	cancel_reload(daemon);
	daemon->reload.started_us = clock_now_us();
	daemon->reload.fresh = pipeline_prepare(daemon->base, daemon->config_file, daemon->pipeline,
	                                        &daemon->reload.problems);
	if (daemon->reload.fresh == NULL) {
		end_reload(daemon);
		return;
	}
	request.config = pipeline_config(daemon->reload.fresh);
	request.texts = pipeline_texts(daemon->reload.fresh);
	daemon->reload.check = pipeline_check_start(daemon->base, &request);
}

static void on_stop(evutil_socket_t signal, short what, void *arg)
{
	struct daemon *daemon = arg;

	(void)what;
	log_info("stopping", KV_STR("signal", strsignal(signal)));
	event_base_loopbreak(daemon->base);
}

static void on_flush_log(evutil_socket_t fd, short what, void *arg)
{
	const struct daemon *daemon = arg;

	(void)fd;
	(void)what;
	if (!log_flush())
		event_add(daemon->flush_log, &log_retry);
}

static void log_wanted(void *arg)
{
	const struct daemon *daemon = arg;

	event_active(daemon->flush_log, EV_TIMEOUT, 0);
}

/* Priorities, and a bound on how long things of low priority (fsync of state files, the log) run
 * before the loop looks for events again. */
static struct event_base *make_base(void)
{
	static const struct timeval slice = {.tv_usec = 1000};
	struct event_config *config = event_config_new();
	struct event_base *base;

	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	event_config_set_max_dispatch_interval(config, &slice, 16, CLUSTER_PRIORITY_LATER);
	base = event_base_new_with_config(config);
	event_config_free(config);
	if (base == NULL || event_base_priority_init(base, CLUSTER_PRIORITIES) != 0) {
		fputs("segue run: cannot create an event loop\n", stderr);
		exit(CMD_FAILED);
	}
	return base;
}

static void daemon_init(struct daemon *daemon, const char *config_file)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGPIPE, &ignore, NULL);
	daemon->config_file = config_file;
	strbuf_init(&daemon->reload.problems);
	daemon->base = make_base();
	daemon->flush_log = event_new(daemon->base, -1, 0, on_flush_log, daemon);
	event_priority_set(daemon->flush_log, CLUSTER_PRIORITY_LATER);
	daemon->on_hup = evsignal_new(daemon->base, SIGHUP, on_hup, daemon);
	daemon->on_term = evsignal_new(daemon->base, SIGTERM, on_stop, daemon);
	daemon->on_int = evsignal_new(daemon->base, SIGINT, on_stop, daemon);
	event_add(daemon->on_hup, NULL);
	event_add(daemon->on_term, NULL);
	event_add(daemon->on_int, NULL);
}

static void daemon_fini(struct daemon *daemon)
{
	cancel_reload(daemon);
	strbuf_fini(&daemon->reload.problems);
	report_server_destroy(daemon->report);
	pipeline_destroy(daemon->pipeline);
	log_set_deferred(NULL, NULL);
	event_free(daemon->flush_log);
	event_free(daemon->on_hup);
	event_free(daemon->on_term);
	event_free(daemon->on_int);
	event_base_free(daemon->base);
	libevent_global_shutdown();
}

static void print_errors(const char *lines)
{
	while (*lines != '\0') {
		size_t len = strcspn(lines, "\n");

		fprintf(stderr, "segue run: %.*s\n", (int)len, lines);
		lines += len + (lines[len] == '\n');
	}
}

static int run(const char *config_file)
{
	struct daemon daemon = {.pipeline = NULL};
	struct strbuf auto_strbuf errors = STRBUF_INIT;
	int64_t started_us = clock_now_us();
	int code = CMD_OK;

	daemon_init(&daemon, config_file);
	if (replace_pipeline(&daemon, pipeline_prepare(daemon.base, config_file, NULL, &errors),
	                     &errors)) {
		log_set_deferred(log_wanted, &daemon);
		announce(&daemon, "started", started_us);
		event_base_dispatch(daemon.base);
		log_info("stopped", KV_STR("file", config_file),
		         KV_STR("next", "the proxies stay as they are"));
	} else {
		print_errors(errors.data);
		code = CMD_USAGE;
	}
	daemon_fini(&daemon);
	return code;
}

int cmd_run(int argc, char **argv)
{
	static const struct cmd_syntax syntax = {
	    .usage =
	        "usage: segue run [-c FILE]\n"
	        "\n"
	        "  -c, --config FILE  the configuration (" CMD_DEFAULT_CONFIG ")\n"
	        "\n"
	        "SIGHUP reads the configuration and the templates again; a bad one is refused and the\n"
	        "running one stays. SIGTERM and SIGINT end it; the proxies stay as they are.\n"};
	struct cmd_args args;
	int code;

	return cmd_options(argc, argv, &syntax, &args, &code) ? run(args.config_file) : code;
}
