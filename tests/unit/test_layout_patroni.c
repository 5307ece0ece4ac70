/* Layout patroni: the bytes that each version writes, and who leads by them. */
#include <criterion/criterion.h>
#include <string.h>

#include "patroni_keys_case.h"

TestSuite(layout_patroni, .init = patroni_keys_init, .fini = patroni_keys_fini);

Test(layout_patroni, version_3_is_read)
{
	const struct topology *topology = &scope.topology;

	patroni_keys_add_leader("pg1", V3("10.0.0.1", "master", "50331744"));
	patroni_keys_add("pg2", V3("10.0.0.2", "replica", "50331000"));
	scope.keys.initialize = patroni_keys_key("7711301187118192856");
	scope.keys.config =
	    patroni_keys_key("{\"ttl\":20,\"loop_wait\":5,\"postgresql\":{\"use_slots\":true}}");
	patroni_keys_accept();
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
	cr_expect_not(topology->standbys[0].no_reads);
	cr_expect_str_empty(scope.notes.left_out.data);
	cr_expect_str_empty(scope.notes.no_reads.data);
}

Test(layout_patroni, version_2_is_read)
{
	patroni_keys_add_leader("pg1", V2("10.0.0.1", "master"));
	patroni_keys_add("pg2", V2("10.0.0.2", "replica"));
	patroni_keys_accept();
	cr_assert(scope.topology.has_primary);
	cr_expect_eq(scope.topology.timeline, 3);
	cr_expect_not(scope.topology.standbys[0].no_reads);
	cr_expect_eq(scope.topology.standbys[0].lag_bytes, 0);
}

Test(layout_patroni, version_4_is_read_and_lag_is_what_a_reader_sees)
{
	patroni_keys_add_leader("pg1", V4_PRIMARY);
	patroni_keys_add("pg2", V4_REPLICA);
	patroni_keys_accept();
	cr_assert(scope.topology.has_primary);
	cr_expect_eq(scope.topology.timeline, 7);
	cr_expect_not(scope.topology.standbys[0].no_reads);
	cr_expect_eq(scope.topology.standbys[0].lag_bytes, 96);
}

Test(layout_patroni, the_leader_is_the_primary_whatever_role_its_member_says)
{
	static const char *const roles[] = {"replica", "promoted", "master", "primary", "demoted"};

	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		auto_free char *json = xasprintf(
		    "{" URL("10.0.0.2") ",\"state\":\"running\",\"role\":\"%s\"}", roles[i]);

		scope.keys.member_count = 0;
		patroni_keys_add_leader("pg2", json);
		patroni_keys_accept();
		cr_expect(scope.topology.has_primary, "%s", roles[i]);
		cr_expect_not(scope.topology.primary.no_reads, "%s", roles[i]);
	}
}

Test(layout_patroni, a_standby_cluster_has_no_primary_but_readers)
{
	patroni_keys_add_leader("pg1", V3("10.0.0.1", "standby_leader", "100"));
	patroni_keys_add("pg2", V3("10.0.0.2", "replica", "90"));
	patroni_keys_accept();
	cr_expect_not(scope.topology.has_primary);
	cr_expect_eq(scope.topology.timeline, 0);
	cr_assert_eq(scope.topology.standby_count, 2);
	cr_assert_not_null(scope.topology.standbys);
	cr_expect_str_eq(scope.topology.standbys[0].name, "pg1");
	cr_expect_not(scope.topology.standbys[0].no_reads);
	cr_expect_eq(scope.topology.standbys[1].lag_bytes, 10);
}

Test(layout_patroni, a_standby_cluster_is_known_by_its_config_before_the_leader_says_so)
{
	patroni_keys_add_leader("pg1", V3("10.0.0.1", "replica", "100"));
	scope.keys.config =
	    patroni_keys_key("{\"standby_cluster\":{\"host\":\"10.1.0.1\",\"port\":5432}}");
	patroni_keys_accept();
	cr_expect_not(scope.topology.has_primary);
	cr_expect_eq(scope.topology.standby_count, 1);
	scope.keys.config = patroni_keys_key("{\"standby_cluster\":{}}");
	patroni_keys_accept();
	cr_expect(scope.topology.has_primary);
}

Test(layout_patroni, without_a_leader_all_are_standbys)
{
	patroni_keys_add("pg1", V3("10.0.0.1", "master", "100"));
	patroni_keys_add("pg2", V3("10.0.0.2", "replica", "90"));
	patroni_keys_accept();
	cr_expect_not(scope.topology.has_primary);
	cr_assert_eq(scope.topology.standby_count, 2);
	cr_expect(scope.topology.standbys[0].no_reads, "one that takes writes is no standby");
	cr_expect_not(scope.topology.standbys[1].no_reads);
	cr_expect_eq(scope.topology.standbys[1].lag_bytes, -1);
	cr_expect_str_eq(scope.notes.no_reads.data, "pg1: a standby with the role \"master\"");
}

Test(layout_patroni, leader_without_member_is_no_primary)
{
	scope.keys.leader = patroni_keys_key("pg3");
	patroni_keys_add("pg2", V3("10.0.0.2", "replica", "90"));
	patroni_keys_accept();
	cr_expect_not(scope.topology.has_primary);
	cr_expect_str_eq(scope.topology.leader, "pg3");
	cr_expect_eq(scope.topology.standby_count, 1);
}

Test(layout_patroni, an_empty_scope_has_nobody)
{
	patroni_keys_accept();
	cr_expect_not(scope.topology.has_primary);
	cr_expect_eq(scope.topology.standby_count, 0);
	cr_expect_str_empty(scope.notes.left_out.data);
}

Test(layout_patroni, a_leader_key_that_is_no_name_is_refused)
{
	static const char *const bad[] = {"", "a/b", "pg1\n", "pg1\xff", "pg1\xc2\x85"};
	char huge[300];

	patroni_keys_add("pg1", V3("10.0.0.1", "master", "100"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		scope.keys.leader = patroni_keys_key(bad[i]);
		patroni_keys_refuse("the leader key");
	}
	memset(huge, 'a', sizeof(huge));
	scope.keys.leader =
	    (struct layout_patroni_key){.present = true, .data = huge, .len = sizeof(huge)};
	patroni_keys_refuse("300 bytes that are no name");
	scope.keys.leader =
	    (struct layout_patroni_key){.present = true, .data = "pg1\0x", .len = 5};
	patroni_keys_refuse("5 bytes that are no name");
	scope.keys.leader = (struct layout_patroni_key){.present = true, .len = 70000};
	patroni_keys_refuse("70000 bytes that are no name");
	scope.keys.leader =
	    (struct layout_patroni_key){.present = true, .problem = "no permission"};
	patroni_keys_refuse("the leader key: no permission");
}

static void expect_times(const char *config, int64_t ttl, int64_t loop_wait, int64_t retry_timeout,
                         int64_t start_timeout)
{
	const struct manager_times *times = &scope.topology.times;

	scope.keys.member_count = 0;
	patroni_keys_add_leader("pg1", V3("10.0.0.1", "master", "1"));
	scope.keys.config = config != NULL ? patroni_keys_key(config)
	                                   : (struct layout_patroni_key){.present = false};
	patroni_keys_accept();
	cr_expect_eq(times->ttl, ttl, "%s", config);
	cr_expect_eq(times->loop_wait, loop_wait, "%s", config);
	cr_expect_eq(times->retry_timeout, retry_timeout, "%s", config);
	cr_expect_eq(times->start_timeout, start_timeout, "%s", config);
}

/* As Patroni 4 writes them, without blanks, and as a person may. */
Test(layout_patroni, the_times_of_a_failover_are_read)
{
	expect_times("{\"ttl\":60,\"loop_wait\":20,\"retry_timeout\":15,"
	             "\"primary_start_timeout\":120}",
	             60, 20, 15, 120);
	expect_times("{\"ttl\": \"60\", \"loop_wait\": \" 20\", \"retry_timeout\": \"15\","
	             " \"master_start_timeout\": 0}",
	             60, 20, 15, 0);
	expect_times("{\"primary_start_timeout\":7,\"master_start_timeout\":8}", 30, 10, 10, 7);
	cr_expect_str_empty(scope.notes.left_out.data);
	cr_expect_not(scope.topology.times.assumed);
}

/* Patroni 4 does so; one that does not is done sooner. */
Test(layout_patroni, times_below_what_Patroni_allows_are_raised)
{
	expect_times("{\"ttl\":5,\"loop_wait\":0,\"retry_timeout\":2}", 20, 1, 3, 300);
}

Test(layout_patroni, without_a_config_its_defaults_are_taken)
{
	expect_times(NULL, 30, 10, 10, 300);
	cr_expect(scope.topology.times.assumed);
	expect_times("{\"ttl\":", 30, 10, 10, 300);
	cr_expect(scope.topology.times.assumed);
	patroni_keys_expect_left_out("the config key: its value is no JSON object");
}

Test(layout_patroni, a_time_that_is_none_is_the_default_and_is_noted)
{
	static const char *const values[] = {"null", "-1",      "true", "[30]",
	                                     "\"\"", "\"30s\"", "1.5"};

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		auto_free char *config = xasprintf("{\"ttl\":%s,\"loop_wait\":7}", values[i]);

		expect_times(config, 30, 7, 10, 300);
		patroni_keys_expect_left_out(
		    "ttl is no number of seconds: Patroni's default of 30");
	}
	expect_times("{\"ttl\":9223372036854775807,\"loop_wait\":\"99999999999999999999\"}", 86400,
	             86400, 10, 300);
	cr_expect_eq(manager_times_ms(&scope.topology.times, true), INT64_C(173100000));
}

Test(layout_patroni, a_start_that_takes_long_is_waited_for_while_it_lasts)
{
	expect_times("{}", 30, 10, 10, 300);
	cr_expect_eq(manager_times_ms(&scope.topology.times, false), 50000);
	cr_expect_eq(manager_times_ms(&scope.topology.times, true), 320000);
	expect_times("{\"primary_start_timeout\":0}", 30, 10, 10, 0);
	cr_expect_eq(manager_times_ms(&scope.topology.times, true), 50000);
	cr_expect_eq(manager_times_ms(&(struct manager_times){.ttl = 0}, true), 0);
}
