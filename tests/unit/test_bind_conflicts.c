/* Targets and sections of one HAProxy on one address are named, those of two are not; and the
 * topology that stands in while nothing is known. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/state_file.h"
#include "run/bind_conflicts.h"

static char one[] = "/run/one.sock", two[] = "/run/two.sock";

static char *find(const struct config_target *targets, const char *const *texts, size_t count)
{
	const struct config config = {.targets = (struct config_target *)targets,
	                              .target_count = count};
	auto_string_list struct string_list found = {.count = 0};
	struct strbuf buffers[4], out = STRBUF_INIT;

	for (size_t i = 0; i < count; i++) {
		strbuf_init(&buffers[i]);
		strbuf_append_str(&buffers[i], texts[i]);
	}
	bind_conflicts_find(&config, buffers, &found);
	for (size_t i = 0; i < count; i++)
		strbuf_fini(&buffers[i]);
	for (size_t i = 0; i < found.count; i++)
		strbuf_printf(&out, "%s\n", found.items[i]);
	return strbuf_detach(&out);
}

Test(bind_conflicts, two_targets_of_one_socket_are_named_with_the_fix)
{
	const struct config_target targets[] = {
	    {.kind = CONFIG_TARGET_HAPROXY, .name = (char *)"a", .socket = one},
	    {.kind = CONFIG_TARGET_HAPROXY, .name = (char *)"b", .socket = two},
	    {.kind = CONFIG_TARGET_FILE, .name = (char *)"c", .socket = one},
	    {.kind = CONFIG_TARGET_HAPROXY, .name = (char *)"d", .socket = one}};
	const char *const texts[] = {
	    "frontend a\n bind 127.0.0.1:5000\n", "frontend b\n bind 127.0.0.1:5000\n",
	    "frontend c\n bind 127.0.0.1:5000\n", "frontend d\n bind *:5000\n"};
	auto_free char *found = find(targets, texts, 4), *none = find(targets, texts, 3);

	cr_expect_str_eq(found,
	                 "[haproxy a] and [haproxy d] both bind 127.0.0.1:5000 (the second as "
	                 "*:5000), and clients would reach either cluster by chance: set "
	                 "another address in one of them (shipped template: var.rw_bind, "
	                 "var.ro_bind)\n");
	cr_expect_str_eq(none, "");
}

Test(bind_conflicts, two_sections_of_one_target_are_named_with_the_fix)
{
	const struct config_target targets[] = {
	    {.kind = CONFIG_TARGET_HAPROXY, .name = (char *)"a", .socket = one}};
	const char *const twice[] = {"frontend a_rw_in\n bind 127.0.0.1:6500\n"
	                             "frontend a_ro_in\n bind 127.0.0.1:6500\n"};
	const char *const apart[] = {"frontend a_rw_in\n bind 127.0.0.1:6500\n"
	                             " bind 127.0.0.1:6500\n"
	                             "frontend a_ro_in\n bind 127.0.0.1:6501\n"};
	auto_free char *found = find(targets, twice, 1), *none = find(targets, apart, 1);

	cr_expect_str_eq(found,
	                 "[haproxy a] binds 127.0.0.1:6500 in \"frontend a_rw_in\" and in "
	                 "\"frontend a_ro_in\", and clients would reach either section by chance: "
	                 "set another address in one of them (shipped template: var.rw_bind, "
	                 "var.ro_bind)\n");
	cr_expect_str_eq(none, "");
}

Test(state_or_example, a_text_that_cannot_be_rendered_leaves_the_buffer_as_it_was)
{
	struct config_cluster cluster = {.name = (char *)"a", .path = (char *)"/a"};
	struct config_target target = {.kind = CONFIG_TARGET_PGBOUNCER,
	                               .name = (char *)"pool",
	                               .template_file = (char *)"t",
	                               .output = (char *)"o"};
	const struct config config = {.state_dir = (char *)"/nonexistent",
	                              .zookeeper_hosts = (char *)"zk:2181",
	                              .clusters = &cluster,
	                              .cluster_count = 1,
	                              .targets = &target,
	                              .target_count = 1};
	static const char source[] = "begun {{cluster}}";
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct mustache *template;
	struct err err;

	template = mustache_compile("t", source, strlen(source), NULL, NULL, &err);
	cr_assert_not_null(template, "%s", err.message);
	strbuf_append_str(&text, "kept;");
	cluster.name = (char *)"a\nb";
	cr_expect_not(state_or_example_render(&config, 0, template, &text));
	cr_expect_str_eq(text.data, "kept;");
	mustache_free(template);
}

Test(state_or_example, what_was_applied_last_or_else_servers_that_nobody_has)
{
	char dir[] = "/tmp/segue-guess-XXXXXX";
	struct config_cluster cluster = {.name = (char *)"a", .path = (char *)"/a"};
	const struct config config = {.state_dir = mkdtemp(dir),
	                              .zookeeper_hosts = (char *)"zk:2181",
	                              .clusters = &cluster,
	                              .cluster_count = 1};
	auto_free char *file = xasprintf("%s/a.json", dir);
	struct topology topology;
	struct applied applied;
	struct err problem;

	cr_assert_not(state_or_example_topology(&config, 0, &topology, &problem));
	cr_expect_str_eq(problem.message, "");
	cr_expect(topology.has_primary && topology.standby_count == 1);
	cr_expect_str_eq(topology.primary.address, "192.0.2.1");
	topology_fini(&topology);
	applied_init(&applied);
	applied.has_topology = true;
	applied.topology.has_primary = true;
	applied.topology.primary = (struct member){.name = "db1",
	                                           .host = "10.0.0.1",
	                                           .address = "10.0.0.1",
	                                           .port = 5432,
	                                           .lag_bytes = -1};
	cr_assert(state_save(dir, &cluster, config.zookeeper_hosts, &applied, &problem));
	applied_fini(&applied);
	cr_assert(state_or_example_topology(&config, 0, &topology, &problem));
	cr_expect_str_eq(topology.primary.address, "10.0.0.1");
	topology_fini(&topology);
	cr_assert_eq(truncate(file, 3), 0);
	cr_assert_not(state_or_example_topology(&config, 0, &topology, &problem));
	cr_expect_not_null(strstr(problem.message, "a.json"));
	cr_expect(topology.has_primary);
	topology_fini(&topology);
	unlink(file);
	cr_assert_eq(rmdir(dir), 0);
}
