/* Reads a HAProxy configuration. Takes no value from a line that has an environment variable,
 * because only HAProxy can resolve it. */

#include <stdlib.h>
#include <string.h>

#include "haproxy/model/syntax.h"
#include "init_internal.h"

/* Which sections are PostgreSQL's: those of mode tcp whose health check is for PostgreSQL or
 * Patroni, or whose servers have a port of PostgreSQL. segue ignores the others. */

bool found_section_is_postgres(const struct found_section *section)
{
	if (!haproxy_section_is_backend(section->kind) || section->servers.count == 0 ||
	    (section->mode != NULL && strcmp(section->mode, "tcp") != 0))
		return false;
	return section->pgsql_check || section->patroni || section->postgres_port;
}

static const struct found_section *frontend_of(const struct haproxy_survey *found,
                                               const struct found_section *backend)
{
	for (size_t i = 0; i < found->section_count; i++) {
		const struct found_section *section = &found->sections[i];

		if (section->kind == HAPROXY_SECTION_FRONTEND && section->default_backend != NULL &&
		    strcmp(section->default_backend, backend->name) == 0)
			return section;
	}
	return NULL;
}

void haproxy_survey_judge(struct haproxy_survey *found)
{
	for (size_t i = 0; i < found->section_count; i++) {
		struct found_section *section = &found->sections[i];
		struct found_section **place;

		if (!found_section_is_postgres(section))
			continue;
		if (section->kind == HAPROXY_SECTION_BACKEND)
			section->frontend = frontend_of(found, section);
		place = section->reads ? &found->ro : &found->rw;
		if (*place == NULL)
			*place = section;
	}
}

const struct found_socket *haproxy_survey_socket(const struct haproxy_survey *found)
{
	for (size_t i = 0; i < found->socket_count; i++)
		if (found->sockets[i].admin)
			return &found->sockets[i];
	return found->socket_count > 0 ? &found->sockets[0] : NULL;
}

#define POSTGRES_PORT_MIN 5432 /* ports that are usual for PostgreSQL, not for poolers */
#define POSTGRES_PORT_MAX 5439

struct reader {
	struct haproxy_survey *found;
	const char *file;
	struct haproxy_lines lines;
};

static const char *word(const struct reader *reader, size_t i)
{
	return haproxy_lines_word(&reader->lines, i);
}

static void set(char **to, const char *value)
{
	free(*to);
	*to = value != NULL ? xstrdup(value) : NULL;
}

/* True for the sections that are listed in `found`. */
static bool is_listed(enum haproxy_section_kind kind)
{
	return kind == HAPROXY_SECTION_DEFAULTS || kind == HAPROXY_SECTION_FRONTEND ||
	       haproxy_section_is_backend(kind);
}

/* The line as written, without the blanks around it. Caller frees. */
static char *line_text(const struct reader *reader)
{
	const struct haproxy_word *first = reader->lines.words;
	const struct haproxy_word *last = first + reader->lines.count - 1;

	return xstrndup(first->raw, (size_t)(last->raw + last->raw_len - first->raw));
}

/* Converts "unix@/run/a.sock", "ipv4@127.0.0.1:99" or "/run/a.sock" to the spelling of segue.ini.
 * NULL if segue cannot connect to it. Caller frees. */
static char *socket_path(const char *spelled)
{
	static const char *const prefixes[] = {"unix@", "uxst@", "ipv4@", "tcp4@", "ip@", "tcp@"};
	const char *colon;

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (strncmp(spelled, prefixes[i], strlen(prefixes[i])) == 0) {
			spelled += strlen(prefixes[i]);
			break;
		}
	if (*spelled == '/')
		return xstrdup(spelled);
	colon = strrchr(spelled, ':');
	if (colon == NULL || strchr(spelled, '@') != NULL)
		return NULL;
	if (colon == spelled || (colon == spelled + 1 && *spelled == '*'))
		return xasprintf("127.0.0.1%s", colon);
	return xstrdup(spelled);
}

static void take_socket(struct reader *reader)
{
	struct haproxy_survey *found = reader->found;
	char *path =
	    haproxy_lines_has_variable(&reader->lines) ? NULL : socket_path(word(reader, 2));
	const char *level = haproxy_lines_value(&reader->lines, "level");

	if (path == NULL)
		return;
	found->sockets =
	    xreallocarray(found->sockets, found->socket_count + 1, sizeof(*found->sockets));
	found->sockets[found->socket_count++] =
	    (struct found_socket){.path = path,
	                          .admin = strcmp(level, "admin") == 0,
	                          .file = xstrdup(reader->file),
	                          .line = line_text(reader),
	                          .number = reader->lines.number};
}

static void take_global(struct reader *reader)
{
	if (haproxy_line_is(&reader->lines, "stats socket"))
		take_socket(reader);
	else if (haproxy_line_is(&reader->lines, "hard-stop-after"))
		reader->found->has_hard_stop = true;
}

/* True if a word of the name means read-only, as in "pg_ro" or "postgres-replicas". */
static bool is_for_readers(const char *name)
{
	static const char *const words[] = {"ro",      "read",     "reads",  "readonly",
	                                    "replica", "replicas", "slave",  "slaves",
	                                    "standby", "standbys", "reader", "readers"};

	for (const char *at = name; *at != '\0';) {
		size_t len = strcspn(at, "_-.:");

		for (size_t i = 0; i < ARRAY_LEN(words); i++)
			if (strlen(words[i]) == len && strncasecmp(at, words[i], len) == 0)
				return true;
		at += len + (at[len] != '\0');
	}
	return false;
}

static void start_section(struct reader *reader)
{
	const struct haproxy_section *read = &reader->lines.section;
	struct haproxy_survey *found = reader->found;
	struct found_section section = {.kind = read->kind,
	                                .keyword = read->keyword,
	                                .first = read->line,
	                                .last = read->line,
	                                .reads = is_for_readers(read->name.data),
	                                .bind = STRBUF_INIT};
	const struct found_section *from = NULL;
	size_t seen = 0;

	if (read->kind == HAPROXY_SECTION_GLOBAL && found->global_file == NULL)
		found->global_file = xstrdup(reader->file);
	if (!is_listed(read->kind))
		return;
	section.name = xstrdup(read->name.data);
	section.file = xstrdup(reader->file);
	for (size_t i = 0; i < found->section_count; i++)
		if (found->sections[i].kind == HAPROXY_SECTION_DEFAULTS && ++seen == read->defaults)
			from = &found->sections[i];
	if (from != NULL) {
		set(&section.mode, from->mode);
		set(&section.idle, from->idle);
		set(&section.default_backend, from->default_backend);
		section.patroni = from->patroni;
	}
	found->sections =
	    xreallocarray(found->sections, found->section_count + 1, sizeof(*found->sections));
	found->sections[found->section_count++] = section;
}

static void take_server(struct reader *reader, struct found_section *section)
{
	const char *maxconn = haproxy_lines_value(&reader->lines, "maxconn");
	const char *address = word(reader, 2), *colon = strrchr(address, ':');
	long port = colon != NULL ? strtol(colon + 1, NULL, 10) : 0;

	string_list_add(&section->servers, xstrdup(address));
	section->postgres_port =
	    section->postgres_port || (port >= POSTGRES_PORT_MIN && port <= POSTGRES_PORT_MAX);
	if (*maxconn != '\0' && !haproxy_lines_has_variable(&reader->lines))
		set(&section->maxconn, maxconn);
}

/* Looks for the paths of Patroni's REST API in the line. */
static void take_http_check(struct reader *reader, struct found_section *section)
{
	static const struct {
		const char *path;
		bool reads;
	} known[] = {
	    {"/master", false}, {"/primary", false},    {"/leader", false}, {"/read-write", false},
	    {"/replica", true}, {"/read-only", true},   {"/async", true},   {"/asynchronous", true},
	    {"/sync", true},    {"/synchronous", true},
	};

	for (size_t i = 1; i < reader->lines.count; i++)
		for (size_t k = 0; k < ARRAY_LEN(known); k++) {
			size_t len = strlen(known[k].path);

			if (strncmp(word(reader, i), known[k].path, len) != 0 ||
			    strchr("?", word(reader, i)[len]) == NULL)
				continue;
			section->patroni = true;
			section->reads = section->reads || known[k].reads;
		}
}

/* True for a line that the shipped template has itself or does not need. */
static bool is_replaced(const struct haproxy_lines *line)
{
	static const char *const keywords[] = {
	    "bind",     "server",     "mode",           "balance",        "default_backend",
	    "retries",  "http-check", "tcp-check",      "default-server", "timeout",
	    "disabled", "enabled",    "server-template"};
	static const char *const options[] = {
	    "option httpchk",    "option tcp-check",         "option pgsql-check",
	    "option redispatch", "option http-server-close", "option log-health-checks",
	    "option httplog"};

	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (haproxy_line_is(line, keywords[i]))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (haproxy_line_is(line, options[i]))
			return true;
	return false;
}

static void take_bind(struct reader *reader, struct found_section *section)
{
	if (section->bind.len > 0)
		strbuf_append_char(&section->bind, ',');
	strbuf_append_str(&section->bind, word(reader, 1));
	if (reader->lines.count > 2) /* ssl, interface, ...: the template has none of these */
		string_list_add(&section->kept, line_text(reader));
}

/* These are for segue.ini, where a variable would be one of segue's own environment. */
static void take_value(struct reader *reader, struct found_section *section)
{
	const struct haproxy_lines *line = &reader->lines;

	if (haproxy_line_is(line, "mode"))
		set(&section->mode, word(reader, 1));
	else if (haproxy_line_is(line, "timeout client"))
		set(&section->idle, word(reader, 2));
	else if (haproxy_line_is(line, "default_backend"))
		set(&section->default_backend, word(reader, 1));
	else if (haproxy_line_is(line, "bind"))
		take_bind(reader, section);
}

static void take_line(struct reader *reader, struct found_section *section)
{
	const struct haproxy_lines *line = &reader->lines;
	const bool has_variable = haproxy_lines_has_variable(line);

	section->last = line->number;
	if (haproxy_line_is(line, "server"))
		take_server(reader, section);
	else if (haproxy_line_is(line, "option pgsql-check"))
		section->pgsql_check = true;
	else if (haproxy_line_is(line, "http-check") || haproxy_line_is(line, "option httpchk"))
		take_http_check(reader, section);
	else if (!has_variable)
		take_value(reader, section);
	if (has_variable || !is_replaced(line))
		string_list_add(&section->kept, line_text(reader));
}

bool haproxy_survey_add(struct haproxy_survey *found, const char *file, const char *text,
                        size_t len, struct err *err)
{
	struct reader reader = {.found = found, .file = file};
	bool ok;

	haproxy_lines_init(&reader.lines, text, len);
	for (size_t i = 0; i < found->section_count; i++) /* of the files before this one */
		if (found->sections[i].kind == HAPROXY_SECTION_DEFAULTS)
			haproxy_lines_add_defaults(&reader.lines, found->sections[i].name);
	while (haproxy_lines_next(&reader.lines, err)) {
		if (reader.lines.starts_section)
			start_section(&reader);
		else if (reader.lines.section.kind == HAPROXY_SECTION_GLOBAL)
			take_global(&reader);
		else if (is_listed(reader.lines.section.kind))
			take_line(&reader, &found->sections[found->section_count - 1]);
	}
	ok = !reader.lines.failed;
	haproxy_lines_fini(&reader.lines);
	return ok || err_wrap(err, "%s", file);
}

static void section_fini(struct found_section *section)
{
	free(section->name);
	free(section->file);
	free(section->mode);
	free(section->idle);
	free(section->default_backend);
	free(section->maxconn);
	strbuf_fini(&section->bind);
	string_list_free(&section->kept);
	string_list_free(&section->servers);
}

void haproxy_survey_free(struct haproxy_survey *found)
{
	for (size_t i = 0; i < found->section_count; i++)
		section_fini(&found->sections[i]);
	for (size_t i = 0; i < found->socket_count; i++) {
		free(found->sockets[i].path);
		free(found->sockets[i].file);
		free(found->sockets[i].line);
	}
	free(found->sections);
	free(found->sockets);
	free(found->global_file);
	*found = (struct haproxy_survey){0};
}
