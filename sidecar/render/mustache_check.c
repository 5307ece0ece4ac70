/* Finds arguments that no block of the parent can take: a misspelt name would otherwise leave the
 * default in place without a word. Silent where that cannot be known before rendering. */
#include <stdlib.h>
#include <string.h>

#include "render/mustache_ast.h"

struct search {
	const char *name;                 /* of the block */
	const struct ast_template **seen; /* room for every template of the set */
	size_t seen_count;
};

static bool search_list(struct search *search, const struct ast_list *list);

/* A parent or partial that is missing or dynamic may have any block. */
static bool search_template(struct search *search, const struct ast_template *template)
{
	if (template == NULL)
		return true;
	for (size_t i = 0; i < search->seen_count; i++)
		if (search->seen[i] == template)
			return false;
	search->seen[search->seen_count++] = template;
	return search_list(search, &template->list);
}

static bool search_list(struct search *search, const struct ast_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct ast_node *node = &list->nodes[i];
		bool leads_on = node->kind == AST_PARTIAL || node->kind == AST_PARENT;

		if (node->kind == AST_BLOCK && !node->argument &&
		    strcmp(node->name, search->name) == 0)
			return true;
		if ((leads_on && search_template(search, node->target)) ||
		    search_list(search, &node->children))
			return true;
	}
	return false;
}

static bool is_taken(const struct mustache *mustache, const struct ast_node *parent,
                     const struct ast_node *argument)
{
	auto_free const struct ast_template **seen =
	    xcalloc(mustache->count, sizeof(struct ast_template *));
	struct search search = {.name = argument->name, .seen = seen};

	return search_template(&search, parent->target);
}

bool ast_check(const struct mustache *mustache, const struct ast_template *template,
               const struct ast_list *list, struct err *err)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct ast_node *node = &list->nodes[i];

		for (size_t j = 0; node->kind == AST_PARENT && j < node->children.count; j++)
			if (!is_taken(mustache, node, &node->children.nodes[j]))
				return ast_fail(template, node->children.nodes[j].offset, err,
				                "block '%s' is nowhere in '%s'",
				                node->children.nodes[j].name, node->name);
		if (!ast_check(mustache, template, &node->children, err))
			return false;
	}
	return true;
}
