/* An ephemeral znode that shows that a process is present; see the header. Callbacks record what
 * ZooKeeper has; reconcile() compares it with what is wanted and takes one step. A znode of another
 * session is deleted only if that was an earlier session of this process. There is one request at a
 * time, and a back-off after each failure. A watch wakes it when the znode changes or the session
 * is a new one.
 *
 *   RESTING --something differs--> LOOKING --answer--> ACTING --answer--> LOOKING ...
 *      ^                              |                                     |
 *      +------- as it should be ------+-- failed: BACKING_OFF --deadline----+
 */
#include "zookeeper/ephemeral.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/timer.h"

#define BACKOFF_MS     50
#define BACKOFF_MAX_MS 5000
#define TEXT_MAX       160 /* bytes of another session's text in the log: first is who it is */

enum zk_ephemeral_state {
	EPHEMERAL_RESTING,     /* as wanted, or no connection; the watch wakes it */
	EPHEMERAL_LOOKING,     /* reading the znode: its owner, version and text */
	EPHEMERAL_ACTING,      /* creating, rewriting or deleting it */
	EPHEMERAL_BACKING_OFF, /* after a failure, or another session has the znode; a timer runs */
};

struct zk_ephemeral {
	struct zk *zk;
	enum zk_acl acl;
	const char *who;
	char *path;
	struct zk_node *node;
	struct timer *timer;
	struct zk_write *request;
	enum zk_ephemeral_state state;
	char *wanted;      /* the text; NULL: the znode must not be there */
	bool connected;    /* as the watch reported last */
	bool stale;        /* the znode may have changed since it was read last */
	bool made;         /* the znode was or may have been created, and is not known to be gone */
	bool own;          /* the znode is this session's, by the last read or our own create */
	bool creating;     /* in ACTING: it is a create */
	int64_t mzxid;     /* of the last read; 0: absent */
	int64_t session;   /* of this process, that created the znode last; 0: none */
	unsigned failures; /* in a row */
	bool taken_logged; /* presence_taken was logged */
};

static zk_write_cb on_looked, on_acted;

/* The only function that sets the state. */
static void enter(struct zk_ephemeral *ephemeral, enum zk_ephemeral_state next, const char *why)
{
	static const char *const names[] = {"resting", "looking", "acting", "backing off"};
	log_debug("presence_state", KV_STR("path", ephemeral->path),
	          KV_STR("from", names[ephemeral->state]), KV_STR("to", names[next]),
	          KV_STR("reason", why));
	ephemeral->state = next;
	timer_stop(ephemeral->timer);
	if (next == EPHEMERAL_LOOKING) {
		ephemeral->stale = false;
		ephemeral->request =
		    zk_write_read(ephemeral->zk, ephemeral->path, on_looked, ephemeral);
	} else if (next == EPHEMERAL_BACKING_OFF) {
		timer_start(ephemeral->timer,
		            clock_backoff_ms(ephemeral->failures++, BACKOFF_MS, BACKOFF_MAX_MS));
	}
}

/* Reads the znode if there may be something to do. Without a connection it waits: the watch reports
 * the next one. */
static void reconcile(struct zk_ephemeral *ephemeral)
{
	if (ephemeral->state == EPHEMERAL_RESTING && ephemeral->stale && ephemeral->connected &&
	    (ephemeral->wanted != NULL || ephemeral->made))
		enter(ephemeral, EPHEMERAL_LOOKING, "the znode may differ");
}

static void on_timer(void *arg)
{
	struct zk_ephemeral *ephemeral = arg;

	ephemeral->stale = true;
	enter(ephemeral, EPHEMERAL_RESTING, "the back-off is over");
	reconcile(ephemeral);
}

static void on_fact(const struct zk_node_fact *fact, void *arg)
{
	struct zk_ephemeral *ephemeral = arg;
	int64_t mzxid = fact->state == ZK_NODE_PRESENT ? fact->mzxid : 0;
	bool back = fact->connected && !ephemeral->connected; /* perhaps in a new session */

	ephemeral->connected = fact->connected;
	if (back)
		ephemeral->own = false;
	if (!back && mzxid == ephemeral->mzxid)
		return;
	ephemeral->stale = true;
	if (ephemeral->state == EPHEMERAL_BACKING_OFF)
		enter(ephemeral, EPHEMERAL_RESTING, "the znode has changed");
	reconcile(ephemeral);
}

/* -- one step -- */

static void fail(struct zk_ephemeral *ephemeral, const struct zk_answer *answer)
{
	if (ephemeral->failures == 1) /* only at the second failure in a row */
		log_warning("presence_failed", KV_STR("path", ephemeral->path),
		            KV_STR("result", zk_result_name(answer->result)),
		            KV_STR("problem", answer->problem),
		            KV_STR("action", "retries every few seconds"));
	enter(ephemeral, EPHEMERAL_BACKING_OFF, zk_result_name(answer->result));
}

static void settle(struct zk_ephemeral *ephemeral)
{
	ephemeral->failures = 0;
	ephemeral->taken_logged = false;
	if (ephemeral->wanted == NULL)
		ephemeral->made = false;
	enter(ephemeral, EPHEMERAL_RESTING, "as wanted");
	reconcile(ephemeral);
}

/* Either the znode goes when that session ends, which the watch reports; or it stays, because two
 * processes have the same name. */
static const char *taken_by(const struct zk_ephemeral *ephemeral, const struct zk_answer *answer)
{
	if (answer->owner == 0)
		return "there is a persistent znode at this path: delete it";
	if (strcmp(ephemeral->who, "sidecar") == 0)
		return "the znode belongs to another session: either that of this sidecar before "
		       "its restart, which will expire, or that of a second sidecar with the same "
		       "[segue] name; then change one of the names";
	return "the znode belongs to another session: either that of this publisher before its "
	       "restart, which will expire, or that of a second publisher with the same name";
}

static void wait_out(struct zk_ephemeral *ephemeral, const struct zk_answer *answer)
{
	auto_free char *says =
	    xstrndup(answer->data, answer->size < TEXT_MAX ? answer->size : TEXT_MAX);
	char owner[24];

	snprintf(owner, sizeof(owner), "0x%" PRIx64, (uint64_t)answer->owner);
	if (!ephemeral->taken_logged)
		log_warning("presence_taken", KV_STR("path", ephemeral->path),
		            KV_STR("session", owner), KV_STR("says", says),
		            KV_STR("problem", taken_by(ephemeral, answer)),
		            KV_STR("action", "waits until it is gone"));
	ephemeral->taken_logged = true;
	enter(ephemeral, EPHEMERAL_BACKING_OFF, "the znode belongs to another session");
}

static void act_on_node(struct zk_ephemeral *ephemeral, const struct zk_answer *answer)
{
	const char *wanted = ephemeral->wanted;

	ephemeral->mzxid = answer->mzxid;
	if (!answer->own && (answer->owner == 0 || answer->owner != ephemeral->session)) {
		wait_out(ephemeral, answer);
	} else if (!answer->own || wanted == NULL) {
		enter(ephemeral, EPHEMERAL_ACTING,
		      answer->own ? "it is not wanted any more"
		                  : "an earlier session of this process created it");
		ephemeral->request = zk_write_delete(ephemeral->zk, ephemeral->path,
		                                     answer->version, on_acted, ephemeral);
	} else if (strlen(wanted) != answer->size ||
	           memcmp(wanted, answer->data, answer->size) != 0) {
		enter(ephemeral, EPHEMERAL_ACTING, "rewrite");
		ephemeral->request =
		    zk_write_set(ephemeral->zk, ephemeral->path, wanted, strlen(wanted),
		                 answer->version, on_acted, ephemeral);
	} else {
		settle(ephemeral);
	}
}

static void act_without_node(struct zk_ephemeral *ephemeral)
{
	const char *wanted = ephemeral->wanted;

	if (wanted == NULL) {
		settle(ephemeral);
		return;
	}
	ephemeral->made = ephemeral->creating = true;
	enter(ephemeral, EPHEMERAL_ACTING, "create");
	ephemeral->request = zk_write_create(ephemeral->zk, ephemeral->path, wanted, strlen(wanted),
	                                     ZK_CREATE_EPHEMERAL | ZK_CREATE_PARENTS,
	                                     ephemeral->acl, on_acted, ephemeral);
}

static void on_looked(const struct zk_answer *answer, void *arg)
{
	struct zk_ephemeral *ephemeral = arg;

	ephemeral->request = NULL;
	ephemeral->own = answer->result == ZK_RESULT_OK && answer->own;
	if (ephemeral->own)
		ephemeral->session = answer->owner;
	if (answer->result == ZK_RESULT_OK) {
		act_on_node(ephemeral, answer);
	} else if (answer->result != ZK_RESULT_NO_NODE) {
		fail(ephemeral, answer);
	} else {
		ephemeral->mzxid = 0;
		act_without_node(ephemeral);
	}
}

/* The next read shows the result: whose the znode is, and whether its text is still wanted. */
static void on_acted(const struct zk_answer *answer, void *arg)
{
	struct zk_ephemeral *ephemeral = arg;

	ephemeral->request = NULL;
	ephemeral->own |= ephemeral->creating && answer->result == ZK_RESULT_OK;
	ephemeral->creating = false;
	if (answer->result == ZK_RESULT_OK)
		enter(ephemeral, EPHEMERAL_LOOKING, "done");
	else
		fail(ephemeral, answer);
}

/* -- what the caller calls -- */

struct zk_ephemeral *zk_ephemeral_create(const struct zk_ephemeral_options *options)
{
	struct zk_ephemeral *ephemeral = xcalloc(1, sizeof(*ephemeral));

	*ephemeral = (struct zk_ephemeral){.zk = options->zk,
	                                   .acl = options->acl,
	                                   .who = options->who,
	                                   .path = xstrdup(options->path)};
	ephemeral->timer = timer_new(options->base, on_timer, ephemeral);
	ephemeral->node =
	    zk_watch(ephemeral->zk, ephemeral->path, ZK_WATCH_DATA, 0, on_fact, ephemeral);
	return ephemeral;
}

void zk_ephemeral_destroy(struct zk_ephemeral *ephemeral)
{
	if (ephemeral == NULL)
		return;
	zk_write_cancel(ephemeral->request);
	zk_unwatch(ephemeral->node);
	timer_free(ephemeral->timer);
	free(ephemeral->wanted);
	free(ephemeral->path);
	free(ephemeral);
}

/* A znode of the present session belongs to this process, whatever its version, and earlier
 * requests are executed first. Without a connection it is deleted when the session ends. */
void zk_ephemeral_leave(struct zk_ephemeral *ephemeral)
{
	struct zk_write *request;

	if (ephemeral == NULL)
		return;
	if (ephemeral->own && ephemeral->connected) {
		request = zk_write_delete(ephemeral->zk, ephemeral->path, -1, NULL, NULL);
		(void)request;
	}
	zk_ephemeral_destroy(ephemeral);
}

static void want(struct zk_ephemeral *ephemeral, char *text)
{
	free(ephemeral->wanted);
	ephemeral->wanted = text;
	ephemeral->stale = true;
	reconcile(ephemeral);
}

void zk_ephemeral_show(struct zk_ephemeral *ephemeral, const char *text)
{
	if (ephemeral->wanted == NULL || strcmp(ephemeral->wanted, text) != 0)
		want(ephemeral, xstrdup(text));
}

void zk_ephemeral_hide(struct zk_ephemeral *ephemeral)
{
	if (ephemeral->wanted != NULL)
		want(ephemeral, NULL);
}

bool zk_ephemeral_settled(const struct zk_ephemeral *ephemeral)
{
	return ephemeral->state == EPHEMERAL_RESTING && !ephemeral->stale;
}
