/* pgbouncer.ini and what it includes; see the header. An included file goes on in the section that
 * it is taken in from, as PgBouncer reads it. */
#include "apply/pgbouncer_main.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apply/pgbouncer_lines.h"
#include "base/file.h"

#define FILE_MAX  ((size_t)16 * 1024 * 1024) /* bytes */
#define DEPTH_MAX 10                         /* files in files: PgBouncer's own limit */

enum section {
	SECTION_OTHER,
	SECTION_DATABASES,
	SECTION_PGBOUNCER,
};

struct reader {
	struct pgbouncer_main *out;
	enum section section;
	unsigned depth;
};

static void set_setting(struct pgbouncer_main *out, const char *name, const char *value, size_t len)
{
	out->settings =
	    xreallocarray(out->settings, out->setting_count + 1, sizeof(*out->settings));
	out->settings[out->setting_count++] =
	    (struct pgbouncer_setting){xstrdup(name), xstrndup(value, len)};
}

static void database_fini(struct pgbouncer_main_database *database)
{
	free(database->name);
	free(database->file);
	pgbouncer_pairs_free(&database->pairs);
}

/* In the place of an earlier one of its name. */
static void set_database(struct pgbouncer_main *out, struct pgbouncer_main_database *database)
{
	for (size_t i = 0; i < out->database_count; i++)
		if (strcmp(out->databases[i].name, database->name) == 0) {
			database_fini(&out->databases[i]);
			out->databases[i] = *database;
			return;
		}
	out->databases =
	    xreallocarray(out->databases, out->database_count + 1, sizeof(*out->databases));
	out->databases[out->database_count++] = *database;
}

static bool take_database(struct reader *reader, const struct pgbouncer_lines *lines,
                          const char *file, struct err *err)
{
	struct pgbouncer_main_database database = {.line = lines->line};

	if (!pgbouncer_pairs_parse(lines->value, lines->value_len, &database.pairs, err))
		return err_wrap(err, "%s", lines->name);
	database.name = xstrdup(lines->name);
	database.file = xstrdup(file);
	set_database(reader->out, &database);
	return true;
}

static bool take_entry(struct reader *reader, const struct pgbouncer_lines *lines, const char *file,
                       struct err *err)
{
	switch (reader->section) {
	case SECTION_OTHER:
		return true;
	case SECTION_DATABASES:
		return take_database(reader, lines, file, err);
	case SECTION_PGBOUNCER:
		set_setting(reader->out, lines->name, lines->value, lines->value_len);
		return true;
	}
	return true;
}

static enum section section_of(const char *name)
{
	if (strcmp(name, "databases") == 0)
		return SECTION_DATABASES;
	return strcmp(name, "pgbouncer") == 0 ? SECTION_PGBOUNCER : SECTION_OTHER;
}

static bool read_file(struct reader *reader, const char *file, struct err *err);

static bool take_include(struct reader *reader, const struct pgbouncer_lines *lines,
                         struct err *err)
{
	struct pgbouncer_main *out = reader->out;
	auto_free char *path = xstrndup(lines->value, lines->value_len);
	bool ok;

	out->includes =
	    xreallocarray(out->includes, out->include_count + 1, sizeof(*out->includes));
	out->includes[out->include_count++] = xstrdup(path);
	if (reader->depth == DEPTH_MAX)
		return err_set(err, "%%include %s: more than %d files in each other", path,
		               DEPTH_MAX);
	reader->depth++;
	ok = read_file(reader, path, err);
	reader->depth--;
	return ok;
}

static bool take_statement(struct reader *reader, struct pgbouncer_lines *lines, const char *file,
                           bool *more, struct err *err)
{
	switch (pgbouncer_lines_next(lines, err)) {
	case PGBOUNCER_STATEMENT_END:
		*more = false;
		return true;
	case PGBOUNCER_STATEMENT_SECTION:
		reader->section = section_of(lines->name);
		return true;
	case PGBOUNCER_STATEMENT_ENTRY:
		return take_entry(reader, lines, file, err);
	case PGBOUNCER_STATEMENT_INCLUDE:
		return take_include(reader, lines, err);
	case PGBOUNCER_STATEMENT_BROKEN:
		return false;
	}
	return false;
}

/* NOLINTNEXTLINE(misc-no-recursion): a %include in an included file; depth is bounded */
static bool read_file(struct reader *reader, const char *file, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct pgbouncer_lines lines;
	bool more = true, ok = true;

	if (!file_read(file, FILE_MAX, &text, NULL, err))
		return false;
	pgbouncer_lines_init(&lines, text.data, text.len);
	while (ok && more)
		ok = take_statement(reader, &lines, file, &more, err);
	if (!ok)
		err_wrap(err, "%s line %u", file, lines.line);
	pgbouncer_lines_fini(&lines);
	return ok;
}

bool pgbouncer_main_load(const char *file, struct pgbouncer_main *out, struct err *err)
{
	struct reader reader = {.out = out};
	auto_strbuf struct strbuf text = STRBUF_INIT;

	*out = (struct pgbouncer_main){0};
	if (!file_read(file, FILE_MAX, &text, NULL, err))
		return false;
	if (!read_file(&reader, file, err))
		out->problem = xstrdup(err->message);
	return true;
}

void pgbouncer_main_free(struct pgbouncer_main *config)
{
	for (size_t i = 0; i < config->setting_count; i++) {
		free(config->settings[i].name);
		free(config->settings[i].value);
	}
	for (size_t i = 0; i < config->database_count; i++)
		database_fini(&config->databases[i]);
	for (size_t i = 0; i < config->include_count; i++)
		free(config->includes[i]);
	free(config->settings);
	free(config->databases);
	free(config->includes);
	free(config->problem);
	*config = (struct pgbouncer_main){0};
}

const char *pgbouncer_main_get(const struct pgbouncer_main *config, const char *name)
{
	for (size_t i = config->setting_count; i > 0; i--) /* the last one counts */
		if (strcmp(config->settings[i - 1].name, name) == 0)
			return config->settings[i - 1].value;
	return NULL;
}

bool pgbouncer_main_includes(const struct pgbouncer_main *config, const char *file)
{
	struct stat wanted, found;
	bool there = stat(file, &wanted) == 0;

	for (size_t i = 0; i < config->include_count; i++) {
		const char *path = config->includes[i];

		if (strcmp(path, file) == 0)
			return true;
		if (there && stat(path, &found) == 0 && found.st_dev == wanted.st_dev &&
		    found.st_ino == wanted.st_ino)
			return true;
	}
	return false;
}
