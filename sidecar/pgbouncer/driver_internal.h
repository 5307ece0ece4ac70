/* The PgBouncer target: facts in one place, pgbouncer_plan() over them after every callback, and
 * one function per step that does it. For pgbouncer*.c only. */
#ifndef SEGUE_PGBOUNCER_DRIVER_INTERNAL_H
#define SEGUE_PGBOUNCER_DRIVER_INTERNAL_H

#include "base/file.h"
#include "base/strbuf.h"
#include "pause_queue_internal.h"
#include "pgbouncer/console.h"
#include "pgbouncer/hold_record.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/plan.h"
#include "pgbouncer/model/show.h"
#include "postgres/ping.h"
#include "target/target_ops.h"

#define PGBOUNCER_RETRY_MS      15000 /* server_login_retry, where nothing else is configured */
#define PGBOUNCER_MOVE_MS       5000  /* from the end of pause_timeout to all being done */
#define PGBOUNCER_POLL_FIRST_MS 2     /* while clients wait for what is polled */

struct pgbouncer_driver;

/* One answer of console B. Errors that came with the loss of the console do not get here. */
typedef void pgbouncer_answer(struct pgbouncer_driver *driver, const struct pgbouncer_table *table,
                              const struct err *err);

/* The history of the text at hand; clock_now_us(), 0: not yet, or not needed. */
struct pgbouncer_watch {
	int64_t zxid, set_us, notified_us, read_us, rendered_us;
	int64_t paused_us; /* the first PAUSE, which may be older than the text */
	int64_t pushed_us, persisted_us, drained_us, confirmed_us, resumed_us;
	int64_t served_us;
	bool told; /* event=moved is out, or there was nothing to tell */
	struct strbuf summary;
};

/* The pauses at hand: from the first PAUSE to the last RESUME. Times are clock_now_ms(). */
struct pgbouncer_drain {
	int64_t paused_us; /* clock_now_us() of the first PAUSE; 0: by an earlier life of segue */
	int64_t since_ms;  /* the same, or when that life's note was found */
	int64_t probed_ms; /* 0: not asked yet */
	enum pg_ping_answer old; /* what the old primary answered then */
	int64_t severed_ms;
	bool nudged;
	unsigned severs;    /* 1: by the gentlest way; 2: by KILL */
	bool unsent;        /* noted, and PAUSE not sent yet */
	bool dead;          /* logins are not waited for: nobody is let in there */
	bool silent;        /* the same: nothing there has answered for a while */
	int64_t asked_ms;   /* whether anything answers */
	bool looked;        /* since the last PAUSE */
	int64_t poll_ms;    /* until the next look */
	int64_t release_ms; /* clients are let go then, whatever has been reached */
};

/* Commands of console B that go out one after the other. */
struct pgbouncer_script {
	char **commands;
	size_t count, next;
	pgbouncer_answer *done; /* after the last one; may be NULL */
	bool refused;
	struct err refusal; /* the last one that matters */
};

struct pgbouncer_driver {
	struct target target;
	struct console *console; /* B: all but PAUSE */
	struct pauser *pauser;   /* A */
	struct pg_ping *pg_ping;
	struct event *timer; /* of the step at hand: polls, re-reads, tries again */
	struct event *alarm; /* when clients are to be let go, though nothing happens */
	int64_t step_us;
	pgbouncer_answer *answer;
	struct pgbouncer_script script;

	enum pgbouncer_step step;
	unsigned generation; /* counts the texts; 0: none yet */
	char *text;
	size_t len;
	struct pgbouncer_ini ini;
	char *primary; /* its address in the text; NULL: not known */
	struct file_owner owner;
	char *owner_problem; /* NULL: none */

	struct pgbouncer_live live;
	int64_t live_ms;      /* when it was read; 0: before the text or hold at hand */
	unsigned connections; /* of B, when the version was asked */
	unsigned major, minor;
	struct pgbouncer_table config; /* SHOW CONFIG, over that connection; empty: not known */
	char *ini_problem; /* where PgBouncer would stop reading pgbouncer.ini; NULL: nowhere */
	char *ini_trouble; /* what else in it would cost clients, with the next move or start; NULL:
	                      nothing */
	char *ini_differs; /* what in it PgBouncer runs without, as last told; "": nothing */
	unsigned installed;           /* the text that the file has been seen to hold */
	unsigned confirmed;           /* the text that PgBouncer has been seen to follow */
	struct pgbouncer_stale stale; /* while links are being cut */
	char *foreign; /* what a person paused or disabled, as last told; "": nothing */

	struct pgbouncer_hold_record record;
	struct pgbouncer_drain drain;
	int64_t hold_episode; /* of the last hold, so that its repetition is none */
	int64_t fence_episode;
	int64_t hold_until_ms;
	int64_t serve_ms;       /* since when clients are looked at to be served */
	int64_t restore_ms;     /* when the RELOAD that puts SETs back is due; 0: none is owed */
	int64_t retry_ms;       /* server_login_retry, as configured */
	int max_db_connections; /* as configured; -1: not known */
	int min_pool_size;      /* the same */
	char *listen_addr;      /* as configured; NULL: not known */
	int64_t listen_port;    /* the same; -1: not known */
	unsigned cleanups;
	unsigned stale_left; /* connections to where a database leads no more, as last seen */
	unsigned failures;   /* in a row */
	int64_t wait_ms;     /* of the last one */
	int64_t down_ms;     /* since when B does not answer; 0: it does */
	struct pgbouncer_watch watch;
	struct strbuf problem;
	struct pgbouncer_facts facts;
	uint16_t primary_port;
	bool fenced;        /* closed without an end, and without sessions: held, or found so */
	bool config_asked;  /* SHOW CONFIG, over this connection */
	bool config_known;  /* the settings above, over this connection */
	bool limited;       /* max_db_connections is SET to 1 */
	bool missing;       /* a database of the text is not in SHOW DATABASES */
	bool rehosted;      /* facts.moved, and not only for a database that is new */
	bool busy;          /* an answer is being waited for */
	bool unsynced;      /* the file was renamed and not yet fsynced */
	bool note_unsynced; /* the same of the note of pauses */
	bool marked;        /* the marker of an owed RELOAD is on disk */
	bool down_told;     /* that B does not answer */
	bool unread_told;   /* that pgbouncer.ini cannot be read here */
};

/* --- setup/init_pgbouncer.c --- */

void pgbouncer_tell_when_done(struct pgbouncer_driver *driver);

/* --- engine.c --- */

/* Decides what to do next from all facts; every callback ends with it. */
void pgbouncer_reconcile(struct pgbouncer_driver *driver);

/* One command on console B, then `answer`; the plan waits for it. */
void pgbouncer_ask(struct pgbouncer_driver *driver, const char *sql, pgbouncer_answer *answer);
void pgbouncer_script_add(struct pgbouncer_driver *driver, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A refused command does not keep the others from going out; `done` gets the last refusal, unless
 * it says that there was nothing to do. */
void pgbouncer_script_run(struct pgbouncer_driver *driver, pgbouncer_answer *done);
void pgbouncer_script_clear(struct pgbouncer_driver *driver);

/* Logs `problem` as an error, and waits: shortly while clients wait too. */
void pgbouncer_fail(struct pgbouncer_driver *driver, const char *event, const char *problem,
                    const char *next);
void pgbouncer_timer(struct pgbouncer_driver *driver, int64_t ms);

/* Is this one led to the primary, as far as is known? Those are paused for a move. */
bool pgbouncer_is_primarys(const struct pgbouncer_driver *driver,
                           const struct pgbouncer_database *database);

/* --- read_live.c: what SHOW says --- */

void pgbouncer_step_read(struct pgbouncer_driver *driver);
/* Takes over SHOW DATABASES; false after pgbouncer_fail(). */
bool pgbouncer_take_live(struct pgbouncer_driver *driver, const struct pgbouncer_table *table,
                         const struct err *err);
void pgbouncer_compare(struct pgbouncer_driver *driver);
void pgbouncer_step_sweep(struct pgbouncer_driver *driver);

/* --- main_file.c: no RELOAD of a pgbouncer.ini that would not load --- */

/* Reads it as PgBouncer would, with the text at hand in its place: facts.blocked, ini_trouble. */
void pgbouncer_look_at_ini(struct pgbouncer_driver *driver);
void pgbouncer_step_blocked(struct pgbouncer_driver *driver);

/* --- pause.c: up to PAUSE, and the wait in it --- */

bool pgbouncer_wants_pause(const struct pgbouncer_driver *driver);
void pgbouncer_stage_note(struct pgbouncer_driver *driver); /* of a hold that may come */
void pgbouncer_step_pause(struct pgbouncer_driver *driver);
void pgbouncer_paused_cb(const char *name, const struct err *err, bool lost, void *arg);
bool pgbouncer_limit_is_over(const struct pgbouncer_driver *driver);
void pgbouncer_step_unlimit(struct pgbouncer_driver *driver);
void pgbouncer_step_hold(struct pgbouncer_driver *driver);

/* --- drain.c: until no server connection is left --- */

/* Does anybody listen where the paused ones lead to? */
void pgbouncer_ask_liveness(struct pgbouncer_driver *driver, int64_t timeout_ms, pg_ping_cb *cb);
void pgbouncer_step_drain(struct pgbouncer_driver *driver);
void pgbouncer_step_probe(struct pgbouncer_driver *driver);
bool pgbouncer_probe_is_due(const struct pgbouncer_driver *driver, int64_t now_ms);
bool pgbouncer_close_after_transaction_is_due(const struct pgbouncer_driver *driver);
bool pgbouncer_kill_connections_is_due(const struct pgbouncer_driver *driver, int64_t now_ms);

/* --- drain.c: the links that stay --- */

void pgbouncer_step_close_after_transaction(struct pgbouncer_driver *driver);
void pgbouncer_step_kill_connections(struct pgbouncer_driver *driver);
void pgbouncer_step_fence(struct pgbouncer_driver *driver);

/* --- switch.c: file, RELOAD, RESUME --- */

void pgbouncer_step_install(struct pgbouncer_driver *driver);
void pgbouncer_step_reload(struct pgbouncer_driver *driver);
void pgbouncer_step_stuck(struct pgbouncer_driver *driver);
void pgbouncer_step_resume(struct pgbouncer_driver *driver);

/* --- switch.c: around RESUME, what makes clients be served soon --- */

void pgbouncer_step_shorten_retry(struct pgbouncer_driver *driver);
void pgbouncer_step_wait_served(struct pgbouncer_driver *driver);
void pgbouncer_step_restore(struct pgbouncer_driver *driver);
/* What has to be done off the path, once clients are served. */
void pgbouncer_settle(struct pgbouncer_driver *driver);

#endif
