/* PgBouncer's ini grammar; see the header. The narrowest one if versions differ: every PgBouncer
 * since 1.12 reads in the same way what is accepted here. */
#include "pgbouncer/model/ini_syntax.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

#define SHOWN_MAX    32 /* bytes of the text that a message quotes */
#define INCLUDE_WORD "%include"

void pgbouncer_lines_init(struct pgbouncer_lines *lines, const char *text, size_t len)
{
	*lines = (struct pgbouncer_lines){.at = text, .end = text + len, .line = 1};
}

void pgbouncer_lines_fini(struct pgbouncer_lines *lines)
{
	free(STEAL(lines->name));
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

/* The value is the rest of the line, from `at` on. */
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

/* --- connect strings; see the header ---
 * PgBouncer has one separator, the space. A tab is part of the value, an empty value takes the next
 * pair as its value, and the character after a closing quote is dropped. */

struct cursor {
	const char *at, *end;
	bool strict;
};

static void skip_spaces(struct cursor *cursor)
{
	while (cursor->at < cursor->end && *cursor->at == ' ')
		cursor->at++;
}

static bool read_key(struct cursor *cursor, char **key, struct err *err)
{
	const char *start = cursor->at;
	auto_strbuf struct strbuf shown = STRBUF_INIT;
	size_t len;

	while (cursor->at < cursor->end && *cursor->at != '=' && *cursor->at != ' ')
		cursor->at++;
	len = (size_t)(cursor->at - start);
	skip_spaces(cursor);
	if (len > 0 && cursor->at < cursor->end && *cursor->at == '=') {
		cursor->at++;
		*key = xstrndup(start, len);
		return true;
	}
	strbuf_append_escaped(&shown, start, len, SHOWN_MAX);
	err_set(err,
	        "KEY=VALUE is expected at '%s': a value with a space or a quote in it has to be "
	        "in '...', and no comment can stand behind a value",
	        shown.data);
	return false;
}

static bool read_quoted(struct cursor *cursor, const char *key, struct strbuf *value,
                        struct err *err)
{
	for (cursor->at++; cursor->at < cursor->end; cursor->at++) {
		bool quote = *cursor->at == '\'';

		if (quote && (cursor->at + 1 == cursor->end || cursor->at[1] != '\''))
			break;
		if (quote)
			cursor->at++;
		strbuf_append_char(value, *cursor->at);
	}
	if (cursor->at == cursor->end)
		return err_set(err, "%s: the closing quote is missing on this line", key);
	cursor->at++;
	if (!cursor->strict && cursor->at < cursor->end)
		cursor->at++;
	else if (cursor->at < cursor->end && *cursor->at != ' ')
		return err_set(err,
		               "%s: a space has to follow the closing quote: PgBouncer drops the "
		               "character that stands there",
		               key);
	return true;
}

static bool read_bare(struct cursor *cursor, const char *key, struct strbuf *value, struct err *err)
{
	const char *start = cursor->at;

	while (cursor->at < cursor->end && *cursor->at != ' ')
		cursor->at++;
	strbuf_append(value, start, (size_t)(cursor->at - start));
	if (cursor->strict && strchr(value->data, '\t') != NULL)
		return err_set(err,
		               "%s: a tab would become a part of the value: put spaces between the "
		               "pairs",
		               key);
	return true;
}

static bool read_value(struct cursor *cursor, const char *key, char **out, struct err *err)
{
	auto_strbuf struct strbuf value = STRBUF_INIT;

	if (!cursor->strict)
		skip_spaces(cursor);
	if (cursor->at < cursor->end && *cursor->at == '\'') {
		if (!read_quoted(cursor, key, &value, err))
			return false;
	} else if (!read_bare(cursor, key, &value, err)) {
		return false;
	}
	if (value.len == 0)
		return err_set(
		    err,
		    "%s has no value (or a space behind its '='): PgBouncer would take the "
		    "next word for it, or refuse the file; leave the key out",
		    key);
	*out = strbuf_detach(&value);
	return true;
}

static int compare_keys(const void *left, const void *right)
{
	const struct pgbouncer_pair *a = left, *b = right;

	return strcmp(a->key, b->key);
}

/* The last pair with a key counts. */
static void add_pair(struct pgbouncer_pairs *out, char *key, char *value)
{
	for (size_t i = 0; i < out->count; i++)
		if (strcmp(out->pairs[i].key, key) == 0) {
			free(key);
			free(out->pairs[i].value);
			out->pairs[i].value = value;
			return;
		}
	out->pairs = xreallocarray(out->pairs, out->count + 1, sizeof(*out->pairs));
	out->pairs[out->count++] = (struct pgbouncer_pair){key, value};
}

static bool read_pairs(struct cursor *cursor, struct pgbouncer_pairs *out, struct err *err)
{
	for (skip_spaces(cursor); cursor->at < cursor->end; skip_spaces(cursor)) {
		auto_free char *key = NULL;
		char *value = NULL;

		if (!read_key(cursor, &key, err) || !read_value(cursor, key, &value, err))
			return false;
		if (cursor->strict && pgbouncer_pairs_get(out, key) != NULL) {
			free(value);
			return err_set(err, "%s is given twice: PgBouncer would use the last one",
			               key);
		}
		add_pair(out, STEAL(key), value);
	}
	return true;
}

bool pgbouncer_pairs_parse(const char *text, size_t len, bool strict, struct pgbouncer_pairs *out,
                           struct err *err)
{
	struct cursor cursor = {.at = text, .end = text + len, .strict = strict};

	*out = (struct pgbouncer_pairs){0};
	if (!read_pairs(&cursor, out, err)) {
		pgbouncer_pairs_free(out);
		return false;
	}
	if (out->count > 0)
		qsort(out->pairs, out->count, sizeof(*out->pairs), compare_keys);
	return true;
}

void pgbouncer_pairs_free(struct pgbouncer_pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		free(pairs->pairs[i].key);
		free(pairs->pairs[i].value);
	}
	free(pairs->pairs);
	*pairs = (struct pgbouncer_pairs){0};
}

const char *pgbouncer_pairs_get(const struct pgbouncer_pairs *pairs, const char *key)
{
	for (size_t i = 0; i < pairs->count; i++)
		if (strcmp(pairs->pairs[i].key, key) == 0)
			return pairs->pairs[i].value;
	return NULL;
}

void pgbouncer_pair_append(const struct pgbouncer_pair *pair, struct strbuf *out)
{
	strbuf_printf(out, "%s%s='", out->len > 0 ? " " : "", pair->key);
	for (const char *c = pair->value; *c != '\0'; c++) {
		if (*c == '\'')
			strbuf_append_char(out, '\'');
		strbuf_append_char(out, *c);
	}
	strbuf_append_char(out, '\'');
}
