/* Copies of what was read of watched znodes: of single ones, and of the children of a znode (the
 * nodes of the fleet, the other publishers, the members of a Patroni scope). They do not interpret
 * the data. */
#ifndef SEGUE_ZOOKEEPER_CHILDREN_H
#define SEGUE_ZOOKEEPER_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "zookeeper/session.h"

struct zk_copy;
struct zk_children;

/* Called after every read, and when the connection is lost. `fact` is what the copy was made of.
 * Never called inside the call that starts the watch. */
typedef void zk_copy_cb(const struct zk_copy *copy, const struct zk_node_fact *fact, void *arg);

/* After a loss of the connection it keeps what was read before. */
struct zk_copy {
	char *path, *name; /* name: of a child; NULL for other znodes */
	struct zk_node *node;
	bool reported;  /* the callback was called */
	bool connected; /* it was read on the present connection */
	bool changed;   /* for the callback: the last fact differs from the one before */
	enum zk_node_state state;
	int64_t mzxid, czxid, pzxid;
	int64_t owner; /* session ID of an ephemeral znode; 0: persistent */
	size_t size;   /* bytes in ZooKeeper, also without data */
	bool has_data; /* false: not read as data, absent, or larger than max_size */
	struct strbuf data;
	struct strbuf problem; /* why it cannot be read; empty when it can */
	/* private to children.c */
	zk_copy_cb *cb;
	void *arg;
};

/* `path` is copied. For flags and max_size see zk_watch(). */
struct zk_copy *zk_copy_watch(struct zk *zk, const char *path, enum zk_watch_flags flags,
                              size_t max_size, zk_copy_cb *cb, void *arg) MUST_CHECK;
void zk_copy_unwatch(struct zk_copy *copy);

/* Follows at most `max_count` children, the first ones by name. `cb` (may be NULL) is called for
 * the parent, with the names in `fact`, and for every child. `parent` is copied. */
struct zk_children *zk_children_create(struct zk *zk, const char *parent, size_t max_size,
                                       size_t max_count, zk_copy_cb *cb, void *arg) MUST_CHECK;
void zk_children_destroy(struct zk_children *children);

/* From now on the child of this name (copied; NULL: none) is among those that are followed, in the
 * place of the last one by name. */
void zk_children_prefer(struct zk_children *children, const char *name);

/* True when the names and the data of every child have been read on the present connection. */
bool zk_children_known(const struct zk_children *children);

/* Borrowed until the next loop iteration, as is the list with its members. */
const struct zk_copy *zk_children_parent(const struct zk_children *children);
/* Sorted by name. */
const struct zk_copy *const *zk_children_list(const struct zk_children *children, size_t *count);
size_t zk_children_left_out(const struct zk_children *children); /* how many are not followed */

/* The names, sorted. The caller frees the list, not the names. */
const char **zk_names_sort(char *const *names, size_t count) MUST_CHECK;

#endif
