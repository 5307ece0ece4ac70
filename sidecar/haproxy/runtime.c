/* Makes the running HAProxy show what is desired (the text, or a hold in its place). Done only when
 * HAProxy, asked again, shows it. One batch holds the commands and the re-read that follows them.
 * If the live state is known, haproxy_runtime_reconcile() writes the commands to the socket before
 * it returns.
 *
 *                  not known                differs             agrees, cleanup owed
 *   WAITING ---> IDLE --------> READING --> IDLE ------> PUSHING --> IDLE ---------> CLEANING
 *      ^   timer,  ^                |        ^              |         ^                 |
 *      |  new text |                |        +--- reply ----+         +---- result -----+
 *      +-----------+-- no reply ----+-- no reply, or the commands have no effect
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/timer.h"
#include "driver_internal.h"
#include "haproxy/socket.h"

/* --- which worker answered: a new worker knows nothing of earlier commands --- */

/* A restarted container may have the same pid, but not the same start time. HAProxy before 2.5 does
 * not report the start time; there the uptime must not be shorter than before. A worker that was
 * frozen is the same worker: its uptime lags behind, but its start time stays. */
static bool is_same_worker(const struct haproxy_runtime *runtime,
                           const struct haproxy_batch_reply *reply)
{
	if (runtime->read_us == 0 || reply->info.pid != runtime->info.pid)
		return false;
	if (reply->start_s >= 0 && runtime->start_s >= 0)
		return reply->start_s == runtime->start_s;
	return reply->uptime_s >= runtime->uptime_s;
}

/* What the old worker was sent does not hold in the new one. A cleanup is owed only if the old
 * worker had not confirmed the desired state, or in a hold; else its stale sessions have ended, and
 * a dump of all sessions for each target after each reload is avoided. Clients held in the old
 * worker wait in vain: no command can move them there. */
static void new_worker(struct haproxy_driver *driver, int64_t pid_before)
{
	struct haproxy_runtime *runtime = &driver->runtime;
	auto_free char *next =
	    xasprintf("set master_socket: then segue can end these sessions, and the clients "
	              "connect again; to end them now, with all other sessions of that worker: "
	              "kill -TERM %" PRId64,
	              pid_before);

	runtime->refuses_add = false;
	runtime->cleanup_owed = runtime->cleanup_owed ||
	                        runtime->confirmed != driver->desired_seq ||
	                        driver->hold.state == HOLD_HELD;
	if (pid_before != 0 && driver->hold.state == HOLD_HELD && driver->master == NULL) {
		runtime->unreached_us = clock_now_us();
		TARGET_LOG(LOG_WARNING, &driver->target, "clients_out_of_reach",
		           KV_INT("old_worker", pid_before),
		           KV_STR("what", "HAProxy was reloaded during a hold: without "
		                          "master_socket segue cannot reach clients that wait in "
		                          "the old worker; they get errors when the connection "
		                          "retries are used up"),
		           KV_STR("next", next));
	}
	runtime->push_due = true;
	runtime->withheld = false;
	runtime->tries = runtime->settles = 0;
	if (pid_before != 0)
		TARGET_LOG(LOG_INFO, &driver->target, "haproxy_restarted",
		           KV_INT("worker_pid", runtime->info.pid), KV_INT("before", pid_before));
	runtime->new_worker = true;
}

/* Each batch that only reads asks for the level, so that a wrong one is known before a failover. */
static void take_level(struct haproxy_driver *driver, const struct haproxy_batch_reply *reply)
{
	const char *socket = driver->target.config->socket, *before = driver->runtime.level;

	if (driver->runtime.state != RUNTIME_READING)
		return;
	driver->runtime.level = reply->level;
	if (before != NULL && reply->level == NULL)
		TARGET_LOG(LOG_INFO, &driver->target, "socket_admin", KV_STR("socket", socket));
	if (before != NULL || reply->level == NULL)
		return;
	TARGET_LOG(LOG_ERROR, &driver->target, "socket_not_admin", KV_STR("socket", socket),
	           KV_STR("level", reply->level),
	           KV_STR("error", "HAProxy refuses all changes at this socket: segue could not "
	                           "switch to a new primary"),
	           KV_STR("next", HAPROXY_ADMIN_CURE));
	target_failed(&driver->target);
}

/* Takes over the state in the reply, and notices a new worker. */
static void worker_answered(struct haproxy_driver *driver, struct haproxy_batch_reply *reply)
{
	struct haproxy_runtime *runtime = &driver->runtime;
	int64_t pid_before = runtime->info.pid;
	bool same = is_same_worker(runtime, reply);

	runtime->seen_us = runtime->read_us;
	runtime->read_us = clock_now_us();
	if (!same)
		runtime->worker_us =
		    runtime->read_us - (reply->uptime_s > 0 ? reply->uptime_s * 1000000 : 0);
	runtime->uptime_s = reply->uptime_s;
	runtime->start_s = reply->start_s;
	haproxy_live_free(&runtime->live);
	runtime->live = reply->live;
	reply->live = (struct haproxy_live){0};
	runtime->info = reply->info;
	runtime->known = true;
	runtime->covers = runtime->asking;
	runtime->seen_for = runtime->sent_for;
	runtime->want_read = false;
	if (runtime->failures > 1)
		TARGET_LOG(LOG_INFO, &driver->target, "haproxy_back",
		           KV_INT("worker_pid", runtime->info.pid),
		           KV_MS("away_ms", (clock_now_ms() - runtime->down_ms) * 1000));
	if (runtime->failures > 0)
		strbuf_reset(&runtime->problem);
	runtime->failures = 0;
	runtime->down_ms = 0;
	take_level(driver, reply);
	if (!same)
		new_worker(driver, pid_before);
}

#define BATCH_TIMEOUT_MS     1000
#define RETRY_FIRST_MS       50
#define RETRY_MAX_MS         1000
#define CONFIRM_REREAD_MS    50 /* while waiting for the new worker of a reload */
/* After a lost reply. A HAProxy that was frozen still executes the batch that got no reply, maybe
 * after later batches. */
#define DOUBT_REREAD_MS      250
#define CLEANUP_AGAIN_MS     50 /* a busy HAProxy needs a moment to end a session */
#define CLEANUP_AGAIN_MAX_MS 5000
#define CLEANUP_LATER_MS     1000 /* HAProxy waits at most that long between connect retries */
#define REREAD_SHARE         20   /* in a hold: a batch of 5 ms is repeated after 100 ms or later */
#define QUEUE_REREAD_MS      200  /* while the queue of a hold empties */
#define VERIFY_MIN_MS        500  /* between two comparisons of the file with the text */
#define UNFIT_AFTER_MS       3000 /* HAProxy repeats a check every 2 s by default (inter) */

static const int64_t settle_ms[] = {1, 5, 10, 20, 50};

static void enter(struct haproxy_driver *driver, enum runtime_state state, int64_t timer_ms)
{
	struct haproxy_runtime *runtime = &driver->runtime;

	runtime->state = state;
	timer_stop(runtime->timer);
	if (timer_ms >= 0)
		timer_start(runtime->timer, timer_ms);
}

static void wait_to_read(struct haproxy_driver *driver, int64_t ms)
{
	driver->runtime.want_read = true;
	enter(driver, RUNTIME_WAITING, ms);
}

/* A running timer is not set again: config_file.c also causes reconciles, at any rate, and would
 * postpone the re-read for ever. */
static void be_idle(struct haproxy_driver *driver)
{
	struct haproxy_runtime *runtime = &driver->runtime;
	int64_t ms = clock_jitter_ms(target_hub_reread_ms(driver->target.hub));

	if (timer_is_set(runtime->timer))
		return;
	if (driver->file.state == CONFIG_FILE_CONFIRMING) {
		ms = CONFIRM_REREAD_MS;
	} else if (runtime->in_doubt) {
		ms = DOUBT_REREAD_MS;
		runtime->in_doubt = false;
	} else if (driver->hold.state != HOLD_OPEN) {
		ms = larger(target_hub_watch_ms(driver->target.hub),
		            runtime->batch_us * REREAD_SHARE / 1000);
	} else if (runtime->cleanup_later) {
		ms = runtime->cleanup_wait_ms;
	} else if (runtime->queue_lasts) {
		ms = QUEUE_REREAD_MS;
	}
	enter(driver, RUNTIME_IDLE, ms);
}

static void on_timer(void *arg)
{
	struct haproxy_driver *driver = arg;
	struct haproxy_runtime *runtime = &driver->runtime;

	if (runtime->state == RUNTIME_IDLE &&
	    clock_now_ms() - runtime->verified_ms >= VERIFY_MIN_MS) {
		driver->file.verify = true;
		runtime->verified_ms = clock_now_ms();
	}
	runtime->tidied = false;
	if (runtime->cleanup_later && clock_now_ms() >= runtime->cleanup_ms) {
		runtime->cleanup_owed = true;
		runtime->cleanup_later = false;
	}
	enter(driver, RUNTIME_IDLE, -1);
	runtime->want_read = true;
	driver->wake(driver);
}

/* The first failure is retried at once and not logged. The second one is logged, and after that
 * only when the reason becomes a lack of permission. */
static void no_reply(struct haproxy_driver *driver, const struct err *err)
{
	struct haproxy_runtime *runtime = &driver->runtime;
	auto_free char *shut = haproxy_socket_shut(driver->target.config->socket);
	bool was_shut = runtime->shut;

	runtime->shut = shut != NULL;
	runtime->known = false;
	runtime->in_doubt = true;
	runtime->offered = driver->desired_seq;
	strbuf_reset(&runtime->problem);
	strbuf_printf(&runtime->problem, "%s%s%s", err->message, shut != NULL ? ": " : "",
	              shut != NULL ? shut : "");
	if (runtime->down_ms == 0)
		runtime->down_ms = clock_now_ms();
	if (runtime->failures == 1 || (runtime->failures > 1 && runtime->shut && !was_shut)) {
		TARGET_LOG(LOG_WARNING, &driver->target, "haproxy_unreachable",
		           KV_STR("error", runtime->problem.data),
		           KV_STR("next", "segue tries again at least once a second; until then "
		                          "it keeps HAProxy's file up to date"));
		target_failed(&driver->target);
	}
	wait_to_read(driver, clock_backoff_ms(runtime->failures++, RETRY_FIRST_MS, RETRY_MAX_MS));
}

static void reply_cb(const char *text, size_t len, const struct err *err, void *arg)
{
	struct haproxy_driver *driver = arg;
	struct haproxy_runtime *runtime = &driver->runtime;
	struct haproxy_batch_reply reply;
	struct err problem;

	runtime->call = NULL;
	runtime->batch_us = clock_now_us() - runtime->sent_us;
	if (text == NULL) {
		no_reply(driver, err);
	} else if (!haproxy_batch_parse(text, len, &reply, &problem)) {
		err_wrap(&problem, "%s", driver->target.config->socket);
		no_reply(driver, &problem);
	} else {
		if (runtime->state == RUNTIME_PUSHING) {
			runtime->offered = runtime->push_seq;
			strbuf_reset(&runtime->answers);
			strbuf_append_str(&runtime->answers, reply.said.data);
		}
		worker_answered(driver, &reply);
		haproxy_batch_free(&reply);
		enter(driver, RUNTIME_IDLE, -1);
	}
	driver->wake(driver);
}

static void send_batch(struct haproxy_driver *driver, enum runtime_state state,
                       const char *commands)
{
	struct haproxy_runtime *runtime = &driver->runtime;
	auto_strbuf struct strbuf line = STRBUF_INIT;
	bool whole = haproxy_batch_line(commands, &driver->config, &line);

	runtime->call = haproxy_queue_send(
	    driver->socket, state == RUNTIME_PUSHING ? HAPROXY_AT_ONCE : HAPROXY_QUEUED, line.data,
	    BATCH_TIMEOUT_MS, NULL, reply_cb, driver);
	if (state == RUNTIME_PUSHING) {
		runtime->push_due = false;
		runtime->rest_due = !whole;
		strbuf_reset(&runtime->pushed);
		strbuf_append_str(&runtime->pushed, commands);
		runtime->push_seq = driver->desired_seq;
	}
	runtime->asking = runtime->sent_for = driver->desired_seq;
	runtime->sent_us = clock_now_us();
	enter(driver, state, -1);
}

static void push(struct haproxy_driver *driver, const struct haproxy_diff *diff)
{
	struct haproxy_runtime *runtime = &driver->runtime;
	struct move_clock *clock = &driver->target.clock;
	/* somebody else changed HAProxy */
	bool drift =
	    runtime->confirmed == driver->desired_seq && runtime->tries == 0 && !runtime->withheld;

	send_batch(driver, RUNTIME_PUSHING, diff->commands.data);
	if (clock->end_us[MOVE_PUSHED] == 0 && !clock->told) {
		target_end_step(&driver->target, MOVE_PUSHED);
		strbuf_append_str(&clock->summary, diff->summary.data);
	}
	if (drift)
		TARGET_LOG(LOG_WARNING, &driver->target, "drift",
		           KV_STR("what", diff->summary.data), KV_STR("next", "segue corrects it"));
	runtime->settles = 0;
	runtime->withheld = diff->withholds;
	/* Sessions to the held primary continue. Sessions that were led elsewhere by somebody's
	 * change at the socket are ended. */
	if (diff->needs_cleanup && (drift || driver->hold.state != HOLD_HELD))
		runtime->cleanup_owed = runtime->cleanup_due = true;
}

static void session_cleanup_done_cb(const struct session_cleanup_result *result, void *arg)
{
	struct haproxy_driver *driver = arg;
	struct haproxy_runtime *runtime = &driver->runtime;
	const char *problem = *result->problem != '\0' ? result->problem : NULL;
	bool told = result->left > 0 && result->left == runtime->sessions_left;
	bool trouble = problem != NULL || result->left > 0;
	bool over = result->left == 0 && runtime->sessions_left > 0; /* they ended by themselves */

	runtime->cleanup = NULL;
	runtime->cleanup_owed = runtime->cleanup_due = false;
	runtime->sessions_left = result->left;
	runtime->cleanup_repeats = result->left > 0 ? runtime->cleanup_repeats + 1 : 0;
	runtime->cleanup_failures = problem != NULL ? runtime->cleanup_failures + 1 : 0;
	/* The master CLI does not answer for a moment during every reload. So the first failure is
	 * retried, and not logged. */
	runtime->cleanup_later =
	    result->left > 0 || result->connecting > 0 || runtime->cleanup_failures == 1;
	runtime->cleanup_wait_ms =
	    result->left > 0
	        ? clock_backoff_ms(runtime->cleanup_repeats, CLEANUP_AGAIN_MS, CLEANUP_AGAIN_MAX_MS)
	        : CLEANUP_LATER_MS;
	/* a timer may fire up to 1 ms early by this clock */
	runtime->cleanup_ms = clock_now_ms() + runtime->cleanup_wait_ms - 1;
	if (!told && (runtime->cleanup_failures != 1 || result->ended > 0) &&
	    (trouble || over || result->ended > 0))
		TARGET_LOG(trouble ? LOG_WARNING : LOG_INFO, &driver->target, "sessions_ended",
		           KV_INT("ended", result->ended), KV_INT("left", result->left),
		           KV_INT("waited", result->waiting), KV_STR("error", problem));
	if (runtime->tries > 0)
		wait_to_read(driver,
		             clock_backoff_ms(runtime->tries, RETRY_FIRST_MS, RETRY_MAX_MS));
	else
		enter(driver, RUNTIME_IDLE, -1);
	driver->wake(driver);
}

/* In a hold, sessions to the primary continue while new clients wait. */
static void cleanup(struct haproxy_driver *driver)
{
	struct haproxy_runtime *runtime = &driver->runtime;
	const struct haproxy_config *keep =
	    driver->hold.state == HOLD_FENCED ? &driver->hold.view : &driver->config;

	runtime->cleanup_seq = driver->desired_seq;
	runtime->cleanup = session_cleanup_start(driver->socket, driver->master, keep,
	                                         &runtime->live, session_cleanup_done_cb, driver);
	enter(driver, RUNTIME_CLEANING, -1);
}

static void confirm(struct haproxy_driver *driver)
{
	struct haproxy_runtime *runtime = &driver->runtime;

	if (runtime->needs.len > 0 || runtime->confirmed == driver->desired_seq)
		return;
	runtime->confirmed = driver->desired_seq;
	target_end_step(&driver->target, MOVE_CONFIRMED);
}

static void tell_stuck(struct haproxy_driver *driver, const struct haproxy_diff *diff)
{
	struct haproxy_runtime *runtime = &driver->runtime;

	strbuf_reset(&runtime->problem);
	strbuf_printf(
	    &runtime->problem,
	    "HAProxy did not apply the commands: still different: %s; HAProxy answered: %s",
	    diff->summary.data, runtime->answers.len > 0 ? runtime->answers.data : "nothing");
	if (runtime->tries > 1)
		return;
	TARGET_LOG_ZXID(LOG_ERROR, &driver->target, "move_failed",
	                KV_STR("tried", diff->commands.data),
	                KV_STR("error", runtime->problem.data),
	                KV_STR("next", "segue tries again at least once a second"));
	target_failed(&driver->target);
}

/* The commands were answered, but HAProxy shows something else. In this order: HAProxy 3.0 and
 * later may need a moment; `add server` may have been refused, then a reload adds it; a server may
 * not be removed before its sessions have ended; else the commands are sent again. */
static void did_not_stick(struct haproxy_driver *driver, const struct haproxy_diff *diff)
{
	struct haproxy_runtime *runtime = &driver->runtime;

	if (runtime->info.major >= HAPROXY_LATE_ADDRESS_FROM &&
	    runtime->settles < ARRAY_LEN(settle_ms)) {
		wait_to_read(driver, settle_ms[runtime->settles++]);
		return;
	}
	runtime->push_due = true;
	if (!runtime->refuses_add && strstr(diff->commands.data, "add server ") != NULL) {
		runtime->refuses_add = true;
		TARGET_LOG(LOG_WARNING, &driver->target, "add_refused",
		           KV_STR("tried", diff->commands.data),
		           KV_STR("answer", runtime->answers.data),
		           KV_STR("next", "a reload adds the server"));
		haproxy_runtime_reconcile(driver);
		return;
	}
	runtime->tries++;
	if (diff->removals == diff->command_count)
		confirm(driver); /* clients are where they belong; only `del server` is left */
	else
		tell_stuck(driver, diff);
	if (runtime->tries == 1)
		cleanup(driver);
	else
		wait_to_read(driver,
		             clock_backoff_ms(runtime->tries, RETRY_FIRST_MS, RETRY_MAX_MS));
}

/* After a change of address HAProxy's health check needs some time to check the new one. */
const char *haproxy_runtime_unfit(const struct haproxy_driver *driver)
{
	const struct haproxy_runtime *runtime = &driver->runtime;

	return runtime->unfit_ms != 0 && clock_now_ms() - runtime->unfit_ms >= UNFIT_AFTER_MS
	           ? runtime->unfit.data
	           : "";
}

static void tell_unfit(const struct haproxy_driver *driver, bool over)
{
	TARGET_LOG(
	    over ? LOG_INFO : LOG_WARNING, &driver->target, over ? "check_passes" : "check_failed",
	    KV_STR("socket", driver->target.config->socket),
	    KV_STR("what", driver->runtime.unfit.data),
	    KV_STR("next",
	           over ? NULL
	                : "HAProxy refuses clients there: check the port of the health check in "
	                  "the server line, or remove `check` and let segue decide"));
}

static void look_at_checks(struct haproxy_driver *driver)
{
	struct haproxy_runtime *runtime = &driver->runtime;
	const struct haproxy_server *down =
	    driver->primary.address != NULL && driver->hold.state == HOLD_OPEN
	        ? haproxy_find_down(&driver->config, &driver->primary, &runtime->live)
	        : NULL;

	if (down == NULL) {
		if (runtime->unfit_told)
			tell_unfit(driver, true);
		runtime->unfit_ms = 0;
		runtime->unfit_told = false;
		return;
	}
	if (runtime->unfit_ms == 0)
		runtime->unfit_ms = clock_now_ms();
	strbuf_reset(&runtime->unfit);
	strbuf_printf(&runtime->unfit, "HAProxy's own check has %s/%s DOWN, %s:%u", down->backend,
	              down->name, down->address, (unsigned)down->port);
	if (!runtime->unfit_told && *haproxy_runtime_unfit(driver) != '\0') {
		tell_unfit(driver, false);
		runtime->unfit_told = true;
	}
}

static void agrees(struct haproxy_driver *driver, const struct haproxy_diff *diff)
{
	struct haproxy_runtime *runtime = &driver->runtime;

	runtime->offered = driver->desired_seq;
	runtime->push_due = true;
	runtime->tries = runtime->settles = 0;
	runtime->withheld = false;
	runtime->queue_lasts = diff->queue_lasts;
	strbuf_reset(&runtime->problem);
	if (runtime->seen_for != driver->desired_seq) {
		/* `live` was requested before this desired_seq, and may be seconds old. */
		send_batch(driver, RUNTIME_READING, "");
		return;
	}
	confirm(driver);
	look_at_checks(driver);
	if (runtime->cleanup_owed)
		cleanup(driver);
	else if (diff->tidy.len == 0 || runtime->tidied)
		be_idle(driver);
	else {
		send_batch(driver, RUNTIME_PUSHING, diff->tidy.data);
		runtime->tidied = true;
	}
}

/* HAProxy is to show the text, or while HELD or FENCED the view that replaces it. */
static void compare(struct haproxy_driver *driver)
{
	struct haproxy_runtime *runtime = &driver->runtime;
	enum haproxy_hold_state state = driver->hold.state;
	const struct haproxy_config *wanted =
	    state == HOLD_HELD || state == HOLD_FENCED ? &driver->hold.view : &driver->config;
	struct haproxy_diff diff;
	const struct haproxy_abilities abilities = {.can_add = !runtime->refuses_add,
	                                            .late_address = runtime->info.major >=
	                                                            HAPROXY_LATE_ADDRESS_FROM};

	haproxy_diff(wanted, &runtime->live, abilities, &diff);
	strbuf_reset(&runtime->needs);
	if (diff.needs_reload)
		strbuf_append_str(&runtime->needs, diff.why.data);
	if (diff.command_count == 0)
		agrees(driver, &diff);
	else if (runtime->push_due || (runtime->withheld && !diff.withholds) ||
	         (runtime->rest_due && strcmp(runtime->pushed.data, diff.commands.data) != 0))
		push(driver, &diff);
	else
		did_not_stick(driver, &diff);
	haproxy_diff_free(&diff);
}

void haproxy_runtime_reconcile(struct haproxy_driver *driver)
{
	struct haproxy_runtime *runtime = &driver->runtime;

	switch (runtime->state) {
	case RUNTIME_READING:
	case RUNTIME_PUSHING:
	case RUNTIME_WAITING:
		return;
	case RUNTIME_CLEANING:
		if (runtime->cleanup_seq == driver->desired_seq && !runtime->want_read)
			return;
		session_cleanup_cancel(STEAL(runtime->cleanup));
		runtime->cleanup_owed = true;
		enter(driver, RUNTIME_IDLE, -1);
		break;
	case RUNTIME_IDLE:
		break;
	}
	if (!runtime->known || runtime->want_read || runtime->covers != driver->desired_seq)
		send_batch(driver, RUNTIME_READING, "");
	else
		compare(driver);
}

void haproxy_runtime_desired_changed(struct haproxy_driver *driver, bool same_backends)
{
	struct haproxy_runtime *runtime = &driver->runtime;

	runtime->push_due = true;
	runtime->withheld = false;
	runtime->tries = runtime->settles = 0;
	runtime->unfit_ms = 0;
	/* With the same backends, a read for the desired_seq before covers this one too. */
	if (same_backends && runtime->covers == driver->desired_seq - 1)
		runtime->covers = driver->desired_seq;
	if (same_backends && runtime->asking == driver->desired_seq - 1)
		runtime->asking = driver->desired_seq;
	if (runtime->state == RUNTIME_WAITING) {
		runtime->want_read = false;
		enter(driver, RUNTIME_IDLE, -1);
	}
}

void haproxy_runtime_forget(struct haproxy_driver *driver)
{
	struct haproxy_runtime *runtime = &driver->runtime;

	runtime->known = false;
	if (runtime->state == RUNTIME_IDLE || runtime->state == RUNTIME_WAITING)
		enter(driver, RUNTIME_IDLE, -1);
}

void haproxy_runtime_init(struct haproxy_driver *driver)
{
	driver->runtime = (struct haproxy_runtime){.cleanup_owed = true,
	                                           .unfit = STRBUF_INIT,
	                                           .answers = STRBUF_INIT,
	                                           .pushed = STRBUF_INIT,
	                                           .needs = STRBUF_INIT,
	                                           .problem = STRBUF_INIT};
	driver->runtime.timer = timer_new(driver->target.base, on_timer, driver);
}

void haproxy_runtime_fini(struct haproxy_driver *driver)
{
	struct haproxy_runtime *runtime = &driver->runtime;

	if (runtime->call != NULL)
		haproxy_call_cancel(runtime->call);
	if (runtime->cleanup != NULL)
		session_cleanup_cancel(runtime->cleanup);
	timer_free(runtime->timer);
	haproxy_live_free(&runtime->live);
	strbuf_fini(&runtime->unfit);
	strbuf_fini(&runtime->answers);
	strbuf_fini(&runtime->pushed);
	strbuf_fini(&runtime->needs);
	strbuf_fini(&runtime->problem);
}
