/* The bench of whole failovers: two PostgreSQL servers that Patroni keeps, and four ways to their
 * primary, side by side: segue's HAProxy, segue's PgBouncer, a PgBouncer in front of segue's
 * HAProxy, and a HAProxy with the haproxy.cfg that Patroni ships. The leader's machine is cut off;
 * afterwards it comes back as a standby. */
#ifndef SEGUE_TESTS_BENCH_FAILOVER_H
#define SEGUE_TESTS_BENCH_FAILOVER_H

#include "bench/bench.h"
#include "lab/lab_ha.h"
#include "lab/ledger.h"

/* segue's, as in its units for systemd; and the proxies': where they run, no server dies, and takes
 * the processor with it */
#define FAILOVER_NICE    (-10)
#define FAILOVER_NODES   2
#define FAILOVER_WRITERS 4 /* clients of each way that write all the time */
#define FAILOVER_HOLDERS 8 /* clients of each PgBouncer that are mostly idle */

/* All of it; its tables go to standard output, its targets into the report. */
void failover_bench(struct lab *lab, struct lab_zk *zk, struct report *report, unsigned rounds);

/* ---- cutoff.c: Patroni at its defaults, and the leader's machine is cut off ---- */

/* The lab's network has been started; see lab_net_start(). */
void cutoff_bench(struct lab *lab, struct report *report, unsigned rounds);

/* ---- failover_stage.c: the servers, and a client behind each way ---- */

enum way { WAY_PGBOUNCER, WAY_BEFORE_HAPROXY, WAY_HAPROXY, WAY_PATRONI, WAYS };
#define WAYS_POOLED WAY_HAPROXY /* the ways before it lead through a PgBouncer */

struct stage {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_patroni *patroni;
	struct lab_haproxy *haproxy, *patroni_haproxy;
	struct lab_pgbouncer *bouncers[WAYS_POOLED];
	struct lab_segue *segue;
	const char *conninfo[WAYS];
	struct ledger *writers[WAYS][FAILOVER_WRITERS];
	struct ledger *holders[WAYS_POOLED][FAILOVER_HOLDERS];
	int primary; /* the node */
};

void stage_start(struct stage *stage, struct lab *lab, struct lab_zk *zk);
void stage_stop(struct stage *stage);

/* A quiet day: the other node is a streaming standby, the store says so and segue knows it, and
 * every client has just written to the primary. */
void stage_settle(struct stage *stage);
/* Its parts: the other node streams, is a member and has all; the way leads to the primary. */
void stage_await_standby(struct stage *stage, int64_t timeout_ms);
void stage_must_lead(struct stage *stage, enum way way, int64_t timeout_ms);
void stage_serve(struct stage *stage); /* waits for the second half of that */

/* ---- dawn.c: when a standby becomes a primary, asked of itself every 5 ms ---- */

struct dawn;

/* A process with a warm connection, which asks from its return on. `row`: what it writes into the
 * ledger's table as soon as it may, as client FAILOVER_DAWN. `anew`: it writes on a connection that
 * it makes at that moment, as whoever waits in a proxy has to, and is client FAILOVER_DAWN + 1. */
#define FAILOVER_DAWN 98
struct dawn *dawn_watch(struct lab *lab, const char *conninfo, unsigned row, bool anew);
void dawn_end(struct dawn *dawn);

/* Waits for it: when the last question was sent that a server in recovery answered, on the clock of
 * clock_now_us(). No write was acknowledged before that. */
int64_t dawn_broke_us(const struct dawn *dawn, int64_t timeout_ms);
/* Waits for its own write to be acknowledged. */
int64_t dawn_wrote_us(const struct dawn *dawn, int64_t timeout_ms);

/* ---- failover_log.c: what the logs say, on the clock of clock_now_us() ---- */

/* Waits for a line since the mark with all these words (four at most; the last argument is NULL);
 * when it was logged, or 0: it never was. */
int64_t failover_logged_us(struct stage *stage, int64_t timeout_ms, ...) __attribute__((sentinel));

/* Prints the lines of the log of that time, each with how long after `from_us`. */
void failover_print_segue(const struct stage *stage, int64_t from_us, int64_t to_us);
void failover_print_bouncer(const struct stage *stage, enum way way, int64_t from_us,
                            int64_t to_us);

#endif
