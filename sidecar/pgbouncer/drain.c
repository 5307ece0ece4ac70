/* From PAUSE until the last server connection is gone, and what is done when that takes long. Only
 * SHOW proves that a database has drained. The answer to PAUSE does not, because PgBouncer answers
 * all waiting admin clients together. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/timer.h"
#include "driver_internal.h"

/* --- connections that stay ---
 * Ends the connections to the old primary that do not end by themselves: the server is frozen, or
 * the client is idle in a transaction or has a session. They would occupy the pool, and deliver the
 * old primary's answers if it runs again. The way that fails the fewest clients comes first. KILL,
 * which also ends idle clients, comes last. */

#define KILL_CLIENT_SINCE 24 /* PgBouncer 1.24 */
/* PgBouncer checks its timeouts three times a second. With this added, query_timeout ends only
 * queries from before the pause. */
#define TIMEOUT_GRAIN_MS  350

static void log_cut(const struct pgbouncer_driver *driver, unsigned links, const char *how)
{
	static const char *const old[] = {[PG_PING_ALIVE] = "alive",
	                                  [PG_PING_REFUSED] = "refuses connections",
	                                  [PG_PING_SILENT] = "does not answer"};

	TARGET_LOG_ZXID(LOG_WARNING, &driver->target, "links_cut", KV_INT("links", links),
	                KV_STR("how", how), KV_STR("old_primary", old[driver->drain.old]),
	                KV_MS("waited_ms", (clock_now_ms() - driver->drain.since_ms) * 1000),
	                KV_STR("next", "these clients get an error; their next query goes to the "
	                               "new primary"));
}

static void connections_killed(struct pgbouncer_driver *driver, const struct err *err)
{
	if (err != NULL)
		TARGET_LOG(LOG_WARNING, &driver->target, "sever_refused", KV_ERR(err),
		           KV_STR("next", "KILL of the database, if need be"));
	driver->drain.kills++;
	driver->drain.killed_ms = clock_now_ms();
	driver->drain.poll_ms = PGBOUNCER_POLL_FIRST_MS;
	driver->facts.shorten_retry_owed = true;
	driver->facts.reload_owed = true; /* what was SET must not affect later clients */
}

/* --- sessions: ended only after their transactions, so this may be done in a hold, too --- */

/* Sessions that remain are killed, or waited for. */
static void closing(struct pgbouncer_driver *driver, const struct err *err)
{
	(void)err;
	driver->drain.closing = true;
	driver->facts.reload_owed = true;
	driver->drain.poll_ms = PGBOUNCER_POLL_FIRST_MS;
	TARGET_LOG_ZXID(LOG_INFO, &driver->target, "sessions_nudged",
	                KV_STR("what", "server_fast_close: idle sessions end now, the others after "
	                               "their transactions"));
}

void pgbouncer_step_close_after_transaction(struct pgbouncer_driver *driver)
{
	string_list_printf(&driver->script, "SET server_fast_close='1'");
	pgbouncer_script_recorded(driver, "RECONNECT");
	pgbouncer_script_run(driver, closing);
}

/* --- PgBouncer 1.24 and later: KILL_CLIENT for exactly these clients --- */

static void clients_shown(struct pgbouncer_driver *driver, const struct pgbouncer_table *table)
{
	struct string_list *links = &driver->stale.links;

	for (size_t row = 0; table != NULL && row < table->row_count; row++) {
		const char *id = pgbouncer_table_get(table, row, "id");

		for (size_t i = 0; id != NULL && i < links->count; i++)
			if (pgbouncer_table_is(table, row, "ptr", links->items[i]))
				string_list_printf(&driver->script, "KILL_CLIENT %s", id);
	}
	log_cut(driver, (unsigned)driver->script.count, "KILL_CLIENT");
	pgbouncer_script_run(driver, connections_killed);
}

/* --- older PgBouncers: timeouts that only clients from before the pause exceed --- */

static void script_timeouts(struct pgbouncer_driver *driver)
{
	int64_t ms = clock_now_ms() - driver->drain.since_ms + TIMEOUT_GRAIN_MS;

	string_list_printf(&driver->script, "SET query_timeout='%" PRId64 ".%03" PRId64 "'",
	                   ms / 1000, ms % 1000);
	string_list_printf(&driver->script, "SET idle_transaction_timeout='0.1'");
	string_list_printf(&driver->script, "SET server_fast_close='1'");
	pgbouncer_script_recorded(driver, "RECONNECT");
}

/* A RELOAD does the same, unless pgbouncer.ini allows none. These apply to all databases. */
void pgbouncer_script_undo_timeouts(struct pgbouncer_driver *driver)
{
	static const char *const keys[] = {"query_timeout", "idle_transaction_timeout",
	                                   "server_fast_close"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *value = pgbouncer_config_get(&driver->config, keys[i]);

		if (value != NULL)
			string_list_printf(&driver->script, "SET %s='%s'", keys[i], value);
	}
}

/* Server connections of paused databases that do not lead where the text says lead to the old
 * primary. What is not found here is not ended; KILL follows. */
static void servers_shown(struct pgbouncer_driver *driver, const struct pgbouncer_table *table)
{
	struct pgbouncer_stale *stale = &driver->stale;
	struct err ignored;

	string_list_free(&stale->links);
	stale->count = 0;
	for (size_t i = 0; table != NULL && i < driver->record.count; i++) {
		const struct pgbouncer_database *database =
		    pgbouncer_ini_find(&driver->ini, driver->record.names[i]);

		if (database != NULL)
			(void)!pgbouncer_stale_add(table, database, stale, &ignored);
	}
	if (driver->drain.kills > 0) {
		log_cut(driver, stale->count, "KILL");
		pgbouncer_script_recorded(driver, "KILL");
	} else if (driver->major > 1 || driver->minor >= KILL_CLIENT_SINCE) {
		pgbouncer_show(driver, "SHOW CLIENTS", clients_shown);
		return;
	} else {
		log_cut(driver, stale->count, "query_timeout, idle_transaction_timeout");
		script_timeouts(driver);
	}
	pgbouncer_script_run(driver, connections_killed);
}

void pgbouncer_step_kill_connections(struct pgbouncer_driver *driver)
{
	pgbouncer_show(driver, "SHOW SERVERS", servers_shown);
}

/* --- a fence --- */

static void fenced(struct pgbouncer_driver *driver, const struct err *err)
{
	driver->facts.live_known = false;
	if (err != NULL) {
		pgbouncer_fail(driver, "fence_failed", err->message,
		               "sessions to the last primary may continue");
		return;
	}
	driver->facts.fence_due = false;
	TARGET_LOG_ZXID(LOG_WARNING, &driver->target, "fenced",
	                KV_INT("databases", driver->record.count),
	                KV_STR("next", "new clients wait until a primary is admitted"));
}

/* Includes databases that a person has paused: KILL ends their sessions and leaves them paused. */
void pgbouncer_step_fence(struct pgbouncer_driver *driver)
{
	for (size_t i = 0; i < driver->ini.count; i++) {
		const struct pgbouncer_database *database = &driver->ini.databases[i];

		if (pgbouncer_is_primarys(driver, database) &&
		    pgbouncer_live_find(&driver->live, database->name) != NULL)
			pgbouncer_script_name(driver, "KILL", database->name);
	}
	pgbouncer_script_run(driver, fenced);
}

#define POLL_MAX_MS     50
#define PROBE_AFTER_MS  300  /* time for transactions to end before their server is probed */
#define PROBE_AGAIN_MS  500  /* an old primary that was alive may have died since */
#define REFUSED_KILL_MS 800  /* connections to a dead server end by themselves, but not all */
#define KILL_AGAIN_MS   1500 /* time for the gentle way, before KILL */

/* --- the proof that all have drained --- */

static bool is_drained(const struct pgbouncer_driver *driver, const struct pgbouncer_table *pools,
                       const char *name)
{
	const struct pgbouncer_live_database *live = pgbouncer_live_find(&driver->live, name);
	struct pgbouncer_pool_sum sum;
	struct err ignored; /* then it is not proven */

	return live != NULL && live->paused && pgbouncer_pools_sum(pools, name, &sum, &ignored) &&
	       sum.servers == 0;
}

static void pools_shown(struct pgbouncer_driver *driver, const struct pgbouncer_table *table)
{
	const struct pgbouncer_hold_record *record = &driver->record;
	size_t drained = 0;

	while (table != NULL && drained < record->count &&
	       is_drained(driver, table, record->names[drained]))
		drained++;
	driver->drain.probe_at = drained;
	if (drained == 0 || drained < record->count) {
		timer_start(driver->timer, driver->drain.poll_ms);
		driver->drain.poll_ms = driver->drain.poll_ms * 2 < POLL_MAX_MS
		                            ? driver->drain.poll_ms * 2
		                            : POLL_MAX_MS;
		return;
	}
	driver->facts.drained = true;
	target_end_step(&driver->target, MOVE_DRAINED);
	if (driver->facts.held) /* the time is not known if an earlier segue process sent PAUSE */
		TARGET_LOG_ZXID(
		    LOG_INFO, &driver->target, "held", KV_INT("databases", record->count),
		    driver->drain.paused_us != 0
		        ? KV_MS("drained_ms",
		                driver->target.clock.end_us[MOVE_DRAINED] - driver->drain.paused_us)
		        : KV_STR("drained_ms", NULL));
}

static void databases_shown(struct pgbouncer_driver *driver, const struct pgbouncer_table *table)
{
	if (pgbouncer_take_live(driver, table))
		pgbouncer_show(driver, "SHOW POOLS", pools_shown);
}

/* The answers to PAUSE are a hint that it is time to ask SHOW. Without them it is asked every
 * POLL_MAX_MS. */
void pgbouncer_step_drain(struct pgbouncer_driver *driver)
{
	if (!driver->drain.looked && !pauser_is_done(driver->pauser))
		timer_start(driver->timer, POLL_MAX_MS);
	else
		pgbouncer_show(driver, "SHOW DATABASES", databases_shown);
	driver->drain.looked = true;
}

/* --- when draining takes long --- */

void pgbouncer_derive_drain(struct pgbouncer_driver *driver, int64_t now_ms)
{
	const struct pgbouncer_drain *drain = &driver->drain;
	const int64_t kill_after_ms[] = {
	    [PG_PING_ALIVE] = driver->target.config->pause_timeout_ms,
	    [PG_PING_REFUSED] = REFUSED_KILL_MS,
	    [PG_PING_SILENT] = 0,
	};
	int64_t waited_ms = now_ms - drain->since_ms;
	bool probed = drain->probed_ms != 0;

	driver->facts.probe_due = driver->pg_ping == NULL && waited_ms >= PROBE_AFTER_MS &&
	                          (!probed || now_ms - drain->probed_ms >= PROBE_AGAIN_MS);
	/* On a primary that is alive, a session would stay as long as its client does. */
	driver->facts.close_due = probed && drain->old == PG_PING_ALIVE && !drain->closing;
	if (drain->kills == 0)
		driver->facts.kill_due = probed && waited_ms >= kill_after_ms[drain->old];
	else
		driver->facts.kill_due =
		    drain->kills == 1 && now_ms - drain->killed_ms >= KILL_AGAIN_MS;
}

static void pg_ping_answer(enum pg_ping_answer answer, void *arg)
{
	struct pgbouncer_driver *driver = arg;

	driver->pg_ping = NULL;
	driver->busy = false;
	driver->drain.old = answer;
	driver->drain.probed_ms = clock_now_ms();
	driver->wake(driver);
}

void pgbouncer_ping(struct pgbouncer_driver *driver, const char *database, int64_t timeout_ms,
                    pg_ping_cb *cb)
{
	const struct pgbouncer_live_database *live = pgbouncer_live_find(&driver->live, database);
	auto_free char *host = xstrdup(live != NULL ? live->host : "");

	host[strcspn(host, ",")] = '\0';
	driver->pg_ping = pg_ping_ask(driver->target.base, host, live != NULL ? live->port : 0,
	                              timeout_ms, cb, driver);
}

/* Databases may lead to several servers. Asks where the first one leads that has not drained. */
void pgbouncer_step_probe(struct pgbouncer_driver *driver)
{
	size_t i = driver->drain.probe_at < driver->record.count ? driver->drain.probe_at : 0;

	pgbouncer_ping(driver, driver->record.names[i],
	               pgbouncer_step_info(PGBOUNCER_PROBE)->deadline_ms, pg_ping_answer);
	driver->busy = true;
}
