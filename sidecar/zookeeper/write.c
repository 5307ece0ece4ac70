/* One-time requests to ZooKeeper. Nothing is sent before the session is synced, and nothing is sent
 * twice. A request that was sent stays in memory until the library has answered it, even if it was
 * cancelled. */
#include "zookeeper/write.h"
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "session_internal.h"

enum verb { VERB_CREATE, VERB_SET, VERB_DELETE, VERB_READ };

struct zk_write {
	struct zk *zk;
	struct zk_write *next;
	enum verb verb;
	char *path;
	char *data;
	size_t size;
	int32_t version;
	unsigned flags;
	enum zk_acl acl;
	zk_write_cb *cb; /* NULL: nobody waits for the answer */
	void *arg;
	int64_t deadline_ms;
	bool sent; /* the library has it */
	uint64_t epoch;
	size_t parent_len; /* create: path length of the parent being created; 0: the znode */
	bool parent_denied;
};

/* --- the requests to the library and its answers --- */
/* The library answers every request that it has accepted, at the latest in zookeeper_close(). */

static void zk_write_send(struct zk_write *write);
static void zk_write_end(struct zk_write *write, const struct zk_answer *answer);

static enum zk_result classify(int rc)
{
	switch (rc) {
	case ZOK:
		return ZK_RESULT_OK;
	case ZNONODE:
		return ZK_RESULT_NO_NODE;
	case ZNODEEXISTS:
		return ZK_RESULT_EXISTS;
	case ZBADVERSION:
		return ZK_RESULT_BAD_VERSION;
	case ZNOAUTH:
	case ZINVALIDACL: /* acl = creator, but no user is authenticated */
		return ZK_RESULT_DENIED;
	case ZBADARGUMENTS:
	case ZMARSHALLINGERROR:
	case ZUNIMPLEMENTED:
	case ZNOCHILDRENFOREPHEMERALS:
	case ZNOTEMPTY:
	case ZSESSIONCLOSEDREQUIRESASLAUTH:
		return ZK_RESULT_REFUSED;
	default:
		return ZK_RESULT_LOST;
	}
}

/* -- answers: called inside zookeeper_process() or zookeeper_close() -- */

static struct zk_answer answer_for(struct zk_write *write, int rc)
{
	struct zk_answer answer = {.result = classify(rc), .data = "", .version = -1};

	write->sent = false;
	zk_reply(write->zk, answer.result == ZK_RESULT_LOST ? rc : ZOK);
	answer.problem = rc != ZOK ? zerror(rc) : NULL;
	return answer;
}

static void fill_stat(const struct zk_write *write, struct zk_answer *answer,
                      const struct Stat *stat)
{
	answer->version = stat->version;
	answer->mzxid = stat->mzxid;
	answer->owner = stat->ephemeralOwner;
	answer->own = stat->ephemeralOwner != 0 &&
	              stat->ephemeralOwner == zoo_client_id(write->zk->handle)->client_id;
}

static void on_set(int rc, const struct Stat *stat, const void *data)
{
	struct zk_write *write = (struct zk_write *)data;
	struct zk_answer answer = answer_for(write, rc);

	if (rc == ZOK)
		fill_stat(write, &answer, stat);
	zk_write_end(write, &answer);
}

static void on_deleted(int rc, const void *data)
{
	struct zk_write *write = (struct zk_write *)data;
	struct zk_answer answer = answer_for(write, rc);

	zk_write_end(write, &answer);
}

static void on_read(int rc, const char *value, int len, const struct Stat *stat, const void *data)
{
	struct zk_write *write = (struct zk_write *)data;
	struct zk_answer answer = answer_for(write, rc);

	if (rc == ZOK) {
		fill_stat(write, &answer, stat);
		answer.size = len > 0 ? (size_t)len : 0;
		answer.data = answer.size > 0 ? value : "";
	}
	if (write->epoch != write->zk->epoch ||
	    (rc == ZOK && (size_t)stat->dataLength != answer.size)) {
		answer.result = ZK_RESULT_LOST;
		answer.problem =
		    "the value was read before the process was paused, or arrived truncated";
	}
	zk_write_end(write, &answer);
}

/* Length of the next longer parent after that of length `from`; 0: there is none. */
static size_t next_parent(const char *path, size_t from)
{
	const char *slash = strchr(path + from + 1, '/');

	return slash != NULL ? (size_t)(slash - path) : 0;
}

/* True when another create has to follow: of the next parent, or of the znode itself after the last
 * parent. A parent that may not be created may exist already: the create of the znode shows it. */
static bool goes_on(struct zk_write *write, enum zk_result result)
{
	bool fresh = write->parent_len == 0 && !write->parent_denied;

	if (result == ZK_RESULT_LOST || result == ZK_RESULT_REFUSED)
		return false;
	if (write->parent_len > 0) {
		write->parent_denied |= result == ZK_RESULT_DENIED;
		write->parent_len = next_parent(write->path, write->parent_len);
		return true;
	}
	if (result != ZK_RESULT_NO_NODE || (write->flags & ZK_CREATE_PARENTS) == 0 || !fresh)
		return false;
	write->flags &= ~(unsigned)ZK_CREATE_PARENTS; /* once only */
	write->parent_len = next_parent(write->path, 0);
	return write->parent_len > 0;
}

static void on_created(int rc, const char *path, const void *data)
{
	struct zk_write *write = (struct zk_write *)data;
	struct zk_answer answer = answer_for(write, rc);

	(void)path;
	if (write->cb != NULL && goes_on(write, answer.result)) {
		zk_write_send(write);
		return;
	}
	if (answer.result == ZK_RESULT_NO_NODE && write->parent_denied) {
		answer.result = ZK_RESULT_DENIED;
		answer.problem = "no permission to create its parent";
	}
	zk_write_end(write, &answer);
}

/* -- sending -- */

static int send_create(struct zk_write *write)
{
	char world[] = "world", anyone[] = "anyone", auth[] = "auth", none[] = "";
	struct ACL creator[] = {{ZOO_PERM_READ, {world, anyone}}, {ZOO_PERM_ALL, {auth, none}}};
	const struct ACL_vector creator_acl = {ARRAY_LEN(creator), creator};
	const struct ACL_vector *acl =
	    write->acl == ZK_ACL_CREATOR ? &creator_acl : &ZOO_OPEN_ACL_UNSAFE;
	zhandle_t *handle = write->zk->handle;
	auto_free char *parent = NULL;

	if (write->parent_len == 0)
		return zoo_acreate(handle, write->path, write->data, (int)write->size, acl,
		                   (write->flags & ZK_CREATE_EPHEMERAL) != 0 ? ZOO_EPHEMERAL
		                                                             : ZOO_PERSISTENT,
		                   on_created, write);
	parent = xstrndup(write->path, write->parent_len);
	return zoo_acreate(handle, parent, "", 0, acl, ZOO_PERSISTENT, on_created, write);
}

static int send_verb(struct zk_write *write)
{
	zhandle_t *handle = write->zk->handle;

	switch (write->verb) {
	case VERB_CREATE:
		return send_create(write);
	case VERB_SET:
		return zoo_aset(handle, write->path, write->data, (int)write->size, write->version,
		                on_set, write);
	case VERB_DELETE:
		return zoo_adelete(handle, write->path, write->version, on_deleted, write);
	case VERB_READ:
		return zoo_aget(handle, write->path, 0, on_read, write);
	}
	return ZBADARGUMENTS;
}

/* Passes the request to the library. If the library does not accept it, the callback runs at once,
 * so this is never called inside a call of the user. */
static void zk_write_send(struct zk_write *write)
{
	struct zk_answer answer = {.data = "", .version = -1};
	int rc;

	write->epoch = write->zk->epoch;
	rc = send_verb(write);
	write->sent = zk_sent(write->zk, rc);
	if (write->sent)
		return;
	/* the library did not take it: it has not happened */
	answer.result = classify(rc) == ZK_RESULT_REFUSED ? ZK_RESULT_REFUSED : ZK_RESULT_NOT_SENT;
	answer.problem = zerror(rc);
	zk_write_end(write, &answer);
}

/* --- the list of requests --- */

const char *zk_result_name(enum zk_result result)
{
	static const char *const names[] = {
	    [ZK_RESULT_OK] = "ok",
	    [ZK_RESULT_NO_NODE] = "no node",
	    [ZK_RESULT_EXISTS] = "exists",
	    [ZK_RESULT_BAD_VERSION] = "bad version",
	    [ZK_RESULT_DENIED] = "denied",
	    [ZK_RESULT_REFUSED] = "refused",
	    [ZK_RESULT_NOT_SENT] = "not sent",
	    [ZK_RESULT_LOST] = "lost",
	};

	return names[result];
}

static void free_write(struct zk_write *write)
{
	free(write->path);
	free(write->data);
	free(write);
}

static void unlink_and_free(struct zk_write *write)
{
	struct zk_write **at = &write->zk->writes;

	while (*at != write)
		at = &(*at)->next;
	*at = write->next;
	free_write(write);
}

/* The callback may make and cancel requests, so this one is detached from its callback or freed
 * first. */
static void zk_write_end(struct zk_write *write, const struct zk_answer *answer)
{
	zk_write_cb *cb = STEAL(write->cb);
	void *arg = write->arg;

	if (!write->sent)
		unlink_and_free(write);
	if (cb != NULL)
		cb(answer, arg);
}

static struct zk_write *add(struct zk *zk, enum verb verb, const char *path, const void *data,
                            size_t size, zk_write_cb *cb, void *arg)
{
	struct zk_write *write = xcalloc(1, sizeof(*write)), **end = &zk->writes;

	*write = (struct zk_write){.zk = zk,
	                           .verb = verb,
	                           .path = xstrdup(path),
	                           .data = xcalloc(size + 1, 1),
	                           .size = size,
	                           .version = -1,
	                           .cb = cb,
	                           .arg = arg,
	                           .deadline_ms = clock_now_ms() + ZK_WRITE_TIMEOUT_MS};
	if (size > 0)
		memcpy(write->data, data, size);
	while (*end != NULL)
		end = &(*end)->next;
	*end = write;
	zk_wake(zk);
	return write;
}

struct zk_write *zk_write_create(struct zk *zk, const char *path, const void *data, size_t size,
                                 unsigned flags, enum zk_acl acl, zk_write_cb *cb, void *arg)
{
	struct zk_write *write = add(zk, VERB_CREATE, path, data, size, cb, arg);
	write->flags = flags;
	write->acl = acl;
	return write;
}

struct zk_write *zk_write_set(struct zk *zk, const char *path, const void *data, size_t size,
                              int32_t version, zk_write_cb *cb, void *arg)
{
	struct zk_write *write = add(zk, VERB_SET, path, data, size, cb, arg);
	write->version = version;
	return write;
}

struct zk_write *zk_write_delete(struct zk *zk, const char *path, int32_t version, zk_write_cb *cb,
                                 void *arg)
{
	struct zk_write *write = add(zk, VERB_DELETE, path, NULL, 0, cb, arg);

	write->version = version;
	return write;
}

struct zk_write *zk_write_read(struct zk *zk, const char *path, zk_write_cb *cb, void *arg)
{
	return add(zk, VERB_READ, path, NULL, 0, cb, arg);
}

void zk_write_cancel(struct zk_write *write)
{
	if (write == NULL)
		return;
	write->cb = NULL;
	if (!write->sent)
		unlink_and_free(write);
}

/* -- what the session calls -- */

/* Ends the requests whose callback waits: those that were sent, or those past their deadline. */
static void give_up(struct zk *zk, bool sent)
{
	struct zk_write *write = zk->writes;
	int64_t now = clock_now_ms();

	while (write != NULL) {
		const bool lost = write->sent || write->parent_len > 0;

		if (write->cb == NULL || !(sent ? write->sent : now >= write->deadline_ms)) {
			write = write->next;
			continue;
		}
		zk_write_end(write, &(const struct zk_answer){
		                        .result = lost ? ZK_RESULT_LOST : ZK_RESULT_NOT_SENT,
		                        .problem = write->sent ? "no answer" : zk_describe(zk),
		                        .data = "",
		                        .version = -1});
		write = zk->writes; /* the callback may have changed the list */
	}
}

static struct zk_write *find_unsent(const struct zk *zk)
{
	struct zk_write *write = zk->writes;

	while (write != NULL && write->sent)
		write = write->next;
	return write;
}

/* Deadlines first, so that a process that was stopped does not send outdated requests when it
 * continues. */
void zk_writes_step(struct zk *zk)
{
	struct zk_write *write;

	give_up(zk, false);
	while (zk->state == ZK_SYNCED && zk_handle_open(zk) && (write = find_unsent(zk)) != NULL)
		zk_write_send(write);
}

void zk_writes_lost(struct zk *zk)
{
	give_up(zk, true);
}

int64_t zk_writes_deadline(const struct zk *zk)
{
	int64_t nearest = INT64_MAX;

	for (const struct zk_write *write = zk->writes; write != NULL; write = write->next)
		if (write->cb != NULL && write->deadline_ms < nearest)
			nearest = write->deadline_ms;
	return nearest;
}

void zk_writes_flush(struct zk *zk)
{
	for (struct zk_write *write = zk->writes, *next; write != NULL; write = next) {
		next = write->next;
		if (write->cb == NULL && !write->sent && zk->state == ZK_SYNCED &&
		    zk_handle_open(zk))
			zk_write_send(write);
	}
}

void zk_writes_silence(struct zk *zk)
{
	for (struct zk_write *write = zk->writes; write != NULL; write = write->next)
		write->cb = NULL;
}

void zk_writes_forget(struct zk *zk)
{
	struct zk_write *write;

	while ((write = zk->writes) != NULL) {
		zk->writes = write->next;
		free_write(write);
	}
}
