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

#define SHOWN_MAX      60 /* bytes of a line that an error shows */
#define BLANKS         " \t"
#define VARIABLE_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
#define KEY_BYTES      VARIABLE_BYTES ".-"

#define LINE_MAX_BYTES 198 /* of a line without its comment: libinih's line buffer has 200 */

enum line_kind {
	LINE_EMPTY,    /* blank, or only a comment */
	LINE_HEADER,   /* [key] */
	LINE_ENTRY,    /* key = value */
	LINE_CONTINUED /* an indented value */
};

struct parser {
	struct config_document *document;
	struct config_problems *problems;
	const char *at, *end; /* the text that is not read yet */
	unsigned line;        /* number of the last line read, from 1 */
	char quote;           /* the quote that is open in the value, or 0 */
	bool skip;            /* the indented lines that follow: they continue what is refused */

	/* The last line: its parts are trimmed, without the comment, and "" if it has none. */
	enum line_kind kind;
	const char *key; /* of an entry; of a header the text in the brackets */
	const char *value;
	bool doubtful; /* only one space before the ";": it may belong to the value */
	struct strbuf text;
	struct err err;
	const struct err *wrong; /* `err`: why the line cannot be read; NULL: it can */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_comment(char c)
{
	return c == ';' || c == '#';
}

static char *skip_blanks(char *at)
{
	return at + strspn(at, BLANKS);
}

/* Ends the text at `end`, and returns it without the blanks around it. */
static const char *cut(char *start, char *end)
{
	*end = '\0';
	start = skip_blanks(start);
	while (end > start && is_blank(end[-1]))
		*--end = '\0';
	return start;
}

static bool refuse(const char *line, const char *allowed, struct err *err)
{
	auto_strbuf struct strbuf shown = STRBUF_INIT;

	strbuf_append_escaped(&shown, line, strlen(line), SHOWN_MAX);
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

/* `text`: the value from its first byte that is no blank, and perhaps a comment. */
static bool read_value(struct parser *parser, char *text, struct err *err)
{
	bool escaped = false;
	char *at = text;

	for (; *at != '\0' && (*at != ';' || (at > text && !is_blank(at[-1]))); at++) {
		parser->quote = quote_after(parser->quote, at, escaped);
		escaped = !escaped && *at == '\\';
	}
	if (*at == ';' && parser->quote != 0)
		return err_set(err,
		               "found \" ;\" inside an open %c quote: allowed: no blank "
		               "before the ';', or the comment on a line of its own",
		               parser->quote);
	parser->doubtful = *at == ';' && at > text && at[-1] == ' ' && !is_blank(at[-2]);
	parser->value = cut(text, at);
	return true;
}

static bool read_header(struct parser *parser, char *line, struct err *err)
{
	static const char form[] = "[section] or [section NAME], followed by nothing but a comment";
	char *close = strchr(line, ']');
	const char *rest = close != NULL ? skip_blanks(close + 1) : "";

	parser->kind = LINE_HEADER;
	if (close == NULL || (*rest != '\0' && !is_comment(*rest)))
		return refuse(line, form, err);
	if (close - line - 1 > CONFIG_NAME_MAX)
		return err_set(err, "found %td bytes in the brackets: allowed: at most %d",
		               close - line - 1, CONFIG_NAME_MAX);
	parser->key = cut(line + 1, close);
	return true;
}

static bool read_entry(struct parser *parser, char *line, struct err *err)
{
	size_t len = strspn(line, KEY_BYTES);
	char *equals = skip_blanks(line + len);

	if (len == 0 || *equals != '=')
		return refuse(line, "key = value, [section] or a ; comment", err);
	if (len > CONFIG_NAME_MAX)
		return err_set(err, "found a key of %zu bytes: allowed: at most %d", len,
		               CONFIG_NAME_MAX);
	parser->kind = LINE_ENTRY;
	parser->quote = 0;
	parser->key = cut(line, line + len);
	return read_value(parser, skip_blanks(equals + 1), err);
}

static bool check_bytes(const struct strbuf *line, struct err *err)
{
	for (size_t i = 0; i < line->len; i++) {
		unsigned char byte = (unsigned char)line->data[i];

		if ((byte < ' ' && byte != '\t') || byte == 0x7f)
			return err_set(err,
			               "found the control character \\x%02x at byte %zu: "
			               "allowed: text",
			               byte, i + 1);
	}
	return true;
}

/* Checks the length of what libinih gets: key, '=' and value. */
static bool check_length(const struct parser *parser, struct err *err)
{
	size_t len = strlen(parser->key) + strlen(parser->value) + 1;

	if (len <= LINE_MAX_BYTES)
		return true;
	return err_set(
	    err,
	    "found a line of %zu bytes: allowed: at most %d; a long value can be continued "
	    "in indented lines",
	    len, LINE_MAX_BYTES);
}

static bool take_apart(struct parser *parser, struct err *err)
{
	char *line = parser->text.data, *text = skip_blanks(line);

	if (*text == '\0' || is_comment(*text))
		return true;
	if (text > line) {
		parser->kind = LINE_CONTINUED;
		return read_value(parser, text, err);
	}
	return *text == '[' ? read_header(parser, line, err) : read_entry(parser, line, err);
}

/* Returns false with `err` set if the line is refused: libinih would truncate or misread it. */
static bool read_line(struct parser *parser, struct err *err)
{
	const char *start = parser->at, *stop;

	parser->kind = LINE_EMPTY;
	parser->key = "";
	parser->value = "";
	parser->doubtful = false;
	parser->line++;
	stop = memchr(start, '\n', (size_t)(parser->end - start));
	parser->at = stop != NULL ? stop + 1 : parser->end;
	stop = stop != NULL ? stop : parser->end;
	if (stop > start && stop[-1] == '\r')
		stop--;
	strbuf_reset(&parser->text);
	strbuf_append(&parser->text, start, (size_t)(stop - start));
	return check_bytes(&parser->text, err) && take_apart(parser, err) &&
	       check_length(parser, err);
}

/* --- sections and entries --- */

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

/* NULL: there is none yet. */
static struct config_section *last_section(const struct parser *parser)
{
	const struct config_document *document = parser->document;

	return document->count > 0 ? &document->sections[document->count - 1] : NULL;
}

/* NULL: the last section has none yet. */
static struct config_entry *last_entry(const struct parser *parser)
{
	const struct config_section *section = last_section(parser);

	return section != NULL && section->count > 0 ? &section->entries[section->count - 1] : NULL;
}

static struct config_section *add_section(struct parser *parser, const char *header,
                                          const char *name)
{
	struct config_document *document = parser->document;

	document->sections =
	    xreallocarray(document->sections, document->count + 1, sizeof(*document->sections));
	document->sections[document->count] = (struct config_section){
	    .header = xstrdup(header), .name = xstrdup(name), .line = parser->line};
	parser->skip = false;
	return &document->sections[document->count++];
}

static void refuse_line(struct parser *parser)
{
	config_problem_add(parser->problems, parser->line, NULL, NULL, "%s",
	                   parser->wrong->message);
	parser->skip = true;
}

/* Adds the error, with the list of allowed sections. */
static void refuse_section(struct parser *parser, const struct config_section *section)
{
	auto_strbuf struct strbuf shown = STRBUF_INIT, allowed = STRBUF_INIT;

	strbuf_append_escaped(&shown, section->header, strlen(section->header), 64);
	for (const struct config_section_info *info = config_sections; info->word != NULL; info++)
		strbuf_printf(&allowed, "%s[%s%s]", allowed.len > 0 ? ", " : "", info->word,
		              info->named ? " NAME" : "");
	config_problem_add(parser->problems, section->line, NULL, NULL,
	                   "found \"[%s]\": allowed: %s", shown.data, allowed.data);
}

static void open_section(struct parser *parser)
{
	const char *header = parser->key;
	size_t word_len = strcspn(header, BLANKS);
	auto_free char *word = xstrndup(header, word_len), *full = NULL;
	auto_strbuf struct strbuf name = STRBUF_INIT, shown = STRBUF_INIT;
	const struct config_section_info *info = config_section_find(word);
	struct config_section *section;
	struct err err;

	if (!config_value_expand(header + word_len + strspn(header + word_len, BLANKS), &name,
	                         &err)) {
		section = add_section(parser, header, "");
		config_problem_add(parser->problems, section->line, section, NULL, "%s",
		                   err.message);
		return;
	}
	full = xasprintf("%s%s%s", word, name.len > 0 ? " " : "", name.data);
	section = add_section(parser, full, name.data);
	if (info == NULL || info->named != (name.len > 0)) {
		refuse_section(parser, section);
	} else if (info->named && !grammar_name(name.data)) {
		strbuf_append_escaped(&shown, name.data, name.len, CONFIG_NAME_MAX);
		config_problem_add(
		    parser->problems, section->line, section, NULL,
		    "found \"%s\": allowed: a name of [A-Za-z0-9._-], no dot in front", shown.data);
	} else {
		section->info = info;
	}
}

/* Types whose values may contain a ';'. */
static bool is_free_text(enum config_type type)
{
	return type == CONFIG_TYPE_COMMAND || type == CONFIG_TYPE_CONNINFO ||
	       type == CONFIG_TYPE_CONNINFOS || type == CONFIG_TYPE_VAR;
}

/* True if the value of the line may be added to `entry`, which is refused otherwise. */
static bool accept_value(struct parser *parser, const struct config_section *section,
                         struct config_entry *entry)
{
	const struct config_key *key =
	    section->info != NULL ? config_key_find(section->info->kind, entry->key) : NULL;
	bool ambiguous = parser->doubtful && key != NULL && is_free_text(key->type);

	if (parser->wrong == NULL && !ambiguous)
		return true;
	config_problem_add(
	    parser->problems, parser->line, section, entry->key, "%s",
	    parser->wrong != NULL
	        ? parser->wrong->message
	        : "found \" ;\" in the value: allowed: two blanks or a tab before a comment "
	          "(or the comment on a line of its own), no blank before a ';' of the value");
	entry->refused = true;
	parser->skip = true;
	return false;
}

/* A refused entry is still added, so that its key is not reported as missing. */
static bool accept_entry(struct parser *parser)
{
	struct config_section *section = last_section(parser);
	struct config_entry *entry;

	if (section == NULL && parser->wrong != NULL) {
		refuse_line(parser);
		return false;
	}
	parser->skip = section == NULL;
	if (section == NULL) {
		config_problem_add(parser->problems, parser->line, NULL, parser->key,
		                   "found before any section: allowed: a [section] line first");
		return false;
	}
	section->entries =
	    xreallocarray(section->entries, section->count + 1, sizeof(*section->entries));
	entry = &section->entries[section->count++];
	*entry = (struct config_entry){
	    .key = xstrdup(parser->key), .value = STRBUF_INIT, .line = parser->line};
	return accept_value(parser, section, entry);
}

/* True if an indented line looks like a key of this section. That is a mistake, which would become
 * a part of the value above. */
static bool looks_like_key(const struct config_section *section, const char *value)
{
	auto_free char *word = xstrndup(value, strcspn(value, " \t="));

	return section->info != NULL && config_key_find(section->info->kind, word) != NULL &&
	       value[strlen(word) + strspn(value + strlen(word), BLANKS)] == '=';
}

static bool accept_continuation(struct parser *parser)
{
	const struct config_section *section = last_section(parser);
	struct config_entry *entry = last_entry(parser);

	if (parser->skip)
		return false;
	if (parser->wrong == NULL && (entry == NULL || looks_like_key(section, parser->value))) {
		config_problem_add(parser->problems, parser->line, section, NULL,
		                   "found an indented line: allowed: only as a continuation of "
		                   "the value above; a key starts at the beginning of its line");
		return false;
	}
	if (entry == NULL) {
		refuse_line(parser);
		return false;
	}
	return accept_value(parser, section, entry) && *parser->value != '\0';
}

/* Notes each ${SEGUE_...}, but not "$${SEGUE_...}", which is no variable. */
static void note_variables(struct parser *parser, const char *text, size_t len)
{
	struct config_document *document = parser->document;

	for (const char *at = text; at < text + len; at++) {
		if (*at != '$' || *++at != '{' ||
		    strncmp(at + 1, CONFIG_VARIABLE_PREFIX, strlen(CONFIG_VARIABLE_PREFIX)) != 0)
			continue;
		document->variables =
		    xreallocarray(document->variables, document->variable_count + 1,
		                  sizeof(*document->variables));
		document->variables[document->variable_count++] = (struct config_variable){
		    .name = xstrndup(at + 1, strspn(at + 1, VARIABLE_BYTES)), .line = parser->line};
	}
}

/* The ini_reader of libinih; works like fgets(). A line that is not accepted becomes "". */
static char *give_line(char *out, int size, void *stream)
{
	struct parser *parser = stream;
	const char *start = parser->at;

	*out = '\0';
	if (start == parser->end)
		return NULL;
	parser->wrong = read_line(parser, &parser->err) ? NULL : &parser->err;
	if (parser->wrong == NULL) {
		note_variables(parser, parser->key, strlen(parser->key));
		note_variables(parser, parser->value, strlen(parser->value));
	} else { /* its comment counts, too: its error is enough */
		note_variables(parser, start, (size_t)(parser->at - start));
	}
	switch (parser->kind) {
	case LINE_EMPTY:
		if (parser->wrong != NULL)
			refuse_line(parser);
		break;
	case LINE_HEADER:
		if (parser->wrong == NULL) {
			open_section(parser);
			snprintf(out, (size_t)size, "[%s]", parser->key);
		} else { /* it still ends the section above it */
			add_section(parser, "?", "");
			refuse_line(parser);
		}
		break;
	case LINE_ENTRY:
		if (accept_entry(parser))
			snprintf(out, (size_t)size, "%s=%s", parser->key, parser->value);
		break;
	case LINE_CONTINUED:
		if (accept_continuation(parser))
			snprintf(out, (size_t)size, " %s", parser->value);
		break;
	}
	return out;
}

/* The ini_handler of libinih: a value for the last entry. */
static int take_value(void *arg, const char *section, const char *key, const char *value)
{
	const struct parser *parser = arg;
	struct config_entry *entry = last_entry(parser);

	(void)section;
	if (entry == NULL || strcmp(key, entry->key) != 0 || strcmp(value, parser->value) != 0)
		return 0; /* a libinih with other limits: never take a part of a value */
	if (entry->value.len > 0)
		strbuf_append_char(&entry->value, ' ');
	strbuf_append_str(&entry->value, value);
	return 1;
}

void config_parse(const char *text, size_t len, struct config_document *out,
                  struct config_problems *problems)
{
	static const char bom[] = "\xef\xbb\xbf";
	struct parser parser = {.document = out,
	                        .problems = problems,
	                        .at = text,
	                        .end = text + len,
	                        .text = STRBUF_INIT};
	int refused;

	*out = (struct config_document){.count = 0};
	if (len >= 3 && memcmp(text, bom, 3) == 0)
		parser.at += 3;
	refused = ini_parse_stream(give_line, &parser, take_value, &parser);
	if (refused != 0)
		config_problem_add(
		    problems, refused > 0 ? (unsigned)refused : 0, NULL, NULL,
		    "this version of libinih parses the line differently from segue");
	strbuf_fini(&parser.text);
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
	for (size_t i = 0; i < document->variable_count; i++)
		free(document->variables[i].name);
	free(document->variables);
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
