/* HAProxy's configuration grammar; see the header. Where the manual differs, it follows HAProxy
 * 2.6: a backslash before a character that needs no escape is kept. */
#include "haproxy/model/syntax.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define ESCAPE_BROKEN ((size_t)-1)

enum quoting {
	QUOTING_NONE,
	QUOTING_WEAK,   /* "...": escapes and environment variables */
	QUOTING_STRONG, /* '...': only the closing quote is special */
};

void haproxy_lines_init(struct haproxy_lines *lines, const char *text, size_t len)
{
	*lines = (struct haproxy_lines){.at = text, .end = text + len, .values = STRBUF_INIT};
}

void haproxy_lines_fini(struct haproxy_lines *lines)
{
	free(lines->words);
	strbuf_fini(&lines->values);
	lines->words = NULL;
	lines->count = lines->capacity = 0;
}

const char *haproxy_lines_word(const struct haproxy_lines *lines, size_t i)
{
	return i < lines->count ? lines->values.data + lines->words[i].value : "";
}

bool haproxy_lines_has_variable(const struct haproxy_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		if (lines->words[i].variable)
			return true;
	return false;
}

bool haproxy_keyword_is_section(const char *word)
{
	static const char *const keywords[] = {
	    "global",  "defaults",       "frontend",    "backend",     "listen",
	    "peers",   "resolvers",      "mailers",     "userlist",    "cache",
	    "program", "http-errors",    "ring",        "log-forward", "crt-store",
	    "traces",  "namespace_list", "log-profile", "fcgi-app",    "acme",
	};

	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (strcmp(word, keywords[i]) == 0)
			return true;
	return false;
}

static bool fail(struct haproxy_lines *lines, struct err *err, const char *reason)
{
	lines->failed = true;
	return err_set(err, "%s", reason) || err_at_line(err, lines->number);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static size_t read_hex_escape(struct strbuf *out, const char *at, const char *end)
{
	int high = end - at > 2 ? hex_digit(at[1]) : -1;
	int low = high >= 0 ? hex_digit(at[2]) : -1;

	if (low < 0 || high + low == 0)
		return ESCAPE_BROKEN;
	strbuf_append_char(out, (char)(high * 16 + low));
	return 3;
}

/* Appends the character of an escape; `at` is after the backslash. Returns how many bytes from `at`
 * the escape has, or ESCAPE_BROKEN. */
static size_t read_escape(struct strbuf *out, const char *at, const char *end, enum quoting quoting)
{
	static const char from[] = "nrt \\\"'#$", to[] = "\n\r\t \\\"'#$";
	const char *found = at < end && *at != '\0' ? strchr(from, *at) : NULL;

	if (at < end && *at == 'x')
		return read_hex_escape(out, at, end);
	if (found == NULL || (*found == '$' && quoting == QUOTING_NONE)) {
		strbuf_append_char(out, '\\');
		return 0;
	}
	strbuf_append_char(out, to[found - from]);
	return 1;
}

static struct haproxy_word *start_word(struct haproxy_lines *lines, const char *raw)
{
	struct haproxy_word *word;

	if (lines->count == lines->capacity) {
		lines->capacity = lines->capacity > 0 ? lines->capacity * 2 : 16;
		lines->words = xreallocarray(lines->words, lines->capacity, sizeof(*lines->words));
	}
	word = &lines->words[lines->count++];
	*word = (struct haproxy_word){.raw = raw, .value = lines->values.len};
	return word;
}

/* Reads one quote, escape or plain character of a word at *at. */
static bool read_piece(struct haproxy_lines *lines, struct haproxy_word *word, const char **at,
                       const char *end, enum quoting *quoting)
{
	char c = *(*at)++;

	if (c == '"' && *quoting != QUOTING_STRONG) {
		*quoting = *quoting == QUOTING_WEAK ? QUOTING_NONE : QUOTING_WEAK;
	} else if (c == '\'' && *quoting != QUOTING_WEAK) {
		*quoting = *quoting == QUOTING_STRONG ? QUOTING_NONE : QUOTING_STRONG;
	} else if (c == '\\' && *quoting != QUOTING_STRONG) {
		size_t taken = read_escape(&lines->values, *at, end, *quoting);

		if (taken == ESCAPE_BROKEN)
			return false;
		*at += taken;
	} else {
		word->variable = word->variable || (c == '$' && *quoting == QUOTING_WEAK);
		strbuf_append_char(&lines->values, c);
	}
	return true;
}

/* Returns how many bytes from `at` are plain characters in any quoting. Most of a file is, so this
 * saves time. */
static size_t plain_run(const char *at, const char *end)
{
	size_t len = 0;

	while (at + len < end && (isalnum((unsigned char)at[len]) || at[len] == '_' ||
	                          at[len] == '-' || at[len] == '.' || at[len] == ':'))
		len++;
	return len;
}

static bool read_word(struct haproxy_lines *lines, const char **at, const char *end,
                      struct err *err)
{
	struct haproxy_word *word = start_word(lines, *at);
	enum quoting quoting = QUOTING_NONE;

	while (*at < end) {
		size_t plain = plain_run(*at, end);

		strbuf_append(&lines->values, *at, plain);
		*at += plain;
		if (*at == end)
			break;
		if (quoting == QUOTING_NONE && (isspace((unsigned char)**at) || **at == '#'))
			break;
		if (!read_piece(lines, word, at, end, &quoting))
			return fail(lines, err, "\\x needs two hexadecimal digits, and not 00");
	}
	if (quoting != QUOTING_NONE)
		return fail(lines, err, "a quote is opened and not closed on the same line");
	word->raw_len = (size_t)(*at - word->raw);
	strbuf_append_char(&lines->values, '\0');
	return true;
}

static bool read_line(struct haproxy_lines *lines, const char *at, const char *end, struct err *err)
{
	lines->count = 0;
	strbuf_reset(&lines->values);
	if (memchr(at, '\0', (size_t)(end - at)) != NULL)
		return fail(lines, err, "holds a NUL character");
	for (;;) {
		while (at < end && isspace((unsigned char)*at))
			at++;
		if (at == end || *at == '#')
			return true;
		if (!read_word(lines, &at, end, err))
			return false;
	}
}

bool haproxy_lines_next(struct haproxy_lines *lines, struct err *err)
{
	while (lines->at < lines->end && !lines->failed) {
		const char *line = lines->at;
		const char *end = memchr(line, '\n', (size_t)(lines->end - line));

		lines->number++;
		if (end == NULL)
			return fail(
			    lines, err,
			    "the last line has no line break: HAProxy would refuse the file");
		lines->at = end + 1;
		if (!read_line(lines, line, end, err))
			return false;
		if (lines->count > 0)
			return true;
	}
	return false;
}

int64_t haproxy_duration_ms(const char *text)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"", 1},      {"ms", 1},      {"s", 1000},
	             {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	int64_t value = 0;
	const char *at = text;

	for (; isdigit((unsigned char)*at) && value < INT32_MAX; at++)
		value = value * 10 + (*at - '0');
	if (at == text)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strcmp(at, units[i].unit) == 0)
			return value * units[i].ms;
	return strcmp(at, "us") == 0 ? value / 1000 : -1;
}
