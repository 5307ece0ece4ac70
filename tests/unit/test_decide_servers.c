/* decide: what the servers and the operator say. Servers are told apart by their last byte: 1 is
 * the one applied, at zxid 7 and timeline 2. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "decide.h"

#define SERVERS_MAX 4

struct scene {
	struct config_cluster cluster;
	struct watch_fact fact;
	struct topology store;
	struct applied applied;
	struct override override;
	struct server_fact servers[SERVERS_MAX];
	size_t server_count;
	int64_t moved_us;
	struct decide_hold hold;
	bool store_lost;
	struct decision got;
};

static struct scene scene;

static void set_member(struct member *member, int number)
{
	*member = (struct member){.port = 5432, .lag_bytes = -1};
	snprintf(member->name, sizeof(member->name), "db%d", number);
	snprintf(member->host, sizeof(member->host), "10.0.0.%d", number);
	snprintf(member->address, sizeof(member->address), "10.0.0.%d", number);
}

static void setup(void)
{
	memset(&scene, 0, sizeof(scene));
	scene.cluster.verify = CONFIG_VERIFY_PREFER;
	topology_init(&scene.store);
	topology_init(&scene.applied.topology);
	scene.applied = (struct applied){.zxid = 7, .in_this_run = true, .has_topology = true};
	scene.applied.topology.has_primary = true;
	scene.applied.topology.timeline = 2;
	strcpy(scene.applied.topology.system_identifier, "77");
	set_member(&scene.applied.topology.primary, 1);
	set_member(topology_add_standby(&scene.applied.topology), 2);
	scene.fact = (struct watch_fact){
	    .state = WATCH_VALUE, .topology = &scene.store, .publishers = -1, .read_us = 50};
	topology_copy(&scene.store, &scene.applied.topology);
	scene.store.zxid = 7;
}

static void teardown(void)
{
	decision_fini(&scene.got);
	topology_fini(&scene.store);
	topology_fini(&scene.applied.topology);
}

TestSuite(decide_servers, .init = setup, .fini = teardown);

/* The store names this one as the primary, at zxid 9, and the other of 1 and 2 as its standby. */
static void store_names(int number)
{
	scene.store.zxid = 9;
	set_member(&scene.store.primary, number);
	set_member(&scene.store.standbys[0], number == 1 ? 2 : 1);
}

static struct server_fact *server(int number, enum server_class class, unsigned running)
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

static struct server_fact *writes(int number, int64_t timeline)
{
	struct server_fact *fact = server(number, SERVER_ANSWERED, 1);

	fact->known = true;
	fact->timeline = timeline;
	return fact;
}

static struct server_fact *recovers(int number, unsigned running)
{
	struct server_fact *fact = server(number, SERVER_ANSWERED, running);

	fact->known = fact->in_recovery = true;
	fact->unserved = running;
	return fact;
}

/* Since before all answers, unless the test says something else. */
static void hold(enum decide_held by)
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
	                             .moved_us = scene.moved_us,
	                             .hold = scene.hold,
	                             .store_lost = scene.store_lost};

	decision_fini(&scene.got);
	scene.got = decide(&input);
	return &scene.got;
}

static void expect(enum decision_kind kind, const char *reason_part)
{
	const struct decision *got = decided();

	cr_assert_eq(got->kind, kind, "kind %d: %s; %s", (int)got->kind, got->reason, got->why);
	cr_assert_not_null(strstr(got->reason, reason_part), "\"%s\" is not in \"%s\"", reason_part,
	                   got->reason);
}

static void expect_move_to(int number, int64_t timeline, int64_t zxid)
{
	char address[TOPOLOGY_ADDRESS_MAX];

	snprintf(address, sizeof(address), "10.0.0.%d", number);
	expect(DECIDE_MOVE, "");
	cr_expect_str_eq(scene.got.next.primary.address, address);
	cr_expect_eq(scene.got.next.timeline, timeline);
	cr_expect_eq(scene.got.next.zxid, zxid);
}

/* --- the store is early --- */

Test(decide_servers, all_is_well)
{
	writes(1, 2);
	recovers(2, 9);
	expect(DECIDE_CURRENT, "applied");
}

Test(decide_servers, a_new_primary_in_recovery_is_asked_again_while_the_old_one_serves)
{
	store_names(2);
	writes(1, 2);
	recovers(2, 9);
	expect(DECIDE_KEEP, "not ready");
	cr_assert_not_null(scene.got.ask);
	cr_expect_str_eq(scene.got.ask->name, "db2");
	cr_expect_str_eq(scene.got.why, "it is still in recovery");
}

Test(decide_servers, a_new_primary_is_followed_when_it_takes_writes)
{
	store_names(2);
	server(1, SERVER_REFUSED, 9);
	writes(2, 3);
	expect_move_to(2, 3, 9);
	cr_expect_null(scene.got.lower);
	cr_expect_str_eq(scene.got.why, "");
}

Test(decide_servers, while_the_new_one_is_not_ready_and_the_old_one_lost_clients_wait)
{
	store_names(2);
	server(1, SERVER_REFUSED, 3);
	recovers(2, 1);
	expect(DECIDE_HOLD, "successor is not ready");
	cr_expect_eq(scene.got.held, HELD_BY_SERVERS);
	scene.cluster.on_primary_loss = CONFIG_LOSS_FENCE;
	expect(DECIDE_FENCE, "successor is not ready");
	scene.cluster.on_primary_loss = CONFIG_LOSS_KEEP;
	expect(DECIDE_KEEP, "successor is not ready");
}

Test(decide_servers, nothing_applied_yet_and_not_ready_waits)
{
	scene.applied.has_topology = scene.applied.in_this_run = false;
	server(1, SERVER_REFUSED, 9);
	expect(DECIDE_WAIT, "not ready");
}

Test(decide_servers, an_answer_of_before_the_znode_is_not_enough)
{
	store_names(2);
	scene.fact.read_us = 1000;
	writes(2, 3);
	expect(DECIDE_KEEP, "not ready");
	scene.servers[0].asked_us = 1000;
	expect_move_to(2, 3, 9);
}

Test(decide_servers, after_a_start_the_one_of_the_state_file_is_asked_first)
{
	scene.applied.in_this_run = false;
	expect(DECIDE_KEEP, "");
	writes(1, 2);
	expect(DECIDE_MOVE, "as applied before");
}

Test(decide_servers, after_a_start_with_a_lost_primary_clients_wait)
{
	scene.applied.in_this_run = false;
	server(1, SERVER_REFUSED, 3);
	expect(DECIDE_HOLD, "lost");
}

/* --- refusals --- */

Test(decide_servers, another_system_is_refused)
{
	store_names(2);
	writes(1, 2);
	strcpy(writes(2, 3)->system_identifier, "12");
	expect(DECIDE_REFUSE, "no primary to be led to");
	cr_expect_not_null(strstr(scene.got.why, "system identifier"));
	cr_expect_str_eq(scene.got.about->name, "db2");
}

Test(decide_servers, an_old_primary_that_comes_back_is_refused_by_its_timeline)
{
	set_member(&scene.applied.topology.primary, 2);
	set_member(&scene.applied.topology.standbys[0], 1);
	scene.applied.topology.timeline = 3;
	store_names(1);
	writes(1, 2);
	server(2, SERVER_FULL, 1);
	expect(DECIDE_REFUSE, "no primary to be led to");
	cr_expect_not_null(strstr(scene.got.why, "timeline is lower"));
	scene.applied.in_this_run = false;
	expect(DECIDE_REFUSE, "no primary to be led to");
	scene.servers[1].class = SERVER_REFUSED;
	scene.servers[1].unserved = 3;
	expect(DECIDE_HOLD, "lost");
}

Test(decide_servers, an_unverified_server_is_admitted_with_a_warning_or_refused)
{
	store_names(2);
	writes(1, 2);
	server(2, SERVER_DENIED, 1);
	expect_move_to(2, 2, 9);
	cr_expect_not_null(strstr(scene.got.why, "does not let segue in"));
	scene.cluster.verify = CONFIG_VERIFY_REQUIRE;
	expect(DECIDE_REFUSE, "no primary to be led to");
	scene.cluster.verify = CONFIG_VERIFY_DISABLE;
	expect_move_to(2, 2, 9);
	cr_expect_str_eq(scene.got.why, "");
}

/* --- loss --- */

Test(decide_servers, a_lost_primary_holds_until_it_takes_writes_again)
{
	server(1, SERVER_REFUSED, 2);
	expect(DECIDE_KEEP, "asked again");
	scene.servers[0].unserved = 3;
	expect(DECIDE_HOLD, "the primary is lost");
	hold(HELD_BY_SERVERS);
	scene.servers[0].class = SERVER_STARTING;
	expect(DECIDE_HOLD, "the primary is lost");
	scene.server_count = 0;
	writes(1, 2);
	expect(DECIDE_MOVE, "clients go on");
	cr_expect_eq(scene.got.next.zxid, 7);
}

/* Its data were replaced, by an old backup or another system's. */
Test(decide_servers, a_primary_that_has_become_another_one_is_lost)
{
	writes(1, 1);
	expect(DECIDE_HOLD, "the primary is lost");
	cr_expect_not_null(strstr(scene.got.why, "timeline is lower"));
	scene.server_count = 0;
	strcpy(writes(1, 2)->system_identifier, "12");
	expect(DECIDE_HOLD, "the primary is lost");
	cr_expect_not_null(strstr(scene.got.why, "system identifier"));
}

Test(decide_servers, a_primary_that_is_full_or_denies_us_is_not_lost)
{
	server(1, SERVER_FULL, 9);
	expect(DECIDE_CURRENT, "applied");
	scene.servers[0].class = SERVER_DENIED;
	expect(DECIDE_CURRENT, "applied");
	scene.cluster.verify = CONFIG_VERIFY_REQUIRE;
	expect(DECIDE_CURRENT, "applied");
}

Test(decide_servers, what_the_store_holds_only_the_store_lets_go)
{
	scene.store.has_primary = false;
	scene.store.zxid = 9;
	writes(1, 2);
	expect(DECIDE_HOLD, "names no primary");
	cr_expect_eq(scene.got.held, HELD_BY_STORE);
	hold(HELD_BY_STORE);
	scene.fact.state = WATCH_UNREACHABLE;
	expect(DECIDE_KEEP, "unreachable");
	scene.fact.state = WATCH_VALUE;
	store_names(1);
	scene.store.has_primary = true;
	expect(DECIDE_MOVE, "newer");
}

/* Patroni makes it anew when its tags or its state change. */
Test(decide_servers, a_leader_whose_member_key_is_away_for_a_moment_holds_nobody)
{
	scene.store.has_primary = false;
	scene.store.zxid = 9;
	strcpy(scene.store.leader, "db1");
	writes(1, 2);
	expect(DECIDE_KEEP, "its member key is not there");
	scene.servers[0].class = SERVER_REFUSED;
	scene.servers[0].unserved = 3;
	expect(DECIDE_HOLD, "the primary is lost");
	strcpy(scene.store.leader, "db2");
	expect(DECIDE_HOLD, "names no primary");
}

Test(decide_servers, a_paused_cluster_without_a_leader_goes_on_while_its_primary_lives)
{
	scene.store.has_primary = false;
	scene.store.paused = true;
	scene.store.zxid = 9;
	writes(1, 2);
	expect(DECIDE_KEEP, "paused");
	scene.servers[0].class = SERVER_REFUSED;
	expect(DECIDE_HOLD, "names no primary");
}

Test(decide_servers, a_primary_lost_while_the_store_is_away_holds_and_comes_back)
{
	scene.fact.state = WATCH_UNREACHABLE;
	server(1, SERVER_TIMED_OUT, 3);
	expect(DECIDE_HOLD, "the primary is lost");
	hold(HELD_BY_SERVERS);
	scene.server_count = 0;
	writes(1, 2);
	expect(DECIDE_MOVE, "clients go on");
}

Test(decide_servers, a_store_that_is_lost_for_long_is_treated_as_told)
{
	writes(1, 2);
	scene.fact.state = WATCH_UNREACHABLE;
	scene.store_lost = true;
	scene.cluster.on_store_loss = CONFIG_LOSS_KEEP;
	expect(DECIDE_KEEP, "unreachable");
	scene.cluster.on_store_loss = CONFIG_LOSS_HOLD;
	expect(DECIDE_HOLD, "unreachable");
	scene.cluster.on_store_loss = CONFIG_LOSS_FENCE;
	expect(DECIDE_FENCE, "unreachable");
	scene.store_lost = false;
	expect(DECIDE_KEEP, "unreachable");
	scene.fact.state = WATCH_VALUE;
	hold(HELD_BY_STORE);
	expect(DECIDE_MOVE, "clients go on");
}

Test(decide_servers, no_live_publisher_means_no_deed)
{
	scene.cluster.presence = true;
	scene.fact.publishers = 0;
	server(1, SERVER_REFUSED, 9);
	writes(2, 3);
	expect(DECIDE_KEEP, "no live publisher");
}

/* --- two that take writes --- */

Test(decide_servers, the_higher_timeline_is_followed_against_the_store)
{
	writes(1, 2);
	writes(2, 3);
	expect_move_to(2, 3, 7);
	cr_expect_not_null(strstr(scene.got.reason, "higher timeline"));
	cr_assert_not_null(scene.got.lower);
	cr_expect_str_eq(scene.got.lower->name, "db1");
	cr_assert_eq(scene.got.next.standby_count, 1);
	cr_assert_not_null(scene.got.next.standbys);
	cr_expect_str_eq(scene.got.next.standbys[0].name, "db1");
	cr_expect(scene.got.next.standbys[0].unread);
}

Test(decide_servers, who_was_asked_before_the_move_is_no_second_primary_yet)
{
	writes(1, 2);
	writes(2, 3);
	scene.moved_us = 100;
	expect(DECIDE_MOVE, "");
	cr_expect_null(scene.got.lower);
}

Test(decide_servers, a_store_that_still_names_the_old_one_does_not_bring_it_back)
{
	set_member(&scene.applied.topology.primary, 2);
	set_member(&scene.applied.topology.standbys[0], 1);
	scene.applied.topology.standbys[0].unread = true;
	scene.applied.topology.timeline = 3;
	writes(1, 2);
	writes(2, 3);
	expect(DECIDE_CURRENT, "applied");
	store_names(1);
	expect_move_to(2, 3, 9);
}

Test(decide_servers, on_equal_timelines_nothing_moves_and_it_is_an_alarm)
{
	writes(1, 2);
	writes(2, 2);
	expect(DECIDE_CURRENT, "applied");
	cr_assert_not_null(scene.got.twin);
	cr_expect_str_eq(scene.got.twin->name, "db2");
	store_names(2);
	expect(DECIDE_REFUSE, "on one timeline");
	cr_assert_not_null(scene.got.twin);
	cr_expect_str_eq(scene.got.twin->name, "db1");
}

/* --- everybody is heard before clients are led back --- */

/* The standby was promoted while the primary was dead, and nobody has told the store. */
Test(decide_servers, a_primary_that_comes_back_waits_until_the_others_are_heard)
{
	hold(HELD_BY_SERVERS);
	scene.hold.since_us = 90;
	writes(1, 2)->asked_us = 95;
	recovers(2, 9)->asked_us = 80;
	expect(DECIDE_HOLD, "the primary is lost");
	cr_expect_str_eq(scene.got.why, "the other servers are asked first");
	cr_expect(scene.got.ask_all);
	scene.servers[1].asked_us = 95;
	scene.servers[1].in_recovery = false;
	scene.servers[1].timeline = 3;
	expect_move_to(2, 3, 7);
}

Test(decide_servers, a_primary_that_comes_back_while_the_others_do_not_answer)
{
	hold(HELD_BY_SERVERS);
	scene.hold.since_us = 90;
	writes(1, 2)->asked_us = 95;
	server(2, SERVER_TIMED_OUT, 1)->asked_us = 95;
	expect(DECIDE_MOVE, "clients go on");
}

Test(decide_servers, the_first_move_of_a_run_waits_until_all_are_heard)
{
	scene.applied.in_this_run = false;
	writes(1, 2);
	server(2, SERVER_UNASKED, 0);
	expect(DECIDE_KEEP, "asked again");
	cr_expect_str_eq(scene.got.why, "the other servers are asked first");
	scene.server_count = 1;
	writes(2, 3);
	expect_move_to(2, 3, 7);
}

Test(decide_servers, who_is_named_anew_while_the_last_one_is_lost_waits_for_nobody)
{
	store_names(2);
	hold(HELD_BY_SERVERS);
	scene.hold.since_us = 90;
	server(1, SERVER_REFUSED, 9)->asked_us = 80;
	writes(2, 3);
	expect_move_to(2, 3, 9);
}

/* The store names one that is dead; the last one lives. */
Test(decide_servers, after_a_start_the_last_primary_is_led_to_where_the_stores_is_not_admitted)
{
	store_names(2);
	scene.applied.in_this_run = false;
	writes(1, 2);
	server(2, SERVER_REFUSED, 9);
	expect_move_to(1, 2, 7);
	cr_expect_not(scene.got.on_news);
}

/* --- what ends a hold --- */

Test(decide_servers, who_lets_segue_in_no_more_does_not_end_a_hold_as_if_it_took_writes)
{
	hold(HELD_BY_SERVERS);
	scene.cluster.verify = CONFIG_VERIFY_REQUIRE;
	server(1, SERVER_DENIED, 1);
	expect(DECIDE_HOLD, "the primary is lost");
	scene.cluster.verify = CONFIG_VERIFY_PREFER;
	expect(DECIDE_MOVE, "nobody could check");
	scene.servers[0].known = scene.servers[0].in_recovery = true;
	expect(DECIDE_HOLD, "the primary is lost");
}

Test(decide_servers, a_frozen_hold_ends_when_the_primary_is_back)
{
	scene.override.kind = OVERRIDE_FREEZE;
	hold(HELD_BY_SERVERS);
	server(1, SERVER_REFUSED, 9);
	expect(DECIDE_KEEP, "frozen");
	scene.server_count = 0;
	writes(1, 2);
	expect(DECIDE_MOVE, "clients go on");
	hold(HELD_BY_STORE);
	expect(DECIDE_KEEP, "frozen");
}

Test(decide_servers, a_hold_keeps_its_manner)
{
	hold(HELD_BY_STORE);
	scene.hold.policy = CONFIG_LOSS_HOLD;
	scene.cluster.on_primary_loss = CONFIG_LOSS_KEEP;
	server(1, SERVER_REFUSED, 9);
	expect(DECIDE_HOLD, "the primary is lost");
}

Test(decide_servers, a_store_that_is_away_from_the_start_holds_nobody)
{
	scene.applied.in_this_run = false;
	scene.fact.state = WATCH_UNREACHABLE;
	scene.store_lost = true;
	scene.cluster.on_store_loss = CONFIG_LOSS_HOLD;
	writes(1, 2);
	expect(DECIDE_KEEP, "unreachable");
}

Test(decide_servers, the_primary_before_is_seen_though_nobody_names_it)
{
	static struct member before;

	set_member(&before, 3);
	writes(1, 2);
	writes(3, 1);
	expect(DECIDE_CURRENT, "applied");
	cr_expect_null(scene.got.lower);
	{
		struct decide_input input = {.cluster = &scene.cluster,
		                             .fact = &scene.fact,
		                             .applied = &scene.applied,
		                             .previous = &before,
		                             .override = &scene.override,
		                             .servers = scene.servers,
		                             .server_count = scene.server_count};
		struct decision decision = decide(&input);

		cr_assert_not_null(decision.lower);
		cr_expect_str_eq(decision.lower->name, "db3");
		decision_fini(&decision);
	}
}

Test(decide_servers, a_stranger_with_a_higher_timeline_is_not_followed)
{
	writes(1, 2);
	strcpy(writes(2, 9)->system_identifier, "12");
	expect(DECIDE_CURRENT, "applied");
	cr_expect_null(scene.got.lower);
}

Test(decide_servers, with_no_primary_in_the_store_nobody_is_followed)
{
	scene.store.has_primary = false;
	scene.store.zxid = 9;
	writes(1, 2);
	writes(2, 3);
	expect(DECIDE_HOLD, "names no primary");
}

/* --- what is learned --- */

Test(decide_servers, a_timeline_that_becomes_known_is_kept)
{
	scene.applied.topology.timeline = 0;
	scene.store.timeline = 0;
	writes(1, 2);
	expect_move_to(1, 2, 7);
}

Test(decide_servers, a_standby_too_far_behind_gets_no_reads)
{
	scene.cluster.max_lag = 1000;
	store_names(1);
	scene.store.standbys[0].lag_bytes = 1001;
	writes(1, 2);
	expect(DECIDE_MOVE, "newer");
	cr_expect(scene.got.next.standbys[0].unread);
	scene.store.standbys[0].lag_bytes = 1000;
	expect(DECIDE_MOVE, "newer");
	cr_expect_not(scene.got.next.standbys[0].unread);
}

/* --- the operator --- */

Test(decide_servers, a_freeze_is_above_all)
{
	scene.override.kind = OVERRIDE_FREEZE;
	store_names(2);
	server(1, SERVER_REFUSED, 9);
	writes(2, 3);
	expect(DECIDE_KEEP, "frozen");
}

static void pin(int number)
{
	scene.override.kind = OVERRIDE_PIN;
	scene.override.port = 5432;
	snprintf(scene.override.address, sizeof(scene.override.address), "10.0.0.%d", number);
}

Test(decide_servers, a_pin_is_above_the_store_and_the_servers)
{
	writes(1, 2);
	recovers(2, 9);
	pin(2);
	expect_move_to(2, 2, 7);
	cr_expect_str_eq(scene.got.next.primary.name, "db2");
	cr_expect_not_null(strstr(scene.got.reason, "pinned"));
}

Test(decide_servers, a_pin_to_a_server_that_nobody_knows)
{
	writes(1, 2);
	pin(9);
	scene.fact.state = WATCH_UNREACHABLE;
	expect_move_to(9, 2, 7);
	cr_expect_eq(scene.got.next.standby_count, 2);
}

Test(decide_servers, a_pin_to_a_lower_timeline_is_how_it_is_accepted)
{
	scene.applied.topology.timeline = 5;
	pin(1);
	writes(1, 2);
	expect_move_to(1, 2, 7);
}

Test(decide_servers, a_pin_that_is_followed_is_current)
{
	pin(1);
	writes(1, 2);
	expect(DECIDE_CURRENT, "pinned");
}

Test(decide_servers, after_the_release_the_store_is_followed_again)
{
	set_member(&scene.applied.topology.primary, 2);
	set_member(&scene.applied.topology.standbys[0], 1);
	writes(1, 2);
	recovers(2, 9);
	expect_move_to(1, 2, 7);
}
