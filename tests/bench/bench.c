/* The bench: how long a change of the znode takes to reach new connections, with segue, with the
 * least program that could do it, and with a confd-like loop, interleaved in one run; and what
 * segue costs. Prints Markdown; exits with 1 when a target is missed. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "bench/failover.h"
#include "bench/pool.h"
#include "bench/publish.h"
#include "bench/verify.h"

#define START_TIMEOUT_MS 20000
#define SETTLE_MS        25  /* what follows a change (file, fsync, state) is over by then */
#define RELOAD_SETTLE_MS 300 /* for a reload: the old worker has gone */
#define WARM_UP          20  /* changes that do not count */
#define CUTOFFS          20  /* rounds of --patroni-defaults */

struct scale {
	unsigned changes;     /* of segue and of the floor each */
	unsigned confd_every; /* one of confd's after so many of those */
	unsigned idle_seconds;
	unsigned starts;
	unsigned clusters, cluster_changes;
	unsigned verified_changes;
	unsigned failovers;
};

static const struct scale full_scale = {500, 16, 20, 5, 1000, 200, 20, 10};
static const struct scale quick_scale = {60, 12, 5, 2, 200, 40, 4, 2};

enum { SEGUE, FLOOR, CONFD, RIVALS };

struct bench {
	const struct scale *scale;
	struct lab *lab;
	struct lab_zk *zk;
	uint16_t servers[2];
	struct lab_haproxy *haproxy, *confd_haproxy;
	struct lab_segue *segue;
	struct rival rivals[RIVALS]; /* of segue, only the route */
	struct samples samples[RIVALS];
	struct report report;
};

static void nap(int ms)
{
	poll(NULL, 0, ms);
}

static void make_route(struct bench *bench, struct route *route, const char *name, bool front)
{
	*route = (struct route){.name = name,
	                        .path = lab_printf(bench->lab, "/bench/%s/master", name),
	                        .front = front ? lab_port(bench->lab) : 0,
	                        .servers = {bench->servers[0], bench->servers[1]}};
}

static void write_route(struct bench *bench, const struct lab_haproxy *haproxy,
                        const struct route *route)
{
	lab_write_file(
	    lab_printf(bench->lab, "%s/%s.cfg", lab_haproxy_conf_dir(haproxy), route->name),
	    route_config(bench->lab, route));
}

static void start_servers(struct bench *bench)
{
	bench->servers[0] = lab_backend_port(lab_backend_start(bench->lab, "0"));
	bench->servers[1] = lab_backend_port(lab_backend_start(bench->lab, "1"));
	bench->haproxy = lab_haproxy_create(bench->lab, NULL);
	bench->confd_haproxy = lab_haproxy_create(bench->lab, NULL);
}

static void start_rivals(struct bench *bench)
{
	static const char *const names[RIVALS] = {"segue", "floor", "confd"};
	struct lab_haproxy *const haproxies[RIVALS] = {bench->haproxy, bench->haproxy,
	                                               bench->confd_haproxy};

	for (int i = 0; i < RIVALS; i++) {
		struct rival *rival = &bench->rivals[i];

		make_route(bench, &rival->route, names[i], true);
		write_route(bench, haproxies[i], &rival->route);
		route_publish(bench->zk, &rival->route, 1);
	}
	lab_haproxy_start(bench->haproxy);
	lab_haproxy_start(bench->confd_haproxy);
	for (int i = 0; i < RIVALS; i++) {
		struct rival *rival = &bench->rivals[i];

		rival->lab = bench->lab;
		rival->zookeeper = lab_zk_hosts(bench->zk);
		rival->socket = lab_haproxy_socket(haproxies[i]);
		rival->main_file = lab_haproxy_main_file(haproxies[i]);
		rival->conf_dir = lab_haproxy_conf_dir(haproxies[i]);
		rival->haproxy = lab_process_pid(lab_haproxy_process(haproxies[i]));
	}
	lab_fork(bench->lab, "floor", floor_main, &bench->rivals[FLOOR]);
	lab_fork(bench->lab, "confd", confd_main, &bench->rivals[CONFD]);
}

static int64_t wait_for(struct bench *bench, int i)
{
	int64_t there_us = route_await(&bench->rivals[i].route, START_TIMEOUT_MS);

	if (there_us == 0)
		lab_fail("%s does not follow its znode; its log:\n%s", bench->rivals[i].route.name,
		         i == SEGUE ? lab_process_log_tail(lab_segue_process(bench->segue)) : "");
	return there_us;
}

/* From fork to the first connection that goes where the znode says, HAProxy being elsewhere. */
static void measure_starts(struct bench *bench)
{
	struct rival *rival = &bench->rivals[SEGUE];
	struct samples starts = {0};

	bench->segue = bench_segue(bench->lab, bench->zk, bench->haproxy, &rival->route, 1);
	for (unsigned i = 0; i < bench->scale->starts; i++) {
		int64_t start;

		lab_process_stop(lab_segue_process(bench->segue));
		if (i > 0)
			route_publish(bench->zk, &rival->route, !rival->route.now);
		start = clock_now_us();
		lab_segue_start(bench->segue);
		samples_add(&starts, wait_for(bench, SEGUE) - start);
		nap(SETTLE_MS);
	}
	report_row(&bench->report, "start-up to the first routed connection, p50",
	           (double)samples_at(&starts, 50) / 1000, " ms", 0);
	samples_free(&starts);
}

static void measure_one(struct bench *bench, int i)
{
	samples_add(&bench->samples[i], route_measure(bench->zk, &bench->rivals[i].route));
	nap(i == CONFD ? RELOAD_SETTLE_MS : SETTLE_MS);
}

static void measure_latency(struct bench *bench)
{
	for (unsigned i = 0; i < bench->scale->changes + WARM_UP; i++) {
		int first = i % 2 == 0 ? SEGUE : FLOOR;

		measure_one(bench, first);
		measure_one(bench, first == SEGUE ? FLOOR : SEGUE);
		if (i % bench->scale->confd_every == 0)
			measure_one(bench, CONFD);
		if (i + 1 == WARM_UP)
			for (int j = 0; j < RIVALS; j++)
				samples_free(&bench->samples[j]);
	}
}

static void print_latency(struct bench *bench)
{
	puts("\n| znode write to routed connection | changes | p50 ms | p99 ms | max ms |");
	puts("|---|---|---|---|---|");
	for (int i = 0; i < RIVALS; i++) {
		struct samples *s = &bench->samples[i];

		printf("| %s | %zu | %.2f | %.2f | %.2f |\n", bench->rivals[i].route.name, s->count,
		       (double)samples_at(s, 50) / 1000, (double)samples_at(s, 99) / 1000,
		       (double)samples_at(s, 100) / 1000);
	}
	fflush(stdout);
}

static double ratio(struct samples *a, struct samples *b, unsigned percent)
{
	int64_t divisor = samples_at(b, percent);

	return divisor > 0 ? (double)samples_at(a, percent) / (double)divisor : 0;
}

static void report_ratios(struct bench *bench)
{
	struct samples *s = bench->samples;

	report_row(&bench->report, "p50, times the floor's", ratio(&s[SEGUE], &s[FLOOR], 50), "",
	           1.3);
	report_row(&bench->report, "p99, times the floor's", ratio(&s[SEGUE], &s[FLOOR], 99), "",
	           2);
	report_row(&bench->report, "p50 of confd, times segue's", ratio(&s[CONFD], &s[SEGUE], 50),
	           "", 0);
}

static void measure_idle(struct bench *bench)
{
	pid_t pid = lab_process_pid(lab_segue_process(bench->segue));
	unsigned seconds = bench->scale->idle_seconds;
	struct usage before, after;

	nap(1000);
	before = usage_of(pid);
	nap((int)seconds * 1000);
	after = usage_of(pid);
	report_row(&bench->report, "resident memory, one cluster", (double)after.rss_kb / 1024,
	           " MB", 8);
	report_row(&bench->report, "wake-ups a minute, idle",
	           (double)(after.wakeups - before.wakeups) * 60 / seconds, "", 150);
	report_row(&bench->report, "share of a core, idle",
	           (double)(after.cpu_us - before.cpu_us) / 10000 / seconds, " %", 1);
}

static void measure_binary(struct bench *bench)
{
	const char *stripped = lab_path(bench->lab, "stripped");
	const char *argv[] = {"strip", "-o", stripped, lab_segue_binary(bench->lab), NULL};
	struct stat st;

	if (lab_run(bench->lab, argv, NULL) == 0 && stat(stripped, &st) == 0)
		report_row(&bench->report, "binary, stripped", (double)st.st_size / 1024, " KiB",
		           0);
}

/* ---- many clusters in one sidecar ---- */

struct many {
	struct bench *bench;
	struct lab_haproxy *haproxy;
	struct lab_segue *segue;
	struct route *routes;
	size_t count;
};

/* How many backends of HAProxy are at the port that all znodes name. */
static size_t count_moved(const struct many *many)
{
	auto_free char *wanted = xasprintf(" %u - ", many->bench->servers[1]);
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	size_t moved = 0;

	if (!lab_haproxy_command(many->haproxy, "show servers conn", &reply))
		return 0;
	for (const char *at = reply.data; (at = strstr(at, wanted)) != NULL; at++)
		moved++;
	return moved;
}

static bool all_moved(void *arg)
{
	const struct many *many = arg;

	return count_moved(many) == many->count;
}

static void make_many(struct many *many)
{
	struct bench *bench = many->bench;

	many->haproxy = lab_haproxy_create(bench->lab, NULL);
	for (size_t i = 0; i < many->count; i++) {
		struct route *route = &many->routes[i];

		make_route(bench, route, lab_printf(bench->lab, "many%zu", i),
		           i == many->count / 2);
		write_route(bench, many->haproxy, route);
		route_publish(bench->zk, route, 1);
	}
	lab_haproxy_start(many->haproxy);
	many->segue = bench_segue(bench->lab, bench->zk, many->haproxy, many->routes, many->count);
}

static void measure_many(struct bench *bench)
{
	struct many many = {.bench = bench, .count = bench->scale->clusters};
	struct samples among = {0}, alone = {0};
	const char *title =
	    lab_printf(bench->lab, "start-up, %u clusters, all moved", bench->scale->clusters);
	int64_t start;

	many.routes = xcalloc(many.count, sizeof(*many.routes));
	make_many(&many);
	start = clock_now_us();
	lab_segue_start(many.segue);
	if (!lab_wait_until(all_moved, &many, 60000))
		lab_fail("%zu of %zu clusters moved within a minute", count_moved(&many),
		         many.count);
	report_row(&bench->report, title, (double)(clock_now_us() - start) / 1e6, " s", 5);
	nap(3000);
	for (unsigned i = 0; i < bench->scale->cluster_changes; i++) {
		samples_add(&among, route_measure(bench->zk, &many.routes[many.count / 2]));
		nap(SETTLE_MS);
		samples_add(&alone, route_measure(bench->zk, &bench->rivals[SEGUE].route));
		nap(SETTLE_MS);
	}
	report_row(&bench->report, "p50 of one among them", (double)samples_at(&among, 50) / 1000,
	           " ms", 0);
	report_row(&bench->report, "p50 of one among them, times one alone meanwhile",
	           ratio(&among, &alone, 50), "", 3);
	report_row(&bench->report, "resident memory with them",
	           (double)usage_of(lab_process_pid(lab_segue_process(many.segue))).rss_kb / 1024,
	           " MB", 0);
	samples_free(&among);
	samples_free(&alone);
	free(many.routes);
}

/* Numbers without these mean little. */
static void print_conditions(struct bench *bench)
{
	const char *argv[] = {"haproxy", "-v", NULL};
	auto_strbuf struct strbuf version = STRBUF_INIT;

	lab_run(bench->lab, argv, &version);
	printf("%.*s; one ZooKeeper, without fsync; all on loopback, %ld cores; the three in"
	       " turn, change by change\n",
	       (int)strcspn(version.data, "\n"), version.data, sysconf(_SC_NPROCESSORS_ONLN));
}

/* What follows a change of the znode. */
static void bench_changes(struct bench *bench, bool quick)
{
	start_servers(bench);
	start_rivals(bench);
	print_conditions(bench);
	report_head();
	measure_starts(bench);
	for (int i = 0; i < RIVALS; i++)
		wait_for(bench, i);
	measure_idle(bench);
	measure_binary(bench);
	measure_latency(bench);
	print_latency(bench);
	stopwatch_print(bench->lab, bench->segue);
	report_head();
	report_ratios(bench);
	measure_many(bench);
	pool_bench(bench->lab, bench->zk, &bench->report, quick);
	for (int i = 0; i < RIVALS; i++)
		samples_free(&bench->samples[i]);
}

/* What PostgreSQL servers are needed for. */
static void bench_servers(struct bench *bench, bool quick)
{
	report_head();
	probes_bench(bench->lab, bench->zk, &bench->report, bench->scale->idle_seconds);
	verified_bench(bench->lab, bench->zk, &bench->report, bench->scale->verified_changes);
	failover_bench(bench->lab, bench->zk, &bench->report, bench->scale->failovers);
	report_head();
	publish_bench(bench->lab, bench->zk, &bench->report, quick);
}

/* By itself, as it is in a network of its own and takes a minute a round. */
static int bench_cutoffs(const char *rounds)
{
	struct bench bench = {.lab = lab_create("bench")};

	lab_net_start(bench.lab);
	cutoff_bench(bench.lab, &bench.report,
	             rounds != NULL ? (unsigned)strtoul(rounds, NULL, 10) : CUTOFFS);
	lab_destroy(bench.lab);
	return bench.report.failed > 0;
}

int main(int argc, char **argv)
{
	bool quick = false, failovers = false, endpoints = false;
	struct bench bench = {0};

	if (argc > 1 && strcmp(argv[1], "--patroni-defaults") == 0)
		return bench_cutoffs(argv[2]);
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--quick") == 0) {
			quick = true;
		} else if (strcmp(argv[i], "--failovers") == 0) {
			failovers = true;
		} else if (strcmp(argv[i], "--endpoints") == 0) {
			endpoints = true;
		} else {
			fprintf(stderr,
			        "usage: %s [--quick] [--failovers | --endpoints]\n"
			        "       %s --patroni-defaults [ROUNDS]\n",
			        argv[0], argv[0]);
			return 2;
		}
	bench.scale = quick ? &quick_scale : &full_scale;
	bench.lab = lab_create("bench");
	bench.zk = lab_zk_start(bench.lab, 1);
	if (!failovers && !endpoints)
		bench_changes(&bench, quick);
	if (!failovers)
		endpoints_bench(bench.lab, bench.zk, &bench.report, bench.scale->idle_seconds,
		                bench.scale->clusters);
	if (!endpoints)
		bench_servers(&bench, quick);
	lab_destroy(bench.lab);
	return bench.report.failed > 0;
}
