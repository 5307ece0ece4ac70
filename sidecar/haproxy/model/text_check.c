/* Checks a text that HAProxy would accept; see the header. `haproxy -c` accepts a section without a
 * server, and clients would reach nothing. */
#include "haproxy/model/text_check.h"

#include <stdlib.h>
#include <string.h>

#include "haproxy/model/config.h"
#include "haproxy/model/routes.h"
#include "haproxy/model/syntax.h"
#include "target/target.h"

/* --- the way to the primary --- */

static bool some_server_leads(const char *text, size_t len, const char *address, uint16_t port,
                              struct err *err)
{
	struct haproxy_config config;
	bool leads;

	if (!haproxy_config_parse(text, len, &config, err))
		return false;
	leads = config.fixed_count > 0;
	for (size_t i = 0; i < config.server_count && !leads; i++) {
		const struct haproxy_server *server = &config.servers[i];

		leads = haproxy_takes_clients(server) && server->port == port &&
		        strcmp(server->address, address) == 0;
	}
	haproxy_config_free(&config);
	return leads ||
	       err_set(err,
	               "no server that takes clients (not disabled, no backup, weight above "
	               "0) is the primary, %s port %u: " TARGET_TEXT_CURE,
	               address, (unsigned)port);
}

bool haproxy_text_leads(const struct config_target *config, bool whole, const char *text,
                        size_t len, const char *address, uint16_t port, struct err *err)
{
	const struct haproxy_endpoint primary = {address, port};

	if (!whole)
		return !config->leads_to_primary ||
		       some_server_leads(text, len, address, port, err);
	if (!haproxy_routes_end(text, len, err))
		return false;
	return !config->leads_to_primary || haproxy_routes_lead(text, len, &primary, err);
}

/* --- the binds and servers of each section --- */

struct section {
	char *name; /* "listen rw" */
	size_t binds, servers;
};

struct sections {
	struct section *items;
	size_t count;
};

static void sections_fini(struct sections *sections)
{
	for (size_t i = 0; i < sections->count; i++)
		free(sections->items[i].name);
	free(sections->items);
}

static bool sections_read(const char *text, size_t len, struct sections *out, struct err *err)
{
	struct haproxy_lines lines;
	bool failed;

	*out = (struct sections){.items = NULL};
	haproxy_lines_init(&lines, text, len);
	while (haproxy_lines_next(&lines, err)) {
		const char *word = haproxy_lines_word(&lines, 0);

		if (haproxy_keyword_is_section(word)) {
			out->items = xreallocarray(out->items, out->count + 1, sizeof(*out->items));
			out->items[out->count++] = (struct section){
			    .name = xasprintf("%s %s", word, haproxy_lines_word(&lines, 1))};
		} else if (out->count > 0) {
			struct section *section = &out->items[out->count - 1];

			section->binds += strcmp(word, "bind") == 0;
			section->servers +=
			    strcmp(word, "server") == 0 || strcmp(word, "server-template") == 0;
		}
	}
	failed = lines.failed;
	haproxy_lines_fini(&lines);
	if (failed)
		sections_fini(out);
	return !failed;
}

static const struct section *find_section(const struct sections *sections, const char *name)
{
	for (size_t i = 0; i < sections->count; i++)
		if (strcmp(sections->items[i].name, name) == 0)
			return &sections->items[i];
	return NULL;
}

static bool section_keeps(const struct section *before, const struct section *now, struct err *err)
{
	const char *lost = before->servers > 0 && now->servers == 0 ? "server"
	                   : before->binds > 0 && now->binds == 0   ? "bind"
	                                                            : NULL;

	return lost == NULL ||
	       err_set(err,
	               "%s would have no %s line any more: is a mark of the template in the wrong "
	               "place? Who wants the section gone removes all of it",
	               before->name, lost);
}

bool haproxy_text_keeps(const char *before, size_t before_len, const char *text, size_t len,
                        struct err *err)
{
	struct sections old, new;
	bool keeps = true;

	if (!sections_read(text, len, &new, err))
		return false;
	if (!sections_read(before, before_len, &old, err)) {
		sections_fini(&new);
		return true; /* an error in the old text is no reason to refuse the new one */
	}
	for (size_t i = 0; i < old.count && keeps; i++) {
		const struct section *now = find_section(&new, old.items[i].name);

		keeps = now == NULL || section_keeps(&old.items[i], now, err);
	}
	sections_fini(&old);
	sections_fini(&new);
	return keeps;
}
