/* While there is no primary, clients of a real HAProxy wait in its queue: one tries the closed
 * port, the others cost nothing. All go on with the next text, and the server has its own limit
 * again. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixtures/haproxy_hold_stage.h"

#define CLIENTS 50

TestSuite(haproxy_queue, .init = hold_stage_setup, .fini = hold_stage_teardown, .timeout = 120);

static int clients[CLIENTS];

static void come(size_t count)
{
	for (size_t i = 0; i < count; i++)
		cr_assert_geq(clients[i] = driver_open_session(d.rw, NULL), 0);
}

static void be_served(size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		cr_assert(hold_stage_wait_name(clients[i], name), "client %zu", i);
		close(clients[i]);
	}
}

/* Whoever is first. */
static void be_served_one(size_t count, const char *name)
{
	int64_t until = clock_now_ms() + DRIVER_TIMEOUT_MS;

	for (size_t i = 0; clock_now_ms() < until; i = (i + 1) % count) {
		if (clients[i] >= 0 && !hold_stage_is_waiting(clients[i])) {
			cr_assert(hold_stage_wait_name(clients[i], name));
			close(clients[i]);
			clients[i] = -1;
			return;
		}
		driver_run(&d, 1);
	}
	cr_assert(false, "nobody is served");
}

Test(haproxy_queue, one_client_tries_and_the_others_wait_in_the_queue)
{
	hold_stage_apply(d.a);
	hold_stage_hold(1, LONG_MS);
	cr_assert_eq(hold_stage_limit(), 1);
	come(CLIENTS);
	cr_assert(hold_stage_wait_queued(CLIENTS - 1));
	hold_stage_apply(d.b);
	be_served(CLIENTS, "b");
	cr_assert(hold_stage_wait_limit(0));
	cr_assert_not(hold_stage_has_note());
	cr_assert_eq(driver_count_log(&d, "event=drift"), 0);
	cr_assert_eq(driver_count_log(&d, "event=move_failed"), 0);
}

Test(haproxy_queue, a_limit_of_the_text_comes_back_and_lets_no_more_through)
{
	const char *a = hold_stage_text_at(d.a, "maxconn 3", ""),
	           *b = hold_stage_text_at(d.b, "maxconn 3", "");

	hold_stage_set_text(d.a, a);
	cr_assert(driver_wait_sync(&d));
	hold_stage_hold(1, LONG_MS);
	cr_assert_eq(hold_stage_limit(), 1);
	come(10);
	cr_assert(hold_stage_wait_queued(9));
	hold_stage_set_text(d.b, b);
	cr_assert(driver_wait_sync(&d));
	cr_assert_eq(hold_stage_limit(), 3);
	cr_assert(hold_stage_wait_queued(7));
	for (size_t left = 10; left > 0; left--) /* each makes room for the next one */
		be_served_one(10, "b");
	cr_assert_eq(hold_stage_limit(), 3);
	cr_assert_eq(driver_count_log(&d, "event=drift"), 0);
}

Test(haproxy_queue, sessions_that_run_do_not_keep_the_queue_closed)
{
	int session;

	hold_stage_apply(d.a);
	cr_assert_geq(session = driver_open_session(d.rw, "a"), 0);
	hold_stage_hold(1, LONG_MS);
	come(5);
	cr_assert(hold_stage_wait_queued(5));
	cr_assert(driver_session_lives(session));
	hold_stage_apply(d.a);
	be_served(5, "a");
	cr_assert(driver_session_lives(session));
	cr_assert(hold_stage_wait_limit(0));
	close(session);
}

Test(haproxy_queue, with_redispatch_1_the_closed_port_is_all)
{
	static const char more[] = "  option redispatch 1\n";

	hold_stage_set_text(d.a, hold_stage_text_at(d.a, "", more));
	cr_assert(driver_wait_sync(&d));
	hold_stage_hold(1, LONG_MS);
	cr_assert_eq(hold_stage_limit(), 0);
	come(5);
	driver_run(&d, 500);
	for (size_t i = 0; i < 5; i++)
		cr_assert(hold_stage_is_waiting(clients[i]));
	hold_stage_set_text(d.b, hold_stage_text_at(d.b, "", more));
	be_served(5, "b");
}

Test(haproxy_queue, a_queue_that_ends_before_the_hold_is_not_used)
{
	static const char more[] = "  timeout queue 2s\n";

	hold_stage_set_text(d.a, hold_stage_text_at(d.a, "", more));
	cr_assert(driver_wait_sync(&d));
	hold_stage_hold(1, 3000);
	cr_assert_eq(hold_stage_limit(), 0);
	hold_stage_set_text(d.a, hold_stage_text_at(d.a, "", more));
	hold_stage_hold(2, 1000);
	cr_assert_eq(hold_stage_limit(), 1);
}

Test(haproxy_queue, when_the_time_of_the_hold_is_over_nobody_stays_in_the_queue)
{
	hold_stage_apply(d.a);
	target_hold(d.target, 1, 500, false);
	cr_assert(driver_wait_log(&d, "event=held ", 1));
	come(5);
	cr_assert(driver_wait_log(&d, "event=hold_over", 1));
	be_served(5, "a");
	cr_assert(hold_stage_wait_limit(0));
}

Test(haproxy_queue, a_fence_turns_away_who_waits_in_the_queue)
{
	hold_stage_apply(d.a);
	hold_stage_hold(1, LONG_MS);
	come(5);
	cr_assert(hold_stage_wait_queued(4));
	hold_stage_fence(2);
	for (size_t i = 0; i < 5; i++) {
		cr_assert(driver_wait_ended(&d, clients[i]));
		close(clients[i]);
	}
	cr_assert_not(hold_stage_leads_to(d.a));
	hold_stage_apply(d.b);
	come(5);
	be_served(5, "b");
	cr_assert(hold_stage_wait_limit(0));
}

Test(haproxy_queue, a_limit_that_a_hand_has_changed_is_put_right)
{
	hold_stage_apply(d.a);
	driver_ask(&d, "set maxconn server t_rw/primary 1");
	cr_assert(driver_wait_log(&d, "event=drift", 1));
	cr_assert(hold_stage_wait_limit(0));
	hold_stage_hold(1, LONG_MS);
	come(5);
	cr_assert(hold_stage_wait_queued(4));
	driver_ask(&d, "set maxconn server t_rw/primary 1000000");
	cr_assert(hold_stage_wait_limit(1));
	cr_assert(hold_stage_wait_queued(4));
	hold_stage_apply(d.a);
	be_served(5, "a");
}

/* What a crash leaves: at each of these the next life, or `segue resume`, finds what to do. */
static void crash_with(const char *address, const char *limit)
{
	hold_stage_apply(d.a);
	hold_stage_hold(1, LONG_MS);
	driver_ask(&d, lab_printf(d.lab, "set maxconn server t_rw/primary %s", limit));
	if (address != NULL)
		driver_ask(&d, lab_printf(d.lab, "set server t_rw/primary addr 127.0.0.1 port %s",
		                          address));
}

Test(haproxy_queue, a_limit_that_is_left_alone_is_found_at_the_next_start)
{
	const char *at_a = lab_printf(d.lab, "%u", lab_backend_port(d.a));
	const struct {
		const char *address, *limit;
	} cases[] = {{NULL, "0"}, {NULL, "1"}, {at_a, "1"}, {at_a, "1000000"}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		crash_with(cases[i].address, cases[i].limit);
		hold_stage_crash_and_restart();
		driver_run(&d, 20);
		hold_stage_apply(d.b);
		cr_assert(driver_reaches(d.rw, "b"));
		cr_assert(hold_stage_wait_limit(0), "case %zu", i);
		cr_assert_not(hold_stage_has_note());
	}
}

/* --- a hand in a hold --- */

/* Who is served by `name`, and waits until segue has ended these sessions. */
static size_t end_served(const char *name)
{
	size_t served = 0;
	char got[2];

	for (size_t i = 0; i < CLIENTS; i++) {
		if (hold_stage_is_waiting(clients[i]))
			continue;
		served++;
		cr_assert(hold_stage_wait_name(clients[i], name), "client %zu", i);
		recv(clients[i], got, sizeof(got), 0); /* else it looks alive */
		cr_assert(driver_wait_ended(&d, clients[i]), "client %zu stays at %s", i, name);
	}
	return served;
}

Test(haproxy_queue, one_that_a_hand_leads_elsewhere_is_put_right_before_others_follow)
{
	size_t served;

	hold_stage_apply(d.a);
	hold_stage_hold(1, LONG_MS);
	come(CLIENTS);
	cr_assert(hold_stage_wait_queued(CLIENTS - 1));
	driver_ask(&d, lab_printf(d.lab, "set server t_rw/primary addr 127.0.0.1 port %u",
	                          lab_backend_port(d.c)));
	cr_assert(driver_wait_log(&d, "event=drift", 1));
	cr_assert(hold_stage_wait_limit(1));
	cr_assert_not(hold_stage_leads_to(d.c));
	served = end_served("c");
	cr_assert_leq(served, 2);
	hold_stage_set(d.b);
	for (size_t i = 0; i < CLIENTS; i++) {
		served += hold_stage_wait_name(clients[i], "b");
		close(clients[i]);
	}
	cr_assert_eq(served, CLIENTS);
}

/* --- HAProxy reloaded by a person --- */

static unsigned old_sessions(void)
{
	struct target_status status;

	target_status(d.target, &status);
	return status.old_sessions;
}

static void be_ended(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		cr_assert(driver_wait_ended(&d, clients[i]), "client %zu", i);
		close(clients[i]);
	}
}

/* In a hold, ten clients wait and a person reloads HAProxy. */
static void reload_with_clients(const char *more)
{
	hold_stage_set_text(d.a, hold_stage_text_at(d.a, "", more));
	cr_assert(driver_wait_sync(&d));
	hold_stage_hold(1, LONG_MS);
	come(10);
	driver_run(&d, 300); /* some tries */
	cr_assert(lab_haproxy_reload(d.haproxy));
}

static void expect_left_behind(const char *more)
{
	reload_with_clients(more);
	be_ended(10); /* now, not when their tries are over */
	cr_assert(driver_wait_log(&d, "left=0 waited=10", 1));
	cr_assert_eq(old_sessions(), 0);
	come(10);
	driver_run(&d, 300);
	hold_stage_set_text(d.b, hold_stage_text_at(d.b, "", more));
	be_served(10, "b");
}

Test(haproxy_queue, who_runs_in_the_old_worker_of_a_reload_in_a_hold_goes_on_until_the_move)
{
	int session;

	hold_stage_apply(d.a);
	cr_assert_geq(session = driver_open_session(d.rw, "a"), 0);
	reload_with_clients("");
	be_ended(10);
	cr_assert(driver_session_lives(session));
	hold_stage_set(d.b);
	cr_assert(driver_wait_ended(&d, session));
	close(session);
}

Test(haproxy_queue, who_waits_in_the_old_worker_of_a_reload_in_a_hold_is_told_at_once)
{
	expect_left_behind("");
}

Test(haproxy_queue, who_waits_at_the_closed_port_of_an_old_worker_is_told_at_once)
{
	expect_left_behind("  option redispatch 1\n");
}

/* The reload and the next primary in one moment: nobody has looked between. */
Test(haproxy_queue, who_was_left_in_an_old_worker_is_told_when_the_hold_ends)
{
	hold_stage_apply(d.a);
	hold_stage_hold(1, LONG_MS);
	come(10);
	cr_assert(hold_stage_wait_queued(9));
	cr_assert(lab_haproxy_reload(d.haproxy));
	hold_stage_set(d.b);
	be_ended(10);
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_reaches(d.rw, "b"));
}

Test(haproxy_queue, without_a_master_socket_it_is_told_that_clients_are_out_of_reach)
{
	hold_stage_apply(d.a);
	free(d.config.master_socket);
	d.config.master_socket = xstrdup("");
	driver_restart(&d);
	hold_stage_apply(d.a);
	hold_stage_hold(1, LONG_MS);
	come(1);
	cr_assert(lab_haproxy_reload(d.haproxy));
	cr_assert(driver_wait_log(&d, "event=clients_out_of_reach", 1));
	cr_assert(driver_wait_problem(&d, "without master_socket"));
	hold_stage_apply(d.b);
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert(driver_wait_problem(&d, "without master_socket"));
	hold_stage_hold(2, LONG_MS);
	cr_assert(driver_wait_problem(&d, "clients are held"), "not that of the last hold");
	close(clients[0]);
}
