/* The HAProxy target: two state machines side by side over the same facts. sync keeps the running
 * HAProxy as the text says, through its socket; persist keeps the file as the text says, and has
 * HAProxy reloaded where the socket cannot do it. For haproxy*.c only. */
#ifndef SEGUE_APPLY_HAPROXY_DRIVER_H
#define SEGUE_APPLY_HAPROXY_DRIVER_H

#include "apply/haproxy_config.h"
#include "apply/haproxy_diff.h"
#include "apply/haproxy_gate.h"
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
	int64_t worker_ms;       /* when this worker started, give or take a second */
	int64_t read_ms;         /* when it answered last; 0: never */
	int64_t down_ms;         /* since when it does not; 0: it does */
	unsigned failures;       /* in a row */
	bool want_read;          /* before anything else */
	bool push_due;           /* differences are to be pushed, not waited for */
	unsigned tries, settles; /* pushes that did not stick; re-reads since the last push */
	bool refuses_add;        /* this worker refused `add server` */
	bool sweep_owed, sweep_later; /* at once; at the next re-read */
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
	PERSIST_CHECKING,   /* the new file is staged, check_command runs */
	PERSIST_RELOADING,  /* the reloader has been asked */
	PERSIST_CONFIRMING, /* a reload went well; until the socket shows another worker */
	PERSIST_WAITING,    /* after a failure, until the timer or a new text */
};

struct haproxy_persist {
	enum persist_state state;
	struct install *install;
	struct reload *reload;
	struct event *timer;
	struct file_owner owner;
	char *owner_problem; /* NULL: none */
	bool opened;         /* the file that was there before segue has been read */
	bool verify;         /* look at the file again */
	bool current;        /* the file holds the desired text */
	unsigned install_generation, reload_generation; /* the texts that these two are for */
	bool loaded_known;
	struct haproxy_config loaded; /* what HAProxy has loaded */
	struct strbuf previous;       /* what is put back when a reload fails */
	bool has_previous, previous_missing;
	int64_t installed_ms; /* by this process; 0: never */
	unsigned failures;
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

void haproxy_sync_init(struct haproxy_driver *driver);
void haproxy_sync_fini(struct haproxy_driver *driver);
/* `same_backends`: as the text before it. */
void haproxy_sync_new_text(struct haproxy_driver *driver, bool same_backends);
/* The worker is about to be, or has been, replaced: ask before anything else. */
void haproxy_sync_forget(struct haproxy_driver *driver);
void haproxy_sync_reconcile(struct haproxy_driver *driver);
const char *haproxy_sync_step(const struct haproxy_driver *driver);

void haproxy_persist_init(struct haproxy_driver *driver);
void haproxy_persist_fini(struct haproxy_driver *driver);
void haproxy_persist_new_text(struct haproxy_driver *driver);
void haproxy_persist_reconcile(struct haproxy_driver *driver);
const char *haproxy_persist_step(const struct haproxy_driver *driver); /* "": idle */

/* A worker answered that has not been seen before. `seen_ms`: when the one before answered last, 0:
 * there was none. */
void haproxy_persist_new_worker(struct haproxy_driver *driver, int64_t seen_ms);
/* The file is what the text says, and nothing that HAProxy has to load is left. */
bool haproxy_persist_done(const struct haproxy_driver *driver);

#endif
