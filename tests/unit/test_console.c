/* The console and the question of pg_ping, against servers that do what a real one cannot be made
 * to do: fall silent, hang up in the middle, answer with rubbish. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pgbouncer/console.h"
#include "postgres/ping.h"
#include "sidecar/pgbouncer/driver_internal.h"
#include "unit/loop.h"

/* What the fake server does with each connection, in a process of its own. */
typedef void serve_fn(int fd);

static struct {
	struct event_base *base;
	struct console *console;
	char conninfo[128];
	uint16_t port;
	int listener;
	pid_t server;
} t;

static struct answer {
	bool called, failed, lost;
	int calls;
	size_t rows;
	char text[1024];
} a;

static void setup(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	t.base = event_base_new();
	t.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(t.listener, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(getsockname(t.listener, (struct sockaddr *)&address, &len), 0);
	t.port = ntohs(address.sin_port);
	snprintf(t.conninfo, sizeof(t.conninfo),
	         "host=127.0.0.1 port=%u user=pgbouncer dbname=pgbouncer sslmode=disable",
	         (unsigned)t.port);
	t.console = console_create(t.base, t.conninfo);
	a = (struct answer){0};
}

static void teardown(void)
{
	if (t.server > 0) {
		kill(t.server, SIGKILL);
		waitpid(t.server, NULL, 0);
	}
	console_close(t.console);
	close(t.listener);
	event_base_free(t.base);
}

TestSuite(console, .init = setup, .fini = teardown, .timeout = 30);
TestSuite(pauser, .init = setup, .fini = teardown, .timeout = 30);
TestSuite(pg_ping, .init = setup, .fini = teardown, .timeout = 30);

static void serve(serve_fn *fn)
{
	cr_assert_eq(listen(t.listener, 16), 0);
	t.server = fork();
	for (int fd; t.server == 0; close(fd)) {
		fd = accept(t.listener, NULL, NULL);
		fn(fd);
	}
}

/* One message of the protocol: type, length, body (PostgreSQL manual, 55.7). */
static void put(int fd, char type, const void *body, size_t len)
{
	unsigned char head[5] = {(unsigned char)type, 0, 0, (unsigned char)((len + 4) >> 8),
	                         (unsigned char)(len + 4)};

	if (write(fd, head, sizeof(head)) < 0 || (len > 0 && write(fd, body, len) < 0))
		_exit(1);
}

static void take(int fd)
{
	char bytes[4096];

	if (read(fd, bytes, sizeof(bytes)) <= 0)
		_exit(0);
}

static void log_in(int fd)
{
	take(fd);
	put(fd, 'R', "\0\0\0\0", 4);
	put(fd, 'Z', "I", 1);
}

static void answer_twice(int fd)
{
	log_in(fd);
	for (int i = 0; i < 2; i++) {
		take(fd);
		put(fd, 'N', "SNOTICE\0Mlook here\0", 20);
		put(fd, 'C', "PAUSE", 6);
		put(fd, 'Z', "I", 1);
	}
	take(fd);
}

static void refuse_the_query(int fd)
{
	log_in(fd);
	take(fd);
	put(fd, 'E', "SERROR\0C08P01\0Mno such\ndatabase: x\0", 36);
	put(fd, 'Z', "I", 1);
	take(fd);
}

static void one_row(int fd)
{
	log_in(fd);
	take(fd);
	put(fd, 'T',
	    "\0\2a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0b\0\0\0\0\0\0\0\0\0\0"
	    "\x19\xff\xff\xff\xff\xff\xff\0\0",
	    42);
	put(fd, 'D', "\0\2\0\0\0\1x\xff\xff\xff\xff", 11);
	put(fd, 'C', "SHOW", 5);
	put(fd, 'Z', "I", 1);
	take(fd);
}

static void one_row_and_an_error(int fd)
{
	log_in(fd);
	take(fd);
	put(fd, 'T', "\0\1a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0", 22);
	put(fd, 'D', "\0\1\0\0\0\1x", 7);
	put(fd, 'C', "SHOW", 5);
	put(fd, 'E', "SERROR\0C08P01\0Mno such database\0", 33);
	put(fd, 'Z', "I", 1);
	take(fd);
}

static void silence(int fd)
{
	log_in(fd);
	for (;;)
		take(fd);
}

static void silence_from_the_start(int fd)
{
	for (;;)
		take(fd);
}

static void hang_up_on_the_query(int fd)
{
	log_in(fd);
	take(fd);
}

static void hang_up_after_the_login(int fd)
{
	log_in(fd);
}

static void rubbish(int fd)
{
	take(fd);
	if (write(fd, "HTTP/1.0 400 Bad Request\r\n\r\n", 28) < 0)
		_exit(1);
}

static void record_cb(const struct pgbouncer_table *table, const struct err *err, bool lost,
                      void *arg)
{
	(void)arg;
	a.called = true;
	a.calls++;
	a.failed = err != NULL;
	a.lost = lost;
	a.rows = table != NULL ? table->row_count : 0;
	snprintf(a.text, sizeof(a.text), "%s",
	         err != NULL     ? err->message
	         : table == NULL ? ""
	                         : pgbouncer_table_get(table, 0, "a"));
	if (table != NULL)
		cr_assert_null(pgbouncer_table_get(table, 0, "b"), "SQL NULL");
}

static void ask(int64_t timeout_ms)
{
	a = (struct answer){0};
	console_query(t.console, "PAUSE x", timeout_ms, record_cb, NULL);
	cr_assert_not(a.called, "called back inside console_query()");
	cr_assert(console_busy(t.console));
	cr_assert(loop_until(t.base, &a.called, 10000));
	cr_assert_eq(a.calls, 1);
	cr_assert_not(console_busy(t.console));
}

Test(console, a_connection_is_used_again_and_notices_are_dropped)
{
	serve(answer_twice);
	for (int i = 0; i < 2; i++) {
		ask(5000);
		cr_assert_not(a.failed, "%s", a.text);
	}
	cr_assert_eq(console_connections(t.console), 1);
}

Test(console, a_refusal_is_one_line_with_the_query_in_front)
{
	serve(refuse_the_query);
	ask(5000);
	cr_assert(a.failed && !a.lost);
	cr_assert_str_eq(a.text, "PAUSE x: no such database: x");
}

Test(console, rows_come_as_a_table_with_null_cells)
{
	serve(one_row);
	ask(5000);
	cr_assert_not(a.failed, "%s", a.text);
	cr_assert_eq(a.rows, 1);
	cr_assert_str_eq(a.text, "x");
}

Test(console, an_error_after_rows_is_an_error)
{
	serve(one_row_and_an_error);
	ask(10000);
	cr_assert(a.failed && !a.lost, "%s", a.text);
	cr_expect_not_null(strstr(a.text, "no such database"), "%s", a.text);
}

Test(console, nobody_there_is_a_loss)
{
	ask(5000);
	cr_assert(a.failed && a.lost);
	cr_assert_not_null(strstr(a.text, "refused"), "%s", a.text);
}

Test(console, silence_is_a_loss_at_the_deadline_and_the_next_query_connects_anew)
{
	serve(silence);
	ask(200);
	cr_assert(a.lost);
	cr_assert_not_null(strstr(a.text, "no answer within 200 ms"), "%s", a.text);
	cr_assert_eq(console_connections(t.console), 1);
}

Test(console, the_deadline_covers_the_login)
{
	serve(silence_from_the_start);
	ask(100);
	cr_assert(a.lost);
	cr_assert_eq(console_connections(t.console), 0);
}

Test(console, an_end_in_the_middle_is_a_loss_and_the_next_query_connects_anew)
{
	serve(hang_up_on_the_query);
	for (unsigned i = 1; i <= 2; i++) {
		ask(5000);
		cr_assert(a.failed && a.lost);
		cr_assert_eq(console_connections(t.console), i);
	}
}

Test(console, an_end_between_two_queries_is_noticed)
{
	serve(hang_up_after_the_login);
	console_open(t.console);
	loop_for(t.base, 100);
	ask(5000);
	cr_assert_eq(console_connections(t.console), 2);
}

Test(console, rubbish_is_a_loss)
{
	serve(rubbish);
	ask(5000);
	cr_assert(a.failed && a.lost);
}

Test(console, closed_with_a_query_out_it_never_calls_back)
{
	serve(silence);
	console_query(t.console, "PAUSE x", 50, record_cb, NULL);
	loop_for(t.base, 20);
	console_close(t.console);
	t.console = NULL;
	loop_for(t.base, 100);
	cr_assert_not(a.called);
}

/* --- pauser --- */

static void paused(const char *name, const struct err *err, bool lost, void *arg)
{
	cr_assert_fail("%s was answered: %s", name, err != NULL ? err->message : "");
	(void)lost;
	(void)arg;
}

/* The server lets only the first console in. */
Test(pauser, a_pause_that_could_not_be_sent_yet_is_not_abandoned)
{
	struct pauser *pauser = pauser_create(t.base, t.conninfo, paused, NULL);
	int64_t until = clock_now_ms() + 10000;

	serve(silence);
	for (int i = 0; i <= PAUSER_CONSOLES; i++) {
		char name[] = {(char)('0' + i), '\0'};

		pauser_add(pauser, name, 60000);
	}
	while (pauser_is_pending(pauser, "0") && clock_now_ms() < until)
		loop_for(t.base, 10);
	cr_expect_not(pauser_is_pending(pauser, "0"), "it was sent, and another one waits");
	for (int i = 1; i <= PAUSER_CONSOLES; i++) {
		char name[] = {(char)('0' + i), '\0'};

		cr_expect(pauser_is_pending(pauser, name), "%s", name);
	}
	pauser_stop(pauser);
	cr_expect(pauser_is_done(pauser));
	pauser_destroy(pauser);
}

/* --- pg_ping --- */

static struct {
	bool called;
	enum pg_ping_answer answer;
} l;

static void say_no(int fd)
{
	take(fd);
	if (write(fd, "N", 1) < 0)
		_exit(1);
}

static void hang_up(int fd)
{
	(void)fd;
}

static void pg_ping_answer(enum pg_ping_answer answer, void *arg)
{
	(void)arg;
	l.called = true;
	l.answer = answer;
}

static enum pg_ping_answer ask_liveness(const char *address)
{
	l.called = false;
	cr_assert_not_null(pg_ping_ask(t.base, address, t.port, 200, pg_ping_answer, NULL));
	cr_assert_not(l.called);
	cr_assert(loop_until(t.base, &l.called, 5000));
	return l.answer;
}

Test(pg_ping, who_answers_with_a_byte_is_alive)
{
	serve(say_no);
	cr_assert_eq(ask_liveness("127.0.0.1"), PG_PING_ALIVE);
}

Test(pg_ping, nobody_there_refuses)
{
	cr_assert_eq(ask_liveness("127.0.0.1"), PG_PING_REFUSED);
	cr_assert_eq(ask_liveness("/nonexistent"), PG_PING_REFUSED);
	cr_assert_eq(ask_liveness("no address"), PG_PING_REFUSED);
}

Test(pg_ping, who_hangs_up_without_a_byte_refuses)
{
	serve(hang_up);
	cr_assert_eq(ask_liveness("127.0.0.1"), PG_PING_REFUSED);
}

/* Its kernel accepts, nobody reads: as a frozen server. */
Test(pg_ping, who_accepts_and_never_answers_is_silent)
{
	cr_assert_eq(listen(t.listener, 16), 0);
	cr_assert_eq(ask_liveness("127.0.0.1"), PG_PING_SILENT);
}

Test(pg_ping, cancelled_it_never_calls_back)
{
	l.called = false;
	pg_ping_cancel(pg_ping_ask(t.base, "127.0.0.1", t.port, 20, pg_ping_answer, NULL));
	loop_for(t.base, 50);
	cr_assert_not(l.called);
}
