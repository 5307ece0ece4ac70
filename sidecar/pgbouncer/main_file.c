/* Decides whether PgBouncer may be told to RELOAD. On RELOAD it first resets its settings, then
 * reads pgbouncer.ini, and stops reading where that is broken: admin_users, auth_type and databases
 * may be lost then. If pgbouncer.ini no longer includes the output, RELOAD drops the databases of
 * the output; if it never did, `console` leads to another PgBouncer. So pgbouncer.ini is read here,
 * as PgBouncer would read it, before each RELOAD and at each re-read of the live state, but not
 * while a drain is polled. */
#include <unistd.h>

#include "driver_internal.h"
#include "pgbouncer/model/config.h"
#include "pgbouncer/model/next_start.h"

/* Takes ownership of `problem`. */
static void set_problem(struct pgbouncer_driver *driver, char *problem, const char *file)
{
	driver->facts.blocked = problem != NULL;
	if (!util_replace(&driver->ini_problem, problem))
		return;
	if (problem == NULL) {
		TARGET_LOG(LOG_INFO, &driver->target, "pgbouncer_ini_right", KV_STR("file", file));
		return;
	}
	TARGET_LOG(LOG_ERROR, &driver->target, "pgbouncer_ini_broken", KV_STR("error", problem),
	           KV_STR("next", "segue sends no RELOAD, because it would reset settings or drop "
	                          "databases. PgBouncer stays as it is; the move continues as soon "
	                          "as this file is corrected"));
	target_failed(&driver->target);
}

/* Trouble does not block RELOAD: the databases that are right are moved. Takes ownership of
 * `trouble`. */
static void set_trouble(struct pgbouncer_driver *driver, char *trouble)
{
	if (!util_replace(&driver->ini_trouble, trouble) || trouble == NULL)
		return;
	TARGET_LOG(LOG_ERROR, &driver->target, "pgbouncer_ini_trouble", KV_STR("error", trouble),
	           KV_STR("next", "correct it before the next failover or start of PgBouncer; "
	                          "segue checks it again each time that it reads PgBouncer"));
	target_failed(&driver->target);
}

/* pgbouncer.ini may be in another container, or readable by PgBouncer's user only: then nothing is
 * known of it. Caller frees; NULL: no problem is known. */
static char *judge_unread(struct pgbouncer_driver *driver, const char *file, const struct err *err)
{
	struct err problem;

	if (!next_start_reads(&driver->config, file, &problem))
		return xstrdup(problem.message);
	if (driver->facts.console_down && driver->ini_problem != NULL) /* why it cannot start */
		return xstrdup(driver->ini_problem);
	if (driver->unread_logged || access(file, F_OK) != 0)
		return NULL;
	driver->unread_logged = true;
	TARGET_LOG(LOG_WARNING, &driver->target, "pgbouncer_ini_unread", KV_ERR(err),
	           KV_STR("next", "segue sends RELOAD without checking this file: give segue's "
	                          "user read permission"));
	return NULL;
}

/* The difference may be intended, so it is logged only once. */
static void log_differs(struct pgbouncer_driver *driver, const struct pgbouncer_main *found)
{
	auto_string_list struct string_list differs = {.count = 0};
	auto_strbuf struct strbuf now = STRBUF_INIT;

	next_start_differs(&driver->config, found, true, &differs);
	string_list_join(&differs, "; ", &now);
	if (util_replace(&driver->ini_differs, strbuf_detach(&now)) && differs.count > 0)
		TARGET_LOG(LOG_WARNING, &driver->target, "pgbouncer_ini_differs",
		           KV_STR("what", driver->ini_differs),
		           KV_STR("next", "segue does nothing: restart PgBouncer at a convenient "
		                          "time, or restore the setting"));
}

void pgbouncer_read_main_file(struct pgbouncer_driver *driver)
{
	const char *file = pgbouncer_config_get(&driver->config, "conffile");
	const struct pgbouncer_reading reading = {.minor = driver->minor,
	                                          .config = &driver->config,
	                                          .output = driver->target.config->output,
	                                          .text = driver->text != NULL ? driver->text : "",
	                                          .len = driver->len,
	                                          .ini = &driver->ini,
	                                          .only_problem = true};
	struct pgbouncer_main found;
	struct err err;
	bool some, fine;

	if (file == NULL || *file != '/') /* relative to where PgBouncer was started */
		return;
	if (pgbouncer_main_load(file, &reading, &found, &err)) {
		fine = pgbouncer_main_obeys(&found, reading.output, &err) &&
		       (next_start_lets_in(&driver->config, &found, &some, &err) || some);
		set_trouble(driver, fine ? NULL : xstrdup(err.message));
		log_differs(driver, &found);
		set_problem(driver,
		            pgbouncer_main_leaves_out(&found)
		                ? xasprintf(PGBOUNCER_NOT_INCLUDED ": " PGBOUNCER_NOT_INCLUDED_CURE,
		                            file, reading.output, reading.output)
		                : STEAL(found.problem),
		            file);
	} else {
		set_trouble(driver, NULL);
		set_problem(driver, judge_unread(driver, file, &err), file);
	}
	pgbouncer_main_free(&found);
}
