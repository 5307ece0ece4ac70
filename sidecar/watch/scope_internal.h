/* What scope.c (the scope as one value) and patroni_keys_members.c (who is watched of it) share.
 * Nobody else includes it. */
#ifndef SEGUE_WATCH_SCOPE_INTERNAL_H
#define SEGUE_WATCH_SCOPE_INTERNAL_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "watch/scope.h"
#include "watch/zk.h"

#define PATRONI_KEYS_MEMBERS_MAX ((size_t)TOPOLOGY_STANDBYS_MAX + 1)

struct key { /* one znode, as told last */
	struct patroni_keys *scope;
	struct zk_node *node;
	char *name; /* of a member; else NULL */
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
	struct key root, leader, members, initialize, config; /* root: for what it lost */
	struct strbuf strange; /* root is none of Patroni's, by its children: why */
	struct key *peers[PATRONI_KEYS_MEMBERS_MAX]; /* sorted by name */
	size_t peer_count;
	char **names; /* of all members, sorted */
	size_t name_count, uncounted;

	bool changed; /* something that was not told yet */
	bool told;
	enum patroni_keys_state state; /* as told last */
	int64_t notified_us, read_us;
	struct event *late; /* the end of waiting for reads */
	bool is_late;
};

/* scope.c */
void patroni_keys_key_open(struct key *key, struct patroni_keys *scope, const char *child,
                           enum zk_watch_flags flags, zk_node_cb *cb);
void patroni_keys_key_close(struct key *key);
void patroni_keys_on_key(const struct zk_node_fact *fact, void *arg);

/* patroni_keys_members.c */
bool patroni_keys_is_leader(const struct patroni_keys *scope, const char *name);
void patroni_keys_take_names(struct patroni_keys *scope, const struct zk_node_fact *fact);
void patroni_keys_forget_names(struct patroni_keys *scope);
void patroni_keys_follow_members(struct patroni_keys *scope);
void patroni_keys_close_members(struct patroni_keys *scope);

#endif
