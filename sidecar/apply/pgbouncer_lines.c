/* PgBouncer's ini grammar; see the header. Where its versions differ, the narrowest one is taken:
 * what is read here, every PgBouncer from 1.12 on reads the same way. */
#include "apply/pgbouncer_lines.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

#define SHOWN_MAX    32 /* bytes of the text in a message */
#define INCLUDE_WORD "%include"

void pgbouncer_lines_init(struct pgbouncer_lines *lines, const char *text, size_t len)
{
	*lines = (struct pgbouncer_lines){.at = text, .end = text + len, .line = 1};
}

void pgbouncer_lines_fini(struct pgbouncer_lines *lines)
{
	free(lines->name);
	lines->name = NULL;
}

static bool is_name_char(char c)
{
	return isascii(c) && (isalnum((unsigned char)c) || (c != '\0' && strchr("_.-*", c)));
}

static const char *line_end(const struct pgbouncer_lines *lines)
{
	const char *end = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));

	return end != NULL ? end : lines->end;
}

static void take_name(struct pgbouncer_lines *lines, const char *start, const char *end)
{
	free(lines->name);
	lines->name = xstrndup(start, (size_t)(end - start));
}

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

/* The rest of the line, from `at` on. */
static void take_value(struct pgbouncer_lines *lines, const char *at)
{
	const char *end = line_end(lines);

	lines->at = end;
	at = skip_blanks(at, end);
	while (end > at && isspace((unsigned char)end[-1]))
		end--;
	lines->value = at;
	lines->value_len = (size_t)(end - at);
}

static enum pgbouncer_statement fail_at(const char *at, const char *end, struct err *err)
{
	auto_strbuf struct strbuf shown = STRBUF_INIT;
	const char *equals = memchr(at, '=', (size_t)(end - at));

	strbuf_append_escaped(&shown, at, (size_t)((equals != NULL ? equals : end) - at),
	                      SHOWN_MAX);
	err_set(err,
	        "'%s' is neither [databases] nor NAME = ...; letters, digits and _ . - are "
	        "allowed in a name. PgBouncer would stop reading here",
	        shown.data);
	return PGBOUNCER_STATEMENT_BROKEN;
}

static enum pgbouncer_statement read_entry(struct pgbouncer_lines *lines, struct err *err)
{
	const char *start = lines->at, *end = line_end(lines), *at = start;
	const char *quote = lines->quoted_names && *start == '\''
	                        ? memchr(start + 1, '\'', (size_t)(end - start - 1))
	                        : NULL;

	while (at < end && is_name_char(*at))
		at++;
	take_name(lines, quote != NULL ? start + 1 : start, quote != NULL ? quote : at);
	at = skip_blanks(quote != NULL ? quote + 1 : at, end);
	if (*lines->name == '\0' || at == end || *at != '=')
		return fail_at(start, end, err);
	take_value(lines, at + 1);
	return PGBOUNCER_STATEMENT_ENTRY;
}

static enum pgbouncer_statement read_section(struct pgbouncer_lines *lines, struct err *err)
{
	const char *end = line_end(lines);
	const char *close = memchr(lines->at, ']', (size_t)(end - lines->at));

	if (close == NULL) {
		err_set(err, "the ']' of the section is missing");
		return PGBOUNCER_STATEMENT_BROKEN;
	}
	take_name(lines, lines->at + 1, close);
	lines->at = close + 1;
	return PGBOUNCER_STATEMENT_SECTION;
}

static enum pgbouncer_statement read_directive(struct pgbouncer_lines *lines, struct err *err)
{
	const char *start = lines->at, *end = line_end(lines);
	size_t word = strlen(INCLUDE_WORD);

	if ((size_t)(end - start) <= word || strncmp(start, INCLUDE_WORD, word) != 0 ||
	    !isspace((unsigned char)start[word]))
		return fail_at(start, end, err);
	take_value(lines, start + word);
	return PGBOUNCER_STATEMENT_INCLUDE;
}

static void skip_space(struct pgbouncer_lines *lines)
{
	for (; lines->at < lines->end && isspace((unsigned char)*lines->at); lines->at++)
		lines->line += *lines->at == '\n';
}

enum pgbouncer_statement pgbouncer_lines_next(struct pgbouncer_lines *lines, struct err *err)
{
	for (skip_space(lines); lines->at < lines->end; skip_space(lines)) {
		switch (*lines->at) {
		case '#':
		case ';':
			lines->at = line_end(lines);
			break;
		case '%':
			return read_directive(lines, err);
		case '[':
			return read_section(lines, err);
		default:
			return read_entry(lines, err);
		}
	}
	return PGBOUNCER_STATEMENT_END;
}
