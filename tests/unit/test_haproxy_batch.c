/* A batch of the driver: what goes out on one line, and what is found in the reply. */
#include <criterion/criterion.h>
#include <string.h>

#include "haproxy/model/batch.h"

#define HEADER                                                                                  \
	"1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight " \
	"srv_iweight srv_time_since_last_change srv_check_status srv_check_result "             \
	"srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id "      \
	"srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr " \
	"srv_agent_port\n"
#define ROW(be, name, port) \
	"3 " be " 1 " name " 127.0.0.1 2 0 1 1 1 1 0 2 0 0 0 0 - " port " - 0 0 - - 0\n"
#define INFO(stopping)                                                                    \
	"Name: HAProxy\nVersion: 2.6.12-1+deb12u4\nRelease_date: 2026/10/17\nPid: 9705\n" \
	"Uptime: 0d 0h00m01s\nUptime_sec: 71\nStopping: " stopping                        \
	"\nStart_time_sec: 1795452520\n\n"

static bool parse(const char *text, struct haproxy_batch_reply *round, struct err *err)
{
	return haproxy_batch_parse(text, strlen(text), round, err);
}

Test(haproxy_batch, tables_of_several_backends_become_one)
{
	struct haproxy_batch_reply round;
	struct err err;

	cr_assert(parse("no need to change the addr, port changed from '1' to '2'\n\n\n" HEADER ROW(
	                    "rw", "primary", "5") "\n" HEADER ROW("ro", "r1", "6")
	                    ROW("ro", "r2", "7") "\n" INFO("0"),
	                &round, &err),
	          "%s", err.message);
	cr_assert_eq(round.live.count, 3);
	cr_assert_eq(haproxy_live_find(&round.live, "ro", "r2", NULL)->port, 7);
	cr_assert_eq(round.info.pid, 9705);
	cr_assert_eq(round.uptime_s, 71);
	cr_assert_eq(round.start_s, 1795452520);
	cr_assert_str_eq(round.said.data,
	                 "no need to change the addr, port changed from '1' to '2'");
	haproxy_batch_free(&round);
}

Test(haproxy_batch, backend_that_is_not_there_is_an_answer_and_no_error)
{
	struct haproxy_batch_reply round;
	struct err err;

	cr_assert(parse("Can't find backend.\n\n" HEADER ROW("rw", "primary", "5") "\n" INFO("0"),
	                &round, &err));
	cr_assert_eq(round.live.count, 1);
	haproxy_batch_free(&round);
	cr_assert(parse("Can't find backend.\n\n" INFO("0"), &round, &err), "%s", err.message);
	cr_assert_eq(round.live.count, 0);
	cr_assert_str_eq(round.said.data, "Can't find backend.");
	haproxy_batch_free(&round);
}

#define STAT                           "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,\n"
#define COUNT(be, name, queued, limit) be "," name "," queued ",0,0,0," limit ",0,0,\n"

Test(haproxy_batch, limits_and_queues_are_those_of_the_servers)
{
	const struct haproxy_live_server *server;
	struct haproxy_batch_reply round;
	struct err err;

	cr_assert(
	    parse("\n" HEADER ROW("rw", "primary", "5") "\n" STAT COUNT("rw", "primary", "2", "1")
	              COUNT("rw", "BACKEND", "40", "200") "\n" HEADER ROW("ro", "r1", "6")
	                  ROW("ro", "r2", "7") "\n" STAT COUNT("ro", "r1", "0", "")
	                      COUNT("ro", "r2", "3", "1000000") COUNT("ro", "BACKEND", "0", "200")
	                          COUNT("other", "r9", "1", "1") "\n" INFO("0"),
	          &round, &err),
	    "%s", err.message);
	server = haproxy_live_find(&round.live, "rw", "primary", NULL);
	cr_expect(server->counted && server->maxconn == 1 && server->queued == 42);
	server = haproxy_live_find(&round.live, "ro", "r1", NULL);
	cr_expect(server->counted && server->maxconn == 0 && server->queued == 0);
	server = haproxy_live_find(&round.live, "ro", "r2", NULL);
	cr_expect(server->counted && server->maxconn == 1000000 && server->queued == 3);
	haproxy_batch_free(&round);
	cr_assert_not(parse("\n" HEADER ROW("rw", "primary", "5") "\n" STAT
	                                                          "rw,primary,x,,,,,\n\n" INFO("0"),
	                    &round, &err));
	cr_expect_not_null(strstr(err.message, "show stat"), "%s", err.message);
	cr_assert_not(parse("\n" HEADER "\n# pxname,svname,scur,\n\n" INFO("0"), &round, &err));
	cr_assert_not(
	    parse("\n" HEADER ROW("rw", "primary", "5") "\n" STAT "rw,pri", &round, &err));
}

Test(haproxy_batch, a_level_below_admin_is_told)
{
	static const struct {
		const char *reply, *level, *said;
	} rows[] = {
	    {"admin\n\n", NULL, ""},
	    {"operator\n\n", "operator", ""},
	    {"user\n\n", "user", ""},
	    {"Unknown command: 'show cli level'\n\n", NULL, "Unknown command: 'show cli level'"},
	    {"", NULL, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *text =
		    xasprintf(HEADER ROW("rw", "primary", "5") "\n%s" INFO("0"), rows[i].reply);
		struct haproxy_batch_reply round;
		struct err err;

		cr_assert(parse(text, &round, &err), "%s", err.message);
		cr_expect_str_eq(round.level != NULL ? round.level : "admin",
		                 rows[i].level != NULL ? rows[i].level : "admin");
		cr_expect_str_eq(round.said.data, rows[i].said);
		haproxy_batch_free(&round);
	}
}

Test(haproxy_batch, replies_cut_short_or_of_something_else_are_errors)
{
	static const char *const replies[] = {
	    "",
	    "\n",
	    "HTTP/1.0 400 Bad request\n\n",
	    "Permission denied\n\n",
	    HEADER ROW("rw", "primary", "5"),
	    HEADER ROW("rw", "primary", "5") "\n",
	    HEADER ROW("rw", "primary", "5") "\nName: HAProxy\nVersion: 2.6.12\nPid: 9705",
	    HEADER "3 rw 1 primary\n\n" INFO("0"),
	    HEADER ROW("rw", "primary", "5") "\n" INFO("1"),
	};

	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		struct haproxy_batch_reply round;
		struct err err;

		cr_assert_not(parse(replies[i], &round, &err), "%s", replies[i]);
	}
}

static struct haproxy_config config_of(size_t backends)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct haproxy_config config;
	struct err err;

	for (size_t i = 0; i < backends; i++)
		strbuf_printf(&text, "backend be%zu\n  server s 127.0.0.1:1\n", i);
	cr_assert(haproxy_config_parse(text.data, text.len, &config, &err), "%s", err.message);
	return config;
}

Test(haproxy_batch, questions_follow_the_commands_on_one_line)
{
	static const char shared[] =
	    "frontend b\n default_backend b\nbackend b\n  server s 127.0.0.1:1\n";
	struct haproxy_config two = config_of(2), nine = config_of(9), same;
	auto_strbuf struct strbuf line = STRBUF_INIT;
	struct err err;

	cr_assert(haproxy_batch_line("", &two, &line));
	cr_assert_str_eq(line.data,
	                 "show servers state be0;show servers state be1;"
	                 "show stat be0 6 -1;show stat be1 6 -1;show cli level;show info");
	strbuf_reset(&line);
	cr_assert(haproxy_batch_line("set server a/b weight 1", &nine, &line));
	cr_assert_str_eq(line.data, "set server a/b weight 1;show servers state;show stat -1 6 -1;"
	                            "show info");
	strbuf_reset(&line);
	cr_assert(haproxy_config_parse(shared, strlen(shared), &same, &err));
	cr_assert(haproxy_batch_line("", &same, &line));
	cr_assert_str_eq(line.data, "show servers state b;show stat -1 6 -1;show cli level;"
	                            "show info");
	haproxy_config_free(&two);
	haproxy_config_free(&nine);
	haproxy_config_free(&same);
}

Test(haproxy_batch, too_many_commands_are_cut_between_two)
{
	struct haproxy_config config = config_of(1);
	auto_strbuf struct strbuf commands = STRBUF_INIT, line = STRBUF_INIT;

	for (int i = 0; i < 1000; i++)
		strbuf_printf(&commands, "%sset server be0/s%d weight 1", i > 0 ? ";" : "", i);
	cr_assert_not(haproxy_batch_line(commands.data, &config, &line));
	cr_assert_lt(line.len, 16000);
	cr_assert_gt(line.len, 11000);
	cr_assert_not_null(
	    strstr(line.data, " weight 1;show servers state be0;show stat be0 6 -1;show info"));
	haproxy_config_free(&config);
}

/* A ';' after a backslash is part of a parameter: agent-send "a;b". */
Test(haproxy_batch, a_command_is_not_cut_at_a_semicolon_within_it)
{
	struct haproxy_config config = config_of(1);
	auto_strbuf struct strbuf commands = STRBUF_INIT, line = STRBUF_INIT;

	strbuf_append_str(&commands,
	                  "set server be0/s weight 1;add server be0/t ::1:1 agent-send ");
	while (commands.len < 13000)
		strbuf_append_str(&commands, "\\\\\\;");
	cr_assert_not(haproxy_batch_line(commands.data, &config, &line));
	cr_assert_str_eq(line.data, "set server be0/s weight 1;show servers state be0;"
	                            "show stat be0 6 -1;show info");
	haproxy_config_free(&config);
}
