/* Sections, their default-server lines and their servers; see the header. It reads only as much
 * as decides which server stands where; whether the rest is right is for `haproxy -c` to say. */
#include "apply/haproxy_config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_address.h"
#include "apply/haproxy_config_params.h"
#include "apply/haproxy_config_words.h"

enum section {
	SECTION_OTHER,    /* no server lines, or none of a proxy: peers, ring, ... */
	SECTION_DEFAULTS, /* presets for proxies, default-server among them */
	SECTION_PROXY,    /* backend or listen */
};

struct waits {         /* what of a section decides how long its clients may wait in the queue */
	bool complete; /* nothing comes from a file that is not at hand, or from a variable */
	long redispatch_every; /* retries; below 1: the last one at most */
	int64_t queue_ms;      /* below 1: `timeout queue` is not set */
};

struct profile { /* a defaults section of this text */
	char *name;
	struct haproxy_params params;
	struct waits waits;
};

struct reader {
	struct haproxy_lines lines;
	struct haproxy_config *out;
	struct strbuf structure;
	enum section section;
	struct haproxy_params defaults; /* what default-server has said so far in this section */
	struct waits waits;             /* of this section */
	size_t first_server;            /* of this proxy */
	struct profile *profiles;
	size_t profile_count;
	unsigned conditional_depth;
	char **frontends;
	size_t frontend_count;
	bool has_global; /* the text is a whole file, not one of several */
	bool uncertain;  /* a section began inside a conditional block: who knows where we are */
};

static bool fail(const struct reader *reader, struct err *err, const char *what)
{
	return err_set(err, "line %u: %s", reader->lines.number, what);
}

static const char *word(const struct reader *reader, size_t i)
{
	return haproxy_lines_word(&reader->lines, i);
}

static bool word_is(const struct reader *reader, size_t i, const char *expected)
{
	return strcmp(word(reader, i), expected) == 0;
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

/* Manual 4: a section starts from the defaults section that it names, or else from the latest. */
static void inherit_defaults(struct reader *reader, size_t from_at)
{
	const struct profile *found = NULL;
	bool named = word_is(reader, from_at, "from");

	for (size_t i = 0; i < reader->profile_count; i++)
		if (!named || strcmp(reader->profiles[i].name, word(reader, from_at + 1)) == 0)
			found = &reader->profiles[i];
	haproxy_params_fini(&reader->defaults);
	haproxy_params_init(&reader->defaults);
	reader->waits = (struct waits){.complete = !named && reader->has_global};
	if (found == NULL)
		return;
	haproxy_params_copy(&reader->defaults, &found->params);
	reader->waits = found->waits;
}

static void start_defaults(struct reader *reader)
{
	bool named = reader->lines.count > 1 && !word_is(reader, 1, "from");
	size_t from_at = named ? 2 : 1;
	struct profile *profile;

	reader->waits = (struct waits){.complete = true};
	if (word_is(reader, from_at, "from"))
		inherit_defaults(reader, from_at);
	reader->profiles =
	    xreallocarray(reader->profiles, reader->profile_count + 1, sizeof(*reader->profiles));
	profile = &reader->profiles[reader->profile_count++];
	profile->name = xstrdup(named ? word(reader, 1) : "");
	haproxy_params_init(&profile->params);
	if (word_is(reader, from_at, "from"))
		haproxy_params_copy(&profile->params, &reader->defaults);
	reader->section = SECTION_DEFAULTS;
}

static bool start_proxy(struct reader *reader, struct err *err)
{
	struct haproxy_config *out = reader->out;

	if (reader->conditional_depth > 0)
		return fail(reader, err,
		            "a backend inside .if: segue cannot know whether HAProxy has it; let "
		            "the template decide");
	if (haproxy_lines_has_variable(&reader->lines))
		return fail(reader, err,
		            "an environment variable in the name of a backend: segue "
		            "cannot know its value; let the template write it");
	if (!haproxy_name_is_valid(word(reader, 1)))
		return fail(reader, err, "a backend needs a name of letters, digits and -_.:");
	inherit_defaults(reader, 2);
	out->backends =
	    xreallocarray(out->backends, out->backend_count + 1, sizeof(*out->backends));
	out->backends[out->backend_count++] = xstrdup(word(reader, 1));
	reader->first_server = out->server_count;
	reader->section = SECTION_PROXY;
	return true;
}

/* All of the section counts, whether it stands before or after its server lines. */
static void end_section(struct reader *reader)
{
	const struct waits *waits = &reader->waits;
	bool queues = waits->redispatch_every > 1 && waits->queue_ms > 0;

	if (reader->section == SECTION_DEFAULTS)
		reader->profiles[reader->profile_count - 1].waits = *waits;
	if (reader->section != SECTION_PROXY)
		return;
	for (size_t i = reader->first_server; i < reader->out->server_count; i++) {
		struct haproxy_server *server = &reader->out->servers[i];

		if (!waits->complete)
			server->maxconn = HAPROXY_MAXCONN_UNKNOWN;
		if (!queues || server->maxconn == HAPROXY_MAXCONN_UNKNOWN)
			server->queue_ms = 0;
		else if (server->queue_ms != 0)
			server->queue_ms = waits->queue_ms;
	}
}

static void add_frontend(struct reader *reader)
{
	reader->frontends = xreallocarray(reader->frontends, reader->frontend_count + 1,
	                                  sizeof(*reader->frontends));
	reader->frontends[reader->frontend_count++] = xstrdup(word(reader, 1));
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool share_a_name(struct reader *reader)
{
	const struct haproxy_config *config = reader->out;
	size_t count = reader->frontend_count;

	if (count > 0)
		qsort(reader->frontends, count, sizeof(*reader->frontends), compare_names);
	for (size_t i = 0; count > 0 && i < config->backend_count; i++)
		if (bsearch(&config->backends[i], reader->frontends, count,
		            sizeof(*reader->frontends), compare_names) != NULL)
			return true;
	return false;
}

static bool start_section(struct reader *reader, struct err *err)
{
	end_section(reader);
	reader->section = SECTION_OTHER;
	reader->has_global = reader->has_global || word_is(reader, 0, "global");
	reader->uncertain = reader->conditional_depth > 0;
	if (word_is(reader, 0, "frontend"))
		add_frontend(reader);
	if (word_is(reader, 0, "defaults"))
		start_defaults(reader);
	else if (word_is(reader, 0, "backend") || word_is(reader, 0, "listen"))
		return start_proxy(reader, err);
	return true;
}

/* What all lines about servers have in common: nothing of them may be unknown. */
static bool check_certain(const struct reader *reader, struct err *err)
{
	if (reader->conditional_depth > 0 || reader->uncertain)
		return fail(
		    reader, err,
		    "a server inside .if: segue cannot know whether HAProxy has it; let the "
		    "template decide");
	if (haproxy_lines_has_variable(&reader->lines))
		return fail(reader, err,
		            "an environment variable in a server line: segue cannot "
		            "know its value; let the template write it");
	return true;
}

static bool read_default_server(struct reader *reader, struct err *err)
{
	struct haproxy_params *params = &reader->defaults;

	if (reader->section == SECTION_DEFAULTS)
		params = &reader->profiles[reader->profile_count - 1].params;
	if (!check_certain(reader, err))
		return false;
	if (!haproxy_params_read(params, &reader->lines, 1, err))
		return err_wrap(err, "line %u", reader->lines.number);
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

	if (!check_certain(reader, err))
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

static bool add_server(struct reader *reader, char *address, uint16_t port, struct err *err)
{
	struct haproxy_config *out = reader->out;
	struct haproxy_params params;

	haproxy_params_init(&params);
	haproxy_params_copy(&params, &reader->defaults);
	if (!haproxy_params_read(&params, &reader->lines, 3, err)) {
		haproxy_params_fini(&params);
		free(address);
		return err_wrap(err, "line %u: server %s", reader->lines.number, word(reader, 1));
	}
	out->servers = xreallocarray(out->servers, out->server_count + 1, sizeof(*out->servers));
	out->servers[out->server_count++] = (struct haproxy_server){
	    .backend = xstrdup(out->backends[out->backend_count - 1]),
	    .name = xstrdup(word(reader, 1)),
	    .address = address,
	    .port = port,
	    .weight = params.weight,
	    .disabled = params.disabled,
	    .check = params.check,
	    .agent = params.agent,
	    .track = params.track,
	    .reload_only = params.reload_only,
	    .maxconn = params.has_minconn ? HAPROXY_MAXCONN_UNKNOWN : params.maxconn,
	    .queue_ms = params.has_maxqueue ? 0 : 1, /* end_section() knows how many */
	    .params = strbuf_detach(&params.text),
	    .line = reader->lines.number,
	};
	return true;
}

static bool read_server(struct reader *reader, struct err *err)
{
	char *address = NULL;
	uint16_t port = 0;

	if (!check_certain(reader, err))
		return false;
	if (!haproxy_name_is_valid(word(reader, 1)))
		return fail(reader, err, "a server needs a name of letters, digits and -_.:");
	switch (haproxy_address_read(word(reader, 2), &address, &port, err)) {
	case HAPROXY_ADDRESS_BAD:
		return err_wrap(err, "line %u: server %s", reader->lines.number, word(reader, 1));
	case HAPROXY_ADDRESS_OTHER:
		add_fixed(reader, 0, 0);
		return true;
	case HAPROXY_ADDRESS_IP:
		return add_server(reader, address, port, err);
	}
	return false;
}

static bool read_conditional(struct reader *reader, struct err *err)
{
	if (word_is(reader, 0, ".if"))
		reader->conditional_depth++;
	if (word_is(reader, 0, ".endif") && reader->conditional_depth-- == 0)
		return fail(reader, err, ".endif without .if");
	append_structure(reader);
	return true;
}

/* After a block that may have begun another section, a server may still be one of the backend
 * before it: then it reaches check_certain(), which refuses it. */
static bool may_be_proxy(const struct reader *reader)
{
	return reader->section == SECTION_PROXY ||
	       (reader->uncertain && reader->conditional_depth == 0);
}

static void read_waits(struct reader *reader)
{
	struct waits *waits = &reader->waits;
	size_t at = word_is(reader, 0, "no") ? 1 : 0;

	if (haproxy_lines_has_variable(&reader->lines) || reader->conditional_depth > 0)
		waits->complete = false;
	if (word_is(reader, at, "option") && word_is(reader, at + 1, "redispatch"))
		waits->redispatch_every = at == 0 ? strtol(word(reader, at + 2), NULL, 10) : 0;
	if (word_is(reader, 0, "timeout") && word_is(reader, 1, "queue"))
		waits->queue_ms = haproxy_duration_ms(word(reader, 2));
}

static bool read_line(struct reader *reader, struct err *err)
{
	if (word(reader, 0)[0] == '.')
		return read_conditional(reader, err);
	if (haproxy_keyword_is_section(word(reader, 0))) {
		append_structure(reader);
		return start_section(reader, err);
	}
	read_waits(reader);
	if (word_is(reader, 0, "default-server") && reader->section != SECTION_OTHER)
		return read_default_server(reader, err);
	if (may_be_proxy(reader) && word_is(reader, 0, "server"))
		return read_server(reader, err);
	if (may_be_proxy(reader) && word_is(reader, 0, "server-template"))
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
	return reader->conditional_depth == 0 || fail(reader, err, ".if without .endif");
}

struct place { /* where a name stands, for sorting */
	const char *backend, *name;
	unsigned line;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *left = a, *right = b;
	int order = strcmp(left->backend, right->backend);

	order = order != 0 ? order : strcmp(left->name, right->name);
	return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

/* Sorted, so that a thousand backends take no million comparisons before each move. */
static bool check_unique(const struct haproxy_config *config, struct err *err)
{
	size_t count = config->server_count;
	auto_free struct place *places = xcalloc(count, sizeof(*places));

	for (size_t i = 0; i < count; i++)
		places[i] = (struct place){config->servers[i].backend, config->servers[i].name,
		                           config->servers[i].line};
	qsort(places, count, sizeof(*places), compare_places);
	for (size_t i = 1; i < count; i++)
		if (strcmp(places[i - 1].backend, places[i].backend) == 0 &&
		    strcmp(places[i - 1].name, places[i].name) == 0)
			return err_set(err, "line %u: server %s/%s stands on line %u too",
			               places[i].line, places[i].backend, places[i].name,
			               places[i - 1].line);
	return true;
}

static void reader_fini(struct reader *reader)
{
	for (size_t i = 0; i < reader->profile_count; i++) {
		free(reader->profiles[i].name);
		haproxy_params_fini(&reader->profiles[i].params);
	}
	for (size_t i = 0; i < reader->frontend_count; i++)
		free(reader->frontends[i]);
	free(reader->frontends);
	free(reader->profiles);
	haproxy_params_fini(&reader->defaults);
	haproxy_lines_fini(&reader->lines);
	strbuf_fini(&reader->structure);
}

bool haproxy_config_parse(const char *text, size_t len, struct haproxy_config *out, struct err *err)
{
	struct reader reader = {.out = out, .structure = STRBUF_INIT};
	bool done;

	*out = (struct haproxy_config){0};
	haproxy_lines_init(&reader.lines, text, len);
	haproxy_params_init(&reader.defaults);
	done = read_all(&reader, err) && check_unique(out, err);
	out->structure = strbuf_detach(&reader.structure);
	reader_fini(&reader);
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
