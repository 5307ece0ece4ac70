/* Internals of the HAProxy driver, for sidecar/haproxy/ only. Three state machines use the same
 * facts. runtime makes the running HAProxy show the rendered text, through the runtime API.
 * config_file keeps HAProxy's file equal to the text, and requests a reload for a change that the
 * runtime API cannot make. hold replaces servers of the text while there is no primary. */
#ifndef SEGUE_HAPROXY_DRIVER_INTERNAL_H
#define SEGUE_HAPROXY_DRIVER_INTERNAL_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "base/string_list.h"
#include "haproxy/hold_record.h"
#include "haproxy/model/batch.h"
#include "haproxy/model/config.h"
#include "haproxy/model/diff.h"
#include "haproxy/model/replies.h"
#include "haproxy/release.h"
#include "haproxy/socket.h"
#include "haproxy/trial.h"
#include "target/install.h"
#include "target/reload.h"
#include "target/target_ops.h"

#define MASTER_RELOAD_CONFIRM_MS 5000 /* after it: until the stats socket shows the new worker */

/* Reload by the master CLI. The object is the path of a master socket. Succeeds when the master
 * shows a new worker. */
extern const struct reload_method haproxy_master_reload;

/* Ends the sessions to former addresses of a server, one by one: `shutdown sessions server` would
 * also end sessions to the new address, and waiting clients. Works on the current worker and,
 * through the master CLI, on all old workers. In an old worker it also ends waiting sessions of a
 * backend whose servers all lead elsewhere, as no command can move them there. Memory is bounded
 * for any number of sessions: the dump is parsed as it comes, and sessions are ended in slices. */

struct session_cleanup;

struct session_cleanup_result {
	unsigned ended;      /* sessions that `shutdown session` was sent for */
	unsigned waiting;    /* of `ended`: those that waited in vain in an old worker */
	unsigned left;       /* of `ended`: those still there after the last round */
	unsigned connecting; /* still connecting to a former address: clean up again later */
	const char *problem; /* "", or why a worker could not be asked; borrowed */
};

/* Called once, never inside session_cleanup_start(), never after session_cleanup_cancel(). */
typedef void session_cleanup_cb(const struct session_cleanup_result *result, void *arg);

/* Sessions to the addresses in `desired` stay. A server loses all its sessions if `desired` has it
 * cut_off, or if only `live` has it, in a backend of `desired`. Both are read during this call
 * only. `master` NULL: old workers are not cleaned up. */
struct session_cleanup *session_cleanup_start(struct haproxy_queue *socket,
                                              struct haproxy_queue *master,
                                              const struct haproxy_config *desired,
                                              const struct haproxy_live *live,
                                              session_cleanup_cb *cb, void *arg) MUST_CHECK;
void session_cleanup_cancel(struct session_cleanup *cleanup);

enum runtime_state {
	RUNTIME_IDLE,     /* live and desired agree, or no desired text; the timer starts a read */
	RUNTIME_READING,  /* a batch that only reads is in flight */
	RUNTIME_PUSHING,  /* a batch of commands, followed by a re-read, is in flight */
	RUNTIME_CLEANING, /* sessions to former addresses are being ended */
	RUNTIME_WAITING,  /* after a failure; reads again on the timer or a new text */
};

struct haproxy_runtime {
	enum runtime_state state;
	struct haproxy_call *call;
	struct session_cleanup *cleanup;
	struct timer *timer;
	bool known; /* `live` is valid; false after a lost reply, and when a reload has been made */
	struct haproxy_live live;
	struct haproxy_info info; /* pid 0: HAProxy has never answered */
	/* The desired_seq whose backends are covered by the batch in flight, and by `live`. */
	unsigned asking, covers;
	/* desired_seq at the time when that batch was sent, and when `live` was requested. */
	unsigned sent_for, seen_for;
	int64_t uptime_s, start_s; /* as HAProxy reported last; -1: not reported */
	int64_t worker_us;         /* when this worker started; accurate to about 1 s */
	int64_t read_us;           /* when HAProxy answered last; 0: never */
	int64_t seen_us;           /* when it answered the time before; 0: never */
	bool new_worker;           /* has answered, and config_file.c was not told yet */
	int64_t down_ms;           /* since when HAProxy does not answer; 0: it answers */
	unsigned failures;         /* batches without a usable reply, in a row */
	const char *level; /* of the socket, if HAProxy refuses changes there; NULL: level admin */
	bool shut;         /* at the last failure, permissions kept this user out of the socket */
	bool in_doubt;     /* a batch got no reply: HAProxy may still execute its commands */
	bool want_read;    /* read before anything else */
	bool push_due;     /* true: send differences. false: sent, see whether they take effect */
	bool rest_due;     /* not all fitted in one line: send the rest if `pushed` took effect */
	unsigned tries, settles; /* pushes without effect, in a row; re-reads since the last push */
	bool withheld;    /* the last push left out limits, until HAProxy shows the new addresses */
	bool tidied;      /* the diff's `tidy` commands have been sent since the last timer */
	bool queue_lasts; /* those commands wait until HAProxy's queue is empty */
	int64_t sent_us, batch_us;        /* when the batch was sent; how long the last one took */
	int64_t verified_ms;              /* when a check of the file was last requested */
	bool refuses_add;                 /* this worker refused `add server` */
	bool cleanup_owed, cleanup_later; /* clean up now; clean up after cleanup_ms */
	bool cleanup_due;                 /* the move is complete only after a cleanup */
	bool unfit_told;                  /* `unfit` has been logged */
	int64_t unfit_ms; /* since when HAProxy's own check has the primary DOWN; 0: it has not */
	int64_t cleanup_wait_ms, cleanup_ms; /* cleanup_later: how long to wait; until when */
	unsigned cleanup_repeats;            /* cleanups in a row that left sessions */
	unsigned sessions_left;              /* sessions that the last cleanup could not end */
	/* when a worker that segue cannot reach was replaced in a hold; clock_now_us(), 0: never */
	int64_t unreached_us;
	unsigned cleanup_failures; /* cleanups in a row in which a worker could not be asked */
	unsigned cleanup_seq;      /* the desired_seq of the running cleanup */
	unsigned push_seq;         /* the desired_seq of the last push, in flight or not */
	unsigned offered;      /* the desired_seq that HAProxy was sent, or cannot be sent now */
	unsigned confirmed;    /* the desired_seq that HAProxy was seen to show */
	struct strbuf unfit;   /* the failed check, in words */
	struct strbuf answers; /* to the last commands */
	struct strbuf pushed;  /* the last commands, and those that did not fit */
	struct strbuf needs;   /* changes that only a reload can make; "": none */
	struct strbuf problem;
};

enum config_file_state {
	CONFIG_FILE_IDLE,
	CONFIG_FILE_INSTALLING,   /* the text */
	CONFIG_FILE_RELOADING,    /* a reload has been requested from the reloader */
	CONFIG_FILE_CONFIRMING,   /* the reload succeeded; waits for a new worker at the socket */
	CONFIG_FILE_FALLING_BACK, /* installs an earlier file with the current servers */
	CONFIG_FILE_WAITING,      /* after a failure, until the timer or a new text */
};

struct haproxy_config_file {
	enum config_file_state state;
	struct install *install;
	struct reload *reload;
	struct timer *timer;
	struct installer installer;
	bool opened;    /* the file that was there before segue has been read */
	bool verify;    /* compare the file with the text again */
	bool current;   /* the file holds the desired text */
	bool installed; /* it has held that text: a later difference is drift */
	unsigned install_generation, reload_generation; /* generation of the text in each */
	bool loaded_known;
	struct haproxy_config loaded;        /* what HAProxy has loaded */
	char *note;                          /* path of a copy of `previous`; see haproxy/trial.h */
	struct strbuf previous;              /* the file to put back when a reload fails */
	bool has_previous, previous_missing; /* `previous` is valid; there was no file before */
	int64_t installed_us;                /* when this process installed a file; 0: never */
	unsigned failures;                   /* of installations, in a row */
	unsigned reload_failures;            /* with this text */
	bool refused_on_disk; /* HAProxy does not load the file on disk: `previous` is better */
	int64_t retry_at_ms;  /* when WAITING ends */
	unsigned cured;       /* generation that was reloaded; a second reload would not help */
	unsigned warned;      /* generation that a warning was logged for */
	int64_t reload_from_pid;
	struct strbuf problem;
};

/* Whether clients reach the primary through HAProxy. */
enum haproxy_hold_state {
	/* As in the text. The hold record stays until HAProxy was seen to show the text. */
	HOLD_OPEN,
	/* The primary's servers lead to a closed port, and clients wait; until the timer or a new
	 * text. */
	HOLD_HELD,
	/* The primary's servers are in maintenance, without sessions; until a new text. */
	HOLD_FENCED,
	/* A hold record of an earlier process was found; no text yet. The timer starts OPENING. */
	HOLD_RECOVERED,
	/* The servers are being set as in HAProxy's file. */
	HOLD_OPENING,
};

struct haproxy_hold {
	enum haproxy_hold_state state;
	int64_t held_episode, fenced_episode; /* the last ones, as in target_hold(); 0: none */
	int64_t since_us;                     /* when the state last left OPEN */
	int64_t turned_us;                    /* when the state last changed */
	bool settled;               /* HAProxy was seen to show this state, and that was logged */
	struct timer *timer;        /* ends HELD and RECOVERED */
	struct haproxy_config view; /* HELD and FENCED: the config that replaces the text's */
	/* HAProxy may still hold or fence: NONE once it was seen open */
	struct haproxy_hold_record record;
	/* Where the primary's servers lead in HELD, and in FENCED after HELD; else NULL */
	struct haproxy_endpoint closed_at;
	struct haproxy_release *release;
	unsigned failures; /* of `release`, in a row */
};

struct haproxy_driver {
	struct target target;
	/* driver.c decides from all facts what to do next. Every callback ends with this call. */
	void (*wake)(struct haproxy_driver *driver);
	struct haproxy_queue *socket, *master; /* master: NULL without master_socket */
	struct reloader *reloader;             /* NULL: a person has to reload HAProxy */
	unsigned generation;                   /* counts the texts; 0: none yet */
	char *text;
	size_t len;
	struct haproxy_config config; /* the text, parsed */
	/* Counts the changes of what HAProxy is to show: each text, each change of the hold. */
	unsigned desired_seq;
	/* In the text. No address: every server counts as the primary. The address is owned. */
	struct haproxy_endpoint primary;
	struct haproxy_hold hold;
	struct haproxy_runtime runtime;
	struct haproxy_config_file file;
};

/* --- runtime.c --- */

/* If HAProxy's own health check reports a server for the primary's clients as DOWN, and had the
 * time to find it up: says so. "": it does not. Borrowed. */
const char *haproxy_runtime_unfit(const struct haproxy_driver *driver);
void haproxy_runtime_init(struct haproxy_driver *driver);
void haproxy_runtime_fini(struct haproxy_driver *driver);
void haproxy_runtime_desired_changed(struct haproxy_driver *driver,
                                     bool same_backends); /* as before the change */
void haproxy_runtime_reconcile(struct haproxy_driver *driver);

/* The worker is about to be replaced, or has been: reads before anything else. */
void haproxy_runtime_forget(struct haproxy_driver *driver);

/* --- hold.c: sets what HAProxy is to show; runtime.c sends it --- */

void haproxy_hold_init(struct haproxy_driver *driver, const char *state_dir);
void haproxy_hold_fini(struct haproxy_driver *driver); /* ends a hold, leaves a fence */
void haproxy_hold(struct target *target, int64_t episode, int64_t timeout_ms, bool dead);
void haproxy_fence(struct target *target, int64_t episode);
void haproxy_hold_end(struct haproxy_driver *driver); /* before a new text is taken */
void haproxy_hold_settle(struct haproxy_driver *driver);

/* Logs, for the first text only, the settings that keep clients from waiting for hold_timeout. */
void haproxy_hold_judge(const struct haproxy_driver *driver);

/* --- config_file.c --- */

void haproxy_config_file_init(struct haproxy_driver *driver, const char *state_dir);
void haproxy_config_file_fini(struct haproxy_driver *driver);
void haproxy_config_file_new_text(struct haproxy_driver *driver);
void haproxy_config_file_reconcile(struct haproxy_driver *driver);

/* The file holds the text, and no reload is owed. */
bool haproxy_config_file_done(const struct haproxy_driver *driver);

/* A new worker has answered. `seen_us`: when the worker before it answered last; 0: none did. */
void haproxy_config_file_new_worker(struct haproxy_driver *driver, int64_t seen_us);

/* --- hold.c: the closed port --- */

/* Finds a loopback port where nobody listens. The primary's servers lead there during a hold:
 * HAProxy's connection attempt for a waiting client is refused at once, and the next attempt may
 * reach the new primary. The port is tried, as somebody might listen there. HAProxy is assumed to
 * have the same loopback interface as segue. The result has the address family of `primary` (may be
 * NULL) if possible. out->address is static. */
bool haproxy_closed_find(const char *primary, struct haproxy_endpoint *out,
                         struct err *err) MUST_CHECK;

#endif
