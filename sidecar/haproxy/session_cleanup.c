/* For each worker: read the sessions, end the stale ones, and read again, as the reply to a command
 * proves nothing.
 *
 *            stale ones                     none, or ROUNDS_MAX            no more workers
 *   READING ------------> ENDING     READING ------------------> LISTING -----------------> done
 *      ^                    |           ^                            |
 *      +------ all sent ----+           +---- JUDGING <-- next old --+ (`show proc` once)
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "driver_internal.h"

#define CLEANUP_TIMEOUT_MS 2000
#define ROUNDS_MAX         4
#define SLICES_MAX         64    /* of HAPROXY_SESSIONS_MAX each */
#define LINE_MAX_BYTES     12000 /* HAProxy accepts a line of tune.bufsize, 16384 by default */

enum session_cleanup_state {
	CLEANUP_READING, /* `show sess all` is in flight */
	CLEANUP_ENDING,  /* a line of `shutdown session` is in flight; more lines may follow */
	CLEANUP_LISTING, /* `show proc` is in flight: which old workers are there? */
	CLEANUP_JUDGING, /* `show servers state` is in flight: the addresses in this old worker */
};

struct session_cleanup {
	struct haproxy_queue *socket, *master;
	enum session_cleanup_state state;
	struct haproxy_call *call;
	struct haproxy_expected expected;
	bool listed; /* `procs` has been asked for */
	struct haproxy_procs procs;
	size_t old_next; /* index in procs.old_pids */
	int64_t pid; /* the old worker being cleaned up; 0: the current one, through the socket */
	struct haproxy_session_reader *reader; /* READING */
	struct haproxy_sessions found;         /* stale sessions of that worker */
	size_t next;                           /* index in `found` of the next one to end */
	unsigned round, slices;
	unsigned ended, waiting, left, connecting;
	struct strbuf problem;
	session_cleanup_cb *cb;
	void *arg;
};

static void reply_cb(const char *reply, size_t len, const struct err *err, void *arg);

void session_cleanup_cancel(struct session_cleanup *cleanup)
{
	if (cleanup->call != NULL)
		haproxy_call_cancel(cleanup->call);
	haproxy_session_reader_destroy(cleanup->reader);
	haproxy_sessions_free(&cleanup->found);
	haproxy_expected_free(&cleanup->expected);
	haproxy_procs_free(&cleanup->procs);
	strbuf_fini(&cleanup->problem);
	free(cleanup);
}

static void finish(struct session_cleanup *cleanup)
{
	auto_strbuf struct strbuf problem = cleanup->problem;
	struct session_cleanup_result result = {.ended = cleanup->ended,
	                                        .waiting = cleanup->waiting,
	                                        .left = cleanup->left,
	                                        .connecting = cleanup->connecting,
	                                        .problem = problem.data};
	session_cleanup_cb *cb = cleanup->cb;
	void *arg = cleanup->arg;

	strbuf_init(&cleanup->problem);
	session_cleanup_cancel(cleanup);
	cb(&result, arg);
}

static bool piece_cb(const char *text, size_t len, void *arg, struct err *err)
{
	struct session_cleanup *cleanup = arg;

	return haproxy_session_reader_take(cleanup->reader, text, len, err);
}

static void ask(struct session_cleanup *cleanup, enum session_cleanup_state state, const char *line)
{
	bool old = state == CLEANUP_LISTING || cleanup->pid != 0;

	cleanup->state = state;
	cleanup->call = haproxy_queue_send(
	    old ? cleanup->master : cleanup->socket, HAPROXY_QUEUED, line, CLEANUP_TIMEOUT_MS,
	    state == CLEANUP_READING ? piece_cb : NULL, reply_cb, cleanup);
}

static void append_command(const struct session_cleanup *cleanup, struct strbuf *line,
                           const char *command)
{
	if (line->len > 0)
		strbuf_append_char(line, ';');
	if (cleanup->pid != 0)
		strbuf_printf(line, "@!%" PRId64 " ", cleanup->pid);
	strbuf_append_str(line, command);
}

static void read_sessions(struct session_cleanup *cleanup)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	append_command(cleanup, &line, "show sess all");
	cleanup->reader = haproxy_session_reader_create(&cleanup->expected);
	ask(cleanup, CLEANUP_READING, line.data);
}

static void end_some(struct session_cleanup *cleanup)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	while (cleanup->next < cleanup->found.count && line.len < LINE_MAX_BYTES) {
		auto_free char *command =
		    xasprintf("shutdown session 0x%" PRIx64, cleanup->found.ids[cleanup->next++]);

		append_command(cleanup, &line, command);
	}
	ask(cleanup, CLEANUP_ENDING, line.data);
}

static void next_worker(struct session_cleanup *cleanup)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	haproxy_sessions_free(&cleanup->found);
	cleanup->round = cleanup->slices = 0;
	if (cleanup->old_next == cleanup->procs.old_count) {
		finish(cleanup);
		return;
	}
	cleanup->pid = cleanup->procs.old_pids[cleanup->old_next++];
	append_command(cleanup, &line, "show servers state");
	ask(cleanup, CLEANUP_JUDGING, line.data);
}

/* The current worker, or an old one, is done. After the current one, asks once for old ones. */
static void worker_done(struct session_cleanup *cleanup)
{
	if (cleanup->master != NULL && !cleanup->listed)
		ask(cleanup, CLEANUP_LISTING, "show proc");
	else
		next_worker(cleanup);
}

/* A stale session is counted in the first dump that shows it. After a full slice most sessions of
 * the next dump are new, so all of them are counted. */
static void take_sessions(struct session_cleanup *cleanup)
{
	bool first = cleanup->round == 0 || cleanup->found.more;
	struct err err;

	haproxy_sessions_free(&cleanup->found);
	cleanup->next = 0;
	if (!haproxy_session_reader_end(STEAL(cleanup->reader), &cleanup->found, &err)) {
		if (cleanup->pid == 0) /* an old worker may have exited: no problem */
			strbuf_append_str(&cleanup->problem, err.message);
		worker_done(cleanup);
		return;
	}
	cleanup->connecting += (unsigned)cleanup->found.connecting;
	if (first) {
		cleanup->ended += (unsigned)cleanup->found.count;
		cleanup->waiting += (unsigned)cleanup->found.waiting;
	}
	if (!cleanup->found.more || cleanup->slices++ >= SLICES_MAX)
		cleanup->round++;
	if (cleanup->found.count > 0 && cleanup->round <= ROUNDS_MAX) {
		end_some(cleanup);
		return;
	}
	cleanup->left += (unsigned)cleanup->found.count;
	worker_done(cleanup);
}

/* An old worker that does not answer may have exited. */
static void take_servers(struct session_cleanup *cleanup, const char *reply, size_t len)
{
	struct haproxy_live live;
	struct err ignored;

	if (!haproxy_live_parse(reply, len, &live, &ignored)) {
		worker_done(cleanup);
		return;
	}
	haproxy_expected_judge(&cleanup->expected, &live);
	haproxy_live_free(&live);
	read_sessions(cleanup);
}

static void take_procs(struct session_cleanup *cleanup, const char *reply, size_t len)
{
	struct err err;

	cleanup->listed = true;
	if (!haproxy_procs_parse(reply, len, &cleanup->procs, &err))
		strbuf_append_str(&cleanup->problem, err.message);
	next_worker(cleanup);
}

static void reply_cb(const char *reply, size_t len, const struct err *err, void *arg)
{
	struct session_cleanup *cleanup = arg;

	cleanup->call = NULL;
	if (reply == NULL) {
		haproxy_session_reader_destroy(STEAL(cleanup->reader));
		if (cleanup->pid == 0)
			strbuf_printf(&cleanup->problem, "%s%s",
			              cleanup->problem.len > 0 ? "; " : "", err->message);
		cleanup->listed = cleanup->listed || cleanup->state == CLEANUP_LISTING;
		worker_done(cleanup);
		return;
	}
	switch (cleanup->state) {
	case CLEANUP_READING:
		take_sessions(cleanup);
		return;
	case CLEANUP_ENDING:
		if (cleanup->next < cleanup->found.count)
			end_some(cleanup);
		else
			read_sessions(cleanup);
		return;
	case CLEANUP_LISTING:
		take_procs(cleanup, reply, len);
		return;
	case CLEANUP_JUDGING:
		take_servers(cleanup, reply, len);
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

struct session_cleanup *session_cleanup_start(struct haproxy_queue *socket,
                                              struct haproxy_queue *master,
                                              const struct haproxy_config *desired,
                                              const struct haproxy_live *live,
                                              session_cleanup_cb *cb, void *arg)
{
	struct session_cleanup *cleanup = xcalloc(1, sizeof(*cleanup));

	*cleanup = (struct session_cleanup){
	    .socket = socket, .master = master, .problem = STRBUF_INIT, .cb = cb, .arg = arg};
	for (size_t i = 0; i < desired->server_count; i++) {
		const struct haproxy_server *server = &desired->servers[i];

		haproxy_expected_add(&cleanup->expected, server->backend, server->name,
		                     server->cut_off ? NULL : server->address, server->port);
	}
	for (size_t i = 0; i < live->count; i++) {
		const struct haproxy_live_server *server = &live->servers[i];

		if (names(desired, server->backend, NULL) &&
		    !names(desired, server->backend, server->name))
			haproxy_expected_add(&cleanup->expected, server->backend, server->name,
			                     NULL, 0);
	}
	read_sessions(cleanup);
	return cleanup;
}
