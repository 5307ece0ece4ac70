/* Layout patroni: the bytes that each version writes, and who leads by them. */
#include <criterion/criterion.h>
#include <string.h>

#include "patroni_scope.h"

TestSuite(layout_patroni, .init = scope_init, .fini = scope_fini);

Test(layout_patroni, version_3_is_read)
{
	const struct topology *topology = &scope.topology;

	scope_add_leader("pg1", V3("10.0.0.1", "master", "50331744"));
	scope_add("pg2", V3("10.0.0.2", "replica", "50331000"));
	scope.keys.initialize = scope_key("7711301187118192856");
	scope.keys.config =
	    scope_key("{\"ttl\":20,\"loop_wait\":5,\"postgresql\":{\"use_slots\":true}}");
	scope_accept();
	cr_assert(topology->has_primary);
	cr_expect_str_eq(topology->primary.name, "pg1");
	cr_expect_str_eq(topology->primary.address, "10.0.0.1");
	cr_expect_eq(topology->primary.port, 5432);
	cr_expect_eq(topology->timeline, 1);
	cr_expect_str_eq(topology->system_identifier, "7711301187118192856");
	cr_expect_not(topology->paused);
	cr_assert_eq(topology->standby_count, 1);
	cr_assert_not_null(topology->standbys);
	cr_expect_str_eq(topology->standbys[0].name, "pg2");
	cr_expect_eq(topology->standbys[0].lag_bytes, 744);
	cr_expect_not(topology->standbys[0].unread);
	cr_expect_str_empty(scope.notes.left_out.data);
	cr_expect_str_empty(scope.notes.unread.data);
}

Test(layout_patroni, version_2_is_read)
{
	scope_add_leader("pg1", V2("10.0.0.1", "master"));
	scope_add("pg2", V2("10.0.0.2", "replica"));
	scope_accept();
	cr_assert(scope.topology.has_primary);
	cr_expect_eq(scope.topology.timeline, 3);
	cr_expect_not(scope.topology.standbys[0].unread);
	cr_expect_eq(scope.topology.standbys[0].lag_bytes, 0);
}

Test(layout_patroni, version_4_is_read_and_lag_is_what_a_reader_sees)
{
	scope_add_leader("pg1", V4_PRIMARY);
	scope_add("pg2", V4_REPLICA);
	scope_accept();
	cr_assert(scope.topology.has_primary);
	cr_expect_eq(scope.topology.timeline, 7);
	cr_expect_not(scope.topology.standbys[0].unread);
	cr_expect_eq(scope.topology.standbys[0].lag_bytes, 96);
}

Test(layout_patroni, the_leader_is_the_primary_whatever_role_its_member_says)
{
	static const char *const roles[] = {"replica", "promoted", "master", "primary", "demoted"};

	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		auto_free char *json = xasprintf(
		    "{" URL("10.0.0.2") ",\"state\":\"running\",\"role\":\"%s\"}", roles[i]);

		scope.keys.member_count = 0;
		scope_add_leader("pg2", json);
		scope_accept();
		cr_expect(scope.topology.has_primary, "%s", roles[i]);
		cr_expect_not(scope.topology.primary.unread, "%s", roles[i]);
	}
}

Test(layout_patroni, a_standby_cluster_has_no_primary_but_readers)
{
	scope_add_leader("pg1", V3("10.0.0.1", "standby_leader", "100"));
	scope_add("pg2", V3("10.0.0.2", "replica", "90"));
	scope_accept();
	cr_expect_not(scope.topology.has_primary);
	cr_expect_eq(scope.topology.timeline, 0);
	cr_assert_eq(scope.topology.standby_count, 2);
	cr_assert_not_null(scope.topology.standbys);
	cr_expect_str_eq(scope.topology.standbys[0].name, "pg1");
	cr_expect_not(scope.topology.standbys[0].unread);
	cr_expect_eq(scope.topology.standbys[1].lag_bytes, 10);
}

Test(layout_patroni, a_standby_cluster_is_known_by_its_config_before_the_leader_says_so)
{
	scope_add_leader("pg1", V3("10.0.0.1", "replica", "100"));
	scope.keys.config =
	    scope_key("{\"standby_cluster\":{\"host\":\"10.1.0.1\",\"port\":5432}}");
	scope_accept();
	cr_expect_not(scope.topology.has_primary);
	cr_expect_eq(scope.topology.standby_count, 1);
	scope.keys.config = scope_key("{\"standby_cluster\":{}}");
	scope_accept();
	cr_expect(scope.topology.has_primary);
}

Test(layout_patroni, without_a_leader_all_are_standbys)
{
	scope_add("pg1", V3("10.0.0.1", "master", "100"));
	scope_add("pg2", V3("10.0.0.2", "replica", "90"));
	scope_accept();
	cr_expect_not(scope.topology.has_primary);
	cr_assert_eq(scope.topology.standby_count, 2);
	cr_expect(scope.topology.standbys[0].unread, "one that takes writes is no standby");
	cr_expect_not(scope.topology.standbys[1].unread);
	cr_expect_eq(scope.topology.standbys[1].lag_bytes, -1);
	cr_expect_str_eq(scope.notes.unread.data, "pg1: a standby with the role \"master\"");
}

Test(layout_patroni, leader_without_member_is_no_primary)
{
	scope.keys.leader = scope_key("pg3");
	scope_add("pg2", V3("10.0.0.2", "replica", "90"));
	scope_accept();
	cr_expect_not(scope.topology.has_primary);
	cr_expect_str_eq(scope.topology.leader, "pg3");
	cr_expect_eq(scope.topology.standby_count, 1);
}

Test(layout_patroni, an_empty_scope_has_nobody)
{
	scope_accept();
	cr_expect_not(scope.topology.has_primary);
	cr_expect_eq(scope.topology.standby_count, 0);
	cr_expect_str_empty(scope.notes.left_out.data);
}

Test(layout_patroni, a_leader_key_that_is_no_name_is_refused)
{
	static const char *const bad[] = {"", "pg 1", "a/b", "pg1\n", "10.0.0.1:5432"};
	char huge[300];

	scope_add("pg1", V3("10.0.0.1", "master", "100"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		scope.keys.leader = scope_key(bad[i]);
		scope_refuse("the leader key");
	}
	memset(huge, 'a', sizeof(huge));
	scope.keys.leader =
	    (struct layout_patroni_key){.present = true, .data = huge, .len = sizeof(huge)};
	scope_refuse("300 bytes that are no name");
	scope.keys.leader =
	    (struct layout_patroni_key){.present = true, .data = "pg1\0x", .len = 5};
	scope_refuse("5 bytes that are no name");
	scope.keys.leader = (struct layout_patroni_key){.present = true, .len = 70000};
	scope_refuse("70000 bytes that are no name");
	scope.keys.leader =
	    (struct layout_patroni_key){.present = true, .problem = "no permission"};
	scope_refuse("the leader key: no permission");
}
