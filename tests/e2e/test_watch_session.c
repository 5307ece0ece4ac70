/* The session under everything that a store and a network do to it: no change is missed, and a fact
 * is never called current while it may not be. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixtures/zookeeper_loop.h"

#define TIMEOUT_MS 6000
#define MAX_SIZE   ((size_t)64 * 1024)

static struct lab *lab;

static void setup(void)
{
	lab = lab_create("watch-session");
}

static void teardown(void)
{
	lab_destroy(lab);
}

TestSuite(watch_session, .init = setup, .fini = teardown, .timeout = 120);

static int64_t set(struct lab_zk *zk, const char *path, const char *value)
{
	return lab_zk_set(zk, path, value, strlen(value));
}

/* A socket that accepts (the kernel does) and never says a word. */
static int black_hole(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 16), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

Test(watch_session, server_killed_and_started_again)
{
	struct lab_zk *zk = lab_zk_start(lab, 1);
	struct watch_loop loop;
	struct probe probe, absent;

	set(zk, "/n", "one");
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_start(&absent, &loop, "/absent", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_data(&probe, &loop, "one");
	probe_wait_state(&absent, &loop, ZK_NODE_ABSENT);
	lab_process_kill(lab_zk_process(zk, 0));
	probe_wait_connected(&probe, &loop, false);
	cr_assert_not(zk_connected(loop.zk));
	cr_assert_eq(probe.fact.state, ZK_NODE_PRESENT);
	cr_assert_not(absent.fact.connected);
	watch_loop_turn(&loop, 1000);
	lab_zk_server_start(zk, 0);
	probe_wait_data(&probe, &loop, "one");
	set(zk, "/n", "two");
	probe_wait_data(&probe, &loop, "two");
	set(zk, "/absent", "here");
	probe_wait_data(&absent, &loop, "here");
	cr_assert_eq(probe.losses, 1);
	watch_loop_close(&loop);
	probe_fini(&probe);
	probe_fini(&absent);
}

Test(watch_session, starts_before_the_store_and_says_that_it_is_away)
{
	struct watch_loop loop;
	struct probe probe;
	struct lab_zk *zk = lab_zk_start(lab, 1);
	int64_t start_us;

	set(zk, "/n", "one");
	lab_process_kill(lab_zk_process(zk, 0));
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_connected(&probe, &loop, false);
	cr_assert_eq(probe.fact.state, ZK_NODE_UNKNOWN);
	cr_assert_not_null(strstr(zk_describe(loop.zk), "Connection refused"), "%s",
	                   zk_describe(loop.zk));
	start_us = clock_now_us();
	lab_zk_server_start(zk, 0);
	probe_wait_data(&probe, &loop, "one");
	cr_assert_gt(probe.fact.notified_us, start_us, "the outage is no part of the change");
	cr_assert_geq(probe.fact.read_us, probe.fact.notified_us);
	watch_loop_close(&loop);
	probe_fini(&probe);
}

Test(watch_session, expired_session_is_replaced_and_nothing_is_missed)
{
	struct lab_zk *zk = lab_zk_start(lab, 1);
	struct watch_loop loop;
	struct probe probe;

	set(zk, "/n", "one");
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_data(&probe, &loop, "one");
	cr_assert_eq(lab_zk_expire_others(zk), 1);
	set(zk, "/n", "two");
	probe_wait_data(&probe, &loop, "two");
	cr_assert_eq(probe.losses, 1);
	set(zk, "/n", "three");
	probe_wait_data(&probe, &loop, "three");
	watch_loop_close(&loop);
	probe_fini(&probe);
}

Test(watch_session, wiped_server_is_believed_after_a_new_session)
{
	struct lab_zk *zk = lab_zk_start(lab, 1);
	struct watch_loop loop;
	struct probe probe;

	set(zk, "/n", "one");
	for (int i = 0; i < 50; i++)
		set(zk, "/n", "one");
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_data(&probe, &loop, "one");
	lab_process_kill(lab_zk_process(zk, 0));
	lab_zk_wipe(zk, 0);
	lab_zk_server_start(zk, 0);
	probe_wait_connected(&probe, &loop, false);
	probe_wait_state(&probe, &loop, ZK_NODE_ABSENT);
	watch_loop_close(&loop);
	probe_fini(&probe);
}

Test(watch_session, frozen_server_is_left_within_three_seconds)
{
	struct lab_zk *zk = lab_zk_start(lab, 1);
	struct watch_loop loop;
	struct probe probe;
	int64_t start;

	set(zk, "/n", "one");
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_data(&probe, &loop, "one");
	lab_process_freeze(lab_zk_process(zk, 0));
	start = clock_now_ms();
	probe_wait_connected(&probe, &loop, false);
	cr_assert_leq(clock_now_ms() - start, 3200);
	lab_process_thaw(lab_zk_process(zk, 0));
	probe_wait_data(&probe, &loop, "one");
	watch_loop_close(&loop);
	probe_fini(&probe);
}

Test(watch_session, killed_leader_of_an_ensemble_costs_no_change)
{
	struct lab_zk *zk = lab_zk_start(lab, 3);
	struct watch_loop loop;
	struct probe probe;

	set(zk, "/n", "one");
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_data(&probe, &loop, "one");
	lab_process_kill(lab_zk_process(zk, lab_zk_leader(zk)));
	set(zk, "/n", "two");
	probe_wait_data(&probe, &loop, "two");
	set(zk, "/n", "three");
	probe_wait_data(&probe, &loop, "three");
	watch_loop_close(&loop);
	probe_fini(&probe);
}

/* A listener whose backlog is full: the kernel drops every further SYN. Fills it with `fds`. */
static void fill_backlog(int listener, int *fds, size_t count)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	cr_assert_eq(listen(listener, 0), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	for (size_t i = 0; i < count; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		cr_assert(connect(fds[i], (struct sockaddr *)&address, len) == 0 ||
		          errno == EINPROGRESS);
	}
}

/* The order of hosts is shuffled: several sessions, so that some of them begin in the hole. */
static void pass_black_hole(bool drops_syn)
{
	struct lab_zk *zk = lab_zk_start(lab, 1);
	uint16_t port;
	int hole = black_hole(&port), fillers[4] = {-1, -1, -1, -1};
	const char *hosts = lab_printf(lab, "127.0.0.1:%u,%s", port, lab_zk_hosts(zk));

	if (drops_syn)
		fill_backlog(hole, fillers, ARRAY_LEN(fillers));
	set(zk, "/n", "one");
	for (int i = 0; i < 4; i++) {
		struct watch_loop loop;
		struct probe probe;
		int64_t start = clock_now_ms();

		watch_loop_open(&loop, hosts, TIMEOUT_MS, "");
		probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
		probe_wait_data(&probe, &loop, "one");
		cr_assert_leq(clock_now_ms() - start, 2500);
		watch_loop_close(&loop);
		probe_fini(&probe);
	}
	for (size_t i = 0; i < ARRAY_LEN(fillers); i++)
		if (fillers[i] >= 0)
			close(fillers[i]);
	close(hole);
}

Test(watch_session, black_hole_among_the_hosts_costs_a_second)
{
	pass_black_hole(false);
}

Test(watch_session, host_that_swallows_packets_costs_a_second)
{
	pass_black_hole(true);
}

Test(watch_session, dead_hosts_in_a_list_of_any_length_are_passed)
{
	struct lab_zk *zk = lab_zk_start(lab, 1);
	const char *dead = lab_printf(lab, "127.0.0.1:%u", lab_port(lab));
	const char *lists[] = {
	    lab_printf(lab, "%s,%s", dead, lab_zk_hosts(zk)),
	    lab_printf(lab, "%s,%s,%s", dead, lab_zk_hosts(zk), dead),
	    lab_printf(lab, "%s,%s,%s,%s", dead, dead, dead, lab_zk_hosts(zk)),
	    lab_printf(lab, "[::1]:%u,%s", lab_port(lab), lab_zk_hosts(zk)),
	};

	set(zk, "/n", "one");
	for (size_t i = 0; i < 3 * ARRAY_LEN(lists); i++) {
		struct watch_loop loop;
		struct probe probe;
		int64_t start = clock_now_ms();

		watch_loop_open(&loop, lists[i / 3], TIMEOUT_MS, "");
		probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
		probe_wait_data(&probe, &loop, "one");
		cr_assert_leq(clock_now_ms() - start, 1000);
		watch_loop_close(&loop);
		probe_fini(&probe);
	}
}

Test(watch_session, host_names_and_a_chroot)
{
	struct lab_zk *zk = lab_zk_start(lab, 1);
	struct watch_loop loop;
	struct probe probe;

	set(zk, "/root/n", "one");
	watch_loop_open(
	    &loop, lab_printf(lab, "no-such-host.invalid,localhost:%u/root", lab_zk_port(zk, 0)),
	    TIMEOUT_MS, "");
	probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_data(&probe, &loop, "one");
	set(zk, "/root/n", "two");
	probe_wait_data(&probe, &loop, "two");
	watch_loop_close(&loop);
	probe_fini(&probe);
}

/* ---- a paused process: the child is the sidecar, the parent changes the value meanwhile ---- */

static void print_fact(const struct zk_node_fact *fact, void *arg)
{
	(void)arg;
	if (fact->connected && fact->data != NULL)
		printf("fact: %.*s\n", (int)fact->size, fact->data);
	else
		printf("fact: lost\n");
	fflush(stdout);
}

static int watch_and_print(void *hosts)
{
	const struct zk_options options = {.hosts = hosts, .session_timeout_ms = 4000, .auth = ""};
	struct event_base *base = event_base_new();
	struct err err;
	struct resolver *resolver = resolver_create(base, &err);
	struct zk *zk = zk_create(base, resolver, &options, &err);
	struct zk_node *node = zk_watch(zk, "/n", ZK_WATCH_DATA, MAX_SIZE, print_fact, NULL);

	return node != NULL && event_base_dispatch(base) == 0 ? 0 : 1;
}

struct printed {
	struct lab_process *child;
	const char *want;
};

/* All facts so far, one word each, are the wanted ones. */
static bool has_printed(void *arg)
{
	const struct printed *printed = arg;
	auto_strbuf struct strbuf facts = STRBUF_INIT;
	const char *log = lab_read_file(lab, lab_process_log(printed->child));

	while ((log = strstr(log, "fact: ")) != NULL) {
		log += strlen("fact: ");
		strbuf_append(&facts, log, strcspn(log, "\n"));
		strbuf_append_char(&facts, ' ');
	}
	return strcmp(facts.data, printed->want) == 0;
}

static void expect_facts(struct lab_process *child, const char *want)
{
	struct printed printed = {.child = child, .want = want};

	cr_assert(lab_wait_until(has_printed, &printed, WAIT_MS), "wanted '%s', got:\n%s", want,
	          lab_read_file(lab, lab_process_log(child)));
}

/* Stops the child for `ms` and changes the value meanwhile. */
static void pause_child(struct lab_process *child, struct lab_zk *zk, const char *value, int ms)
{
	lab_process_signal(child, SIGSTOP);
	set(zk, "/n", value);
	usleep((useconds_t)ms * 1000);
	lab_process_signal(child, SIGCONT);
}

Test(watch_session, paused_process_reads_again_before_it_believes)
{
	struct lab_zk *zk = lab_zk_start(lab, 1);
	auto_free char *hosts = xstrdup(lab_zk_hosts(zk));
	struct lab_process *child;

	set(zk, "/n", "one");
	child = lab_fork(lab, "paused", watch_and_print, hosts);
	expect_facts(child, "one ");
	pause_child(child, zk, "two", 3000); /* longer than T/2, shorter than the session */
	expect_facts(child, "one lost two ");
	pause_child(child, zk, "three", 9000); /* the session is gone */
	expect_facts(child, "one lost two lost three ");
	set(zk, "/n", "four");
	expect_facts(child, "one lost two lost three four ");
}
