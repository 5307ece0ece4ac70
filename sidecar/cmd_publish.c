/* segue publish: the daemon beside the database, and with --once one look at it. It owns the event
 * loop and the signals; the publishers do the rest. SIGHUP swaps them for those of a good new
 * configuration, SIGTERM and SIGINT end it; the master znode stays as it is. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "cmd.h"
#include "publisher/publishers.h"

#define PRIORITIES     2
#define PRIORITY_LATER 1 /* the log: behind what moves */

/* How soon a log that nobody takes is offered again. */
static const struct timeval log_retry = {.tv_usec = 100000};

struct daemon {
	struct publishers_options options;
	struct event_base *base;
	struct publishers *publishers;
	struct event *flush_log, *on_hup, *on_term, *on_int;
	size_t waiting; /* --once: who has not had a word yet */
	bool failed;    /* --once */
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
	const struct config *config = publishers_config(daemon->publishers);

	log_lines(LOG_WARNING, "config_warning", config->file, config->warnings.data);
	log_info(event, KV_STR("version", SEGUE_VERSION), KV_STR("file", config->file),
	         KV_INT("publishers", publishers_count(daemon->publishers)),
	         KV_STR("store", config->zookeeper_hosts),
	         KV_MS("took_ms", clock_now_us() - started_us));
}

/* `errors` gets what is wrong with a configuration that is not taken. */
static bool replace_publishers(struct daemon *daemon, struct strbuf *errors)
{
	struct publishers *fresh = publishers_prepare(&daemon->options, errors);
	struct err err;

	if (fresh == NULL)
		return false;
	if (!publishers_start(fresh, daemon->publishers, &err)) {
		strbuf_printf(errors, "%s: %s\n", daemon->options.config_file, err.message);
		publishers_destroy(fresh);
		return false;
	}
	daemon->publishers = fresh;
	return true;
}

static void on_hup(evutil_socket_t signal, short what, void *arg)
{
	struct daemon *daemon = arg;
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	int64_t started_us = clock_now_us();

	(void)signal;
	(void)what;
	notify_systemd_reloading();
	if (replace_publishers(daemon, &errors)) {
		const struct config *config = publishers_config(daemon->publishers);

		log_configure(config->log_level, config->log_format);
		announce(daemon, "config_reloaded", started_us);
	} else {
		log_lines(LOG_ERROR, "config_problem", daemon->options.config_file, errors.data);
		log_error("config_refused", KV_STR("file", daemon->options.config_file),
		          KV_STR("next", "the running configuration stays"));
	}
	notify_systemd("READY=1");
}

static void on_stop(evutil_socket_t signal, short what, void *arg)
{
	struct daemon *daemon = arg;

	(void)what;
	log_info("stopping", KV_STR("signal", strsignal(signal)));
	notify_systemd("STOPPING=1");
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

static struct event_base *make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	base = event_base_new_with_config(config);
	event_config_free(config);
	if (base == NULL || event_base_priority_init(base, PRIORITIES) != 0) {
		fputs("segue publish: cannot create an event loop\n", stderr);
		exit(CMD_FAILED);
	}
	return base;
}

static void daemon_init(struct daemon *daemon)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGPIPE, &ignore, NULL);
	daemon->base = daemon->options.base = make_base();
	daemon->flush_log = event_new(daemon->base, -1, 0, on_flush_log, daemon);
	event_priority_set(daemon->flush_log, PRIORITY_LATER);
	daemon->on_hup = evsignal_new(daemon->base, SIGHUP, on_hup, daemon);
	daemon->on_term = evsignal_new(daemon->base, SIGTERM, on_stop, daemon);
	daemon->on_int = evsignal_new(daemon->base, SIGINT, on_stop, daemon);
	if (!daemon->options.once)
		event_add(daemon->on_hup, NULL);
	event_add(daemon->on_term, NULL);
	event_add(daemon->on_int, NULL);
}

static void daemon_fini(struct daemon *daemon)
{
	publishers_destroy(daemon->publishers);
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

		fprintf(stderr, "segue publish: %.*s\n", (int)len, lines);
		lines += len + (lines[len] == '\n');
	}
}

static void serve(struct daemon *daemon, int64_t started_us)
{
	const struct config *config = publishers_config(daemon->publishers);

	log_configure(config->log_level, config->log_format);
	log_set_deferred(log_wanted, daemon);
	announce(daemon, "started", started_us);
	notify_systemd("READY=1");
	event_base_dispatch(daemon->base);
	log_info("stopped", KV_STR("file", daemon->options.config_file),
	         KV_STR("next", "the master znode stays as it is"));
}

/* -- --once -- */

static bool is_fine(const struct publisher_word *word)
{
	if (word->result == PUBLISH_FAILED || word->result == PUBLISH_CONTENDED)
		return false;
	switch (word->verdict) {
	case VERDICT_SAME:
	case VERDICT_WAIT:
	case VERDICT_PUBLISH:
	case VERDICT_PUBLISH_NULL:
		return true;
	case VERDICT_ALARM:
	case VERDICT_BLIND:
		return false;
	}
	return false;
}

static const char *action_of(const struct publisher_word *word)
{
	if (word->result == PUBLISH_WRITTEN)
		return "written";
	return *word->text != '\0' ? "would write" : "nothing to write";
}

static void on_told(const struct publisher *publisher, const struct config_publisher *config,
                    const struct publisher_word *word, void *arg)
{
	struct daemon *daemon = arg;
	auto_strbuf struct strbuf servers = STRBUF_INIT;

	publisher_describe(publisher, &servers);
	printf("[publisher %s] %s, of cluster %s\n%s", config->section, config->name,
	       config->cluster, servers.data);
	if (word->problem != NULL)
		printf("store: %s\n", word->problem);
	if (word->store_read)
		printf("%s: %s: %s\n%s%s", action_of(word), verdict_name(word->verdict),
		       word->reason, word->text, *word->text != '\0' ? "\n" : "");
	daemon->failed = daemon->failed || !word->store_read || !is_fine(word);
	if (--daemon->waiting == 0)
		event_base_loopbreak(daemon->base);
}

static int look_once(struct daemon *daemon)
{
	daemon->waiting = publishers_count(daemon->publishers);
	log_configure(LOG_ERROR, LOG_TEXT); /* what is printed says it */
	event_base_dispatch(daemon->base);
	if (fflush(stdout) != 0 || daemon->waiting > 0)
		return CMD_FAILED;
	return daemon->failed ? CMD_FAILED : CMD_OK;
}

static int publish(const struct cmd_args *args)
{
	struct daemon daemon = {.options = {.config_file = args->config_file,
	                                    .section = args->word_count > 0 ? args->words[0] : NULL,
	                                    .once = args->once,
	                                    .dry_run = args->dry_run,
	                                    .told = args->once ? on_told : NULL,
	                                    .arg = &daemon}};
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	int64_t started_us = clock_now_us();
	int code = CMD_OK;

	daemon_init(&daemon);
	if (!replace_publishers(&daemon, &errors)) {
		print_errors(errors.data);
		code = CMD_USAGE;
	} else if (args->once) {
		code = look_once(&daemon);
	} else {
		serve(&daemon, started_us);
	}
	daemon_fini(&daemon);
	return code;
}

int cmd_publish(int argc, char **argv)
{
	static const struct cmd_syntax syntax = {
	    .usage =
	        "usage: segue publish [-c FILE] [--once [--dry-run]] [NAME]\n"
	        "\n"
	        "  -c, --config FILE  the configuration (" CMD_DEFAULT_CONFIG ")\n"
	        "      --once         look once, write what is to be written, and tell\n"
	        "      --dry-run      with --once: write nothing\n"
	        "\n"
	        "Observes the servers of every [publisher NAME], or of the one that is named, and\n"
	        "writes the master znode of its cluster. SIGHUP reads the configuration again; a bad\n"
	        "one is refused and the running one stays. SIGTERM and SIGINT end it.\n",
	    .words_max = 1,
	    .takes_once = true};
	struct cmd_args args;
	int code;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	if (args.dry_run && !args.once) {
		fputs("segue publish: --dry-run goes with --once\n", stderr);
		return CMD_USAGE;
	}
	return publish(&args);
}
