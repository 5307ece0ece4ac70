/* Desired servers against live ones: the commands, word for word. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "haproxy/model/diff.h"

#define RUNNING 2

/* Live servers as a test writes them; the end is where backend is NULL. */
struct row {
	const char *backend, *name, *address;
	uint16_t port;
	unsigned operational, admin, weight;
};

static void make_live(const struct row *rows, struct haproxy_live *live)
{
	*live = (struct haproxy_live){.servers = xcalloc(8, sizeof(*live->servers))};
	for (; rows->backend != NULL; rows++)
		live->servers[live->count++] = (struct haproxy_live_server){
		    .backend = xstrdup(rows->backend),
		    .name = xstrdup(rows->name),
		    .address = xstrdup(rows->address),
		    .port = rows->port,
		    .operational = rows->operational,
		    .admin = rows->admin,
		    .weight = rows->weight,
		};
}

static void make_diff(const char *text, const struct row *rows, bool can_add,
                      struct haproxy_diff *diff)
{
	struct haproxy_config desired;
	struct haproxy_live live;
	struct err err;

	cr_assert(haproxy_config_parse(text, strlen(text), &desired, &err), "%s", err.message);
	make_live(rows, &live);
	haproxy_diff(&desired, &live, (struct haproxy_abilities){.can_add = can_add}, diff);
	haproxy_config_free(&desired);
	haproxy_live_free(&live);
}

struct diff_case {
	const char *text;
	struct row live[4];
	const char *commands, *summary;
	bool cleanup;
};

static void check_cases(const struct diff_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct haproxy_diff diff;
		size_t commands = *cases[i].commands != '\0';

		make_diff(cases[i].text, cases[i].live, true, &diff);
		for (const char *c = cases[i].commands; *c != '\0'; c++)
			commands += *c == ';' && c[-1] != '\\';
		cr_expect_str_eq(diff.commands.data, cases[i].commands, "case %zu: %s", i,
		                 diff.commands.data);
		cr_expect_str_eq(diff.summary.data, cases[i].summary, "case %zu: %s", i,
		                 diff.summary.data);
		cr_expect_eq(diff.command_count, commands, "case %zu", i);
		cr_expect_eq(diff.needs_cleanup, cases[i].cleanup, "case %zu", i);
		cr_expect_not(diff.needs_reload, "case %zu: %s", i, diff.why.data);
		haproxy_diff_free(&diff);
	}
}

Test(haproxy_diff, nothing_is_sent_where_nothing_differs)
{
	static const struct diff_case cases[] = {
	    {"backend b\n server s 10.0.0.1:5432\n",
	     {{"b", "s", "10.0.0.1", 5432, RUNNING, 0, 1}},
	     "",
	     "",
	     false},
	    {"backend b\n server s [2001:DB8::0:1]:5432\n",
	     {{"b", "s", "2001:db8::1", 5432, RUNNING, 0, 1}},
	     "",
	     "",
	     false},
	    {"backend b\n server s 10.0.0.1:5 disabled\n", /* as loaded, and by command */
	     {{"b", "s", "10.0.0.1", 5, 0, 5, 1}},
	     "",
	     "",
	     false},
	    {"backend b\n server s 10.0.0.1:5 disabled\n",
	     {{"b", "s", "10.0.0.1", 5, 0, 1, 1}},
	     "",
	     "",
	     false},
	    {"backend b\n server s 10.0.0.1:5 check\n", /* enabled after `disabled` in the file */
	     {{"b", "s", "10.0.0.1", 5, RUNNING, 4, 1}},
	     "",
	     "",
	     false},
	    {"backend b\n server s 10.0.0.1:5 check\n", /* its check holds it down */
	     {{"b", "s", "10.0.0.1", 5, 0, 0, 1}},
	     "",
	     "",
	     false},
	    {"backend b\n server s 10.0.0.1:5\n", /* maintenance inherited, or by resolution */
	     {{"b", "s", "10.0.0.1", 5, 0, 2, 1}},
	     "",
	     "",
	     false},
	    {"backend b\n server s 10.0.0.1:5\n",
	     {{"b", "s", "10.0.0.1", 5, 0, 32, 1}},
	     "",
	     "",
	     false},
	    {"backend b\n server s 10.0.0.1:5 agent-check weight 9\n", /* the agent's to set */
	     {{"b", "s", "10.0.0.1", 5, 0, 9, 50}},
	     "",
	     "",
	     false},
	    {"backend b\n server s 10.0.0.1:5 track r\n server r 10.0.0.1:5 check\n",
	     {{"b", "s", "10.0.0.1", 5, 0, 0, 1}, {"b", "r", "10.0.0.1", 5, 0, 0, 1}},
	     "",
	     "",
	     false},
	    {"backend b\n server u unix@/x\n server-template r 2 127.0.0.1:1\n",
	     {{"b", "u", "", 0, 2, 0, 1},
	      {"b", "r1", "127.0.0.1", 1, 2, 0, 1},
	      {"b", "r2", "1.1.1.1", 7, 2, 0, 1}},
	     "",
	     "",
	     false},
	    {"frontend f\nbackend b\n", {{"other", "s", "10.0.0.1", 5, 0, 1, 1}}, "", "", false},
	};

	check_cases(cases, ARRAY_LEN(cases));
}

Test(haproxy_diff, an_address_changes_in_place)
{
	static const struct diff_case cases[] = {
	    {"backend b\n server s 10.0.0.2:5432\n",
	     {{"b", "s", "10.0.0.1", 5432, RUNNING, 0, 1}},
	     "set server b/s addr 10.0.0.2 port 5432",
	     "b/s 10.0.0.1:5432->10.0.0.2:5432",
	     true},
	    {"backend b\n server s 10.0.0.1:5433\n",
	     {{"b", "s", "10.0.0.1", 5432, RUNNING, 0, 1}},
	     "set server b/s addr 10.0.0.1 port 5433",
	     "b/s 10.0.0.1:5432->10.0.0.1:5433",
	     true},
	    {"backend b\n server s [::1]:5432\n",
	     {{"b", "s", "::2", 5432, RUNNING, 0, 1}},
	     "set server b/s addr ::1 port 5432",
	     "b/s [::2]:5432->[::1]:5432",
	     true},
	    {"backend b\n server s 10.0.0.2:5432 check\n", /* running now, but for how long? */
	     {{"b", "s", "10.0.0.1", 5432, RUNNING, 0, 1}},
	     "set server b/s addr 10.0.0.2 port 5432;set server b/s health up",
	     "b/s 10.0.0.1:5432->10.0.0.2:5432",
	     true},
	    {"backend b\n server s 10.0.0.2:5432\nbackend c\n server s 10.0.0.3:5432\n",
	     {{"c", "s", "10.0.0.2", 5432, RUNNING, 0, 1},
	      {"b", "s", "10.0.0.1", 5432, RUNNING, 0, 1}},
	     "set server b/s addr 10.0.0.2 port 5432;set server c/s addr 10.0.0.3 port 5432",
	     "b/s 10.0.0.1:5432->10.0.0.2:5432, c/s 10.0.0.2:5432->10.0.0.3:5432",
	     true},
	};

	check_cases(cases, ARRAY_LEN(cases));
}

Test(haproxy_diff, states_and_weights_follow_the_text)
{
	static const struct diff_case cases[] = {
	    {"backend b\n server s 127.0.0.1:1 check disabled\n", /* out of service first */
	     {{"b", "s", "10.0.0.1", 5, RUNNING, 0, 1}},
	     "set server b/s state maint;set server b/s addr 127.0.0.1 port 1",
	     "b/s disabled, b/s 10.0.0.1:5->127.0.0.1:1",
	     true},
	    {"backend b\n server s 10.0.0.1:5 check weight 3\n", /* into service last */
	     {{"b", "s", "127.0.0.1", 1, 0, 5, 1}},
	     "set server b/s addr 10.0.0.1 port 5;set server b/s weight 3;"
	     "set server b/s state ready;set server b/s health up",
	     "b/s 127.0.0.1:1->10.0.0.1:5, b/s weight 1->3, b/s enabled",
	     true},
	    {"backend b\n server s 10.0.0.1:5 check\n",
	     {{"b", "s", "10.0.0.1", 5, 0, 1, 1}},
	     "set server b/s state ready",
	     "b/s enabled",
	     false},
	    {"backend b\n server s 10.0.0.1:5\n",
	     {{"b", "s", "10.0.0.1", 5, RUNNING, 8, 1}},
	     "set server b/s state ready",
	     "b/s undrained",
	     false},
	    {"backend b\n server s 10.0.0.1:5 weight 0\n",
	     {{"b", "s", "10.0.0.1", 5, RUNNING, 0, 256}},
	     "set server b/s weight 0",
	     "b/s weight 256->0",
	     false},
	    {"backend b\n server s 10.0.0.1:5\n", /* taken down by hand: nothing else lifts it */
	     {{"b", "s", "10.0.0.1", 5, 0, 0, 1}},
	     "set server b/s health up",
	     "b/s up",
	     false},
	};

	check_cases(cases, ARRAY_LEN(cases));
}

Test(haproxy_diff, servers_come_and_go)
{
	static const struct diff_case cases[] = {
	    {"backend b\n server s 10.0.0.1:5\n server n 10.0.0.2:5 check inter 2s weight 3\n",
	     {{"b", "s", "10.0.0.1", 5, RUNNING, 0, 1}},
	     "add server b/n 10.0.0.2:5 inter 2s weight 3 check;enable "
	     "health b/n;enable server b/n",
	     "b/n added at 10.0.0.2:5",
	     false},
	    {"backend b\n server s 10.0.0.1:5\n server n [::1]:5 disabled\n",
	     {{"b", "s", "10.0.0.1", 5, RUNNING, 0, 1}},
	     "add server b/n [::1]:5",
	     "b/n added at [::1]:5",
	     false},
	    {"backend b\n server s 10.0.0.1:5\n server n 10.0.0.2:5 agent-check agent-send 'a;b'\n",
	     {{"b", "s", "10.0.0.1", 5, RUNNING, 0, 1}},
	     "add server b/n 10.0.0.2:5 agent-check agent-send a\\;b;enable agent b/n;"
	     "enable server b/n",
	     "b/n added at 10.0.0.2:5",
	     false},
	    {"backend b\n",
	     {{"b", "s", "10.0.0.1", 5, RUNNING, 0, 1}},
	     "set server b/s state maint;del server b/s",
	     "b/s removed",
	     false},
	    {"backend b\n",
	     {{"b", "s", "10.0.0.1", 5, 0, 1, 1}},
	     "del server b/s",
	     "b/s removed",
	     false},
	};

	check_cases(cases, ARRAY_LEN(cases));
}

Test(haproxy_diff, removals_are_counted_apart)
{
	struct haproxy_diff diff;

	make_diff("backend b\n",
	          (const struct row[]){{"b", "s", "1.1.1.1", 5, 0, 1, 1},
	                               {"b", "t", "1.1.1.1", 5, RUNNING, 0, 1},
	                               {0}},
	          true, &diff);
	cr_assert_eq(diff.removals, 2);
	cr_assert_eq(diff.command_count, 3);
	haproxy_diff_free(&diff);
}

Test(haproxy_diff, what_no_command_can_do_needs_a_reload)
{
	static const struct {
		const char *text;
		struct row live[3];
		bool can_add;
		const char *commands, *why;
	} cases[] = {
	    {"backend b\n server s 1.1.1.1:1\n",
	     {{"c", "s", "1.1.1.1", 1, 2, 0, 1}},
	     true,
	     "",
	     "server b/s is missing with its whole backend: HAProxy has not loaded the file"},
	    {"backend b\n server s 1.1.1.1:1\n server t 1.1.1.1:1\n",
	     {{"b", "s", "1.1.1.1", 1, 2, 0, 1}},
	     false,
	     "",
	     "server b/t is missing, and this HAProxy cannot add servers at runtime"},
	    {"backend b\n server s 1.1.1.1:1\n server t 1.1.1.1:1 agent-send \"a\\n\"\n",
	     {{"b", "s", "1.1.1.1", 1, 2, 0, 1}},
	     true,
	     "",
	     "server b/t is missing, and its parameters cannot be written in a runtime command"},
	    {"backend b\n server s 1.1.1.1:1\n",
	     {{"b", "s", "1.1.1.1", 1, 2, 0, 1}, {"b", "t", "1.1.1.1", 1, 2, 0, 1}},
	     false,
	     "set server b/t state maint",
	     "server b/t is surplus, and this HAProxy cannot remove servers at runtime"},
	    {"backend b\n server s 1.1.1.1:1\n",
	     {{"b", "s", "", 0, 2, 0, 1}},
	     true,
	     "",
	     "server b/s has no IP address in HAProxy, and a runtime command cannot set one"},
	    {"backend b\n server u unix@/x\n server v unix@/x\n",
	     {{"b", "u", "", 0, 2, 0, 1}},
	     true,
	     "",
	     "server b/v is missing, and only a reload of the file can add it"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct haproxy_diff diff;

		make_diff(cases[i].text, cases[i].live, cases[i].can_add, &diff);
		cr_expect(diff.needs_reload, "case %zu", i);
		cr_expect_str_eq(diff.why.data, cases[i].why, "case %zu: %s", i, diff.why.data);
		cr_expect_str_eq(diff.commands.data, cases[i].commands, "case %zu: %s", i,
		                 diff.commands.data);
		haproxy_diff_free(&diff);
	}
}

Test(haproxy_diff, a_primary_that_haproxys_check_has_down_is_found)
{
	static const struct {
		const char *text;
		struct row live[4];
		const char *down; /* NULL: none */
	} rows[] = {
	    {"backend rw\n server a 10.0.0.1:5432 check\n",
	     {{"rw", "a", "10.0.0.1", 5432, 0, 0, 1}},
	     "a"},
	    {"backend rw\n server a 10.0.0.1:5432 check\n",
	     {{"rw", "a", "10.0.0.1", 5432, RUNNING, 0, 1}},
	     NULL},
	    {"backend rw\n server a 10.0.0.1:5432 check\n", /* a hand put it there */
	     {{"rw", "a", "10.0.0.1", 5432, 0, 1, 1}},
	     NULL},
	    {"backend rw\n server a 10.0.0.1:5432 check\n server b 10.0.0.2:5432 backup\n",
	     {{"rw", "a", "10.0.0.1", 5432, 0, 0, 1}, {"rw", "b", "10.0.0.2", 5432, RUNNING, 0, 1}},
	     "a"},
	    {"backend ro\n server a 10.0.0.1:5432 check\n server b 10.0.0.2:5432 check\n",
	     {{"ro", "a", "10.0.0.1", 5432, 0, 0, 1}, {"ro", "b", "10.0.0.2", 5432, RUNNING, 0, 1}},
	     NULL},
	    {"backend ro\n server a 10.0.0.1:5432 backup check\nbackend "
	     "rw\n server a 10.0.0.1:5432\n",
	     {{"ro", "a", "10.0.0.1", 5432, 0, 0, 1}, {"rw", "a", "10.0.0.1", 5432, RUNNING, 0, 1}},
	     NULL},
	    {"backend rw\n server a 10.0.0.1:5432 check\nbackend ro\n server b 10.0.0.2:5432\n",
	     {{"rw", "a", "10.0.0.1", 5432, 0, 0, 1}, {"ro", "b", "10.0.0.2", 5432, RUNNING, 0, 1}},
	     "a"},
	};
	const struct haproxy_endpoint primary = {"10.0.0.1", 5432};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct haproxy_server *down;
		struct haproxy_config config;
		struct haproxy_live live;
		struct err err;

		cr_assert(haproxy_config_parse(rows[i].text, strlen(rows[i].text), &config, &err));
		make_live(rows[i].live, &live);
		down = haproxy_find_down(&config, &primary, &live);
		cr_expect_eq(down != NULL, rows[i].down != NULL, "%zu", i);
		cr_expect(down == NULL || rows[i].down == NULL ||
		              strcmp(down->name, rows[i].down) == 0,
		          "%zu", i);
		haproxy_config_free(&config);
		haproxy_live_free(&live);
	}
}
