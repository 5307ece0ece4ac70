/* The ZooKeeper session's place in the event loop; see the header. Refuses to call back from inside
 * a call: everything happens in run(), which sleeps until the nearest real deadline. */
#include "watch/zk.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "zk_internal.h"

#define SLEEP_MAX_MS 60000

static int64_t next_deadline(const struct zk *zk)
{
	int64_t silent = zk->heard_ms + zk_session_reply_ms(zk), deadline = zk->deadline_ms;
	int64_t writes = zk_writes_deadline(zk);

	if (zk->state == ZK_SYNCED)
		deadline = zk->probe_ms;
	if (zk_session_up(zk) && zk->in_flight > 0 && silent < deadline)
		deadline = silent;
	return writes < deadline ? writes : deadline;
}

static void run(evutil_socket_t fd, short what, void *arg);

static void arm(struct zk *zk, short interest, int64_t library_ms)
{
	int64_t delay = next_deadline(zk) - clock_now_ms();
	struct timeval tv;

	delay = delay < library_ms ? delay : library_ms;
	delay = delay < 1 ? 1 : delay > SLEEP_MAX_MS ? SLEEP_MAX_MS : delay;
	tv = (struct timeval){.tv_sec = delay / 1000, .tv_usec = delay % 1000 * 1000};
	event_del(&zk->event);
	event_assign(&zk->event, zk->base, interest != 0 ? zk->fd : -1, interest, run, zk);
	event_add(&zk->event, &tv);
}

static void run(evutil_socket_t fd, short what, void *arg)
{
	struct zk *zk = arg;
	int64_t now = clock_now_ms(), gap = now - zk->ran_ms, library_ms = SLEEP_MAX_MS;
	short interest = 0;

	(void)fd;
	zk->ran_ms = now;
	if (zk_session_up(zk) && gap > zk_session_timeout(zk) / 2)
		zk_session_paused(zk, gap);
	zk_handle_receive(zk, what);
	zk_session_step(zk);
	zk_read_queued(zk);
	zk_writes_step(zk);
	zk_read_probe(zk);
	zk_session_check(zk);
	zk_handle_interest(zk, &interest, &library_ms);
	arm(zk, interest, library_ms);
}

void zk_wake(struct zk *zk)
{
	event_active(&zk->event, EV_TIMEOUT, 0);
}

static bool parse_auth(struct zk *zk, const char *auth, struct err *err)
{
	const char *blank = strchr(auth, ' ');

	if (*auth == '\0')
		return true;
	if (blank == NULL || blank == auth || blank[1] == '\0')
		return err_set(err, "auth_file: expected one line \"digest user:password\"");
	zk->auth_scheme = xstrndup(auth, (size_t)(blank - auth));
	zk->auth_cert = xstrdup(blank + 1);
	if (strcmp(zk->auth_scheme, "digest") != 0 || strchr(zk->auth_cert, ':') == NULL)
		return err_set(err, "auth_file: expected one line \"digest user:password\"");
	return true;
}

struct zk *zk_create(struct event_base *base, struct resolver *resolver,
                     const struct zk_options *options, struct err *err)
{
	struct zk *zk = xcalloc(1, sizeof(*zk));

	zk->base = base;
	zk->resolver = resolver;
	zk->session_timeout_ms = options->session_timeout_ms;
	zk->fd = -1;
	zk->queue_end = &zk->queue;
	zk->ran_ms = clock_now_ms();
	event_assign(&zk->event, base, -1, 0, run, zk);
	if (!zk_hosts_parse(options->hosts, &zk->hosts, err)) {
		err_wrap(err, "hosts");
		zk_destroy(zk);
		return NULL;
	}
	if (!parse_auth(zk, options->auth, err)) {
		zk_destroy(zk);
		return NULL;
	}
	zk_session_start(zk);
	zk_wake(zk);
	return zk;
}

void zk_destroy(struct zk *zk)
{
	if (zk == NULL)
		return;
	event_del(&zk->event);
	for (size_t i = 0; i < zk->hosts.count; i++)
		if (zk->lookups[i].query != NULL)
			resolver_cancel(zk->lookups[i].query);
	zk_writes_flush(zk);
	zk_writes_silence(zk);
	zk_handle_close(zk);
	zk_writes_forget(zk);
	zk_nodes_forget(zk, true);
	zk_hosts_free(&zk->hosts);
	free(zk->auth_scheme);
	free(zk->auth_cert);
	free(zk);
}

void zk_end(struct zk *zk)
{
	if (zk == NULL)
		return;
	zk_writes_silence(zk);
	zk_handle_end(zk);
	zk_destroy(zk);
}

bool zk_connected(const struct zk *zk)
{
	return zk->state == ZK_SYNCED;
}

const char *zk_describe(const struct zk *zk)
{
	return zk->description;
}
