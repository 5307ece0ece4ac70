/* The ZooKeeper handle, one call of libzookeeper-st each; its faults are worked around here and in
 * zk_hosts.c. Refuses to look at return codes where zoo_state() knows better. Always holds:
 * zookeeper_close() runs neither inside a callback nor with a socket that could make it wait. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "zk_internal.h"

#define PACKETS_MAX 128 /* a turn of the loop */

/* The library holds an open socket. */
bool zk_handle_open(const struct zk *zk)
{
	int state;

	if (zk->handle == NULL || zk->fd < 0)
		return false;
	state = zoo_state(zk->handle);
	return state == ZOO_CONNECTED_STATE || state == ZOO_CONNECTING_STATE ||
	       state == ZOO_ASSOCIATING_STATE;
}

/* libzookeeper's own lines say in many words what store_ events say in one. */
static void on_library_log(const char *message)
{
	log_debug("libzookeeper", KV_STR("message", message));
}

static void on_session_event(zhandle_t *handle, int type, int state, const char *path, void *arg)
{
	(void)handle;
	(void)type;
	(void)state;
	(void)path;
	(void)arg;
}

bool zk_handle_create(struct zk *zk, struct err *err)
{
	auto_strbuf struct strbuf hosts = STRBUF_INIT;

	zk->tries_per_round = zk_hosts_connect_string(&zk->hosts, &hosts);
	if (zk->tries_per_round == 0)
		return err_set(err, "no host name resolves");
	zoo_set_debug_level(ZOO_LOG_LEVEL_WARN);
	zk->handle = zookeeper_init2(hosts.data, on_session_event, zk->session_timeout_ms, NULL, zk,
	                             ZOO_NO_LOG_CLIENTENV, on_library_log);
	if (zk->handle == NULL)
		return err_set_errno(err, errno, "zookeeper_init");
	zoo_set_servers_resolution_delay(zk->handle, -1);
	if (zk->auth_scheme != NULL)
		zoo_add_auth(zk->handle, zk->auth_scheme, zk->auth_cert, (int)strlen(zk->auth_cert),
		             NULL, NULL);
	return true;
}

/* Answers what is in flight with ZCLOSING. */
static void close_handle(struct zk *zk)
{
	zk->fd = -1;
	zookeeper_close(zk->handle);
	zk->handle = NULL;
	zk->in_flight = 0;
	zk->syncs = 0;
	zk_nodes_forget(zk, false);
}

void zk_handle_close(struct zk *zk)
{
	if (zk->handle == NULL)
		return;
	if (zk_handle_open(zk)) /* or zookeeper_close() would wait for the server */
		shutdown(zk->fd, SHUT_RDWR);
	close_handle(zk);
}

/* The request to end the session goes after what still waits to be sent: where nothing does, and
 * the socket takes more, only an answer is waited for. */
static bool can_say_goodbye(const struct zk *zk)
{
	struct pollfd socket = {.fd = zk->fd, .events = POLLOUT};

	return zk_handle_open(zk) && zk->state == ZK_SYNCED && (zk->interest & POLLOUT) == 0 &&
	       poll(&socket, 1, 0) == 1 && socket.revents == POLLOUT;
}

/* The server hangs up when the session has ended and its nodes are gone. */
static void await_hangup(int fd, int64_t deadline_ms)
{
	struct pollfd socket = {.fd = fd, .events = POLLIN};
	char unread[4096];
	int64_t left;

	while ((left = deadline_ms - clock_now_ms()) > 0)
		if (poll(&socket, 1, (int)left) == 1 && recv(fd, unread, sizeof(unread), 0) <= 0)
			return;
}

void zk_handle_end(struct zk *zk)
{
	int64_t deadline_ms = clock_now_ms() + ZK_END_MS;
	auto_close int kept = -1;

	/* The library waits for one answer, be it to an earlier request: the hang-up is heard on
	 * a descriptor that outlives the library's. */
	if (zk->handle != NULL && can_say_goodbye(zk))
		kept = fcntl(zk->fd, F_DUPFD_CLOEXEC, 0);
	if (kept < 0) {
		zk_handle_close(zk);
		return;
	}
	close_handle(zk);
	await_hangup(kept, deadline_ms);
}

/* Takes the socket away from the library, which then turns to the next host. */
void zk_handle_cut(struct zk *zk)
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
	} else if (zk->complained_ms == 0) { /* an address known from before stays in use */
		log_warning("store_host_unresolved", KV_STR("host", host->host),
		            KV_STR("problem", problem));
	}
	zk_wake(zk);
}

void zk_handle_resolve(struct zk *zk)
{
	for (size_t i = 0; i < zk->hosts.count; i++) {
		struct zk_lookup *lookup = &zk->lookups[i];

		if (zk->hosts.hosts[i].numeric || lookup->query != NULL)
			continue;
		*lookup = (struct zk_lookup){.zk = zk, .index = i};
		lookup->query =
		    resolver_ask_all(zk->resolver, zk->hosts.hosts[i].host, on_resolved, lookup);
	}
}

static bool still_resolving(const struct zk *zk)
{
	for (size_t i = 0; i < zk->hosts.count; i++)
		if (zk->lookups[i].query != NULL)
			return true;
	return false;
}

static bool any_address(const struct zk *zk)
{
	for (size_t i = 0; i < zk->hosts.count; i++)
		if (zk->hosts.hosts[i].address_count > 0)
			return true;
	return false;
}

bool zk_handle_resolved(const struct zk *zk, bool late)
{
	return !still_resolving(zk) || (late && any_address(zk));
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
	/* libzookeeper's word for an orderly close */
	bool closed = errnum == 0 || errnum == EHOSTDOWN || errnum == EAGAIN;

	snprintf(zk->trouble, sizeof(zk->trouble), "%s: %s", what,
	         closed ? "the server closed the connection" : strerror(errnum));
}

void zk_handle_receive(struct zk *zk, short what)
{
	int events = 0;

	if (zk->fd < 0)
		return;
	if ((what & EV_TIMEOUT) != 0) /* libevent then keeps readiness to itself */
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
		zk_read_queued(zk); /* a change was notified: not one system call later */
		events = ZOOKEEPER_READ;
	}
}

/* A connection attempt has just begun on `fd`. */
static void attempt_begun(struct zk *zk, int fd)
{
	zk->fd = fd;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	snprintf(zk->server, sizeof(zk->server), "%s", zoo_get_current_server(zk->handle));
}

void zk_handle_interest(struct zk *zk, short *what, int64_t *delay_ms)
{
	int fd = -1, interest = 0, rc = ZOK;
	struct timeval tv = {.tv_sec = 0};

	if (zk->state != ZK_CONNECTING && !zk_session_up(zk))
		return;
	errno = 0;
	rc = zookeeper_interest(zk->handle, &fd, &interest, &tv);
	if (rc == ZOK && fd < 0) /* the library's own back-off; ours is over */
		rc = zookeeper_interest(zk->handle, &fd, &interest, &tv);
	if (rc != ZOK || fd < 0) {
		zk_session_dropped(zk, rc == ZOPERATIONTIMEOUT
		                           ? "silent for 2/3 of the session timeout"
		                       : errno != 0 ? strerror(errno)
		                                    : zerror(rc));
		return;
	}
	if (zk->fd < 0)
		attempt_begun(zk, fd);
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
