/* See the header. */
#include "decider_case.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct decider_case c;

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

void decider_case_open(struct decider_case *of, const char *publisher)
{
	const struct publish_rules rules = {.publisher = publisher,
	                                    .cluster = "orders",
	                                    .null_after = 3,
	                                    .null_hold_us = 10 * (int64_t)ROUND_US,
	                                    .drop_after = 3,
	                                    .fresh_us = 2 * (int64_t)ROUND_US};

	*of = (struct decider_case){.count = PUBLISH_NODES, .now_us = ROUND_US};
	of->decider = decider_create(&rules);
	topology_init(&of->stored);
	topology_init(&of->decision.topology);
	for (int i = 0; i < PUBLISH_NODES; i++)
		node_init(&of->nodes[i], i + 1);
}

void decider_case_close(struct decider_case *of)
{
	publish_decision_fini(&of->decision);
	topology_fini(&of->stored);
	decider_destroy(of->decider);
}

enum publish_action decider_case_form(struct decider_case *of)
{
	int64_t before;

	publish_decision_fini(&of->decision);
	of->obeyed = decider_hear(of->decider, &of->store, of->now_us, &before);
	publish_decide(of->decider, &of->store, of->now_us, &of->decision);
	return of->decision.action;
}

enum publish_action decider_case_round(struct decider_case *of)
{
	char wall[PUBLISH_TIME_MAX];

	of->now_us += ROUND_US;
	snprintf(wall, sizeof(wall), "2026-11-23T10:00:%02dZ", ++of->second);
	decider_observe(of->decider, of->nodes, of->count, &of->store, of->now_us, wall);
	return decider_case_form(of);
}

void decider_case_store(struct decider_case *of, bool told)
{
	topology_copy(&of->stored, &of->decision.topology);
	of->store = (struct stored_value){.state = STORED_VALUE, .topology = &of->stored};
	if (told)
		decider_written(of->decider, &of->decision);
}

void decider_case_null(struct decider_case *of)
{
	topology_fini(&of->stored);
	of->stored.zxid = ++of->zxid;
	of->store = (struct stored_value){.state = STORED_VALUE, .topology = &of->stored};
}

void decider_case_set(struct decider_case *of, int node, int64_t timeline)
{
	decider_case_null(of);
	of->stored.has_primary = true;
	snprintf(of->stored.primary.name, sizeof(of->stored.primary.name), "db%d", node);
	snprintf(of->stored.primary.host, sizeof(of->stored.primary.host), "10.0.0.%d", node);
	of->stored.primary.port = 5432;
	of->stored.timeline = timeline;
	snprintf(of->stored.system_identifier, sizeof(of->stored.system_identifier), "7000");
	snprintf(of->stored.promoted_at, sizeof(of->stored.promoted_at), "2026-11-23T10:00:%02dZ",
	         of->second);
	snprintf(of->stored.set_by.id, sizeof(of->stored.set_by.id), "id%d", (int)of->zxid);
	snprintf(of->stored.set_by.who, sizeof(of->stored.set_by.who), "alice@p1");
	memcpy(of->stored.set_by.at, of->stored.promoted_at, sizeof(of->stored.set_by.at));
	of->stored.set_by.timeline = timeline;
}

void decider_case_down(struct decider_case *of, int node, enum server_class class)
{
	of->nodes[node - 1].class = class;
}

void decider_case_promote(struct decider_case *of, int node, int64_t timeline)
{
	struct node_state *node_state = &of->nodes[node - 1];

	node_state->class = SERVER_ANSWERED;
	node_state->in_recovery = false;
	node_state->timeline = timeline;
}

void decider_case_event(struct decider_case *of, int by, const char *name, const char *at)
{
	struct node_state *node_state = &of->nodes[by - 1];

	snprintf(node_state->promoted_name, sizeof(node_state->promoted_name), "%s", name);
	snprintf(node_state->promoted_at, sizeof(node_state->promoted_at), "%s", at);
}

void decider_setup(void)
{
	decider_case_open(&c, "pub1");
}

void decider_teardown(void)
{
	decider_case_close(&c);
}

void assert_reason(const char *part)
{
	cr_assert_not_null(strstr(c.decision.reason, part), "%s", c.decision.reason);
}

void publish_first(void)
{
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	decider_case_store(&c, true);
}
