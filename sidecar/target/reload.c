/* One reload at a time. HAProxy 2.6 answers `reload` with nothing, well or not, and drops the
 * connection: so the worker's pid and the count of failures are read before, and polled after it.
 * From 2.7 on the reply says Success=0 or 1; the pid is awaited all the same.
 *
 *             request              `show proc` read            EOF or Success=1
 *   IDLE -----------------> ASKING ----------------> RELOADING ----------------> CONFIRMING --+
 *    ^ \-- reload_command -> RUNNING --exit-------------- any failure, deadline --------------+--+
 *    +-- end(): waiters are told, the requests made meanwhile start the next one ---------------+
 */
#include "target/reload.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "haproxy/model/replies.h"
#include "haproxy/socket.h"
#include "target/command.h"

#define MASTER_TIMEOUT_MS 1000
#define POLL_FIRST_MS     20
#define POLL_MAX_MS       200

enum reloader_state {
	RELOADER_IDLE,
	RELOADER_ASKING,     /* `show proc` is out: which worker is there before? */
	RELOADER_RELOADING,  /* `reload` is out */
	RELOADER_CONFIRMING, /* `show proc` is out, or the timer runs until the next one */
	RELOADER_RUNNING,    /* reload_command runs */
};

struct reload {
	struct reload *next;
	struct reloader *reloader;
	reload_cb *cb;
	void *arg;
};

struct reloader {
	struct event_base *base;
	char *master_socket, *reload_command;
	enum reloader_state state;
	struct haproxy_batch *batch;
	struct command *command;
	struct event *timer; /* the next poll, or the start of the next reload */
	int64_t worker_ms;   /* for so long a new worker is waited for */
	int64_t started_ms, last_ok_ms;
	int64_t worker_before;
	unsigned failed_before, polls;
	char *no_reply;        /* what the last failed poll said */
	struct reload *served; /* whom the reload in flight is for */
	struct reload *queued; /* who asked since it started */
	int holds;             /* targets that have clients wait: no reload starts */
};

static void timer_cb(int fd, short events, void *arg);

struct reloader *reloader_create(struct event_base *base, const char *master_socket,
                                 const char *reload_command, int64_t worker_ms)
{
	struct reloader *reloader = xcalloc(1, sizeof(*reloader));

	*reloader = (struct reloader){.base = base,
	                              .master_socket = xstrdup(master_socket),
	                              .reload_command = xstrdup(reload_command),
	                              .worker_ms = worker_ms};
	reloader->timer = event_new(base, -1, 0, timer_cb, reloader);
	return reloader;
}

void reloader_destroy(struct reloader *reloader)
{
	if (reloader == NULL)
		return;
	if (reloader->batch != NULL)
		haproxy_batch_cancel(reloader->batch);
	if (reloader->command != NULL)
		command_cancel(reloader->command);
	event_free(reloader->timer);
	free(reloader->no_reply);
	free(reloader->master_socket);
	free(reloader->reload_command);
	free(reloader);
}

static void start_timer(struct reloader *reloader, int64_t ms)
{
	struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(reloader->timer, &after);
}

/* Tells all whom this reload served; the next one starts from the loop, not from here, as a
 * callback may request or cancel. */
static void end(struct reloader *reloader, bool ok, const char *what)
{
	struct reload *reload;

	reloader->state = RELOADER_IDLE;
	if (ok)
		reloader->last_ok_ms = clock_now_ms();
	if (reloader->queued != NULL)
		start_timer(reloader, 0);
	while ((reload = reloader->served) != NULL) {
		reload_cb *cb = reload->cb;
		void *arg = reload->arg;

		reloader->served = reload->next;
		free(reload);
		cb(ok, what, arg);
	}
}

static void proc_cb(const char *reply, size_t len, const struct err *err, void *arg);

static void ask_procs(struct reloader *reloader)
{
	reloader->batch = haproxy_batch_send(reloader->base, reloader->master_socket, true,
	                                     "show proc", MASTER_TIMEOUT_MS, proc_cb, reloader);
}

static void poll_later(struct reloader *reloader)
{
	start_timer(reloader, clock_backoff_ms(++reloader->polls, POLL_FIRST_MS, POLL_MAX_MS));
}

static void end_unconfirmed(struct reloader *reloader)
{
	auto_strbuf struct strbuf what = STRBUF_INIT;

	strbuf_printf(&what, "%s: no new worker within %lld ms of `reload`: %s",
	              reloader->master_socket, (long long)reloader->worker_ms,
	              reloader->no_reply != NULL ? reloader->no_reply
	                                         : "the old one is still there");
	end(reloader, false, what.data);
}

static void confirm(struct reloader *reloader, const struct haproxy_procs *procs)
{
	auto_strbuf struct strbuf what = STRBUF_INIT;

	if (procs->failed > reloader->failed_before) {
		strbuf_printf(&what,
		              "%s: HAProxy refuses the configuration (failed reloads: %u): its log "
		              "says why; worker %lld goes on with the old one",
		              reloader->master_socket, procs->failed, (long long)procs->worker_pid);
		end(reloader, false, what.data);
	} else if (procs->worker_pid != 0 && procs->worker_pid != reloader->worker_before) {
		strbuf_printf(&what, "worker %lld took over from %lld",
		              (long long)procs->worker_pid, (long long)reloader->worker_before);
		end(reloader, true, what.data);
	} else if (clock_now_ms() - reloader->started_ms > reloader->worker_ms) {
		end_unconfirmed(reloader);
	} else {
		poll_later(reloader);
	}
}

/* The last "Success=" line and what HAProxy wrote at start-up follow one another in the reply. */
static void reload_reply_cb(const char *reply, size_t len, const struct err *err, void *arg)
{
	struct reloader *reloader = arg;
	auto_strbuf struct strbuf what = STRBUF_INIT;

	(void)err; /* 2.6 drops the connection, which may also look like a failure */
	reloader->batch = NULL;
	if (reply != NULL && strstr(reply, "Success=0") != NULL) {
		strbuf_printf(&what,
		              "%s: HAProxy refuses the configuration: ", reloader->master_socket);
		for (size_t i = 0; i < len && what.len < ERR_MAX; i++)
			if (reply[i] != '\n')
				strbuf_append_char(&what, reply[i]);
			else if (i + 1 < len)
				strbuf_append_str(&what, " | ");
		end(reloader, false, what.data);
		return;
	}
	reloader->state = RELOADER_CONFIRMING;
	poll_later(reloader);
}

static void send_reload(struct reloader *reloader, const struct haproxy_procs *procs)
{
	reloader->worker_before = procs->worker_pid;
	reloader->failed_before = procs->failed;
	reloader->started_ms = clock_now_ms();
	reloader->state = RELOADER_RELOADING;
	reloader->batch =
	    haproxy_batch_send(reloader->base, reloader->master_socket, true, "reload",
	                       reloader->worker_ms, reload_reply_cb, reloader);
}

/* While the master starts itself anew it does not answer: that is no failure before the deadline.
 */
static void no_answer(struct reloader *reloader, const struct err *err)
{
	auto_strbuf struct strbuf what = STRBUF_INIT;

	if (reloader->state == RELOADER_ASKING) {
		strbuf_printf(&what, "the master CLI does not answer: %s", err->message);
		end(reloader, false, what.data);
		return;
	}
	free(reloader->no_reply);
	reloader->no_reply = xstrdup(err->message);
	if (clock_now_ms() - reloader->started_ms > reloader->worker_ms)
		end_unconfirmed(reloader);
	else
		poll_later(reloader);
}

static void proc_cb(const char *reply, size_t len, const struct err *err, void *arg)
{
	struct reloader *reloader = arg;
	struct haproxy_procs procs;
	struct err parse_err;

	reloader->batch = NULL;
	if (reply == NULL) {
		no_answer(reloader, err);
		return;
	}
	if (!haproxy_procs_parse(reply, len, &procs, &parse_err)) {
		no_answer(reloader, &parse_err);
		return;
	}
	free(STEAL(reloader->no_reply));
	if (reloader->state == RELOADER_ASKING)
		send_reload(reloader, &procs);
	else
		confirm(reloader, &procs);
	haproxy_procs_free(&procs);
}

static void command_done_cb(bool ok, const char *what, void *arg)
{
	struct reloader *reloader = arg;

	reloader->command = NULL;
	end(reloader, ok, what);
}

static void run_command(struct reloader *reloader)
{
	struct err err;
	char **argv = command_split(reloader->reload_command, NULL, &err);

	if (argv == NULL) {
		err_wrap(&err, "reload_command");
		end(reloader, false, err.message);
		return;
	}
	reloader->state = RELOADER_RUNNING;
	reloader->command =
	    command_run(reloader->base, argv, RELOADER_COMMAND_MS, command_done_cb, reloader);
	command_argv_free(argv);
}

static void start_next(struct reloader *reloader)
{
	if (reloader->holds > 0)
		return;
	reloader->served = STEAL(reloader->queued);
	if (reloader->served == NULL)
		return;
	reloader->polls = 0;
	if (reloader->master_socket[0] == '\0') {
		run_command(reloader);
		return;
	}
	reloader->state = RELOADER_ASKING;
	ask_procs(reloader);
}

static void timer_cb(int fd, short events, void *arg)
{
	struct reloader *reloader = arg;

	(void)fd;
	(void)events;
	if (reloader->state == RELOADER_IDLE)
		start_next(reloader);
	else if (reloader->state == RELOADER_CONFIRMING && reloader->batch == NULL)
		ask_procs(reloader);
}

struct reload *reloader_request(struct reloader *reloader, reload_cb *cb, void *arg)
{
	struct reload *reload = xcalloc(1, sizeof(*reload));

	*reload =
	    (struct reload){.next = reloader->queued, .reloader = reloader, .cb = cb, .arg = arg};
	reloader->queued = reload;
	if (reloader->state == RELOADER_IDLE)
		start_timer(reloader, 0);
	return reload;
}

void reloader_hold(struct reloader *reloader, int change)
{
	reloader->holds += change;
	if (reloader->holds == 0 && reloader->queued != NULL && reloader->state == RELOADER_IDLE)
		start_timer(reloader, 0);
}

bool reloader_is_held(const struct reloader *reloader)
{
	return reloader->holds > 0;
}

static void unlink_from(struct reload **list, const struct reload *reload)
{
	while (*list != NULL && *list != reload)
		list = &(*list)->next;
	if (*list != NULL)
		*list = reload->next;
}

void reload_cancel(struct reload *reload)
{
	unlink_from(&reload->reloader->served, reload);
	unlink_from(&reload->reloader->queued, reload);
	free(reload);
}

int64_t reloader_last_ok_ms(const struct reloader *reloader)
{
	return reloader->last_ok_ms;
}
