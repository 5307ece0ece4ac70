/* The ZooKeeper session: one for the whole daemon, on the single-threaded client and the libevent
 * loop.
 *
 * A watched znode is read again after every change, every (re)connect and new session, and slowly
 * as a safety net. These reads are also the liveness probe, so a server that swallows packets is
 * abandoned within seconds. Facts that shape this: libzookeeper-st 3.8 skips hosts when their
 * number is even (ZOOKEEPER-2466); zoo_awget() sets no watch on an absent znode; an expired session
 * loses its watches. */
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
	ZK_NODE_DENIED, /* no read permission (ZNOAUTH) or refused otherwise; see `problem` */
};

/* What is known about one znode. Borrowed until the callback returns. */
struct zk_node_fact {
	enum zk_node_state state;
	bool connected;         /* the session is connected and synced, and this was read on it */
	int64_t mzxid, czxid;   /* PRESENT only */
	int64_t owner;          /* PRESENT only: session ID of an ephemeral znode; 0: persistent */
	int ephemeral_children; /* ZK_WATCH_CHILDREN only; a lower bound; 0: none, -1: not known */
	int64_t pzxid; /* ZK_WATCH_NAMES and PRESENT only; of the last child created or deleted */
	char *const *names; /* of all children; PRESENT, connected and ZK_WATCH_NAMES only */
	size_t name_count;
	const char *data;    /* PRESENT, connected and ZK_WATCH_DATA only; not NUL terminated */
	size_t size;         /* bytes in ZooKeeper; above the size limit `data` is NULL */
	int64_t notified_us; /* when the reason for this read arrived: a watch event, a difference
	                        found by a probe, or a new connection */
	int64_t read_us;     /* when the value arrived */
	const char *problem; /* DENIED: why */
};

typedef void zk_node_cb(const struct zk_node_fact *fact, void *arg);

/* Fails only if the options are malformed. An unreachable ZooKeeper is no failure: the session
 * waits for it. `resolver` must outlive the session. */
struct zk *zk_create(struct event_base *base, struct resolver *resolver,
                     const struct zk_options *options, struct err *err) MUST_CHECK;

/* Also ends all watches. Never call it from inside one of their callbacks. The server gets no
 * message: the session expires there. */
void zk_destroy(struct zk *zk);

/* Like zk_destroy(), but also closes the session at the server, so that its ephemeral znodes are
 * deleted at once. Blocks until the server confirms this, at most ZK_END_MS. Without a connection
 * the session expires instead. */
#define ZK_END_MS 1500 /* as long as libzookeeper itself waits for an answer */
void zk_end(struct zk *zk);

enum zk_watch_flags {
	ZK_WATCH_DATA = 0,
	ZK_WATCH_CHILDREN = 1 << 0, /* count ephemeral children instead of reading data */
	ZK_WATCH_NAMES = 1 << 1,    /* read the children's names instead of data */
	ZK_WATCH_EACH = 1 << 2,     /* also call after a read that showed nothing new */
};

/* Calls `cb` after every change of the fact: state, mzxid, pzxid, count, problem, connected. Never
 * inside zk_watch(). If all hosts fail before anything was read, it is called once with UNKNOWN, so
 * that the caller learns that ZooKeeper is unreachable. A value of more than `max_size` bytes is
 * reported with data NULL. */
struct zk_node *zk_watch(struct zk *zk, const char *path, enum zk_watch_flags flags,
                         size_t max_size, zk_node_cb *cb, void *arg) MUST_CHECK;
void zk_unwatch(struct zk_node *node);

/* True while a read of the znode is queued, in progress or to be repeated: the fact reported last
 * may be out of date. With ZK_WATCH_EACH there is a call when that read ends, so a caller can wait
 * for the facts of several znodes. */
bool zk_node_busy(const struct zk_node *node);

/* For check and status. zk_describe(): the server connected to and since when, or the last problem.
 * Borrowed until the next loop iteration. */
bool zk_connected(const struct zk *zk);
const char *zk_describe(const struct zk *zk);

#endif
