/* The HAProxy target against a real HAProxy: what the text says is what it does, whatever happens
 * to it meanwhile. */
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

TestSuite(haproxy_driver, .init = setup, .fini = teardown);

Test(haproxy_driver, first_text_is_installed_and_loaded_by_one_reload)
{
	const char *text = primary_at(d.a);

	driver_apply(&d, text);
	cr_assert(driver_file_is(&d, text));
	cr_assert(driver_reaches(d.rw, "a"));
	cr_assert(driver_reaches(d.ro, "c"));
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
	cr_assert_eq(
	    driver_count_log(&d, "event=moved cluster=orders target=haproxy/local zxid=101"), 1);
	cr_assert_eq(driver_count_log(&d, "what=\"all of the file, by a reload\""), 1);
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

Test(haproxy_driver, what_a_hand_changes_is_put_right)
{
	driver_apply(&d, primary_at(d.a));
	driver_ask(&d, "set server t_rw/primary addr 127.0.0.1 port 1;"
	               "set server t_ro/r1 state drain;set server t_ro/r1 weight 7");
	cr_assert(driver_wait_log(&d, "event=drift", 1));
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
	cr_assert(driver_wait_file(&d, primary_at(d.a)));
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
	cr_assert(driver_wait_gone(&d, "t_ro", "r2"));
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

Test(haproxy_driver, sessions_to_the_old_address_end_and_no_others)
{
	int stale[5], waiting, other, fresh;

	driver_apply(&d, primary_at(d.a));
	for (int i = 0; i < 5; i++)
		cr_assert_geq(stale[i] = driver_open_session(d.rw, "a"), 0);
	cr_assert_geq(other = driver_open_session(d.ro, "c"), 0);
	driver_apply(&d, driver_text(&d, driver_server(&d, "primary", NULL, ""),
	                             driver_server(&d, "r1", d.c, ""), ""));
	for (int i = 0; i < 5; i++) {
		cr_assert(driver_wait_ended(&d, stale[i]));
		close(stale[i]);
	}
	waiting = driver_open_session(d.rw, NULL);
	driver_apply(&d, primary_at(d.b));
	cr_assert(driver_wait_log(&d, "ended=5 left=0", 1));
	cr_assert(driver_session_lives(waiting), "who waited goes on to the new address");
	cr_assert(driver_session_lives(other));
	cr_assert_geq(fresh = driver_open_session(d.rw, "b"), 0);
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
	cr_assert(driver_wait_ended(&d, stale));
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
	cr_assert_not(status.in_sync);
	cr_assert_not_null(strstr(status.problem, "the rendered text was refused: line 2"), "%s",
	                   status.problem);
	cr_assert_eq(status.zxid, d.zxid);
	cr_assert(driver_reaches(d.rw, "a"));
	driver_apply(&d, primary_at(d.a));
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
