/* The ballot's memory: what each server said, since when, and how long nobody did. Refuses to judge
 * (ballot_form.c does). Always holds: a node that takes writes has `writes_on`, and the moment when
 * that was seen first stays what it is until it takes writes on another timeline. */
#include "publisher/ballot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ballot_internal.h"

struct ballot *ballot_create(const struct ballot_rules *rules)
{
	struct ballot *ballot = xcalloc(1, sizeof(*ballot));

	ballot->rules = *rules;
	return ballot;
}

void ballot_destroy(struct ballot *ballot)
{
	if (ballot == NULL)
		return;
	free(ballot->nodes);
	free(ballot);
}

bool ballot_takes_writes(const struct ballot_node *node)
{
	return node->answers && !node->now.in_recovery && node->now.role != SIGHTING_WITNESS;
}

bool ballot_stranger(const struct ballot_node *node, const struct ballot_store *store)
{
	const char *known =
	    store->state == BALLOT_STORE_VALUE ? store->topology->system_identifier : "";

	return node->answers && node->now.role != SIGHTING_WITNESS && known[0] != '\0' &&
	       node->now.system_identifier[0] != '\0' &&
	       strcmp(known, node->now.system_identifier) != 0;
}

/* A promotion is new where this publisher has seen the standby that was promoted, or where repmgr's
 * event is later. Once the store has had a higher timeline, the person's word is history, also when
 * the znode is gone since. */
bool ballot_stray(const struct ballot *ballot, const struct ballot_node *node,
                  const struct ballot_store *store)
{
	const struct topology_mark *mark = &ballot->mark;
	const char *event = ballot_event_of(ballot, node);

	if (mark->id[0] == '\0' || mark->timeline == 0 || node->joined ||
	    node->now.timeline <= mark->timeline)
		return false;
	if (ballot->stored_timeline > mark->timeline ||
	    (store->state == BALLOT_STORE_VALUE && store->topology->timeline > mark->timeline))
		return false;
	return event[0] == '\0' || ballot_time_compare(event, mark->at) <= 0;
}

int64_t ballot_floor(const struct ballot *ballot, const struct ballot_store *store)
{
	int64_t stored = store->state == BALLOT_STORE_VALUE ? store->topology->timeline : 0;

	return stored > ballot->floor ? stored : ballot->floor;
}

size_t ballot_answers(const struct ballot *ballot)
{
	size_t answers = 0;

	for (size_t i = 0; i < ballot->count; i++)
		answers += ballot->nodes[i].answers;
	return answers;
}

const char *ballot_node_name(const struct ballot_node *node)
{
	return node->now.name[0] != '\0' ? node->now.name : node->now.host;
}

/* -- a round -- */

static bool same_node(const struct sighting *a, const struct sighting *b)
{
	if (a->name[0] != '\0' && b->name[0] != '\0')
		return strcmp(a->name, b->name) == 0;
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static struct ballot_node remembered(const struct ballot *ballot, const struct sighting *sighting)
{
	for (size_t i = 0; i < ballot->count; i++)
		if (same_node(&ballot->nodes[i].now, sighting))
			return ballot->nodes[i];
	return (struct ballot_node){.behind = -1};
}

static void note_writes(struct ballot_node *node, const char *wall)
{
	int64_t timeline = node->now.timeline;

	if (!ballot_takes_writes(node)) {
		node->writes_on = 0;
		return;
	}
	if (node->writes_on == timeline && timeline != 0)
		return;
	node->turned = node->was_standby || node->writes_on != 0;
	node->writes_on = timeline;
	snprintf(node->writes_since, sizeof(node->writes_since), "%s", wall);
}

static void note_joined(struct ballot_node *node, const struct topology_mark *mark)
{
	if (node->was_standby && node->now.timeline > 0 && node->now.timeline <= mark->timeline)
		node->joined = true;
}

/* Of a server that does not answer only its silence is noted: what it was stays. */
static void note_sighting(const struct ballot *ballot, struct ballot_node *node,
                          const struct sighting *sighting, const char *wall)
{
	node->now = *sighting;
	node->answers = sighting->class == SERVER_ANSWERED;
	if (!node->answers) {
		node->unanswered++;
		return;
	}
	node->unanswered = 0;
	node->dropped = false;
	note_writes(node, wall);
	node->was_standby = sighting->in_recovery && sighting->role != SIGHTING_WITNESS;
	note_joined(node, &ballot->mark);
}

/* How far the standbys are behind, now that the primary's position is known, too. */
static void note_lags(struct ballot *ballot, const struct ballot_store *store)
{
	int64_t written = -1, timeline = -1;

	for (size_t i = 0; i < ballot->count; i++) {
		const struct ballot_node *node = &ballot->nodes[i];

		if (ballot_takes_writes(node) && !ballot_stray(ballot, node, store) &&
		    node->now.timeline > timeline) {
			timeline = node->now.timeline;
			written = node->now.lsn;
		}
	}
	for (size_t i = 0; i < ballot->count; i++) {
		struct ballot_node *node = &ballot->nodes[i];

		if (!node->answers || written < 0 || node->now.lsn < 0)
			continue;
		node->behind = written > node->now.lsn ? written - node->now.lsn : 0;
	}
}

static bool may_be_primary(const struct ballot *ballot, const struct ballot_node *node,
                           const struct ballot_store *store)
{
	return ballot_takes_writes(node) && !ballot_stranger(node, store) &&
	       !ballot_stray(ballot, node, store) &&
	       (node->now.timeline == 0 || node->now.timeline >= ballot_floor(ballot, store));
}

static void count_round(struct ballot *ballot, const struct ballot_store *store, const char *wall)
{
	bool primary = false;

	for (size_t i = 0; i < ballot->count; i++) {
		const struct ballot_node *node = &ballot->nodes[i];

		if (node->answers && node->now.role != SIGHTING_WITNESS &&
		    !ballot_stranger(node, store) && !ballot_stray(ballot, node, store) &&
		    node->now.timeline > ballot->floor)
			ballot->floor = node->now.timeline;
	}
	for (size_t i = 0; i < ballot->count; i++)
		primary = primary || may_be_primary(ballot, &ballot->nodes[i], store);
	ballot->rounds_null = primary ? 0 : ballot->rounds_null + 1;
	if (ballot->rounds_null == 1)
		snprintf(ballot->none_since, sizeof(ballot->none_since), "%s", wall);
	ballot->said_null = ballot->said_null && !primary;
	ballot->rounds_blind = ballot_answers(ballot) > 0 ? 0 : ballot->rounds_blind + 1;
}

void ballot_observe(struct ballot *ballot, const struct sighting *sightings, size_t count,
                    const struct ballot_store *store, int64_t now_us, const char *wall)
{
	struct ballot_node *nodes = xcalloc(count + 1, sizeof(*nodes));

	for (size_t i = 0; i < count; i++) {
		nodes[i] = remembered(ballot, &sightings[i]);
		note_sighting(ballot, &nodes[i], &sightings[i], wall);
	}
	free(ballot->nodes);
	ballot->nodes = nodes;
	ballot->count = count;
	ballot->observed_us = now_us;
	note_lags(ballot, store);
	count_round(ballot, store, wall);
}

/* -- what a person wrote into the store -- */

/* The timeline that is known is the store's of before: who takes writes on a higher one was
 * promoted after the null, or for it. */
static void hear_null(struct ballot *ballot, const struct topology *stored, int64_t since_us)
{
	if (stored->has_primary || stored->none_since[0] != '\0') {
		ballot->null.zxid = 0;
		ballot->stored_timeline = larger(ballot->stored_timeline, stored->timeline);
	} else if (ballot->null.zxid != stored->zxid) {
		ballot->null.zxid = stored->zxid;
		ballot->null.since_us = since_us;
		ballot->null.timeline = larger(ballot->stored_timeline, stored->timeline);
		if (ballot->null.timeline == 0)
			ballot->null.timeline = ballot->floor;
	}
}

static void obey(struct ballot *ballot, const struct topology *stored)
{
	ballot->mark = stored->set_by;
	ballot->floor = ballot->stored_timeline = stored->timeline;
	ballot->rounds_null = 0;
	ballot->said_null = false;
	for (size_t i = 0; i < ballot->count; i++) {
		ballot->nodes[i].joined = false;
		note_joined(&ballot->nodes[i], &ballot->mark);
	}
}

bool ballot_hear(struct ballot *ballot, const struct ballot_store *store, int64_t now_us,
                 int64_t *floor_before)
{
	const struct topology *stored = store->topology;
	bool news;

	if (store->state != BALLOT_STORE_VALUE) {
		ballot->null.zxid = 0;
		return false;
	}
	news = stored->set_by.id[0] != '\0' && strcmp(stored->set_by.id, ballot->mark.id) != 0;
	*floor_before = larger(ballot->floor, ballot->stored_timeline);
	if (news)
		obey(ballot, stored);
	hear_null(ballot, stored, store->since_us != 0 ? store->since_us : now_us);
	return news;
}

static bool is_listed(const struct ballot_node *node, const struct topology *topology)
{
	for (size_t i = 0; i < topology->standby_count; i++)
		if (ballot_is_member(node, &topology->standbys[i]))
			return true;
	return false;
}

void ballot_written(struct ballot *ballot, const struct opinion *opinion)
{
	if (opinion->verdict == VERDICT_PUBLISH_NULL)
		ballot->said_null = true;
	ballot->stored_timeline = larger(ballot->stored_timeline, opinion->topology.timeline);
	for (size_t i = 0; i < ballot->count; i++) {
		struct ballot_node *node = &ballot->nodes[i];

		if (!node->answers && !is_listed(node, &opinion->topology))
			node->dropped = true;
	}
}

unsigned ballot_rounds_blind(const struct ballot *ballot)
{
	return ballot->rounds_blind;
}

/* -- in words -- */

static void describe_answer(const struct ballot *ballot, const struct ballot_node *node,
                            struct strbuf *out)
{
	const char *event = ballot_event_of(ballot, node);

	if (node->now.role == SIGHTING_WITNESS)
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
	if (node->now.role == SIGHTING_PRIMARY && node->now.in_recovery)
		strbuf_append_str(out, "; repmgr calls it the primary, which it is not");
	if (node->now.inactive)
		strbuf_append_str(out, "; repmgr calls it inactive");
}

void ballot_describe(const struct ballot *ballot, struct strbuf *out)
{
	for (size_t i = 0; i < ballot->count; i++) {
		const struct ballot_node *node = &ballot->nodes[i];

		strbuf_printf(out, "%s (%s:%u) ", ballot_node_name(node), node->now.host,
		              node->now.port);
		if (node->answers)
			describe_answer(ballot, node, out);
		else
			strbuf_printf(out, "does not answer: %s, for %u rounds",
			              server_class_name(node->now.class), node->unanswered);
		strbuf_append_char(out, '\n');
	}
}
