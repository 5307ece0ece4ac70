/* The children of a znode with their data, kept current by watches: the nodes of the fleet, the
 * other publishers. It does not interpret the data. */
#ifndef SEGUE_ZOOKEEPER_CHILDREN_H
#define SEGUE_ZOOKEEPER_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "zookeeper/session.h"

struct zk_children;

struct zk_child {
	char *name, *path;
	enum zk_node_state state;
	int64_t mzxid;
	int64_t owner;         /* session ID of an ephemeral znode; 0: persistent */
	size_t size;           /* bytes in ZooKeeper, also when `data` is empty */
	struct strbuf data;    /* empty when the znode is larger than max_size */
	struct strbuf problem; /* why it cannot be read; empty when it can */
	/* private to children.c */
	struct zk_children *children;
	struct zk_node *node;
	bool current; /* read on the present connection */
	bool stays;
};

typedef void zk_children_cb(void *arg); /* something has changed; see zk_children_list() */

struct zk_children *zk_children_create(struct zk *zk, const char *parent, size_t max_size,
                                       zk_children_cb *cb, void *arg) MUST_CHECK;
void zk_children_destroy(struct zk_children *children);

/* True when the names and the data of every child have been read on the present connection. */
bool zk_children_known(const struct zk_children *children);

/* Why the names cannot be read, or NULL. Borrowed until the next loop iteration, as is the list
 * with its members. */
const char *zk_children_problem(const struct zk_children *children);
/* Sorted by name. */
const struct zk_child *const *zk_children_list(const struct zk_children *children, size_t *count);

#endif
