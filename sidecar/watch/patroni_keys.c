/* The znodes of a Patroni scope; see the header. Each key is read separately, so the leader may be
 * known before the member key that it names. Nothing is reported until the reads in progress are
 * over. What is reported is what each key held when all of them had just been read. */
#include "watch/patroni_keys.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "base/timer.h"
#include "base/util.h"
#include "zookeeper/children.h"
#include "zookeeper/session.h"

#define PATRONI_KEYS_MEMBERS_MAX ((size_t)TOPOLOGY_STANDBYS_MAX + 1)

struct patroni_keys {
	char *path;
	patroni_keys_cb *cb;
	void *arg;
	struct zk_copy *root, *leader, *initialize, *config; /* root: shows deleted keys */
	struct zk_children *members; /* PATRONI_KEYS_MEMBERS_MAX at most, including the leader */
	struct strbuf strange; /* why root's children are no scope of Patroni; "" when they are */

	bool changed; /* there is a change that was not reported yet */
	bool told;
	enum patroni_keys_state state; /* as reported last */
	int64_t notified_us, read_us;
	struct timer *late; /* ends the wait for reads */
	bool is_late;
};

/* --- names in messages --- */

#define NAMES_SHOWN    8
#define NAME_SHOWN_MAX 64 /* bytes of a name in a message */

void patroni_keys_append_names(struct strbuf *out, char *const *names, size_t count)
{
	auto_free const char **sorted = zk_names_sort(names, count);

	for (size_t i = 0; i < count && i < NAMES_SHOWN; i++) {
		strbuf_append_str(out, i > 0 ? ", " : "");
		strbuf_append_escaped(out, sorted[i], strlen(sorted[i]), NAME_SHOWN_MAX);
	}
	if (count > NAMES_SHOWN)
		strbuf_printf(out, " and %zu more", count - NAMES_SHOWN);
}

/* --- the scope as one value --- */

#define LATE_MS        100 /* ms; then the last value of a key that is still being read has to do */
#define PATH_SHOWN_MAX 200 /* bytes of a path in a message */

static void check(struct patroni_keys *scope);

/* -- keys -- */

static void note(struct patroni_keys *scope, const struct zk_copy *key,
                 const struct zk_node_fact *fact)
{
	if (key->changed && !scope->changed)
		scope->notified_us = fact->notified_us;
	scope->changed = scope->changed || key->changed;
	scope->read_us = fact->read_us;
}

static void on_key(const struct zk_copy *key, const struct zk_node_fact *fact, void *arg)
{
	note(arg, key, fact);
	check(arg);
}

bool patroni_keys_has_keys(char *const *names, size_t count)
{
	static const char *const keys[] = {"initialize", "leader", "members"};

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < ARRAY_LEN(keys); j++)
			if (strcmp(names[i], keys[j]) == 0)
				return true;
	return false;
}

/* Explains a scope without keys: a typing error in the path, or a Citus cluster without its
 * group. */
static void look_for_keys(struct patroni_keys *scope, const struct zk_node_fact *fact)
{
	struct strbuf *out = &scope->strange;

	strbuf_reset(out);
	if (fact->state != ZK_NODE_PRESENT || patroni_keys_has_keys(fact->names, fact->name_count))
		return;
	strbuf_append_str(out, "no Patroni keys (initialize, leader, members) below ");
	strbuf_append_escaped(out, scope->path, strlen(scope->path), PATH_SHOWN_MAX);
	strbuf_printf(out, ": check the setting path; the znode %s",
	              fact->name_count > 0 ? "has the children " : "has no children");
	patroni_keys_append_names(out, fact->names, fact->name_count);
}

static void on_root(const struct zk_copy *root, const struct zk_node_fact *fact, void *arg)
{
	if (root->connected)
		look_for_keys(arg, fact);
	on_key(root, fact, arg);
}

static bool is_leader(const struct patroni_keys *scope, const char *name)
{
	return scope->leader->has_data && strcmp(scope->leader->data.data, name) == 0;
}

static void on_leader(const struct zk_copy *leader, const struct zk_node_fact *fact, void *arg)
{
	const struct patroni_keys *scope = arg;

	zk_children_prefer(scope->members, leader->has_data ? leader->data.data : NULL);
	on_key(leader, fact, arg);
}

/* -- all of them -- */

#define FIXED_KEYS 5
#define VITAL_KEYS 3 /* the first ones: without them nothing can be reported */

static size_t count_keys(const struct patroni_keys *scope)
{
	size_t members;

	zk_children_list(scope->members, &members);
	return FIXED_KEYS + members;
}

/* The fixed keys by importance, then the watched members. */
static const struct zk_copy *key_at(const struct patroni_keys *scope, size_t index)
{
	const struct zk_copy *const fixed[FIXED_KEYS] = {scope->root, scope->leader,
	                                                 zk_children_parent(scope->members),
	                                                 scope->initialize, scope->config};
	size_t count;

	return index < FIXED_KEYS ? fixed[index]
	                          : zk_children_list(scope->members, &count)[index - FIXED_KEYS];
}

/* Waits for every key that can change who is primary. For the others the last value has to do if
 * their reads take longer than LATE_MS. */
static bool settled(const struct patroni_keys *scope)
{
	for (size_t i = 0; i < count_keys(scope); i++) {
		const struct zk_copy *key = key_at(scope, i);
		bool needed = i < VITAL_KEYS || (key->name != NULL && is_leader(scope, key->name));

		if (!key->told || ((needed || !scope->is_late) && zk_node_busy(key->node)))
			return false;
	}
	return true;
}

/* A key was read before, and not again since the connection was lost. */
static bool unreachable(const struct patroni_keys *scope)
{
	for (size_t i = 0; i < count_keys(scope); i++)
		if (key_at(scope, i)->told && !key_at(scope, i)->connected)
			return true;
	return false;
}

static const struct zk_copy *denied(const struct patroni_keys *scope)
{
	for (size_t i = 0; i < VITAL_KEYS; i++)
		if (key_at(scope, i)->state == ZK_NODE_DENIED)
			return key_at(scope, i);
	return NULL;
}

/* A deleted key shows in the pzxid of its parent. */
static int64_t newest(const struct patroni_keys *scope)
{
	int64_t zxid = 0;

	for (size_t i = 0; i < count_keys(scope); i++)
		zxid = larger(zxid, larger(key_at(scope, i)->mzxid, key_at(scope, i)->pzxid));
	return zxid;
}

static struct layout_patroni_key key_value(const struct zk_copy *key)
{
	return (struct layout_patroni_key){
	    .present = key->state == ZK_NODE_PRESENT || key->state == ZK_NODE_DENIED,
	    .name = key->name,
	    .data = key->has_data ? key->data.data : NULL,
	    .len = key->state == ZK_NODE_PRESENT ? key->size : 0,
	    .problem = key->state == ZK_NODE_DENIED ? key->problem.data : NULL,
	    .czxid = key->czxid};
}

static void tell(struct patroni_keys *scope, struct patroni_keys_fact fact)
{
	fact.notified_us = scope->notified_us;
	fact.read_us = scope->read_us;
	scope->changed = scope->is_late = false;
	scope->told = true;
	scope->state = fact.state;
	timer_stop(scope->late);
	scope->cb(&fact, scope->arg);
}

static void tell_keys(struct patroni_keys *scope)
{
	struct layout_patroni_key members[PATRONI_KEYS_MEMBERS_MAX];
	struct layout_patroni keys = {.leader = key_value(scope->leader),
	                              .initialize = key_value(scope->initialize),
	                              .config = key_value(scope->config),
	                              .members = members};
	size_t count;
	const struct zk_copy *const *followed = zk_children_list(scope->members, &count);
	bool strange;

	for (size_t i = 0; i < count; i++)
		if (followed[i]->state != ZK_NODE_ABSENT)
			members[keys.member_count++] = key_value(followed[i]);
	keys.not_fetched_count = zk_children_left_out(scope->members);
	strange = scope->strange.len > 0 && !keys.config.present;
	tell(scope, (struct patroni_keys_fact){.state = PATRONI_KEYS_READ,
	                                       .keys = &keys,
	                                       .zxid = newest(scope),
	                                       .problem = strange ? scope->strange.data : NULL});
}

static void tell_settled(struct patroni_keys *scope)
{
	const struct zk_copy *refused = denied(scope);

	if (scope->root->state == ZK_NODE_ABSENT)
		tell(scope, (struct patroni_keys_fact){.state = PATRONI_KEYS_ABSENT});
	else if (refused != NULL)
		tell(scope, (struct patroni_keys_fact){.state = PATRONI_KEYS_DENIED,
		                                       .problem = refused->problem.data});
	else
		tell_keys(scope);
}

static void wait_for_reads(struct patroni_keys *scope)
{
	if (!timer_is_set(scope->late))
		timer_start(scope->late, LATE_MS);
}

static void check(struct patroni_keys *scope)
{
	if (unreachable(scope)) {
		if (!scope->told || scope->state != PATRONI_KEYS_UNREACHABLE)
			tell(scope, (struct patroni_keys_fact){.state = PATRONI_KEYS_UNREACHABLE});
	} else if (scope->changed && settled(scope)) {
		tell_settled(scope);
	} else if (scope->changed) {
		wait_for_reads(scope);
	}
}

static void on_late(void *arg)
{
	struct patroni_keys *scope = arg;

	scope->is_late = true;
	check(scope);
}

/* The path of a child of the scope; "": of the scope itself. */
static char *path_of(const struct patroni_keys *scope, const char *child)
{
	bool at_root = strcmp(scope->path, "/") == 0 && *child != '\0';

	return xasprintf("%s%s", at_root ? "" : scope->path, child);
}

static struct zk_copy *watch_key(struct patroni_keys *scope, struct zk *zk, const char *child,
                                 enum zk_watch_flags flags, zk_copy_cb *cb)
{
	auto_free char *path = path_of(scope, child);

	return zk_copy_watch(zk, path, flags, LAYOUT_VALUE_MAX, cb, scope);
}

struct patroni_keys *patroni_keys_watch(struct zk *zk, struct event_base *base, const char *path,
                                        patroni_keys_cb *cb, void *arg)
{
	struct patroni_keys *scope = xcalloc(1, sizeof(*scope));
	auto_free char *members = NULL;

	*scope = (struct patroni_keys){
	    .path = xstrdup(path), .cb = cb, .arg = arg, .strange = STRBUF_INIT};
	members = path_of(scope, "/members");
	scope->late = timer_new(base, on_late, scope);
	scope->root = watch_key(scope, zk, "", ZK_WATCH_NAMES, on_root);
	scope->members = zk_children_create(zk, members, LAYOUT_VALUE_MAX, PATRONI_KEYS_MEMBERS_MAX,
	                                    on_key, scope);
	scope->leader = watch_key(scope, zk, "/leader", ZK_WATCH_DATA, on_leader);
	scope->initialize = watch_key(scope, zk, "/initialize", ZK_WATCH_DATA, on_key);
	scope->config = watch_key(scope, zk, "/config", ZK_WATCH_DATA, on_key);
	return scope;
}

void patroni_keys_unwatch(struct patroni_keys *scope)
{
	if (scope == NULL)
		return;
	zk_children_destroy(scope->members);
	zk_copy_unwatch(scope->root);
	zk_copy_unwatch(scope->leader);
	zk_copy_unwatch(scope->initialize);
	zk_copy_unwatch(scope->config);
	timer_free(scope->late);
	strbuf_fini(&scope->strange);
	free(scope->path);
	free(scope);
}
