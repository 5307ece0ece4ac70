/* The verifier as a whole: which servers it asks, how often, and what that costs the loop. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/loop.h"
#include "unit/probe_case.h"

#define SERVERS 100

TestSuite(verifier, .init = probe_case_init, .fini = probe_case_fini, .timeout = 60);

Test(verifier, hurry_asks_every_few_ms_and_is_harmless_when_repeated)
{
	static const struct member other = {.address = "127.0.0.9", .port = 9};

	probe_case_serve(fake_primary);
	probe_case_follow();
	probe_case_expect(SERVER_ANSWERED, 1);
	verifier_hurry(t.verifier, &other);
	for (int i = 0; i < 20; i++) {
		verifier_hurry(t.verifier, &t.member);
		verifier_hurry(t.verifier, &t.member);
		loop_for(t.base, 10);
	}
	cr_expect_geq(probe_case_fact()->running, 10, "%u in 200 ms", probe_case_fact()->running);
	cr_expect_leq(probe_case_fact()->running, 110, "%u in 200 ms", probe_case_fact()->running);
	cr_expect_eq(*t.connections, 1);
	cr_expect_leq(t.calls, 3 + 20);
}

Test(verifier, the_first_answer_after_a_hurry_is_told_though_nothing_is_different)
{
	int64_t hurried_us;
	int calls;

	probe_case_serve(fake_primary);
	probe_case_follow();
	verifier_hurry(t.verifier, &t.member);
	probe_case_expect(SERVER_ANSWERED, SERVER_RUNNING_MATTERS + 1);
	calls = t.calls;
	hurried_us = clock_now_us();
	verifier_hurry(t.verifier, &t.member);
	for (int i = 0; i < 500 && t.calls == calls; i++)
		loop_for(t.base, 10);
	cr_assert_gt(t.calls, calls);
	cr_expect_geq(probe_case_fact()->asked_us, hurried_us);
}

static void stop(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* The timer that asks; the relay before libpq, with the question and with the answer; libpq. Some
 * of them come in one turn. The connection may be made anew in the meantime, with turns of its own.
 */
Test(verifier, a_question_wakes_the_process_four_times_at_most)
{
	const struct timeval three_s = {.tv_sec = 3};
	unsigned asked, turns = 0, connections;
	bool stopped = false;

	probe_case_serve(fake_primary);
	probe_case_follow();
	probe_case_expect(SERVER_ANSWERED, 3); /* nothing is told from then on */
	asked = probe_case_fact()->running;
	connections = *t.connections;
	event_base_once(t.base, -1, EV_TIMEOUT, stop, &stopped, &three_s);
	for (; !stopped; turns++)
		event_base_loop(t.base, EVLOOP_ONCE);
	asked = probe_case_fact()->running - asked;
	cr_expect_geq(asked, 2);
	loop_for(t.base,
	         300); /* the server's word of a new connection comes after its first turn */
	connections = *t.connections - connections;
	cr_expect_leq(turns, 4 * (asked + 1) + 1 + 10 * connections,
	              "%u turns for %u questions and %u connections", turns, asked, connections);
}

Test(verifier, those_that_stay_keep_their_connection)
{
	const struct member none = {.host = "unresolved", .port = 1};
	struct member other = t.member;
	size_t count;
	int fd = probe_case_bind(&other.port);

	probe_case_serve(fake_primary);
	probe_case_follow();
	probe_case_expect(SERVER_ANSWERED, 1);
	verifier_follow(t.verifier,
	                (const struct member *const[]){&other, NULL, &t.member, &none, &t.member},
	                5);
	cr_expect_eq(verifier_facts(t.verifier, &count)[1].class, SERVER_ANSWERED);
	cr_expect_eq(verifier_facts(t.verifier, &count)[0].class, SERVER_UNASKED);
	cr_expect_eq(count, 2);
	loop_for(t.base, 50);
	cr_expect_eq(*t.connections, 1);
	verifier_follow(t.verifier, NULL, 0);
	cr_expect_not_null(verifier_facts(t.verifier, &count));
	cr_expect_eq(count, 0);
	close(fd);
}

/* The parent has no copy of the listener. */
static void dies_from_its_youngest(int fd, int n)
{
	int silent;

	(void)n;
	fake_log_in(fd);
	fake_take(fd);
	fake_answer();
	fake_take(fd); /* the answer leaves; who took it arms */
	silent = accept(t.listener, NULL, NULL);
	close(t.listener);
	close(silent);
	pause();
}

Test(verifier, a_guarded_server_is_lost_though_its_warm_connection_lives)
{
	t.config.tripwires = 1;
	t.config.verify_timeout_ms = 60000;
	probe_case_serve(dies_from_its_youngest);
	close(t.listener);
	probe_case_follow();
	verifier_guard(t.verifier, &t.member);
	verifier_guard(t.verifier, &t.member);
	probe_case_expect(SERVER_REFUSED, 1);
	cr_expect_geq(probe_case_fact()->unserved, SERVER_RUNNING_MATTERS);
	t.listener = probe_case_bind(&t.member.port);
}

/* For a second and more, so that the warm connection counts as one. False: it was the silent one
 * that is tried after an end. */
static bool stand_a_while(int fd)
{
	fake_log_in(fd);
	if (!fake_take(fd))
		return false;
	fake_answer();
	if (!fake_take(fd) || accept(t.listener, NULL, NULL) < 0)
		return false;
	for (int i = 0; i < 2; i++) {
		fake_answer();
		fake_take(fd);
	}
	return true;
}

/* The listener lives on in the test's process, as that of a relay does which is restarted. */
static void ends_both_at_once(int fd, int n)
{
	(void)n;
	if (stand_a_while(fd))
		_exit(0);
}

static void await_end_of_server(void)
{
	siginfo_t info = {.si_pid = 0};

	for (int i = 0; i < 1500 && info.si_pid == 0; i++) {
		loop_for(t.base, 10);
		waitid(P_PID, (id_t)t.server, &info, WEXITED | WNOHANG | WNOWAIT);
	}
	probe_case_stop_server();
	loop_for(t.base, 100);
}

/* On a busy machine the test's own process may stand still between the two ends. */
Test(verifier, two_ends_at_the_same_time_are_a_loss_until_the_next_answer)
{
	t.config.tripwires = 1;
	t.config.verify_timeout_ms = 60000;
	cr_assert_eq(listen(t.listener, 128), 0);
	probe_case_follow();
	verifier_guard(t.verifier, &t.member);
	for (int i = 0; i < 5 && t.most_running[SERVER_REFUSED] == 0; i++) {
		probe_case_serve(ends_both_at_once);
		await_end_of_server();
	}
	cr_assert_geq(t.most_running[SERVER_REFUSED], 1);
	probe_case_serve(fake_primary);
	probe_case_expect(SERVER_ANSWERED, 1);
	cr_expect(server_takes_writes(probe_case_fact()));
}

/* Somebody has terminated segue's session. */
static void ends_the_warm_one(int fd, int n)
{
	if (n > 1) {
		fake_primary(fd, n);
		return;
	}
	(void)stand_a_while(fd); /* the silent one stays */
	shutdown(fd, SHUT_RDWR);
}

Test(verifier, one_end_of_two_is_no_loss)
{
	t.config.tripwires = 1;
	t.config.verify_timeout_ms = 60000;
	probe_case_serve(ends_the_warm_one);
	probe_case_follow();
	verifier_guard(t.verifier, &t.member);
	probe_case_expect(SERVER_ANSWERED, 1);
	for (int i = 0; i < 1000 && *t.connections == 1; i++)
		loop_for(t.base, 10);
	probe_case_expect(SERVER_ANSWERED, 4);
	cr_expect_eq(t.most_running[SERVER_REFUSED], 0);
}

Test(verifier, with_verify_disable_nobody_is_asked)
{
	size_t count;

	t.config.verify = CONFIG_VERIFY_DISABLE;
	probe_case_serve(fake_primary);
	probe_case_follow();
	loop_for(t.base, 50);
	verifier_facts(t.verifier, &count);
	cr_expect_eq(count, 0);
	cr_expect_eq(*t.connections, 0);
}

Test(verifier, a_conninfo_that_libpq_refuses_is_told)
{
	snprintf(t.conninfo, sizeof(t.conninfo), "usr=segue");
	probe_case_follow();
	probe_case_expect(SERVER_OTHER, 1);
	cr_expect_not_null(strstr(probe_case_fact()->problem, "usr"), "%s",
	                   probe_case_fact()->problem);
}

/* The person's host and port do not count. */
Test(verifier, the_address_is_that_of_the_member)
{
	probe_case_serve(fake_primary);
	snprintf(t.conninfo, sizeof(t.conninfo), "host=/nowhere port=1 sslmode=disable user=segue");
	probe_case_follow();
	probe_case_expect(SERVER_ANSWERED, 1);
}

Test(verifier, destroyed_in_the_middle_it_never_calls_back)
{
	probe_case_serve(fake_primary);
	probe_case_follow();
	loop_for(t.base, 1);
	verifier_destroy(STEAL(t.verifier));
	loop_for(t.base, 100);
}

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static struct {
	struct event *timer;
	int64_t due_us, worst_us;
	int ticks;
} tick;

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval ten_ms = {.tv_usec = 10000};
	int64_t now = clock_now_us();

	(void)fd;
	(void)what;
	(void)arg;
	if (tick.ticks++ > 0 && now - tick.due_us > tick.worst_us)
		tick.worst_us = now - tick.due_us;
	tick.due_us = now + 10000;
	event_add(tick.timer, &ten_ms);
}

/* Every fourth one refuses, is frozen, hangs up, or answers. */
Test(verifier, a_hundred_servers_neither_stall_the_loop_nor_leak)
{
	struct member members[SERVERS];
	const struct member *list[SERVERS];
	int fds[SERVERS], files;
	size_t count;

	for (int i = 0; i < SERVERS; i++) {
		members[i] = t.member;
		if (i > 0)
			fds[i] = probe_case_bind(&members[i].port);
		if (i % 2 == 1)
			cr_assert_eq(listen(fds[i], 128), 0);
		list[i] = &members[i];
	}
	probe_case_serve(fake_primary);
	files = open_files();
	tick.timer = event_new(t.base, -1, 0, on_tick, NULL);
	on_tick(-1, 0, NULL);
	verifier_follow(t.verifier, list, SERVERS);
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < SERVERS; i++)
			verifier_hurry(t.verifier, &members[i]);
		loop_for(t.base, 100);
	}
	verifier_facts(t.verifier, &count);
	cr_expect_eq(count, SERVERS);
	fprintf(stderr, "worst lateness %lld us in %d ticks, refused up to %u\n",
	        (long long)tick.worst_us, tick.ticks, t.most_running[SERVER_REFUSED]);
	cr_expect_lt(tick.worst_us, 400000);
	verifier_follow(t.verifier, list, 0);
	cr_expect_eq(open_files(), files);
	event_free(tick.timer);
	for (int i = 1; i < SERVERS; i++)
		close(fds[i]);
}
