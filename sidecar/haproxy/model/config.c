/* Reads sections, their default-server lines and their servers; see the header. It reads only what
 * decides about the servers; `haproxy -c` checks the rest. */
#include "haproxy/model/config.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "haproxy/model/address.h"
#include "haproxy/model/syntax.h"

/* --- parameters of `server` and `default-server` lines --- */

#define WEIGHT_MAX 256

struct params {
	struct haproxy_server server; /* what the parameters set; its `params` is not set yet */
	bool has_minconn, has_maxqueue;
	struct strbuf text; /* becomes its `params` */
};

static const struct params no_params = {.server = {.weight = 1}, .text = STRBUF_INIT};

static struct params params_copy(const struct params *from)
{
	struct params copy = *from;

	strbuf_init(&copy.text);
	strbuf_append(&copy.text, from->text.data, from->text.len);
	return copy;
}

/* Management Guide 9.3: a command line on the socket has backslash escapes and no quotes, and no
 * escape for a line break. */
static void append_word(struct params *params, const char *word)
{
	if (params->text.len > 0)
		strbuf_append_char(&params->text, ' ');
	for (; *word != '\0'; word++) {
		if (iscntrl((unsigned char)*word))
			params->server.reload_only = true;
		if (strchr(" ;\\\"'#", *word) != NULL)
			strbuf_append_char(&params->text, '\\');
		strbuf_append_char(&params->text, *word);
	}
}

static bool read_weight(struct params *params, const char *text, struct err *err)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!isdigit((unsigned char)*text) || *end != '\0' || value > WEIGHT_MAX)
		return err_set(err, "weight '%s' is not a number from 0 to %d", text, WEIGHT_MAX);
	params->server.weight = (unsigned)value;
	return true;
}

static void read_maxconn(struct params *params, const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	params->server.maxconn = isdigit((unsigned char)*text) && *end == '\0' && value <= INT32_MAX
	                             ? value
	                             : HAPROXY_MAXCONN_UNKNOWN;
}

/* False: the runtime API can change what `word` sets, so that it is not part of the text. */
static bool read_keyword(struct params *params, const char *word)
{
	static const struct {
		const char *word;
		size_t field;
		bool value, lasts;
	} known[] = {
	    {"check", offsetof(struct params, server.check), true, false},
	    {"no-check", offsetof(struct params, server.check), false, false},
	    {"disabled", offsetof(struct params, server.disabled), true, false},
	    {"enabled", offsetof(struct params, server.disabled), false, false},
	    {"agent-check", offsetof(struct params, server.agent), true, true},
	    {"no-agent-check", offsetof(struct params, server.agent), false, true},
	    {"track", offsetof(struct params, server.track), true, true},
	    {"backup", offsetof(struct params, server.backup), true, true},
	    {"no-backup", offsetof(struct params, server.backup), false, true},
	    {"minconn", offsetof(struct params, has_minconn), true, true},
	    {"maxqueue", offsetof(struct params, has_maxqueue), true, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(word, known[i].word) == 0) {
			*(bool *)((char *)params + known[i].field) = known[i].value;
			return known[i].lasts;
		}
	return true;
}

/* Adds the parameters from word `first` on; a later one overrides an earlier one. Errors have no
 * line number. */
static bool params_read(struct params *params, const struct haproxy_lines *line, size_t first,
                        struct err *err)
{
	for (size_t i = first; i < line->count; i++) {
		const char *word = haproxy_lines_word(line, i);

		if (*word == '\0')
			return err_set(err,
			               "an empty word: HAProxy would ignore the rest of the line");
		if (strcmp(word, "weight") == 0) {
			if (!read_weight(params, haproxy_lines_word(line, ++i), err))
				return false;
		} else if (read_keyword(params, word)) {
			append_word(params, word);
			if (strcmp(word, "maxconn") == 0)
				read_maxconn(params, haproxy_lines_word(line, i + 1));
			if (haproxy_param_takes_value(word) && i + 1 < line->count)
				append_word(params, haproxy_lines_word(line, ++i));
		}
	}
	return true;
}

/* --- sections --- */

struct reader {
	struct haproxy_lines lines;
	struct haproxy_config *out;
	struct strbuf structure;
	struct params params;    /* of the default-server lines of this section so far */
	struct params *profiles; /* of the defaults sections of this text */
	size_t profile_count;
	size_t first_server; /* index of the first server of this proxy */
	struct string_list frontends;
};

static bool fail(const struct reader *reader, struct err *err, const char *what)
{
	return err_set(err, "%s", what) || err_at_line(err, reader->lines.number);
}

static const char *word(const struct reader *reader, size_t i)
{
	return haproxy_lines_word(&reader->lines, i);
}

static void append_structure(struct reader *reader)
{
	for (size_t i = 0; i < reader->lines.count; i++) {
		const struct haproxy_word *one = &reader->lines.words[i];

		if (i > 0)
			strbuf_append_char(&reader->structure, ' ');
		strbuf_append(&reader->structure, one->raw, one->raw_len);
	}
	strbuf_append_char(&reader->structure, '\n');
}

/* For all lines about servers: segue must know everything in them. */
static bool check_certain(const struct reader *reader, const char *what, const char *where,
                          struct err *err)
{
	if (reader->lines.conditional_depth > 0 || reader->lines.section.conditional)
		err_set(err,
		        "a %s inside .if: segue cannot know whether HAProxy has it: use a "
		        "condition of the template instead of .if",
		        what);
	else if (haproxy_lines_has_variable(&reader->lines))
		err_set(err,
		        "an environment variable in %s: segue cannot know its value: write the "
		        "value with the template instead",
		        where);
	else
		return true;
	return err_at_line(err, reader->lines.number);
}

static bool start_proxy(struct reader *reader, struct err *err)
{
	struct haproxy_config *out = reader->out;

	if (!check_certain(reader, "backend", "the name of a backend", err))
		return false;
	if (!haproxy_name_is_valid(word(reader, 1)))
		return fail(reader, err, "a backend needs a name of letters, digits and -_.:");
	out->backends =
	    xreallocarray(out->backends, out->backend_count + 1, sizeof(*out->backends));
	out->backends[out->backend_count++] = xstrdup(word(reader, 1));
	reader->first_server = out->server_count;
	return true;
}

/* Sets what depends on the whole section: a setting may come before or after the server lines. */
static void end_section(struct reader *reader)
{
	const struct haproxy_settings *set = &reader->lines.before.settings;
	bool queues = set->redispatch_every > 1 && set->queue_ms > 0;

	if (reader->lines.before.kind == HAPROXY_SECTION_DEFAULTS) {
		reader->profiles = xreallocarray(reader->profiles, reader->profile_count + 1,
		                                 sizeof(*reader->profiles));
		reader->profiles[reader->profile_count++] = params_copy(&reader->params);
	}
	if (!haproxy_section_is_backend(reader->lines.before.kind))
		return;
	for (size_t i = reader->first_server; i < reader->out->server_count; i++) {
		struct haproxy_server *server = &reader->out->servers[i];

		if (!set->complete || set->conditional)
			server->maxconn = HAPROXY_MAXCONN_UNKNOWN;
		if (!queues || server->maxconn == HAPROXY_MAXCONN_UNKNOWN)
			server->queue_ms = 0;
		else if (server->queue_ms != 0)
			server->queue_ms = set->queue_ms;
	}
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool share_a_name(struct reader *reader)
{
	const struct haproxy_config *config = reader->out;
	char **frontends = reader->frontends.items;
	size_t count = reader->frontends.count;

	if (count > 0)
		qsort(frontends, count, sizeof(*frontends), compare_names);
	for (size_t i = 0; count > 0 && i < config->backend_count; i++)
		if (bsearch(&config->backends[i], frontends, count, sizeof(*frontends),
		            compare_names) != NULL)
			return true;
	return false;
}

static bool start_section(struct reader *reader, struct err *err)
{
	const struct haproxy_section *section = &reader->lines.section;

	end_section(reader);
	strbuf_fini(&reader->params.text);
	reader->params = params_copy(
	    section->defaults > 0 ? &reader->profiles[section->defaults - 1] : &no_params);
	if (section->kind == HAPROXY_SECTION_FRONTEND)
		string_list_add(&reader->frontends, xstrdup(section->name.data));
	return !haproxy_section_is_backend(section->kind) || start_proxy(reader, err);
}

static bool read_default_server(struct reader *reader, struct err *err)
{
	if (!check_certain(reader, "server", "a server line", err))
		return false;
	if (!params_read(&reader->params, &reader->lines, 1, err))
		return err_at_line(err, reader->lines.number);
	append_structure(reader);
	return true;
}

static void add_fixed(struct reader *reader, unsigned first, unsigned last)
{
	struct haproxy_config *out = reader->out;

	out->fixed = xreallocarray(out->fixed, out->fixed_count + 1, sizeof(*out->fixed));
	out->fixed[out->fixed_count++] = (struct haproxy_fixed){
	    .backend = xstrdup(out->backends[out->backend_count - 1]),
	    .name = xstrdup(word(reader, 1)),
	    .first = first,
	    .last = last,
	};
	append_structure(reader);
}

/* server-template PREFIX NUMBER|FIRST-LAST ADDRESS ... */
static bool read_server_template(struct reader *reader, struct err *err)
{
	const char *range = word(reader, 2);
	char *end;
	unsigned long first = 1, last;

	if (!check_certain(reader, "server", "a server line", err))
		return false;
	last = strtoul(range, &end, 10);
	if (*end == '-') {
		first = last;
		last = strtoul(end + 1, &end, 10);
	}
	if (!isdigit((unsigned char)*range) || *end != '\0' || first < 1 || last < first ||
	    last > 1000000 || !haproxy_name_is_valid(word(reader, 1)))
		return fail(reader, err,
		            "server-template takes a name and a number, or a range FIRST-LAST");
	add_fixed(reader, (unsigned)first, (unsigned)last);
	return true;
}

static bool fail_server(const struct reader *reader, struct err *err)
{
	return err_wrap(err, "server %s", word(reader, 1)) ||
	       err_at_line(err, reader->lines.number);
}

static bool add_server(struct reader *reader, char *address, uint16_t port, struct err *err)
{
	struct haproxy_config *out = reader->out;
	struct params params = params_copy(&reader->params);
	struct haproxy_server *server;

	if (!params_read(&params, &reader->lines, 3, err)) {
		strbuf_fini(&params.text);
		free(address);
		return fail_server(reader, err);
	}
	out->servers = xreallocarray(out->servers, out->server_count + 1, sizeof(*out->servers));
	server = &out->servers[out->server_count++];
	*server = params.server;
	server->backend = xstrdup(out->backends[out->backend_count - 1]);
	server->name = xstrdup(word(reader, 1));
	server->address = address;
	server->port = port;
	if (params.has_minconn)
		server->maxconn = HAPROXY_MAXCONN_UNKNOWN;
	server->queue_ms = params.has_maxqueue ? 0 : 1; /* end_section() sets the time */
	server->params = strbuf_detach(&params.text);
	server->line = reader->lines.number;
	return true;
}

static bool read_server(struct reader *reader, struct err *err)
{
	char *address = NULL;
	uint16_t port = 0;

	if (!check_certain(reader, "server", "a server line", err))
		return false;
	if (!haproxy_name_is_valid(word(reader, 1)))
		return fail(reader, err, "a server needs a name of letters, digits and -_.:");
	switch (haproxy_address_read(word(reader, 2), &address, &port, err)) {
	case HAPROXY_ADDRESS_BAD:
		return fail_server(reader, err);
	case HAPROXY_ADDRESS_OTHER:
		add_fixed(reader, 0, 0);
		return true;
	case HAPROXY_ADDRESS_IP:
		return add_server(reader, address, port, err);
	}
	return false;
}

/* True also after a .if block that may have begun another section: a server line after it may
 * belong to the backend before the block. check_certain() then refuses it. */
static bool may_be_proxy(const struct haproxy_lines *lines)
{
	return haproxy_section_is_backend(lines->section.kind) ||
	       (lines->section.conditional && lines->conditional_depth == 0);
}

static bool read_line(struct reader *reader, struct err *err)
{
	const struct haproxy_lines *lines = &reader->lines;

	if (lines->stray_endif)
		return fail(reader, err, ".endif without .if");
	if (lines->starts_section) {
		append_structure(reader);
		return start_section(reader, err);
	}
	if (haproxy_line_is(lines, "default-server") &&
	    (lines->section.kind == HAPROXY_SECTION_DEFAULTS ||
	     haproxy_section_is_backend(lines->section.kind)))
		return read_default_server(reader, err);
	if (may_be_proxy(lines) && haproxy_line_is(lines, "server"))
		return read_server(reader, err);
	if (may_be_proxy(lines) && haproxy_line_is(lines, "server-template"))
		return read_server_template(reader, err);
	append_structure(reader);
	return true;
}

static bool read_all(struct reader *reader, struct err *err)
{
	while (haproxy_lines_next(&reader->lines, err))
		if (!read_line(reader, err))
			return false;
	if (reader->lines.failed)
		return false;
	end_section(reader);
	reader->out->shares_a_name = share_a_name(reader);
	return reader->lines.conditional_depth == 0 || fail(reader, err, ".if without .endif");
}

static int compare_servers(const void *a, const void *b)
{
	const struct haproxy_server *left = *(const struct haproxy_server *const *)a;
	const struct haproxy_server *right = *(const struct haproxy_server *const *)b;
	int order = strcmp(left->backend, right->backend);

	order = order != 0 ? order : strcmp(left->name, right->name);
	return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

/* Sorts the servers: comparing every pair would delay each move when there are 1,000 backends. */
static bool check_unique(const struct haproxy_config *config, struct err *err)
{
	size_t count = config->server_count;
	/* NOLINTBEGIN(bugprone-sizeof-expression): an array of pointers */
	auto_free const struct haproxy_server **sorted = xcalloc(count, sizeof(*sorted));

	for (size_t i = 0; i < count; i++)
		sorted[i] = &config->servers[i];
	qsort(sorted, count, sizeof(*sorted), compare_servers);
	/* NOLINTEND(bugprone-sizeof-expression) */
	for (size_t i = 1; i < count; i++) {
		const struct haproxy_server *one = sorted[i - 1], *next = sorted[i];

		if (strcmp(one->backend, next->backend) == 0 && strcmp(one->name, next->name) == 0)
			return err_set(err, "server %s/%s is already defined on line %u",
			               one->backend, one->name, one->line) ||
			       err_at_line(err, next->line);
	}
	return true;
}

bool haproxy_config_parse(const char *text, size_t len, struct haproxy_config *out, struct err *err)
{
	struct reader reader = {.out = out, .structure = STRBUF_INIT, .params = no_params};
	bool done;

	*out = (struct haproxy_config){0};
	haproxy_lines_init(&reader.lines, text, len);
	done = read_all(&reader, err) && check_unique(out, err);
	out->structure = strbuf_detach(&reader.structure);
	for (size_t i = 0; i < reader.profile_count; i++)
		strbuf_fini(&reader.profiles[i].text);
	free(reader.profiles);
	string_list_free(&reader.frontends);
	strbuf_fini(&reader.params.text);
	haproxy_lines_fini(&reader.lines);
	if (!done)
		haproxy_config_free(out);
	return done;
}

void haproxy_config_free(struct haproxy_config *config)
{
	for (size_t i = 0; i < config->server_count; i++) {
		free(config->servers[i].backend);
		free(config->servers[i].name);
		free(config->servers[i].address);
		free(config->servers[i].params);
	}
	for (size_t i = 0; i < config->fixed_count; i++) {
		free(config->fixed[i].backend);
		free(config->fixed[i].name);
	}
	for (size_t i = 0; i < config->backend_count; i++)
		free(config->backends[i]);
	free(config->servers);
	free(config->fixed);
	free(config->backends);
	free(config->structure);
	*config = (struct haproxy_config){0};
}

/* --- comparing two texts: what needs a reload --- */

#define SHOWN_MAX 120 /* bytes of a line in a message */

/* True when `name` is the server of a fixed entry, or one that a server-template makes: its prefix
 * and a number. A number that overflows becomes ULONG_MAX, which is out of range. */
static bool fixed_matches(const struct haproxy_fixed *fixed, const char *backend, const char *name)
{
	size_t len = strlen(fixed->name);
	unsigned long number;
	char *end;

	if (strcmp(fixed->backend, backend) != 0 || strncmp(fixed->name, name, len) != 0)
		return false;
	if (fixed->last == 0 || name[len] == '\0')
		return fixed->last == 0 && name[len] == '\0';
	if (name[len] < '1' || name[len] > '9')
		return false;
	number = strtoul(name + len, &end, 10);
	return *end == '\0' && number >= fixed->first && number <= fixed->last;
}

bool haproxy_config_is_fixed(const struct haproxy_config *config, const char *backend,
                             const char *name)
{
	for (size_t i = 0; i < config->fixed_count; i++)
		if (fixed_matches(&config->fixed[i], backend, name))
			return true;
	return false;
}

bool haproxy_config_drops(const struct haproxy_config *config, const struct haproxy_server *server,
                          size_t *hint)
{
	for (size_t i = 0; i < config->backend_count; i++) {
		size_t at = (*hint + i) % config->backend_count;

		if (strcmp(config->backends[at], server->backend) == 0) {
			*hint = at;
			return !haproxy_config_is_fixed(config, server->backend, server->name);
		}
	}
	return false;
}

static size_t line_length(const char *text)
{
	return strcspn(text, "\n");
}

static void append_line(struct strbuf *why, const char *line)
{
	if (*line == '\0') {
		strbuf_append_str(why, "(nothing)");
		return;
	}
	strbuf_append_char(why, '"');
	strbuf_append_escaped(why, line, line_length(line), SHOWN_MAX);
	strbuf_append_char(why, '"');
}

static bool append_change(struct strbuf *why, const char *old, const char *new)
{
	append_line(why, old);
	strbuf_append_str(why, " became ");
	append_line(why, new);
	return true;
}

static bool structure_differs(const char *old, const char *new, struct strbuf *why)
{
	if (strcmp(old, new) == 0)
		return false;
	while (line_length(old) == line_length(new) && strncmp(old, new, line_length(old)) == 0) {
		old += line_length(old) + 1;
		new += line_length(new) + 1;
	}
	return append_change(why, old, new);
}

const struct haproxy_server *haproxy_config_find(const struct haproxy_config *config,
                                                 const struct haproxy_server *like, size_t *hint)
{
	for (size_t i = 0; i < config->server_count; i++) {
		size_t at = (*hint + i) % config->server_count;
		const struct haproxy_server *server = &config->servers[at];

		if (strcmp(server->name, like->name) == 0 &&
		    strcmp(server->backend, like->backend) == 0) {
			*hint = at + 1;
			return server;
		}
	}
	return NULL;
}

static bool server_differs(const struct haproxy_server *old, const struct haproxy_server *new,
                           struct strbuf *why)
{
	if (old->check == new->check && strcmp(old->params, new->params) == 0)
		return false;
	strbuf_printf(why, "server %s/%s: ", new->backend, new->name);
	if (old->check == new->check)
		return append_change(why, old->params, new->params);
	strbuf_printf(why, "check turned %s", new->check ? "on" : "off");
	return true;
}

bool haproxy_config_needs_reload(const struct haproxy_config *old, const struct haproxy_config *new,
                                 struct strbuf *why)
{
	size_t hint = 0;

	if (structure_differs(old->structure, new->structure, why))
		return true;
	for (size_t i = 0; i < new->server_count; i++) {
		const struct haproxy_server *before =
		    haproxy_config_find(old, &new->servers[i], &hint);

		if (before != NULL && server_differs(before, &new->servers[i], why))
			return true;
	}
	return false;
}

/* --- hold and fence --- */

/* The config in a hold or fence is for the socket only: the file keeps the addresses of the text.
 */

bool haproxy_server_is_at(const struct haproxy_server *server, const struct haproxy_endpoint *place)
{
	return place->address == NULL ||
	       (server->port == place->port && strcmp(server->address, place->address) == 0);
}

static void copy_view(const struct haproxy_config *config, struct haproxy_config *out)
{
	*out = *config;
	out->servers = xcalloc(config->server_count, sizeof(*out->servers));
	if (config->server_count > 0)
		memcpy(out->servers, config->servers, config->server_count * sizeof(*out->servers));
}

/* Skips disabled servers: no client can wait there. */
size_t haproxy_config_hold(const struct haproxy_config *config,
                           const struct haproxy_endpoint *primary,
                           const struct haproxy_endpoint *closed, int64_t hold_ms,
                           struct haproxy_config *out)
{
	size_t count = 0;

	copy_view(config, out);
	for (size_t i = 0; i < out->server_count; i++) {
		struct haproxy_server *server = &out->servers[i];

		if (server->disabled || !haproxy_server_is_at(server, primary))
			continue;
		server->address = (char *)closed->address;
		server->port = closed->port;
		server->unchecked = server->check;
		if (server->queue_ms > 0 && server->queue_ms >= hold_ms)
			server->maxconn = HAPROXY_MAXCONN_HELD;
		count++;
	}
	return count;
}

size_t haproxy_config_fence(const struct haproxy_config *config,
                            const struct haproxy_endpoint *primary,
                            const struct haproxy_endpoint *closed, struct haproxy_config *out)
{
	size_t count = 0;

	copy_view(config, out);
	for (size_t i = 0; i < out->server_count; i++) {
		struct haproxy_server *server = &out->servers[i];

		if (!haproxy_server_is_at(server, primary))
			continue;
		server->cut_off = true;
		if (closed != NULL && !server->disabled) {
			server->address = (char *)closed->address;
			server->port = closed->port;
		}
		server->disabled = server->disabled || !server->agent;
		count++;
	}
	return count;
}

void haproxy_config_open(struct haproxy_config *config)
{
	free(config->servers);
	*config = (struct haproxy_config){0};
}
