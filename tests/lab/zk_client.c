/* A synchronous ZooKeeper client for tests: one request at a time, retried over lost connections
 * and expired sessions until the server has answered it. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "lab/zk_internal.h"

#define SESSION_TIMEOUT_MS 60000
#define REQUEST_TIMEOUT_MS 30000
#define STUCK_MS           1000
#define BATCH_MAX          250 /* of a transaction; ZooKeeper takes 1 MB */

/* One turn of the client library's loop, for at most `wait_ms`; returns its socket or -1. */
static int pump(zhandle_t *zh, int wait_ms)
{
	struct pollfd pfd = {.fd = -1};
	int fd = -1, interest = 0, events = 0;
	struct timeval tv = {0, 0};

	if (zookeeper_interest(zh, &fd, &interest, &tv) == ZOK && fd >= 0) {
		pfd.fd = fd;
		pfd.events = (short)((interest & ZOOKEEPER_READ ? POLLIN : 0) |
		                     (interest & ZOOKEEPER_WRITE ? POLLOUT : 0));
	}
	poll(&pfd, 1, pfd.fd >= 0 && wait_ms > 100 ? 100 : wait_ms);
	if (pfd.revents & (POLLIN | POLLERR | POLLHUP))
		events |= ZOOKEEPER_READ;
	if (pfd.revents & POLLOUT)
		events |= ZOOKEEPER_WRITE;
	if (pfd.fd >= 0)
		zookeeper_process(zh, events);
	return pfd.fd;
}

static void ignore_event(zhandle_t *zh, int type, int state, const char *path, void *arg)
{
	(void)zh;
	(void)type;
	(void)state;
	(void)path;
	(void)arg;
}

static bool is_connected(zhandle_t *zh, const void *arg)
{
	(void)arg;
	return zoo_state(zh) == ZOO_CONNECTED_STATE;
}

static bool is_done(zhandle_t *zh, const void *arg)
{
	(void)zh;
	return ((const struct zk_request *)arg)->done;
}

/* Runs the client until `cond`. A connection without progress is given up after a second, as the
 * server may be frozen; and ZooKeeper 3.8 neither answers nor closes one that came while it was
 * starting (a NullPointerException in NIOServerCnxn.close() is in its log then). */
static bool run_until(zhandle_t *zh, bool (*cond)(zhandle_t *zh, const void *arg), const void *arg,
                      int64_t deadline)
{
	int64_t stuck_at = clock_now_ms() + STUCK_MS;

	while (!cond(zh, arg)) {
		int64_t now = clock_now_ms();
		int fd;

		if (is_unrecoverable(zh) || now >= deadline)
			return false;
		fd = pump(zh, 10);
		if (fd >= 0 && now >= stuck_at) {
			shutdown(fd, SHUT_RDWR);
			stuck_at = now + STUCK_MS;
		}
	}
	return true;
}

bool zk_connect(zhandle_t *zh, int64_t deadline)
{
	return run_until(zh, is_connected, NULL, deadline);
}

zhandle_t *zk_open(const struct lab_zk *zk, const clientid_t *id)
{
	zhandle_t *zh;

	zoo_set_debug_level((ZooLogLevel)0); /* a lost connection is no news here */
	zh = zookeeper_init(zk->hosts, ignore_event, SESSION_TIMEOUT_MS, id, NULL,
	                    ZOO_NO_LOG_CLIENTENV);
	if (zh == NULL)
		lab_fail("zookeeper_init(%s): %s", zk->hosts, strerror(errno));
	return zh;
}

void lab_zk_disconnect(struct lab_zk *zk)
{
	if (zk->session != NULL)
		zookeeper_close(STEAL(zk->session));
}

static void finish(struct zk_request *request, int rc, const struct Stat *stat)
{
	request->done = true;
	request->rc = rc;
	if (stat != NULL)
		request->stat = *stat;
}

static void stat_done(int rc, const struct Stat *stat, const void *arg)
{
	finish((struct zk_request *)arg, rc, stat);
}

static void string_done(int rc, const char *value, const void *arg)
{
	(void)value;
	finish((struct zk_request *)arg, rc, NULL);
}

static void void_done(int rc, const void *arg)
{
	finish((struct zk_request *)arg, rc, NULL);
}

static void data_done(int rc, const char *value, int len, const struct Stat *stat, const void *arg)
{
	struct zk_request *request = (struct zk_request *)arg;

	finish(request, rc, stat);
	if (rc == ZOK && request->out != NULL && len > 0)
		strbuf_append(request->out, value, (size_t)len);
}

static int send_request(zhandle_t *zh, struct zk_request *r)
{
	switch (r->verb) {
	case ZK_SET:
		return zoo_aset(zh, r->path, r->data, (int)r->len, -1, stat_done, r);
	case ZK_CREATE:
		return zoo_acreate(zh, r->path, r->data, (int)r->len, &ZOO_OPEN_ACL_UNSAFE,
		                   ZOO_PERSISTENT, string_done, r);
	case ZK_CREATE_EPHEMERAL:
		return zoo_acreate(zh, r->path, r->data, (int)r->len, &ZOO_OPEN_ACL_UNSAFE,
		                   ZOO_EPHEMERAL, string_done, r);
	case ZK_DELETE:
		return zoo_adelete(zh, r->path, -1, void_done, r);
	case ZK_GET:
		return zoo_aget(zh, r->path, 0, data_done, r);
	case ZK_EXISTS:
		return zoo_aexists(zh, r->path, 0, stat_done, r);
	case ZK_MULTI:
		return zoo_amulti(zh, (int)r->len, r->ops, r->results, void_done, r);
	}
	return ZBADARGUMENTS;
}

/* One attempt, on a connected session. The request is on the caller's stack, so that an attempt
 * ends only with its completion: closing the handle runs those that are still open. */
static int try_request(struct lab_zk *zk, struct zk_request *request, int64_t deadline)
{
	int rc;

	if (zk->session == NULL)
		zk->session = zk_open(zk, NULL);
	if (!zk_connect(zk->session, deadline)) {
		lab_zk_disconnect(zk);
		return ZCONNECTIONLOSS;
	}
	request->done = false;
	rc = send_request(zk->session, request);
	if (rc != ZOK)
		return rc;
	if (!run_until(zk->session, is_done, request, deadline))
		lab_zk_disconnect(zk);
	return request->rc;
}

static bool is_lost(int rc)
{
	return rc == ZCONNECTIONLOSS || rc == ZOPERATIONTIMEOUT || rc == ZSESSIONEXPIRED ||
	       rc == ZINVALIDSTATE || rc == ZCLOSING || rc == ZSESSIONMOVED;
}

/* ZOK, or what the server said of the node. */
static int perform(struct lab_zk *zk, struct zk_request *request)
{
	int64_t deadline = clock_now_ms() + REQUEST_TIMEOUT_MS;
	int rc;

	while (is_lost(rc = try_request(zk, request, deadline)))
		if (clock_now_ms() >= deadline)
			break;
	if (rc != ZOK && rc != ZNONODE && rc != ZNODEEXISTS)
		lab_fail("ZooKeeper request for %s: %s", request->path, zerror(rc));
	return rc;
}

static void create_parents(struct lab_zk *zk, const char *path)
{
	auto_free char *parent = xstrdup(path);

	for (char *slash = strchr(parent + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		struct zk_request create = {.verb = ZK_CREATE, .path = parent, .data = ""};

		*slash = '\0';
		perform(zk, &create);
		*slash = '/';
	}
}

/* Creates it (ZNODEEXISTS is fine: an attempt whose answer was lost) and reads its stat. */
static int64_t create_node(struct lab_zk *zk, struct zk_request *create)
{
	struct zk_request exists = {.verb = ZK_EXISTS, .path = create->path};

	if (perform(zk, create) == ZNONODE) {
		create_parents(zk, create->path);
		perform(zk, create);
	}
	if (perform(zk, &exists) != ZOK)
		lab_fail("ZooKeeper: %s was made and is not there", create->path);
	return exists.stat.mzxid;
}

int64_t lab_zk_set(struct lab_zk *zk, const char *path, const void *data, size_t len)
{
	struct zk_request set = {.verb = ZK_SET, .path = path, .data = data, .len = len};
	struct zk_request create = {.verb = ZK_CREATE, .path = path, .data = data, .len = len};

	if (perform(zk, &set) == ZOK)
		return set.stat.mzxid;
	return create_node(zk, &create);
}

/* ZNODEEXISTS is an attempt whose answer was lost: all of a transaction is done, or nothing. */
static void create_batch(struct lab_zk *zk, const char *path, int from, int count)
{
	zoo_op_t ops[BATCH_MAX];
	zoo_op_result_t results[BATCH_MAX] = {0};
	char *paths[BATCH_MAX];
	struct zk_request multi = {
	    .verb = ZK_MULTI, .path = path, .len = (size_t)count, .ops = ops, .results = results};

	for (int i = 0; i < count; i++) {
		paths[i] = xasprintf("%s-%d", path, from + i);
		zoo_create_op_init(&ops[i], paths[i], "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
	}
	perform(zk, &multi);
	for (int i = 0; i < count; i++)
		free(paths[i]);
}

void lab_zk_create_many(struct lab_zk *zk, const char *path, int count)
{
	create_parents(zk, path);
	for (int i = 0; i < count; i += BATCH_MAX)
		create_batch(zk, path, i, count - i < BATCH_MAX ? count - i : BATCH_MAX);
}

int64_t lab_zk_create_ephemeral(struct lab_zk *zk, const char *path)
{
	struct zk_request create = {.verb = ZK_CREATE_EPHEMERAL, .path = path, .data = ""};

	return create_node(zk, &create);
}

bool lab_zk_delete(struct lab_zk *zk, const char *path)
{
	struct zk_request request = {.verb = ZK_DELETE, .path = path};

	return perform(zk, &request) == ZOK;
}

bool lab_zk_get(struct lab_zk *zk, const char *path, struct strbuf *data, int64_t *mzxid)
{
	struct zk_request get = {.verb = ZK_GET, .path = path, .out = data};

	if (perform(zk, &get) != ZOK)
		return false;
	if (mzxid != NULL)
		*mzxid = get.stat.mzxid;
	return true;
}

void lab_zk_set_begin(struct lab_zk *zk, const char *path, const void *data, size_t len)
{
	int rc;

	if (zk->session == NULL)
		zk->session = zk_open(zk, NULL);
	if (!zk_connect(zk->session, clock_now_ms() + REQUEST_TIMEOUT_MS))
		lab_fail("no session with ZooKeeper at %s", zk->hosts);
	zk->begun = (struct zk_request){.verb = ZK_SET, .path = path, .data = data, .len = len};
	rc = send_request(zk->session, &zk->begun);
	if (rc != ZOK)
		lab_fail("ZooKeeper request for %s: %s", path, zerror(rc));
}

int64_t lab_zk_set_finish(struct lab_zk *zk)
{
	int64_t deadline = clock_now_ms() + REQUEST_TIMEOUT_MS;

	if (!run_until(zk->session, is_done, &zk->begun, deadline) || zk->begun.rc != ZOK)
		lab_fail("ZooKeeper did not take a set: %s", zerror(zk->begun.rc));
	return zk->begun.stat.mzxid;
}
