/* The files that segue init writes: never one of a person's without keeping it under another name.
 */
#include "init/write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "init/shipped.h"

#define FILE_MAX    ((size_t)16 * 1024 * 1024) /* bytes */
#define BACKUPS_MAX 100

static bool same_text(const char *path, const char *text, size_t len)
{
	auto_strbuf struct strbuf found = STRBUF_INIT;
	struct err ignored;

	return file_read(path, FILE_MAX, &found, NULL, &ignored) && found.len == len &&
	       memcmp(found.data, text, len) == 0;
}

/* What a package puts there, the sample or Debian's segue.ini: nobody's work is lost with it. */
static bool is_sample(const char *path)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool same;

	if (out == NULL)
		return false;
	config_print_sample(out);
	same = (fclose(out) == 0 && same_text(path, text, len)) ||
	       same_text(path, shipped_debian_ini, strlen(shipped_debian_ini));
	free(text);
	return same;
}

bool init_file_is_in_the_way(const struct init_file *file)
{
	return access(file->path, F_OK) == 0 &&
	       !same_text(file->path, file->text.data, file->text.len) && !is_sample(file->path);
}

/* Under a second name, before the first one leads to the new text. NULL on failure. */
static char *keep_old(const char *path, struct err *err)
{
	for (unsigned i = 1; i <= BACKUPS_MAX; i++) {
		auto_free char *name =
		    xasprintf("%s.before-init%s%.0u", path, i > 1 ? "-" : "", i > 1 ? i : 0);

		if (link(path, name) == 0)
			return STEAL(name);
		if (errno != EEXIST) {
			err_set_errno(err, errno, "cannot keep %s as %s", path, name);
			return NULL;
		}
	}
	err_set(err, "%s: there are %d kept ones: remove some", path, BACKUPS_MAX);
	return NULL;
}

/* The folder of a file, and that one's. */
static bool make_folders(const char *path, struct err *err)
{
	for (const char *at = path; (at = strchr(at + 1, '/')) != NULL;) {
		auto_free char *folder = xstrndup(path, (size_t)(at - path));

		if (mkdir(folder, 0755) != 0 && errno != EEXIST)
			return err_set_errno(err, errno, "cannot make %s", folder);
	}
	return true;
}

bool init_file_write(const struct init_file *file, bool keep, struct err *err)
{
	auto_free char *kept = NULL;

	if (same_text(file->path, file->text.data, file->text.len)) {
		printf("  %s is there already, and the same\n", file->path);
		return true;
	}
	if (!make_folders(file->path, err))
		return false;
	if (keep && access(file->path, F_OK) == 0) {
		kept = keep_old(file->path, err);
		if (kept == NULL)
			return false;
	}
	if (!file_replace(file->path, file->text.data, file->text.len, &file->owner, err))
		return false;
	printf("  %s%s%s\n", file->path, kept != NULL ? ", and the old one is " : "",
	       kept != NULL ? kept : "");
	return true;
}
