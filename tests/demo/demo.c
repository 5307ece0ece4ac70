/* The demo: a failover as its spectators see it. Real servers on loopback, clients that write all
 * the time, the primary killed, the standby promoted, the znode changed, and segue moving the
 * running HAProxy. Exits with 1 when the writes do not get there. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "demo/probe.h"
#include "lab/traffic.h"

#define MASTER          "/segue/demo/master"
#define MOVE_TIMEOUT_MS 20000
#define CLIENTS         4
#define WATCH_SECONDS   3 /* how long the spectator sees the writes before and after */

struct demo {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_pg *pg;
	struct lab_haproxy *haproxy;
	struct lab_segue *segue;
	struct traffic *traffic;
	const char *template_file;
	uint16_t port; /* HAProxy's, for writing */
	int64_t start_us;
	int64_t promotion_us;    /* how long it took */
	int64_t move_us;         /* from the change of the znode to a new connection's answer */
	int64_t failed_with_db1; /* writes, between its end and the promotion's */
	struct traffic_client before; /* the last tick */
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

/* What the clients saw since the last tick. */
static void tick(struct demo *demo)
{
	struct traffic_client now = traffic_sum(demo->traffic);
	int64_t to[TRAFFIC_NODES] = {now.ok[0] - demo->before.ok[0],
	                             now.ok[1] - demo->before.ok[1]};
	int64_t failed = now.failed - demo->before.failed, ok = to[0] + to[1];

	printf("             %swrites: db1 %4" PRId64 "   db2 %4" PRId64 "   failed %" PRId64
	       "   %.1f ms each%s\n",
	       colour(demo, failed > 0 ? "\033[31m" : "\033[32m"), to[0], to[1], failed,
	       ok > 0 ? (double)(now.busy_us - demo->before.busy_us) / 1000 / (double)ok : 0.0,
	       colour(demo, "\033[0m"));
	fflush(stdout);
	demo->before = now;
}

static void watch_writes(struct demo *demo, int seconds)
{
	for (int i = 0; i < seconds; i++) {
		poll(NULL, 0, 1000);
		tick(demo);
	}
}

static const char *describe(struct demo *demo, int primary)
{
	const char *standby =
	    primary == 1
	        ? ""
	        : lab_printf(demo->lab, "{\"name\":\"db2\",\"host\":\"127.0.0.1\",\"port\":%u}",
	                     lab_pg_port(demo->pg, 1));

	return lab_printf(
	    demo->lab,
	    "{\"version\":1,\"primary\":{\"name\":\"db%d\",\"host\":\"127.0.0.1\",\"port\":%u},"
	    "\"standbys\":[%s]}",
	    primary + 1, lab_pg_port(demo->pg, primary), standby);
}

static void must_query(const char *conninfo, const char *sql)
{
	auto_free char *value = lab_pg_query(conninfo, sql);

	if (value == NULL)
		lab_fail("PostgreSQL refuses: %s", sql);
}

/* Synchronous replication, so that what db1 has acknowledged must be on db2: losing writes is not
 * what the demo is about. */
static void prepare_database(struct demo *demo)
{
	const char *conninfo = lab_pg_conninfo(demo->pg, 0);

	traffic_prepare(conninfo);
	must_query(conninfo, "alter system set synchronous_standby_names = '*'");
	must_query(conninfo, "select pg_reload_conf()");
}

static void start_servers(struct demo *demo)
{
	say(demo, "starting ZooKeeper, PostgreSQL db1 (primary) and db2 (standby), HAProxy");
	demo->zk = lab_zk_start(demo->lab, 1);
	demo->pg = lab_pg_start(demo->lab, TRAFFIC_NODES);
	prepare_database(demo);
	demo->haproxy = lab_haproxy_create(demo->lab, NULL);
	lab_haproxy_start(demo->haproxy);
	demo->port = lab_port(demo->lab);
}

static const char *make_ini(struct demo *demo)
{
	const char *state = lab_path(demo->lab, "state");

	if (mkdir(state, 0755) != 0)
		lab_fail("cannot make %s: %s", state, strerror(errno));
	return lab_printf(demo->lab,
	                  "[segue]\nname = demo\nstate_dir = %s\n"
	                  "[zookeeper]\nhosts = %s\n"
	                  "[cluster demo]\npath = /segue/demo\nverify = disable\n"
	                  "[haproxy local]\ncluster = demo\ntemplate = %s\noutput = %s/demo.cfg\n"
	                  "socket = %s\nmaster_socket = %s\n"
	                  "check_command = haproxy -c -f %s -f {}\n"
	                  "var.rw_bind = 127.0.0.1:%u\nvar.ro_bind = 127.0.0.1:%u\n",
	                  state, lab_zk_hosts(demo->zk), demo->template_file,
	                  lab_haproxy_conf_dir(demo->haproxy), lab_haproxy_socket(demo->haproxy),
	                  lab_haproxy_master_socket(demo->haproxy),
	                  lab_haproxy_main_file(demo->haproxy), demo->port, lab_port(demo->lab));
}

static _Noreturn void give_up(struct demo *demo, const char *what)
{
	lab_fail("%s; segue's log:\n%s", what,
	         lab_process_log_tail(lab_segue_process(demo->segue)));
}

static bool writes_arrive(void *arg)
{
	const struct demo *demo = arg;
	auto_free char *value = lab_pg_query(
	    lab_printf(demo->lab,
	               "host=127.0.0.1 port=%u user=postgres dbname=postgres connect_timeout=2",
	               demo->port),
	    "select inet_server_port()");

	return value != NULL && strtol(value, NULL, 10) == lab_pg_port(demo->pg, 0);
}

static void start_segue(struct demo *demo)
{
	const char *text;

	say(demo, "the znode " MASTER " says db1; starting segue");
	demo->segue = lab_segue_create(demo->lab, make_ini(demo));
	text = describe(demo, 0);
	lab_zk_set(demo->zk, MASTER, text, strlen(text));
	lab_segue_start(demo->segue);
	if (!lab_wait_until(writes_arrive, demo, MOVE_TIMEOUT_MS))
		give_up(demo, "HAProxy does not lead to db1");
	say(demo, "HAProxy has its backend, as segue rendered it, and leads to db1");
}

static void start_clients(struct demo *demo)
{
	const struct traffic_options options = {
	    .conninfo = lab_printf(demo->lab,
	                           "host=127.0.0.1 port=%u user=postgres dbname=postgres "
	                           "sslmode=disable gssencmode=disable",
	                           demo->port),
	    .ports = {lab_pg_port(demo->pg, 0), lab_pg_port(demo->pg, 1)},
	    .clients = CLIENTS};

	say(demo, "%d clients write through HAProxy, each write on a new connection", CLIENTS);
	demo->traffic = traffic_start(demo->lab, &options);
	watch_writes(demo, WATCH_SECONDS);
}

static bool writes_reach_db2(void *arg)
{
	const struct demo *demo = arg;

	return traffic_sum(demo->traffic).first_us[1] != 0;
}

static void show_stopwatch(struct demo *demo)
{
	const char *line = lab_segue_wait_log(demo->segue, MOVE_TIMEOUT_MS, "event=moved", NULL);
	static const struct {
		const char *key, *text;
	} steps[] = {{"read_ms", "znode read"},
	             {"rendered_ms", "template rendered"},
	             {"pushed_ms", "command sent to HAProxy"},
	             {"confirmed_ms", "HAProxy's live state read back: moved"},
	             {"persisted_ms", "file checked and on disk, for HAProxy's next start"}};

	if (line == NULL)
		give_up(demo, "segue has not logged the move");
	puts("             segue's own stopwatch, from the notification on:");
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		printf("             %8.2f ms  %s\n", lab_log_number(line, steps[i].key),
		       steps[i].text);
}

static void promote(struct demo *demo)
{
	int64_t start_us, failed = traffic_sum(demo->traffic).failed;

	lab_segue_mark(demo->segue);
	lab_process_kill(lab_pg_process(demo->pg, 0));
	say(demo, "db1 is dead (kill -9); new connections wait in HAProxy");
	start_us = clock_now_us();
	lab_pg_promote(demo->pg, 1);
	demo->promotion_us = clock_now_us() - start_us;
	demo->failed_with_db1 = traffic_sum(demo->traffic).failed - failed;
	say(demo, "db2 is promoted, which took %.0f ms", (double)demo->promotion_us / 1000);
}

static void move(struct demo *demo)
{
	const char *text = describe(demo, 1);
	int64_t start_us = clock_now_us(), answered_us;

	lab_zk_set_begin(demo->zk, MASTER, text, strlen(text));
	answered_us = probe_first_answer(demo->port, MOVE_TIMEOUT_MS);
	lab_zk_set_finish(demo->zk);
	if (answered_us == 0)
		give_up(demo, "no new connection reaches db2");
	demo->move_us = answered_us - start_us;
	say(demo, "the znode says db2: a new connection reached it %.1f ms later",
	    (double)demo->move_us / 1000);
	show_stopwatch(demo);
	if (!lab_wait_until(writes_reach_db2, demo, MOVE_TIMEOUT_MS))
		give_up(demo, "no write reaches db2");
	printf("             the clients that waited in HAProxy went on at its next try, after"
	       " %.0f ms\n",
	       (double)(traffic_sum(demo->traffic).first_us[1] - start_us) / 1000);
}

static int64_t count_rows(struct demo *demo)
{
	auto_free char *rows =
	    lab_pg_query(lab_pg_conninfo(demo->pg, 1), "select count(*) from writes");

	return rows != NULL ? strtoll(rows, NULL, 10) : -1;
}

/* A statement that the dead server was at is not for a proxy to repeat: it may have been done. */
static void explain_failures(const struct demo *demo, const struct traffic_client *sum)
{
	if (sum->failed == 0)
		return;
	if (sum->failed == demo->failed_with_db1)
		printf("  the %" PRId64 " that failed had reached db1 when it was killed, and only"
		       " the application can repeat them:\n    %s\n",
		       sum->failed, sum->error);
	else
		printf("  %" PRId64 " of those that failed had reached db1 when it was killed; the"
		       " first error of all:\n    %s\n",
		       demo->failed_with_db1, sum->error);
}

/* Rows may outnumber the answers: a write may be done and its answer lost with the server. */
static void sum_up(struct demo *demo)
{
	struct traffic_client sum = traffic_sum(demo->traffic);
	int64_t rows, answered = sum.ok[0] + sum.ok[1];

	traffic_stop(demo->traffic);
	rows = count_rows(demo);
	printf("\n  no write was answered for %.0f ms: %.0f to promote db2, %.1f to move HAProxy,"
	       " the rest until its next try\n",
	       (double)(sum.first_us[1] - sum.last_us[0]) / 1000, (double)demo->promotion_us / 1000,
	       (double)demo->move_us / 1000);
	printf("  writes: %" PRId64 " answered (db1 %" PRId64 ", db2 %" PRId64 "), %" PRId64
	       " failed; the longest waited %.0f ms\n",
	       answered, sum.ok[0], sum.ok[1], sum.failed, (double)sum.longest_us / 1000);
	explain_failures(demo, &sum);
	printf("  rows on db2: %" PRId64 "%s\n", rows,
	       rows >= answered ? ", every write that was answered is there" : ": WRITES ARE LOST");
}

int main(int argc, char **argv)
{
	struct demo demo = {.start_us = clock_now_us(), .colours = isatty(STDOUT_FILENO)};

	if (argc != 2) {
		fprintf(stderr, "usage: %s TEMPLATE\n", argv[0]);
		return 2;
	}
	demo.template_file = realpath(argv[1], NULL);
	if (demo.template_file == NULL)
		lab_fail("%s: %s", argv[1], strerror(errno));
	demo.lab = lab_create("demo");
	start_servers(&demo);
	start_segue(&demo);
	start_clients(&demo);
	promote(&demo);
	move(&demo);
	watch_writes(&demo, WATCH_SECONDS);
	sum_up(&demo);
	lab_destroy(demo.lab);
	free((char *)demo.template_file);
	return 0;
}
