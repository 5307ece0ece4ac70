/* Reads PgBouncer's live state and stores it as facts: where its databases lead, which of them are
 * paused and by whom, and whether server connections to an old address are left. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/timer.h"
#include "driver_internal.h"
#include "pgbouncer/model/diff.h"

#define SWEEP_POLL_MS      20
#define SWEEP_RECONNECT_AT 5  /* polls; then RECONNECT is sent for the remaining ones */
#define SWEEPS_MAX         50 /* polls; then SWEEP gives up */

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
		           KV_STR("next", "after its next start segue would resume what a person "
		                          "has paused by then: remove the file"));
}

/* Logged once, and again when it changes. */
static void tell_foreign(struct pgbouncer_driver *driver)
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
	if (strcmp(driver->foreign, now.data) == 0)
		return;
	if (now.len > 0)
		TARGET_LOG(LOG_WARNING, &driver->target, "paused_by_others",
		           KV_STR("what", now.data),
		           KV_STR("next", "not by segue: its address is kept true, and it stays "
		                          "as it is until somebody says RESUME or ENABLE"));
	free(driver->foreign);
	driver->foreign = strbuf_detach(&now);
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
			           KV_STR("next", "PgBouncer is put right"));
			driver->facts.reloaded = false;
		}
		driver->confirmed = 0;
	} else if (driver->confirmed != driver->generation) {
		driver->confirmed = driver->generation;
		target_end_step(&driver->target, MOVE_CONFIRMED);
	}
	pgbouncer_diff_free(&diff);
}

static void came_back(struct pgbouncer_driver *driver)
{
	if (driver->down_told)
		TARGET_LOG(LOG_INFO, &driver->target, "pgbouncer_back",
		           KV_MS("away_ms", (clock_now_ms() - driver->down_ms) * 1000));
	if (driver->down_ms != 0) {
		driver->failures = 0;
		strbuf_reset(&driver->problem);
	}
	driver->down_told = false;
	driver->down_ms = 0;
}

bool pgbouncer_take_live(struct pgbouncer_driver *driver, const struct pgbouncer_table *table,
                         const struct err *err)
{
	struct pgbouncer_live live;
	struct err problem;

	if (table == NULL || !pgbouncer_live_parse(table, &live, &problem)) {
		pgbouncer_fail(driver, "pgbouncer_unreadable",
		               err != NULL     ? err->message
		               : table == NULL ? "SHOW DATABASES: no rows: is it PgBouncer?"
		                               : problem.message,
		               "the file is kept true");
		return false;
	}
	pgbouncer_live_free(&driver->live);
	driver->live = live;
	driver->live_ms = clock_now_ms();
	driver->facts.live_known = true;
	driver->facts.console_down = false;
	came_back(driver);
	drop_resumed(driver);
	tell_foreign(driver);
	pgbouncer_compare(driver);
	pgbouncer_look_at_ini(driver);
	return true;
}

static void databases_answer(struct pgbouncer_driver *driver, const struct pgbouncer_table *table,
                             const struct err *err)
{
	if (pgbouncer_take_live(driver, table, err))
		pauser_open(driver->pauser);
}

static void version_answer(struct pgbouncer_driver *driver, const struct pgbouncer_table *table,
                           const struct err *err)
{
	const char *text =
	    table != NULL && table->row_count > 0 ? pgbouncer_table_get(table, 0, "version") : NULL;

	(void)err;
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

static void take_listener(struct pgbouncer_driver *driver, const struct pgbouncer_table *config)
{
	const char *address = pgbouncer_config_get(config, "listen_addr");

	free(driver->listen_addr);
	driver->listen_addr = address != NULL ? xstrdup(address) : NULL;
	driver->listen_port = setting(config, "listen_port", 1);
}

/* True if the settings that PgBouncer has now are the configured ones, not what segue has SET. */
static bool is_untouched(const struct pgbouncer_driver *driver)
{
	return !driver->limited && driver->restore_ms == 0 && driver->record.count == 0 &&
	       !driver->facts.reload_owed;
}

static void take_settings(struct pgbouncer_driver *driver, const struct pgbouncer_table *table)
{
	driver->config_known = true;
	driver->max_db_connections =
	    table != NULL ? (int)setting(table, "max_db_connections", 1) : -1;
	driver->min_pool_size = table != NULL ? (int)setting(table, "min_pool_size", 1) : -1;
	driver->retry_ms = table != NULL ? setting(table, "server_login_retry", 1000) : -1;
	if (driver->retry_ms < 0)
		driver->retry_ms = PGBOUNCER_RETRY_MS;
}

static void config_answer(struct pgbouncer_driver *driver, const struct pgbouncer_table *table,
                          const struct err *err)
{
	(void)err; /* the move also works without the settings, but is worse for some clients */
	if (is_untouched(driver))
		take_settings(driver, table);
	driver->config_asked = true;
	pgbouncer_table_free(&driver->config);
	if (table != NULL) {
		take_listener(driver, table);
		pgbouncer_table_copy(table, &driver->config);
	}
	pgbouncer_ask(driver, "SHOW DATABASES", databases_answer);
}

void pgbouncer_step_read(struct pgbouncer_driver *driver)
{
	if (driver->connections == 0 || driver->connections != console_connections(driver->console))
		pgbouncer_ask(driver, "SHOW VERSION", version_answer);
	else if (!driver->config_asked || (!driver->config_known && is_untouched(driver)))
		pgbouncer_ask(driver, "SHOW CONFIG", config_answer);
	else
		pgbouncer_ask(driver, "SHOW DATABASES", databases_answer);
}

/* --- server connections to an old address --- */

static unsigned count_stale(const struct pgbouncer_driver *driver,
                            const struct pgbouncer_table *table)
{
	unsigned count = 0;

	for (size_t i = 0; i < driver->ini.count; i++) {
		const struct pgbouncer_database *database = &driver->ini.databases[i];
		struct pgbouncer_stale stale;
		struct err ignored; /* if the table cannot be read, no connection counts as left */

		if (!pgbouncer_is_primarys(driver, database) ||
		    !pgbouncer_stale_parse(table, database, &stale, &ignored))
			continue;
		count += stale.count;
		pgbouncer_stale_free(&stale);
	}
	return count;
}

static void reconnect_stale(struct pgbouncer_driver *driver)
{
	for (size_t i = 0; i < driver->ini.count; i++) {
		auto_strbuf struct strbuf name = STRBUF_INIT;
		struct err ignored; /* set_desired() has checked the names */

		if (pgbouncer_is_primarys(driver, &driver->ini.databases[i]) &&
		    pgbouncer_quote_name(driver->ini.databases[i].name, &name, &ignored))
			pgbouncer_script_add(driver, "RECONNECT %s", name.data);
	}
	pgbouncer_script_run(driver, NULL);
}

static void servers_answer(struct pgbouncer_driver *driver, const struct pgbouncer_table *table,
                           const struct err *err)
{
	unsigned stale = table != NULL ? count_stale(driver, table) : 0;

	(void)err;
	driver->stale_left = stale;
	if (stale == 0 || ++driver->cleanups >= SWEEPS_MAX) {
		driver->facts.cleanup_owed = false;
		driver->cleanups = 0;
		if (stale > 0)
			TARGET_LOG(LOG_WARNING, &driver->target, "servers_left",
			           KV_INT("left", stale),
			           KV_STR("next", "they lead to the old address until their "
			                          "transactions or sessions end"));
		return;
	}
	timer_start(driver->timer, SWEEP_POLL_MS);
	if (driver->cleanups == SWEEP_RECONNECT_AT)
		reconnect_stale(driver);
}

void pgbouncer_step_sweep(struct pgbouncer_driver *driver)
{
	pgbouncer_ask(driver, "SHOW SERVERS", servers_answer);
}
