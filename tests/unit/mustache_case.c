/* Runs a table of Mustache tests. */
#include "unit/mustache_case.h"

#include <criterion/criterion.h>
#include <string.h>

#include "render/mustache.h"

static json_t *parse(const char *text, const char *what)
{
	json_t *json = json_loads(text != NULL ? text : "{}", JSON_DECODE_ANY, NULL);

	cr_assert_not_null(json, "%s: the test's own JSON: %s", what, text);
	return json;
}

static bool load(void *arg, const char *name, struct strbuf *text, struct strbuf *file,
                 bool *missing, struct err *err)
{
	const char *partial = json_string_value(json_object_get(arg, name));

	*missing = partial == NULL;
	if (*missing)
		return err_set(err, "no partial %s", name);
	strbuf_append_str(text, partial);
	strbuf_append_str(file, name);
	return true;
}

static struct mustache *compile(const struct mustache_case *c, json_t *partials, struct err *err)
{
	struct mustache *mustache =
	    mustache_compile("t", c->template, strlen(c->template), load, partials, err);
	const char *name;
	json_t *text;

	if (mustache != NULL && mustache_is_dynamic(mustache)) {
		json_object_foreach(partials, name, text)
		    cr_assert(mustache_add_partial(mustache, name, err), "%s", err->message);
	}
	return mustache;
}

static void check(const struct mustache_case *c)
{
	json_t *data = parse(c->data, c->what), *partials = parse(c->partials, c->what);
	auto_strbuf struct strbuf out = STRBUF_INIT;
	struct err err = {0};
	struct mustache *mustache = compile(c, partials, &err);
	bool ok = mustache != NULL && mustache_render(mustache, data, ESCAPE_HTML, &out, &err);

	if (c->want[0] == '!') {
		cr_expect(!ok, "%s: no error, but '%s'", c->what, out.data);
		cr_expect_str_eq(err.message, c->want + 1, "%s: %s", c->what, err.message);
	} else {
		cr_expect(ok, "%s: %s", c->what, err.message);
		cr_expect_str_eq(out.data, c->want, "%s: got '%s', want '%s'", c->what, out.data,
		                 c->want);
	}
	mustache_free(mustache);
	json_decref(data);
	json_decref(partials);
}

void mustache_case_check(const struct mustache_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check(&cases[i]);
}
