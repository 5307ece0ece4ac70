/* What to do next with a PgBouncer, decided from facts alone: no console, no clock, no memory of
 * how the facts came to be. So it does not matter whether segue has just paused a database or has
 * found it paused after its own death: the same facts lead to the same next step. Pure.
 *
 *                    +-- to_pause --> PAUSE --> DRAIN <--> PROBE (is the old primary alive?)
 *                    |                   |       |  ^-----> NUDGE, SEVER (links that stay)
 *                    |         fence_due +-----> FENCE (all links, at once)
 *   IDLE --> READ ---+                  drained  v
 *    ^        ^      +-- nothing to pause ---> HOLD (the store names no primary)
 *    |        |                                  |  a primary is named
 *    |        |                                  v
 *    |        +-------------- RELOAD <------- INSTALL
 *    |        | agrees          ^ twice: STUCK, clients are let go
 *    |        v
 *    |     QUICKEN --> RESUME --> SERVE --> SWEEP --> RESTORE --> IDLE
 *    |        ^
 *    +--------+-- let go: from every state above
 *
 *   While held, what somebody has changed in the file or in PgBouncer is put right as on a quiet
 *   day (INSTALL, RELOAD), and paused again.
 *   UNLIMIT: as soon as PAUSE has worked, or has not.
 *   BLOCKED: before PAUSE or RELOAD, as long as pgbouncer.ini would not load. The file is in place.
 *   WAIT: after a failure, until its timer, a new text, or the deadline that lets clients go. */
#ifndef SEGUE_PGBOUNCER_MODEL_PLAN_H
#define SEGUE_PGBOUNCER_MODEL_PLAN_H

#include <stdbool.h>
#include <stdint.h>

enum pgbouncer_step {
	PGBOUNCER_IDLE,  /* as it should be, or nothing is wanted yet; the timer asks to re-read */
	PGBOUNCER_WAIT,  /* after a failure */
	PGBOUNCER_READ,  /* SHOW DATABASES */
	PGBOUNCER_PAUSE, /* record to disk, no new logins, PAUSE sent for each */
	PGBOUNCER_UNLIMIT, /* SET max_db_connections back: new logins are allowed again */
	PGBOUNCER_DRAIN,   /* until no server connection of what segue paused is left */
	PGBOUNCER_PROBE,   /* not drained in good time: does the old primary answer at all? */
	PGBOUNCER_NUDGE,   /* sessions are told to end after their transactions */
	PGBOUNCER_SEVER,   /* ends the links that do not end by themselves */
	PGBOUNCER_FENCE,   /* KILL of each: nobody is to reach the last primary */
	PGBOUNCER_HOLD,    /* drained; clients wait for the store to name a primary */
	PGBOUNCER_INSTALL, /* the file in place */
	PGBOUNCER_RELOAD,
	PGBOUNCER_BLOCKED, /* no RELOAD, until pgbouncer.ini is right: it is looked at again */
	PGBOUNCER_STUCK,   /* reloaded, and SHOW DATABASES still says something else */
	PGBOUNCER_QUICKEN, /* SET server_login_retry, so that the new primary is dialled at once */
	PGBOUNCER_RESUME,  /* each that segue paused */
	PGBOUNCER_SERVE,   /* SHOW POOLS until no client waits in a pool without a server */
	PGBOUNCER_SWEEP,   /* SHOW SERVERS until none leads to the old address */
	PGBOUNCER_RESTORE, /* RELOAD, which puts back what was SET */
	PGBOUNCER_STEPS,
};

struct pgbouncer_facts {
	bool waiting;      /* after a failure, its time is not over */
	bool console_down; /* it was lost, and has not answered since */
	bool live_known;   /* SHOW DATABASES has been read, and nothing was done since */
	bool has_text;     /* the store has named a primary, ever */
	bool held;         /* the store names no primary now */
	bool let_go;       /* clients have waited long enough: RESUME whatever there is */
	bool ours;         /* there are databases that segue paused */
	bool to_pause;     /* there are some that have to be, and are not */
	bool limit_over;   /* logins are kept from starting, and need not be any more */
	bool fence_due;    /* sessions to the last primary are to be ended, and are not yet */
	bool drained;      /* what segue paused has no server connections */
	bool probe_due;
	bool nudge_due;
	bool sever_due;
	bool install_due; /* the file is not as the text says */
	bool moved;       /* SHOW DATABASES is not as the text says */
	bool reload_owed; /* the file is newer than the last RELOAD, or that is not known */
	bool reloaded;    /* RELOAD was tried for the difference at hand */
	bool mendable;    /* the text has been in the file, or PgBouncer lacks one of its databases:
	                   * what differs while held is somebody's doing, and no move to come */
	bool blocked; /* pgbouncer.ini would not load: RELOAD would reset settings in it, and drop
	               * databases */
	bool shorten_retry_owed; /* hosts have changed or connections were cut since the last SET */
	bool serve_owed;         /* clients were let go, and have not been seen to be served */
	bool cleanup_owed;
	bool restore_due;
};

enum pgbouncer_step pgbouncer_plan(const struct pgbouncer_facts *facts);

/* How each step is called in logs and status, and the longest that its answers may take: what has
 * not come by then is a failure (WAIT), for DRAIN and HOLD the next look at the facts. */
struct pgbouncer_step_info {
	const char *name;
	const char *waits_for;
	int64_t deadline_ms; /* 0: it is done in one go, or its timer is set by what it waits for */
};
const struct pgbouncer_step_info *pgbouncer_step_info(enum pgbouncer_step step);

#endif
