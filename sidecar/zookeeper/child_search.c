/* Finds out whether a znode has an ephemeral child. ZooKeeper lists only names, so every child
 * needs a request of its own. The search sends one batch at a time, first the children that were
 * ephemeral last time, and ends with the first batch that has an ephemeral child. So persistent
 * children, however many, neither hide an ephemeral one nor cost anything while one lives. At most
 * BATCH requests per node are in flight, and about SLICE_BYTES of names are kept;
 * if there are more, the names are read again for each slice. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "session_internal.h"

#define BATCH       100 /* requests */
#define SLICE_BYTES ((size_t)256 * 1024)

struct zk_child_search {
	struct request { /* one of a batch; it comes back with the reply */
		struct zk_node *node;
		size_t name; /* offset in `names` */
	} batch[BATCH];
	struct strbuf names;  /* names to check, each NUL terminated */
	size_t next;          /* offset in `names` of the next batch */
	size_t slice, slices; /* names are checked in `slices` parts; now in part `slice` */
	struct strbuf live;   /* ephemeral children that the last search found: checked first */
	struct strbuf found;  /* ... and that the present search has found */
};

void zk_child_search_begin(struct zk_node *node)
{
	struct zk_child_search *children = node->children;

	node->ephemerals = 0;
	if (children == NULL)
		return;
	strbuf_reset(&children->names);
	strbuf_reset(&children->found);
	children->next = children->slice = 0;
}

void zk_child_search_free(struct zk_node *node)
{
	struct zk_child_search *children = STEAL(node->children);

	if (children == NULL)
		return;
	strbuf_fini(&children->names);
	strbuf_fini(&children->live);
	strbuf_fini(&children->found);
	free(children);
}

/* -- the names -- */

static void append_name(struct strbuf *names, const char *name)
{
	strbuf_append(names, name, strlen(name) + 1);
}

static bool is_live(const struct zk_child_search *children, const char *name)
{
	const struct strbuf *live = &children->live;

	for (size_t at = 0; at < live->len; at += strlen(live->data + at) + 1)
		if (strcmp(live->data + at, name) == 0)
			return true;
	return false;
}

/* FNV-1a: the slice of a name does not depend on the order in which ZooKeeper lists the names. */
static size_t slice_of(const char *name, size_t slices)
{
	uint32_t hash = 2166136261U;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619U;
	return hash % slices;
}

static void take_names(struct zk_child_search *children, const struct String_vector *names)
{
	size_t bytes = 0;

	strbuf_reset(&children->names);
	children->next = 0;
	for (int i = 0; children->slice == 0 && i < names->count; i++) {
		bytes += strlen(names->data[i]) + 1;
		if (is_live(children, names->data[i]))
			append_name(&children->names, names->data[i]);
	}
	if (children->slice == 0)
		children->slices = bytes / SLICE_BYTES + 1;
	for (int i = 0; i < names->count; i++)
		if (slice_of(names->data[i], children->slices) == children->slice &&
		    !is_live(children, names->data[i]))
			append_name(&children->names, names->data[i]);
}

/* -- the batches -- */

static void on_child(int rc, const struct Stat *stat, const void *data)
{
	const struct request *child = data;
	struct zk_node *node = child->node;
	struct zk_child_search *children = node->children;

	if (zk_read_replied(node, rc) && rc == ZOK && stat->ephemeralOwner != 0) {
		node->ephemerals++;
		append_name(&children->found, children->names.data + child->name);
	}
	zk_read_go_on(node, rc == ZNONODE ? ZOK : rc);
}

static void ask_batch(struct zk_node *node)
{
	struct zk_child_search *children = node->children;
	const struct strbuf *names = &children->names;
	const char *parent = strcmp(node->path, "/") == 0 ? "" : node->path;

	for (size_t i = 0; i < BATCH && children->next < names->len; i++) {
		const char *name = names->data + children->next;
		auto_free char *path = xasprintf("%s/%s", parent, name);

		children->batch[i].name = children->next;
		children->next += strlen(name) + 1;
		zk_read_ask(node,
		            zoo_aexists(node->zk->handle, path, 0, on_child, &children->batch[i]));
	}
}

void zk_child_search_named(struct zk_node *node, const struct String_vector *names)
{
	if (node->children == NULL) {
		if (names->count == 0)
			return;
		node->children = xcalloc(1, sizeof(*node->children));
		strbuf_init(&node->children->names);
		strbuf_init(&node->children->live);
		strbuf_init(&node->children->found);
		for (size_t i = 0; i < BATCH; i++)
			node->children->batch[i].node = node;
	}
	take_names(node->children, names);
	ask_batch(node);
}

bool zk_child_search_more(struct zk_node *node)
{
	struct zk_child_search *children = node->children;

	if (children == NULL)
		return false;
	if (node->ephemerals == 0 && children->next < children->names.len) {
		ask_batch(node);
	} else if (node->ephemerals == 0 && children->slice + 1 < children->slices) {
		children->slice++;
		zk_read_names(node);
	} else {
		/* The next search begins with the ephemeral children that this one has found. */
		strbuf_fini(&children->live);
		children->live = children->found;
		strbuf_init(&children->found);
		strbuf_fini(&children->names); /* large, if there are many */
		children->next = 0;
		return false;
	}
	return true;
}
