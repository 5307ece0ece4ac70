/* Settings that would hurt a failover are found, and nothing else is. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/strbuf.h"
#include "haproxy/model/lint.h"

#define GLOBAL \
	"global\n stats socket /run/haproxy/admin.sock mode 660 level admin\n hard-stop-after 1h\n"
#define DEFAULTS                                                                 \
	"defaults segue\n mode tcp\n timeout connect 100ms\n timeout queue 1m\n" \
	" timeout server 1h\n retries 600\n option redispatch 2\n"

static const char *first(const struct string_list *findings)
{
	return findings->count > 0 ? findings->items[0] : "";
}

Test(haproxy_lint, a_good_text_has_no_finding)
{
	static const char *const texts[] = {
	    "",
	    GLOBAL DEFAULTS,
	    /* as templates/haproxy.cfg.mustache renders */
	    DEFAULTS "frontend orders_rw_in from segue\n bind 127.0.0.1:5000\n"
	             " default_backend orders_rw\nbackend orders_rw from segue\n"
	             " server primary 10.0.0.1:5432\nbackend orders_ro from segue\n"
	             " balance leastconn\n"
	             " server rep1 10.0.0.2:5432 check inter 2s on-marked-down shutdown-sessions\n"
	             " server rep2 127.0.0.1:1 check inter 2s disabled\n"
	             " server primary 10.0.0.1:5432 backup\n",
	    /* settings of a file that is not at hand are not guessed */
	    "backend b from elsewhere\n server primary 10.0.0.1:5432 maxconn 9\n",
	    DEFAULTS "backend b\n retries \"$R\"\n server primary 10.0.0.1:5432\n",
	    /* other people's backends */
	    GLOBAL "defaults\n mode http\n timeout connect 9s\n"
	           "backend web\n server web1 www:80 check resolvers dns\n"
	           "backend api\n mode http\n server primary www:80 check\n",
	    DEFAULTS "backend b from segue\n timeout queue 30s\n"
	             " server primary 10.0.0.1:5432 maxconn 9\n",
	    /* values that look like keywords, and the last of two that contradict each other */
	    DEFAULTS "backend b from segue\n default-server check\n"
	             " server primary 10.0.0.1:5432 cookie check no-check\n",
	    DEFAULTS "backend b from segue\n server primary 10.0.0.1:5432 cookie resolvers\n",
	    "defaults segue\n mode tcp\n timeout connect 1s\n retries 60\n option redispatch 2\n"
	    " timeout queue 1m\n"
	    "defaults more from segue\nbackend b from more\n server primary 10.0.0.1:5432\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		auto_string_list struct string_list out = {.count = 0};

		haproxy_lint(texts[i], strlen(texts[i]), HAPROXY_LINT_HOLD_MS, &out);
		cr_expect_eq(out.count, 0, "text %zu: %s", i, first(&out));
	}
}

Test(haproxy_lint, each_trap_is_found_once)
{
	static const struct {
		const char *text, *finding;
	} cases[] = {
	    {"global\n hard-stop-after 1h\n", "line 1: global has no \"stats socket\""},
	    {"global\n stats socket /x\n hard-stop-after 1h\n", "line 2: no \"stats socket\" has"},
	    {"global\n stats socket /x level admin level user\n hard-stop-after 1h\n",
	     "line 2: no \"stats socket\" has"},
	    {DEFAULTS "backend b from segue\n server primary 10.0.0.1:5 no-check check\n",
	     "line 9: server b/primary has \"check\""},
	    {DEFAULTS
	     "backend b from segue\n retries 3\n server primary 10.0.0.1:5 cookie backup\n",
	     "line 8: backend b: 3 retries"},
	    {"global\n stats socket /x level admin\n", "line 1: global has no \"hard-stop-after\""},
	    {"defaults d\n mode tcp\n timeout client 1\n",
	     "line 3: \"timeout client 1\" is 1 ms, as it has no unit: write 1s, or 1ms"},
	    {"frontend f\n timeout client 90\n", "line 2: \"timeout client 90\" is 90 ms"},
	    {"defaults d\n timeout server 20ms\n",
	     "line 2: \"timeout server 20ms\": sessions that are idle"},
	    {DEFAULTS "backend b from segue\n server primary 10.0.0.1:5432 check\n",
	     "line 9: server b/primary has \"check\""},
	    {DEFAULTS "backend b from segue\n default-server check\n server primary 10.0.0.1:5\n",
	     "line 10: server b/primary has \"check\""},
	    {DEFAULTS "backend b from segue\n server primary db1:5432\n",
	     "line 9: server b/primary: 'db1:5432' is a host name"},
	    {DEFAULTS "backend b from segue\n server primary 10.0.0.1:5 resolvers dns\n",
	     "line 9: server b/primary has \"resolvers\""},
	    {"defaults d\n mode tcp\n timeout connect 100ms\n retries 600\n option redispatch 2\n"
	     "backend b from d\n server primary 10.0.0.1:5 maxconn 9\n",
	     "line 6: backend b has no \"timeout queue\": clients stay in its queue"},
	    {"defaults d\n mode tcp\n timeout connect 100ms\n retries 600\n option redispatch 2\n"
	     "backend b from d\n server primary 10.0.0.1:5\n",
	     "line 6: backend b has no \"timeout queue\""},
	    {DEFAULTS "backend b from segue\n timeout queue 29s\n server primary 10.0.0.1:5\n",
	     "line 8: backend b: \"timeout queue\" is 29000 ms, hold_timeout is 30000 ms"},
	    {DEFAULTS "backend b from segue\n option redispatch 1\n server primary 10.0.0.1:5\n",
	     "line 8: backend b has \"option redispatch 1\": during a "
	     "failover each waiting client"},
	    {DEFAULTS "backend b from segue\n no option redispatch\n server primary 10.0.0.1:5\n",
	     "line 8: backend b has no \"option redispatch 2\""},
	    {DEFAULTS "backend b from segue\n option redispatch\n server primary 10.0.0.1:5\n",
	     "line 8: backend b has no \"option redispatch 2\""},
	    {DEFAULTS "backend b from segue\n timeout connect 10s\n server primary 10.0.0.1:5\n",
	     "line 8: backend b: \"timeout connect\" is 10000 ms"},
	    {DEFAULTS "backend b from segue\n timeout connect 0\n server primary 10.0.0.1:5\n",
	     "line 8: backend b has no \"timeout connect\""},
	    {DEFAULTS "backend b from segue\n retries 3\n server primary 10.0.0.1:5\n",
	     "line 8: backend b: 3 retries 100 ms apart: during a failover clients get errors "
	     "after 300 ms, hold_timeout is 30000 ms: raise \"retries\" to 600"},
	    {"defaults\n timeout connect 5s\n option redispatch 2\n timeout queue 1m\n"
	     "backend b\n server primary 10.0.0.1:5\n",
	     "line 5: backend b: 3 retries 1000 ms apart"},
	    {DEFAULTS "defaults\n mode http\n timeout connect 1s\n retries 60\n"
	              " option redispatch 2\n timeout queue 1m\nbackend b\n"
	              " server primary 10.0.0.1:5\n",
	     "line 9: backend b inherits \"mode http\""},
	    {"backend b\n server primary 10.0.0.1:5\n",
	     "line 1: backend b inherits the defaults of the file"},
	    {DEFAULTS " load-server-state-from-file global\n",
	     "line 8: load-server-state-from-file: a saved address would override"},
	    {GLOBAL "defaults\n option \"x\n", "line 5: a quote is opened and not closed"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_string_list struct string_list out = {.count = 0};

		haproxy_lint(cases[i].text, strlen(cases[i].text), HAPROXY_LINT_HOLD_MS, &out);
		cr_expect_eq(out.count, 1, "case %zu: %s", i, first(&out));
		cr_expect_eq(strncmp(first(&out), cases[i].finding, strlen(cases[i].finding)), 0,
		             "case %zu: %s", i, first(&out));
		cr_expect_null(strchr(first(&out), '\n'));
	}
}

Test(haproxy_lint, all_findings_are_reported)
{
	static const char text[] = "global\nlisten b\n mode tcp\n bind :5000\n"
	                           " server primary db1:5432 check\n";
	auto_string_list struct string_list out = {.count = 0};

	haproxy_lint(text, strlen(text), HAPROXY_LINT_HOLD_MS, &out);
	cr_assert_eq(out.count, 6, "%s", first(&out));
}

/* Once, a finding was cut where a name in it had a line break. */
Test(haproxy_lint, a_name_with_a_line_break_is_in_one_finding)
{
	static const char text[] = DEFAULTS "backend \"a\\nb\" from segue\n"
	                                    " server primary 10.0.0.1:5432 check\n";
	auto_string_list struct string_list out = {.count = 0};

	haproxy_lint(text, strlen(text), HAPROXY_LINT_HOLD_MS, &out);
	cr_assert_eq(out.count, 1);
	cr_expect_not_null(strstr(out.items[0], "server a\nb/primary has \"check\": "));
}

/* The same texts, judged for another hold_timeout. */
Test(haproxy_lint, how_long_clients_can_wait_is_held_against_how_long_they_have_to)
{
	static const char text[] = DEFAULTS "backend b from segue\n server primary 10.0.0.1:5432\n";
	auto_string_list struct string_list out = {.count = 0};

	haproxy_lint_hold(text, strlen(text), 60000, &out);
	cr_expect_eq(out.count, 0, "%s", first(&out));
	haproxy_lint_hold(text, strlen(text), 60001, &out);
	cr_assert_eq(out.count, 1);
	cr_expect_str_eq(out.items[0],
	                 "line 8: backend b: 600 retries 100 ms apart: during a failover clients "
	                 "get errors after 60000 ms, hold_timeout is 60001 ms: raise \"retries\" "
	                 "to 1200");
}

Test(haproxy_lint, of_a_hold_only_what_keeps_clients_from_waiting_counts)
{
	static const char *const harmless[] = {
	    "global\n hard-stop-after 1h\n",
	    DEFAULTS "backend b from segue\n server primary 10.0.0.1:5 resolvers dns maxconn 9\n",
	    DEFAULTS "backend b from segue\n timeout connect 10s\n server primary 10.0.0.1:5\n",
	    DEFAULTS " load-server-state-from-file global\n",
	};
	static const char *const harmful[] = {
	    DEFAULTS "backend b from segue\n server primary 10.0.0.1:5432 check\n",
	    DEFAULTS "backend b from segue\n no option redispatch\n server primary 10.0.0.1:5\n",
	    DEFAULTS "backend b from segue\n retries 3\n server primary 10.0.0.1:5\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
		auto_string_list struct string_list out = {.count = 0};

		haproxy_lint_hold(harmless[i], strlen(harmless[i]), 30000, &out);
		cr_expect_eq(out.count, 0, "text %zu: %s", i, first(&out));
	}
	for (size_t i = 0; i < ARRAY_LEN(harmful); i++) {
		auto_string_list struct string_list out = {.count = 0};

		haproxy_lint_hold(harmful[i], strlen(harmful[i]), 30000, &out);
		cr_expect_eq(out.count, 1, "text %zu: %s", i, first(&out));
	}
}

Test(haproxy_lint, what_ends_sessions_at_once_is_an_alarm)
{
	static const char good[] =
	    "defaults d\n timeout connect 50\n timeout client 1h\n"
	    " timeout server 0\n timeout tunnel \"$T\"\n timeout client-fin 1s\n";
	static const char bad[] = "defaults d\n timeout client 1\n timeout server 200ms\n";
	auto_strbuf struct strbuf out = STRBUF_INIT;

	cr_assert_eq(haproxy_lint_idle(good, strlen(good), &out), 0, "%s", out.data);
	cr_assert_eq(haproxy_lint_idle(bad, strlen(bad), &out), 2);
	cr_assert_not_null(strstr(out.data,
	                          "rendered line 2: \"timeout client\" is 1 ms, rendered "
	                          "line 3: \"timeout server\" is 200 ms: sessions that are idle"),
	                   "%s", out.data);
}
