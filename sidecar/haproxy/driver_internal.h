/* The HAProxy target: state machines side by side over the same facts. runtime keeps the running
 * HAProxy as the text says, through its socket; file keeps the file as the text says, and has
 * HAProxy reloaded where the socket cannot do it; hold says when HAProxy is to show something else
 * than the text, as there is no primary. For haproxy*.c only. */
#ifndef SEGUE_HAPROXY_DRIVER_INTERNAL_H
#define SEGUE_HAPROXY_DRIVER_INTERNAL_H

#include "base/err.h"
#include "base/strbuf.h"
#include "haproxy/hold_record.h"
#include "haproxy/model/batch.h"
#include "haproxy/model/config.h"
#include "haproxy/model/diff.h"
#include "haproxy/model/replies.h"
#include "haproxy/queue.h"
#include "haproxy/release.h"
#include "haproxy/trial.h"
#include "session_cleanup_internal.h"
#include "target/install.h"
#include "target/target_ops.h"

enum runtime_state {
	RUNTIME_IDLE, /* live and desired agree, or nothing is desired; the timer asks to re-read */
	RUNTIME_READING,  /* a batch is out that only reads */
	RUNTIME_PUSHING,  /* a batch is out with commands, and the re-read behind them */
	RUNTIME_CLEANING, /* sessions to addresses that were left are being ended */
	RUNTIME_WAITING,  /* after a failure, until the timer or a new text: reads again */
};

struct haproxy_runtime {
	enum runtime_state state;
	struct haproxy_call *call;
	struct session_cleanup *cleanup;
	struct event *timer;
	bool known; /* `live` is what HAProxy shows, as far as anybody told segue */
	struct haproxy_live live;
	struct haproxy_info info; /* pid 0: HAProxy has never answered */
	unsigned asking, covers;  /* the wishes whose backends the batch out, and `live`, are about
	                           */
	unsigned sent_for, seen_for; /* the wishes at hand when these two were asked for */
	int64_t uptime_s, start_s;   /* as HAProxy said last; -1: it does not */
	int64_t worker_us;           /* when this worker started, give or take a second */
	int64_t read_us;             /* when it answered last; 0: never */
	int64_t down_ms;             /* since when it does not; 0: it does */
	unsigned failures;           /* in a row */
	const char *level; /* of the socket, where it is none that takes changes; NULL: it is */
	bool shut;         /* the socket keeps this user out, since it was tried last */
	bool in_doubt;     /* a batch got no reply: what it said may still happen */
	bool want_read;    /* before anything else */
	bool push_due;     /* differences are to be pushed, not waited for */
	unsigned tries, settles; /* pushes that did not stick; re-reads since the last push */
	bool withheld;           /* the last push left out what may follow when HAProxy shows it */
	bool tidied;             /* the tidy commands have been sent since the last timer */
	bool queue_lasts;        /* they wait until HAProxy's queue is empty */
	int64_t sent_us, round_us;        /* when the batch was sent; how long the last one took */
	int64_t verified_ms;              /* when the file was looked at */
	bool refuses_add;                 /* this worker refused `add server` */
	bool cleanup_owed, cleanup_later; /* at once; at the next re-read */
	bool cleanup_due;                 /* the move is not over before a cleanup */
	bool unfit_told;                  /* what is below has been told */
	int64_t unfit_ms; /* since when HAProxy's own check has the primary down; 0: not */
	int64_t cleanup_wait_ms, cleanup_ms; /* when later: the time until then, and that moment */
	unsigned cleanup_repeats;            /* in a row, as sessions were left */
	unsigned sessions_left;              /* that the last cleanup could not end */
	int64_t unseen_pid; /* of a worker that was replaced in a hold, and cannot be asked; 0 */
	unsigned cleanup_failures; /* in a row: some worker could not be asked */
	unsigned cleanup_seq;      /* the desired_seq that the running cleanup is for */
	unsigned push_seq;         /* the desired_seq that the batch out, or the last one, is for */
	unsigned offered;    /* the desired_seq that HAProxy has been told, or cannot be told now */
	unsigned confirmed;  /* the desired_seq that HAProxy has been seen to follow */
	struct strbuf unfit; /* that check, in words */
	struct strbuf answers; /* to the last commands */
	struct strbuf needs;   /* what only a reload can cure; "": nothing */
	struct strbuf problem;
};

enum config_file_state {
	CONFIG_FILE_IDLE,
	CONFIG_FILE_CHECKING,     /* the new file is staged, check_command runs */
	CONFIG_FILE_COMMITTING,   /* what was accepted is put in place by the file_writer, after
	                         CHECKING or   FALLING_BACK; nothing else is staged meanwhile */
	CONFIG_FILE_RELOADING,    /* the reloader has been asked */
	CONFIG_FILE_CONFIRMING,   /* a reload went well; until the socket shows another worker */
	CONFIG_FILE_FALLING_BACK, /* an earlier file with the servers of now is staged,
	                         check_command runs; then WAITING */
	CONFIG_FILE_WAITING,      /* after a failure, until the timer or a new text */
};

struct haproxy_config_file {
	enum config_file_state state;
	struct install *install;
	struct reload *reload;
	struct event *timer;
	struct file_owner owner;
	bool owner_known; /* else nothing can be installed */
	bool opened;      /* the file that was there before segue has been read */
	bool verify;      /* look at the file again */
	bool current;     /* the file holds the desired text */
	unsigned install_generation, reload_generation; /* the texts that these two are for */
	bool loaded_known;
	struct haproxy_config loaded; /* what HAProxy has loaded */
	char *note;                   /* keeps `previous` on disk; see haproxy_trial.h */
	struct strbuf previous;       /* what is put back when a reload fails */
	bool has_previous, previous_missing;
	int64_t installed_us;     /* by this process; 0: never */
	unsigned failures;        /* of installations, in a row */
	unsigned reload_failures; /* with this text */
	bool refused_on_disk;     /* HAProxy would not load the file: `previous` is better */
	int64_t retry_at_ms;      /* when WAITING ends */
	unsigned cured;  /* the text that a reload was made for; another would not help it */
	unsigned warned; /* the text that a person was told about */
	int64_t reload_from_pid;
	struct strbuf problem;
};

/* The way to the primary. */
enum haproxy_hold_state {
	HOLD_OPEN,   /* as the text says; the note is there until HAProxy has been seen so */
	HOLD_HELD,   /* leads to a closed port, where clients wait; until the timer or a new text */
	HOLD_FENCED, /* in maintenance, and without sessions; until a new text */
	HOLD_RECOVERED, /* no text yet, and a note of an earlier life; the timer asks to open it */
	HOLD_OPENING,   /* FOUND for too long: it is being opened as the file says */
};

struct haproxy_hold {
	enum haproxy_hold_state state;
	int64_t held_episode, fenced_episode; /* the last ones; 0: none */
	int64_t since_us;                     /* when it closed, or was found closed */
	int64_t turned_us;                    /* when it turned last */
	bool settled;               /* HAProxy has been seen to follow, and it has been told */
	struct event *timer;        /* the end of HELD or FOUND */
	struct haproxy_config view; /* HELD and FENCED: the servers as they are to be meanwhile */
	struct haproxy_hold_record note;
	struct haproxy_endpoint closed_at; /* HELD: where the primary's servers lead */
	bool closed; /* HAProxy may show it closed: until it has been seen open */
	struct haproxy_release *release;
	unsigned failures; /* of it, in a row */
};

/* The history of the text at hand; clock_now_us(), 0: not yet, or not needed. */
struct haproxy_watch {
	int64_t zxid, set_us, notified_us, read_us, rendered_us;
	int64_t pushed_us, confirmed_us, persisted_us;
	bool told;     /* event=moved is out, or there was nothing to tell */
	bool reloaded; /* HAProxy has taken up the file */
	struct strbuf summary;
};

struct haproxy_driver {
	struct target target;
	struct haproxy_queue *socket, *master; /* master: NULL without master_socket */
	struct reloader *reloader;             /* NULL: a person has to reload */
	unsigned generation;                   /* counts the texts; 0: none yet */
	char *text;
	size_t len;
	struct haproxy_config config; /* the text, parsed */
	unsigned
	    desired_seq; /* counts what HAProxy is to show: each text, each turn of the state */
	char *primary;   /* where the primary's servers lead in the text; NULL: every one does */
	uint16_t primary_port;
	struct haproxy_hold hold;
	struct haproxy_watch watch;
	struct haproxy_runtime runtime;
	struct haproxy_config_file file;
};

/* Decides what to do next from all facts; every callback ends with it. */
void haproxy_reconcile(struct haproxy_driver *driver);

/* haproxy_runtime.c: the runtime half. */
/* HAProxy's own check has a server down that is to take the primary's clients, and had the time to
 * find it up: in words; "": it has not. */
const char *haproxy_runtime_unfit(const struct haproxy_driver *driver);
void haproxy_runtime_init(struct haproxy_driver *driver);
void haproxy_runtime_fini(struct haproxy_driver *driver);
void haproxy_runtime_desired_changed(struct haproxy_driver *driver,
                                     bool same_backends); /* as in the desired_seq before it */
void haproxy_runtime_reconcile(struct haproxy_driver *driver);

/* The worker is about to be, or has been, replaced: ask before anything else. */
void haproxy_runtime_forget(struct haproxy_driver *driver);

/* hold.c: the state. Closing it is one more thing to desired_seq for; the runtime half does
 * it. */
void haproxy_hold_init(struct haproxy_driver *driver, const char *state_dir);
void haproxy_hold_fini(struct haproxy_driver *driver); /* opens a hold, leaves a fence */
void haproxy_hold(struct target *target, int64_t episode, int64_t timeout_ms, bool dead);
void haproxy_fence(struct target *target, int64_t episode);
void haproxy_hold_end(struct haproxy_driver *driver); /* before a text is taken */
void haproxy_hold_settle(struct haproxy_driver *driver);

/* Tells, once, of what in the first text keeps clients from waiting for hold_timeout. */
void haproxy_hold_judge(const struct haproxy_driver *driver);

/* What HAProxy is to show: the text, or what stands for it while the state is closed. */
const struct haproxy_config *haproxy_wanted(const struct haproxy_driver *driver);

/* Where sessions may stay: those that run go on while new ones wait. */
const struct haproxy_config *haproxy_keep_sessions_at(const struct haproxy_driver *driver);

/* haproxy_config_file.c: the file half. */
void haproxy_config_file_init(struct haproxy_driver *driver, const char *state_dir);
void haproxy_config_file_fini(struct haproxy_driver *driver);
void haproxy_config_file_new_text(struct haproxy_driver *driver);
void haproxy_config_file_reconcile(struct haproxy_driver *driver);

/* The file is what the text says, and nothing that HAProxy has to load is left. */
bool haproxy_config_file_done(const struct haproxy_driver *driver);

/* Writes the state; timer_ms -1: no timer. */
void haproxy_config_file_enter(struct haproxy_driver *driver, enum config_file_state state,
                               int64_t timer_ms);
void haproxy_config_file_set_problem(struct haproxy_driver *driver, const char *problem);
/* Logs it as `event`, with what happens `next`, and waits before the next try, the longer, the
 * more failures there have been. */
void haproxy_config_file_fail(struct haproxy_driver *driver, const char *event, const char *problem,
                              const char *next, unsigned failures);

/* config_file.c: after a failure, while WAITING: an earlier file with the servers of now. */
void haproxy_fallback_start(struct haproxy_driver *driver);

/* loaded.c: what HAProxy has loaded, and how it is made to load the file. */
void haproxy_loaded_open(struct haproxy_driver *driver); /* before the first install */
void haproxy_loaded_fini(struct haproxy_driver *driver);

/* A worker answered that has not been seen before. `seen_us`: when the one before answered last; 0:
 * there was none. */
void haproxy_loaded_new_worker(struct haproxy_driver *driver, int64_t seen_us);

/* Why a reload is needed; nothing is written when it is not. */
void haproxy_reload_reason(const struct haproxy_driver *driver, struct strbuf *why);

/* Before a file is installed that HAProxy has to load: keeps the old one, writes the marker. */
bool haproxy_reload_prepare(struct haproxy_driver *driver, struct err *err) MUST_CHECK;
void haproxy_reload_start(struct haproxy_driver *driver, const char *why);
void haproxy_reload_failed(struct haproxy_driver *driver, const char *what);
void haproxy_forget_previous(struct haproxy_driver *driver); /* the file that is there is good */
void haproxy_reload_abandon(struct haproxy_driver *driver);  /* at the end of the target */

/* log.c: one function for each event, with the cluster and the target in all of them. */
void haproxy_log_moved(struct haproxy_driver *driver); /* and remembers it */
void haproxy_log_in_sync(const struct haproxy_driver *driver);
void haproxy_log_unreachable(struct haproxy_driver *driver);
void haproxy_log_unfit(const struct haproxy_driver *driver, bool over);
void haproxy_log_back(const struct haproxy_driver *driver);
void haproxy_log_restarted(const struct haproxy_driver *driver, int64_t pid_before);
void haproxy_log_out_of_reach(const struct haproxy_driver *driver);
void haproxy_log_drift(const struct haproxy_driver *driver, const char *what);
void haproxy_log_level(struct haproxy_driver *driver);
void haproxy_log_stuck(struct haproxy_driver *driver, const struct haproxy_diff *diff);
void haproxy_log_add_refused(const struct haproxy_driver *driver, const struct haproxy_diff *diff);
void haproxy_log_swept(const struct haproxy_driver *driver,
                       const struct session_cleanup_result *result);
void haproxy_log_problem(struct haproxy_driver *driver, const char *event, const char *problem,
                         const char *next);
void haproxy_log_put_back(const struct haproxy_driver *driver);
void haproxy_log_fell_back(const struct haproxy_driver *driver);
void haproxy_log_cannot_hold(const struct haproxy_driver *driver, const char *findings);
void haproxy_log_hold(const struct haproxy_driver *driver, size_t servers, int64_t timeout_ms);
void haproxy_log_fence(const struct haproxy_driver *driver, size_t servers);
void haproxy_log_closed(const struct haproxy_driver *driver);
void haproxy_log_hold_over(const struct haproxy_driver *driver);
void haproxy_log_released(const struct haproxy_driver *driver, const char *what);
void haproxy_log_left_fenced(const struct haproxy_driver *driver);
void haproxy_log_found(const struct haproxy_driver *driver, const char *next);
void haproxy_log_reload(const struct haproxy_driver *driver, const char *event, const char *what);

/* A port of this machine where nobody listens: what the servers of a held primary lead to, so that
 * each try of a waiting client is refused at once, and the next one may find the new primary. */

/* Looks, as somebody might listen after all, and HAProxy is taken to have segue's loopback.
 * `primary`: the address that is left, of the same family where that can be; may be NULL.
 * out->address is static. */
bool haproxy_closed_find(const char *primary, struct haproxy_endpoint *out,
                         struct err *err) MUST_CHECK;

#endif
