/* The rules of the ballot. Pure. Always holds: an older (timeline, promoted_at) never replaces a
 * newer one, and absence is believed only by who sees at least half of the servers.
 *
 *   "primary" below is the server that takes writes on the highest timeline; one below the store's
 *   timeline, or below that of any server, is a returned old primary and is none. Where a person
 * has named the primary (struct topology_mark), the timelines of before do not count; a stray is a
 *   server above the person's timeline that was not promoted since then, as far as is known.
 *
 *   |  # | seen                                          | store            | verdict           |
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

const char *verdict_name(enum ballot_verdict verdict)
{
	switch (verdict) {
	case VERDICT_SAME:
		return "same";
	case VERDICT_WAIT:
		return "wait";
	case VERDICT_PUBLISH:
		return "publish";
	case VERDICT_PUBLISH_NULL:
		return "publish null";
	case VERDICT_ALARM:
		return "alarm";
	case VERDICT_BLIND:
		return "blind";
	}
	return "?";
}

void opinion_fini(struct opinion *opinion)
{
	topology_fini(&opinion->topology);
}

PRINTF_LIKE(3, 4)
static void say(struct opinion *out, enum ballot_verdict verdict, const char *fmt, ...)
{
	va_list args;

	out->verdict = verdict;
	va_start(args, fmt);
	vsnprintf(out->reason, sizeof(out->reason), fmt, args);
	va_end(args);
}

static bool has_half(const struct ballot *ballot)
{
	return 2 * ballot_answers(ballot) >= ballot->count;
}

/* -- who the primary is -- */

struct candidates {
	const struct ballot_node *primary; /* NULL: none */
	const struct ballot_node *twin;    /* on the same timeline; NULL: none */
	const struct ballot_node *unclear; /* takes writes on no known timeline */
	const struct ballot_node *returned;
	const struct ballot_node *stray; /* see the table */
};

/* "; if it is the right one: segue set-primary orders 10.0.0.1:5432 --name db1" */
static void append_command(const struct ballot *ballot, const struct ballot_node *node,
                           struct opinion *out)
{
	size_t len = strlen(out->reason);
	bool is6 = strchr(node->now.host, ':') != NULL, named = node->now.name[0] != '\0';

	snprintf(out->reason + len, sizeof(out->reason) - len,
	         "; if %s is the right primary: segue set-primary %s %s%s%s:%u%s%s",
	         ballot_node_name(node), ballot->rules.cluster, is6 ? "[" : "", node->now.host,
	         is6 ? "]" : "", (unsigned)node->now.port, named ? " --name " : "", node->now.name);
}

static void place_candidate(struct candidates *found, const struct ballot_node *node, int64_t floor)
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

static struct candidates find_candidates(const struct ballot *ballot,
                                         const struct ballot_store *store)
{
	struct candidates found = {.primary = NULL};
	int64_t floor = ballot_floor(ballot, store);

	for (size_t i = 0; i < ballot->count; i++) {
		const struct ballot_node *node = &ballot->nodes[i];

		if (!ballot_takes_writes(node) || ballot_stranger(node, store))
			continue;
		if (ballot_stray(ballot, node, store))
			found.stray = node;
		else
			place_candidate(&found, node, floor);
	}
	return found;
}

/* -- rows 3 and 4: are they one cluster? -- */

static bool refuse_strangers(const struct ballot *ballot, const struct ballot_store *store,
                             struct opinion *out)
{
	size_t candidates = 0, strangers = 0;
	const struct ballot_node *first = NULL;

	for (size_t i = 0; i < ballot->count; i++) {
		const struct ballot_node *node = &ballot->nodes[i];
		const char *id = node->now.system_identifier;

		if (!node->answers || node->now.role == SIGHTING_WITNESS)
			continue;
		candidates++;
		strangers += ballot_stranger(node, store);
		if (ballot_stranger(node, store) || id[0] == '\0')
			continue;
		if (first != NULL && strcmp(first->now.system_identifier, id) != 0) {
			say(out, VERDICT_ALARM,
			    "%s has system identifier %s and %s has %s: these are two clusters; "
			    "nothing is published until one of them is taken out of `nodes`",
			    ballot_node_name(first), first->now.system_identifier,
			    ballot_node_name(node), id);
			return true;
		}
		first = node;
	}
	if (candidates == 0 || strangers < candidates)
		return false;
	say(out, VERDICT_ALARM,
	    "no server that answers has system identifier %s, which the store has: if the cluster "
	    "was made anew: segue set-primary %s HOST:PORT; until then nothing is published",
	    store->topology->system_identifier, ballot->rules.cluster);
	return true;
}

/* -- a primary is seen -- */

static void promoted_at(const struct ballot *ballot, const struct ballot_store *store,
                        const struct ballot_node *primary, struct topology *topology)
{
	const char *event = ballot_event_of(ballot, primary), *stored = "", *at = event;
	bool after_null = false;

	if (store->state == BALLOT_STORE_VALUE) {
		stored = store->topology->promoted_at;
		after_null = !store->topology->has_primary &&
		             store->topology->timeline == primary->now.timeline;
	}
	/* an event not later than the store's is of an earlier promotion: repmgr is late */
	if (event[0] == '\0' || (!after_null && ballot_time_compare(event, stored) <= 0))
		at = primary->writes_since;
	if (ballot_time_compare(at, stored) < 0)
		at = stored; /* the clocks differ; the order of promotions does not */
	snprintf(topology->promoted_at, sizeof(topology->promoted_at), "%s", at);
}

static void publish(const struct ballot *ballot, const struct ballot_store *store,
                    const struct ballot_node *primary, struct opinion *out, const char *why)
{
	ballot_topology(ballot, store, primary, &out->topology);
	out->topology.timeline = primary->now.timeline;
	promoted_at(ballot, store, primary, &out->topology);
	say(out, VERDICT_PUBLISH, "%s takes writes on timeline %" PRId64 "%s%s: %s",
	    ballot_node_name(primary), primary->now.timeline,
	    ballot_event_of(ballot, primary)[0] != '\0' ? ", and repmgr has its promotion" : "",
	    primary->now.role == SIGHTING_STANDBY ? ", though repmgr still calls it a standby" : "",
	    why);
}

/* Rows 10 and 11. The store's promoted_at stays: publishers see the first write at different
 * moments, and which of them came first is of no interest. */
static void confirm(const struct ballot *ballot, const struct ballot_store *store,
                    const struct ballot_node *primary, struct opinion *out)
{
	const struct topology *stored = store->topology;

	publish(ballot, store, primary, out, "its standbys, or their lags, are others now");
	if (stored->promoted_at[0] != '\0')
		snprintf(out->topology.promoted_at, sizeof(out->topology.promoted_at), "%s",
		         stored->promoted_at);
	if (ballot_same_topology(&out->topology, stored))
		say(out, VERDICT_SAME, "%s takes writes on timeline %" PRId64 ", as the store says",
		    ballot_node_name(primary), primary->now.timeline);
}

/* Rows 13 and 14. That it takes writes is no proof where another did on the same timeline: when it
 * was promoted has to be known, from repmgr or because this publisher saw it turn. */
static void replace(const struct ballot *ballot, const struct ballot_store *store,
                    const struct ballot_node *primary, struct opinion *out)
{
	const struct topology *stored = store->topology;
	const char *event = ballot_event_of(ballot, primary);
	bool later = ballot_time_compare(event, stored->promoted_at) > 0 ||
	             (primary->turned &&
	              ballot_time_compare(primary->writes_since, stored->promoted_at) > 0);

	if (later) {
		publish(ballot, store, primary, out, "it was promoted after the one in the store");
		return;
	}
	say(out, VERDICT_ALARM,
	    "%s takes writes on timeline %" PRId64
	    ", on which the store has %s as the primary since "
	    "%s, and nothing shows that it was promoted later: nothing is published",
	    ballot_node_name(primary), primary->now.timeline,
	    stored->primary.name[0] != '\0' ? stored->primary.name : stored->primary.host,
	    stored->promoted_at[0] != '\0' ? stored->promoted_at : "a time that is not known");
	append_command(ballot, primary, out);
}

/* Rows 11a and 12. */
static void end_null(const struct ballot *ballot, const struct ballot_store *store,
                     const struct ballot_node *primary, int64_t now_us, struct opinion *out)
{
	bool persons = ballot->null.zxid != 0;
	int64_t left_us = ballot->null.since_us + ballot->rules.null_hold_us - now_us;
	int64_t known = ballot->null.timeline, hold_s = ballot->rules.null_hold_us / 1000000;
	auto_free char *over = NULL;

	if (persons && left_us > 0 && primary->now.timeline <= known) {
		say(out, VERDICT_WAIT,
		    "%s takes writes on timeline %" PRId64
		    ", but the store says that there is no primary, and no publisher wrote that: "
		    "respected for another %" PRId64
		    " s (null_hold), or until a server takes writes on a higher timeline than "
		    "%" PRId64,
		    ballot_node_name(primary), primary->now.timeline, (left_us + 999999) / 1000000,
		    known);
		append_command(ballot, primary, out);
		return;
	}
	if (persons)
		over = primary->now.timeline > known
		           ? xasprintf("a higher timeline than before the null that no publisher "
		                       "wrote")
		           : xasprintf("the store's null, which no publisher wrote, was respected "
		                       "for %" PRId64 " s (null_hold)",
		                       hold_s);
	publish(ballot, store, primary, out,
	        over != NULL ? over : "the store says that nobody does");
}

static void form_primary(const struct ballot *ballot, const struct ballot_store *store,
                         const struct ballot_node *primary, int64_t now_us, struct opinion *out)
{
	const struct topology *stored = store->topology;

	if (store->state != BALLOT_STORE_VALUE && !has_half(ballot))
		say(out, VERDICT_WAIT,
		    "%s takes writes on timeline %" PRId64
		    ", but only %zu of %zu servers answer, and "
		    "the store says nothing to compare it with: it may be an old primary",
		    ballot_node_name(primary), primary->now.timeline, ballot_answers(ballot),
		    ballot->count);
	else if (store->state != BALLOT_STORE_VALUE)
		publish(ballot, store, primary, out,
		        store->state == BALLOT_STORE_ABSENT ? "the store has no primary yet"
		                                            : "what the store has is no topology");
	else if (!stored->has_primary)
		end_null(ballot, store, primary, now_us, out);
	else if (primary->now.timeline > stored->timeline)
		publish(ballot, store, primary, out, "a later timeline than the store's");
	else if (ballot_is_member(primary, &stored->primary))
		confirm(ballot, store, primary, out);
	else
		replace(ballot, store, primary, out);
}

/* -- no primary is seen -- */

/* It lives and may be the primary: all its connections taken, say. */
static const struct ballot_node *find_closed(const struct ballot *ballot)
{
	for (size_t i = 0; i < ballot->count; i++) {
		const struct ballot_node *node = &ballot->nodes[i];
		enum server_class class = node->now.class;

		if (node->now.role != SIGHTING_WITNESS &&
		    (class == SERVER_FULL || class == SERVER_DENIED || class == SERVER_FAULTY ||
		     class == SERVER_OTHER))
			return node;
	}
	return NULL;
}

static const struct ballot_node *find_receiving(const struct ballot *ballot)
{
	for (size_t i = 0; i < ballot->count; i++)
		if (ballot->nodes[i].answers && ballot->nodes[i].now.in_recovery &&
		    ballot->nodes[i].now.receiving)
			return &ballot->nodes[i];
	return NULL;
}

/* Why absence is not to be believed, in `out`; false: it is. */
static bool doubt_absence(const struct ballot *ballot, const struct ballot_store *store,
                          struct opinion *out)
{
	const struct ballot_node *closed = find_closed(ballot), *receiving = find_receiving(ballot);

	if (closed != NULL)
		say(out, VERDICT_WAIT, "no primary is seen, but %s lives and lets nobody in (%s)",
		    ballot_node_name(closed), server_class_name(closed->now.class));
	else if (receiving != NULL)
		say(out, VERDICT_WAIT, "no primary is seen from here, but %s hears from one",
		    ballot_node_name(receiving));
	else if (store->seen_by != NULL)
		say(out, VERDICT_WAIT, "no primary is seen from here, but publisher %s sees it",
		    store->seen_by);
	else if (!has_half(ballot))
		say(out, VERDICT_WAIT,
		    "no primary is seen, but only %zu of %zu servers answer: half of them have to, "
		    "before null is published",
		    ballot_answers(ballot), ballot->count);
	else if (ballot->rounds_null < ballot->rules.null_after)
		say(out, VERDICT_WAIT, "no primary is seen for %u rounds; null is published at %u",
		    ballot->rounds_null, ballot->rules.null_after);
	else if (ballot->said_null)
		say(out, VERDICT_WAIT,
		    "no primary is seen from here, but another publisher sees one");
	else
		return false;
	return true;
}

/* Null keeps timeline and promoted_at: the order of promotions outlives a time without a primary.
 */
static void publish_null(const struct ballot *ballot, const struct ballot_store *store,
                         const struct ballot_node *returned, struct opinion *out)
{
	const struct topology *stored = store->topology;

	ballot_topology(ballot, store, NULL, &out->topology);
	out->topology.timeline = stored->timeline;
	snprintf(out->topology.promoted_at, sizeof(out->topology.promoted_at), "%s",
	         stored->promoted_at);
	snprintf(out->topology.none_since, sizeof(out->topology.none_since), "%s",
	         ballot->none_since);
	if (returned != NULL) {
		say(out, VERDICT_PUBLISH_NULL,
		    "no primary for %u rounds: %s takes writes, but on the old timeline %" PRId64
		    ", below %" PRId64,
		    ballot->rounds_null, ballot_node_name(returned), returned->now.timeline,
		    ballot_floor(ballot, store));
		append_command(ballot, returned, out);
	} else {
		say(out, VERDICT_PUBLISH_NULL,
		    "no server takes writes for %u rounds, and %zu of %zu were seen",
		    ballot->rounds_null, ballot_answers(ballot), ballot->count);
	}
}

/* Row 6a. */
static void form_stray(const struct ballot *ballot, const struct ballot_node *stray,
                       struct opinion *out)
{
	const struct topology_mark *mark = &ballot->mark;

	say(out, VERDICT_ALARM,
	    "split brain: %s takes writes on timeline %" PRId64
	    ", though %s has named another server, on timeline %" PRId64
	    ", as the primary at %s: nothing is published, the primary that was named stays; stop %s",
	    ballot_node_name(stray), stray->now.timeline,
	    mark->who[0] != '\0' ? mark->who : "a person", mark->timeline,
	    mark->at[0] != '\0' ? mark->at : "a time that is not known", ballot_node_name(stray));
	append_command(ballot, stray, out);
}

static void say_none(const struct ballot *ballot, const struct ballot_store *store,
                     const struct ballot_node *returned, const char *then,
                     enum ballot_verdict verdict, struct opinion *out)
{
	if (returned == NULL) {
		say(out, verdict, "no server takes writes, and %s", then);
		return;
	}
	say(out, verdict,
	    "no server takes writes but %s, on the old timeline %" PRId64 ", below %" PRId64
	    ", and %s",
	    ballot_node_name(returned), returned->now.timeline, ballot_floor(ballot, store), then);
	append_command(ballot, returned, out);
}

static void form_absence(const struct ballot *ballot, const struct ballot_store *store,
                         const struct ballot_node *returned, struct opinion *out)
{
	if (store->state != BALLOT_STORE_VALUE)
		say_none(ballot, store, returned, "the store names none", VERDICT_WAIT, out);
	else if (!store->topology->has_primary)
		say_none(ballot, store, returned, "the store says so", VERDICT_SAME, out);
	else if (!doubt_absence(ballot, store, out))
		publish_null(ballot, store, returned, out);
}

/* -- all rows -- */

void ballot_form(const struct ballot *ballot, const struct ballot_store *store, int64_t now_us,
                 struct opinion *out)
{
	struct candidates found = find_candidates(ballot, store);

	*out = (struct opinion){.verdict = VERDICT_WAIT};
	topology_init(&out->topology);
	if (ballot->observed_us == 0 || ballot->nodes == NULL)
		say(out, VERDICT_WAIT, "no server was asked yet");
	else if (now_us - ballot->observed_us > ballot->rules.fresh_us)
		say(out, VERDICT_WAIT,
		    "the servers were asked %" PRId64 " ms ago: too long for an opinion",
		    (now_us - ballot->observed_us) / 1000);
	else if (ballot_answers(ballot) == 0)
		say(out, VERDICT_BLIND, "none of %zu servers answers: this publisher is blind",
		    ballot->count);
	else if (refuse_strangers(ballot, store, out))
		return;
	else if (found.twin != NULL)
		say(out, VERDICT_ALARM,
		    "%s and %s both take writes on timeline %" PRId64
		    ": nothing is published; stop the one that is not the primary",
		    ballot_node_name(found.primary), ballot_node_name(found.twin),
		    found.primary->now.timeline);
	else if (found.unclear != NULL)
		say(out, VERDICT_WAIT, "%s takes writes, on a timeline that is not known yet",
		    ballot_node_name(found.unclear));
	else if (found.stray != NULL)
		form_stray(ballot, found.stray, out);
	else if (found.primary != NULL)
		form_primary(ballot, store, found.primary, now_us, out);
	else
		form_absence(ballot, store, found.returned, out);
}
