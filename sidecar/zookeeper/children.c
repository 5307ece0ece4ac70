/* Copies of watched znodes, and the children of a znode; see the header. There is one watched node
 * for each child that is followed. A child that is no longer listed is forgotten at once, because
 * the znode of an ended session does not come back. */
#include "zookeeper/children.h"

#include <stdlib.h>
#include <string.h>

/* --- one znode --- */

static bool differs(const struct zk_copy *copy, const struct zk_node_fact *fact)
{
	return !copy->reported || copy->connected != fact->connected ||
	       copy->state != fact->state || copy->mzxid != fact->mzxid ||
	       copy->pzxid != fact->pzxid ||
	       strcmp(copy->problem.data, fact->problem != NULL ? fact->problem : "") != 0;
}

static void take(struct zk_copy *copy, const struct zk_node_fact *fact)
{
	copy->reported = true;
	copy->connected = fact->connected;
	copy->state = fact->state;
	copy->mzxid = fact->mzxid;
	copy->czxid = fact->czxid;
	copy->pzxid = fact->pzxid;
	copy->owner = fact->owner;
	strbuf_reset(&copy->problem);
	strbuf_append_str(&copy->problem, fact->problem != NULL ? fact->problem : "");
	if (!fact->connected)
		return; /* the last data stays until the znode is read again */
	strbuf_reset(&copy->data);
	copy->has_data = fact->data != NULL;
	copy->size = fact->size;
	if (copy->has_data)
		strbuf_append(&copy->data, fact->data, fact->size);
}

static void on_fact(const struct zk_node_fact *fact, void *arg)
{
	struct zk_copy *copy = arg;

	copy->changed = differs(copy, fact);
	take(copy, fact);
	if (copy->cb != NULL)
		copy->cb(copy, fact, copy->arg);
}

struct zk_copy *zk_copy_watch(struct zk *zk, const char *path, enum zk_watch_flags flags,
                              size_t max_size, zk_copy_cb *cb, void *arg)
{
	struct zk_copy *copy = xcalloc(1, sizeof(*copy));

	*copy = (struct zk_copy){.path = xstrdup(path), .cb = cb, .arg = arg};
	strbuf_init(&copy->data);
	strbuf_init(&copy->problem);
	copy->node = zk_watch(zk, path, (enum zk_watch_flags)(flags | ZK_WATCH_EACH), max_size,
	                      on_fact, copy);
	return copy;
}

void zk_copy_unwatch(struct zk_copy *copy)
{
	zk_unwatch(copy->node);
	strbuf_fini(&copy->data);
	strbuf_fini(&copy->problem);
	free(copy->name);
	free(copy->path);
	free(copy);
}

/* --- the children of a znode --- */

struct zk_children {
	struct zk *zk;
	size_t max_size, max_count;
	zk_copy_cb *cb;
	void *arg;
	struct zk_copy *parent;
	struct strbuf names; /* of all children, sorted, each NUL terminated */
	size_t name_count;
	char *preferred; /* NULL: none */
	struct zk_copy **members;
	size_t count;
};

static int compare_names(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return strcmp(*left, *right);
}

const char **zk_names_sort(char *const *names, size_t count)
{
	const char **sorted = xcalloc(count + 1, sizeof(*sorted));

	for (size_t i = 0; i < count; i++)
		sorted[i] = names[i];
	qsort(sorted, count, sizeof(*sorted), compare_names);
	return sorted;
}

/* The name for the last place: the preferred one if it comes later in the order. */
static const char *last_name(const struct zk_children *children, const char *name)
{
	const char *end = children->names.data + children->names.len;

	if (children->preferred != NULL)
		for (const char *at = name; at < end; at += strlen(at) + 1)
			if (strcmp(at, children->preferred) == 0)
				return at;
	return name;
}

/* The child of that name among the `old` ones, which it is taken out of; else a new one. */
static struct zk_copy *take_child(const struct zk_children *children, struct zk_copy **old,
                                  size_t old_count, const char *name)
{
	auto_free char *path = NULL;
	struct zk_copy *child;

	for (size_t i = 0; i < old_count; i++)
		if (old[i] != NULL && strcmp(old[i]->name, name) == 0)
			return STEAL(old[i]);
	path = xasprintf("%s/%s", children->parent->path, name);
	child = zk_copy_watch(children->zk, path, ZK_WATCH_DATA, children->max_size, children->cb,
	                      children->arg);
	child->name = xstrdup(name);
	return child;
}

static void follow(struct zk_children *children)
{
	const char *name = children->names.data;
	auto_free struct zk_copy **old = STEAL(children->members);
	size_t old_count = children->count, most = children->name_count;

	most = most < children->max_count ? most : children->max_count;
	children->members = xcalloc(most + 1, sizeof(struct zk_copy *));
	for (size_t i = 0; i < most; i++, name += strlen(name) + 1)
		children->members[i] =
		    take_child(children, old, old_count,
		               i + 1 < children->max_count ? name : last_name(children, name));
	children->count = most;
	for (size_t i = 0; i < old_count; i++)
		if (old[i] != NULL)
			zk_copy_unwatch(old[i]);
}

static void on_names(const struct zk_copy *parent, const struct zk_node_fact *fact, void *arg)
{
	struct zk_children *children = arg;

	if (fact->connected && fact->problem == NULL) {
		auto_free const char **sorted = zk_names_sort(fact->names, fact->name_count);

		strbuf_reset(&children->names);
		for (size_t i = 0; i < fact->name_count; i++)
			strbuf_append(&children->names, sorted[i], strlen(sorted[i]) + 1);
		children->name_count = fact->name_count;
		follow(children);
	}
	if (children->cb != NULL)
		children->cb(parent, fact, children->arg);
}

struct zk_children *zk_children_create(struct zk *zk, const char *parent, size_t max_size,
                                       size_t max_count, zk_copy_cb *cb, void *arg)
{
	struct zk_children *children = xcalloc(1, sizeof(*children));

	*children = (struct zk_children){.zk = zk,
	                                 .max_size = max_size,
	                                 .max_count = max_count,
	                                 .cb = cb,
	                                 .arg = arg,
	                                 .names = STRBUF_INIT};
	children->parent = zk_copy_watch(zk, parent, ZK_WATCH_NAMES, 0, on_names, children);
	return children;
}

void zk_children_destroy(struct zk_children *children)
{
	if (children == NULL)
		return;
	zk_copy_unwatch(children->parent);
	for (size_t i = 0; i < children->count; i++)
		zk_copy_unwatch(children->members[i]);
	free(children->members);
	strbuf_fini(&children->names);
	free(children->preferred);
	free(children);
}

void zk_children_prefer(struct zk_children *children, const char *name)
{
	free(children->preferred);
	children->preferred = name != NULL ? xstrdup(name) : NULL;
	if (children->name_count > children->max_count)
		follow(children);
}

bool zk_children_known(const struct zk_children *children)
{
	const struct zk_copy *parent = children->parent;

	for (size_t i = 0; i < children->count; i++)
		if (!children->members[i]->connected)
			return false;
	return parent->connected && parent->problem.len == 0;
}

const struct zk_copy *zk_children_parent(const struct zk_children *children)
{
	return children->parent;
}

const struct zk_copy *const *zk_children_list(const struct zk_children *children, size_t *count)
{
	*count = children->count;
	return (const struct zk_copy *const *)children->members;
}

size_t zk_children_left_out(const struct zk_children *children)
{
	return children->name_count - children->count;
}
