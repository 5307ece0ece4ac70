/* Reads which servers are still held or fenced ("closed"), sets them as in the text, and reads
 * again, as the reply to a command proves nothing. At most ROUNDS_MAX rounds of commands.
 *
 *                            something is closed
 *   start ---> READING -------------------------------> OPENING --+
 *               |  ^                                       |      | all open, a limit
 *       nothing |  +--- WAITING <---- still closed --------+      | of the hold is left
 *               +-----> done <------- all open ------------+-- TIDYING
 */
#include "haproxy/release.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/timer.h"
#include "haproxy/model/batch.h"
#include "haproxy/model/diff.h"
#include "haproxy/socket.h"

#define ROUNDS_MAX    5
#define WAIT_FIRST_MS 10 /* HAProxy 3.0 and later change an address only after the reply */
#define WAIT_MAX_MS   100
#define ADMIN_MAINT   1 /* SRV_ADMF_FMAINT of HAProxy */

struct haproxy_release {
	struct event_base *base;
	char *socket;
	struct haproxy_config config;
	const struct haproxy_hold_record *record;
	int64_t timeout_ms;
	struct haproxy_call *call;
	struct timer *timer;  /* WAITING */
	unsigned rounds;      /* of commands */
	bool opening, tidied; /* the last batch had commands; the batch of TIDYING has been sent */
	size_t released;
	haproxy_release_cb *cb;
	void *arg;
};

static bool is_at(const char *address, uint16_t port, const char *at, uint16_t at_port)
{
	return port == at_port && strcmp(address, at) == 0;
}

/* Such a maxconn that the text does not have comes from a hold. It has to be raised to a number:
 * setting "no limit" does not wake the clients in the queue. */
static bool has_limit_of_hold(const struct haproxy_server *server,
                              const struct haproxy_live_server *live)
{
	return live->counted && live->maxconn == HAPROXY_MAXCONN_HELD &&
	       server->maxconn != HAPROXY_MAXCONN_UNKNOWN &&
	       server->maxconn != HAPROXY_MAXCONN_HELD;
}

static bool is_closed(const struct haproxy_hold_record *record, const struct haproxy_server *server,
                      const struct haproxy_live_server *live)
{
	if (record->kind != HAPROXY_RECORD_NONE && has_limit_of_hold(server, live))
		return true;
	if (record->closed_address != NULL &&
	    is_at(live->address, live->port, record->closed_address, record->closed_port) &&
	    !is_at(server->address, server->port, record->closed_address, record->closed_port))
		return true;
	return record->kind == HAPROXY_RECORD_FENCE && (live->admin & ADMIN_MAINT) != 0 &&
	       !server->disabled &&
	       (record->primary_address == NULL ||
	        is_at(server->address, server->port, record->primary_address,
	              record->primary_port));
}

/* Returns the number of closed servers, and in `diff` the commands that open them. `closed` names
 * no backends, so that haproxy_diff() does not remove other servers. */
static size_t find_closed(const struct haproxy_release *release,
                          const struct haproxy_batch_reply *reply, struct haproxy_diff *diff)
{
	const struct haproxy_live *live = &reply->live;
	const struct haproxy_abilities abilities = {.late_address = reply->info.major >=
	                                                            HAPROXY_LATE_ADDRESS_FROM};
	const struct haproxy_config *config = &release->config;
	struct haproxy_config closed = {.servers =
	                                    xcalloc(config->server_count, sizeof(*closed.servers))};
	size_t count = 0;

	for (size_t i = 0; i < config->server_count; i++) {
		const struct haproxy_server *server = &config->servers[i];
		const struct haproxy_live_server *one =
		    haproxy_live_find(live, server->backend, server->name, NULL);

		if (one == NULL)
			continue;
		if (is_closed(release->record, server, one))
			count++;
		else if (!one->counted || one->maxconn != HAPROXY_MAXCONN_OPEN)
			continue;
		closed.servers[closed.server_count++] = *server;
	}
	haproxy_diff(&closed, live, abilities, diff);
	free(closed.servers);
	return count;
}

void haproxy_release_cancel(struct haproxy_release *release)
{
	if (release->call != NULL)
		haproxy_call_cancel(release->call);
	timer_free(release->timer);
	haproxy_config_free(&release->config);
	free(release->socket);
	free(release);
}

static void finish(struct haproxy_release *release, const struct err *err)
{
	haproxy_release_cb *cb = release->cb;
	size_t released = release->released;
	void *arg = release->arg;

	haproxy_release_cancel(release);
	cb(released, err, arg);
}

static void reply_cb(const char *text, size_t len, const struct err *err, void *arg);

static void send_batch(struct haproxy_release *release, const char *commands)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	/* commands that do not fit into the line are left to the next round */
	(void)!haproxy_batch_line(commands, &release->config, &line);
	release->call = haproxy_call_start(release->base, release->socket, false, line.data,
	                                   release->timeout_ms, reply_cb, release);
}

static void on_timer(void *arg)
{
	send_batch(arg, "");
}

static void go_on(struct haproxy_release *release, const struct haproxy_batch_reply *reply)
{
	struct haproxy_diff diff;
	size_t closed = find_closed(release, reply, &diff);
	struct err err;

	if (release->rounds == 0)
		release->released = closed;
	if (closed == 0 && diff.tidy.len > 0 && !release->tidied) {
		release->tidied = true;
		send_batch(release, diff.tidy.data);
	} else if (closed == 0) {
		finish(release, NULL);
	} else if (!release->opening && release->rounds < ROUNDS_MAX) {
		release->opening = true;
		release->rounds++;
		send_batch(release, diff.commands.data);
	} else if (release->rounds < ROUNDS_MAX) {
		release->opening = false;
		timer_start(release->timer,
		            clock_backoff_ms(release->rounds - 1, WAIT_FIRST_MS, WAIT_MAX_MS));
	} else {
		err_set(&err,
		        "%s: HAProxy did not apply the commands: still different: %s; HAProxy "
		        "answered: %s",
		        release->socket, diff.summary.data, reply->said.data);
		finish(release, &err);
	}
	haproxy_diff_free(&diff);
}

static void reply_cb(const char *text, size_t len, const struct err *err, void *arg)
{
	struct haproxy_release *release = arg;
	struct haproxy_batch_reply reply;
	struct err problem;

	release->call = NULL;
	if (text == NULL) {
		finish(release, err);
	} else if (!haproxy_batch_parse(text, len, &reply, &problem)) {
		err_wrap(&problem, "%s", release->socket);
		finish(release, &problem);
	} else {
		go_on(release, &reply);
		haproxy_batch_free(&reply);
	}
}

struct haproxy_release *haproxy_release_start(struct event_base *base,
                                              const struct haproxy_release_job *job,
                                              haproxy_release_cb *cb, void *arg, struct err *err)
{
	struct haproxy_release *release;
	struct haproxy_config config;

	if (!haproxy_config_parse(job->text, job->len, &config, err))
		return NULL;
	release = xcalloc(1, sizeof(*release));
	*release = (struct haproxy_release){.base = base,
	                                    .socket = xstrdup(job->socket),
	                                    .config = config,
	                                    .record = job->record,
	                                    .timeout_ms = job->timeout_ms,
	                                    .cb = cb,
	                                    .arg = arg};
	release->timer = timer_new(base, on_timer, release);
	send_batch(release, "");
	return release;
}

struct outcome {
	bool ok;
	size_t released;
	struct err *err;
};

static void take_outcome(size_t released, const struct err *err, void *arg)
{
	struct outcome *outcome = arg;

	outcome->ok = err == NULL;
	outcome->released = released;
	if (err != NULL)
		*outcome->err = *err;
}

bool haproxy_release_wait(const struct haproxy_release_job *job, size_t *released, struct err *err)
{
	struct event_base *base = event_base_new();
	struct outcome outcome = {.err = err};

	if (haproxy_release_start(base, job, take_outcome, &outcome, err) != NULL)
		event_base_dispatch(base); /* returns when no event is pending */
	event_base_free(base);
	*released = outcome.released;
	return outcome.ok;
}
