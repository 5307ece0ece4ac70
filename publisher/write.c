/* Publishing; see the header. It never writes on a version that the decision is not based on.
 * Always: one request is running in READING and WRITING, none in IDLE, so that `done` is called
 * once per run; every request ends by its own deadline.
 *
 *          +--decision on what is known: write--+
 *          |                                   v
 *   IDLE --+-> READING --decision: write--> WRITING --done--> IDLE
 *                |   ^                        |
 *                |   +--- other version, -----+
 *                |        or answer lost
 *                +--decision: nothing, or no answer--> IDLE
 */
#include "publisher/write.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "topology/layout.h"

#define RACES_MAX 5 /* lost races in one run; after that the next run may try */

enum publish_state {
	PUBLISH_IDLE,
	PUBLISH_READING, /* reads the present value */
	PUBLISH_WRITING, /* writes the decision, on the version that was read */
};

struct publish {
	struct publish_options options;
	struct publish_store store;
	char *path;
	enum publish_state state;
	struct zk_write *request;
	bool exists;         /* the znode existed when it was read, ... */
	int32_t version;     /* ... in this version */
	struct strbuf known; /* the value of this version, and ... */
	int64_t known_mzxid; /* ... its mzxid; 0: not known */
	int64_t noted_mzxid; /* the mzxid that a watch reported last */
	bool again;          /* a run was asked for during this one */
	unsigned races_lost;
	struct publish_decision decision;
	bool formed;
	struct strbuf text; /* what is being written */
	bool lost; /* ... and the answer was lost: the next read shows whether it was written */
};

static zk_write_cb on_read, on_written;

static struct zk_write *send_decision(struct publish *publish)
{
	const struct publish_store *store = &publish->store;

	strbuf_reset(&publish->text);
	layout_segue_encode(&publish->decision.topology, &publish->text);
	if (!publish->exists)
		return store->create(store->store, publish->path, publish->text.data,
		                     publish->text.len, on_written, publish);
	return store->set(store->store, publish->path, publish->text.data, publish->text.len,
	                  publish->version, on_written, publish);
}

static void forget_decision(struct publish *publish)
{
	if (publish->formed)
		publish_decision_fini(&publish->decision);
	publish->formed = false;
}

/* The only place that changes the state. */
static void enter(struct publish *publish, enum publish_state next, const char *why)
{
	static const char *const names[] = {
	    [PUBLISH_IDLE] = "idle", [PUBLISH_READING] = "reading", [PUBLISH_WRITING] = "writing"};

	log_debug("publish_state", KV_STR("path", publish->path),
	          KV_STR("from", names[publish->state]), KV_STR("to", names[next]),
	          KV_STR("reason", why));
	publish->state = next;
	switch (next) {
	case PUBLISH_IDLE:
		publish->request = NULL;
		break;
	case PUBLISH_READING:
		publish->request =
		    publish->store.read(publish->store.store, publish->path, on_read, publish);
		break;
	case PUBLISH_WRITING:
		publish->request = send_decision(publish);
		break;
	}
}

static void begin(struct publish *publish)
{
	publish->again = false;
	publish->races_lost = 0;
	publish->lost = false;
}

/* The next run begins before the callback, which may destroy the object. It begins with a read and
 * not with a decision, because until the callback the caller's last decision is the one that
 * `outcome` reports. */
static void finish(struct publish *publish, enum publish_result result, const char *problem,
                   int64_t mzxid)
{
	struct publish_decision decision = publish->decision;
	bool formed = publish->formed;
	const struct publish_outcome outcome = {.result = result,
	                                        .decision = formed ? &decision : NULL,
	                                        .problem = problem,
	                                        .mzxid = mzxid,
	                                        .races_lost = publish->races_lost};
	const struct publish_options options = publish->options;

	publish->formed = false;
	enter(publish, PUBLISH_IDLE, problem != NULL ? problem : "done");
	if (publish->again) {
		begin(publish);
		enter(publish, PUBLISH_READING, "another round of observations");
	}
	options.done(&outcome, options.arg);
	if (formed)
		publish_decision_fini(&decision);
}

static void fail(struct publish *publish, const char *what, const struct zk_answer *answer)
{
	auto_free char *problem =
	    xasprintf("znode %s: %s: %s: %s; tried again with the next round", publish->path, what,
	              zk_result_name(answer->result),
	              answer->problem != NULL ? answer->problem : "no reason given");

	finish(publish, PUBLISH_FAILED, problem, 0);
}

/* -- reading -- */

static void know(struct publish *publish, const char *data, size_t size,
                 const struct zk_answer *answer)
{
	strbuf_reset(&publish->known);
	strbuf_append(&publish->known, data, size);
	publish->version = answer->version;
	publish->known_mzxid = answer->mzxid;
}

/* Returns true if the decision is to write. */
static bool form(struct publish *publish, const struct stored_value *store)
{
	forget_decision(publish);
	publish->options.form(store, &publish->decision, publish->options.arg);
	publish->formed = true;
	return publish_action_writes(publish->decision.action);
}

static bool form_on_known(struct publish *publish)
{
	const struct strbuf *known = &publish->known;
	struct topology topology;
	const struct stored_value store = {.state = STORED_VALUE, .topology = &topology};
	struct err err;
	bool writes;

	if (known->len > LAYOUT_VALUE_MAX ||
	    !layout_decode(publish->options.cluster, known->data, known->len, &topology, &err))
		return form(publish, &(struct stored_value){.state = STORED_INVALID});
	topology.zxid = publish->known_mzxid;
	writes = form(publish, &store);
	topology_fini(&topology);
	return writes;
}

static void follow_decision(struct publish *publish, bool writes)
{
	if (writes)
		enter(publish, PUBLISH_WRITING, publish->decision.reason);
	else
		finish(publish, PUBLISH_NOTHING, NULL, 0);
}

static void on_read(const struct zk_answer *answer, void *arg)
{
	struct publish *publish = arg;

	publish->request = NULL;
	publish->exists = answer->result == ZK_RESULT_OK;
	publish->known_mzxid = 0;
	if (publish->exists)
		know(publish, answer->data, answer->size, answer);
	if (publish->lost && publish->exists && answer->size == publish->text.len &&
	    memcmp(answer->data, publish->text.data, answer->size) == 0)
		finish(publish, PUBLISH_WRITTEN, NULL, answer->mzxid);
	else if (publish->exists)
		follow_decision(publish, form_on_known(publish));
	else if (answer->result == ZK_RESULT_NO_NODE)
		follow_decision(publish,
		                form(publish, &(struct stored_value){.state = STORED_ABSENT}));
	else
		fail(publish,
		     publish->lost ? "whether it was written is not known, as it cannot be read"
		                   : "cannot be read",
		     answer);
}

/* -- writing -- */

static void read_again(struct publish *publish, const char *why)
{
	if (publish->races_lost++ < RACES_MAX)
		enter(publish, PUBLISH_READING, why);
	else
		finish(publish, PUBLISH_CONTENDED,
		       "others keep writing the master znode; tried again with the next "
		       "round",
		       0);
}

static void on_written(const struct zk_answer *answer, void *arg)
{
	struct publish *publish = arg;

	publish->request = NULL;
	publish->lost = answer->result == ZK_RESULT_LOST;
	publish->known_mzxid = 0;
	switch (answer->result) {
	case ZK_RESULT_OK:
		if (publish->exists) /* after a create the version is known, but not the mzxid */
			know(publish, publish->text.data, publish->text.len, answer);
		finish(publish, PUBLISH_WRITTEN, NULL, answer->mzxid);
		break;
	case ZK_RESULT_NO_NODE:
		if (!publish->exists) /* its parents are created with it: the chroot is missing */
			fail(publish,
			     "has no parent znode: does the chroot of [zookeeper] hosts exist?",
			     answer);
		else
			read_again(publish, "the znode is gone");
		break;
	case ZK_RESULT_EXISTS:
	case ZK_RESULT_BAD_VERSION:
		read_again(publish, "another publisher was faster");
		break;
	case ZK_RESULT_LOST:
		read_again(publish, "the answer is lost: the store knows whether it is written");
		break;
	case ZK_RESULT_DENIED:
	case ZK_RESULT_REFUSED:
	case ZK_RESULT_NOT_SENT:
		fail(publish, "cannot be written", answer);
		break;
	}
}

/* -- what the caller calls -- */

struct publish *publish_create(const struct publish_options *options)
{
	struct publish *publish = xcalloc(1, sizeof(*publish));

	*publish = (struct publish){.options = *options,
	                            .store = *options->store,
	                            .path = layout_master_path(options->cluster),
	                            .known = STRBUF_INIT,
	                            .text = STRBUF_INIT};
	return publish;
}

void publish_destroy(struct publish *publish)
{
	if (publish == NULL)
		return;
	if (publish->request != NULL)
		publish->store.cancel(publish->request);
	forget_decision(publish);
	strbuf_fini(&publish->known);
	strbuf_fini(&publish->text);
	free(publish->path);
	free(publish);
}

void publish_run(struct publish *publish)
{
	publish->again = publish->state != PUBLISH_IDLE;
	if (publish->again)
		return;
	begin(publish);
	/* The mzxid tells whether the value is still there. The version starts again at 0 if a
	 * znode is deleted and created anew. */
	if (publish->known_mzxid != 0 && publish->known_mzxid == publish->noted_mzxid &&
	    form_on_known(publish))
		enter(publish, PUBLISH_WRITING, publish->decision.reason);
	else
		enter(publish, PUBLISH_READING, "a round of observations");
}

void publish_note(struct publish *publish, int64_t mzxid)
{
	publish->noted_mzxid = mzxid;
}

/* The publish_store of a ZooKeeper session, with the configured ACL. */

static struct zk_write *read_node(void *store, const char *path, zk_write_cb *cb, void *arg)
{
	const struct publish_zk *zk = store;

	return zk_write_read(zk->zk, path, cb, arg);
}

static struct zk_write *create_node(void *store, const char *path, const void *data, size_t size,
                                    zk_write_cb *cb, void *arg)
{
	const struct publish_zk *zk = store;

	return zk_write_create(zk->zk, path, data, size, ZK_CREATE_PARENTS, zk->acl, cb, arg);
}

static struct zk_write *set_node(void *store, const char *path, const void *data, size_t size,
                                 int32_t version, zk_write_cb *cb, void *arg)
{
	const struct publish_zk *zk = store;

	return zk_write_set(zk->zk, path, data, size, version, cb, arg);
}

struct publish_store publish_store_of(struct publish_zk *zk)
{
	return (struct publish_store){.store = zk,
	                              .read = read_node,
	                              .create = create_node,
	                              .set = set_node,
	                              .cancel = zk_write_cancel};
}
