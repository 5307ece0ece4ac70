/* See the header. */
#include "ballot_case.h"

#include <stdio.h>
#include <string.h>

static void node_init(struct sighting *node, int number)
{
	*node = (struct sighting){.port = 5432,
	                          .class = SERVER_ANSWERED,
	                          .in_recovery = number > 1,
	                          .timeline = 1,
	                          .lsn = 1000,
	                          .system_identifier = "7000"};
	snprintf(node->name, sizeof(node->name), "db%d", number);
	snprintf(node->host, sizeof(node->host), "10.0.0.%d", number);
}

void ballot_case_open(struct ballot_case *c, const char *publisher)
{
	const struct ballot_rules rules = {.publisher = publisher,
	                                   .cluster = "orders",
	                                   .null_after = 3,
	                                   .null_hold_us = 10 * (int64_t)ROUND_US,
	                                   .drop_after = 3,
	                                   .fresh_us = 2 * (int64_t)ROUND_US};

	*c = (struct ballot_case){.count = BALLOT_NODES, .now_us = ROUND_US};
	c->ballot = ballot_create(&rules);
	topology_init(&c->stored);
	topology_init(&c->opinion.topology);
	for (int i = 0; i < BALLOT_NODES; i++)
		node_init(&c->nodes[i], i + 1);
}

void ballot_case_close(struct ballot_case *c)
{
	opinion_fini(&c->opinion);
	topology_fini(&c->stored);
	ballot_destroy(c->ballot);
}

enum ballot_verdict ballot_case_form(struct ballot_case *c)
{
	int64_t before;

	opinion_fini(&c->opinion);
	c->obeyed = ballot_hear(c->ballot, &c->store, c->now_us, &before);
	ballot_form(c->ballot, &c->store, c->now_us, &c->opinion);
	return c->opinion.verdict;
}

enum ballot_verdict ballot_case_round(struct ballot_case *c)
{
	char wall[BALLOT_TIME_MAX];

	c->now_us += ROUND_US;
	snprintf(wall, sizeof(wall), "2026-11-23T10:00:%02dZ", ++c->second);
	ballot_observe(c->ballot, c->nodes, c->count, &c->store, c->now_us, wall);
	return ballot_case_form(c);
}

void ballot_case_store(struct ballot_case *c, bool told)
{
	topology_copy(&c->stored, &c->opinion.topology);
	c->store = (struct ballot_store){.state = BALLOT_STORE_VALUE, .topology = &c->stored};
	if (told)
		ballot_written(c->ballot, &c->opinion);
}

void ballot_case_null(struct ballot_case *c)
{
	topology_fini(&c->stored);
	c->stored.zxid = ++c->zxid;
	c->store = (struct ballot_store){.state = BALLOT_STORE_VALUE, .topology = &c->stored};
}

void ballot_case_set(struct ballot_case *c, int node, int64_t timeline)
{
	ballot_case_null(c);
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

void ballot_case_down(struct ballot_case *c, int node, enum server_class class)
{
	c->nodes[node - 1].class = class;
}

void ballot_case_promote(struct ballot_case *c, int node, int64_t timeline)
{
	struct sighting *sighting = &c->nodes[node - 1];

	sighting->class = SERVER_ANSWERED;
	sighting->in_recovery = false;
	sighting->timeline = timeline;
}

void ballot_case_event(struct ballot_case *c, int by, const char *name, const char *at)
{
	struct sighting *sighting = &c->nodes[by - 1];

	snprintf(sighting->promoted_name, sizeof(sighting->promoted_name), "%s", name);
	snprintf(sighting->promoted_at, sizeof(sighting->promoted_at), "%s", at);
}
