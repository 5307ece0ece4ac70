/* The event loop, the signals, the log and the systemd notifications of a daemon. It does not know
 * what the daemon does: it asks for that (status) and is informed (daemon_reloaded). Outside
 * systemd, nothing here wakes the loop. */
#include "run/daemon.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/systemd.h"
#include "base/timer.h"
#include "cluster/cluster.h"

/* After this time systemd gets READY=1 even if the daemon is not ready, with a STATUS= that says
 * what it waits for. Units that are ordered after segue (a proxy, an application) must not wait for
 * a ZooKeeper that is not reachable. */
#define READY_WITHIN_US 10000000

/* How often WATCHDOG=1 is sent in each watchdog interval. sd_watchdog_enabled(3) advises at least
 * twice; with three, one late message does no harm. */
#define BEATS 3

/* The delay before the log is written again, after nothing has taken its lines. */
#define LOG_RETRY_MS 100

/* How often the status is read: until READY=1 was sent, and after that. */
#define STATUS_STARTING_MS 20
#define STATUS_SERVING_MS  1000

static const int signals[] = {SIGHUP, SIGTERM, SIGINT};

struct daemon {
	struct daemon_options options;
	struct event_base *base;
	struct event *on_signal[ARRAY_LEN(signals)];
	struct timer *flush_log;
	struct systemd *systemd; /* NULL: not under systemd */
	struct timer *tell, *beat;
	int64_t beat_ms; /* between two WATCHDOG=1 */
	char *told;      /* the STATUS= that was sent last; NULL: none */
	int64_t started_us;
	bool ready;    /* READY=1 was sent */
	char *refused; /* why the last SIGHUP was refused; NULL: it was not */
	char refused_since[CLOCK_WALL_MAX];
};

/* -- systemd -- */

/* Bytes of STATUS=, as systemctl status shows one line. Of many problems the first are shown. */
#define STATUS_MAX 400

static void flatten(struct strbuf *text)
{
	auto_strbuf struct strbuf lines = *text, line = STRBUF_INIT;

	while (lines.len > 0 && lines.data[lines.len - 1] == '\n')
		lines.len--;
	strbuf_init(text);
	for (size_t i = 0; i < lines.len; i++)
		strbuf_append(&line, lines.data[i] == '\n' ? "; " : &lines.data[i],
		              lines.data[i] == '\n' ? 2 : 1);
	strbuf_append_escaped(text, line.data, line.len, STATUS_MAX);
}

/* Sends STATUS= if it has changed, with READY=1 once the daemon is ready or READY_WITHIN_US have
 * passed. `reloaded`: both are due in any case. */
static void tell_status(struct daemon *daemon, bool reloaded)
{
	auto_strbuf struct strbuf text = STRBUF_INIT, state = STRBUF_INIT;
	bool ready;

	if (daemon->refused != NULL)
		strbuf_printf(&text, "%s\n", daemon->refused);
	ready = daemon->options.status(&text, daemon->options.arg) ||
	        clock_now_us() - daemon->started_us >= READY_WITHIN_US;
	ready = reloaded || (ready && !daemon->ready);
	flatten(&text);
	if (!ready && daemon->told != NULL && strcmp(text.data, daemon->told) == 0)
		return;
	strbuf_printf(&state, "STATUS=%s\n%s", text.data, ready ? "READY=1" : "");
	systemd_send(daemon->systemd, state.data);
	daemon->ready = daemon->ready || ready;
	free(daemon->told);
	daemon->told = strbuf_detach(&text);
}

static void on_tell(void *arg)
{
	struct daemon *daemon = arg;

	tell_status(daemon, false);
	timer_start(daemon->tell, daemon->ready ? STATUS_SERVING_MS : STATUS_STARTING_MS);
}

static void on_beat(void *arg)
{
	const struct daemon *daemon = arg;

	timer_start(daemon->beat, daemon->beat_ms);
	systemd_send(daemon->systemd, "WATCHDOG=1");
}

/* The watchdog timer has the priority of the work: systemd has to notice a loop that does not get
 * to its work, but not one that is busy with it. */
static void greet_systemd(struct daemon *daemon)
{
	int64_t beat_us;

	daemon->systemd = systemd_open();
	if (daemon->systemd == NULL)
		return;
	daemon->tell = timer_new(daemon->base, on_tell, daemon);
	timer_fire(daemon->tell);
	beat_us = (int64_t)systemd_watchdog_us(daemon->systemd) / BEATS;
	if (beat_us == 0)
		return;
	daemon->beat_ms = larger(beat_us / 1000, 1);
	daemon->beat = timer_new(daemon->base, on_beat, daemon);
	timer_start(daemon->beat, daemon->beat_ms);
}

const char *daemon_refused(const struct daemon *daemon)
{
	return daemon->refused;
}

void daemon_reloaded(struct daemon *daemon, const char *problems)
{
	size_t len = problems != NULL ? strcspn(problems, "\n") : 0;
	bool more = len > 0 && problems[len] == '\n' && problems[len + 1] != '\0';

	if (daemon->refused == NULL)
		clock_wall(daemon->refused_since, sizeof(daemon->refused_since));
	free(STEAL(daemon->refused));
	if (problems != NULL)
		daemon->refused = xasprintf(
		    "CONFIG REFUSED since %s, the previous configuration is in force: %.*s%s",
		    daemon->refused_since, (int)len, problems, more ? " (the log has more)" : "");
	if (daemon->systemd != NULL)
		tell_status(daemon, true);
}

/* -- signals and the log -- */

static void on_signal(evutil_socket_t signal, short what, void *arg)
{
	const struct daemon *daemon = arg;

	(void)what;
	if (signal == SIGHUP) {
		systemd_reloading(daemon->systemd);
		daemon->options.reload(daemon->options.arg);
		return;
	}
	log_info("stopping", KV_STR("signal", strsignal(signal)));
	systemd_send(daemon->systemd, "STOPPING=1\nSTATUS=stopping");
	event_base_loopbreak(daemon->base);
}

static void on_flush_log(void *arg)
{
	const struct daemon *daemon = arg;

	if (!log_flush())
		timer_start(daemon->flush_log, LOG_RETRY_MS);
}

static void log_wanted(void *arg)
{
	timer_fire(((const struct daemon *)arg)->flush_log);
}

/* Creates a loop with priorities. It limits how long work of low priority (fsync of state files,
 * the log) runs before the loop looks for events again. */
static struct event_base *make_base(const char *verb)
{
	static const struct timeval slice = {.tv_usec = 1000};
	struct event_config *config = event_config_new();
	struct event_base *base;

	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	event_config_set_max_dispatch_interval(config, &slice, 16, CLUSTER_PRIORITY_LATER);
	base = event_base_new_with_config(config);
	event_config_free(config);
	if (base == NULL || event_base_priority_init(base, CLUSTER_PRIORITIES) != 0) {
		fprintf(stderr, "segue %s: cannot create an event loop\n", verb);
		exit(EXIT_FAILURE);
	}
	return base;
}

struct daemon *daemon_create(const struct daemon_options *options)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct daemon *daemon = xcalloc(1, sizeof(*daemon));

	sigaction(SIGPIPE, &ignore, NULL);
	daemon->options = *options;
	daemon->started_us = clock_now_us();
	daemon->base = make_base(options->verb);
	daemon->flush_log = timer_new(daemon->base, on_flush_log, daemon);
	timer_set_priority(daemon->flush_log, CLUSTER_PRIORITY_LATER);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		daemon->on_signal[i] = evsignal_new(daemon->base, signals[i], on_signal, daemon);
		if (signals[i] != SIGHUP || options->reload != NULL)
			event_add(daemon->on_signal[i], NULL);
	}
	return daemon;
}

void daemon_destroy(struct daemon *daemon)
{
	log_set_deferred(NULL, NULL);
	systemd_close(daemon->systemd);
	timer_free(daemon->tell);
	timer_free(daemon->beat);
	timer_free(daemon->flush_log);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		event_free(daemon->on_signal[i]);
	event_base_free(daemon->base);
	libevent_global_shutdown();
	free(daemon->told);
	free(daemon->refused);
	free(daemon);
}

struct event_base *daemon_base(const struct daemon *daemon)
{
	return daemon->base;
}

void daemon_serve(struct daemon *daemon)
{
	log_set_deferred(log_wanted, daemon);
	greet_systemd(daemon);
	event_base_dispatch(daemon->base);
}

/* -- problems -- */

void daemon_log_problems(enum log_level level, const char *event, const char *file,
                         const char *lines)
{
	auto_free char *copy = xstrdup(lines);
	char *rest = copy;

	for (const char *line; (line = strsep(&rest, "\n")) != NULL;)
		if (*line != '\0')
			LOG_EMIT(level, event, KV_STR("file", file), KV_STR("problem", line));
}

void daemon_print_problems(const struct daemon *daemon, const char *lines)
{
	auto_free char *copy = xstrdup(lines);
	char *rest = copy;

	for (const char *line; (line = strsep(&rest, "\n")) != NULL;)
		if (*line != '\0')
			fprintf(stderr, "segue %s: %s\n", daemon->options.verb, line);
}
