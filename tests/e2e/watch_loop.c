/* See the header. */
#include "watch_loop.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/clock.h"

void watch_loop_open(struct watch_loop *loop, const char *hosts, int session_timeout_ms,
                     const char *auth)
{
	const struct zk_options options = {
	    .hosts = hosts, .session_timeout_ms = session_timeout_ms, .auth = auth};
	struct err err;

	loop->base = event_base_new();
	loop->resolver = resolver_create(loop->base, &err);
	cr_assert_not_null(loop->resolver);
	loop->zk = zk_create(loop->base, loop->resolver, &options, &err);
	cr_assert_not_null(loop->zk, "%s", err.message);
}

void watch_loop_close(struct watch_loop *loop)
{
	zk_destroy(loop->zk);
	resolver_destroy(loop->resolver);
	event_base_loop(loop->base, EVLOOP_NONBLOCK); /* evdns frees what was cancelled */
	event_base_free(loop->base);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

bool watch_loop_until(struct watch_loop *loop, bool (*cond)(void *arg), void *arg,
                      int64_t timeout_ms)
{
	int64_t deadline = clock_now_ms() + timeout_ms;

	while (!cond(arg)) {
		int64_t left = deadline - clock_now_ms();
		struct timeval tv = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};

		if (left <= 0)
			return false;
		event_base_loopexit(loop->base, &tv);
		event_base_loop(loop->base, EVLOOP_ONCE);
	}
	return true;
}

void watch_loop_turn(struct watch_loop *loop, int64_t ms)
{
	watch_loop_until(loop, never, NULL, ms);
}

static void on_fact(const struct zk_node_fact *fact, void *arg)
{
	struct probe *probe = arg;

	if (probe->fact.connected && !fact->connected)
		probe->losses++;
	probe->calls++;
	strbuf_reset(&probe->problem);
	if (fact->problem != NULL)
		strbuf_append_str(&probe->problem, fact->problem);
	if (fact->connected)
		strbuf_reset(&probe->data);
	if (fact->data != NULL)
		strbuf_append(&probe->data, fact->data, fact->size);
	probe->fact = *fact;
}

void probe_start(struct probe *probe, struct watch_loop *loop, const char *path,
                 enum zk_watch_flags flags, size_t max_size)
{
	*probe = (struct probe){.data = STRBUF_INIT, .problem = STRBUF_INIT};
	probe->node = zk_watch(loop->zk, path, flags, max_size, on_fact, probe);
	cr_assert_eq(probe->calls, 0, "called back inside zk_watch()");
}

void probe_fini(struct probe *probe)
{
	strbuf_fini(&probe->data);
	strbuf_fini(&probe->problem);
}

struct wanted {
	const struct probe *probe;
	const char *data;
	enum zk_node_state state;
	int number;
};

static bool has_data(void *arg)
{
	const struct wanted *wanted = arg;
	const struct probe *probe = wanted->probe;

	return probe->fact.connected && probe->fact.state == ZK_NODE_PRESENT &&
	       strcmp(probe->data.data, wanted->data) == 0;
}

static bool has_state(void *arg)
{
	const struct wanted *wanted = arg;

	return wanted->probe->fact.connected && wanted->probe->fact.state == wanted->state;
}

static bool has_ephemerals(void *arg)
{
	const struct wanted *wanted = arg;

	return wanted->probe->fact.connected &&
	       wanted->probe->fact.ephemeral_children == wanted->number;
}

static bool has_connected(void *arg)
{
	const struct wanted *wanted = arg;

	return wanted->probe->calls > 0 && wanted->probe->fact.connected == (wanted->number != 0);
}

static void wait_for(struct watch_loop *loop, bool (*cond)(void *arg), struct wanted *wanted)
{
	const struct probe *probe = wanted->probe;

	cr_assert(watch_loop_until(loop, cond, wanted, WAIT_MS),
	          "wanted state %d, number %d, data '%s'; state %d, connected %d, ephemerals %d, "
	          "data '%.40s', problem '%s', %d calls; %s",
	          wanted->state, wanted->number, wanted->data != NULL ? wanted->data : "",
	          probe->fact.state, probe->fact.connected, probe->fact.ephemeral_children,
	          probe->data.data, probe->problem.data, probe->calls, zk_describe(loop->zk));
}

void probe_wait_data(struct probe *probe, struct watch_loop *loop, const char *data)
{
	wait_for(loop, has_data, &(struct wanted){.probe = probe, .data = data});
}

void probe_wait_state(struct probe *probe, struct watch_loop *loop, enum zk_node_state state)
{
	wait_for(loop, has_state, &(struct wanted){.probe = probe, .state = state});
}

void probe_wait_ephemerals(struct probe *probe, struct watch_loop *loop, int count)
{
	wait_for(loop, has_ephemerals, &(struct wanted){.probe = probe, .number = count});
}

void probe_wait_connected(struct probe *probe, struct watch_loop *loop, bool connected)
{
	wait_for(loop, has_connected, &(struct wanted){.probe = probe, .number = connected});
}
