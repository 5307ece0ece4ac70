/* The znodes of a Patroni scope as one value. leader, members, initialize and config are watched
 * separately, and reported together when no read of them is in progress. */
#ifndef SEGUE_WATCH_PATRONI_KEYS_H
#define SEGUE_WATCH_PATRONI_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "base/util.h"
#include "topology/layout.h"

struct event_base;
struct patroni_keys;
struct zk;

enum patroni_keys_state {
	PATRONI_KEYS_UNREACHABLE, /* there is no connection to ZooKeeper now */
	PATRONI_KEYS_ABSENT,      /* the znode of the scope does not exist */
	PATRONI_KEYS_DENIED,      /* a key that is needed cannot be read; see `problem` */
	PATRONI_KEYS_READ,        /* `keys` holds what was read; every key may be absent */
};

/* Borrowed until the callback returns. */
struct patroni_keys_fact {
	enum patroni_keys_state state;
	const struct layout_patroni *keys;
	int64_t zxid; /* READ: of the newest change; decreases only if ZooKeeper is rolled back */
	int64_t notified_us; /* of the first change that this reports */
	int64_t read_us;
	const char *problem; /* DENIED: why; READ: why these can be no keys of Patroni, or NULL */
};

/* True when one of the children of a znode is a key that every Patroni scope has. */
bool patroni_keys_has_keys(char *const *names, size_t count);

/* Appends the names sorted and escaped, separated by ", ", but not more of them than a person would
 * read. */
void patroni_keys_append_names(struct strbuf *out, char *const *names, size_t count);

/* Never called inside patroni_keys_watch(), nor when nothing has changed. */
typedef void patroni_keys_cb(const struct patroni_keys_fact *fact, void *arg);
struct patroni_keys *patroni_keys_watch(struct zk *zk, struct event_base *base, const char *path,
                                        patroni_keys_cb *cb, void *arg) MUST_CHECK;
void patroni_keys_unwatch(struct patroni_keys *keys);

#endif
