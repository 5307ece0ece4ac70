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
	*lines = (struct haproxy_lines){.at = text,
	                                .end = text + len,
	                                .values = STRBUF_INIT,
	                                .section = {.keyword = "", .name = STRBUF_INIT},
	                                .before = {.keyword = "", .name = STRBUF_INIT}};
}

void haproxy_lines_fini(struct haproxy_lines *lines)
{
	free(lines->words);
	strbuf_fini(&lines->values);
	strbuf_fini(&lines->section.name);
	strbuf_fini(&lines->before.name);
	for (size_t i = 0; i < lines->default_count; i++)
		free(lines->defaults[i].name);
	free(lines->defaults);
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

/* --- words of a line --- */

bool haproxy_line_is(const struct haproxy_lines *lines, const char *words)
{
	for (size_t i = 0;; i++, words++) {
		const char *word = haproxy_lines_word(lines, i);
		size_t len = *word == *words ? strcspn(words, " ") : 0;

		if (len == 0 || strncmp(word, words, len) != 0 || word[len] != '\0')
			return false;
		words += len;
		if (*words == '\0')
			return true;
	}
}

/* Needed so that `cookie check` does not turn on health checks. A blank on both sides of each
 * keyword. */
static const char keywords_with_value[] =
    " addr agent-addr agent-inter agent-port agent-send alpn ca-file check-alpn check-proto "
    "check-sni ciphers ciphersuites cookie crl-file crt downinter error-limit fall fastinter guid "
    "hash-key id idle-ping init-addr init-state inter interface log-bufsize log-proto max-reuse "
    "maxconn maxqueue minconn name namespace npn observe on-error on-marked-down on-marked-up "
    "pool-conn-name pool-low-conn pool-max-conn pool-purge-delay port proto proxy-v2-options redir "
    "resolve-net resolve-opts resolve-prefer resolvers rise set-proxy-v2-tlv-fmt shard slowstart "
    "sni socks4 source ssl-max-ver ssl-min-ver tcp-md5sig tcp-ut track usesrc verify verifyhost "
    "ws ";

bool haproxy_param_takes_value(const char *keyword)
{
	auto_free char *delimited = xasprintf(" %s ", keyword);

	return strchr(keyword, ' ') == NULL && strstr(keywords_with_value, delimited) != NULL;
}

size_t haproxy_lines_find(const struct haproxy_lines *lines, const char *word)
{
	bool server = haproxy_line_is(lines, "server");
	bool params = server || haproxy_line_is(lines, "default-server");
	size_t found = 0;

	for (size_t i = server ? 3 : 1; i < lines->count; i++) {
		const char *one = haproxy_lines_word(lines, i);

		if (strcmp(one, word) == 0)
			found = i;
		if (params && (strcmp(one, "weight") == 0 || haproxy_param_takes_value(one)))
			i++;
	}
	return found;
}

const char *haproxy_lines_value(const struct haproxy_lines *lines, const char *word)
{
	size_t at = haproxy_lines_find(lines, word);

	return at > 0 ? haproxy_lines_word(lines, at + 1) : "";
}

bool haproxy_lines_turn_checks_on(const struct haproxy_lines *lines)
{
	size_t on = haproxy_lines_find(lines, "check"), off = haproxy_lines_find(lines, "no-check");

	return on != off ? on > off : lines->section.settings.checks;
}

/* --- reading a line --- */

static bool fail(struct haproxy_lines *lines, struct err *err, const char *reason)
{
	lines->failed = true;
	return err_set(err, "%s", reason) || err_at_line(err, lines->number);
}

static size_t read_hex_escape(struct strbuf *out, const char *at, const char *end)
{
	char digits[3] = "", value;

	if (end - at <= 2 || !isxdigit((unsigned char)at[1]) || !isxdigit((unsigned char)at[2]))
		return ESCAPE_BROKEN;
	memcpy(digits, at + 1, 2);
	value = (char)strtoul(digits, NULL, 16);
	strbuf_append_char(out, value);
	return value != '\0' ? 3 : ESCAPE_BROKEN;
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
	struct haproxy_word *word;
	enum quoting quoting = QUOTING_NONE;

	if (lines->count == lines->capacity) {
		lines->capacity = lines->capacity > 0 ? lines->capacity * 2 : 16;
		lines->words = xreallocarray(lines->words, lines->capacity, sizeof(*lines->words));
	}
	word = &lines->words[lines->count++];
	*word = (struct haproxy_word){.raw = *at, .value = lines->values.len};
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

static bool read_next(struct haproxy_lines *lines, struct err *err)
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

/* --- sections --- */

bool haproxy_section_is_backend(enum haproxy_section_kind kind)
{
	return kind == HAPROXY_SECTION_BACKEND || kind == HAPROXY_SECTION_LISTEN;
}

char *haproxy_section_spelled(const struct haproxy_section *section)
{
	return section->kind != HAPROXY_SECTION_NONE
	           ? xasprintf("%s %s", section->keyword, section->name.data)
	           : xstrdup("");
}

/* Sets keyword and kind of a section that the current line starts. False: it starts none. */
static bool read_keyword(const struct haproxy_lines *lines, struct haproxy_section *section)
{
	static const struct {
		const char *keyword;
		enum haproxy_section_kind kind;
	} known[] = {
	    {"global", HAPROXY_SECTION_GLOBAL},        {"defaults", HAPROXY_SECTION_DEFAULTS},
	    {"frontend", HAPROXY_SECTION_FRONTEND},    {"backend", HAPROXY_SECTION_BACKEND},
	    {"listen", HAPROXY_SECTION_LISTEN},        {"peers", HAPROXY_SECTION_OTHER},
	    {"resolvers", HAPROXY_SECTION_OTHER},      {"mailers", HAPROXY_SECTION_OTHER},
	    {"userlist", HAPROXY_SECTION_OTHER},       {"cache", HAPROXY_SECTION_OTHER},
	    {"program", HAPROXY_SECTION_OTHER},        {"http-errors", HAPROXY_SECTION_OTHER},
	    {"ring", HAPROXY_SECTION_OTHER},           {"log-forward", HAPROXY_SECTION_OTHER},
	    {"crt-store", HAPROXY_SECTION_OTHER},      {"traces", HAPROXY_SECTION_OTHER},
	    {"namespace_list", HAPROXY_SECTION_OTHER}, {"log-profile", HAPROXY_SECTION_OTHER},
	    {"fcgi-app", HAPROXY_SECTION_OTHER},       {"acme", HAPROXY_SECTION_OTHER},
	};
	const char *word = haproxy_lines_word(lines, 0);

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(word, known[i].keyword) == 0) {
			section->keyword = known[i].keyword;
			section->kind = known[i].kind;
			return true;
		}
	return false;
}

void haproxy_lines_add_defaults(struct haproxy_lines *lines, const char *name)
{
	lines->defaults =
	    xreallocarray(lines->defaults, lines->default_count + 1, sizeof(*lines->defaults));
	lines->defaults[lines->default_count++] =
	    (struct haproxy_defaults){xstrdup(name), lines->section.settings};
}

/* The section of the line before has ended. */
static void leave_section(struct haproxy_lines *lines)
{
	struct strbuf name = lines->before.name; /* its memory is used again */

	if (lines->section.kind == HAPROXY_SECTION_DEFAULTS)
		haproxy_lines_add_defaults(lines, lines->section.name.data);
	strbuf_reset(&name);
	lines->before = lines->section;
	lines->section =
	    (struct haproxy_section){.keyword = "", .name = name, .number = lines->before.number};
}

/* Manual 4: a section inherits from the defaults section that it names, otherwise from the last
 * one. A defaults section only inherits from one that it names. */
static void inherit(const struct haproxy_lines *lines, struct haproxy_section *section,
                    const char *from)
{
	bool inherits = section->kind == HAPROXY_SECTION_DEFAULTS
	                    ? section->from
	                    : section->kind == HAPROXY_SECTION_FRONTEND ||
	                          haproxy_section_is_backend(section->kind);

	for (size_t i = lines->default_count; inherits && i > 0 && section->defaults == 0; i--)
		if (!section->from || strcmp(lines->defaults[i - 1].name, from) == 0)
			section->defaults = i;
	section->inherits_unknown =
	    inherits && section->defaults == 0 && (section->from || !lines->has_global);
	if (section->defaults > 0)
		section->settings = lines->defaults[section->defaults - 1].settings;
	else
		section->settings =
		    (struct haproxy_settings){.complete = !section->inherits_unknown,
		                              .retries = HAPROXY_UNSET,
		                              .connect_ms = HAPROXY_UNSET,
		                              .queue_ms = HAPROXY_UNSET};
}

static void enter_section(struct haproxy_lines *lines, const struct haproxy_section *started)
{
	struct haproxy_section *section = &lines->section;
	bool unnamed =
	    started->kind == HAPROXY_SECTION_DEFAULTS && haproxy_line_is(lines, "defaults from");
	size_t from_at = unnamed ? 1 : 2;

	leave_section(lines);
	section->kind = started->kind;
	section->keyword = started->keyword;
	section->line = lines->number;
	section->number++;
	section->conditional = lines->conditional_depth > 0;
	section->from = strcmp(haproxy_lines_word(lines, from_at), "from") == 0;
	strbuf_append_str(&section->name, unnamed ? "" : haproxy_lines_word(lines, 1));
	inherit(lines, section, haproxy_lines_word(lines, from_at + 1));
	lines->has_global = lines->has_global || section->kind == HAPROXY_SECTION_GLOBAL;
}

static void read_condition(struct haproxy_lines *lines)
{
	if (haproxy_line_is(lines, ".if"))
		lines->conditional_depth++;
	else if (haproxy_line_is(lines, ".endif") && lines->conditional_depth > 0)
		lines->conditional_depth--;
	else if (haproxy_line_is(lines, ".endif"))
		lines->stray_endif = true;
}

static void read_setting(const struct haproxy_lines *lines, struct haproxy_settings *set)
{
	set->complete = set->complete && !haproxy_lines_has_variable(lines);
	set->conditional = set->conditional || lines->conditional_depth > 0;
	if (haproxy_line_is(lines, "mode")) {
		set->has_mode = true;
		set->http_line = haproxy_line_is(lines, "mode http") ? lines->number : 0;
	} else if (haproxy_line_is(lines, "retries")) {
		set->retries = haproxy_duration_ms(haproxy_lines_word(lines, 1));
	} else if (haproxy_line_is(lines, "timeout connect")) {
		set->connect_ms = haproxy_duration_ms(haproxy_lines_word(lines, 2));
	} else if (haproxy_line_is(lines, "timeout queue")) {
		set->queue_ms = haproxy_duration_ms(haproxy_lines_word(lines, 2));
	} else if (haproxy_line_is(lines, "option redispatch") ||
	           haproxy_line_is(lines, "no option redispatch")) { /* no number: 0 */
		set->has_redispatch = true;
		set->redispatch_every = strtol(haproxy_lines_word(lines, 2), NULL, 10);
	} else if (haproxy_line_is(lines, "disabled") || haproxy_line_is(lines, "enabled")) {
		set->disabled = haproxy_line_is(lines, "disabled");
	} else if (haproxy_line_is(lines, "default-server")) {
		set->checks = haproxy_lines_turn_checks_on(lines);
	}
}

bool haproxy_lines_next(struct haproxy_lines *lines, struct err *err)
{
	struct haproxy_section started;

	lines->starts_section = false;
	if (!read_next(lines, err)) {
		leave_section(lines);
		return false;
	}
	lines->starts_section = read_keyword(lines, &started);
	if (lines->starts_section)
		enter_section(lines, &started);
	else if (*haproxy_lines_word(lines, 0) == '.')
		read_condition(lines);
	else
		read_setting(lines, &lines->section.settings);
	return true;
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
