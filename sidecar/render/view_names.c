/* The names of the view, for templates: what view.c makes, and man/segue-templates.7 describes. */
#include <string.h>

#include "base/util.h"
#include "render/mustache_names.h"
#include "render/view.h"

static const struct mustache_fields member[] = {
    {.name = "name"},       {.name = "host"},
    {.name = "address"},    {.name = "port"},
    {.name = "endpoint"},   {.name = "role"},
    {.name = "is_primary"}, {.name = "tags", .open = true},
    {.name = "unread"},     {.name = "lag_bytes"},
    {.name = "index"},      {.name = "number"},
    {.name = "first"},      {.name = "last"},
    {.name = NULL}};

static const struct mustache_fields slot[] = {
    {.name = "slot"}, {.name = "server", .fields = member}, {.name = NULL}};

static const struct mustache_fields target_fields[] = {
    {.name = "name"}, {.name = "kind"}, {.name = "template"}, {.name = "output"}, {.name = NULL}};

static const struct mustache_fields view[] = {{.name = "cluster"},
                                              {.name = "zxid"},
                                              {.name = "timeline"},
                                              {.name = "system_identifier"},
                                              {.name = "promoted_at"},
                                              {.name = "publisher"},
                                              {.name = "primary", .fields = member},
                                              {.name = "standbys", .fields = member},
                                              {.name = "has_standbys"},
                                              {.name = "standbys_port"},
                                              {.name = "members", .fields = member},
                                              {.name = "slots", .fields = slot},
                                              {.name = "hold_wait_ms"},
                                              {.name = "hold_retries"},
                                              {.name = "target", .fields = target_fields},
                                              {.name = "vars", .open = true},
                                              {.name = "env", .open = true},
                                              {.name = NULL}};

const struct mustache_fields *view_fields(void)
{
	return view;
}

/* Those that the template may read, each once. */
struct reads {
	char **names;
	size_t count;
};

static bool is_read(const struct reads *reads, const char *name)
{
	for (size_t i = 0; i < reads->count; i++)
		if (strcmp(reads->names[i], name) == 0)
			return true;
	return false;
}

static void note_read(void *arg, const char *in, const char *name)
{
	struct reads *reads = arg;

	if (strcmp(in, "vars") != 0 || is_read(reads, name))
		return;
	reads->names = xreallocarray(reads->names, reads->count + 1, sizeof(*reads->names));
	reads->names[reads->count++] = xstrdup(name);
}

/* These count for the view itself: see view_build(). */
static bool is_of_view(const char *name)
{
	return strcmp(name, "slots") == 0 || strcmp(name, "timeout_connect") == 0;
}

static bool refuse_var(const struct config_target *target, const char *name,
                       const struct reads *reads, struct err *err)
{
	auto_strbuf struct strbuf list = STRBUF_INIT;
	auto_free struct mustache_fields *fields = xcalloc(reads->count + 1, sizeof(*fields));
	const char *nearest;

	for (size_t i = 0; i < reads->count; i++) {
		strbuf_printf(&list, "%s%s", i > 0 ? ", " : "", reads->names[i]);
		fields[i].name = reads->names[i];
	}
	nearest = mustache_nearest_name(fields, name);
	return err_set(err, "var.%s: %s and its partials do not read vars.%s%s%s%s; they read %s",
	               name, target->template_file, name,
	               nearest != NULL ? "; the nearest name is \"" : "",
	               nearest != NULL ? nearest : "", nearest != NULL ? "\"" : "",
	               reads->count > 0 ? list.data : "none");
}

bool view_check_template(const struct mustache *mustache, const struct config_target *target,
                         struct err *err)
{
	struct reads reads = {.count = 0};
	bool ok = mustache_check_names(mustache, view, note_read, &reads, err);

	for (size_t i = 0; ok && i < target->var_count; i++) {
		const char *name = target->vars[i].name;

		if (target->vars[i].value[0] != '\0' && !is_read(&reads, name) && !is_of_view(name))
			ok = mustache_is_dynamic(mustache) || refuse_var(target, name, &reads, err);
	}
	for (size_t i = 0; i < reads.count; i++)
		free(reads.names[i]);
	free(reads.names);
	return ok;
}

struct mustache *view_compile(const struct config_target *target, struct err *err)
{
	struct mustache *mustache = mustache_compile_file(target->template_file, NULL, err);

	if (mustache == NULL || view_check_template(mustache, target, err))
		return mustache;
	mustache_free(mustache);
	return NULL;
}
