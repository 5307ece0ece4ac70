/* Mustache: parents and blocks (the optional inheritance), and dynamic names. */
#include <criterion/criterion.h>

#include "unit/mustache_case.h"

Test(mustache_blocks, a_block_has_a_default)
{
	static const struct mustache_case cases[] = {
	    {"text", "<{{$b}}text{{/b}}>", NULL, NULL, "<text>"},
	    {"tags", "{{$b}}{{v}} {{{v}}}{{#l}} {{.}}{{/l}}{{^no}}!{{/no}}{{/b}}",
	     "{\"v\":\"<\",\"l\":[1,2]}", NULL, "&lt; < 1 2!"},
	    {"alone on lines", "a\n  {{$b}}\n  x\n  {{/b}}\nc\n", NULL, NULL, "a\n  x\nc\n"},
	    {"blocks are not data", "{{$b}}text{{/b}}", "{\"b\":\"data\"}", NULL, "text"},
	    {"in a partial", "{{>p}}", NULL, "{\"p\":\"{{$b}}text{{/b}}\"}", "text"},
	    {"in a parent", "{{<p}}{{/p}}", NULL, "{\"p\":\"{{$b}}text{{/b}}\"}", "text"},
	};

	CHECK_CASES(cases);
}

Test(mustache_blocks, a_parent_takes_arguments)
{
	static const struct mustache_case cases[] = {
	    {"one", "<{{<p}}{{$b}}mine{{/b}}{{/p}}>", NULL, "{\"p\":\"[{{$b}}its{{/b}}]\"}",
	     "<[mine]>"},
	    {"one of two", "{{<p}}{{$b}}mine{{/b}}{{/p}}", NULL,
	     "{\"p\":\"{{$a}}A{{/a}}{{$b}}B{{/b}}\"}", "Amine"},
	    {"used twice", "{{<p}}{{$b}}x{{/b}}{{/p}}", NULL,
	     "{\"p\":\"{{$b}}1{{/b}}-{{$b}}2{{/b}}\"}", "x-x"},
	    {"two parents", "{{<p}}{{$b}}1{{/b}}{{/p}} {{<p}}{{$b}}2{{/b}}{{/p}} {{>p}}", NULL,
	     "{\"p\":\"({{$b}}0{{/b}})\"}", "(1) (2) (0)"},
	    {"empty", "{{<p}}{{$b}}{{/b}}{{/p}}", NULL, "{\"p\":\"<{{$b}}its{{/b}}>\"}", "<>"},
	    {"missing parent", "<{{<p}}{{$b}}mine{{/b}}{{/p}}>", NULL, NULL, "<>"},
	    {"text in a parent", "{{<p}} text {{! note }} {{$b}}mine{{/b}} text {{/p}}", NULL,
	     "{\"p\":\"<{{$b}}its{{/b}}>\"}", "<mine>"},
	    {"delimiters in a parent", "{{<p}}{{=<% %>=}}<%$b%>mine<%/b%><%/p%>", NULL,
	     "{\"p\":\"<{{$b}}its{{/b}}>\"}", "<mine>"},
	    {"data where the block is", "{{<p}}{{$b}}{{n}}{{/b}}{{/p}}",
	     "{\"n\":\"out\",\"s\":{\"n\":\"in\"}}", "{\"p\":\"{{#s}}{{$b}}{{/b}}{{/s}}\"}", "in"},
	    {"through a partial", "{{<p}}{{$b}}mine{{/b}}{{/p}}", NULL,
	     "{\"p\":\"{{>q}}\",\"q\":\"{{$b}}its{{/b}}\"}", "mine"},
	};

	CHECK_CASES(cases);
}

Test(mustache_blocks, the_outermost_argument_wins)
{
	static const struct mustache_case cases[] = {
	    {"three levels", "{{<a}}{{$x}}top{{/x}}{{/a}}", NULL,
	     "{\"a\":\"{{<b}}{{$x}}a{{/x}}{{/b}}\",\"b\":\"{{<c}}{{$x}}b{{/x}}{{/c}}\","
	     "\"c\":\"{{$x}}c{{/x}}\"}",
	     "top"},
	    {"the next one, else", "{{<a}}{{/a}}", NULL,
	     "{\"a\":\"{{<b}}{{$x}}a{{/x}}{{/b}}\",\"b\":\"{{$x}}b{{/x}}\"}", "a"},
	    {"a block in an argument", "{{<a}}{{$in}}mine{{/in}}{{/a}}", NULL,
	     "{\"a\":\"{{<b}}{{$x}}<{{$in}}its{{/in}}>{{/x}}{{/b}}\",\"b\":\"{{$x}}{{/x}}\"}",
	     "<mine>"},
	    {"an argument does not replace itself", "{{<p}}{{$x}}1{{$x}}2{{/x}}{{/x}}{{/p}}", NULL,
	     "{\"p\":\"{{$x}}{{/x}}\"}", "12"},
	    {"parents that use each other", "{{<a}}{{$x}}X{{/x}}{{/a}}", NULL,
	     "{\"a\":\"{{$x}}a{{/x}}{{$y}}{{<b}}{{/b}}{{/y}}\","
	     "\"b\":\"{{$x}}b{{/x}}{{<a}}{{$y}}end{{/y}}{{/a}}\"}",
	     "XXXend"},
	};

	CHECK_CASES(cases);
}

Test(mustache_blocks, indentation_follows_the_place)
{
	static const struct mustache_case cases[] = {
	    {"parent alone", "a\n  {{<p}}{{/p}}\nb\n", NULL, "{\"p\":\"1\\n2\\n\"}",
	     "a\n  1\n  2\nb\n"},
	    {"parent over several lines", "a\n  {{<p}}\n    {{$b}}x{{/b}}\n  {{/p}}\nb\n", NULL,
	     "{\"p\":\"1{{$b}}{{/b}}\\n2\\n\"}", "a\n  1x\n  2\nb\n"},
	    {"parent in a line", "a {{<p}}{{/p}}\nb", NULL, "{\"p\":\"1\\n2\"}", "a 1\n2\nb"},
	    {"parent with text behind", "  {{<p}}{{/p}} b\n", NULL, "{\"p\":\"1\\n2\"}",
	     "  1\n2 b\n"},
	    {"block in a line", "{{<p}}{{$b}}x{{/b}}{{/p}}", NULL,
	     "{\"p\":\"a\\n  {{$b}}y{{/b}}\\nc\\n\"}", "a\n  x\nc\n"},
	    {"block alone, argument of lines",
	     "{{<p}}\n{{$b}}\n      x\n        y\n{{/b}}\n{{/p}}\n", NULL,
	     "{\"p\":\"a\\n{{$b}}\\n  default\\n{{/b}}\\nc\\n\"}", "a\n  x\n    y\nc\n"},
	    {"block without default", "{{<p}}{{$b}}\nx\ny\n{{/b}}{{/p}}", NULL,
	     "{\"p\":\"a\\n  {{$b}}\\n  {{/b}}\\nc\\n\"}", "a\n  x\n  y\nc\n"},
	    {"lines into one line", "{{<p}}{{$b}}\nx\ny{{/b}}{{/p}}", NULL,
	     "{\"p\":\"a\\n  {{$b}}{{/b}}\\nc\\n\"}", "a\n  x\n  y\nc\n"},
	    {"behind text", "{{<p}}{{$b}}\nx\ny{{/b}}{{/p}}", NULL,
	     "{\"p\":\"a\\n  b {{$b}}{{/b}}\\n\"}", "a\n  b x\ny\n"},
	    {"closing tag indented", "{{<p}}\n  {{$b}}\n    x\n  {{/b}}\n{{/p}}\n", NULL,
	     "{\"p\":\"<{{$b}}{{/b}}>\"}", "<x\n>"},
	    {"argument that starts in its line", "{{<p}}\n  {{$b}}x\n  y{{/b}}\n{{/p}}\n", NULL,
	     "{\"p\":\"    {{$b}}{{/b}}\\n\"}", "    x\n    y\n"},
	    {"all of it in an indented parent", " {{<p}}{{$b}}\nx\ny\n{{/b}}{{/p}}\n", NULL,
	     "{\"p\":\"a\\n  {{$b}}\\n  {{/b}}\\nc\\n\"}", " a\n   x\n   y\n c\n"},
	    {"an argument that begins with an empty line",
	     "{{<p}}{{$b}}\n\n    x\n  y\n{{/b}}{{/p}}", NULL, "{\"p\":\" {{$b}}\\n {{/b}}\\n\"}",
	     " \n x\n y\n"},
	    {"an empty argument leaves no blanks", "{{<p}}{{$b}}{{/b}}{{/p}}", NULL,
	     "{\"p\":\"a\\n  {{$b}}\\n  default\\n  {{/b}}\\nc\\n\"}", "a\nc\n"},
	    {"an argument that starts with a partial", "{{<p}}{{$b}}\n  {{>q}}\nend\n{{/b}}{{/p}}",
	     NULL, "{\"p\":\"    {{$b}}{{/b}}\\n\",\"q\":\"1\\n2\\n\"}",
	     "    1\n    2\n    end\n\n"},
	    {"an argument that starts with a section",
	     "{{<p}}{{$b}}\n{{#l}}\n{{.}}\n{{/l}}\n{{/b}}{{/p}}", "{\"l\":[1,2]}",
	     "{\"p\":\"  {{$b}}{{/b}}\"}", "  1\n  2\n"},
	    {"a block in an argument", "{{<p}}{{$in}}\nthree\n{{/in}}{{/p}}\n", NULL,
	     "{\"p\":\"{{<g}}{{$b}}\\n  one\\n  {{$in}}\\n    two\\n  {{/in}}\\n{{/b}}{{/g}}\\n\","
	     "\"g\":\"{{$b}}{{/b}}\"}",
	     "one\n  three\n"},
	};

	CHECK_CASES(cases);
}

Test(mustache_blocks, dynamic_names_are_looked_up)
{
	static const struct mustache_case cases[] = {
	    {"partial", "<{{>*which}}>", "{\"which\":\"p\"}", "{\"p\":\"text\"}", "<text>"},
	    {"blanks", "<{{> * which }}>", "{\"which\":\"p\"}", "{\"p\":\"text\"}", "<text>"},
	    {"dotted", "{{>*a.b}}", "{\"a\":{\"b\":\"p\"}}", "{\"p\":\"text\"}", "text"},
	    {"the dot", "{{#l}}{{>*.}}{{/l}}", "{\"l\":[\"p\",\"q\"]}", "{\"p\":\"1\",\"q\":\"2\"}",
	     "12"},
	    {"the data of the place", "{{#s}}{{>*o.which}}{{/s}}",
	     "{\"s\":{\"v\":1},\"o\":{\"which\":\"p\",\"v\":2}}", "{\"p\":\"{{v}}\"}", "1"},
	    {"no such name", "<{{>*which}}>", "{}", "{\"which\":\"text\"}", "<>"},
	    {"no such partial", "<{{>*which}}>", "{\"which\":\"q\"}", "{\"p\":\"text\"}", "<>"},
	    {"no string", "<{{>*which}}>", "{\"which\":1}", "{\"1\":\"text\"}", "<>"},
	    {"only once", "<{{>**which}}>", "{\"which\":\"w\",\"w\":\"p\"}", "{\"p\":\"text\"}",
	     "<>"},
	    {"indented", "x\n  {{>*which}}\ny", "{\"which\":\"p\"}", "{\"p\":\"1\\n2\\n\"}",
	     "x\n  1\n  2\ny"},
	    {"in a line", "x {{>*which}}\n", "{\"which\":\"p\"}", "{\"p\":\"1\\n2\"}", "x 1\n2\n"},
	    {"parent", "{{<*which}}{{$b}}mine{{/b}}{{/*which}}", "{\"which\":\"p\"}",
	     "{\"p\":\"<{{$b}}its{{/b}}>\"}", "<mine>"},
	};

	CHECK_CASES(cases);
}
