/* The bench of PgBouncer: pools that somebody moves between two PostgreSQL servers while clients
 * work. The two servers are primaries, both, with the same tables, as hundreds of real promotions
 * would take hours; the promotion is a pause of POOL_PROMOTION_MS. One real one judges the rows. */
#ifndef SEGUE_TESTS_BENCH_POOL_H
#define SEGUE_TESTS_BENCH_POOL_H

#include <libpq-fe.h>

#include "bench/bench.h"

#define POOL_PROMOTION_MS 200
#define POOL_NODES        2

/* All of it; its tables go to standard output, its targets into the report. */
void pool_bench(struct lab *lab, struct lab_zk *zk, struct report *report, bool quick);

/* ---- keeper.c: who moves a pool, and how ---- */

enum keeping { KEEPING_SEGUE, KEEPING_SCRIPT, KEEPING_CONFD, KEEPINGS };

struct keeper {
	enum keeping how;
	const char *name; /* also of the znode's parent, below /bench */
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_pg *pg;
	struct lab_pgbouncer *bouncer;
	PGconn *console;           /* the bench's own, to see where PgBouncer is */
	struct lab_segue *segue;   /* of KEEPING_SEGUE, else NULL */
	struct lab_process *confd; /* of KEEPING_CONFD, else NULL */
	const char *path;          /* the master znode */
};

/* With a PgBouncer of its own, which leads to node 0 when it returns. */
void keeper_start(struct keeper *keeper, enum keeping how, const char *purpose, struct lab *lab,
                  struct lab_zk *zk, struct lab_pg *pg);
void keeper_stop(struct keeper *keeper);

/* Makes the clients wait; returns when no connection to a server is left. Of KEEPING_CONFD: does
 * nothing, as it cannot. */
void keeper_hold(struct keeper *keeper);

/* Says that `node` is the primary; returns when that is said, long before the move is over, unless
 * the keeper is a script. */
void keeper_name(struct keeper *keeper, int node);

/* Waits until PgBouncer says that it leads to the node and is not paused. */
void keeper_await(struct keeper *keeper, int node);

/* Waits until PgBouncer's settings are those of its file again: a quiet day. */
void keeper_await_quiet(struct keeper *keeper);

/* What segue's own log says that clients waited for it in the last move: from PAUSE until no server
 * connection was left, and from the notification of the new primary until RESUME was answered. -1:
 * it is not segue. */
int64_t keeper_own_us(struct keeper *keeper);

/* ---- load.c: pgbench at 2,000 transactions a second, 16 clients, half of them write ---- */

struct load {
	struct lab *lab;
	struct lab_process *process;
	const char *const *argv;
	const char *log_prefix;
};

void load_prepare(struct lab_pg *pg); /* the tables, on both nodes */
void load_start(struct load *load, struct keeper *keeper);

struct load_result {
	int64_t done, failed; /* transactions; a client that gave up is one that failed */
};
struct load_result load_stop(struct load *load);

/* The longest transaction, from when it was due, of those that ended between two times of
 * pool_wall_us(); after load_stop(). */
int64_t load_longest_us(const struct load *load, int64_t from_us, int64_t to_us);

/* Rows that were written on the node after that time. */
int64_t load_rows_after(struct lab_pg *pg, int node, int64_t wall_us);

/* Waits until the node has a row that is younger than that. */
void load_await_row(const struct load *load, struct lab_pg *pg, int node, int64_t wall_us);

int64_t pool_wall_us(void); /* the clock of pgbench's log and of PostgreSQL */

#endif
