/* One-time requests on the ZooKeeper session: create, set, delete, and a read that returns version
 * and owner. They wait until the session is synced, and end within ZK_WRITE_TIMEOUT_MS. Nothing is
 * sent twice: after a lost answer the caller decides what to do. */
#ifndef SEGUE_ZOOKEEPER_WRITE_H
#define SEGUE_ZOOKEEPER_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "zookeeper/session.h"

#define ZK_WRITE_TIMEOUT_MS 5000

enum zk_result {
	ZK_RESULT_OK,
	ZK_RESULT_NO_NODE,     /* no such znode; create: no parent, and it was not to be created */
	ZK_RESULT_EXISTS,      /* create */
	ZK_RESULT_BAD_VERSION, /* set, delete: somebody else has changed the znode */
	ZK_RESULT_DENIED,      /* no permission, or ZK_ACL_CREATOR without an authenticated user */
	ZK_RESULT_REFUSED,     /* the server refuses it for another reason: see `problem` */
	ZK_RESULT_NOT_SENT,    /* no session in time: it has not happened */
	ZK_RESULT_LOST,        /* sent, no answer: it may or may not have happened */
};

enum zk_acl {
	ZK_ACL_OPEN,    /* anybody may do anything */
	ZK_ACL_CREATOR, /* anybody may read, the user of auth_file may do anything */
};

/* Borrowed until the callback returns. */
struct zk_answer {
	enum zk_result result;
	const char *problem; /* NULL with OK */
	/* After a read that is OK. After a set that is OK: all but the data. */
	int32_t version;
	int64_t mzxid;
	int64_t owner;    /* session ID of an ephemeral znode; 0: persistent */
	bool own;         /* the owner is the present session */
	const char *data; /* not NUL terminated; never NULL after a read */
	size_t size;
};

struct zk_write;

/* Called exactly once, never inside the call that made the request, never after zk_write_cancel()
 * or zk_destroy(). */
typedef void zk_write_cb(const struct zk_answer *answer, void *arg);

enum zk_create_flags {
	ZK_CREATE_EPHEMERAL = 1 << 0,
	ZK_CREATE_PARENTS = 1 << 1, /* creates missing parents: persistent, with the same ACL */
};

/* The returned request is owned by this module and valid until its callback or zk_write_cancel().
 * Path and data are copied. `cb` NULL: the answer is not reported, and the caller must not use the
 * returned pointer; zk_destroy() still sends the request if the session is synced then. */
struct zk_write *zk_write_create(struct zk *zk, const char *path, const void *data, size_t size,
                                 unsigned flags, enum zk_acl acl, zk_write_cb *cb,
                                 void *arg) MUST_CHECK;
/* Only if the znode has this version; -1: any version. */
struct zk_write *zk_write_set(struct zk *zk, const char *path, const void *data, size_t size,
                              int32_t version, zk_write_cb *cb, void *arg) MUST_CHECK;
struct zk_write *zk_write_delete(struct zk *zk, const char *path, int32_t version, zk_write_cb *cb,
                                 void *arg) MUST_CHECK;
/* A value that was read before a pause of the process, or on a connection that is gone, is LOST. */
struct zk_write *zk_write_read(struct zk *zk, const char *path, zk_write_cb *cb,
                               void *arg) MUST_CHECK;

/* No callback follows, but a request that was already sent may still take effect. NULL does
 * nothing. */
void zk_write_cancel(struct zk_write *write);

const char *zk_result_name(enum zk_result result);

#endif
