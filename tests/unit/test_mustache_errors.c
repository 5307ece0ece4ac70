/* Mustache: what is refused, and where the message points. */
#include <criterion/criterion.h>
#include <string.h>

#include "render/mustache.h"
#include "unit/mustache_case.h"

Test(mustache_errors, name_line_and_column)
{
	static const struct mustache_case cases[] = {
	    {"unclosed tag", "ab\n  {{name", NULL, NULL,
	     "!t:2:3: tag is not closed: '}}' is missing"},
	    {"unclosed triple", "{{{name}}", NULL, NULL,
	     "!t:1:1: tag is not closed: '}}}' is missing"},
	    {"unclosed delimiters", "{{=<% %>}}", NULL, NULL,
	     "!t:1:1: tag is not closed: '=}}' is missing"},
	    {"unclosed section", "a\n {{#s}}\n{{v}}\n", NULL, NULL,
	     "!t:2:2: {{/s}} is missing: the section is open to the end of the file"},
	    {"unclosed block", "{{$b}}", NULL, NULL,
	     "!t:1:1: {{/b}} is missing: the section is open to the end of the file"},
	    {"unclosed parent", "{{<p}}{{$b}}{{/b}}", NULL, NULL,
	     "!t:1:1: {{/p}} is missing: the section is open to the end of the file"},
	    {"never opened", "x{{/s}}", NULL, NULL,
	     "!t:1:2: {{s}}: this closing tag has no opening tag"},
	    {"crossed", "{{#a}}{{#b}}{{/a}}{{/b}}", NULL, NULL,
	     "!t:1:13: found {{/a}}, expected {{/b}}"},
	    {"no name", "{{}}", NULL, NULL, "!t:1:1: {{}}: a name is missing"},
	    {"no name in a section", "{{# }}{{/ }}", NULL, NULL, "!t:1:1: {{}}: a name is missing"},
	    {"no dynamic name", "{{>*}}", NULL, NULL, "!t:1:1: {{*}}: a name is missing"},
	    {"two words", "{{a b}}", NULL, NULL, "!t:1:1: {{a b}}: a name has no blanks in it"},
	    {"empty part", "{{a..b}}", NULL, NULL,
	     "!t:1:1: {{a..b}}: a dotted name has no empty parts"},
	    {"leading dot", "{{.a}}", NULL, NULL,
	     "!t:1:1: {{.a}}: a dotted name has no empty parts"},
	    {"final dot", "{{a.}}", NULL, NULL, "!t:1:1: {{a.}}: a dotted name has no empty parts"},
	    {"delimiters with =", "{{=<= =>=}}", NULL, NULL,
	     "!t:1:1: delimiters '<= =>': must be two words without '=', as in {{=<% %>=}}"},
	    {"one delimiter", "{{=<%=}}", NULL, NULL,
	     "!t:1:1: delimiters '<%': must be two words without '=', as in {{=<% %>=}}"},
	    {"three delimiters", "{{=a b c=}}", NULL, NULL,
	     "!t:1:1: delimiters 'a b c': must be two words without '=', as in {{=<% %>=}}"},
	    {"section in a parent", "{{<p}}{{#s}}{{/s}}{{/p}}", NULL, NULL,
	     "!t:1:7: {{s}}: has no effect here: directly inside a parent only blocks {{$name}} have"},
	    {"block given twice", "{{<p}}{{$b}}1{{/b}}{{$b}}2{{/b}}{{/p}}", NULL,
	     "{\"p\":\"{{$b}}{{/b}}\"}",
	     "!t:1:20: {{b}}: this parent has a block of that name already"},
	    {"unknown block", "{{<p}}\n{{$typo}}1{{/typo}}{{/p}}", NULL, "{\"p\":\"{{$b}}{{/b}}\"}",
	     "!t:2:1: 'typo' is not a block of 'p'"},
	    {"unknown block, parent in itself", "{{<p}}{{$typo}}1{{/typo}}{{/p}}", NULL,
	     "{\"p\":\"{{#s}}{{>p}}{{/s}}\"}", "!t:1:7: 'typo' is not a block of 'p'"},
	    {"unknown block in a partial", "{{>q}}", NULL,
	     "{\"p\":\"\",\"q\":\"{{<p}}{{$typo}}{{/typo}}{{/p}}\"}",
	     "!q:1:7: 'typo' is not a block of 'p'"},
	    {"a name that is no path", "{{#s}}{{a..b}}{{/s}}", NULL, NULL,
	     "!t:1:7: {{a..b}}: a dotted name has no empty parts"},
	    {"in an argument", "{{<p}}{{$b}}{{a b}}{{/b}}{{/p}}", NULL, NULL,
	     "!t:1:13: {{a b}}: a name has no blanks in it"},
	    {"a block without a name", "{{<p}}{{$}}{{/}}{{/p}}", NULL, NULL,
	     "!t:1:7: {{}}: a name is missing"},
	    {"in a partial", "{{>p}}", NULL, "{\"p\":\"\\n{{#x}}\"}",
	     "!t:1:1: p:2:1: {{/x}} is missing: the section is open to the end of the file"},
	};

	CHECK_CASES(cases);
}

Test(mustache_errors, a_NUL_byte_is_no_text)
{
	static const char text[] = "a\nb\0c";
	struct err err;

	cr_assert_null(mustache_compile("t", text, sizeof(text) - 1, NULL, NULL, &err));
	cr_assert_str_eq(err.message, "t:2:2: the template contains a NUL byte");
}

Test(mustache_errors, nesting_has_a_bound)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct err err;

	for (int i = 0; i < 100000; i++)
		strbuf_append_str(&text, "{{#a}}");
	cr_assert_null(mustache_compile("t", text.data, text.len, NULL, NULL, &err));
	cr_assert_str_eq(err.message, "t:1:385: sections are nested deeper than 64");
}

Test(mustache_errors, recursion_has_a_bound)
{
	static const struct mustache_case cases[] = {
	    {"partial", "{{>p}}", NULL, "{\"p\":\"\\n{{>p}}\"}",
	     "!p:2:1: {{p}}: partials and blocks are nested deeper than 64"},
	    {"dynamic", "{{>*n}}", "{\"n\":\"p\"}", "{\"p\":\"{{>*n}}\"}",
	     "!p:1:1: {{*n}}: partials and blocks are nested deeper than 64"},
	    {"parent", "{{<p}}{{/p}}", NULL, "{\"p\":\"{{<p}}{{/p}}\"}",
	     "!p:1:1: {{p}}: partials and blocks are nested deeper than 64"},
	};

	CHECK_CASES(cases);
}

Test(mustache_errors, partials_have_a_bound)
{
	auto_strbuf struct strbuf partials = STRBUF_INIT;
	struct mustache_case chain = {.what = "chain", .template = "{{>p0}}"};

	strbuf_append_char(&partials, '{');
	for (int i = 0; i < 300; i++)
		strbuf_printf(&partials, "%s\"p%d\":\"{{>p%d}}\"", i > 0 ? "," : "", i, i + 1);
	strbuf_append_char(&partials, '}');
	chain.partials = partials.data;
	chain.want = "!p255:1:1: partial 'p256': there are more than 256 partials";
	mustache_case_check(&chain, 1);
}

/* 50 partials, each with the next one twice: 2^50 steps without a byte of output. */
Test(mustache_errors, work_has_a_bound)
{
	auto_strbuf struct strbuf partials = STRBUF_INIT;
	struct mustache_case bomb = {.what = "bomb", .template = "{{>p0}}"};

	for (int i = 0; i < 50; i++)
		strbuf_printf(&partials, "%c\"p%d\":\"{{>p%d}}{{>p%d}}\"", i > 0 ? ',' : '{', i,
		              i + 1, i + 1);
	strbuf_append_char(&partials, '}');
	bomb.partials = partials.data;
	bomb.want =
	    "!p49:1:1: rendering was stopped after 4000000 steps: the template may be recursive";
	mustache_case_check(&bomb, 1);
}

Test(mustache_errors, output_has_a_bound)
{
	auto_strbuf struct strbuf data = STRBUF_INIT;
	struct mustache_case flood = {.what = "flood", .template = "{{#l}}{{v}}{{/l}}"};

	strbuf_append_str(&data, "{\"v\":\"");
	for (int i = 0; i < 200000; i++)
		strbuf_append_char(&data, 'x');
	strbuf_append_str(&data, "\",\"l\":[0");
	for (int i = 0; i < 100; i++)
		strbuf_append_str(&data, ",0");
	strbuf_append_str(&data, "]}");
	flood.data = data.data;
	flood.want = "!t:1:7: the output is larger than 16777216 bytes";
	mustache_case_check(&flood, 1);
}
