/* From the drained pools to clients that go on: the file, RELOAD, RESUME. The file's fsync is not
 * among what clients wait for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/install.h"
#include "apply/pgbouncer_diff.h"
#include "apply/pgbouncer_driver.h"
#include "base/clock.h"
#include "base/log.h"

/* --- the file --- */

bool pgbouncer_mark(struct pgbouncer_driver *driver, struct err *err)
{
	driver->marked = driver->marked || target_marker_write(&driver->target, 0, err);
	return driver->marked;
}

/* A crash between the file and its RELOAD is remembered by the note of the pauses; where nothing is
 * paused, by the marker. */
static bool install(struct pgbouncer_driver *driver, struct err *err)
{
	auto_free char *path = install_path(driver->target.config, err), *staged = NULL;

	if (path == NULL)
		return false;
	if (driver->record.count == 0 && !pgbouncer_mark(driver, err))
		log_warning("marker_missing", KV_STR("target", driver->target.config->name),
		            KV_ERR(err),
		            KV_STR("next", "if segue dies now, PgBouncer may not be told of the "
		                           "new file before the next change"));
	staged = file_stage(path, driver->text, driver->len, &driver->owner, err);
	if (staged == NULL)
		return false;
	if (rename(staged, path) == 0)
		return true;
	err_set_errno(err, errno, "cannot rename %s to %s", staged, path);
	unlink(staged);
	return false;
}

void pgbouncer_step_install(struct pgbouncer_driver *driver)
{
	struct err err;

	if (!install(driver, &err)) {
		pgbouncer_fail(driver, "install_failed", err.message, "the file is what it was");
		return;
	}
	driver->unsynced = true;
	driver->installed = driver->generation;
	driver->facts.install_due = false;
	driver->facts.reload_owed = true;
	if (!driver->watch.told)
		driver->watch.persisted_us = clock_now_us();
}

/* --- RELOAD --- */

static bool refused_for_good(struct pgbouncer_driver *driver, const struct err *err)
{
	if (err == NULL || pgbouncer_problem_of(err->message) != PGBOUNCER_NO_ADMIN)
		return false;
	driver->facts.live_known = false;
	driver->facts.console_down = true;
	pgbouncer_fail(driver, "reload_refused", err->message,
	               "the file is in place for PgBouncer's next start; put the console's user "
	               "into admin_users");
	return true;
}

/* Whatever it answers, SHOW DATABASES tells: OK is the answer to a broken file, too. */
static void reload_answer(struct pgbouncer_driver *driver, const struct pgbouncer_table *table,
                          const struct err *err)
{
	(void)table;
	if (refused_for_good(driver, err))
		return;
	if (err != NULL)
		log_warning("reload_failed", KV_STR("cluster", driver->target.config->cluster),
		            KV_STR("target", driver->target.config->name), KV_ERR(err),
		            KV_STR("next", "what SHOW DATABASES says decides; PgBouncer's log "
		                           "names the line"));
	driver->facts.reload_owed = false;
	driver->facts.reloaded = true;
	driver->facts.live_known = false;
	driver->facts.shorten_retry_owed = driver->facts.ours || driver->rehosted;
}

void pgbouncer_step_reload(struct pgbouncer_driver *driver)
{
	pgbouncer_look_at_ini(driver);
	if (driver->facts.blocked)
		return;
	if (driver->watch.pushed_us == 0 && !driver->watch.told)
		driver->watch.pushed_us = clock_now_us();
	pgbouncer_ask(driver, "RELOAD", reload_answer);
}

/* segue has written it, and may not even read it itself. */
static char *stuck_problem(const char *differs, const char *output, const char *trouble)
{
	if (trouble != NULL)
		return xasprintf("PgBouncer was told to RELOAD, and SHOW DATABASES still differs: "
		                 "%s: %s",
		                 differs, trouble);
	if (access(output, R_OK) != 0)
		return xasprintf("PgBouncer was told to RELOAD, and SHOW DATABASES still differs: "
		                 "%s: it cannot read the file %s (%s): correct mode and owner in "
		                 "its section",
		                 differs, output, strerror(errno));
	return xasprintf(
	    "PgBouncer was told to RELOAD, and SHOW DATABASES still differs: %s: is "
	    "\"%%include %s\" in its pgbouncer.ini, and may PgBouncer's user read that "
	    "file?",
	    differs, output);
}

void pgbouncer_step_stuck(struct pgbouncer_driver *driver)
{
	auto_free char *problem = NULL;
	struct pgbouncer_diff diff;

	pgbouncer_diff(&driver->ini, &driver->live, &diff);
	problem =
	    stuck_problem(diff.summary.data, driver->target.config->output, driver->ini_trouble);
	pgbouncer_diff_free(&diff);
	if (driver->facts.held) {
		pgbouncer_fail(driver, "drift_stays", problem, "clients wait on");
		return;
	}
	pgbouncer_fail(driver, "move_failed", problem,
	               driver->facts.ours ? "clients are let go to where it leads"
	                                  : "PgBouncer stays as it is");
	driver->facts.let_go = driver->facts.ours;
	driver->facts.waiting = !driver->facts.ours;
}

/* --- RESUME --- */

/* A PAUSE that is still pending keeps its console from being of use, and must not come after the
 * RESUME: what has not been sent is dropped before, its console closed after. What counts is the
 * READ that follows. */
static void resumed(struct pgbouncer_driver *driver, const struct pgbouncer_table *table,
                    const struct err *err)
{
	(void)table;
	pauser_stop(driver->pauser);
	driver->watch.resumed_us = clock_now_us();
	driver->serve_ms = clock_now_ms();
	driver->facts.serve_owed = true;
	driver->facts.live_known = false;
	if (err != NULL)
		pgbouncer_fail(driver, "resume_failed", err->message, "clients still wait");
}

void pgbouncer_step_resume(struct pgbouncer_driver *driver)
{
	pauser_forget_unsent(driver->pauser);
	for (size_t i = 0; i < driver->record.count; i++) {
		auto_strbuf struct strbuf name = STRBUF_INIT;
		struct err ignored; /* a name that could be paused can be quoted */

		if (pgbouncer_quote_name(driver->record.names[i], &name, &ignored))
			pgbouncer_script_add(driver, "RESUME %s", name.data);
	}
	pgbouncer_script_run(driver, resumed);
}
