/* The types of patroni_keys.c. No other file includes it. */
#ifndef SEGUE_WATCH_PATRONI_KEYS_INTERNAL_H
#define SEGUE_WATCH_PATRONI_KEYS_INTERNAL_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "watch/patroni_keys.h"
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
	struct event *late; /* the timer that ends the wait for reads */
	bool is_late;
};

#endif
