/* What verification adds to a change of the znode, on real servers.
 *
 * The two are primaries of one system on one timeline, as a server on a lower one would be refused:
 * the standby was promoted, and then the old primary, as a standby of nobody. Two that take writes
 * at once would be refused, too: so only the one that is named next runs, the other was killed, and
 * on_primary_loss = keep lets that change nothing. segue has a warm connection to the one that
 * runs, and has heard that it takes writes; what is measured is that it asks again, as the answer
 * has to be younger than the znode. The rival is another cluster in the same sidecar, the same
 * HAProxy and on the same servers, with verify = disable. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/verify.h"

#define NODES         2
#define LIMIT_MS      30000
#define MOVE_LIMIT_MS 10000
#define SETTLE_MS     100

enum { VERIFIED, BELIEVED, ROUTES };

struct pair {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_pg *pg;
	struct lab_haproxy *haproxy;
	struct lab_segue *segue;
	struct route routes[ROUTES];
	struct samples samples[ROUTES];
	struct samples added; /* the first less the second of the same round */
};

/* ---- the servers ---- */

static void stop(struct pair *pair, int node)
{
	lab_process_kill(lab_pg_process(pair->pg, node));
}

static void start(struct pair *pair, int node, bool in_recovery)
{
	lab_pg_node_start(pair->pg, node);
	if (!lab_pg_wait_recovery(pair->pg, node, in_recovery, LIMIT_MS))
		lab_fail("db%d does not start:\n%s", node,
		         lab_process_log_tail(lab_pg_process(pair->pg, node)));
}

/* Both on timeline 2, and only node 0 runs. */
static void make_servers(struct pair *pair)
{
	pair->pg = lab_pg_start(pair->lab, NODES);
	stop(pair, 0);
	lab_pg_promote(pair->pg, 1);
	stop(pair, 1);
	lab_write_file(lab_printf(pair->lab, "%s/standby.signal", lab_pg_data(pair->pg, 0)), "");
	start(pair, 0, true);
	lab_pg_promote(pair->pg, 0);
}

/* ---- the routes ---- */

static const char *describe(struct pair *pair, int primary)
{
	return lab_printf(
	    pair->lab,
	    "{\"version\":1,\"primary\":{\"name\":\"db%d\",\"host\":\"127.0.0.1\",\"port\":%u},"
	    "\"standbys\":[{\"name\":\"db%d\",\"host\":\"127.0.0.1\",\"port\":%u}]}",
	    primary, lab_pg_port(pair->pg, primary), !primary, lab_pg_port(pair->pg, !primary));
}

static void make_routes(struct pair *pair)
{
	static const char *const names[ROUTES] = {"verified", "believed"};
	const char *json = describe(pair, 0);

	/* A try that came too early is not to be repeated by HAProxy, but by the bench. */
	pair->haproxy = lab_haproxy_create(pair->lab, "\tretries 0");
	for (int i = 0; i < ROUTES; i++) {
		pair->routes[i] = (struct route){
		    .name = names[i],
		    .path = lab_printf(pair->lab, "/bench/%s/master", names[i]),
		    .front = lab_port(pair->lab),
		    .servers = {lab_pg_port(pair->pg, 0), lab_pg_port(pair->pg, 1)},
		    .settings = i == VERIFIED ? "verify = require\non_primary_loss = keep\n"
		                                "verify_conninfo = user=postgres dbname=postgres\n"
		                              : "verify = disable\n"};
		lab_write_file(lab_printf(pair->lab, "%s/%s.cfg",
		                          lab_haproxy_conf_dir(pair->haproxy), names[i]),
		               route_config(pair->lab, &pair->routes[i]));
		lab_zk_set(pair->zk, pair->routes[i].path, json, strlen(json));
	}
	lab_haproxy_start(pair->haproxy);
	pair->segue = bench_segue(pair->lab, pair->zk, pair->haproxy, pair->routes, ROUTES);
	lab_segue_start(pair->segue);
}

/* PostgreSQL answers this question for TLS with one byte, before anything else. */
static bool is_led(uint16_t port)
{
	static const unsigned char question[] = {0, 0, 0, 8, 4, 210, 22, 47};
	struct sockaddr_in addr = {.sin_family = AF_INET,
	                           .sin_port = htons(port),
	                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct linger reset = {.l_onoff = 1};
	struct timeval limit = {.tv_sec = 1};
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer;

	return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
	       connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	       send(fd, question, sizeof(question), MSG_NOSIGNAL) == sizeof(question) &&
	       recv(fd, &answer, 1, 0) == 1;
}

static bool await_led(const struct pair *pair, int i, int64_t timeout_ms)
{
	int64_t deadline_us = clock_now_us() + timeout_ms * 1000;

	while (!is_led(pair->routes[i].front))
		if (clock_now_us() > deadline_us)
			return false;
	return true;
}

static void must_lead(struct pair *pair, int i, int64_t timeout_ms)
{
	if (!await_led(pair, i, timeout_ms))
		lab_fail("%s: no connection reaches the server; segue's log:\n%s",
		         pair->routes[i].name,
		         lab_process_log_tail(lab_segue_process(pair->segue)));
}

/* ---- the changes ---- */

static void await_probe(struct pair *pair, int node)
{
	const char *port = lab_printf(pair->lab, " port=%u ", lab_pg_port(pair->pg, node));

	if (lab_segue_wait_log(pair->segue, LIMIT_MS, "event=server ", port, "in_recovery=no",
	                       NULL) == NULL)
		lab_fail("segue does not see that db%d is up; its log:\n%s", node,
		         lab_process_log_tail(lab_segue_process(pair->segue)));
}

static int64_t change(struct pair *pair, int i, int node)
{
	const char *json = describe(pair, node);
	int64_t start_us = clock_now_us(), took_us;

	lab_zk_set_begin(pair->zk, pair->routes[i].path, json, strlen(json));
	must_lead(pair, i, MOVE_LIMIT_MS);
	took_us = clock_now_us() - start_us;
	samples_add(&pair->samples[i], took_us);
	lab_zk_set_finish(pair->zk);
	poll(NULL, 0, SETTLE_MS);
	return took_us;
}

static void change_both(struct pair *pair, unsigned round)
{
	int node = (int)(round + 1) % NODES, first = (int)(round / 2) % ROUTES;
	int64_t took_us[ROUTES];

	lab_segue_mark(pair->segue);
	stop(pair, !node);
	start(pair, node, false);
	await_probe(pair, node);
	poll(NULL, 0, SETTLE_MS);
	took_us[first] = change(pair, first, node);
	took_us[!first] = change(pair, !first, node);
	samples_add(&pair->added, took_us[VERIFIED] - took_us[BELIEVED]);
}

static double ms(struct samples *samples, unsigned percent)
{
	return (double)samples_at(samples, percent) / 1000;
}

static void report_both(struct pair *pair, struct report *report)
{
	struct samples *s = pair->samples;

	printf(
	    "\n| znode write to a connection routed to PostgreSQL | changes | p50 ms | max ms |\n"
	    "|---|---|---|---|\n");
	printf("| verify = require, on a warm connection | %zu | %.2f | %.2f |\n",
	       s[VERIFIED].count, ms(&s[VERIFIED], 50), ms(&s[VERIFIED], 100));
	printf("| verify = disable, same servers and sidecar | %zu | %.2f | %.2f |\n",
	       s[BELIEVED].count, ms(&s[BELIEVED], 50), ms(&s[BELIEVED], 100));
	report_head();
	report_row(report, "verify: what asking the server adds to a change, p50",
	           ms(&pair->added, 50), " ms", 0);
}

void verified_bench(struct lab *lab, struct lab_zk *zk, struct report *report, unsigned changes)
{
	struct pair pair = {.lab = lab, .zk = zk};

	make_servers(&pair);
	make_routes(&pair);
	for (int i = 0; i < ROUTES; i++)
		must_lead(&pair, i, LIMIT_MS);
	for (unsigned i = 0; i < changes; i++)
		change_both(&pair, i);
	report_both(&pair, report);
	lab_process_stop(lab_segue_process(pair.segue));
	lab_process_kill(lab_haproxy_process(pair.haproxy));
	for (int i = 0; i < NODES; i++)
		stop(&pair, i);
	for (int i = 0; i < ROUTES; i++)
		samples_free(&pair.samples[i]);
	samples_free(&pair.added);
}
