/* A publisher's presence: the ephemeral znode <path>/publishers/<name>, which holds what it sees.
 * It is made anew when the session was lost, rewritten when its text changes, and taken away by a
 * publisher that is blind. A node of that name by another session is waited out. */
#ifndef SEGUE_PUBLISHER_PRESENCE_H
#define SEGUE_PUBLISHER_PRESENCE_H

#include <stdbool.h>

#include "config.h"
#include "watch/zk_write.h"

struct event_base;
struct presence;

struct presence_options {
	struct event_base *base;
	struct zk *zk; /* has to outlive it */
	enum zk_acl acl;
	const struct config_cluster *cluster; /* layout segue */
	const char *name;                     /* this publisher; copied */
};

/* Nothing is there before the first presence_show(). */
struct presence *presence_create(const struct presence_options *options) MUST_CHECK;

/* The znode is left to the session, as another presence may take it over: zk_end() ends both. */
void presence_destroy(struct presence *presence);

/* Has the store take the znode away, while the session goes on. Waits for no answer: what is left
 * to do is presence_destroy(). */
void presence_leave(struct presence *presence);

/* From now on the znode is to be there, with this text (copied). The same text costs nothing. */
void presence_show(struct presence *presence, const char *text);
void presence_hide(struct presence *presence);

/* It is in the store as wanted, as far as is known. */
bool presence_settled(const struct presence *presence);

#endif
