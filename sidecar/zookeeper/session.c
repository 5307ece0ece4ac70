/* The ZooKeeper session: its place in the event loop, the library's handle, and the connection
 * states. It decides by zoo_state(), never by a return code of the library. There is one connection
 * attempt at a time, and every state except SYNCED, which has its probes, has a deadline. */
#include "zookeeper/session.h"
#include "session_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"

#define AUTH_SCHEME "digest"
#define AUTH_PREFIX AUTH_SCHEME " "

/* --- the handle --- */
/* The calls of libzookeeper-st. Its faults are worked around here and in hosts.c. Return codes are
 * not used where zoo_state() is more reliable. zookeeper_close() runs neither inside a callback nor
 * with a socket that could make it block. */

#define PACKETS_MAX 128 /* in one turn of the loop */

bool zk_handle_open(const struct zk *zk)
{
	int state;

	if (zk->handle == NULL || zk->fd < 0)
		return false;
	state = zoo_state(zk->handle);
	return state == ZOO_CONNECTED_STATE || state == ZOO_CONNECTING_STATE ||
	       state == ZOO_ASSOCIATING_STATE;
}

/* The completions of all requests in flight are called with ZCLOSING. */
static void close_handle(struct zk *zk)
{
	zk->fd = -1;
	zookeeper_close(zk->handle);
	zk->handle = NULL;
	zk->in_flight = 0;
	zk->syncs = 0;
	zk_nodes_forget(zk, false);
}

static void zk_handle_close(struct zk *zk)
{
	if (zk->handle == NULL)
		return;
	if (zk_handle_open(zk)) /* else zookeeper_close() would wait for the server */
		shutdown(zk->fd, SHUT_RDWR);
	close_handle(zk);
}

/* Shuts down the library's socket, so that the library turns to the next host. */
static void zk_handle_cut(struct zk *zk)
{
	if (zk_handle_open(zk))
		shutdown(zk->fd, SHUT_RDWR);
	for (int i = 0; i < PACKETS_MAX && zk_handle_open(zk); i++)
		if (zookeeper_process(zk->handle, ZOOKEEPER_READ | ZOOKEEPER_WRITE) == ZNOTHING)
			break;
	if (zk_handle_open(zk))
		zk_handle_close(zk);
	zk->fd = -1;
}

/* -- host names -- */

static_assert(RESOLVER_ADDRESSES_MAX == ZK_HOST_ADDRESSES_MAX, "addresses are copied as they are");

static void on_resolved(char (*addresses)[TOPOLOGY_ADDRESS_MAX], size_t count, const char *problem,
                        void *arg)
{
	struct zk_lookup *lookup = arg;
	struct zk *zk = lookup->zk;
	struct zk_host *host = &zk->hosts.hosts[lookup->index];

	lookup->query = NULL;
	if (count > 0) {
		memcpy(host->addresses, addresses, count * sizeof(*addresses));
		host->address_count = count;
	} else if (zk->outage_logged_ms == 0) { /* an address that is known already stays in use */
		log_warning("store_host_unresolved", KV_STR("host", host->host),
		            KV_STR("problem", problem));
	}
	zk_wake(zk);
}

static void look_up_hosts(struct zk *zk)
{
	for (size_t i = 0; i < zk->hosts.count; i++) {
		struct zk_lookup *lookup = &zk->lookups[i];

		if (zk->hosts.hosts[i].numeric || lookup->query != NULL)
			continue;
		*lookup = (struct zk_lookup){.zk = zk, .index = i};
		lookup->query =
		    resolver_ask(zk->resolver, zk->hosts.hosts[i].host, on_resolved, lookup);
	}
}

/* Every name is answered, or it is late and a host has an address. */
static bool is_resolved(const struct zk *zk, bool late)
{
	bool resolving = false, any = false;

	for (size_t i = 0; i < zk->hosts.count; i++) {
		resolving |= zk->lookups[i].query != NULL;
		any |= zk->hosts.hosts[i].address_count > 0;
	}
	return !resolving || (late && any);
}

/* --- the connection states --- */

#define RESOLVE_MS     1000 /* then the known addresses have to do */
#define CONNECT_MS     1000 /* per attempt; as much more after each round of all hosts */
#define REPLY_MS       1000 /* a server that does not answer for so long is abandoned */
#define BACKOFF_MS     50   /* after the first failed round of all hosts, then doubling */
#define BACKOFF_MAX_MS 1000
#define AUTH_RETRY_S   10    /* after the server refused the auth scheme */
#define LOST_S         15    /* without a session for so long: opens a new handle */
#define STABLE_MS      5000  /* a connection that ends sooner counts as one more failure */
#define OUTAGE_LOG_MS  60000 /* between log lines of one outage */

#define TEXT_OF(number) #number
#define SECONDS(number) TEXT_OF(number) " s"
#define AUTH_RETRY      SECONDS(AUTH_RETRY_S)
#define NO_CONNECTION   "no connection for " SECONDS(LOST_S)
#define AUTH_REFUSED    "the server refused the authentication scheme in auth_file"

static void enter(struct zk *zk, enum zk_state next, const char *why);

bool zk_session_up(const struct zk *zk)
{
	return zk->state == ZK_SYNCING || zk->state == ZK_SYNCED;
}

int64_t zk_session_timeout(const struct zk *zk)
{
	return zk->handle != NULL ? zoo_recv_timeout(zk->handle) : zk->session_timeout_ms;
}

/* ms; at most a third of the negotiated session timeout */
static int64_t reply_ms(const struct zk *zk)
{
	int64_t third = zk_session_timeout(zk) / 3;

	return third < REPLY_MS ? third : REPLY_MS;
}

/* How often all hosts have failed. */
static unsigned rounds(const struct zk *zk)
{
	size_t hosts = zk->tries_per_round > 0 ? zk->tries_per_round : 1;

	return zk->failures > 0 ? (zk->failures - 1) / (unsigned)hosts : 0;
}

/* Every host has failed at least once since the last connection. */
static bool all_failed(const struct zk *zk)
{
	return zk->failures > zk->tries_per_round;
}

/* Time for one attempt, in ms. It grows with each round, so that a slow server can be reached too.
 * At most 2/3 of the session timeout: then the library gives up by itself. */
static int64_t attempt_ms(const struct zk *zk)
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

/* -- the end of a connection or of an attempt -- */

/* Logs one line when all hosts have failed, then one every OUTAGE_LOG_MS. */
static void log_outage(struct zk *zk, const char *why)
{
	int64_t now = clock_now_ms();

	if (!all_failed(zk) ||
	    (zk->outage_logged_ms != 0 && now - zk->outage_logged_ms < OUTAGE_LOG_MS))
		return;
	zk->outage_logged_ms = now;
	log_warning("store_unreachable", KV_STR("server", zk->server), KV_STR("problem", why),
	            KV_INT("attempts", zk->failures), KV_INT("down_ms", now - zk->down_ms));
}

static void log_loss(struct zk *zk, const char *why)
{
	log_warning("store_disconnected", KV_STR("server", zk->server), KV_STR("problem", why));
	zk->announced = false;
	zk->down_ms = clock_now_ms();
	zk->lost_ms = zk->down_ms;
	if (zk->down_ms - zk->synced_ms >= STABLE_MS)
		zk->failures = 0;
}

/* Why the handle has to be replaced, or NULL. Also logs it. */
static const char *handle_end(struct zk *zk, int state)
{
	if (state == ZOO_EXPIRED_SESSION_STATE) {
		log_warning("store_session_expired", KV_STR("server", zk->server));
		return "the session expired";
	}
	if (state == ZOO_AUTH_FAILED_STATE) {
		log_error("store_auth_failed", KV_STR("server", zk->server),
		          KV_STR("problem", AUTH_REFUSED "; next attempt in about " AUTH_RETRY));
		return AUTH_REFUSED;
	}
	if (is_unrecoverable(zk->handle))
		return "the handle is not usable any more";
	if (clock_now_ms() - zk->lost_ms < LOST_S * INT64_C(1000))
		return NULL;
	if (zoo_client_id(zk->handle)->client_id != 0)
		log_warning("store_session_given_up", KV_STR("server", zk->server),
		            KV_STR("problem",
		                   NO_CONNECTION "; segue opens a new session, because a "
		                                 "restored ZooKeeper refuses old ones"));
	return NO_CONNECTION;
}

/* Every connection and every attempt at one ends here. */
static void drop(struct zk *zk, const char *why)
{
	char reason[sizeof(zk->trouble)];
	const char *end = NULL;
	int state = 0;

	snprintf(reason, sizeof(reason), "%s", why);
	zk->trouble[0] = '\0';
	zk_handle_cut(zk);
	if (zk->announced)
		log_loss(zk, reason);
	if (zk->handle != NULL) {
		state = zoo_state(zk->handle);
		end = handle_end(zk, state);
	}
	/* an expiry is no failure of the host */
	zk->failures = state == ZOO_EXPIRED_SESSION_STATE ? 0 : zk->failures + 1;
	log_outage(zk, reason);
	if (end != NULL)
		zk_handle_close(zk);
	enter(zk, ZK_WAITING, end != NULL ? end : reason);
	if (state == ZOO_AUTH_FAILED_STATE)
		zk->deadline_ms = clock_now_ms() + clock_jitter_ms(AUTH_RETRY_S * INT64_C(1000));
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

static void announce(struct zk *zk)
{
	int64_t now = clock_now_ms();
	char session[24];

	zk->outage_logged_ms = 0;
	zk->probe_ms = now + zk_read_probe_interval(zk);
	if (zk->announced)
		return;
	zk->announced = true;
	zk->synced_ms = now;
	snprintf(session, sizeof(session), "0x%" PRIx64, zoo_client_id(zk->handle)->client_id);
	log_info("store_connected", KV_STR("server", zk->server), KV_STR("session", session),
	         KV_INT("timeout_ms", zk_session_timeout(zk)), KV_INT("ms", now - zk->down_ms));
}

/* The only function that sets the state. */
static void enter(struct zk *zk, enum zk_state next, const char *why)
{
	static const char *const names[] = {
	    "resolving", "waiting", "connecting", "syncing", "synced",
	};
	enum zk_state old = zk->state;
	int64_t now = clock_now_ms();

	log_debug("store_state", KV_STR("from", names[old]), KV_STR("to", names[next]),
	          KV_STR("reason", why));
	zk->state = next;
	zk->deadline_ms = INT64_MAX;
	if (next != ZK_SYNCED)
		zk->epoch++;
	describe(zk, why);
	switch (next) {
	case ZK_RESOLVING:
		zk->deadline_ms = now + RESOLVE_MS;
		look_up_hosts(zk);
		break;
	case ZK_WAITING:
		zk->deadline_ms = now + clock_backoff_ms(rounds(zk), BACKOFF_MS, BACKOFF_MAX_MS);
		break;
	case ZK_CONNECTING:
		zk->deadline_ms = now + attempt_ms(zk);
		break;
	case ZK_SYNCING:
		zk->deadline_ms = now + attempt_ms(zk);
		zk->replied_ms = now;
		if (zk_sent(zk, zoo_async(zk->handle, "/", on_sync, zk)))
			zk->syncs++;
		/* Replies come in the order of the requests: what is read after the sync is
		 * current. */
		zk_nodes_refresh(zk);
		break;
	case ZK_SYNCED:
		announce(zk);
		break;
	}
	if (old == ZK_SYNCED)
		zk_nodes_disconnected(zk);
}

/* The store_* events already report what libzookeeper logs, in fewer words. */
static void on_library_log(const char *message)
{
	log_debug("libzookeeper", KV_STR("message", message));
}

static void open_handle(struct zk *zk)
{
	auto_strbuf struct strbuf hosts = STRBUF_INIT;
	struct err err;

	zk->tries_per_round = zk_hosts_connect_string(&zk->hosts, &hosts);
	if (zk->tries_per_round == 0) {
		drop(zk, "no host name resolves");
		return;
	}
	zoo_set_debug_level(ZOO_LOG_LEVEL_WARN);
	zk->handle = zookeeper_init2(hosts.data, NULL, zk->session_timeout_ms, NULL, zk,
	                             ZOO_NO_LOG_CLIENTENV, on_library_log);
	if (zk->handle == NULL) {
		err_set_errno(&err, errno, "zookeeper_init");
		drop(zk, err.message);
		return;
	}
	zoo_set_servers_resolution_delay(zk->handle, -1);
	if (zk->user != NULL)
		zoo_add_auth(zk->handle, AUTH_SCHEME, zk->user, (int)strlen(zk->user), NULL, NULL);
	zk->lost_ms = clock_now_ms();
	enter(zk, ZK_CONNECTING, "new handle");
}

/* -- the socket -- */

static int ready_events(const struct zk *zk)
{
	struct pollfd poll_fd = {.fd = zk->fd, .events = zk->interest};
	int events = 0;

	if (poll(&poll_fd, 1, 0) <= 0)
		return 0;
	if ((poll_fd.revents & (POLLIN | POLLERR | POLLHUP)) != 0)
		events |= ZOOKEEPER_READ;
	if ((poll_fd.revents & (POLLOUT | POLLERR | POLLHUP)) != 0)
		events |= ZOOKEEPER_WRITE;
	return events;
}

static void note_trouble(struct zk *zk, int state_before, int errnum)
{
	const char *what = state_before == ZOO_CONNECTING_STATE    ? "cannot connect"
	                   : state_before == ZOO_ASSOCIATING_STATE ? "no session granted"
	                                                           : "connection lost";
	/* what libzookeeper leaves in errno after an orderly close */
	bool closed = errnum == 0 || errnum == EHOSTDOWN || errnum == EAGAIN;

	snprintf(zk->trouble, sizeof(zk->trouble), "%s: %s", what,
	         closed ? "the server closed the connection" : strerror(errnum));
}

static void receive(struct zk *zk, short what)
{
	int events = 0;

	if (zk->fd < 0)
		return;
	/* With EV_TIMEOUT libevent does not report whether the socket is ready. */
	if ((what & EV_TIMEOUT) != 0)
		events = ready_events(zk);
	if ((what & EV_READ) != 0)
		events |= ZOOKEEPER_READ;
	if ((what & EV_WRITE) != 0)
		events |= ZOOKEEPER_WRITE;
	for (int i = 0; events != 0 && i < PACKETS_MAX; i++) {
		int before = zoo_state(zk->handle), rc;

		errno = 0;
		rc = zookeeper_process(zk->handle, events);
		if (rc != ZOK && rc != ZNOTHING && !zk_handle_open(zk))
			note_trouble(zk, before, errno);
		if (rc != ZOK)
			return;
		/* A watch event may have come: read the znode before the next system call. */
		zk_read_queued(zk);
		events = ZOOKEEPER_READ;
	}
}

/* Asks the library which events (EV_*) it waits for, and for how long at most. */
static void ask_interest(struct zk *zk, short *what, int64_t *delay_ms)
{
	int fd = -1, interest = 0, rc = ZOK;
	struct timeval tv = {.tv_sec = 0};

	if (zk->state != ZK_CONNECTING && !zk_session_up(zk))
		return;
	errno = 0;
	rc = zookeeper_interest(zk->handle, &fd, &interest, &tv);
	if (rc == ZOK && fd < 0) /* this was the library's own back-off; ours is over */
		rc = zookeeper_interest(zk->handle, &fd, &interest, &tv);
	if (rc != ZOK || fd < 0) {
		drop(zk, rc == ZOPERATIONTIMEOUT ? "nothing received for 2/3 of the session timeout"
		         : errno != 0            ? strerror(errno)
		                                 : zerror(rc));
		return;
	}
	if (zk->fd < 0) { /* a connection attempt has just begun */
		zk->fd = fd;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		snprintf(zk->server, sizeof(zk->server), "%s", zoo_get_current_server(zk->handle));
	}
	zk->interest = 0;
	if ((interest & ZOOKEEPER_READ) != 0) {
		zk->interest |= POLLIN;
		*what |= EV_READ;
	}
	if ((interest & ZOOKEEPER_WRITE) != 0) {
		zk->interest |= POLLOUT;
		*what |= EV_WRITE;
	}
	*delay_ms = (int64_t)tv.tv_sec * 1000 + (tv.tv_usec + 999) / 1000;
}

/* -- one turn of the loop -- */

/* Detects that the library has established or lost the connection. */
static void check_connection(struct zk *zk)
{
	if (zk->fd < 0)
		return;
	if (zk->state == ZK_CONNECTING && zoo_state(zk->handle) == ZOO_CONNECTED_STATE)
		enter(zk, ZK_SYNCING, "session established");
	else if (!zk_handle_open(zk))
		drop(zk, zk->trouble[0] != '\0' ? zk->trouble
		                                : "the connection was lost while sending");
}

/* Acts on the deadline of the state that has passed. */
static void check_deadlines(struct zk *zk, int64_t now)
{
	bool late = now >= zk->deadline_ms;

	if (zk->state == ZK_CONNECTING && late)
		drop(zk, zoo_state(zk->handle) == ZOO_ASSOCIATING_STATE
		             ? "the server accepted the connection but did not answer"
		             : "no answer to the connection attempt");
	else if (zk->state == ZK_SYNCING && late)
		drop(zk, "no answer to the sync");
	else if (zk->state == ZK_SYNCED && zk->in_flight > 0 &&
	         now - zk->replied_ms >= reply_ms(zk))
		drop(zk, "the server does not answer requests");
	if (zk->state == ZK_WAITING && now >= zk->deadline_ms) {
		if (zk->handle == NULL)
			enter(zk, ZK_RESOLVING, "a new handle is needed");
		else
			enter(zk, ZK_CONNECTING, "next attempt");
	}
	if (zk->state == ZK_RESOLVING && is_resolved(zk, now >= zk->deadline_ms))
		open_handle(zk);
	else if (zk->state == ZK_RESOLVING && now >= zk->deadline_ms)
		zk->deadline_ms = INT64_MAX; /* the resolver has a deadline of its own */
}

static int64_t next_deadline(const struct zk *zk)
{
	int64_t silent = zk->replied_ms + reply_ms(zk), deadline = zk->deadline_ms;
	int64_t writes = zk_writes_deadline(zk);

	if (zk->state == ZK_SYNCED)
		deadline = zk->probe_ms;
	if (zk_session_up(zk) && zk->in_flight > 0 && silent < deadline)
		deadline = silent;
	return writes < deadline ? writes : deadline;
}

#define SLEEP_MAX_MS 60000

/* Everything happens here, so that no callback runs inside a call of the user. Then it sleeps until
 * the nearest deadline. */
static void run(evutil_socket_t fd, short what, void *arg)
{
	struct zk *zk = arg;
	int64_t now = clock_now_ms(), gap = now - zk->ran_ms, sleep_ms = SLEEP_MAX_MS, left;
	struct timeval tv;
	short interest = 0;

	(void)fd;
	zk->ran_ms = now;
	if (zk_session_up(zk) && gap > zk_session_timeout(zk) / 2) {
		log_warning("process_paused", KV_INT("ms", gap),
		            KV_STR("action", "reads everything again"));
		enter(zk, ZK_SYNCING, "the process was paused");
	}
	receive(zk, what);
	check_connection(zk);
	check_deadlines(zk, clock_now_ms());
	zk_read_queued(zk);
	zk_writes_step(zk);
	zk_read_probe(zk);
	check_connection(zk);
	ask_interest(zk, &interest, &sleep_ms);
	left = next_deadline(zk) - clock_now_ms();
	sleep_ms = left < sleep_ms ? left : sleep_ms;
	sleep_ms = sleep_ms < 1 ? 1 : sleep_ms > SLEEP_MAX_MS ? SLEEP_MAX_MS : sleep_ms;
	tv = (struct timeval){.tv_sec = sleep_ms / 1000, .tv_usec = sleep_ms % 1000 * 1000};
	event_del(&zk->event);
	event_assign(&zk->event, zk->base, interest != 0 ? zk->fd : -1, interest, run, zk);
	event_add(&zk->event, &tv);
}

void zk_wake(struct zk *zk)
{
	event_active(&zk->event, EV_TIMEOUT, 0);
}

/* --- what the caller calls --- */

bool zk_auth_check(const char *auth, struct err *err)
{
	return (strncmp(auth, AUTH_PREFIX, strlen(AUTH_PREFIX)) == 0 && strchr(auth, ':') != NULL &&
	        strchr(auth, '\n') == NULL) ||
	       err_set(err, "one line \"digest user:password\" is expected");
}

static bool take_options(struct zk *zk, const struct zk_options *options, struct err *err)
{
	if (!zk_hosts_parse(options->hosts, &zk->hosts, err))
		return err_wrap(err, "hosts");
	if (*options->auth == '\0')
		return true;
	if (!zk_auth_check(options->auth, err))
		return err_wrap(err, "auth_file");
	zk->user = xstrdup(options->auth + strlen(AUTH_PREFIX));
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
	zk->ran_ms = zk->down_ms = clock_now_ms();
	event_assign(&zk->event, base, -1, 0, run, zk);
	if (!take_options(zk, options, err)) {
		zk_destroy(zk);
		return NULL;
	}
	snprintf(zk->description, sizeof(zk->description), "ZooKeeper: not connected yet");
	enter(zk, ZK_RESOLVING, "start");
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
	free(zk->user);
	free(zk);
}

/* zookeeper_close() sends its request after everything that still waits to be sent. It blocks only
 * for an answer if nothing waits and the socket is writable. */
static bool can_close_session(const struct zk *zk)
{
	struct pollfd socket = {.fd = zk->fd, .events = POLLOUT};

	return zk_handle_open(zk) && zk->state == ZK_SYNCED && (zk->interest & POLLOUT) == 0 &&
	       poll(&socket, 1, 0) == 1 && socket.revents == POLLOUT;
}

/* The server closes the connection when the session is closed and its ephemeral znodes are
 * deleted. */
static void await_hangup(int fd, int64_t deadline_ms)
{
	struct pollfd socket = {.fd = fd, .events = POLLIN};
	char unread[4096];
	int64_t left;

	while ((left = deadline_ms - clock_now_ms()) > 0)
		if (poll(&socket, 1, (int)left) == 1 && recv(fd, unread, sizeof(unread), 0) <= 0)
			return;
}

/* The library waits for one answer only, which may be that to an earlier request. So the end of the
 * connection is awaited on a duplicate of the library's descriptor. */
void zk_end(struct zk *zk)
{
	int64_t deadline_ms = clock_now_ms() + ZK_END_MS;
	auto_close int kept = -1;

	if (zk == NULL)
		return;
	zk_writes_silence(zk);
	if (can_close_session(zk))
		kept = fcntl(zk->fd, F_DUPFD_CLOEXEC, 0);
	if (kept >= 0) {
		close_handle(zk);
		await_hangup(kept, deadline_ms);
	} else {
		zk_handle_close(zk);
	}
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
