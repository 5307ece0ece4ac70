/* The rules of the decider. Pure. Always holds: an older (timeline, promoted_at) never replaces a
 * newer one, and absence is believed only by who sees at least half of the servers.
 *
 *   "primary" below is the server that takes writes on the highest timeline; one below the store's
 *   timeline, or below that of any server, is a returned old primary and is none. Where a person
 * has named the primary (struct topology_mark), the timelines of before do not count; a stray is a
 *   server above the person's timeline that was not promoted since then, as far as is known.
 *
 *   |  # | seen                                          | store            | action           |
 *   |----|-----------------------------------------------|------------------|-------------------|
 *   |  1 | nothing yet, or for longer than fresh_us      | any              | WAIT              |
 *   |  2 | no server answers                             | any              | BLIND             |
 *   |  3 | all that answer are of another cluster        | value            | ALARM             |
 *   |  4 | servers of several clusters                   | no identifier    | ALARM             |
 *   |  5 | two primaries on one timeline                 | any              | ALARM             |
 *   |  6 | a primary whose timeline is not known         | any              | WAIT              |
 *   | 6a | a stray takes writes                          | any              | ALARM             |
 *   |  7 | a primary; fewer than half answer             | absent, invalid  | WAIT              |
 *   |  8 | a primary; half or more answer                | absent, invalid  | PUBLISH           |
 *   |  9 | a primary on a higher timeline                | value            | PUBLISH           |
 *   | 10 | the store's primary; all as the store says    | value            | SAME              |
 *   | 11 | the store's primary; other standbys, buckets  | value            | PUBLISH           |
 *   | 11a| a primary on no higher timeline than before   | a person's null, |                   |
 *   |    |                                               | for < null_hold  | WAIT              |
 *   | 12 | a primary                                     | null             | PUBLISH           |
 *   | 13 | another primary there, promoted later         | value            | PUBLISH           |
 *   | 14 | another primary there, not known to be later  | value            | ALARM             |
 *   | 15 | no primary                                    | absent, invalid  | WAIT              |
 *   | 16 | no primary                                    | null             | SAME              |
 *   | 17 | no primary; a server lives and lets nobody in | value            | WAIT              |
 *   | 18 | no primary; a standby hears from one          | value            | WAIT              |
 *   | 18a| no primary; another publisher sees it         | value            | WAIT              |
 *   | 19 | no primary; fewer than half answer            | value            | WAIT              |
 *   | 20 | no primary for less than null_after rounds    | value            | WAIT              |
 *   | 21 | no primary; a null of this one was overruled  | value            | WAIT              |
 *   | 22 | no primary                                    | value            | PUBLISH_NULL      |
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ballot_internal.h"
#include "base/util.h"

const char *publish_action_name(enum publish_action action)
{
	switch (action) {
	case PUBLISH_DO_SAME:
		return "same";
	case PUBLISH_DO_WAIT:
		return "wait";
	case PUBLISH_DO_PUBLISH:
		return "publish";
	case PUBLISH_DO_PUBLISH_NULL:
		return "publish null";
	case PUBLISH_DO_ALARM:
		return "alarm";
	case PUBLISH_DO_BLIND:
		return "blind";
	}
	return "?";
}

void publish_decision_fini(struct publish_decision *decision)
{
	topology_fini(&decision->topology);
}

PRINTF_LIKE(3, 4)
static void say(struct publish_decision *out, enum publish_action action, const char *fmt, ...)
{
	va_list args;

	out->action = action;
	va_start(args, fmt);
	vsnprintf(out->reason, sizeof(out->reason), fmt, args);
	va_end(args);
}

static bool has_half(const struct decider *decider)
{
	return 2 * decider_answers(decider) >= decider->count;
}

/* -- who the primary is -- */

struct candidates {
	const struct decider_node *primary; /* NULL: none */
	const struct decider_node *twin;    /* on the same timeline; NULL: none */
	const struct decider_node *unclear; /* takes writes on no known timeline */
	const struct decider_node *returned;
	const struct decider_node *stray; /* see the table */
};

/* "; if it is the right one: segue set-primary orders 10.0.0.1:5432 --name db1" */
static void append_command(const struct decider *decider, const struct decider_node *node,
                           struct publish_decision *out)
{
	size_t len = strlen(out->reason);
	bool is6 = strchr(node->now.host, ':') != NULL, named = node->now.name[0] != '\0';

	snprintf(out->reason + len, sizeof(out->reason) - len,
	         "; if %s is the right primary: segue set-primary %s %s%s%s:%u%s%s",
	         decider_node_name(node), decider->rules.cluster, is6 ? "[" : "", node->now.host,
	         is6 ? "]" : "", (unsigned)node->now.port, named ? " --name " : "", node->now.name);
}

static void place_candidate(struct candidates *found, const struct decider_node *node,
                            int64_t floor)
{
	if (node->now.timeline == 0) {
		found->unclear = node;
	} else if (node->now.timeline < floor) {
		found->returned = node;
	} else if (found->primary == NULL || node->now.timeline > found->primary->now.timeline) {
		found->primary = node;
		found->twin = NULL;
	} else if (node->now.timeline == found->primary->now.timeline) {
		found->twin = node;
	}
}

static struct candidates find_candidates(const struct decider *decider,
                                         const struct stored_value *store)
{
	struct candidates found = {.primary = NULL};
	int64_t floor = decider_floor(decider, store);

	for (size_t i = 0; i < decider->count; i++) {
		const struct decider_node *node = &decider->nodes[i];

		if (!decider_takes_writes(node) || decider_stranger(node, store))
			continue;
		if (decider_stray(decider, node, store))
			found.stray = node;
		else
			place_candidate(&found, node, floor);
	}
	return found;
}

/* -- rows 3 and 4: are they one cluster? -- */

static bool refuse_strangers(const struct decider *decider, const struct stored_value *store,
                             struct publish_decision *out)
{
	size_t candidates = 0, strangers = 0;
	const struct decider_node *first = NULL;

	for (size_t i = 0; i < decider->count; i++) {
		const struct decider_node *node = &decider->nodes[i];
		const char *id = node->now.system_identifier;

		if (!node->answers || node->now.role == NODE_WITNESS)
			continue;
		candidates++;
		strangers += decider_stranger(node, store);
		if (decider_stranger(node, store) || id[0] == '\0')
			continue;
		if (first != NULL && strcmp(first->now.system_identifier, id) != 0) {
			say(out, PUBLISH_DO_ALARM,
			    "%s has system identifier %s and %s has %s: these are two clusters; "
			    "nothing is published until one of them is taken out of `nodes`",
			    decider_node_name(first), first->now.system_identifier,
			    decider_node_name(node), id);
			return true;
		}
		first = node;
	}
	if (candidates == 0 || strangers < candidates)
		return false;
	say(out, PUBLISH_DO_ALARM,
	    "no server that answers has system identifier %s, which the store has: if the cluster "
	    "was made anew: segue set-primary %s HOST:PORT; until then nothing is published",
	    store->topology->system_identifier, decider->rules.cluster);
	return true;
}

/* -- a primary is seen -- */

static void promoted_at(const struct decider *decider, const struct stored_value *store,
                        const struct decider_node *primary, struct topology *topology)
{
	const char *event = decider_event_of(decider, primary), *stored = "", *at = event;
	bool after_null = false;

	if (store->state == STORED_VALUE) {
		stored = store->topology->promoted_at;
		after_null = !store->topology->has_primary &&
		             store->topology->timeline == primary->now.timeline;
	}
	/* an event not later than the store's is of an earlier promotion: repmgr is late */
	if (event[0] == '\0' || (!after_null && promotion_time_compare(event, stored) <= 0))
		at = primary->writes_since;
	if (promotion_time_compare(at, stored) < 0)
		at = stored; /* the clocks differ; the order of promotions does not */
	snprintf(topology->promoted_at, sizeof(topology->promoted_at), "%s", at);
}

static void publish(const struct decider *decider, const struct stored_value *store,
                    const struct decider_node *primary, struct publish_decision *out,
                    const char *why)
{
	decider_topology(decider, store, primary, &out->topology);
	out->topology.timeline = primary->now.timeline;
	promoted_at(decider, store, primary, &out->topology);
	say(out, PUBLISH_DO_PUBLISH, "%s takes writes on timeline %" PRId64 "%s%s: %s",
	    decider_node_name(primary), primary->now.timeline,
	    decider_event_of(decider, primary)[0] != '\0' ? ", and repmgr has its promotion" : "",
	    primary->now.role == NODE_STANDBY ? ", though repmgr still calls it a standby" : "",
	    why);
}

/* Rows 10 and 11. The store's promoted_at stays: publishers see the first write at different
 * moments, and which of them came first is of no interest. */
static void confirm(const struct decider *decider, const struct stored_value *store,
                    const struct decider_node *primary, struct publish_decision *out)
{
	const struct topology *stored = store->topology;

	publish(decider, store, primary, out, "its standbys, or their lags, are others now");
	if (stored->promoted_at[0] != '\0')
		snprintf(out->topology.promoted_at, sizeof(out->topology.promoted_at), "%s",
		         stored->promoted_at);
	if (decider_same_topology(&out->topology, stored))
		say(out, PUBLISH_DO_SAME,
		    "%s takes writes on timeline %" PRId64 ", as the store says",
		    decider_node_name(primary), primary->now.timeline);
}

/* Rows 13 and 14. That it takes writes is no proof where another did on the same timeline: when it
 * was promoted has to be known, from repmgr or because this publisher saw it turn. */
static void replace(const struct decider *decider, const struct stored_value *store,
                    const struct decider_node *primary, struct publish_decision *out)
{
	const struct topology *stored = store->topology;
	const char *event = decider_event_of(decider, primary);
	bool later = promotion_time_compare(event, stored->promoted_at) > 0 ||
	             (primary->turned &&
	              promotion_time_compare(primary->writes_since, stored->promoted_at) > 0);

	if (later) {
		publish(decider, store, primary, out, "it was promoted after the one in the store");
		return;
	}
	say(out, PUBLISH_DO_ALARM,
	    "%s takes writes on timeline %" PRId64
	    ", on which the store has %s as the primary since "
	    "%s, and nothing shows that it was promoted later: nothing is published",
	    decider_node_name(primary), primary->now.timeline,
	    stored->primary.name[0] != '\0' ? stored->primary.name : stored->primary.host,
	    stored->promoted_at[0] != '\0' ? stored->promoted_at : "a time that is not known");
	append_command(decider, primary, out);
}

/* Rows 11a and 12. */
static void end_null(const struct decider *decider, const struct stored_value *store,
                     const struct decider_node *primary, int64_t now_us,
                     struct publish_decision *out)
{
	bool persons = decider->null.zxid != 0;
	int64_t left_us = decider->null.since_us + decider->rules.null_hold_us - now_us;
	int64_t known = decider->null.timeline, hold_s = decider->rules.null_hold_us / 1000000;
	auto_free char *over = NULL;

	if (persons && left_us > 0 && primary->now.timeline <= known) {
		say(out, PUBLISH_DO_WAIT,
		    "%s takes writes on timeline %" PRId64
		    ", but the store says that there is no primary, and no publisher wrote that: "
		    "respected for another %" PRId64
		    " s (null_hold), or until a server takes writes on a higher timeline than "
		    "%" PRId64,
		    decider_node_name(primary), primary->now.timeline, (left_us + 999999) / 1000000,
		    known);
		append_command(decider, primary, out);
		return;
	}
	if (persons)
		over = primary->now.timeline > known
		           ? xasprintf("a higher timeline than before the null that no publisher "
		                       "wrote")
		           : xasprintf("the store's null, which no publisher wrote, was respected "
		                       "for %" PRId64 " s (null_hold)",
		                       hold_s);
	publish(decider, store, primary, out,
	        over != NULL ? over : "the store says that nobody does");
}

static void form_primary(const struct decider *decider, const struct stored_value *store,
                         const struct decider_node *primary, int64_t now_us,
                         struct publish_decision *out)
{
	const struct topology *stored = store->topology;

	if (store->state != STORED_VALUE && !has_half(decider))
		say(out, PUBLISH_DO_WAIT,
		    "%s takes writes on timeline %" PRId64
		    ", but only %zu of %zu servers answer, and "
		    "the store says nothing to compare it with: it may be an old primary",
		    decider_node_name(primary), primary->now.timeline, decider_answers(decider),
		    decider->count);
	else if (store->state != STORED_VALUE)
		publish(decider, store, primary, out,
		        store->state == STORED_ABSENT ? "the store has no primary yet"
		                                      : "what the store has is no topology");
	else if (!stored->has_primary)
		end_null(decider, store, primary, now_us, out);
	else if (primary->now.timeline > stored->timeline)
		publish(decider, store, primary, out, "a later timeline than the store's");
	else if (decider_is_member(primary, &stored->primary))
		confirm(decider, store, primary, out);
	else
		replace(decider, store, primary, out);
}

/* -- no primary is seen -- */

/* It lives and may be the primary: all its connections taken, say. */
static const struct decider_node *find_closed(const struct decider *decider)
{
	for (size_t i = 0; i < decider->count; i++) {
		const struct decider_node *node = &decider->nodes[i];
		enum server_class class = node->now.class;

		if (node->now.role != NODE_WITNESS &&
		    (class == SERVER_FULL || class == SERVER_DENIED || class == SERVER_FAULTY ||
		     class == SERVER_OTHER))
			return node;
	}
	return NULL;
}

static const struct decider_node *find_receiving(const struct decider *decider)
{
	for (size_t i = 0; i < decider->count; i++)
		if (decider->nodes[i].answers && decider->nodes[i].now.in_recovery &&
		    decider->nodes[i].now.receiving)
			return &decider->nodes[i];
	return NULL;
}

/* Why absence is not to be believed, in `out`; false: it is. */
static bool doubt_absence(const struct decider *decider, const struct stored_value *store,
                          struct publish_decision *out)
{
	const struct decider_node *closed = find_closed(decider),
	                          *receiving = find_receiving(decider);

	if (closed != NULL)
		say(out, PUBLISH_DO_WAIT,
		    "no primary is seen, but %s lives and lets nobody in (%s)",
		    decider_node_name(closed), server_class_name(closed->now.class));
	else if (receiving != NULL)
		say(out, PUBLISH_DO_WAIT, "no primary is seen from here, but %s hears from one",
		    decider_node_name(receiving));
	else if (store->seen_by != NULL)
		say(out, PUBLISH_DO_WAIT, "no primary is seen from here, but publisher %s sees it",
		    store->seen_by);
	else if (!has_half(decider))
		say(out, PUBLISH_DO_WAIT,
		    "no primary is seen, but only %zu of %zu servers answer: half of them have to, "
		    "before null is published",
		    decider_answers(decider), decider->count);
	else if (decider->rounds_null < decider->rules.null_after)
		say(out, PUBLISH_DO_WAIT,
		    "no primary is seen for %u rounds; null is published at %u",
		    decider->rounds_null, decider->rules.null_after);
	else if (decider->said_null)
		say(out, PUBLISH_DO_WAIT,
		    "no primary is seen from here, but another publisher sees one");
	else
		return false;
	return true;
}

/* Null keeps timeline and promoted_at: the order of promotions outlives a time without a primary.
 */
static void publish_null(const struct decider *decider, const struct stored_value *store,
                         const struct decider_node *returned, struct publish_decision *out)
{
	const struct topology *stored = store->topology;

	decider_topology(decider, store, NULL, &out->topology);
	out->topology.timeline = stored->timeline;
	snprintf(out->topology.promoted_at, sizeof(out->topology.promoted_at), "%s",
	         stored->promoted_at);
	snprintf(out->topology.none_since, sizeof(out->topology.none_since), "%s",
	         decider->none_since);
	if (returned != NULL) {
		say(out, PUBLISH_DO_PUBLISH_NULL,
		    "no primary for %u rounds: %s takes writes, but on the old timeline %" PRId64
		    ", below %" PRId64,
		    decider->rounds_null, decider_node_name(returned), returned->now.timeline,
		    decider_floor(decider, store));
		append_command(decider, returned, out);
	} else {
		say(out, PUBLISH_DO_PUBLISH_NULL,
		    "no server takes writes for %u rounds, and %zu of %zu were seen",
		    decider->rounds_null, decider_answers(decider), decider->count);
	}
}

/* Row 6a. */
static void form_stray(const struct decider *decider, const struct decider_node *stray,
                       struct publish_decision *out)
{
	const struct topology_mark *mark = &decider->mark;

	say(out, PUBLISH_DO_ALARM,
	    "split brain: %s takes writes on timeline %" PRId64
	    ", though %s has named another server, on timeline %" PRId64
	    ", as the primary at %s: nothing is published, the primary that was named stays; stop %s",
	    decider_node_name(stray), stray->now.timeline,
	    mark->who[0] != '\0' ? mark->who : "a person", mark->timeline,
	    mark->at[0] != '\0' ? mark->at : "a time that is not known", decider_node_name(stray));
	append_command(decider, stray, out);
}

static void say_none(const struct decider *decider, const struct stored_value *store,
                     const struct decider_node *returned, const char *then,
                     enum publish_action action, struct publish_decision *out)
{
	if (returned == NULL) {
		say(out, action, "no server takes writes, and %s", then);
		return;
	}
	say(out, action,
	    "no server takes writes but %s, on the old timeline %" PRId64 ", below %" PRId64
	    ", and %s",
	    decider_node_name(returned), returned->now.timeline, decider_floor(decider, store),
	    then);
	append_command(decider, returned, out);
}

static void form_absence(const struct decider *decider, const struct stored_value *store,
                         const struct decider_node *returned, struct publish_decision *out)
{
	if (store->state != STORED_VALUE)
		say_none(decider, store, returned, "the store names none", PUBLISH_DO_WAIT, out);
	else if (!store->topology->has_primary)
		say_none(decider, store, returned, "the store says so", PUBLISH_DO_SAME, out);
	else if (!doubt_absence(decider, store, out))
		publish_null(decider, store, returned, out);
}

/* -- all rows -- */

void publish_decide(const struct decider *decider, const struct stored_value *store, int64_t now_us,
                    struct publish_decision *out)
{
	struct candidates found = find_candidates(decider, store);

	*out = (struct publish_decision){.action = PUBLISH_DO_WAIT};
	topology_init(&out->topology);
	if (decider->observed_us == 0 || decider->nodes == NULL)
		say(out, PUBLISH_DO_WAIT, "no server was asked yet");
	else if (now_us - decider->observed_us > decider->rules.fresh_us)
		say(out, PUBLISH_DO_WAIT,
		    "the servers were asked %" PRId64 " ms ago: too long for an opinion",
		    (now_us - decider->observed_us) / 1000);
	else if (decider_answers(decider) == 0)
		say(out, PUBLISH_DO_BLIND, "none of %zu servers answers: this publisher is blind",
		    decider->count);
	else if (refuse_strangers(decider, store, out))
		return;
	else if (found.twin != NULL)
		say(out, PUBLISH_DO_ALARM,
		    "%s and %s both take writes on timeline %" PRId64
		    ": nothing is published; stop the one that is not the primary",
		    decider_node_name(found.primary), decider_node_name(found.twin),
		    found.primary->now.timeline);
	else if (found.unclear != NULL)
		say(out, PUBLISH_DO_WAIT, "%s takes writes, on a timeline that is not known yet",
		    decider_node_name(found.unclear));
	else if (found.stray != NULL)
		form_stray(decider, found.stray, out);
	else if (found.primary != NULL)
		form_primary(decider, store, found.primary, now_us, out);
	else
		form_absence(decider, store, found.returned, out);
}
