/* The lines of segue.ini that each recipe gives its reader are lines that segue takes. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "config/config.h"

#define FILE_MAX ((size_t)64 * 1024)
#define HEADING  "In segue.ini:\n\n"
#define INDENT   4

/* The indented lines behind the heading, without their indentation. */
static void extract(const char *recipe, struct strbuf *out)
{
	const char *line = strstr(recipe, HEADING);

	cr_assert_not_null(line, "a recipe without '%s'", HEADING);
	line += strlen(HEADING);
	while (*line == '\n' || strspn(line, " ") >= INDENT) {
		size_t len = strcspn(line, "\n") + 1;
		size_t indent = *line == '\n' ? 0 : INDENT;

		strbuf_append(out, line + indent, len - indent);
		line += len;
	}
}

static void load(const char *file)
{
	auto_strbuf struct strbuf recipe = STRBUF_INIT, ini = STRBUF_INIT, errors = STRBUF_INIT;
	const char *name = strrchr(file, '/') + 1;
	struct config *config;
	struct err err;

	cr_assert(file_read(file, FILE_MAX, &recipe, NULL, &err), "%s", err.message);
	extract(recipe.data, &ini);
	config = config_load_text(name, ini.data, ini.len, &errors);
	cr_assert_not_null(config, "%s: %s\n%s", file, errors.data, ini.data);
	cr_expect_eq(config->warnings.len, 0, "%s: %s", file, config->warnings.data);
	cr_expect_geq(config->target_count, 1, "%s", file);
	cr_expect_not_null(strstr(ini.data, name), "%s: no target has it as its template", file);
	config_free(config);
}

Test(cookbook, the_lines_of_segue_ini_in_each_recipe_load)
{
	glob_t recipes;

	cr_assert_eq(glob("templates/cookbook/*.mustache", 0, NULL, &recipes), 0);
	cr_expect_eq(recipes.gl_pathc, 5);
	for (size_t i = 0; i < recipes.gl_pathc; i++)
		load(recipes.gl_pathv[i]);
	globfree(&recipes);
}
