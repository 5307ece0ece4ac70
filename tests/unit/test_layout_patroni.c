/* Layout patroni: the bytes that each version writes, and hostile ones. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/layout.h"

#define KEYS_MAX 80

#define URL(name) "\"conn_url\":\"postgres://" name ":5432/postgres\""
/* 3.0.2, as observed on ZooKeeper. */
#define V3(name, role, location)                                                                \
	"{" URL(name) ",\"api_url\":\"http://127.0.0.1:24001/patroni\",\"state\":\"running\","  \
	              "\"role\":\"" role "\",\"version\":\"3.0.2\",\"xlog_location\":" location \
	              ",\"timeline\":1}"
/* 2.1: tags of every member, the pending restart flag. */
#define V2(name, role)                                                                        \
	"{" URL(name) ",\"api_url\":\"http://127.0.0.1:8008/patroni\",\"state\":\"running\"," \
	              "\"role\":\"" role "\",\"version\":\"2.1.4\",\"tags\":{\"clonefrom\":"  \
	              "true},\"pending_restart\":true,\"xlog_location\":67419584,"            \
	              "\"timeline\":3}"
/* 4.1 */
#define V4_PRIMARY                                                                     \
	"{" URL("10.0.0.1") ",\"api_url\":\"http://10.0.0.1:8008/patroni\",\"state\":" \
	                    "\"running\",\"role\":\"primary\",\"version\":\"4.1.0\","  \
	                    "\"xlog_location\":100663296,\"timeline\":7}"
#define V4_REPLICA                                                                            \
	"{" URL("10.0.0.2") ",\"api_url\":\"http://10.0.0.2:8008/patroni\",\"state\":"        \
	                    "\"running\",\"role\":\"replica\",\"version\":\"4.1.0\","         \
	                    "\"tags\":{\"nofailover\":true,\"failover_priority\":0},"         \
	                    "\"xlog_location\":100663290,\"replay_lsn\":100663200,"           \
	                    "\"receive_lsn\":100663290,\"replication_state\":\"streaming\","  \
	                    "\"timeline\":7,\"pending_restart_reason\":{\"max_connections\":" \
	                    "{\"old_value\":\"100\",\"new_value\":\"200\"}}}"
#define STATE(name, state) \
	"{" URL(name) ",\"state\":\"" state "\",\"role\":\"replica\",\"xlog_location\":1}"

struct scope {
	struct layout_patroni keys;
	struct layout_patroni_key members[KEYS_MAX];
	struct topology topology;
	struct layout_patroni_notes notes;
};

static struct scope scope;
static struct err err;

static void init(void)
{
	scope = (struct scope){.notes = LAYOUT_PATRONI_NOTES_INIT};
	scope.keys.members = scope.members;
	topology_init(&scope.topology);
}

static void fini(void)
{
	topology_fini(&scope.topology);
	layout_patroni_notes_fini(&scope.notes);
}

TestSuite(layout_patroni, .init = init, .fini = fini);

static struct layout_patroni_key key(const char *data)
{
	return (struct layout_patroni_key){.present = true, .data = data, .len = strlen(data)};
}

static void add(const char *name, const char *data)
{
	scope.members[scope.keys.member_count] = key(data);
	scope.members[scope.keys.member_count++].name = name;
}

static void add_leader(const char *name, const char *data)
{
	scope.keys.leader = key(name);
	add(name, data);
}

static bool decode(void)
{
	layout_patroni_notes_fini(&scope.notes);
	scope.notes.count = 0;
	topology_fini(&scope.topology);
	return layout_patroni_decode(&scope.keys, &scope.topology, &scope.notes, &err);
}

static void accept(void)
{
	cr_assert(decode(), "%s", err.message);
}

static void refuse(const char *part)
{
	cr_assert_not(decode());
	cr_assert_not_null(strstr(err.message, part), "\"%s\" is not in \"%s\"", part, err.message);
	cr_assert_null(scope.topology.standbys);
}

static void expect_left_out(const char *part)
{
	cr_expect_not_null(strstr(scope.notes.left_out.data, part), "\"%s\" is not in \"%s\"", part,
	                   scope.notes.left_out.data);
}

/* Decodes a leader alone whose conn_url is this. */
static bool decode_url(const char *url)
{
	auto_free char *json = xasprintf("{\"conn_url\":\"%s\"}", url);
	bool fine;

	scope.keys.member_count = 0;
	add_leader("pg1", json);
	fine = decode();
	scope.keys.member_count = 0;
	return fine;
}

Test(layout_patroni, version_3_is_read)
{
	const struct topology *topology = &scope.topology;

	add_leader("pg1", V3("10.0.0.1", "master", "50331744"));
	add("pg2", V3("10.0.0.2", "replica", "50331000"));
	scope.keys.initialize = key("7711301187118192856");
	scope.keys.config = key("{\"ttl\":20,\"loop_wait\":5,\"postgresql\":{\"use_slots\":true}}");
	accept();
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
	add_leader("pg1", V2("10.0.0.1", "master"));
	add("pg2", V2("10.0.0.2", "replica"));
	accept();
	cr_assert(scope.topology.has_primary);
	cr_expect_eq(scope.topology.timeline, 3);
	cr_expect_not(scope.topology.standbys[0].unread);
	cr_expect_eq(scope.topology.standbys[0].lag_bytes, 0);
}

Test(layout_patroni, version_4_is_read_and_lag_is_what_a_reader_sees)
{
	add_leader("pg1", V4_PRIMARY);
	add("pg2", V4_REPLICA);
	accept();
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
		add_leader("pg2", json);
		accept();
		cr_expect(scope.topology.has_primary, "%s", roles[i]);
		cr_expect_not(scope.topology.primary.unread, "%s", roles[i]);
	}
}

Test(layout_patroni, a_standby_cluster_has_no_primary_but_readers)
{
	add_leader("pg1", V3("10.0.0.1", "standby_leader", "100"));
	add("pg2", V3("10.0.0.2", "replica", "90"));
	accept();
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
	add_leader("pg1", V3("10.0.0.1", "replica", "100"));
	scope.keys.config = key("{\"standby_cluster\":{\"host\":\"10.1.0.1\",\"port\":5432}}");
	accept();
	cr_expect_not(scope.topology.has_primary);
	cr_expect_eq(scope.topology.standby_count, 1);
	scope.keys.config = key("{\"standby_cluster\":{}}");
	accept();
	cr_expect(scope.topology.has_primary);
}

Test(layout_patroni, without_a_leader_all_are_standbys)
{
	add("pg1", V3("10.0.0.1", "master", "100"));
	add("pg2", V3("10.0.0.2", "replica", "90"));
	accept();
	cr_expect_not(scope.topology.has_primary);
	cr_assert_eq(scope.topology.standby_count, 2);
	cr_expect(scope.topology.standbys[0].unread, "one that takes writes is no standby");
	cr_expect_not(scope.topology.standbys[1].unread);
	cr_expect_eq(scope.topology.standbys[1].lag_bytes, -1);
	cr_expect_str_eq(scope.notes.unread.data, "pg1: a standby with the role \"master\"");
}

Test(layout_patroni, leader_without_member_is_no_primary)
{
	scope.keys.leader = key("pg3");
	add("pg2", V3("10.0.0.2", "replica", "90"));
	accept();
	cr_expect_not(scope.topology.has_primary);
	cr_expect_str_eq(scope.topology.leader, "pg3");
	cr_expect_eq(scope.topology.standby_count, 1);
}

Test(layout_patroni, an_empty_scope_has_nobody)
{
	accept();
	cr_expect_not(scope.topology.has_primary);
	cr_expect_eq(scope.topology.standby_count, 0);
	cr_expect_str_empty(scope.notes.left_out.data);
}

Test(layout_patroni, a_leader_key_that_is_no_name_is_refused)
{
	static const char *const bad[] = {"", "pg 1", "a/b", "pg1\n", "10.0.0.1:5432"};
	char huge[300];

	add("pg1", V3("10.0.0.1", "master", "100"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		scope.keys.leader = key(bad[i]);
		refuse("the leader key");
	}
	memset(huge, 'a', sizeof(huge));
	scope.keys.leader =
	    (struct layout_patroni_key){.present = true, .data = huge, .len = sizeof(huge)};
	refuse("300 bytes that are no name");
	scope.keys.leader =
	    (struct layout_patroni_key){.present = true, .data = "pg1\0x", .len = 5};
	refuse("5 bytes that are no name");
	scope.keys.leader = (struct layout_patroni_key){.present = true, .len = 70000};
	refuse("70000 bytes that are no name");
	scope.keys.leader =
	    (struct layout_patroni_key){.present = true, .problem = "no permission"};
	refuse("the leader key: no permission");
}

Test(layout_patroni, a_bad_member_is_left_out_but_the_leaders_is_refused)
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
		add_leader("pg1", V3("10.0.0.1", "master", "100"));
		add("pg2", bad[i].data);
		add("pg3", V3("10.0.0.3", "replica", "90"));
		accept();
		cr_assert_eq(scope.topology.standby_count, 1, "%s", bad[i].data);
		cr_expect_str_eq(scope.topology.standbys[0].name, "pg3");
		expect_left_out("pg2: ");
		expect_left_out(bad[i].part);
		cr_expect_null(strstr(scope.notes.left_out.data, "secret"));
		scope.keys.leader = key("pg2");
		refuse(bad[i].part);
		cr_expect_not_null(strstr(err.message, "the leader's member pg2"));
		cr_expect_null(strstr(err.message, "secret"));
	}
}

Test(layout_patroni, what_could_not_be_read_is_left_out)
{
	add_leader("pg1", V3("10.0.0.1", "master", "100"));
	add("pg2", "");
	scope.members[1].data = NULL;
	scope.members[1].len = 70000;
	add("pg3", "");
	scope.members[2].data = NULL;
	scope.members[2].problem = "no permission to read it";
	add("pg 4", V3("10.0.0.4", "replica", "100"));
	accept();
	cr_expect_eq(scope.topology.standby_count, 0);
	expect_left_out("pg2: 70000 bytes, where 65536 are allowed");
	expect_left_out("pg3: no permission to read it");
	expect_left_out("pg 4: no name");
}

Test(layout_patroni, conn_url_names_a_host_and_a_port)
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
		cr_assert(decode_url(urls[i].url), "%s: %s", urls[i].url, err.message);
		cr_expect_str_eq(scope.topology.primary.host, urls[i].host);
		cr_expect_eq(scope.topology.primary.port, urls[i].port, "%s", urls[i].url);
	}
}

Test(layout_patroni, who_is_not_fit_gets_no_readers_but_stays)
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
		add_leader("pg1", V4_PRIMARY);
		add("pg2", members[i].json);
		accept();
		cr_assert_eq(scope.topology.standby_count, 1, "%s", members[i].json);
		cr_expect(scope.topology.standbys[0].unread, "%s", members[i].json);
		cr_expect_not_null(strstr(scope.notes.unread.data, members[i].note), "%s",
		                   scope.notes.unread.data);
	}
}

Test(layout_patroni, who_is_fit_gets_readers)
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
		add_leader("pg1", V4_PRIMARY);
		add("pg2", members[i]);
		accept();
		cr_expect_not(scope.topology.standbys[0].unread, "%s", members[i]);
	}
}

Test(layout_patroni, tags_are_kept_in_one_order_where_they_are_scalars)
{
	add_leader("pg1", V4_PRIMARY);
	add("pg2", "{" URL("10.0.0.2") ",\"state\":\"running\",\"tags\":{\"zone\":\"b\","
	                               "\"reporting\":true,\"old\":null,\"n\":[1],\"o\":{}}}");
	add("pg3", "{" URL("10.0.0.3") ",\"state\":\"running\",\"tags\":[\"zone\"]}");
	accept();
	cr_expect_str_eq(scope.topology.primary.tags, "");
	cr_expect_str_eq(scope.topology.standbys[0].tags, "{\"reporting\":true,\"zone\":\"b\"}");
	cr_expect_str_eq(scope.topology.standbys[1].tags, "");
	cr_expect_eq(scope.notes.left_out.len, 0, "%s", scope.notes.left_out.data);
}

Test(layout_patroni, more_tags_than_fit_are_left_out_and_it_is_said)
{
	static char json[TOPOLOGY_TAGS_MAX + 200];

	snprintf(json, sizeof(json),
	         "{" URL("10.0.0.2") ",\"state\":\"running\",\"tags\":{\"x\":\"%0*d\"}}",
	         TOPOLOGY_TAGS_MAX, 0);
	add_leader("pg1", V4_PRIMARY);
	add("pg2", json);
	accept();
	cr_expect_eq(scope.topology.standby_count, 1);
	cr_expect_str_eq(scope.topology.standbys[0].tags, "");
	cr_expect_not_null(strstr(scope.notes.left_out.data, "pg2: its tags, which have more than "
	                                                     "511 bytes"),
	                   "%s", scope.notes.left_out.data);
}

Test(layout_patroni, odd_positions_and_timelines_are_not_known)
{
	add_leader("pg1", "{" URL("10.0.0.1") ",\"xlog_location\":100,\"timeline\":\"7\"}");
	add("pg2", "{" URL("10.0.0.2") ",\"xlog_location\":-1}");
	add("pg3", "{" URL("10.0.0.3") ",\"xlog_location\":\"90\"}");
	add("pg4", "{" URL("10.0.0.4") ",\"xlog_location\":110,\"timeline\":99999999999}");
	accept();
	cr_expect_eq(scope.topology.timeline, 0);
	cr_expect_eq(scope.topology.standbys[0].lag_bytes, -1);
	cr_expect_eq(scope.topology.standbys[1].lag_bytes, -1);
	cr_expect_eq(scope.topology.standbys[2].lag_bytes, 0, "ahead of an old position");
}

Test(layout_patroni, pause_is_read_as_Patroni_reads_it)
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

	add_leader("pg1", V4_PRIMARY);
	for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
		scope.keys.config = key(configs[i].config);
		accept();
		cr_expect_eq(scope.topology.paused, configs[i].paused, "%s", configs[i].config);
	}
	expect_left_out("the config key: its value is no JSON object");
}

Test(layout_patroni, an_odd_system_identifier_is_left_out)
{
	static const char *const bad[] = {"x", "12345678901234567890123", "7711 ", "-1"};

	add_leader("pg1", V4_PRIMARY);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		scope.keys.initialize = key(bad[i]);
		accept();
		cr_expect_str_empty(scope.topology.system_identifier);
		expect_left_out("the initialize key: ");
	}
	scope.keys.initialize = key("");
	accept();
	cr_expect_str_empty(scope.notes.left_out.data, "empty while the cluster is made");
}

Test(layout_patroni, the_same_server_twice_is_left_out)
{
	add_leader("pg1", V3("10.0.0.1", "master", "100"));
	add("pg2", V3("10.0.0.1", "replica", "100"));
	add("pg3", V3("10.0.0.3", "replica", "100"));
	accept();
	cr_assert_eq(scope.topology.standby_count, 1);
	cr_expect_str_eq(scope.topology.standbys[0].name, "pg3");
	expect_left_out("pg2: the name or conn_url is that of another member");
}

static void fill_members(size_t count, char (*names)[8], char **values)
{
	for (size_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "pg%02zu", i);
		values[i] = xasprintf("{\"conn_url\":\"postgres://10.0.1.%zu/\",\"state\":"
		                      "\"running\",\"role\":\"replica\"}",
		                      i + 1);
		add(names[i], values[i]);
	}
}

Test(layout_patroni, more_members_than_there_is_room_for_are_left_out)
{
	char names[70][8];
	char *values[70];

	fill_members(70, names, values);
	scope.keys.unread_count = 5;
	scope.keys.leader = key("pg69");
	accept();
	cr_expect(scope.topology.has_primary);
	cr_expect_str_eq(scope.topology.primary.name, "pg69");
	cr_expect_eq(scope.topology.standby_count, TOPOLOGY_STANDBYS_MAX);
	expect_left_out("more members: 10, as there are 64 at most");
	scope.keys.config = key("{\"standby_cluster\":{\"host\":\"h\"}}");
	accept();
	cr_expect_eq(scope.topology.standby_count, TOPOLOGY_STANDBYS_MAX);
	expect_left_out("more members: 11, ");
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		free(values[i]);
}

Test(layout_patroni, notes_are_bounded)
{
	char names[60][8];
	char *values[60];

	fill_members(60, names, values);
	for (size_t i = 0; i < 60; i++)
		scope.members[i].len = 1;
	accept();
	cr_expect_eq(scope.topology.standby_count, 0);
	cr_expect_lt(scope.notes.left_out.len, 2000);
	expect_left_out("; ...");
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		free(values[i]);
}
