/* Which names a template may look up in the view, and which variables of segue.ini it has to read.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/view.h"

TestSuite(view_names, .timeout = 30);

static char dbname[] = "app";
static struct config_var vars[] = {{.name = (char *)"dbname", .value = dbname},
                                   {.name = (char *)"slots", .value = (char *)"2"}};

static const struct config_target target = {.kind = CONFIG_TARGET_HAPROXY,
                                            .name = (char *)"local",
                                            .template_file = (char *)"t.mustache",
                                            .vars = vars};

static const char *const partials[][2] = {
    {"row", "{{name}} {{vars.dbname}}"},
    {"frame", "{{#standbys}}{{$line}}{{address}}{{/line}}{{/standbys}}"},
    {"wrong", "\n {{ports}}"},
    {"self", "{{name}}{{>self}}"},
};

static bool load(void *arg, const char *name, struct strbuf *text, struct strbuf *file,
                 bool *missing, struct err *err)
{
	(void)arg;
	(void)err;
	for (size_t i = 0; i < ARRAY_LEN(partials); i++)
		if (strcmp(partials[i][0], name) == 0) {
			strbuf_append_str(text, partials[i][1]);
			strbuf_append_str(file, name);
			return true;
		}
	*missing = true;
	return false;
}

/* "": accepted. */
static void expect(const char *text, size_t var_count, const char *wanted)
{
	struct config_target own = target;
	struct err err = {0};
	struct mustache *mustache = mustache_compile("t", text, strlen(text), load, NULL, &err);
	bool ok;

	cr_assert_not_null(mustache, "%s: %s", text, err.message);
	own.var_count = var_count;
	ok = view_check_template(mustache, &own, &err);
	mustache_free(mustache);
	cr_expect_eq(ok, wanted[0] == '\0', "%s: %s", text, err.message);
	if (!ok)
		cr_expect_str_eq(err.message, wanted);
}

Test(view_names, what_a_view_has_is_taken_where_it_is_found)
{
	expect("{{#primary}}{{address}} {{cluster}} {{tags.zone}} {{#tags}}{{any}}{{/tags}}"
	       "{{/primary}}{{^primary}}{{cluster}}{{/primary}}",
	       0, "");
	expect("{{primary.endpoint}} {{#slots}}{{slot}}{{#server}}{{port}}{{/server}}{{/slots}}", 0,
	       "");
	expect("{{#standbys}}{{.}}{{lag_bytes}}{{/standbys}}{{#timeline}}{{.}}{{/timeline}}", 0,
	       "");
	expect("{{env.HOME}}{{vars.x}}{{#vars.x}}{{.}}{{zxid}}{{/vars.x}}{{target.output}}", 0, "");
	expect("{{#members}}{{>row}}{{/members}}{{>*vars.which}}", 0, "");
	expect("{{#members}}{{>self}}{{/members}}", 0, "");
	expect("{{<frame}}{{$line}}{{endpoint}}{{/line}}{{/frame}}", 0, "");
}

Test(view_names, what_no_view_has_is_refused_with_the_nearest_name)
{
	expect("a\n{{#primry}}x{{/primry}}", 0,
	       "t:2:1: {{primry}}: there is no name \"primry\" at this place; the nearest name is "
	       "\"primary\"");
	expect("{{#primary}}{{adress}}{{/primary}}", 0,
	       "t:1:13: {{adress}}: there is no name \"adress\" at this place; the nearest name is "
	       "\"address\"");
	expect("{{address}}", 0, "t:1:1: {{address}}: there is no name \"address\" at this place");
	expect(
	    "{{primary.hots}}", 0,
	    "t:1:1: {{primary.hots}}: there is no name \"hots\" at this place; the nearest name is "
	    "\"host\"");
	expect(
	    "{{^standby}}{{/standby}}", 0,
	    "t:1:1: {{standby}}: there is no name \"standby\" at this place; the nearest name is "
	    "\"standbys\"");
	expect("{{#vars.x}}{{clustr}}{{/vars.x}}", 0,
	       "t:1:12: {{clustr}}: there is no name \"clustr\" at this place; the nearest name is "
	       "\"cluster\"");
	expect("{{cluster.name}}", 0,
	       "t:1:1: {{cluster.name}}: there is no name \"name\" at this place");
	expect(
	    "{{<frame}}{{$line}}{{endpint}}{{/line}}{{/frame}}", 0,
	    "t:1:20: {{endpint}}: there is no name \"endpint\" at this place; the nearest name is "
	    "\"endpoint\"");
	expect(
	    "{{#primary}}{{>wrong}}{{/primary}}", 0,
	    "wrong:2:2: {{ports}}: there is no name \"ports\" at this place; the nearest name is "
	    "\"port\"");
	expect("{{>row}}", 0, "row:1:1: {{name}}: there is no name \"name\" at this place");
}

Test(view_names, a_partial_that_is_missing_is_refused)
{
	expect(" {{>rows}}", 0,
	       "t:1:2: partial 'rows' is missing: there is no rows.mustache in the folder of the "
	       "template");
}

Test(view_names, a_variable_that_nothing_reads_is_refused)
{
	expect("{{vars.dbname}}", 2, "");
	expect("{{#members}}{{>row}}{{/members}}", 2, "");
	expect("{{#vars}}{{dbname}}{{/vars}}", 2, "");
	expect("{{vars.db_name}} {{#vars.port}}{{.}}{{/vars.port}}", 2,
	       "var.dbname: t.mustache and its partials do not read vars.dbname; the nearest name "
	       "is \"db_name\"; they read db_name, port");
	expect("{{vars.port}}", 1,
	       "var.dbname: t.mustache and its partials do not read vars.dbname; they read port");
	vars[0].value[0] = '\0'; /* as an environment variable that is not set */
	expect("{{cluster}}", 1, "");
	vars[0].value[0] = 'a';
	expect("{{cluster}}", 1,
	       "var.dbname: t.mustache and its partials do not read vars.dbname; they read none");
}

/* --- the table and the view are one --- */

static const struct mustache_fields *find(const struct mustache_fields *fields, const char *name)
{
	for (; fields != NULL && fields->name != NULL; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

static void expect_listed(const json_t *value, const struct mustache_fields *fields)
{
	const char *key;
	const json_t *inner;
	size_t i;

	if (json_is_array(value))
		json_array_foreach(value, i, inner)
		{
			expect_listed(inner, fields);
		}
	if (!json_is_object(value))
		return;
	for (void *at = json_object_iter((json_t *)value); at != NULL;
	     at = json_object_iter_next((json_t *)value, at)) {
		const struct mustache_fields *found;

		key = json_object_iter_key(at);
		found = find(fields, key);
		cr_expect_not_null(found, "the view has %s, which templates may not name", key);
		if (found != NULL && !found->open)
			expect_listed(json_object_iter_value(at), found->fields);
	}
}

/* In one of the elements, where it is a list. */
static bool has(const json_t *value, const char *name)
{
	const json_t *element;
	size_t i;

	if (!json_is_array(value))
		return json_object_get(value, name) != NULL;
	json_array_foreach(value, i, element)
	{
		if (json_object_get(element, name) != NULL)
			return true;
	}
	return false;
}

static void set_all(struct topology *topology)
{
	struct member *standby;

	topology_init(topology);
	topology->has_primary = true;
	topology->zxid = topology->timeline = 1;
	snprintf(topology->system_identifier, sizeof(topology->system_identifier), "7");
	snprintf(topology->promoted_at, sizeof(topology->promoted_at), "2026-11-23T10:00:00Z");
	snprintf(topology->publisher, sizeof(topology->publisher), "p");
	snprintf(topology->primary.host, sizeof(topology->primary.host), "10.0.0.1");
	topology->primary.port = 5432;
	for (int i = 0; i < 2; i++) {
		standby = topology_add_standby(topology);
		snprintf(standby->host, sizeof(standby->host), "10.0.0.%d", i + 2);
		standby->port = 5432;
		standby->lag_bytes = 1;
		standby->no_reads = i == 1;
	}
}

Test(view_names, the_table_has_what_the_view_has)
{
	static const struct config_cluster cluster = {.name = (char *)"orders"};
	const struct mustache_fields *members = find(view_fields(), "members");
	struct config_target own = target;
	struct topology topology;
	struct err err;
	json_t *view;

	set_all(&topology);
	own.output = (char *)"o";
	view = view_build(&cluster, &own, &topology, &err);
	cr_assert_not_null(view, "%s", err.message);
	expect_listed(view, view_fields());
	for (const struct mustache_fields *field = view_fields(); field->name != NULL; field++)
		cr_expect(has(view, field->name), "no view has %s", field->name);
	for (const struct mustache_fields *field = members->fields; field->name != NULL; field++)
		cr_expect(has(json_object_get(view, "members"), field->name), "no member has %s",
		          field->name);
	json_decref(view);
	topology_fini(&topology);
}
