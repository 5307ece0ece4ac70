/* A reload by the master CLI. HAProxy 2.6 closes the connection after `reload` without any reply,
 * whether it succeeds or fails. So the worker's pid and the count of failed reloads are read
 * before, and polled afterwards. From 2.7 on the reply says Success=0 or 1; the pid is polled all
 * the same.
 *
 *           `show proc` read            EOF or Success=1
 *   ASKING ----------------> RELOADING ----------------> CONFIRMING --+
 *      \------------------------\--- any failure, deadline ----------+--> done
 */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "base/timer.h"
#include "driver_internal.h"
#include "haproxy/model/replies.h"
#include "haproxy/socket.h"

#define MASTER_TIMEOUT_MS 1000
#define POLL_FIRST_MS     20
#define POLL_MAX_MS       200
/* How long to wait for the new worker: with many servers, certificates or host names it takes long
 * to start. If HAProxy refuses the configuration, that is known earlier. */
#define WORKER_MS         30000

enum master_reload_state {
	MASTER_ASKING,     /* `show proc` is in flight, for the worker before the reload */
	MASTER_RELOADING,  /* `reload` is in flight */
	MASTER_CONFIRMING, /* `show proc` is in flight, or the timer runs until the next one */
};

struct master_reload {
	struct event_base *base;
	char *socket;
	enum master_reload_state state;
	struct haproxy_call *call;
	struct timer *timer; /* the next poll */
	int64_t limit_ms;    /* how long to wait for the new worker */
	int64_t started_ms, worker_before;
	unsigned failed_before, polls;
	char *no_reply; /* why the last poll failed; NULL: it did not */
	reload_cb *done;
	void *arg;
};

static void cancel(void *arg)
{
	struct master_reload *run = arg;

	if (run->call != NULL)
		haproxy_call_cancel(run->call);
	timer_free(run->timer);
	free(run->no_reply);
	free(run->socket);
	free(run);
}

/* Frees `what`. */
static void end(struct master_reload *run, bool ok, char *what)
{
	auto_free char *result = what;
	reload_cb *done = run->done;
	void *arg = run->arg;

	cancel(run);
	done(ok, result, arg);
}

static void proc_cb(const char *reply, size_t len, const struct err *err, void *arg);

static void ask_procs(void *arg)
{
	struct master_reload *run = arg;

	run->call = haproxy_call_start(run->base, run->socket, true, "show proc", MASTER_TIMEOUT_MS,
	                               proc_cb, run);
}

/* Waits for the next poll, unless the time is over. */
static void poll_later(struct master_reload *run)
{
	if (clock_now_ms() - run->started_ms > run->limit_ms)
		end(run, false,
		    xasprintf("%s: no new worker within %lld ms of `reload`: %s", run->socket,
		              (long long)run->limit_ms,
		              run->no_reply != NULL ? run->no_reply
		                                    : "the old one is still there"));
	else
		timer_start(run->timer, clock_backoff_ms(++run->polls, POLL_FIRST_MS, POLL_MAX_MS));
}

static void confirm(struct master_reload *run, const struct haproxy_procs *procs)
{
	if (procs->failed > run->failed_before)
		end(run, false,
		    xasprintf("%s: HAProxy refuses the configuration (failed reloads: %u): its log "
		              "says why; worker %lld goes on with the old one",
		              run->socket, procs->failed, (long long)procs->worker_pid));
	else if (procs->worker_pid != 0 && procs->worker_pid != run->worker_before)
		end(run, true,
		    xasprintf("worker %lld took over from %lld", (long long)procs->worker_pid,
		              (long long)run->worker_before));
	else
		poll_later(run);
}

/* The reply is a line "Success=0" or "Success=1", and then what HAProxy wrote at its start. */
static void reload_reply_cb(const char *reply, size_t len, const struct err *err, void *arg)
{
	struct master_reload *run = arg;
	auto_strbuf struct strbuf what = STRBUF_INIT;

	(void)err; /* 2.6 drops the connection, which may also look like a failure */
	run->call = NULL;
	if (reply != NULL && strstr(reply, "Success=0") != NULL) {
		strbuf_printf(&what, "%s: HAProxy refuses the configuration: ", run->socket);
		for (size_t i = 0; i < len && what.len < ERR_MAX; i++)
			if (reply[i] != '\n')
				strbuf_append_char(&what, reply[i]);
			else if (i + 1 < len)
				strbuf_append_str(&what, " | ");
		end(run, false, strbuf_detach(&what));
		return;
	}
	run->state = MASTER_CONFIRMING;
	timer_start(run->timer, clock_backoff_ms(++run->polls, POLL_FIRST_MS, POLL_MAX_MS));
}

/* During a reload the master executes itself again and does not answer. Before the deadline that is
 * no failure. */
static void no_answer(struct master_reload *run, const struct err *err)
{
	if (run->state == MASTER_ASKING) {
		end(run, false, xasprintf("the master CLI does not answer: %s", err->message));
		return;
	}
	free(run->no_reply);
	run->no_reply = xstrdup(err->message);
	poll_later(run);
}

static void proc_cb(const char *reply, size_t len, const struct err *err, void *arg)
{
	struct master_reload *run = arg;
	struct haproxy_procs procs;
	struct err parse_err;

	run->call = NULL;
	if (reply == NULL || !haproxy_procs_parse(reply, len, &procs, &parse_err)) {
		no_answer(run, reply == NULL ? err : &parse_err);
		return;
	}
	free(STEAL(run->no_reply));
	if (run->state == MASTER_ASKING) {
		run->worker_before = procs.worker_pid;
		run->failed_before = procs.failed;
		run->started_ms = clock_now_ms();
		run->state = MASTER_RELOADING;
		run->call = haproxy_call_start(run->base, run->socket, true, "reload",
		                               run->limit_ms, reload_reply_cb, run);
	} else {
		confirm(run, &procs);
	}
	haproxy_procs_free(&procs);
}

static void *start(struct event_base *base, const char *object, int64_t limit_ms, reload_cb *done,
                   void *arg, struct err *err)
{
	struct master_reload *run = xcalloc(1, sizeof(*run));

	(void)err;
	*run = (struct master_reload){.base = base,
	                              .socket = xstrdup(object),
	                              .state = MASTER_ASKING,
	                              .limit_ms = limit_ms,
	                              .done = done,
	                              .arg = arg};
	run->timer = timer_new(base, ask_procs, run);
	ask_procs(run);
	return run;
}

const struct reload_method haproxy_master_reload = {
    .start = start, .cancel = cancel, .limit_ms = WORKER_MS};
