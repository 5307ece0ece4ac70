/* The endpoint under load: how long each path takes to answer while one cluster moves 1,000 times
 * a minute, and how long it keeps the loop of a sidecar with many clusters, each with moves to
 * tell of, from everything else. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench.h"

#define MOVE_EVERY_US    60000 /* 1,000 a minute */
#define LIMIT_MS         5
#define ROUNDS           10 /* moves that a target remembers */
#define STALL_US         5000000
#define FETCHES          20
#define START_TIMEOUT_MS 60000

/* The first one is asked of the floor. */
#define FLOOR 0
static const char *const paths[] = {"a bare program beside", "/healthz", "/readyz", "/status",
                                    "/metrics"};

struct stand {
	struct lab *lab;
	struct lab_zk *zk;
	struct report *report;
	struct lab_haproxy *haproxy;
	struct route *routes;
	size_t count;
	struct lab_segue *segue;
	const char *listen, *floor;
};

static int ask(const struct stand *stand, const char *path, struct strbuf *body)
{
	return lab_ask(stand->listen, "GET", path, body);
}

static bool is_ready(void *arg)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;

	return ask(arg, "/readyz", &body) == 200;
}

static void start(struct stand *stand, const char *name, size_t count)
{
	uint16_t servers[2] = {lab_backend_port(lab_backend_start(stand->lab, "0")),
	                       lab_backend_port(lab_backend_start(stand->lab, "1"))};

	stand->haproxy = lab_haproxy_create(stand->lab, NULL);
	stand->routes = xcalloc(count, sizeof(*stand->routes));
	stand->count = count;
	for (size_t i = 0; i < count; i++) {
		const char *route = lab_printf(stand->lab, "%s%zu", name, i);

		stand->routes[i] =
		    (struct route){.name = route,
		                   .path = lab_printf(stand->lab, "/bench/%s/master", route),
		                   .servers = {servers[0], servers[1]}};
		lab_write_file(lab_printf(stand->lab, "%s/%s.cfg",
		                          lab_haproxy_conf_dir(stand->haproxy), route),
		               route_config(stand->lab, &stand->routes[i]));
		route_publish(stand->zk, &stand->routes[i], 1);
	}
	lab_haproxy_start(stand->haproxy);
	stand->segue =
	    bench_segue(stand->lab, stand->zk, stand->haproxy, stand->routes, stand->count);
	stand->listen = lab_segue_listen(stand->segue);
	lab_segue_start(stand->segue);
	if (!lab_wait_until(is_ready, stand, START_TIMEOUT_MS))
		lab_fail("%s: /readyz does not say 200 in a minute", name);
}

static void stop(struct stand *stand)
{
	lab_process_stop(lab_segue_process(stand->segue));
	lab_process_stop(lab_haproxy_process(stand->haproxy));
	free(stand->routes);
}

/* ---- the floor: a program that does nothing but answer; what it takes is the machine's ---- */

static int bare_main(void *arg)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
	                             "Connection: close\r\n\r\nok\n";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char request[4096];

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", (const char *)arg);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 16) != 0)
		return 1;
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (read(fd, request, sizeof(request)) > 0 && write(fd, answer, strlen(answer)) < 0)
			return 1;
		close(fd);
	}
}

#define UNIT_NICE (-10)

/* As segue's unit does it, and who asks, too: else what is seen is who had the processor before.
 * pid 0: this process. */
static void go_first(pid_t pid)
{
	setpriority(PRIO_PROCESS, (id_t)pid, UNIT_NICE);
}

static bool floor_answers(void *arg)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;

	return lab_ask(arg, "GET", "/", &body) == 200;
}

static struct lab_process *start_floor(struct stand *stand)
{
	const char *file = lab_path(stand->lab, "floor.sock");
	struct lab_process *process = lab_fork(stand->lab, "floor", bare_main, (void *)file);

	stand->floor = lab_printf(stand->lab, "unix:%s", file);
	if (!lab_wait_until(floor_answers, (void *)stand->floor, START_TIMEOUT_MS))
		lab_fail("the floor does not answer");
	go_first(lab_process_pid(process));
	return process;
}

/* ---- one cluster that moves ---- */

static double ms(int64_t us)
{
	return (double)us / 1000;
}

static void print_path(const struct stand *stand, const char *path, struct samples *samples)
{
	report_row(stand->report,
	           lab_printf(stand->lab, "%s, %zu requests, 1,000 moves a minute, p50", path,
	                      samples->count),
	           ms(samples_at(samples, 50)), " ms", 0);
	report_row(stand->report, lab_printf(stand->lab, "%s, p99", path),
	           ms(samples_at(samples, 99)), " ms", LIMIT_MS);
	report_row(stand->report, lab_printf(stand->lab, "%s, worst", path),
	           ms(samples_at(samples, 100)), " ms", LIMIT_MS);
	samples_free(samples);
}

static int64_t time_one(const struct stand *stand, const char *path)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;
	int64_t start_us = clock_now_us();
	int status = ask(stand, path, &body);

	if (status != 200 && status != 503)
		lab_fail("%s answers %d", path, status);
	return clock_now_us() - start_us;
}

static int64_t time_floor(const struct stand *stand)
{
	int64_t start_us = clock_now_us();

	if (!floor_answers((void *)stand->floor))
		lab_fail("the floor does not answer");
	return clock_now_us() - start_us;
}

/* One request after the other, without a pause, in turn. */
static void measure_paths(struct stand *stand, unsigned seconds)
{
	struct lab_process *floor = start_floor(stand);
	struct samples samples[ARRAY_LEN(paths)] = {{0}};
	int64_t end_us = clock_now_us() + (int64_t)seconds * 1000000, move_us = clock_now_us();
	unsigned moves = 0;

	go_first(lab_process_pid(lab_segue_process(stand->segue)));
	go_first(0);
	for (size_t i = 0; clock_now_us() < end_us; i = (i + 1) % ARRAY_LEN(paths)) {
		if (clock_now_us() >= move_us) {
			route_publish(stand->zk, &stand->routes[0], !stand->routes[0].now);
			move_us += MOVE_EVERY_US;
			moves++;
		}
		samples_add(&samples[i],
		            i == FLOOR ? time_floor(stand) : time_one(stand, paths[i]));
	}
	setpriority(PRIO_PROCESS, 0, 0);
	lab_process_kill(floor);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		print_path(stand, paths[i], &samples[i]);
	report_row(stand->report, "changes a minute meanwhile", (double)moves * 60 / seconds, "",
	           0);
}

/* ---- many clusters ---- */

struct fetch {
	const struct stand *stand;
	const char *path;
};

static int fetch_main(void *arg)
{
	const struct fetch *fetch = arg;

	while (time_one(fetch->stand, fetch->path) >= 0)
		;
	return 1;
}

/* What one takes, on the clock and of a processor. */
static void measure_whole(const struct stand *stand, const char *path)
{
	pid_t pid = lab_process_pid(lab_segue_process(stand->segue));
	int64_t before_us = usage_of(pid).cpu_us;
	auto_strbuf struct strbuf body = STRBUF_INIT;
	struct samples whole = {0};

	for (int i = 0; i < FETCHES; i++)
		samples_add(&whole, time_one(stand, path));
	before_us = usage_of(pid).cpu_us - before_us;
	ask(stand, path, &body);
	report_row(stand->report,
	           lab_printf(stand->lab, "%s of %zu clusters, %.1f MB, p50", path, stand->count,
	                      (double)body.len / 1e6),
	           ms(samples_at(&whole, 50)), " ms", 0);
	report_row(stand->report, "the same, CPU time", ms(before_us / FETCHES), " ms", 0);
	samples_free(&whole);
}

/* How long somebody else waits for a short answer while the long one is made again and again: if
 * it were made in one go, half of them would wait for half of it and more. */
static void measure_stall(struct stand *stand, const char *path)
{
	struct fetch fetch = {.stand = stand, .path = path};
	struct samples others = {0};
	struct lab_process *fetcher = lab_fork(stand->lab, "fetch", fetch_main, &fetch);

	for (int64_t end_us = clock_now_us() + STALL_US; clock_now_us() < end_us;) {
		samples_add(&others, time_one(stand, "/healthz"));
		poll(NULL, 0, 1);
	}
	lab_process_kill(fetcher);
	report_row(stand->report,
	           lab_printf(stand->lab, "/healthz while somebody asks for %s, p50", path),
	           ms(samples_at(&others, 50)), " ms", LIMIT_MS);
	report_row(stand->report, "the same, p99", ms(samples_at(&others, 99)), " ms", 0);
	samples_free(&others);
}

static void remember_moves(struct stand *stand)
{
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < stand->count; i++)
			route_publish(stand->zk, &stand->routes[i], !stand->routes[i].now);
	if (!lab_wait_until(is_ready, stand, START_TIMEOUT_MS))
		lab_fail("not every cluster has moved in a minute");
}

void endpoints_bench(struct lab *lab, struct lab_zk *zk, struct report *report, unsigned seconds,
                     unsigned clusters)
{
	struct stand one = {.lab = lab, .zk = zk, .report = report}, many = one;

	report_head();
	start(&one, "asked", 1);
	measure_paths(&one, seconds);
	stop(&one);
	start(&many, "crowd", clusters);
	remember_moves(&many);
	measure_whole(&many, "/status");
	measure_stall(&many, "/status");
	measure_whole(&many, "/metrics");
	measure_stall(&many, "/metrics");
	stop(&many);
}
