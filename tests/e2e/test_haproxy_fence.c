/* A fence keeps clients of a real HAProxy out until the next text; and what a target leaves closed
 * that ends, or has crashed, while it holds or fences. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/target_kinds.h"
#include "fixtures/haproxy_hold_stage.h"
#include "haproxy/release.h"

TestSuite(haproxy_fence, .init = hold_stage_setup, .fini = hold_stage_teardown, .timeout = 120);

/* --- fence --- */

Test(haproxy_fence, a_fence_ends_sessions_and_turns_away_until_the_next_text)
{
	int session, other, old_worker;

	hold_stage_apply(d.a);
	cr_assert_geq(old_worker = driver_open_session(d.rw, "a"), 0);
	cr_assert(lab_haproxy_reload(d.haproxy));
	cr_assert_geq(session = driver_open_session(d.rw, "a"), 0);
	cr_assert_geq(other = driver_open_session(d.ro, "c"), 0);
	hold_stage_fence(1);
	cr_assert(driver_wait_ended(&d, session));
	cr_assert(driver_wait_ended(&d, old_worker));
	cr_assert(driver_reaches(d.rw, ""), "turned away");
	cr_assert(driver_session_lives(other));
	hold_stage_apply(d.a);
	cr_assert(driver_reaches(d.rw, "a"));
	cr_assert_not(hold_stage_has_note());
	close(session);
	close(other);
	close(old_worker);
}

Test(haproxy_fence, a_hold_becomes_a_fence_and_not_back_in_the_same_episode)
{
	hold_stage_apply(d.a);
	hold_stage_hold(1, LONG_MS);
	hold_stage_fence(1);
	target_hold(d.target, 1, LONG_MS, false);
	cr_assert_str_eq(hold_stage_step(), "fenced");
	hold_stage_apply(d.b);
	cr_assert(driver_reaches(d.rw, "b"));
}

/* The agent sets the state of such a server: its fence is the closed port of the hold before. */
Test(haproxy_fence, a_server_with_an_agent_stays_at_the_closed_port_until_it_is_opened)
{
	const char *text = hold_stage_text_at(d.a, "agent-check agent-port 1 agent-inter 60s", "");
	struct haproxy_hold_record record;
	struct haproxy_release_job job = {.socket = d.config.socket,
	                                  .text = text,
	                                  .len = strlen(text),
	                                  .record = &record,
	                                  .timeout_ms = LONG_MS};
	size_t released;
	struct err err;

	hold_stage_set_text(d.a, text);
	cr_assert(driver_wait_sync(&d));
	hold_stage_hold(1, LONG_MS);
	hold_stage_fence(1);
	target_fence(d.target, 2);
	cr_assert(driver_wait_log(&d, "event=fenced ", 2));
	cr_assert_not(hold_stage_leads_to(d.a));
	cr_assert(haproxy_hold_record_init(&record, lab_path(d.lab, "state"), "local", &err));
	cr_assert(haproxy_release_wait(&job, &released, &err), "%s", err.message);
	cr_assert_eq(released, 1);
	cr_assert(hold_stage_leads_to(d.a));
	haproxy_hold_record_fini(&record);
}

/* --- whoever ends, or has ended --- */

Test(haproxy_fence, a_target_that_ends_opens_what_it_holds)
{
	int waiting;

	hold_stage_apply(d.a);
	hold_stage_hold(1, LONG_MS);
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	driver_restart(&d);
	cr_assert(hold_stage_leads_to(d.a));
	cr_assert(hold_stage_wait_name(waiting, "a"));
	cr_assert_not(hold_stage_has_note());
	close(waiting);
}

Test(haproxy_fence, a_target_that_ends_leaves_a_fence_and_its_next_life_too)
{
	hold_stage_apply(d.a);
	hold_stage_fence(1);
	for (int life = 1; life <= 2; life++) {
		driver_restart(&d);
		cr_assert_eq(driver_count_log(&d, "event=left_fenced"), life);
		cr_assert_str_eq(hold_stage_step(), "held or fenced by an earlier segue process");
		target_hold(d.target, 7, 10, false);
		driver_run(&d, 200);
		cr_assert(driver_reaches(d.rw, ""), "a hold's end does not open it");
		cr_assert(hold_stage_has_note());
	}
	cr_assert_eq(driver_count_log(&d, "segue resume local"), 4);
	hold_stage_apply(d.b);
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert_not(hold_stage_has_note());
}

/* The next text has come, and nobody has seen HAProxy follow it yet. */
Test(haproxy_fence, a_target_that_ends_while_a_fence_is_opened_opens_it)
{
	hold_stage_apply(d.a);
	hold_stage_fence(1);
	hold_stage_set(d.a);
	driver_restart(&d);
	cr_assert(driver_reaches(d.rw, "a"));
	cr_assert_not(hold_stage_has_note());
	cr_assert_eq(driver_count_log(&d, "event=left_fenced"), 0);
}

Test(haproxy_fence, after_a_crash_the_next_text_opens)
{
	hold_stage_apply(d.a);
	hold_stage_hold(1, LONG_MS);
	hold_stage_crash_and_restart();
	cr_assert_not(hold_stage_leads_to(d.a), "nobody has opened it yet");
	cr_assert_str_eq(hold_stage_step(), "held or fenced by an earlier segue process");
	cr_assert_eq(driver_count_log(&d, "event=found_closed"), 1);
	hold_stage_apply(d.b);
	cr_assert(driver_reaches(d.rw, "b"));
	cr_assert_not(hold_stage_has_note());
}

/* A hold of what was found says for how long: without it, ten seconds and hold_timeout. */
Test(haproxy_fence, after_a_crash_without_a_text_the_file_says_where_to)
{
	int waiting;

	hold_stage_apply(d.a);
	hold_stage_hold(1, LONG_MS);
	cr_assert_geq(waiting = driver_open_session(d.rw, NULL), 0);
	hold_stage_crash_and_restart();
	target_hold(d.target, 2, 300, false);
	target_hold(d.target, 2, LONG_MS, false);
	cr_assert(hold_stage_wait_name(waiting, "a"));
	cr_assert(driver_wait_log(&d, "event=released", 1));
	cr_assert_not(hold_stage_has_note());
	close(waiting);
}

Test(haproxy_fence, a_fence_found_after_a_crash_stays_until_the_next_text)
{
	hold_stage_apply(d.a);
	hold_stage_fence(1);
	hold_stage_crash_and_restart();
	driver_run(&d, 200);
	cr_assert(driver_reaches(d.rw, ""));
	hold_stage_apply(d.a);
	cr_assert(driver_reaches(d.rw, "a"));
}

Test(haproxy_fence, another_target_that_took_over_is_not_disturbed)
{
	struct target *heir;

	hold_stage_apply(d.a);
	hold_stage_hold(1, LONG_MS);
	heir = target_create(d.hub, &d.config, lab_path(d.lab, "state"), NULL, NULL);
	target_destroy(d.target);
	d.target = heir;
	cr_assert_not(hold_stage_leads_to(d.a));
	cr_assert(hold_stage_has_note());
	hold_stage_apply(d.b);
	cr_assert(driver_reaches(d.rw, "b"));
}

Test(haproxy_fence, where_nothing_leads_to_the_primary_nothing_happens)
{
	struct target_status status;

	hold_stage_set_text(d.b, hold_stage_text_at(d.a, "", ""));
	cr_assert(driver_wait_sync(&d));
	target_hold(d.target, 1, LONG_MS, false);
	target_fence(d.target, 2);
	target_status(d.target, &status);
	cr_assert(status.in_sync);
	cr_assert_not(hold_stage_has_note());
	cr_assert_eq(driver_count_log(&d, "event=hold"), 0);
}

Test(haproxy_fence, without_the_note_it_is_held_all_the_same)
{
	hold_stage_apply(d.a);
	cr_assert_eq(mkdir(lab_path(d.lab, "state/haproxy-local.held"), 0700), 0);
	hold_stage_hold(1, LONG_MS);
	cr_assert(driver_wait_log(&d, "event=note_missing", 1));
	hold_stage_apply(d.b);
	cr_assert(hold_stage_leads_to(d.b));
	rmdir(lab_path(d.lab, "state/haproxy-local.held"));
}
