/* Escaping, a language at a time. */
#include <criterion/criterion.h>
#include <string.h>

#include "render/escape.h"

struct escape_case {
	const char *value, *want;
};

static void check(enum escape_mode mode, const struct escape_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		auto_strbuf struct strbuf out = STRBUF_INIT;
		struct err err;

		cr_expect(escape_append(&out, mode, cases[i].value, strlen(cases[i].value), &err),
		          "'%s': %s", cases[i].value, err.message);
		cr_expect_str_eq(out.data, cases[i].want, "'%s': got '%s', want '%s'",
		                 cases[i].value, out.data, cases[i].want);
	}
}

/* Every control character but the tab. */
static void check_refused(enum escape_mode mode, const char *where)
{
	for (int c = 0; c <= 0x7f; c++) {
		char value[3] = {'a', (char)c, 'b'};
		auto_strbuf struct strbuf out = STRBUF_INIT, want = STRBUF_INIT;
		struct err err = {0};
		bool control = (c < 0x20 && c != '\t') || c == 0x7f;

		strbuf_printf(
		    &want,
		    "contains the control character \\x%02x at byte 2, which is not allowed in %s",
		    (unsigned)c, where);
		cr_expect_eq(escape_append(&out, mode, value, sizeof(value), &err), !control,
		             "\\x%02x", (unsigned)c);
		cr_expect_str_eq(err.message, control ? want.data : "");
		cr_expect(!control || out.len == 0, "\\x%02x left '%s'", (unsigned)c, out.data);
	}
}

Test(escape, haproxy_keeps_a_value_one_argument)
{
	static const struct escape_case cases[] = {
	    {"db1.example.com", "db1.example.com"},
	    {"a b", "a\\ b"},
	    {"a\tb", "a\\tb"},
	    {"#1", "\\#1"},
	    {"a\\b", "a\\\\b"},
	    {"it's", "it\\'s"},
	    {"\"x\"", "\\\"x\\\""},
	    {"$HOME ${HOME}", "\\x24HOME\\ \\x24{HOME}"},
	    {"M\xc3\xbc\xff", "M\xc3\xbc\xff"},
	    {"[::1]:5432,%[src]", "[::1]:5432,%[src]"},
	};

	check(ESCAPE_HAPROXY, cases, ARRAY_LEN(cases));
}

Test(escape, haproxy_refuses_control_characters)
{
	check_refused(ESCAPE_HAPROXY, "a HAProxy config line");
}

Test(escape, haproxy_refuses_an_empty_value)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;
	struct err err;

	cr_assert_not(escape_append(&out, ESCAPE_HAPROXY, "", 0, &err));
	cr_assert_str_eq(
	    err.message,
	    "is empty: a HAProxy config line cannot have an empty argument; "
	    "put it into a section {{#name}}...{{/name}}, so that it is left out when the "
	    "value is missing");
}

Test(escape, pgbouncer_quotes_what_needs_it)
{
	static const struct escape_case cases[] = {
	    {"10.0.0.1", "10.0.0.1"},
	    {"fe80::1", "fe80::1"},
	    {"/var/run/postgresql", "/var/run/postgresql"},
	    {"two words", "'two words'"},
	    {"a\tb", "'a\tb'"},
	    {"it's", "'it''s'"},
	    {"''", "''''''"},
	    {"a\\b", "'a\\b'"},
	    {"x user=postgres", "'x user=postgres'"},
	    {"M\xc3\xbc", "'M\xc3\xbc'"},
	    {"a;b#c", "'a;b#c'"},
	};

	check(ESCAPE_PGBOUNCER, cases, ARRAY_LEN(cases));
}

Test(escape, pgbouncer_refuses_an_empty_value)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;
	struct err err;

	cr_assert_not(escape_append(&out, ESCAPE_PGBOUNCER, "", 0, &err));
	cr_expect_not_null(strstr(err.message, "is empty: PgBouncer refuses"), "%s", err.message);
}

Test(escape, pgbouncer_refuses_control_characters)
{
	check_refused(ESCAPE_PGBOUNCER, "a PgBouncer connect string");
}

static void check_name(enum escape_mode mode, const char *name, const char *want)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;

	escape_name(&out, mode, name);
	cr_expect_str_eq(out.data, want);
}

/* A server's in HAProxy, a database's in PgBouncer. */
Test(escape, a_name_of_any_letters_becomes_one_that_the_proxy_takes)
{
	static const struct {
		const char *name, *haproxy, *pgbouncer;
	} cases[] = {
	    {"db1.example-2_A", "db1.example-2_A", "db1.example-2_A"},
	    {"pg 1", "pg:201", "pg*201"},
	    {"pg:201", "pg:3a201", "pg*3a201"},
	    {"pg*201", "pg:2a201", "pg*2a201"},
	    {"M\xc3\xbc/#'\"", "M:c3:bc:2f:23:27:22", "M*c3*bc*2f*23*27*22"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_name(ESCAPE_HAPROXY, cases[i].name, cases[i].haproxy);
		check_name(ESCAPE_PGBOUNCER, cases[i].name, cases[i].pgbouncer);
		check_name(ESCAPE_NONE, cases[i].name, cases[i].name);
	}
}

Test(escape, html_has_five_entities)
{
	static const struct escape_case cases[] = {
	    {"<a href=\"x\">'&'</a>", "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;"},
	    {"a\nb\tc", "a\nb\tc"},
	    {"", ""},
	};

	check(ESCAPE_HTML, cases, ARRAY_LEN(cases));
}

Test(escape, none_changes_nothing)
{
	static const char bytes[] = "a\0\n\"'\\$<&\x7f\xff";
	auto_strbuf struct strbuf out = STRBUF_INIT;
	struct err err;

	cr_assert(escape_append(&out, ESCAPE_NONE, bytes, sizeof(bytes), &err));
	cr_assert_eq(out.len, sizeof(bytes));
	cr_assert_eq(memcmp(out.data, bytes, sizeof(bytes)), 0);
}

Test(escape, modes_have_names)
{
	enum escape_mode mode = ESCAPE_NONE;

	cr_assert(escape_mode_parse("haproxy", &mode) && mode == ESCAPE_HAPROXY);
	cr_assert(escape_mode_parse("pgbouncer", &mode) && mode == ESCAPE_PGBOUNCER);
	cr_assert(escape_mode_parse("html", &mode) && mode == ESCAPE_HTML);
	cr_assert(escape_mode_parse("none", &mode) && mode == ESCAPE_NONE);
	cr_assert_not(escape_mode_parse("HTML", &mode));
	cr_assert_not(escape_mode_parse("", &mode));
}
