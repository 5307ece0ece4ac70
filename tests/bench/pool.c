/* The rows of PgBouncer: planned moves under load, the primary killed, one real promotion; each
 * with segue, with the script that people run, and with a loop in the manner of confd. */
#include "bench/pool.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lab/traffic.h"

#define SETTLE_MS         400
#define SERVED_TIMEOUT_MS 60000
#define CLIENTS           8 /* that wait while there is no primary */

struct pool {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_pg *pg;
	struct report *report;
	unsigned moves[KEEPINGS], kills[KEEPINGS];
};

static const char *const keeping_names[KEEPINGS] = {"segue", "script", "confd-like"};

static double ms(struct samples *samples, unsigned percent)
{
	return (double)samples_at(samples, percent) / 1000;
}

/* ---- planned ---- */

struct planned {
	struct samples added; /* to hold and to move, as seen from outside, without the promotion */
	struct samples own;   /* the same by segue's log, without ZooKeeper and the looking */
	struct samples waits; /* the longest transaction of a move, less the promotion */
	struct load_result load;
	int64_t late_rows;
};

struct move {
	int64_t from_us, to_us, promotion_us; /* the first two: wall clock */
};

static struct move move_once(struct pool *pool, struct keeper *keeper, const struct load *load,
                             int node, struct planned *planned)
{
	struct move move = {.from_us = pool_wall_us()};
	int64_t start_us = clock_now_us(), held_us, named_us, held_wall_us;

	keeper_hold(keeper);
	held_us = clock_now_us();
	held_wall_us = pool_wall_us();
	poll(NULL, 0, POOL_PROMOTION_MS);
	if (keeper->how == KEEPING_CONFD) /* it holds nobody: what comes until now is not lost */
		held_wall_us = pool_wall_us();
	named_us = clock_now_us();
	keeper_name(keeper, node);
	keeper_await(keeper, node);
	samples_add(&planned->added, held_us - start_us + clock_now_us() - named_us);
	samples_add(&planned->own, keeper_own_us(keeper));
	move.promotion_us = keeper->how == KEEPING_CONFD ? 0 : named_us - held_us;
	load_await_row(load, pool->pg, node, held_wall_us);
	move.to_us = pool_wall_us();
	poll(NULL, 0, SETTLE_MS + (int)((move.to_us - move.from_us) / 1000));
	planned->late_rows += load_rows_after(pool->pg, !node, held_wall_us);
	return move;
}

static void measure_planned(struct pool *pool, enum keeping how, struct planned *planned)
{
	unsigned count = pool->moves[how];
	auto_free struct move *moves = xcalloc(count, sizeof(*moves));
	struct keeper keeper;
	struct load load;

	keeper_start(&keeper, how, "planned", pool->lab, pool->zk, pool->pg);
	load_start(&load, &keeper);
	load_await_row(&load, pool->pg, 0, pool_wall_us());
	poll(NULL, 0, SETTLE_MS);
	for (unsigned i = 0; i < count; i++)
		moves[i] = move_once(pool, &keeper, &load, (int)(i + 1) % POOL_NODES, planned);
	planned->load = load_stop(&load);
	for (unsigned i = 0; i < count; i++)
		samples_add(&planned->waits,
		            load_longest_us(&load, moves[i].from_us, moves[i].to_us + 100000) -
		                moves[i].promotion_us);
	keeper_stop(&keeper);
}

static void print_planned(struct pool *pool, struct planned *all)
{
	puts("\n| planned move at 2,000 transactions a second, 16 clients | moves | failed of |"
	     " rows on the old primary | added p50 ms | max | longest wait p50 ms | max |");
	puts("|---|---|---|---|---|---|---|---|");
	for (int i = 0; i < KEEPINGS; i++)
		printf("| %s | %u | %" PRId64 " of %" PRId64 " | %" PRId64
		       " | %.1f | %.1f | %.1f | %.1f |\n",
		       keeping_names[i], pool->moves[i], all[i].load.failed, all[i].load.done,
		       all[i].late_rows, ms(&all[i].added, 50), ms(&all[i].added, 100),
		       ms(&all[i].waits, 50), ms(&all[i].waits, 100));
	puts(
	    "\nAdded: until no server connection is left, and from the new primary's name until"
	    " PgBouncer\nleads there and is not paused; the promotion (here a pause of 200 ms, between"
	    " two primaries)\nis left out. Longest wait: of a transaction, from when it was due, less the"
	    " promotion.");
	fflush(stdout);
}

static void report_planned(struct pool *pool)
{
	struct planned all[KEEPINGS] = {0};

	for (int i = 0; i < KEEPINGS; i++)
		measure_planned(pool, i, &all[i]);
	print_planned(pool, all);
	report_head();
	report_none(pool->report, "planned: failed transactions", all[KEEPING_SEGUE].load.failed);
	report_none(pool->report, "planned: rows on the old primary after its hold",
	            all[KEEPING_SEGUE].late_rows);
	report_row(pool->report, "planned: PAUSE to RESUME less the promotion, p50",
	           ms(&all[KEEPING_SEGUE].own, 50), " ms", 10);
	report_row(pool->report, "planned: PAUSE to RESUME less the promotion, worst",
	           ms(&all[KEEPING_SEGUE].own, 100), " ms", 25);
	report_row(pool->report, "planned: longest wait with the script, times segue's, p50",
	           ms(&all[KEEPING_SCRIPT].waits, 50) / ms(&all[KEEPING_SEGUE].waits, 50), "", 0);
	report_row(pool->report, "planned: the same, worst",
	           ms(&all[KEEPING_SCRIPT].waits, 100) / ms(&all[KEEPING_SEGUE].waits, 100), "", 0);
	for (int i = 0; i < KEEPINGS; i++) {
		samples_free(&all[i].added);
		samples_free(&all[i].own);
		samples_free(&all[i].waits);
	}
}

/* ---- unplanned ---- */

struct unplanned {
	struct samples first, all; /* from the change of the znode to served clients */
	int64_t failed_before;     /* writes of one kill, until the znode said so, at most */
	int64_t failed_after;      /* and since */
};

struct arrival {
	struct traffic *traffic;
	int node;
};

static bool all_there(void *arg)
{
	const struct arrival *arrival = arg;

	return traffic_all_there_us(arrival->traffic, arrival->node) != 0;
}

static void kill_once(struct pool *pool, struct keeper *keeper, int node, struct unplanned *result)
{
	struct traffic_options options = {
	    .conninfo = lab_pgbouncer_conninfo(keeper->bouncer, "app"),
	    .ports = {lab_pg_port(pool->pg, 0), lab_pg_port(pool->pg, 1)},
	    .clients = CLIENTS,
	    .keep = true};
	struct arrival arrival = {traffic_start(pool->lab, &options), node};
	struct traffic_client before, sum;
	int64_t named_us;

	keeper_await_quiet(keeper);
	if (!traffic_all_served(arrival.traffic, SERVED_TIMEOUT_MS))
		lab_fail("%s: clients are not served", keeper->name);
	lab_process_kill(lab_pg_process(pool->pg, !node));
	poll(NULL, 0, POOL_PROMOTION_MS);
	before = traffic_sum(arrival.traffic);
	named_us = clock_now_us();
	if (keeper->how == KEEPING_SCRIPT)
		keeper_hold(keeper);
	keeper_name(keeper, node);
	if (!lab_wait_until(all_there, &arrival, SERVED_TIMEOUT_MS))
		lab_fail("%s: clients are not served by the new primary", keeper->name);
	sum = traffic_sum(arrival.traffic);
	samples_add(&result->first, sum.first_us[node] - named_us);
	samples_add(&result->all, traffic_all_there_us(arrival.traffic, node) - named_us);
	traffic_stop(arrival.traffic);
	result->failed_before = larger(result->failed_before, before.failed);
	result->failed_after = larger(result->failed_after, sum.failed - before.failed);
	lab_pg_node_start(pool->pg, !node);
	if (!lab_pg_wait_recovery(pool->pg, !node, false, SERVED_TIMEOUT_MS))
		lab_fail("db%d does not come back", !node);
}

static void measure_unplanned(struct pool *pool, enum keeping how, struct unplanned *result)
{
	struct keeper keeper;

	keeper_start(&keeper, how, "killed", pool->lab, pool->zk, pool->pg);
	for (unsigned i = 0; i < pool->kills[how]; i++) {
		kill_once(pool, &keeper, (int)(i + 1) % POOL_NODES, result);
		poll(NULL, 0, SETTLE_MS);
	}
	keeper_stop(&keeper);
}

static void print_unplanned(struct pool *pool, struct unplanned *all)
{
	printf("\n| primary killed, %d clients that write | kills | first client served p50 ms |"
	       " max | all served p50 ms | max | writes failed before the znode, at most |"
	       " and after |\n"
	       "|---|---|---|---|---|---|---|---|\n",
	       CLIENTS);
	for (int i = 0; i < KEEPINGS; i++)
		printf("| %s | %u | %.1f | %.1f | %.1f | %.1f | %" PRId64 " | %" PRId64 " |\n",
		       keeping_names[i], pool->kills[i], ms(&all[i].first, 50),
		       ms(&all[i].first, 100), ms(&all[i].all, 50), ms(&all[i].all, 100),
		       all[i].failed_before, all[i].failed_after);
	puts(
	    "\nBefore the znode says so nobody can know; PgBouncer turns clients away by itself when"
	    " the\nprimary died during a login. After: one for each client, the one in flight, is what"
	    " must fail.");
	fflush(stdout);
}

static void report_unplanned(struct pool *pool)
{
	struct unplanned all[KEEPINGS] = {0};

	for (int i = 0; i < KEEPINGS; i++)
		measure_unplanned(pool, i, &all[i]);
	print_unplanned(pool, all);
	report_head();
	report_row(pool->report, "killed: znode write to waiting clients served, p50",
	           ms(&all[KEEPING_SEGUE].all, 50), " ms", 50);
	report_row(pool->report, "killed: writes of 8 clients that failed after it, at most",
	           (double)all[KEEPING_SEGUE].failed_after, "", CLIENTS);
	report_row(pool->report, "killed: the script, times segue's, p50",
	           ms(&all[KEEPING_SCRIPT].all, 50) / ms(&all[KEEPING_SEGUE].all, 50), "", 0);
	report_row(pool->report, "killed: confd-like, times segue's, p50",
	           ms(&all[KEEPING_CONFD].all, 50) / ms(&all[KEEPING_SEGUE].all, 50), "", 0);
	for (int i = 0; i < KEEPINGS; i++) {
		samples_free(&all[i].first);
		samples_free(&all[i].all);
	}
}

/* ---- one real promotion ---- */

struct pair {
	struct lab_pg *pg;
	const char *lsn;
};

static bool has_replayed(void *arg)
{
	const struct pair *pair = arg;
	auto_free char *sql = xasprintf("select pg_last_wal_replay_lsn() >= '%s'", pair->lsn);
	auto_free char *done = lab_pg_query(lab_pg_conninfo(pair->pg, 1), sql);

	return done != NULL && strcmp(done, "t") == 0;
}

static void catch_up(struct lab_pg *pg)
{
	auto_free char *lsn = lab_pg_query(lab_pg_conninfo(pg, 0), "select pg_current_wal_lsn()");
	struct pair pair = {pg, lsn};

	if (lsn == NULL || !lab_wait_until(has_replayed, &pair, SERVED_TIMEOUT_MS))
		lab_fail("the standby does not catch up");
}

static int64_t rows_of_old(struct lab_pg *pg, int node)
{
	auto_free char *sql =
	    xasprintf("select count(*) from bench_rows where port = %u", lab_pg_port(pg, 0));
	auto_free char *count = lab_pg_query(lab_pg_conninfo(pg, node), sql);

	if (count == NULL)
		lab_fail("db%d does not count its rows", node);
	return strtoll(count, NULL, 10);
}

static void report_promotion(struct pool *pool)
{
	struct lab_pg *pg = lab_pg_start(pool->lab, POOL_NODES);
	struct load_result result;
	struct keeper keeper;
	struct load load;

	load_prepare(pg);
	keeper_start(&keeper, KEEPING_SEGUE, "promoted", pool->lab, pool->zk, pg);
	load_start(&load, &keeper);
	load_await_row(&load, pg, 0, pool_wall_us());
	poll(NULL, 0, SETTLE_MS);
	keeper_hold(&keeper);
	catch_up(pg);
	lab_pg_promote(pg, 1);
	keeper_name(&keeper, 1);
	keeper_await(&keeper, 1);
	load_await_row(&load, pg, 1, pool_wall_us());
	result = load_stop(&load);
	report_none(pool->report, "one real promotion: failed transactions", result.failed);
	report_none(pool->report, "one real promotion: rows on the old primary alone",
	            rows_of_old(pg, 0) - rows_of_old(pg, 1));
	keeper_stop(&keeper);
	for (int i = 0; i < POOL_NODES; i++)
		lab_process_kill(lab_pg_process(pg, i));
}

void pool_bench(struct lab *lab, struct lab_zk *zk, struct report *report, bool quick)
{
	struct pool pool = {.lab = lab,
	                    .zk = zk,
	                    .report = report,
	                    .moves = {20, quick ? 3 : 20, quick ? 3 : 20},
	                    .kills = {quick ? 5 : 20, quick ? 1 : 3, quick ? 1 : 3}};

	pool.pg = lab_pg_start(lab, POOL_NODES);
	load_prepare(pool.pg);
	traffic_prepare(lab_pg_conninfo(pool.pg, 0));
	catch_up(pool.pg);
	lab_pg_promote(pool.pg, 1);
	report_planned(&pool);
	report_unplanned(&pool);
	report_promotion(&pool);
}
