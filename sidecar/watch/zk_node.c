/* The watched nodes: who wants to know what, and what was told last. Always holds: a node stays in
 * memory until the handle is closed, as the library keeps pointers to it in its watches and
 * requests; zk_unwatch() only ends the calls. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "zk_internal.h"

static bool same_fact(const struct zk_node_fact *a, const struct zk_node_fact *b)
{
	if (a->state != b->state || a->connected != b->connected || a->mzxid != b->mzxid ||
	    a->pzxid != b->pzxid || a->ephemeral_children != b->ephemeral_children)
		return false;
	return a->problem == b->problem ||
	       (a->problem != NULL && b->problem != NULL && strcmp(a->problem, b->problem) == 0);
}

void zk_node_tell(struct zk_node *node, const struct zk_node_fact *fact)
{
	struct zk_node_fact told = *fact;

	bool each = (node->flags & ZK_WATCH_EACH) != 0 && fact->connected;

	if (node->cb == NULL || (node->told && !each && same_fact(&node->fact, fact)))
		return;
	if (fact->problem != NULL && fact->problem != node->problem.data) {
		strbuf_reset(&node->problem);
		strbuf_append_str(&node->problem, fact->problem);
	}
	told.problem = fact->problem != NULL ? node->problem.data : NULL;
	node->fact = told;
	node->fact.data = NULL; /* gone when the call is over */
	node->fact.names = NULL;
	node->fact.name_count = 0;
	node->told = true;
	node->cb(&told, node->arg);
}

void zk_nodes_disconnected(struct zk *zk)
{
	for (size_t i = 0; i < zk->node_count; i++) {
		struct zk_node *node = zk->nodes[i];
		struct zk_node_fact fact = node->fact;

		fact.connected = false;
		fact.notified_us = fact.read_us = clock_now_us();
		zk_node_tell(node, &fact);
	}
}

void zk_node_queue(struct zk_node *node, int64_t notified_us)
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

/* What waited for a connection is notified by this one: nobody was told anything before, and the
 * stopwatch of a change is not to show an outage. */
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

/* A node of that path that nobody watches: taking it again keeps reloads from piling nodes up. */
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

static struct zk_node *add_node(struct zk *zk, const char *path, enum zk_watch_flags flags)
{
	struct zk_node *node = xcalloc(1, sizeof(*node));

	node->zk = zk;
	node->path = xstrdup(path);
	node->flags = flags;
	strbuf_init(&node->problem);
	zk->nodes = xreallocarray(zk->nodes, zk->node_count + 1, sizeof(struct zk_node *));
	zk->nodes[zk->node_count++] = node;
	return node;
}

struct zk_node *zk_watch(struct zk *zk, const char *path, enum zk_watch_flags flags,
                         size_t max_size, zk_node_cb *cb, void *arg)
{
	struct zk_node *node = zk->unwatched > 0 ? find_unwatched(zk, path, flags) : NULL;

	if (node != NULL)
		zk->unwatched--;
	else
		node = add_node(zk, path, flags);
	node->fact = (struct zk_node_fact){.state = ZK_NODE_UNKNOWN, .ephemeral_children = -1};
	node->told = false;
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
	return node->queued || node->again || node->pending > 0 || node->suspect;
}
