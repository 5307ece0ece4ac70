/* The engine of the PgBouncer target: gathers the facts, calls pgbouncer_plan(), runs the step, and
 * repeats until it has to wait for an answer or a timer. It also enforces the deadlines at which
 * clients are resumed. No other state can delay those. */
#include "base/clock.h"
#include "base/timer.h"
#include "driver_internal.h"
#include "target/install.h"

#define FRESH_MS          50
#define BLOCKED_MS        500
#define BLOCKED_REREAD_MS 1000
#define STEPS_IN_A_ROW    32 /* that need no answer; more would be an error in the plan */

/* --- deadlines --- */

static void release(struct pgbouncer_driver *driver, const char *event, const char *why)
{
	int64_t since_ms = driver->drain.since_ms;

	TARGET_LOG_ZXID(LOG_WARNING, &driver->target, event, KV_STR("why", why),
	                KV_MS("waited_ms", since_ms != 0 ? (clock_now_ms() - since_ms) * 1000 : 0),
	                KV_STR("next", PGBOUNCER_RESUMED_HERE));
	driver->facts.held = false;
	driver->facts.waiting = false;
	driver->facts.let_go = driver->record.count > 0;
}

/* If the old primary is alive and its transactions do not end, it is still the primary. */
static bool drain_is_hopeless(const struct pgbouncer_driver *driver, int64_t now_ms)
{
	const struct pgbouncer_drain *drain = &driver->drain;

	return driver->record.count > 0 && !driver->facts.drained && drain->probed_ms != 0 &&
	       drain->old == PG_PING_ALIVE &&
	       now_ms - drain->since_ms >= driver->target.config->pause_timeout_ms;
}

static void keep_deadlines(struct pgbouncer_driver *driver, int64_t now_ms)
{
	struct pgbouncer_facts *facts = &driver->facts;
	bool ours = driver->record.count > 0;

	if (facts->let_go && !ours) {
		facts->let_go = facts->reloaded = false;
		if (facts->has_text && facts->moved && !facts->held && !facts->blocked)
			pgbouncer_wait(driver, PGBOUNCER_BACKOFF_FIRST_MS,
			               PGBOUNCER_BACKOFF_MAX_MS);
	}
	if (driver->fenced)
		return;
	if (facts->held && now_ms >= driver->hold_until_ms)
		release(driver, "hold_over", HOLD_OVER_WHY);
	else if (facts->held && drain_is_hopeless(driver, now_ms))
		release(driver, "hold_aborted",
		        "the old primary is alive, and its transactions did not end within "
		        "pause_timeout");
	else if (!facts->held && ours && !facts->let_go && now_ms >= driver->drain.release_ms)
		release(driver, "move_failed",
		        facts->has_text ? "the move was not complete after pause_timeout + 5 s"
		                        : "paused by an earlier segue process, and no primary has "
		                          "been admitted since");
}

static void set_alarm(struct pgbouncer_driver *driver, int64_t now_ms)
{
	bool releasing = !driver->facts.held && driver->record.count > 0 && !driver->facts.let_go;
	int64_t at_ms = driver->facts.held ? driver->hold_until_ms : driver->drain.release_ms;

	if (!driver->fenced && (driver->facts.held || releasing))
		timer_start(driver->alarm, at_ms - now_ms);
	else
		timer_stop(driver->alarm);
}

/* --- completion of a move --- */

bool pgbouncer_is_followed(const struct pgbouncer_driver *driver)
{
	const struct pgbouncer_facts *facts = &driver->facts;

	return driver->generation != 0 && driver->confirmed == driver->generation &&
	       !facts->console_down && !facts->moved && driver->record.count == 0 && !facts->held &&
	       !facts->install_due && !facts->reload_owed && !facts->serve_owed &&
	       !facts->cleanup_owed && !facts->waiting && !facts->blocked;
}

static void log_done(struct pgbouncer_driver *driver)
{
	struct move_clock *clock = &driver->target.clock;

	if (clock->told || !pgbouncer_is_followed(driver))
		return;
	clock->told = true;
	driver->failures = 0;
	(void)util_replace(&driver->problem, NULL);
	if (clock->summary.len > 0)
		target_tell_moved(&driver->target, clock->summary.data);
	else if (clock->end_us[MOVE_PERSISTED] != 0)
		target_tell_moved(&driver->target, "the file only");
	else
		target_log_clock(&driver->target, "in_sync",
		                 "PgBouncer and the file were already correct");
}

/* Work that can wait until clients are served: fsync, staging the next record, the marker. */
static void settle(struct pgbouncer_driver *driver)
{
	auto_free char *path = NULL;
	struct err err;

	if (driver->unsynced)
		path = install_path(driver->target.config, &err);
	if (driver->unsynced && (path == NULL || !file_sync(path, &err)))
		TARGET_LOG(
		    LOG_WARNING, &driver->target, "not_synced", KV_ERR(&err),
		    KV_STR("next", "after a power failure the file may have its previous content"));
	driver->unsynced = false;
	pgbouncer_stage_record(driver);
	if (driver->restore_ms != 0) {
		if (!pgbouncer_mark(driver, &err))
			TARGET_LOG(LOG_WARNING, &driver->target, "marker_missing", KV_ERR(&err),
			           KV_STR("next",
			                  "if segue is killed now, server_login_retry stays at "
			                  "0.1 until a RELOAD"));
	} else if (driver->marked) {
		driver->marked = false;
		target_marker_remove(&driver->target);
	}
}

/* --- the loop --- */

static void derive_facts(struct pgbouncer_driver *driver, int64_t now_ms)
{
	struct pgbouncer_facts *facts = &driver->facts;

	facts->ours = driver->record.count > 0;
	facts->to_pause =
	    facts->live_known && (driver->drain.unsent || pgbouncer_wants_pause(driver));
	/* The text has been in the file, or PgBouncer lacks one of its databases. */
	facts->mendable =
	    driver->generation != 0 && (driver->installed == driver->generation || driver->missing);
	facts->limit_over = pgbouncer_settings_are_due(driver);
	/* A database that a person has just paused must not be taken for one that segue paused, so
	 * read again what is older than FRESH_MS. Not if the primary is dead: PgBouncer refuses
	 * clients until it is paused, and the database would be resumed anyway. */
	if (((facts->to_pause && !driver->drain.unsent && !driver->drain.dead) ||
	     facts->fence_due) &&
	    now_ms - driver->live_ms > FRESH_MS)
		facts->live_known = false;
	pgbouncer_derive_drain(driver, now_ms);
	facts->restore_due = driver->restore_ms != 0 && now_ms >= driver->restore_ms;
}

/* The steps of a move are logged at level info; re-reads at other times, and while clients are held
 * or RELOAD is blocked, at level debug. */
static enum log_level step_level(const struct pgbouncer_driver *driver, enum pgbouncer_step to)
{
	enum pgbouncer_step from = driver->step;
	bool in_move = driver->record.count > 0 || driver->facts.held || driver->facts.moved;
	bool is_reread =
	    (to == PGBOUNCER_READ && (from == PGBOUNCER_HOLD || from == PGBOUNCER_BLOCKED)) ||
	    (from == PGBOUNCER_READ && (to == PGBOUNCER_HOLD || to == PGBOUNCER_BLOCKED));

	return in_move && !is_reread ? LOG_INFO : LOG_DEBUG;
}

static void enter(struct pgbouncer_driver *driver, enum pgbouncer_step step)
{
	int64_t now_us = clock_now_us();

	timer_stop(driver->timer);
	if (step == driver->step)
		return;
	TARGET_LOG(step_level(driver, step), &driver->target, "step",
	           KV_STR("from", pgbouncer_step_info(driver->step)->name),
	           KV_STR("to", pgbouncer_step_info(step)->name),
	           KV_MS("took_ms", now_us - driver->step_us));
	driver->step = step;
	driver->step_us = now_us;
}

/* While RELOAD is blocked, RESTORE has to wait, too. */
static void step_idle(struct pgbouncer_driver *driver)
{
	int64_t wait_ms = clock_jitter_ms(target_hub_reread_ms(driver->target.hub));
	int64_t other_ms =
	    driver->facts.blocked ? BLOCKED_REREAD_MS : driver->restore_ms - clock_now_ms();

	log_done(driver);
	settle(driver);
	if ((driver->facts.blocked || driver->restore_ms != 0) && other_ms < wait_ms)
		wait_ms = other_ms;
	timer_start(driver->timer, wait_ms);
}

static void step_wait(struct pgbouncer_driver *driver)
{
	timer_start(driver->timer, driver->wait_ms);
}

static void step_blocked(struct pgbouncer_driver *driver)
{
	timer_start(driver->timer, BLOCKED_MS);
}

static void (*const doers[PGBOUNCER_STEPS])(struct pgbouncer_driver *driver) = {
    [PGBOUNCER_IDLE] = step_idle,
    [PGBOUNCER_WAIT] = step_wait,
    [PGBOUNCER_READ] = pgbouncer_step_read,
    [PGBOUNCER_PAUSE] = pgbouncer_step_pause,
    [PGBOUNCER_UNLIMIT] = pgbouncer_step_unlimit,
    [PGBOUNCER_DRAIN] = pgbouncer_step_drain,
    [PGBOUNCER_PROBE] = pgbouncer_step_probe,
    [PGBOUNCER_CLOSE_AFTER_TRANSACTION] = pgbouncer_step_close_after_transaction,
    [PGBOUNCER_KILL_CONNECTIONS] = pgbouncer_step_kill_connections,
    [PGBOUNCER_FENCE] = pgbouncer_step_fence,
    [PGBOUNCER_HOLD] = pgbouncer_step_hold,
    [PGBOUNCER_INSTALL] = pgbouncer_step_install,
    [PGBOUNCER_RELOAD] = pgbouncer_step_reload,
    [PGBOUNCER_BLOCKED] = step_blocked,
    [PGBOUNCER_STUCK] = pgbouncer_step_stuck,
    [PGBOUNCER_SHORTEN_RETRY] = pgbouncer_step_shorten_retry,
    [PGBOUNCER_RESUME] = pgbouncer_step_resume,
    [PGBOUNCER_WAIT_SERVED] = pgbouncer_step_wait_served,
    [PGBOUNCER_CLEANUP] = pgbouncer_step_cleanup,
    [PGBOUNCER_RESTORE] = pgbouncer_step_restore,
};

void pgbouncer_reconcile(struct pgbouncer_driver *driver)
{
	int64_t now_ms = clock_now_ms();

	for (int i = 0; i < STEPS_IN_A_ROW && !driver->busy; i++) {
		enum pgbouncer_step step;

		keep_deadlines(driver, now_ms);
		derive_facts(driver, now_ms);
		step = pgbouncer_plan(&driver->facts);
		if (step == driver->step && timer_is_set(driver->timer))
			break;
		enter(driver, step);
		doers[step](driver);
	}
	set_alarm(driver, now_ms);
	target_changed(&driver->target);
}
