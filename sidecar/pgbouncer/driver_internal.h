/* The PgBouncer target: all facts in one struct, pgbouncer_plan() over them after every callback,
 * and one function per step. For the files of this folder only. */
#ifndef SEGUE_PGBOUNCER_DRIVER_INTERNAL_H
#define SEGUE_PGBOUNCER_DRIVER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "base/string_list.h"
#include "pgbouncer/console.h"
#include "pgbouncer/hold_record.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/plan.h"
#include "pgbouncer/model/show.h"
#include "postgres/ping.h"
#include "target/target_ops.h"

/* PAUSE for many databases at once. It answers only when its database has drained, and until then
 * its console can send nothing else. So several consoles are used, and a PAUSE that takes too long
 * is abandoned together with its console (the pause stays), so that the others need not wait. */

struct event_base;
struct pauser;

#define PAUSER_CONSOLES 8

/* One PAUSE was answered; `err` is NULL on success. Never called inside pauser_add(), never after
 * pauser_stop(). `lost`: the connection is lost, so it is not known whether the database is paused.
 */
typedef void pauser_cb(const char *name, const struct err *err, bool lost, void *arg);

/* `conninfo` is copied. */
struct pauser *pauser_create(struct event_base *base, const char *conninfo, pauser_cb *cb,
                             void *arg);
void pauser_destroy(struct pauser *pauser);

void pauser_open(struct pauser *pauser); /* connects one console, ahead of the first PAUSE */
void pauser_add(struct pauser *pauser, const char *name, int64_t timeout_ms);

/* Not answered yet: not sent, or not drained. An abandoned PAUSE counts as answered. */
bool pauser_is_pending(const struct pauser *pauser, const char *name);
bool pauser_is_done(const struct pauser *pauser); /* none is pending */

void pauser_forget_unsent(struct pauser *pauser);
void pauser_stop(struct pauser *pauser); /* closes every console that has a PAUSE pending */

#define PGBOUNCER_RETRY_MS         15000 /* PgBouncer's default of server_login_retry */
#define PGBOUNCER_BACKOFF_FIRST_MS 1000  /* the wait after a failure */
#define PGBOUNCER_BACKOFF_MAX_MS   30000
#define PGBOUNCER_MOVE_MS          5000 /* for the rest of a move, after pause_timeout */
#define PGBOUNCER_RESUMED_HERE \
	"clients are resumed at the servers that PgBouncer has configured now"
#define PGBOUNCER_POLL_FIRST_MS 2 /* the first interval of a poll that clients wait for */

struct pgbouncer_driver;

/* The answer to a SHOW. NULL: it was refused, and driver->refusal says why. As the next one, it is
 * not called if the console was lost. */
typedef void pgbouncer_shown_cb(struct pgbouncer_driver *driver,
                                const struct pgbouncer_table *table);
/* All commands of the script were answered. `err` is the last refusal, without those that say that
 * there was nothing to do; NULL: none. */
typedef void pgbouncer_done_cb(struct pgbouncer_driver *driver, const struct err *err);

/* The current pauses, from the first PAUSE to the last RESUME. Times are clock_now_ms(). */
struct pgbouncer_drain {
	int64_t paused_us; /* clock_now_us() of the first PAUSE; 0: by an earlier segue process */
	int64_t since_ms;  /* the same, or when the hold record of that process was found */
	size_t probe_at;   /* which recorded database is probed: the first that has not drained */
	int64_t probed_ms; /* of the last probe of the old primary; 0: not probed yet */
	enum pg_ping_answer old; /* the answer to it */
	int64_t killed_ms;
	bool closing;
	unsigned kills;     /* 1: in the gentlest way; 2: by KILL */
	bool unsent;        /* recorded, but PAUSE is not sent yet */
	bool dead;          /* do not wait for logins: the old primary lets nobody in */
	bool silent;        /* the same: it has not answered for a while */
	int64_t asked_ms;   /* of the last ping while waiting for logins */
	bool looked;        /* pgbouncer_step_drain() has run since the last PAUSE */
	int64_t poll_ms;    /* until the next poll */
	int64_t release_ms; /* clients are resumed then, whatever has been reached */
};

struct pgbouncer_driver {
	struct target target;
	void (*wake)(struct pgbouncer_driver *driver);
	struct console *console; /* B: all commands but PAUSE */
	struct pauser *pauser;   /* A: PAUSE */
	struct pg_ping *pg_ping;
	struct timer *timer; /* of the current step: polls, re-reads, retries */
	struct timer *alarm; /* when clients have to be resumed, even if nothing else happens */
	int64_t step_us;
	pgbouncer_shown_cb *shown; /* NULL: the script runs */
	pgbouncer_done_cb *done;   /* may be NULL */
	struct string_list script; /* commands for console B, sent one after the other */
	size_t script_at;          /* the next one */
	struct err refusal;        /* of the SHOW, or the last one of the script; "": none */

	enum pgbouncer_step step;
	unsigned generation; /* number of the current text; 0: none yet */
	char *text;
	size_t len;
	struct pgbouncer_ini ini;
	char *primary; /* its numeric address in the text; NULL: not known */
	struct file_owner owner;
	char *owner_problem; /* why `owner` is not known; NULL: it is */

	struct pgbouncer_live live;
	int64_t live_ms;      /* when it was read; 0: before the current text or hold */
	unsigned connections; /* console_connections() of B when the version was asked */
	unsigned major, minor;
	struct pgbouncer_table config; /* SHOW CONFIG over that connection; empty: not known */
	/* NULL or "": nothing */
	char *ini_problem;  /* why pgbouncer.ini allows no RELOAD */
	char *ini_trouble;  /* what else in it would harm clients at the next move or start */
	char *ini_differs;  /* what in it PgBouncer does not run with, as last logged */
	char *foreign;      /* what a person paused or disabled, as last logged */
	char *problem;      /* the last failure */
	unsigned installed; /* generation that the file was seen to hold */
	unsigned confirmed; /* generation that PgBouncer was seen to follow */
	struct pgbouncer_stale stale; /* while connections are being cut */

	struct pgbouncer_hold_record record;
	struct pgbouncer_drain drain;
	int64_t hold_episode; /* of the last hold: the same number again is no new hold */
	int64_t fence_episode;
	int64_t hold_until_ms;
	int64_t serve_ms;       /* since when clients have been watched for being served */
	int64_t restore_ms;     /* when the RELOAD that undoes SET is due; 0: none is */
	int64_t retry_ms;       /* server_login_retry as configured, in ms */
	int max_db_connections; /* as configured; -1: not known */
	int min_pool_size;      /* the same */
	int min_pool_now;       /* as segue has SET it since; else as configured */
	char *listen_addr;      /* as configured; NULL: not known */
	int64_t listen_port;    /* the same; -1: not known */
	unsigned cleanups;
	unsigned stale_left; /* server connections to an old address, as last counted */
	unsigned failures;   /* in a row */
	int64_t wait_ms;     /* after the last one */
	int64_t down_ms;     /* since when B has not answered; 0: it answers */
	struct pgbouncer_facts facts;
	uint16_t primary_port;
	bool fenced;       /* a fence (no time limit, sessions ended): ordered, or in the record */
	bool config_asked; /* SHOW CONFIG was asked over this connection */
	bool config_known; /* the settings above were read over this connection */
	bool limited;      /* max_db_connections is SET to 1 */
	bool missing;      /* a database of the text is not in SHOW DATABASES */
	bool rehosted;     /* facts.moved, and not only because of a new database */
	bool busy;         /* waiting for an answer */
	bool unsynced;     /* the file was renamed and not yet fsynced */
	bool record_unsynced; /* the same for the hold record */
	bool marked;          /* the marker of an owed RELOAD is on disk */
	bool down_logged;     /* logged that B does not answer */
	bool unread_logged;   /* logged that pgbouncer.ini cannot be read here */
};

/* --- engine.c --- */

/* Decides what to do next from all facts. Every callback ends with it; a step's by `wake`. */
void pgbouncer_reconcile(struct pgbouncer_driver *driver);
bool pgbouncer_is_followed(const struct pgbouncer_driver *driver); /* nothing is left to do */

/* --- commands.c: console B, and the wait after a failure --- */

/* Each sends something on console B. No other step runs until the answer. */
void pgbouncer_show(struct pgbouncer_driver *driver, const char *sql, pgbouncer_shown_cb *shown);
void pgbouncer_command(struct pgbouncer_driver *driver, const char *sql, pgbouncer_done_cb *done);
/* Sends driver->script. A refused command does not stop the others. */
void pgbouncer_script_run(struct pgbouncer_driver *driver, pgbouncer_done_cb *done);
/* Adds "VERB name" for one database, or for all that segue paused. */
void pgbouncer_script_name(struct pgbouncer_driver *driver, const char *verb, const char *name);
void pgbouncer_script_recorded(struct pgbouncer_driver *driver, const char *verb);

/* Logs `problem` as an error and waits before the next try: a shorter time while clients wait. */
void pgbouncer_fail(struct pgbouncer_driver *driver, const char *event, const char *problem,
                    const char *next);
void pgbouncer_wait(struct pgbouncer_driver *driver, int64_t first_ms, int64_t max_ms);

/* --- read_live.c: the answers to SHOW --- */

void pgbouncer_step_read(struct pgbouncer_driver *driver);
/* Stores SHOW DATABASES as facts; false after pgbouncer_fail(). */
bool pgbouncer_take_live(struct pgbouncer_driver *driver, const struct pgbouncer_table *table);
void pgbouncer_compare(struct pgbouncer_driver *driver);
void pgbouncer_step_cleanup(struct pgbouncer_driver *driver);
/* True if the text leads this database to the primary, as far as is known. Only such databases are
 * paused for a move. */
bool pgbouncer_is_primarys(const struct pgbouncer_driver *driver,
                           const struct pgbouncer_database *database);

/* --- main_file.c: no RELOAD while pgbouncer.ini would not load --- */

/* Reads pgbouncer.ini as PgBouncer would, with the current text in place of the output. Sets
 * facts.blocked and ini_trouble. */
void pgbouncer_read_main_file(struct pgbouncer_driver *driver);

/* --- pause.c: up to PAUSE, and the hold that follows --- */

bool pgbouncer_wants_pause(const struct pgbouncer_driver *driver);
void pgbouncer_stage_record(struct pgbouncer_driver *driver); /* the record of a possible hold */
void pgbouncer_step_pause(struct pgbouncer_driver *driver);
void pgbouncer_paused_cb(const char *name, const struct err *err, bool lost, void *arg);
bool pgbouncer_settings_are_due(const struct pgbouncer_driver *driver);
void pgbouncer_step_unlimit(struct pgbouncer_driver *driver);
void pgbouncer_step_hold(struct pgbouncer_driver *driver);

/* --- drain.c: until no server connection is left; connections that stay --- */

/* Asks whether a server answers where this database leads. */
void pgbouncer_ping(struct pgbouncer_driver *driver, const char *database, int64_t timeout_ms,
                    pg_ping_cb *cb);
void pgbouncer_step_drain(struct pgbouncer_driver *driver);
void pgbouncer_step_probe(struct pgbouncer_driver *driver);
/* Sets the facts about a drain that takes long: probe_due, close_due, kill_due. */
void pgbouncer_derive_drain(struct pgbouncer_driver *driver, int64_t now_ms);

/* Adds commands that SET back what close_after_transaction and kill_connections have SET. */
void pgbouncer_script_undo_timeouts(struct pgbouncer_driver *driver);
void pgbouncer_step_close_after_transaction(struct pgbouncer_driver *driver);
void pgbouncer_step_kill_connections(struct pgbouncer_driver *driver);
void pgbouncer_step_fence(struct pgbouncer_driver *driver);

/* --- reload_resume.c: file, RELOAD, RESUME, and what has clients served soon after it --- */

void pgbouncer_step_install(struct pgbouncer_driver *driver);
void pgbouncer_step_reload(struct pgbouncer_driver *driver);
void pgbouncer_step_stuck(struct pgbouncer_driver *driver);
void pgbouncer_step_resume(struct pgbouncer_driver *driver);
void pgbouncer_step_shorten_retry(struct pgbouncer_driver *driver);
void pgbouncer_step_wait_served(struct pgbouncer_driver *driver);
void pgbouncer_step_restore(struct pgbouncer_driver *driver);
/* Writes the marker of an owed RELOAD. */
bool pgbouncer_mark(struct pgbouncer_driver *driver, struct err *err) MUST_CHECK;

#endif
