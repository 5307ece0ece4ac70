/* A publisher; see the header. Looks between two intervals are not counted as rounds of the
 * decider, or a null would be published after a very short interruption. Always: a look is running,
 * or the timer that starts the next one.
 *
 *   timer, wake, a connection lost --> look --> observed --> [a round is due, or a new primary is
 *   seen] --> decider --> publish (reads the store, forms the decision, writes) --> log
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/timer.h"
#include "decide_internal.h"
#include "publisher/observe.h"
#include "publisher/publisher.h"
#include "topology/layout.h"
#include "zookeeper/children.h"
#include "zookeeper/ephemeral.h"

struct publisher {
	struct publisher_options options;
	const struct config_publisher *config;
	const struct config_cluster *cluster;
	struct observe *observe;
	struct decider *decider;
	struct publish_zk store;
	struct publish *publish;
	struct zk_node *master; /* tells whether what was read last is still there; NULL: --once */
	struct zk_ephemeral *presence;
	struct zk_children *others; /* present publishers, and what each one sees; NULL: --once */
	struct timer *timer;
	int64_t looked_us;          /* when the last look began */
	int64_t counted_us;         /* when the decider was given the last round; 0: never */
	int64_t close_until_us;     /* look every CLOSE_MS until then */
	int64_t lost_from_us;       /* since when no primary is seen; 0: one is */
	bool seen;                  /* any server has answered since the start */
	int64_t told_zxid, told_us; /* the master znode's last mzxid by the watch, and when it came:
	                               a round may read it much later, as it waits for servers */
	struct topology stored;     /* as it was read last */
	struct stored_value known;
	/* Which server takes writes on which timeline, as given to the decider last. */
	char primary[TOPOLOGY_HOST_MAX + 32];
	char promoted_at[PUBLISH_TIME_MAX]; /* the latest promotion in the event tables of all
	                                       servers */
	enum publish_action action; /* of the last decision, before a dry run makes it WAIT */
	struct {
		enum publish_result result;
		enum publish_action action;
		char reason[PUBLISH_REASON_MAX];
		int64_t alarm_us;
	} said; /* as logged last */
	bool repmgr_said;
};

/* The time between looks. CLOSE_MS: after a wake or a promotion event, for CLOSE_FOR_US. LOST_MS:
 * while no primary is seen, for LOST_FOR_US. Otherwise it is as configured. */
#define CLOSE_MS     10
#define CLOSE_FOR_US INT64_C(2000000)
#define LOST_MS      50
#define LOST_FOR_US  INT64_C(60000000)
#define LOOK_GAP_US  INT64_C(10000) /* between the starts of any two looks */

/* --- the log: a decision when it changes, an alarm again each minute --- */

#define ALARM_AGAIN_US INT64_C(60000000)

/* Logs, once, that repmgr's tables were not found, if somebody may expect them to be there. */
static void publisher_say_repmgr(struct publisher *publisher, const struct observation *seen)
{
	enum config_repmgr wanted = publisher->config->repmgr;
	bool denied = seen->repmgr == NODE_QUERY_REPMGR_DENIED;

	if (publisher->repmgr_said || wanted == CONFIG_REPMGR_NO ||
	    seen->repmgr == NODE_QUERY_REPMGR_UNKNOWN)
		return;
	publisher->repmgr_said = true;
	if (seen->repmgr == NODE_QUERY_REPMGR_READABLE)
		return;
	if (denied || wanted == CONFIG_REPMGR_YES)
		log_error("repmgr_missing", KV_STR("publisher", publisher->config->name),
		          KV_STR("schema", publisher->config->repmgr_schema),
		          KV_STR("problem", denied ? "the role may not read its tables"
		                                   : "there is no table nodes in that schema"),
		          KV_STR("action", "only the servers of `nodes` are observed"));
}

/* A person has named the primary in the store, and that counts from now on. */
static void publisher_say_set(const struct publisher *publisher, const struct topology *stored,
                              int64_t floor_before)
{
	const struct topology_mark *mark = &stored->set_by;

	log_warning("primary_set", KV_STR("publisher", publisher->config->name),
	            KV_STR("cluster", publisher->cluster->name),
	            KV_STR("primary", stored->has_primary ? stored->primary.host : "none"),
	            KV_INT("port", stored->primary.port),
	            KV_STR("name", stored->primary.name[0] != '\0' ? stored->primary.name : NULL),
	            KV_INT("timeline", stored->timeline), KV_INT("zxid", stored->zxid),
	            KV_STR("by", mark->who), KV_STR("at", mark->at), KV_STR("id", mark->id),
	            KV_INT("lowest_timeline_before", floor_before),
	            KV_STR("next", "earlier timelines no longer count"));
}

static void say_written(const struct publisher *publisher, const struct publish_outcome *outcome)
{
	const struct topology *topology = &outcome->decision->topology;
	const struct member *primary = &topology->primary;

	log_info(
	    "published", KV_STR("publisher", publisher->config->name),
	    KV_STR("cluster", publisher->cluster->name),
	    KV_STR("primary", !topology->has_primary     ? "none"
	                      : primary->name[0] != '\0' ? primary->name
	                                                 : primary->host),
	    KV_INT("timeline", topology->timeline), KV_STR("promoted_at", topology->promoted_at),
	    KV_INT("standbys", topology->standby_count), KV_INT("zxid", outcome->mzxid),
	    KV_INT("races_lost", outcome->races_lost), KV_STR("reason", outcome->decision->reason),
	    KV_MS("after_ms", clock_now_us() - publisher->counted_us));
}

/* Logs an alarm with what the servers answered, one line each. */
static void say_alarm(struct publisher *publisher, const char *reason)
{
	auto_strbuf struct strbuf servers = STRBUF_INIT;

	if (clock_now_us() - publisher->said.alarm_us < ALARM_AGAIN_US &&
	    publisher->said.alarm_us != 0)
		return;
	publisher->said.alarm_us = clock_now_us();
	decider_describe(publisher->decider, &servers);
	log_error("alarm", KV_STR("publisher", publisher->config->name),
	          KV_STR("cluster", publisher->cluster->name), KV_STR("problem", reason),
	          KV_STR("servers", servers.data),
	          KV_STR("action", "nothing is published until an operator has solved this"));
}

static void say_changed(const struct publisher *publisher, const struct publish_outcome *outcome,
                        const char *reason)
{
	bool failed = outcome->result == PUBLISH_FAILED || outcome->result == PUBLISH_CONTENDED;
	enum log_level level = failed ? LOG_WARNING : LOG_INFO;

	LOG_EMIT(level, failed ? "publish_failed" : "opinion",
	         KV_STR("publisher", publisher->config->name),
	         KV_STR("cluster", publisher->cluster->name),
	         KV_STR("verdict", failed ? NULL : publish_action_name(publisher->action)),
	         KV_STR("reason", failed ? NULL : reason), KV_STR("problem", outcome->problem),
	         KV_STR("action", failed ? "tried again with the next round" : NULL));
}

static const char *skip_digits(const char *text)
{
	while (isdigit((unsigned char)*text))
		text++;
	return text;
}

/* Compares without the numbers, which count rounds and servers. */
static bool is_same_reason(const char *a, const char *b)
{
	for (a = skip_digits(a), b = skip_digits(b); *a != '\0' && *a == *b;
	     a = skip_digits(a + 1), b = skip_digits(b + 1))
		;
	return *a == *b;
}

/* Logs the result of a run, if it is new. */
static void publisher_say(struct publisher *publisher, const struct publish_outcome *outcome,
                          const char *reason)
{
	bool changed = publisher->said.result != outcome->result ||
	               publisher->said.action != publisher->action ||
	               !is_same_reason(publisher->said.reason, reason);

	if (outcome->result == PUBLISH_WRITTEN && outcome->decision != NULL)
		say_written(publisher, outcome);
	else if (outcome->result == PUBLISH_NOTHING && publisher->action == PUBLISH_DO_ALARM)
		say_alarm(publisher, reason);
	else if (changed)
		say_changed(publisher, outcome, reason);
	if (publisher->action != PUBLISH_DO_ALARM)
		publisher->said.alarm_us = 0;
	publisher->said.result = outcome->result;
	publisher->said.action = publisher->action;
	snprintf(publisher->said.reason, sizeof(publisher->said.reason), "%s", reason);
}

/* -- when to look -- */

static int64_t next_look_ms(const struct publisher *publisher, int64_t now_us)
{
	int64_t interval = publisher->config->interval_ms, soon = interval;

	if (now_us < publisher->close_until_us)
		soon = CLOSE_MS;
	else if (publisher->lost_from_us != 0 && now_us - publisher->lost_from_us < LOST_FOR_US)
		soon = LOST_MS;
	return soon < interval ? soon : clock_jitter_ms(interval);
}

static void look(void *arg)
{
	struct publisher *publisher = arg;

	timer_stop(publisher->timer);
	publisher->looked_us = clock_now_us();
	observe_look(publisher->observe);
}

/* Looks at once, or LOOK_GAP_US after the last look began. */
static void look_soon(void *arg)
{
	struct publisher *publisher = arg;
	int64_t gap_us = clock_now_us() - publisher->looked_us;

	if (gap_us >= LOOK_GAP_US)
		look(publisher);
	else
		timer_start(publisher->timer, (LOOK_GAP_US - gap_us + 999) / 1000);
}

void publisher_wake(struct publisher *publisher)
{
	publisher->close_until_us = clock_now_us() + CLOSE_FOR_US;
	look_soon(publisher);
}

/* -- what was seen -- */

/* The server that takes writes on the highest timeline that is not below the store's; NULL:
 * none. */
static const struct node_state *find_primary(const struct publisher *publisher,
                                             const struct observation *seen)
{
	const struct node_state *best = NULL;
	int64_t floor = decider_stored(&publisher->known)->timeline;

	for (size_t i = 0; i < seen->count; i++) {
		const struct node_state *node_state = &seen->states[i];

		if (node_state->class != SERVER_ANSWERED || node_state->in_recovery ||
		    node_state->role == NODE_WITNESS || node_state->timeline < floor)
			continue;
		if (best == NULL || node_state->timeline > best->timeline)
			best = node_state;
	}
	return best;
}

/* A promotion event is new, and its server is not the primary yet: it soon will be. */
static void note_promotions(struct publisher *publisher, const struct observation *seen,
                            const struct node_state *primary)
{
	const char *latest = publisher->promoted_at, *name = "";

	for (size_t i = 0; i < seen->count; i++)
		if (seen->states[i].class == SERVER_ANSWERED &&
		    promotion_time_compare(seen->states[i].promoted_at, latest) > 0) {
			latest = seen->states[i].promoted_at;
			name = seen->states[i].promoted_name;
		}
	if (*name == '\0')
		return;
	if (publisher->counted_us != 0 && (primary == NULL || strcmp(primary->name, name) != 0))
		publisher->close_until_us = clock_now_us() + CLOSE_FOR_US;
	snprintf(publisher->promoted_at, sizeof(publisher->promoted_at), "%s", latest);
}

static void keep_presence(struct publisher *publisher, const struct observation *seen)
{
	const struct config_publisher *config = publisher->config;
	int64_t blind_ms = decider_rounds_blind(publisher->decider) * config->interval_ms;

	publisher->seen = publisher->seen || blind_ms == 0;
	if (publisher->presence == NULL)
		return;
	if (publisher->seen && blind_ms < config->blind_after_ms) {
		auto_free char *text = seen_nodes_encode(config->name, seen->states, seen->count);

		zk_ephemeral_show(publisher->presence, text);
	} else {
		zk_ephemeral_hide(publisher->presence);
	}
}

static void count_round(struct publisher *publisher, const struct observation *seen)
{
	char wall[CLOCK_WALL_MAX];

	clock_wall_at(seen->asked_us, wall, sizeof(wall));
	decider_observe(publisher->decider, seen->states, seen->count, &publisher->known,
	                seen->asked_us, wall);
	publisher->counted_us = seen->asked_us;
	keep_presence(publisher, seen);
	publish_run(publisher->publish);
}

/* While no primary is seen, a round takes a full interval, because null_after counts rounds.
 * Otherwise the timer has jitter, and a look that comes early is the interval's round, too. */
static bool round_is_due(const struct publisher *publisher, int64_t asked_us)
{
	int64_t part = publisher->lost_from_us != 0 ? 1000 : 750; /* us per ms of the interval */

	return publisher->counted_us == 0 ||
	       asked_us - publisher->counted_us >= publisher->config->interval_ms * part;
}

static void on_observed(const struct observation *seen, void *arg)
{
	struct publisher *publisher = arg;
	const struct node_state *primary = find_primary(publisher, seen);
	char who[sizeof(publisher->primary)] = "";
	bool news;

	publisher_say_repmgr(publisher, seen);
	note_promotions(publisher, seen, primary);
	if (primary != NULL) {
		publisher->lost_from_us = 0;
		snprintf(who, sizeof(who), "%s:%u on %lld", primary->host, (unsigned)primary->port,
		         (long long)primary->timeline);
	} else if (publisher->lost_from_us == 0) {
		publisher->lost_from_us = clock_now_us();
	}
	news = *who != '\0' && strcmp(who, publisher->primary) != 0;
	if (news)
		publisher->close_until_us = 0; /* this is what was waited for */
	if (news || round_is_due(publisher, seen->asked_us)) {
		snprintf(publisher->primary, sizeof(publisher->primary), "%s", who);
		count_round(publisher, seen);
	}
	if (!publisher->options.once)
		timer_start(publisher->timer, next_look_ms(publisher, clock_now_us()));
}

/* -- the store's value -- */

/* Another publisher that sees the primary of this topology; NULL: none is known. */
static const char *find_seer(const struct publisher *publisher, const struct topology *topology)
{
	const struct zk_copy *const *members;
	size_t count = 0;

	if (publisher->others == NULL || !topology->has_primary)
		return NULL;
	members = zk_children_list(publisher->others, &count);
	for (size_t i = 0; i < count; i++)
		if (members[i]->owner != 0 &&
		    strcmp(members[i]->name, publisher->config->name) != 0 &&
		    seen_nodes_has_primary(members[i]->data.data, members[i]->data.len, topology))
			return members[i]->name;
	return NULL;
}

static void on_form(const struct stored_value *read, struct publish_decision *out, void *arg)
{
	struct publisher *publisher = arg;
	struct stored_value store = *read;
	int64_t now_us = clock_now_us(), before;

	if (store.state == STORED_VALUE) {
		store.seen_by = find_seer(publisher, store.topology);
		if (store.topology->zxid == publisher->told_zxid)
			store.since_us = publisher->told_us;
	}
	if (decider_hear(publisher->decider, &store, now_us, &before))
		publisher_say_set(publisher, store.topology, before);
	publish_decide(publisher->decider, &store, now_us, out);
	publisher->known.state = store.state;
	if (store.state == STORED_VALUE) {
		topology_fini(&publisher->stored);
		topology_init(&publisher->stored);
		topology_copy(&publisher->stored, store.topology);
	}
	publisher->action = out->action;
	if (publisher->options.dry_run && publish_action_writes(out->action))
		out->action = PUBLISH_DO_WAIT;
}

static void on_done(const struct publish_outcome *outcome, void *arg)
{
	struct publisher *publisher = arg;
	const struct publish_decision *decision = outcome->decision;
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct publisher_word word = {.result = outcome->result,
	                              .store_read = decision != NULL,
	                              .action = publisher->action,
	                              .reason = decision != NULL ? decision->reason : "",
	                              .problem = outcome->problem};

	if (outcome->result == PUBLISH_WRITTEN)
		decider_written(publisher->decider, decision);
	if (!publisher->options.once)
		publisher_say(publisher, outcome, word.reason);
	if (publisher->options.told == NULL)
		return;
	if (decision != NULL && publish_action_writes(publisher->action))
		layout_segue_encode(&decision->topology, &text);
	word.text = text.data;
	publisher->options.told(&word, publisher->options.arg);
}

static void on_master(const struct zk_node_fact *fact, void *arg)
{
	struct publisher *publisher = arg;
	bool known = fact->connected && fact->state == ZK_NODE_PRESENT;

	if (known && fact->mzxid != publisher->told_zxid) {
		publisher->told_zxid = fact->mzxid;
		publisher->told_us = fact->read_us;
	}
	publish_note(publisher->publish, known ? fact->mzxid : 0);
}

void publisher_describe(const struct publisher *publisher, struct strbuf *out)
{
	decider_describe(publisher->decider, out);
	observe_describe(publisher->observe, out);
}

/* -- beginning and end -- */

static void make_publish(struct publisher *publisher)
{
	const struct config_publisher *config = publisher->config;
	const struct publish_rules rules = {
	    .publisher = config->name,
	    .cluster = publisher->cluster->name,
	    .null_hold_us = config->null_hold_ms * 1000,
	    .null_after = (unsigned)config->null_after,
	    .drop_after = (unsigned)config->drop_after,
	    .fresh_us = (2 * config->interval_ms + publisher->cluster->verify_timeout_ms) * 1000};
	struct publish_store store = publish_store_of(&publisher->store);
	const struct publish_options options = {.cluster = publisher->cluster,
	                                        .store = &store,
	                                        .form = on_form,
	                                        .done = on_done,
	                                        .arg = publisher};

	publisher->decider = decider_create(&rules);
	publisher->publish = publish_create(&options);
}

/* The presence znode of this publisher and those of the others, which are looked at when a decision
 * is made, in each round; and the watch on the master znode. */
static void follow_store(struct publisher *publisher)
{
	struct zk *zk = publisher->options.zk;
	auto_free char *parent = layout_presence_path(publisher->cluster);
	auto_free char *path = xasprintf("%s/%s", parent, publisher->config->name);
	auto_free char *master = layout_master_path(publisher->cluster);
	const struct zk_ephemeral_options options = {.base = publisher->options.base,
	                                             .zk = zk,
	                                             .acl = publisher->store.acl,
	                                             .path = path,
	                                             .who = "publisher"};

	publisher->presence = zk_ephemeral_create(&options);
	publisher->others = zk_children_create(zk, parent, LAYOUT_VALUE_MAX, SIZE_MAX, NULL, NULL);
	publisher->master = zk_watch(zk, master, ZK_WATCH_DATA, 0, on_master, publisher);
}

struct publisher *publisher_create(const struct publisher_options *options, struct err *err)
{
	struct publisher *publisher = xcalloc(1, sizeof(*publisher));
	bool creator = options->config->acl == CONFIG_ACL_CREATOR;

	publisher->options = *options;
	publisher->config = options->publisher;
	publisher->cluster = &options->config->clusters[options->publisher->cluster_index];
	publisher->store =
	    (struct publish_zk){.zk = options->zk, .acl = creator ? ZK_ACL_CREATOR : ZK_ACL_OPEN};
	topology_init(&publisher->stored);
	publisher->known.topology = &publisher->stored;
	publisher->timer = timer_new(options->base, look, publisher);
	make_publish(publisher);
	publisher->observe = observe_create(
	    &(struct observe_options){
	        .base = options->base,
	        .pq = options->pq,
	        .resolver = options->resolver,
	        .cluster = publisher->cluster,
	        .config = options->publisher,
	        .callbacks = {.observed = on_observed, .lost = look_soon, .arg = publisher}},
	    err);
	if (publisher->observe == NULL) {
		publisher_destroy(publisher);
		return NULL;
	}
	if (!options->once)
		follow_store(publisher);
	timer_start(publisher->timer, 0);
	return publisher;
}

void publisher_leave(struct publisher *publisher)
{
	zk_ephemeral_leave(STEAL(publisher->presence));
}

void publisher_destroy(struct publisher *publisher)
{
	if (publisher == NULL)
		return;
	observe_destroy(publisher->observe);
	if (publisher->master != NULL)
		zk_unwatch(publisher->master);
	zk_children_destroy(publisher->others);
	publish_destroy(publisher->publish);
	zk_ephemeral_destroy(publisher->presence);
	decider_destroy(publisher->decider);
	timer_free(publisher->timer);
	topology_fini(&publisher->stored);
	free(publisher);
}
