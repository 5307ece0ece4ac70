/* Mustache: what a name finds, how a value is written, what a section does with it. */
#include <criterion/criterion.h>

#include "unit/mustache_case.h"

Test(mustache_values, are_written_as_text)
{
	static const struct mustache_case cases[] = {
	    {"no tag", "just { text } here\n", NULL, NULL, "just { text } here\n"},
	    {"empty template", "", NULL, NULL, ""},
	    {"string", "to {{where}}.", "{\"where\":\"db2\"}", NULL, "to db2."},
	    {"integer", "{{n}}", "{\"n\":5432}", NULL, "5432"},
	    {"negative", "{{n}}", "{\"n\":-7}", NULL, "-7"},
	    {"largest integer", "{{n}}", "{\"n\":9223372036854775807}", NULL,
	     "9223372036854775807"},
	    {"fraction", "{{n}} {{{n}}} {{&n}}", "{\"n\":2.50}", NULL, "2.5 2.5 2.5"},
	    {"shortest form", "{{n}}", "{\"n\":0.1}", NULL, "0.1"},
	    {"17 digits where needed", "{{n}}", "{\"n\":0.30000000000000004}", NULL,
	     "0.30000000000000004"},
	    {"whole fraction", "{{n}}", "{\"n\":3.0}", NULL, "3"},
	    {"booleans", "{{t}} {{f}}", "{\"t\":true,\"f\":false}", NULL, "true false"},
	    {"null is nothing", "<{{n}}{{{n}}}{{&n}}>", "{\"n\":null}", NULL, "<>"},
	    {"missing is nothing", "<{{n}}{{{n}}}{{&n}}>", "{}", NULL, "<>"},
	    {"non-ASCII", "{{n}}", "{\"n\":\"M\\u00fcnchen\"}", NULL, "M\xc3\xbcnchen"},
	};

	CHECK_CASES(cases);
}

Test(mustache_values, are_escaped_unless_raw)
{
	static const struct mustache_case cases[] = {
	    {"escaped", "{{v}}", "{\"v\":\"<a & 'b' \\\"c\\\">\"}", NULL,
	     "&lt;a &amp; &#39;b&#39; &quot;c&quot;&gt;"},
	    {"triple", "{{{v}}}", "{\"v\":\"<&>\"}", NULL, "<&>"},
	    {"ampersand", "{{&v}}", "{\"v\":\"<&>\"}", NULL, "<&>"},
	    {"blanks in tags", "{{ v }}{{{ v }}}{{& v }}{{\tv\n}}", "{\"v\":\"x\"}", NULL, "xxxx"},
	    {"a value is no template", "{{v}}", "{\"v\":\"{{v}}\"}", NULL, "{{v}}"},
	};

	CHECK_CASES(cases);
}

Test(mustache_values, dotted_names_go_down)
{
	static const struct mustache_case cases[] = {
	    {"two deep", "{{a.b}}", "{\"a\":{\"b\":1}}", NULL, "1"},
	    {"four deep", "{{a.b.c.d}}", "{\"a\":{\"b\":{\"c\":{\"d\":1}}}}", NULL, "1"},
	    {"a missing part", "<{{a.x.c}}>", "{\"a\":{\"b\":1},\"c\":2}", NULL, "<>"},
	    {"through a number", "<{{a.b.c}}>", "{\"a\":{\"b\":1}}", NULL, "<>"},
	    {"the rest stays inside", "{{#s}}<{{a.b}}>{{/s}}",
	     "{\"s\":{\"a\":{}},\"a\":{\"b\":\"outer\"}}", NULL, "<>"},
	    {"the first part comes from outside", "{{#s}}{{a.b}}{{/s}}",
	     "{\"s\":{\"x\":1},\"a\":{\"b\":\"outer\"}}", NULL, "outer"},
	    {"a dot in a key is no path", "<{{a.b}}>", "{\"a.b\":1}", NULL, "<>"},
	    {"in sections", "{{#a.b}}{{.}}{{/a.b}}{{^a.c}}no{{/a.c}}", "{\"a\":{\"b\":[1,2]}}",
	     NULL, "12no"},
	};

	CHECK_CASES(cases);
}

Test(mustache_values, names_are_searched_outwards)
{
	static const struct mustache_case cases[] = {
	    {"outer name", "{{#s}}{{o}}{{/s}}", "{\"o\":1,\"s\":{\"i\":2}}", NULL, "1"},
	    {"inner name wins", "{{#s}}{{n}}{{/s}}{{n}}", "{\"n\":1,\"s\":{\"n\":2}}", NULL, "21"},
	    {"an inner null wins, too", "{{#s}}<{{n}}>{{/s}}", "{\"n\":1,\"s\":{\"n\":null}}", NULL,
	     "<>"},
	    {"three levels", "{{#a}}{{#b}}{{#c}}{{x}}{{y}}{{z}}{{/c}}{{/b}}{{/a}}",
	     "{\"a\":{\"x\":1},\"b\":{\"y\":2},\"c\":{\"z\":3}}", NULL, "123"},
	    {"the dot", "{{#l}}[{{.}}]{{/l}}", "{\"l\":[\"a\",2,1.5,true]}", NULL,
	     "[a][2][1.5][true]"},
	    {"the dot at the top", "{{.}}", "\"<\"", NULL, "&lt;"},
	    {"the dot, raw", "{{{.}}}{{&.}}", "\"<\"", NULL, "<<"},
	    {"a list at the top", "{{#.}}{{n}};{{/.}}", "[{\"n\":1},{\"n\":2}]", NULL, "1;2;"},
	    {"lists in lists", "{{#.}}({{#.}}{{.}}{{/.}}){{/.}}", "[[1,2],[],[3]]", NULL,
	     "(12)()(3)"},
	};

	CHECK_CASES(cases);
}

Test(mustache_values, sections_by_truth)
{
	static const struct mustache_case cases[] = {
	    {"true", "{{#v}}yes{{/v}}{{^v}}no{{/v}}", "{\"v\":true}", NULL, "yes"},
	    {"false", "{{#v}}yes{{/v}}{{^v}}no{{/v}}", "{\"v\":false}", NULL, "no"},
	    {"null", "{{#v}}yes{{/v}}{{^v}}no{{/v}}", "{\"v\":null}", NULL, "no"},
	    {"missing", "{{#v}}yes{{/v}}{{^v}}no{{/v}}", "{}", NULL, "no"},
	    {"empty list", "{{#v}}yes{{/v}}{{^v}}no{{/v}}", "{\"v\":[]}", NULL, "no"},
	    {"empty string", "{{#v}}yes{{/v}}{{^v}}no{{/v}}", "{\"v\":\"\"}", NULL, "no"},
	    {"zero is a number", "{{#v}}yes{{/v}}{{^v}}no{{/v}}", "{\"v\":0}", NULL, "yes"},
	    {"string", "{{#v}}yes {{.}}{{/v}}{{^v}}no{{/v}}", "{\"v\":\"x\"}", NULL, "yes x"},
	    {"empty object", "{{#v}}yes{{/v}}{{^v}}no{{/v}}", "{\"v\":{}}", NULL, "yes"},
	    {"list", "{{#v}}{{n}}{{/v}}{{^v}}no{{/v}}", "{\"v\":[{\"n\":1},{\"n\":2}]}", NULL,
	     "12"},
	    {"list of one false", "{{#v}}<{{.}}>{{/v}}", "{\"v\":[false]}", NULL, "<false>"},
	    {"inside itself", "{{#v}}a{{#v}}b{{/v}}c{{/v}}", "{\"v\":true}", NULL, "abc"},
	    {"inverted sees the same data", "{{^no}}{{x}}{{/no}}", "{\"x\":1}", NULL, "1"},
	    {"blanks in tags", "{{# v }}x{{/ v }}{{ ^ w }}y{{ / w }}", "{\"v\":1}", NULL, "xy"},
	};

	CHECK_CASES(cases);
}

Test(mustache_values, lists_and_objects_have_no_text)
{
	static const struct mustache_case cases[] = {
	    {"list", "\n {{v}}", "{\"v\":[1]}", NULL,
	     "!t:2:2: {{v}}: is a list: go through it with a section"},
	    {"object", "{{{v}}}", "{\"v\":{\"a\":1}}", NULL,
	     "!t:1:1: {{v}}: is an object: name one of its members"},
	};

	CHECK_CASES(cases);
}
