/* The children of a znode with their bytes, kept current by watches: who is in the fleet, and what
 * each one says. It reads no bytes. */
#ifndef SEGUE_WATCH_ROSTER_H
#define SEGUE_WATCH_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "watch/zk.h"

struct roster;

struct roster_member {
	char *name, *path;
	enum zk_node_state state;
	int64_t mzxid;
	int64_t owner;         /* the session; 0: a persistent znode */
	size_t size;           /* the true one */
	struct strbuf data;    /* empty when it is larger than was asked for */
	struct strbuf problem; /* why it cannot be read; empty: it can */
	/* for the roster alone */
	struct roster *roster;
	struct zk_node *node;
	bool stays;
};

typedef void roster_cb(void *arg); /* something is different: look */

struct roster *roster_create(struct zk *zk, const char *parent, size_t max_size, roster_cb *cb,
                             void *arg) MUST_CHECK;
void roster_destroy(struct roster *roster);

/* Names and bytes of all are known, on the present connection. */
bool roster_known(const struct roster *roster);

/* Why the names cannot be read, or NULL. Borrowed, as the members are, until the next loop
 * iteration. The order is that of the names. */
const char *roster_problem(const struct roster *roster);
const struct roster_member *const *roster_members(const struct roster *roster, size_t *count);

#endif
