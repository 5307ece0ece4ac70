/* Lines of segue.ini; see the header. */
#include "config/reader.h"

#include <string.h>

#define SHOWN_MAX 60 /* bytes of a line that an error shows */

void config_reader_init(struct config_reader *reader, const char *text, size_t len)
{
	static const char bom[] = "\xef\xbb\xbf";

	*reader = (struct config_reader){.at = text, .end = text + len};
	if (len >= 3 && memcmp(text, bom, 3) == 0)
		reader->at += 3;
	strbuf_init(&reader->current.key);
	strbuf_init(&reader->current.value);
}

void config_reader_fini(struct config_reader *reader)
{
	strbuf_fini(&reader->current.key);
	strbuf_fini(&reader->current.value);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_comment(char c)
{
	return c == ';' || c == '#';
}

static bool is_key_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static void trim(const char **start, const char **end)
{
	while (*start < *end && is_blank(**start))
		(*start)++;
	while (*start < *end && is_blank((*end)[-1]))
		(*end)--;
}

static void keep(struct strbuf *out, const char *start, const char *end)
{
	trim(&start, &end);
	strbuf_reset(out);
	strbuf_append(out, start, (size_t)(end - start));
}

static bool refuse(const char *start, const char *end, const char *allowed, struct err *err)
{
	auto_strbuf struct strbuf shown = STRBUF_INIT;

	strbuf_append_escaped(&shown, start, (size_t)(end - start), SHOWN_MAX);
	return err_set(err, "found \"%s\": allowed: %s", shown.data, allowed);
}

/* Follows the quotes of a value. A backslash is taken both ways, as sh and libpq disagree about it
 * inside '...': in doubt the quote counts as open, and a comment behind it is refused. */
static char quote_after(char quote, const char *at, bool escaped)
{
	if (*at != '\'' && *at != '"')
		return quote;
	if (escaped)
		return quote != 0 ? quote : *at;
	if (quote == 0)
		return *at;
	return quote == *at ? 0 : quote;
}

/* Where the comment of a value begins, or its end. `start` is right behind the '=' or at the indent
 * of a continuation line. */
static bool find_comment(struct config_reader *reader, const char *start, const char *end,
                         const char **comment, struct err *err)
{
	bool escaped = false;
	const char *text = start;

	while (text < end && is_blank(*text))
		text++;
	for (*comment = text; *comment < end; (*comment)++) {
		const char *at = *comment;

		if (*at == ';' && (at == text || is_blank(at[-1]))) {
			reader->current.doubtful = at != text && at[-1] == ' ' && !is_blank(at[-2]);
			return reader->quote == 0 ||
			       err_set(err,
			               "found \" ;\" inside an open %c quote: allowed: no blank "
			               "before the ';', or the comment on a line of its own",
			               reader->quote);
		}
		reader->quote = quote_after(reader->quote, at, escaped);
		escaped = !escaped && *at == '\\';
	}
	return true;
}

static bool read_header(struct config_reader *reader, const char *start, const char *end,
                        struct err *err)
{
	static const char form[] =
	    "[section] or [section NAME], and nothing behind it but a comment";
	const char *close = memchr(start, ']', (size_t)(end - start)), *rest;

	reader->current.kind = CONFIG_LINE_HEADER;
	if (close == NULL)
		return refuse(start, end, form, err);
	for (rest = close + 1; rest < end && is_blank(*rest);)
		rest++;
	if (rest < end && !is_comment(*rest))
		return refuse(start, end, form, err);
	if (close - start - 1 > CONFIG_NAME_MAX)
		return err_set(err, "found %td bytes in the brackets: allowed: at most %d",
		               close - start - 1, CONFIG_NAME_MAX);
	keep(&reader->current.key, start + 1, close);
	return true;
}

static bool read_value(struct config_reader *reader, const char *start, const char *end,
                       struct err *err)
{
	const char *comment;

	if (!find_comment(reader, start, end, &comment, err))
		return false;
	keep(&reader->current.value, start, comment);
	return true;
}

static bool read_entry(struct config_reader *reader, const char *start, const char *end,
                       struct err *err)
{
	const char *key_end = start, *equals;

	while (key_end < end && is_key_byte(*key_end))
		key_end++;
	for (equals = key_end; equals < end && is_blank(*equals);)
		equals++;
	if (key_end == start || equals == end || *equals != '=')
		return refuse(start, end, "key = value, [section] or a ; comment", err);
	if (key_end - start > CONFIG_NAME_MAX)
		return err_set(err, "found a key of %td bytes: allowed: at most %d",
		               key_end - start, CONFIG_NAME_MAX);
	reader->current.kind = CONFIG_LINE_ENTRY;
	reader->quote = 0;
	keep(&reader->current.key, start, key_end);
	return read_value(reader, equals + 1, end, err);
}

static bool check_bytes(const char *start, const char *end, struct err *err)
{
	for (const char *at = start; at < end; at++)
		if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
			return err_set(err,
			               "found the control character \\x%02x at byte %td: "
			               "allowed: text",
			               (unsigned char)*at, at - start + 1);
	return true;
}

/* What libinih will be given: key, '=' and value. */
static bool check_length(const struct config_line *line, struct err *err)
{
	size_t len = line->key.len + line->value.len + 1;

	if (len <= CONFIG_LINE_MAX)
		return true;
	return err_set(err,
	               "found a line of %zu bytes: allowed: at most %d; a long value goes on in "
	               "indented lines",
	               len, CONFIG_LINE_MAX);
}

static bool take_apart(struct config_reader *reader, const char *start, const char *end,
                       struct err *err)
{
	const char *text = start;

	while (text < end && is_blank(*text))
		text++;
	if (text == end || is_comment(*text))
		return true;
	if (text > start) {
		reader->current.kind = CONFIG_LINE_CONTINUED;
		return read_value(reader, start, end, err);
	}
	if (*text == '[')
		return read_header(reader, start, end, err);
	return read_entry(reader, start, end, err);
}

bool config_reader_next(struct config_reader *reader, bool *end, struct err *err)
{
	const char *start = reader->at, *stop;

	*end = start == reader->end;
	if (*end)
		return true;
	stop = memchr(start, '\n', (size_t)(reader->end - start));
	stop = stop != NULL ? stop : reader->end;
	reader->at = stop < reader->end ? stop + 1 : stop;
	reader->line++;
	reader->current.kind = CONFIG_LINE_EMPTY;
	reader->current.doubtful = false;
	strbuf_reset(&reader->current.key);
	strbuf_reset(&reader->current.value);
	if (stop > start && stop[-1] == '\r')
		stop--;
	return check_bytes(start, stop, err) && take_apart(reader, start, stop, err) &&
	       check_length(&reader->current, err);
}
