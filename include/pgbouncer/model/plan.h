/* Decides the next step for a PgBouncer from facts alone: no console, no clock, no history. It does
 * not matter whether segue has just paused a database or has found it paused after a restart: the
 * same facts lead to the same next step. Pure.
 *
 *                    +-- to_pause --> PAUSE --> DRAIN <--> PROBE (is the old primary alive?)
 *                    |                   |       |  ^-----> NUDGE, SEVER (connections that stay)
 *                    |         fence_due +-----> FENCE (all connections, at once)
 *   IDLE --> READ ---+                  drained  v
 *    ^        ^      +-- nothing to pause ---> HOLD (the store names no primary)
 *    |        |                                  |  a primary is named
 *    |        |                                  v
 *    |        +-------------- RELOAD <------- INSTALL
 *    |        | agrees          ^ differs again: STUCK, clients are resumed
 *    |        v
 *    |     QUICKEN --> RESUME --> SERVE --> SWEEP --> RESTORE --> IDLE
 *    |        ^
 *    +--------+-- a deadline resumes clients: from every state above
 *
 *   During a hold, a change that somebody made to the file or to PgBouncer is corrected as at any
 *   other time (INSTALL, RELOAD), and the databases are paused again.
 *   UNLIMIT: as soon as PAUSE has worked or has failed.
 *   BLOCKED: before PAUSE or RELOAD, while pgbouncer.ini would not load. The output is installed.
 *   WAIT: after a failure, until its timer, a new text, or the deadline that resumes clients. */
#ifndef SEGUE_PGBOUNCER_MODEL_PLAN_H
#define SEGUE_PGBOUNCER_MODEL_PLAN_H

#include <stdbool.h>
#include <stdint.h>

enum pgbouncer_step {
	PGBOUNCER_IDLE,    /* in sync, or no text and no hold yet; the timer triggers a re-read */
	PGBOUNCER_WAIT,    /* after a failure */
	PGBOUNCER_READ,    /* SHOW DATABASES */
	PGBOUNCER_PAUSE,   /* hold record on disk, no new logins, PAUSE sent for each database */
	PGBOUNCER_UNLIMIT, /* SET max_db_connections back: new logins are allowed again */
	PGBOUNCER_DRAIN,   /* until the databases paused by segue have no server connections */
	PGBOUNCER_PROBE,   /* draining takes long: does the old primary answer at all? */
	PGBOUNCER_NUDGE,   /* makes sessions end after their transactions */
	PGBOUNCER_SEVER,   /* ends the connections that do not end by themselves */
	PGBOUNCER_FENCE,   /* KILL of each database: clients must not reach the last primary */
	PGBOUNCER_HOLD,    /* drained; clients wait until the store names a primary */
	PGBOUNCER_INSTALL, /* renames the file into place */
	PGBOUNCER_RELOAD,
	PGBOUNCER_BLOCKED, /* no RELOAD until pgbouncer.ini is right; it is read again and again */
	PGBOUNCER_STUCK,   /* reloaded, and SHOW DATABASES still differs from the text */
	PGBOUNCER_QUICKEN, /* SET server_login_retry, to connect to the new primary at once */
	PGBOUNCER_RESUME,  /* each database that segue paused */
	PGBOUNCER_SERVE,   /* SHOW POOLS until no client waits in a pool without a server */
	PGBOUNCER_SWEEP,   /* SHOW SERVERS until no connection leads to the old address */
	PGBOUNCER_RESTORE, /* RELOAD, which restores what was SET */
	PGBOUNCER_STEPS,
};

struct pgbouncer_facts {
	bool waiting;      /* after a failure, until the retry is due */
	bool console_down; /* the console was lost, and has not answered since */
	bool live_known;   /* SHOW DATABASES has been read, and is still up to date */
	bool has_text;     /* the store has named a primary at least once */
	bool held;         /* the store names no primary now */
	bool let_go;       /* clients have waited long enough: RESUME in any case */
	bool ours;         /* there are databases that segue paused */
	bool to_pause;     /* some databases have to be paused, and are not */
	bool limit_over;   /* new logins are still prevented, and need not be any more */
	bool fence_due;    /* sessions to the last primary have to be ended, and are not yet */
	bool drained;      /* the databases paused by segue have no server connections */
	bool probe_due;
	bool nudge_due;
	bool sever_due;
	bool install_due; /* the file differs from the text */
	bool moved;       /* SHOW DATABASES differs from the text */
	bool reload_owed; /* the file is newer than the last RELOAD, or may be */
	bool reloaded;    /* RELOAD was tried for the current difference */
	bool mendable;    /* the text has been in the file, or PgBouncer lacks one of its databases:
	                   * a difference in a hold is then somebody's change, not the next move */
	bool blocked;     /* pgbouncer.ini would not load: RELOAD would reset settings and drop
	                   * databases */
	bool shorten_retry_owed; /* hosts have changed or connections were cut since the last SET */
	bool serve_owed;         /* clients were resumed, and have not been seen to be served */
	bool cleanup_owed;
	bool restore_due;
};

enum pgbouncer_step pgbouncer_plan(const struct pgbouncer_facts *facts);

/* The name of a step in logs and status, and the longest time that its answer may take. No answer
 * by then is a failure (WAIT); in DRAIN and HOLD it only means that the facts are read again. */
struct pgbouncer_step_info {
	const char *name;
	const char *waits_for;
	int64_t deadline_ms; /* 0: the step needs no answer, or sets a timer of its own */
};
const struct pgbouncer_step_info *pgbouncer_step_info(enum pgbouncer_step step);

#endif
