/* Requests that are made once: who waits for what, until when. Refuses to send anything before the
 * session is synced, or anything twice. Always holds: a request that was sent stays in memory until
 * the library has answered it, also when nobody waits for it any more. */
#include "watch/zk_write.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "zk_write_internal.h"

const char *zk_result_name(enum zk_result result)
{
	switch (result) {
	case ZK_RESULT_OK:
		return "ok";
	case ZK_RESULT_NO_NODE:
		return "no node";
	case ZK_RESULT_EXISTS:
		return "exists";
	case ZK_RESULT_BAD_VERSION:
		return "bad version";
	case ZK_RESULT_DENIED:
		return "denied";
	case ZK_RESULT_REFUSED:
		return "refused";
	case ZK_RESULT_NOT_SENT:
		return "not sent";
	case ZK_RESULT_LOST:
		return "lost";
	}
	return "?";
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

/* The callback may make and cancel requests: this one is told to nobody else from here on. */
void zk_write_tell(struct zk_write *write, const struct zk_answer *answer)
{
	zk_write_cb *cb = STEAL(write->cb);
	void *arg = write->arg;

	if (!write->sent)
		unlink_and_free(write);
	if (cb != NULL)
		cb(answer, arg);
}

static struct zk_write *add(struct zk *zk, enum verb verb, const char *path, zk_write_cb *cb,
                            void *arg)
{
	struct zk_write *write = xcalloc(1, sizeof(*write)), **end = &zk->writes;

	*write = (struct zk_write){.zk = zk,
	                           .verb = verb,
	                           .path = xstrdup(path),
	                           .version = -1,
	                           .cb = cb,
	                           .arg = arg,
	                           .deadline_ms = clock_now_ms() + ZK_WRITE_TIMEOUT_MS};
	while (*end != NULL)
		end = &(*end)->next;
	*end = write;
	zk_wake(zk);
	return write;
}

static void take_data(struct zk_write *write, const void *data, size_t size)
{
	write->data = xcalloc(size + 1, 1);
	memcpy(write->data, data, size);
	write->size = size;
}

struct zk_write *zk_write_create(struct zk *zk, const char *path, const void *data, size_t size,
                                 unsigned flags, enum zk_acl acl, zk_write_cb *cb, void *arg)
{
	struct zk_write *write = add(zk, VERB_CREATE, path, cb, arg);

	take_data(write, data, size);
	write->flags = flags;
	write->acl = acl;
	return write;
}

struct zk_write *zk_write_set(struct zk *zk, const char *path, const void *data, size_t size,
                              int32_t version, zk_write_cb *cb, void *arg)
{
	struct zk_write *write = add(zk, VERB_SET, path, cb, arg);

	take_data(write, data, size);
	write->version = version;
	return write;
}

struct zk_write *zk_write_delete(struct zk *zk, const char *path, int32_t version, zk_write_cb *cb,
                                 void *arg)
{
	struct zk_write *write = add(zk, VERB_DELETE, path, cb, arg);

	write->version = version;
	return write;
}

struct zk_write *zk_write_read(struct zk *zk, const char *path, zk_write_cb *cb, void *arg)
{
	return add(zk, VERB_READ, path, cb, arg);
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

static struct zk_write *find_due(const struct zk *zk, int64_t now)
{
	for (struct zk_write *write = zk->writes; write != NULL; write = write->next)
		if (write->cb != NULL && now >= write->deadline_ms)
			return write;
	return NULL;
}

static struct zk_write *find_unsent(const struct zk *zk)
{
	for (struct zk_write *write = zk->writes; write != NULL; write = write->next)
		if (!write->sent)
			return write;
	return NULL;
}

static struct zk_write *find_sent(const struct zk *zk)
{
	for (struct zk_write *write = zk->writes; write != NULL; write = write->next)
		if (write->sent && write->cb != NULL)
			return write;
	return NULL;
}

static void give_up(struct zk_write *write)
{
	const struct zk_answer answer = {
	    .result = write->sent || write->parent_len > 0 ? ZK_RESULT_LOST : ZK_RESULT_NOT_SENT,
	    .problem = write->sent ? "no answer" : zk_describe(write->zk),
	    .data = "",
	    .version = -1};

	zk_write_tell(write, &answer);
}

/* Deadlines first: what a stopped process wanted long ago is not sent when it goes on. */
void zk_writes_step(struct zk *zk)
{
	struct zk_write *write;

	while ((write = find_due(zk, clock_now_ms())) != NULL)
		give_up(write);
	while (zk->state == ZK_SYNCED && zk_handle_open(zk) && (write = find_unsent(zk)) != NULL)
		zk_write_send(write);
}

void zk_writes_lost(struct zk *zk)
{
	struct zk_write *write;

	while ((write = find_sent(zk)) != NULL)
		give_up(write);
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
	struct zk_write *next;

	for (struct zk_write *write = zk->writes; write != NULL; write = next) {
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
	struct zk_write *next;

	for (struct zk_write *write = zk->writes; write != NULL; write = next) {
		next = write->next;
		free_write(write);
	}
	zk->writes = NULL;
}
