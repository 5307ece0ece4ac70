/* The PgBouncer target: takes texts, holds and fences from cluster/ and records them as facts;
 * engine.c does the rest. A text that PgBouncer would misread is refused and the previous one
 * stays, because a RELOAD of a broken file drops databases. */
#include "pgbouncer/driver.h"
#include "driver_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/timer.h"
#include "base/util.h"
#include "pgbouncer/hold_record.h"
#include "pgbouncer/lost_databases.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/diff.h"
#include "target/install.h"

/* --- between two processes of segue ---
 * The previous process may leave pauses, which are in its hold record, and an owed RELOAD. A
 * process that ends resumes what it holds, because there may be no next one. It keeps a fence,
 * because that protects data. */

#define GRACE_MS       10000 /* for the store to name a primary, if pauses of segue are found */
#define EXIT_RESUME_MS 1000  /* the longest time for RESUME when a target is destroyed */

static void pgbouncer_take_over(struct pgbouncer_driver *driver, const char *state_dir)
{
	const struct config_target *config = driver->target.config;
	struct pgbouncer_hold_record *record = &driver->record;
	struct err err;

	if (!pgbouncer_hold_record_init(record, state_dir, config->name, &err))
		TARGET_LOG(LOG_ERROR, &driver->target, "intent_unusable", KV_ERR(&err),
		           KV_STR("next", "pauses of an earlier segue process are treated as "
		                          "paused by a person and are not resumed"));
	pgbouncer_hold_record_set_origin(record, config->console, config->output);
	driver->marked = target_marker_read(&driver->target) >= 0;
	driver->facts.reload_owed = driver->marked || record->count > 0;
	if (record->count == 0)
		return;
	driver->facts.shorten_retry_owed = true;
	driver->fenced = record->fence;
	driver->max_db_connections = record->max_db_connections;
	driver->min_pool_size = driver->min_pool_now = record->min_pool_size;
	driver->limited = driver->max_db_connections >= 0;
	driver->drain.since_ms = clock_now_ms();
	driver->drain.release_ms =
	    driver->drain.since_ms + larger(GRACE_MS, config->pause_timeout_ms);
	TARGET_LOG(LOG_WARNING, &driver->target, "pauses_found", KV_STR("first", record->names[0]),
	           KV_INT("databases", record->count),
	           KV_STR("next", driver->fenced
	                              ? "the fence stays until a primary is admitted; to end it "
	                                "now: `segue resume` with this target's name"
	                              : "resumed as soon as a primary is admitted and the "
	                                "databases lead to it, or when that time limit expires"));
	if (!pgbouncer_hold_record_save(record, "taken over", &err) ||
	    !pgbouncer_hold_record_sync(record, "taken over", &err))
		TARGET_LOG(LOG_WARNING, &driver->target, "intent_not_saved", KV_ERR(&err));
}

/* If segue is stopped for good, no client may be left waiting, except by a fence. After a reload of
 * the configuration another target of the same name has taken over the pauses: then nothing is
 * resumed here. */
static void pgbouncer_release_on_exit(struct pgbouncer_driver *driver)
{
	struct pgbouncer_hold_record *record = &driver->record;
	const struct config_target *config = driver->target.config;
	struct err err;

	if (record->count == 0 || !pgbouncer_hold_record_is_ours(record))
		return;
	if (record->fence) {
		auto_free char *next =
		    xasprintf("clients wait until segue runs again and a primary is admitted; to "
		              "resume them now: segue resume %s",
		              config->name);

		TARGET_LOG(LOG_WARNING, &driver->target, "left_fenced",
		           KV_INT("databases", record->count), KV_STR("note", record->path),
		           KV_STR("next", next));
	} else if (pgbouncer_resume(config->console, record, EXIT_RESUME_MS, &err)) {
		target_log_clock(&driver->target, "resumed_at_stop", PGBOUNCER_RESUMED_HERE);
	} else {
		TARGET_LOG(
		    LOG_ERROR, &driver->target, "resume_failed", KV_ERR(&err),
		    KV_STR("next", "clients wait: run `segue resume`, or start segue again"));
	}
}

static struct pgbouncer_driver *driver_of(struct target *target)
{
	return (struct pgbouncer_driver *)target;
}

/* --- a new text --- */

/* Logs databases that the first text of this process drops: a template or a var was changed while
 * segue did not run, or by SIGHUP while no client used them. */
static void log_lost(const struct pgbouncer_driver *driver)
{
	auto_strbuf struct strbuf names = STRBUF_INIT;

	lost_databases_names(driver->target.config->output, &driver->ini, &names);
	if (names.len > 0)
		TARGET_LOG(LOG_WARNING, &driver->target, "databases_gone",
		           KV_STR("what", names.data),
		           KV_STR("next", "PgBouncer drops these databases, and clients that "
		                          "connect to them get an error. If this is not intended, "
		                          "put them back into the template"));
}

/* Takes ownership of `ini`. */
static void replace_text(struct pgbouncer_driver *driver, const struct desired *desired,
                         const struct pgbouncer_ini *ini)
{
	pgbouncer_ini_free(&driver->ini);
	driver->ini = *ini;
	(void)util_replace(&driver->text, xstrndup(desired->text, desired->len));
	driver->len = desired->len;
	(void)util_replace(&driver->primary,
	                   desired->primary != NULL ? xstrdup(desired->primary) : NULL);
	driver->primary_port = desired->primary_port;
	driver->generation++;
	driver->facts.has_text = true;
	driver->facts.install_due =
	    !install_is_current(driver->target.config->output, driver->text, driver->len);
	if (!driver->facts.install_due)
		driver->installed = driver->generation;
	else if (driver->generation == 1)
		log_lost(driver);
	driver->facts.reloaded = false;
	driver->failures = 0;
}

/* An earlier hold, fence or failure ends. Paused databases stay paused until PgBouncer follows the
 * text. */
static void begin(struct pgbouncer_driver *driver, const struct desired *desired)
{
	target_start_clock(&driver->target, desired);
	driver->target.clock.paused_us = driver->drain.paused_us;
	driver->facts.held = driver->fenced = driver->facts.fence_due = false;
	driver->facts.let_go = false;
	driver->facts.waiting = false;
	driver->drain.dead = false;
	driver->live_ms = 0;
	driver->drain.release_ms =
	    clock_now_ms() + driver->target.config->pause_timeout_ms + PGBOUNCER_MOVE_MS;
	timer_stop(driver->timer);
	if (driver->facts.live_known)
		pgbouncer_compare(driver);
	pgbouncer_reconcile(driver);
}

static bool set_desired(struct target *target, const struct desired *desired, struct err *err)
{
	struct pgbouncer_driver *driver = driver_of(target);
	bool same = driver->generation != 0 && desired->len == driver->len &&
	            memcmp(desired->text, driver->text, driver->len) == 0;
	struct pgbouncer_ini ini;

	if (driver->owner_problem != NULL)
		return err_set(err, "%s", driver->owner_problem);
	if (same && !driver->facts.held && driver->record.count == 0) {
		target->clock.zxid = desired->zxid;
		return true;
	}
	if (!pgbouncer_ini_parse(desired->text, desired->len, &ini, err))
		return false;
	replace_text(driver, desired, &ini);
	begin(driver, desired);
	return true;
}

/* --- no primary --- */

/* Saves in the hold record whether it is a fence: the next process and `segue resume` may resume a
 * hold, but not a fence. */
static void save_kind(struct pgbouncer_driver *driver)
{
	struct pgbouncer_hold_record *record = &driver->record;
	struct err err;

	if (record->count == 0 || record->fence == driver->fenced)
		return;
	record->fence = driver->fenced;
	driver->record_unsynced = true;
	if (!pgbouncer_hold_record_save(record, driver->fenced ? "fenced" : "held", &err))
		TARGET_LOG(
		    LOG_ERROR, &driver->target, "intent_not_saved", KV_ERR(&err),
		    KV_STR("next", driver->fenced
		                       ? "the fence is in place, but the hold record does not say "
		                         "that it is a fence: `segue resume` without a name would "
		                         "end it"
		                       : "the hold is in place, but the hold record still says "
		                         "fence: to resume use `segue resume` with this target's "
		                         "name"));
}

static void begin_hold(struct pgbouncer_driver *driver)
{
	save_kind(driver);
	driver->facts.held = true;
	driver->facts.let_go = false;
	driver->facts.waiting = false;
	driver->live_ms = 0;
	timer_stop(driver->timer);
	pgbouncer_reconcile(driver);
}

/* A hold does not replace a fence, which only a new text ends. */
static void hold(struct target *target, int64_t episode, int64_t timeout_ms, bool dead)
{
	struct pgbouncer_driver *driver = driver_of(target);
	bool again = episode == driver->hold_episode;

	driver->hold_episode = episode;
	if (driver->fenced || (again && !driver->facts.held))
		return;
	driver->hold_until_ms = clock_now_ms() + timeout_ms;
	if (again) {
		timer_start(driver->alarm, timeout_ms);
		return;
	}
	driver->drain.dead = dead;
	TARGET_LOG_ZXID(LOG_INFO, target, "hold", KV_MS("timeout_ms", timeout_ms * 1000));
	begin_hold(driver);
}

static void fence(struct target *target, int64_t episode)
{
	struct pgbouncer_driver *driver = driver_of(target);

	if (episode == driver->fence_episode)
		return;
	driver->fence_episode = episode;
	driver->fenced = driver->facts.fence_due = true;
	driver->drain.unsent = false;
	TARGET_LOG(LOG_INFO, target, "fence", KV_INT("zxid", target->clock.zxid));
	begin_hold(driver);
}

/* --- the rest --- */

/* Somebody may have changed the output. */
static void check_output(struct pgbouncer_driver *driver)
{
	struct pgbouncer_facts *facts = &driver->facts;
	const char *output = driver->target.config->output;

	if (!facts->has_text || facts->install_due ||
	    install_is_current(output, driver->text, driver->len))
		return;
	facts->install_due = true;
	TARGET_LOG(LOG_WARNING, &driver->target, "drift", KV_STR("what", output),
	           KV_STR("next", "the file is written again"));
}

static void on_timer(void *arg)
{
	struct pgbouncer_driver *driver = arg;
	struct pgbouncer_facts *facts = &driver->facts;
	bool waiting = driver->step == PGBOUNCER_WAIT;

	if (waiting) {
		facts->waiting = facts->reloaded = false;
		facts->live_known = facts->live_known && !facts->held;
	}
	if (waiting || driver->step == PGBOUNCER_HOLD || driver->step == PGBOUNCER_IDLE ||
	    driver->step == PGBOUNCER_BLOCKED) {
		facts->live_known = facts->live_known && waiting;
		check_output(driver);
	}
	pgbouncer_reconcile(driver);
}

static void alarm_cb(void *arg)
{
	pgbouncer_reconcile(arg);
}

static void places(const struct target *target, struct target_endpoints *desired,
                   struct target_endpoints *live)
{
	const struct pgbouncer_driver *driver = (const struct pgbouncer_driver *)target;

	for (size_t i = 0; i < driver->ini.count; i++) {
		const struct pgbouncer_database *database = &driver->ini.databases[i];
		const struct pgbouncer_live_database *shown =
		    pgbouncer_live_find(&driver->live, database->name);

		target_add_endpoint(desired, database->name, database->host, database->port);
		if (shown != NULL)
			target_add_endpoint(live, shown->name, shown->host, shown->port);
	}
}

static bool listens_at(const struct target *target, const char *address, uint16_t port)
{
	const struct pgbouncer_driver *driver = (const struct pgbouncer_driver *)target;

	return driver->listen_addr != NULL && driver->listen_port == port &&
	       pgbouncer_listens_at(driver->listen_addr, address);
}

static void status(const struct target *target, struct target_status *out)
{
	const struct pgbouncer_driver *driver = (const struct pgbouncer_driver *)target;
	const char *const problems[] = {driver->owner_problem, driver->ini_problem,
	                                driver->ini_trouble,   driver->problem,
	                                driver->foreign,       driver->ini_differs};

	*out = (struct target_status){
	    .in_sync = pgbouncer_is_followed(driver) && driver->ini_trouble == NULL,
	    .problem = "",
	    .step = pgbouncer_step_info(driver->step)->name,
	    .old_sessions = driver->stale_left,
	};
	for (size_t i = 0; i < ARRAY_LEN(problems) && *out->problem == '\0'; i++)
		if (problems[i] != NULL)
			out->problem = problems[i];
}

static void destroy(struct target *target)
{
	struct pgbouncer_driver *driver = driver_of(target);

	pauser_destroy(driver->pauser);
	console_close(driver->console);
	pg_ping_cancel(driver->pg_ping);
	timer_free(driver->timer);
	timer_free(driver->alarm);
	pgbouncer_release_on_exit(driver);
	pgbouncer_ini_free(&driver->ini);
	pgbouncer_live_free(&driver->live);
	string_list_free(&driver->stale.links);
	pgbouncer_hold_record_fini(&driver->record);
	string_list_free(&driver->script);
	pgbouncer_table_free(&driver->config);
	free(driver->owner_problem);
	free(driver->ini_problem);
	free(driver->ini_trouble);
	free(driver->ini_differs);
	free(driver->foreign);
	free(driver->problem);
	free(driver->primary);
	free(driver->listen_addr);
	free(driver->text);
	target_fini(target);
	free(driver);
}

struct target *pgbouncer_target_create(const struct target_setup *setup)
{
	static const struct target_ops ops = {.leads = pgbouncer_text_leads,
	                                      .set_desired = set_desired,
	                                      .hold = hold,
	                                      .fence = fence,
	                                      .places = places,
	                                      .listens_at = listens_at,
	                                      .status = status,
	                                      .destroy = destroy};
	struct pgbouncer_driver *driver = xcalloc(1, sizeof(*driver));
	struct err err;

	target_init(&driver->target, &ops, setup);
	driver->wake = pgbouncer_reconcile;
	driver->facts.cleanup_owed = true;
	driver->max_db_connections = driver->min_pool_size = driver->min_pool_now = -1;
	driver->listen_port = -1;
	driver->retry_ms = PGBOUNCER_RETRY_MS;
	driver->step_us = clock_now_us();
	driver->console = console_create(driver->target.base, setup->config->console);
	driver->pauser =
	    pauser_create(driver->target.base, setup->config->console, pgbouncer_paused_cb, driver);
	driver->timer = timer_new(driver->target.base, on_timer, driver);
	driver->alarm = timer_new(driver->target.base, alarm_cb, driver);
	if (!install_owner(setup->config, &driver->owner, &err))
		driver->owner_problem = xstrdup(err.message);
	pgbouncer_take_over(driver, setup->state_dir);
	timer_start(driver->timer, 0);
	return &driver->target;
}
