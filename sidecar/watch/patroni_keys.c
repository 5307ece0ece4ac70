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

#define MEMBERS_MAX    ((size_t)TOPOLOGY_STANDBYS_MAX + 1)
#define LATE_MS        100 /* ms; then the last value of a key that is still being read has to do */
#define NAMES_SHOWN    8
#define NAME_SHOWN_MAX 64  /* bytes of a name in a message */
#define PATH_SHOWN_MAX 200 /* bytes of a path in a message */

struct patroni_keys {
	char *path;
	patroni_keys_cb *cb;
	void *arg;
	struct zk_copy *root, *leader, *initialize, *config; /* root: shows deleted keys */
	struct zk_children *members;  /* MEMBERS_MAX at most, including the leader */
	struct strbuf no_keys_reason; /* why root is no scope of Patroni; "" when it is */

	bool changed; /* there is a change that was not reported yet */
	bool reported;
	enum patroni_keys_state state; /* as reported last */
	int64_t notified_us, read_us;
	struct timer *late; /* ends the wait for reads */
	bool is_late;
};

/* --- names --- */

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

bool patroni_keys_has_keys(char *const *names, size_t count)
{
	static const char *const keys[] = {"initialize", "leader", "members"};

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < ARRAY_LEN(keys); j++)
			if (strcmp(names[i], keys[j]) == 0)
				return true;
	return false;
}

/* --- all keys together --- */

#define FIXED_KEYS 5
#define VITAL_KEYS 3 /* the first ones: without them nothing can be reported */

struct summary {
	bool unreachable; /* a key was read before, and not again since the connection was lost */
	bool settled;     /* nothing has to be waited for */
	const struct zk_copy *denied; /* a vital key, or NULL */
	int64_t zxid; /* of the newest change; a deleted key shows in the pzxid of its parent */
};

/* Waits for every key that can change who is primary. For the others the last value has to do if
 * their reads take longer than LATE_MS. */
static struct summary summarize(const struct patroni_keys *keys)
{
	const struct zk_copy *const fixed[FIXED_KEYS] = {keys->root, keys->leader,
	                                                 zk_children_parent(keys->members),
	                                                 keys->initialize, keys->config};
	const char *leader = keys->leader->has_data ? keys->leader->data.data : "";
	struct summary all = {.settled = true};
	size_t count;
	const struct zk_copy *const *members = zk_children_list(keys->members, &count);

	for (size_t i = 0; i < FIXED_KEYS + count; i++) {
		const struct zk_copy *key = i < FIXED_KEYS ? fixed[i] : members[i - FIXED_KEYS];
		bool vital = i < VITAL_KEYS;
		bool needed = vital || (key->name != NULL && strcmp(leader, key->name) == 0);

		all.unreachable |= key->reported && !key->connected;
		if (!key->reported || ((needed || !keys->is_late) && zk_node_busy(key->node)))
			all.settled = false;
		if (vital && all.denied == NULL && key->state == ZK_NODE_DENIED)
			all.denied = key;
		all.zxid = larger(all.zxid, larger(key->mzxid, key->pzxid));
	}
	return all;
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

static void report(struct patroni_keys *keys, struct patroni_keys_fact fact)
{
	fact.notified_us = keys->notified_us;
	fact.read_us = keys->read_us;
	keys->changed = keys->is_late = false;
	keys->reported = true;
	keys->state = fact.state;
	timer_stop(keys->late);
	keys->cb(&fact, keys->arg);
}

static void report_read(struct patroni_keys *keys, int64_t zxid)
{
	struct layout_patroni_key members[MEMBERS_MAX];
	struct layout_patroni value = {.leader = key_value(keys->leader),
	                               .initialize = key_value(keys->initialize),
	                               .config = key_value(keys->config),
	                               .members = members,
	                               .not_fetched_count = zk_children_left_out(keys->members)};
	struct patroni_keys_fact fact = {.state = PATRONI_KEYS_READ, .keys = &value, .zxid = zxid};
	size_t count;
	const struct zk_copy *const *followed = zk_children_list(keys->members, &count);

	for (size_t i = 0; i < count; i++)
		if (followed[i]->state != ZK_NODE_ABSENT)
			members[value.member_count++] = key_value(followed[i]);
	if (keys->no_keys_reason.len > 0 && !value.config.present)
		fact.problem = keys->no_keys_reason.data;
	report(keys, fact);
}

static void check(struct patroni_keys *keys)
{
	const struct summary all = summarize(keys);

	if (all.unreachable) {
		if (!keys->reported || keys->state != PATRONI_KEYS_UNREACHABLE)
			report(keys, (struct patroni_keys_fact){.state = PATRONI_KEYS_UNREACHABLE});
	} else if (!keys->changed) {
		return;
	} else if (!all.settled) {
		if (!timer_is_set(keys->late))
			timer_start(keys->late, LATE_MS);
	} else if (keys->root->state == ZK_NODE_ABSENT) {
		report(keys, (struct patroni_keys_fact){.state = PATRONI_KEYS_ABSENT});
	} else if (all.denied != NULL) {
		report(keys, (struct patroni_keys_fact){.state = PATRONI_KEYS_DENIED,
		                                        .problem = all.denied->problem.data});
	} else {
		report_read(keys, all.zxid);
	}
}

/* --- what was read --- */

static void on_late(void *arg)
{
	struct patroni_keys *keys = arg;

	keys->is_late = true;
	check(keys);
}

static void on_key(const struct zk_copy *key, const struct zk_node_fact *fact, void *arg)
{
	struct patroni_keys *keys = arg;

	if (key->changed && !keys->changed)
		keys->notified_us = fact->notified_us;
	keys->changed = keys->changed || key->changed;
	keys->read_us = fact->read_us;
	check(keys);
}

/* Explains a scope without keys: a typing error in the path, or a Citus cluster without its
 * group. */
static void look_for_keys(struct patroni_keys *keys, const struct zk_node_fact *fact)
{
	struct strbuf *out = &keys->no_keys_reason;

	strbuf_reset(out);
	if (fact->state != ZK_NODE_PRESENT || patroni_keys_has_keys(fact->names, fact->name_count))
		return;
	strbuf_append_str(out, "no Patroni keys (initialize, leader, members) below ");
	strbuf_append_escaped(out, keys->path, strlen(keys->path), PATH_SHOWN_MAX);
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

static void on_leader(const struct zk_copy *leader, const struct zk_node_fact *fact, void *arg)
{
	const struct patroni_keys *keys = arg;

	zk_children_prefer(keys->members, leader->has_data ? leader->data.data : NULL);
	on_key(leader, fact, arg);
}

static char *child_path(const char *path, const char *child)
{
	return xasprintf("%s/%s", strcmp(path, "/") == 0 ? "" : path, child);
}

static struct zk_copy *watch_key(struct patroni_keys *keys, struct zk *zk, const char *child,
                                 zk_copy_cb *cb)
{
	auto_free char *path = child_path(keys->path, child);

	return zk_copy_watch(zk, path, ZK_WATCH_DATA, LAYOUT_VALUE_MAX, cb, keys);
}

struct patroni_keys *patroni_keys_watch(struct zk *zk, struct event_base *base, const char *path,
                                        patroni_keys_cb *cb, void *arg)
{
	struct patroni_keys *keys = xcalloc(1, sizeof(*keys));
	auto_free char *members = child_path(path, "members");

	*keys = (struct patroni_keys){
	    .path = xstrdup(path), .cb = cb, .arg = arg, .no_keys_reason = STRBUF_INIT};
	keys->late = timer_new(base, on_late, keys);
	keys->root = zk_copy_watch(zk, path, ZK_WATCH_NAMES, LAYOUT_VALUE_MAX, on_root, keys);
	keys->members =
	    zk_children_create(zk, members, LAYOUT_VALUE_MAX, MEMBERS_MAX, on_key, keys);
	keys->leader = watch_key(keys, zk, "leader", on_leader);
	keys->initialize = watch_key(keys, zk, "initialize", on_key);
	keys->config = watch_key(keys, zk, "config", on_key);
	return keys;
}

void patroni_keys_unwatch(struct patroni_keys *keys)
{
	if (keys == NULL)
		return;
	zk_children_destroy(keys->members);
	zk_copy_unwatch(keys->root);
	zk_copy_unwatch(keys->leader);
	zk_copy_unwatch(keys->initialize);
	zk_copy_unwatch(keys->config);
	timer_free(keys->late);
	strbuf_fini(&keys->no_keys_reason);
	free(keys->path);
	free(keys);
}
