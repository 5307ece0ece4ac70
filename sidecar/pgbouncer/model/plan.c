/* The order of the steps. What shortens the wait of clients comes first, what costs them something
 * comes last. No combination of facts leads to paused databases that nothing will resume. */
#include "pgbouncer/model/plan.h"

#include <string.h>

#define ANSWER_MS 2000

const struct pgbouncer_step_info *pgbouncer_step_info(enum pgbouncer_step step)
{
	static const struct pgbouncer_step_info steps[PGBOUNCER_STEPS] = {
	    [PGBOUNCER_IDLE] = {"idle", 0},
	    [PGBOUNCER_WAIT] = {"waiting", 0},
	    [PGBOUNCER_READ] = {"reading", ANSWER_MS},
	    [PGBOUNCER_PAUSE] = {"pausing", ANSWER_MS},
	    [PGBOUNCER_UNLIMIT] = {"unlimiting", ANSWER_MS},
	    [PGBOUNCER_DRAIN] = {"draining", ANSWER_MS},
	    [PGBOUNCER_PROBE] = {"probing", 300},
	    [PGBOUNCER_CLOSE_AFTER_TRANSACTION] = {"nudging", ANSWER_MS},
	    [PGBOUNCER_KILL_CONNECTIONS] = {"severing", ANSWER_MS},
	    [PGBOUNCER_FENCE] = {"fencing", ANSWER_MS},
	    [PGBOUNCER_HOLD] = {"holding", 0},
	    [PGBOUNCER_INSTALL] = {"installing", 0},
	    [PGBOUNCER_RELOAD] = {"reloading", ANSWER_MS},
	    [PGBOUNCER_BLOCKED] = {"blocked", 0},
	    [PGBOUNCER_STUCK] = {"stuck", 0},
	    [PGBOUNCER_SHORTEN_RETRY] = {"quickening", ANSWER_MS},
	    [PGBOUNCER_RESUME] = {"resuming", ANSWER_MS},
	    [PGBOUNCER_WAIT_SERVED] = {"serving", ANSWER_MS},
	    [PGBOUNCER_CLEANUP] = {"sweeping", ANSWER_MS},
	    [PGBOUNCER_RESTORE] = {"restoring", ANSWER_MS},
	};

	return &steps[step];
}

const struct pgbouncer_rule pgbouncer_rules[] = {
    {{.limit_over = 1}, {.console_down = 1}, PGBOUNCER_UNLIMIT},
    {{.waiting = 1}, {0}, PGBOUNCER_WAIT},

    /* Without a console the file is kept up to date all the same. */
    {{.console_down = 1, .has_text = 1, .install_due = 1},
     {.live_known = 1, .held = 1},
     PGBOUNCER_INSTALL},
    {{.console_down = 1, .has_text = 1, .install_due = 1, .mendable = 1},
     {.live_known = 1},
     PGBOUNCER_INSTALL},
    {{0}, {.live_known = 1}, PGBOUNCER_READ},

    {{.let_go = 1, .ours = 1, .shorten_retry_owed = 1}, {0}, PGBOUNCER_SHORTEN_RETRY},
    {{.let_go = 1, .ours = 1}, {0}, PGBOUNCER_RESUME},

    /* A hold. A database that PgBouncer loses meanwhile is lost for its waiting clients, too, so it
     * is put back. No connection is killed: the same primary may be named again. */
    {{.held = 1, .to_pause = 1}, {0}, PGBOUNCER_PAUSE},
    {{.held = 1, .mendable = 1, .install_due = 1}, {0}, PGBOUNCER_INSTALL},
    {{.held = 1, .mendable = 1, .moved = 1}, {.blocked = 1, .reloaded = 1}, PGBOUNCER_RELOAD},
    {{.held = 1, .mendable = 1, .moved = 1, .reload_owed = 1}, {.blocked = 1}, PGBOUNCER_RELOAD},
    {{.held = 1, .fence_due = 1}, {0}, PGBOUNCER_FENCE},
    {{.held = 1, .ours = 1, .close_due = 1}, {.drained = 1}, PGBOUNCER_CLOSE_AFTER_TRANSACTION},
    {{.held = 1, .ours = 1, .probe_due = 1}, {.drained = 1}, PGBOUNCER_PROBE},
    {{.held = 1, .ours = 1}, {.drained = 1}, PGBOUNCER_DRAIN},
    {{.held = 1, .mendable = 1, .moved = 1}, {.blocked = 1}, PGBOUNCER_STUCK},
    {{.held = 1}, {0}, PGBOUNCER_HOLD},

    /* No text yet. */
    {{.ours = 1}, {.has_text = 1}, PGBOUNCER_HOLD},
    {{.serve_owed = 1}, {.has_text = 1}, PGBOUNCER_WAIT_SERVED},
    {{0}, {.has_text = 1}, PGBOUNCER_IDLE},

    /* A move. Nothing is paused for a move that cannot be made. */
    {{.moved = 1, .blocked = 1, .install_due = 1}, {.ours = 1}, PGBOUNCER_INSTALL},
    {{.moved = 1, .blocked = 1, .install_due = 1, .drained = 1}, {0}, PGBOUNCER_INSTALL},
    {{.moved = 1, .blocked = 1}, {0}, PGBOUNCER_BLOCKED},
    {{.to_pause = 1}, {0}, PGBOUNCER_PAUSE},
    {{.moved = 1, .ours = 1, .kill_due = 1}, {.drained = 1}, PGBOUNCER_KILL_CONNECTIONS},
    {{.moved = 1, .ours = 1, .close_due = 1}, {.drained = 1}, PGBOUNCER_CLOSE_AFTER_TRANSACTION},
    {{.moved = 1, .ours = 1, .probe_due = 1}, {.drained = 1}, PGBOUNCER_PROBE},
    {{.moved = 1, .ours = 1}, {.drained = 1}, PGBOUNCER_DRAIN},
    {{.install_due = 1}, {0}, PGBOUNCER_INSTALL},
    {{.reload_owed = 1}, {.blocked = 1}, PGBOUNCER_RELOAD},
    {{.moved = 1}, {.reloaded = 1}, PGBOUNCER_RELOAD},
    {{.moved = 1}, {0}, PGBOUNCER_STUCK},

    /* PgBouncer follows the text. */
    {{.shorten_retry_owed = 1}, {0}, PGBOUNCER_SHORTEN_RETRY},
    {{.ours = 1}, {0}, PGBOUNCER_RESUME},
    {{.serve_owed = 1}, {0}, PGBOUNCER_WAIT_SERVED},
    {{.cleanup_owed = 1}, {0}, PGBOUNCER_CLEANUP},
    {{.blocked = 1, .reload_owed = 1}, {0}, PGBOUNCER_BLOCKED},
    {{.restore_due = 1}, {.blocked = 1}, PGBOUNCER_RESTORE},
    {{0}, {0}, PGBOUNCER_IDLE},
};

static uint32_t bits_of(const struct pgbouncer_facts *facts)
{
	uint32_t bits = 0;

	memcpy(&bits, facts, sizeof(*facts));
	return bits;
}

enum pgbouncer_step pgbouncer_plan(const struct pgbouncer_facts *facts)
{
	const struct pgbouncer_rule *rule = pgbouncer_rules;
	const uint32_t bits = bits_of(facts);

	while ((bits & bits_of(&rule->all)) != bits_of(&rule->all) ||
	       (bits & bits_of(&rule->none)) != 0)
		rule++;
	return rule->step;
}
