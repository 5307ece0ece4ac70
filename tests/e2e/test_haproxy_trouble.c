/* The HAProxy target when something is in the way: HAProxy away, restarted, standing still or
 * refusing; a file that may not or cannot be installed; segue itself ended at any moment. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixtures/haproxy_target.h"
#include "unit/loop.h"

static struct driver d;

static void setup(void)
{
	driver_init(&d);
}

static void teardown(void)
{
	driver_fini(&d);
}

static const char *primary_at(struct lab_backend *rw)
{
	return driver_text(&d, driver_server(&d, "primary", rw, ""),
	                   driver_server(&d, "r1", d.c, ""), "");
}

static char *replace_config(char **value, const char *text)
{
	free(*value);
	return *value = xstrdup(text);
}

TestSuite(haproxy_trouble, .init = setup, .fini = teardown);

Test(haproxy_trouble, restarted_haproxy_is_verified_again)
{
	driver_apply(&d, primary_at(d.a));
	driver_apply(&d, primary_at(d.b));
	lab_process_kill(lab_haproxy_process(d.haproxy));
	cr_assert(driver_wait_problem(&d, "admin.sock"));
	driver_set(&d, primary_at(d.a));
	cr_assert(driver_wait_file(&d, primary_at(d.a)), "the file is kept true while it is away");
	lab_haproxy_start(d.haproxy);
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_reaches(d.rw, "a"));
	cr_assert_eq(driver_count_log(&d, "event=haproxy_unreachable"), 1);
	cr_assert_eq(driver_count_log(&d, "event=haproxy_back"), 1);
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
}

Test(haproxy_trouble, reload_behind_our_back_is_seen)
{
	driver_apply(&d, primary_at(d.a));
	driver_apply(&d, primary_at(d.b));
	cr_assert(lab_haproxy_reload(d.haproxy));
	cr_assert(driver_wait_log(&d, "event=haproxy_restarted", 2));
	cr_assert_eq(driver_count_log(&d, "event=haproxy_restarted"), 2, "its own and the other");
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert(driver_wait_sync(&d));
}

Test(haproxy_trouble, what_the_check_refuses_is_not_installed_but_servers_move)
{
	const char *bad = driver_text(&d, driver_server(&d, "primary", d.b, ""),
	                              driver_server(&d, "r1", d.c, ""), "  no such keyword\n");

	driver_apply(&d, primary_at(d.a));
	driver_set(&d, bad);
	cr_assert(driver_wait_problem(&d, "unknown keyword"));
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert(driver_wait_file(&d, primary_at(d.b)), "the last good one, but for the servers");
	cr_assert_eq(driver_count_log(&d, "event=check_refused"), 1);
	driver_apply(&d, primary_at(d.b));
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
}

/* The check cannot see that the port is taken; HAProxy refuses to start with it. */
Test(haproxy_trouble, a_failed_reload_puts_the_file_back)
{
	const char *taken = lab_printf(d.lab, "%sfrontend t_bad from t\n  bind 127.0.0.1:%u\n",
	                               driver_server(&d, "r1", d.c, ""), lab_backend_port(d.b));
	const char *bad = driver_text(&d, driver_server(&d, "primary", d.a, ""), taken, "");

	driver_apply(&d, primary_at(d.a));
	driver_set(&d, bad);
	cr_assert(driver_wait_problem(&d, "refuses the configuration"));
	cr_assert(driver_file_is(&d, primary_at(d.a)));
	cr_assert(driver_reaches(d.rw, "a"));
	cr_assert_eq(driver_count_log(&d, "event=reload_failed"), 1);
	cr_assert_eq(access(lab_path(d.lab, "state/haproxy-local.reload"), F_OK), -1);
	driver_apply(&d, primary_at(d.b));
	cr_assert(driver_reaches(d.rw, "b"));
}

/* As after a kill -9 between the rename and the reload: file and marker are there. */
Test(haproxy_trouble, a_reload_owed_before_a_crash_is_made_after_it)
{
	const char *text = driver_text(&d, driver_server(&d, "primary", d.a, ""),
	                               driver_server(&d, "r1", d.c, ""), "  fullconn 77\n");

	driver_apply(&d, primary_at(d.a));
	lab_write_file(d.config.output, text);
	lab_write_file(lab_path(d.lab, "state/haproxy-local.reload"),
	               lab_printf(d.lab, "%d\n", (int)lab_haproxy_worker(d.haproxy)));
	driver_restart(&d);
	driver_apply(&d, text);
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 2);
	driver_restart(&d);
	driver_apply(&d, text);
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 2, "and not again");
}

Test(haproxy_trouble, a_marker_of_a_worker_that_is_gone_means_nothing)
{
	driver_apply(&d, primary_at(d.a));
	lab_write_file(lab_path(d.lab, "state/haproxy-local.reload"), "1\n");
	driver_restart(&d);
	driver_apply(&d, primary_at(d.a));
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
	cr_assert_eq(access(lab_path(d.lab, "state/haproxy-local.reload"), F_OK), -1);
}

Test(haproxy_trouble, a_file_that_haproxy_does_not_load_is_said_once_and_not_tried_forever)
{
	replace_config(&d.config.output, lab_path(d.lab, "elsewhere.cfg"));
	driver_restart(&d);
	driver_set(&d, primary_at(d.a));
	cr_assert(driver_wait_problem(&d, "among HAProxy's -f files"));
	driver_run(&d, 7000); /* beyond the next slow re-read: nothing may happen */
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
	cr_assert_eq(driver_count_log(&d, "event=reload_did_not_help"), 1);
}

Test(haproxy_trouble, without_means_to_reload_a_person_is_told_and_it_goes_on_after)
{
	replace_config(&d.config.master_socket, "");
	driver_restart(&d);
	driver_set(&d, primary_at(d.a));
	cr_assert(driver_wait_problem(&d, "systemctl reload haproxy"));
	cr_assert_eq(driver_count_log(&d, "event=reload_needed"), 1);
	cr_assert(lab_haproxy_reload(d.haproxy));
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_reaches(d.rw, "a"));
}

Test(haproxy_trouble, no_room_for_the_file_does_not_keep_servers_from_moving)
{
	char *output;

	driver_apply(&d, primary_at(d.a));
	output = xstrdup(d.config.output);
	replace_config(&d.config.output, "/proc/nowhere/t.cfg");
	driver_set(&d, primary_at(d.b));
	cr_assert(driver_wait_problem(&d, "/proc/nowhere"));
	cr_assert(driver_reaches(d.rw, "b"));
	replace_config(&d.config.output, output);
	free(output);
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_file_is(&d, primary_at(d.b)));
}

Test(haproxy_trouble, destroyed_at_any_moment_it_leaves_nothing_behind)
{
	driver_apply(&d, primary_at(d.a));
	for (int ms = 0; ms < 60; ms += 3) {
		driver_set(&d, driver_text(&d, driver_server(&d, "primary", ms % 2 ? d.a : d.b, ""),
		                           driver_server(&d, "r1", d.c, ""),
		                           lab_printf(d.lab, "  fullconn %d\n", 10 + ms)));
		driver_run(&d, ms);
		driver_restart(&d);
	}
	driver_apply(&d, primary_at(d.a));
	cr_assert(driver_reaches(d.rw, "a"));
	cr_assert_eq(lab_run(d.lab,
	                     (const char *[]){"sh", "-c",
	                                      lab_printf(d.lab, "! ls -A %s %s | grep segue-new",
	                                                 lab_haproxy_conf_dir(d.haproxy),
	                                                 lab_path(d.lab, "state")),
	                                      NULL},
	                     NULL),
	             0);
}

/* What is written while it stands still is run when it goes on; the last text has to win. */
Test(haproxy_trouble, haproxy_that_stood_still_ends_at_the_last_text)
{
	driver_apply(&d, primary_at(d.a));
	lab_process_freeze(lab_haproxy_process(d.haproxy));
	driver_set(&d, primary_at(d.b));
	cr_assert(driver_wait_problem(&d, "no complete reply"));
	driver_set(&d, primary_at(d.c));
	driver_run(&d, 200);
	driver_set(&d, primary_at(d.b));
	driver_run(&d, 200);
	lab_process_thaw(lab_haproxy_process(d.haproxy));
	cr_assert(driver_wait_sync(&d));
	driver_run(&d, 400);
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert(driver_file_is(&d, primary_at(d.b)));
}

static void write_socket(const char *socket, const char *level)
{
	lab_write_file(lab_printf(d.lab, "%s/socket.cfg", lab_haproxy_conf_dir(d.haproxy)),
	               lab_printf(d.lab, "global\n  stats socket %s level %s\n", socket, level));
	cr_assert(lab_haproxy_reload(d.haproxy));
}

Test(haproxy_trouble, a_socket_that_lost_level_admin_is_found_before_the_failover)
{
	const char *socket = lab_path(d.lab, "second.sock");
	struct target_status status;

	write_socket(socket, "admin");
	replace_config(&d.config.socket, socket);
	driver_restart(&d);
	driver_apply(&d, primary_at(d.a));
	write_socket(socket, "operator");
	cr_assert(driver_wait_problem(&d, "put \"level admin\" behind"));
	target_status(d.target, &status);
	cr_expect_not(status.in_sync);
	cr_expect_eq(driver_count_log(&d, "event=socket_not_admin"), 1);
	cr_expect_eq(driver_count_log(&d, "level=operator"), 1);
	driver_set(&d, primary_at(d.b));
	cr_assert(driver_wait_log(&d, "event=move_failed", 1));
	cr_assert(driver_wait_file(&d, primary_at(d.b)), "the file is kept true all the same");
	write_socket(socket, "admin");
	cr_assert(driver_wait_sync(&d));
	cr_expect_eq(driver_count_log(&d, "event=socket_admin"), 1);
	cr_assert(driver_reaches(d.rw, "b"));
}

/* 400 servers: more commands than fit in one line. */
static const char *many_servers(const char *more)
{
	auto_strbuf struct strbuf readers = STRBUF_INIT;

	for (int i = 0; i < 400; i++)
		strbuf_append_str(&readers,
		                  driver_server(&d, lab_printf(d.lab, "reader%d", i), d.c, more));
	return driver_text(&d, driver_server(&d, "primary", d.a, ""), readers.data, "");
}

Test(haproxy_trouble, commands_that_need_two_lines_and_are_refused_are_not_sent_without_a_pause)
{
	const char *socket = lab_path(d.lab, "second.sock");

	write_socket(socket, "admin");
	replace_config(&d.config.socket, socket);
	driver_restart(&d);
	driver_apply(&d, many_servers(" weight 1"));
	write_socket(socket, "operator");
	cr_assert(driver_wait_problem(&d, "put \"level admin\" behind"));
	driver_set(&d, many_servers(" weight 2"));
	cr_assert(driver_wait_log(&d, "event=move_failed", 1));
	write_socket(socket, "admin");
	cr_assert(driver_wait_sync(&d));
}

/* The second text comes while the first one's reload is owed: what was never loaded is nothing to
 * go back to. */
Test(haproxy_trouble, a_failed_reload_goes_back_to_what_was_loaded)
{
	const char *taken = lab_printf(d.lab, "%sfrontend t_bad from t\n  bind 127.0.0.1:%u\n",
	                               driver_server(&d, "r1", d.c, ""), lab_backend_port(d.b));
	const char *rw = driver_server(&d, "primary", d.a, "");

	driver_apply(&d, primary_at(d.a));
	driver_set(&d, driver_text(&d, rw, taken, ""));
	for (int64_t until = clock_now_ms() + 5000;
	     driver_file_is(&d, primary_at(d.a)) && clock_now_ms() < until;)
		driver_run(&d, 1);
	driver_set(&d, driver_text(&d, rw, taken, "  fullconn 9\n"));
	cr_assert(driver_wait_problem(&d, "refuses the configuration"));
	cr_assert(driver_wait_file(&d, primary_at(d.a)));
}
