/* The children of a znode with their bytes, kept current by watches: who is in the fleet, and what
 * each one says. It reads no bytes. */
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
	int64_t owner;         /* the session; 0: a persistent znode */
	size_t size;           /* the true one */
	struct strbuf data;    /* empty when it is larger than was asked for */
	struct strbuf problem; /* why it cannot be read; empty: it can */
	/* for the children alone */
	struct zk_children *children;
	struct zk_node *node;
	bool stays;
};

typedef void zk_children_cb(void *arg); /* something is different: look */

struct zk_children *zk_children_create(struct zk *zk, const char *parent, size_t max_size,
                                       zk_children_cb *cb, void *arg) MUST_CHECK;
void zk_children_destroy(struct zk_children *children);

/* Names and bytes of all are known, on the present connection. */
bool zk_children_known(const struct zk_children *children);

/* Why the names cannot be read, or NULL. Borrowed, as the members are, until the next loop
 * iteration. The order is that of the names. */
const char *zk_children_problem(const struct zk_children *children);
const struct zk_child *const *zk_children_list(const struct zk_children *children, size_t *count);

#endif
