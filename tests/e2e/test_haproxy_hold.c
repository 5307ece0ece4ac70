/* While there is no primary: clients of a real HAProxy wait without an error, and go on as soon as
 * the next text says where; nothing stays closed. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cluster/target_kinds.h"
#include "fixtures/haproxy_hold_stage.h"

#define CLIENTS 200

TestSuite(haproxy_hold, .init = hold_stage_setup, .fini = hold_stage_teardown, .timeout = 120);

Test(haproxy_hold, two_hundred_clients_wait_and_all_reach_the_new_primary)
{
	int clients[CLIENTS];

	hold_stage_apply(d.a);
	hold_stage_hold(1, LONG_MS);
	lab_process_kill(lab_backend_process(d.a));
	for (size_t i = 0; i < CLIENTS; i++)
		cr_assert_geq(clients[i] = driver_open_session(d.rw, NULL), 0);
	driver_run(&d, 3000); /* some thirty tries each */
	for (size_t i = 0; i < CLIENTS; i++)
		cr_assert(hold_stage_is_waiting(clients[i]), "client %zu", i);
	hold_stage_set(d.b);
	for (size_t i = 0; i < CLIENTS; i++) {
		cr_assert(hold_stage_wait_name(clients[i], "b"), "client %zu", i);
		close(clients[i]);
	}
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_wait_log(&d, "event=released", 1));
	cr_assert_not(hold_stage_has_note());
	cr_assert_eq(driver_count_log(&d, "event=drift"), 0);
}

Test(haproxy_hold, nothing_but_the_way_to_the_primary_is_held)
{
	const char *file;
	int session;

	hold_stage_apply(d.a);
	file = lab_read_file(d.lab, d.config.output);
	cr_assert_geq(session = driver_open_session(d.rw, "a"), 0);
	hold_stage_hold(1, LONG_MS);
	cr_assert(hold_stage_has_note());
	cr_assert(driver_reaches(d.ro, "c"));
	cr_assert_not(hold_stage_leads_to(d.a));
	cr_assert(driver_session_lives(session), "who runs goes on");
	cr_assert(driver_file_is(&d, file), "HAProxy would start with the real address");
	close(session);
}

Test(haproxy_hold, after_a_false_alarm_all_is_as_before)
{
	int session, waiting;

	hold_stage_apply(d.a);
	cr_assert_geq(session = driver_open_session(d.rw, "a"), 0);
	hold_stage_hold(1, LONG_MS);
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	driver_run(&d, 300);
	cr_assert(hold_stage_is_waiting(waiting));
	hold_stage_apply(d.a);
	cr_assert(hold_stage_wait_name(waiting, "a"));
	cr_assert(driver_session_lives(session));
	cr_assert_eq(driver_count_log(&d, "event=sessions_ended"), 0);
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
	close(session);
	close(waiting);
}

Test(haproxy_hold, sessions_to_the_old_primary_end_with_the_move)
{
	int session;

	hold_stage_apply(d.a);
	cr_assert_geq(session = driver_open_session(d.rw, "a"), 0);
	hold_stage_hold(1, LONG_MS);
	hold_stage_apply(d.b);
	cr_assert(driver_wait_ended(&d, session));
	close(session);
}

Test(haproxy_hold, when_its_time_is_over_the_text_counts_and_the_episode_is_spent)
{
	int waiting;

	hold_stage_apply(d.a);
	target_hold(d.target, 1, 500, false);
	cr_assert(driver_wait_log(&d, "event=held ", 1));
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	cr_assert(driver_wait_log(&d, "event=hold_over", 1));
	cr_assert_eq(driver_count_log(&d, "no primary was admitted within hold_timeout"), 1);
	cr_assert(hold_stage_wait_name(waiting, "a"));
	cr_assert(driver_wait_sync(&d));
	cr_assert_not(hold_stage_has_note());
	target_hold(d.target, 1, 500, false);
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_reaches(d.rw, "a"));
	hold_stage_hold(2, LONG_MS);
	close(waiting);
}

/* As a cluster says it, with the time that is left. */
Test(haproxy_hold, a_repeat_of_the_episode_does_not_put_off_its_end)
{
	int64_t end = clock_now_ms() + 500;

	hold_stage_apply(d.a);
	target_hold(d.target, 1, 500, false);
	while (driver_count_log(&d, "event=hold_over") == 0) {
		int64_t left_ms = end - clock_now_ms();

		cr_assert_gt(left_ms, -5000);
		if (left_ms > 0)
			target_hold(d.target, 1, left_ms, false);
		driver_run(&d, 10);
	}
}

/* As after a start of segue in the middle of a failover. */
Test(haproxy_hold, asked_for_before_haproxy_has_answered_it_is_held_at_once)
{
	hold_stage_apply(d.a);
	driver_restart(&d);
	hold_stage_set(d.b);
	hold_stage_hold(1, LONG_MS);
	cr_assert_not(hold_stage_leads_to(d.a));
	cr_assert_not(hold_stage_leads_to(d.b));
	cr_assert_eq(driver_count_log(&d, "event=drift"), 0);
	hold_stage_apply(d.b);
	cr_assert(driver_reaches(d.rw, "b"));
}

Test(haproxy_hold, holds_and_texts_in_any_order_end_as_the_last_one_says)
{
	hold_stage_apply(d.a);
	for (int i = 1; i <= 60; i++) {
		if (i % 3 == 0)
			target_fence(d.target, i);
		else
			target_hold(d.target, i, LONG_MS, false);
		if (i % 7 == 0)
			driver_run(&d, 1);
		hold_stage_set(i % 2 == 0 ? d.a : d.b);
		if (i % 5 == 0)
			driver_run(&d, 1);
	}
	hold_stage_hold(100, LONG_MS);
	cr_assert_not(hold_stage_leads_to(d.a));
	hold_stage_set(d.b);
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert_not(hold_stage_has_note());
}

Test(haproxy_hold, a_haproxy_that_is_restarted_is_held_again)
{
	int waiting;

	hold_stage_apply(d.a);
	hold_stage_hold(1, LONG_MS);
	cr_assert_eq(lab_process_stop(lab_haproxy_process(d.haproxy)), 0);
	lab_haproxy_start(d.haproxy);
	cr_assert(driver_wait_log(&d, "event=drift", 1));
	driver_run(&d, 50);
	cr_assert_not(hold_stage_leads_to(d.a));
	cr_assert_str_eq(hold_stage_step(), "holding");
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	hold_stage_set(d.b);
	cr_assert(hold_stage_wait_name(waiting, "b"));
	close(waiting);
}

Test(haproxy_hold, one_that_is_away_is_held_when_it_comes)
{
	hold_stage_apply(d.a);
	cr_assert_eq(lab_process_stop(lab_haproxy_process(d.haproxy)), 0);
	target_hold(d.target, 1, LONG_MS, false);
	cr_assert(driver_wait_log(&d, "event=haproxy_unreachable", 1));
	lab_haproxy_start(d.haproxy);
	cr_assert(driver_wait_log(&d, "event=held ", 1));
	cr_assert_not(hold_stage_leads_to(d.a));
}

Test(haproxy_hold, what_needs_a_reload_waits_for_its_end)
{
	const char *text = hold_stage_text_at(d.a, "", "  fullconn 77\n");
	int waiting;

	hold_stage_apply(d.a);
	hold_stage_set_text(d.a, text);
	hold_stage_hold(1, LONG_MS);
	cr_assert(driver_wait_file(&d, text));
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	driver_run(&d, 500); /* a reload would take 100 */
	cr_assert_eq(driver_count_log(&d, "event=reload "), 1, "the one of the start");
	hold_stage_set_text(d.a, text);
	cr_assert(driver_wait_sync(&d));
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 2);
	cr_assert(hold_stage_wait_name(waiting, "a"));
	close(waiting);
}

/* What is held are the clients of one HAProxy; who else would reload it has to wait, too. */
Test(haproxy_hold, a_reload_for_another_target_waits_as_well)
{
	struct config_target config = d.config;
	struct desired desired = {.text = "backend other\n  mode tcp\n  server s 127.0.0.1:2\n",
	                          .zxid = 1};
	struct target_status status;
	struct target *other;
	struct err err;
	int waiting;

	hold_stage_apply(d.a);
	config.name = (char *)"other";
	config.output = (char *)lab_printf(d.lab, "%s/other.cfg", lab_haproxy_conf_dir(d.haproxy));
	other = target_create(d.hub, &config, lab_path(d.lab, "state"), NULL, NULL);
	hold_stage_hold(1, LONG_MS);
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	desired.len = strlen(desired.text);
	cr_assert(target_set_desired(other, &desired, &err), "%s", err.message);
	for (int64_t until = clock_now_ms() + DRIVER_TIMEOUT_MS;
	     access(config.output, F_OK) != 0 && clock_now_ms() < until;)
		driver_run(&d, 20);
	cr_assert_eq(access(config.output, F_OK), 0);
	driver_run(&d, 500); /* a reload would take 100 */
	cr_assert_eq(driver_count_log(&d, "event=reload "), 1, "the one of the start");
	target_status(other, &status);
	cr_assert_not_null(strstr(status.problem, "waits until segue holds no client"), "%s",
	                   status.problem);
	hold_stage_set(d.b);
	cr_assert(hold_stage_wait_name(waiting, "b"));
	cr_assert(driver_wait_log(&d, "event=reloaded", 2));
	target_destroy(other);
	close(waiting);
}

Test(haproxy_hold, a_health_check_rests_meanwhile)
{
	static const char params[] = "check inter 100ms fall 1";
	int waiting;

	hold_stage_set_text(d.a, hold_stage_text_at(d.a, params, ""));
	cr_assert(driver_wait_sync(&d));
	cr_assert(hold_stage_is_checked());
	hold_stage_hold(1, LONG_MS);
	cr_assert_not(hold_stage_is_checked());
	lab_process_kill(lab_backend_process(d.a));
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	driver_run(&d, 1000); /* ten checks */
	cr_assert(hold_stage_is_waiting(waiting));
	hold_stage_set_text(d.b, hold_stage_text_at(d.b, params, ""));
	cr_assert(hold_stage_wait_name(waiting, "b"));
	cr_assert(driver_wait_sync(&d));
	cr_assert(hold_stage_is_checked());
	close(waiting);
}

/* As when Patroni's settings have changed meanwhile. */
Test(haproxy_hold, the_same_hold_said_again_has_the_new_time)
{
	int waiting;

	hold_stage_apply(d.a);
	hold_stage_hold(1, LONG_MS);
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	target_hold(d.target, 1, 100, false);
	cr_assert(driver_wait_log(&d, "event=hold_over", 1));
	cr_assert(hold_stage_wait_name(waiting, "a"));
	target_hold(d.target, 1, LONG_MS, false); /* what is over stays over */
	cr_assert(driver_wait_sync(&d));
	cr_assert(hold_stage_leads_to(d.a));
	close(waiting);
}
