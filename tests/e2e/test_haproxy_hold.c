/* While there is no primary: clients of a real HAProxy wait without an error, or are kept out, and
 * go on as soon as the next text says where; nothing stays closed. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "e2e/driver.h"

#define LONG_MS 60000
#define CLIENTS 200

static struct driver d;

static void setup(void)
{
	driver_init(&d);
}

static void teardown(void)
{
	driver_fini(&d);
}

TestSuite(haproxy_hold, .init = setup, .fini = teardown, .timeout = 120);

static const char *text_at(struct lab_backend *rw, const char *params, const char *more)
{
	return driver_text(&d, driver_server(&d, "primary", rw, params),
	                   driver_server(&d, "r1", d.c, ""), more);
}

static void set_text(struct lab_backend *primary, const char *text)
{
	const struct desired desired = {.text = text,
	                                .len = strlen(text),
	                                .zxid = ++d.zxid,
	                                .notified_us = clock_now_us(),
	                                .primary = "127.0.0.1",
	                                .primary_port = lab_backend_port(primary)};
	struct err err;

	cr_assert(target_set_desired(d.target, &desired, &err), "%s", err.message);
}

static void set(struct lab_backend *primary)
{
	set_text(primary, text_at(primary, "", ""));
}

static void apply(struct lab_backend *primary)
{
	set(primary);
	cr_assert(driver_wait_sync(&d));
}

static const char *step(void)
{
	struct target_status status;

	target_status(d.target, &status);
	cr_assert_not(status.in_sync && strcmp(status.step, "holding") == 0);
	return status.step;
}

static void hold(int64_t episode, int64_t timeout_ms)
{
	int held = driver_count_log(&d, "event=held ");

	target_hold(d.target, episode, timeout_ms, false);
	cr_assert(driver_wait_log(&d, "event=held ", held + 1));
	cr_assert_str_eq(step(), "holding");
}

static void fence(int64_t episode)
{
	target_fence(d.target, episode);
	cr_assert(driver_wait_log(&d, "event=fenced ", 1));
	cr_assert_str_eq(step(), "fenced");
}

/* Word `number` of the line of `show servers state` for t_rw/primary. */
static const char *live_word(int number)
{
	char word[64] = "";
	const char *at = strstr(driver_ask(&d, "show servers state t_rw"), " t_rw 1 primary ");

	cr_assert_not_null(at);
	for (at++; number > 2; number--)
		at = strchr(at, ' ') + 1;
	sscanf(at, "%63s", word);
	return lab_printf(d.lab, "%s", word);
}

static bool leads_to(struct lab_backend *backend)
{
	return strcmp(live_word(19), lab_printf(d.lab, "%u", lab_backend_port(backend))) == 0;
}

static bool is_checked(void)
{
	return (strtol(live_word(14), NULL, 10) & 4) != 0;
}

static bool has_note(void)
{
	return access(lab_path(d.lab, "state/haproxy-local.held"), F_OK) == 0;
}

/* What a crash leaves: the note is there, and nobody opens. */
static void crash_and_restart(void)
{
	const char *path = lab_path(d.lab, "state/haproxy-local.held");
	char *owner, *note = (char *)lab_read_file(d.lab, path);

	owner = strstr(note, "\"owner\": \"");
	cr_assert_not_null(owner, "%s", note);
	owner[strlen("\"owner\": \"")] = 'x';
	lab_write_file(path, note);
	driver_restart(&d);
}

/* --- clients that wait --- */

static bool got_name(int fd, const char *name)
{
	char got[LAB_NAME_MAX] = "";
	ssize_t len = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT | MSG_PEEK);

	return len == (ssize_t)strlen(name) + 1 && strncmp(got, name, strlen(name)) == 0;
}

static bool wait_name(int fd, const char *name)
{
	int64_t until = clock_now_ms() + DRIVER_TIMEOUT_MS;

	while (!got_name(fd, name) && driver_session_lives(fd) && clock_now_ms() < until)
		driver_run(&d, 2);
	return got_name(fd, name);
}

static bool is_waiting(int fd)
{
	char byte;

	return driver_session_lives(fd) && recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
}

Test(haproxy_hold, two_hundred_clients_wait_and_all_reach_the_new_primary)
{
	int clients[CLIENTS];

	apply(d.a);
	hold(1, LONG_MS);
	lab_process_kill(lab_backend_process(d.a));
	for (size_t i = 0; i < CLIENTS; i++)
		cr_assert_geq(clients[i] = driver_open_session(d.rw, NULL), 0);
	driver_run(&d, 3000); /* some thirty tries each */
	for (size_t i = 0; i < CLIENTS; i++)
		cr_assert(is_waiting(clients[i]), "client %zu", i);
	set(d.b);
	for (size_t i = 0; i < CLIENTS; i++) {
		cr_assert(wait_name(clients[i], "b"), "client %zu", i);
		close(clients[i]);
	}
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_wait_log(&d, "event=released", 1));
	cr_assert_not(has_note());
	cr_assert_eq(driver_count_log(&d, "event=drift"), 0);
}

Test(haproxy_hold, nothing_but_the_way_to_the_primary_is_held)
{
	const char *file;
	int session;

	apply(d.a);
	file = lab_read_file(d.lab, d.config.output);
	cr_assert_geq(session = driver_open_session(d.rw, "a"), 0);
	hold(1, LONG_MS);
	cr_assert(has_note());
	cr_assert(driver_reaches(d.ro, "c"));
	cr_assert_not(leads_to(d.a));
	cr_assert(driver_session_lives(session), "who runs goes on");
	cr_assert(driver_file_is(&d, file), "HAProxy would start with the real address");
	close(session);
}

Test(haproxy_hold, after_a_false_alarm_all_is_as_before)
{
	int session, waiting;

	apply(d.a);
	cr_assert_geq(session = driver_open_session(d.rw, "a"), 0);
	hold(1, LONG_MS);
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	driver_run(&d, 300);
	cr_assert(is_waiting(waiting));
	apply(d.a);
	cr_assert(wait_name(waiting, "a"));
	cr_assert(driver_session_lives(session));
	cr_assert_eq(driver_count_log(&d, "event=sessions_ended"), 0);
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 1);
	close(session);
	close(waiting);
}

Test(haproxy_hold, sessions_to_the_old_primary_end_with_the_move)
{
	int session;

	apply(d.a);
	cr_assert_geq(session = driver_open_session(d.rw, "a"), 0);
	hold(1, LONG_MS);
	apply(d.b);
	cr_assert(driver_wait_ended(&d, session));
	close(session);
}

Test(haproxy_hold, when_its_time_is_over_the_text_counts_and_the_episode_is_spent)
{
	int waiting;

	apply(d.a);
	target_hold(d.target, 1, 500, false);
	cr_assert(driver_wait_log(&d, "event=held ", 1));
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	cr_assert(driver_wait_log(&d, "event=hold_over", 1));
	cr_assert_eq(driver_count_log(&d, "nobody has been admitted as the primary"), 1);
	cr_assert(wait_name(waiting, "a"));
	cr_assert(driver_wait_sync(&d));
	cr_assert_not(has_note());
	target_hold(d.target, 1, 500, false);
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_reaches(d.rw, "a"));
	hold(2, LONG_MS);
	close(waiting);
}

Test(haproxy_hold, a_repeat_of_the_episode_does_not_put_off_its_end)
{
	apply(d.a);
	target_hold(d.target, 1, 500, false);
	for (int64_t until = clock_now_ms() + 5000; driver_count_log(&d, "event=hold_over") == 0;) {
		cr_assert_lt(clock_now_ms(), until);
		target_hold(d.target, 1, 500, false);
		driver_run(&d, 10);
	}
}

/* As after a start of segue in the middle of a failover. */
Test(haproxy_hold, asked_for_before_haproxy_has_answered_it_is_held_at_once)
{
	apply(d.a);
	driver_restart(&d);
	set(d.b);
	hold(1, LONG_MS);
	cr_assert_not(leads_to(d.a));
	cr_assert_not(leads_to(d.b));
	cr_assert_eq(driver_count_log(&d, "event=drift"), 0);
	apply(d.b);
	cr_assert(driver_reaches(d.rw, "b"));
}

Test(haproxy_hold, holds_and_texts_in_any_order_end_as_the_last_one_says)
{
	apply(d.a);
	for (int i = 1; i <= 60; i++) {
		if (i % 3 == 0)
			target_fence(d.target, i);
		else
			target_hold(d.target, i, LONG_MS, false);
		if (i % 7 == 0)
			driver_run(&d, 1);
		set(i % 2 == 0 ? d.a : d.b);
		if (i % 5 == 0)
			driver_run(&d, 1);
	}
	hold(100, LONG_MS);
	cr_assert_not(leads_to(d.a));
	set(d.b);
	cr_assert(driver_wait_sync(&d));
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert_not(has_note());
}

Test(haproxy_hold, a_haproxy_that_is_restarted_is_held_again)
{
	int waiting;

	apply(d.a);
	hold(1, LONG_MS);
	cr_assert_eq(lab_process_stop(lab_haproxy_process(d.haproxy)), 0);
	lab_haproxy_start(d.haproxy);
	cr_assert(driver_wait_log(&d, "event=drift", 1));
	driver_run(&d, 50);
	cr_assert_not(leads_to(d.a));
	cr_assert_str_eq(step(), "holding");
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	set(d.b);
	cr_assert(wait_name(waiting, "b"));
	close(waiting);
}

Test(haproxy_hold, one_that_is_away_is_held_when_it_comes)
{
	apply(d.a);
	cr_assert_eq(lab_process_stop(lab_haproxy_process(d.haproxy)), 0);
	target_hold(d.target, 1, LONG_MS, false);
	cr_assert(driver_wait_log(&d, "event=haproxy_unreachable", 1));
	lab_haproxy_start(d.haproxy);
	cr_assert(driver_wait_log(&d, "event=held ", 1));
	cr_assert_not(leads_to(d.a));
}

Test(haproxy_hold, what_needs_a_reload_waits_for_its_end)
{
	const char *text = text_at(d.a, "", "  fullconn 77\n");
	int waiting;

	apply(d.a);
	set_text(d.a, text);
	hold(1, LONG_MS);
	cr_assert(driver_wait_file(&d, text));
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	driver_run(&d, 500); /* a reload would take 100 */
	cr_assert_eq(driver_count_log(&d, "event=reload "), 1, "the one of the start");
	set_text(d.a, text);
	cr_assert(driver_wait_sync(&d));
	cr_assert_eq(driver_count_log(&d, "event=reloaded"), 2);
	cr_assert(wait_name(waiting, "a"));
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

	apply(d.a);
	config.name = (char *)"other";
	config.output = (char *)lab_printf(d.lab, "%s/other.cfg", lab_haproxy_conf_dir(d.haproxy));
	other = target_create(d.hub, &config, lab_path(d.lab, "state"), NULL, NULL);
	hold(1, LONG_MS);
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	desired.len = strlen(desired.text);
	cr_assert(target_set_desired(other, &desired, &err), "%s", err.message);
	driver_run(&d, 500);
	cr_assert_eq(access(config.output, F_OK), 0);
	cr_assert_eq(driver_count_log(&d, "event=reload "), 1, "the one of the start");
	target_status(other, &status);
	cr_assert_not_null(strstr(status.problem, "waits until no client"), "%s", status.problem);
	set(d.b);
	cr_assert(wait_name(waiting, "b"));
	cr_assert(driver_wait_log(&d, "event=reloaded", 2));
	target_destroy(other);
	close(waiting);
}

Test(haproxy_hold, a_health_check_rests_meanwhile)
{
	static const char params[] = "check inter 100ms fall 1";
	int waiting;

	set_text(d.a, text_at(d.a, params, ""));
	cr_assert(driver_wait_sync(&d));
	cr_assert(is_checked());
	hold(1, LONG_MS);
	cr_assert_not(is_checked());
	lab_process_kill(lab_backend_process(d.a));
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	driver_run(&d, 1000); /* ten checks */
	cr_assert(is_waiting(waiting));
	set_text(d.b, text_at(d.b, params, ""));
	cr_assert(wait_name(waiting, "b"));
	cr_assert(driver_wait_sync(&d));
	cr_assert(is_checked());
	close(waiting);
}

/* --- fence --- */

Test(haproxy_hold, a_fence_ends_sessions_and_turns_away_until_the_next_text)
{
	int session, other, old_worker;

	apply(d.a);
	cr_assert_geq(old_worker = driver_open_session(d.rw, "a"), 0);
	cr_assert(lab_haproxy_reload(d.haproxy));
	cr_assert_geq(session = driver_open_session(d.rw, "a"), 0);
	cr_assert_geq(other = driver_open_session(d.ro, "c"), 0);
	fence(1);
	cr_assert(driver_wait_ended(&d, session));
	cr_assert(driver_wait_ended(&d, old_worker));
	cr_assert(driver_reaches(d.rw, ""), "turned away");
	cr_assert(driver_session_lives(other));
	apply(d.a);
	cr_assert(driver_reaches(d.rw, "a"));
	cr_assert_not(has_note());
	close(session);
	close(other);
	close(old_worker);
}

Test(haproxy_hold, a_hold_becomes_a_fence_and_not_back_in_the_same_episode)
{
	apply(d.a);
	hold(1, LONG_MS);
	fence(1);
	target_hold(d.target, 1, LONG_MS, false);
	cr_assert_str_eq(step(), "fenced");
	apply(d.b);
	cr_assert(driver_reaches(d.rw, "b"));
}

/* --- whoever ends, or has ended --- */

Test(haproxy_hold, a_target_that_ends_opens_what_it_holds)
{
	int waiting;

	apply(d.a);
	hold(1, LONG_MS);
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	driver_restart(&d);
	cr_assert(leads_to(d.a));
	cr_assert(wait_name(waiting, "a"));
	cr_assert_not(has_note());
	close(waiting);
}

Test(haproxy_hold, a_target_that_ends_leaves_a_fence_and_its_next_life_too)
{
	apply(d.a);
	fence(1);
	for (int life = 1; life <= 2; life++) {
		driver_restart(&d);
		cr_assert_eq(driver_count_log(&d, "event=left_fenced"), life);
		cr_assert_str_eq(step(), "found closed");
		target_hold(d.target, 7, 10, false);
		driver_run(&d, 200);
		cr_assert(driver_reaches(d.rw, ""), "a hold's end does not open it");
		cr_assert(has_note());
	}
	cr_assert_eq(driver_count_log(&d, "segue resume local"), 4);
	apply(d.b);
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert_not(has_note());
}

/* The next text has come, and nobody has seen HAProxy follow it yet. */
Test(haproxy_hold, a_target_that_ends_while_a_fence_is_opened_opens_it)
{
	apply(d.a);
	fence(1);
	set(d.a);
	driver_restart(&d);
	cr_assert(driver_reaches(d.rw, "a"));
	cr_assert_not(has_note());
	cr_assert_eq(driver_count_log(&d, "event=left_fenced"), 0);
}

Test(haproxy_hold, after_a_crash_the_next_text_opens)
{
	apply(d.a);
	hold(1, LONG_MS);
	crash_and_restart();
	cr_assert_not(leads_to(d.a), "nobody has opened it yet");
	cr_assert_str_eq(step(), "found closed");
	cr_assert_eq(driver_count_log(&d, "event=found_closed"), 1);
	apply(d.b);
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert_not(has_note());
}

/* A hold of what was found says for how long: without it, ten seconds and hold_timeout. */
Test(haproxy_hold, after_a_crash_without_a_text_the_file_says_where_to)
{
	int waiting;

	apply(d.a);
	hold(1, LONG_MS);
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	crash_and_restart();
	target_hold(d.target, 2, 300, false);
	target_hold(d.target, 2, LONG_MS, false);
	cr_assert(wait_name(waiting, "a"));
	cr_assert(driver_wait_log(&d, "event=released", 1));
	cr_assert_not(has_note());
	close(waiting);
}

Test(haproxy_hold, a_fence_found_after_a_crash_stays_until_the_next_text)
{
	apply(d.a);
	fence(1);
	crash_and_restart();
	driver_run(&d, 200);
	cr_assert(driver_reaches(d.rw, ""));
	apply(d.a);
	cr_assert(driver_reaches(d.rw, "a"));
}

Test(haproxy_hold, another_target_that_took_over_is_not_disturbed)
{
	struct target *heir;

	apply(d.a);
	hold(1, LONG_MS);
	heir = target_create(d.hub, &d.config, lab_path(d.lab, "state"), NULL, NULL);
	target_destroy(d.target);
	d.target = heir;
	cr_assert_not(leads_to(d.a));
	cr_assert(has_note());
	apply(d.b);
	cr_assert(driver_reaches(d.rw, "b"));
}

Test(haproxy_hold, where_nothing_leads_to_the_primary_nothing_happens)
{
	struct target_status status;

	set_text(d.b, text_at(d.a, "", ""));
	cr_assert(driver_wait_sync(&d));
	target_hold(d.target, 1, LONG_MS, false);
	target_fence(d.target, 2);
	target_status(d.target, &status);
	cr_assert(status.in_sync);
	cr_assert_not(has_note());
	cr_assert_eq(driver_count_log(&d, "event=hold"), 0);
}

Test(haproxy_hold, without_the_note_nothing_is_held)
{
	apply(d.a);
	cr_assert_eq(mkdir(lab_path(d.lab, "state/haproxy-local.held"), 0700), 0);
	target_hold(d.target, 1, LONG_MS, false);
	cr_assert(driver_wait_log(&d, "event=hold_refused", 1));
	cr_assert(driver_reaches(d.rw, "a"));
	rmdir(lab_path(d.lab, "state/haproxy-local.held"));
}
