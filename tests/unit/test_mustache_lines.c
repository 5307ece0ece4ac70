/* Mustache: tags alone on a line, comments, delimiters, the indentation of partials. */
#include <criterion/criterion.h>

#include "unit/mustache_case.h"

Test(mustache_lines, a_tag_alone_takes_its_line)
{
	static const struct mustache_case cases[] = {
	    {"section", "a\n{{#v}}\nb\n{{/v}}\nc\n", "{\"v\":1}", NULL, "a\nb\nc\n"},
	    {"indented", "a\n  {{#v}}\nb\n\t{{/v}}  \nc\n", "{\"v\":1}", NULL, "a\nb\nc\n"},
	    {"inverted", "a\n{{^v}}\nb\n{{/v}}\nc\n", NULL, NULL, "a\nb\nc\n"},
	    {"a list", "{{#v}}\n- {{.}}\n{{/v}}\n", "{\"v\":[1,2]}", NULL, "- 1\n- 2\n"},
	    {"CR LF", "a\r\n{{#v}}\r\nb\r\n{{/v}}\r\nc", "{\"v\":1}", NULL, "a\r\nb\r\nc"},
	    {"first line", "  {{#v}}\nb{{/v}}", "{\"v\":1}", NULL, "b"},
	    {"last line", "b{{#v}}\n{{/v}}", "{\"v\":1}", NULL, "b\n"},
	    {"nested", "{{#v}}\n  {{#v}}\n    x\n  {{/v}}\n{{/v}}\n", "{\"v\":1}", NULL, "    x\n"},
	    {"a lone CR is no line end", "{{#v}}\rx{{/v}}", "{\"v\":1}", NULL, "\rx"},
	};

	CHECK_CASES(cases);
}

Test(mustache_lines, anything_else_on_the_line_keeps_it)
{
	static const struct mustache_case cases[] = {
	    {"text behind", "{{#v}} x\n{{/v}}\n", "{\"v\":1}", NULL, " x\n"},
	    {"text in front", "x {{#v}}\n{{/v}}\n", "{\"v\":1}", NULL, "x \n"},
	    {"both tags", " {{#v}}x{{/v}} \n", "{\"v\":1}", NULL, " x \n"},
	    {"two tags", "{{#v}}{{#v}}\nx{{/v}}{{/v}}", "{\"v\":1}", NULL, "\nx"},
	    {"a value", "  {{v}}\n", "{\"v\":\"\"}", NULL, "  \n"},
	    {"a raw value", "  {{{v}}}\n  {{&v}}\n", "{}", NULL, "  \n  \n"},
	};

	CHECK_CASES(cases);
}

Test(mustache_lines, comments_leave_nothing)
{
	static const struct mustache_case cases[] = {
	    {"in a line", "a{{! b }}c", NULL, NULL, "ac"},
	    {"blanks stay", "a {{! b }} c\n", NULL, NULL, "a  c\n"},
	    {"alone", "a\n  {{! b }}  \nc\n", NULL, NULL, "a\nc\n"},
	    {"many lines", "a\n  {{!\n b\n   c }}\nd\n", NULL, NULL, "a\nd\n"},
	    {"many lines behind text", "a {{!\n b\n}}\nd\n", NULL, NULL, "a \nd\n"},
	    {"is never a name", "<{{! v }}{{!v}}>", "{\"v\":1,\"! v\":2,\"!v\":3}", NULL, "<>"},
	    {"opening braces inside", "<{{! {{ {{# }}>", NULL, NULL, "<>"},
	};

	CHECK_CASES(cases);
}

Test(mustache_lines, delimiters_change_for_the_rest_of_the_file)
{
	static const struct mustache_case cases[] = {
	    {"pair", "{{=<% %>=}}<%v%> {{v}}", "{\"v\":1}", NULL, "1 {{v}}"},
	    {"one character", "{{=[ ]=}}[v][#l][.][/l]", "{\"v\":1,\"l\":[2,3]}", NULL, "123"},
	    {"the same one twice", "{{=| |=}}|v|", "{\"v\":1}", NULL, "1"},
	    {"and back", "{{=<% %>=}}<%={{ }}=%>{{v}}", "{\"v\":1}", NULL, "1"},
	    {"blanks in the tag", "{{=   <%    %>  =}}<% v %>", "{\"v\":1}", NULL, "1"},
	    {"raw", "{{=<% %>=}}<%{v}%><%&v%>", "{\"v\":\"<\"}", NULL, "<<"},
	    {"set in a section", "{{#s}}{{=<% %>=}}<%v%><%/s%><%v%>", "{\"s\":1,\"v\":2}", NULL,
	     "22"},
	    {"alone on a line", "a\n  {{=<% %>=}}\nb\n", NULL, NULL, "a\nb\n"},
	    {"alone, CR LF", "a\r\n{{=<% %>=}}\r\nb", NULL, NULL, "a\r\nb"},
	    {"in a line", "a {{=<% %>=}}\n", NULL, NULL, "a \n"},
	    {"not in partials", "{{=<% %>=}}<%>p%>", "{\"v\":1}", "{\"p\":\"<{{v}} <%v%>>\"}",
	     "<1 <%v%>>"},
	    {"not out of partials", "{{>p}}{{v}}<%v%>", "{\"v\":1}",
	     "{\"p\":\"{{=<% %>=}}<%v%> \"}", "1 1<%v%>"},
	};

	CHECK_CASES(cases);
}

Test(mustache_lines, partials_see_the_data)
{
	static const struct mustache_case cases[] = {
	    {"plain", "<{{>p}}>", NULL, "{\"p\":\"text\"}", "<text>"},
	    {"blanks in the tag", "<{{ > p }}>", NULL, "{\"p\":\"text\"}", "<text>"},
	    {"missing", "<{{>p}}>", NULL, NULL, "<>"},
	    {"data", "{{#s}}{{>p}}{{/s}}", "{\"s\":{\"a\":1},\"b\":2}", "{\"p\":\"{{a}}{{b}}\"}",
	     "12"},
	    {"in partials", "{{>p}}", NULL, "{\"p\":\"<{{>q}}>\",\"q\":\"{{>r}}!\",\"r\":\"in\"}",
	     "<in!>"},
	    {"in itself", "{{>tree}}",
	     "{\"n\":1,\"kids\":[{\"n\":2,\"kids\":[]},{\"n\":3,\"kids\":[]}]}",
	     "{\"tree\":\"{{n}}({{#kids}}{{>tree}}{{/kids}})\"}", "1(2()3())"},
	    {"a dot in the name", "{{>a.b}}", "{\"a\":{\"b\":\"q\"}}", "{\"a.b\":\"file\"}",
	     "file"},
	};

	CHECK_CASES(cases);
}

Test(mustache_lines, partials_alone_are_indented)
{
	static const struct mustache_case cases[] = {
	    {"each line", "x\n  {{>p}}\ny", NULL, "{\"p\":\"1\\n2\\n\"}", "x\n  1\n  2\ny"},
	    {"tabs", "\t{{>p}}\n", NULL, "{\"p\":\"1\\n2\\n\"}", "\t1\n\t2\n"},
	    {"without line end", "  {{>p}}\ny", NULL, "{\"p\":\"1\\n2\"}", "  1\n  2y"},
	    {"last line", "x\n  {{>p}}", NULL, "{\"p\":\"1\\n2\"}", "x\n  1\n  2"},
	    {"CR LF", "x\r\n {{>p}}\r\ny", NULL, "{\"p\":\"1\\r\\n2\\r\\n\"}",
	     "x\r\n 1\r\n 2\r\ny"},
	    {"in a line", "a {{>p}}\n", NULL, "{\"p\":\"1\\n2\"}", "a 1\n2\n"},
	    {"behind blanks and text", "  {{v}} {{>p}}\n", "{\"v\":0}", "{\"p\":\"1\\n2\"}",
	     "  0 1\n2\n"},
	    {"values are not", "  {{>p}}\n", "{\"v\":\"1\\n2\"}", "{\"p\":\"{{{v}}}\\n3\\n\"}",
	     "  1\n2\n  3\n"},
	    {"sections in them are", "  {{>p}}\n", "{\"l\":[1,2]}",
	     "{\"p\":\"{{#l}}\\n{{.}}\\n{{/l}}\\nend\\n\"}", "  1\n  2\n  end\n"},
	    {"a section within a line", "  {{>p}}\n", NULL, "{\"p\":\"{{#no}}x{{/no}}\\n\"}",
	     "  \n"},
	    {"added up", " {{>p}}\n", NULL, "{\"p\":\"1\\n  {{>q}}\\n3\\n\",\"q\":\"2\\n2\\n\"}",
	     " 1\n   2\n   2\n 3\n"},
	    {"not in a line of an indented one", " {{>p}}\n", NULL,
	     "{\"p\":\"x {{>q}}\\ny\\n\",\"q\":\"1\\n2\"}", " x 1\n2\n y\n"},
	    {"empty", "a\n  {{>p}}\nb", NULL, "{\"p\":\"\"}", "a\nb"},
	    {"missing", "a\n  {{>p}}\nb", NULL, NULL, "a\nb"},
	};

	CHECK_CASES(cases);
}
