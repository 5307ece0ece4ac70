/* The rendered databases file; see the header. The grammar is PgBouncer's own (1.12 to 1.25), where
 * its versions differ the narrowest; what it would accept and misread is an error here. */
#include "apply/pgbouncer_ini.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "apply/pgbouncer_params.h"

#define SHOWN_MAX 32 /* bytes of the text in a message */

enum section {
	SECTION_NONE,
	SECTION_DATABASES,
	SECTION_USERS,
};

struct reader {
	const char *at, *end;
	unsigned line;
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

static bool read_database(struct reader *reader, const char *name, const char *text, size_t len,
                          struct err *err)
{
	struct pgbouncer_database database = {.name = xstrdup(name), .line = reader->line};

	if (check_name(reader, name, err) && pgbouncer_database_read(&database, text, len, err)) {
		add_database(reader, &database);
		return true;
	}
	pgbouncer_database_fini(&database);
	return false;
}

static bool take_entry(struct reader *reader, const char *name, const char *text, size_t len,
                       struct err *err)
{
	switch (reader->section) {
	case SECTION_NONE:
		return err_set(err, "there is no [databases] above it");
	case SECTION_DATABASES:
		return read_database(reader, name, text, len, err);
	case SECTION_USERS:
		return pgbouncer_user_check(text, len, err);
	}
	return true;
}

static bool is_name_char(char c)
{
	return isascii(c) && (isalnum((unsigned char)c) || (c != '\0' && strchr("_.-*", c)));
}

static const char *line_end(const struct reader *reader)
{
	const char *end = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));

	return end != NULL ? end : reader->end;
}

static bool fail_at(const char *at, const char *end, struct err *err)
{
	auto_strbuf struct strbuf shown = STRBUF_INIT;
	const char *equals = memchr(at, '=', (size_t)(end - at));

	strbuf_append_escaped(&shown, at, (size_t)((equals != NULL ? equals : end) - at),
	                      SHOWN_MAX);
	return err_set(err,
	               "'%s' is neither [databases] nor NAME = ...; letters, digits and _ . - are "
	               "allowed in a name. PgBouncer would stop reading here",
	               shown.data);
}

static bool read_entry(struct reader *reader, struct err *err)
{
	const char *start = reader->at, *end = line_end(reader), *at = start;
	auto_free char *name = NULL;

	while (at < end && is_name_char(*at))
		at++;
	name = xstrndup(start, (size_t)(at - start));
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	if (*name == '\0' || at == end || *at != '=')
		return fail_at(start, end, err);
	for (at++; at < end && (*at == ' ' || *at == '\t'); at++)
		;
	reader->at = end;
	while (end > at && isspace((unsigned char)end[-1]))
		end--;
	if (take_entry(reader, name, at, (size_t)(end - at), err))
		return true;
	return err_wrap(err, "%.*s", SHOWN_MAX, name);
}

static bool read_section(struct reader *reader, struct err *err)
{
	const char *end = line_end(reader);
	const char *close = memchr(reader->at, ']', (size_t)(end - reader->at));
	auto_free char *name = NULL;

	if (close == NULL)
		return err_set(err, "the ']' of the section is missing");
	name = xstrndup(reader->at + 1, (size_t)(close - reader->at - 1));
	reader->at = close + 1;
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

static void skip_space(struct reader *reader)
{
	for (; reader->at < reader->end && isspace((unsigned char)*reader->at); reader->at++)
		reader->line += *reader->at == '\n';
}

static bool read_statement(struct reader *reader, struct err *err)
{
	if (*reader->at == '#' || *reader->at == ';') {
		reader->at = line_end(reader);
		return true;
	}
	if (*reader->at == '%')
		return err_set(err, "%%include is not allowed in this file: segue would not know "
		                    "what it brings");
	return *reader->at == '[' ? read_section(reader, err) : read_entry(reader, err);
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
	struct reader reader = {.at = text, .end = text + len, .line = 1, .out = out};

	*out = (struct pgbouncer_ini){0};
	if (!check_bytes(text, len, err))
		return false;
	for (skip_space(&reader); reader.at < reader.end; skip_space(&reader)) {
		if (!read_statement(&reader, err)) {
			pgbouncer_ini_free(out);
			return err_wrap(err, "line %u", reader.line);
		}
	}
	if (out->count > 0)
		return true;
	return err_set(err,
	               "line %u: the file names no database: PgBouncer would drop those that "
	               "it has",
	               reader.line);
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
