/* Templates and partials from files. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "render/mustache.h"

#define FILES_MAX 8

/* A folder with the files written so far; gone with folder_remove(). */
struct folder {
	char path[64];
	char *files[FILES_MAX];
	size_t count;
};

static void folder_make(struct folder *folder)
{
	*folder = (struct folder){.path = "/tmp/segue-mustache-XXXXXX"};
	cr_assert_not_null(mkdtemp(folder->path));
}

/* Returns the path of the file, which the folder owns. */
static const char *folder_write(struct folder *folder, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", folder->path, name);
	const struct file_owner owner = {.mode = 0600};
	struct err err;

	cr_assert(file_replace(path, text, strlen(text), &owner, &err), "%s", err.message);
	return folder->files[folder->count++] = path;
}

static void folder_remove(struct folder *folder)
{
	for (size_t i = 0; i < folder->count; i++) {
		unlink(folder->files[i]);
		free(folder->files[i]);
	}
	folder->count = 0;
	rmdir(folder->path);
}

static void check_render(const struct mustache *mustache, const char *data, const char *want)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;
	json_t *view = json_loads(data, 0, NULL);
	struct err err;

	cr_assert(mustache_render(mustache, view, ESCAPE_NONE, &out, &err), "%s", err.message);
	cr_expect_str_eq(out.data, want, "got '%s'", out.data);
	json_decref(view);
}

/* Compiles, checks that the message is `want` with %s as the folder, twice. */
static void check_error(const struct folder *folder, const char *file, const char *before,
                        const char *between, const char *after)
{
	auto_free char *want =
	    xasprintf("%s%s%s%s%s", before, folder->path, between,
	              after != NULL ? folder->path : "", after != NULL ? after : "");
	struct err err;

	cr_assert_null(mustache_compile_file(file, NULL, &err));
	cr_assert_str_eq(err.message, want, "got '%s', want '%s'", err.message, want);
}

Test(mustache_load, partials_stand_beside_the_template)
{
	struct folder folder;
	struct mustache *mustache;
	struct err err;
	const char *main_file;

	folder_make(&folder);
	main_file = folder_write(&folder, "main.mustache", "{{>a}} {{>none}}{{>b.c}}");
	folder_write(&folder, "a.mustache", "A{{v}}");
	folder_write(&folder, "b.c.mustache", "BC");
	mustache = mustache_compile_file(main_file, NULL, &err);
	cr_assert_not_null(mustache, "%s", err.message);
	folder_remove(&folder);
	check_render(mustache, "{\"v\":1}", "A1 BC");
	mustache_free(mustache);
}

Test(mustache_load, partials_have_a_folder_of_their_own_where_one_is_given)
{
	struct folder templates, partials;
	struct mustache *mustache;
	struct err err;
	const char *main_file;

	folder_make(&templates);
	folder_make(&partials);
	main_file = folder_write(&templates, "main.txt", "{{>a}}");
	folder_write(&templates, "a.mustache", "wrong");
	folder_write(&partials, "a.mustache", "right");
	mustache = mustache_compile_file(main_file, partials.path, &err);
	cr_assert_not_null(mustache, "%s", err.message);
	check_render(mustache, "{}", "right");
	mustache_free(mustache);
	folder_remove(&templates);
	folder_remove(&partials);
}

Test(mustache_load, a_dynamic_name_finds_every_file_of_the_folder)
{
	struct folder folder;
	struct mustache *mustache;
	struct err err;
	const char *main_file;

	folder_make(&folder);
	main_file = folder_write(&folder, "main.mustache", "{{#l}}{{>*.}};{{/l}}");
	folder_write(&folder, "a.mustache", "A{{>b}}");
	folder_write(&folder, "b.mustache", "B");
	folder_write(&folder, "c.txt", "no template");
	folder_write(&folder, ".hidden.mustache", "{{broken");
	mustache = mustache_compile_file(main_file, NULL, &err);
	cr_assert_not_null(mustache, "%s", err.message);
	folder_remove(&folder);
	check_render(mustache, "{\"l\":[\"a\",\"b\",\"c\",\"d\",\"../a\"]}", "AB;B;;;;");
	mustache_free(mustache);
}

Test(mustache_load, errors_name_the_files)
{
	struct folder folder;
	const char *main_file;

	folder_make(&folder);
	main_file = folder_write(&folder, "main.mustache", "\n {{>bad}}");
	folder_write(&folder, "bad.mustache", "{{#s}}");
	check_error(
	    &folder, main_file, "", "/main.mustache:2:2: ",
	    "/bad.mustache:1:1: {{/s}} is missing: the section is open to the end of the file");
	folder_remove(&folder);
}

Test(mustache_load, partials_stay_in_their_folder)
{
	struct folder folder;
	const char *main_file;

	folder_make(&folder);
	main_file = folder_write(&folder, "main.mustache", "{{>../passwd}}");
	check_error(&folder, main_file, "",
	            "/main.mustache:1:1: partial '../passwd': must be the name of a file in ",
	            ", without '..'");
	main_file = folder_write(&folder, "main2.mustache", "{{>/etc/passwd}}");
	check_error(&folder, main_file, "",
	            "/main2.mustache:1:1: partial '/etc/passwd': must be the name of a file in ",
	            ", without '..'");
	folder_remove(&folder);
}

Test(mustache_load, a_missing_template_is_an_error)
{
	struct folder folder;
	auto_free char *file = NULL;

	folder_make(&folder);
	file = xasprintf("%s/none.mustache", folder.path);
	check_error(&folder, file, "", "/none.mustache: No such file or directory", NULL);
	folder_remove(&folder);
}

Test(mustache_load, a_folder_is_no_partial)
{
	struct folder folder;
	auto_free char *inner = NULL;
	const char *main_file;

	folder_make(&folder);
	inner = xasprintf("%s/a.mustache", folder.path);
	cr_assert_eq(mkdir(inner, 0700), 0);
	main_file = folder_write(&folder, "main.mustache", "{{>a}}");
	check_error(&folder, main_file, "",
	            "/main.mustache:1:1: ", "/a.mustache: not a regular file");
	rmdir(inner);
	folder_remove(&folder);
}

Test(mustache_load, a_missing_folder_of_partials_is_an_error)
{
	struct folder folder;
	struct err err;
	const char *main_file;

	folder_make(&folder);
	main_file = folder_write(&folder, "main.mustache", "text");
	cr_assert_null(mustache_compile_file(main_file, "/nonexistent/partials", &err));
	cr_assert_str_eq(err.message,
	                 "partials folder /nonexistent/partials: No such file or directory");
	folder_remove(&folder);
}

Test(mustache_load, a_dynamic_name_wants_every_file_of_the_folder_sound)
{
	struct folder folder;
	const char *main_file;

	folder_make(&folder);
	main_file = folder_write(&folder, "main.mustache", "{{>*name}}");
	folder_write(&folder, "other.mustache", "{{#open}}");
	check_error(&folder, main_file, "",
	            "/other.mustache:1:1: {{/open}} is missing: the section is open to the end of "
	            "the file",
	            NULL);
	folder_remove(&folder);
}
