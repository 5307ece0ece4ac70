/* Up to PAUSE: selects the databases, saves the hold record (nothing else tells segue's pauses from
 * a person's), and waits until no login to a server is in progress. PAUSE would cut such a login,
 * and PgBouncer would take the server for one that is down. min_pool_size makes PgBouncer log in to
 * paused databases, too, and each of these logins is cut: it is 0 as long as segue pauses. */
#include "base/clock.h"
#include "base/timer.h"
#include "driver_internal.h"
#include "pgbouncer/model/diff.h"

#define LOGINS_POLL_MS   2
#define HOLD_REREAD_MS   1000
/* If PAUSE cuts a login, each idle client of its pool gets an error after RESUME. On a busy machine
 * a login takes a few hundred ms. The wait ends at once if the server is dead, and soon if it does
 * not answer: meanwhile queries are sent over its connections and are lost. */
#define LOGINS_MAX_MS    1000
#define LOGINS_SILENT_MS 200
#define ANSWER_MORE_MS   10000 /* after pause_timeout: PAUSE answers late, and SHOW decides */

/* A database that has a server connection gets no second one. A database without any may still
 * start one. */
#define LIMIT "SET max_db_connections='1'"
#define CALM  "SET min_pool_size='0'"

/* In a hold: databases that lead to the primary now. In a move: those that will lead to it. A
 * read-only database is moved without PAUSE: nothing can be written to the wrong server. A disabled
 * database takes no new clients but keeps its sessions, so a fence pauses it, too. */
static bool wants_pause(const struct pgbouncer_driver *driver,
                        const struct pgbouncer_database *database, bool held)
{
	const struct pgbouncer_live_database *live =
	    pgbouncer_live_find(&driver->live, database->name);

	return live != NULL && !live->paused && (!live->disabled || driver->fenced) &&
	       !pgbouncer_hold_record_has(&driver->record, database->name) &&
	       pgbouncer_is_primarys(driver, database) &&
	       (held || pgbouncer_is_moved(database, live));
}

bool pgbouncer_wants_pause(const struct pgbouncer_driver *driver)
{
	for (size_t i = 0; i < driver->ini.count; i++)
		if (wants_pause(driver, &driver->ini.databases[i], driver->facts.held))
			return true;
	return false;
}

/* --- the hold record --- */

/* If the disk is full or read-only, databases are paused without a record, and the next start of
 * segue cannot resume them. Without PAUSE every client would get an error at every failover; a kill
 * of segue during a hold is rare, and the log says beforehand what it would mean. */
static void warn_no_record(const struct pgbouncer_driver *driver, const struct err *err)
{
	TARGET_LOG(LOG_ERROR, &driver->target, "pause_not_noted", KV_ERR(err),
	           KV_STR("next", "the databases are paused without a hold record: if segue is "
	                          "killed before it resumes them, RESUME them by hand on "
	                          "PgBouncer's console; repair state_dir"));
}

static const char *why_paused(const struct pgbouncer_driver *driver)
{
	if (driver->fenced)
		return "no client may reach the last primary";
	return driver->facts.held ? "there is no primary" : "the primary has changed";
}

/* What is SET while databases are paused, as configured: whoever resumes them restores it. */
static void keep_settings(struct pgbouncer_driver *driver)
{
	driver->record.max_db_connections = driver->max_db_connections;
	driver->record.min_pool_size = driver->min_pool_size;
}

/* If the folder cannot be written to, that is logged when the record is needed. */
void pgbouncer_stage_record(struct pgbouncer_driver *driver)
{
	auto_free char **names = NULL;
	struct err ignored;
	size_t count = 0;

	if (!driver->facts.live_known || driver->record.count > 0)
		return;
	names = xcalloc(driver->ini.count + 1, sizeof(*names));
	for (size_t i = 0; i < driver->ini.count; i++)
		if (wants_pause(driver, &driver->ini.databases[i], true))
			names[count++] = driver->ini.databases[i].name;
	keep_settings(driver);
	if (count > 0)
		(void)!pgbouncer_hold_record_stage(&driver->record, names, count, &ignored);
}

static void record_pauses(struct pgbouncer_driver *driver)
{
	struct pgbouncer_drain *drain = &driver->drain;
	struct err err;

	for (size_t i = 0; i < driver->ini.count; i++)
		if (wants_pause(driver, &driver->ini.databases[i], driver->facts.held))
			pgbouncer_hold_record_add(&driver->record, driver->ini.databases[i].name);
	keep_settings(driver);
	driver->record.fence = driver->record.fence || driver->fenced;
	if (!(drain->dead && pgbouncer_hold_record_save_staged(&driver->record)) &&
	    !pgbouncer_hold_record_save(&driver->record, why_paused(driver), &err))
		warn_no_record(driver, &err);
	driver->record_unsynced = true;
	if (driver->facts.drained) /* the others have drained: a new drain with its own time */
		*drain =
		    (struct pgbouncer_drain){.paused_us = drain->paused_us, .dead = drain->dead};
	driver->facts.drained = false;
	driver->facts.shorten_retry_owed = true;
	driver->facts.fence_due = driver->fenced;
	drain->unsent = !driver->fenced;
	if (drain->since_ms != 0)
		return;
	drain->since_ms = clock_now_ms();
	drain->release_ms =
	    drain->since_ms + driver->target.config->pause_timeout_ms + PGBOUNCER_MOVE_MS;
}

/* The hold record was written before PAUSE and outlives segue. This fsync is for a power failure.
 * Clients must not wait for the disk: a move is over before the fsync would be, and a hold has the
 * time for it. */
void pgbouncer_step_hold(struct pgbouncer_driver *driver)
{
	struct err err;

	if (driver->record_unsynced &&
	    !pgbouncer_hold_record_sync(&driver->record, why_paused(driver), &err))
		TARGET_LOG(LOG_WARNING, &driver->target, "note_not_synced", KV_ERR(&err),
		           KV_STR("next", "after a power failure that PgBouncer survives, segue "
		                          "would not resume these databases"));
	driver->record_unsynced = false;
	timer_start(driver->timer, HOLD_REREAD_MS);
}

/* --- logins --- */

/* The first of the recorded databases with a login in progress; NULL: none. */
static const char *find_login(const struct pgbouncer_driver *driver,
                              const struct pgbouncer_table *pools)
{
	for (size_t row = 0; pools != NULL && row < pools->row_count; row++) {
		const char *name = pgbouncer_table_get(pools, row, "database");

		if (name != NULL && pgbouncer_table_get(pools, row, "sv_login") != NULL &&
		    !pgbouncer_table_is(pools, row, "sv_login", "0") &&
		    pgbouncer_hold_record_has(&driver->record, name))
			return name;
	}
	return NULL;
}

static void send_pauses(struct pgbouncer_driver *driver)
{
	struct pgbouncer_drain *drain = &driver->drain;
	int64_t timeout_ms = driver->target.config->pause_timeout_ms + ANSWER_MORE_MS;

	drain->unsent = drain->looked = false;
	drain->poll_ms = PGBOUNCER_POLL_FIRST_MS;
	if (drain->paused_us == 0)
		drain->paused_us = clock_now_us();
	driver->target.clock.paused_us = drain->paused_us;
	if (driver->target.clock.end_us[MOVE_PUSHED] == 0 && !driver->facts.held)
		target_end_step(&driver->target, MOVE_PUSHED);
	for (size_t i = 0; i < driver->record.count; i++) {
		const char *name = driver->record.names[i];
		const struct pgbouncer_live_database *live =
		    pgbouncer_live_find(&driver->live, name);

		if (live != NULL && !live->paused && !pauser_is_pending(driver->pauser, name))
			pauser_add(driver->pauser, name, timeout_ms);
	}
}

/* If the server refuses connections or does not answer, a login can only fail. How long the drain
 * may take is left to PROBE, which gives the server more time to answer. */
static void early_answer(enum pg_ping_answer answer, void *arg)
{
	struct pgbouncer_driver *driver = arg;

	driver->pg_ping = NULL;
	if (answer == PG_PING_ALIVE)
		return;
	driver->drain.silent = answer == PG_PING_SILENT;
	driver->drain.dead = driver->drain.dead || answer == PG_PING_REFUSED;
	if (driver->drain.dead) {
		driver->drain.old = answer;
		driver->drain.probed_ms = clock_now_ms();
	}
	if (driver->step == PGBOUNCER_PAUSE)
		timer_stop(driver->timer);
	driver->wake(driver);
}

static void pools_shown(struct pgbouncer_driver *driver, const struct pgbouncer_table *table)
{
	struct pgbouncer_drain *drain = &driver->drain;
	const char *login = find_login(driver, table);
	int64_t now_ms = clock_now_ms();

	if (login == NULL || drain->dead || drain->silent ||
	    now_ms - drain->since_ms >= LOGINS_MAX_MS) {
		send_pauses(driver);
		return;
	}
	timer_start(driver->timer, LOGINS_POLL_MS);
	if (driver->pg_ping != NULL || now_ms - drain->asked_ms < LOGINS_SILENT_MS)
		return;
	drain->asked_ms = now_ms;
	pgbouncer_ping(driver, login, LOGINS_SILENT_MS, early_answer);
}

static void add_calm(struct pgbouncer_driver *driver)
{
	if (driver->min_pool_now > 0)
		string_list_printf(&driver->script, CALM);
	driver->min_pool_now = 0;
}

/* A user who may not SET may not PAUSE either, which is logged then. */
static void limited(struct pgbouncer_driver *driver, const struct err *err)
{
	(void)err;
	pgbouncer_show(driver, "SHOW POOLS", pools_shown);
}

void pgbouncer_step_pause(struct pgbouncer_driver *driver)
{
	if (pgbouncer_wants_pause(driver))
		record_pauses(driver);
	if (!driver->drain.unsent)
		return;
	if (driver->drain.dead || driver->drain.silent) { /* a login can only fail */
		send_pauses(driver);
	} else if (driver->limited || driver->max_db_connections < 0) {
		pgbouncer_show(driver, "SHOW POOLS", pools_shown);
	} else {
		driver->limited = true;
		string_list_printf(&driver->script, LIMIT);
		add_calm(driver);
		pgbouncer_script_run(driver, limited);
	}
}

/* True as soon as all databases of the record are seen to be paused, or are gone. The limit applies
 * to all databases of PgBouncer, and the others need their logins. Also if min_pool_size is not 0
 * then: nothing was SET before PAUSE because the server was dead, or RELOAD has restored it. */
bool pgbouncer_settings_are_due(const struct pgbouncer_driver *driver)
{
	for (size_t i = 0; i < driver->record.count; i++) {
		const struct pgbouncer_live_database *live =
		    pgbouncer_live_find(&driver->live, driver->record.names[i]);

		if (live != NULL && !live->paused)
			return false;
	}
	return (driver->limited || (driver->min_pool_now > 0 && driver->record.count > 0)) &&
	       driver->facts.live_known && !driver->drain.unsent;
}

static void unlimited(struct pgbouncer_driver *driver, const struct err *err)
{
	driver->limited = false;
	if (err != NULL)
		TARGET_LOG(LOG_WARNING, &driver->target, "set_refused", KV_ERR(err),
		           KV_STR("next",
		                  "max_db_connections stays at 1, or min_pool_size as it is, until "
		                  "the next RELOAD"));
}

void pgbouncer_step_unlimit(struct pgbouncer_driver *driver)
{
	if (driver->limited)
		string_list_printf(&driver->script, "SET max_db_connections='%d'",
		                   driver->max_db_connections);
	add_calm(driver);
	pgbouncer_script_run(driver, unlimited);
}

/* --- the answers to PAUSE --- */

static void refused(struct pgbouncer_driver *driver, const char *name, const struct err *err)
{
	enum pgbouncer_problem problem = pgbouncer_problem_of(err->message);
	struct err ignored; /* a surplus name in the file does no harm */

	pgbouncer_hold_record_drop(&driver->record, name);
	if (driver->record.count == 0) {
		driver->drain = (struct pgbouncer_drain){0};
		(void)!pgbouncer_hold_record_save(&driver->record, "", &ignored);
	}
	driver->facts.live_known = false;
	if (problem == PGBOUNCER_NO_DATABASE)
		return;
	if ((problem == PGBOUNCER_NO_ADMIN || problem == PGBOUNCER_NOT_ALLOWED) &&
	    driver->facts.install_due && !driver->facts.held) /* all that can be done */
		pgbouncer_step_install(driver);
	pgbouncer_fail(driver, "pause_refused", err->message,
	               "clients stay connected to the current servers");
}

void pgbouncer_paused_cb(const char *name, const struct err *err, bool lost, void *arg)
{
	struct pgbouncer_driver *driver = arg;

	if (lost)
		driver->facts.live_known = false; /* only SHOW tells whether it is paused */
	else if (err != NULL)
		refused(driver, name, err);
	driver->drain.poll_ms = PGBOUNCER_POLL_FIRST_MS;
	if (driver->step == PGBOUNCER_DRAIN && pauser_is_done(driver->pauser))
		timer_stop(driver->timer);
	driver->wake(driver);
}
