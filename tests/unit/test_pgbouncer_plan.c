/* The plan, over every combination of facts: what it must never do, and that it always ends. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "base/util.h"
#include "pgbouncer/model/plan.h"

#define FACTS 24 /* bits of struct pgbouncer_facts */
#define WAYS  (1u << FACTS)

static struct pgbouncer_facts facts_of(unsigned bits)
{
	struct pgbouncer_facts facts;

	memcpy(&facts, &bits, sizeof(facts));
	return facts;
}

/* For every combination of facts: where the plan says `step`, `holds` must be true. */
#define WHENEVER(wanted, holds)                                                  \
	for (unsigned bits = 0; bits < WAYS; bits++) {                           \
		const struct pgbouncer_facts f = facts_of(bits);                 \
		if (pgbouncer_plan(&f) == (wanted) && !(holds))                  \
			cr_assert_fail("%s, facts %#x: not " #holds,             \
			               pgbouncer_step_info(wanted)->name, bits); \
	}

Test(pgbouncer_plan, nothing_is_paused_but_for_a_hold_or_a_move)
{
	WHENEVER(PGBOUNCER_PAUSE, f.to_pause && (f.held || f.has_text) && f.live_known);
	WHENEVER(PGBOUNCER_PAUSE, !(f.let_go && f.ours));
}

Test(pgbouncer_plan, the_file_waits_for_the_drain)
{
	WHENEVER(PGBOUNCER_INSTALL, f.install_due && (f.held ? f.mendable : f.has_text));
	WHENEVER(PGBOUNCER_INSTALL, !f.live_known || !f.moved || !f.ours || f.drained || f.held);
}

Test(pgbouncer_plan, a_reload_comes_after_the_file_and_in_a_hold_only_to_mend)
{
	WHENEVER(PGBOUNCER_RELOAD, f.live_known && !f.install_due);
	WHENEVER(PGBOUNCER_RELOAD, f.held ? f.mendable && f.moved && !f.to_pause : f.has_text);
	WHENEVER(PGBOUNCER_RELOAD, !f.moved || !f.ours || f.drained || f.held);
	WHENEVER(PGBOUNCER_RESTORE, !f.ours && !f.held && f.has_text && f.restore_due);
}

Test(pgbouncer_plan, what_would_not_load_is_not_reloaded_and_nobody_is_paused_for_it)
{
	WHENEVER(PGBOUNCER_RELOAD, !f.blocked);
	WHENEVER(PGBOUNCER_RESTORE, !f.blocked);
	WHENEVER(PGBOUNCER_STUCK, !f.blocked);
	WHENEVER(PGBOUNCER_PAUSE, !f.blocked || f.held || !f.moved);
	WHENEVER(PGBOUNCER_BLOCKED, f.blocked && !f.held && (f.moved || f.reload_owed));
}

Test(pgbouncer_plan, clients_are_let_go_to_the_right_place_or_at_a_deadline)
{
	WHENEVER(PGBOUNCER_RESUME, f.ours && f.live_known && !f.shorten_retry_owed);
	WHENEVER(PGBOUNCER_RESUME,
	         f.let_go || (!f.moved && !f.held && (!f.reload_owed || f.blocked)));
}

Test(pgbouncer_plan, links_are_cut_only_when_the_primary_has_changed)
{
	WHENEVER(PGBOUNCER_KILL_CONNECTIONS,
	         f.ours && f.moved && f.kill_due && !f.held && !f.let_go);
	WHENEVER(PGBOUNCER_CLOSE_AFTER_TRANSACTION,
	         f.ours && !f.drained && f.close_due && !f.let_go);
	WHENEVER(PGBOUNCER_PROBE, f.ours && !f.drained && f.probe_due);
}

/* Whoever waits, waits for something that has a deadline in the driver: a drain, a hold, a text
 * that has not come yet, the time to try again. */
Test(pgbouncer_plan, it_rests_only_when_nobody_waits)
{
	WHENEVER(PGBOUNCER_IDLE, !f.ours && !f.held && !f.waiting && f.live_known);
	WHENEVER(PGBOUNCER_IDLE, !f.has_text || (!f.moved && !f.install_due && !f.reload_owed));
	WHENEVER(PGBOUNCER_HOLD, f.held || (f.ours && !f.has_text));
	WHENEVER(PGBOUNCER_HOLD, !(f.let_go && f.ours));
	WHENEVER(PGBOUNCER_WAIT, f.waiting);
}

Test(pgbouncer_plan, without_a_console_the_file_is_still_kept_true)
{
	WHENEVER(PGBOUNCER_READ, !f.live_known);
	WHENEVER(PGBOUNCER_READ, !(f.console_down && f.has_text && f.install_due && !f.held));
	WHENEVER(PGBOUNCER_READ, !(f.console_down && f.has_text && f.install_due && f.mendable));
}

Test(pgbouncer_plan, nobody_rests_in_a_hold_while_what_they_wait_for_is_missing)
{
	WHENEVER(PGBOUNCER_HOLD,
	         !f.held || !f.mendable || (!f.install_due && (!f.moved || f.blocked)));
}

Test(pgbouncer_plan, sessions_are_ended_only_for_a_fence_that_is_noted)
{
	WHENEVER(PGBOUNCER_FENCE, f.fence_due && f.held && f.live_known && !f.to_pause);
	WHENEVER(PGBOUNCER_FENCE, !(f.let_go && f.ours));
}

Test(pgbouncer_plan, logins_of_all_databases_are_allowed_again_before_anything_else)
{
	WHENEVER(PGBOUNCER_UNLIMIT, f.limit_over && !f.console_down);
	for (unsigned bits = 0; bits < WAYS; bits++) {
		const struct pgbouncer_facts f = facts_of(bits);

		if (f.limit_over && !f.console_down)
			cr_assert_eq(pgbouncer_plan(&f), PGBOUNCER_UNLIMIT);
	}
}

Test(pgbouncer_plan, the_retry_stays_short_until_clients_are_served)
{
	WHENEVER(PGBOUNCER_WAIT_SERVED, f.serve_owed && !f.ours && !f.held);
	WHENEVER(PGBOUNCER_RESTORE, !f.serve_owed);
}

Test(pgbouncer_plan, giving_up_needs_a_reload_that_did_not_help)
{
	WHENEVER(PGBOUNCER_STUCK, f.moved && f.reloaded && !f.reload_owed && !f.install_due);
}

/* --- every step with every outcome --- */

enum outcome { WORKED, FAILED, CONSOLE_LOST, OUTCOMES };

static void fail(struct pgbouncer_facts *f)
{
	f->waiting = true;
}

/* What the driver makes of a step that worked, with a PgBouncer that obeys. */
/* NOLINTNEXTLINE(readability-function-size): one line or two for each of the steps */
static void worked(struct pgbouncer_facts *f, enum pgbouncer_step step)
{
	switch (step) {
	case PGBOUNCER_IDLE:
		return;
	case PGBOUNCER_WAIT:
		f->waiting = f->reloaded = false;
		return;
	case PGBOUNCER_READ:
		f->live_known = true;
		f->console_down = false;
		f->ours = f->ours && !f->let_go;
		return;
	case PGBOUNCER_PAUSE:
		f->to_pause = false;
		f->ours = f->shorten_retry_owed = true;
		f->drained = false;
		return;
	case PGBOUNCER_UNLIMIT:
		f->limit_over = false;
		return;
	case PGBOUNCER_FENCE:
		f->fence_due = f->live_known = false;
		return;
	case PGBOUNCER_DRAIN:
	case PGBOUNCER_KILL_CONNECTIONS:
		f->drained = true;
		return;
	case PGBOUNCER_CLOSE_AFTER_TRANSACTION:
		f->close_due = false;
		return;
	case PGBOUNCER_PROBE:
		f->probe_due = false;
		return;
	case PGBOUNCER_HOLD:
		f->let_go = true; /* its deadline is over */
		f->held = false;
		return;
	case PGBOUNCER_INSTALL:
		f->install_due = false;
		f->reload_owed = true;
		return;
	case PGBOUNCER_RELOAD:
		f->reload_owed = f->moved = false;
		f->reloaded = true;
		f->live_known = false;
		return;
	case PGBOUNCER_BLOCKED:
		f->blocked = false;
		return;
	case PGBOUNCER_STUCK:
		f->let_go = f->ours && !f->held;
		f->waiting = !f->let_go;
		return;
	case PGBOUNCER_SHORTEN_RETRY:
		f->shorten_retry_owed = false;
		f->serve_owed = true;
		return;
	case PGBOUNCER_WAIT_SERVED:
		f->serve_owed = false;
		return;
	case PGBOUNCER_RESUME:
		f->serve_owed = true;
		f->ours = f->live_known = f->let_go = false;
		return;
	case PGBOUNCER_CLEANUP:
		f->cleanup_owed = false;
		return;
	case PGBOUNCER_RESTORE:
		f->restore_due = false;
		return;
	case PGBOUNCER_STEPS:
		cr_assert_fail("no step");
	}
}

static void apply(struct pgbouncer_facts *f, enum pgbouncer_step step, enum outcome outcome)
{
	switch (outcome) {
	case WORKED:
		worked(f, step);
		return;
	case FAILED:
		fail(f);
		return;
	case CONSOLE_LOST:
		f->live_known = false;
		f->console_down = true;
		return;
	case OUTCOMES:
		return;
	}
}

/* From any facts, after any outcome of the first step: with a PgBouncer that obeys from then on, it
 * comes to rest in a few steps, with nobody waiting. */
Test(pgbouncer_plan, every_step_with_every_outcome_comes_to_rest)
{
	unsigned seen[PGBOUNCER_STEPS] = {0};

	for (unsigned way = 0; way < WAYS * OUTCOMES; way++) {
		struct pgbouncer_facts f = facts_of(way % WAYS);
		enum pgbouncer_step step = pgbouncer_plan(&f);
		int steps = 0;

		seen[step]++;
		apply(&f, step, way / WAYS);
		while ((step = pgbouncer_plan(&f)) != PGBOUNCER_IDLE && ++steps < 40)
			worked(&f, step);
		cr_assert_lt(steps, 40, "facts %#x, outcome %u: still %s", way % WAYS, way / WAYS,
		             pgbouncer_step_info(step)->name);
		cr_assert_not(f.ours);
	}
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		cr_assert_gt(seen[i], 0, "%s is never reached",
		             pgbouncer_step_info((enum pgbouncer_step)i)->name);
}

/* --- the ways of the facts file, step by step --- */

static void walk(struct pgbouncer_facts f, const enum pgbouncer_step *wanted, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum pgbouncer_step step = pgbouncer_plan(&f);

		cr_assert_eq(step, wanted[i], "step %zu is %s instead of %s", i,
		             pgbouncer_step_info(step)->name, pgbouncer_step_info(wanted[i])->name);
		worked(&f, step);
	}
}

Test(pgbouncer_plan, straight_from_one_primary_to_another)
{
	static const enum pgbouncer_step wanted[] = {
	    PGBOUNCER_PAUSE,       PGBOUNCER_DRAIN,         PGBOUNCER_INSTALL, PGBOUNCER_RELOAD,
	    PGBOUNCER_READ,        PGBOUNCER_SHORTEN_RETRY, PGBOUNCER_RESUME,  PGBOUNCER_READ,
	    PGBOUNCER_WAIT_SERVED, PGBOUNCER_CLEANUP,       PGBOUNCER_RESTORE, PGBOUNCER_IDLE};

	walk((struct pgbouncer_facts){.live_known = true,
	                              .has_text = true,
	                              .to_pause = true,
	                              .moved = true,
	                              .install_due = true,
	                              .cleanup_owed = true,
	                              .restore_due = true},
	     wanted, ARRAY_LEN(wanted));
}

Test(pgbouncer_plan, the_file_is_in_place_when_pgbouncer_ini_is_right_again)
{
	static const enum pgbouncer_step wanted[] = {
	    PGBOUNCER_INSTALL, PGBOUNCER_BLOCKED, PGBOUNCER_PAUSE,         PGBOUNCER_DRAIN,
	    PGBOUNCER_RELOAD,  PGBOUNCER_READ,    PGBOUNCER_SHORTEN_RETRY, PGBOUNCER_RESUME};

	walk((struct pgbouncer_facts){.live_known = true,
	                              .has_text = true,
	                              .to_pause = true,
	                              .moved = true,
	                              .install_due = true,
	                              .blocked = true},
	     wanted, ARRAY_LEN(wanted));
}

Test(pgbouncer_plan, held_and_the_same_primary_again_needs_no_reload)
{
	static const enum pgbouncer_step wanted[] = {PGBOUNCER_SHORTEN_RETRY, PGBOUNCER_RESUME,
	                                             PGBOUNCER_READ, PGBOUNCER_WAIT_SERVED,
	                                             PGBOUNCER_IDLE};

	walk((struct pgbouncer_facts){.live_known = true,
	                              .has_text = true,
	                              .ours = true,
	                              .drained = true,
	                              .shorten_retry_owed = true},
	     wanted, ARRAY_LEN(wanted));
}

Test(pgbouncer_plan, found_paused_after_a_crash_and_already_moved)
{
	static const enum pgbouncer_step wanted[] = {
	    PGBOUNCER_READ,   PGBOUNCER_RELOAD, PGBOUNCER_READ,        PGBOUNCER_SHORTEN_RETRY,
	    PGBOUNCER_RESUME, PGBOUNCER_READ,   PGBOUNCER_WAIT_SERVED, PGBOUNCER_IDLE};

	walk(
	    (struct pgbouncer_facts){
	        .has_text = true, .ours = true, .reload_owed = true, .shorten_retry_owed = true},
	    wanted, ARRAY_LEN(wanted));
}

Test(pgbouncer_plan, fenced_everything_is_noted_killed_and_stays_paused)
{
	static const enum pgbouncer_step wanted[] = {PGBOUNCER_READ,  PGBOUNCER_PAUSE,
	                                             PGBOUNCER_FENCE, PGBOUNCER_READ,
	                                             PGBOUNCER_DRAIN, PGBOUNCER_HOLD};

	walk(
	    (struct pgbouncer_facts){
	        .has_text = true, .held = true, .to_pause = true, .fence_due = true},
	    wanted, ARRAY_LEN(wanted));
}

Test(pgbouncer_plan, every_step_has_a_name)
{
	for (int i = 0; i < PGBOUNCER_STEPS; i++)
		cr_assert_not_null(pgbouncer_step_info((enum pgbouncer_step)i)->name);
}

/* --- the table --- */

static unsigned bits_of(const struct pgbouncer_facts *facts)
{
	unsigned bits = 0;

	memcpy(&bits, facts, sizeof(*facts));
	return bits;
}

static bool fits(const struct pgbouncer_rule *rule, unsigned bits)
{
	unsigned all = bits_of(&rule->all);

	return (bits & all) == all && (bits & bits_of(&rule->none)) == 0;
}

Test(pgbouncer_plan, a_new_fact_needs_its_tests)
{
	const struct pgbouncer_facts last = {.restore_due = true};

	cr_assert_eq(bits_of(&last), 1u << (FACTS - 1));
}

/* Each rule decides for some facts, as no combination of the rules before it fits all of them. */
Test(pgbouncer_plan, every_rule_is_needed_and_decides)
{
	const struct pgbouncer_rule *rule = pgbouncer_rules;

	for (bool last = false; !last; rule++) {
		const struct pgbouncer_rule *first = NULL;

		for (unsigned bits = 0; bits < WAYS && first != rule; bits++) {
			const struct pgbouncer_facts f = facts_of(bits);

			if (!fits(rule, bits))
				continue;
			for (first = pgbouncer_rules; !fits(first, bits);)
				first++;
			cr_assert_eq(pgbouncer_plan(&f), first->step);
		}
		cr_expect_eq(first, rule, "row %td is never reached", rule - pgbouncer_rules);
		last = fits(rule, 0) && fits(rule, WAYS - 1);
	}
	cr_expect_gt(rule - pgbouncer_rules, PGBOUNCER_STEPS);
}
