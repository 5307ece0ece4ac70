/* One server as the verifier sees it: what it answers, and the many ways in which it does not. Real
 * ones are in tests/e2e/test_verify.c. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/loop.h"
#include "unit/probe_case.h"

TestSuite(probe, .init = probe_case_init, .fini = probe_case_fini, .timeout = 60);

static void hang_up(int fd, int n)
{
	(void)n;
	fake_take(fd);
}

static void hang_up_first(int fd, int n)
{
	if (n == 1)
		return;
	fake_primary(fd, n);
}

/* A reset instead of an end. */
static void reset(int fd, int n)
{
	const struct linger linger = {.l_onoff = 1};

	(void)n;
	fake_take(fd);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void be_starting(int fd, int n)
{
	(void)n;
	fake_take(fd);
	fake_put_error("57P03", "das Datenbanksystem startet");
}

static void fall_silent(int fd, int n)
{
	(void)n;
	while (fake_take(fd))
		;
}

static void fall_silent_when_asked(int fd, int n)
{
	(void)n;
	fake_log_in(fd);
	while (fake_take(fd))
		;
}

static void answer_once_and_end(int fd, int n)
{
	(void)n;
	fake_log_in(fd);
	fake_take(fd);
	fake_answer();
}

static void talk_http(int fd, int n)
{
	(void)n;
	fake_take(fd);
	fake_put_raw("HTTP/1.1 400 Bad Request\r\n\r\n");
}

static void answer_with_rubbish(int fd, int n)
{
	static const char *const rubbish[] = {"f", "zzz", "1", "1"};

	(void)n;
	fake_log_in(fd);
	while (fake_take(fd))
		fake_put_row(rubbish, 4);
}

static void keep_the_identifier(int fd, int n)
{
	static const char *const rest[] = {"f", "00000002", "4096", ""};
	char sql[1024];

	(void)n;
	fake_log_in(fd);
	while (fake_take_text(fd, sql, sizeof(sql))) {
		if (memmem(sql, sizeof(sql), "pg_control_system", 17) != NULL) {
			fake_put_error("42501", "permission denied for function pg_control_system");
			fake_put('Z', "I", 1);
		} else {
			fake_put_row(rest, 4);
		}
	}
}

static void be_odd_once(int fd, int n)
{
	(void)n;
	fake_log_in(fd);
	fake_take(fd);
	fake_put_error("55000", "recovery is in progress");
	fake_put('Z', "I", 1);
	while (fake_take(fd))
		fake_answer();
}

static void refuse_the_question(int fd, int n)
{
	(void)n;
	fake_log_in(fd);
	while (fake_take(fd)) {
		fake_put_error("42501", "permission denied for function pg_is_in_recovery");
		fake_put('Z', "I", 1);
	}
}

static void want_a_password(int fd, int n)
{
	(void)n;
	fake_take(fd);
	fake_put('R', "\0\0\0\3", 4);
	fake_take(fd);
}

/* As when the postmaster is gone; the process behind the connection takes its time to end. */
static void say_goodbye_first(int fd, int n)
{
	static const char words[] = "SFATAL\0VFATAL\0C57P01\0Mending\0";

	if (n > 1) {
		be_starting(fd, n);
		return;
	}
	fake_log_in(fd);
	fake_take(fd);
	fake_answer();
	fake_put('E', words, sizeof(words));
	while (fake_take(fd))
		;
}

Test(probe, a_primary_answers)
{
	probe_case_serve(fake_primary);
	probe_case_follow();
	cr_expect_eq(probe_case_fact()->class, SERVER_UNASKED);
	cr_expect_eq(probe_case_fact()->running, 0);
	probe_case_expect(SERVER_ANSWERED, 1);
	cr_expect(probe_case_fact()->known);
	cr_expect(server_takes_writes(probe_case_fact()));
	cr_expect_eq(probe_case_fact()->timeline, 2);
	cr_expect_eq(probe_case_fact()->lsn, 4096);
	cr_expect_str_eq(probe_case_fact()->system_identifier, "77");
	cr_expect_str_eq(probe_case_fact()->problem, "");
	cr_expect_geq(probe_case_fact()->answered_us, probe_case_fact()->asked_us);
	cr_expect_eq(t.calls, 1);
}

Test(probe, it_is_asked_again_on_the_same_connection_and_little_is_told)
{
	probe_case_serve(fake_primary);
	probe_case_follow();
	probe_case_expect(SERVER_ANSWERED, 4);
	cr_expect_eq(*t.connections, 1);
	cr_expect_eq(t.calls, 3, "running 1, 2, 3: %d calls", t.calls);
}

Test(probe, three_refusals_take_some_ms)
{
	int64_t start = clock_now_us();

	probe_case_follow();
	probe_case_expect(SERVER_REFUSED, 3);
	cr_expect_lt(clock_now_us() - start, 200000); /* 36 ms at most where it is quiet */
	cr_expect_not(probe_case_fact()->known);
	cr_expect_str_eq(probe_case_fact()->problem, "Connection refused");
}

Test(probe, who_accepts_and_never_answers_times_out)
{
	cr_assert_eq(listen(t.listener, 128), 0);
	probe_case_follow();
	probe_case_expect(SERVER_TIMED_OUT, 3);
	cr_expect_eq(t.most_running[SERVER_REFUSED], 0);
}

Test(probe, who_reads_and_never_answers_times_out)
{
	probe_case_serve(fall_silent);
	probe_case_follow();
	probe_case_expect(SERVER_TIMED_OUT, 2);
}

/* The login has to be over in time, also on a busy machine. */
Test(probe, who_logs_in_and_never_answers_times_out)
{
	t.config.verify_timeout_ms = 2000;
	probe_case_serve(fall_silent_when_asked);
	probe_case_follow();
	probe_case_expect(SERVER_TIMED_OUT, 1);
	cr_expect_str_eq(probe_case_fact()->problem, "no answer within 2000 ms");
}

Test(probe, hanging_up_once_says_nothing)
{
	probe_case_serve(hang_up_first);
	probe_case_follow();
	probe_case_expect(SERVER_ANSWERED, 1);
	cr_expect_eq(*t.connections, 2);
	cr_expect_eq(t.most_running[SERVER_REFUSED], 0);
	cr_expect_eq(t.calls, 1);
}

/* The failures before it do not delay the second attempt. */
static void start_up_and_hang_up_once(int fd, int n)
{
	if (n < 11)
		be_starting(fd, n);
	else if (n > 11)
		fake_primary(fd, n);
}

Test(probe, after_one_hang_up_it_is_tried_again_at_once)
{
	int64_t hung_up;

	probe_case_serve(start_up_and_hang_up_once);
	probe_case_follow();
	probe_case_expect(SERVER_STARTING, 10);
	while (*t.connections < 11)
		loop_for(t.base, 1);
	hung_up = clock_now_ms();
	probe_case_expect(SERVER_ANSWERED, 1);
	cr_expect_lt(clock_now_ms() - hung_up, 500);
	cr_expect_eq(t.most_running[SERVER_REFUSED], 0);
}

Test(probe, hanging_up_again_and_again_is_a_refusal)
{
	probe_case_serve(hang_up);
	probe_case_follow();
	probe_case_expect(SERVER_REFUSED, 3);
	cr_expect_geq(*t.connections, 4);
}

Test(probe, a_reset_is_as_hanging_up)
{
	probe_case_serve(reset);
	probe_case_follow();
	probe_case_expect(SERVER_REFUSED, 3);
	cr_expect_geq(*t.connections, 4);
}

Test(probe, a_server_that_starts_says_so)
{
	probe_case_serve(be_starting);
	probe_case_follow();
	probe_case_expect(SERVER_STARTING, 3);
	cr_expect_str_eq(probe_case_fact()->problem,
	                 "das Datenbanksystem startet (SQLSTATE 57P03)");
}

Test(probe, a_password_that_is_wanted_is_a_denial)
{
	unsetenv("PGPASSWORD");
	setenv("PGPASSFILE", "/nonexistent", 1);
	probe_case_serve(want_a_password);
	probe_case_follow();
	probe_case_expect(SERVER_DENIED, 1);
}

Test(probe, what_is_no_postgresql_is_alive_all_the_same)
{
	probe_case_serve(talk_http);
	probe_case_follow();
	probe_case_expect(SERVER_OTHER, 1);
	cr_expect_neq(probe_case_fact()->problem[0], '\0');
}

Test(probe, an_answer_that_makes_no_sense_is_no_answer)
{
	probe_case_serve(answer_with_rubbish);
	probe_case_follow();
	probe_case_expect(SERVER_OTHER, 1);
	cr_expect_not_null(strstr(probe_case_fact()->problem, "\"zzz\""), "%s",
	                   probe_case_fact()->problem);
	cr_expect_not(probe_case_fact()->known);
}

Test(probe, without_the_right_to_the_identifier_the_rest_is_known)
{
	probe_case_serve(keep_the_identifier);
	probe_case_follow();
	probe_case_expect(SERVER_ANSWERED, 1);
	cr_expect_str_eq(probe_case_fact()->system_identifier, "");
	cr_expect_eq(probe_case_fact()->timeline, 2);
	cr_expect_eq(*t.connections, 1);
	cr_expect_eq(t.most_running[SERVER_DENIED], 0);
}

Test(probe, without_the_right_to_ask_at_all_it_is_a_denial)
{
	probe_case_serve(refuse_the_question);
	probe_case_follow();
	probe_case_expect(SERVER_DENIED, 1);
}

Test(probe, an_error_in_the_middle_of_a_promotion_is_asked_over)
{
	probe_case_serve(be_odd_once);
	probe_case_follow();
	probe_case_expect(SERVER_ANSWERED, 1);
	cr_expect_eq(*t.connections, 1);
	cr_expect_eq(t.most_running[SERVER_OTHER], 0);
}

Test(probe, a_server_that_goes_leaves_what_it_said_last)
{
	probe_case_serve(fake_primary);
	probe_case_follow();
	probe_case_expect(SERVER_ANSWERED, 1);
	close(t.listener);
	probe_case_stop_server();
	probe_case_expect(SERVER_REFUSED, 1);
	cr_expect_geq(probe_case_fact()->unserved, SERVER_RUNNING_MATTERS,
	              "its end and a refusal prove its loss");
	cr_expect(probe_case_fact()->known);
	cr_expect_eq(probe_case_fact()->timeline, 2);
	t.listener = -1;
}

Test(probe, the_last_words_of_a_server_are_its_end)
{
	probe_case_serve(say_goodbye_first);
	probe_case_follow();
	probe_case_expect(SERVER_STARTING, 1);
	cr_expect_geq(probe_case_fact()->unserved, SERVER_RUNNING_MATTERS);
	cr_expect_eq(t.most_running[SERVER_TIMED_OUT], 0);
}

/* It does not loop as fast as it can. */
Test(probe, a_server_that_answers_and_ends_every_connection_is_not_flooded)
{
	probe_case_serve(answer_once_and_end);
	probe_case_follow();
	probe_case_expect(SERVER_ANSWERED, 1);
	loop_for(t.base, 500);
	cr_expect_leq(*t.connections, 10, "%d connections", *t.connections);
	cr_expect_eq(t.most_running[SERVER_REFUSED], 0);
}

/* --- a smart shutdown --- */

/* It turns away who comes, and answers who is there. */
static void shut_down_smartly(int fd, int n)
{
	if (n > 1)
		be_starting(fd, n);
	else
		fake_primary(fd, n);
}

static void have_no_slot_for_the_second(int fd, int n)
{
	if (n > 1) {
		fake_take(fd);
		fake_put_error("53300", "too many clients");
	} else {
		fake_primary(fd, n);
	}
}

/* Two at a time, as both connections of a renewal are open for a moment. */
static void in_a_process_of_its_own(int fd, int n, serve_fn *fn)
{
	if (fork() == 0) {
		fn(fd, n);
		fake_flush(fd);
		_exit(0);
	}
}

static void serve_shutdown(int fd, int n)
{
	in_a_process_of_its_own(fd, n, shut_down_smartly);
}

static void serve_full(int fd, int n)
{
	in_a_process_of_its_own(fd, n, have_no_slot_for_the_second);
}

static void serve_primary(int fd, int n)
{
	in_a_process_of_its_own(fd, n, fake_primary);
}

static void wait_for_connections(int count)
{
	int64_t until = clock_now_ms() + 30000;

	while (*t.connections < count && clock_now_ms() < until)
		loop_for(t.base, 20);
	cr_assert_geq(*t.connections, count);
}

Test(probe, a_smart_shutdown_is_told_by_a_connection_beside_and_is_the_loss)
{
	probe_case_serve(serve_shutdown);
	probe_case_follow();
	probe_case_expect(SERVER_ANSWERED, 1);
	probe_case_expect(SERVER_STARTING, 1);
	cr_expect_geq(probe_case_fact()->unserved, SERVER_RUNNING_MATTERS);
	cr_expect_not_null(strstr(probe_case_fact()->problem, "57P03"));
	cr_expect(probe_case_fact()->known);
}

Test(probe, a_connection_beside_that_gets_no_slot_changes_nothing)
{
	int calls;

	probe_case_serve(serve_full);
	probe_case_follow();
	probe_case_expect(SERVER_ANSWERED, 1);
	wait_for_connections(2);
	calls = t.calls;
	probe_case_expect(SERVER_ANSWERED, probe_case_fact()->running + 2);
	cr_expect_eq(t.most_running[SERVER_FULL], 0);
	cr_expect_leq(t.calls - calls, 1);
}

Test(probe, a_connection_is_made_anew_now_and_then_without_a_gap)
{
	probe_case_serve(serve_primary);
	probe_case_follow();
	probe_case_expect(SERVER_ANSWERED, 1);
	wait_for_connections(3);
	probe_case_expect(SERVER_ANSWERED, probe_case_fact()->running + 2);
	cr_expect_eq(probe_case_fact()->unserved, 0);
	cr_expect_leq(*t.connections, 4);
}
