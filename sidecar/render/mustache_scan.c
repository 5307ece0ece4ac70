/* Finds the tags of a Mustache template, under whatever delimiters are in force, and says how each
 * stands on its line. Builds nothing; knows nothing of nesting. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "render/mustache_ast.h"

bool ast_fail(const struct ast_template *template, size_t offset, struct err *err, const char *fmt,
              ...)
{
	char message[ERR_MAX];
	size_t line = 1, column = 1;
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	for (size_t i = 0; i < offset && i < template->len; i++) {
		column = template->text[i] == '\n' ? 1 : column + 1;
		line += template->text[i] == '\n';
	}
	return err_set(err, "%s:%zu:%zu: %s", template->file, line, column, message);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_space(char c)
{
	return is_blank(c) || c == '\n' || c == '\r';
}

static struct ast_span trim(struct ast_span span)
{
	while (span.len > 0 && is_space(span.at[0])) {
		span.at++;
		span.len--;
	}
	while (span.len > 0 && is_space(span.at[span.len - 1]))
		span.len--;
	return span;
}

void scanner_init(struct scanner *scanner, const struct ast_template *template)
{
	*scanner = (struct scanner){
	    .template = template,
	    .open = {"{{", 2},
	    .close = {"}}", 2},
	};
}

/* Offset of `what` at or after `from`; the text's length when it is not there. */
static size_t find(const struct ast_template *template, size_t from, const char *what, size_t len)
{
	const char *found = memmem(template->text + from, template->len - from, what, len);

	return found != NULL ? (size_t)(found - template->text) : template->len;
}

static enum tag_kind kind_of(char sigil)
{
	static const char sigils[] = "{&#^/><$!=";
	static const enum tag_kind kinds[] = {TAG_RAW,     TAG_RAW,       TAG_SECTION, TAG_INVERTED,
	                                      TAG_CLOSE,   TAG_PARTIAL,   TAG_PARENT,  TAG_BLOCK,
	                                      TAG_COMMENT, TAG_DELIMITERS};
	const char *found = sigil != '\0' ? strchr(sigils, sigil) : NULL;

	return found != NULL ? kinds[found - sigils] : TAG_VALUE;
}

/* {{{name}}} and {{=a b=}} end with one byte more than the closing delimiter. */
static size_t find_end(const struct scanner *scanner, char extra, size_t from, size_t *content_end)
{
	const struct ast_template *template = scanner->template;
	size_t end = from;

	for (;; end++) {
		end = find(template, end, scanner->close.at, scanner->close.len);
		if (end == template->len)
			return 0;
		if (extra == '\0' || (end > from && template->text[end - 1] == extra))
			break;
		/* "}}}": the closing delimiter is also found one byte early. */
	}
	*content_end = extra == '\0' ? end : end - 1;
	return end + scanner->close.len;
}

static void look_around(const struct ast_template *template, struct tag *tag)
{
	size_t line = tag->at, tail = tag->end;

	while (line > 0 && is_blank(template->text[line - 1]))
		line--;
	tag->line = line;
	tag->margin = line == 0 || template->text[line - 1] == '\n';
	while (tail < template->len && is_blank(template->text[tail]))
		tail++;
	if (tail + 1 < template->len && template->text[tail] == '\r' &&
	    template->text[tail + 1] == '\n')
		tail++;
	tag->tail = tail == template->len || template->text[tail] == '\n';
	tag->next = tail < template->len ? tail + 1 : tail;
}

/* {{=OPEN CLOSE=}} */
static bool set_delimiters(struct scanner *scanner, const struct tag *tag, struct err *err)
{
	struct ast_span both = tag->content, open = both, close = both;

	for (open.len = 0; open.len < both.len && !is_space(both.at[open.len]);)
		open.len++;
	for (close.len = 0; close.len < both.len && !is_space(both.at[both.len - close.len - 1]);)
		close.len++;
	close.at = both.at + both.len - close.len;
	for (const char *c = open.at + open.len; c < close.at; c++)
		if (!is_space(*c))
			open.len = 0;
	if (open.len == 0 || open.len == both.len || memchr(both.at, '=', both.len) != NULL)
		return ast_fail(
		    scanner->template, tag->at, err,
		    "delimiters '%.*s': two words without '=' are wanted, as in {{=<%% %%>=}}",
		    (int)(both.len < 80 ? both.len : 80), both.at);
	scanner->open = open;
	scanner->close = close;
	return true;
}

bool scanner_next(struct scanner *scanner, struct tag *tag, bool *found, struct err *err)
{
	const struct ast_template *template = scanner->template;
	size_t inside, content_end = 0;
	char sigil, extra;

	tag->at = find(template, scanner->at, scanner->open.at, scanner->open.len);
	*found = tag->at < template->len;
	if (!*found)
		return true;
	inside = tag->at + scanner->open.len;
	/* {{ # name }} is the section "name" too. */
	while (inside < template->len && is_space(template->text[inside]))
		inside++;
	sigil = inside < template->len ? template->text[inside] : '\0';
	tag->kind = kind_of(sigil);
	inside += tag->kind != TAG_VALUE;
	extra = sigil == '{' ? '}' : sigil == '=' ? '=' : '\0';
	tag->end = find_end(scanner, extra, inside, &content_end);
	if (tag->end == 0)
		return ast_fail(template, tag->at, err, "tag is not closed: '%s%.*s' is missing",
		                extra == '}'   ? "}"
		                : extra == '=' ? "="
		                               : "",
		                (int)scanner->close.len, scanner->close.at);
	tag->content = trim((struct ast_span){template->text + inside, content_end - inside});
	scanner->at = tag->end;
	look_around(template, tag);
	return tag->kind != TAG_DELIMITERS || set_delimiters(scanner, tag, err);
}

struct ast_span scanner_indent(const struct ast_template *template, size_t at)
{
	struct ast_span indent = {template->text + at, 0};

	for (; at < template->len && is_space(template->text[at]); at++) {
		if (template->text[at] == '\n')
			indent = (struct ast_span){template->text + at + 1, 0};
		else if (template->text[at] != '\r')
			indent.len++;
	}
	return indent;
}
