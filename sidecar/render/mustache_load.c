/* Templates and partials from files: NAME is <folder>/NAME.mustache. Everything is read here, once;
 * rendering touches no file. */
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "render/mustache_ast.h"

static const char suffix[] = ".mustache";

/* A partial stays in its folder, or in one below. */
static bool name_is_safe(const char *name)
{
	return name[0] != '/' && name[0] != '\0' && strstr(name, "..") == NULL;
}

static bool load_file(void *arg, const char *name, struct strbuf *text, struct strbuf *file,
                      bool *missing, struct err *err)
{
	const char *folder = arg;

	*missing = false;
	if (!name_is_safe(name))
		return err_set(err,
		               "partial '%s': the name of a file in %s is wanted, without '..'",
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

/* A dynamic name may turn out to be any of them. */
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
		ok = ok && mustache_add_partial(mustache, name, load_file, folder, err);
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
	/* A missing partial renders as nothing; a misspelt folder should not. */
	if (access(folder, X_OK) != 0) {
		err_set_errno(err, errno, "partials folder %s", folder);
		return NULL;
	}
	mustache = mustache_compile(file, text.data, text.len, load_file, folder, err);
	if (mustache != NULL && mustache_is_dynamic(mustache) &&
	    !load_folder(mustache, folder, err)) {
		mustache_free(mustache);
		return NULL;
	}
	return mustache;
}
