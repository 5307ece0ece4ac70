/* Layout segue: the publisher's JSON. */
#include "layout_helper.h"
#include "topology/layout_fields.h"

#define MASTER                                                                                          \
	"{\"version\":1,\"primary\":{\"name\":\"db1\",\"host\":\"10.0.0.1\",\"port\":5432},"            \
	"\"standbys\":[{\"name\":\"db2\",\"host\":\"db2.example.com\",\"port\":5433,\"lag_bytes\":0}]," \
	"\"system_identifier\":\"7711312345678901234\",\"timeline\":2,"                                 \
	"\"promoted_at\":\"2026-11-23T11:07:25Z\",\"publisher\":\"db1\"}"

static struct topology accept(const char *text)
{
	return helper_accept_bytes(CONFIG_LAYOUT_SEGUE, text, strlen(text));
}

static void refuse(const char *text, const char *message_part)
{
	helper_refuse_bytes(CONFIG_LAYOUT_SEGUE, text, strlen(text), message_part);
}

/* With `primary` and `rest` put into an otherwise good document. */
static void refuse_with(const char *primary, const char *rest, const char *message_part)
{
	auto_free char *text = xasprintf("{\"version\":1,\"primary\":%s%s}", primary, rest);

	refuse(text, message_part);
}

static struct topology accept_with(const char *primary, const char *rest)
{
	auto_free char *text = xasprintf("{\"version\":1,\"primary\":%s%s}", primary, rest);

	return accept(text);
}

Test(layout_segue, every_key_is_read)
{
	struct topology t = accept(MASTER);

	cr_assert(t.has_primary);
	cr_assert_str_eq(t.primary.name, "db1");
	cr_assert_str_eq(t.primary.host, "10.0.0.1");
	cr_assert_str_eq(t.primary.address, "10.0.0.1");
	cr_assert_eq(t.primary.port, 5432);
	cr_assert_eq(t.primary.lag_bytes, -1);
	cr_assert_eq(t.standby_count, 1);
	cr_assert_str_eq(t.standbys[0].name, "db2");
	cr_assert_str_eq(t.standbys[0].host, "db2.example.com");
	cr_assert_str_eq(t.standbys[0].address, "");
	cr_assert_eq(t.standbys[0].port, 5433);
	cr_assert_eq(t.standbys[0].lag_bytes, 0);
	cr_assert_str_eq(t.system_identifier, "7711312345678901234");
	cr_assert_eq(t.timeline, 2);
	cr_assert_str_eq(t.promoted_at, "2026-11-23T11:07:25Z");
	cr_assert_str_eq(t.publisher, "db1");
	topology_fini(&t);
}

Test(layout_segue, encode_is_the_inverse)
{
	struct topology t = accept(MASTER);
	auto_strbuf struct strbuf text = STRBUF_INIT;

	layout_segue_encode(&t, &text);
	cr_assert_str_eq(text.data, MASTER);
	topology_fini(&t);
}

Test(layout_segue, null_primary_is_nobody)
{
	struct topology t = accept("{\"version\":1,\"primary\":null}");
	auto_strbuf struct strbuf text = STRBUF_INIT;

	cr_assert_not(t.has_primary);
	cr_assert_eq(t.standby_count, 0);
	cr_assert_eq(t.timeline, 0);
	layout_segue_encode(&t, &text);
	cr_assert_str_eq(text.data, "{\"version\":1,\"primary\":null,\"standbys\":[]}");
	topology_fini(&t);
}

Test(layout_segue, unknown_keys_and_nulls_are_ignored)
{
	struct topology t = accept_with(
	    "{\"host\":\"db1\",\"port\":1,\"name\":null,\"zone\":\"a\"}",
	    ",\"x\":{\"y\":[]},\"standbys\":null,\"timeline\":null,\"system_identifier\":null,"
	    "\"promoted_at\":null,\"publisher\":null");

	cr_assert_str_eq(t.primary.host, "db1");
	cr_assert_str_eq(t.primary.name, "");
	topology_fini(&t);
}

Test(layout_segue, a_null_by_hand_needs_no_version)
{
	struct topology t = accept("{\"primary\": null, \"reason\": \"planned\"}");

	cr_assert_not(t.has_primary);
	cr_assert_str_eq(t.none_since, "");
	topology_fini(&t);
}

Test(layout_segue, a_persons_word_is_read_and_written)
{
	struct topology t =
	    accept_with("{\"host\":\"db1\",\"port\":1}",
	                ",\"timeline\":1,\"set_by\":{\"id\":\"5f01\",\"who\":\"alice@p1\","
	                "\"at\":\"2026-11-23T10:00:00Z\",\"timeline\":1,\"more\":[]}");
	auto_strbuf struct strbuf text = STRBUF_INIT;

	cr_assert_str_eq(t.set_by.id, "5f01");
	cr_assert_str_eq(t.set_by.who, "alice@p1");
	cr_assert_str_eq(t.set_by.at, "2026-11-23T10:00:00Z");
	cr_assert_eq(t.set_by.timeline, 1);
	cr_assert(topology_is_set(&t));
	layout_segue_encode(&t, &text);
	cr_assert_not_null(strstr(text.data, "\"set_by\":{\"id\":\"5f01\",\"who\":\"alice@p1\","
	                                     "\"at\":\"2026-11-23T10:00:00Z\",\"timeline\":1}"),
	                   "%s", text.data);
	topology_fini(&t);
}

Test(layout_segue, a_bad_word_of_a_person_is_refused)
{
	refuse_with("null", ",\"set_by\":7", "set_by is an integer");
	refuse_with("null", ",\"set_by\":{}", "set_by.id is missing");
	refuse_with("null", ",\"set_by\":{\"id\":\"a b\"}", "set_by.id");
	refuse_with("null", ",\"set_by\":{\"id\":\"a\",\"who\":\"\\n\"}", "set_by.who");
	refuse_with("null", ",\"set_by\":{\"id\":\"a\",\"at\":\"now\"}", "set_by.at");
	refuse_with("null", ",\"set_by\":{\"id\":\"a\",\"timeline\":0}", "set_by.timeline");
}

Test(layout_segue, other_versions_are_refused)
{
	refuse("{\"version\":2,\"primary\":null}", "version 2: this segue reads version 1");
	refuse("{\"version\":0,\"primary\":null}", "version 0: this segue");
	refuse("{\"primary\":{\"host\":\"10.0.0.1\",\"port\":5432}}", "version is missing");
	refuse("{\"version\":\"1\",\"primary\":null}", "version is a string");
	refuse("{\"version\":1.0,\"primary\":null}", "version is a fraction");
}

Test(layout_segue, what_is_no_document_is_refused)
{
	refuse("", "the znode is empty");
	refuse(" \n", "the znode is empty");
	refuse("[]", "the JSON is an array");
	refuse("db1:5432", "no JSON");
	refuse(MASTER "x", "no JSON");
	refuse("{\"version\":1", "no JSON");
	refuse("{\"version\":1,\"version\":1,\"primary\":null}", "no JSON: duplicate object key");
	refuse("{\"version\":1}", "primary is missing");
	refuse("{\"version\":1,\"primary\":null,\"x\":\"\\u0000\"}", "no JSON");
	refuse("{\"version\":1,\"primary\":null,\"x\":\"\xff\"}", "no JSON");
	refuse("{\"version\":1,\"primary\":null,\"timeline\":99999999999999999999}", "no JSON");
	helper_refuse_bytes(CONFIG_LAYOUT_SEGUE, MASTER, sizeof(MASTER), "no JSON");
}

Test(layout_segue, deep_nesting_is_refused)
{
	char text[LAYOUT_VALUE_MAX];

	memset(text, '[', sizeof(text));
	helper_refuse_bytes(CONFIG_LAYOUT_SEGUE, text, sizeof(text), "maximum parsing depth");
}

Test(layout_segue, a_primary_needs_a_place)
{
	refuse_with("\"db1\"", "", "primary is a string: an object or null is allowed");
	refuse_with("{}", "", "primary.host is missing");
	refuse_with("{\"host\":\"db1\"}", "", "primary.port is missing");
	refuse_with("{\"name\":\"db9\",\"port\":1}", "", "primary.name \"db9\": unknown");
	refuse_with("{\"host\":1,\"port\":1}", "", "primary.host is an integer");
	refuse_with("{\"host\":\"\",\"port\":1}", "", "primary.host \"\": empty");
	refuse_with("{\"host\":\"0.0.0.0\",\"port\":1}", "", "not the address of one server");
	refuse_with("{\"host\":\"10.0.0.256\",\"port\":1}", "", "looks like an IPv4 address");
	refuse_with("{\"host\":\"[::1]\",\"port\":1}", "", "brackets");
	refuse_with("{\"host\":\"db1\\n\",\"port\":1}", "",
	            "primary.host \"db1\\n\": no host name");
	refuse_with("{\"host\":\"db1\",\"port\":0}", "", "primary.port is 0: 1 to 65535");
	refuse_with("{\"host\":\"db1\",\"port\":65536}", "", "primary.port is 65536");
	refuse_with("{\"host\":\"db1\",\"port\":-1}", "", "primary.port is -1");
	refuse_with("{\"host\":\"db1\",\"port\":\"1\"}", "", "primary.port is a string");
	refuse_with("{\"host\":\"db1\",\"port\":1,\"name\":\"a b\"}", "", "primary.name \"a b\"");
	refuse_with("{\"host\":\"db1\",\"port\":1,\"name\":\"\"}", "", "primary.name \"\"");
	refuse_with("{\"host\":\"db1\",\"port\":1,\"lag_bytes\":-1}", "",
	            "primary.lag_bytes is -1");
}

Test(layout_segue, a_known_name_gives_the_place)
{
	struct topology t =
	    accept_with("{\"name\":\"node2\"}", ",\"standbys\":[{\"name\":\"v6\"}]");

	cr_assert_str_eq(t.primary.name, "node2");
	cr_assert_str_eq(t.primary.host, "db2.example.com");
	cr_assert_eq(t.primary.port, 6432);
	cr_assert_str_eq(t.standbys[0].address, "2001:db8::1");
	topology_fini(&t);
	t = accept_with("{\"name\":\"node2\",\"port\":7}", "");
	cr_assert_eq(t.primary.port, 7);
	topology_fini(&t);
	t = accept_with("{\"name\":\"node2\",\"host\":\"elsewhere\",\"port\":7}", "");
	cr_assert_str_eq(t.primary.host, "elsewhere");
	topology_fini(&t);
}

Test(layout_segue, an_unknown_name_is_refused_with_the_known_ones)
{
	static struct config_node node = {(char *)"n", (char *)"h", 1}, many[20];
	struct config_cluster cluster = helper_cluster(CONFIG_LAYOUT_SEGUE);
	struct member member = {.port = 0};
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = node;
	cluster.nodes = many;
	cluster.node_count = ARRAY_LEN(many);
	cr_assert_not(layout_member_set_node(&member, "name", &cluster, "db9", &err));
	cr_assert_not_null(strstr(err.message, "node.n, node.n, ..."), "%s", err.message);
	cluster.node_count = 0;
	cr_assert_not(layout_member_set_node(&member, "name", &cluster, "db9", &err));
	cr_assert_not_null(strstr(err.message, "no node.NAME setting"), "%s", err.message);
}

Test(layout_segue, optional_keys_are_typed_and_bounded)
{
	refuse_with("null", ",\"timeline\":0", "timeline is 0: 1 to 4294967295");
	refuse_with("null", ",\"timeline\":4294967296", "timeline is 4294967296");
	refuse_with("null", ",\"timeline\":true", "timeline is a boolean");
	refuse_with("null", ",\"system_identifier\":7", "system_identifier is an integer");
	refuse_with("null", ",\"system_identifier\":\"\"", "1 to 20 decimal digits");
	refuse_with("null", ",\"system_identifier\":\"123456789012345678901\"", "1 to 20 decimal");
	refuse_with("null", ",\"system_identifier\":\"0x7\"", "1 to 20 decimal digits");
	refuse_with("null", ",\"promoted_at\":\"yesterday\"", "promoted_at \"yesterday\": no time");
	refuse_with("null", ",\"promoted_at\":\"2026-11-23T11:07:25+00:00\"", "no time");
	refuse_with("null", ",\"publisher\":\"a\\u001b\"", "publisher \"a\\x1b\": no name");
	refuse_with("null", ",\"publisher\":[]", "publisher is an array");
}

Test(layout_segue, a_server_has_one_role)
{
	const char *primary = "{\"name\":\"a\",\"host\":\"::1\",\"port\":1}";

	refuse_with(primary, ",\"standbys\":[{\"name\":\"a\",\"host\":\"b\",\"port\":1}]",
	            "standbys[0] is the primary");
	refuse_with(primary, ",\"standbys\":[{\"host\":\"0::1\",\"port\":1}]",
	            "standbys[0] is the primary");
	refuse_with(primary,
	            ",\"standbys\":[{\"host\":\"b\",\"port\":1},{\"host\":\"B\",\"port\":1}]",
	            "standbys[1] is the same server as standbys[0]");
	refuse_with(primary, ",\"standbys\":[{\"host\":\"b\"}]", "standbys[0].port is missing");
	refuse_with(primary, ",\"standbys\":[null]", "a standby is null");
	refuse_with(primary, ",\"standbys\":{}", "standbys is an object");
}

static char *many_standbys(int count)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_append_str(&text, ",\"standbys\":[");
	for (int i = 0; i < count; i++)
		strbuf_printf(&text, "%s{\"host\":\"b%dx\",\"port\":1}", i > 0 ? "," : "", i);
	strbuf_append_str(&text, "]");
	return strbuf_detach(&text);
}

Test(layout_segue, too_many_standbys_are_refused)
{
	auto_free char *most = many_standbys(TOPOLOGY_STANDBYS_MAX);
	auto_free char *more = many_standbys(TOPOLOGY_STANDBYS_MAX + 1);
	struct topology t = accept_with("null", most);

	cr_assert_eq(t.standby_count, TOPOLOGY_STANDBYS_MAX);
	topology_fini(&t);
	refuse_with("null", more, "65 standbys: at most 64 are allowed");
}

Test(layout_segue, errors_never_show_a_password)
{
	refuse_with("{\"host\":\"postgres://u:hunter2@h\",\"port\":1}", "",
	            "primary.host: no IPv6");
}

Test(layout, paths)
{
	struct config_cluster cluster = helper_cluster(CONFIG_LAYOUT_SEGUE);
	auto_free char *master = layout_master_path(&cluster);
	auto_free char *presence = layout_presence_path(&cluster);
	auto_free char *plain_master = NULL, *plain_presence = NULL, *root_master = NULL;
	auto_free char *fleet = NULL;

	cr_assert_str_eq(master, "/segue/orders/master");
	cr_assert_str_eq(presence, "/segue/orders/publishers");
	cluster.path = (char *)"/";
	root_master = layout_master_path(&cluster);
	cr_assert_str_eq(root_master, "/master");
	cluster = helper_cluster(CONFIG_LAYOUT_PLAIN);
	cluster.name = (char *)"sales";
	fleet = layout_fleet_path(&cluster);
	cr_assert_str_eq(fleet, "/segue/sales/sidecars");
	plain_master = layout_master_path(&cluster);
	plain_presence = layout_presence_path(&cluster);
	cr_assert_str_eq(plain_master, "/segue/orders");
	cr_assert_str_eq(plain_presence, "/segue/orders");
}
