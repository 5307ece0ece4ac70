/* From drained pools to clients that continue: installs the file, then RELOAD, then RESUME. Clients
 * do not wait for the fsync of the file. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/timer.h"
#include "driver_internal.h"
#include "pgbouncer/model/diff.h"
#include "target/install.h"

/* --- clients are to be served soon after RESUME ---
 * A failed login marks its pool until a login works. Until then PgBouncer makes no connection for
 * server_login_retry after the last try, and refuses clients that have no server. Neither RELOAD
 * nor a new host removes the mark, and no SHOW shows it. So server_login_retry is shortened before
 * RESUME, and restored only when every mark from before is older than its configured value. If no
 * client waits, PgBouncer would log in only at the next query, after refusing it. min_pool_size
 * makes it log in without a query, within a third of a second. */

/* For the first moments: a client that waits for the first server waits only for its login. */
#define SHORT_RETRY  "SET server_login_retry='0.001'"
/* After that: PgBouncer tries a primary that is still being promoted ten times a second. */
#define MEDIUM_RETRY "SET server_login_retry='0.1'"

/* min_pool_size is not restored before WARM_MIN_MS, because PgBouncer checks it only three times a
 * second. */
#define WARM_MIN_MS 2000

#define SERVE_POLL_MS    3
#define SERVE_MAX_MS     1000
#define RESTORE_AGAIN_MS 1000

/* --- SET --- */

static void warn_refused(const struct pgbouncer_driver *driver, const struct err *err)
{
	if (err != NULL)
		TARGET_LOG(LOG_WARNING, &driver->target, "set_refused", KV_ERR(err),
		           KV_STR("next", "if the first login fails, clients wait for "
		                          "server_login_retry"));
}

static void retry_shortened(struct pgbouncer_driver *driver, const struct err *err)
{
	warn_refused(driver, err);
	driver->facts.shorten_retry_owed = false;
	driver->facts.serve_owed = true;
	driver->serve_ms = clock_now_ms();
	driver->restore_ms = driver->serve_ms + driver->retry_ms;
}

void pgbouncer_step_shorten_retry(struct pgbouncer_driver *driver)
{
	pgbouncer_command(driver, SHORT_RETRY, retry_shortened);
}

/* --- until clients are served --- */

static bool is_zero(const struct pgbouncer_table *table, size_t row, const char *column)
{
	const char *value = pgbouncer_table_get(table, row, column);

	return value == NULL || strcmp(value, "0") == 0;
}

/* True if the pool has clients in this column ("cl_waiting", "cl_active") and no server. Where
 * there is a server, a login has worked and the mark is gone. */
static bool lacks_server(const struct pgbouncer_table *pools, size_t row, const char *column)
{
	return !is_zero(pools, row, column) && is_zero(pools, row, "sv_active") &&
	       is_zero(pools, row, "sv_idle") && is_zero(pools, row, "sv_used") &&
	       is_zero(pools, row, "sv_tested");
}

static bool is_of_text(const struct pgbouncer_driver *driver, const char *name)
{
	const struct pgbouncer_live_database *live = pgbouncer_live_find(&driver->live, name);

	return live != NULL && !live->paused && !live->disabled &&
	       pgbouncer_ini_find(&driver->ini, name) != NULL;
}

static bool is_starved(const struct pgbouncer_driver *driver, const struct pgbouncer_table *pools)
{
	for (size_t row = 0; pools != NULL && row < pools->row_count; row++) {
		const char *name = pgbouncer_table_get(pools, row, "database");

		if (name != NULL && is_of_text(driver, name) &&
		    lacks_server(pools, row, "cl_waiting"))
			return true;
	}
	return false;
}

/* min_pool_size applies to all databases. If one is paused, or one of another cluster has clients
 * and no server, its logins would be cut or refused, and its pools marked: then it is not SET. */
static bool wants_warming(const struct pgbouncer_driver *driver,
                          const struct pgbouncer_table *pools)
{
	bool wanted = driver->min_pool_now == 0, starved = false;

	for (size_t i = 0; i < driver->live.count; i++)
		wanted = wanted && !driver->live.databases[i].paused;
	for (size_t row = 0; wanted && pools != NULL && row < pools->row_count; row++) {
		const char *name = pgbouncer_table_get(pools, row, "database");

		if (name == NULL || strcmp(name, "pgbouncer") == 0 ||
		    !lacks_server(pools, row, "cl_active"))
			continue;
		starved = true;
		wanted = is_of_text(driver, name);
	}
	return wanted && starved;
}

static void retry_medium(struct pgbouncer_driver *driver, const struct err *err)
{
	warn_refused(driver, err);
	driver->facts.serve_owed = false;
}

/* The polls also keep PgBouncer's event loop running, which is where it serves waiting clients. */
static void serve_shown(struct pgbouncer_driver *driver, const struct pgbouncer_table *table)
{
	bool starved = is_starved(driver, table);

	if (starved && clock_now_ms() - driver->serve_ms < SERVE_MAX_MS) {
		timer_start(driver->timer, SERVE_POLL_MS);
		return;
	}
	if (!starved && driver->target.clock.end_us[MOVE_RESUMED] != 0)
		target_end_step(&driver->target, MOVE_SERVED);
	if (wants_warming(driver, table)) {
		driver->min_pool_now = larger(driver->min_pool_size, 1);
		string_list_printf(&driver->script, "SET min_pool_size='%d'", driver->min_pool_now);
		driver->restore_ms = larger(driver->restore_ms, clock_now_ms() + WARM_MIN_MS);
	}
	pgbouncer_command(driver, MEDIUM_RETRY, retry_medium);
}

void pgbouncer_step_wait_served(struct pgbouncer_driver *driver)
{
	pgbouncer_show(driver, "SHOW POOLS", serve_shown);
}

/* --- later, without clients noticing --- */

static void restored(struct pgbouncer_driver *driver, const struct err *err)
{
	driver->restore_ms = 0;
	driver->min_pool_now = driver->min_pool_size;
	if (err != NULL)
		TARGET_LOG(LOG_WARNING, &driver->target, "restore_failed", KV_ERR(err),
		           KV_STR("next", "server_login_retry stays at 0.1 until the next RELOAD"));
}

static void pools_shown(struct pgbouncer_driver *driver, const struct pgbouncer_table *table)
{
	pgbouncer_read_main_file(driver);
	if (is_starved(driver, table))
		driver->restore_ms = clock_now_ms() + RESTORE_AGAIN_MS;
	else if (!driver->facts.blocked)
		pgbouncer_command(driver, "RELOAD", restored);
}

void pgbouncer_step_restore(struct pgbouncer_driver *driver)
{
	pgbouncer_show(driver, "SHOW POOLS", pools_shown);
}

/* --- the file --- */

bool pgbouncer_mark(struct pgbouncer_driver *driver, struct err *err)
{
	driver->marked = driver->marked || target_marker_write(&driver->target, 0, err);
	return driver->marked;
}

/* If segue crashes between the rename and the RELOAD, the hold record shows that a RELOAD is owed;
 * or the marker, if nothing is paused. */
void pgbouncer_step_install(struct pgbouncer_driver *driver)
{
	struct err err;
	auto_free char *path = install_path(driver->target.config, &err);

	if (path != NULL && driver->record.count == 0 && !pgbouncer_mark(driver, &err))
		TARGET_LOG(LOG_WARNING, &driver->target, "marker_missing", KV_ERR(&err),
		           KV_STR("next",
		                  "if segue is killed now, PgBouncer may not load the new file "
		                  "before the next change"));
	if (path == NULL || !file_swap(path, driver->text, driver->len, &driver->owner, &err)) {
		pgbouncer_fail(driver, "install_failed", err.message, "the file stays as it was");
		return;
	}
	driver->unsynced = true;
	driver->installed = driver->generation;
	driver->facts.install_due = false;
	driver->facts.reload_owed = true;
	if (!driver->target.clock.told)
		target_end_step(&driver->target, MOVE_PERSISTED);
}

/* --- RELOAD --- */

/* Whatever the answer, only SHOW DATABASES decides: PgBouncer also answers OK for a broken file. */
static void reloaded(struct pgbouncer_driver *driver, const struct err *err)
{
	driver->facts.live_known = false;
	driver->min_pool_now = driver->min_pool_size;
	if (err != NULL && pgbouncer_problem_of(err->message) == PGBOUNCER_NO_ADMIN) {
		driver->facts.console_down = true;
		pgbouncer_fail(driver, "reload_refused", err->message,
		               "the file is in place for PgBouncer's next start; put the user in "
		               "\"console\" into admin_users");
		return;
	}
	if (err != NULL)
		TARGET_LOG(LOG_WARNING, &driver->target, "reload_failed", KV_ERR(err),
		           KV_STR("next", "segue checks SHOW DATABASES next; PgBouncer's log names "
		                          "the line"));
	driver->facts.reload_owed = false;
	driver->facts.reloaded = true;
	driver->facts.shorten_retry_owed = driver->facts.ours || driver->rehosted;
}

void pgbouncer_step_reload(struct pgbouncer_driver *driver)
{
	pgbouncer_read_main_file(driver);
	if (driver->facts.blocked)
		return;
	if (driver->target.clock.end_us[MOVE_PUSHED] == 0 && !driver->target.clock.told)
		target_end_step(&driver->target, MOVE_PUSHED);
	pgbouncer_command(driver, "RELOAD", reloaded);
}

/* segue has written the output, but may itself have no permission to read it. Caller frees. */
static char *find_cause(const char *output, const char *trouble)
{
	if (trouble != NULL)
		return xstrdup(trouble);
	if (access(output, R_OK) != 0)
		return xasprintf("it cannot read the file %s (%s): correct mode and owner in its "
		                 "section",
		                 output, strerror(errno));
	return xasprintf("check that its pgbouncer.ini has the line \"%%include %s\", and that "
	                 "PgBouncer's user has permission to read that file",
	                 output);
}

void pgbouncer_step_stuck(struct pgbouncer_driver *driver)
{
	bool held = driver->facts.held, ours = driver->facts.ours;
	auto_free char *problem = NULL,
	               *cause = find_cause(driver->target.config->output, driver->ini_trouble);
	struct pgbouncer_diff diff;

	pgbouncer_diff(&driver->ini, &driver->live, &diff);
	problem = xasprintf("SHOW DATABASES still differs after RELOAD: %s: %s", diff.summary.data,
	                    cause);
	strbuf_fini(&diff.summary);
	pgbouncer_fail(driver, held ? "drift_stays" : "move_failed", problem,
	               held   ? "clients continue to wait"
	               : ours ? PGBOUNCER_RESUMED_HERE
	                      : "PgBouncer stays as it is");
	driver->facts.let_go = ours && !held;
	driver->facts.waiting = !driver->facts.let_go;
}

/* --- RESUME --- */

/* A pending PAUSE blocks its console, and must not arrive after RESUME. So a PAUSE that is not sent
 * yet is dropped before RESUME, and the console of one that is sent is closed after RESUME. The
 * READ that follows shows the result. */
static void resumed(struct pgbouncer_driver *driver, const struct err *err)
{
	pauser_stop(driver->pauser);
	target_end_step(&driver->target, MOVE_RESUMED);
	driver->serve_ms = clock_now_ms();
	driver->facts.serve_owed = true;
	driver->facts.live_known = false;
	if (err != NULL)
		pgbouncer_fail(driver, "resume_failed", err->message, "clients still wait");
}

void pgbouncer_step_resume(struct pgbouncer_driver *driver)
{
	pauser_forget_unsent(driver->pauser);
	if (driver->facts.blocked && driver->facts.reload_owed)
		pgbouncer_script_undo_timeouts(driver);
	pgbouncer_script_recorded(driver, "RESUME");
	pgbouncer_script_run(driver, resumed);
}
