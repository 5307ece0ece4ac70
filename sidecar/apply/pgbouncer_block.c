/* May PgBouncer be told to RELOAD? It resets its settings first, then reads its own file, and where
 * that is broken it stops: admin_users and auth_type may be gone then, and so may databases. Where
 * that file does not take in the output, databases that it took in before are dropped, and a
 * PgBouncer that never did is another one. So the file is read here before each RELOAD, and with
 * each look at PgBouncer, as it would be read. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/pgbouncer_driver.h"
#include "apply/pgbouncer_main.h"
#include "base/log.h"

#define LOOK_MS 500

static void tell(struct pgbouncer_driver *driver, const char *file)
{
	const struct config_target *config = driver->target.config;

	if (driver->ini_problem == NULL) {
		log_info("pgbouncer_ini_right", KV_STR("cluster", config->cluster),
		         KV_STR("target", config->name), KV_STR("file", file));
		return;
	}
	log_error("pgbouncer_ini_broken", KV_STR("cluster", config->cluster),
	          KV_STR("target", config->name), KV_STR("error", driver->ini_problem),
	          KV_STR("next",
	                 "PgBouncer is not told to RELOAD, which would reset its settings or drop "
	                 "databases: it stays as it is, and follows as soon as that file is "
	                 "right"));
	target_failed(&driver->target);
}

/* Takes over `problem`. */
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

/* In a container of its own, or for PgBouncer's user only: nothing is known then. */
static void tell_unread(struct pgbouncer_driver *driver, const char *file, const struct err *err)
{
	if (driver->unread_told || access(file, F_OK) != 0)
		return;
	driver->unread_told = true;
	log_warning("pgbouncer_ini_unread", KV_STR("cluster", driver->target.config->cluster),
	            KV_STR("target", driver->target.config->name), KV_ERR(err),
	            KV_STR("next", "PgBouncer is told to RELOAD without a look at it: let segue's "
	                           "user read it"));
}

/* Takes what is found of it. Caller frees; NULL: nothing is wrong. */
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
	                                          .only_problem = true};
	struct pgbouncer_main found;
	struct err err;

	if (file == NULL || *file != '/') /* relative to where PgBouncer was started */
		return;
	if (pgbouncer_main_load(file, &reading, &found, &err)) {
		set_problem(driver, problem_of(&found, file, reading.output), file);
	} else {
		tell_unread(driver, file, &err);
		set_problem(driver, NULL, file);
	}
	pgbouncer_main_free(&found);
}

void pgbouncer_step_blocked(struct pgbouncer_driver *driver)
{
	pgbouncer_timer(driver, LOOK_MS);
}
