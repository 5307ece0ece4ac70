/* Worker by worker: read the sessions, end the stale ones, read again, as a reply is no proof.
 *
 *            stale ones                     none, or ROUNDS_MAX            no more workers
 *   READING ------------> ENDING     READING ------------------> LISTING -----------------> done
 *      ^                    |           ^                            |
 *      +------ all out -----+           +---- JUDGING <-- next old --+ (`show proc` once)
 */
#include "apply/sweep.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

#define SWEEP_TIMEOUT_MS 2000
#define ROUNDS_MAX       4
#define SLICES_MAX       64    /* of HAPROXY_SESSIONS_MAX each */
#define LINE_MAX_BYTES   12000 /* HAProxy takes a line of tune.bufsize, 16384 by default */

enum sweep_state {
	SWEEP_READING, /* `show sess all` is out */
	SWEEP_ENDING,  /* a line of `shutdown session` is out, more may follow */
	SWEEP_LISTING, /* `show proc` is out: which old workers are there? */
	SWEEP_JUDGING, /* `show servers state` is out: where does this old worker lead? */
};

struct sweep {
	struct haproxy_gate *socket, *master;
	enum sweep_state state;
	struct haproxy_call *call;
	struct haproxy_stays stays;
	int64_t *old_pids;
	size_t old_count, old_next;
	int64_t pid; /* the old worker at hand; 0: the current one, through the socket */
	struct haproxy_session_reader *reader; /* READING */
	struct haproxy_sessions found;         /* stale in the worker at hand */
	size_t next;                           /* of `found` */
	unsigned round, slices;
	unsigned ended, waiting, left, connecting;
	struct strbuf problem;
	sweep_cb *cb;
	void *arg;
};

static void reply_cb(const char *reply, size_t len, const struct err *err, void *arg);

static void sweep_free(struct sweep *sweep)
{
	haproxy_session_reader_destroy(sweep->reader);
	haproxy_sessions_free(&sweep->found);
	haproxy_stays_free(&sweep->stays);
	free(sweep->old_pids);
	strbuf_fini(&sweep->problem);
	free(sweep);
}

static void finish(struct sweep *sweep)
{
	auto_strbuf struct strbuf problem = sweep->problem;
	struct sweep_result result = {.ended = sweep->ended,
	                              .waiting = sweep->waiting,
	                              .left = sweep->left,
	                              .connecting = sweep->connecting,
	                              .problem = problem.data};
	sweep_cb *cb = sweep->cb;
	void *arg = sweep->arg;

	strbuf_init(&sweep->problem);
	sweep_free(sweep);
	cb(&result, arg);
}

static void ask(struct sweep *sweep, enum sweep_state state, const char *line)
{
	bool old = state == SWEEP_LISTING || sweep->pid != 0;

	sweep->state = state;
	sweep->call = haproxy_gate_send(old ? sweep->master : sweep->socket, HAPROXY_QUEUED, line,
	                                SWEEP_TIMEOUT_MS, reply_cb, sweep);
}

static void append_command(const struct sweep *sweep, struct strbuf *line, const char *command)
{
	if (line->len > 0)
		strbuf_append_char(line, ';');
	if (sweep->pid != 0)
		strbuf_printf(line, "@!%" PRId64 " ", sweep->pid);
	strbuf_append_str(line, command);
}

static bool piece_cb(const char *text, size_t len, void *arg, struct err *err)
{
	struct sweep *sweep = arg;

	return haproxy_session_reader_take(sweep->reader, text, len, err);
}

static void read_sessions(struct sweep *sweep)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	append_command(sweep, &line, "show sess all");
	sweep->state = SWEEP_READING;
	sweep->reader = haproxy_session_reader_create(&sweep->stays);
	sweep->call = haproxy_gate_stream(sweep->pid != 0 ? sweep->master : sweep->socket,
	                                  line.data, SWEEP_TIMEOUT_MS, piece_cb, reply_cb, sweep);
}

static void judge_servers(struct sweep *sweep)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	append_command(sweep, &line, "show servers state");
	ask(sweep, SWEEP_JUDGING, line.data);
}

static void end_some(struct sweep *sweep)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	while (sweep->next < sweep->found.count && line.len < LINE_MAX_BYTES) {
		auto_free char *command =
		    xasprintf("shutdown session 0x%" PRIx64, sweep->found.ids[sweep->next++]);

		append_command(sweep, &line, command);
	}
	ask(sweep, SWEEP_ENDING, line.data);
}

static void next_worker(struct sweep *sweep)
{
	haproxy_sessions_free(&sweep->found);
	sweep->round = sweep->slices = 0;
	if (sweep->master == NULL || sweep->old_next == sweep->old_count) {
		finish(sweep);
		return;
	}
	sweep->pid = sweep->old_pids[sweep->old_next++];
	judge_servers(sweep);
}

/* The current worker is done: are there old ones? */
static void worker_done(struct sweep *sweep)
{
	if (sweep->master != NULL && sweep->old_pids == NULL && sweep->pid == 0)
		ask(sweep, SWEEP_LISTING, "show proc");
	else
		next_worker(sweep);
}

/* What was told to end is counted when it is seen first: in a slice that follows a full one, most
 * are new. */
static void take_sessions(struct sweep *sweep)
{
	bool first = sweep->round == 0 || sweep->found.more;
	bool again;
	struct err err;

	haproxy_sessions_free(&sweep->found);
	sweep->next = 0;
	if (!haproxy_session_reader_end(STEAL(sweep->reader), &sweep->found, &err)) {
		if (sweep->pid == 0) /* an old worker may be gone by now */
			strbuf_append_str(&sweep->problem, err.message);
		worker_done(sweep);
		return;
	}
	sweep->connecting += (unsigned)sweep->found.connecting;
	if (first) {
		sweep->ended += (unsigned)sweep->found.count;
		sweep->waiting += (unsigned)sweep->found.waiting;
	}
	if (!sweep->found.more || sweep->slices++ >= SLICES_MAX)
		sweep->round++;
	again = sweep->round <= ROUNDS_MAX;
	if (sweep->found.count > 0 && again) {
		end_some(sweep);
		return;
	}
	sweep->left += (unsigned)sweep->found.count;
	worker_done(sweep);
}

/* An old worker that does not tell may be gone by now. */
static void take_servers(struct sweep *sweep, const char *reply, size_t len)
{
	struct haproxy_live live;
	struct err ignored;

	if (!haproxy_live_parse(reply, len, &live, &ignored)) {
		worker_done(sweep);
		return;
	}
	haproxy_stays_judge(&sweep->stays, &live);
	haproxy_live_free(&live);
	read_sessions(sweep);
}

static void take_procs(struct sweep *sweep, const char *reply, size_t len)
{
	struct haproxy_procs procs;
	struct err err;

	if (!haproxy_procs_parse(reply, len, &procs, &err)) {
		strbuf_append_str(&sweep->problem, err.message);
		finish(sweep);
		return;
	}
	sweep->old_count = procs.old_count;
	sweep->old_pids = xcalloc(procs.old_count, sizeof(*sweep->old_pids));
	for (size_t i = 0; i < procs.old_count; i++)
		sweep->old_pids[i] = procs.old_pids[i];
	haproxy_procs_free(&procs);
	next_worker(sweep);
}

static void reply_failed(struct sweep *sweep, const struct err *err)
{
	if (sweep->pid == 0)
		strbuf_printf(&sweep->problem, "%s%s", sweep->problem.len > 0 ? "; " : "",
		              err->message);
	if (sweep->state == SWEEP_LISTING)
		finish(sweep);
	else
		worker_done(sweep);
}

static void reply_cb(const char *reply, size_t len, const struct err *err, void *arg)
{
	struct sweep *sweep = arg;

	sweep->call = NULL;
	if (reply == NULL) {
		haproxy_session_reader_destroy(STEAL(sweep->reader));
		reply_failed(sweep, err);
		return;
	}
	switch (sweep->state) {
	case SWEEP_READING:
		take_sessions(sweep);
		return;
	case SWEEP_ENDING:
		if (sweep->next < sweep->found.count)
			end_some(sweep);
		else
			read_sessions(sweep);
		return;
	case SWEEP_LISTING:
		take_procs(sweep, reply, len);
		return;
	case SWEEP_JUDGING:
		take_servers(sweep, reply, len);
		return;
	}
}

static bool names(const struct haproxy_config *desired, const char *backend, const char *server)
{
	for (size_t i = 0; i < desired->server_count; i++)
		if (strcmp(desired->servers[i].backend, backend) == 0 &&
		    (server == NULL || strcmp(desired->servers[i].name, server) == 0))
			return true;
	return false;
}

struct sweep *sweep_start(struct haproxy_gate *socket, struct haproxy_gate *master,
                          const struct haproxy_config *desired, const struct haproxy_live *live,
                          sweep_cb *cb, void *arg)
{
	struct sweep *sweep = xcalloc(1, sizeof(*sweep));

	*sweep = (struct sweep){
	    .socket = socket, .master = master, .problem = STRBUF_INIT, .cb = cb, .arg = arg};
	for (size_t i = 0; i < desired->server_count; i++) {
		const struct haproxy_server *server = &desired->servers[i];

		haproxy_stays_add(&sweep->stays, server->backend, server->name,
		                  server->cut_off ? NULL : server->address, server->port);
	}
	for (size_t i = 0; i < live->count; i++) {
		const struct haproxy_live_server *server = &live->servers[i];

		if (names(desired, server->backend, NULL) &&
		    !names(desired, server->backend, server->name))
			haproxy_stays_add(&sweep->stays, server->backend, server->name, NULL, 0);
	}
	read_sessions(sweep);
	return sweep;
}

void sweep_cancel(struct sweep *sweep)
{
	haproxy_call_cancel(sweep->call);
	sweep_free(sweep);
}
