/* The children of a znode with their data; see the header. There is one watched node for each name
 * of the last list. A child that is no longer listed is forgotten at once, because the znode of an
 * ended session does not come back. */
#include "zookeeper/children.h"

#include <stdlib.h>
#include <string.h>

struct zk_children {
	struct zk *zk;
	char *parent;
	size_t max_size;
	zk_children_cb *cb;
	void *arg;
	struct zk_node *names;
	bool named; /* the list was read on the present connection */
	struct strbuf problem;
	struct zk_child **members;
	size_t count;
};

static void on_data(const struct zk_node_fact *fact, void *arg)
{
	struct zk_child *member = arg;

	member->current = fact->connected;
	if (!fact->connected)
		return;
	member->state = fact->state;
	member->mzxid = fact->mzxid;
	member->owner = fact->owner;
	member->size = fact->size;
	strbuf_reset(&member->data);
	if (fact->data != NULL)
		strbuf_append(&member->data, fact->data, fact->size);
	strbuf_reset(&member->problem);
	if (fact->problem != NULL)
		strbuf_append_str(&member->problem, fact->problem);
	member->children->cb(member->children->arg);
}

static void free_member(struct zk_child *member)
{
	zk_unwatch(member->node);
	strbuf_fini(&member->data);
	strbuf_fini(&member->problem);
	free(member->name);
	free(member->path);
	free(member);
}

static struct zk_child *find(const struct zk_children *children, const char *name)
{
	for (size_t i = 0; i < children->count; i++)
		if (strcmp(children->members[i]->name, name) == 0)
			return children->members[i];
	return NULL;
}

static void add(struct zk_children *children, const char *name)
{
	struct zk_child *member = xcalloc(1, sizeof(*member));

	*member = (struct zk_child){.name = xstrdup(name),
	                            .path = xasprintf("%s/%s", children->parent, name),
	                            .state = ZK_NODE_UNKNOWN,
	                            .children = children,
	                            .stays = true};
	strbuf_init(&member->data);
	strbuf_init(&member->problem);
	member->node = zk_watch(children->zk, member->path, ZK_WATCH_DATA, children->max_size,
	                        on_data, member);
	children->members =
	    xreallocarray(children->members, children->count + 1, sizeof(struct zk_child *));
	children->members[children->count++] = member;
}

static void drop_those_gone(struct zk_children *children)
{
	size_t kept = 0;

	for (size_t i = 0; i < children->count; i++)
		if (children->members[i]->stays)
			children->members[kept++] = children->members[i];
		else
			free_member(children->members[i]);
	children->count = kept;
}

static int by_name(const void *a, const void *b)
{
	const struct zk_child *const *one = a, *const *other = b;

	return strcmp((*one)->name, (*other)->name);
}

static void follow_names(struct zk_children *children, char *const *names, size_t count)
{
	for (size_t i = 0; i < children->count; i++)
		children->members[i]->stays = false;
	for (size_t i = 0; i < count; i++) {
		struct zk_child *member = find(children, names[i]);

		if (member != NULL)
			member->stays = true;
		else
			add(children, names[i]);
	}
	drop_those_gone(children);
	if (children->count > 0)
		qsort(children->members, children->count, sizeof(struct zk_child *), by_name);
}

static void on_names(const struct zk_node_fact *fact, void *arg)
{
	struct zk_children *children = arg;

	children->named = fact->connected && fact->state != ZK_NODE_UNKNOWN;
	strbuf_reset(&children->problem);
	if (!fact->connected)
		strbuf_append_str(&children->problem, zk_describe(children->zk));
	else if (fact->problem != NULL)
		strbuf_append_str(&children->problem, fact->problem);
	else if (children->named)
		follow_names(children, fact->names, fact->name_count);
	children->cb(children->arg);
}

struct zk_children *zk_children_create(struct zk *zk, const char *parent, size_t max_size,
                                       zk_children_cb *cb, void *arg)
{
	struct zk_children *children = xcalloc(1, sizeof(*children));

	*children = (struct zk_children){.zk = zk,
	                                 .parent = xstrdup(parent),
	                                 .max_size = max_size,
	                                 .cb = cb,
	                                 .arg = arg,
	                                 .problem = STRBUF_INIT};
	children->names = zk_watch(zk, parent, ZK_WATCH_NAMES, 0, on_names, children);
	return children;
}

void zk_children_destroy(struct zk_children *children)
{
	if (children == NULL)
		return;
	zk_unwatch(children->names);
	for (size_t i = 0; i < children->count; i++)
		free_member(children->members[i]);
	free(children->members);
	strbuf_fini(&children->problem);
	free(children->parent);
	free(children);
}

bool zk_children_known(const struct zk_children *children)
{
	if (!children->named || children->problem.len > 0)
		return false;
	for (size_t i = 0; i < children->count; i++)
		if (!children->members[i]->current)
			return false;
	return true;
}

const char *zk_children_problem(const struct zk_children *children)
{
	return children->problem.len > 0 ? children->problem.data : NULL;
}

const struct zk_child *const *zk_children_list(const struct zk_children *children, size_t *count)
{
	*count = children->count;
	return (const struct zk_child *const *)children->members;
}
