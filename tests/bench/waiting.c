/* Clients that wait in HAProxy for a primary: what HAProxy spends on them, and how soon they are
 * served when there is one; in its queue, and each at the closed port. And how segue ends 50,000
 * sessions that were left behind, against a HAProxy that is played. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "sidecar/haproxy/driver_internal.h"

#define HELD_MS       2000
#define SETTLE_MS     1000
#define START_MS      20000
#define SERVED_MS     10000
#define ROUNDS        5
#define CLIENTS_MAX   1000
#define OLD_SESSIONS  50000
#define SWEEP_LIMIT_S 60

static const char nobody[] = "{\"version\":1,\"primary\":null,\"standbys\":[]}";

struct way {
	const char *title, *name;
	int redispatch;
};

static const struct way ways[] = {{"in HAProxy's queue", "queue", 2},
                                  {"each at the closed port", "port", 1}};
static const size_t counts[] = {50, CLIENTS_MAX};

struct stand {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_haproxy *haproxy;
	struct lab_segue *segue;
	struct route route;
};

struct figures {
	struct samples cpu, first, median, last;
	size_t unserved;
};

static struct lab_segue *make_segue(struct stand *stand, const struct way *way)
{
	static const char template_text[] =
	    "defaults %s\n\tmode tcp\n\ttimeout connect 50ms\n\ttimeout client 1h\n"
	    "\ttimeout server 1h\n\ttimeout queue 5m\n\tretries 6000\n\toption redispatch %d\n"
	    "frontend %s_in from %s\n\tbind 127.0.0.1:%u\n\tdefault_backend %s\n"
	    "backend %s from %s\n\tserver primary {{#primary}}{{endpoint}}{{/primary}}"
	    "{{^primary}}127.0.0.1:1{{/primary}}\n";
	const char *name = way->name;
	const char *template_file =
	    lab_printf(stand->lab, "%s/%s.mustache", lab_dir(stand->lab), name);
	const char *state = lab_printf(stand->lab, "%s/state-%s", lab_dir(stand->lab), name);

	if (mkdir(state, 0755) != 0)
		lab_fail("cannot make %s: %s", state, strerror(errno));
	lab_write_file(template_file, lab_printf(stand->lab, template_text, name, way->redispatch,
	                                         name, name, stand->route.front, name, name, name));
	return lab_segue_create(
	    stand->lab,
	    lab_printf(stand->lab,
	               "[segue]\nname = %s\nstate_dir = %s\n[zookeeper]\nhosts = %s\n"
	               "[cluster %s]\npath = /bench/%s\nverify = disable\nhold_timeout = 2m\n"
	               "[haproxy %s]\ncluster = %s\ntemplate = %s\noutput = %s/%s.cfg\n"
	               "socket = %s\nmaster_socket = %s\n",
	               name, state, lab_zk_hosts(stand->zk), name, name, name, name, template_file,
	               lab_haproxy_conf_dir(stand->haproxy), name,
	               lab_haproxy_socket(stand->haproxy),
	               lab_haproxy_master_socket(stand->haproxy)));
}

static void start(struct stand *stand, const struct way *way)
{
	const char *path = lab_printf(stand->lab, "/bench/%s/master", way->name);

	stand->haproxy = lab_haproxy_create(stand->lab, NULL);
	stand->route =
	    (struct route){.name = way->name,
	                   .path = path,
	                   .front = lab_port(stand->lab),
	                   .servers = {lab_backend_port(lab_backend_start(stand->lab, "0")),
	                               lab_backend_port(lab_backend_start(stand->lab, "1"))}};
	lab_haproxy_start(stand->haproxy);
	route_publish(stand->zk, &stand->route, 0);
	stand->segue = make_segue(stand, way);
	lab_segue_start(stand->segue);
	if (route_await(&stand->route, START_MS) == 0)
		lab_fail("%s: segue does not follow its znode", way->name);
}

static pid_t worker_pid(struct stand *stand)
{
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	const char *at;

	if (!lab_haproxy_command(stand->haproxy, "show info", &reply) ||
	    (at = strstr(reply.data, "\nPid: ")) == NULL)
		lab_fail("HAProxy does not tell its pid");
	return (pid_t)strtol(at + strlen("\nPid: "), NULL, 10);
}

static void connect_all(const struct stand *stand, struct pollfd *fds, size_t count)
{
	const struct sockaddr_in addr = {.sin_family = AF_INET,
	                                 .sin_port = htons(stand->route.front),
	                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	for (size_t i = 0; i < count; i++) {
		fds[i] = (struct pollfd){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
		                         .events = POLLIN};
		if (fds[i].fd < 0 ||
		    connect(fds[i].fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0)
			lab_fail("client %zu cannot connect: %s", i, strerror(errno));
	}
}

/* Until each has its byte of the new server; us from `start`. */
static void await_all(struct pollfd *fds, size_t count, int64_t start_us, struct samples *served)
{
	size_t left = count;
	char byte;

	while (left > 0 && clock_now_us() - start_us < SERVED_MS * 1000L &&
	       poll(fds, (nfds_t)count, SERVED_MS) > 0) {
		int64_t now_us = clock_now_us();

		for (size_t i = 0; i < count; i++) {
			if (fds[i].fd < 0 || fds[i].revents == 0)
				continue;
			if (recv(fds[i].fd, &byte, 1, 0) == 1)
				samples_add(served, now_us - start_us);
			close(fds[i].fd);
			fds[i].fd = -1;
			left--;
		}
	}
	for (size_t i = 0; i < count; i++)
		if (fds[i].fd >= 0)
			close(fds[i].fd);
}

static void measure(struct stand *stand, size_t count, unsigned round, struct figures *figures)
{
	static struct pollfd fds[CLIENTS_MAX];
	struct samples served = {0};
	int64_t start_us, cpu_us;
	pid_t pid;
	int held = lab_segue_count_log(stand->segue, "event=held ", NULL);

	lab_zk_set(stand->zk, stand->route.path, nobody, strlen(nobody));
	for (int64_t until = clock_now_ms() + START_MS;
	     lab_segue_count_log(stand->segue, "event=held ", NULL) == held;)
		if (clock_now_ms() > until)
			lab_fail("%s: nothing is held", stand->route.name);
	connect_all(stand, fds, count);
	poll(NULL, 0, SETTLE_MS);
	pid = worker_pid(stand);
	cpu_us = usage_of(pid).cpu_us;
	poll(NULL, 0, HELD_MS);
	samples_add(&figures->cpu, usage_of(pid).cpu_us - cpu_us);
	start_us = clock_now_us();
	route_publish(stand->zk, &stand->route, round % 2 == 0);
	await_all(fds, count, start_us, &served);
	figures->unserved += count - served.count;
	samples_add(&figures->first, samples_at(&served, 0));
	samples_add(&figures->median, samples_at(&served, 50));
	samples_add(&figures->last, samples_at(&served, 100));
	samples_free(&served);
	if (route_await(&stand->route, START_MS) == 0)
		lab_fail("%s: not at its new server", stand->route.name);
	poll(NULL, 0, SETTLE_MS / 2); /* the limit of the text is back */
}

static double ms(struct samples *samples)
{
	return (double)samples_at(samples, 50) / 1000;
}

static void print(const struct way *way, size_t count, unsigned rounds, struct figures *figures)
{
	printf("| %zu | %s | %u | %.0f | %.1f | %.1f | %.1f | %zu |\n", count, way->title, rounds,
	       ms(&figures->cpu), ms(&figures->first), ms(&figures->median), ms(&figures->last),
	       figures->unserved);
	fflush(stdout);
}

static void waiting_clients(struct lab *lab, struct lab_zk *zk, struct report *report, bool quick)
{
	unsigned rounds = quick ? 2 : ROUNDS;
	struct stand stands[ARRAY_LEN(ways)];
	struct figures queue = {0};

	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		stands[w] = (struct stand){.lab = lab, .zk = zk};
		start(&stands[w], &ways[w]);
	}
	puts("\n| clients that wait in HAProxy | how | rounds | HAProxy's CPU in 2 s, ms | first "
	     "served, ms | median | last | not served |");
	puts("|---|---|---|---|---|---|---|---|");
	for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
		struct figures figures[ARRAY_LEN(ways)] = {0};

		for (unsigned i = 0; i < rounds; i++)
			for (size_t w = 0; w < ARRAY_LEN(ways); w++)
				measure(&stands[w], counts[c], i, &figures[w]);
		for (size_t w = 0; w < ARRAY_LEN(ways); w++)
			print(&ways[w], counts[c], rounds, &figures[w]);
		queue = figures[0];
	}
	puts("\nFrom the write of the znode on; medians of the rounds.");
	report_head();
	report_row(report, "HAProxy's CPU while 1,000 clients wait in its queue for 2 s",
	           ms(&queue.cpu), " ms", 100);
	report_none(report, "waiting clients that were not served", (int64_t)queue.unserved);
}

/* ---- 50,000 sessions ---- */

/* A HAProxy that has nothing but sessions to an address that was left, until they are ended. */
struct played {
	const char *path;
	bool ended[OLD_SESSIONS];
};

static void show_sessions(const struct played *played, FILE *out)
{
	for (unsigned i = 0; i < OLD_SESSIONS; i++) {
		if (played->ended[i])
			continue;
		fprintf(out,
		        "0x%x: [30/Nov/2026:06:59:41.120096] id=%u proto=tcpv4 source=127.0.0.1:9\n"
		        "  flags=0x4a, conn_retries=0, conn_exp=<NEVER> conn_et=0x000\n"
		        "  frontend=f (id=2 mode=tcp), listener=? (id=1) addr=127.0.0.1:5000\n"
		        "  backend=b (id=3 mode=tcp) addr=127.0.0.1:34480\n"
		        "  server=s (id=1) addr=10.0.0.1:5432\n"
		        "  scf=0x561682a26fc0 flags=0x00000000 state=EST endp=CONN\n",
		        0x10000 + i, i);
		for (int j = 0; j < 8; j++) /* as long as the real one */
			fprintf(out,
			        "      co0=0x7f7cec0305e0 ctrl=tcpv4 xprt=RAW mux=PASS data=STRM "
			        "target=LISTENER:0x55aa92a7acd0 buf=0x55aa92b41818\n");
		fprintf(out, "  scb=0x561682bcf170 flags=0x00000001 state=EST endp=CONN\n");
	}
	fputc('\n', out);
}

static void end_sessions(struct played *played, const char *line, FILE *out)
{
	for (const char *at = line; (at = strstr(at, "shutdown session 0x")) != NULL; at++) {
		unsigned long id = strtoul(at + strlen("shutdown session "), NULL, 16);

		if (id >= 0x10000 && id - 0x10000 < OLD_SESSIONS)
			played->ended[id - 0x10000] = true;
		fputc('\n', out);
	}
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    listen(fd, 10) != 0)
		lab_fail("%s: %s", path, strerror(errno));
	return fd;
}

static int play(void *arg)
{
	struct played *played = arg;
	static char line[65536];
	int listener = listen_at(played->path), fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");

		if (in == NULL || out == NULL)
			return 1;
		if (fgets(line, sizeof(line), in) != NULL) {
			if (strstr(line, "show sess all") != NULL)
				show_sessions(played, out);
			else
				end_sessions(played, line, out);
		}
		fclose(out);
		fclose(in);
	}
	return 1;
}

struct outcome {
	bool done;
	unsigned ended, left;
	int64_t late_us, last_us; /* of a timer that wants to run all the time */
	int64_t rss_kb;           /* the most that it has seen */
	unsigned ticks;
};

static void take_outcome(const struct session_cleanup_result *result, void *arg)
{
	struct outcome *outcome = arg;

	outcome->done = true;
	outcome->ended = result->ended;
	outcome->left = result->left;
	if (*result->problem != '\0')
		lab_fail("sweep: %s", result->problem);
}

static void tick_cb(int fd, short events, void *arg)
{
	struct outcome *outcome = arg;
	int64_t now_us = clock_now_us();

	(void)fd;
	(void)events;
	if (now_us - outcome->last_us > outcome->late_us)
		outcome->late_us = now_us - outcome->last_us;
	if (outcome->ticks++ % 16 == 0 && usage_of(getpid()).rss_kb > outcome->rss_kb)
		outcome->rss_kb = usage_of(getpid()).rss_kb;
	outcome->last_us = now_us;
}

static bool is_there(void *path)
{
	return access(path, F_OK) == 0;
}

static void many_sessions(struct lab *lab, struct report *report)
{
	static struct played played;
	static const char text[] = "backend b\n server s 10.0.0.2:5432\n";
	const char *path = lab_path(lab, "played.sock");
	const struct timeval tick = {.tv_usec = 1000};
	struct event_base *base = event_base_new();
	struct haproxy_queue *gate = haproxy_queue_create(base, path, false);
	struct event *timer;
	struct haproxy_config config;
	struct haproxy_live none = {0};
	struct outcome outcome = {.last_us = clock_now_us()};
	int64_t start_us, before_kb = usage_of(getpid()).rss_kb;
	struct err err;

	played.path = path;
	lab_fork(lab, "played", play, &played);
	if (!lab_wait_until(is_there, (void *)path, START_MS))
		lab_fail("%s: nobody listens", path);
	if (!haproxy_config_parse(text, strlen(text), &config, &err))
		lab_fail("%s", err.message);
	timer = event_new(base, -1, EV_PERSIST, tick_cb, &outcome);
	event_add(timer, &tick);
	start_us = outcome.last_us = clock_now_us();
	if (session_cleanup_start(gate, NULL, &config, &none, take_outcome, &outcome) == NULL)
		lab_fail("no sweep");
	while (!outcome.done && clock_now_us() - start_us < SWEEP_LIMIT_S * 1000000LL)
		event_base_loop(base, EVLOOP_ONCE);
	report_row(report, "50,000 old sessions are found and ended (a HAProxy that is played)",
	           (double)(clock_now_us() - start_us) / 1e6, " s", SWEEP_LIMIT_S);
	report_none(report, "of them not ended",
	            OLD_SESSIONS - (int64_t)outcome.ended + outcome.left);
	report_row(report, "memory that it takes", (double)(outcome.rss_kb - before_kb) / 1024,
	           " MB", 4);
	report_row(report, "longest wait of another event meanwhile",
	           (double)outcome.late_us / 1000, " ms", 0);
	event_free(timer);
	haproxy_config_free(&config);
	haproxy_queue_destroy(gate);
	event_base_free(base);
}

void waiting_bench(struct lab *lab, struct lab_zk *zk, struct report *report, bool quick)
{
	waiting_clients(lab, zk, report, quick);
	many_sessions(lab, report);
}
