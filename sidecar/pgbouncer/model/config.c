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
	unsigned turned; /* the line of an %include whose file ended in another section; 0: none, or
	                    a section header has come since */
	unsigned depth;
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

static bool is_word(const char *text, const char *const *words)
{
	while (*words != NULL && strcasecmp(text, *words) != 0)
		words++;
	return *words != NULL;
}

/* The values that all versions together allow, if they are a list. NULL: any value, as far as is
 * known here. */
static const char *const *words_of(const char *name)
{
	static const char *const modes[] = {"session", "transaction", "statement", NULL};
	static const char *const auths[] = {"any", "trust", "plain", "md5",           "cert",
	                                    "hba", "pam",   "ldap",  "scram-sha-256", NULL};
	static const char *const ssl[] = {"disable",   "allow",       "prefer", "require",
	                                  "verify-ca", "verify-full", NULL};

	if (strcmp(name, "pool_mode") == 0)
		return modes;
	if (strcmp(name, "auth_type") == 0)
		return auths;
	return strcmp(name, "client_tls_sslmode") == 0 || strcmp(name, "server_tls_sslmode") == 0
	           ? ssl
	           : NULL;
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
	const char *const *words = words_of(pgbouncer_table_get(config, row, "key"));

	if ((changeable != NULL && strcmp(changeable, "yes") != 0) ||
	    (now != NULL && strcmp(now, value) == 0))
		return true;
	if (preset != NULL && is_number(preset) && !is_number(value))
		return err_set(err, "'%.*s' is no number: PgBouncer would stop reading here",
		               SHOWN_MAX, value);
	if (words != NULL && !is_word(value, words))
		return err_set(err, "PgBouncer has no '%.*s' for it, and would stop reading here",
		               SHOWN_MAX, value);
	return true;
}

static bool judge_setting(const struct reader *reader, const struct pgbouncer_setting *setting,
                          struct err *err)
{
	const struct pgbouncer_table *config = reader->how->config;

	for (size_t row = 0; config != NULL && row < config->row_count; row++) {
		const char *key = pgbouncer_table_get(config, row, "key");

		if (key != NULL && strcmp(key, setting->name) == 0)
			return check_setting(config, row, setting->value, err);
	}
	return config == NULL || config->row_count == 0 ||
	       err_set(err, "PgBouncer has no setting of this name, and would stop reading here");
}

static bool take_setting(struct reader *reader, const struct pgbouncer_lines *lines,
                         const char *file, struct err *err)
{
	struct pgbouncer_main *out = reader->out;
	struct pgbouncer_setting *setting;

	out->settings =
	    xreallocarray(out->settings, out->setting_count + 1, sizeof(*out->settings));
	setting = &out->settings[out->setting_count++];
	*setting = (struct pgbouncer_setting){.name = xstrdup(lines->name),
	                                      .value = xstrndup(lines->value, lines->value_len),
	                                      .file = xstrdup(file),
	                                      .line = lines->line};
	return judge_setting(reader, setting, err);
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

/* PgBouncer follows the last definition of a database. Only the first such case is kept. */
static void note_overruled(struct reader *reader, const struct pgbouncer_lines *lines,
                           const char *file)
{
	struct pgbouncer_main *out = reader->out;

	if (reader->behind_output && !reader->in_output && out->overruled == NULL &&
	    reader->how->ini != NULL && pgbouncer_ini_find(reader->how->ini, lines->name) != NULL)
		out->overruled = xasprintf("%s line %u defines %s", file, lines->line, lines->name);
}

/* PgBouncer reads the value of the entry '*' only when a client asks for a database that has no
 * entry, so nothing in it is an error. */
static bool take_database(struct reader *reader, const struct pgbouncer_lines *lines,
                          const char *file, struct err *err)
{
	struct pgbouncer_main_database database = {.line = lines->line};
	bool any = strcmp(lines->name, "*") == 0, ok;

	if (strcmp(lines->name, "pgbouncer") == 0)
		return err_set(err, "the name is reserved: it is PgBouncer's console");
	if (!pgbouncer_pairs_read(lines->value, lines->value_len, &database.pairs, err) && !any)
		return false;
	note_overruled(reader, lines, file);
	ok = any || !is_version_known(reader) || pgbouncer_database_passes(&database.pairs, err);
	if (!ok || reader->how->only_problem) {
		pgbouncer_pairs_free(&database.pairs);
		return ok;
	}
	database.name = xstrdup(lines->name);
	database.file = xstrdup(file);
	set_database(reader->out, &database);
	return true;
}

static bool judge_user(const struct reader *reader, const struct pgbouncer_lines *lines,
                       struct err *err)
{
	struct pgbouncer_pairs pairs;
	bool ok = pgbouncer_pairs_read(lines->value, lines->value_len, &pairs, err);

	ok = ok && (!is_version_known(reader) || pgbouncer_user_passes(&pairs, err));
	pgbouncer_pairs_free(&pairs);
	return ok;
}

/* --- the files --- */

/* Replaces the error if the line was meant as a setting of [pgbouncer]. Always false. */
static bool tell_turned(const struct reader *reader, struct err *err)
{
	if (reader->turned == 0)
		return false;
	return err_set(err,
	               "this is read as a database, as the %%include in line %u ends in "
	               "[databases]: put that %%include at the end of the file",
	               reader->turned);
}

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
		return take_database(reader, lines, file, err) || tell_turned(reader, err);
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

static bool is_same_file(const char *path, const char *file)
{
	struct stat a, b;

	return strcmp(path, file) == 0 || (stat(path, &a) == 0 && stat(file, &b) == 0 &&
	                                   a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

static bool read_file(struct reader *reader, const char *file, bool given, struct err *err);

static bool is_ours(const struct reader *reader, const char *path)
{
	return reader->how->output != NULL && is_same_file(path, reader->how->output);
}

static bool is_out_of_sight(const char *path)
{
	return access(path, R_OK) != 0 && (errno == EACCES || *path != '/');
}

static bool take_include(struct reader *reader, const struct pgbouncer_lines *lines,
                         struct err *err)
{
	struct pgbouncer_main *out = reader->out;
	auto_free char *path = xstrndup(lines->value, lines->value_len);
	const enum section before = reader->section;
	bool ours = is_ours(reader, path), given = ours && reader->how->text != NULL, ok;

	out->includes =
	    xreallocarray(out->includes, out->include_count + 1, sizeof(*out->includes));
	out->includes[out->include_count++] = xstrdup(path);
	out->takes_output = out->takes_output || ours;
	if (!given && is_out_of_sight(path)) {
		out->passed_over = true;
		return true;
	}
	if (reader->depth == DEPTH_MAX)
		return err_set(err, "%%include %s: more than %d files in each other", path,
		               DEPTH_MAX);
	reader->depth++;
	ok = read_file(reader, path, given, err);
	reader->depth--;
	reader->turned = reader->section != before ? lines->line : 0;
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
		return enter_section(reader, lines->name, err);
	case PGBOUNCER_STATEMENT_ENTRY:
		return take_entry(reader, lines, file, err) ||
		       err_wrap(err, "%.*s", SHOWN_MAX, lines->name);
	case PGBOUNCER_STATEMENT_INCLUDE:
		return take_include(reader, lines, err);
	case PGBOUNCER_STATEMENT_BROKEN:
		return false;
	}
	return false;
}

/* The output overrides the definitions before it. */
static void enter_output(struct reader *reader, struct strbuf *text)
{
	strbuf_append(text, reader->how->text, reader->how->len);
	reader->behind_output = true;
	free(STEAL(reader->out->overruled));
}

/* given: `file` is read as if it held reader->how->text.
 * NOLINTNEXTLINE(misc-no-recursion): a %include in an included file; depth is bounded */
static bool read_file(struct reader *reader, const char *file, bool given, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct pgbouncer_lines lines;
	bool more = true, ok = true, around = reader->in_output;

	reader->in_output = given;
	if (given)
		enter_output(reader, &text);
	else if (!file_read(file, FILE_MAX, &text, NULL, err))
		return false;
	pgbouncer_lines_init(&lines, text.data, text.len);
	lines.quoted_names = reader->how->minor >= QUOTES_FROM;
	while (ok && more)
		ok = take_statement(reader, &lines, file, &more, err);
	if (!ok)
		err_wrap(err, "%s line %u", file, lines.line);
	pgbouncer_lines_fini(&lines);
	reader->in_output = around;
	return ok;
}

bool pgbouncer_main_load(const char *file, const struct pgbouncer_reading *reading,
                         struct pgbouncer_main *out, struct err *err)
{
	struct reader reader = {.how = reading, .out = out};
	auto_strbuf struct strbuf text = STRBUF_INIT;

	*out = (struct pgbouncer_main){.takes_output = is_ours(&reader, file)};
	if (!file_read(file, FILE_MAX, &text, NULL, err))
		return false;
	if (!read_file(&reader, file, out->takes_output && reading->text != NULL, err))
		out->problem = xstrdup(err->message);
	return true;
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
	for (size_t i = 0; i < config->include_count; i++)
		free(config->includes[i]);
	free(config->includes);
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
	               "%s once more, behind the %%include of %s, and the last definition is the "
	               "one that PgBouncer follows: remove that one",
	               config->overruled, output);
}
