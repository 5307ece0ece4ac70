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
#include "zookeeper/session.h"

#define PATRONI_KEYS_MEMBERS_MAX ((size_t)TOPOLOGY_STANDBYS_MAX + 1)

struct key { /* one znode, as reported last */
	struct patroni_keys *scope;
	struct zk_node *node;
	char *name; /* of a member; NULL for other keys */
	bool told, connected;
	enum zk_node_state state;
	int64_t mzxid, czxid, pzxid;
	struct strbuf data, problem;
	bool has_data;
	size_t size;
};

struct patroni_keys {
	struct zk *zk;
	char *path;
	patroni_keys_cb *cb;
	void *arg;
	struct key root, leader, members, initialize, config; /* root: shows deleted keys */
	struct strbuf strange; /* why root's children are no scope of Patroni; "" when they are */
	struct key *peers[PATRONI_KEYS_MEMBERS_MAX]; /* sorted by name */
	size_t peer_count;
	char **names; /* of all members, sorted; NAMES_MAX at most, `uncounted` more are left out */
	size_t name_count, uncounted;

	bool changed; /* there is a change that was not reported yet */
	bool told;
	enum patroni_keys_state state; /* as reported last */
	int64_t notified_us, read_us;
	struct timer *late; /* ends the wait for reads */
	bool is_late;
};

/* --- which members are watched --- */
/* At most PATRONI_KEYS_MEMBERS_MAX are watched, including the leader. If there are more, the same
 * ones are chosen each time. */

#define NAMES_MAX      ((size_t)1024) /* more names are only counted */
#define NAMES_SHOWN    8
#define NAME_SHOWN_MAX 64 /* bytes of a name in a message */

static void patroni_keys_key_open(struct key *key, struct patroni_keys *scope, const char *child,
                                  enum zk_watch_flags flags, zk_node_cb *cb);
static void patroni_keys_key_close(struct key *key);
static void patroni_keys_on_key(const struct zk_node_fact *fact, void *arg);

static int compare_names(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return strcmp(*left, *right);
}

static void patroni_keys_forget_names(struct patroni_keys *scope)
{
	for (size_t i = 0; i < scope->name_count; i++)
		free(scope->names[i]);
	free(scope->names);
	scope->names = NULL;
	scope->name_count = 0;
}

/* The names, sorted. The caller frees the list, not the names. */
static const char **sort_names(char *const *names, size_t count)
{
	const char **sorted = xcalloc(count + 1, sizeof(*sorted));

	for (size_t i = 0; i < count; i++)
		sorted[i] = names[i];
	qsort(sorted, count, sizeof(*sorted), compare_names);
	return sorted;
}

void patroni_keys_append_names(struct strbuf *out, char *const *names, size_t count)
{
	auto_free const char **sorted = sort_names(names, count);

	for (size_t i = 0; i < count && i < NAMES_SHOWN; i++) {
		strbuf_append_str(out, i > 0 ? ", " : "");
		strbuf_append_escaped(out, sorted[i], strlen(sorted[i]), NAME_SHOWN_MAX);
	}
	if (count > NAMES_SHOWN)
		strbuf_printf(out, " and %zu more", count - NAMES_SHOWN);
}

/* Sorts before it cuts the list, so that of too many names the same ones are kept each time. */
static void patroni_keys_take_names(struct patroni_keys *scope, const struct zk_node_fact *fact)
{
	size_t kept = fact->name_count < NAMES_MAX ? fact->name_count : NAMES_MAX;
	auto_free const char **sorted = sort_names(fact->names, fact->name_count);

	patroni_keys_forget_names(scope);
	scope->names = xcalloc(kept + 1, sizeof(*scope->names));
	for (size_t i = 0; i < kept; i++)
		scope->names[i] = xstrdup(sorted[i]);
	scope->name_count = kept;
	scope->uncounted = fact->name_count - kept;
}

static struct key *open_peer(struct patroni_keys *scope, const char *name)
{
	auto_free char *child = xasprintf("/members/%s", name);
	struct key *peer = xcalloc(1, sizeof(*peer));

	patroni_keys_key_open(peer, scope, child, ZK_WATCH_DATA, patroni_keys_on_key);
	peer->name = xstrdup(name);
	return peer;
}

/* Removes the peer of that name from the list and returns it; NULL: there is none. */
static struct key *take_peer(struct key **peers, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (peers[i] != NULL && strcmp(peers[i]->name, name) == 0)
			return STEAL(peers[i]);
	return NULL;
}

static bool patroni_keys_is_leader(const struct patroni_keys *scope, const char *name)
{
	const struct key *leader = &scope->leader;

	return leader->has_data && strcmp(leader->data.data, name) == 0;
}

/* The member to watch at `index`. They are the first ones by name, but the last place goes to the
 * leader if it comes later in the order. */
static const char *name_at(const struct patroni_keys *scope, size_t index)
{
	if (index + 1 == PATRONI_KEYS_MEMBERS_MAX)
		for (size_t i = index; i < scope->name_count; i++)
			if (patroni_keys_is_leader(scope, scope->names[i]))
				return scope->names[i];
	return scope->names[index];
}

/* Opens watches of newly chosen members, keeps those that exist, and closes the rest. */
static void patroni_keys_follow_members(struct patroni_keys *scope)
{
	struct key *old[PATRONI_KEYS_MEMBERS_MAX];
	size_t old_count = scope->peer_count;

	memcpy(old, scope->peers, sizeof(old));
	scope->peer_count = scope->name_count < PATRONI_KEYS_MEMBERS_MAX ? scope->name_count
	                                                                 : PATRONI_KEYS_MEMBERS_MAX;
	for (size_t i = 0; i < scope->peer_count; i++) {
		const char *name = name_at(scope, i);
		struct key *known = take_peer(old, old_count, name);

		scope->peers[i] = known != NULL ? known : open_peer(scope, name);
	}
	for (size_t i = 0; i < old_count; i++) {
		if (old[i] == NULL)
			continue;
		patroni_keys_key_close(old[i]);
		free(old[i]);
	}
}

static void patroni_keys_close_members(struct patroni_keys *scope)
{
	for (size_t i = 0; i < scope->peer_count; i++) {
		patroni_keys_key_close(scope->peers[i]);
		free(scope->peers[i]);
	}
	patroni_keys_forget_names(scope);
}

/* --- the scope as one value --- */

#define LATE_MS        100 /* ms; then the last value of a key that is still being read has to do */
#define PATH_SHOWN_MAX 200 /* bytes of a path in a message */

static void check(struct patroni_keys *scope);

/* -- keys -- */

static bool same_text(const struct strbuf *buf, const char *text)
{
	return strcmp(buf->data, text != NULL ? text : "") == 0;
}

static bool key_changed(const struct key *key, const struct zk_node_fact *fact)
{
	return !key->told || key->connected != fact->connected || key->state != fact->state ||
	       key->mzxid != fact->mzxid || key->pzxid != fact->pzxid ||
	       !same_text(&key->problem, fact->problem);
}

static void key_take(struct key *key, const struct zk_node_fact *fact)
{
	key->told = true;
	key->connected = fact->connected;
	key->state = fact->state;
	key->mzxid = fact->mzxid;
	key->czxid = fact->czxid;
	key->pzxid = fact->pzxid;
	strbuf_reset(&key->problem);
	strbuf_append_str(&key->problem, fact->problem != NULL ? fact->problem : "");
	if (!fact->connected)
		return; /* the last data stays until the key is read again */
	strbuf_reset(&key->data);
	key->has_data = fact->data != NULL;
	key->size = fact->size;
	if (key->has_data)
		strbuf_append(&key->data, fact->data, fact->size);
}

static void patroni_keys_key_open(struct key *key, struct patroni_keys *scope, const char *child,
                                  enum zk_watch_flags flags, zk_node_cb *cb)
{
	bool at_root = strcmp(scope->path, "/") == 0 && *child != '\0';
	auto_free char *path = xasprintf("%s%s", at_root ? "" : scope->path, child);

	*key = (struct key){.scope = scope};
	strbuf_init(&key->data);
	strbuf_init(&key->problem);
	key->node = zk_watch(scope->zk, path, (enum zk_watch_flags)(flags | ZK_WATCH_EACH),
	                     LAYOUT_VALUE_MAX, cb, key);
}

static void patroni_keys_key_close(struct key *key)
{
	zk_unwatch(key->node);
	strbuf_fini(&key->data);
	strbuf_fini(&key->problem);
	free(key->name);
}

static bool key_settled(const struct key *key)
{
	return key->told && !zk_node_busy(key->node);
}

static void note_fact(struct key *key, const struct zk_node_fact *fact)
{
	struct patroni_keys *scope = key->scope;

	if (key_changed(key, fact)) {
		if (!scope->changed)
			scope->notified_us = fact->notified_us;
		scope->changed = true;
	}
	scope->read_us = fact->read_us;
	key_take(key, fact);
}

static void patroni_keys_on_key(const struct zk_node_fact *fact, void *arg)
{
	struct key *key = arg;

	note_fact(key, fact);
	check(key->scope);
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
	strbuf_append_str(out, "no key of Patroni below ");
	strbuf_append_escaped(out, scope->path, strlen(scope->path), PATH_SHOWN_MAX);
	strbuf_append_str(out, " (initialize, leader, members): is path right? ");
	strbuf_append_str(out, fact->name_count > 0 ? "its children are " : "it has no children");
	patroni_keys_append_names(out, fact->names, fact->name_count);
}

static void on_root(const struct zk_node_fact *fact, void *arg)
{
	struct key *key = arg;

	note_fact(key, fact);
	if (fact->connected && fact->state != ZK_NODE_UNKNOWN)
		look_for_keys(key->scope, fact);
	check(key->scope);
}

static void on_members(const struct zk_node_fact *fact, void *arg)
{
	struct key *key = arg;

	note_fact(key, fact);
	if (fact->connected && fact->state != ZK_NODE_UNKNOWN) {
		patroni_keys_take_names(key->scope, fact);
		patroni_keys_follow_members(key->scope);
	}
	check(key->scope);
}

static void on_leader(const struct zk_node_fact *fact, void *arg)
{
	struct key *key = arg;

	note_fact(key, fact);
	if (key->scope->name_count > PATRONI_KEYS_MEMBERS_MAX)
		patroni_keys_follow_members(key->scope);
	check(key->scope);
}

/* -- all of them -- */

/* The fixed keys by importance, then the watched members; NULL after the last. */
static const struct key *key_at(const struct patroni_keys *scope, size_t index)
{
	const struct key *const fixed[] = {&scope->root, &scope->leader, &scope->members,
	                                   &scope->initialize, &scope->config};

	if (index < ARRAY_LEN(fixed))
		return fixed[index];
	index -= ARRAY_LEN(fixed);
	return index < scope->peer_count ? scope->peers[index] : NULL;
}

/* Waits for every key that can change who is primary. For the others the last value has to do if
 * their reads take longer than LATE_MS. */
static bool settled(const struct patroni_keys *scope)
{
	const struct key *key;

	for (size_t i = 0; (key = key_at(scope, i)) != NULL; i++) {
		bool needed = key->name != NULL
		                  ? patroni_keys_is_leader(scope, key->name)
		                  : key != &scope->initialize && key != &scope->config;

		if (!key->told || ((needed || !scope->is_late) && !key_settled(key)))
			return false;
	}
	return true;
}

/* A key was read before, and not again since the connection was lost. */
static bool unreachable(const struct patroni_keys *scope)
{
	const struct key *key;

	for (size_t i = 0; (key = key_at(scope, i)) != NULL; i++)
		if (key->told && !key->connected)
			return true;
	return false;
}

static const struct key *denied(const struct patroni_keys *scope)
{
	const struct key *const needed[] = {&scope->root, &scope->leader, &scope->members};

	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (needed[i]->state == ZK_NODE_DENIED)
			return needed[i];
	return NULL;
}

/* A deleted key shows in the pzxid of its parent. */
static int64_t newest(const struct patroni_keys *scope)
{
	const struct key *key;
	int64_t zxid = 0;

	for (size_t i = 0; (key = key_at(scope, i)) != NULL; i++) {
		zxid = key->mzxid > zxid ? key->mzxid : zxid;
		zxid = key->pzxid > zxid ? key->pzxid : zxid;
	}
	return zxid;
}

static struct layout_patroni_key key_value(const struct key *key)
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
	struct layout_patroni keys = {.leader = key_value(&scope->leader),
	                              .initialize = key_value(&scope->initialize),
	                              .config = key_value(&scope->config),
	                              .members = members};
	bool strange;

	for (size_t i = 0; i < scope->peer_count; i++)
		if (scope->peers[i]->state != ZK_NODE_ABSENT)
			members[keys.member_count++] = key_value(scope->peers[i]);
	keys.unread_count = scope->name_count - scope->peer_count + scope->uncounted;
	strange = scope->strange.len > 0 && !keys.config.present;
	tell(scope, (struct patroni_keys_fact){.state = PATRONI_KEYS_READ,
	                                       .keys = &keys,
	                                       .zxid = newest(scope),
	                                       .problem = strange ? scope->strange.data : NULL});
}

static void tell_settled(struct patroni_keys *scope)
{
	const struct key *refused = denied(scope);

	if (scope->root.state == ZK_NODE_ABSENT)
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

struct patroni_keys *patroni_keys_watch(struct zk *zk, struct event_base *base, const char *path,
                                        patroni_keys_cb *cb, void *arg)
{
	struct patroni_keys *scope = xcalloc(1, sizeof(*scope));

	*scope = (struct patroni_keys){.zk = zk, .path = xstrdup(path), .cb = cb, .arg = arg};
	strbuf_init(&scope->strange);
	scope->late = timer_new(base, on_late, scope);
	patroni_keys_key_open(&scope->root, scope, "", ZK_WATCH_NAMES, on_root);
	patroni_keys_key_open(&scope->members, scope, "/members", ZK_WATCH_NAMES, on_members);
	patroni_keys_key_open(&scope->leader, scope, "/leader", ZK_WATCH_DATA, on_leader);
	patroni_keys_key_open(&scope->initialize, scope, "/initialize", ZK_WATCH_DATA,
	                      patroni_keys_on_key);
	patroni_keys_key_open(&scope->config, scope, "/config", ZK_WATCH_DATA, patroni_keys_on_key);
	return scope;
}

void patroni_keys_unwatch(struct patroni_keys *scope)
{
	if (scope == NULL)
		return;
	patroni_keys_close_members(scope);
	patroni_keys_key_close(&scope->root);
	patroni_keys_key_close(&scope->members);
	patroni_keys_key_close(&scope->leader);
	patroni_keys_key_close(&scope->initialize);
	patroni_keys_key_close(&scope->config);
	timer_free(scope->late);
	strbuf_fini(&scope->strange);
	free(scope->path);
	free(scope);
}
