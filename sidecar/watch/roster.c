/* The children of a znode with their bytes; see the header. Always holds: one watched node per name
 * of the last list, and one that is in no list any more is forgotten at once, as a session's znode
 * is gone for good. */
#include "watch/roster.h"

#include <stdlib.h>
#include <string.h>

struct roster {
	struct zk *zk;
	char *parent;
	size_t max_size;
	roster_cb *cb;
	void *arg;
	struct zk_node *names;
	bool named; /* the list is of the present connection */
	struct strbuf problem;
	struct roster_member **members;
	size_t count;
};

static void on_data(const struct zk_node_fact *fact, void *arg)
{
	struct roster_member *member = arg;

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
	member->roster->cb(member->roster->arg);
}

static void free_member(struct roster_member *member)
{
	zk_unwatch(member->node);
	strbuf_fini(&member->data);
	strbuf_fini(&member->problem);
	free(member->name);
	free(member->path);
	free(member);
}

static struct roster_member *find(const struct roster *roster, const char *name)
{
	for (size_t i = 0; i < roster->count; i++)
		if (strcmp(roster->members[i]->name, name) == 0)
			return roster->members[i];
	return NULL;
}

static void add(struct roster *roster, const char *name)
{
	struct roster_member *member = xcalloc(1, sizeof(*member));

	*member = (struct roster_member){.name = xstrdup(name),
	                                 .path = xasprintf("%s/%s", roster->parent, name),
	                                 .state = ZK_NODE_UNKNOWN,
	                                 .roster = roster,
	                                 .stays = true};
	strbuf_init(&member->data);
	strbuf_init(&member->problem);
	member->node =
	    zk_watch(roster->zk, member->path, ZK_WATCH_DATA, roster->max_size, on_data, member);
	roster->members =
	    xreallocarray(roster->members, roster->count + 1, sizeof(struct roster_member *));
	roster->members[roster->count++] = member;
}

static void drop_those_gone(struct roster *roster)
{
	size_t kept = 0;

	for (size_t i = 0; i < roster->count; i++)
		if (roster->members[i]->stays)
			roster->members[kept++] = roster->members[i];
		else
			free_member(roster->members[i]);
	roster->count = kept;
}

static int by_name(const void *a, const void *b)
{
	const struct roster_member *const *one = a, *const *other = b;

	return strcmp((*one)->name, (*other)->name);
}

static void follow_names(struct roster *roster, char *const *names, size_t count)
{
	for (size_t i = 0; i < roster->count; i++)
		roster->members[i]->stays = false;
	for (size_t i = 0; i < count; i++) {
		struct roster_member *member = find(roster, names[i]);

		if (member != NULL)
			member->stays = true;
		else
			add(roster, names[i]);
	}
	drop_those_gone(roster);
	if (roster->count > 0)
		qsort(roster->members, roster->count, sizeof(struct roster_member *), by_name);
}

static void on_names(const struct zk_node_fact *fact, void *arg)
{
	struct roster *roster = arg;

	roster->named = fact->connected && fact->state != ZK_NODE_UNKNOWN;
	strbuf_reset(&roster->problem);
	if (!fact->connected)
		strbuf_append_str(&roster->problem, zk_describe(roster->zk));
	else if (fact->problem != NULL)
		strbuf_append_str(&roster->problem, fact->problem);
	else if (roster->named)
		follow_names(roster, fact->names, fact->name_count);
	roster->cb(roster->arg);
}

struct roster *roster_create(struct zk *zk, const char *parent, size_t max_size, roster_cb *cb,
                             void *arg)
{
	struct roster *roster = xcalloc(1, sizeof(*roster));

	*roster = (struct roster){.zk = zk,
	                          .parent = xstrdup(parent),
	                          .max_size = max_size,
	                          .cb = cb,
	                          .arg = arg,
	                          .problem = STRBUF_INIT};
	roster->names = zk_watch(zk, parent, ZK_WATCH_NAMES, 0, on_names, roster);
	return roster;
}

void roster_destroy(struct roster *roster)
{
	if (roster == NULL)
		return;
	zk_unwatch(roster->names);
	for (size_t i = 0; i < roster->count; i++)
		free_member(roster->members[i]);
	free(roster->members);
	strbuf_fini(&roster->problem);
	free(roster->parent);
	free(roster);
}

bool roster_known(const struct roster *roster)
{
	if (!roster->named || roster->problem.len > 0)
		return false;
	for (size_t i = 0; i < roster->count; i++)
		if (roster->members[i]->state == ZK_NODE_UNKNOWN)
			return false;
	return true;
}

const char *roster_problem(const struct roster *roster)
{
	return roster->problem.len > 0 ? roster->problem.data : NULL;
}

const struct roster_member *const *roster_members(const struct roster *roster, size_t *count)
{
	*count = roster->count;
	return (const struct roster_member *const *)roster->members;
}
