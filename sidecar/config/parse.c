/* segue.ini -> sections and entries; see config_internal.h. libinih parses the lines, but gets only
 * lines that this file has checked. It reports no line numbers and at most one error, so this file
 * keeps both. */
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/grammar.h"
#include "config_internal.h"

/* --- lines --- */

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

/* Returns the quote that is open after the byte at `at`. sh and libpq disagree about a backslash
 * inside '...', so an escaped quote can open a quote but not close one: in doubt the quote counts
 * as open, and a comment after it is refused. */
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

/* Sets *comment to the start of the comment, or to `end` if there is none. `start` is directly
 * after the '=', or at the indentation of a continuation line. */
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

/* Checks the length of what libinih gets: key, '=' and value. */
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

/* --- sections and entries --- */

/* What an indented line continues. */
enum open_value {
	OPEN_NOTHING, /* there is no key yet in this section */
	OPEN_ENTRY,   /* the last entry */
	OPEN_IGNORED, /* a refused line: its continuation lines are skipped */
};

struct parser {
	struct config_reader reader;
	struct config_document *document;
	struct config_problems *problems;
	enum open_value open;
};

void config_problem_add(struct config_problems *problems, unsigned line,
                        const struct config_section *section, const char *key, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list args;

	if (section != NULL)
		strbuf_printf(&text, "[%s]%s", section->header, key != NULL ? " " : ": ");
	if (key != NULL)
		strbuf_printf(&text, "%s: ", key);
	va_start(args, fmt);
	strbuf_vprintf(&text, fmt, args);
	va_end(args);
	problems->items =
	    xreallocarray(problems->items, problems->count + 1, sizeof(*problems->items));
	problems->items[problems->count++] =
	    (struct config_problem){.line = line, .text = strbuf_detach(&text)};
}

static int by_line(const void *a, const void *b)
{
	const struct config_problem *left = a, *right = b;

	if (left->line != right->line)
		return left->line < right->line ? -1 : 1;
	return strcmp(left->text, right->text);
}

void config_problems_flush(struct config_problems *problems, struct strbuf *out)
{
	if (problems->count > 0)
		qsort(problems->items, problems->count, sizeof(*problems->items), by_line);
	for (size_t i = 0; i < problems->count; i++) {
		const struct config_problem *problem = &problems->items[i];

		if (problem->line > 0)
			strbuf_printf(out, "%s:%u: %s\n", problems->file, problem->line,
			              problem->text);
		else
			strbuf_printf(out, "%s: %s\n", problems->file, problem->text);
		free(problem->text);
	}
	free(problems->items);
	*problems = (struct config_problems){.file = problems->file};
}

static struct config_section *last_section(const struct parser *parser)
{
	struct config_document *document = parser->document;

	return document->count > 0 ? &document->sections[document->count - 1] : NULL;
}

/* Adds the error, with the list of allowed sections. */
static void refuse_section(struct parser *parser, const struct config_section *section)
{
	auto_strbuf struct strbuf shown = STRBUF_INIT, allowed = STRBUF_INIT;
	size_t count;
	const struct config_section_info *infos = config_sections(&count);

	strbuf_append_escaped(&shown, section->header, strlen(section->header), 64);
	for (size_t i = 0; i < count; i++)
		strbuf_printf(&allowed, "%s[%s%s]", i > 0 ? ", " : "", infos[i].word,
		              infos[i].named ? " NAME" : "");
	config_problem_add(parser->problems, section->line, NULL, NULL,
	                   "found \"[%s]\": allowed: %s", shown.data, allowed.data);
}

static void add_section(struct parser *parser, struct config_section section)
{
	struct config_document *document = parser->document;

	document->sections =
	    xreallocarray(document->sections, document->count + 1, sizeof(*document->sections));
	document->sections[document->count++] = section;
	parser->open = OPEN_NOTHING;
}

/* Adds a section whose name cannot be expanded, and the error. */
static void refuse_name(struct parser *parser, const char *header, const struct err *err)
{
	struct config_section section = {
	    .header = xstrdup(header), .name = xstrdup(""), .line = parser->reader.line};

	config_problem_add(parser->problems, section.line, &section, NULL, "%s", err->message);
	add_section(parser, section);
}

static void open_section(struct parser *parser)
{
	const char *header = parser->reader.current.key.data, *name;
	size_t word_len = strcspn(header, " \t");
	auto_free char *word = xstrndup(header, word_len);
	auto_strbuf struct strbuf expanded = STRBUF_INIT, shown = STRBUF_INIT;
	struct config_section section;
	struct err err;

	if (!config_value_expand(header + word_len + strspn(header + word_len, " \t"), &expanded,
	                         &err)) {
		refuse_name(parser, header, &err);
		return;
	}
	name = expanded.data;
	section = (struct config_section){
	    .info = config_section_find(word), .name = xstrdup(name), .line = parser->reader.line};
	strbuf_append_escaped(&shown, name, strlen(name), CONFIG_NAME_MAX);
	section.header = xasprintf("%s%s%s", word, *name != '\0' ? " " : "", name);
	if (section.info == NULL || section.info->named != (*name != '\0')) {
		section.info = NULL;
		refuse_section(parser, &section);
	} else if (section.info->named && !grammar_name(name)) {
		config_problem_add(
		    parser->problems, section.line, &section, NULL,
		    "found \"%s\": allowed: a name of [A-Za-z0-9._-], no dot in front", shown.data);
		section.info = NULL;
	}
	add_section(parser, section);
}

/* A refused header still ends the section above it. */
static void open_unreadable_section(struct parser *parser)
{
	add_section(parser, (struct config_section){.header = xstrdup("?"),
	                                            .name = xstrdup(""),
	                                            .line = parser->reader.line});
}

static const struct config_entry *add_entry(struct parser *parser, bool refused)
{
	struct config_section *section = last_section(parser);

	section->entries =
	    xreallocarray(section->entries, section->count + 1, sizeof(*section->entries));
	section->entries[section->count++] =
	    (struct config_entry){.key = xstrdup(parser->reader.current.key.data),
	                          .value = STRBUF_INIT,
	                          .line = parser->reader.line,
	                          .refused = refused};
	return &section->entries[section->count - 1];
}

/* Marks the last entry as refused and returns it. */
static const struct config_entry *refuse_entry(struct parser *parser)
{
	struct config_section *section = last_section(parser);
	struct config_entry *entry = &section->entries[section->count - 1];

	entry->refused = true;
	return entry;
}

/* Types whose values may contain a ';'. */
static bool is_free_text(enum config_type type)
{
	return type == CONFIG_TYPE_COMMAND || type == CONFIG_TYPE_CONNINFO ||
	       type == CONFIG_TYPE_CONNINFOS || type == CONFIG_TYPE_VAR;
}

/* Adds an error and returns false if the ';' may be meant as a part of the value. */
static bool comment_is_meant(struct parser *parser, const struct config_section *section,
                             const char *key)
{
	const struct config_key *row =
	    section->info != NULL ? config_key_find(section->info->kind, key) : NULL;

	if (!parser->reader.current.doubtful || row == NULL || !is_free_text(row->type))
		return true;
	config_problem_add(
	    parser->problems, parser->reader.line, section, key,
	    "found \" ;\" in the value: allowed: two blanks or a tab before a comment "
	    "(or the comment on a line of its own), no blank before a ';' of the value");
	return false;
}

/* True if the line is to be passed to libinih. */
static bool accept_entry(struct parser *parser)
{
	const char *key = parser->reader.current.key.data;

	parser->open = OPEN_IGNORED;
	if (last_section(parser) == NULL) {
		config_problem_add(parser->problems, parser->reader.line, NULL, key,
		                   "found before any section: allowed: a [section] line first");
		return false;
	}
	if (!comment_is_meant(parser, last_section(parser), key)) {
		add_entry(parser, true);
		return false;
	}
	parser->open = OPEN_ENTRY;
	return true;
}

/* True if an indented line looks like a key of this section. That is a mistake, which would become
 * a part of the value above. */
static bool looks_like_key(const struct config_section *section, const char *value)
{
	auto_free char *word = xstrndup(value, strcspn(value, " \t="));

	return section->info != NULL && config_key_find(section->info->kind, word) != NULL &&
	       value[strlen(word) + strspn(value + strlen(word), " \t")] == '=';
}

static bool accept_continuation(struct parser *parser)
{
	const struct config_section *section = last_section(parser);

	if (parser->open == OPEN_IGNORED)
		return false;
	if (parser->open == OPEN_NOTHING ||
	    looks_like_key(section, parser->reader.current.value.data)) {
		config_problem_add(parser->problems, parser->reader.line, section, NULL,
		                   "found an indented line: allowed: only to go on with the value "
		                   "above it; a key begins at the start of its line");
		return false;
	}
	if (comment_is_meant(parser, section, section->entries[section->count - 1].key))
		return true;
	refuse_entry(parser);
	parser->open = OPEN_IGNORED;
	return false;
}

static bool accept_line(struct parser *parser)
{
	switch (parser->reader.current.kind) {
	case CONFIG_LINE_EMPTY:
		return false;
	case CONFIG_LINE_HEADER:
		open_section(parser);
		return true;
	case CONFIG_LINE_ENTRY:
		return accept_entry(parser);
	case CONFIG_LINE_CONTINUED:
		return accept_continuation(parser) && parser->reader.current.value.len > 0;
	}
	return false;
}

static void write_line(const struct config_line *line, char *out, size_t size)
{
	switch (line->kind) {
	case CONFIG_LINE_EMPTY:
		break;
	case CONFIG_LINE_HEADER:
		snprintf(out, size, "[%s]", line->key.data);
		return;
	case CONFIG_LINE_ENTRY:
		snprintf(out, size, "%s=%s", line->key.data, line->value.data);
		return;
	case CONFIG_LINE_CONTINUED:
		snprintf(out, size, " %s", line->value.data);
		return;
	}
}

/* Handles a line that cannot be read. A header still ends the section above. An entry is still
 * added, so that its key is not reported as missing. After a bad continuation line the entry is
 * refused. */
static void refuse_line(struct parser *parser, const struct err *err)
{
	const struct config_section *section = last_section(parser);
	const struct config_entry *entry = NULL;

	switch (parser->reader.current.kind) {
	case CONFIG_LINE_EMPTY:
		break;
	case CONFIG_LINE_HEADER:
		open_unreadable_section(parser);
		break;
	case CONFIG_LINE_ENTRY:
		entry = section != NULL ? add_entry(parser, true) : NULL;
		break;
	case CONFIG_LINE_CONTINUED:
		if (parser->open == OPEN_IGNORED)
			return;
		entry = parser->open == OPEN_ENTRY ? refuse_entry(parser) : NULL;
		break;
	}
	config_problem_add(parser->problems, parser->reader.line, entry != NULL ? section : NULL,
	                   entry != NULL ? entry->key : NULL, "%s", err->message);
	parser->open = OPEN_IGNORED;
}

/* The ini_reader of libinih; works like fgets(). */
static char *give_line(char *out, int size, void *stream)
{
	struct parser *parser = stream;
	struct err err;
	bool end;

	*out = '\0';
	if (!config_reader_next(&parser->reader, &end, &err)) {
		refuse_line(parser, &err);
		return out;
	}
	if (end)
		return NULL;
	if (accept_line(parser))
		write_line(&parser->reader.current, out, (size_t)size);
	return out;
}

static int take_entry(void *arg, const char *section_name, const char *key, const char *value)
{
	struct parser *parser = arg;
	const struct config_line *line = &parser->reader.current;
	struct config_section *section = last_section(parser);
	struct config_entry *entry;

	(void)section_name;
	(void)key;
	if (section == NULL || strcmp(value, line->value.data) != 0)
		return 0; /* a libinih with other limits: never take a part of a value */
	if (line->kind == CONFIG_LINE_ENTRY)
		add_entry(parser, false);
	entry = &section->entries[section->count - 1];
	if (entry->value.len > 0)
		strbuf_append_char(&entry->value, ' ');
	strbuf_append_str(&entry->value, value);
	return 1;
}

void config_parse(const char *text, size_t len, struct config_document *out,
                  struct config_problems *problems)
{
	struct parser parser = {.document = out, .problems = problems, .open = OPEN_NOTHING};
	int refused;

	*out = (struct config_document){.count = 0};
	config_reader_init(&parser.reader, text, len);
	refused = ini_parse_stream(give_line, &parser, take_entry, &parser);
	if (refused != 0)
		config_problem_add(problems, refused > 0 ? (unsigned)refused : 0, NULL, NULL,
		                   "this libinih does not read the line as segue does");
	config_reader_fini(&parser.reader);
}

void config_document_free(struct config_document *document)
{
	for (size_t i = 0; i < document->count; i++) {
		struct config_section *section = &document->sections[i];

		for (size_t j = 0; j < section->count; j++) {
			free(section->entries[j].key);
			strbuf_fini(&section->entries[j].value);
		}
		free(section->entries);
		free(section->header);
		free(section->name);
	}
	free(document->sections);
	*document = (struct config_document){.count = 0};
}

const struct config_entry *config_entry_find(const struct config_section *section, const char *key)
{
	for (size_t i = 0; i < section->count; i++)
		if (strcmp(section->entries[i].key, key) == 0)
			return &section->entries[i];
	return NULL;
}
