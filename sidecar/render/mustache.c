/* A set of compiled Mustache templates: the one to render and every partial that it reaches, each
 * compiled once. The set never changes after that. */
#include "render/mustache.h"
#include "mustache_internal.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

/* --- reading files ---
 *
 * The partial NAME is the file <folder>/NAME.mustache. Everything is read here, once; rendering
 * reads no file. */

static const char suffix[] = ".mustache";

/* A partial has to be in its folder, or in one below. */
static bool load_file(void *arg, const char *name, struct strbuf *text, struct strbuf *file,
                      bool *missing, struct err *err)
{
	const char *folder = arg;

	*missing = false;
	if (name[0] == '/' || name[0] == '\0' || strstr(name, "..") != NULL)
		return err_set(err, "partial '%s': must be the name of a file in %s, without '..'",
		               name, folder);
	strbuf_printf(file, "%s/%s%s", folder, name, suffix);
	return file_read(file->data, MUSTACHE_TEXT_MAX, text, missing, err);
}

static int is_template(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > sizeof(suffix) - 1 &&
	       strcmp(entry->d_name + len - (sizeof(suffix) - 1), suffix) == 0;
}

/* Loads all partials of the folder: a dynamic name may lead to any of them. */
static bool load_folder(struct mustache *mustache, char *folder, struct err *err)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_template, alphasort);
	bool ok = true;

	if (count < 0)
		return err_set_errno(err, errno, "partials folder %s", folder);
	for (int i = 0; i < count; i++) {
		char *name = entries[i]->d_name;

		name[strlen(name) - (sizeof(suffix) - 1)] = '\0';
		ok = ok && mustache_add_partial(mustache, name, err);
		free(entries[i]);
	}
	free(entries);
	return ok;
}

struct mustache *mustache_compile_file(const char *file, const char *partials, struct err *err)
{
	auto_free char *file_copy = xstrdup(file);
	auto_free char *folder = xstrdup(partials != NULL ? partials : dirname(file_copy));
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct mustache *mustache;

	if (!file_read(file, MUSTACHE_TEXT_MAX, &text, NULL, err))
		return NULL;
	/* A missing partial renders as nothing. A missing folder is an error, because it is likely
	 * misspelt. */
	if (access(folder, X_OK) != 0) {
		err_set_errno(err, errno, "partials folder %s", folder);
		return NULL;
	}
	mustache = mustache_compile(file, text.data, text.len, load_file, folder, err);
	if (mustache == NULL || !mustache->dynamic || load_folder(mustache, folder, err))
		return mustache;
	mustache_free(mustache);
	return NULL;
}

static void template_free(struct ast_template *template)
{
	free(template->name);
	free(template->file);
	free(template->text);
	ast_list_free(&template->list);
	free(template);
}

void mustache_free(struct mustache *mustache)
{
	if (mustache == NULL)
		return;
	for (size_t i = 0; i < mustache->count; i++)
		template_free(mustache->templates[i]);
	free(mustache->templates);
	free(mustache);
}

const struct ast_template *ast_find(const struct mustache *mustache, const char *name)
{
	for (size_t i = 1; i < mustache->count; i++)
		if (strcmp(mustache->templates[i]->name, name) == 0)
			return mustache->templates[i];
	return NULL;
}

const struct ast_node *ast_argument(const struct arguments **arguments, const char *name)
{
	const struct arguments *from = NULL;
	const struct ast_node *found = NULL;

	for (const struct arguments *a = *arguments; a != NULL; a = a->outer)
		for (size_t i = 0; i < a->parent->children.count; i++)
			if (strcmp(a->parent->children.nodes[i].name, name) == 0) {
				found = &a->parent->children.nodes[i];
				from = a;
			}
	*arguments = from;
	return found;
}

/* Parses `text` and adds it to the set; the partials in it are not loaded yet. NULL on failure. */
static struct ast_template *add_template(struct mustache *mustache, const char *name,
                                         const char *file, const char *text, size_t len,
                                         struct err *err)
{
	struct ast_template *template = xcalloc(1, sizeof(*template));

	template->name = xstrdup(name);
	template->file = xstrdup(file);
	template->text = xcalloc(len + 1, 1);
	memcpy(template->text, text, len);
	template->len = len;
	if (!ast_parse(template, err)) {
		template_free(template);
		return NULL;
	}
	mustache->templates =
	    xreallocarray(mustache->templates, mustache->count + 1, sizeof(struct ast_template *));
	mustache->templates[mustache->count++] = template;
	return template;
}

/* *target is NULL if there is no such partial. */
static bool load_partial(struct mustache *mustache, const char *name,
                         const struct ast_template **target, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF_INIT, file = STRBUF_INIT;
	bool missing = false;

	*target = ast_find(mustache, name);
	if (*target != NULL || mustache->load == NULL)
		return true;
	if (mustache->count > MUSTACHE_PARTIALS_MAX)
		return err_set(err, "partial '%s': there are more than %d partials", name,
		               MUSTACHE_PARTIALS_MAX);
	if (!mustache->load(mustache->load_arg, name, &text, &file, &missing, err))
		return missing;
	*target = add_template(mustache, name, file.data, text.data, text.len, err);
	return *target != NULL;
}

static bool resolve_list(struct mustache *mustache, const struct ast_template *template,
                         struct ast_list *list, struct err *err)
{
	for (size_t i = 0; i < list->count; i++) {
		struct ast_node *node = &list->nodes[i];
		struct err reason;

		mustache->dynamic |= node->dynamic;
		if ((node->kind == AST_PARTIAL || node->kind == AST_PARENT) && !node->dynamic &&
		    !load_partial(mustache, node->name, &node->target, &reason))
			return ast_fail(template, node->offset, err, "%s", reason.message);
		if (!resolve_list(mustache, template, &node->children, err))
			return false;
	}
	return true;
}

/* Resolves and checks the templates from number `from` on, including those that are loaded
 * meanwhile. */
static bool resolve(struct mustache *mustache, size_t from, struct err *err)
{
	for (size_t i = from; i < mustache->count; i++)
		if (!resolve_list(mustache, mustache->templates[i], &mustache->templates[i]->list,
		                  err))
			return false;
	for (size_t i = from; i < mustache->count; i++)
		if (!ast_check(mustache, mustache->templates[i], &mustache->templates[i]->list,
		               err))
			return false;
	return true;
}

struct mustache *mustache_compile(const char *file, const char *text, size_t len,
                                  mustache_load_fn *load, void *load_arg, struct err *err)
{
	struct mustache *mustache = xcalloc(1, sizeof(*mustache));

	mustache->load = load;
	mustache->load_arg = load_arg;
	if (add_template(mustache, "", file, text, len, err) != NULL && resolve(mustache, 0, err))
		return mustache;
	mustache_free(mustache);
	return NULL;
}

bool mustache_add_partial(struct mustache *mustache, const char *name, struct err *err)
{
	const struct ast_template *target;
	size_t from = mustache->count;

	return load_partial(mustache, name, &target, err) && resolve(mustache, from, err);
}

bool mustache_is_dynamic(const struct mustache *mustache)
{
	return mustache->dynamic;
}
