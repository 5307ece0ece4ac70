/* Follows binds to servers; see the header. A part that only HAProxy can know, such as a backend of
 * another file or a name in a variable, may lead to the primary: a text is never refused for it. */
#include "haproxy/model/routes.h"

#include <stdlib.h>
#include <string.h>

#include "haproxy/model/binds.h"
#include "haproxy/model/syntax.h"
#include "target/target.h"

/* Where a bind leads, from worst to best. */
enum way {
	WAY_NOWHERE,   /* no server takes clients */
	WAY_ELSEWHERE, /* to other servers only */
	WAY_PARTLY,    /* to the primary and to other servers */
	WAY_PRIMARY,   /* to the primary only */
	WAY_UNKNOWN,   /* only HAProxy knows; counts as the primary */
};

struct names {
	char **items;
	size_t count;
};

struct section {
	char *spelled;    /* "frontend orders_rw_in" */
	const char *name; /* the part of `spelled` after the keyword */
	unsigned line;
	bool is_frontend, is_backend; /* a listen is both */
	bool is_defaults;
	bool disabled;
	bool is_web;           /* mode http, or HAProxy itself answers the clients */
	bool unknown;          /* it has something that only HAProxy can know */
	bool inherits_unknown; /* its defaults are in another file */
	bool has_bind;
	char *default_backend;    /* NULL: none */
	struct names use;         /* the backends of use_backend */
	size_t primaries, others; /* number of servers that take clients */
};

struct ways {
	struct section *sections; /* [0]: lines before the first section, as in haproxy_binds */
	size_t count;
	struct haproxy_binds binds;
	bool has_global; /* the text has `global`: it is the whole file */
};

struct reader {
	struct haproxy_lines lines;
	struct ways *out;
	unsigned conditional_depth;
};

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; (at = strstr(at, word)) != NULL; at += len)
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

bool haproxy_takes_clients(const struct haproxy_server *server)
{
	return !server->disabled && server->weight > 0 && !has_word(server->params, "backup");
}

/* --- reading --- */

static const char *word(const struct reader *reader, size_t i)
{
	return haproxy_lines_word(&reader->lines, i);
}

static bool word_is(const struct reader *reader, size_t i, const char *expected)
{
	return strcmp(word(reader, i), expected) == 0;
}

static struct section *current(const struct reader *reader)
{
	return &reader->out->sections[reader->out->count - 1];
}

static struct section *add_section(struct ways *ways)
{
	ways->sections = xreallocarray(ways->sections, ways->count + 1, sizeof(*ways->sections));
	ways->sections[ways->count] = (struct section){.spelled = xstrdup("")};
	return &ways->sections[ways->count++];
}

/* Returns the defaults section that the section names, otherwise the last one; NULL: it is not in
 * this text. */
static const struct section *find_defaults(const struct reader *reader, size_t from_at)
{
	bool named = word_is(reader, from_at, "from");

	for (size_t i = reader->out->count - 1; i-- > 0;) {
		const struct section *one = &reader->out->sections[i];

		if (one->is_defaults &&
		    (!named || strcmp(one->name, word(reader, from_at + 1)) == 0))
			return one;
	}
	return NULL;
}

static void inherit(const struct reader *reader, struct section *section, size_t from_at)
{
	const struct section *from = find_defaults(reader, from_at);

	if (from == NULL) {
		section->inherits_unknown =
		    word_is(reader, from_at, "from") || !reader->out->has_global;
		return;
	}
	section->inherits_unknown = from->inherits_unknown;
	section->unknown = from->unknown;
	section->is_web = from->is_web;
	if (from->default_backend != NULL)
		section->default_backend = xstrdup(from->default_backend);
}

static void start_section(struct reader *reader)
{
	struct section *section = add_section(reader->out);
	const char *keyword = word(reader, 0), *name = word(reader, 1);
	bool listen = strcmp(keyword, "listen") == 0;
	size_t from_at = 2;

	section->is_defaults = strcmp(keyword, "defaults") == 0;
	if (section->is_defaults && strcmp(name, "from") == 0) {
		name = "";
		from_at = 1;
	}
	free(section->spelled);
	section->spelled = xasprintf("%s %s", keyword, name);
	section->name = section->spelled + strlen(keyword) + 1;
	section->line = reader->lines.number;
	section->is_frontend = listen || strcmp(keyword, "frontend") == 0;
	section->is_backend = listen || strcmp(keyword, "backend") == 0;
	section->unknown = reader->conditional_depth > 0;
	reader->out->has_global = reader->out->has_global || strcmp(keyword, "global") == 0;
	if (section->is_frontend || (section->is_defaults && word_is(reader, from_at, "from")))
		inherit(reader, section, from_at);
}

static void read_use_backend(struct reader *reader)
{
	struct section *section = current(reader);
	struct names *use = &section->use;

	if (haproxy_lines_has_variable(&reader->lines) || strchr(word(reader, 1), '%') != NULL) {
		section->unknown = true;
		return;
	}
	use->items = xreallocarray(use->items, use->count + 1, sizeof(*use->items));
	use->items[use->count++] = xstrdup(word(reader, 1));
}

static void read_default_backend(struct reader *reader)
{
	struct section *section = current(reader);

	section->unknown = section->unknown || haproxy_lines_has_variable(&reader->lines);
	free(section->default_backend);
	section->default_backend = xstrdup(word(reader, 1));
}

static bool answers_by_itself(const struct reader *reader)
{
	return word_is(reader, 0, "http-request") || word_is(reader, 0, "stats") ||
	       word_is(reader, 0, "redirect") || word_is(reader, 0, "monitor-uri");
}

static bool has_other_ways(const struct reader *reader)
{
	for (size_t i = 1; word_is(reader, 0, "tcp-request") && i < reader->lines.count; i++)
		if (word_is(reader, i, "use-service"))
			return true;
	return word_is(reader, 0, "dispatch") ||
	       (word_is(reader, 0, "option") && word_is(reader, 1, "transparent"));
}

static void read_line(struct reader *reader)
{
	struct section *section = current(reader);

	if (word_is(reader, 0, ".if")) {
		reader->conditional_depth++;
	} else if (word_is(reader, 0, ".endif") && reader->conditional_depth > 0) {
		reader->conditional_depth--;
	} else if (haproxy_keyword_is_section(word(reader, 0))) {
		start_section(reader);
	} else if (reader->conditional_depth > 0 || has_other_ways(reader)) {
		section->unknown = true;
	} else if (word_is(reader, 0, "bind")) {
		section->has_bind = true;
	} else if (word_is(reader, 0, "default_backend")) {
		read_default_backend(reader);
	} else if (word_is(reader, 0, "use_backend")) {
		read_use_backend(reader);
	} else if (word_is(reader, 0, "disabled") || word_is(reader, 0, "enabled")) {
		section->disabled = word_is(reader, 0, "disabled");
	} else if (word_is(reader, 0, "mode")) {
		section->is_web = word_is(reader, 1, "http");
	} else if (answers_by_itself(reader) && !section->is_defaults) {
		section->is_web = true;
	}
}

static void ways_fini(struct ways *ways)
{
	for (size_t i = 0; i < ways->count; i++) {
		struct section *section = &ways->sections[i];

		for (size_t j = 0; j < section->use.count; j++)
			free(section->use.items[j]);
		free(section->use.items);
		free(section->default_backend);
		free(section->spelled);
	}
	free(ways->sections);
	haproxy_binds_free(&ways->binds);
}

static struct section *find_backend(const struct ways *ways, const char *name)
{
	for (size_t i = 1; i < ways->count; i++)
		if (ways->sections[i].is_backend && strcmp(ways->sections[i].name, name) == 0)
			return &ways->sections[i];
	return NULL;
}

static bool is_at(const struct haproxy_server *server, const struct haproxy_endpoint *place)
{
	return server->port == place->port && strcmp(server->address, place->address) == 0;
}

static void count_servers(struct ways *ways, const struct haproxy_config *config,
                          const struct haproxy_endpoint *primary)
{
	struct section *section = NULL;

	for (size_t i = 0; i < config->fixed_count; i++) {
		section = find_backend(ways, config->fixed[i].backend);
		if (section != NULL)
			section->unknown = true;
	}
	for (size_t i = 0; i < config->server_count; i++) {
		const struct haproxy_server *server = &config->servers[i];

		if (section == NULL || strcmp(section->name, server->backend) != 0)
			section = find_backend(ways, server->backend);
		if (section == NULL || !haproxy_takes_clients(server))
			continue;
		section->primaries += is_at(server, primary);
		section->others += !is_at(server, primary);
	}
}

/* False: the text cannot be parsed; `err` is set and there is nothing to free. `primary` NULL: does
 * not count the servers. */
static bool ways_read(const char *text, size_t len, const struct haproxy_endpoint *primary,
                      struct ways *out, struct err *err)
{
	struct reader reader = {.out = out};
	struct haproxy_config config;

	*out = (struct ways){.sections = NULL};
	if (!haproxy_config_parse(text, len, &config, err))
		return false;
	(void)add_section(out);
	haproxy_lines_init(&reader.lines, text, len);
	while (haproxy_lines_next(&reader.lines, err))
		read_line(&reader);
	haproxy_lines_fini(&reader.lines);
	haproxy_binds_read(&out->binds, text, len, 0, 0);
	if (primary != NULL)
		count_servers(out, &config, primary);
	haproxy_config_free(&config);
	return true;
}

/* --- where binds lead --- */

struct sum {
	size_t primaries, others;
	bool unknown;
};

static void add_backend(const struct ways *ways, const char *name, struct sum *sum)
{
	const struct section *backend = find_backend(ways, name);

	if (backend == NULL || backend->unknown) {
		sum->unknown = true;
	} else if (!backend->disabled) {
		sum->primaries += backend->primaries;
		sum->others += backend->others;
	}
}

static bool has_backend(const struct section *section)
{
	return section->default_backend != NULL || section->use.count > 0;
}

static enum way way_of(const struct ways *ways, const struct section *section)
{
	struct sum sum = {.primaries = section->primaries,
	                  .others = section->others,
	                  .unknown = section->unknown};

	if (section->default_backend != NULL)
		add_backend(ways, section->default_backend, &sum);
	for (size_t i = 0; i < section->use.count; i++)
		add_backend(ways, section->use.items[i], &sum);
	if (sum.unknown ||
	    (section->inherits_unknown && section->default_backend == NULL && !section->is_backend))
		return WAY_UNKNOWN;
	if (sum.primaries > 0)
		return sum.others > 0 ? WAY_PARTLY : WAY_PRIMARY;
	return sum.others > 0 ? WAY_ELSEWHERE : WAY_NOWHERE;
}

bool haproxy_routes_end(const char *text, size_t len, struct err *err)
{
	struct ways ways;
	bool fine = true;

	if (!ways_read(text, len, NULL, &ways, err))
		return false;
	for (size_t i = 1; i < ways.count && fine; i++) {
		const struct section *section = &ways.sections[i];

		if (section->is_frontend && !section->is_backend && section->has_bind &&
		    !section->disabled && !section->is_web && !section->unknown &&
		    !section->inherits_unknown && !has_backend(section))
			fine = err_set(err,
			               "%s has a bind and no backend: its clients would be turned "
			               "away at once: add default_backend",
			               section->spelled) ||
			       err_at_line(err, section->line);
	}
	ways_fini(&ways);
	return fine;
}

static const struct section *section_of(const struct ways *ways, const struct haproxy_bind *bind)
{
	return &ways->sections[bind->section];
}

static bool any_server_leads(const struct ways *ways)
{
	for (size_t i = 1; i < ways->count; i++)
		if (ways->sections[i].primaries > 0 ||
		    (ways->sections[i].is_backend && ways->sections[i].unknown))
			return true;
	return false;
}

static const char *way_words(enum way way)
{
	switch (way) {
	case WAY_NOWHERE:
		return "leads to no server that takes clients (not disabled, no backup, weight "
		       "above 0)";
	case WAY_ELSEWHERE:
		return "leads to other servers";
	case WAY_PARTLY:
		return "leads to other servers, too";
	case WAY_PRIMARY:
	case WAY_UNKNOWN:
		break;
	}
	return "leads to the primary";
}

bool haproxy_routes_lead(const char *text, size_t len, const struct haproxy_endpoint *primary,
                         struct err *err)
{
	auto_strbuf struct strbuf ends = STRBUF_INIT;
	struct ways ways;
	bool leads = false, has_binds = false;

	if (!ways_read(text, len, primary, &ways, err))
		return false;
	for (size_t i = 0; i < ways.binds.count && !leads; i++) {
		const struct section *section = section_of(&ways, &ways.binds.items[i]);
		enum way way = way_of(&ways, section);

		if (section->is_web)
			continue;
		has_binds = true;
		leads = way >= WAY_PARTLY;
		strbuf_printf(&ends, "%s%s (%s) %s", ends.len > 0 ? ", " : "",
		              ways.binds.items[i].spelled, section->spelled, way_words(way));
	}
	leads = leads || (!has_binds && any_server_leads(&ways));
	if (!leads && has_binds)
		err_set(err, "no bind leads to the primary, %s port %u: %s: " TARGET_TEXT_CURE,
		        primary->address, (unsigned)primary->port, ends.data);
	else if (!leads)
		err_set(err,
		        "no server that takes clients (not disabled, no backup, weight above 0) is "
		        "the primary, %s port %u: " TARGET_TEXT_CURE,
		        primary->address, (unsigned)primary->port);
	ways_fini(&ways);
	return leads;
}

/* --- comparing two texts --- */

static bool same_bind(const struct haproxy_bind *a, const struct haproxy_bind *b)
{
	if (a->kind == HAPROXY_BIND_NAME || b->kind == HAPROXY_BIND_NAME)
		return a->kind == b->kind && strcmp(a->name, b->name) == 0;
	return haproxy_bind_overlaps(a, b);
}

/* Finds the best way of the binds at the same address as `like`. False: there is no such bind. */
static bool find_way(const struct ways *ways, const struct haproxy_bind *like, enum way *way,
                     const struct section **section)
{
	bool found = false;

	for (size_t i = 0; i < ways->binds.count; i++) {
		const struct section *one = section_of(ways, &ways->binds.items[i]);
		enum way its = way_of(ways, one);

		if (one->is_web || !same_bind(&ways->binds.items[i], like) ||
		    (found && its <= *way))
			continue;
		found = true;
		*way = its;
		*section = one;
	}
	return found;
}

static bool leads_for_sure(enum way way)
{
	return way == WAY_PARTLY || way == WAY_PRIMARY;
}

static void tell_lost(const struct ways *before, const struct ways *now, struct strbuf *out)
{
	for (size_t i = 0; i < before->binds.count; i++) {
		const struct haproxy_bind *bind = &before->binds.items[i];
		const struct section *was = section_of(before, bind), *is = NULL;
		enum way then = way_of(before, was), way = WAY_NOWHERE;

		if (was->is_web || !leads_for_sure(then))
			continue;
		if (find_way(now, bind, &way, &is) && way >= then)
			continue;
		strbuf_printf(out, "%s%s (%s) led to the primary, ", out->len > 0 ? "; " : "",
		              bind->spelled, was->spelled);
		if (is == NULL)
			strbuf_append_str(out, "and nothing is bound there any more");
		else
			strbuf_printf(out, "and now %s (%s)", way_words(way), is->spelled);
	}
}

static void tell_gained(const struct ways *before, const struct ways *now, struct strbuf *out)
{
	for (size_t i = 0; i < now->binds.count; i++) {
		const struct haproxy_bind *bind = &now->binds.items[i];
		const struct section *is = section_of(now, bind), *was = NULL;
		enum way way = way_of(now, is), then = WAY_NOWHERE;

		if (!is->is_web && leads_for_sure(way) &&
		    (!find_way(before, bind, &then, &was) || then < way))
			strbuf_printf(out, "; %s (%s) leads to it now", bind->spelled, is->spelled);
	}
}

void haproxy_routes_compare(const struct haproxy_routes_text *before,
                            const struct haproxy_routes_text *now, struct strbuf *out)
{
	struct ways old, new;
	struct err ignored;

	if (!ways_read(before->text, before->len, &before->primary, &old, &ignored))
		return;
	if (ways_read(now->text, now->len, &now->primary, &new, &ignored)) {
		tell_lost(&old, &new, out);
		if (out->len > 0)
			tell_gained(&old, &new, out);
		ways_fini(&new);
	}
	ways_fini(&old);
}
