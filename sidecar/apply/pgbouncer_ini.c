/* The rendered databases file; see the header. The grammar is PgBouncer's own (1.12 to 1.25), where
 * its versions differ the narrowest; what it would accept and misread is an error here. */
#include "apply/pgbouncer_ini.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "apply/pgbouncer_lines.h"
#include "apply/pgbouncer_params.h"

#define SHOWN_MAX 32 /* bytes of the text in a message */

enum section {
	SECTION_NONE,
	SECTION_DATABASES,
	SECTION_USERS,
};

struct reader {
	struct pgbouncer_lines lines;
	enum section section;
	size_t capacity;
	struct pgbouncer_ini *out;
};

static bool check_name(const struct reader *reader, const char *name, struct err *err)
{
	if (strcmp(name, "pgbouncer") == 0)
		return err_set(err, "the name is reserved: it is PgBouncer's console");
	if (strcmp(name, "*") == 0)
		return err_set(err,
		               "SHOW DATABASES does not show this entry, so no move could be "
		               "confirmed: name the databases, and leave '*' to pgbouncer.ini");
	if (strlen(name) > PGBOUNCER_NAME_MAX)
		return err_set(
		    err, "the name is longer than the %d bytes that PgBouncer's console takes",
		    PGBOUNCER_NAME_MAX);
	if (pgbouncer_ini_find(reader->out, name) != NULL)
		return err_set(err, "the name is there twice, first in line %u",
		               pgbouncer_ini_find(reader->out, name)->line);
	return true;
}

static void add_database(struct reader *reader, const struct pgbouncer_database *database)
{
	struct pgbouncer_ini *out = reader->out;

	if (out->count == reader->capacity) {
		reader->capacity = reader->capacity > 0 ? reader->capacity * 2 : 8;
		out->databases =
		    xreallocarray(out->databases, reader->capacity, sizeof(*out->databases));
	}
	out->databases[out->count++] = *database;
}

static bool read_database(struct reader *reader, struct err *err)
{
	const struct pgbouncer_lines *at = &reader->lines;
	struct pgbouncer_database database = {.name = xstrdup(at->name), .line = at->line};

	if (check_name(reader, at->name, err) &&
	    pgbouncer_database_read(&database, at->value, at->value_len, err)) {
		add_database(reader, &database);
		return true;
	}
	pgbouncer_database_fini(&database);
	return false;
}

static bool take_entry(struct reader *reader, struct err *err)
{
	switch (reader->section) {
	case SECTION_NONE:
		return err_set(err, "there is no [databases] above it");
	case SECTION_DATABASES:
		return read_database(reader, err);
	case SECTION_USERS:
		return pgbouncer_user_check(reader->lines.value, reader->lines.value_len, err);
	}
	return true;
}

static bool enter_section(struct reader *reader, struct err *err)
{
	const char *name = reader->lines.name;

	if (strcmp(name, "databases") == 0)
		reader->section = SECTION_DATABASES;
	else if (strcmp(name, "users") == 0)
		reader->section = SECTION_USERS;
	else
		return err_set(err,
		               "[%.*s]: only [databases] and [users] are allowed in this file, all "
		               "else belongs to pgbouncer.ini, which %%includes it",
		               SHOWN_MAX, name);
	return true;
}

static bool read_statement(struct reader *reader, bool *more, struct err *err)
{
	*more = true;
	switch (pgbouncer_lines_next(&reader->lines, err)) {
	case PGBOUNCER_STATEMENT_END:
		*more = false;
		return true;
	case PGBOUNCER_STATEMENT_SECTION:
		return enter_section(reader, err);
	case PGBOUNCER_STATEMENT_ENTRY:
		return take_entry(reader, err) ||
		       err_wrap(err, "%.*s", SHOWN_MAX, reader->lines.name);
	case PGBOUNCER_STATEMENT_INCLUDE:
		return err_set(err, "%%include is not allowed in this file: segue would not know "
		                    "what it brings");
	case PGBOUNCER_STATEMENT_BROKEN:
		return false;
	}
	return false;
}

static bool is_foreign(const char *text, size_t len, size_t i)
{
	switch (text[i]) {
	case '\t':
	case '\n':
		return false;
	case '\r':
		return i + 1 < len && text[i + 1] != '\n';
	default:
		return iscntrl((unsigned char)text[i]);
	}
}

/* PgBouncer ends at a NUL; other control characters can only be an accident. */
static bool check_bytes(const char *text, size_t len, struct err *err)
{
	unsigned line = 1;

	for (size_t i = 0; i < len; i++) {
		if (is_foreign(text, len, i))
			return err_set(err, "line %u: a control character (\\x%02x)", line,
			               (unsigned char)text[i]);
		line += text[i] == '\n';
	}
	return true;
}

bool pgbouncer_ini_parse(const char *text, size_t len, struct pgbouncer_ini *out, struct err *err)
{
	struct reader reader = {.out = out};
	bool more = true, ok = true;
	unsigned line;

	*out = (struct pgbouncer_ini){0};
	if (!check_bytes(text, len, err))
		return false;
	pgbouncer_lines_init(&reader.lines, text, len);
	while (ok && more)
		ok = read_statement(&reader, &more, err);
	line = reader.lines.line;
	pgbouncer_lines_fini(&reader.lines);
	if (!ok) {
		pgbouncer_ini_free(out);
		return err_wrap(err, "line %u", line);
	}
	if (out->count > 0)
		return true;
	return err_set(err,
	               "line %u: the file names no database: PgBouncer would drop those that "
	               "it has",
	               line);
}

void pgbouncer_ini_free(struct pgbouncer_ini *ini)
{
	for (size_t i = 0; i < ini->count; i++)
		pgbouncer_database_fini(&ini->databases[i]);
	free(ini->databases);
	*ini = (struct pgbouncer_ini){0};
}

const struct pgbouncer_database *pgbouncer_ini_find(const struct pgbouncer_ini *ini,
                                                    const char *name)
{
	for (size_t i = 0; i < ini->count; i++)
		if (strcmp(ini->databases[i].name, name) == 0)
			return &ini->databases[i];
	return NULL;
}
