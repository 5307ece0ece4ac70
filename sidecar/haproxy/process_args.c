/* Which files a HAProxy reads; see the header. */
#include "haproxy/process_args.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"

#define SUFFIX ".cfg"

void haproxy_files_add(struct haproxy_files *files, char *path)
{
	files->items = xreallocarray(files->items, files->count + 1, sizeof(*files->items));
	files->items[files->count++] = path;
}

void haproxy_files_free(struct haproxy_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->items[i]);
	free(files->items);
	*files = (struct haproxy_files){.count = 0};
}

void haproxy_files_of_arguments(char *const *argv, struct haproxy_files *out)
{
	bool only_files = false;

	for (size_t i = 0; argv[i] != NULL; i++) {
		if (only_files)
			haproxy_files_add(out, xstrdup(argv[i]));
		else if (strcmp(argv[i], "--") == 0)
			only_files = true;
		else if (strcmp(argv[i], "-f") == 0 && argv[i + 1] != NULL)
			haproxy_files_add(out, xstrdup(argv[++i]));
	}
}

bool haproxy_files_is_loaded_name(const char *name)
{
	size_t len = strlen(name), suffix = strlen(SUFFIX);

	return name[0] != '.' && len > suffix && strcmp(name + len - suffix, SUFFIX) == 0;
}

static int only_loaded(const struct dirent *entry)
{
	return haproxy_files_is_loaded_name(entry->d_name);
}

void haproxy_files_expand(const char *path, struct haproxy_files *out)
{
	struct dirent **entries;
	struct stat st;
	int count;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		haproxy_files_add(out, xstrdup(path));
		return;
	}
	count = scandir(path, &entries, only_loaded, alphasort);
	for (int i = 0; i < count; i++) {
		haproxy_files_add(out, xasprintf("%s/%s", path, entries[i]->d_name));
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}
