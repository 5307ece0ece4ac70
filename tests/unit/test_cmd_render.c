/* `segue render`, called as main() would, in a folder of its own. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cluster/state_file.h"

#define ARGS_MAX 16

/* Goes into a fresh folder; every test is a process of its own. */
static char folder[] = "/tmp/segue-render-XXXXXX";

static void write_file(const char *name, const char *text)
{
	const struct file_owner owner = {.mode = 0600};
	struct err err;

	cr_assert(file_replace(name, text, strlen(text), &owner, &err), "%s", err.message);
}

/* segue.ini takes absolute paths only. */
static void write_config(void)
{
	auto_free char *text =
	    xasprintf("[segue]\nstate_dir = %1$s/state\n"
	              "[cluster orders]\npath = /segue/orders\n"
	              "[file app]\ncluster = orders\ntemplate = %1$s/cluster.mustache\n"
	              "output = %1$s/out.txt\nvar.note = its note\n"
	              "[haproxy app]\ncluster = orders\ntemplate = %1$s/cluster.mustache\n"
	              "output = %1$s/out.cfg\nsocket = %1$s/h.sock\n"
	              "[pgbouncer pg]\ncluster = orders\ntemplate = %1$s/cluster.mustache\n"
	              "output = %1$s/pg.ini\nvar.note = it's\n"
	              "[haproxy lone]\ncluster = orders\ntemplate = %1$s/cluster.mustache\n"
	              "output = %1$s/lone.cfg\nsocket = %1$s/h.sock\n",
	              folder);

	write_file("segue.ini", text);
}

static void check_stdout(const char *before, const char *after)
{
	auto_free char *want = xasprintf("%s%s%s", before, folder, after);

	cr_assert_stdout_eq_str(want);
}

static void enter_folder(void)
{
	cr_redirect_stdout();
	cr_redirect_stderr();
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
	write_file("t.mustache", "{{>p}} for {{#.}}{{x}}{{/.}}\n");
	write_file("p.mustache", "partial");
	write_file("data.json", "[{\"x\":\"a b\"},{\"x\":\"<\"}]");
	write_file("cluster.mustache",
	           "{{cluster}} {{#primary}}{{endpoint}}{{/primary}} {{zxid}} {{{vars.note}}}\n");
	write_config();
	write_file("topology.json",
	           "{\"version\":1,\"primary\":{\"name\":\"db1\",\"host\":\"10.0.0.1\","
	           "\"port\":5432},\"standbys\":[]}");
}

static void leave_folder(void)
{
	static const char *const files[] = {"t.mustache",       "p.mustache",       "data.json",
	                                    "cluster.mustache", "segue.ini",        "topology.json",
	                                    "out.txt",          "state/orders.json"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		unlink(files[i]);
	rmdir("state");
	rmdir(folder);
}

TestSuite(cmd_render, .init = enter_folder, .fini = leave_folder);

static int run(const char *const *args)
{
	char *argv[ARGS_MAX] = {(char *)"render"};
	int argc = 1;

	for (; args[argc - 1] != NULL; argc++)
		argv[argc] = (char *)args[argc - 1];
	return cmd_render(argc, argv);
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

Test(cmd_render, any_template_with_any_data)
{
	cr_assert_eq(RUN("--template", "t.mustache", "--data", "data.json"), CMD_OK);
	cr_assert_stdout_eq_str("partial for a b<\n");
}

Test(cmd_render, escaping_is_chosen)
{
	cr_assert_eq(RUN("--template", "t.mustache", "--data", "data.json", "--escape", "html"),
	             CMD_OK);
	cr_assert_stdout_eq_str("partial for a b&lt;\n");
}

Test(cmd_render, partials_may_stand_elsewhere)
{
	cr_assert_eq(RUN("--template", "t.mustache", "--data", "data.json", "--partials", "/"),
	             CMD_OK);
	cr_assert_stdout_eq_str(" for a b<\n");
}

Test(cmd_render, values_are_escaped_by_the_kind_of_the_target)
{
	write_file("cluster.mustache", "{{vars.note}}");
	cr_assert_eq(RUN("-c", "segue.ini", "--topology", "topology.json", "pgbouncer/pg"), CMD_OK);
	cr_assert_stdout_eq_str("'it''s'");
}

Test(cmd_render, a_target_by_name)
{
	cr_assert_eq(RUN("-c", "segue.ini", "--topology", "topology.json", "lone"), CMD_OK);
	cr_assert_stdout_eq_str("orders 10.0.0.1:5432 0 \n");
}

Test(cmd_render, a_target_by_kind_and_name)
{
	cr_assert_eq(RUN("-c", "segue.ini", "--topology", "topology.json", "file/app"), CMD_OK);
	cr_assert_stdout_eq_str("orders 10.0.0.1:5432 0 its note\n");
}

/* A state file as `segue run` leaves it. */
static void save_state(void)
{
	struct config_cluster cluster = {.name = (char *)"orders", .path = (char *)"/segue/orders"};
	struct applied applied;
	struct err err;

	applied_init(&applied);
	applied.zxid = 77;
	applied.has_topology = true;
	applied.topology.has_primary = true;
	applied.topology.primary = (struct member){
	    .name = "db2", .host = "db2.example", .address = "10.0.0.2", .port = 5433};
	cr_assert_eq(mkdir("state", 0700), 0);
	cr_assert(state_save("state", &cluster, "127.0.0.1:2181", &applied, &err), "%s",
	          err.message);
	applied_fini(&applied);
}

Test(cmd_render, the_topology_applied_last)
{
	save_state();
	cr_assert_eq(RUN("-c", "segue.ini", "lone"), CMD_OK);
	cr_assert_stdout_eq_str("orders 10.0.0.2:5433 77 \n");
}

Test(cmd_render, no_difference)
{
	write_file("out.txt", "orders 10.0.0.1:5432 0 its note\n");
	cr_assert_eq(RUN("-c", "segue.ini", "--topology", "topology.json", "--diff", "file:app"),
	             CMD_OK);
	cr_assert_stdout_eq_str("");
}

Test(cmd_render, a_difference)
{
	write_file("out.txt", "orders 10.0.0.9:5432 0 its note\n");
	cr_assert_eq(RUN("-c", "segue.ini", "--topology", "topology.json", "--diff", "file:app"),
	             CMD_FAILED);
	check_stdout("--- ", "/out.txt\n+++ rendered\n@@ -1 +1 @@\n"
	                     "-orders 10.0.0.9:5432 0 its note\n"
	                     "+orders 10.0.0.1:5432 0 its note\n");
}

Test(cmd_render, nothing_installed_yet_is_a_difference)
{
	cr_assert_eq(RUN("-c", "segue.ini", "--topology", "topology.json", "--diff", "file:app"),
	             CMD_FAILED);
	check_stdout("--- ", "/out.txt\n+++ rendered\n@@ -0,0 +1 @@\n"
	                     "+orders 10.0.0.1:5432 0 its note\n");
}

Test(cmd_render, before_anything_was_applied_servers_are_made_up)
{
	auto_free char *want =
	    xasprintf("segue render: no topology of cluster 'orders' is in "
	              "%s/state yet: the servers 192.0.2.1 and 192.0.2.2 are examples; use "
	              "--topology for others\n",
	              folder);

	cr_assert_eq(RUN("-c", "segue.ini", "lone"), CMD_OK);
	cr_assert_stdout_eq_str("orders 192.0.2.1:5432 0 \n");
	cr_assert_stderr_eq_str(want);
}

Test(cmd_render, bad_data_is_a_failure)
{
	write_file("data.json", "{\n\"a\":}");
	cr_assert_eq(RUN("--template", "t.mustache", "--data", "data.json"), CMD_FAILED);
	cr_assert_stderr_eq_str("segue render: data.json:2:5: unexpected token near '}'\n");
}

Test(cmd_render, a_bad_topology_is_a_failure)
{
	write_file("topology.json", "{\"version\":2}");
	cr_assert_eq(RUN("-c", "segue.ini", "--topology", "topology.json", "lone"), CMD_FAILED);
	cr_assert_stderr_eq_str(
	    "segue render: topology.json: version 2: this segue reads version 1\n");
}

Test(cmd_render, a_name_of_two_targets_is_not_enough)
{
	cr_assert_eq(RUN("-c", "segue.ini", "--topology", "topology.json", "app"), CMD_USAGE);
	cr_assert_stderr_eq_str("segue render: segue.ini: more than one target 'app'; there are: "
	                        "file/app, haproxy/app, pgbouncer/pg, haproxy/lone\n");
}

Test(cmd_render, wrong_usage)
{
	cr_assert_eq(RUN("--template", "t.mustache"), CMD_USAGE);
	cr_assert_eq(RUN("--template", "t.mustache", "--data", "data.json", "x"), CMD_USAGE);
	cr_assert_eq(RUN("--template", "t.mustache", "--data", "data.json", "--diff"), CMD_USAGE);
	cr_assert_eq(RUN("--template", "t.mustache", "--data", "data.json", "--escape", "sql"),
	             CMD_USAGE);
	cr_assert_eq(RUN("-c", "segue.ini"), CMD_USAGE);
	cr_assert_eq(RUN("-c", "segue.ini", "lone", "app"), CMD_USAGE);
	cr_assert_eq(RUN("-c", "segue.ini", "--escape", "html", "lone"), CMD_USAGE);
	cr_assert_eq(RUN("-c", "none.ini", "lone"), CMD_USAGE);
	cr_assert_eq(RUN("--nonsense"), CMD_USAGE);
}

Test(cmd_render, help)
{
	cr_assert_eq(RUN("--help"), CMD_OK);
}
