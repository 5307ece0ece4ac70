/* Parses the text of a Mustache template into its tree. Everything about lines is settled here: a
 * standalone tag removes its line, and an argument of a parent loses the indentation that it has in
 * this file, because it gets the indentation of the place where it is put. What the specification
 * leaves open is refused. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mustache_internal.h"

#define BLANKS " \t"
#define SPACES " \t\r\n"

/* A tag, as the scanner finds it. */
struct tag {
	char sigil;              /* one of sigils[]; '\0': {{name}} */
	size_t at, end;          /* offsets of its first byte, and of the first byte after it */
	struct ast_span content; /* without the sigil and the blanks around it */
	size_t line;             /* offset of the blanks in front of it */
	bool margin;             /* only blanks from the beginning of its line to the tag */
	bool tail;               /* only blanks from the tag to the end of its line */
	size_t next;             /* if `tail`: offset of the next line */
};

/* raw twice, section, inverted, close, partial, parent, block, comment, delimiters */
static const char sigils[] = "{&#^/><$!=";

struct scanner {
	const struct ast_template *template;
	size_t at;
	struct ast_span open, close; /* the current delimiters */
};

/* --- scanning ---
 *
 * Finds the tags of a template, with the current delimiters, and how each tag stands on its line.
 * Builds no tree, and knows nothing about nesting. */

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

static bool is_space(char c)
{
	return c != '\0' && strchr(SPACES, c) != NULL;
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

/* Offset of `what` at or after `from`; the length of the text if it is not found. */
static size_t find(const struct ast_template *template, size_t from, const char *what, size_t len)
{
	const char *found = memmem(template->text + from, template->len - from, what, len);

	return found != NULL ? (size_t)(found - template->text) : template->len;
}

/* Finds the end of a tag. {{{name}}} and {{=a b=}} have one more byte, `extra`, in front of the
 * closing delimiter. Returns the offset after the tag; 0 if the tag is not closed. */
static size_t find_end(const struct scanner *scanner, char extra, size_t from, size_t *content_end)
{
	const struct ast_template *template = scanner->template;
	size_t end = find(template, from, scanner->close.at, scanner->close.len);

	/* In "}}}" the first match of "}}" is one byte too early. */
	while (end < template->len && extra != '\0' &&
	       (end == from || template->text[end - 1] != extra))
		end = find(template, end + 1, scanner->close.at, scanner->close.len);
	*content_end = extra == '\0' ? end : end - 1;
	return end < template->len ? end + scanner->close.len : 0;
}

static void look_around(const struct ast_template *template, struct tag *tag)
{
	size_t line = tag->at, tail = tag->end;

	while (line > 0 && strchr(BLANKS, template->text[line - 1]) != NULL)
		line--;
	tag->line = line;
	tag->margin = line == 0 || template->text[line - 1] == '\n';
	tail += strspn(template->text + tail, BLANKS);
	if (tail + 1 < template->len && template->text[tail] == '\r' &&
	    template->text[tail + 1] == '\n')
		tail++;
	tag->tail = tail == template->len || template->text[tail] == '\n';
	tag->next = tail < template->len ? tail + 1 : tail;
}

/* {{=OPEN CLOSE=}} */
static bool set_delimiters(struct scanner *scanner, const struct tag *tag, struct err *err)
{
	struct ast_span both = tag->content, open = {both.at, 0}, close;

	while (open.len < both.len && !is_space(both.at[open.len]))
		open.len++;
	close = trim((struct ast_span){both.at + open.len, both.len - open.len});
	for (size_t i = 0; i < close.len; i++)
		if (is_space(close.at[i]))
			close.len = 0; /* a third word */
	if (close.len == 0 || memchr(both.at, '=', both.len) != NULL)
		return ast_fail(
		    scanner->template, tag->at, err,
		    "delimiters '%.*s': must be two words without '=', as in {{=<%% %%>=}}",
		    ast_shown(both), both.at);
	scanner->open = open;
	scanner->close = close;
	return true;
}

/* Finds the next tag from scanner->at on; *found is false at the end of the text. Moves scanner->at
 * behind the tag, and applies set-delimiter tags. */
static bool scanner_next(struct scanner *scanner, struct tag *tag, bool *found, struct err *err)
{
	const struct ast_template *template = scanner->template;
	size_t inside, content_end;
	const char *extra;

	tag->at = find(template, scanner->at, scanner->open.at, scanner->open.len);
	*found = tag->at < template->len;
	if (!*found)
		return true;
	inside = tag->at + scanner->open.len;
	inside += strspn(template->text + inside, SPACES); /* {{ # name }} is a section, too */
	tag->sigil = strchr(sigils, template->text[inside]) != NULL ? template->text[inside] : '\0';
	inside += tag->sigil != '\0';
	extra = tag->sigil == '{' ? "}" : tag->sigil == '=' ? "=" : "";
	tag->end = find_end(scanner, *extra, inside, &content_end);
	if (tag->end == 0)
		return ast_fail(template, tag->at, err, "tag is not closed: '%s%.*s' is missing",
		                extra, (int)scanner->close.len, scanner->close.at);
	tag->content = trim((struct ast_span){template->text + inside, content_end - inside});
	scanner->at = tag->end;
	look_around(template, tag);
	return tag->sigil != '=' || set_delimiters(scanner, tag, err);
}

/* Returns the blanks in front of the first text that is not blank, from offset `at` on. */
static struct ast_span scanner_indent(const struct ast_template *template, size_t at)
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

/* --- checking arguments ---
 *
 * Finds arguments that no block of the parent takes: with a misspelt name the default would
 * silently stay. Accepts what cannot be known before rendering. */

struct search {
	const char *name;                 /* of the block */
	const struct ast_template **seen; /* room for every template of the set */
	size_t seen_count;
};

static bool search_list(struct search *search, const struct ast_list *list);

/* A missing or dynamic parent or partial may have any block. */
static bool search_template(struct search *search, const struct ast_template *template)
{
	if (template == NULL)
		return true;
	for (size_t i = 0; i < search->seen_count; i++)
		if (search->seen[i] == template)
			return false;
	search->seen[search->seen_count++] = template;
	return search_list(search, &template->list);
}

static bool search_list(struct search *search, const struct ast_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct ast_node *node = &list->nodes[i];
		bool leads_on = node->kind == AST_PARTIAL || node->kind == AST_PARENT;

		if (node->kind == AST_BLOCK && !node->argument &&
		    strcmp(node->name, search->name) == 0)
			return true;
		if ((leads_on && search_template(search, node->target)) ||
		    search_list(search, &node->children))
			return true;
	}
	return false;
}

static bool is_taken(const struct mustache *mustache, const struct ast_node *parent,
                     const struct ast_node *argument)
{
	auto_free const struct ast_template **seen =
	    xcalloc(mustache->count, sizeof(struct ast_template *));
	struct search search = {.name = argument->name, .seen = seen};

	return search_template(&search, parent->target);
}

bool ast_check(const struct mustache *mustache, const struct ast_template *template,
               const struct ast_list *list, struct err *err)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct ast_node *node = &list->nodes[i];

		for (size_t j = 0; node->kind == AST_PARENT && j < node->children.count; j++)
			if (!is_taken(mustache, node, &node->children.nodes[j]))
				return ast_fail(template, node->children.nodes[j].offset, err,
				                "'%s' is not a block of '%s'",
				                node->children.nodes[j].name, node->name);
		if (!ast_check(mustache, template, &node->children, err))
			return false;
	}
	return true;
}

struct parser {
	struct ast_template *template;
	struct scanner scanner;
	struct ast_span dedent; /* the blanks that each line loses */
	unsigned depth;
	struct err *err;
};

void ast_list_free(struct ast_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->nodes[i].name);
		ast_list_free(&list->nodes[i].children);
	}
	free(list->nodes);
	*list = (struct ast_list){.nodes = NULL};
}

static struct ast_node *add_node(struct ast_list *list, enum ast_kind kind, size_t offset)
{
	assert(list != NULL);
	if (list->count == list->capacity) {
		list->capacity = list->capacity > 0 ? list->capacity * 2 : 4;
		list->nodes = xreallocarray(list->nodes, list->capacity, sizeof(*list->nodes));
	}
	list->nodes[list->count] = (struct ast_node){.kind = kind, .offset = offset};
	return &list->nodes[list->count++];
}

/* Returns `span` without the blanks that its start and parser->dedent have in common. */
static struct ast_span dedented(const struct parser *parser, struct ast_span span)
{
	size_t lost = 0;

	while (lost < span.len && lost < parser->dedent.len &&
	       span.at[lost] == parser->dedent.at[lost])
		lost++;
	return (struct ast_span){span.at + lost, span.len - lost};
}

static bool at_line_start(const struct parser *parser, size_t at)
{
	return at == 0 || parser->template->text[at - 1] == '\n';
}

/* Adds one node for all of the text, or one node per line if lines lose blanks. */
static void add_text(struct parser *parser, struct ast_list *list, size_t from, size_t to)
{
	while (from < to) {
		struct ast_span span = {parser->template->text + from, to - from};
		bool line_start = at_line_start(parser, from);
		struct ast_node *node = add_node(list, AST_TEXT, from);
		const char *newline = memchr(span.at, '\n', span.len);

		if (parser->dedent.len > 0 && newline != NULL)
			span.len = (size_t)(newline - span.at) + 1;
		from += span.len;
		node->line_start = line_start;
		node->text = line_start ? dedented(parser, span) : span;
	}
}

/* Adds the text in front of a tag that does not stand alone on its line. */
static void add_text_before(struct parser *parser, struct ast_list *list, size_t from,
                            const struct tag *tag)
{
	add_text(parser, list, from, tag->at);
	if (at_line_start(parser, tag->at)) /* the tag needs the line's indentation */
		add_node(list, AST_TEXT, tag->at)->line_start = true;
}

static bool fail_at(const struct parser *parser, const struct tag *tag, const char *reason)
{
	return ast_fail(parser->template, tag->at, parser->err, "{{%.*s}}: %s",
	                ast_shown(tag->content), tag->content.at, reason);
}

/* Cuts a.b.c into its parts; "." has none. */
static bool cut_path(const struct parser *parser, const struct tag *tag, struct ast_node *node)
{
	size_t len = strlen(node->name);

	if (strcmp(node->name, ".") == 0)
		return true;
	node->parts = 1;
	for (size_t i = 0; i < len; i++) {
		if (node->name[i] != '.')
			continue;
		if (i == 0 || i + 1 == len || node->name[i - 1] == '\0')
			return fail_at(parser, tag, "a dotted name has no empty parts");
		node->name[i] = '\0';
		node->parts++;
	}
	return true;
}

static bool set_name(const struct parser *parser, const struct tag *tag, struct ast_node *node)
{
	struct ast_span name = node->content = tag->content;
	bool leads_on = node->kind == AST_PARTIAL || node->kind == AST_PARENT;

	node->dynamic = leads_on && name.len > 0 && name.at[0] == '*';
	if (node->dynamic)
		name = trim((struct ast_span){name.at + 1, name.len - 1});
	if (name.len == 0)
		return fail_at(parser, tag, "a name is missing");
	for (size_t i = 0; i < name.len; i++)
		if (is_space(name.at[i]))
			return fail_at(parser, tag, "a name has no blanks in it");
	node->name = xstrndup(name.at, name.len);
	return (leads_on && !node->dynamic) || node->kind == AST_BLOCK ||
	       cut_path(parser, tag, node);
}

static bool parse_list(struct parser *parser, struct ast_node *enclosing, struct ast_list *list);

/* Parses everything up to the closing tag into node->children. `node` stays valid, because the list
 * that contains it does not grow meanwhile. */
static bool parse_children(struct parser *parser, struct ast_node *node)
{
	bool ok;

	if (++parser->depth > MUSTACHE_DEPTH_MAX)
		return ast_fail(parser->template, node->offset, parser->err,
		                "sections are nested deeper than %d", MUSTACHE_DEPTH_MAX);
	ok = parse_list(parser, node, &node->children);
	parser->depth--;
	return ok;
}

/* Adds the text in front of a tag that may stand alone. If it does, its line is removed, too.
 * Returns whether it does. */
static bool take_line(struct parser *parser, struct ast_list *list, const struct tag *tag,
                      size_t from)
{
	bool standalone = tag->margin && tag->tail;

	if (standalone) {
		add_text(parser, list, from, tag->line);
		parser->scanner.at = tag->next;
	} else {
		add_text_before(parser, list, from, tag);
	}
	return standalone;
}

static struct ast_span blanks_before(const struct parser *parser, const struct tag *tag)
{
	const char *line = parser->template->text + tag->line;

	return (struct ast_span){line, tag->margin ? tag->at - tag->line : 0};
}

/* An argument. Only its content counts, without the indentation that it has here. */
static bool parse_argument(struct parser *parser, struct ast_list *list, const struct tag *tag)
{
	struct ast_span outer = parser->dedent;
	struct ast_node *node = add_node(list, AST_BLOCK, tag->at);

	node->argument = true;
	if (!set_name(parser, tag, node))
		return false;
	for (size_t i = 0; i + 1 < list->count; i++)
		if (strcmp(list->nodes[i].name, node->name) == 0)
			return fail_at(parser, tag, "this parent has a block of that name already");
	if (tag->tail) {
		parser->scanner.at = tag->next;
		parser->dedent = scanner_indent(parser->template, tag->next);
	} else {
		parser->dedent = blanks_before(parser, tag);
		add_node(&node->children, AST_TEXT, tag->at)->line_start = true;
	}
	if (!parse_children(parser, node))
		return false;
	if (!tag->tail && node->children.count == 1)
		node->children.count = 0;
	parser->dedent = outer;
	return true;
}

/* A closing tag that stands alone removes its line. Text after an argument, and text directly
 * inside a parent, is ignored anyway. */
static bool parse_close(struct parser *parser, struct ast_node *enclosing, struct ast_list *list,
                        const struct tag *tag, size_t from)
{
	if (enclosing == NULL)
		return fail_at(parser, tag, "this closing tag has no opening tag");
	if (tag->content.len != enclosing->content.len ||
	    memcmp(tag->content.at, enclosing->content.at, tag->content.len) != 0)
		return ast_fail(parser->template, tag->at, parser->err,
		                "found {{/%.*s}}, expected {{/%.*s}}", ast_shown(tag->content),
		                tag->content.at, ast_shown(enclosing->content),
		                enclosing->content.at);
	if (enclosing->kind == AST_PARENT) {
		enclosing->standalone = enclosing->margin && tag->tail;
		if (enclosing->standalone)
			parser->scanner.at = tag->next;
	} else if (enclosing->argument) {
		add_text(parser, list, from, tag->margin ? tag->line : tag->at);
	} else {
		take_line(parser, list, tag, from);
	}
	return true;
}

/* Inside a parent only blocks count; text is ignored, as the specification says. */
static bool parse_in_parent(struct parser *parser, struct ast_list *list, const struct tag *tag)
{
	if (tag->sigil == '$')
		return parse_argument(parser, list, tag);
	return tag->sigil == '!' || tag->sigil == '=' ||
	       fail_at(parser, tag,
	               "has no effect here: directly inside a parent only blocks {{$name}} have");
}

static enum ast_kind kind_of(char sigil)
{
	switch (sigil) {
	case '#':
		return AST_SECTION;
	case '^':
		return AST_INVERTED;
	case '>':
		return AST_PARTIAL;
	case '<':
		return AST_PARENT;
	case '$':
		return AST_BLOCK;
	case '\0':
		return AST_VALUE;
	default:
		return AST_RAW;
	}
}

/* Whether a parent stands alone is known only at its closing tag; until then node->text keeps the
 * blanks in front of it. What is put in the place of a block is indented like its default. */
static bool parse_tag(struct parser *parser, struct ast_list *list, const struct tag *tag,
                      size_t from)
{
	struct ast_span before = dedented(parser, blanks_before(parser, tag));
	enum ast_kind kind = kind_of(tag->sigil);
	bool standalone = false;
	struct ast_node *node;

	if (kind == AST_PARENT)
		add_text(parser, list, from, tag->margin ? tag->line : tag->at);
	else if (tag->sigil == '\0' || tag->sigil == '{' || tag->sigil == '&')
		add_text_before(parser, list, from, tag);
	else
		standalone = take_line(parser, list, tag, from);
	if (tag->sigil == '!' || tag->sigil == '=')
		return true;
	node = add_node(list, kind, tag->at);
	node->standalone = standalone;
	node->margin = tag->margin && (kind == AST_PARENT || kind == AST_BLOCK);
	if (kind == AST_BLOCK && standalone)
		node->text = dedented(parser, scanner_indent(parser->template, tag->next));
	else if (kind == AST_PARENT || kind == AST_BLOCK || standalone)
		node->text = before;
	if (!set_name(parser, tag, node))
		return false;
	if (kind == AST_VALUE || kind == AST_RAW || kind == AST_PARTIAL)
		return true;
	if (!parse_children(parser, node))
		return false;
	if (kind == AST_BLOCK && node->children.count == 0)
		node->text = before;
	return true;
}

/* Parses up to the closing tag of `enclosing`, or to the end of the text if `enclosing` is NULL. */
static bool parse_list(struct parser *parser, struct ast_node *enclosing, struct ast_list *list)
{
	bool in_parent = enclosing != NULL && enclosing->kind == AST_PARENT;
	struct tag tag = {0};
	bool found;

	for (;;) {
		size_t from = parser->scanner.at;

		if (!scanner_next(&parser->scanner, &tag, &found, parser->err))
			return false;
		if (!found)
			break;
		if (tag.sigil == '/')
			return parse_close(parser, enclosing, list, &tag, from);
		if (!(in_parent ? parse_in_parent(parser, list, &tag)
		                : parse_tag(parser, list, &tag, from)))
			return false;
	}
	if (enclosing != NULL)
		return ast_fail(parser->template, enclosing->offset, parser->err,
		                "{{/%.*s}} is missing: the section is open to the end of the file",
		                ast_shown(enclosing->content), enclosing->content.at);
	add_text(parser, list, parser->scanner.at, parser->template->len);
	return true;
}

bool ast_parse(struct ast_template *template, struct err *err)
{
	struct parser parser = {
	    .template = template,
	    .scanner = {.template = template, .open = {"{{", 2}, .close = {"}}", 2}},
	    .err = err};
	const char *nul = memchr(template->text, '\0', template->len);

	if (nul != NULL)
		return ast_fail(template, (size_t)(nul - template->text), err,
		                "the template contains a NUL byte");
	return parse_list(&parser, NULL, &template->list);
}
