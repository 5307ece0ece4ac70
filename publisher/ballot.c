/* The decider's memory: what each server said, since when, and how long nobody did. Refuses to
 * judge (publish_decide.c does). Always holds: a node that takes writes has `writes_on`, and the
 * moment when that was seen first stays what it is until it takes writes on another timeline. */
#include "publisher/ballot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ballot_internal.h"

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

bool decider_takes_writes(const struct decider_node *node)
{
	return node->answers && !node->now.in_recovery && node->now.role != NODE_WITNESS;
}

bool decider_stranger(const struct decider_node *node, const struct stored_value *store)
{
	const char *known = store->state == STORED_VALUE ? store->topology->system_identifier : "";

	return node->answers && node->now.role != NODE_WITNESS && known[0] != '\0' &&
	       node->now.system_identifier[0] != '\0' &&
	       strcmp(known, node->now.system_identifier) != 0;
}

/* A promotion is new where this publisher has seen the standby that was promoted, or where repmgr's
 * event is later. Once the store has had a higher timeline, the person's word is history, also when
 * the znode is gone since. */
bool decider_stray(const struct decider *decider, const struct decider_node *node,
                   const struct stored_value *store)
{
	const struct topology_mark *mark = &decider->mark;
	const char *event = decider_event_of(decider, node);

	if (mark->id[0] == '\0' || mark->timeline == 0 || node->joined ||
	    node->now.timeline <= mark->timeline)
		return false;
	if (decider->stored_timeline > mark->timeline ||
	    (store->state == STORED_VALUE && store->topology->timeline > mark->timeline))
		return false;
	return event[0] == '\0' || promotion_time_compare(event, mark->at) <= 0;
}

int64_t decider_floor(const struct decider *decider, const struct stored_value *store)
{
	int64_t stored = store->state == STORED_VALUE ? store->topology->timeline : 0;

	return stored > decider->floor ? stored : decider->floor;
}

size_t decider_answers(const struct decider *decider)
{
	size_t answers = 0;

	for (size_t i = 0; i < decider->count; i++)
		answers += decider->nodes[i].answers;
	return answers;
}

const char *decider_node_name(const struct decider_node *node)
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

	if (!decider_takes_writes(node)) {
		node->writes_on = 0;
		return;
	}
	if (node->writes_on == timeline && timeline != 0)
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

/* Of a server that does not answer only its silence is noted: what it was stays. */
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

/* How far the standbys are behind, now that the primary's position is known, too. */
static void note_lags(struct decider *decider, const struct stored_value *store)
{
	int64_t written = -1, timeline = -1;

	for (size_t i = 0; i < decider->count; i++) {
		const struct decider_node *node = &decider->nodes[i];

		if (decider_takes_writes(node) && !decider_stray(decider, node, store) &&
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

static bool may_be_primary(const struct decider *decider, const struct decider_node *node,
                           const struct stored_value *store)
{
	return decider_takes_writes(node) && !decider_stranger(node, store) &&
	       !decider_stray(decider, node, store) &&
	       (node->now.timeline == 0 || node->now.timeline >= decider_floor(decider, store));
}

static void count_round(struct decider *decider, const struct stored_value *store, const char *wall)
{
	bool primary = false;

	for (size_t i = 0; i < decider->count; i++) {
		const struct decider_node *node = &decider->nodes[i];

		if (node->answers && node->now.role != NODE_WITNESS &&
		    !decider_stranger(node, store) && !decider_stray(decider, node, store) &&
		    node->now.timeline > decider->floor)
			decider->floor = node->now.timeline;
	}
	for (size_t i = 0; i < decider->count; i++)
		primary = primary || may_be_primary(decider, &decider->nodes[i], store);
	decider->rounds_null = primary ? 0 : decider->rounds_null + 1;
	if (decider->rounds_null == 1)
		snprintf(decider->none_since, sizeof(decider->none_since), "%s", wall);
	decider->said_null = decider->said_null && !primary;
	decider->rounds_blind = decider_answers(decider) > 0 ? 0 : decider->rounds_blind + 1;
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

/* The timeline that is known is the store's of before: who takes writes on a higher one was
 * promoted after the null, or for it. */
static void hear_null(struct decider *decider, const struct topology *stored, int64_t now_us)
{
	if (stored->has_primary || stored->none_since[0] != '\0') {
		decider->null.zxid = 0;
		decider->stored_timeline = larger(decider->stored_timeline, stored->timeline);
	} else if (decider->null.zxid != stored->zxid) {
		decider->null.zxid = stored->zxid;
		decider->null.since_us = now_us;
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
	hear_null(decider, stored, now_us);
	return news;
}

static bool is_listed(const struct decider_node *node, const struct topology *topology)
{
	for (size_t i = 0; i < topology->standby_count; i++)
		if (decider_is_member(node, &topology->standbys[i]))
			return true;
	return false;
}

void decider_written(struct decider *decider, const struct publish_decision *decision)
{
	if (decision->action == PUBLISH_DO_PUBLISH_NULL)
		decider->said_null = true;
	decider->stored_timeline = larger(decider->stored_timeline, decision->topology.timeline);
	for (size_t i = 0; i < decider->count; i++) {
		struct decider_node *node = &decider->nodes[i];

		if (!node->answers && !is_listed(node, &decision->topology))
			node->dropped = true;
	}
}

unsigned decider_rounds_blind(const struct decider *decider)
{
	return decider->rounds_blind;
}

/* -- in words -- */

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

		strbuf_printf(out, "%s (%s:%u) ", decider_node_name(node), node->now.host,
		              node->now.port);
		if (node->answers)
			describe_answer(decider, node, out);
		else
			strbuf_printf(out, "does not answer: %s, for %u rounds",
			              server_class_name(node->now.class), node->unanswered);
		strbuf_append_char(out, '\n');
	}
}
