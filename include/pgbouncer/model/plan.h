/* Decides the next step for a PgBouncer from facts alone: no console, no clock, no history. It does
 * not matter whether segue has just paused a database or has found it paused after a restart: the
 * same facts lead to the same next step. Pure.
 *
 *                    +-- to_pause --> PAUSE --> DRAIN <--> PROBE (is the old primary alive?)
 *                    |                   |       |  ^----> CLOSE_AFTER_TRANSACTION,
 *                    |         fence_due +-----> FENCE     KILL_CONNECTIONS
 *   IDLE --> READ ---+                  drained  v
 *    ^        ^      +-- nothing to pause ---> HOLD (the store names no primary)
 *    |        |                                  |  a primary is named
 *    |        +-------------- RELOAD <------- INSTALL
 *    |        | agrees          ^ differs again: STUCK, clients are resumed
 *    |        v
 *    |   SHORTEN_RETRY --> RESUME --> WAIT_SERVED --> CLEANUP --> RESTORE --> IDLE
 *    +--------+-- a deadline resumes clients: from every state above
 *
 *   During a hold, a change that somebody made to the file or to PgBouncer is corrected as at any
 *   other time (INSTALL, RELOAD), and the databases are paused again. */
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
	PGBOUNCER_CLOSE_AFTER_TRANSACTION, /* makes sessions end after their transactions */
	PGBOUNCER_KILL_CONNECTIONS,        /* ends the connections that do not end by themselves */
	PGBOUNCER_FENCE,   /* KILL of each database: clients must not reach the last primary */
	PGBOUNCER_HOLD,    /* drained; clients wait until the store names a primary */
	PGBOUNCER_INSTALL, /* renames the file into place */
	PGBOUNCER_RELOAD,
	PGBOUNCER_BLOCKED, /* no RELOAD until pgbouncer.ini is right; it is read again and again */
	PGBOUNCER_STUCK,   /* reloaded, and SHOW DATABASES still differs from the text */
	PGBOUNCER_SHORTEN_RETRY, /* SET server_login_retry, to connect to the new primary at once */
	PGBOUNCER_RESUME,        /* each database that segue paused */
	PGBOUNCER_WAIT_SERVED,   /* SHOW POOLS until no client waits in a pool without a server */
	PGBOUNCER_CLEANUP,       /* SHOW SERVERS until no connection leads to the old address */
	PGBOUNCER_RESTORE,       /* RELOAD, which restores what was SET */
	PGBOUNCER_STEPS,
};

struct __attribute__((aligned(sizeof(uint32_t)))) pgbouncer_facts {
	bool waiting : 1;      /* after a failure, until the retry is due */
	bool console_down : 1; /* the console was lost, and has not answered since */
	bool live_known : 1;   /* SHOW DATABASES has been read, and is up to date */
	bool has_text : 1;     /* the store has named a primary at least once */
	bool held : 1;         /* the store names no primary now */
	bool let_go : 1;       /* clients have waited long enough: RESUME in any case */
	bool ours : 1;         /* there are databases that segue paused */
	bool to_pause : 1;     /* some databases have to be paused, and are not */
	bool limit_over : 1;   /* what is SET against logins is not what it should be now */
	bool fence_due : 1;    /* sessions to the last primary have to be ended */
	bool drained : 1;      /* databases paused by segue have no server connections */
	bool probe_due : 1;
	bool close_due : 1;
	bool kill_due : 1;
	bool install_due : 1;        /* the file differs from the text */
	bool moved : 1;              /* SHOW DATABASES differs from the text */
	bool reload_owed : 1;        /* the file is newer than the last RELOAD, or may be */
	bool reloaded : 1;           /* RELOAD was tried for the current difference */
	bool mendable : 1;           /* a difference in a hold is somebody's change, not a move */
	bool blocked : 1;            /* pgbouncer.ini allows no RELOAD; see main_file.c */
	bool shorten_retry_owed : 1; /* hosts changed or connections ended since then */
	bool serve_owed : 1;         /* clients were resumed, and not seen to be served */
	bool cleanup_owed : 1;
	bool restore_due : 1;
};

/* The first rule that fits says the next step; the last one fits always. */
struct pgbouncer_rule {
	struct pgbouncer_facts all, none; /* the facts that must be true, and those that must not */
	enum pgbouncer_step step;
};
extern const struct pgbouncer_rule pgbouncer_rules[];

enum pgbouncer_step pgbouncer_plan(const struct pgbouncer_facts *facts);

/* The name of a step in logs and status, and the longest time that its answer may take. No answer
 * by then is a failure (WAIT); in DRAIN and HOLD it only means that the facts are read again. */
struct pgbouncer_step_info {
	const char *name;
	int64_t deadline_ms; /* 0: the step needs no answer, or sets a timer of its own */
};
const struct pgbouncer_step_info *pgbouncer_step_info(enum pgbouncer_step step);

#endif
