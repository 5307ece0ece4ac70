/* A publisher does the work of one [publisher] section. It observes the servers at each interval,
 * and sooner when something happens, decides, and writes the master znode if the decision says so.
 * While any server answers it keeps its presence znode. */
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

/* One round and its result in the store. `store_read`: the decision is based on the store's value.
 * Borrowed until the callback returns. */
struct publisher_word {
	enum publish_result result;
	bool store_read;
	enum publish_action action;
	const char *reason;
	const char *text;    /* of the znode, written or to be written; "": none */
	const char *problem; /* of the store; NULL: none */
};

struct publisher_options {
	struct event_base *base;
	const struct libpq *pq;
	struct resolver *resolver;
	struct zk *zk;
	const struct config *config;
	const struct config_publisher *publisher; /* a section of `config` */
	bool once;    /* one round, without a presence znode, then `told` */
	bool dry_run; /* writes nothing */
	void (*told)(const struct publisher_word *word, void *arg); /* may be NULL */
	void *arg;
};

/* What is borrowed has to outlive it. Fails on connection strings that lead to no server. */
struct publisher *publisher_create(const struct publisher_options *options,
                                   struct err *err) MUST_CHECK;
void publisher_destroy(struct publisher *publisher); /* NULL is fine; not in `told` */

/* Deletes the presence znode, though the session stays: no publisher of this name follows. To be
 * destroyed next. */
void publisher_leave(struct publisher *publisher);

/* Something may have happened: looks at once, and often for the next 2 s. */
void publisher_wake(struct publisher *publisher);

/* Appends one line per server: its answer, and what is wrong with it. */
void publisher_describe(const struct publisher *publisher, struct strbuf *out);

#endif
