/* Reads the watched znodes: at most one read of a node at a time, those of several nodes pipelined.
 * Slow re-reads are the liveness probe and also the safety net. A reply is trusted only if its
 * request belongs to the present epoch: it was sent after the last sync, pause or loss of the
 * connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "session_internal.h"

/* --- the watched nodes --- */
/* A node stays in memory until the handle is closed, because the library keeps pointers to it in
 * its watches and requests. zk_unwatch() only ends the callbacks. */

static bool same_fact(const struct zk_node_fact *a, const struct zk_node_fact *b)
{
	if (a->state != b->state || a->connected != b->connected || a->mzxid != b->mzxid ||
	    a->pzxid != b->pzxid || a->ephemeral_children != b->ephemeral_children)
		return false;
	return a->problem == b->problem ||
	       (a->problem != NULL && b->problem != NULL && strcmp(a->problem, b->problem) == 0);
}

static void report_fact(struct zk_node *node, const struct zk_node_fact *fact)
{
	struct zk_node_fact reported = *fact;
	bool each = (node->flags & ZK_WATCH_EACH) != 0 && fact->connected;

	if (node->cb == NULL || (node->reported && !each && same_fact(&node->fact, fact)))
		return;
	if (fact->problem != NULL && fact->problem != node->problem.data) {
		strbuf_reset(&node->problem);
		strbuf_append_str(&node->problem, fact->problem);
	}
	reported.problem = fact->problem != NULL ? node->problem.data : NULL;
	node->fact = reported;
	node->fact.data = NULL; /* valid during the callback only */
	node->fact.names = NULL;
	node->fact.name_count = 0;
	node->reported = true;
	node->cb(&reported, node->arg);
}

void zk_nodes_disconnected(struct zk *zk)
{
	for (size_t i = 0; i < zk->node_count; i++) {
		struct zk_node *node = zk->nodes[i];
		struct zk_node_fact fact = node->fact;

		fact.connected = false;
		fact.notified_us = fact.read_us = clock_now_us();
		report_fact(node, &fact);
	}
}

/* Queues a read. While one is in progress, another one follows it. */
static void zk_node_queue(struct zk_node *node, int64_t notified_us)
{
	struct zk *zk = node->zk;

	if (node->queued || node->again)
		return;
	node->queued_us = notified_us;
	if (node->pending > 0) {
		node->again = true;
		return;
	}
	node->queued = true;
	node->next = NULL;
	*zk->queue_end = node;
	zk->queue_end = &node->next;
}

/* The new connection counts as the notification, also of nodes that were queued before: nothing was
 * reported until now, and the measured delay of a change must not include an outage. */
void zk_nodes_refresh(struct zk *zk)
{
	int64_t now_us = clock_now_us();

	for (size_t i = 0; i < zk->node_count; i++) {
		zk_node_queue(zk->nodes[i], now_us);
		zk->nodes[i]->queued_us = now_us;
	}
}

static void node_free(struct zk_node *node)
{
	free(node->path);
	zk_child_search_free(node);
	strbuf_fini(&node->problem);
	free(node);
}

/* Frees the nodes that nobody watches, or all, and forgets the reads of the others. */
void zk_nodes_forget(struct zk *zk, bool all)
{
	size_t kept = 0;

	zk->queue = NULL;
	zk->queue_end = &zk->queue;
	for (size_t i = 0; i < zk->node_count; i++) {
		struct zk_node *node = zk->nodes[i];

		node->queued = node->again = false;
		node->pending = 0;
		if (all || node->cb == NULL)
			node_free(node);
		else
			zk->nodes[kept++] = node;
	}
	zk->node_count = kept;
	zk->unwatched = 0;
	if (kept == 0) {
		free(zk->nodes);
		zk->nodes = NULL;
	}
}

/* An unwatched node of that path. Reusing it keeps reloads from piling up nodes. */
static struct zk_node *find_unwatched(const struct zk *zk, const char *path,
                                      enum zk_watch_flags flags)
{
	for (size_t i = 0; i < zk->node_count; i++) {
		struct zk_node *node = zk->nodes[i];

		if (node->cb == NULL && node->flags == flags && strcmp(node->path, path) == 0)
			return node;
	}
	return NULL;
}

struct zk_node *zk_watch(struct zk *zk, const char *path, enum zk_watch_flags flags,
                         size_t max_size, zk_node_cb *cb, void *arg)
{
	struct zk_node *node = zk->unwatched > 0 ? find_unwatched(zk, path, flags) : NULL;

	if (node != NULL) {
		zk->unwatched--;
	} else {
		node = xcalloc(1, sizeof(*node));
		*node = (struct zk_node){
		    .zk = zk, .path = xstrdup(path), .flags = flags, .problem = STRBUF_INIT};
		zk->nodes = xreallocarray(zk->nodes, zk->node_count + 1, sizeof(struct zk_node *));
		zk->nodes[zk->node_count++] = node;
	}
	node->fact = (struct zk_node_fact){.state = ZK_NODE_UNKNOWN, .ephemeral_children = -1};
	node->reported = false;
	node->max_size = max_size;
	node->cb = cb;
	node->arg = arg;
	zk_node_queue(node, clock_now_us());
	zk_wake(zk);
	return node;
}

void zk_unwatch(struct zk_node *node)
{
	node->cb = NULL;
	node->zk->unwatched++;
}

bool zk_node_busy(const struct zk_node *node)
{
	return node->queued || node->again || node->pending > 0 || node->read_failed;
}

/* --- the requests --- */

#define REREAD_MS       30000 /* every node is read again within this time */
#define PROBE_MIN_MS    100
#define PROBE_TIMEOUT_N 4  /* one probe per 4/15 of the session timeout, plus or minus a fifth: */
#define PROBE_TIMEOUT_D 15 /* earlier than the library's own ping, which is due after a third */

static void start_read(struct zk_node *node, bool with_exists);

/* The server has answered, or has refused the request itself: sending it again at once would not
 * help. */
static bool is_answer(int rc)
{
	return rc == ZOK || rc == ZNONODE || rc == ZNOAUTH || rc == ZBADARGUMENTS ||
	       rc == ZUNIMPLEMENTED || rc == ZSESSIONCLOSEDREQUIRESASLAUTH;
}

bool zk_sent(struct zk *zk, int rc)
{
	if (rc != ZOK)
		return false;
	if (zk->in_flight++ == 0)
		zk->replied_ms = clock_now_ms();
	return true;
}

void zk_reply(struct zk *zk, int rc)
{
	if (zk->in_flight > 0)
		zk->in_flight--;
	if (is_answer(rc))
		zk->replied_ms = clock_now_ms();
}

/* -- one read -- */

/* The library does not check what its server sent: the number of names may be negative, and a name
 * may be NULL. */
static bool are_names(const struct String_vector *names)
{
	if (names == NULL || names->count < 0 || (names->count > 0 && names->data == NULL))
		return false;
	for (int i = 0; i < names->count; i++)
		if (names->data[i] == NULL)
			return false;
	return true;
}

static void note_result(struct zk_node *node, int rc)
{
	if (node->read_rc == ZOK)
		node->read_rc = rc;
}

/* A request that was not sent fails the read, because the library sets a watch only when the
 * request for it is answered. */
void zk_read_ask(struct zk_node *node, int rc)
{
	if (zk_sent(node->zk, rc))
		node->pending++;
	else
		note_result(node, rc);
}

static void append_refusal(const struct zk_node *node, struct strbuf *out)
{
	const char *hint = node->zk->user != NULL
	                       ? "the user and password in auth_file do not match the znode's ACL"
	                       : "the znode's ACL requires a user, and auth_file is not set";

	strbuf_append_str(out, "znode ");
	strbuf_append_escaped(out, node->path, strlen(node->path), 200);
	if (node->read_rc == ZNOAUTH)
		strbuf_printf(out, ": no permission to read it: %s; next attempt within %d s", hint,
		              REREAD_MS / 1000);
	else
		strbuf_printf(out, ": ZooKeeper refuses to read it: %s", zerror(node->read_rc));
}

static bool reads_children(const struct zk_node *node)
{
	return (node->flags & (ZK_WATCH_CHILDREN | ZK_WATCH_NAMES)) != 0;
}

/* The result of a read of a node that exists. */
static void fill_present(const struct zk_node *node, const char *data,
                         const struct String_vector *names, struct zk_node_fact *fact)
{
	fact->mzxid = node->stat.mzxid;
	fact->czxid = node->stat.czxid;
	fact->owner = node->stat.ephemeralOwner;
	if ((node->flags & ZK_WATCH_CHILDREN) != 0)
		fact->ephemeral_children = node->ephemerals;
	if ((node->flags & ZK_WATCH_NAMES) != 0) {
		fact->pzxid = node->stat.pzxid;
		fact->names = names != NULL ? names->data : NULL;
		fact->name_count = names != NULL ? (size_t)names->count : 0;
	}
	fact->size = (size_t)node->stat.dataLength;
	if (!reads_children(node) && fact->size <= node->max_size)
		fact->data = data;
}

static void report_read(struct zk_node *node, const char *data, const struct String_vector *names)
{
	auto_strbuf struct strbuf problem = STRBUF_INIT;
	struct zk_node_fact fact = {.state = ZK_NODE_PRESENT,
	                            .connected = true,
	                            .ephemeral_children = -1,
	                            .notified_us = node->notified_us,
	                            .read_us = clock_now_us()};

	if (node->read_rc == ZNONODE) {
		fact.state = ZK_NODE_ABSENT;
		fact.ephemeral_children = (node->flags & ZK_WATCH_CHILDREN) != 0 ? 0 : -1;
	} else if (node->read_rc != ZOK) {
		append_refusal(node, &problem);
		fact.state = ZK_NODE_DENIED;
		fact.problem = problem.data;
	} else {
		fill_present(node, data, names, &fact);
		node->pzxid = node->stat.pzxid;
	}
	report_fact(node, &fact);
}

/* True when no ephemeral child is found yet and more requests are on their way. */
static bool goes_on(struct zk_node *node)
{
	const struct zk *zk = node->zk;

	return node->read_rc == ZOK && node->cb != NULL && node->read_epoch == zk->epoch &&
	       zk_session_up(zk) && zk_handle_open(zk) && zk_child_search_more(node) &&
	       node->pending > 0;
}

/* `data` and `names` are what the last reply holds, or NULL; valid until its callback returns. */
static void end_read(struct zk_node *node, const char *data, const struct String_vector *names)
{
	struct zk *zk = node->zk;
	bool again = node->again, failed;

	if (node->pending > 0 || goes_on(node))
		return;
	failed = !is_answer(node->read_rc);
	if (failed && !node->read_failed && zk_handle_open(zk))
		log_warning("store_read_failed", KV_STR("path", node->path),
		            KV_STR("problem", zerror(node->read_rc)),
		            KV_STR("action", "reads it again with the next probe"));
	node->again = false;
	node->read_failed = failed;
	if (again || node->read_epoch != zk->epoch)
		zk_node_queue(node, node->queued_us); /* first: the callback must see it busy */
	if (!failed && zk->state == ZK_SYNCED && node->read_epoch == zk->epoch)
		report_read(node, data, names);
}

bool zk_read_replied(struct zk_node *node, int rc)
{
	zk_reply(node->zk, rc);
	if (node->pending > 0)
		node->pending--;
	return node->read_epoch == node->zk->epoch;
}

void zk_read_go_on(struct zk_node *node, int rc)
{
	note_result(node, rc);
	end_read(node, NULL, NULL);
}

static void on_watch(zhandle_t *handle, int type, int state, const char *path, void *arg)
{
	(void)handle;
	(void)state;
	(void)path;
	if (type != ZOO_SESSION_EVENT)
		zk_node_queue(arg, clock_now_us());
}

static void on_exists(int rc, const struct Stat *stat, const void *data)
{
	struct zk_node *node = (struct zk_node *)data;

	(void)stat; /* only for the watch; the read sent after it has the state */
	zk_read_go_on(node, zk_read_replied(node, rc) && rc != ZNONODE ? rc : ZOK);
}

static void on_data(int rc, const char *value, int len, const struct Stat *stat, const void *data)
{
	struct zk_node *node = (struct zk_node *)data;

	if (zk_read_replied(node, rc) && is_answer(rc) && rc != ZOK && !node->asked_exists) {
		start_read(node, true); /* zoo_awget() sets no watch when it fails */
		return;
	}
	note_result(node, rc);
	if (rc == ZOK) {
		node->stat = *stat;
		if (stat->dataLength != (len > 0 ? len : 0))
			node->read_rc = ZMARSHALLINGERROR; /* truncated on its way: not trusted */
	}
	end_read(node, value != NULL ? value : "", NULL);
}

static void on_children(int rc, const struct String_vector *names, const struct Stat *stat,
                        const void *data)
{
	struct zk_node *node = (struct zk_node *)data;
	bool current = zk_read_replied(node, rc);

	if (rc == ZOK && !are_names(names))
		rc = ZMARSHALLINGERROR;
	note_result(node, rc);
	if (rc == ZOK) {
		node->stat = *stat;
		if (current && (node->flags & ZK_WATCH_CHILDREN) != 0)
			zk_child_search_named(node, names);
	}
	end_read(node, NULL, rc == ZOK ? names : NULL);
}

void zk_read_names(struct zk_node *node)
{
	zk_read_ask(node, zoo_awget_children2(node->zk->handle, node->path, on_watch, node,
	                                      on_children, node));
}

static void start_read(struct zk_node *node, bool with_exists)
{
	zhandle_t *handle = node->zk->handle;

	node->read_epoch = node->zk->epoch;
	node->read_rc = ZOK;
	node->asked_exists = with_exists;
	zk_child_search_begin(node);
	if (with_exists)
		zk_read_ask(node,
		            zoo_awexists(handle, node->path, on_watch, node, on_exists, node));
	if (reads_children(node))
		zk_read_names(node);
	else if (with_exists)
		zk_read_ask(node, zoo_aget(handle, node->path, 0, on_data, node));
	else
		zk_read_ask(node, zoo_awget(handle, node->path, on_watch, node, on_data, node));
	end_read(node, NULL, NULL);
}

/* A znode that was present is read and watched with one request. If it may be absent,
 * zoo_awexists() comes first: only that sets a watch on an absent znode. */
void zk_read_queued(struct zk *zk)
{
	while (zk->queue != NULL && zk_session_up(zk) && zk_handle_open(zk)) {
		struct zk_node *node = zk->queue;

		zk->queue = node->next;
		if (zk->queue == NULL)
			zk->queue_end = &zk->queue;
		node->queued = false;
		if (node->cb == NULL)
			continue;
		node->notified_us = node->queued_us;
		start_read(node, reads_children(node) || node->fact.state != ZK_NODE_PRESENT);
	}
}

/* -- probes -- */

static void on_probe(int rc, const struct Stat *stat, const void *data)
{
	struct zk_node *node = (struct zk_node *)data;

	zk_reply(node->zk, rc);
	if (node->cb == NULL || node->queued || node->pending > 0 || !node->fact.connected ||
	    (rc != ZOK && rc != ZNONODE))
		return;
	if (rc == ZNONODE
	        ? node->fact.state == ZK_NODE_ABSENT
	        : node->fact.state == ZK_NODE_PRESENT && node->fact.mzxid == stat->mzxid &&
	              (!reads_children(node) || node->pzxid == stat->pzxid))
		return; /* as it was read last */
	log_info("store_event_missed", KV_STR("path", node->path),
	         KV_STR("action", "the periodic re-read found the change; reads it again"));
	zk_node_queue(node, clock_now_us());
}

static void on_alive(int rc, const struct Stat *stat, const void *data)
{
	(void)stat;
	zk_reply((struct zk *)data, rc);
}

/* Returns whether a request was sent or queued. */
static bool probe_node(struct zk_node *node)
{
	enum zk_node_state state = node->fact.state;

	if (node->cb == NULL || node->queued || node->pending > 0)
		return false;
	if (state == ZK_NODE_PRESENT || state == ZK_NODE_ABSENT)
		return zk_sent(node->zk, zoo_awexists(node->zk->handle, node->path, on_watch, node,
		                                      on_probe, node));
	/* DENIED or UNKNOWN: exists would not tell whether it can be read now. */
	zk_node_queue(node, clock_now_us());
	return true;
}

int64_t zk_read_probe_interval(const struct zk *zk)
{
	int64_t ms = zk_session_timeout(zk) * PROBE_TIMEOUT_N / PROBE_TIMEOUT_D;

	return clock_jitter_ms(ms > PROBE_MIN_MS ? ms : PROBE_MIN_MS);
}

void zk_read_probe(struct zk *zk)
{
	int64_t now = clock_now_ms(), interval;
	size_t share, sent = 0;

	if (zk->state != ZK_SYNCED || now < zk->probe_ms)
		return;
	interval = zk_read_probe_interval(zk);
	zk->probe_ms = now + interval;
	for (size_t i = 0; i < zk->node_count; i++)
		if (zk->nodes[i]->read_failed)
			zk_node_queue(zk->nodes[i], clock_now_us());
	share = 1 + zk->node_count * (size_t)interval / REREAD_MS;
	for (size_t i = 0; i < zk->node_count && sent < share; i++)
		sent += probe_node(zk->nodes[zk->probe_next++ % zk->node_count]);
	if (sent == 0)
		zk_sent(zk, zoo_aexists(zk->handle, "/", 0, on_alive, zk));
	zk_read_queued(zk);
}
