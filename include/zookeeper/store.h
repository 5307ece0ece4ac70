/* The ZooKeeper session that a configuration asks for, with the resolver of its host names. A
 * reload keeps both if the settings of the session stay, and with them its ephemeral znodes. */
#ifndef SEGUE_ZOOKEEPER_STORE_H
#define SEGUE_ZOOKEEPER_STORE_H

#include "config/config.h"
#include "zookeeper/resolver.h"
#include "zookeeper/session.h"

struct store {
	struct zk *zk;             /* NULL before store_open() */
	struct resolver *resolver; /* NULL before store_open() */
	/* private to store.c */
	struct event_base *base;
	char *hosts, *auth;
	int session_timeout_ms;
	unsigned users;
};

/* Reads auth_file and starts nothing yet. If `old` (may be NULL) has the same settings, the result
 * is `old` with one more user. Every user calls store_close() or store_end(). */
struct store *store_prepare(struct event_base *base, const struct config *config, struct store *old,
                            struct err *err) MUST_CHECK;

/* Starts the session, unless it runs already. Fails as zk_create() does. */
bool store_open(struct store *store, struct err *err) MUST_CHECK;

/* After the last user the session ends: by zk_destroy() or by zk_end(). NULL does nothing. */
void store_close(struct store *store);
void store_end(struct store *store);

#endif
