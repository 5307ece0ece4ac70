/* What the steps use: console B, and the wait after a failure. A SHOW or a script keeps the driver
 * busy until its answer; then the owner is woken, and decides what to do next. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "driver_internal.h"
#include "pgbouncer/model/diff.h"

#define PAUSED_FIRST_MS 50 /* while clients wait, or PgBouncer may be restarting */
#define PAUSED_MAX_MS   500
#define HELD_MAX_MS     1500 /* in a hold a difference is corrected within 2 s */
#define RESTART_MAX_MS  1000

/* --- failures --- */

void pgbouncer_wait(struct pgbouncer_driver *driver, int64_t first_ms, int64_t max_ms)
{
	driver->wait_ms = clock_backoff_ms(++driver->failures, first_ms, max_ms);
	driver->facts.waiting = true;
}

void pgbouncer_fail(struct pgbouncer_driver *driver, const char *event, const char *problem,
                    const char *next)
{
	bool held = driver->facts.held, paused = held || driver->record.count > 0;
	auto_free char *when = NULL;

	pgbouncer_wait(driver, paused ? PAUSED_FIRST_MS : PGBOUNCER_BACKOFF_FIRST_MS,
	               held     ? HELD_MAX_MS
	               : paused ? PAUSED_MAX_MS
	                        : PGBOUNCER_BACKOFF_MAX_MS);
	(void)util_replace(&driver->problem, xstrdup(problem));
	when = xasprintf("%s; next try in %" PRId64 " ms, or when the rendered text changes", next,
	                 driver->wait_ms);
	target_fail(&driver->target, event, problem, when);
}

/* --- console B --- */

static const char *advice(const struct err *err, bool *lasting)
{
	*lasting = true;
	if (pgbouncer_problem_of(err->message) == PGBOUNCER_NOT_ALLOWED)
		return "run segue as the user that PgBouncer runs as, the owner of its unix socket "
		       "(User= of the unit), or name in console a user of admin_users who has a "
		       "password in passfile";
	if (strstr(err->message, "password") != NULL || strstr(err->message, "auth") != NULL)
		return "check user and passfile in \"console\" (passfile needs mode 0600; its host "
		       "field is the directory of the unix socket)";
	*lasting = false;
	return "check that PgBouncer is running and that \"console\" connects to it. segue keeps "
	       "its file up to date and tries again every second";
}

/* The first loss is retried at once and not logged. The second one is logged, once. */
static void console_lost(struct pgbouncer_driver *driver, const struct err *err)
{
	bool lasting, first = driver->down_ms == 0;
	const char *next = advice(err, &lasting);

	driver->facts.live_known = false;
	driver->facts.console_down = true;
	if (first) {
		driver->down_ms = clock_now_ms();
		return;
	}
	pgbouncer_read_main_file(driver); /* a RELOAD by somebody may be the cause */
	(void)util_replace(&driver->problem, xstrdup(err->message));
	pgbouncer_wait(driver, lasting ? PGBOUNCER_BACKOFF_FIRST_MS : PAUSED_FIRST_MS,
	               lasting ? PGBOUNCER_BACKOFF_MAX_MS : RESTART_MAX_MS);
	if (driver->down_logged)
		return;
	driver->down_logged = true;
	TARGET_LOG(LOG_ERROR, &driver->target, "pgbouncer_unreachable", KV_ERR(err),
	           KV_STR("next", next));
}

/* Some refusals say that there was nothing to do. */
static bool is_refusal(const struct err *err)
{
	enum pgbouncer_problem problem =
	    err != NULL ? pgbouncer_problem_of(err->message) : PGBOUNCER_NOT_PAUSED;

	return problem != PGBOUNCER_NOT_PAUSED && problem != PGBOUNCER_NO_DATABASE;
}

static void script_next(struct pgbouncer_driver *driver);

static void answer_cb(const struct pgbouncer_table *table, const struct err *err, bool lost,
                      void *arg)
{
	struct pgbouncer_driver *driver = arg;

	driver->busy = false;
	if (lost) {
		string_list_free(&driver->script);
		console_lost(driver, err);
	} else {
		if (is_refusal(err))
			driver->refusal = *err;
		if (driver->shown != NULL)
			driver->shown(driver, table);
		else
			script_next(driver);
	}
	driver->wake(driver);
}

static void send_query(struct pgbouncer_driver *driver, const char *sql)
{
	driver->busy = true;
	console_query(driver->console, sql, pgbouncer_step_info(driver->step)->deadline_ms,
	              answer_cb, driver);
}

void pgbouncer_show(struct pgbouncer_driver *driver, const char *sql, pgbouncer_shown_cb *shown)
{
	driver->shown = shown;
	driver->refusal.message[0] = '\0';
	send_query(driver, sql);
}

static void script_next(struct pgbouncer_driver *driver)
{
	const struct err refusal = driver->refusal;

	if (driver->script_at < driver->script.count) {
		send_query(driver, driver->script.items[driver->script_at++]);
		return;
	}
	string_list_free(&driver->script);
	if (driver->done != NULL)
		driver->done(driver, refusal.message[0] != '\0' ? &refusal : NULL);
}

void pgbouncer_script_run(struct pgbouncer_driver *driver, pgbouncer_done_cb *done)
{
	driver->shown = NULL;
	driver->done = done;
	driver->script_at = 0;
	driver->refusal.message[0] = '\0';
	script_next(driver);
}

void pgbouncer_command(struct pgbouncer_driver *driver, const char *sql, pgbouncer_done_cb *done)
{
	string_list_printf(&driver->script, "%s", sql);
	pgbouncer_script_run(driver, done);
}

void pgbouncer_script_name(struct pgbouncer_driver *driver, const char *verb, const char *name)
{
	auto_strbuf struct strbuf quoted = STRBUF_INIT;
	struct err ignored; /* set_desired() has checked the names */

	if (pgbouncer_quote_name(name, &quoted, &ignored))
		string_list_printf(&driver->script, "%s %s", verb, quoted.data);
}

void pgbouncer_script_recorded(struct pgbouncer_driver *driver, const char *verb)
{
	for (size_t i = 0; i < driver->record.count; i++)
		pgbouncer_script_name(driver, verb, driver->record.names[i]);
}
