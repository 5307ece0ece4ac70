/* What lives of segue leave to each other in PgBouncer: pauses, by their note, and a RELOAD that is
 * owed. At its end a life lets go of a hold, as the next one may never come; a fence stays, as it
 * protects data. */
#include "apply/pgbouncer_driver.h"
#include "apply/pgbouncer_resume.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"

#define GRACE_MS    10000 /* for the store to name a primary, when segue finds its own pauses */
#define FAREWELL_MS 1000  /* what the end of a target may take for RESUME */

void pgbouncer_take_over(struct pgbouncer_driver *driver, const char *state_dir)
{
	const struct config_target *config = driver->target.config;
	struct err err;

	if (!pgbouncer_hold_record_init(&driver->record, state_dir, config->name, &err))
		log_error(
		    "intent_unusable", KV_STR("target", config->name), KV_ERR(&err),
		    KV_STR("next", "pauses of an earlier life of segue look like a person's"));
	pgbouncer_hold_record_set_origin(&driver->record, config->console, config->output);
	driver->marked = target_marker_read(&driver->target) >= 0;
	driver->facts.reload_owed = driver->marked || driver->record.count > 0;
	if (driver->record.count == 0)
		return;
	driver->facts.shorten_retry_owed = true;
	driver->fenced = driver->record.fence;
	driver->max_db_connections = driver->record.max_db_connections;
	driver->limited = driver->max_db_connections >= 0;
	driver->drain.since_ms = clock_now_ms();
	driver->drain.release_ms =
	    driver->drain.since_ms + larger(GRACE_MS, config->pause_timeout_ms);
	log_warning("pauses_found", KV_STR("cluster", config->cluster),
	            KV_STR("target", config->name), KV_STR("first", driver->record.names[0]),
	            KV_INT("databases", driver->record.count),
	            KV_STR("next", driver->fenced
	                               ? "fenced until a primary is admitted, or `segue resume` "
	                                 "with this target's name"
	                               : "resumed when a primary is admitted and they lead to it, "
	                                 "or when the time for that is over"));
	if (!pgbouncer_hold_record_save(&driver->record, "taken over", &err) ||
	    !pgbouncer_hold_record_sync(&driver->record, "taken over", &err))
		log_warning("intent_not_saved", KV_STR("target", config->name), KV_ERR(&err));
}

static void leave_fenced(const struct pgbouncer_driver *driver)
{
	const struct config_target *config = driver->target.config;
	auto_free char *next = xasprintf("clients wait until segue runs again and a primary is "
	                                 "admitted; to let them go now: segue resume %s",
	                                 config->name);

	log_warning("left_fenced", KV_STR("cluster", config->cluster),
	            KV_STR("target", config->name), KV_INT("databases", driver->record.count),
	            KV_STR("note", driver->record.path), KV_STR("next", next));
}

/* Whoever ends segue for good must not find clients waiting, but for a fence; and another target
 * with the same name, made by a reload of the configuration, has taken the pauses over and goes on.
 */
void pgbouncer_release_on_exit(struct pgbouncer_driver *driver)
{
	struct err err;

	if (driver->record.count == 0 || !pgbouncer_hold_record_is_ours(&driver->record))
		return;
	if (driver->record.fence) {
		leave_fenced(driver);
		return;
	}
	if (pgbouncer_resume(driver->target.config->console, &driver->record, FAREWELL_MS, &err)) {
		pgbouncer_tell(driver, "resumed_at_stop",
		               "clients go on where PgBouncer leads them");
		return;
	}
	log_error("resume_failed", KV_STR("cluster", driver->target.config->cluster),
	          KV_STR("target", driver->target.config->name), KV_ERR(&err),
	          KV_STR("next", "clients wait: run `segue resume`, or start segue again"));
}
