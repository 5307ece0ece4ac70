/* Layout patroni: members that are odd, hostile, not fit for readers, or too many. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "patroni_keys_case.h"

TestSuite(layout_patroni_members, .init = patroni_keys_init, .fini = patroni_keys_fini);

/* Decodes a leader alone whose conn_url is this. */
static bool decode_url(const char *url)
{
	auto_free char *json = xasprintf("{\"conn_url\":\"%s\"}", url);
	bool fine;

	scope.keys.member_count = 0;
	patroni_keys_add_leader("pg1", json);
	fine = patroni_keys_decode();
	scope.keys.member_count = 0;
	return fine;
}

Test(layout_patroni_members, a_bad_member_is_left_out_but_the_leaders_is_refused)
{
	static const struct {
		const char *data, *part;
	} bad[] = {
	    {"", "no JSON object"},
	    {"{", "no JSON object"},
	    {"[]", "no JSON object"},
	    {"null", "no JSON object"},
	    {"{\"conn_url\":\"postgres://a/\",\"conn_url\":\"postgres://b/\"}", "no JSON object"},
	    {"{\"conn_url\":\"postgres://a\\u0000b/\"}", "no JSON object"},
	    {"{}", "conn_url is missing"},
	    {"{\"conn_url\":7}", "conn_url is missing"},
	    {"{\"conn_url\":\"mysql://u:secret@a/\"}", "conn_url is something else"},
	    {"{\"conn_url\":\"postgres:///db\"}", "conn_url: host"},
	    {"{\"conn_url\":\"postgres://u:secret@/db\"}", "conn_url: host"},
	    {"{\"conn_url\":\"postgres://u:secret@a:0/\"}", "conn_url: port"},
	    {"{\"conn_url\":\"postgres://u:secret@a:65536/\"}", "conn_url: port"},
	    {"{\"conn_url\":\"postgres://u:secret@[::1/\"}", "conn_url: byte"},
	    {"{\"conn_url\":\"postgres://u:secret@%2Ftmp/\"}", "a unix socket"},
	    {"{\"conn_url\":\"postgres://u:secret@0.0.0.0/\"}", "unspecified"},
	    {"{\"conn_url\":\"postgres://a b/\"}", "conn_url: host"},
	    {"{\"conn_url\":\"postgres://a\\nserver evil/\"}", "conn_url: host"},
	    {"{\"conn_url\":\"postgres://,/\"}", "conn_url: host"},
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		scope.keys.member_count = 0;
		patroni_keys_add_leader("pg1", V3("10.0.0.1", "master", "100"));
		patroni_keys_add("pg2", bad[i].data);
		patroni_keys_add("pg3", V3("10.0.0.3", "replica", "90"));
		patroni_keys_accept();
		cr_assert_eq(scope.topology.standby_count, 1, "%s", bad[i].data);
		cr_expect_str_eq(scope.topology.standbys[0].name, "pg3");
		patroni_keys_expect_left_out("pg2: ");
		patroni_keys_expect_left_out(bad[i].part);
		cr_expect_null(strstr(scope.notes.left_out.data, "secret"));
		scope.keys.leader = patroni_keys_key("pg2");
		patroni_keys_refuse(bad[i].part);
		cr_expect_not_null(strstr(patroni_keys_err.message, "the leader's member pg2"));
		cr_expect_null(strstr(patroni_keys_err.message, "secret"));
	}
}

Test(layout_patroni_members, what_could_not_be_read_is_left_out)
{
	patroni_keys_add_leader("pg1", V3("10.0.0.1", "master", "100"));
	patroni_keys_add("pg2", "");
	scope.members[1].data = NULL;
	scope.members[1].len = 70000;
	patroni_keys_add("pg3", "");
	scope.members[2].data = NULL;
	scope.members[2].problem = "no permission to read it";
	patroni_keys_add("pg/4", V3("10.0.0.4", "replica", "100"));
	patroni_keys_accept();
	cr_expect_eq(scope.topology.standby_count, 0);
	patroni_keys_expect_left_out("pg2: 70000 bytes: at most 65536 are allowed");
	patroni_keys_expect_left_out("pg3: no permission to read it");
	patroni_keys_expect_left_out("pg/4: no name");
}

Test(layout_patroni_members, conn_url_names_a_host_and_a_port)
{
	static const struct {
		const char *url, *host;
		unsigned port;
	} urls[] = {
	    {"postgres://db1.example.com:6432/postgres", "db1.example.com", 6432},
	    {"postgresql://db1/postgres", "db1", 5432},
	    {"postgres://db1", "db1", 5432},
	    {"postgres://u:p%40ss@db1:1/postgres?application_name=http://x:8008/", "db1", 1},
	    {"postgres://[2001:db8::1]:5433/postgres", "2001:db8::1", 5433},
	    {"postgres://[2001:db8::1]/postgres", "2001:db8::1", 5432},
	    {"postgres://h1,h2:5433/postgres", "h1", 5433},
	    {"postgres://u:p@h1:5431,h2:5433/postgres", "h1", 5431},
	    {"postgres://h1,h2/postgres", "h1", 5432},
	    {"postgres://[::1],[fe80::2]:5434/postgres", "::1", 5434},
	    {"postgres://[::1],[fe80::2]/a,b", "::1", 5432},
	    {"postgres://u,v:p,q@h1:7/a,b?c=d,e", "h1", 7},
	};

	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		cr_assert(decode_url(urls[i].url), "%s: %s", urls[i].url, patroni_keys_err.message);
		cr_expect_str_eq(scope.topology.primary.host, urls[i].host);
		cr_expect_eq(scope.topology.primary.port, urls[i].port, "%s", urls[i].url);
	}
}

Test(layout_patroni_members, who_is_not_fit_gets_no_readers_but_stays)
{
	static const struct {
		const char *json, *note;
	} members[] = {
	    {STATE("10.0.0.2", "starting"), "state \"starting\""},
	    {STATE("10.0.0.2", "stopped"), "state \"stopped\""},
	    {STATE("10.0.0.2", "creating replica"), "state \"creating replica\""},
	    {STATE("10.0.0.2", "\\u000a"), "state \"\\n\""},
	    {"{" URL("10.0.0.2") "}", "state \"\""},
	    {"{" URL("10.0.0.2") ",\"state\":\"running\",\"role\":\"primary\"}",
	     "role \"primary\""},
	    {"{" URL("10.0.0.2") ",\"state\":\"running\",\"tags\":{\"noloadbalance\":true}}",
	     "tag noloadbalance"},
	    {"{" URL("10.0.0.2") ",\"state\":\"running\",\"tags\":{\"noloadbalance\":\"no\"}}",
	     "tag noloadbalance"},
	    {"{" URL("10.0.0.2") ",\"state\":\"running\",\"tags\":{\"noloadbalance\":1}}",
	     "tag noloadbalance"},
	};

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		scope.keys.member_count = 0;
		patroni_keys_add_leader("pg1", V4_PRIMARY);
		patroni_keys_add("pg2", members[i].json);
		patroni_keys_accept();
		cr_assert_eq(scope.topology.standby_count, 1, "%s", members[i].json);
		cr_expect(scope.topology.standbys[0].no_reads, "%s", members[i].json);
		cr_expect_not_null(strstr(scope.notes.no_reads.data, members[i].note), "%s",
		                   scope.notes.no_reads.data);
	}
}

Test(layout_patroni_members, who_is_fit_gets_readers)
{
	static const char *const members[] = {
	    STATE("10.0.0.2", "running"),
	    STATE("10.0.0.2", "streaming"),
	    "{" URL("10.0.0.2") ",\"state\":\"running\",\"role\":\"sync_standby\"}",
	    "{" URL("10.0.0.2") ",\"state\":\"running\",\"tags\":{\"noloadbalance\":false}}",
	    "{" URL("10.0.0.2") ",\"state\":\"running\",\"tags\":{\"noloadbalance\":0}}",
	    "{" URL("10.0.0.2") ",\"state\":\"running\",\"tags\":[]}",
	    "{" URL("10.0.0.2") ",\"state\":\"running\",\"tags\":{\"nofailover\":true}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		scope.keys.member_count = 0;
		patroni_keys_add_leader("pg1", V4_PRIMARY);
		patroni_keys_add("pg2", members[i]);
		patroni_keys_accept();
		cr_expect_not(scope.topology.standbys[0].no_reads, "%s", members[i]);
	}
}

Test(layout_patroni_members, tags_are_kept_in_one_order_where_they_are_scalars)
{
	patroni_keys_add_leader("pg1", V4_PRIMARY);
	patroni_keys_add(
	    "pg2", "{" URL("10.0.0.2") ",\"state\":\"running\",\"tags\":{\"zone\":\"b\","
	                               "\"reporting\":true,\"old\":null,\"n\":[1],\"o\":{}}}");
	patroni_keys_add("pg3", "{" URL("10.0.0.3") ",\"state\":\"running\",\"tags\":[\"zone\"]}");
	patroni_keys_accept();
	cr_expect_str_eq(topology_tags(&scope.topology.primary), "");
	cr_expect_str_eq(topology_tags(&scope.topology.standbys[0]),
	                 "{\"reporting\":true,\"zone\":\"b\"}");
	cr_expect_str_eq(topology_tags(&scope.topology.standbys[1]), "");
	cr_expect_eq(scope.notes.left_out.len, 0, "%s", scope.notes.left_out.data);
}

Test(layout_patroni_members, more_tags_than_fit_are_left_out_and_it_is_said)
{
	static char json[TOPOLOGY_TEXT_MAX + 200];

	snprintf(json, sizeof(json),
	         "{" URL("10.0.0.2") ",\"state\":\"running\",\"tags\":{\"x\":\"%0*d\"}}",
	         TOPOLOGY_TEXT_MAX, 0);
	patroni_keys_add_leader("pg1", V4_PRIMARY);
	patroni_keys_add("pg2", json);
	patroni_keys_accept();
	cr_expect_eq(scope.topology.standby_count, 1);
	cr_expect_str_eq(topology_tags(&scope.topology.standbys[0]), "");
	cr_expect_not_null(strstr(scope.notes.left_out.data, "pg2: its tags, which have more than "
	                                                     "571 bytes"),
	                   "%s", scope.notes.left_out.data);
}

/* ZooKeeper has neither "/" nor control characters in a path; Patroni minds no others. */
Test(layout_patroni_members, names_may_hold_any_letters)
{
	static const char *const names[] = {"pg 1",
	                                    "10.0.0.1:5432",
	                                    "db@host",
	                                    "M\xc3\xbcnchen",
	                                    "\xd0\xb4\xd0\xb1",
	                                    "\xf0\x9f\x90\x98",
	                                    "it's \"$1\"",
	                                    "#1;%2",
	                                    ".",
	                                    "\xc2\xa0"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		scope.keys.member_count = 0;
		patroni_keys_add_leader(names[i], V4_PRIMARY);
		patroni_keys_add("other", V4_REPLICA);
		patroni_keys_accept();
		cr_assert(scope.topology.has_primary, "%s", names[i]);
		cr_expect_str_eq(scope.topology.primary.name, names[i]);
		scope.keys.leader = patroni_keys_key("other");
		patroni_keys_accept();
		cr_assert_eq(scope.topology.standby_count, 1, "%s", names[i]);
		cr_expect_str_eq(scope.topology.standbys[0].name, names[i]);
		cr_expect_str_empty(scope.notes.left_out.data);
	}
}

Test(layout_patroni_members, what_is_no_name_is_left_out_and_shown_escaped)
{
	static const struct {
		const char *name, *shown;
	} bad[] = {{"a/b", "a/b: no name"},
	           {"a\tb", "a\\tb: no name"},
	           {"a\x7f", "a\\x7f: no name"},
	           {"a\xc2\x85", "a\\xc2\\x85: no name"},
	           {"a\xff", "a\\xff: no name"},
	           {"a\xc3", "a\\xc3: no name"},
	           {"\xed\xa0\x80", "\\xed\\xa0\\x80: no name"}};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		scope.keys.member_count = 0;
		patroni_keys_add_leader("pg1", V4_PRIMARY);
		patroni_keys_add(bad[i].name, V4_REPLICA);
		patroni_keys_accept();
		cr_expect_eq(scope.topology.standby_count, 0);
		patroni_keys_expect_left_out(bad[i].shown);
	}
}

/* Beside it there is less room for tags. */
Test(layout_patroni_members, names_have_up_to_255_bytes)
{
	static char name[TOPOLOGY_MEMBER_MAX + 1], json[TOPOLOGY_TEXT_MAX];

	memset(name, 'n', TOPOLOGY_MEMBER_MAX);
	snprintf(json, sizeof(json),
	         "{" URL("10.0.0.2") ",\"state\":\"running\",\"tags\":{\"x\":\"%0*d\"}}", 300, 0);
	patroni_keys_add_leader("pg1", V4_PRIMARY);
	patroni_keys_add(name + 1, json);
	patroni_keys_accept();
	cr_assert_eq(scope.topology.standby_count, 1);
	cr_expect_str_eq(scope.topology.standbys[0].name, name + 1);
	cr_expect_eq(strlen(topology_tags(&scope.topology.standbys[0])), 308);
	scope.keys.leader = patroni_keys_key(name + 1);
	patroni_keys_accept();
	cr_expect_str_eq(scope.topology.primary.name, name + 1);
	scope.members[1].name = name;
	scope.keys.leader = patroni_keys_key("pg1");
	patroni_keys_accept();
	cr_expect_eq(scope.topology.standby_count, 0);
	patroni_keys_expect_left_out("nnn...(256 bytes): no name: 1 to 255 bytes of UTF-8");
	scope.keys.leader = patroni_keys_key(name);
	patroni_keys_refuse("the leader key has 256 bytes that are no name: 1 to 255 are allowed");
}

Test(layout_patroni_members, the_leaders_name_is_escaped_where_it_is_refused)
{
	patroni_keys_add_leader("M\xc3\xbcnchen", "{}");
	patroni_keys_refuse("the leader's member M\\xc3\\xbcnchen: conn_url is missing");
}

Test(layout_patroni_members, odd_positions_and_timelines_are_not_known)
{
	patroni_keys_add_leader("pg1",
	                        "{" URL("10.0.0.1") ",\"xlog_location\":100,\"timeline\":\"7\"}");
	patroni_keys_add("pg2", "{" URL("10.0.0.2") ",\"xlog_location\":-1}");
	patroni_keys_add("pg3", "{" URL("10.0.0.3") ",\"xlog_location\":\"90\"}");
	patroni_keys_add("pg4",
	                 "{" URL("10.0.0.4") ",\"xlog_location\":110,\"timeline\":99999999999}");
	patroni_keys_accept();
	cr_expect_eq(scope.topology.timeline, 0);
	cr_expect_eq(scope.topology.standbys[0].lag_bytes, -1);
	cr_expect_eq(scope.topology.standbys[1].lag_bytes, -1);
	cr_expect_eq(scope.topology.standbys[2].lag_bytes, 0, "ahead of an old position");
}

Test(layout_patroni_members, pause_is_read_as_Patroni_reads_it)
{
	static const struct {
		const char *config;
		bool paused;
	} configs[] = {
	    {"{\"pause\":true}", true},     {"{\"pause\":\"on\"}", true},
	    {"{\"pause\":\"True\"}", true}, {"{\"pause\":1}", true},
	    {"{\"pause\":false}", false},   {"{\"pause\":\"off\"}", false},
	    {"{\"pause\":null}", false},    {"{\"pause\":\"x\"}", false},
	    {"{\"ttl\":30}", false},        {"", false},
	    {"{\"pause\":true", false},
	};

	patroni_keys_add_leader("pg1", V4_PRIMARY);
	for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
		scope.keys.config = patroni_keys_key(configs[i].config);
		patroni_keys_accept();
		cr_expect_eq(scope.topology.paused, configs[i].paused, "%s", configs[i].config);
	}
	patroni_keys_expect_left_out("the config key: its value is no JSON object");
}

Test(layout_patroni_members, an_odd_system_identifier_is_left_out)
{
	static const char *const bad[] = {"x", "12345678901234567890123", "7711 ", "-1"};

	patroni_keys_add_leader("pg1", V4_PRIMARY);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		scope.keys.initialize = patroni_keys_key(bad[i]);
		patroni_keys_accept();
		cr_expect_str_empty(scope.topology.system_identifier);
		patroni_keys_expect_left_out("the initialize key: ");
	}
	scope.keys.initialize = patroni_keys_key("");
	patroni_keys_accept();
	cr_expect_str_empty(scope.notes.left_out.data, "empty while the cluster is made");
}

Test(layout_patroni_members, the_same_server_twice_is_left_out)
{
	patroni_keys_add_leader("pg1", V3("10.0.0.1", "master", "100"));
	patroni_keys_add("pg2", V3("10.0.0.1", "replica", "100"));
	patroni_keys_add("pg3", V3("10.0.0.3", "replica", "100"));
	patroni_keys_accept();
	cr_assert_eq(scope.topology.standby_count, 1);
	cr_expect_str_eq(scope.topology.standbys[0].name, "pg3");
	patroni_keys_expect_left_out("pg2: the name or conn_url is that of another member");
}

static void fill_members(size_t count, char (*names)[8], char **values)
{
	for (size_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "pg%02zu", i);
		values[i] = xasprintf("{\"conn_url\":\"postgres://10.0.1.%zu/\",\"state\":"
		                      "\"running\",\"role\":\"replica\"}",
		                      i + 1);
		patroni_keys_add(names[i], values[i]);
	}
}

Test(layout_patroni_members, more_members_than_there_is_room_for_are_left_out)
{
	char names[70][8];
	char *values[70];

	fill_members(70, names, values);
	scope.keys.not_fetched_count = 5;
	scope.keys.leader = patroni_keys_key("pg69");
	patroni_keys_accept();
	cr_expect(scope.topology.has_primary);
	cr_expect_str_eq(scope.topology.primary.name, "pg69");
	cr_expect_eq(scope.topology.standby_count, TOPOLOGY_STANDBYS_MAX);
	patroni_keys_expect_left_out("more members: 10 left out: the limit is 64 standbys");
	scope.keys.config = patroni_keys_key("{\"standby_cluster\":{\"host\":\"h\"}}");
	patroni_keys_accept();
	cr_expect_eq(scope.topology.standby_count, TOPOLOGY_STANDBYS_MAX);
	patroni_keys_expect_left_out("more members: 11 left out: ");
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		free(values[i]);
}

Test(layout_patroni_members, notes_are_bounded)
{
	char names[60][8];
	char *values[60];

	fill_members(60, names, values);
	for (size_t i = 0; i < 60; i++)
		scope.members[i].len = 1;
	patroni_keys_accept();
	cr_expect_eq(scope.topology.standby_count, 0);
	cr_expect_lt(scope.notes.left_out.len, 2000);
	patroni_keys_expect_left_out("; ...");
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		free(values[i]);
}
