/* The states of the ZooKeeper session: resolve, connect, sync, lose, back off. Decides from
 * zoo_state(), never from a return code of the library. Always holds: one attempt at a time, and
 * every state but SYNCED, which has its probes, ends by a deadline. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "zk_internal.h"

#define RESOLVE_MS     1000 /* then the hosts whose address is known have to do */
#define CONNECT_MS     1000 /* more after each round of all hosts */
#define REPLY_MS       1000 /* a server that is silent for so long is left */
#define BACKOFF_MS     50   /* after the first round of all hosts, then doubling */
#define BACKOFF_MAX_MS 1000
#define AUTH_RETRY_MS  10000 /* after the server refused the auth scheme */
#define LOST_MS        15000 /* without a session for so long: a fresh handle */
#define STABLE_MS      5000  /* a connection that ends sooner counts as one more failure */
#define COMPLAIN_MS    60000 /* between log lines of one outage */

static void enter(struct zk *zk, enum zk_state next, const char *why);

static const char *state_name(enum zk_state state)
{
	switch (state) {
	case ZK_RESOLVING:
		return "resolving";
	case ZK_WAITING:
		return "waiting";
	case ZK_CONNECTING:
		return "connecting";
	case ZK_SYNCING:
		return "syncing";
	case ZK_SYNCED:
		return "synced";
	}
	return "?";
}

bool zk_session_up(const struct zk *zk)
{
	return zk->state == ZK_SYNCING || zk->state == ZK_SYNCED;
}

int64_t zk_session_timeout(const struct zk *zk)
{
	return zk->handle != NULL ? zoo_recv_timeout(zk->handle) : zk->session_timeout_ms;
}

int64_t zk_session_reply_ms(const struct zk *zk)
{
	int64_t third = zk_session_timeout(zk) / 3;

	return third < REPLY_MS ? third : REPLY_MS;
}

/* Rounds of all hosts that failed. */
static unsigned rounds(const struct zk *zk)
{
	size_t hosts = zk->tries_per_round > 0 ? zk->tries_per_round : 1;

	return zk->failures > 0 ? (zk->failures - 1) / (unsigned)hosts : 0;
}

/* Every host has failed at least once since the store was there. */
static bool all_failed(const struct zk *zk)
{
	return zk->failures > zk->tries_per_round;
}

/* Grows with the rounds, or a store that is only slow would never be reached; at most 2/3 of the
 * session timeout, where the library gives up by itself. */
static int64_t patience(const struct zk *zk)
{
	int64_t ms = CONNECT_MS * (1 + (int64_t)rounds(zk));
	int64_t most = (int64_t)zk->session_timeout_ms * 2 / 3;

	return ms < most ? ms : most;
}

static void describe(struct zk *zk, const char *why)
{
	char since[CLOCK_WALL_MAX];

	clock_wall(since, sizeof(since));
	if (zk->state == ZK_SYNCED)
		snprintf(zk->description, sizeof(zk->description),
		         "connected to %s since %s, session 0x%" PRIx64 ", timeout %" PRId64 " ms",
		         zk->server, since, zoo_client_id(zk->handle)->client_id,
		         zk_session_timeout(zk));
	else if (zk->state == ZK_SYNCING)
		snprintf(zk->description, sizeof(zk->description),
		         "ZooKeeper: %s: %s, the sync is not answered yet", zk->server, why);
	else if (zk->state == ZK_WAITING)
		snprintf(zk->description, sizeof(zk->description), "ZooKeeper: %s%s%s", zk->server,
		         zk->server[0] != '\0' ? ": " : "", why);
}

/* -- connection lost or not won -- */

/* One line when all hosts have failed, then one a minute. */
static void complain(struct zk *zk, const char *why)
{
	int64_t now = clock_now_ms();

	if (!all_failed(zk) || (zk->complained_ms != 0 && now - zk->complained_ms < COMPLAIN_MS))
		return;
	zk->complained_ms = now;
	log_warning("store_unreachable", KV_STR("server", zk->server), KV_STR("problem", why),
	            KV_INT("attempts", zk->failures), KV_INT("down_ms", now - zk->down_ms));
}

static void report_loss(struct zk *zk, const char *why)
{
	log_warning("store_disconnected", KV_STR("server", zk->server), KV_STR("problem", why));
	zk->announced = false;
	zk->down_ms = clock_now_ms();
	zk->lost_ms = zk->down_ms;
	if (zk->down_ms - zk->synced_ms >= STABLE_MS)
		zk->failures = 0;
}

/* Why the library will not use the handle any more, or NULL; said in the log. */
static const char *handle_end(struct zk *zk)
{
	int state = zoo_state(zk->handle);

	if (state == ZOO_EXPIRED_SESSION_STATE) {
		log_warning("store_session_expired", KV_STR("server", zk->server));
		return "the session expired";
	}
	if (state == ZOO_AUTH_FAILED_STATE) {
		log_error("store_auth_failed", KV_STR("server", zk->server),
		          KV_STR("problem", "the server refused the auth_file's scheme; next try "
		                            "in about 10 s"));
		return "the server refused the authentication of auth_file";
	}
	if (is_unrecoverable(zk->handle))
		return "the handle is not usable any more";
	if (clock_now_ms() - zk->lost_ms < LOST_MS)
		return NULL;
	if (zoo_client_id(zk->handle)->client_id != 0)
		log_warning("store_session_given_up", KV_STR("server", zk->server),
		            KV_STR("problem",
		                   "no connection for 15 s, and a store that was restored "
		                   "refuses old sessions; a new one follows"));
	return "no session for 15 s";
}

/* The one way in which a connection, or the attempt at one, ends. */
void zk_session_dropped(struct zk *zk, const char *why)
{
	char reason[sizeof(zk->trouble)];
	const char *end = NULL;
	bool refused, expired;

	snprintf(reason, sizeof(reason), "%s", why);
	zk->trouble[0] = '\0';
	zk_handle_cut(zk);
	if (zk->announced)
		report_loss(zk, reason);
	refused = zk->handle != NULL && zoo_state(zk->handle) == ZOO_AUTH_FAILED_STATE;
	expired = zk->handle != NULL && zoo_state(zk->handle) == ZOO_EXPIRED_SESSION_STATE;
	end = zk->handle != NULL ? handle_end(zk) : NULL;
	zk->failures = expired ? 0 : zk->failures + 1; /* the host is fine */
	complain(zk, reason);
	if (end != NULL)
		zk_handle_close(zk);
	enter(zk, ZK_WAITING, end != NULL ? end : reason);
	if (refused)
		zk->deadline_ms = clock_now_ms() + clock_jitter_ms(AUTH_RETRY_MS);
	if (all_failed(zk))
		zk_nodes_disconnected(zk);
	zk_writes_lost(zk);
}

/* -- states -- */

static void on_sync(int rc, const char *value, const void *data)
{
	struct zk *zk = (struct zk *)data;

	(void)value;
	zk_reply(zk, rc);
	if (zk->syncs > 0)
		zk->syncs--;
	if (zk->syncs == 0 && rc == ZOK && zk->state == ZK_SYNCING)
		enter(zk, ZK_SYNCED, "sync answered");
}

/* Replies come in the order of the requests: everything sent after the sync is read after it. */
static void start_sync(struct zk *zk)
{
	zk->heard_ms = clock_now_ms();
	if (zk_sent(zk, zoo_async(zk->handle, "/", on_sync, zk)))
		zk->syncs++;
	zk_nodes_refresh(zk);
}

static void announce(struct zk *zk)
{
	int64_t now = clock_now_ms();
	char session[24];

	zk->complained_ms = 0;
	zk->probe_ms = now + zk_read_probe_interval(zk);
	if (zk->announced)
		return;
	zk->announced = true;
	zk->synced_ms = now;
	snprintf(session, sizeof(session), "0x%" PRIx64, zoo_client_id(zk->handle)->client_id);
	log_info("store_connected", KV_STR("server", zk->server), KV_STR("session", session),
	         KV_INT("timeout_ms", zk_session_timeout(zk)), KV_INT("ms", now - zk->down_ms));
}

/* The only writer of the state. */
static void enter(struct zk *zk, enum zk_state next, const char *why)
{
	enum zk_state old = zk->state;
	int64_t now = clock_now_ms();

	log_debug("store_state", KV_STR("from", state_name(old)), KV_STR("to", state_name(next)),
	          KV_STR("reason", why));
	zk->state = next;
	zk->deadline_ms = INT64_MAX;
	if (next != ZK_SYNCED)
		zk->epoch++;
	describe(zk, why);
	switch (next) {
	case ZK_RESOLVING:
		zk->deadline_ms = now + RESOLVE_MS;
		zk_handle_resolve(zk);
		break;
	case ZK_WAITING:
		zk->deadline_ms = now + clock_backoff_ms(rounds(zk), BACKOFF_MS, BACKOFF_MAX_MS);
		break;
	case ZK_CONNECTING:
		zk->deadline_ms = now + patience(zk);
		break;
	case ZK_SYNCING:
		zk->deadline_ms = now + patience(zk);
		start_sync(zk);
		break;
	case ZK_SYNCED:
		announce(zk);
		break;
	}
	if (old == ZK_SYNCED)
		zk_nodes_disconnected(zk);
}

static void open_handle(struct zk *zk)
{
	struct err err;

	if (!zk_handle_create(zk, &err)) {
		zk_session_dropped(zk, err.message);
		return;
	}
	zk->lost_ms = clock_now_ms();
	enter(zk, ZK_CONNECTING, "new handle");
}

/* -- what the loop calls -- */

void zk_session_start(struct zk *zk)
{
	zk->down_ms = clock_now_ms();
	snprintf(zk->description, sizeof(zk->description), "ZooKeeper: not connected yet");
	enter(zk, ZK_RESOLVING, "start");
}

void zk_session_paused(struct zk *zk, int64_t gap_ms)
{
	log_warning("process_paused", KV_INT("ms", gap_ms),
	            KV_STR("action", "everything is read again"));
	enter(zk, ZK_SYNCING, "the process was paused");
}

void zk_session_check(struct zk *zk)
{
	int state;

	if (zk->fd < 0)
		return;
	state = zoo_state(zk->handle);
	if (zk->state == ZK_CONNECTING && state == ZOO_CONNECTED_STATE)
		enter(zk, ZK_SYNCING, "session established");
	else if (!zk_handle_open(zk))
		zk_session_dropped(zk, zk->trouble[0] != '\0' ? zk->trouble
		                                              : "the connection broke in a send");
}

static void check_deadlines(struct zk *zk, int64_t now)
{
	if (zk->state == ZK_CONNECTING && now >= zk->deadline_ms)
		zk_session_dropped(zk, zoo_state(zk->handle) == ZOO_ASSOCIATING_STATE
		                           ? "accepted the connection and then said nothing"
		                           : "no answer to the connection attempt");
	else if (zk->state == ZK_SYNCING && now >= zk->deadline_ms)
		zk_session_dropped(zk, "no answer to the sync");
	else if (zk->state == ZK_SYNCED && zk->in_flight > 0 &&
	         now - zk->heard_ms >= zk_session_reply_ms(zk))
		zk_session_dropped(zk, "silent: requests are not answered");
}

void zk_session_step(struct zk *zk)
{
	int64_t now = clock_now_ms();

	zk_session_check(zk);
	check_deadlines(zk, now);
	if (zk->state == ZK_WAITING && now >= zk->deadline_ms) {
		if (zk->handle == NULL)
			enter(zk, ZK_RESOLVING, "a new handle is needed");
		else
			enter(zk, ZK_CONNECTING, "next attempt");
	}
	if (zk->state == ZK_RESOLVING && zk_handle_resolved(zk, now >= zk->deadline_ms))
		open_handle(zk);
	else if (zk->state == ZK_RESOLVING && now >= zk->deadline_ms)
		zk->deadline_ms = INT64_MAX; /* the resolver's own deadline comes next */
}
