/* The scene of the tests of decide with servers; see the header. */
#include "decide_scene.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct scene scene;

void scene_set_member(struct member *member, int number)
{
	*member = (struct member){.port = 5432, .lag_bytes = -1};
	snprintf(member->name, sizeof(member->name), "db%d", number);
	snprintf(member->host, sizeof(member->host), "10.0.0.%d", number);
	snprintf(member->address, sizeof(member->address), "10.0.0.%d", number);
}

void scene_setup(void)
{
	memset(&scene, 0, sizeof(scene));
	scene.cluster.verify = CONFIG_VERIFY_PREFER;
	topology_init(&scene.store);
	topology_init(&scene.applied.topology);
	scene.applied = (struct applied){.zxid = 7, .in_this_run = true, .has_topology = true};
	scene.applied.topology.has_primary = true;
	scene.applied.topology.timeline = 2;
	strcpy(scene.applied.topology.system_identifier, "77");
	scene_set_member(&scene.applied.topology.primary, 1);
	scene_set_member(topology_add_standby(&scene.applied.topology), 2);
	scene.fact = (struct watch_fact){
	    .state = WATCH_VALUE, .topology = &scene.store, .publishers = -1, .read_us = 50};
	topology_copy(&scene.store, &scene.applied.topology);
	scene.store.zxid = 7;
}

void scene_teardown(void)
{
	decision_fini(&scene.got);
	topology_fini(&scene.store);
	topology_fini(&scene.applied.topology);
}

void scene_store_names(int number)
{
	scene.store.zxid = 9;
	scene_set_member(&scene.store.primary, number);
	scene_set_member(&scene.store.standbys[0], number == 1 ? 2 : 1);
}

struct server_fact *scene_server(int number, enum server_class class, unsigned running)
{
	struct server_fact *fact = &scene.servers[scene.server_count++];

	*fact =
	    (struct server_fact){.port = 5432, .class = class, .running = running, .asked_us = 100};
	if (class == SERVER_REFUSED || class == SERVER_TIMED_OUT || class == SERVER_STARTING)
		fact->unserved = running;
	snprintf(fact->address, sizeof(fact->address), "10.0.0.%d", number);
	strcpy(fact->system_identifier, "77");
	return fact;
}

struct server_fact *scene_writes(int number, int64_t timeline)
{
	struct server_fact *fact = scene_server(number, SERVER_ANSWERED, 1);

	fact->known = true;
	fact->timeline = timeline;
	return fact;
}

struct server_fact *scene_recovers(int number, unsigned running)
{
	struct server_fact *fact = scene_server(number, SERVER_ANSWERED, running);

	fact->known = fact->in_recovery = true;
	fact->unserved = running;
	return fact;
}

void scene_own(int number)
{
	static const struct config_target target = {.kind = CONFIG_TARGET_HAPROXY,
	                                            .name = (char *)"local"};
	struct own_listener *own = &scene.own[scene.own_count++];

	scene_set_member(&own->at, number);
	own->target = &target;
}

void scene_hold(enum decide_held by)
{
	scene.hold = (struct decide_hold){.by = by, .policy = CONFIG_LOSS_HOLD, .since_us = 60};
}

static const struct decision *decided(void)
{
	struct decide_input input = {.cluster = &scene.cluster,
	                             .fact = &scene.fact,
	                             .applied = &scene.applied,
	                             .override = &scene.override,
	                             .servers = scene.servers,
	                             .server_count = scene.server_count,
	                             .own = scene.own,
	                             .own_count = scene.own_count,
	                             .moved_us = scene.moved_us,
	                             .hold = scene.hold,
	                             .store_lost = scene.store_lost,
	                             .now_us = scene.now_us};

	decision_fini(&scene.got);
	scene.got = decide(&input);
	return &scene.got;
}

void scene_expect(enum decision_kind kind, const char *reason_part)
{
	const struct decision *got = decided();

	cr_assert_eq(got->kind, kind, "kind %d: %s; %s", (int)got->kind, got->reason, got->why);
	cr_assert_not_null(strstr(got->reason, reason_part), "\"%s\" is not in \"%s\"", reason_part,
	                   got->reason);
}

void scene_expect_move(int number, int64_t timeline, int64_t zxid)
{
	char address[TOPOLOGY_ADDRESS_MAX];

	snprintf(address, sizeof(address), "10.0.0.%d", number);
	scene_expect(DECIDE_MOVE, "");
	cr_expect_str_eq(scene.got.next.primary.address, address);
	cr_expect_eq(scene.got.next.timeline, timeline);
	cr_expect_eq(scene.got.next.zxid, zxid);
}
