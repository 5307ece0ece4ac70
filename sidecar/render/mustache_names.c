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

/* `in`: the value that was searched last; NULL: the sections around were. */
static bool refuse(struct walk *walk, const struct scope *scope, const struct ast_node *node,
                   const char *name, const struct mustache_fields *in)
{
	size_t least = in != NULL ? SIZE_MAX : strlen(name) / 2 + 1;
	const char *nearest = NULL;

	if (in != NULL)
		take_nearest(in->fields, name, &nearest, &least);
	for (const struct names *n = in == NULL ? scope->names : NULL; n != NULL; n = n->up)
		take_nearest(n->field->fields, name, &nearest, &least);
	return ast_fail(scope->template, node->offset, walk->err,
	                "{{%.*s}}: there is no name \"%s\" at this place%s%s%s",
	                ast_shown(node->content), node->content.at, name,
	                nearest != NULL ? "; the nearest name is \"" : "",
	                nearest != NULL ? nearest : "", nearest != NULL ? "\"" : "");
}

/* --- a name --- */

static const struct mustache_fields *find_in(struct walk *walk, const struct mustache_fields *in,
                                             const char *name)
{
	if (in->open && walk->read != NULL)
		walk->read(walk->arg, in->name, name);
	for (const struct mustache_fields *f = in->fields; f != NULL && f->name != NULL; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

/* The first part of a name is searched in the sections around, innermost first, the others only in
 * the value that was found. *found: the entry of the value that the name leads to. NULL: the value
 * is inside an open one, which may have the name, so nothing is known about it. */
static bool look_up(struct walk *walk, const struct scope *scope, const struct ast_node *node,
                    const struct mustache_fields **found)
{
	const struct mustache_fields *in = NULL;
	const char *name = node->name;
	bool maybe = false;

	*found = node->parts == 0 ? scope->names->field : NULL;
	if (node->parts == 0)
		return true;
	for (const struct names *n = scope->names; n != NULL && *found == NULL; n = n->up) {
		maybe = maybe || n->field->open;
		*found = find_in(walk, n->field, name);
	}
	for (size_t i = 1; *found != NULL && i < node->parts; i++) {
		in = *found;
		maybe = in->open;
		name += strlen(name) + 1;
		*found = find_in(walk, in, name);
	}
	return *found != NULL || maybe || refuse(walk, scope, node, name, in);
}

/* --- the nodes --- */

static bool check_section(struct walk *walk, const struct ast_node *node, const struct scope *scope)
{
	static const struct mustache_fields text = {.name = ""}; /* unknown: no fields */
	const struct mustache_fields *found;
	struct names names;
	struct scope inner = *scope;

	if (!look_up(walk, scope, node, &found))
		return false;
	names = (struct names){scope->names, found != NULL ? found : &text};
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
		                "partial '%s' is missing: there is no %s.mustache in the folder "
		                "of the template",
		                node->name, node->name);
	return check_elsewhere(walk, &node->target->list, &inner);
}

static bool check_block(struct walk *walk, const struct ast_node *node, const struct scope *scope)
{
	const struct arguments *from = scope->arguments;
	const struct ast_node *argument = ast_argument(&from, node->name);
	struct scope inner = *scope;

	if (argument != NULL)
		inner = (struct scope){from->template, scope->names, from->outer};
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
