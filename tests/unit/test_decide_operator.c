/* decide: what the operator says is above the store and the servers. */
#include <criterion/criterion.h>
#include <string.h>

#include "decide_scene.h"

TestSuite(decide_operator, .init = scene_setup, .fini = scene_teardown);

Test(decide_operator, a_freeze_is_above_all)
{
	scene.override.kind = OVERRIDE_FREEZE;
	scene_store_names(2);
	scene_server(1, SERVER_REFUSED, 9);
	scene_writes(2, 3);
	scene_expect(DECIDE_KEEP, "frozen");
}

static void pin(int number)
{
	scene.override.kind = OVERRIDE_PIN;
	scene.override.port = 5432;
	snprintf(scene.override.address, sizeof(scene.override.address), "10.0.0.%d", number);
}

Test(decide_operator, a_pin_is_above_the_store_and_the_servers)
{
	scene_writes(1, 2);
	scene_recovers(2, 9);
	pin(2);
	scene_expect_move(2, 2, 7);
	cr_expect_str_eq(scene.got.next.primary.name, "db2");
	cr_expect_not_null(strstr(scene.got.reason, "pinned"));
}

Test(decide_operator, a_pin_to_a_server_that_nobody_knows)
{
	scene_writes(1, 2);
	pin(9);
	scene.fact.state = WATCH_UNREACHABLE;
	scene_expect_move(9, 2, 7);
	cr_expect_eq(scene.got.next.standby_count, 2);
}

Test(decide_operator, a_pin_to_a_lower_timeline_is_how_it_is_accepted)
{
	scene.applied.topology.timeline = 5;
	pin(1);
	scene_writes(1, 2);
	scene_expect_move(1, 2, 7);
}

Test(decide_operator, a_pin_that_is_followed_is_current)
{
	pin(1);
	scene_writes(1, 2);
	scene_expect(DECIDE_CURRENT, "pinned");
}

Test(decide_operator, after_the_release_the_store_is_followed_again)
{
	scene_set_member(&scene.applied.topology.primary, 2);
	scene_set_member(&scene.applied.topology.standbys[0], 1);
	scene_writes(1, 2);
	scene_recovers(2, 9);
	scene_expect_move(1, 2, 7);
}
