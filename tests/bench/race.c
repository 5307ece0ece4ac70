/* Ten publishers race: all see each promotion, every other time a half of them sees it late. What
 * counts is the znode's history: one write a promotion, and none that goes back. */
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bench/publish.h"
#include "publisher/write.h"
#include "topology/layout.h"
#include "zookeeper/resolver.h"

#define RACERS   10
#define FRESH_US INT64_C(60000000)
#define PATH     "/bench/race"

static const struct config_cluster cluster = {
    .name = (char *)"race", .layout = CONFIG_LAYOUT_SEGUE, .path = (char *)PATH};

struct race;

struct racer {
	struct race *race;
	struct zk *zk;
	struct publish_zk store;
	struct publish *publish;
	struct decider *decider;
	char name[16];
};

struct race {
	struct event_base *base;
	struct resolver *resolver;
	struct racer racers[RACERS];
	unsigned open; /* runs that are not over */
	int64_t writes, lost;
};

static void on_form(const struct stored_value *store, struct publish_decision *out, void *arg)
{
	const struct racer *racer = arg;

	publish_decide(racer->decider, store, clock_now_us(), out);
}

static void on_done(const struct publish_outcome *outcome, void *arg)
{
	struct racer *racer = arg;
	struct race *race = racer->race;

	race->writes += outcome->result == PUBLISH_WRITTEN;
	race->lost += outcome->races_lost;
	if (outcome->result == PUBLISH_WRITTEN)
		decider_written(racer->decider, outcome->decision);
	if (--race->open == 0)
		event_base_loopbreak(race->base);
}

static void open_racer(struct race *race, int i, const char *hosts)
{
	struct racer *racer = &race->racers[i];
	const struct zk_options session = {.hosts = hosts, .session_timeout_ms = 6000, .auth = ""};
	const struct publish_rules rules = {
	    .publisher = racer->name, .null_after = 3, .drop_after = 3, .fresh_us = FRESH_US};
	struct publish_store store;
	struct publish_options options = {
	    .cluster = &cluster, .store = &store, .form = on_form, .done = on_done, .arg = racer};
	struct err err;

	racer->race = race;
	snprintf(racer->name, sizeof(racer->name), "pub%d", i);
	racer->zk = zk_create(race->base, race->resolver, &session, &err);
	if (racer->zk == NULL)
		lab_fail("%s", err.message);
	racer->store = (struct publish_zk){.zk = racer->zk, .acl = ZK_ACL_OPEN};
	store = publish_store_of(&racer->store);
	racer->decider = decider_create(&rules);
	racer->publish = publish_create(&options);
}

static void close_racer(struct racer *racer)
{
	publish_destroy(racer->publish);
	decider_destroy(racer->decider);
	zk_destroy(racer->zk);
}

/* Two servers, of which one writes on this timeline and the other follows. */
static void observe(struct racer *racer, int64_t timeline)
{
	const struct stored_value unknown = {.state = STORED_ABSENT};
	struct node_state nodes[2];
	char wall[CLOCK_WALL_MAX];

	for (int i = 0; i < 2; i++) {
		nodes[i] = (struct node_state){.port = 5432,
		                               .class = SERVER_ANSWERED,
		                               .in_recovery = timeline % 2 != i,
		                               .timeline = timeline,
		                               .lsn = 1000,
		                               .system_identifier = "7000"};
		snprintf(nodes[i].name, sizeof(nodes[i].name), "db%d", i + 1);
		snprintf(nodes[i].host, sizeof(nodes[i].host), "10.0.0.%d", i + 1);
	}
	clock_wall(wall, sizeof(wall));
	decider_observe(racer->decider, nodes, 2, &unknown, clock_now_us(), wall);
}

static void promote(struct race *race, int64_t timeline)
{
	race->open = RACERS;
	for (int i = 0; i < RACERS; i++) {
		struct racer *racer = &race->racers[(i + timeline) % RACERS];
		bool late = timeline % 2 == 0 && i % 2 == 1;

		observe(racer, late ? timeline - 1 : timeline);
		publish_run(racer->publish);
	}
	event_base_dispatch(race->base);
}

static int64_t stored_timeline(struct lab_zk *zk)
{
	auto_strbuf struct strbuf data = STRBUF_INIT;
	struct topology topology;
	int64_t timeline = -1;
	struct err err;

	if (!lab_zk_get(zk, PATH "/master", &data, NULL) ||
	    !layout_decode(&cluster, data.data, data.len, &topology, &err))
		return -1;
	timeline = topology.timeline;
	topology_fini(&topology);
	return timeline;
}

void race_bench(struct lab_zk *zk, struct report *report, int64_t promotions)
{
	struct race race = {.base = event_base_new()};
	auto_free char *title = xasprintf(
	    "%" PRId64 " promotions, ten publishers: writes too many or too few", promotions);
	int64_t wrong = 0;
	struct err err;

	race.resolver = resolver_create(race.base, &err);
	if (race.resolver == NULL)
		lab_fail("%s", err.message);
	for (int i = 0; i < RACERS; i++)
		open_racer(&race, i, lab_zk_hosts(zk));
	for (int64_t timeline = 1; timeline <= promotions; timeline++) {
		promote(&race, timeline);
		wrong += stored_timeline(zk) != timeline;
	}
	report_none(report, title, llabs(race.writes - promotions));
	report_none(report, "the same: promotions that the znode did not show last", wrong);
	report_row(report, "the same: races lost, a promotion",
	           (double)race.lost / (double)promotions, "", 0);
	for (int i = 0; i < RACERS; i++)
		close_racer(&race.racers[i]);
	resolver_destroy(race.resolver);
	event_base_free(race.base);
}
