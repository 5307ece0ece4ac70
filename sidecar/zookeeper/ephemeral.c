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
#define SAYS_MAX       160 /* bytes of another session's text in the log: first is who it is */

enum zk_ephemeral_state {
	PRESENCE_RESTING,     /* as wanted, or no connection; the watch wakes it */
	PRESENCE_LOOKING,     /* reading the znode: its owner, version and text */
	PRESENCE_ACTING,      /* creating, rewriting or deleting it */
	PRESENCE_BACKING_OFF, /* a request failed, or another session has the znode; a timer runs */
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
	bool settled;      /* the last read showed what is wanted */
	bool own;          /* the znode is this session's, by the last read or our own create */
	bool creating;     /* in ACTING: it is a create */
	int64_t mzxid;     /* of the last read; 0: absent */
	int64_t session;   /* of this process, that created the znode last; 0: none */
	unsigned failures; /* in a row */
	bool foreign_said; /* presence_taken was logged */
};

static zk_write_cb on_looked, on_acted;

static const char *state_name(enum zk_ephemeral_state state)
{
	switch (state) {
	case PRESENCE_RESTING:
		return "resting";
	case PRESENCE_LOOKING:
		return "looking";
	case PRESENCE_ACTING:
		return "acting";
	case PRESENCE_BACKING_OFF:
		return "backing off";
	}
	return "?";
}

/* The only function that sets the state. */
static void enter(struct zk_ephemeral *presence, enum zk_ephemeral_state next, const char *why)
{
	log_debug("presence_state", KV_STR("path", presence->path),
	          KV_STR("from", state_name(presence->state)), KV_STR("to", state_name(next)),
	          KV_STR("reason", why));
	presence->state = next;
	timer_stop(presence->timer);
	switch (next) {
	case PRESENCE_LOOKING:
		presence->stale = false;
		presence->request =
		    zk_write_read(presence->zk, presence->path, on_looked, presence);
		break;
	case PRESENCE_RESTING:
	case PRESENCE_ACTING:
		break;
	case PRESENCE_BACKING_OFF:
		timer_start(presence->timer,
		            clock_backoff_ms(presence->failures++, BACKOFF_MS, BACKOFF_MAX_MS));
		break;
	}
}

/* Reads the znode if there may be something to do. Without a connection it waits: the watch reports
 * the next one. */
static void reconcile(struct zk_ephemeral *presence)
{
	bool concerned = presence->wanted != NULL || presence->made;

	if (presence->state == PRESENCE_RESTING && presence->stale && presence->connected &&
	    concerned)
		enter(presence, PRESENCE_LOOKING, "the znode may differ");
}

static void on_timer(void *arg)
{
	struct zk_ephemeral *presence = arg;

	presence->stale = true;
	enter(presence, PRESENCE_RESTING, "the back-off is over");
	reconcile(presence);
}

static void on_fact(const struct zk_node_fact *fact, void *arg)
{
	struct zk_ephemeral *presence = arg;
	int64_t mzxid = fact->state == ZK_NODE_PRESENT ? fact->mzxid : 0;
	bool back = fact->connected && !presence->connected; /* perhaps in a new session */

	presence->connected = fact->connected;
	if (back)
		presence->own = false;
	if (!back && mzxid == presence->mzxid)
		return;
	presence->stale = true;
	presence->settled = false;
	if (presence->state == PRESENCE_BACKING_OFF)
		enter(presence, PRESENCE_RESTING, "the znode has changed");
	reconcile(presence);
}

/* -- one step -- */

static void fail(struct zk_ephemeral *presence, const struct zk_answer *answer)
{
	if (presence->failures == 1) /* only at the second failure in a row */
		log_warning("presence_failed", KV_STR("path", presence->path),
		            KV_STR("result", zk_result_name(answer->result)),
		            KV_STR("problem", answer->problem),
		            KV_STR("action", "retries every few seconds"));
	enter(presence, PRESENCE_BACKING_OFF, zk_result_name(answer->result));
}

static void settle(struct zk_ephemeral *presence)
{
	presence->failures = 0;
	presence->foreign_said = false;
	presence->settled = true;
	if (presence->wanted == NULL)
		presence->made = false;
	enter(presence, PRESENCE_RESTING, "as wanted");
	reconcile(presence);
}

static void act_create(struct zk_ephemeral *presence)
{
	presence->made = presence->creating = true;
	enter(presence, PRESENCE_ACTING, "create");
	presence->request = zk_write_create(
	    presence->zk, presence->path, presence->wanted, strlen(presence->wanted),
	    ZK_CREATE_EPHEMERAL | ZK_CREATE_PARENTS, presence->acl, on_acted, presence);
}

static void act_set(struct zk_ephemeral *presence, int32_t version)
{
	enter(presence, PRESENCE_ACTING, "rewrite");
	presence->request = zk_write_set(presence->zk, presence->path, presence->wanted,
	                                 strlen(presence->wanted), version, on_acted, presence);
}

static void act_delete(struct zk_ephemeral *presence, int32_t version, const char *why)
{
	enter(presence, PRESENCE_ACTING, why);
	presence->request =
	    zk_write_delete(presence->zk, presence->path, version, on_acted, presence);
}

/* Either the znode goes when that session ends, which the watch reports; or it stays, because two
 * processes have the same name. */
static const char *taken_by(const struct zk_ephemeral *presence, const struct zk_answer *answer)
{
	if (answer->owner == 0)
		return "there is a persistent znode at this path: delete it";
	if (strcmp(presence->who, "sidecar") == 0)
		return "the znode belongs to another session: either that of this sidecar before "
		       "its restart, which will expire, or that of a second sidecar with the same "
		       "[segue] name; then change one of the names";
	return "the znode belongs to another session: either that of this publisher before its "
	       "restart, which will expire, or that of a second publisher with the same name";
}

static void wait_out(struct zk_ephemeral *presence, const struct zk_answer *answer)
{
	size_t size = answer->size < SAYS_MAX ? answer->size : SAYS_MAX;
	auto_free char *says = xstrndup(answer->data, size);
	char owner[24];

	snprintf(owner, sizeof(owner), "0x%" PRIx64, (uint64_t)answer->owner);
	if (!presence->foreign_said)
		log_warning("presence_taken", KV_STR("path", presence->path),
		            KV_STR("session", owner), KV_STR("says", says),
		            KV_STR("problem", taken_by(presence, answer)),
		            KV_STR("action", "waits until it is gone"));
	presence->foreign_said = true;
	enter(presence, PRESENCE_BACKING_OFF, "the znode belongs to another session");
}

static void act_on_node(struct zk_ephemeral *presence, const struct zk_answer *answer)
{
	const char *wanted = presence->wanted;

	presence->mzxid = answer->mzxid;
	if (!answer->own && (answer->owner == 0 || answer->owner != presence->session))
		wait_out(presence, answer);
	else if (!answer->own)
		act_delete(presence, answer->version,
		           "an earlier session of this process created it");
	else if (wanted == NULL)
		act_delete(presence, answer->version, "it is not wanted any more");
	else if (strlen(wanted) != answer->size || memcmp(wanted, answer->data, answer->size) != 0)
		act_set(presence, answer->version);
	else
		settle(presence);
}

static void on_looked(const struct zk_answer *answer, void *arg)
{
	struct zk_ephemeral *presence = arg;

	presence->request = NULL;
	presence->own = answer->result == ZK_RESULT_OK && answer->own;
	if (presence->own)
		presence->session = answer->owner;
	if (answer->result == ZK_RESULT_OK) {
		act_on_node(presence, answer);
	} else if (answer->result != ZK_RESULT_NO_NODE) {
		fail(presence, answer);
	} else {
		presence->mzxid = 0;
		if (presence->wanted != NULL)
			act_create(presence);
		else
			settle(presence);
	}
}

/* The next read shows the result: whose the znode is, and whether its text is still wanted. */
static void on_acted(const struct zk_answer *answer, void *arg)
{
	struct zk_ephemeral *presence = arg;

	presence->request = NULL;
	presence->own |= presence->creating && answer->result == ZK_RESULT_OK;
	presence->creating = false;
	if (answer->result == ZK_RESULT_OK)
		enter(presence, PRESENCE_LOOKING, "done");
	else
		fail(presence, answer);
}

/* -- what the caller calls -- */

struct zk_ephemeral *zk_ephemeral_create(const struct zk_ephemeral_options *options)
{
	struct zk_ephemeral *presence = xcalloc(1, sizeof(*presence));

	presence->zk = options->zk;
	presence->acl = options->acl;
	presence->who = options->who;
	presence->path = xstrdup(options->path);
	presence->timer = timer_new(options->base, on_timer, presence);
	presence->node =
	    zk_watch(presence->zk, presence->path, ZK_WATCH_DATA, 0, on_fact, presence);
	return presence;
}

void zk_ephemeral_destroy(struct zk_ephemeral *presence)
{
	if (presence == NULL)
		return;
	zk_write_cancel(presence->request);
	zk_unwatch(presence->node);
	timer_free(presence->timer);
	free(presence->wanted);
	free(presence->path);
	free(presence);
}

/* A znode of the present session belongs to this process, whatever its version, and earlier
 * requests are executed first. Without a connection it is deleted when the session ends. */
void zk_ephemeral_leave(struct zk_ephemeral *presence)
{
	struct zk_write *request;

	if (presence == NULL)
		return;
	if (presence->own && presence->connected) {
		request = zk_write_delete(presence->zk, presence->path, -1, NULL, NULL);
		(void)request;
	}
	zk_ephemeral_destroy(presence);
}

static void want(struct zk_ephemeral *presence, char *text)
{
	free(presence->wanted);
	presence->wanted = text;
	presence->stale = true;
	presence->settled = false;
	reconcile(presence);
}

void zk_ephemeral_show(struct zk_ephemeral *presence, const char *text)
{
	if (presence->wanted == NULL || strcmp(presence->wanted, text) != 0)
		want(presence, xstrdup(text));
}

void zk_ephemeral_hide(struct zk_ephemeral *presence)
{
	if (presence->wanted != NULL)
		want(presence, NULL);
}

bool zk_ephemeral_settled(const struct zk_ephemeral *presence)
{
	return presence->settled;
}
