/* A process's presence in the store: an ephemeral znode with a text, which goes with its session.
 * It is made anew when the session was lost, rewritten when its text changes, and taken away on
 * request. A node of that name by another session is waited out, never fought for. */
#ifndef SEGUE_ZOOKEEPER_EPHEMERAL_H
#define SEGUE_ZOOKEEPER_EPHEMERAL_H

#include <stdbool.h>

#include "zookeeper/write.h"

struct event_base;
struct zk_ephemeral;

struct zk_ephemeral_options {
	struct event_base *base;
	struct zk *zk; /* has to outlive it */
	enum zk_acl acl;
	const char *path; /* of the znode; copied; its parents are made */
	const char *who;  /* "publisher", "sidecar": for the log; static */
};

/* Nothing is there before the first zk_ephemeral_show(). */
struct zk_ephemeral *zk_ephemeral_create(const struct zk_ephemeral_options *options) MUST_CHECK;

/* The znode is left to the session, as another presence may take it over: zk_end() ends both. */
void zk_ephemeral_destroy(struct zk_ephemeral *presence);

/* As zk_ephemeral_destroy(), and asks the store to delete the znode, if this session made it.
 * Nobody waits for the answer; zk_destroy() after it still sends what can be sent. */
void zk_ephemeral_leave(struct zk_ephemeral *presence);

/* From now on the znode is to be there, with this text (copied). The same text costs nothing. */
void zk_ephemeral_show(struct zk_ephemeral *presence, const char *text);
void zk_ephemeral_hide(struct zk_ephemeral *presence);

/* It is in the store as wanted, as far as is known. */
bool zk_ephemeral_settled(const struct zk_ephemeral *presence);

#endif
