/* What patroni_keys.c (the scope as one value) and patroni_keys_members.c (who is watched of it)
 * share. Nobody else includes it. */
#ifndef SEGUE_WATCH_PATRONI_KEYS_INTERNAL_H
#define SEGUE_WATCH_PATRONI_KEYS_INTERNAL_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "watch/patroni_keys.h"
#include "zookeeper/session.h"

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

#endif
