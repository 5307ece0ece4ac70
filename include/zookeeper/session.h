/* The ZooKeeper session: one for the whole daemon, single-threaded client, inside the libevent
 * loop.
 *
 * A node watched here is re-read on every change, every (re)connect and session, and slowly as a
 * safety net; the session's own reads are its pg_ping probe, so that a server that swallows
 * packets is left within seconds. Facts that shape this: libzookeeper-st 3.8's cursor bug with even
 * host counts (ZOOKEEPER-2466), no watch from awget on an absent node, watches lost on expiry. */
#ifndef SEGUE_ZOOKEEPER_SESSION_H
#define SEGUE_ZOOKEEPER_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct event_base;
struct resolver;
struct zk;
struct zk_node;

struct zk_options {
	const char *hosts; /* "host:port,host:port/chroot"; names are resolved without blocking */
	int session_timeout_ms;
	const char *auth; /* "digest user:password" or "" */
};

enum zk_node_state {
	ZK_NODE_UNKNOWN, /* not read yet */
	ZK_NODE_ABSENT,
	ZK_NODE_PRESENT,
	ZK_NODE_DENIED, /* no read permission (ZNOAUTH) or refused otherwise; `problem` says it */
};

/* What is known of one node. Borrowed until the callback returns. */
struct zk_node_fact {
	enum zk_node_state state;
	bool connected; /* the session is connected and synced, and this state was read on it */
	int64_t mzxid, czxid; /* PRESENT only */
	int64_t owner; /* PRESENT only: the session of an ephemeral node; 0: a persistent one */
	int ephemeral_children; /* ZK_WATCH_CHILDREN only; -1: not known */
	int64_t pzxid;      /* ZK_WATCH_NAMES and PRESENT only: of the last child made or gone */
	char *const *names; /* of all children, PRESENT, connected and ZK_WATCH_NAMES only */
	size_t name_count;
	const char *data;    /* PRESENT, connected and ZK_WATCH_DATA only; not NUL terminated */
	size_t size;         /* the true size; data is NULL when it is over the size limit */
	int64_t notified_us; /* when the watch event (or the re-read's difference) arrived, or
	                        the connection was there that is read on */
	int64_t read_us;     /* when the value was there */
	const char *problem; /* DENIED: why */
};

typedef void zk_node_cb(const struct zk_node_fact *fact, void *arg);

/* Fails on the grammar of the options only: a store that is away is waited for. `resolver` has to
 * outlive it. */
struct zk *zk_create(struct event_base *base, struct resolver *resolver,
                     const struct zk_options *options, struct err *err) MUST_CHECK;

/* Ends every node still watched, too; never from inside a callback of it. The session is left to
 * expire. */
void zk_destroy(struct zk *zk);

/* The same, but the session ends with it, and its ephemeral nodes are gone at once; waits for the
 * store's word of that, ZK_END_MS at most. Without a connection the session expires. */
#define ZK_END_MS 1500 /* as long as libzookeeper waits for an answer */
void zk_end(struct zk *zk);

enum zk_watch_flags {
	ZK_WATCH_DATA = 0,
	ZK_WATCH_CHILDREN = 1 << 0, /* count ephemeral children instead of reading data */
	ZK_WATCH_NAMES = 1 << 1,    /* read the children's names instead of data */
	ZK_WATCH_EACH = 1 << 2,     /* call after each read, also when it showed nothing new */
};

/* Calls `cb` whenever the fact changes in any way: state, mzxid, count, connected; never inside the
 * call. When all hosts have failed before anything was read, it is called once with UNKNOWN, so
 * that an unreachable store is known as such. `max_size`: larger values are reported with data
 * NULL. */
struct zk_node *zk_watch(struct zk *zk, const char *path, enum zk_watch_flags flags,
                         size_t max_size, zk_node_cb *cb, void *arg) MUST_CHECK;
void zk_unwatch(struct zk_node *node);

/* A read of it is waiting or under way: what was told of it last may be overtaken. When that read
 * ends there is a call, with ZK_WATCH_EACH; so facts of several nodes can be waited for. */
bool zk_node_busy(const struct zk_node *node);

/* For check and status: is there a connected session, to which server, and since when; or the last
 * problem in words. Borrowed until the next loop iteration. */
bool zk_connected(const struct zk *zk);
const char *zk_describe(const struct zk *zk);

#endif
