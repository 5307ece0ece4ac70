/* HAProxy's configuration text: words as HAProxy 2.6.12 reads them, servers, structure. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "haproxy/model/config.h"
#include "haproxy/model/syntax.h"

/* What one line reads as, words between bars; "!reason" where it is refused. */
static void words_of(const char *line, struct strbuf *out)
{
	struct haproxy_lines lines;
	struct err err;

	haproxy_lines_init(&lines, line, strlen(line));
	while (haproxy_lines_next(&lines, &err)) {
		for (size_t i = 0; i < lines.count; i++)
			strbuf_printf(out, "%s%s%s", i > 0 ? "|" : "",
			              haproxy_lines_word(&lines, i),
			              lines.words[i].variable ? "(variable)" : "");
		strbuf_append_char(out, '\n');
	}
	if (lines.failed)
		strbuf_printf(out, "!%s", err.message);
	haproxy_lines_fini(&lines);
}

Test(haproxy_words, quotes_escapes_and_comments_are_read_as_haproxy_reads_them)
{
	static const struct {
		const char *line, *words;
	} cases[] = {
	    {"a b\tc  \r\n", "a|b|c\n"},
	    {"global#comment\n", "global\n"},
	    {"  # all comment\n\n \t\nx\n", "x\n"},
	    {"a \"b c\" 'd # e'\n", "a|b c|d # e\n"},
	    {"\"d\"'e'f\\ g\n", "def g\n"},
	    {"\\x62 \\n\n", "b|\n\n"},
	    {"\"a\\'b\" 'a\\'\n", "a'b|a\\\n"},
	    {"a\\# b\\\\ \\q\n", "a#|b\\|\\q\n"},
	    {"a$b c\\$b \"c\\$b\" '$d'\n", "a$b|c\\$b|c$b|$d\n"},
	    {"\"$HOME\" x\"${A-1}\"\n", "$HOME(variable)|x${A-1}(variable)\n"},
	    {"a \\\n", "a|\\\n"},
	    {"a \"\" b\n", "a||b\n"},
	    {"a\nb \"c\n", "a\n!line 2: a quote is opened and not closed on the same line"},
	    {"a \\x4\n", "!line 1: \\x needs two hexadecimal digits, and not 00"},
	    {"a \\x00\n", "!line 1: \\x needs two hexadecimal digits, and not 00"},
	    {"a", "!line 1: the last line has no line break: HAProxy would refuse the file"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct strbuf words = STRBUF_INIT;

		words_of(cases[i].line, &words);
		cr_expect_str_eq(words.data, cases[i].words, "%s gave %s", cases[i].line,
		                 words.data);
		strbuf_fini(&words);
	}
}

Test(haproxy_words, a_nul_character_is_refused)
{
	struct haproxy_lines lines;
	struct err err;

	haproxy_lines_init(&lines, "a\0b\n", 4);
	cr_assert_not(haproxy_lines_next(&lines, &err));
	cr_assert(lines.failed);
	cr_assert_str_eq(err.message, "line 1: holds a NUL character");
	haproxy_lines_fini(&lines);
}

static void parse(const char *text, struct haproxy_config *config)
{
	struct err err;

	cr_assert(haproxy_config_parse(text, strlen(text), config, &err), "%s: %s", text,
	          err.message);
}

Test(haproxy_config, a_server_is_taken_apart)
{
	struct haproxy_config config;
	const struct haproxy_server *server;

	parse("backend orders_rw from segue\n"
	      "  server primary 10.0.0.1:5432 inter 2s check weight 7 maxconn 100 disabled\n",
	      &config);
	cr_assert_eq(config.server_count, 1);
	server = &config.servers[0];
	cr_assert_str_eq(server->backend, "orders_rw");
	cr_assert_str_eq(server->name, "primary");
	cr_assert_str_eq(server->address, "10.0.0.1");
	cr_assert_eq(server->port, 5432);
	cr_assert_eq(server->weight, 7);
	cr_assert(server->check && server->disabled);
	cr_assert_not(server->agent || server->track || server->reload_only);
	cr_assert_str_eq(server->params, "inter 2s maxconn 100");
	cr_assert_eq(server->line, 2);
	haproxy_config_free(&config);
}

Test(haproxy_config, addresses_of_every_spelling_become_canonical)
{
	static const struct {
		const char *word, *address;
		unsigned port;
	} cases[] = {
	    {"127.0.0.1:5432", "127.0.0.1", 5432},
	    {"ipv4@127.0.0.1:1", "127.0.0.1", 1},
	    {"tcp@127.0.0.1:65535", "127.0.0.1", 65535},
	    {"[::1]:5432", "::1", 5432},
	    {"::1:5432", "::1", 5432},
	    {"ipv6@[2001:DB8:0:0::1]:5432", "2001:db8::1", 5432},
	    {"tcp6@2001:db8::1:5432", "2001:db8::1", 5432},
	    {"[::ffff:1.2.3.4]:05432", "::ffff:1.2.3.4", 5432},
	    {"\"127.0.0.1:5432\"", "127.0.0.1", 5432},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct haproxy_config config;
		char text[200];

		snprintf(text, sizeof(text), "backend b\n server s %s\n", cases[i].word);
		parse(text, &config);
		cr_assert_eq(config.server_count, 1, "%s", cases[i].word);
		cr_expect_str_eq(config.servers[0].address, cases[i].address);
		cr_expect_eq(config.servers[0].port, cases[i].port);
		haproxy_config_free(&config);
	}
}

Test(haproxy_config, what_must_not_reach_the_runtime_is_refused)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"backend b\n server s db1:5432\n", "line 2: server s: 'db1:5432' is a host name"},
	    {"backend b\n server s 127.1:5432\n", "'127.1:5432' is a host name"},
	    {"backend b\n server s 10.0.0.1\n", "'10.0.0.1' has no port: write ADDRESS:PORT"},
	    {"backend b\n server s 10.0.0.1:\n", "'10.0.0.1:' has no port"},
	    {"backend b\n server s :5432\n", "':5432' has no address"},
	    {"backend b\n server s *:5432\n", "'*:5432' has no address"},
	    {"backend b\n server s\n", "'' has no address"},
	    {"backend b\n server s ::1\n", "'::1' is not ADDRESS:PORT: write an IPv6 address as"},
	    {"backend b\n server s 10.0.0.1:0\n", "port '0' of '10.0.0.1:0' is not a number"},
	    {"backend b\n server s 10.0.0.1:70000\n", "port '70000'"},
	    {"backend b\n server s 10.0.0.1:99999999999999999999\n", "is not a number from 1"},
	    {"backend b\n server s 10.0.0.1:5432x\n", "port '5432x'"},
	    {"backend b\n server s 10.0.0.1:+100\n", "port '+100'"},
	    {"backend b\n server s ipv4@[::1]:5\n", "the address is not of the family"},
	    {"backend b\n server a;b 10.0.0.1:5\n", "line 2: a server needs a name of letters"},
	    {"backend b\n server a/b 10.0.0.1:5\n", "a server needs a name"},
	    {"backend b\n server \"a b\" 10.0.0.1:5\n", "a server needs a name"},
	    {"backend b\n server \xc3\xa9 10.0.0.1:5\n", "a server needs a name"},
	    {"backend\n", "line 1: a backend needs a name"},
	    {"backend a/b\n", "a backend needs a name"},
	    {"backend \"$B\"\n", "an environment variable in the name of a backend"},
	    {"backend b\n server s \"$IP:5432\"\n", "an environment variable in a server line"},
	    {"backend b\n default-server inter \"$I\"\n", "line 2: an environment variable"},
	    {"backend b\n server-template s 3 \"$IP:5432\"\n", "an environment variable"},
	    {"backend b\n server-template s x 10.0.0.1:5\n", "server-template takes a name"},
	    {"backend b\n server-template s 3-1 10.0.0.1:5\n", "server-template takes a name"},
	    {"backend b\n server s 10.0.0.1:5 weight 257\n",
	     "line 2: server s: weight '257' is not a number from 0 to 256"},
	    {"backend b\n server s 10.0.0.1:5 weight\n", "weight '' is not"},
	    {"backend b\n server s 10.0.0.1:5 weight 3x\n", "weight '3x' is not"},
	    {"backend b\n default-server weight -1\n", "line 2: weight '-1' is not"},
	    {"backend b\n server s 10.0.0.1:5 \"\" check\n", "an empty word"},
	    {"backend b\n server s 10.0.0.1:5\n server s 10.0.0.2:5\n",
	     "line 3: server b/s is already defined on line 2"},
	    {"backend b\n server s 10.0.0.1:5\nbackend b\n server s 10.0.0.2:5\n",
	     "line 4: server b/s is already defined on line 2"},
	    {"backend b\n.if 1\n server s 10.0.0.1:5\n.endif\n", "line 3: a server inside .if"},
	    {".if 1\nbackend b\n.endif\n", "line 2: a backend inside .if"},
	    {"backend b\n.if 0\nfrontend f\n.endif\n server s 10.0.0.1:5\n",
	     "line 5: a server inside .if"},
	    {"backend b\n.endif\n", "line 2: .endif without .if"},
	    {"backend b\n.if 1\n", "line 2: .if without .endif"},
	    {"backend b", "line 1: the last line has no line break"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct haproxy_config config;
		struct err err;

		cr_assert_not(
		    haproxy_config_parse(cases[i].text, strlen(cases[i].text), &config, &err), "%s",
		    cases[i].text);
		cr_expect(strstr(err.message, cases[i].error) != NULL, "%s: %s", cases[i].text,
		          err.message);
		cr_expect_eq(config.server_count, 0);
	}
}

Test(haproxy_config, parameters_are_merged_with_those_of_default_server)
{
	static const struct {
		const char *text, *params;
		unsigned weight;
		bool check, disabled;
	} cases[] = {
	    {"backend b\n default-server inter 1s check\n server s 1.1.1.1:1 fall 2\n",
	     "inter 1s fall 2", 1, true, false},
	    {"backend b\n default-server check disabled weight 9\n default-server rise 1\n"
	     " server s 1.1.1.1:1 no-check enabled weight 3 weight 4\n",
	     "rise 1", 4, false, false},
	    {"defaults d\n default-server check\nbackend b from d\n server s 1.1.1.1:1\n", "", 1,
	     true, false},
	    {"defaults d\n default-server check\ndefaults e from d\n default-server disabled\n"
	     "backend b\n server s 1.1.1.1:1\n",
	     "", 1, true, true},
	    {"defaults d\n default-server check\ndefaults\n\nbackend b\n server s 1.1.1.1:1\n", "",
	     1, false, false},
	    {"backend a\n default-server check\nbackend b\n server s 1.1.1.1:1\n", "", 1, false,
	     false},
	    {"backend b\n server s 1.1.1.1:1\n default-server check\n", "", 1, false, false},
	    {"backend b\n server s 1.1.1.1:1 cookie check id 7 track weight\n",
	     "cookie check id 7 track weight", 1, false, false},
	    {"backend b\n server s 1.1.1.1:1 agent-send \"a b;c#\"  sni 'str(x)'\n",
	     "agent-send a\\ b\\;c\\# sni str(x)", 1, false, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct haproxy_config config;

		parse(cases[i].text, &config);
		cr_assert_eq(config.server_count, 1);
		cr_expect_str_eq(config.servers[0].params, cases[i].params);
		cr_expect_eq(config.servers[0].weight, cases[i].weight, "%s", cases[i].text);
		cr_expect_eq(config.servers[0].check, cases[i].check, "%s", cases[i].text);
		cr_expect_eq(config.servers[0].disabled, cases[i].disabled, "%s", cases[i].text);
		haproxy_config_free(&config);
	}
}

Test(haproxy_config, agent_track_and_control_characters_are_told)
{
	struct haproxy_config config;

	parse("backend b\n server a 1.1.1.1:1 agent-check agent-send \"x\\n\"\n"
	      " server t 1.1.1.1:1 track a\n default-server agent-check\n"
	      " server n 1.1.1.1:1 no-agent-check\n",
	      &config);
	cr_assert_eq(config.server_count, 3);
	cr_assert(config.servers[0].agent && config.servers[0].reload_only);
	cr_assert(config.servers[1].track);
	cr_assert_not(config.servers[1].agent || config.servers[1].reload_only);
	cr_assert_not(config.servers[2].agent);
	haproxy_config_free(&config);
}

Test(haproxy_config, servers_that_only_the_file_can_change_are_known_by_name)
{
	struct haproxy_config config;

	parse("backend b\n server u unix@/run/x.sock\n server v /run/y.sock\n server w abns@z\n"
	      " server-template rep 2-4 127.0.0.1:1 check disabled\n server-template n 2 :1\n",
	      &config);
	cr_assert_eq(config.server_count, 0);
	cr_assert_str_eq(config.structure, "backend b\nserver u unix@/run/x.sock\n"
	                                   "server v /run/y.sock\nserver w abns@z\n"
	                                   "server-template rep 2-4 127.0.0.1:1 check disabled\n"
	                                   "server-template n 2 :1\n");
	cr_assert(haproxy_config_is_fixed(&config, "b", "u"));
	cr_assert(haproxy_config_is_fixed(&config, "b", "v"));
	cr_assert(haproxy_config_is_fixed(&config, "b", "rep2"));
	cr_assert(haproxy_config_is_fixed(&config, "b", "rep4"));
	cr_assert(haproxy_config_is_fixed(&config, "b", "n1"));
	cr_assert_not(haproxy_config_is_fixed(&config, "b", "rep1"));
	cr_assert_not(haproxy_config_is_fixed(&config, "b", "rep5"));
	cr_assert_not(haproxy_config_is_fixed(&config, "b", "rep"));
	cr_assert_not(haproxy_config_is_fixed(&config, "b", "rep03"));
	cr_assert_not(haproxy_config_is_fixed(&config, "c", "u"));
	cr_assert_not(haproxy_config_is_fixed(&config, "b", "uu"));
	haproxy_config_free(&config);
}

Test(haproxy_config, structure_is_the_text_without_servers_comments_and_blank_runs)
{
	struct haproxy_config config;

	parse("# head\ndefaults  d\n  mode\ttcp # note\n\nfrontend f\n  bind :1\n"
	      "  default_backend b\nbackend b from d\n  server s 1.1.1.1:1\n"
	      "  option \"x  y\"\npeers p\n  server me 1.1.1.1:1\nlisten stats\n  bind :2\n",
	      &config);
	cr_assert_str_eq(config.structure, "defaults d\nmode tcp\nfrontend f\nbind :1\n"
	                                   "default_backend b\nbackend b from d\n"
	                                   "option \"x  y\"\npeers p\nserver me 1.1.1.1:1\n"
	                                   "listen stats\nbind :2\n");
	cr_assert_eq(config.server_count, 1);
	cr_assert_eq(config.backend_count, 2);
	cr_assert_str_eq(config.backends[0], "b");
	cr_assert_str_eq(config.backends[1], "stats");
	haproxy_config_free(&config);
}

Test(haproxy_config, an_empty_text_has_nothing)
{
	struct haproxy_config config;

	parse("", &config);
	cr_assert_eq(config.server_count + config.backend_count + config.fixed_count, 0);
	cr_assert_str_eq(config.structure, "");
	haproxy_config_free(&config);
}

Test(haproxy_config, only_what_the_runtime_cannot_change_needs_a_reload)
{
	static const struct {
		const char *old, *new, *why; /* why NULL: no reload */
	} cases[] = {
	    {"backend b\n server s 1.1.1.1:1\n", "#x\nbackend b\n  server s 1.1.1.2:2\n", NULL},
	    {"backend b\n server s 1.1.1.1:1\n", "backend b\n server s 1.1.1.1:1 weight 2\n", NULL},
	    {"backend b\n server s 1.1.1.1:1\n", "backend b\n server s 1.1.1.1:1 disabled\n", NULL},
	    {"backend b\n server s 1.1.1.1:1\n", "backend b\n", NULL},
	    {"backend b\n", "backend b\n server s 1.1.1.1:1 check\n", NULL},
	    {"backend b\n server s 1.1.1.1:1 inter 1s fall 2\n",
	     "backend b\n default-server inter 1s\n server s 1.1.1.1:1 fall 2\n",
	     "(nothing) became \"default-server inter 1s\""},
	    {"backend b\n server s 1.1.1.1:1\n", "backend b\n server s 1.1.1.1:1 check\n",
	     "server b/s: check turned on"},
	    {"backend b\n server r 1.1.1.1:1\n server s 1.1.1.1:1 inter 1s\n",
	     "backend b\n server s 1.1.1.1:1 inter 2s\n server r 1.1.1.1:1\n",
	     "server b/s: \"inter 1s\" became \"inter 2s\""},
	    {"backend b\n timeout connect 1s\n mode tcp\n",
	     "backend b\n timeout connect 2s\n mode tcp\n",
	     "\"timeout connect 1s\" became \"timeout connect 2s\""},
	    {"backend b\n mode tcp\n", "backend b\n", "\"mode tcp\" became (nothing)"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct haproxy_config old, new;
		struct strbuf why = STRBUF_INIT;

		parse(cases[i].old, &old);
		parse(cases[i].new, &new);
		cr_expect_eq(haproxy_config_needs_reload(&old, &new, &why), cases[i].why != NULL,
		             "%s", cases[i].new);
		cr_expect_str_eq(why.data, cases[i].why != NULL ? cases[i].why : "");
		strbuf_fini(&why);
		haproxy_config_free(&old);
		haproxy_config_free(&new);
	}
}
