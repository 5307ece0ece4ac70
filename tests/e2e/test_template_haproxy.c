/* The templates for HAProxy, with the real one as the judge. */
#include <criterion/criterion.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "fixtures/rendered_template.h"
#include "haproxy/model/lint.h"

#define TEMPLATE     "templates/haproxy.cfg.mustache"
#define TWO_CLUSTERS "templates/cookbook/two-clusters.cfg.mustache"

static char folder[] = "/tmp/segue-template-XXXXXX";
static char *config_file, *second_file;

static void make_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
	config_file = xasprintf("%s/a.cfg", folder);
	second_file = xasprintf("%s/b.cfg", folder);
}

static void remove_folder(void)
{
	unlink(config_file);
	unlink(second_file);
	rmdir(folder);
	free(config_file);
	free(second_file);
}

TestSuite(template_haproxy, .init = make_folder, .fini = remove_folder, .timeout = 60);

static void write_file(const char *path, const struct strbuf *text)
{
	const struct file_owner owner = {.mode = 0600};
	struct err err;

	cr_assert(file_replace(path, text->data, text->len, &owner, &err), "%s", err.message);
}

static pid_t start(const char *const *argv)
{
	pid_t pid;

	cr_assert_eq(posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ), 0,
	             "cannot start %s", argv[0]);
	return pid;
}

static int wait_for(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Warnings count as errors (-dW). */
static void check_with_haproxy(const char *what)
{
	const char *argv[] = {"haproxy", "-c", "-q", "-dW", "-f", folder, NULL};

	cr_expect_eq(wait_for(start(argv)), 0, "%s: haproxy -c refuses the file", what);
}

static void render(const char *cluster, const struct config_var *vars, size_t var_count,
                   const struct topology *topology, struct strbuf *out)
{
	const struct template_case shipped = {TEMPLATE, CONFIG_TARGET_HAPROXY, cluster, vars,
	                                      var_count};

	template_render(&shipped, topology, out);
}

/* How often `what` stands in the text. */
static size_t count(const struct strbuf *text, const char *what)
{
	size_t found = 0;

	for (const char *at = text->data; (at = strstr(at, what)) != NULL; at++)
		found++;
	return found;
}

Test(template_haproxy, every_topology_passes_the_check)
{
	static const struct {
		const char *what, *network, *primary;
		bool has_primary;
		int standbys;
		size_t slots;
	} cases[] = {
	    {"primary alone", "10.0.0.", "server primary 10.0.0.1:5432", true, 0, 4},
	    {"one standby", "10.0.0.", "server primary 10.0.0.1:5432", true, 1, 4},
	    {"four standbys", "10.0.0.", "server primary 10.0.0.1:5432", true, 4, 5},
	    {"six standbys", "10.0.0.", "server primary 10.0.0.1:5432", true, 6, 7},
	    {"no primary", "10.0.0.", "server primary 127.0.0.1:1\n", false, 2, 4},
	    {"nobody", "10.0.0.", "server primary 127.0.0.1:1\n", false, 0, 4},
	    {"IPv6", "2001:db8::", "server primary [2001:db8::1]:5432", true, 2, 4},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_strbuf struct strbuf out = STRBUF_INIT;
		struct topology topology;

		template_topology(&topology, cases[i].has_primary, cases[i].standbys,
		                  cases[i].network);
		render("orders", NULL, 0, &topology, &out);
		cr_expect_not_null(strstr(out.data, cases[i].primary), "%s:\n%s", cases[i].what,
		                   out.data);
		cr_expect_eq(count(&out, "server rep"), cases[i].slots, "%s:\n%s", cases[i].what,
		             out.data);
		cr_expect_eq(count(&out, " disabled"), cases[i].slots - (size_t)cases[i].standbys);
		write_file(config_file, &out);
		check_with_haproxy(cases[i].what);
		topology_fini(&topology);
	}
}

Test(template_haproxy, settings_come_from_vars)
{
	static const struct config_var vars[] = {
	    {.name = (char *)"rw_bind", .value = (char *)"127.0.0.1:6000"},
	    {.name = (char *)"ro_bind", .value = (char *)"[::1]:6001"},
	    {.name = (char *)"timeout_connect", .value = (char *)"2s"},
	    {.name = (char *)"timeout_idle", .value = (char *)"8h"},
	    {.name = (char *)"retries", .value = (char *)"30"},
	    {.name = (char *)"check_interval", .value = (char *)"500ms"},
	    {.name = (char *)"slots", .value = (char *)"2"},
	    {.name = (char *)"maxconn", .value = (char *)"90"},
	};
	static const char *const wanted[] = {
	    "bind 127.0.0.1:6000\n",      "bind [::1]:6001\n",  "timeout connect 2s\n",
	    "timeout client 8h\n",        "retries 30\n",       "check inter 500ms ",
	    "10.0.0.1:5432 maxconn 90\n", "timeout server 8h\n"};
	auto_strbuf struct strbuf out = STRBUF_INIT;
	struct topology topology;

	template_topology(&topology, true, 1, "10.0.0.");
	render("orders", vars, ARRAY_LEN(vars), &topology, &out);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		cr_expect_not_null(strstr(out.data, wanted[i]), "'%s' is not in\n%s", wanted[i],
		                   out.data);
	cr_expect_eq(count(&out, "server rep"), 2);
	write_file(config_file, &out);
	check_with_haproxy("all vars");
	topology_fini(&topology);
}

Test(template_haproxy, two_clusters_load_together)
{
	static const struct config_var vars[] = {
	    {.name = (char *)"rw_bind", .value = (char *)"127.0.0.1:6000"},
	    {.name = (char *)"ro_bind", .value = (char *)"127.0.0.1:6001"},
	};
	auto_strbuf struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;
	struct topology topology;

	template_topology(&topology, true, 2, "10.0.0.");
	render("orders", NULL, 0, &topology, &first);
	render("billing", vars, ARRAY_LEN(vars), &topology, &second);
	write_file(config_file, &first);
	write_file(second_file, &second);
	check_with_haproxy("two clusters");
	topology_fini(&topology);
}

/* Whatever the topology, only `server` lines of the text differ: nothing needs a reload. */
Test(template_haproxy, a_failover_changes_only_server_lines)
{
	auto_strbuf struct strbuf before = STRBUF_INIT, after = STRBUF_INIT;
	struct topology topology;
	char *left, *right, *left_rest, *right_rest;

	template_topology(&topology, true, 3, "10.0.0.");
	render("orders", NULL, 0, &topology, &before);
	topology_fini(&topology);
	template_topology(&topology, false, 1, "2001:db8::");
	render("orders", NULL, 0, &topology, &after);
	topology_fini(&topology);
	left = strtok_r(before.data, "\n", &left_rest);
	right = strtok_r(after.data, "\n", &right_rest);
	while (left != NULL && right != NULL) {
		if (strncmp(left, "\tserver ", 8) != 0 || strncmp(right, "\tserver ", 8) != 0)
			cr_expect_str_eq(left, right);
		left = strtok_r(NULL, "\n", &left_rest);
		right = strtok_r(NULL, "\n", &right_rest);
	}
	cr_expect(left == NULL && right == NULL);
}

static void check_text(const char *what, const struct strbuf *text, void *arg)
{
	auto_string_list struct string_list findings = {.count = 0};
	auto_free char *which = xasprintf("%s, %s", (const char *)arg, what);

	write_file(config_file, text);
	check_with_haproxy(which);
	haproxy_lint(text->data, text->len, HAPROXY_LINT_HOLD_MS, &findings);
	cr_expect_eq(findings.count, 0, "%s: %s", which,
	             findings.count > 0 ? findings.items[0] : "");
}

Test(template_haproxy, the_cookbook_passes_the_check_and_holds_clients)
{
	static const struct config_var bind[] = {
	    {.name = (char *)"bind", .value = (char *)"127.0.0.1:6000"},
	    {.name = (char *)"share", .value = (char *)"7"}};
	static const char *const names[] = {"single-primary", "two-clusters", "patroni-tags"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *file = xasprintf("templates/cookbook/%s.cfg.mustache", names[i]);
		const struct template_case recipe = {file, CONFIG_TARGET_HAPROXY, NULL, bind,
		                                     ARRAY_LEN(bind)};

		template_each(&recipe, true, check_text, (void *)names[i]);
	}
}

/* A place to listen that is left out must not become one that another cluster has. */
Test(template_haproxy, of_two_clusters_each_has_to_say_where_it_listens)
{
	static const struct template_case recipe = {.file = TWO_CLUSTERS,
	                                            .kind = CONFIG_TARGET_HAPROXY};
	const char *argv[] = {"haproxy", "-c", "-q", "-f", folder, NULL};
	auto_strbuf struct strbuf out = STRBUF_INIT;
	struct topology topology;

	template_topology(&topology, true, 0, "10.0.0.");
	template_render(&recipe, &topology, &out);
	write_file(config_file, &out);
	cr_expect_neq(wait_for(start(argv)), 0, "haproxy -c takes\n%s", out.data);
	topology_fini(&topology);
}

Test(template_haproxy, two_clusters_of_the_cookbook_load_together)
{
	static const char *const clusters[] = {"orders", "billing"};
	char **files[] = {&config_file, &second_file};
	struct topology topology;

	template_topology(&topology, true, 1, "10.0.0.");
	for (int i = 0; i < 2; i++) {
		auto_free char *place = xasprintf("127.0.0.1:60%d0", i);
		const struct config_var bind = {.name = (char *)"bind", .value = place};
		const struct template_case recipe = {TWO_CLUSTERS, CONFIG_TARGET_HAPROXY,
		                                     clusters[i], &bind, 1};
		auto_strbuf struct strbuf out = STRBUF_INIT;

		template_render(&recipe, &topology, &out);
		write_file(*files[i], &out);
	}
	check_with_haproxy("two clusters of the cookbook");
	topology_fini(&topology);
}
