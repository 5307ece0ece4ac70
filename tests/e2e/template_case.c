/* Rendering for the judges of templates; see the header. */
#include "template_case.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "render/mustache.h"
#include "render/view.h"

static void set_member(struct member *member, int number, const char *network)
{
	snprintf(member->name, sizeof(member->name), "db%d", number);
	snprintf(member->host, sizeof(member->host), "db%d.example", number);
	snprintf(member->address, sizeof(member->address), "%s%d", network, number);
	member->port = 5432;
}

void template_topology(struct topology *topology, bool primary, int standbys, const char *network)
{
	topology_init(topology);
	for (int i = 0; i < standbys; i++)
		set_member(topology_add_standby(topology), i + 2, network);
	topology->has_primary = primary;
	if (primary)
		set_member(&topology->primary, 1, network);
}

void template_render(const struct template_case *template, const struct topology *topology,
                     struct strbuf *out)
{
	const struct config_cluster cluster = {
	    .name = (char *)(template->cluster != NULL ? template->cluster : "orders")};
	const struct config_target target = {
	    .kind = template->kind,
	    .name = (char[]){"local"},
	    .template_file = (char *)template->file,
	    .output = (char[]){"/o"},
	    .vars = (struct config_var *)template->vars,
	    .var_count = template->var_count,
	};
	struct err err;
	struct mustache *mustache = mustache_compile_file(template->file, NULL, &err);
	json_t *view;

	cr_assert_not_null(mustache, "%s", err.message);
	view = view_build(&cluster, &target, topology, &err);
	cr_assert_not_null(view, "%s", err.message);
	cr_assert(mustache_render(mustache, view, view_escape(template->kind), out, &err), "%s",
	          err.message);
	json_decref(view);
	mustache_free(mustache);
}

void template_each(const struct template_case *template, bool headless, template_judge *judge,
                   void *arg)
{
	static const struct {
		const char *what, *network, *tags; /* tags: of the first standby */
		bool headless;
		int standbys;
	} cases[] = {
	    {"primary alone", "10.0.0.", "", false, 0},
	    {"four standbys", "10.0.0.", "", false, 4},
	    {"a tag", "10.0.0.", "{\"reporting\":true}", false, 6},
	    {"IPv6", "2001:db8::", "{\"reporting\":\"yes\"}", false, 2},
	    {"no primary", "10.0.0.", "", true, 2},
	    {"nobody", "10.0.0.", "", true, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_strbuf struct strbuf text = STRBUF_INIT;
		struct topology topology;

		if (cases[i].headless && !headless)
			continue;
		template_topology(&topology, !cases[i].headless, cases[i].standbys,
		                  cases[i].network);
		if (cases[i].standbys > 0)
			cr_assert(topology_set_tags(&topology.standbys[0], cases[i].tags));
		template_render(template, &topology, &text);
		judge(cases[i].what, &text, arg);
		topology_fini(&topology);
	}
}
