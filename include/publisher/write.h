/* Publishing: the master znode by compare-and-set, on the version that the decision was formed on.
 *
 * One run reads the znode, has the caller form an decision on it, and writes if that says so. What
 * was read last, while the store is known to have it still, may be written upon without another
 * read. Who loses the race reads again and forms the decision anew; nothing is ever written twice
 * unread. */
#ifndef SEGUE_PUBLISHER_WRITE_H
#define SEGUE_PUBLISHER_WRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "publisher/decide.h"
#include "zookeeper/write.h"

/* What publishing needs of a store: zookeeper/write.h's functions, or a test's script. */
struct publish_store {
	void *store; /* given to the functions */
	struct zk_write *(*read)(void *store, const char *path, zk_write_cb *cb, void *arg);
	struct zk_write *(*create)(void *store, const char *path, const void *data, size_t size,
	                           zk_write_cb *cb, void *arg); /* persistent, with parents */
	struct zk_write *(*set)(void *store, const char *path, const void *data, size_t size,
	                        int32_t version, zk_write_cb *cb, void *arg);
	void (*cancel)(struct zk_write *write);
};

enum publish_result {
	PUBLISH_WRITTEN,   /* the store has the decision's topology, and this publisher wrote it */
	PUBLISH_NOTHING,   /* the decision is not to write; also when another one was faster */
	PUBLISH_CONTENDED, /* others write all the time: given up until the next run */
	PUBLISH_FAILED,    /* `problem`; whether the store was written may not be known */
};

/* Borrowed until the callback returns. */
struct publish_outcome {
	enum publish_result result;
	const struct publish_decision
	    *decision;       /* the last one formed; NULL: none, the read failed */
	const char *problem; /* FAILED, CONTENDED */
	int64_t mzxid;       /* WRITTEN: of the write, when known; else 0 */
	unsigned races_lost;
};

/* Forms the decision on what the store says now, perhaps several times a run; publish ends it. */
typedef void publish_form_cb(const struct stored_value *store, struct publish_decision *out,
                             void *arg);
/* A run is over; a new one may be started. */
typedef void publish_done_cb(const struct publish_outcome *outcome, void *arg);

struct publish_options {
	const struct config_cluster *cluster; /* layout segue; borrowed */
	const struct publish_store *store;    /* copied */
	publish_form_cb *form;
	publish_done_cb *done;
	void *arg; /* of both */
};

struct publish;

struct publish *publish_create(const struct publish_options *options) MUST_CHECK;
void publish_destroy(struct publish *publish); /* ends a run without its callback */

/* Starts a run. While one is under way: another one follows it, and one `done` comes for each. */
void publish_run(struct publish *publish);
/* The word of a watch on the znode: the store has this mzxid; 0: none, or it is not known. */
void publish_note(struct publish *publish, int64_t mzxid);
bool publish_busy(const struct publish *publish);

/* The store as publishing sees it; `zk` and `acl` have to outlive it. */
struct publish_zk {
	struct zk *zk;
	enum zk_acl acl;
};
struct publish_store publish_store_of(struct publish_zk *zk);

#endif
