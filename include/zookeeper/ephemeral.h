/* An ephemeral znode with a text, which shows that a process is present. It is created again in a
 * new session, rewritten when its text changes, and deleted on request. A znode of the same name
 * that belongs to another process's session is never deleted: it waits until that one is gone. */
#ifndef SEGUE_ZOOKEEPER_EPHEMERAL_H
#define SEGUE_ZOOKEEPER_EPHEMERAL_H

#include <stdbool.h>

#include "zookeeper/write.h"

struct event_base;
struct zk_ephemeral;

struct zk_ephemeral_options {
	struct event_base *base;
	struct zk *zk; /* must outlive the zk_ephemeral */
	enum zk_acl acl;
	const char *path; /* copied; missing parents are created */
	const char *who;  /* "publisher" or "sidecar", for the log; static */
};

/* No znode is created before the first zk_ephemeral_show(). */
struct zk_ephemeral *zk_ephemeral_create(const struct zk_ephemeral_options *options) MUST_CHECK;

/* Does not delete the znode, so that another zk_ephemeral of the same session can take it over. It
 * is deleted when the session ends (zk_end()). */
void zk_ephemeral_destroy(struct zk_ephemeral *ephemeral);

/* Like zk_ephemeral_destroy(), but also requests that the znode be deleted, if this session created
 * it. Does not wait for the answer. A zk_destroy() that follows still sends the request if it
 * can. */
void zk_ephemeral_leave(struct zk_ephemeral *ephemeral);

/* From now on the znode is kept there with this text (copied). Repeating the same text does
 * nothing. */
void zk_ephemeral_show(struct zk_ephemeral *ephemeral, const char *text);
void zk_ephemeral_hide(struct zk_ephemeral *ephemeral);

/* True when the last read showed the znode as wanted, and no change was reported since. */
bool zk_ephemeral_settled(const struct zk_ephemeral *ephemeral);

#endif
