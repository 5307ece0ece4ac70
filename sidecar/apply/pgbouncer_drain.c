/* From PAUSE to the last server connection. Which databases are to be paused; the note on disk
 * before the first PAUSE; and the proof that they have drained, which is SHOW's and not the answer
 * to PAUSE, as PgBouncer answers all waiting admins together. */
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "apply/pgbouncer_driver.h"
#include "base/clock.h"
#include "base/log.h"

#define POLL_FIRST_MS    2
#define POLL_MAX_MS      50
#define PROBE_AFTER_MS   300  /* what transactions are given before anybody doubts their server */
#define PROBE_AGAIN_MS   500  /* an old primary that lived may have died since */
#define REFUSED_SEVER_MS 800  /* connections to a dead server end by themselves, but not all */
#define SEVER_AGAIN_MS   1500 /* what the gentle way is given */
#define LOGINS_POLL_MS   2
#define LOGINS_MAX_MS    200
#define CALM_ENOUGH      3     /* looks without a login, while clients wait for a full pool */
#define MOVE_MS          5000  /* from the end of pause_timeout to all being done */
#define ANSWER_MORE_MS   10000 /* a PAUSE's answer comes when it has drained, which SHOW tells */

bool pgbouncer_is_primarys(const struct pgbouncer_driver *driver,
                           const struct pgbouncer_database *database)
{
	if (database->host[0] == '\0')
		return false;
	return driver->primary == NULL || (database->port == driver->primary_port &&
	                                   strcmp(database->host, driver->primary) == 0);
}

static bool leads_elsewhere(const struct pgbouncer_database *database,
                            const struct pgbouncer_live_database *live)
{
	return database->port != live->port || strcmp(database->host, live->host) != 0 ||
	       strcmp(database->dbname, live->dbname) != 0;
}

/* Held: those that lead to the primary now. Moved: those that will. A database for reading only is
 * moved without a pause: nothing can be written at the wrong place. */
static bool wants_pause(const struct pgbouncer_driver *driver,
                        const struct pgbouncer_database *database)
{
	const struct pgbouncer_live_database *live =
	    pgbouncer_live_find(&driver->live, database->name);

	return live != NULL && !live->paused && !live->disabled &&
	       !pgbouncer_intent_has(&driver->intent, database->name) &&
	       pgbouncer_is_primarys(driver, database) &&
	       (driver->facts.held || leads_elsewhere(database, live));
}

bool pgbouncer_wants_pause(const struct pgbouncer_driver *driver)
{
	for (size_t i = 0; driver->generation != 0 && i < driver->ini.count; i++)
		if (wants_pause(driver, &driver->ini.databases[i]))
			return true;
	return false;
}

/* --- PAUSE --- */

enum quiet { BUSY, CROWDED, QUIET };

/* A server connection in its login that PAUSE closes makes PgBouncer believe that the server is
 * down: until the first login after RESUME, whoever comes along is turned away. Logins take
 * milliseconds: it is worth waiting for their end; and where clients wait, the next login may be
 * about to start. */
static enum quiet how_quiet(const struct pgbouncer_driver *driver,
                            const struct pgbouncer_table *pools)
{
	enum quiet quiet = QUIET;

	for (size_t row = 0; pools != NULL && row < pools->row_count; row++) {
		const char *name = pgbouncer_table_get(pools, row, "database");
		const char *logins = pgbouncer_table_get(pools, row, "sv_login");
		const char *waiting = pgbouncer_table_get(pools, row, "cl_waiting");

		if (name == NULL || !pgbouncer_intent_has(&driver->intent, name))
			continue;
		if (logins != NULL && strcmp(logins, "0") != 0)
			return BUSY;
		if (waiting != NULL && strcmp(waiting, "0") != 0)
			quiet = CROWDED;
	}
	return quiet;
}

static void send_pauses(struct pgbouncer_driver *driver)
{
	struct pgbouncer_drain *drain = &driver->drain;
	int64_t timeout_ms = driver->target.config->pause_timeout_ms + ANSWER_MORE_MS;

	drain->unsent = drain->looked = false;
	drain->poll_ms = POLL_FIRST_MS;
	if (drain->paused_us == 0)
		drain->paused_us = clock_now_us();
	driver->watch.paused_us = drain->paused_us;
	if (driver->watch.pushed_us == 0 && !driver->facts.held)
		driver->watch.pushed_us = clock_now_us();
	for (size_t i = 0; i < driver->intent.count; i++) {
		const char *name = driver->intent.names[i];
		const struct pgbouncer_live_database *live =
		    pgbouncer_live_find(&driver->live, name);

		if (live != NULL && !live->paused && !pauser_is_pending(driver->pauser, name))
			pauser_add(driver->pauser, name, timeout_ms);
	}
}

static void logins_answer(struct pgbouncer_driver *driver, const struct pgbouncer_table *table,
                          const struct err *err)
{
	struct pgbouncer_drain *drain = &driver->drain;
	enum quiet quiet = how_quiet(driver, table);

	(void)err;
	drain->calm = quiet == BUSY ? 0 : drain->calm + 1;
	if (quiet == QUIET || drain->calm >= CALM_ENOUGH ||
	    clock_now_ms() - drain->since_ms >= LOGINS_MAX_MS)
		send_pauses(driver);
	else
		pgbouncer_timer(driver, LOGINS_POLL_MS);
}

static void note_pauses(struct pgbouncer_driver *driver)
{
	struct pgbouncer_drain *drain = &driver->drain;
	size_t before = driver->intent.count;
	struct err err;

	for (size_t i = 0; i < driver->ini.count; i++)
		if (wants_pause(driver, &driver->ini.databases[i]))
			pgbouncer_intent_add(&driver->intent, driver->ini.databases[i].name);
	if (!pgbouncer_intent_save(&driver->intent,
	                           driver->facts.held ? "the store names no primary"
	                                              : "the primary has changed",
	                           &err)) {
		while (driver->intent.count > before)
			pgbouncer_intent_drop(&driver->intent,
			                      driver->intent.names[driver->intent.count - 1]);
		pgbouncer_fail(driver, "move_failed", err.message,
		               "nothing was paused: without that note a pause could outlive segue");
		return;
	}
	driver->facts.drained = false;
	driver->facts.quicken_owed = true;
	drain->unsent = true;
	if (drain->since_ms != 0)
		return;
	drain->since_ms = clock_now_ms();
	drain->release_ms = drain->since_ms + driver->target.config->pause_timeout_ms + MOVE_MS;
}

void pgbouncer_step_pause(struct pgbouncer_driver *driver)
{
	if (pgbouncer_wants_pause(driver))
		note_pauses(driver);
	if (driver->drain.unsent)
		pgbouncer_ask(driver, "SHOW POOLS", logins_answer);
}

static void refused(struct pgbouncer_driver *driver, const char *name, const struct err *err)
{
	struct err ignored; /* a name too many in the file does no harm */

	pgbouncer_intent_drop(&driver->intent, name);
	if (driver->intent.count == 0) {
		driver->drain = (struct pgbouncer_drain){0};
		(void)!pgbouncer_intent_save(&driver->intent, "", &ignored);
	}
	driver->facts.live_known = false;
	switch (pgbouncer_problem_of(err->message)) {
	case PGBOUNCER_NO_DATABASE:
		return;
	case PGBOUNCER_NO_ADMIN:
	case PGBOUNCER_NOT_ALLOWED:
		if (driver->facts.install_due && !driver->facts.held) /* all that is left */
			pgbouncer_step_install(driver);
		break;
	case PGBOUNCER_ALREADY_PAUSED:
	case PGBOUNCER_NOT_PAUSED:
	case PGBOUNCER_RELOAD_FAILED:
	case PGBOUNCER_OTHER:
		break;
	}
	pgbouncer_fail(driver, "pause_refused", err->message, "clients go on as they are");
}

void pgbouncer_paused_cb(const char *name, const struct err *err, bool lost, void *arg)
{
	struct pgbouncer_driver *driver = arg;

	if (lost)
		driver->facts.live_known = false; /* SHOW knows whether it is paused */
	else if (err != NULL)
		refused(driver, name, err);
	driver->drain.poll_ms = POLL_FIRST_MS;
	if (driver->step == PGBOUNCER_DRAIN && pauser_is_done(driver->pauser))
		event_del(driver->timer);
	pgbouncer_reconcile(driver);
}

/* --- the proof --- */

static bool is_drained(const struct pgbouncer_driver *driver, const struct pgbouncer_table *pools,
                       const char *name)
{
	const struct pgbouncer_live_database *live = pgbouncer_live_find(&driver->live, name);
	struct pgbouncer_pool_sum sum;
	struct err ignored; /* not proven, then */

	return live != NULL && live->paused && pgbouncer_pools_sum(pools, name, &sum, &ignored) &&
	       sum.servers == 0;
}

static void poll_later(struct pgbouncer_driver *driver)
{
	struct pgbouncer_drain *drain = &driver->drain;

	pgbouncer_timer(driver, drain->poll_ms);
	drain->poll_ms = drain->poll_ms * 2 < POLL_MAX_MS ? drain->poll_ms * 2 : POLL_MAX_MS;
}

static void pools_answer(struct pgbouncer_driver *driver, const struct pgbouncer_table *table,
                         const struct err *err)
{
	bool drained = table != NULL && err == NULL && driver->intent.count > 0;

	for (size_t i = 0; drained && i < driver->intent.count; i++)
		drained = is_drained(driver, table, driver->intent.names[i]);
	if (!drained) {
		poll_later(driver);
		return;
	}
	driver->facts.drained = true;
	driver->watch.drained_us = clock_now_us();
}

static void databases_answer(struct pgbouncer_driver *driver, const struct pgbouncer_table *table,
                             const struct err *err)
{
	if (pgbouncer_take_live(driver, table, err))
		pgbouncer_ask(driver, "SHOW POOLS", pools_answer);
}

/* The answers to PAUSE are a hint that it is worth looking; without them it is looked now and then.
 */
void pgbouncer_step_drain(struct pgbouncer_driver *driver)
{
	if (!driver->drain.looked && !pauser_is_done(driver->pauser))
		pgbouncer_timer(driver, POLL_MAX_MS);
	else
		pgbouncer_ask(driver, "SHOW DATABASES", databases_answer);
	driver->drain.looked = true;
}

/* --- what when it takes long --- */

bool pgbouncer_probe_is_due(const struct pgbouncer_driver *driver, int64_t now_ms)
{
	const struct pgbouncer_drain *drain = &driver->drain;

	return now_ms - drain->since_ms >= PROBE_AFTER_MS &&
	       (drain->probed_ms == 0 || now_ms - drain->probed_ms >= PROBE_AGAIN_MS);
}

/* A session of a primary that lives would stay as long as its client does. */
bool pgbouncer_nudge_is_due(const struct pgbouncer_driver *driver)
{
	const struct pgbouncer_drain *drain = &driver->drain;

	return drain->probed_ms != 0 && drain->old == LIVENESS_ALIVE && !drain->nudged;
}

bool pgbouncer_sever_is_due(const struct pgbouncer_driver *driver, int64_t now_ms)
{
	const struct pgbouncer_drain *drain = &driver->drain;
	int64_t waited_ms = now_ms - drain->since_ms;

	if (drain->severs == 1)
		return now_ms - drain->severed_ms >= SEVER_AGAIN_MS;
	if (drain->severs > 1 || drain->probed_ms == 0)
		return false;
	switch (drain->old) {
	case LIVENESS_SILENT:
		return true;
	case LIVENESS_REFUSED:
		return waited_ms >= REFUSED_SEVER_MS;
	case LIVENESS_ALIVE:
		return waited_ms >= driver->target.config->pause_timeout_ms;
	}
	return false;
}

static void liveness_answer(enum liveness_answer answer, void *arg)
{
	struct pgbouncer_driver *driver = arg;

	driver->liveness = NULL;
	driver->busy = false;
	driver->drain.old = answer;
	driver->drain.probed_ms = clock_now_ms();
	pgbouncer_reconcile(driver);
}

/* Where the first of the paused ones leads to: they were all led to the one primary. */
void pgbouncer_step_probe(struct pgbouncer_driver *driver)
{
	const struct pgbouncer_live_database *live =
	    pgbouncer_live_find(&driver->live, driver->intent.names[0]);
	auto_free char *host = xstrdup(live != NULL ? live->host : "");

	host[strcspn(host, ",")] = '\0';
	driver->liveness = liveness_ask(driver->target.base, host, live != NULL ? live->port : 0,
	                                pgbouncer_step_info(PGBOUNCER_PROBE)->deadline_ms,
	                                liveness_answer, driver);
	driver->busy = true;
}
