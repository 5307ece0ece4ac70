/* What scope.c (the scope as one value) and scope_members.c (who is watched of it) share. Nobody
 * else includes it. */
#ifndef SEGUE_WATCH_SCOPE_INTERNAL_H
#define SEGUE_WATCH_SCOPE_INTERNAL_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "watch/scope.h"
#include "watch/zk.h"

#define SCOPE_MEMBERS_MAX ((size_t)TOPOLOGY_STANDBYS_MAX + 1)

struct key { /* one znode, as told last */
	struct scope *scope;
	struct zk_node *node;
	char *name; /* of a member; else NULL */
	bool told, connected;
	enum zk_node_state state;
	int64_t mzxid, czxid, pzxid;
	struct strbuf data, problem;
	bool has_data;
	size_t size;
};

struct scope {
	struct zk *zk;
	char *path;
	scope_cb *cb;
	void *arg;
	struct key root, leader, members, initialize, config; /* root: for what it lost */
	struct strbuf strange;                /* root is none of Patroni's, by its children: why */
	struct key *peers[SCOPE_MEMBERS_MAX]; /* sorted by name */
	size_t peer_count;
	char **names; /* of all members, sorted */
	size_t name_count, uncounted;

	bool changed; /* something that was not told yet */
	bool told;
	enum scope_state state; /* as told last */
	int64_t notified_us, read_us;
	struct event *late; /* the end of waiting for reads */
	bool is_late;
};

/* scope.c */
void scope_key_open(struct key *key, struct scope *scope, const char *child,
                    enum zk_watch_flags flags, zk_node_cb *cb);
void scope_key_close(struct key *key);
void scope_on_key(const struct zk_node_fact *fact, void *arg);

/* scope_members.c */
bool scope_is_leader(const struct scope *scope, const char *name);
void scope_take_names(struct scope *scope, const struct zk_node_fact *fact);
void scope_forget_names(struct scope *scope);
void scope_follow_members(struct scope *scope);
void scope_close_members(struct scope *scope);

#endif
