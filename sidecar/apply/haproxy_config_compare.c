/* Two texts against each other: what of the new one the runtime cannot take up. */
#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_config.h"

#define SHOWN_MAX 120 /* bytes of a line in a message */

/* Lines `name`, `name1` of a fixed entry; compared as text, so that no number can overflow. */
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

static bool structure_differs(const char *old, const char *new, struct strbuf *why)
{
	if (strcmp(old, new) == 0)
		return false;
	while (line_length(old) == line_length(new) && strncmp(old, new, line_length(old)) == 0) {
		old += line_length(old) + 1;
		new += line_length(new) + 1;
	}
	append_line(why, old);
	strbuf_append_str(why, " became ");
	append_line(why, new);
	return true;
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
	if (old->check != new->check) {
		strbuf_printf(why, "check turned %s", new->check ? "on" : "off");
		return true;
	}
	append_line(why, old->params);
	strbuf_append_str(why, " became ");
	append_line(why, new->params);
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
