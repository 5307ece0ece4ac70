/* Follows binds to servers; see the header. A part that only HAProxy can know, such as a backend of
 * another file or a name in a variable, may lead to the primary: a text is never refused for it.
 * HAProxy itself accepts a section without a server, and clients would reach nothing. */
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

struct section {
	char *spelled;    /* "frontend orders_rw_in" */
	const char *name; /* the part of `spelled` after the keyword */
	unsigned line;
	bool is_frontend, is_backend; /* a listen is both */
	bool is_defaults;
	bool disabled;
	bool is_web;              /* mode http, or HAProxy itself answers the clients */
	bool unknown;             /* it has something that only HAProxy can know */
	bool inherits_unknown;    /* its defaults are in another file */
	size_t binds, servers;    /* lines */
	char *default_backend;    /* NULL: none */
	struct string_list use;   /* the backends of use_backend */
	size_t primaries, others; /* number of servers that take clients */
};

struct ways {
	struct section *sections; /* [0]: lines before the first section, as in haproxy_binds */
	size_t count;
	struct haproxy_binds binds;
};

struct reader {
	struct haproxy_lines lines;
	struct ways *out;
};

bool haproxy_takes_clients(const struct haproxy_server *server)
{
	return !server->disabled && server->weight > 0 && !server->backup;
}

/* --- reading --- */

static void add_section(struct ways *ways, const struct section *section)
{
	ways->sections = xreallocarray(ways->sections, ways->count + 1, sizeof(*ways->sections));
	ways->sections[ways->count++] = *section;
}

/* A backend inherits nothing that matters here. */
static void inherit(const struct section *from, struct section *section)
{
	if (!section->is_frontend && !section->is_defaults)
		return;
	section->inherits_unknown = from->inherits_unknown;
	section->unknown = section->unknown || from->unknown;
	section->is_web = from->is_web;
	if (from->default_backend != NULL)
		section->default_backend = xstrdup(from->default_backend);
}

static void start_section(struct reader *reader)
{
	const struct haproxy_section *read = &reader->lines.section;
	const struct ways *ways = reader->out;
	struct section section = {.spelled = haproxy_section_spelled(read),
	                          .line = read->line,
	                          .is_backend = haproxy_section_is_backend(read->kind),
	                          .is_frontend = read->kind == HAPROXY_SECTION_FRONTEND ||
	                                         read->kind == HAPROXY_SECTION_LISTEN,
	                          .is_defaults = read->kind == HAPROXY_SECTION_DEFAULTS,
	                          .disabled = read->settings.disabled,
	                          .unknown = read->conditional,
	                          .inherits_unknown = read->inherits_unknown};
	size_t seen = 0;

	section.name = section.spelled + strlen(read->keyword) + 1;
	for (size_t i = 0; i < ways->count; i++)
		if (ways->sections[i].is_defaults && ++seen == read->defaults)
			inherit(&ways->sections[i], &section);
	add_section(reader->out, &section);
}

static bool answers_by_itself(const struct haproxy_lines *line)
{
	return haproxy_line_is(line, "http-request") || haproxy_line_is(line, "stats") ||
	       haproxy_line_is(line, "redirect") || haproxy_line_is(line, "monitor-uri");
}

static bool has_other_ways(const struct haproxy_lines *line)
{
	return line->conditional_depth > 0 || haproxy_line_is(line, "dispatch") ||
	       haproxy_line_is(line, "option transparent") ||
	       (haproxy_line_is(line, "tcp-request") &&
	        haproxy_lines_find(line, "use-service") > 0);
}

static void read_line(struct reader *reader)
{
	const struct haproxy_lines *line = &reader->lines;
	struct section *section = &reader->out->sections[reader->out->count - 1];
	bool variable = haproxy_lines_has_variable(line);
	const char *name = haproxy_lines_word(line, 1);

	if (line->starts_section) {
		start_section(reader);
		return;
	}
	section->disabled = line->section.settings.disabled;
	section->binds += haproxy_line_is(line, "bind");
	section->servers +=
	    haproxy_line_is(line, "server") || haproxy_line_is(line, "server-template");
	if (has_other_ways(line)) {
		section->unknown = true;
	} else if (haproxy_line_is(line, "default_backend")) {
		section->unknown = section->unknown || variable;
		free(section->default_backend);
		section->default_backend = xstrdup(name);
	} else if (haproxy_line_is(line, "use_backend")) {
		if (variable || strchr(name, '%') != NULL)
			section->unknown = true;
		else
			string_list_add(&section->use, xstrdup(name));
	} else if (haproxy_line_is(line, "mode")) {
		section->is_web = haproxy_line_is(line, "mode http");
	} else if (answers_by_itself(line) && !section->is_defaults) {
		section->is_web = true;
	}
}

static void ways_fini(struct ways *ways)
{
	for (size_t i = 0; i < ways->count; i++) {
		struct section *section = &ways->sections[i];

		string_list_free(&section->use);
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
		section->primaries += haproxy_server_is_at(server, primary);
		section->others += !haproxy_server_is_at(server, primary);
	}
}

/* Reads the sections only. False: `err` is set and there is nothing to free. */
static bool read_sections(const char *text, size_t len, struct ways *out, struct err *err)
{
	struct reader reader = {.out = out};

	*out = (struct ways){.sections = NULL};
	add_section(out, &(struct section){.spelled = xstrdup("")});
	haproxy_lines_init(&reader.lines, text, len);
	while (haproxy_lines_next(&reader.lines, err))
		read_line(&reader);
	haproxy_lines_fini(&reader.lines);
	if (reader.lines.failed)
		ways_fini(out);
	return !reader.lines.failed;
}

/* False: the text cannot be parsed; `err` is set and there is nothing to free. */
static bool ways_read(const char *text, size_t len, const struct haproxy_endpoint *primary,
                      struct ways *out, struct err *err)
{
	struct haproxy_config config;
	bool fine;

	if (!haproxy_config_parse(text, len, &config, err))
		return false;
	fine = read_sections(text, len, out, err);
	if (fine) {
		haproxy_binds_read(&out->binds, text, len, 0, 0);
		count_servers(out, &config, primary);
	}
	haproxy_config_free(&config);
	return fine;
}

/* --- where binds lead --- */

static void add_backend(const struct ways *ways, const char *name, struct section *sum)
{
	const struct section *backend = find_backend(ways, name);

	if (backend == NULL || backend->unknown) {
		sum->unknown = true;
	} else if (!backend->disabled) {
		sum->primaries += backend->primaries;
		sum->others += backend->others;
	}
}

static enum way way_of(const struct ways *ways, const struct section *section)
{
	struct section sum = *section;

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

static bool routes_end(const struct ways *ways, struct err *err)
{
	for (size_t i = 1; i < ways->count; i++) {
		const struct section *section = &ways->sections[i];

		if (section->is_frontend && !section->is_backend && section->binds > 0 &&
		    !section->disabled && !section->is_web && !section->unknown &&
		    !section->inherits_unknown && section->default_backend == NULL &&
		    section->use.count == 0)
			return err_set(err,
			               "%s has a bind and no backend: its clients would be "
			               "disconnected at once: add default_backend",
			               section->spelled) ||
			       err_at_line(err, section->line);
	}
	return true;
}

#define TAKES_CLIENTS "takes clients (not disabled, no backup, weight above 0)"

static const char *const way_words[] = {
    [WAY_NOWHERE] = ("leads to no server that " TAKES_CLIENTS),
    [WAY_ELSEWHERE] = "leads to other servers",
    [WAY_PARTLY] = "leads to the primary, but also to other servers",
    [WAY_PRIMARY] = "leads to the primary",
    [WAY_UNKNOWN] = "leads to the primary",
};

static bool set_no_server(const struct haproxy_endpoint *primary, struct err *err)
{
	return err_set(
	    err, "no server that " TAKES_CLIENTS " is the primary, %s port %u: " TARGET_TEXT_CURE,
	    primary->address, (unsigned)primary->port);
}

static bool routes_lead(const struct ways *ways, const struct haproxy_endpoint *primary,
                        struct err *err)
{
	auto_strbuf struct strbuf ends = STRBUF_INIT;

	for (size_t i = 0; i < ways->binds.count; i++) {
		const struct haproxy_bind *bind = &ways->binds.items[i];
		const struct section *section = &ways->sections[bind->section];
		enum way way = way_of(ways, section);

		if (section->is_web)
			continue;
		if (way >= WAY_PARTLY)
			return true;
		strbuf_printf(&ends, "%s%s (%s) %s", ends.len > 0 ? ", " : "", bind->spelled,
		              section->spelled, way_words[way]);
	}
	if (ends.len > 0)
		return err_set(err,
		               "no bind leads to the primary, %s port %u: %s: " TARGET_TEXT_CURE,
		               primary->address, (unsigned)primary->port, ends.data);
	for (size_t i = 1; i < ways->count; i++)
		if (ways->sections[i].primaries > 0 ||
		    (ways->sections[i].is_backend && ways->sections[i].unknown))
			return true;
	return set_no_server(primary, err);
}

static bool some_server_leads(const char *text, size_t len, const struct haproxy_endpoint *primary,
                              struct err *err)
{
	struct haproxy_config config;
	bool leads;

	if (!haproxy_config_parse(text, len, &config, err))
		return false;
	leads = config.fixed_count > 0;
	for (size_t i = 0; i < config.server_count && !leads; i++)
		leads = haproxy_takes_clients(&config.servers[i]) &&
		        haproxy_server_is_at(&config.servers[i], primary);
	haproxy_config_free(&config);
	return leads || set_no_server(primary, err);
}

bool haproxy_text_leads(const struct config_target *config, bool whole, const char *text,
                        size_t len, const char *address, uint16_t port, struct err *err)
{
	const struct haproxy_endpoint primary = {address, port};
	struct ways ways;
	bool fine;

	if (!whole)
		return !config->leads_to_primary || some_server_leads(text, len, &primary, err);
	if (!ways_read(text, len, &primary, &ways, err))
		return false;
	fine = routes_end(&ways, err) &&
	       (!config->leads_to_primary || routes_lead(&ways, &primary, err));
	ways_fini(&ways);
	return fine;
}

/* --- comparing two texts --- */

/* Finds the best way of the binds at the same address as `like`. False: there is no such bind. */
static bool find_way(const struct ways *ways, const struct haproxy_bind *like, enum way *way,
                     const struct section **section)
{
	bool found = false;

	for (size_t i = 0; i < ways->binds.count; i++) {
		const struct haproxy_bind *bind = &ways->binds.items[i];
		const struct section *one = &ways->sections[bind->section];
		enum way its = way_of(ways, one);

		if (one->is_web || !haproxy_bind_shares(bind, like) || (found && its <= *way))
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
		const struct section *was = &before->sections[bind->section], *is = NULL;
		enum way then = way_of(before, was), way = WAY_NOWHERE;

		if (was->is_web || !leads_for_sure(then) ||
		    (find_way(now, bind, &way, &is) && way >= then))
			continue;
		strbuf_printf(out, "%s%s (%s) led to the primary, ", out->len > 0 ? "; " : "",
		              bind->spelled, was->spelled);
		if (is == NULL)
			strbuf_append_str(out, "and nothing is bound there now");
		else
			strbuf_printf(out, "and now %s (%s)", way_words[way], is->spelled);
	}
}

static void tell_gained(const struct ways *before, const struct ways *now, struct strbuf *out)
{
	for (size_t i = 0; i < now->binds.count; i++) {
		const struct haproxy_bind *bind = &now->binds.items[i];
		const struct section *is = &now->sections[bind->section], *was = NULL;
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

/* Checks whether the section of this name in `ways`, if there is one, still has its lines. */
static bool section_keeps(const struct section *before, const struct ways *ways, struct err *err)
{
	for (size_t i = 1; i < ways->count; i++) {
		const struct section *now = &ways->sections[i];
		bool servers_lost = before->servers > 0 && now->servers == 0;

		if (strcmp(now->spelled, before->spelled) != 0)
			continue;
		return (!servers_lost && (before->binds == 0 || now->binds > 0)) ||
		       err_set(
		           err,
		           "%s would have no %s line any more: is a {{...}} tag of the template "
		           "in the wrong place? To remove a section, remove all its lines",
		           before->spelled, servers_lost ? "server" : "bind");
	}
	return true;
}

bool haproxy_text_keeps(const char *before, size_t before_len, const char *text, size_t len,
                        struct err *err)
{
	struct ways old, new;
	struct err ignored; /* an error in the old text is no reason to refuse the new one */
	bool keeps = true;

	if (!read_sections(text, len, &new, err))
		return false;
	if (read_sections(before, before_len, &old, &ignored)) {
		for (size_t i = 1; i < old.count && keeps; i++)
			keeps = section_keeps(&old.sections[i], &new, err);
		ways_fini(&old);
	}
	ways_fini(&new);
	return keeps;
}
