/* Escapes a value for the language of the text that it is put into. What that language cannot
 * express safely is refused, never dropped: otherwise a line break in a value would become a new
 * line of config. */
#include "render/escape.h"

#include <string.h>

#include "base/util.h"

#define LETTERS_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static const char *const mode_names[] = {
    [ESCAPE_NONE] = "none",
    [ESCAPE_HAPROXY] = "haproxy",
    [ESCAPE_PGBOUNCER] = "pgbouncer",
    [ESCAPE_HTML] = "html",
};

bool escape_mode_parse(const char *name, enum escape_mode *mode)
{
	for (size_t i = 0; i < ARRAY_LEN(mode_names); i++)
		if (strcmp(name, mode_names[i]) == 0) {
			*mode = (enum escape_mode)i;
			return true;
		}
	return false;
}

/* `empty`: why an empty value is refused. */
static bool refuse(const char *value, size_t len, const char *where, const char *empty,
                   struct err *err)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7f)
			return err_set(err,
			               "contains the control character \\x%02x at byte %zu, which "
			               "is not allowed in %s",
			               (unsigned char)value[i], i + 1, where);
	return len > 0 || err_set(err,
	                          "is empty: %s; put it into a section {{#name}}...{{/name}}, so "
	                          "that it is left out when the value is missing",
	                          empty);
}

/* HAProxy Configuration Manual 2.2: these sequences mean the same outside quotes and inside "...".
 * "$" is special only inside "...", and "\$" is an escape only there, but \x24 is one in both
 * places. A tab has to be \t. An empty value cannot be expressed: HAProxy ignores the rest of the
 * line after an argument "", and without quotes the next argument would take its place. */
static bool append_haproxy(struct strbuf *out, const char *value, size_t len, struct err *err)
{
	if (!refuse(value, len, "a HAProxy config line",
	            "a HAProxy config line cannot have an empty argument", err))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (value[i] == '\t')
			strbuf_append_str(out, "\\t");
		else if (value[i] == '$')
			strbuf_append_str(out, "\\x24");
		else if (strchr(" #\\'\"", value[i]) != NULL)
			strbuf_printf(out, "\\%c", value[i]);
		else
			strbuf_append_char(out, value[i]);
	}
	return true;
}

static bool is_plain(const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (value[i] == '\0' || strchr(LETTERS_DIGITS "._:/@,*-", value[i]) == NULL)
			return false;
	return true;
}

/* pgbouncer(5): the value stands in '...', and a ' in it is doubled; a backslash is an ordinary
 * character. An empty value is an error for PgBouncer, quoted or not; without quotes the next pair
 * would take its place. */
static bool append_pgbouncer(struct strbuf *out, const char *value, size_t len, struct err *err)
{
	if (!refuse(value, len, "a PgBouncer connect string",
	            "PgBouncer refuses a connect string with an empty value", err))
		return false;
	if (is_plain(value, len)) {
		strbuf_append(out, value, len);
		return true;
	}
	strbuf_append_char(out, '\'');
	for (size_t i = 0; i < len; i++)
		strbuf_append(out, value[i] == '\'' ? "''" : &value[i], value[i] == '\'' ? 2 : 1);
	strbuf_append_char(out, '\'');
	return true;
}

static void append_html(struct strbuf *out, const char *value, size_t len)
{
	static const char special[] = "&<>\"'";
	static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

	for (size_t i = 0; i < len; i++) {
		const char *found = value[i] != '\0' ? strchr(special, value[i]) : NULL;

		if (found != NULL)
			strbuf_append_str(out, entities[found - special]);
		else
			strbuf_append_char(out, value[i]);
	}
}

bool escape_append(struct strbuf *out, enum escape_mode mode, const char *value, size_t len,
                   struct err *err)
{
	switch (mode) {
	case ESCAPE_NONE:
		strbuf_append(out, value, len);
		return true;
	case ESCAPE_HAPROXY:
		return append_haproxy(out, value, len, err);
	case ESCAPE_PGBOUNCER:
		return append_pgbouncer(out, value, len, err);
	case ESCAPE_HTML:
		append_html(out, value, len);
		return true;
	}
	return true;
}

/* HAProxy allows ":" in a name, PgBouncer "*". These characters are escaped, too, so each of them
 * in the result begins an escaped byte. */
void escape_name(struct strbuf *out, enum escape_mode mode, const char *name)
{
	char mark = mode == ESCAPE_HAPROXY ? ':' : '*';

	if (mode != ESCAPE_HAPROXY && mode != ESCAPE_PGBOUNCER) {
		strbuf_append_str(out, name);
		return;
	}
	for (; *name != '\0'; name++) {
		if (strchr(LETTERS_DIGITS "_.-", *name) != NULL)
			strbuf_append_char(out, *name);
		else
			strbuf_printf(out, "%c%02x", mark, (unsigned char)*name);
	}
}
