/* The order of the steps. What shortens the wait of clients comes first, what costs them something
 * comes last. No combination of facts leads to paused databases that nothing will resume. */
#include "pgbouncer/model/plan.h"

#include <stddef.h>

#define ANSWER_MS 2000

static const struct pgbouncer_step_info steps[PGBOUNCER_STEPS] = {
    [PGBOUNCER_IDLE] = {"idle", "a new text, a hold, the next look", 0},
    [PGBOUNCER_WAIT] = {"waiting", "the time to try again", 0},
    [PGBOUNCER_READ] = {"reading", "SHOW DATABASES", ANSWER_MS},
    [PGBOUNCER_PAUSE] = {"pausing", "no server connection in its login", ANSWER_MS},
    [PGBOUNCER_UNLIMIT] = {"unlimiting", "SET max_db_connections", ANSWER_MS},
    [PGBOUNCER_DRAIN] = {"draining", "the answers to PAUSE, SHOW POOLS without servers", ANSWER_MS},
    [PGBOUNCER_PROBE] = {"probing", "a sign of life of the old primary", 300},
    [PGBOUNCER_NUDGE] = {"nudging", "sessions told to end after their transactions", ANSWER_MS},
    [PGBOUNCER_SEVER] = {"severing", "links to the old primary cut", ANSWER_MS},
    [PGBOUNCER_FENCE] = {"fencing", "KILL of each database", ANSWER_MS},
    [PGBOUNCER_HOLD] = {"holding", "a primary in the store, or the end of hold_timeout", 0},
    [PGBOUNCER_INSTALL] = {"installing", "nothing: the file is renamed", 0},
    [PGBOUNCER_RELOAD] = {"reloading", "RELOAD", ANSWER_MS},
    [PGBOUNCER_BLOCKED] = {"blocked", "a pgbouncer.ini that PgBouncer can load", 0},
    [PGBOUNCER_STUCK] = {"stuck", "nothing: clients are let go, but for a hold", 0},
    [PGBOUNCER_QUICKEN] = {"quickening", "SET server_login_retry", ANSWER_MS},
    [PGBOUNCER_RESUME] = {"resuming", "RESUME of each database", ANSWER_MS},
    [PGBOUNCER_SERVE] = {"serving", "SHOW POOLS without clients that wait for a first server",
                         ANSWER_MS},
    [PGBOUNCER_SWEEP] = {"sweeping", "SHOW SERVERS without the old address", ANSWER_MS},
    [PGBOUNCER_RESTORE] = {"restoring", "RELOAD", ANSWER_MS},
};

const struct pgbouncer_step_info *pgbouncer_step_info(enum pgbouncer_step step)
{
	return &steps[step];
}

static enum pgbouncer_step plan_resume(const struct pgbouncer_facts *facts)
{
	return facts->shorten_retry_owed ? PGBOUNCER_QUICKEN : PGBOUNCER_RESUME;
}

/* Connections are cut only if the primary has changed. In a hold the same primary may be named
 * again. */
static enum pgbouncer_step plan_drain(const struct pgbouncer_facts *facts)
{
	if (facts->sever_due && !facts->held)
		return PGBOUNCER_SEVER;
	if (facts->nudge_due)
		return PGBOUNCER_NUDGE;
	return facts->probe_due ? PGBOUNCER_PROBE : PGBOUNCER_DRAIN;
}

/* A database that PgBouncer loses during a hold is lost for its waiting clients, too. */
static bool is_to_mend(const struct pgbouncer_facts *facts)
{
	return facts->mendable &&
	       (facts->install_due ||
	        (facts->moved && !facts->blocked && (!facts->reloaded || facts->reload_owed)));
}

static enum pgbouncer_step plan_hold(const struct pgbouncer_facts *facts)
{
	if (facts->to_pause)
		return PGBOUNCER_PAUSE;
	if (is_to_mend(facts))
		return facts->install_due ? PGBOUNCER_INSTALL : PGBOUNCER_RELOAD;
	if (facts->fence_due)
		return PGBOUNCER_FENCE;
	if (facts->ours && !facts->drained)
		return plan_drain(facts);
	return facts->mendable && facts->moved && !facts->blocked ? PGBOUNCER_STUCK
	                                                          : PGBOUNCER_HOLD;
}

static enum pgbouncer_step plan_move(const struct pgbouncer_facts *facts)
{
	bool may_install = facts->install_due && (!facts->ours || facts->drained);

	if (facts->moved && facts->blocked) /* no pause for a move that cannot be made */
		return may_install ? PGBOUNCER_INSTALL : PGBOUNCER_BLOCKED;
	if (facts->to_pause)
		return PGBOUNCER_PAUSE;
	if (facts->moved && facts->ours && !facts->drained)
		return plan_drain(facts);
	if (facts->install_due)
		return PGBOUNCER_INSTALL;
	if ((facts->reload_owed && !facts->blocked) || (facts->moved && !facts->reloaded))
		return PGBOUNCER_RELOAD;
	if (facts->moved)
		return PGBOUNCER_STUCK;
	if (facts->shorten_retry_owed)
		return PGBOUNCER_QUICKEN;
	if (facts->ours)
		return PGBOUNCER_RESUME;
	if (facts->serve_owed)
		return PGBOUNCER_SERVE;
	if (facts->cleanup_owed)
		return PGBOUNCER_SWEEP;
	if (facts->blocked)
		return facts->reload_owed ? PGBOUNCER_BLOCKED : PGBOUNCER_IDLE;
	return facts->restore_due ? PGBOUNCER_RESTORE : PGBOUNCER_IDLE;
}

enum pgbouncer_step pgbouncer_plan(const struct pgbouncer_facts *facts)
{
	bool file_first =
	    facts->console_down && facts->has_text && (!facts->held || facts->mendable);

	if (facts->limit_over && !facts->console_down)
		return PGBOUNCER_UNLIMIT;
	if (facts->waiting)
		return PGBOUNCER_WAIT;
	if (!facts->live_known)
		return file_first && facts->install_due ? PGBOUNCER_INSTALL : PGBOUNCER_READ;
	if (facts->let_go && facts->ours)
		return plan_resume(facts);
	if (facts->held)
		return plan_hold(facts);
	if (facts->has_text)
		return plan_move(facts);
	if (facts->ours)
		return PGBOUNCER_HOLD;
	return facts->serve_owed ? PGBOUNCER_SERVE : PGBOUNCER_IDLE;
}
