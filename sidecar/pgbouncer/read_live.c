/* Reads PgBouncer's live state and stores it as facts: where its databases lead, which of them are
 * paused and by whom, and whether server connections to an old address are left. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/timer.h"
#include "driver_internal.h"
#include "pgbouncer/model/diff.h"

#define CLEANUP_POLL_MS      20
#define CLEANUP_RECONNECT_AT 5  /* polls; then RECONNECT is sent for the remaining ones */
#define CLEANUPS_MAX         50 /* polls; then SWEEP gives up */

/* A recorded database that is not paused any more was resumed by segue, by a person, or by a
 * restart of PgBouncer. */
static void drop_resumed(struct pgbouncer_driver *driver)
{
	struct pgbouncer_hold_record *record = &driver->record;
	size_t before = record->count;
	struct err err;

	for (size_t i = record->count; i-- > 0;) {
		const struct pgbouncer_live_database *live =
		    pgbouncer_live_find(&driver->live, record->names[i]);

		if ((live == NULL || !live->paused) &&
		    !pauser_is_pending(driver->pauser, record->names[i]))
			pgbouncer_hold_record_drop(record, record->names[i]);
	}
	if (before == 0 || record->count > 0)
		return;
	/* If PgBouncer restarted during a hold, a primary that was dead before is still dead. */
	driver->drain = (struct pgbouncer_drain){.dead = driver->facts.held && driver->drain.dead};
	if (!pgbouncer_hold_record_save(record, "", &err))
		TARGET_LOG(LOG_WARNING, &driver->target, "intent_left", KV_ERR(&err),
		           KV_STR("next", "after its next start segue would resume databases that "
		                          "a person has paused meanwhile: remove the file"));
}

/* Logged once, and again when it changes. */
static void log_foreign(struct pgbouncer_driver *driver)
{
	auto_strbuf struct strbuf now = STRBUF_INIT;

	for (size_t i = 0; i < driver->ini.count; i++) {
		const char *name = driver->ini.databases[i].name;
		const struct pgbouncer_live_database *live =
		    pgbouncer_live_find(&driver->live, name);

		if (live == NULL || (!live->disabled && !live->paused) ||
		    pgbouncer_hold_record_has(&driver->record, name))
			continue;
		strbuf_printf(&now, "%s%s is %s", now.len > 0 ? ", " : "", name,
		              live->disabled ? "disabled" : "paused");
	}
	if (util_replace(&driver->foreign, strbuf_detach(&now)) && *driver->foreign != '\0')
		TARGET_LOG(LOG_WARNING, &driver->target, "paused_by_others",
		           KV_STR("what", driver->foreign),
		           KV_STR("next", "segue did not do this: it keeps the address up to date, "
		                          "and the database stays as it is until somebody runs "
		                          "RESUME or ENABLE"));
}

void pgbouncer_compare(struct pgbouncer_driver *driver)
{
	struct pgbouncer_diff diff;

	if (driver->generation == 0)
		return;
	pgbouncer_diff(&driver->ini, &driver->live, &diff);
	driver->rehosted = diff.moved_count > 0;
	driver->missing = diff.missing;
	driver->facts.moved = driver->rehosted || diff.missing;
	if (driver->facts.moved) {
		driver->facts.cleanup_owed = true;
		if (driver->target.clock.summary.len == 0)
			strbuf_append_str(&driver->target.clock.summary, diff.summary.data);
		if (driver->confirmed == driver->generation) {
			TARGET_LOG(LOG_WARNING, &driver->target, "drift",
			           KV_STR("what", diff.summary.data),
			           KV_STR("next", "segue corrects PgBouncer"));
			driver->facts.reloaded = false;
		}
		driver->confirmed = 0;
	} else if (driver->confirmed != driver->generation) {
		driver->confirmed = driver->generation;
		target_end_step(&driver->target, MOVE_CONFIRMED);
	}
	strbuf_fini(&diff.summary);
}

static void came_back(struct pgbouncer_driver *driver)
{
	if (driver->down_logged)
		TARGET_LOG(LOG_INFO, &driver->target, "pgbouncer_back",
		           KV_MS("away_ms", (clock_now_ms() - driver->down_ms) * 1000));
	if (driver->down_ms != 0) {
		driver->failures = 0;
		(void)util_replace(&driver->problem, NULL);
	}
	driver->down_logged = false;
	driver->down_ms = 0;
}

bool pgbouncer_take_live(struct pgbouncer_driver *driver, const struct pgbouncer_table *table)
{
	struct pgbouncer_live live;
	struct err problem = driver->refusal;

	if (table == NULL && problem.message[0] == '\0')
		err_set(&problem, "SHOW DATABASES: no rows: is it PgBouncer?");
	if (table == NULL || !pgbouncer_live_parse(table, &live, &problem)) {
		pgbouncer_fail(driver, "pgbouncer_unreadable", problem.message,
		               "segue keeps the file up to date");
		return false;
	}
	pgbouncer_live_free(&driver->live);
	driver->live = live;
	driver->live_ms = clock_now_ms();
	driver->facts.live_known = true;
	driver->facts.console_down = false;
	came_back(driver);
	drop_resumed(driver);
	log_foreign(driver);
	pgbouncer_compare(driver);
	return true;
}

/* --- server connections to an old address --- */

bool pgbouncer_is_primarys(const struct pgbouncer_driver *driver,
                           const struct pgbouncer_database *database)
{
	if (database->host[0] == '\0')
		return false;
	return driver->primary == NULL || (database->port == driver->primary_port &&
	                                   strcmp(database->host, driver->primary) == 0);
}

/* If the table cannot be read, no connection counts as left. */
static unsigned count_stale(const struct pgbouncer_driver *driver,
                            const struct pgbouncer_table *table)
{
	struct pgbouncer_stale stale = {.count = 0};
	struct err ignored;

	for (size_t i = 0; table != NULL && i < driver->ini.count; i++)
		if (pgbouncer_is_primarys(driver, &driver->ini.databases[i]))
			(void)!pgbouncer_stale_add(table, &driver->ini.databases[i], &stale,
			                           &ignored);
	string_list_free(&stale.links);
	return stale.count;
}

static void servers_shown(struct pgbouncer_driver *driver, const struct pgbouncer_table *table)
{
	driver->stale_left = count_stale(driver, table);
	driver->facts.cleanup_owed = driver->stale_left > 0 && ++driver->cleanups < CLEANUPS_MAX;
	if (driver->facts.cleanup_owed) {
		timer_start(driver->timer, CLEANUP_POLL_MS);
		if (driver->cleanups != CLEANUP_RECONNECT_AT)
			return;
		for (size_t i = 0; i < driver->ini.count; i++)
			if (pgbouncer_is_primarys(driver, &driver->ini.databases[i]))
				pgbouncer_script_name(driver, "RECONNECT",
				                      driver->ini.databases[i].name);
		pgbouncer_script_run(driver, NULL);
		return;
	}
	driver->cleanups = 0;
	if (driver->stale_left > 0)
		TARGET_LOG(LOG_WARNING, &driver->target, "servers_left",
		           KV_INT("left", driver->stale_left),
		           KV_STR("next", "they lead to the old address until their transactions "
		                          "or sessions end"));
}

void pgbouncer_step_cleanup(struct pgbouncer_driver *driver)
{
	pgbouncer_show(driver, "SHOW SERVERS", servers_shown);
}

/* Those that cleanup has left end some time later. */
static void recounted(struct pgbouncer_driver *driver, const struct pgbouncer_table *table)
{
	driver->stale_left = count_stale(driver, table);
}

/* --- a re-read --- */

/* pgbouncer.ini is read here, and not with every poll of a drain: clients wait for those. */
static void databases_shown(struct pgbouncer_driver *driver, const struct pgbouncer_table *table)
{
	const struct pgbouncer_facts *facts = &driver->facts;

	if (!pgbouncer_take_live(driver, table))
		return;
	pauser_open(driver->pauser);
	if (facts->held || facts->blocked || driver->record.count == 0)
		pgbouncer_read_main_file(driver);
	if (driver->stale_left > 0 && !facts->cleanup_owed && !facts->held)
		pgbouncer_show(driver, "SHOW SERVERS", recounted);
}

static void version_shown(struct pgbouncer_driver *driver, const struct pgbouncer_table *table)
{
	const char *text =
	    table != NULL && table->row_count > 0 ? pgbouncer_table_get(table, 0, "version") : NULL;

	/* If the version is not known, only what the oldest versions have is used. */
	if (text == NULL || !pgbouncer_version_parse(text, &driver->major, &driver->minor))
		driver->major = driver->minor = 0;
	driver->connections = console_connections(driver->console);
	driver->config_known = driver->config_asked = false;
	pgbouncer_table_free(&driver->config);
	pgbouncer_step_read(driver);
}

static int64_t setting(const struct pgbouncer_table *config, const char *key, double unit)
{
	const char *text = pgbouncer_config_get(config, key);
	double value = text != NULL ? strtod(text, NULL) : -1;

	return value >= 0 && value < 1e9 ? (int64_t)(value * unit) : -1;
}

/* True if the settings that PgBouncer has now are the configured ones, not what segue has SET. */
static bool is_untouched(const struct pgbouncer_driver *driver)
{
	return !driver->limited && driver->restore_ms == 0 && driver->record.count == 0 &&
	       !driver->facts.reload_owed;
}

/* Without the settings a move also works, but is worse for some clients. */
static void config_shown(struct pgbouncer_driver *driver, const struct pgbouncer_table *table)
{
	static const struct pgbouncer_table none;
	const struct pgbouncer_table *config = table != NULL ? table : &none;
	const char *address = pgbouncer_config_get(config, "listen_addr");

	if (is_untouched(driver)) {
		driver->config_known = true;
		driver->max_db_connections = (int)setting(config, "max_db_connections", 1);
		driver->min_pool_size = (int)setting(config, "min_pool_size", 1);
		driver->min_pool_now = driver->min_pool_size;
		driver->retry_ms = setting(config, "server_login_retry", 1000);
		if (driver->retry_ms < 0)
			driver->retry_ms = PGBOUNCER_RETRY_MS;
	}
	driver->config_asked = true;
	pgbouncer_table_free(&driver->config);
	if (table != NULL) {
		(void)util_replace(&driver->listen_addr, address != NULL ? xstrdup(address) : NULL);
		driver->listen_port = setting(table, "listen_port", 1);
		pgbouncer_table_copy(table, &driver->config);
	}
	pgbouncer_show(driver, "SHOW DATABASES", databases_shown);
}

void pgbouncer_step_read(struct pgbouncer_driver *driver)
{
	if (driver->connections == 0 || driver->connections != console_connections(driver->console))
		pgbouncer_show(driver, "SHOW VERSION", version_shown);
	else if (!driver->config_asked || (!driver->config_known && is_untouched(driver)))
		pgbouncer_show(driver, "SHOW CONFIG", config_shown);
	else
		pgbouncer_show(driver, "SHOW DATABASES", databases_shown);
}
