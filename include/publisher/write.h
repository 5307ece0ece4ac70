/* Publishing: writes the master znode by compare-and-set, on the version that the decision is based
 * on.
 *
 * One run reads the znode, has the caller decide on its value, and writes if the decision says so.
 * The read is left out if the value that was read last is known to be still there. After a lost
 * race the run reads and decides again; no write is repeated without a read. */
#ifndef SEGUE_PUBLISHER_WRITE_H
#define SEGUE_PUBLISHER_WRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "publisher/decide.h"
#include "zookeeper/write.h"

/* What publishing needs from a store: the functions of zookeeper/write.h, or those of a test. */
struct publish_store {
	void *store; /* passed to the functions */
	struct zk_write *(*read)(void *store, const char *path, zk_write_cb *cb, void *arg);
	struct zk_write *(*create)(void *store, const char *path, const void *data, size_t size,
	                           zk_write_cb *cb, void *arg); /* persistent, with its parents */
	struct zk_write *(*set)(void *store, const char *path, const void *data, size_t size,
	                        int32_t version, zk_write_cb *cb, void *arg);
	void (*cancel)(struct zk_write *write);
};

enum publish_result {
	PUBLISH_WRITTEN, /* the store has the decision's topology, written by this publisher */
	PUBLISH_NOTHING, /* the decision is not to write, also after another publisher was faster */
	PUBLISH_CONTENDED, /* others keep writing: given up until the next run */
	PUBLISH_FAILED,    /* `problem`; the store may have been written or not */
};

/* Borrowed until the callback returns. */
struct publish_outcome {
	enum publish_result result;
	const struct publish_decision *decision; /* the last one; NULL: none, as the read failed */
	const char *problem;                     /* FAILED, CONTENDED */
	int64_t mzxid;                           /* WRITTEN: of the write, if known; otherwise 0 */
	unsigned races_lost;
};

/* Decides on the present value of the store, perhaps several times in a run. The decision is freed
 * by publish. */
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

/* Starts a run. If one is running, another one follows it, and `done` is called for each. */
void publish_run(struct publish *publish);
/* What a watch on the znode reports: the store has this mzxid; 0: there is none, or it is not
 * known. */
void publish_note(struct publish *publish, int64_t mzxid);

/* The publish_store of a ZooKeeper session; `zk` and `acl` have to outlive it. */
struct publish_zk {
	struct zk *zk;
	enum zk_acl acl;
};
struct publish_store publish_store_of(struct publish_zk *zk);

#endif
