/* Worker by worker: read the sessions, end the stale ones, read again, as a reply is no proof.
 *
 *            stale ones                     none, or ROUNDS_MAX            no more workers
 *   READING ------------> ENDING     READING ------------------> LISTING -----------------> done
 *      ^                    |           ^                            |
 *      +------ all out -----+           +------- next old worker ----+ (`show proc` once)
 */
#include "apply/sweep.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

#define SWEEP_TIMEOUT_MS 2000
#define ROUNDS_MAX       4
#define LINE_MAX_BYTES   12000 /* HAProxy takes a line of tune.bufsize, 16384 by default */

enum sweep_state {
	SWEEP_READING, /* `show sess all` is out */
	SWEEP_ENDING,  /* a line of `shutdown session` is out, more may follow */
	SWEEP_LISTING, /* `show proc` is out: which old workers are there? */
};

struct sweep {
	struct haproxy_gate *socket, *master;
	enum sweep_state state;
	struct haproxy_call *call;
	struct haproxy_stays stays;
	int64_t *old_pids;
	size_t old_count, old_next;
	int64_t pid; /* the old worker at hand; 0: the current one, through the socket */
	char **ids;  /* stale in the worker at hand */
	size_t id_count, id_next;
	unsigned round;
	unsigned ended, left, connecting;
	struct strbuf problem;
	sweep_cb *cb;
	void *arg;
};

static void reply_cb(const char *reply, size_t len, const struct err *err, void *arg);

static void drop_ids(struct sweep *sweep)
{
	for (size_t i = 0; i < sweep->id_count; i++)
		free(sweep->ids[i]);
	free(sweep->ids);
	sweep->ids = NULL;
	sweep->id_count = sweep->id_next = 0;
}

static void sweep_free(struct sweep *sweep)
{
	drop_ids(sweep);
	haproxy_stays_free(&sweep->stays);
	free(sweep->old_pids);
	strbuf_fini(&sweep->problem);
	free(sweep);
}

static void finish(struct sweep *sweep)
{
	auto_strbuf struct strbuf problem = sweep->problem;
	struct sweep_result result = {.ended = sweep->ended,
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

static void read_sessions(struct sweep *sweep)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	append_command(sweep, &line, "show sess all");
	ask(sweep, SWEEP_READING, line.data);
}

static void end_some(struct sweep *sweep)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	while (sweep->id_next < sweep->id_count && line.len < LINE_MAX_BYTES) {
		auto_free char *command =
		    xasprintf("shutdown session %s", sweep->ids[sweep->id_next++]);

		append_command(sweep, &line, command);
	}
	ask(sweep, SWEEP_ENDING, line.data);
}

static void next_worker(struct sweep *sweep)
{
	drop_ids(sweep);
	sweep->round = 0;
	if (sweep->master == NULL || sweep->old_next == sweep->old_count) {
		finish(sweep);
		return;
	}
	sweep->pid = sweep->old_pids[sweep->old_next++];
	read_sessions(sweep);
}

/* The current worker is done: are there old ones? */
static void worker_done(struct sweep *sweep)
{
	if (sweep->master != NULL && sweep->old_pids == NULL && sweep->pid == 0)
		ask(sweep, SWEEP_LISTING, "show proc");
	else
		next_worker(sweep);
}

static bool find_stale(struct sweep *sweep, const char *reply, size_t len, struct err *err)
{
	struct haproxy_sessions found;

	if (!haproxy_sessions_stale(reply, len, &sweep->stays, &found, err))
		return false;
	sweep->ids = STEAL(found.ids);
	sweep->id_count = found.count;
	sweep->connecting += (unsigned)found.connecting;
	return true;
}

static void take_sessions(struct sweep *sweep, const char *reply, size_t len)
{
	struct err err;

	drop_ids(sweep);
	if (!find_stale(sweep, reply, len, &err)) {
		if (sweep->pid == 0) /* an old worker may be gone by now */
			strbuf_append_str(&sweep->problem, err.message);
		worker_done(sweep);
		return;
	}
	if (sweep->round == 0)
		sweep->ended += (unsigned)sweep->id_count;
	if (sweep->id_count > 0 && sweep->round < ROUNDS_MAX) {
		sweep->round++;
		end_some(sweep);
		return;
	}
	sweep->left += (unsigned)sweep->id_count;
	worker_done(sweep);
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
		reply_failed(sweep, err);
		return;
	}
	switch (sweep->state) {
	case SWEEP_READING:
		take_sessions(sweep, reply, len);
		return;
	case SWEEP_ENDING:
		if (sweep->id_next < sweep->id_count)
			end_some(sweep);
		else
			read_sessions(sweep);
		return;
	case SWEEP_LISTING:
		take_procs(sweep, reply, len);
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
