/* A publisher: one [publisher] section at work. It observes the servers each interval, sooner when
 * something happens, forms its decision, and writes the master znode when that says so; while it
 * sees anything, it keeps its presence in the store. */
#ifndef SEGUE_PUBLISHER_PUBLISHER_H
#define SEGUE_PUBLISHER_PUBLISHER_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "config/config.h"
#include "postgres/libpq.h"
#include "publisher/write.h"

struct event_base;
struct resolver;
struct publisher;

/* One round and what came of it in the store; `store_read`: the decision was formed on what is
 * there. Borrowed until the callback returns. */
struct publisher_word {
	enum publish_result result;
	bool store_read;
	enum publish_action action;
	const char *reason;
	const char *text;    /* of the znode, to be written or written; "": nothing is */
	const char *problem; /* of the store; NULL: none */
};

struct publisher_options {
	struct event_base *base;
	const struct libpq *pq;
	struct resolver *resolver;
	struct zk *zk;
	const struct config *config;
	const struct config_publisher *publisher; /* one of config's */
	bool once;                                /* one round, without presence, then `told` */
	bool dry_run;                             /* writes nothing */
	void (*told)(const struct publisher_word *word, void *arg); /* may be NULL */
	void *arg;
};

/* What is borrowed has to outlive it. Fails on connection strings that lead nowhere. */
struct publisher *publisher_create(const struct publisher_options *options,
                                   struct err *err) MUST_CHECK;
void publisher_destroy(struct publisher *publisher); /* NULL is fine; not in `told` */

/* It does not come back under this name: its presence goes, though the session stays. To be
 * destroyed next. */
void publisher_leave(struct publisher *publisher);

/* Somebody says that something has happened: looks at once, and often for a moment. */
void publisher_wake(struct publisher *publisher);

/* A line for each server: what it says, and what is the matter with it. */
void publisher_describe(const struct publisher *publisher, struct strbuf *out);

#endif
