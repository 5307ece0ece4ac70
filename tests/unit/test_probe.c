/* The verifier against servers that do what a real one cannot be made to do: fall silent, hang up
 * in the middle, answer with rubbish. Real ones are in tests/e2e/test_verify.c. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/loop.h"
#include "verify/verifier.h"

#define SERVERS 100

/* What the fake server does with its connection number `n`, in a process of its own. */
typedef void serve_fn(int fd, int n);

static struct {
	struct event_base *base;
	struct config_cluster config;
	char name[8], conninfo[64];
	struct verifier *verifier;
	struct member member;
	int listener;
	pid_t server;
	int *connections; /* shared with the server: how many it had */
	int calls;
	unsigned most_running[SERVER_CLASSES]; /* that a callback has seen */
} t;

static void on_change(void *arg)
{
	size_t count;
	const struct server_fact *facts = verifier_facts(t.verifier, &count);

	(void)arg;
	t.calls++;
	for (size_t i = 0; i < count; i++)
		if (facts[i].running > t.most_running[facts[i].class])
			t.most_running[facts[i].class] = facts[i].running;
}

static int bind_somewhere(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static void setup(void)
{
	memset(&t, 0, sizeof(t));
	t.base = event_base_new();
	snprintf(t.name, sizeof(t.name), "a");
	snprintf(t.conninfo, sizeof(t.conninfo), "user=segue dbname=postgres sslmode=disable");
	t.config = (struct config_cluster){.name = t.name,
	                                   .verify = CONFIG_VERIFY_PREFER,
	                                   .verify_conninfo = t.conninfo,
	                                   .verify_timeout_ms = 100};
	snprintf(t.member.host, sizeof(t.member.host), "db1.example");
	snprintf(t.member.address, sizeof(t.member.address), "127.0.0.1");
	t.listener = bind_somewhere(&t.member.port);
	t.connections =
	    mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	t.verifier = verifier_create(t.base, &t.config, on_change, NULL);
}

static void stop_server(void)
{
	if (t.server > 0) {
		kill(t.server, SIGKILL);
		waitpid(t.server, NULL, 0);
	}
	t.server = 0;
}

static void teardown(void)
{
	stop_server();
	verifier_destroy(t.verifier);
	close(t.listener);
	munmap(t.connections, sizeof(int));
	event_base_free(t.base);
}

TestSuite(probe, .init = setup, .fini = teardown, .timeout = 60);

static void serve(serve_fn *fn)
{
	cr_assert_eq(listen(t.listener, 128), 0);
	t.server = fork();
	for (int fd; t.server == 0; close(fd)) {
		fd = accept(t.listener, NULL, NULL);
		/* Several writes make an answer here: they are not to wait for one another. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		fn(fd, ++*t.connections);
	}
}

static void follow(void)
{
	verifier_follow(t.verifier, (const struct member *const[]){&t.member}, 1);
	cr_assert_eq(t.calls, 0, "called inside a call from the left");
}

static const struct server_fact *fact(void)
{
	size_t count;
	const struct server_fact *facts = verifier_facts(t.verifier, &count);

	cr_assert_eq(count, 1);
	return facts;
}

/* Runs the loop until the server is of this class, for the `running`th time at least. */
static void expect_class(enum server_class class, unsigned running)
{
	int64_t until = clock_now_ms() + 10000;

	while ((fact()->class != class || fact()->running < running) && clock_now_ms() < until)
		loop_for(t.base, 5);
	cr_assert_eq(fact()->class, class, "%s: %s", server_class_name(fact()->class),
	             fact()->problem);
	cr_assert_geq(fact()->running, running);
}

/* One message of the protocol: type, length, body (PostgreSQL manual, 55.7). */
static void put(int fd, char type, const void *body, size_t len)
{
	unsigned char head[5] = {(unsigned char)type, 0, 0, (unsigned char)((len + 4) >> 8),
	                         (unsigned char)(len + 4)};

	if (write(fd, head, sizeof(head)) < 0 || (len > 0 && write(fd, body, len) < 0))
		_exit(1);
}

static bool take(int fd)
{
	char bytes[4096];

	return read(fd, bytes, sizeof(bytes)) > 0;
}

static void log_in(int fd)
{
	take(fd);
	put(fd, 'R', "\0\0\0\0", 4);
	put(fd, 'Z', "I", 1);
}

static void put_error(int fd, const char *sqlstate, const char *text)
{
	char body[256];
	int len = snprintf(body, sizeof(body), "SFEHLER%cC%s%cM%s%c%c", 0, sqlstate, 0, text, 0, 0);

	put(fd, 'E', body, (size_t)len);
}

static void put_row(int fd, const char *const *values, int count)
{
	unsigned char body[512] = {0, (unsigned char)count};
	size_t len = 2;

	for (int i = 0; i < count; i++, len += 20) /* name "c", table, column, type, size, ... */
		memcpy(body + len, "c\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0", 20);
	put(fd, 'T', body, len);
	for (int i = 0, at = 2; i < count; i++) {
		size_t size = strlen(values[i]);

		memcpy(body + at, (unsigned char[]){0, 0, 0, (unsigned char)size}, 4);
		memcpy(body + at + 4, values[i], size);
		at += 4 + (int)size;
		len = (size_t)at;
	}
	put(fd, 'D', body, len);
	put(fd, 'C', "SELECT 1", 9);
	put(fd, 'Z', "I", 1);
}

static void answer(int fd)
{
	static const char *const primary[] = {"f", "00000002", "4096", "77"};

	put_row(fd, primary, 4);
}

static void be_a_primary(int fd, int n)
{
	(void)n;
	log_in(fd);
	while (take(fd))
		answer(fd);
}

static void hang_up(int fd, int n)
{
	(void)n;
	take(fd);
}

static void hang_up_first(int fd, int n)
{
	if (n == 1)
		return;
	be_a_primary(fd, n);
}

/* A reset instead of an end. */
static void reset(int fd, int n)
{
	const struct linger linger = {.l_onoff = 1};

	(void)n;
	take(fd);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void be_starting(int fd, int n)
{
	(void)n;
	take(fd);
	put_error(fd, "57P03", "das Datenbanksystem startet");
}

static void fall_silent(int fd, int n)
{
	(void)n;
	while (take(fd))
		;
}

static void fall_silent_when_asked(int fd, int n)
{
	(void)n;
	log_in(fd);
	while (take(fd))
		;
}

static void answer_once_and_end(int fd, int n)
{
	(void)n;
	log_in(fd);
	take(fd);
	answer(fd);
}

static void talk_http(int fd, int n)
{
	(void)n;
	take(fd);
	if (write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28) < 0)
		_exit(1);
}

static void answer_with_rubbish(int fd, int n)
{
	static const char *const rubbish[] = {"f", "zzz", "1", "1"};

	(void)n;
	log_in(fd);
	while (take(fd))
		put_row(fd, rubbish, 4);
}

static void keep_the_identifier(int fd, int n)
{
	static const char *const rest[] = {"f", "00000002", "4096", ""};
	char sql[1024] = "";

	(void)n;
	log_in(fd);
	for (; read(fd, sql, sizeof(sql)) > 0; memset(sql, 0, sizeof(sql))) {
		if (memmem(sql, sizeof(sql), "pg_control_system", 17) != NULL) {
			put_error(fd, "42501", "permission denied for function pg_control_system");
			put(fd, 'Z', "I", 1);
		} else {
			put_row(fd, rest, 4);
		}
	}
}

static void be_odd_once(int fd, int n)
{
	(void)n;
	log_in(fd);
	take(fd);
	put_error(fd, "55000", "recovery is in progress");
	put(fd, 'Z', "I", 1);
	while (take(fd))
		answer(fd);
}

static void refuse_the_question(int fd, int n)
{
	(void)n;
	log_in(fd);
	while (take(fd)) {
		put_error(fd, "42501", "permission denied for function pg_is_in_recovery");
		put(fd, 'Z', "I", 1);
	}
}

static void want_a_password(int fd, int n)
{
	(void)n;
	take(fd);
	put(fd, 'R', "\0\0\0\3", 4);
	take(fd);
}

Test(probe, a_primary_answers)
{
	serve(be_a_primary);
	follow();
	cr_expect_eq(fact()->class, SERVER_UNASKED);
	cr_expect_eq(fact()->running, 0);
	expect_class(SERVER_ANSWERED, 1);
	cr_expect(fact()->known);
	cr_expect(server_takes_writes(fact()));
	cr_expect_eq(fact()->timeline, 2);
	cr_expect_eq(fact()->lsn, 4096);
	cr_expect_str_eq(fact()->system_identifier, "77");
	cr_expect_str_eq(fact()->problem, "");
	cr_expect_geq(fact()->answered_us, fact()->asked_us);
	cr_expect_eq(t.calls, 1);
}

Test(probe, it_is_asked_again_on_the_same_connection_and_little_is_told)
{
	serve(be_a_primary);
	follow();
	expect_class(SERVER_ANSWERED, 4);
	cr_expect_eq(*t.connections, 1);
	cr_expect_eq(t.calls, 3, "running 1, 2, 3: %d calls", t.calls);
}

Test(probe, three_refusals_take_less_than_fifty_ms)
{
	int64_t start = clock_now_us();

	follow();
	expect_class(SERVER_REFUSED, 3);
	cr_expect_lt(clock_now_us() - start, 60000);
	cr_expect_not(fact()->known);
	cr_expect_str_eq(fact()->problem, "Connection refused");
}

Test(probe, who_accepts_and_never_answers_times_out)
{
	cr_assert_eq(listen(t.listener, 128), 0);
	follow();
	expect_class(SERVER_TIMED_OUT, 3);
	cr_expect_eq(t.most_running[SERVER_REFUSED], 0);
}

Test(probe, who_reads_and_never_answers_times_out)
{
	serve(fall_silent);
	follow();
	expect_class(SERVER_TIMED_OUT, 2);
}

Test(probe, who_logs_in_and_never_answers_times_out)
{
	serve(fall_silent_when_asked);
	follow();
	expect_class(SERVER_TIMED_OUT, 1);
	cr_expect_str_eq(fact()->problem, "no answer within 100 ms");
}

Test(probe, hanging_up_once_says_nothing)
{
	serve(hang_up_first);
	follow();
	expect_class(SERVER_ANSWERED, 1);
	cr_expect_eq(*t.connections, 2);
	cr_expect_eq(t.most_running[SERVER_REFUSED], 0);
	cr_expect_eq(t.calls, 1);
}

Test(probe, hanging_up_again_and_again_is_a_refusal)
{
	serve(hang_up);
	follow();
	expect_class(SERVER_REFUSED, 3);
	cr_expect_geq(*t.connections, 4);
}

Test(probe, a_reset_is_as_hanging_up)
{
	serve(reset);
	follow();
	expect_class(SERVER_REFUSED, 3);
	cr_expect_geq(*t.connections, 4);
}

Test(probe, a_server_that_starts_says_so)
{
	serve(be_starting);
	follow();
	expect_class(SERVER_STARTING, 3);
	cr_expect_str_eq(fact()->problem, "das Datenbanksystem startet (SQLSTATE 57P03)");
}

Test(probe, a_password_that_is_wanted_is_a_denial)
{
	unsetenv("PGPASSWORD");
	setenv("PGPASSFILE", "/nonexistent", 1);
	serve(want_a_password);
	follow();
	expect_class(SERVER_DENIED, 1);
}

Test(probe, what_is_no_postgresql_is_alive_all_the_same)
{
	serve(talk_http);
	follow();
	expect_class(SERVER_OTHER, 1);
	cr_expect_neq(fact()->problem[0], '\0');
}

Test(probe, an_answer_that_makes_no_sense_is_no_answer)
{
	serve(answer_with_rubbish);
	follow();
	expect_class(SERVER_OTHER, 1);
	cr_expect_not_null(strstr(fact()->problem, "\"zzz\""), "%s", fact()->problem);
	cr_expect_not(fact()->known);
}

Test(probe, without_the_right_to_the_identifier_the_rest_is_known)
{
	serve(keep_the_identifier);
	follow();
	expect_class(SERVER_ANSWERED, 1);
	cr_expect_str_eq(fact()->system_identifier, "");
	cr_expect_eq(fact()->timeline, 2);
	cr_expect_eq(*t.connections, 1);
	cr_expect_eq(t.most_running[SERVER_DENIED], 0);
}

Test(probe, without_the_right_to_ask_at_all_it_is_a_denial)
{
	serve(refuse_the_question);
	follow();
	expect_class(SERVER_DENIED, 1);
}

Test(probe, an_error_in_the_middle_of_a_promotion_is_asked_over)
{
	serve(be_odd_once);
	follow();
	expect_class(SERVER_ANSWERED, 1);
	cr_expect_eq(*t.connections, 1);
	cr_expect_eq(t.most_running[SERVER_OTHER], 0);
}

Test(probe, a_server_that_goes_leaves_what_it_said_last)
{
	serve(be_a_primary);
	follow();
	expect_class(SERVER_ANSWERED, 1);
	close(t.listener);
	stop_server();
	expect_class(SERVER_REFUSED, 3);
	cr_expect(fact()->known);
	cr_expect_eq(fact()->timeline, 2);
	t.listener = -1;
}

/* It does not loop as fast as it can. */
Test(probe, a_server_that_answers_and_ends_every_connection_is_not_flooded)
{
	serve(answer_once_and_end);
	follow();
	expect_class(SERVER_ANSWERED, 1);
	loop_for(t.base, 500);
	cr_expect_leq(*t.connections, 10, "%d connections", *t.connections);
	cr_expect_eq(t.most_running[SERVER_REFUSED], 0);
}

Test(probe, hurry_asks_every_few_ms_and_is_harmless_when_repeated)
{
	static const struct member other = {.address = "127.0.0.9", .port = 9};

	serve(be_a_primary);
	follow();
	expect_class(SERVER_ANSWERED, 1);
	verifier_hurry(t.verifier, &other);
	for (int i = 0; i < 20; i++) {
		verifier_hurry(t.verifier, &t.member);
		verifier_hurry(t.verifier, &t.member);
		loop_for(t.base, 10);
	}
	cr_expect_geq(fact()->running, 10, "%u in 200 ms", fact()->running);
	cr_expect_leq(fact()->running, 80, "%u in 200 ms", fact()->running);
	cr_expect_eq(*t.connections, 1);
	cr_expect_leq(t.calls, 3);
}

Test(probe, those_that_stay_keep_their_connection)
{
	const struct member none = {.host = "unresolved", .port = 1};
	struct member other = t.member;
	size_t count;
	int fd = bind_somewhere(&other.port);

	serve(be_a_primary);
	follow();
	expect_class(SERVER_ANSWERED, 1);
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

Test(probe, with_verify_disable_nobody_is_asked)
{
	size_t count;

	t.config.verify = CONFIG_VERIFY_DISABLE;
	serve(be_a_primary);
	follow();
	loop_for(t.base, 50);
	verifier_facts(t.verifier, &count);
	cr_expect_eq(count, 0);
	cr_expect_eq(*t.connections, 0);
}

Test(probe, a_conninfo_that_libpq_refuses_is_told)
{
	snprintf(t.conninfo, sizeof(t.conninfo), "usr=segue");
	follow();
	expect_class(SERVER_OTHER, 1);
	cr_expect_not_null(strstr(fact()->problem, "usr"), "%s", fact()->problem);
}

/* The person's host and port do not count. */
Test(probe, the_address_is_that_of_the_member)
{
	serve(be_a_primary);
	snprintf(t.conninfo, sizeof(t.conninfo), "host=/nowhere port=1 sslmode=disable user=segue");
	follow();
	expect_class(SERVER_ANSWERED, 1);
}

Test(probe, destroyed_in_the_middle_it_never_calls_back)
{
	serve(be_a_primary);
	follow();
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
Test(probe, a_hundred_servers_neither_stall_the_loop_nor_leak)
{
	struct member members[SERVERS];
	const struct member *list[SERVERS];
	int fds[SERVERS], files;
	size_t count;

	for (int i = 0; i < SERVERS; i++) {
		members[i] = t.member;
		if (i > 0)
			fds[i] = bind_somewhere(&members[i].port);
		if (i % 2 == 1)
			cr_assert_eq(listen(fds[i], 128), 0);
		list[i] = &members[i];
	}
	serve(be_a_primary);
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
	cr_expect_lt(tick.worst_us, 200000);
	verifier_follow(t.verifier, list, 0);
	cr_expect_eq(open_files(), files);
	event_free(tick.timer);
	for (int i = 1; i < SERVERS; i++)
		close(fds[i]);
}
