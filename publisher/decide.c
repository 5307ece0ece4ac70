/* The decider's memory: what each server answered, since when, and for how long none did. The
 * memory does not judge; the rules below do. Always: a node that takes writes has `writes_on`, and
 * the moment when that was first seen stays until it takes writes on another timeline. */
#include "decide_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/endpoint.h"
#include "base/util.h"

struct decider *decider_create(const struct publish_rules *rules)
{
	struct decider *decider = xcalloc(1, sizeof(*decider));

	decider->rules = *rules;
	return decider;
}

void decider_destroy(struct decider *decider)
{
	if (decider == NULL)
		return;
	free(decider->nodes);
	free(decider);
}

static bool takes_writes(const struct decider_node *node)
{
	return decider_counts(node) && !node->now.in_recovery;
}

/* A stray is defined with the rules below. A server is known to be promoted since the person's mark
 * if this publisher has seen it as a standby (`joined`), or if repmgr's event is later than the
 * mark. Once the store has had a higher timeline, the mark counts no more, even if the znode is
 * gone since. */
static bool is_stray(const struct decider *decider, const struct decider_node *node,
                     const struct stored_value *store)
{
	const struct topology_mark *mark = &decider->mark;
	const char *event = decider_event_of(decider, node);

	return mark->id[0] != '\0' && mark->timeline != 0 && !node->joined &&
	       node->now.timeline > mark->timeline && decider->stored_timeline <= mark->timeline &&
	       decider_stored(store)->timeline <= mark->timeline &&
	       (event[0] == '\0' || promotion_time_compare(event, mark->at) <= 0);
}

/* The lowest timeline on which a primary may be. */
static int64_t floor_of(const struct decider *decider, const struct stored_value *store)
{
	return larger(decider->floor, decider_stored(store)->timeline);
}

static size_t answers(const struct decider *decider)
{
	size_t count = 0;

	for (size_t i = 0; i < decider->count; i++)
		count += decider->nodes[i].answers;
	return count;
}

static const char *name_of(const struct decider_node *node)
{
	return node->now.name[0] != '\0' ? node->now.name : node->now.host;
}

/* -- a round -- */

static bool same_node(const struct node_state *a, const struct node_state *b)
{
	if (a->name[0] != '\0' && b->name[0] != '\0')
		return strcmp(a->name, b->name) == 0;
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static struct decider_node remembered(const struct decider *decider,
                                      const struct node_state *node_state)
{
	for (size_t i = 0; i < decider->count; i++)
		if (same_node(&decider->nodes[i].now, node_state))
			return decider->nodes[i];
	return (struct decider_node){.behind = -1};
}

static void note_writes(struct decider_node *node, const char *wall)
{
	int64_t timeline = node->now.timeline;

	if (!takes_writes(node))
		node->writes_on = 0;
	if (!takes_writes(node) || (node->writes_on == timeline && timeline != 0))
		return;
	node->turned = node->was_standby || node->writes_on != 0;
	node->writes_on = timeline;
	snprintf(node->writes_since, sizeof(node->writes_since), "%s", wall);
}

static void note_joined(struct decider_node *node, const struct topology_mark *mark)
{
	if (node->was_standby && node->now.timeline > 0 && node->now.timeline <= mark->timeline)
		node->joined = true;
}

/* If a server does not answer, only that is recorded: what it was before stays. */
static void note_sighting(const struct decider *decider, struct decider_node *node,
                          const struct node_state *node_state, const char *wall)
{
	node->now = *node_state;
	node->answers = node_state->class == SERVER_ANSWERED;
	if (!node->answers) {
		node->unanswered++;
		return;
	}
	node->unanswered = 0;
	node->dropped = false;
	note_writes(node, wall);
	node->was_standby = node_state->in_recovery && node_state->role != NODE_WITNESS;
	note_joined(node, &decider->mark);
}

/* Computes how far the standbys are behind. All answers are recorded by now, so the primary's
 * position is known, too. */
static void note_lags(struct decider *decider, const struct stored_value *store)
{
	int64_t written = -1, timeline = -1;

	for (size_t i = 0; i < decider->count; i++) {
		const struct decider_node *node = &decider->nodes[i];

		if (takes_writes(node) && !is_stray(decider, node, store) &&
		    node->now.timeline > timeline) {
			timeline = node->now.timeline;
			written = node->now.lsn;
		}
	}
	for (size_t i = 0; i < decider->count; i++) {
		struct decider_node *node = &decider->nodes[i];

		if (!node->answers || written < 0 || node->now.lsn < 0)
			continue;
		node->behind = written > node->now.lsn ? written - node->now.lsn : 0;
	}
}

/* A server that may be the primary: if its timeline is known, it is not below any other's. */
static void count_round(struct decider *decider, const struct stored_value *store, const char *wall)
{
	bool primary = false;

	for (size_t i = 0; i < decider->count; i++) {
		const struct decider_node *node = &decider->nodes[i];

		if (decider_counts(node) && !decider_stranger(node, store) &&
		    !is_stray(decider, node, store))
			decider->floor = larger(decider->floor, node->now.timeline);
	}
	for (size_t i = 0; i < decider->count; i++) {
		const struct decider_node *node = &decider->nodes[i];

		primary =
		    primary ||
		    (takes_writes(node) && !decider_stranger(node, store) &&
		     !is_stray(decider, node, store) &&
		     (node->now.timeline == 0 || node->now.timeline >= floor_of(decider, store)));
	}
	decider->rounds_null = primary ? 0 : decider->rounds_null + 1;
	if (decider->rounds_null == 1)
		snprintf(decider->none_since, sizeof(decider->none_since), "%s", wall);
	decider->said_null = decider->said_null && !primary;
	decider->rounds_blind = answers(decider) > 0 ? 0 : decider->rounds_blind + 1;
}

void decider_observe(struct decider *decider, const struct node_state *states, size_t count,
                     const struct stored_value *store, int64_t now_us, const char *wall)
{
	struct decider_node *nodes = xcalloc(count + 1, sizeof(*nodes));

	for (size_t i = 0; i < count; i++) {
		nodes[i] = remembered(decider, &states[i]);
		note_sighting(decider, &nodes[i], &states[i], wall);
	}
	free(decider->nodes);
	decider->nodes = nodes;
	decider->count = count;
	decider->observed_us = now_us;
	note_lags(decider, store);
	count_round(decider, store, wall);
}

/* -- what a person wrote into the store -- */

/* A null that no publisher wrote keeps the timeline that the store had before. A server that takes
 * writes on a higher one was promoted after the null, or because of it. */
static void hear_null(struct decider *decider, const struct topology *stored, int64_t since_us)
{
	if (stored->has_primary || stored->none_since[0] != '\0') {
		decider->null.zxid = 0;
		decider->stored_timeline = larger(decider->stored_timeline, stored->timeline);
	} else if (decider->null.zxid != stored->zxid) {
		decider->null.zxid = stored->zxid;
		decider->null.since_us = since_us;
		decider->null.timeline = larger(decider->stored_timeline, stored->timeline);
		if (decider->null.timeline == 0)
			decider->null.timeline = decider->floor;
	}
}

static void obey(struct decider *decider, const struct topology *stored)
{
	decider->mark = stored->set_by;
	decider->floor = decider->stored_timeline = stored->timeline;
	decider->rounds_null = 0;
	decider->said_null = false;
	for (size_t i = 0; i < decider->count; i++) {
		decider->nodes[i].joined = false;
		note_joined(&decider->nodes[i], &decider->mark);
	}
}

bool decider_hear(struct decider *decider, const struct stored_value *store, int64_t now_us,
                  int64_t *floor_before)
{
	const struct topology *stored = store->topology;
	bool news;

	if (store->state != STORED_VALUE) {
		decider->null.zxid = 0;
		return false;
	}
	news = stored->set_by.id[0] != '\0' && strcmp(stored->set_by.id, decider->mark.id) != 0;
	*floor_before = larger(decider->floor, decider->stored_timeline);
	if (news)
		obey(decider, stored);
	hear_null(decider, stored, store->since_us != 0 ? store->since_us : now_us);
	return news;
}

void decider_written(struct decider *decider, const struct publish_decision *decision)
{
	if (decision->action == PUBLISH_DO_PUBLISH_NULL)
		decider->said_null = true;
	decider->stored_timeline = larger(decider->stored_timeline, decision->topology.timeline);
	for (size_t i = 0; i < decider->count; i++) {
		struct decider_node *node = &decider->nodes[i];

		if (!node->answers && decider_listed(node, &decision->topology) == NULL)
			node->dropped = true;
	}
}

unsigned decider_rounds_blind(const struct decider *decider)
{
	return decider->rounds_blind;
}

/* -- descriptions -- */

static void describe_answer(const struct decider *decider, const struct decider_node *node,
                            struct strbuf *out)
{
	const char *event = decider_event_of(decider, node);

	if (node->now.role == NODE_WITNESS)
		strbuf_append_str(out, "is repmgr's witness: no candidate");
	else if (node->now.in_recovery)
		strbuf_printf(out, "is a standby on timeline %" PRId64, node->now.timeline);
	else
		strbuf_printf(out, "takes writes on timeline %" PRId64 ", seen first at %s",
		              node->now.timeline, node->writes_since);
	if (node->now.in_recovery && node->behind >= 0)
		strbuf_printf(out, ", %" PRId64 " bytes behind", node->behind);
	if (event[0] != '\0')
		strbuf_printf(out, "; repmgr: promoted at %s", event);
	if (node->now.role == NODE_PRIMARY && node->now.in_recovery)
		strbuf_append_str(out, "; repmgr calls it the primary, which it is not");
	if (node->now.inactive)
		strbuf_append_str(out, "; repmgr calls it inactive");
}

void decider_describe(const struct decider *decider, struct strbuf *out)
{
	for (size_t i = 0; i < decider->count; i++) {
		const struct decider_node *node = &decider->nodes[i];

		strbuf_printf(out, "%s (%s:%u) ", name_of(node), node->now.host, node->now.port);
		if (node->answers)
			describe_answer(decider, node, out);
		else
			strbuf_printf(out, "does not answer: %s, for %u rounds",
			              server_class_name(node->now.class), node->unanswered);
		strbuf_append_char(out, '\n');
	}
}

/* The rules of the decider. Pure. Always: an older (timeline, promoted_at) never replaces a newer
 * one, and a publisher that sees fewer than half of the servers never concludes that there is no
 * primary.
 *
 *   The primary is the server that takes writes on the highest timeline. A server that takes writes
 *   on a timeline below the store's, or below that of any server, is a returned old primary and
 *   does not count. After a person has named the primary (struct topology_mark), earlier timelines
 *   do not count. A stray takes writes on a higher timeline than the person's, and is not known to
 *   have been promoted since then.
 *
 *   |  # | seen                                          | store            | action            |
 *   |----|-----------------------------------------------|------------------|-------------------|
 *   |  1 | no round yet, or none within fresh_us         | any              | WAIT              |
 *   |  2 | no server answers                             | any              | BLIND             |
 *   |  3 | all that answer are of another cluster        | value            | ALARM             |
 *   |  4 | servers of several clusters                   | no identifier    | ALARM             |
 *   |  5 | two primaries on one timeline                 | any              | ALARM             |
 *   |  6 | a primary whose timeline is not known         | any              | WAIT              |
 *   | 6a | a stray takes writes                          | any              | ALARM             |
 *   |  7 | a primary; fewer than half answer             | absent, invalid  | WAIT              |
 *   |  8 | a primary; half or more answer                | absent, invalid  | PUBLISH           |
 *   |  9 | a primary on a higher timeline                | value            | PUBLISH           |
 *   | 10 | the store's primary; all as in the store      | value            | SAME              |
 *   | 11 | the store's primary; other standbys or lags   | value            | PUBLISH           |
 *   | 11a| a primary, its timeline not above the one     | a person's null, |                   |
 *   |    | before the null                               | for < null_hold  | WAIT              |
 *   | 12 | a primary                                     | null             | PUBLISH           |
 *   | 13 | another one on that timeline, promoted later  | value            | PUBLISH           |
 *   | 14 | another one on that timeline, not known later | value            | ALARM             |
 *   | 15 | no primary                                    | absent, invalid  | WAIT              |
 *   | 16 | no primary                                    | null             | SAME              |
 *   | 17 | no primary; a live server lets nobody in      | value            | WAIT              |
 *   | 18 | no primary; a standby receives from one       | value            | WAIT              |
 *   | 18a| no primary; another publisher sees it         | value            | WAIT              |
 *   | 19 | no primary; fewer than half answer            | value            | WAIT              |
 *   | 20 | no primary for less than null_after rounds    | value            | WAIT              |
 *   | 21 | no primary; another publisher undid our null  | value            | WAIT              |
 *   | 22 | no primary                                    | value            | PUBLISH_NULL      |
 */

const char *publish_action_name(enum publish_action action)
{
	static const char *const names[] = {
	    [PUBLISH_DO_SAME] = "same",       [PUBLISH_DO_WAIT] = "wait",
	    [PUBLISH_DO_PUBLISH] = "publish", [PUBLISH_DO_PUBLISH_NULL] = "publish null",
	    [PUBLISH_DO_ALARM] = "alarm",     [PUBLISH_DO_BLIND] = "blind"};

	return names[action];
}

void publish_decision_fini(struct publish_decision *decision)
{
	topology_fini(&decision->topology);
}

/* A decision in progress. */
struct deciding {
	const struct decider *decider;
	const struct stored_value *store;
	const struct topology *stored; /* an empty one if the store has none */
	int64_t now_us, floor;
	struct publish_decision *out;
	/* Servers that take writes; NULL: none */
	const struct decider_node *primary;  /* on the highest timeline, not below the floor */
	const struct decider_node *twin;     /* another one on its timeline */
	const struct decider_node *unclear;  /* on a timeline that is not known */
	const struct decider_node *returned; /* below the floor */
	const struct decider_node *stray;    /* see the table */
};

PRINTF_LIKE(3, 4)
static void say(struct deciding *d, enum publish_action action, const char *fmt, ...)
{
	va_list args;

	d->out->action = action;
	va_start(args, fmt);
	vsnprintf(d->out->reason, sizeof(d->out->reason), fmt, args);
	va_end(args);
}

/* Appends "; if db1 is the right primary: segue set-primary orders 10.0.0.1:5432 --name db1". */
static void append_command(struct deciding *d, const struct decider_node *node)
{
	size_t len = strlen(d->out->reason);
	bool named = node->now.name[0] != '\0';
	char endpoint[ENDPOINT_MAX];

	snprintf(d->out->reason + len, sizeof(d->out->reason) - len,
	         "; if %s is the right primary: segue set-primary %s %s%s%s", name_of(node),
	         d->decider->rules.cluster,
	         endpoint_format(endpoint, sizeof(endpoint), node->now.host, node->now.port),
	         named ? " --name " : "", node->now.name);
}

static bool has_half(const struct decider *decider)
{
	return 2 * answers(decider) >= decider->count;
}

static void find_candidates(struct deciding *d)
{
	for (size_t i = 0; i < d->decider->count; i++) {
		const struct decider_node *node = &d->decider->nodes[i];
		int64_t timeline = node->now.timeline;

		if (!takes_writes(node) || decider_stranger(node, d->store))
			continue;
		if (is_stray(d->decider, node, d->store)) {
			d->stray = node;
		} else if (timeline == 0) {
			d->unclear = node;
		} else if (timeline < d->floor) {
			d->returned = node;
		} else if (d->primary == NULL || timeline > d->primary->now.timeline) {
			d->primary = node;
			d->twin = NULL;
		} else if (timeline == d->primary->now.timeline) {
			d->twin = node;
		}
	}
}

/* Rows 3 and 4: are they one cluster? */
static bool refuse_strangers(struct deciding *d)
{
	size_t candidates = 0, strangers = 0;
	const struct decider_node *first = NULL;

	for (size_t i = 0; i < d->decider->count; i++) {
		const struct decider_node *node = &d->decider->nodes[i];
		bool stranger = decider_stranger(node, d->store);
		const char *id = node->now.system_identifier;

		candidates += decider_counts(node);
		strangers += stranger;
		if (!decider_counts(node) || stranger || id[0] == '\0')
			continue;
		if (first != NULL && strcmp(first->now.system_identifier, id) != 0) {
			say(d, PUBLISH_DO_ALARM,
			    "%s has system identifier %s and %s has %s: these are two clusters; "
			    "nothing is published until one of them is taken out of `nodes`",
			    name_of(first), first->now.system_identifier, name_of(node), id);
			return true;
		}
		first = node;
	}
	if (candidates == 0 || strangers < candidates)
		return false;
	say(d, PUBLISH_DO_ALARM,
	    "no server that answers has system identifier %s, which the store has; nothing is "
	    "published; if the cluster was initialised again: segue set-primary %s HOST:PORT",
	    d->stored->system_identifier, d->decider->rules.cluster);
	return true;
}

/* -- a primary is seen -- */

static void set_promoted_at(struct deciding *d, const char *event)
{
	struct topology *topology = &d->out->topology;
	const char *stored = d->stored->promoted_at, *at = event;
	bool after_null = d->store->state == STORED_VALUE && !d->stored->has_primary &&
	                  d->stored->timeline == d->primary->now.timeline;

	/* an event that is not later than the store's is of an earlier promotion: repmgr is late */
	if (event[0] == '\0' || (!after_null && promotion_time_compare(event, stored) <= 0))
		at = d->primary->writes_since;
	if (promotion_time_compare(at, stored) < 0)
		at = stored; /* clocks differ, but the order of promotions has to stay */
	snprintf(topology->promoted_at, sizeof(topology->promoted_at), "%s", at);
}

static void publish(struct deciding *d, const char *why)
{
	const struct node_state *primary = &d->primary->now;
	const char *event = decider_event_of(d->decider, d->primary);

	decider_topology(d->decider, d->store, d->primary, &d->out->topology);
	d->out->topology.timeline = primary->timeline;
	set_promoted_at(d, event);
	say(d, PUBLISH_DO_PUBLISH, "%s takes writes on timeline %" PRId64 "%s%s: %s",
	    name_of(d->primary), primary->timeline,
	    event[0] != '\0' ? ", and repmgr has its promotion" : "",
	    primary->role == NODE_STANDBY ? ", though repmgr still calls it a standby" : "", why);
}

/* Rows 10 and 11. The store's promoted_at stays: publishers see the first write at different
 * moments, and it does not matter which of them saw it first. */
static void confirm(struct deciding *d)
{
	struct topology *topology = &d->out->topology;

	publish(d, "its standbys or their lags have changed");
	if (d->stored->promoted_at[0] != '\0')
		memcpy(topology->promoted_at, d->stored->promoted_at,
		       sizeof(topology->promoted_at));
	if (decider_same_topology(topology, d->stored))
		say(d, PUBLISH_DO_SAME, "%s takes writes on timeline %" PRId64 ", as in the store",
		    name_of(d->primary), d->primary->now.timeline);
}

/* Rows 13 and 14. Taking writes is no proof if another server took writes on the same timeline. The
 * promotion must be known to be later: from repmgr, or because this publisher saw the server
 * change. */
static void replace(struct deciding *d)
{
	const struct topology *stored = d->stored;
	const char *event = decider_event_of(d->decider, d->primary), *at = stored->promoted_at;

	if (promotion_time_compare(event, at) > 0 ||
	    (d->primary->turned && promotion_time_compare(d->primary->writes_since, at) > 0)) {
		publish(d, "it was promoted after the one in the store");
		return;
	}
	say(d, PUBLISH_DO_ALARM,
	    "%s takes writes on timeline %" PRId64
	    ", on which the store has %s as the primary since "
	    "%s, and nothing shows that it was promoted later: nothing is published",
	    name_of(d->primary), d->primary->now.timeline,
	    stored->primary.name[0] != '\0' ? stored->primary.name : stored->primary.host,
	    at[0] != '\0' ? at : "a time that is not known");
	append_command(d, d->primary);
}

/* Rows 11a and 12. */
static void end_null(struct deciding *d)
{
	int64_t hold_us = d->decider->rules.null_hold_us, known = d->decider->null.timeline;
	int64_t left_us = d->decider->null.since_us + hold_us - d->now_us;
	bool higher = d->primary->now.timeline > known;
	char respected[128];

	snprintf(respected, sizeof(respected),
	         "the store's null, which no publisher wrote, was respected for %" PRId64
	         " s (null_hold)",
	         hold_us / 1000000);
	if (d->decider->null.zxid == 0) {
		publish(d, "the store has \"primary\": null");
	} else if (left_us <= 0 || higher) {
		publish(d, higher ? "a higher timeline than before the null that no publisher wrote"
		                  : respected);
	} else {
		say(d, PUBLISH_DO_WAIT,
		    "%s takes writes on timeline %" PRId64
		    ", but the store has \"primary\": null, which no publisher wrote: nothing is "
		    "published for another %" PRId64
		    " s (null_hold), or until a server takes writes on a higher timeline than "
		    "%" PRId64,
		    name_of(d->primary), d->primary->now.timeline, (left_us + 999999) / 1000000,
		    known);
		append_command(d, d->primary);
	}
}

static void decide_primary(struct deciding *d)
{
	if (d->store->state != STORED_VALUE && !has_half(d->decider))
		say(d, PUBLISH_DO_WAIT,
		    "%s takes writes on timeline %" PRId64
		    ", but only %zu of %zu servers answer, and the store has no value to compare "
		    "it with: it may be an old primary",
		    name_of(d->primary), d->primary->now.timeline, answers(d->decider),
		    d->decider->count);
	else if (d->store->state != STORED_VALUE)
		publish(d, d->store->state == STORED_ABSENT
		               ? "the store has no primary yet"
		               : "the value in the store is not valid");
	else if (!d->stored->has_primary)
		end_null(d);
	else if (d->primary->now.timeline > d->stored->timeline)
		publish(d, "a later timeline than the store's");
	else if (decider_is_member(d->primary, &d->stored->primary))
		confirm(d);
	else
		replace(d);
}

/* -- no primary is seen -- */

/* A server that is alive but accepts no login, for example because all its connections are taken,
 * may be the primary. */
static bool is_closed(const struct decider_node *node)
{
	enum server_class class = node->now.class;

	return node->now.role != NODE_WITNESS && (class == SERVER_FULL || class == SERVER_DENIED ||
	                                          class == SERVER_FAULTY || class == SERVER_OTHER);
}

/* Returns true if the absence of a primary is not certain; `out` says why. */
static bool doubt_absence(struct deciding *d)
{
	const struct decider *decider = d->decider;
	const struct decider_node *closed = NULL, *receiving = NULL;

	for (size_t i = decider->count; i > 0; i--) {
		const struct decider_node *node = &decider->nodes[i - 1];

		if (is_closed(node))
			closed = node;
		if (node->answers && node->now.in_recovery && node->now.receiving)
			receiving = node;
	}
	if (closed != NULL)
		say(d, PUBLISH_DO_WAIT,
		    "no primary is seen, but %s is alive and accepts no login (%s)",
		    name_of(closed), server_class_name(closed->now.class));
	else if (receiving != NULL)
		say(d, PUBLISH_DO_WAIT,
		    "no primary is seen from here, but standby %s receives messages from a primary",
		    name_of(receiving));
	else if (d->store->seen_by != NULL)
		say(d, PUBLISH_DO_WAIT, "no primary is seen from here, but publisher %s sees it",
		    d->store->seen_by);
	else if (!has_half(decider))
		say(d, PUBLISH_DO_WAIT,
		    "no primary is seen, but only %zu of %zu servers answer: half of them have to, "
		    "before null is published",
		    answers(decider), decider->count);
	else if (decider->rounds_null < decider->rules.null_after)
		say(d, PUBLISH_DO_WAIT, "no primary is seen for %u rounds; null is published at %u",
		    decider->rounds_null, decider->rules.null_after);
	else if (decider->said_null)
		say(d, PUBLISH_DO_WAIT,
		    "no primary is seen from here, but another publisher sees one");
	else
		return false;
	return true;
}

/* A null keeps timeline and promoted_at, so that the order of promotions survives a time without a
 * primary. */
static void publish_null(struct deciding *d)
{
	struct topology *topology = &d->out->topology;
	const struct decider *decider = d->decider;

	decider_topology(decider, d->store, NULL, topology);
	topology->timeline = d->stored->timeline;
	memcpy(topology->promoted_at, d->stored->promoted_at, sizeof(topology->promoted_at));
	memcpy(topology->none_since, decider->none_since, sizeof(topology->none_since));
	if (d->returned == NULL) {
		say(d, PUBLISH_DO_PUBLISH_NULL,
		    "no server takes writes for %u rounds, and %zu of %zu were seen",
		    decider->rounds_null, answers(decider), decider->count);
		return;
	}
	say(d, PUBLISH_DO_PUBLISH_NULL,
	    "no primary for %u rounds: %s takes writes, but on the old timeline %" PRId64
	    ", below %" PRId64,
	    decider->rounds_null, name_of(d->returned), d->returned->now.timeline, d->floor);
	append_command(d, d->returned);
}

static void say_none(struct deciding *d, enum publish_action action, const char *then)
{
	if (d->returned == NULL) {
		say(d, action, "no server takes writes, and %s", then);
		return;
	}
	say(d, action,
	    "no server takes writes but %s, on the old timeline %" PRId64 ", below %" PRId64
	    ", and %s",
	    name_of(d->returned), d->returned->now.timeline, d->floor, then);
	append_command(d, d->returned);
}

/* Row 6a. */
static void refuse_stray(struct deciding *d)
{
	const struct topology_mark *mark = &d->decider->mark;

	say(d, PUBLISH_DO_ALARM,
	    "split brain: %s takes writes on timeline %" PRId64
	    ", though %s has named another server, on timeline %" PRId64
	    ", as the primary at %s: nothing is published, the primary that was named stays; stop %s",
	    name_of(d->stray), d->stray->now.timeline,
	    mark->who[0] != '\0' ? mark->who : "a person", mark->timeline,
	    mark->at[0] != '\0' ? mark->at : "a time that is not known", name_of(d->stray));
	append_command(d, d->stray);
}

/* -- all rows -- */

void publish_decide(const struct decider *decider, const struct stored_value *store, int64_t now_us,
                    struct publish_decision *out)
{
	struct deciding deciding = {.decider = decider,
	                            .store = store,
	                            .stored = decider_stored(store),
	                            .now_us = now_us,
	                            .floor = floor_of(decider, store),
	                            .out = out},
	                *d = &deciding;

	*out = (struct publish_decision){.action = PUBLISH_DO_WAIT};
	topology_init(&out->topology);
	find_candidates(d);
	if (decider->observed_us == 0 || decider->nodes == NULL)
		say(d, PUBLISH_DO_WAIT, "no server was asked yet");
	else if (now_us - decider->observed_us > decider->rules.fresh_us)
		say(d, PUBLISH_DO_WAIT,
		    "the last round of observations is %" PRId64 " ms old: too old for a decision",
		    (now_us - decider->observed_us) / 1000);
	else if (answers(decider) == 0)
		say(d, PUBLISH_DO_BLIND, "none of %zu servers answers: this publisher is blind",
		    decider->count);
	else if (refuse_strangers(d))
		return;
	else if (d->twin != NULL)
		say(d, PUBLISH_DO_ALARM,
		    "%s and %s both take writes on timeline %" PRId64
		    ": nothing is published; stop the one that is not the primary",
		    name_of(d->primary), name_of(d->twin), d->primary->now.timeline);
	else if (d->unclear != NULL)
		say(d, PUBLISH_DO_WAIT, "%s takes writes, on a timeline that is not known yet",
		    name_of(d->unclear));
	else if (d->stray != NULL)
		refuse_stray(d);
	else if (d->primary != NULL)
		decide_primary(d);
	else if (store->state != STORED_VALUE)
		say_none(d, PUBLISH_DO_WAIT, "the store names none");
	else if (!d->stored->has_primary)
		say_none(d, PUBLISH_DO_SAME, "the store has \"primary\": null");
	else if (!doubt_absence(d))
		publish_null(d);
}
