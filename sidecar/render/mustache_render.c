/* Renders a compiled Mustache template with a view. Does no I/O. Depth, output and work are
 * limited, whatever the template and the data are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mustache_internal.h"

/* --- JSON as a template sees it: lookup of names, truth, text --- */

/* The context stack: the values of the sections around, innermost first. */
struct context {
	const struct context *up;
	const json_t *value;
};

/* `path`: `parts` names, each ended by a NUL; 0 parts mean ".", the innermost value. The first name
 * is searched in the whole stack, the others only in the value that was found. NULL: not found. */
static const json_t *context_find(const struct context *context, const char *path, size_t parts)
{
	const json_t *found = NULL;

	if (parts == 0)
		return context->value;
	for (; context != NULL && found == NULL; context = context->up)
		found = json_object_get(context->value, path);
	for (; found != NULL && parts > 1; parts--) {
		path += strlen(path) + 1;
		found = json_object_get(found, path);
	}
	return found;
}

/* False: missing, null, false, an empty list, an empty string. All numbers are true: a lag of 0
 * bytes is a known lag. */
static bool value_is_true(const json_t *value)
{
	if (value == NULL || json_is_null(value) || json_is_false(value))
		return false;
	if (json_is_array(value))
		return json_array_size(value) > 0;
	return !json_is_string(value) || json_string_length(value) > 0;
}

static bool append_real(struct strbuf *out, enum escape_mode mode, double real, struct err *err)
{
	char text[32];

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, real);
		if (strtod(text, NULL) == real)
			break;
	}
	return escape_append(out, mode, text, strlen(text), err);
}

/* Appends text, numbers (in the shortest form that reads back as the same number), true and false;
 * nothing for null and NULL. Fails for a list, an object, and what cannot be escaped. */
static bool value_append(struct strbuf *out, enum escape_mode mode, const json_t *value,
                         struct err *err)
{
	switch (value != NULL ? json_typeof(value) : JSON_NULL) {
	case JSON_NULL:
		return true;
	case JSON_TRUE:
		return escape_append(out, mode, "true", 4, err);
	case JSON_FALSE:
		return escape_append(out, mode, "false", 5, err);
	case JSON_INTEGER:
		strbuf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return true;
	case JSON_REAL:
		return append_real(out, mode, json_real_value(value), err);
	case JSON_STRING:
		return escape_append(out, mode, json_string_value(value), json_string_length(value),
		                     err);
	case JSON_ARRAY:
		return err_set(err, "is a list: go through it with a section");
	case JSON_OBJECT:
		return err_set(err, "is an object: name one of its members");
	}
	return true;
}

/* The place in the templates and in the data. */
struct scope {
	const struct ast_template *template;
	const struct context *context;
	const struct arguments *arguments;
};

struct renderer {
	const struct mustache *mustache;
	enum escape_mode mode;
	struct strbuf *out;
	size_t out_start;
	struct strbuf indent; /* of everything around, outermost first */
	size_t indent_from;   /* offset where the current indentation begins */
	size_t covered;       /* up to this offset the next line has its indentation already */
	unsigned depth, steps;
	struct err *err;
};

static bool render_list(struct renderer *r, const struct ast_list *list, const struct scope *scope);

static void begin_line(struct renderer *r)
{
	size_t from = r->covered > r->indent_from ? r->covered : r->indent_from;

	if (from < r->indent.len)
		strbuf_append(r->out, r->indent.data + from, r->indent.len - from);
	r->covered = 0;
}

static void render_text(struct renderer *r, const struct ast_node *node)
{
	const char *at = node->text.at;
	size_t left = node->text.len;

	if (node->line_start)
		begin_line(r);
	while (left > 0) {
		const char *newline =
		    r->indent.len > r->indent_from ? memchr(at, '\n', left) : NULL;
		size_t line = newline != NULL ? (size_t)(newline - at) + 1 : left;

		strbuf_append(r->out, at, line);
		at += line;
		left -= line;
		if (left > 0)
			begin_line(r);
	}
}

static bool render_value(struct renderer *r, const struct ast_node *node, const struct scope *scope)
{
	const json_t *value = context_find(scope->context, node->name, node->parts);
	enum escape_mode mode = node->kind == AST_RAW ? ESCAPE_NONE : r->mode;
	struct err reason;

	return value_append(r->out, mode, value, &reason) ||
	       ast_fail(scope->template, node->offset, r->err, "{{%.*s}}: %s",
	                ast_shown(node->content), node->content.at, reason.message);
}

static bool render_with(struct renderer *r, const struct ast_node *node, const struct scope *scope,
                        const json_t *value)
{
	struct context context = {.up = scope->context, .value = value};
	struct scope inner = {scope->template, &context, scope->arguments};

	return render_list(r, &node->children, &inner);
}

static bool render_section(struct renderer *r, const struct ast_node *node,
                           const struct scope *scope)
{
	const json_t *value = context_find(scope->context, node->name, node->parts);

	if (value_is_true(value) != (node->kind == AST_SECTION))
		return true;
	if (node->kind == AST_INVERTED)
		return render_list(r, &node->children, scope);
	if (!json_is_array(value))
		return render_with(r, node, scope, value);
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!render_with(r, node, scope, json_array_get(value, i)))
			return false;
	return true;
}

/* Renders `list`, the text of another place. `indent` is added to the current indentation; NULL:
 * the text gets no indentation. */
static bool render_elsewhere(struct renderer *r, const struct ast_node *node,
                             const struct scope *scope, const struct ast_list *list,
                             const struct scope *inner, const struct ast_span *indent)
{
	size_t indent_len = r->indent.len, indent_from = r->indent_from;
	bool ok;

	if (r->depth == MUSTACHE_DEPTH_MAX)
		return ast_fail(scope->template, node->offset, r->err,
		                "{{%.*s}}: partials and blocks are nested deeper than %d",
		                ast_shown(node->content), node->content.at, MUSTACHE_DEPTH_MAX);
	if (indent != NULL)
		strbuf_append(&r->indent, indent->at, indent->len);
	else
		r->indent_from = r->indent.len;
	if (node->kind == AST_BLOCK && node->margin && !node->standalone)
		r->covered = r->indent.len;
	r->depth++;
	ok = render_list(r, list, inner);
	r->depth--;
	if (!node->standalone)
		r->covered = 0;
	r->indent.len = indent_len;
	r->indent_from = indent_from;
	return ok;
}

static bool render_partial(struct renderer *r, const struct ast_node *node,
                           const struct scope *scope)
{
	const json_t *name =
	    node->dynamic ? context_find(scope->context, node->name, node->parts) : NULL;
	const struct ast_template *target =
	    json_is_string(name) ? ast_find(r->mustache, json_string_value(name)) : node->target;
	const struct arguments arguments = {scope->arguments, node, scope->template};
	const struct scope inner = {target, scope->context, &arguments};

	if (!node->standalone && node->margin) {
		begin_line(r);
		strbuf_append(r->out, node->text.at, node->text.len);
	}
	return target == NULL || render_elsewhere(r, node, scope, &target->list, &inner,
	                                          node->standalone ? &node->text : NULL);
}

static bool render_block(struct renderer *r, const struct ast_node *node, const struct scope *scope)
{
	const struct arguments *from = scope->arguments;
	const struct ast_node *argument = ast_argument(&from, node->name);
	struct scope inner;

	if (argument == NULL)
		return render_list(r, &node->children, scope);
	inner = (struct scope){from->template, scope->context, from->outer};
	return render_elsewhere(r, node, scope, &argument->children, &inner,
	                        node->standalone || node->margin ? &node->text : NULL);
}

static bool render_node(struct renderer *r, const struct ast_node *node, const struct scope *scope)
{
	switch (node->kind) {
	case AST_TEXT:
		render_text(r, node);
		return true;
	case AST_VALUE:
	case AST_RAW:
		return render_value(r, node, scope);
	case AST_SECTION:
	case AST_INVERTED:
		return render_section(r, node, scope);
	case AST_PARTIAL:
	case AST_PARENT:
		return render_partial(r, node, scope);
	case AST_BLOCK:
		return render_block(r, node, scope);
	}
	return true;
}

static bool render_list(struct renderer *r, const struct ast_list *list, const struct scope *scope)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct ast_node *node = &list->nodes[i];

		if (!render_node(r, node, scope))
			return false;
		if (r->out->len - r->out_start > MUSTACHE_OUTPUT_MAX)
			return ast_fail(scope->template, node->offset, r->err,
			                "the output is larger than %zu bytes", MUSTACHE_OUTPUT_MAX);
		if (++r->steps > MUSTACHE_STEPS_MAX)
			return ast_fail(
			    scope->template, node->offset, r->err,
			    "rendering was stopped after %d steps: the template may be recursive",
			    MUSTACHE_STEPS_MAX);
	}
	return true;
}

bool mustache_render(const struct mustache *mustache, const json_t *view, enum escape_mode mode,
                     struct strbuf *out, struct err *err)
{
	struct context context = {.value = view};
	struct scope scope = {mustache->templates[0], &context, NULL};
	struct renderer r = {.mustache = mustache,
	                     .mode = mode,
	                     .out = out,
	                     .out_start = out->len,
	                     .indent = STRBUF_INIT,
	                     .err = err};
	bool ok = render_list(&r, &scope.template->list, &scope);

	strbuf_fini(&r.indent);
	return ok;
}
