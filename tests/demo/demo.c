/* The demo: a failover as its spectators see it. Real servers on loopback, clients that write all
 * the time, the primary killed, the standby promoted, the znode changed, and segue moving the
 * running HAProxy and PgBouncer. Exits with 1 when the writes do not get there. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "demo/probe.h"
#include "demo/stage.h"

#define WATCH_SECONDS 3 /* how long the spectator sees the writes before and after */

struct demo {
	struct stage stage;
	int64_t start_us;
	int64_t promotion_us; /* how long it took */
	int64_t named_us;     /* when the change of the znode was sent */
	int64_t move_us;      /* from there to the answer to a new connection through HAProxy */
	int64_t failed_meanwhile[STAGE_CROWDS]; /* writes, from the end of db1 until db2 had some */
	bool colours;
};

static void say(const struct demo *demo, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void say(const struct demo *demo, const char *fmt, ...)
{
	va_list args;

	printf("%s%7.3f s%s  ", demo->colours ? "\033[1m" : "",
	       (double)(clock_now_us() - demo->start_us) / 1e6, demo->colours ? "\033[0m" : "");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static const char *colour(const struct demo *demo, const char *code)
{
	return demo->colours ? code : "";
}

/* What the clients of one proxy saw since the last tick. */
static void tick_crowd(struct demo *demo, struct crowd *crowd)
{
	struct traffic_client now = traffic_sum(crowd->traffic);
	int64_t to[TRAFFIC_NODES] = {now.ok[0] - crowd->before.ok[0],
	                             now.ok[1] - crowd->before.ok[1]};
	int64_t failed = now.failed - crowd->before.failed, ok = to[0] + to[1];

	printf("  %s%s: db1 %4" PRId64 "  db2 %4" PRId64 "  failed %" PRId64 "  %4.1f ms each%s",
	       colour(demo, failed > 0 ? "\033[31m" : "\033[32m"), crowd->proxy, to[0], to[1],
	       failed,
	       ok > 0 ? (double)(now.busy_us - crowd->before.busy_us) / 1000 / (double)ok : 0.0,
	       colour(demo, "\033[0m"));
	crowd->before = now;
}

static void watch_writes(struct demo *demo, int seconds)
{
	for (int i = 0; i < seconds; i++) {
		poll(NULL, 0, 1000);
		fputs("         ", stdout);
		for (int j = 0; j < STAGE_CROWDS; j++)
			tick_crowd(demo, &demo->stage.crowds[j]);
		putchar('\n');
		fflush(stdout);
	}
}

static void set_up(struct demo *demo)
{
	say(demo, "starting ZooKeeper, PostgreSQL db1 (primary) and db2 (standby), HAProxy, "
	          "PgBouncer");
	stage_start_servers(&demo->stage);
	say(demo, "the znode " STAGE_MASTER " says db1; starting segue");
	stage_start_segue(&demo->stage);
	say(demo, "both proxies lead to db1, as segue rendered it");
	say(demo,
	    "%d clients write through HAProxy, each write on a new connection,\n"
	    "             and %d through PgBouncer (transaction pooling), on connections that they keep",
	    STAGE_CLIENTS, STAGE_CLIENTS);
	stage_start_crowds(&demo->stage);
	watch_writes(demo, WATCH_SECONDS);
}

/* -1 begins to count the writes that fail, 1 ends it. */
static void count_failed(struct demo *demo, int sign)
{
	for (int i = 0; i < STAGE_CROWDS; i++)
		demo->failed_meanwhile[i] +=
		    sign * traffic_sum(demo->stage.crowds[i].traffic).failed;
}

/* The znode still names db1: segue has asked the server itself. */
static void await_hold(struct demo *demo, int64_t killed_us)
{
	if (lab_segue_wait_log(demo->stage.segue, STAGE_TIMEOUT_MS, "event=hold ",
	                       "the primary is lost", NULL) == NULL)
		stage_give_up(&demo->stage, "segue does not notice");
	say(demo, "%.0f ms later segue has noticed by itself: clients wait in both proxies",
	    (double)(clock_now_us() - killed_us) / 1000);
}

static void promote(struct demo *demo)
{
	int64_t start_us;

	lab_segue_mark(demo->stage.segue);
	count_failed(demo, -1);
	lab_process_kill(lab_pg_process(demo->stage.pg, 0));
	say(demo, "db1 is dead (kill -9)");
	await_hold(demo, clock_now_us());
	start_us = clock_now_us();
	lab_pg_promote(demo->stage.pg, 1);
	demo->promotion_us = clock_now_us() - start_us;
	say(demo, "db2 is promoted, which took %.0f ms", (double)demo->promotion_us / 1000);
}

static bool writes_reach_db2(void *arg)
{
	const struct crowd *crowd = arg;

	return traffic_sum(crowd->traffic).first_us[1] != 0;
}

/* Now and then segue asks db2 between its promotion and the znode, and needs no znode. */
static double resumed_ms(const struct demo *demo, int crowd)
{
	int64_t first_us = traffic_sum(demo->stage.crowds[crowd].traffic).first_us[1];

	return first_us > demo->named_us ? (double)(first_us - demo->named_us) / 1000 : 0;
}

struct step {
	const char *key, *text; /* of the log line; NULL ends the list */
};

static void show_stopwatch(struct demo *demo, const struct crowd *crowd, const struct step *steps)
{
	const char *target = lab_printf(demo->stage.lab, " target=%s ", crowd->target);
	const char *line =
	    lab_segue_wait_log(demo->stage.segue, STAGE_TIMEOUT_MS, "event=moved ", target, NULL);

	if (line == NULL)
		stage_give_up(&demo->stage,
		              lab_printf(demo->stage.lab, "%s is not moved", crowd->proxy));
	printf("             segue's own stopwatch for %s, from the notification on:\n",
	       crowd->proxy);
	for (; steps->key != NULL; steps++) {
		double ms = lab_log_number(line, steps->key);

		if (ms >= 0) /* else it was not needed */
			printf("             %8.2f ms  %s\n", ms, steps->text);
	}
}

static void move(struct demo *demo)
{
	static const struct step haproxy[] = {
	    {"read_ms", "znode read"},
	    {"rendered_ms", "template rendered"},
	    {"pushed_ms", "command sent to HAProxy"},
	    {"confirmed_ms", "HAProxy's live state read back: moved"},
	    {"persisted_ms", "file checked and on disk, for HAProxy's next start"},
	    {NULL, NULL}};
	struct stage *stage = &demo->stage;
	const char *text = stage_describe(stage, 1);
	int64_t answered_us;

	demo->named_us = clock_now_us();
	lab_zk_set_begin(stage->zk, STAGE_MASTER, text, strlen(text));
	answered_us = probe_first_answer(stage->crowds[STAGE_HAPROXY].port, STAGE_TIMEOUT_MS);
	lab_zk_set_finish(stage->zk);
	if (answered_us == 0)
		stage_give_up(stage, "no new connection reaches db2");
	demo->move_us = answered_us - demo->named_us;
	say(demo, "the znode says db2");
	for (int i = 0; i < STAGE_CROWDS; i++)
		if (!lab_wait_until(writes_reach_db2, &stage->crowds[i], STAGE_TIMEOUT_MS))
			stage_give_up(stage, "no write reaches db2");
	count_failed(demo, 1);
	printf("             %8.1f ms later a new connection through HAProxy reached it;"
	       " the clients that waited\n"
	       "                          in HAProxy went on at its next try, after %.0f ms\n",
	       (double)demo->move_us / 1000, resumed_ms(demo, STAGE_HAPROXY));
	printf(
	    "             %8.1f ms later a client that waited in PgBouncer had its write there\n",
	    resumed_ms(demo, STAGE_PGBOUNCER));
	show_stopwatch(demo, &stage->crowds[STAGE_HAPROXY], haproxy);
}

/* A statement that the dead server was at is not for a proxy to repeat: it may have been done. */
static void explain_failures(const struct demo *demo, int number, const struct traffic_client *sum)
{
	static const char *const why[STAGE_CROWDS] = {
	    [STAGE_HAPROXY] = "they had reached db1, and only the application can repeat them",
	    [STAGE_PGBOUNCER] = "they were at db1, or PgBouncer turned them away before the hold",
	};
	int64_t meanwhile = demo->failed_meanwhile[number];

	if (sum->failed == 0)
		return;
	printf("    %" PRId64 " failed between the end of db1 and the move: %s", meanwhile,
	       why[number]);
	if (sum->failed > meanwhile)
		printf("; %" PRId64 " AT ANOTHER TIME", sum->failed - meanwhile);
	printf("\n      (the first: %s)\n", sum->error);
}

/* Rows may outnumber the answers: a write may be done and its answer lost with the server. */
static void sum_up(struct demo *demo, int number)
{
	const struct crowd *crowd = &demo->stage.crowds[number];
	const char *db2 = lab_pg_conninfo(demo->stage.pg, 1);
	struct traffic_client sum = traffic_sum(crowd->traffic);
	int64_t lost = traffic_lost(crowd->traffic, &db2, 1);

	printf("  %s: %" PRId64 " writes answered (db1 %" PRId64 ", db2 %" PRId64 "), %" PRId64
	       " failed;\n"
	       "    none was answered for %.0f ms, of which %.0f to promote db2; the longest took"
	       " %.0f ms\n",
	       crowd->proxy, sum.ok[0] + sum.ok[1], sum.ok[0], sum.ok[1], sum.failed,
	       (double)(sum.first_us[1] - sum.last_us[0]) / 1000, (double)demo->promotion_us / 1000,
	       (double)sum.longest_us / 1000);
	explain_failures(demo, number, &sum);
	if (lost != 0)
		lab_fail("%" PRId64 " of the writes that were answered are NOT on db2", lost);
	puts("    every write that was answered is on db2");
}

int main(int argc, char **argv)
{
	struct demo demo = {.start_us = clock_now_us(), .colours = isatty(STDOUT_FILENO)};
	auto_free char *templates = NULL;

	if (argc != 2) {
		fprintf(stderr, "usage: %s TEMPLATES\n", argv[0]);
		return 2;
	}
	templates = realpath(argv[1], NULL);
	if (templates == NULL)
		lab_fail("%s: %s", argv[1], strerror(errno));
	demo.stage.templates = templates;
	demo.stage.lab = lab_create("demo");
	set_up(&demo);
	promote(&demo);
	move(&demo);
	watch_writes(&demo, WATCH_SECONDS);
	putchar('\n');
	for (int i = 0; i < STAGE_CROWDS; i++) {
		traffic_stop(demo.stage.crowds[i].traffic);
		sum_up(&demo, i);
	}
	lab_destroy(demo.stage.lab);
	return 0;
}
