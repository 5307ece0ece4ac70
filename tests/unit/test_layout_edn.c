/* Layout plain: Agrajag's EDN map. */
#include "layout_helper.h"

static struct topology accept(const char *text)
{
	struct topology t = helper_accept_bytes(CONFIG_LAYOUT_PLAIN, text, strlen(text));

	cr_assert_str_eq(t.primary.name, "node2", "%s", text);
	cr_assert_str_eq(t.primary.host, "db2.example.com");
	cr_assert_eq(t.primary.port, 6432);
	return t;
}

static void refuse(const char *text, const char *message_part)
{
	helper_refuse_bytes(CONFIG_LAYOUT_PLAIN, text, strlen(text), message_part);
}

static void accept_time(const char *instant, const char *utc)
{
	auto_free char *text =
	    xasprintf("{:event-timestamp #inst \"%s\" :name \"node2\"}", instant);
	struct topology t = accept(text);

	cr_assert_str_eq(t.promoted_at, utc, "%s", t.promoted_at);
	topology_fini(&t);
}

Test(layout_edn, what_agrajag_writes)
{
	struct topology t = accept("{:node-id 2, :event-timestamp #inst "
	                           "\"2015-03-16T13:48:00.000-00:00\", :name \"node2\"}");

	cr_assert_str_eq(t.promoted_at, "2015-03-16T13:48:00.000Z");
	topology_fini(&t);
}

Test(layout_edn, everything_else_is_stepped_over)
{
	static const char *const texts[] = {
	    "{:name \"node2\"}\n",
	    " {,,:name,\"node2\",} ; the end",
	    "{:name \"n\\u006fde2\"}",
	    "{:a nil :b true :c [1 2.5 (x y)] :d #{1 2} :e {:name \"node1\"} :name \"node2\"}",
	    "{:a \\} :b \\newline :name \"node2\" :event-timestamp nil}",
	    "{#_ :name #_ \"node1\" :name ;\"node1\"\n \"node2\"}",
	    "{:uuid #uuid \"x\" :s \"\\t\\n\\r\\b\\f\\\\\\\"\\u20ac\\u00e4}\" :name \"node2\"}",
	    "{\"name\" 1 [1] 2 :names 3 :x/name \"node1\" :name \"node2\"}",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct topology t = accept(texts[i]);

		cr_assert_str_eq(t.promoted_at, "");
		topology_fini(&t);
	}
}

Test(layout_edn, times_become_utc)
{
	accept_time("2015-03-16T13:48:00Z", "2015-03-16T13:48:00Z");
	accept_time("2015-03-16T00:30:00.5+01:00", "2015-03-15T23:30:00.5Z");
	accept_time("2015-12-31T23:30:00-01:30", "2016-01-01T01:00:00Z");
	accept_time("2016-02-29T12:00:00-00:00", "2016-02-29T12:00:00Z");
}

Test(layout_edn, broken_times_are_refused)
{
	static const char *const instants[] = {
	    "2015",
	    "2015-02-29T12:00:00Z",
	    "2015-13-01T12:00:00Z",
	    "2015-03-16T24:00:00Z",
	    "2015-03-16T13:48:00",
	    "2015-03-16T13:48:00.Z",
	    "2015-03-16T13:48:00.0123456789Z",
	    "2015-03-16T13:48:00Zx",
	    "1970-01-01T00:00:00+01:00",
	    "9999-12-31T23:59:59-01:00",
	    "2015-03-16 13:48:00Z",
	    "+015-03-16T13:48:00Z",
	};

	for (size_t i = 0; i < ARRAY_LEN(instants); i++) {
		auto_free char *text =
		    xasprintf("{:event-timestamp #inst \"%s\" :name \"node2\"}", instants[i]);

		refuse(text, "no time as in");
	}
}

Test(layout_edn, a_map_that_names_no_known_node_is_refused)
{
	refuse("{}", "the map has no :name");
	refuse("{:name nil}", "the map has no :name");
	refuse("{:name \"\"}", "the map has no :name");
	refuse("{:name \"node9\"}",
	       ":name \"node9\": unknown: segue.ini has node.node1, node.node2");
	refuse("{:name \"10.0.0.1\"}", "unknown");
	refuse("{:name \"node2\\n\"}", "no name");
	refuse("{:name node2}", "byte 7: a string is expected");
	refuse("{:name \"node1\" :name \"node2\"}", "the second value of a key");
	refuse("{:event-timestamp \"2015-03-16T13:48:00Z\" :name \"node2\"}", "#inst");
}

Test(layout_edn, broken_grammar_is_named_by_its_byte)
{
	refuse("{:name \"node2\"", "byte 14: the map is not closed");
	refuse("{:name \"node2\"} x", "byte 16: nothing is allowed after the map");
	refuse("{:name \"node2\"}}", "byte 15: nothing is allowed after the map");
	refuse("{:name \"node2", "byte 13: the map ends inside a string");
	refuse("{:name \"node2\" :a}", "byte 17: a value is expected");
	refuse("{:name \"node2\" :a ]}", "a value is expected");
	refuse("{:name \"\\x\"}", "byte 9:");
	refuse("{:name \"\\u12\"}", "byte 10: four hexadecimal digits");
	refuse("{:name \"\\u0000\"}", "\\u0000 is not allowed");
	refuse("{:name \"node2\" :a #", "the map is not closed");
	refuse("{:name \"node2\" :a \\", "the map is not closed");
	refuse("{:name", "byte 6:");
}

static void refuse_repeated(const char *piece)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;

	strbuf_append_str(&text, "{:a ");
	for (int i = 0; i < 20000; i++)
		strbuf_append_str(&text, piece);
	refuse(text.data, "nested too deeply");
}

Test(layout_edn, deep_nesting_is_refused)
{
	refuse_repeated("[");
	refuse_repeated("{");
	refuse_repeated("#{");
	refuse_repeated("#a ");
	refuse_repeated("#_");
}
