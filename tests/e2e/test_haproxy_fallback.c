/* While a text cannot be installed or loaded: HAProxy's next start must not lead to the old
 * primary, and nothing else may suffer from the trying. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixtures/haproxy_target.h"

static struct driver d;

static void setup(void)
{
	driver_init(&d);
}

static void teardown(void)
{
	driver_fini(&d);
}

static const char *text_with(struct lab_backend *rw, const char *more)
{
	return driver_text(&d, driver_server(&d, "primary", rw, ""),
	                   driver_server(&d, "r1", d.c, ""), more);
}

static const char *primary_at(struct lab_backend *rw)
{
	return text_with(rw, "");
}

/* The check cannot see that the port is taken; HAProxy refuses to start with it. */
static const char *text_that_does_not_load(struct lab_backend *rw)
{
	const char *ro = lab_printf(d.lab, "%sfrontend t_bad from t\n  bind 127.0.0.1:%u\n",
	                            driver_server(&d, "r1", d.c, ""), lab_backend_port(d.b));

	return driver_text(&d, driver_server(&d, "primary", rw, ""), ro, "");
}

static void replace_config(char **value, const char *text)
{
	free(*value);
	*value = xstrdup(text);
}

static void start_haproxy_anew(void)
{
	lab_process_kill(lab_haproxy_process(d.haproxy));
	lab_haproxy_start(d.haproxy);
}

TestSuite(haproxy_fallback, .init = setup, .fini = teardown);

Test(haproxy_fallback, a_text_that_the_check_refuses_leaves_a_file_with_the_new_primary)
{
	driver_apply(&d, primary_at(d.a));
	driver_set(&d, text_with(d.b, "  no such keyword\n"));
	cr_assert(driver_wait_file(&d, primary_at(d.b)));
	driver_set(&d, text_with(d.c, "  no such keyword\n"));
	cr_assert(driver_wait_file(&d, primary_at(d.c)), "and the one after it");
	cr_assert(driver_wait_problem(&d, "unknown keyword"), "which is still a problem");
	start_haproxy_anew();
	cr_assert(driver_reaches(d.rw, "c"));
}

Test(haproxy_fallback, a_text_that_does_not_load_leaves_a_file_with_the_new_primary)
{
	driver_apply(&d, primary_at(d.a));
	driver_set(&d, text_that_does_not_load(d.c));
	cr_assert(driver_wait_log(&d, "event=fell_back", 1));
	cr_assert(driver_file_is(&d, primary_at(d.c)));
	cr_assert_eq(access(lab_path(d.lab, "state/haproxy-local.reload"), F_OK), -1);
	start_haproxy_anew();
	cr_assert(driver_reaches(d.rw, "c"));
	driver_apply(&d, primary_at(d.a));
	cr_assert(driver_reaches(d.rw, "a"));
}

Test(haproxy_fallback, a_check_that_refuses_all_is_told_and_the_file_stays)
{
	driver_apply(&d, primary_at(d.a));
	replace_config(&d.config.check_command, "false");
	driver_set(&d, primary_at(d.b));
	cr_assert(driver_wait_log(&d, "event=fallback_failed", 1));
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert(driver_file_is(&d, primary_at(d.a)));
}

Test(haproxy_fallback, an_owner_that_is_not_there_blocks_the_file_and_not_the_move)
{
	driver_apply(&d, primary_at(d.a));
	replace_config(&d.config.owner, "nosuchuser:nosuchgroup");
	driver_restart(&d);
	driver_apply(&d, primary_at(d.a));
	driver_set(&d, primary_at(d.b));
	cr_assert(driver_wait_problem(&d, "no user 'nosuchuser'"));
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert(driver_file_is(&d, primary_at(d.a)));
	replace_config(&d.config.owner, "");
	cr_assert(driver_wait_sync(&d), "it is looked up again");
	cr_assert(driver_file_is(&d, primary_at(d.b)));
}

/* The marker's folder is gone, so no file may go in that needs a reload. */
Test(haproxy_fallback, without_room_for_the_marker_the_old_file_gets_the_new_primary)
{
	const char *state = lab_path(d.lab, "state");

	driver_apply(&d, primary_at(d.a));
	cr_assert_eq(lab_run(d.lab, (const char *[]){"rm", "-r", state, NULL}, NULL), 0);
	driver_set(&d, text_with(d.b, "  fullconn 9\n"));
	cr_assert(driver_wait_file(&d, primary_at(d.b)));
	cr_assert(driver_wait_problem(&d, "the marker file of an owed reload"));
	cr_assert_eq(lab_run(d.lab, (const char *[]){"mkdir", state, NULL}, NULL), 0);
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_file_is(&d, text_with(d.b, "  fullconn 9\n")));
}

/* A fifth of the times below is jitter. */
Test(haproxy_fallback, reloads_that_fail_back_off)
{
	driver_apply(&d, primary_at(d.a));
	driver_set(&d, text_that_does_not_load(d.a));
	cr_assert(driver_wait_log(&d, "event=reload_failed", 3));
	cr_assert_eq(
	    driver_count_log(&d, "next try in 4 s") + driver_count_log(&d, "next try in 5 s"), 1);
}

Test(haproxy_fallback, a_text_that_comes_during_a_reload_does_not_wait_for_its_failure)
{
	const char *go = lab_path(d.lab, "go");
	int64_t start;

	replace_config(&d.config.master_socket, "");
	replace_config(&d.config.reload_command,
	               lab_printf(d.lab, "sh -c 'until [ -e %s ]; do :; done; exit 1'", go));
	driver_restart(&d);
	driver_set(&d, primary_at(d.a));
	cr_assert(driver_wait_log(&d, "event=reload cluster", 1));
	driver_set(&d, text_with(d.a, "  fullconn 9\n"));
	lab_write_file(go, "");
	cr_assert(driver_wait_log(&d, "event=reload_failed", 1));
	start = clock_now_ms();
	cr_assert(driver_wait_log(&d, "event=reload cluster", 2));
	cr_assert_lt(clock_now_ms() - start, 700, "a backoff is 800 ms at least");
}

/* A reload that lasts until the file `go` is there, and fails then. */
static void reload_slowly(void)
{
	replace_config(&d.config.master_socket, "");
	replace_config(&d.config.reload_command,
	               lab_printf(d.lab, "sh -c 'until [ -e %s ]; do :; done; exit 1'",
	                          lab_path(d.lab, "go")));
	driver_restart(&d);
}

Test(haproxy_fallback, a_target_that_ends_during_a_reload_puts_back_what_was_there)
{
	const char *note = lab_path(d.lab, "state/haproxy-local.tried");

	driver_apply(&d, primary_at(d.a));
	reload_slowly();
	driver_set(&d, text_with(d.b, "  fullconn 9\n"));
	cr_assert(driver_wait_log(&d, "event=reload cluster", 2));
	cr_assert(driver_file_is(&d, text_with(d.b, "  fullconn 9\n")));
	cr_assert_eq(access(note, F_OK), 0);
	driver_restart(&d);
	cr_assert(driver_file_is(&d, primary_at(d.b)), "with the servers of now");
	cr_assert_eq(driver_count_log(&d, "event=put_back"), 1);
	cr_assert_eq(access(note, F_OK), -1);
	lab_write_file(lab_path(d.lab, "go"), "");
	driver_set(&d, text_with(d.b, "  fullconn 9\n"));
	cr_assert(driver_wait_log(&d, "event=reload_failed", 1));
	cr_assert(driver_wait_file(&d, primary_at(d.b)));
}

Test(haproxy_fallback, a_target_that_ends_during_its_first_reload_removes_the_file)
{
	reload_slowly();
	driver_set(&d, primary_at(d.a));
	cr_assert(driver_wait_log(&d, "event=reload cluster", 1));
	cr_assert(driver_file_is(&d, primary_at(d.a)));
	driver_restart(&d);
	cr_assert_eq(access(d.config.output, F_OK), -1);
}

/* The check's retries (after 1, 2, 4 s) must not push the slow re-read (5 s) back. */
Test(haproxy_fallback, a_check_that_fails_does_not_delay_the_slow_re_read)
{
	int64_t start;

	driver_apply(&d, primary_at(d.a));
	replace_config(&d.config.check_command, "false");
	driver_set(&d, primary_at(d.b));
	cr_assert(driver_wait_log(&d, "event=check_refused", 1));
	driver_ask(&d, "set server t_rw/primary addr 127.0.0.1 port 1");
	start = clock_now_ms();
	cr_assert(driver_wait_log(&d, "event=drift", 1));
	cr_assert_lt(clock_now_ms() - start, 7000);
}

Test(haproxy_fallback, a_haproxy_that_stood_still_is_not_taken_for_another)
{
	int64_t until = clock_now_ms() + 4000;
	int restarts;

	driver_apply(&d, primary_at(d.a));
	restarts = driver_count_log(&d, "event=haproxy_restarted");
	lab_process_freeze(lab_haproxy_process(d.haproxy));
	driver_set(&d, primary_at(d.b));
	while (clock_now_ms() < until)
		driver_run(&d, 50);
	lab_process_thaw(lab_haproxy_process(d.haproxy));
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_wait_log(&d, "event=haproxy_back", 1));
	cr_assert_eq(driver_count_log(&d, "event=haproxy_restarted"), restarts);
	cr_assert(driver_reaches(d.rw, "b"));
}

/* What segue last saw agrees with the new text; what HAProxy does, does not. */
Test(haproxy_fallback, a_text_without_a_change_is_confirmed_by_a_look)
{
	driver_apply(&d, primary_at(d.a));
	driver_ask(&d, lab_printf(d.lab, "set server t_rw/primary addr 127.0.0.1 port %u",
	                          lab_backend_port(d.b)));
	driver_apply(&d, lab_printf(d.lab, "# changed\n%s", primary_at(d.a)));
	cr_assert(driver_reaches(d.rw, "a"));
}

/* As after SIGHUP: rendered anew, and nobody was notified of anything. */
Test(haproxy_fallback, without_a_notification_no_stopwatch_runs_backwards)
{
	const char *text = primary_at(d.a);
	const struct desired desired = {
	    .text = text, .len = strlen(text), .zxid = 7, .rendered_us = clock_now_us() - 5000};
	struct err err;

	d.zxid = 7;
	cr_assert(target_set_desired(d.target, &desired, &err), "%s", err.message);
	cr_assert(driver_wait_sync(&d));
	cr_assert_eq(driver_count_log(&d, "rendered_ms=0.000"), 1);
	cr_assert_eq(driver_count_log(&d, "_ms=-"), 0);
}
