/* A synchronous ZooKeeper client for tests: one request at a time, retried over lost connections
 * and expired sessions until the server has answered it. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lab/zk_internal.h"

#define SESSION_TIMEOUT_MS 60000
#define REQUEST_TIMEOUT_MS 30000
#define SESSIONS_MAX       64

enum verb { VERB_SET, VERB_CREATE, VERB_CREATE_EPHEMERAL, VERB_DELETE, VERB_GET, VERB_EXISTS };

struct request {
	enum verb verb;
	const char *path;
	const void *data;
	size_t len;
	struct strbuf *out; /* VERB_GET */
	bool done;
	int rc;
	struct Stat stat;
};

/* One turn of the client library's loop, for at most `wait_ms`. */
static void pump(zhandle_t *zh, int wait_ms)
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
}

static void ignore_event(zhandle_t *zh, int type, int state, const char *path, void *arg)
{
	(void)zh;
	(void)type;
	(void)state;
	(void)path;
	(void)arg;
}

static bool connect_handle(zhandle_t *zh, int64_t deadline)
{
	while (zoo_state(zh) != ZOO_CONNECTED_STATE) {
		if (is_unrecoverable(zh) || clock_now_ms() >= deadline)
			return false;
		pump(zh, 10);
	}
	return true;
}

static zhandle_t *open_handle(struct lab_zk *zk, const clientid_t *id)
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

static void finish(struct request *request, int rc, const struct Stat *stat)
{
	request->done = true;
	request->rc = rc;
	if (stat != NULL)
		request->stat = *stat;
}

static void stat_done(int rc, const struct Stat *stat, const void *arg)
{
	finish((struct request *)arg, rc, stat);
}

static void string_done(int rc, const char *value, const void *arg)
{
	(void)value;
	finish((struct request *)arg, rc, NULL);
}

static void void_done(int rc, const void *arg)
{
	finish((struct request *)arg, rc, NULL);
}

static void data_done(int rc, const char *value, int len, const struct Stat *stat, const void *arg)
{
	struct request *request = (struct request *)arg;

	finish(request, rc, stat);
	if (rc == ZOK && request->out != NULL && len > 0)
		strbuf_append(request->out, value, (size_t)len);
}

static int send_request(zhandle_t *zh, struct request *r)
{
	switch (r->verb) {
	case VERB_SET:
		return zoo_aset(zh, r->path, r->data, (int)r->len, -1, stat_done, r);
	case VERB_CREATE:
		return zoo_acreate(zh, r->path, r->data, (int)r->len, &ZOO_OPEN_ACL_UNSAFE,
		                   ZOO_PERSISTENT, string_done, r);
	case VERB_CREATE_EPHEMERAL:
		return zoo_acreate(zh, r->path, r->data, (int)r->len, &ZOO_OPEN_ACL_UNSAFE,
		                   ZOO_EPHEMERAL, string_done, r);
	case VERB_DELETE:
		return zoo_adelete(zh, r->path, -1, void_done, r);
	case VERB_GET:
		return zoo_aget(zh, r->path, 0, data_done, r);
	case VERB_EXISTS:
		return zoo_aexists(zh, r->path, 0, stat_done, r);
	}
	return ZBADARGUMENTS;
}

/* One attempt, on a connected session. The request is on the caller's stack, so that an attempt
 * ends only with its completion: closing the handle runs those that are still open. */
static int try_request(struct lab_zk *zk, struct request *request, int64_t deadline)
{
	int rc;

	if (zk->session == NULL)
		zk->session = open_handle(zk, NULL);
	if (!connect_handle(zk->session, deadline)) {
		lab_zk_disconnect(zk);
		return ZCONNECTIONLOSS;
	}
	request->done = false;
	rc = send_request(zk->session, request);
	if (rc != ZOK)
		return rc;
	while (!request->done && clock_now_ms() < deadline)
		pump(zk->session, 10);
	if (!request->done)
		lab_zk_disconnect(zk);
	return request->rc;
}

static bool is_lost(int rc)
{
	return rc == ZCONNECTIONLOSS || rc == ZOPERATIONTIMEOUT || rc == ZSESSIONEXPIRED ||
	       rc == ZINVALIDSTATE || rc == ZCLOSING || rc == ZSESSIONMOVED;
}

/* ZOK, or what the server said of the node. */
static int perform(struct lab_zk *zk, struct request *request)
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
		struct request create = {.verb = VERB_CREATE, .path = parent, .data = ""};

		*slash = '\0';
		perform(zk, &create);
		*slash = '/';
	}
}

/* Creates it (ZNODEEXISTS is fine: an attempt whose answer was lost) and reads its stat. */
static int64_t create_node(struct lab_zk *zk, struct request *create)
{
	struct request exists = {.verb = VERB_EXISTS, .path = create->path};

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
	struct request set = {.verb = VERB_SET, .path = path, .data = data, .len = len};
	struct request create = {.verb = VERB_CREATE, .path = path, .data = data, .len = len};

	if (perform(zk, &set) == ZOK)
		return set.stat.mzxid;
	return create_node(zk, &create);
}

int64_t lab_zk_create_ephemeral(struct lab_zk *zk, const char *path)
{
	struct request create = {.verb = VERB_CREATE_EPHEMERAL, .path = path, .data = ""};

	return create_node(zk, &create);
}

bool lab_zk_delete(struct lab_zk *zk, const char *path)
{
	struct request request = {.verb = VERB_DELETE, .path = path};

	return perform(zk, &request) == ZOK;
}

bool lab_zk_get(struct lab_zk *zk, const char *path, struct strbuf *data, int64_t *mzxid)
{
	struct request get = {.verb = VERB_GET, .path = path, .out = data};

	if (perform(zk, &get) != ZOK)
		return false;
	if (mzxid != NULL)
		*mzxid = get.stat.mzxid;
	return true;
}

/* ZooKeeper 3.8's SessionTrackerImpl makes the password from the id: java.util.Random seeded with
 * id ^ 0xB3415C00, whose generator is the 48-bit one of drand48(3). */
static void session_password(int64_t id, char password[16])
{
	const uint64_t multiplier = 0x5DEECE66D, mask = (1ULL << 48) - 1;
	uint64_t seed = (((uint64_t)id ^ 0xB3415C00) ^ multiplier) & mask;

	for (int i = 0; i < 16; i += 4) {
		uint32_t word;

		seed = (seed * multiplier + 0xB) & mask;
		word = (uint32_t)(seed >> 16);
		for (int j = 0; j < 4; j++)
			password[i + j] = (char)(word >> (8 * j));
	}
}

/* Takes the session over, as the same client on another connection would, and ends it. */
static bool expire_session(struct lab_zk *zk, int64_t id)
{
	clientid_t client = {.client_id = id};
	zhandle_t *zh;
	bool taken;

	session_password(id, client.passwd);
	zh = open_handle(zk, &client);
	taken = connect_handle(zh, clock_now_ms() + REQUEST_TIMEOUT_MS);
	zookeeper_close(zh);
	return taken;
}

/* The ids in the reply to `cons`: "/127.0.0.1:41234[1](queued=0,...,sid=0x1000a,...)". */
static size_t sessions_of(const struct lab_zk *zk, int server, int64_t *ids, size_t max)
{
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	size_t count = 0;

	if (!zk_ask(zk, server, "cons", &reply))
		return 0;
	for (const char *at = reply.data; count < max && (at = strstr(at, "sid=0x")) != NULL; at++)
		ids[count++] = (int64_t)strtoull(at + strlen("sid="), NULL, 16);
	return count;
}

int lab_zk_expire_others(struct lab_zk *zk)
{
	int64_t own = zk->session != NULL ? zoo_client_id(zk->session)->client_id : 0;
	int64_t ids[SESSIONS_MAX];
	size_t count = 0;
	int expired = 0;

	for (int i = 0; i < zk->count; i++)
		count += sessions_of(zk, i, ids + count, SESSIONS_MAX - count);
	for (size_t i = 0; i < count; i++)
		if (ids[i] != own && ids[i] != 0 && expire_session(zk, ids[i]))
			expired++;
	return expired;
}
