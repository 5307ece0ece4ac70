/* See the header. */
#include "decider_case.h"

#include <stdio.h>
#include <string.h>

static void node_init(struct node_state *node, int number)
{
	*node = (struct node_state){.port = 5432,
	                            .class = SERVER_ANSWERED,
	                            .in_recovery = number > 1,
	                            .timeline = 1,
	                            .lsn = 1000,
	                            .system_identifier = "7000"};
	snprintf(node->name, sizeof(node->name), "db%d", number);
	snprintf(node->host, sizeof(node->host), "10.0.0.%d", number);
}

void decider_case_open(struct decider_case *c, const char *publisher)
{
	const struct publish_rules rules = {.publisher = publisher,
	                                    .cluster = "orders",
	                                    .null_after = 3,
	                                    .null_hold_us = 10 * (int64_t)ROUND_US,
	                                    .drop_after = 3,
	                                    .fresh_us = 2 * (int64_t)ROUND_US};

	*c = (struct decider_case){.count = PUBLISH_NODES, .now_us = ROUND_US};
	c->decider = decider_create(&rules);
	topology_init(&c->stored);
	topology_init(&c->decision.topology);
	for (int i = 0; i < PUBLISH_NODES; i++)
		node_init(&c->nodes[i], i + 1);
}

void decider_case_close(struct decider_case *c)
{
	publish_decision_fini(&c->decision);
	topology_fini(&c->stored);
	decider_destroy(c->decider);
}

enum publish_action decider_case_form(struct decider_case *c)
{
	int64_t before;

	publish_decision_fini(&c->decision);
	c->obeyed = decider_hear(c->decider, &c->store, c->now_us, &before);
	publish_decide(c->decider, &c->store, c->now_us, &c->decision);
	return c->decision.action;
}

enum publish_action decider_case_round(struct decider_case *c)
{
	char wall[PUBLISH_TIME_MAX];

	c->now_us += ROUND_US;
	snprintf(wall, sizeof(wall), "2026-11-23T10:00:%02dZ", ++c->second);
	decider_observe(c->decider, c->nodes, c->count, &c->store, c->now_us, wall);
	return decider_case_form(c);
}

void decider_case_store(struct decider_case *c, bool told)
{
	topology_copy(&c->stored, &c->decision.topology);
	c->store = (struct stored_value){.state = STORED_VALUE, .topology = &c->stored};
	if (told)
		decider_written(c->decider, &c->decision);
}

void decider_case_null(struct decider_case *c)
{
	topology_fini(&c->stored);
	c->stored.zxid = ++c->zxid;
	c->store = (struct stored_value){.state = STORED_VALUE, .topology = &c->stored};
}

void decider_case_set(struct decider_case *c, int node, int64_t timeline)
{
	decider_case_null(c);
	c->stored.has_primary = true;
	snprintf(c->stored.primary.name, sizeof(c->stored.primary.name), "db%d", node);
	snprintf(c->stored.primary.host, sizeof(c->stored.primary.host), "10.0.0.%d", node);
	c->stored.primary.port = 5432;
	c->stored.timeline = timeline;
	snprintf(c->stored.system_identifier, sizeof(c->stored.system_identifier), "7000");
	snprintf(c->stored.promoted_at, sizeof(c->stored.promoted_at), "2026-11-23T10:00:%02dZ",
	         c->second);
	snprintf(c->stored.set_by.id, sizeof(c->stored.set_by.id), "id%d", (int)c->zxid);
	snprintf(c->stored.set_by.who, sizeof(c->stored.set_by.who), "alice@p1");
	memcpy(c->stored.set_by.at, c->stored.promoted_at, sizeof(c->stored.set_by.at));
	c->stored.set_by.timeline = timeline;
}

void decider_case_down(struct decider_case *c, int node, enum server_class class)
{
	c->nodes[node - 1].class = class;
}

void decider_case_promote(struct decider_case *c, int node, int64_t timeline)
{
	struct node_state *node_state = &c->nodes[node - 1];

	node_state->class = SERVER_ANSWERED;
	node_state->in_recovery = false;
	node_state->timeline = timeline;
}

void decider_case_event(struct decider_case *c, int by, const char *name, const char *at)
{
	struct node_state *node_state = &c->nodes[by - 1];

	snprintf(node_state->promoted_name, sizeof(node_state->promoted_name), "%s", name);
	snprintf(node_state->promoted_at, sizeof(node_state->promoted_at), "%s", at);
}
