/* pgbouncer.ini and the files that it includes; see the header. As in PgBouncer, an included file
 * begins in the section in which its %include line stands. */
#include "pgbouncer/model/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/ini_syntax.h"

#define FILE_MAX    ((size_t)16 * 1024 * 1024) /* bytes */
#define DEPTH_MAX   10                         /* nested %include: PgBouncer's own limit */
#define SHOWN_MAX   32                         /* bytes of the text that a message quotes */
#define NEWEST      26 /* 1.26: later versions may have keys and sections not known here */
#define QUOTES_FROM 25 /* 1.25: 'NAME' = ... */
#define PEERS_FROM  19 /* 1.19: [peers] */

enum section {
	SECTION_NONE,
	SECTION_OTHER,
	SECTION_DATABASES,
	SECTION_USERS,
	SECTION_PGBOUNCER,
};

struct reader {
	const struct pgbouncer_reading *how;
	struct pgbouncer_main *out;
	enum section section;
	unsigned turned; /* the line in this file of the last %include whose file ended in another
	                    section; 0: none since the last section header */
	unsigned depth;
	bool opened; /* the first file was read */
	bool in_output, behind_output;
};

static bool is_version_known(const struct reader *reader)
{
	return reader->how->minor > 0 && reader->how->minor <= NEWEST;
}

/* --- [pgbouncer] --- */

static bool is_number(const char *text)
{
	char *end;

	(void)!strtod(text, &end);
	return end != text && *end == '\0';
}

/* Settings that take one of some words, in all versions together. */
static const struct {
	const char *name, *words[10];
} word_settings[] = {
    {"pool_mode", {"session", "transaction", "statement"}},
    {"auth_type", {"any", "trust", "plain", "md5", "cert", "hba", "pam", "ldap", "scram-sha-256"}},
    {"client_tls_sslmode", {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}},
    {"server_tls_sslmode", {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}},
};

static bool has_word(const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(word_settings); i++) {
		const char *const *word = word_settings[i].words;

		if (strcmp(word_settings[i].name, name) != 0)
			continue;
		while (*word != NULL && strcasecmp(*word, value) != 0)
			word++;
		return *word != NULL;
	}
	return true;
}

/* Checks as PgBouncer's setters would. They do not check settings that a RELOAD does not change.
 * The value that PgBouncer runs with is accepted. A setting whose default is a number has to be
 * one. */
static bool check_setting(const struct pgbouncer_table *config, size_t row, const char *value,
                          struct err *err)
{
	const char *now = pgbouncer_table_get(config, row, "value");
	const char *preset = pgbouncer_table_get(config, row, "default");
	const char *changeable = pgbouncer_table_get(config, row, "changeable");

	if ((changeable != NULL && strcmp(changeable, "yes") != 0) ||
	    (now != NULL && strcmp(now, value) == 0))
		return true;
	if (preset != NULL && is_number(preset) && !is_number(value))
		return err_set(err, "'%.*s' is not a number: PgBouncer would stop reading here",
		               SHOWN_MAX, value);
	return has_word(pgbouncer_table_get(config, row, "key"), value) ||
	       err_set(err, "PgBouncer has no '%.*s' for it, and would stop reading here",
	               SHOWN_MAX, value);
}

static bool take_setting(struct reader *reader, const struct pgbouncer_lines *lines,
                         const char *file, struct err *err)
{
	const struct pgbouncer_table *config = reader->how->config;
	struct pgbouncer_main *out = reader->out;
	struct pgbouncer_setting *setting;

	out->settings =
	    xreallocarray(out->settings, out->setting_count + 1, sizeof(*out->settings));
	setting = &out->settings[out->setting_count++];
	*setting = (struct pgbouncer_setting){.name = xstrdup(lines->name),
	                                      .value = xstrndup(lines->value, lines->value_len),
	                                      .file = xstrdup(file),
	                                      .line = lines->line};
	for (size_t row = 0; config != NULL && row < config->row_count; row++)
		if (pgbouncer_table_is(config, row, "key", setting->name))
			return check_setting(config, row, setting->value, err);
	return config == NULL || config->row_count == 0 ||
	       err_set(err, "PgBouncer has no setting of this name, and would stop reading here");
}

/* --- [databases] and [users] --- */

static void database_fini(struct pgbouncer_main_database *database)
{
	free(database->name);
	free(database->file);
	pgbouncer_pairs_free(&database->pairs);
}

/* Replaces an earlier database of the same name. */
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

/* PgBouncer reads the value of the entry '*' only when a client asks for a database that has no
 * entry, so nothing in it is an error. */
static bool take_database(struct reader *reader, const struct pgbouncer_lines *lines,
                          const char *file, struct err *err)
{
	struct pgbouncer_main *out = reader->out;
	struct pgbouncer_main_database database = {.line = lines->line};
	bool any = strcmp(lines->name, "*") == 0, ok;

	if (strcmp(lines->name, "pgbouncer") == 0)
		return err_set(err, "the name is reserved: it is PgBouncer's console");
	if (!pgbouncer_pairs_parse(lines->value, lines->value_len, false, &database.pairs, err) &&
	    !any)
		return false;
	if (reader->behind_output && !reader->in_output && out->overruled == NULL &&
	    reader->how->ini != NULL && pgbouncer_ini_find(reader->how->ini, lines->name) != NULL)
		out->overruled = xasprintf("%s line %u defines %s", file, lines->line, lines->name);
	ok = any || !is_version_known(reader) || pgbouncer_database_passes(&database.pairs, err);
	if (!ok || reader->how->only_problem) {
		pgbouncer_pairs_free(&database.pairs);
		return ok;
	}
	database.name = xstrdup(lines->name);
	database.file = xstrdup(file);
	set_database(out, &database);
	return true;
}

static bool judge_user(const struct reader *reader, const struct pgbouncer_lines *lines,
                       struct err *err)
{
	struct pgbouncer_pairs pairs;
	bool ok = pgbouncer_pairs_parse(lines->value, lines->value_len, false, &pairs, err);

	ok = ok && (!is_version_known(reader) || pgbouncer_user_passes(&pairs, err));
	pgbouncer_pairs_free(&pairs);
	return ok;
}

/* --- the files --- */

static bool take_entry(struct reader *reader, const struct pgbouncer_lines *lines, const char *file,
                       struct err *err)
{
	switch (reader->section) {
	case SECTION_NONE:
		return err_set(err, "there is no section above it: PgBouncer would stop reading "
		                    "here");
	case SECTION_OTHER:
		return true;
	case SECTION_DATABASES:
		if (take_database(reader, lines, file, err))
			return true;
		if (reader->turned != 0) /* the line was meant as a setting of [pgbouncer] */
			err_set(err,
			        "this is read as a database, as the %%include in line %u ends in "
			        "[databases]: put that %%include at the end of the file",
			        reader->turned);
		return false;
	case SECTION_USERS:
		return judge_user(reader, lines, err);
	case SECTION_PGBOUNCER:
		return take_setting(reader, lines, file, err);
	}
	return true;
}

static bool enter_section(struct reader *reader, const char *name, struct err *err)
{
	static const struct {
		const char *name;
		enum section section;
	} sections[] = {{"databases", SECTION_DATABASES},
	                {"users", SECTION_USERS},
	                {"pgbouncer", SECTION_PGBOUNCER}};

	reader->turned = 0;
	reader->section = SECTION_OTHER;
	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		if (strcmp(name, sections[i].name) == 0)
			reader->section = sections[i].section;
	if (reader->section != SECTION_OTHER || !is_version_known(reader) ||
	    (reader->how->minor >= PEERS_FROM && strcmp(name, "peers") == 0))
		return true;
	return err_set(err, "PgBouncer has no section [%.*s], and would stop reading here",
	               SHOWN_MAX, name);
}

static bool read_file(struct reader *reader, const char *file, bool given, struct err *err);

static bool is_output(const struct reader *reader, const char *path)
{
	const char *output = reader->how->output;
	struct stat a, b;

	return output != NULL &&
	       (strcmp(path, output) == 0 || (stat(path, &a) == 0 && stat(output, &b) == 0 &&
	                                      a.st_dev == b.st_dev && a.st_ino == b.st_ino));
}

static bool take_include(struct reader *reader, const struct pgbouncer_lines *lines,
                         struct err *err)
{
	struct pgbouncer_main *out = reader->out;
	auto_free char *path = xstrndup(lines->value, lines->value_len);
	const enum section before = reader->section;
	const unsigned turned = reader->turned;
	bool output = is_output(reader, path), given = output && reader->how->text != NULL, ok;

	string_list_add(&out->includes, xstrdup(path));
	out->takes_output = out->takes_output || output;
	if (!given && access(path, R_OK) != 0 && (errno == EACCES || *path != '/')) {
		out->passed_over = true;
		return true;
	}
	if (reader->depth == DEPTH_MAX)
		return err_set(err, "%%include %s: more than %d nested include files", path,
		               DEPTH_MAX);
	reader->turned = 0;
	reader->depth++;
	ok = read_file(reader, path, given, err);
	reader->depth--;
	reader->turned = reader->section != before ? lines->line : turned;
	return ok;
}

static bool take_statement(struct reader *reader, enum pgbouncer_statement statement,
                           const struct pgbouncer_lines *lines, const char *file, struct err *err)
{
	switch (statement) {
	case PGBOUNCER_STATEMENT_SECTION:
		return enter_section(reader, lines->name, err);
	case PGBOUNCER_STATEMENT_ENTRY:
		return take_entry(reader, lines, file, err) ||
		       err_wrap(err, "%.*s", SHOWN_MAX, lines->name);
	case PGBOUNCER_STATEMENT_INCLUDE:
		return take_include(reader, lines, err);
	case PGBOUNCER_STATEMENT_END:
	case PGBOUNCER_STATEMENT_BROKEN:
		break;
	}
	return false;
}

/* given: `file` is read as if it held reader->how->text.
 * NOLINTNEXTLINE(misc-no-recursion): a %include in an included file; depth is bounded */
static bool read_file(struct reader *reader, const char *file, bool given, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct pgbouncer_lines lines;
	enum pgbouncer_statement statement;
	bool around = reader->in_output;

	reader->in_output = given;
	if (given) { /* it overrides the definitions before it */
		strbuf_append(&text, reader->how->text, reader->how->len);
		reader->behind_output = true;
		free(STEAL(reader->out->overruled));
	} else if (!file_read(file, FILE_MAX, &text, NULL, err)) {
		return false;
	}
	reader->opened = true;
	pgbouncer_lines_init(&lines, text.data, text.len);
	lines.quoted_names = reader->how->minor >= QUOTES_FROM;
	do
		statement = pgbouncer_lines_next(&lines, err);
	while (take_statement(reader, statement, &lines, file, err));
	if (statement != PGBOUNCER_STATEMENT_END)
		err_wrap(err, "%s line %u", file, lines.line);
	pgbouncer_lines_fini(&lines);
	reader->in_output = around;
	return statement == PGBOUNCER_STATEMENT_END;
}

bool pgbouncer_main_load(const char *file, const struct pgbouncer_reading *reading,
                         struct pgbouncer_main *out, struct err *err)
{
	struct reader reader = {.how = reading, .out = out};

	*out = (struct pgbouncer_main){.takes_output = is_output(&reader, file)};
	if (!read_file(&reader, file, out->takes_output && reading->text != NULL, err) &&
	    reader.opened)
		out->problem = xstrdup(err->message);
	return reader.opened;
}

void pgbouncer_main_free(struct pgbouncer_main *config)
{
	for (size_t i = 0; i < config->setting_count; i++) {
		free(config->settings[i].name);
		free(config->settings[i].value);
		free(config->settings[i].file);
	}
	for (size_t i = 0; i < config->database_count; i++)
		database_fini(&config->databases[i]);
	string_list_free(&config->includes);
	free(config->settings);
	free(config->databases);
	free(config->problem);
	free(config->overruled);
	*config = (struct pgbouncer_main){0};
}

const struct pgbouncer_setting *pgbouncer_main_find(const struct pgbouncer_main *config,
                                                    const char *name)
{
	for (size_t i = config->setting_count; i > 0; i--) /* the last one counts */
		if (strcmp(config->settings[i - 1].name, name) == 0)
			return &config->settings[i - 1];
	return NULL;
}

const char *pgbouncer_main_get(const struct pgbouncer_main *config, const char *name)
{
	const struct pgbouncer_setting *setting = pgbouncer_main_find(config, name);

	return setting != NULL ? setting->value : NULL;
}

bool pgbouncer_main_leaves_out(const struct pgbouncer_main *config)
{
	return !config->takes_output && !config->passed_over && config->problem == NULL;
}

bool pgbouncer_main_obeys(const struct pgbouncer_main *config, const char *output, struct err *err)
{
	return config->overruled == NULL ||
	       err_set(err,
	               "%s again, after the %%include of %s. PgBouncer uses the last "
	               "definition: remove it",
	               config->overruled, output);
}
