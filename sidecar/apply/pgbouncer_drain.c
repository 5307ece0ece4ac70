/* From PAUSE to the last server connection: the proof that they have drained, which is SHOW's and
 * not the answer to PAUSE, as PgBouncer answers all waiting admins together; and what is asked and
 * decided when it takes long. */
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "apply/pgbouncer_driver.h"
#include "base/clock.h"
#include "base/log.h"

#define POLL_MAX_MS      50
#define PROBE_AFTER_MS   300  /* what transactions are given before anybody doubts their server */
#define PROBE_AGAIN_MS   500  /* an old primary that lived may have died since */
#define REFUSED_SEVER_MS 800  /* connections to a dead server end by themselves, but not all */
#define SEVER_AGAIN_MS   1500 /* what the gentle way is given */

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

static void tell_held(const struct pgbouncer_driver *driver)
{
	struct log_kv pairs[] = {
	    KV_STR("cluster", driver->target.config->cluster),
	    KV_STR("target", driver->target.config->name), KV_INT("zxid", driver->watch.zxid),
	    KV_INT("databases", driver->record.count),
	    KV_MS("drained_ms", driver->watch.drained_us - driver->drain.paused_us)};

	log_emit(LOG_INFO, "held", pairs, ARRAY_LEN(pairs) - (driver->drain.paused_us == 0));
}

static void pools_answer(struct pgbouncer_driver *driver, const struct pgbouncer_table *table,
                         const struct err *err)
{
	bool drained = table != NULL && err == NULL && driver->record.count > 0;

	for (size_t i = 0; drained && i < driver->record.count; i++)
		drained = is_drained(driver, table, driver->record.names[i]);
	if (!drained) {
		poll_later(driver);
		return;
	}
	driver->facts.drained = true;
	driver->watch.drained_us = clock_now_us();
	if (driver->facts.held)
		tell_held(driver);
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

	return driver->pg_ping == NULL && now_ms - drain->since_ms >= PROBE_AFTER_MS &&
	       (drain->probed_ms == 0 || now_ms - drain->probed_ms >= PROBE_AGAIN_MS);
}

/* A session of a primary that lives would stay as long as its client does. */
bool pgbouncer_close_after_transaction_is_due(const struct pgbouncer_driver *driver)
{
	const struct pgbouncer_drain *drain = &driver->drain;

	return drain->probed_ms != 0 && drain->old == PG_PING_ALIVE && !drain->nudged;
}

bool pgbouncer_kill_connections_is_due(const struct pgbouncer_driver *driver, int64_t now_ms)
{
	const struct pgbouncer_drain *drain = &driver->drain;
	int64_t waited_ms = now_ms - drain->since_ms;

	if (drain->severs == 1)
		return now_ms - drain->severed_ms >= SEVER_AGAIN_MS;
	if (drain->severs > 1 || drain->probed_ms == 0)
		return false;
	switch (drain->old) {
	case PG_PING_SILENT:
		return true;
	case PG_PING_REFUSED:
		return waited_ms >= REFUSED_SEVER_MS;
	case PG_PING_ALIVE:
		return waited_ms >= driver->target.config->pause_timeout_ms;
	}
	return false;
}

static void pg_ping_answer(enum pg_ping_answer answer, void *arg)
{
	struct pgbouncer_driver *driver = arg;

	driver->pg_ping = NULL;
	driver->busy = false;
	driver->drain.old = answer;
	driver->drain.probed_ms = clock_now_ms();
	pgbouncer_reconcile(driver);
}

void pgbouncer_ask_liveness(struct pgbouncer_driver *driver, int64_t timeout_ms, pg_ping_cb *cb)
{
	const struct pgbouncer_live_database *live =
	    pgbouncer_live_find(&driver->live, driver->record.names[0]);
	auto_free char *host = xstrdup(live != NULL ? live->host : "");

	host[strcspn(host, ",")] = '\0';
	driver->pg_ping = pg_ping_ask(driver->target.base, host, live != NULL ? live->port : 0,
	                              timeout_ms, cb, driver);
}

void pgbouncer_step_probe(struct pgbouncer_driver *driver)
{
	pgbouncer_ask_liveness(driver, pgbouncer_step_info(PGBOUNCER_PROBE)->deadline_ms,
	                       pg_ping_answer);
	driver->busy = true;
}
