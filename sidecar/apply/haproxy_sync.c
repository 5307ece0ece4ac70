/* The runtime half: makes HAProxy show what is wished (the text, or a hold in its place), and is
 * done only when HAProxy, asked again, shows it. Commands go out with the question behind them, in
 * one batch; a change whose live state is known is written inside the reconcile that follows
 * haproxy_sync_new_wish(), before it returns.
 *
 *                  not known                differs             agrees, sessions owed
 *   WAITING ---> IDLE --------> READING --> IDLE ------> PUSHING --> IDLE ---------> SWEEPING
 *      ^   timer,  ^                |        ^              |         ^                 |
 *      |  new text |                |        +--- reply ----+         +---- result -----+
 *      +-----------+-- no reply ----+-- no reply, or the commands do not stick
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_driver.h"
#include "apply/haproxy_socket.h"
#include "base/clock.h"

#define BATCH_TIMEOUT_MS   1000
#define RETRY_FIRST_MS     50
#define RETRY_MAX_MS       1000
#define CONFIRM_REREAD_MS  50 /* while a reload's new worker is awaited */
/* After a lost reply: a HAProxy that stood still still runs what it was told then, maybe later than
 * what it was told since. */
#define DOUBT_REREAD_MS    250
#define SWEEP_AGAIN_MS     50 /* a HAProxy that is busy needs a moment to end a session */
#define SWEEP_AGAIN_MAX_MS 5000
#define SWEEP_LATER_MS     1000 /* the connect timeout that HAProxy's retries wait at most */
#define REREAD_SHARE       20   /* a look that takes 5 ms is repeated after 100 at the earliest */
#define QUEUE_REREAD_MS    200  /* while the queue of a hold empties */
#define VERIFY_MIN_MS      500  /* between two looks at the file */
#define UNFIT_AFTER_MS     3000 /* HAProxy's check repeats every 2 s unless told otherwise */

static const int64_t settle_ms[] = {1, 5, 10, 20, 50};

static void enter(struct haproxy_driver *driver, enum sync_state state, int64_t timer_ms)
{
	struct haproxy_sync *sync = &driver->sync;
	struct timeval after = {.tv_sec = timer_ms / 1000, .tv_usec = timer_ms % 1000 * 1000};

	sync->state = state;
	event_del(sync->timer);
	if (timer_ms >= 0)
		event_add(sync->timer, &after);
}

static void wait_to_read(struct haproxy_driver *driver, int64_t ms)
{
	driver->sync.want_read = true;
	enter(driver, SYNC_WAITING, ms);
}

/* A timer that runs already is not set anew: the other half reconciles whenever it likes, and would
 * put off the re-read for ever. */
static void be_idle(struct haproxy_driver *driver)
{
	struct haproxy_sync *sync = &driver->sync;
	int64_t ms = clock_jitter_ms(target_hub_reread_ms(driver->target.hub));

	if (event_pending(sync->timer, EV_TIMEOUT, NULL))
		return;
	if (driver->persist.state == PERSIST_CONFIRMING) {
		ms = CONFIRM_REREAD_MS;
	} else if (sync->in_doubt) {
		ms = DOUBT_REREAD_MS;
		sync->in_doubt = false;
	} else if (driver->hold.door != DOOR_OPEN) {
		ms = target_hub_watch_ms(driver->target.hub);
		if (ms < sync->round_us * REREAD_SHARE / 1000)
			ms = sync->round_us * REREAD_SHARE / 1000;
	} else if (sync->sweep_later) {
		ms = sync->sweep_wait_ms;
	} else if (sync->queue_lasts) {
		ms = QUEUE_REREAD_MS;
	}
	enter(driver, SYNC_IDLE, ms);
}

static void timer_cb(int fd, short events, void *arg)
{
	struct haproxy_driver *driver = arg;
	struct haproxy_sync *sync = &driver->sync;

	(void)fd;
	(void)events;
	if (sync->state == SYNC_IDLE && clock_now_ms() - sync->verified_ms >= VERIFY_MIN_MS) {
		driver->persist.verify = true;
		sync->verified_ms = clock_now_ms();
	}
	sync->tidied = false;
	if (sync->sweep_later && clock_now_ms() >= sync->sweep_ms) {
		sync->sweep_owed = true;
		sync->sweep_later = false;
	}
	enter(driver, SYNC_IDLE, -1);
	sync->want_read = true;
	haproxy_reconcile(driver);
}

/* The first failure is tried again at once and makes no noise; the second one is told, once, and
 * again where it becomes a matter of access. */
static void no_reply(struct haproxy_driver *driver, const struct err *err)
{
	struct haproxy_sync *sync = &driver->sync;
	auto_free char *shut = haproxy_socket_shut(driver->target.config->socket);
	bool was_shut = sync->shut;

	sync->shut = shut != NULL;
	sync->known = false;
	sync->in_doubt = true;
	sync->offered = driver->wish;
	strbuf_reset(&sync->problem);
	strbuf_printf(&sync->problem, "%s%s%s", err->message, shut != NULL ? ": " : "",
	              shut != NULL ? shut : "");
	if (sync->down_ms == 0)
		sync->down_ms = clock_now_ms();
	if (sync->failures == 1 || (sync->failures > 1 && sync->shut && !was_shut))
		haproxy_log_unreachable(driver);
	wait_to_read(driver, clock_backoff_ms(sync->failures++, RETRY_FIRST_MS, RETRY_MAX_MS));
}

static void reply_cb(const char *text, size_t len, const struct err *err, void *arg)
{
	struct haproxy_driver *driver = arg;
	struct haproxy_sync *sync = &driver->sync;
	struct haproxy_round reply;
	struct err problem;

	sync->call = NULL;
	sync->round_us = clock_now_us() - sync->sent_us;
	if (text == NULL) {
		no_reply(driver, err);
	} else if (!haproxy_round_parse(text, len, &reply, &problem)) {
		err_wrap(&problem, "%s", haproxy_gate_path(driver->socket));
		no_reply(driver, &problem);
	} else {
		if (sync->state == SYNC_PUSHING) {
			sync->offered = sync->push_wish;
			strbuf_reset(&sync->answers);
			strbuf_append_str(&sync->answers, reply.said.data);
		}
		haproxy_worker_answered(driver, &reply);
		haproxy_round_free(&reply);
		enter(driver, SYNC_IDLE, -1);
	}
	haproxy_reconcile(driver);
}

static void send_round(struct haproxy_driver *driver, enum sync_state state, const char *commands)
{
	struct haproxy_sync *sync = &driver->sync;
	auto_strbuf struct strbuf line = STRBUF_INIT;
	bool whole = haproxy_round_line(commands, &driver->config, &line);

	sync->call = haproxy_gate_send(driver->socket,
	                               state == SYNC_PUSHING ? HAPROXY_AT_ONCE : HAPROXY_QUEUED,
	                               line.data, BATCH_TIMEOUT_MS, reply_cb, driver);
	if (state == SYNC_PUSHING)
		sync->push_due = !whole;
	sync->asking = sync->sent_for = driver->wish;
	sync->sent_us = clock_now_us();
	enter(driver, state, -1);
}

static void push(struct haproxy_driver *driver, const struct haproxy_diff *diff)
{
	struct haproxy_sync *sync = &driver->sync;
	struct haproxy_watch *watch = &driver->watch;
	bool drift;

	send_round(driver, SYNC_PUSHING, diff->commands.data);
	if (watch->pushed_us == 0 && !watch->told) {
		watch->pushed_us = clock_now_us();
		strbuf_append_str(&watch->summary, diff->summary.data);
	}
	drift = sync->confirmed == driver->wish && sync->tries == 0 && !sync->withheld;
	if (drift) /* nobody asked for it */
		haproxy_log_drift(driver, diff->summary.data);
	sync->push_wish = driver->wish;
	sync->settles = 0;
	sync->withheld = diff->withholds;
	/* Sessions to the primary that is held go on; those that a hand led elsewhere do not. */
	if (diff->needs_sweep && (drift || driver->hold.door != DOOR_HELD))
		sync->sweep_owed = sync->sweep_due = true;
}

static void tidy(struct haproxy_driver *driver, const struct haproxy_diff *diff)
{
	send_round(driver, SYNC_PUSHING, diff->tidy.data);
	driver->sync.push_wish = driver->wish;
	driver->sync.tidied = true;
}

static void sweep_done_cb(const struct sweep_result *result, void *arg)
{
	struct haproxy_driver *driver = arg;
	struct haproxy_sync *sync = &driver->sync;

	bool told = result->left > 0 && result->left == sync->sessions_left;

	sync->sweep = NULL;
	sync->sweep_owed = sync->sweep_due = false;
	sync->sessions_left = result->left;
	sync->sweep_repeats = result->left > 0 ? sync->sweep_repeats + 1 : 0;
	sync->sweep_failures = result->problem[0] != '\0' ? sync->sweep_failures + 1 : 0;
	/* The master CLI is away for a moment in every reload: once more, before it is told. */
	sync->sweep_later = result->left > 0 || result->connecting > 0 || sync->sweep_failures == 1;
	sync->sweep_wait_ms =
	    result->left > 0
	        ? clock_backoff_ms(sync->sweep_repeats, SWEEP_AGAIN_MS, SWEEP_AGAIN_MAX_MS)
	        : SWEEP_LATER_MS;
	/* timers are no earlier than that */
	sync->sweep_ms = clock_now_ms() + sync->sweep_wait_ms - 1;
	if (!told && (sync->sweep_failures != 1 || result->ended > 0))
		haproxy_log_swept(driver, result);
	if (sync->tries > 0)
		wait_to_read(driver, clock_backoff_ms(sync->tries, RETRY_FIRST_MS, RETRY_MAX_MS));
	else
		enter(driver, SYNC_IDLE, -1);
	haproxy_reconcile(driver);
}

static void sweep(struct haproxy_driver *driver)
{
	struct haproxy_sync *sync = &driver->sync;

	sync->sweep_wish = driver->wish;
	sync->sweep = sweep_start(driver->socket, driver->master, haproxy_homes(driver),
	                          &sync->live, sweep_done_cb, driver);
	enter(driver, SYNC_SWEEPING, -1);
}

static void stop_sweep(struct haproxy_driver *driver)
{
	struct haproxy_sync *sync = &driver->sync;

	sweep_cancel(sync->sweep);
	sync->sweep = NULL;
	sync->sweep_owed = true;
	enter(driver, SYNC_IDLE, -1);
}

static void confirm(struct haproxy_driver *driver)
{
	struct haproxy_sync *sync = &driver->sync;

	if (sync->needs.len > 0 || sync->confirmed == driver->wish)
		return;
	sync->confirmed = driver->wish;
	driver->watch.confirmed_us = clock_now_us();
}

static void tell_stuck(struct haproxy_driver *driver, const struct haproxy_diff *diff)
{
	struct haproxy_sync *sync = &driver->sync;

	strbuf_reset(&sync->problem);
	strbuf_printf(&sync->problem,
	              "HAProxy does not follow: still to change: %s; it answered: %s",
	              diff->summary.data, sync->answers.len > 0 ? sync->answers.data : "nothing");
	if (sync->tries == 1)
		haproxy_log_stuck(driver, diff);
}

/* The commands were answered, and HAProxy shows something else. In turn: it may need a moment; it
 * may refuse to add servers, which a reload can; a server may not go before its sessions; else the
 * same again. */
static void did_not_stick(struct haproxy_driver *driver, const struct haproxy_diff *diff)
{
	struct haproxy_sync *sync = &driver->sync;

	if (sync->info.major >= HAPROXY_LATE_ADDRESS_FROM && sync->settles < ARRAY_LEN(settle_ms)) {
		wait_to_read(driver, settle_ms[sync->settles++]);
		return;
	}
	sync->push_due = true;
	if (!sync->refuses_add && strstr(diff->commands.data, "add server ") != NULL) {
		sync->refuses_add = true;
		haproxy_log_add_refused(driver, diff);
		haproxy_sync_reconcile(driver);
		return;
	}
	sync->tries++;
	if (diff->removals == diff->command_count)
		confirm(driver); /* clients are where they belong; the rest takes its time */
	else
		tell_stuck(driver, diff);
	if (sync->tries == 1)
		sweep(driver);
	else
		wait_to_read(driver, clock_backoff_ms(sync->tries, RETRY_FIRST_MS, RETRY_MAX_MS));
}

/* An address that has just been moved is looked at by HAProxy's check only after some time. */
const char *haproxy_sync_unfit(const struct haproxy_driver *driver)
{
	const struct haproxy_sync *sync = &driver->sync;

	return sync->unfit_ms != 0 && clock_now_ms() - sync->unfit_ms >= UNFIT_AFTER_MS
	           ? sync->unfit.data
	           : "";
}

static void look_at_checks(struct haproxy_driver *driver)
{
	const struct haproxy_place primary = {driver->primary, driver->primary_port};
	struct haproxy_sync *sync = &driver->sync;
	const struct haproxy_server *down =
	    driver->primary != NULL && driver->hold.door == DOOR_OPEN
	        ? haproxy_find_down(&driver->config, &primary, &sync->live)
	        : NULL;

	if (down == NULL) {
		if (sync->unfit_told)
			haproxy_log_unfit(driver, true);
		sync->unfit_ms = 0;
		sync->unfit_told = false;
		return;
	}
	if (sync->unfit_ms == 0)
		sync->unfit_ms = clock_now_ms();
	strbuf_reset(&sync->unfit);
	strbuf_printf(&sync->unfit, "HAProxy's own check has %s/%s DOWN, %s:%u", down->backend,
	              down->name, down->address, (unsigned)down->port);
	if (!sync->unfit_told && *haproxy_sync_unfit(driver) != '\0') {
		haproxy_log_unfit(driver, false);
		sync->unfit_told = true;
	}
}

static void agrees(struct haproxy_driver *driver, const struct haproxy_diff *diff)
{
	struct haproxy_sync *sync = &driver->sync;

	sync->offered = driver->wish;
	sync->push_due = true;
	sync->tries = sync->settles = 0;
	sync->withheld = false;
	sync->queue_lasts = diff->queue_lasts;
	strbuf_reset(&sync->problem);
	if (sync->seen_for != driver->wish) {
		/* What was read before this wish came may be seconds old by now. */
		send_round(driver, SYNC_READING, "");
		return;
	}
	confirm(driver);
	look_at_checks(driver);
	if (sync->sweep_owed)
		sweep(driver);
	else if (diff->tidy.len > 0 && !sync->tidied)
		tidy(driver, diff);
	else
		be_idle(driver);
}

static void compare(struct haproxy_driver *driver)
{
	struct haproxy_sync *sync = &driver->sync;
	struct haproxy_diff diff;
	const struct haproxy_abilities abilities = {.can_add = !sync->refuses_add,
	                                            .late_address = sync->info.major >=
	                                                            HAPROXY_LATE_ADDRESS_FROM};

	haproxy_diff(haproxy_wanted(driver), &sync->live, abilities, &diff);
	strbuf_reset(&sync->needs);
	if (diff.needs_reload)
		strbuf_append_str(&sync->needs, diff.why.data);
	if (diff.command_count == 0)
		agrees(driver, &diff);
	else if (sync->push_due || (sync->withheld && !diff.withholds))
		push(driver, &diff);
	else
		did_not_stick(driver, &diff);
	haproxy_diff_free(&diff);
}

void haproxy_sync_reconcile(struct haproxy_driver *driver)
{
	struct haproxy_sync *sync = &driver->sync;

	switch (sync->state) {
	case SYNC_READING:
	case SYNC_PUSHING:
	case SYNC_WAITING:
		return;
	case SYNC_SWEEPING:
		if (sync->sweep_wish == driver->wish && !sync->want_read)
			return;
		stop_sweep(driver);
		break;
	case SYNC_IDLE:
		break;
	}
	if (!sync->known || sync->want_read || sync->covers != driver->wish)
		send_round(driver, SYNC_READING, "");
	else
		compare(driver);
}

void haproxy_sync_new_wish(struct haproxy_driver *driver, bool same_backends)
{
	struct haproxy_sync *sync = &driver->sync;

	sync->push_due = true;
	sync->withheld = false;
	sync->tries = sync->settles = 0;
	sync->unfit_ms = 0;
	/* What was asked about the wish before answers for this one too. */
	if (same_backends && sync->covers == driver->wish - 1)
		sync->covers = driver->wish;
	if (same_backends && sync->asking == driver->wish - 1)
		sync->asking = driver->wish;
	if (sync->state != SYNC_WAITING)
		return;
	sync->want_read = false;
	enter(driver, SYNC_IDLE, -1);
}

void haproxy_sync_forget(struct haproxy_driver *driver)
{
	struct haproxy_sync *sync = &driver->sync;

	sync->known = false;
	if (sync->state == SYNC_IDLE || sync->state == SYNC_WAITING)
		enter(driver, SYNC_IDLE, -1);
}

void haproxy_sync_init(struct haproxy_driver *driver)
{
	driver->sync = (struct haproxy_sync){.sweep_owed = true,
	                                     .unfit = STRBUF_INIT,
	                                     .answers = STRBUF_INIT,
	                                     .needs = STRBUF_INIT,
	                                     .problem = STRBUF_INIT};
	driver->sync.timer = event_new(driver->target.base, -1, 0, timer_cb, driver);
}

void haproxy_sync_fini(struct haproxy_driver *driver)
{
	struct haproxy_sync *sync = &driver->sync;

	if (sync->call != NULL)
		haproxy_call_cancel(sync->call);
	if (sync->sweep != NULL)
		sweep_cancel(sync->sweep);
	event_free(sync->timer);
	haproxy_live_free(&sync->live);
	strbuf_fini(&sync->unfit);
	strbuf_fini(&sync->answers);
	strbuf_fini(&sync->needs);
	strbuf_fini(&sync->problem);
}
