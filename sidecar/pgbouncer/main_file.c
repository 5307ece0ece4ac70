/* Decides whether PgBouncer may be told to RELOAD. On RELOAD it first resets its settings, then
 * reads pgbouncer.ini, and stops reading where that is broken: admin_users, auth_type and databases
 * may be lost then. If pgbouncer.ini no longer includes the output, RELOAD drops the databases of
 * the output; if it never did, `console` leads to another PgBouncer. So pgbouncer.ini is read here,
 * as PgBouncer would read it, before each RELOAD and each time that the live state is read. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timer.h"
#include "driver_internal.h"
#include "pgbouncer/model/config.h"
#include "pgbouncer/model/next_start.h"

#define LOOK_MS 500

static void tell(struct pgbouncer_driver *driver, const char *file)
{
	if (driver->ini_problem == NULL) {
		TARGET_LOG(LOG_INFO, &driver->target, "pgbouncer_ini_right", KV_STR("file", file));
		return;
	}
	TARGET_LOG(LOG_ERROR, &driver->target, "pgbouncer_ini_broken",
	           KV_STR("error", driver->ini_problem),
	           KV_STR("next", "PgBouncer is not told to RELOAD, which would reset its settings "
	                          "or drop databases: it stays as it is, and follows as soon as "
	                          "that file is right"));
	target_failed(&driver->target);
}

/* Takes ownership of `problem`. */
static void set_problem(struct pgbouncer_driver *driver, char *problem, const char *file)
{
	const char *before = driver->ini_problem != NULL ? driver->ini_problem : "";
	bool same = strcmp(before, problem != NULL ? problem : "") == 0;

	free(driver->ini_problem);
	driver->ini_problem = problem;
	driver->facts.blocked = problem != NULL;
	if (!same)
		tell(driver, file);
}

/* Trouble does not block RELOAD: the databases that are right are moved. Takes ownership of
 * `trouble`. */
static void set_trouble(struct pgbouncer_driver *driver, char *trouble)
{
	const char *before = driver->ini_trouble != NULL ? driver->ini_trouble : "";
	bool same = strcmp(before, trouble != NULL ? trouble : "") == 0;

	free(driver->ini_trouble);
	driver->ini_trouble = trouble;
	if (same || trouble == NULL)
		return;
	TARGET_LOG(LOG_ERROR, &driver->target, "pgbouncer_ini_trouble", KV_STR("error", trouble),
	           KV_STR("next", "correct it before the next failover or start of PgBouncer; "
	                          "segue reads it again with every look at PgBouncer"));
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
	if (driver->unread_told || access(file, F_OK) != 0)
		return NULL;
	driver->unread_told = true;
	TARGET_LOG(LOG_WARNING, &driver->target, "pgbouncer_ini_unread", KV_ERR(err),
	           KV_STR("next", "PgBouncer is told to RELOAD without a look at it: let segue's "
	                          "user read it"));
	return NULL;
}

/* Caller frees; NULL: none. */
static char *find_trouble(const struct pgbouncer_driver *driver, const struct pgbouncer_main *found)
{
	struct err err;
	bool some;

	if (!pgbouncer_main_obeys(found, driver->target.config->output, &err) ||
	    (!next_start_lets_in(&driver->config, found, &some, &err) && !some))
		return xstrdup(err.message);
	return NULL;
}

/* The difference may be intended, so it is logged only once. */
static void tell_differs(struct pgbouncer_driver *driver, const struct pgbouncer_main *found)
{
	auto_string_list struct string_list differs = {.count = 0};
	auto_strbuf struct strbuf now = STRBUF_INIT;

	next_start_differs(&driver->config, found, true, &differs);
	string_list_join(&differs, "; ", &now);
	if (strcmp(driver->ini_differs, now.data) == 0)
		return;
	if (now.len > 0)
		TARGET_LOG(
		    LOG_WARNING, &driver->target, "pgbouncer_ini_differs", KV_STR("what", now.data),
		    KV_STR("next", "nothing is done: restart PgBouncer when you like, or put "
		                   "the setting back"));
	free(driver->ini_differs);
	driver->ini_differs = strbuf_detach(&now);
}

/* Takes found->problem. Caller frees; NULL: nothing is wrong. */
static char *problem_of(struct pgbouncer_main *found, const char *file, const char *output)
{
	if (pgbouncer_main_leaves_out(found))
		return xasprintf(PGBOUNCER_NOT_INCLUDED ": " PGBOUNCER_NOT_INCLUDED_CURE, file,
		                 output, output);
	return STEAL(found->problem);
}

void pgbouncer_look_at_ini(struct pgbouncer_driver *driver)
{
	const char *file = pgbouncer_config_get(&driver->config, "conffile");
	const struct pgbouncer_reading reading = {.minor = driver->minor,
	                                          .config = &driver->config,
	                                          .output = driver->target.config->output,
	                                          .text = driver->text != NULL ? driver->text : "",
	                                          .len = driver->len,
	                                          .ini =
	                                              driver->generation != 0 ? &driver->ini : NULL,
	                                          .only_problem = true};
	struct pgbouncer_main found;
	struct err err;

	if (file == NULL || *file != '/') /* relative to where PgBouncer was started */
		return;
	if (pgbouncer_main_load(file, &reading, &found, &err)) {
		set_trouble(driver, find_trouble(driver, &found));
		tell_differs(driver, &found);
		set_problem(driver, problem_of(&found, file, reading.output), file);
	} else {
		set_trouble(driver, NULL);
		set_problem(driver, judge_unread(driver, file, &err), file);
	}
	pgbouncer_main_free(&found);
}

void pgbouncer_step_blocked(struct pgbouncer_driver *driver)
{
	timer_start(driver->timer, LOOK_MS);
}
