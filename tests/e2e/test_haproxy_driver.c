/* The HAProxy target against a real HAProxy: what the text says is what it does, whatever happens
 * to it meanwhile. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "e2e/driver.h"
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

TestSuite(haproxy_driver, .init = setup, .fini = teardown, .timeout = 60);

Test(haproxy_driver, first_text_is_installed_and_loaded_by_one_reload)
{
	const char *text = primary_at(d.a);

	driver_apply(&d, text);
	cr_assert(driver_file_is(&d, text));
	cr_assert(driver_reaches(d.rw, "a"));
	cr_assert(driver_reaches(d.ro, "c"));
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
	cr_assert_eq(driver_count_log(&d, "event=moved cluster=orders target=local zxid=101"), 1);
	cr_assert_eq(access(lab_path(d.lab, "state/haproxy-local.reload"), F_OK), -1);
}

Test(haproxy_driver, address_change_is_pushed_without_a_reload)
{
	pid_t worker;

	driver_apply(&d, primary_at(d.a));
	worker = lab_haproxy_worker(d.haproxy);
	driver_apply(&d, primary_at(d.b));
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert(driver_file_is(&d, primary_at(d.b)));
	cr_assert_eq(lab_haproxy_worker(d.haproxy), worker);
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
	cr_assert_eq(driver_count_log(&d, "event=drift"), 0);
}

/* Nothing but target_set_desired() runs: the command is on its way when it returns. */
Test(haproxy_driver, the_command_is_written_inside_set_desired)
{
	driver_apply(&d, primary_at(d.a));
	driver_set(&d, primary_at(d.b));
	for (int64_t until = clock_now_ms() + 5000; !driver_reaches(d.rw, "b");)
		cr_assert_lt(clock_now_ms(), until);
}

Test(haproxy_driver, of_many_texts_in_a_row_the_last_one_wins)
{
	driver_apply(&d, primary_at(d.a));
	for (int i = 0; i < 100; i++) {
		driver_set(&d, primary_at(i % 2 == 0 ? d.a : d.b));
		if (i % 7 == 0)
			driver_run(&d, 1);
	}
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert(driver_file_is(&d, primary_at(d.b)));
}

Test(haproxy_driver, structural_change_is_reloaded_and_sessions_go_on)
{
	const char *text = driver_text(&d, driver_server(&d, "primary", d.a, ""),
	                               driver_server(&d, "r1", d.c, ""), "  fullconn 77\n");
	int session;

	driver_apply(&d, primary_at(d.a));
	session = driver_open_session(d.rw, "a");
	driver_apply(&d, text);
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 2);
	cr_assert(driver_file_is(&d, text));
	cr_assert(driver_session_lives(session));
	close(session);
}

Test(haproxy_driver, restarted_haproxy_is_verified_again)
{
	driver_apply(&d, primary_at(d.a));
	driver_apply(&d, primary_at(d.b));
	lab_process_kill(lab_haproxy_process(d.haproxy));
	cr_assert(driver_wait_problem(&d, "admin.sock"));
	driver_set(&d, primary_at(d.a));
	driver_run(&d, 300);
	cr_assert(driver_file_is(&d, primary_at(d.a)), "the file is kept true while it is away");
	lab_haproxy_start(d.haproxy);
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_reaches(d.rw, "a"));
	cr_assert_eq(driver_count_log(&d, "event=haproxy_unreachable"), 1);
	cr_assert_eq(driver_count_log(&d, "event=haproxy_back"), 1);
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
}

Test(haproxy_driver, reload_behind_our_back_is_seen)
{
	driver_apply(&d, primary_at(d.a));
	driver_apply(&d, primary_at(d.b));
	cr_assert(lab_haproxy_reload(d.haproxy));
	for (int64_t until = clock_now_ms() + DRIVER_TIMEOUT_MS;
	     driver_count_log(&d, "event=haproxy_restarted") < 2 && clock_now_ms() < until;)
		driver_run(&d, 5);
	cr_assert_eq(driver_count_log(&d, "event=haproxy_restarted"), 2, "its own and the other");
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert(driver_wait_sync(&d));
}

Test(haproxy_driver, what_a_hand_changes_is_put_right)
{
	driver_apply(&d, primary_at(d.a));
	driver_ask(&d, "set server t_rw/primary addr 127.0.0.1 port 1;"
	               "set server t_ro/r1 state drain;set server t_ro/r1 weight 7");
	for (int64_t until = clock_now_ms() + 10000;
	     driver_count_log(&d, "event=drift") == 0 && clock_now_ms() < until;)
		driver_run(&d, 10);
	cr_assert(driver_wait_sync(&d));
	cr_assert_eq(driver_count_log(&d, "event=drift"), 1);
	cr_assert(driver_reaches(d.rw, "a"));
	cr_assert(driver_reaches(d.ro, "c"));
	cr_assert_eq(driver_count_log(&d, "event=moved"), 1, "drift is no move");
}

Test(haproxy_driver, a_hand_changes_the_file_and_it_is_put_right)
{
	driver_apply(&d, primary_at(d.a));
	lab_write_file(d.config.output, "# emptied\n");
	for (int64_t until = clock_now_ms() + 10000;
	     !driver_file_is(&d, primary_at(d.a)) && clock_now_ms() < until;)
		driver_run(&d, 10);
	cr_assert(driver_file_is(&d, primary_at(d.a)));
}

Test(haproxy_driver, slots_are_added_and_removed_without_a_reload)
{
	const char *one = driver_server(&d, "r1", d.a, "");
	const char *two = lab_printf(d.lab, "%s%s", one,
	                             driver_server(&d, "r2", d.b, "check inter 200ms weight 3"));
	const char *rw = driver_server(&d, "primary", d.a, "");
	int session;

	driver_apply(&d, driver_text(&d, rw, one, ""));
	driver_apply(&d, driver_text(&d, rw, two, ""));
	cr_assert_not_null(strstr(driver_ask(&d, "show servers conn t_ro"), "t_ro/r2"));
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
	while ((session = driver_open_session(d.ro, "b")) < 0)
		;
	driver_apply(&d, driver_text(&d, rw, one, ""));
	for (int64_t until = clock_now_ms() + 5000;
	     strstr(driver_ask(&d, "show servers conn t_ro"), "t_ro/r2") != NULL &&
	     clock_now_ms() < until;)
		driver_run(&d, 5);
	cr_assert_null(strstr(driver_ask(&d, "show servers conn t_ro"), "t_ro/r2"));
	cr_assert_not(driver_session_lives(session), "its session had to end for it");
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
	close(session);
}

/* `add server` does not take this keyword in 2.6. */
Test(haproxy_driver, a_slot_that_add_server_refuses_comes_by_reload)
{
	const char *rw = driver_server(&d, "primary", d.a, ""),
	           *r1 = driver_server(&d, "r1", d.c, "");
	const char *two =
	    lab_printf(d.lab, "%s%s", r1, driver_server(&d, "r2", d.b, "init-addr last,none"));

	driver_apply(&d, driver_text(&d, rw, r1, ""));
	driver_apply(&d, driver_text(&d, rw, two, ""));
	cr_assert_not_null(strstr(driver_ask(&d, "show servers conn t_ro"), "t_ro/r2"));
	cr_assert_eq(driver_count_log(&d, "event=add_refused"), 1);
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 2);
}

Test(haproxy_driver, what_the_check_refuses_is_not_installed_but_servers_move)
{
	const char *bad = driver_text(&d, driver_server(&d, "primary", d.b, ""),
	                              driver_server(&d, "r1", d.c, ""), "  no such keyword\n");

	driver_apply(&d, primary_at(d.a));
	driver_set(&d, bad);
	cr_assert(driver_wait_problem(&d, "unknown keyword"));
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert(driver_file_is(&d, primary_at(d.a)));
	cr_assert_eq(driver_count_log(&d, "event=check_refused"), 1);
	driver_apply(&d, primary_at(d.b));
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
}

/* The check cannot see that the port is taken; HAProxy refuses to start with it. */
Test(haproxy_driver, a_failed_reload_puts_the_file_back)
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
Test(haproxy_driver, a_reload_owed_before_a_crash_is_made_after_it)
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

Test(haproxy_driver, a_marker_of_a_worker_that_is_gone_means_nothing)
{
	driver_apply(&d, primary_at(d.a));
	lab_write_file(lab_path(d.lab, "state/haproxy-local.reload"), "1\n");
	driver_restart(&d);
	driver_apply(&d, primary_at(d.a));
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
	cr_assert_eq(access(lab_path(d.lab, "state/haproxy-local.reload"), F_OK), -1);
}

Test(haproxy_driver, sessions_to_the_old_address_end_and_no_others)
{
	int stale[5], waiting, other, fresh;

	driver_apply(&d, primary_at(d.a));
	for (int i = 0; i < 5; i++)
		cr_assert_geq(stale[i] = driver_open_session(d.rw, "a"), 0);
	cr_assert_geq(other = driver_open_session(d.ro, "c"), 0);
	driver_apply(&d, driver_text(&d, driver_server(&d, "primary", NULL, ""),
	                             driver_server(&d, "r1", d.c, ""), ""));
	driver_run(&d, 100);
	for (int i = 0; i < 5; i++) {
		cr_assert_not(driver_session_lives(stale[i]));
		close(stale[i]);
	}
	waiting = driver_open_session(d.rw, NULL);
	driver_run(&d, 100);
	driver_apply(&d, primary_at(d.b));
	driver_run(&d, 300);
	cr_assert(driver_session_lives(waiting), "who waited goes on to the new address");
	cr_assert(driver_session_lives(other));
	cr_assert_geq(fresh = driver_open_session(d.rw, "b"), 0);
	cr_assert_not_null(strstr(lab_read_file(d.lab, d.log), "ended=5 left=0"));
	close(waiting);
	close(other);
	close(fresh);
}

Test(haproxy_driver, sessions_in_old_workers_end_too)
{
	int stale, right;

	driver_apply(&d, primary_at(d.a));
	cr_assert_geq(stale = driver_open_session(d.rw, "a"), 0);
	cr_assert_geq(right = driver_open_session(d.ro, "c"), 0);
	cr_assert(lab_haproxy_reload(d.haproxy));
	driver_apply(&d, primary_at(d.b));
	driver_run(&d, 300);
	cr_assert_not(driver_session_lives(stale));
	cr_assert(driver_session_lives(right));
	close(stale);
	close(right);
}

Test(haproxy_driver, a_text_that_cannot_be_read_is_refused_and_the_last_one_stays)
{
	const struct desired bad = {.text = "backend t_rw\n  server p host.example:1\n", .len = 40};
	struct target_status status;
	struct err err;

	driver_apply(&d, primary_at(d.a));
	cr_assert_not(target_set_desired(d.target, &bad, &err));
	cr_assert_not_null(strstr(err.message, "line 2"), "%s", err.message);
	target_status(d.target, &status);
	cr_assert(status.in_sync);
	cr_assert_eq(status.zxid, d.zxid);
}

Test(haproxy_driver, a_file_that_haproxy_does_not_load_is_said_once_and_not_tried_forever)
{
	replace_config(&d.config.output, lab_path(d.lab, "elsewhere.cfg"));
	driver_restart(&d);
	driver_set(&d, primary_at(d.a));
	cr_assert(driver_wait_problem(&d, "among HAProxy's -f files"));
	driver_run(&d, 7000);
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
	cr_assert_eq(driver_count_log(&d, "event=reload_did_not_help"), 1);
}

Test(haproxy_driver, without_means_to_reload_a_person_is_told_and_it_goes_on_after)
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

Test(haproxy_driver, reload_command_reloads_too)
{
	replace_config(&d.config.master_socket, "");
	replace_config(&d.config.reload_command,
	               lab_printf(d.lab, "kill -USR2 %d",
	                          (int)lab_process_pid(lab_haproxy_process(d.haproxy))));
	driver_restart(&d);
	driver_apply(&d, primary_at(d.a));
	cr_assert(driver_reaches(d.rw, "a"));
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
}

Test(haproxy_driver, no_room_for_the_file_does_not_keep_servers_from_moving)
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

Test(haproxy_driver, destroyed_at_any_moment_it_leaves_nothing_behind)
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
Test(haproxy_driver, haproxy_that_stood_still_ends_at_the_last_text)
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

Test(haproxy_driver, a_socket_that_may_not_change_anything_is_named)
{
	const char *socket = lab_path(d.lab, "operator.sock");

	lab_write_file(lab_printf(d.lab, "%s/socket.cfg", lab_haproxy_conf_dir(d.haproxy)),
	               lab_printf(d.lab, "global\n  stats socket %s level operator\n", socket));
	cr_assert(lab_haproxy_reload(d.haproxy));
	replace_config(&d.config.socket, socket);
	driver_restart(&d);
	driver_apply(&d, primary_at(d.a));
	driver_set(&d, primary_at(d.b));
	cr_assert(driver_wait_problem(&d, "Permission denied"));
	cr_assert_eq(driver_count_log(&d, "event=move_failed"), 1);
	driver_run(&d, 500);
	cr_assert(driver_file_is(&d, primary_at(d.b)), "the file is kept true all the same");
}

/* More commands than fit on one line, and more backends than are asked one by one. */
Test(haproxy_driver, hundreds_of_servers_move_in_a_few_batches)
{
	const char *text[2];

	for (int i = 0; i < 2; i++) {
		auto_strbuf struct strbuf ro = STRBUF_INIT;

		strbuf_append_str(&ro, driver_server(&d, "r1", d.c, ""));
		for (int backend = 0; backend < 10; backend++) {
			strbuf_printf(&ro, "backend t_many%d from t\n", backend);
			for (int server = 0; server < 50; server++)
				strbuf_printf(&ro, "  server s%d 127.0.0.1:%d\n", server,
				              1000 + server + i * 100);
		}
		text[i] = driver_text(&d, driver_server(&d, "primary", i == 0 ? d.a : d.b, ""),
		                      ro.data, "");
	}
	driver_apply(&d, text[0]);
	driver_apply(&d, text[1]);
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert_not_null(strstr(driver_ask(&d, "show servers conn t_many9"), " 127.0.0.1 1149 "));
	cr_assert_eq(driver_count_log(&d, "event=move_failed"), 0);
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
}

/* The second text comes while the first one's reload is owed: what was never loaded is nothing to
 * go back to. */
Test(haproxy_driver, a_failed_reload_goes_back_to_what_was_loaded)
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
	driver_run(&d, 500);
	for (int64_t until = clock_now_ms() + 10000;
	     !driver_file_is(&d, primary_at(d.a)) && clock_now_ms() < until;)
		driver_run(&d, 5);
	cr_assert(driver_file_is(&d, primary_at(d.a)));
}
