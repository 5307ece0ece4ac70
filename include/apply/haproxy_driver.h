/* The HAProxy target: two state machines side by side over the same facts. sync keeps the running
 * HAProxy as the text says, through its socket; persist keeps the file as the text says, and has
 * HAProxy reloaded where the socket cannot do it. For haproxy*.c only. */
#ifndef SEGUE_APPLY_HAPROXY_DRIVER_H
#define SEGUE_APPLY_HAPROXY_DRIVER_H

#include "apply/haproxy_config.h"
#include "apply/haproxy_diff.h"
#include "apply/haproxy_gate.h"
#include "apply/haproxy_round.h"
#include "apply/haproxy_state.h"
#include "apply/install.h"
#include "apply/sweep.h"
#include "apply/target_ops.h"
#include "base/strbuf.h"

enum sync_state {
	SYNC_IDLE,    /* live and desired agree, or nothing is desired; the timer asks to re-read */
	SYNC_READING, /* a batch is out that only reads */
	SYNC_PUSHING, /* a batch is out with commands, and the re-read behind them */
	SYNC_SWEEPING, /* sessions to addresses that were left are being ended */
	SYNC_WAITING,  /* after a failure, until the timer or a new text: reads again */
};

struct haproxy_sync {
	enum sync_state state;
	struct haproxy_call *call;
	struct sweep *sweep;
	struct event *timer;
	bool known; /* `live` is what HAProxy shows, as far as anybody told segue */
	struct haproxy_live live;
	struct haproxy_info info; /* pid 0: HAProxy has never answered */
	unsigned asking, covers; /* the texts whose backends the batch out, and `live`, are about */
	unsigned sent_for, seen_for;  /* the texts at hand when these two were asked for */
	int64_t uptime_s, start_s;    /* as HAProxy said last; -1: it does not */
	int64_t worker_us;            /* when this worker started, give or take a second */
	int64_t read_us;              /* when it answered last; 0: never */
	int64_t down_ms;              /* since when it does not; 0: it does */
	unsigned failures;            /* in a row */
	bool in_doubt;                /* a batch got no reply: what it said may still happen */
	bool want_read;               /* before anything else */
	bool push_due;                /* differences are to be pushed, not waited for */
	unsigned tries, settles;      /* pushes that did not stick; re-reads since the last push */
	bool refuses_add;             /* this worker refused `add server` */
	bool sweep_owed, sweep_later; /* at once; at the next re-read */
	unsigned sweep_failures;      /* in a row: some worker could not be asked */
	unsigned sweep_generation;    /* the text that the running sweep is for */
	unsigned push_generation;     /* the text that the batch out, or the last one, is for */
	unsigned offered;      /* the text that HAProxy has been told, or cannot be told now */
	unsigned confirmed;    /* the text that HAProxy has been seen to follow */
	struct strbuf answers; /* to the last commands */
	struct strbuf needs;   /* what only a reload can cure; "": nothing */
	struct strbuf problem;
};

enum persist_state {
	PERSIST_IDLE,
	PERSIST_CHECKING,     /* the new file is staged, check_command runs */
	PERSIST_RELOADING,    /* the reloader has been asked */
	PERSIST_CONFIRMING,   /* a reload went well; until the socket shows another worker */
	PERSIST_FALLING_BACK, /* an earlier file with the servers of now is staged, check_command
	                         runs; then WAITING */
	PERSIST_WAITING,      /* after a failure, until the timer or a new text */
};

struct haproxy_persist {
	enum persist_state state;
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

/* The history of the text at hand; clock_now_us(), 0: not yet, or not needed. */
struct haproxy_watch {
	int64_t zxid, set_us, notified_us, read_us, rendered_us;
	int64_t pushed_us, confirmed_us, persisted_us;
	bool told; /* event=moved is out, or there was nothing to tell */
	struct strbuf summary;
};

struct haproxy_driver {
	struct target target;
	struct haproxy_gate *socket, *master; /* master: NULL without master_socket */
	struct reloader *reloader;            /* NULL: a person has to reload */
	unsigned generation;                  /* counts the texts; 0: none yet */
	char *text;
	size_t len;
	struct haproxy_config config; /* the text, parsed */
	struct haproxy_watch watch;
	struct haproxy_sync sync;
	struct haproxy_persist persist;
};

/* Decides what to do next from all facts; every callback ends with it. */
void haproxy_reconcile(struct haproxy_driver *driver);

/* haproxy_sync.c: the runtime half. */
void haproxy_sync_init(struct haproxy_driver *driver);
void haproxy_sync_fini(struct haproxy_driver *driver);
void haproxy_sync_new_text(struct haproxy_driver *driver,
                           bool same_backends); /* as the text before it */
void haproxy_sync_reconcile(struct haproxy_driver *driver);

/* haproxy_worker.c: takes over what the reply says; was it the same worker? */
void haproxy_worker_answered(struct haproxy_driver *driver, struct haproxy_round *reply);

/* The worker is about to be, or has been, replaced: ask before anything else. */
void haproxy_sync_forget(struct haproxy_driver *driver);

/* haproxy_persist.c: the file half. */
void haproxy_persist_init(struct haproxy_driver *driver);
void haproxy_persist_fini(struct haproxy_driver *driver);
void haproxy_persist_new_text(struct haproxy_driver *driver);
void haproxy_persist_reconcile(struct haproxy_driver *driver);

/* The file is what the text says, and nothing that HAProxy has to load is left. */
bool haproxy_persist_done(const struct haproxy_driver *driver);

/* Writes the state; timer_ms -1: no timer. */
void haproxy_persist_enter(struct haproxy_driver *driver, enum persist_state state,
                           int64_t timer_ms);
void haproxy_persist_set_problem(struct haproxy_driver *driver, const char *problem);
/* Logs it as `event`, with what happens `next`, and waits before the next try, the longer, the
 * more failures there have been. */
void haproxy_persist_fail(struct haproxy_driver *driver, const char *event, const char *problem,
                          const char *next, unsigned failures);

/* haproxy_fallback.c: after a failure, while WAITING: an earlier file with the servers of now. */
void haproxy_fallback_start(struct haproxy_driver *driver);

/* haproxy_reload.c: what HAProxy has loaded, and how it is made to load the file. */
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

/* haproxy_log.c: one function for each event, with the cluster and the target in all of them. */
void haproxy_log_moved(const struct haproxy_driver *driver);
void haproxy_log_in_sync(const struct haproxy_driver *driver);
void haproxy_log_unreachable(const struct haproxy_driver *driver, const struct err *err);
void haproxy_log_back(const struct haproxy_driver *driver);
void haproxy_log_restarted(const struct haproxy_driver *driver, int64_t pid_before);
void haproxy_log_drift(const struct haproxy_driver *driver, const char *what);
void haproxy_log_stuck(const struct haproxy_driver *driver, const struct haproxy_diff *diff);
void haproxy_log_add_refused(const struct haproxy_driver *driver, const struct haproxy_diff *diff);
void haproxy_log_swept(const struct haproxy_driver *driver, const struct sweep_result *result);
void haproxy_log_problem(const struct haproxy_driver *driver, const char *event,
                         const char *problem, const char *next);
void haproxy_log_fell_back(const struct haproxy_driver *driver);
void haproxy_log_reload(const struct haproxy_driver *driver, const char *event, const char *what);

#endif
