/* Walks through a template as the renderer does, with tables of names instead of values. Every
 * section is entered, whatever its value may be. */
#include "render/mustache.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "mustache_internal.h"

/* What a section pushes on the stack: the names that are found in it. */
struct names {
	const struct names *up;
	const struct mustache_fields *field; /* the section is inside this value */
};

/* As in the renderer: the arguments of the parents that were entered, innermost first. */
struct arguments {
	const struct arguments *outer;
	const struct ast_node *parent;
	const struct ast_template *template;
};

struct scope {
	const struct ast_template *template;
	const struct names *names;
	const struct arguments *arguments;
};

struct walk {
	mustache_read_fn *read;
	void *arg;
	unsigned depth, steps;
	struct err *err;
};

static bool check_list(struct walk *walk, const struct ast_list *list, const struct scope *scope);

/* --- the nearest name --- */

static void take_nearest(const struct mustache_fields *fields, const char *name,
                         const char **nearest, size_t *least)
{
	for (; fields != NULL && fields->name != NULL; fields++) {
		size_t letters = letters_apart(name, fields->name);

		if (letters < *least) {
			*least = letters;
			*nearest = fields->name;
		}
	}
}

const char *mustache_nearest_name(const struct mustache_fields *fields, const char *name)
{
	size_t least = strlen(name) / 2 + 1;
	const char *nearest = NULL;

	take_nearest(fields, name, &nearest, &least);
	return nearest;
}

static bool refuse(struct walk *walk, const struct scope *scope, const struct ast_node *node,
                   const char *name, const char *nearest)
{
	return ast_fail(scope->template, node->offset, walk->err,
	                "{{%.*s}}: nothing is called \"%s\" here%s%s%s",
	                (int)(node->content.len < 80 ? node->content.len : 80), node->content.at,
	                name, nearest != NULL ? "; the nearest name is \"" : "",
	                nearest != NULL ? nearest : "", nearest != NULL ? "\"" : "");
}

/* --- a name --- */

static const struct mustache_fields *find_in(const struct mustache_fields *fields, const char *name)
{
	for (; fields != NULL && fields->name != NULL; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

/* Searches the sections around, innermost first. An open one may have the name; otherwise the next
 * one is searched. */
static const struct mustache_fields *find_first(struct walk *walk, const struct scope *scope,
                                                const char *name, bool *maybe)
{
	const struct mustache_fields *found;

	for (const struct names *names = scope->names; names != NULL; names = names->up) {
		if (names->field->open) {
			*maybe = true;
			if (walk->read != NULL)
				walk->read(walk->arg, names->field->name, name);
		}
		found = find_in(names->field->fields, name);
		if (found != NULL)
			return found;
	}
	return NULL;
}

static bool refuse_first(struct walk *walk, const struct scope *scope, const struct ast_node *node)
{
	size_t least = strlen(node->name) / 2 + 1;
	const char *nearest = NULL;

	for (const struct names *names = scope->names; names != NULL; names = names->up)
		take_nearest(names->field->fields, node->name, &nearest, &least);
	return refuse(walk, scope, node, node->name, nearest);
}

/* *found: the entry of the value that the name leads to. NULL: the value is inside an open one,
 * so nothing is known about it. */
static bool look_up(struct walk *walk, const struct scope *scope, const struct ast_node *node,
                    const struct mustache_fields **found)
{
	const char *name = node->name;
	bool maybe = false;

	*found = scope->names->field;
	if (node->parts == 0)
		return true;
	*found = find_first(walk, scope, name, &maybe);
	if (*found == NULL)
		return maybe || refuse_first(walk, scope, node);
	for (size_t i = 1; i < node->parts; i++) {
		const struct mustache_fields *in = *found;
		size_t least = SIZE_MAX;
		const char *nearest = NULL;

		name += strlen(name) + 1;
		if (in->open && walk->read != NULL)
			walk->read(walk->arg, in->name, name);
		*found = find_in(in->fields, name);
		if (*found != NULL)
			continue;
		if (in->open)
			return true;
		take_nearest(in->fields, name, &nearest, &least);
		return refuse(walk, scope, node, name, nearest);
	}
	return true;
}

/* --- the nodes --- */

static bool check_section(struct walk *walk, const struct ast_node *node, const struct scope *scope)
{
	static const struct mustache_fields text = {.name = ""}; /* unknown: no fields */
	const struct mustache_fields *found;
	struct names names = {.up = scope->names};
	struct scope inner = *scope;

	if (!look_up(walk, scope, node, &found))
		return false;
	names.field = found != NULL ? found : &text;
	if (node->kind == AST_SECTION)
		inner.names = &names;
	return check_list(walk, &node->children, &inner);
}

static bool check_elsewhere(struct walk *walk, const struct ast_list *list,
                            const struct scope *scope)
{
	bool ok;

	if (walk->depth == MUSTACHE_DEPTH_MAX) /* a partial in itself: already checked */
		return true;
	walk->depth++;
	ok = check_list(walk, list, scope);
	walk->depth--;
	return ok;
}

static bool check_partial(struct walk *walk, const struct ast_node *node, const struct scope *scope)
{
	const struct arguments arguments = {scope->arguments, node, scope->template};
	const struct scope inner = {node->target, scope->names, &arguments};
	const struct mustache_fields *found;

	if (node->dynamic)
		return look_up(walk, scope, node, &found);
	if (node->target == NULL)
		return ast_fail(scope->template, node->offset, walk->err,
		                "partial '%s' is missing: %s.mustache in the folder of the "
		                "template is wanted",
		                node->name, node->name);
	return check_elsewhere(walk, &node->target->list, &inner);
}

/* The outermost argument of that name wins. */
static bool check_block(struct walk *walk, const struct ast_node *node, const struct scope *scope)
{
	const struct ast_node *argument = NULL;
	struct scope inner = *scope;

	for (const struct arguments *a = scope->arguments; a != NULL; a = a->outer)
		for (size_t i = 0; i < a->parent->children.count; i++)
			if (strcmp(a->parent->children.nodes[i].name, node->name) == 0) {
				argument = &a->parent->children.nodes[i];
				inner.template = a->template;
				inner.arguments = a->outer;
			}
	return check_elsewhere(walk, argument != NULL ? &argument->children : &node->children,
	                       &inner);
}

static bool check_node(struct walk *walk, const struct ast_node *node, const struct scope *scope)
{
	const struct mustache_fields *found;

	switch (node->kind) {
	case AST_TEXT:
		return true;
	case AST_VALUE:
	case AST_RAW:
		return look_up(walk, scope, node, &found);
	case AST_SECTION:
	case AST_INVERTED:
		return check_section(walk, node, scope);
	case AST_PARTIAL:
	case AST_PARENT:
		return check_partial(walk, node, scope);
	case AST_BLOCK:
		return check_block(walk, node, scope);
	}
	return true;
}

static bool check_list(struct walk *walk, const struct ast_list *list, const struct scope *scope)
{
	for (size_t i = 0; i < list->count; i++) {
		if (++walk->steps > MUSTACHE_STEPS_MAX) /* the renderer refuses it, too */
			return true;
		if (!check_node(walk, &list->nodes[i], scope))
			return false;
	}
	return true;
}

bool mustache_check_names(const struct mustache *mustache, const struct mustache_fields *fields,
                          mustache_read_fn *read, void *arg, struct err *err)
{
	const struct mustache_fields view = {.name = "", .fields = fields};
	const struct names names = {.field = &view};
	const struct scope scope = {mustache->templates[0], &names, NULL};
	struct walk walk = {.read = read, .arg = arg, .err = err};

	return check_list(&walk, &scope.template->list, &scope);
}
