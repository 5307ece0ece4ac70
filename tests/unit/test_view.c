/* The view, compared as JSON. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/view.h"

static struct config_cluster cluster = {.name = (char *)"orders"};

static struct config_target plain_target(void)
{
	return (struct config_target){
	    .kind = CONFIG_TARGET_HAPROXY,
	    .name = (char *)"local",
	    .template_file = (char *)"/etc/segue/h.mustache",
	    .output = (char *)"/etc/haproxy/conf.d/orders.cfg",
	};
}

static void fill(struct member *member, const char *name, const char *host, const char *address)
{
	*member = (struct member){.port = 5432, .lag_bytes = -1};
	snprintf(member->name, sizeof(member->name), "%s", name);
	snprintf(member->host, sizeof(member->host), "%s", host);
	snprintf(member->address, sizeof(member->address), "%s", address);
}

/* `names`: the first is the primary ("" for none); each lives at 10.0.0.<its last digit>. */
static void make(struct topology *topology, const char *const *names)
{
	topology_init(topology);
	topology->has_primary = names[0][0] != '\0';
	for (size_t i = 0; names[i] != NULL; i++) {
		struct member *member =
		    i == 0 ? &topology->primary : topology_add_standby(topology);
		char address[TOPOLOGY_ADDRESS_MAX];

		snprintf(address, sizeof(address), "10.0.0.%c",
		         names[i][0] != '\0' ? names[i][strlen(names[i]) - 1] : '0');
		fill(member, names[i], address, address);
	}
}

static json_t *build(const struct topology *topology, const struct config_target *target)
{
	struct err err;
	json_t *view = view_build(&cluster, target, topology, &err);

	cr_assert_not_null(view, "%s", err.message);
	return view;
}

/* The member `key` of every element of the list, joined by blanks; "-" where it is not there. */
static void check_list(const json_t *view, const char *list, const char *key, const char *want)
{
	auto_strbuf struct strbuf got = STRBUF_INIT;
	size_t i;
	json_t *element;

	cr_assert(json_is_array(json_object_get(view, list)), "%s", list);
	json_array_foreach(json_object_get(view, list), i, element)
	{
		const json_t *server = json_object_get(element, "server");
		const json_t *value = json_object_get(server != NULL ? server : element, key);
		auto_free char *text =
		    value != NULL ? json_dumps(value, JSON_ENCODE_ANY) : xstrdup("-");

		strbuf_printf(&got, "%s%s", i > 0 ? " " : "", text);
	}
	cr_expect_str_eq(got.data, want, "%s.%s: got %s, want %s", list, key, got.data, want);
}

static void check_json(const json_t *got, const char *want)
{
	json_t *expected = json_loads(want, 0, NULL);

	cr_assert_not_null(expected, "the test's own JSON");
	cr_expect(json_equal(got, expected), "got %s", json_dumps(got, JSON_SORT_KEYS));
	json_decref(expected);
}

Test(view, has_the_facts_of_the_store)
{
	struct config_target target = plain_target();
	struct topology topology;
	json_t *view;

	make(&topology, (const char *const[]){"db1", NULL});
	topology.zxid = 4294967298;
	topology.timeline = 7;
	snprintf(topology.system_identifier, sizeof(topology.system_identifier), "77113");
	snprintf(topology.promoted_at, sizeof(topology.promoted_at), "2026-11-23T11:07:25Z");
	view = build(&topology, &target);
	json_object_del(view, "env");
	check_json(
	    view,
	    "{\"cluster\":\"orders\",\"zxid\":4294967298,\"timeline\":7,"
	    "\"system_identifier\":\"77113\",\"promoted_at\":\"2026-11-23T11:07:25Z\","
	    "\"primary\":{\"name\":\"db1\",\"host\":\"10.0.0.1\",\"address\":\"10.0.0.1\","
	    "\"port\":5432,\"endpoint\":\"10.0.0.1:5432\",\"role\":\"primary\","
	    "\"is_primary\":true,\"tags\":{}},"
	    "\"standbys\":[],\"has_standbys\":false,"
	    "\"hold_wait_ms\":120000,\"hold_retries\":2400,"
	    "\"members\":[{\"name\":\"db1\",\"host\":\"10.0.0.1\",\"address\":\"10.0.0.1\","
	    "\"port\":5432,\"endpoint\":\"10.0.0.1:5432\",\"role\":\"primary\","
	    "\"is_primary\":true,\"tags\":{},\"index\":0,\"number\":1,\"first\":true,\"last\":true}],"
	    "\"slots\":[{\"slot\":1},{\"slot\":2},{\"slot\":3},{\"slot\":4}],"
	    "\"target\":{\"name\":\"local\",\"kind\":\"haproxy\","
	    "\"template\":\"/etc/segue/h.mustache\","
	    "\"output\":\"/etc/haproxy/conf.d/orders.cfg\"},\"vars\":{}}");
	json_decref(view);
	topology_fini(&topology);
}

Test(view, leaves_out_what_is_not_known)
{
	static const char *const optional[] = {"timeline", "system_identifier", "promoted_at",
	                                       "publisher", "primary"};
	struct config_target target = plain_target();
	struct topology topology;
	json_t *view;

	make(&topology, (const char *const[]){"", "db2", NULL});
	topology.standbys[0].lag_bytes = 0;
	view = build(&topology, &target);
	for (size_t i = 0; i < ARRAY_LEN(optional); i++)
		cr_expect_null(json_object_get(view, optional[i]), "%s", optional[i]);
	check_list(view, "standbys", "lag_bytes", "0");
	check_list(view, "members", "role", "\"standby\"");
	json_decref(view);
	topology_fini(&topology);
}

/* So that a section asks the standby's own ones, and never those of a server around it. */
Test(view, every_server_has_tags_if_only_none)
{
	struct config_target target = plain_target();
	struct topology topology;
	json_t *view;

	make(&topology, (const char *const[]){"db1", "db2", "db3", NULL});
	cr_assert(topology_set_tags(&topology.primary, "{\"zone\":\"a\"}"));
	cr_assert(topology_set_tags(&topology.standbys[1], "{\"reporting\":true,\"weight\":7}"));
	view = build(&topology, &target);
	check_list(view, "members", "tags",
	           "{\"zone\": \"a\"} {} {\"reporting\": true, \"weight\": 7}");
	check_list(view, "standbys", "tags", "{} {\"reporting\": true, \"weight\": 7}");
	json_decref(view);
	topology_fini(&topology);
}

/* Patroni's may hold any letters, and a template may make a server or a database of each. */
Test(view, names_are_such_that_the_proxy_takes_them)
{
	struct config_target target = plain_target();
	struct topology topology;
	json_t *view;

	make(&topology, (const char *const[]){"db 1", "db:201", "db*201", "", NULL});
	fill(&topology.standbys[2], "", "2001:db8::9", "2001:db8::9");
	view = build(&topology, &target);
	check_list(view, "members", "name", "\"db:201\" \"2001:db8::9\" \"db:2a201\" \"db:3a201\"");
	json_decref(view);
	target.kind = CONFIG_TARGET_PGBOUNCER;
	view = build(&topology, &target);
	check_list(view, "slots", "name", "\"2001:db8::9\" - \"db*2a201\" \"db*3a201\"");
	json_decref(view);
	target.kind = CONFIG_TARGET_FILE;
	view = build(&topology, &target);
	check_list(view, "members", "name", "\"db 1\" \"2001:db8::9\" \"db*201\" \"db:201\"");
	json_decref(view);
	topology_fini(&topology);
}

Test(view, standbys_have_one_port_or_none_for_all)
{
	struct config_target target = plain_target();
	struct topology topology;
	json_t *view;

	make(&topology, (const char *const[]){"db1", "db2", "db3", NULL});
	topology.standbys[0].port = topology.standbys[1].port = 6000;
	view = build(&topology, &target);
	cr_expect_eq(json_integer_value(json_object_get(view, "standbys_port")), 6000);
	json_decref(view);
	topology.standbys[1].port = 6001;
	view = build(&topology, &target);
	cr_expect_null(json_object_get(view, "standbys_port"));
	json_decref(view);
	topology_fini(&topology);
}

Test(view, who_is_not_to_be_read_leaves_the_read_only_pool_and_keeps_its_slot)
{
	struct config_target target = plain_target();
	struct topology topology;
	json_t *view;

	make(&topology, (const char *[]){"db1", "db2", "db3", NULL});
	topology.standbys[0].no_reads = true;
	topology.standbys[0].port = 6432;
	view = build(&topology, &target);
	check_list(view, "standbys", "name", "\"db3\"");
	check_list(view, "standbys", "number", "1");
	check_list(view, "members", "name", "\"db1\" \"db2\" \"db3\"");
	check_list(view, "members", "unread", "- true -");
	cr_expect_eq(json_integer_value(json_object_get(view, "standbys_port")), 5432);
	cr_expect_null(
	    json_object_get(json_array_get(json_object_get(view, "slots"), 1), "server"));
	cr_expect_not_null(
	    json_object_get(json_array_get(json_object_get(view, "slots"), 2), "server"));
	json_decref(view);
	topology.standbys[1].no_reads = true;
	view = build(&topology, &target);
	check_list(view, "standbys", "name", "");
	cr_expect(json_is_false(json_object_get(view, "has_standbys")));
	cr_expect_null(json_object_get(view, "standbys_port"));
	json_decref(view);
	topology_fini(&topology);
}

Test(view, lists_servers_by_name_whatever_the_order_of_the_store)
{
	struct config_target target = plain_target();
	struct topology topology;
	json_t *view;

	make(&topology, (const char *const[]){"db2", "db4", "db1", "db3", NULL});
	view = build(&topology, &target);
	check_list(view, "standbys", "name", "\"db1\" \"db3\" \"db4\"");
	check_list(view, "standbys", "index", "0 1 2");
	check_list(view, "standbys", "number", "1 2 3");
	check_list(view, "standbys", "first", "true false false");
	check_list(view, "standbys", "last", "false false true");
	check_list(view, "members", "name", "\"db2\" \"db1\" \"db3\" \"db4\"");
	check_list(view, "members", "is_primary", "true false false false");
	check_list(view, "members", "last", "false false false true");
	cr_expect(json_is_true(json_object_get(view, "has_standbys")));
	cr_expect_eq(json_integer_value(json_object_get(view, "standbys_port")), 5432);
	json_decref(view);
	topology_fini(&topology);
}

Test(view, a_standby_keeps_its_slot_when_the_primary_moves)
{
	struct config_target target = plain_target();
	struct topology before, after;
	json_t *view;

	make(&before, (const char *const[]){"db1", "db2", "db3", NULL});
	make(&after, (const char *const[]){"db3", "db1", "db2", NULL});
	view = build(&before, &target);
	check_list(view, "slots", "name", "- \"db2\" \"db3\" -");
	json_decref(view);
	view = build(&after, &target);
	check_list(view, "slots", "name", "\"db1\" \"db2\" - -");
	json_decref(view);
	topology_fini(&before);
	topology_fini(&after);
}

Test(view, a_standby_keeps_its_slot_when_the_old_primary_leaves)
{
	struct config_target target = plain_target();
	struct topology topology, next;
	json_t *view;

	make(&topology, (const char *const[]){"db1", "db2", "db3", "db4", "db5", NULL});
	topology_assign_slots(&topology, NULL);
	make(&next, (const char *const[]){"db2", "db3", "db5", NULL});
	topology_follow(&topology, &next);
	view = build(&topology, &target);
	check_list(view, "slots", "name", "- - \"db3\" - \"db5\"");
	check_list(view, "standbys", "name", "\"db3\" \"db5\"");
	json_decref(view);
	topology_fini(&topology);
	topology_fini(&next);
}

Test(view, a_member_without_a_slot_gets_one_that_is_free)
{
	struct config_target target = plain_target();
	struct topology topology;
	json_t *view;

	make(&topology, (const char *const[]){"db1", "db2", "db3", NULL});
	topology.standbys[1].slot = 1;
	view = build(&topology, &target);
	check_list(view, "slots", "name", "\"db3\" - \"db2\" -");
	json_decref(view);
	topology_fini(&topology);
}

Test(view, slots_are_never_fewer_than_members)
{
	struct config_var var = {.name = (char *)"slots", .value = (char *)"2"};
	struct config_target target = plain_target();
	struct topology topology;
	json_t *view;

	make(&topology, (const char *const[]){"db1", "db2", "db3", "db4", NULL});
	target.vars = &var;
	target.var_count = 1;
	view = build(&topology, &target);
	check_list(view, "slots", "name", "- \"db2\" \"db3\" \"db4\"");
	json_decref(view);
	var.value = (char *)"6";
	view = build(&topology, &target);
	check_list(view, "slots", "name", "- \"db2\" \"db3\" \"db4\" - -");
	json_decref(view);
	topology_fini(&topology);
}

Test(view, slots_out_of_range_are_refused)
{
	static const char *const bad[] = {
	    "0", "65", "-1", "many", "", "4x", "99999999999999999999"};
	struct config_var var = {.name = (char *)"slots", .value = NULL};
	struct config_target target = plain_target();
	struct topology topology;

	make(&topology, (const char *const[]){"db1", NULL});
	target.vars = &var;
	target.var_count = 1;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err;
		auto_strbuf struct strbuf want = STRBUF_INIT;

		var.value = (char *)bad[i];
		strbuf_printf(&want, "[haproxy local] var.slots: '%s': 1 to 64 is allowed", bad[i]);
		cr_expect_null(view_build(&cluster, &target, &topology, &err));
		cr_expect_str_eq(err.message, want.data);
	}
	topology_fini(&topology);
}

Test(view, endpoints_of_IPv6_have_brackets)
{
	struct config_target target = plain_target();
	struct topology topology;
	json_t *view;

	make(&topology, (const char *const[]){"db1", "db2", NULL});
	fill(&topology.primary, "db1", "db1.example", "2001:db8::5");
	fill(&topology.standbys[0], "", "db2.example", "");
	view = build(&topology, &target);
	check_list(view, "members", "endpoint", "\"[2001:db8::5]:5432\" \"db2.example:5432\"");
	check_list(view, "members", "address", "\"2001:db8::5\" \"db2.example\"");
	check_list(view, "members", "name", "\"db1\" \"db2.example\"");
	json_decref(view);
	topology_fini(&topology);
}

Test(view, servers_without_a_name_or_with_the_same_have_an_order)
{
	struct config_target target = plain_target();
	struct topology topology;
	json_t *view;

	make(&topology, (const char *const[]){"db1", "db2", "db3", "db4", NULL});
	fill(&topology.standbys[0], "db", "10.0.0.9", "10.0.0.9");
	fill(&topology.standbys[1], "db", "10.0.0.8", "10.0.0.8");
	fill(&topology.standbys[2], "db", "10.0.0.8", "10.0.0.8");
	topology.standbys[1].port = 5433;
	view = build(&topology, &target);
	check_list(view, "standbys", "endpoint",
	           "\"10.0.0.8:5432\" \"10.0.0.8:5433\" \"10.0.0.9:5432\"");
	json_decref(view);
	topology_fini(&topology);
}

Test(view, has_vars_and_environment)
{
	struct config_var vars[] = {{.name = (char *)"maxconn", .value = (char *)"100"},
	                            {.name = (char *)"none", .value = (char *)""}};
	struct config_target target = plain_target();
	struct topology topology;
	json_t *view, *env;

	make(&topology, (const char *const[]){"db1", NULL});
	target.vars = vars;
	target.var_count = ARRAY_LEN(vars);
	setenv("SEGUE_TEST_VIEW", "a=b \xff", 1);
	view = build(&topology, &target);
	check_json(json_object_get(view, "vars"), "{\"maxconn\":\"100\",\"none\":\"\"}");
	env = json_object_get(view, "env");
	cr_expect_str_eq(json_string_value(json_object_get(env, "SEGUE_TEST_VIEW")), "a=b \xff");
	json_decref(view);
	topology_fini(&topology);
}

/* The wait of a HAProxy: the longest hold and 30 s, in tries that are min(1 s, timeout connect)
 * apart. It does not follow the topology: the text would need a reload. */
Test(view, how_long_a_client_has_to_be_able_to_wait)
{
	static const struct {
		enum config_layout layout;
		int64_t hold_timeout_ms;
		const char *connect;
		json_int_t wait_ms, retries;
	} cases[] = {
	    {CONFIG_LAYOUT_SEGUE, 30000, NULL, 60000, 1200},
	    {CONFIG_LAYOUT_SEGUE, 0, NULL, 120000, 2400},
	    {CONFIG_LAYOUT_PATRONI, 0, NULL, 330000, 6600},
	    {CONFIG_LAYOUT_PATRONI, 30000, "100ms", 60000, 600},
	    {CONFIG_LAYOUT_SEGUE, 30000, "4s", 60000, 60},
	    {CONFIG_LAYOUT_SEGUE, 30000, "700", 60000, 86},
	    {CONFIG_LAYOUT_SEGUE, 30000, "soon", 60000, 1200},
	    {CONFIG_LAYOUT_SEGUE, 30000, "0", 60000, 1200},
	};
	const char *const names[] = {"db1", NULL};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct config_var var = {.name = (char *)"timeout_connect",
		                         .value = (char *)cases[i].connect};
		struct config_target target = plain_target();
		struct topology topology;
		json_t *view;

		cluster.layout = cases[i].layout;
		cluster.hold_timeout_ms = cases[i].hold_timeout_ms;
		target.vars = &var;
		target.var_count = cases[i].connect != NULL;
		make(&topology, names);
		topology.times = (struct manager_times){.ttl = 40, .loop_wait = 5};
		view = build(&topology, &target);
		cr_expect_eq(json_integer_value(json_object_get(view, "hold_wait_ms")),
		             cases[i].wait_ms, "%zu", i);
		cr_expect_eq(json_integer_value(json_object_get(view, "hold_retries")),
		             cases[i].retries, "%zu", i);
		json_decref(view);
		topology_fini(&topology);
	}
}
