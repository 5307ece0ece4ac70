/* decide: a primary that is the proxy itself is never led to, whoever names it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "decide_scene.h"

#define STORE "the primary that the store names is an address on which this proxy itself listens"

TestSuite(decide_own, .init = scene_setup, .fini = scene_teardown);

static void expect_refused(enum decision_kind kind, const char *reason)
{
	scene_expect(kind, reason);
	cr_assert_not_null(scene.got.own);
	cr_expect_str_eq(scene.got.own->target->name, "local");
	cr_expect_str_eq(scene.got.about->address, "10.0.0.3");
	cr_expect_null(scene.got.same_timeline_primary, "what answers there is the last primary");
}

Test(decide_own, the_last_primary_stays_whatever_the_servers_are_asked)
{
	static const enum config_verify verifies[] = {CONFIG_VERIFY_DISABLE, CONFIG_VERIFY_PREFER,
	                                              CONFIG_VERIFY_REQUIRE};

	scene_store_names(3);
	scene_own(3);
	scene_writes(1, 2);
	for (size_t i = 0; i < 3; i++) {
		scene.cluster.verify = verifies[i];
		expect_refused(DECIDE_REFUSE, STORE);
	}
}

Test(decide_own, nobody_is_led_there_where_nothing_was_applied)
{
	scene.applied.has_topology = false;
	scene_store_names(3);
	scene_own(3);
	expect_refused(DECIDE_WAIT, STORE);
}

Test(decide_own, after_a_restart_the_last_primary_stays)
{
	scene.applied.in_this_run = false;
	scene_store_names(3);
	scene_own(3);
	scene_writes(1, 2);
	expect_refused(DECIDE_REFUSE, STORE);
}

Test(decide_own, an_older_value_leaves_no_floor)
{
	scene.cluster.on_store_rollback = CONFIG_ROLLBACK_FOLLOW;
	scene_store_names(3);
	scene.store.zxid = 3;
	scene_own(3);
	expect_refused(DECIDE_REFUSE, STORE);
	cr_expect_eq(scene.got.floor_zxid, 0);
}

Test(decide_own, the_next_value_is_followed)
{
	scene_store_names(2);
	scene_own(3);
	scene_recovers(1, 9);
	scene_writes(2, 3);
	scene_expect_move(2, 3, 9);
}

Test(decide_own, the_servers_are_heard_on_the_last_primary)
{
	scene.cluster.on_primary_loss = CONFIG_LOSS_HOLD;
	scene_store_names(3);
	scene_own(3);
	scene_server(1, SERVER_REFUSED, 9);
	scene_expect(DECIDE_HOLD, "the primary is lost");
	cr_expect_not_null(scene.got.own);
}

Test(decide_own, clients_that_are_led_there_are_held)
{
	scene.cluster.on_primary_loss = CONFIG_LOSS_HOLD;
	scene_set_member(&scene.applied.topology.primary, 3);
	scene_store_names(3);
	scene_own(3);
	expect_refused(DECIDE_HOLD, STORE);
	cr_expect_eq(scene.got.held, HELD_BY_STORE);
}

Test(decide_own, a_pin_is_refused_too)
{
	scene.override.kind = OVERRIDE_PIN;
	scene.override.port = 5432;
	snprintf(scene.override.address, sizeof(scene.override.address), "10.0.0.3");
	scene_own(3);
	scene_writes(1, 2);
	expect_refused(
	    DECIDE_REFUSE,
	    "the server that an operator pinned is an address on which this proxy itself listens");
}

Test(decide_own, a_standby_gets_no_readers)
{
	scene_store_names(2);
	scene_set_member(topology_add_standby(&scene.store), 3);
	scene_own(3);
	scene_recovers(1, 9);
	scene_writes(2, 3);
	scene_expect_move(2, 3, 9);
	cr_assert_eq(scene.got.next.standby_count, 2);
	cr_expect_not(scene.got.next.standbys[0].no_reads);
	cr_expect(scene.got.next.standbys[1].no_reads);
	cr_expect_null(scene.got.own);
}
