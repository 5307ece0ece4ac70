/* Requests on the ZooKeeper session that are made once: create, set, delete, and a read that knows
 * version and owner. They wait for a session that is synced, and end by ZK_WRITE_TIMEOUT_MS.
 * Nothing is ever sent twice: what to do about a lost answer is the caller's to know. */
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
	ZK_RESULT_NO_NODE,     /* of create: a parent is not there, and was not to be made */
	ZK_RESULT_EXISTS,      /* create */
	ZK_RESULT_BAD_VERSION, /* set, delete: somebody else has changed it */
	ZK_RESULT_DENIED,      /* no permission, or none that the ACL could name */
	ZK_RESULT_REFUSED,     /* the server will not do it for another reason: `problem` */
	ZK_RESULT_NOT_SENT,    /* there was no session in time: it has not happened */
	ZK_RESULT_LOST,        /* sent, no answer: whether it happened is not known */
};

enum zk_acl {
	ZK_ACL_OPEN,    /* anybody may do anything */
	ZK_ACL_CREATOR, /* anybody may read, the user of auth_file may do anything */
};

/* Borrowed until the callback returns. */
struct zk_answer {
	enum zk_result result;
	const char *problem; /* in words; NULL with OK */
	/* Of a read that is OK; of a set that is OK without data. */
	int32_t version;
	int64_t mzxid;
	int64_t owner;    /* the session of an ephemeral node; 0: a persistent one */
	bool own;         /* that session is the present one */
	const char *data; /* not NUL terminated, never NULL after a read */
	size_t size;
};

struct zk_write;

/* Never inside the call that asked for it, exactly once, never after zk_write_cancel() or
 * zk_destroy(). */
typedef void zk_write_cb(const struct zk_answer *answer, void *arg);

enum zk_create_flags {
	ZK_CREATE_EPHEMERAL = 1 << 0,
	ZK_CREATE_PARENTS = 1 << 1, /* persistent ones, with the same ACL, where they are missing */
};

/* The request is the library's until the callback, or its cancel. Path and data are copied. `cb`
 * NULL: nobody waits for the answer, and the request must not be touched again; zk_destroy() sends
 * it if there is a session by then. */
struct zk_write *zk_write_create(struct zk *zk, const char *path, const void *data, size_t size,
                                 unsigned flags, enum zk_acl acl, zk_write_cb *cb,
                                 void *arg) MUST_CHECK;
/* Of the node in this version only; -1: in any. */
struct zk_write *zk_write_set(struct zk *zk, const char *path, const void *data, size_t size,
                              int32_t version, zk_write_cb *cb, void *arg) MUST_CHECK;
struct zk_write *zk_write_delete(struct zk *zk, const char *path, int32_t version, zk_write_cb *cb,
                                 void *arg) MUST_CHECK;
/* One answered before a pause of the process, or on a connection that is gone, is LOST. */
struct zk_write *zk_write_read(struct zk *zk, const char *path, zk_write_cb *cb,
                               void *arg) MUST_CHECK;

/* Ends the call, not the effect: what was sent may still happen. NULL is fine. */
void zk_write_cancel(struct zk_write *write);

const char *zk_result_name(enum zk_result result);

#endif
