/* What is wrong with a text though it can be read; see the header. Refuses a template whose marks
 * are spelled right and mean nothing: `haproxy -c` takes a section without a server, and clients
 * would be led nowhere. */
#include "target/text_check.h"

#include <stdlib.h>
#include <string.h>

#include "haproxy/model/config.h"
#include "haproxy/model/routes.h"
#include "haproxy/model/syntax.h"
#include "pgbouncer/model/databases.h"

/* --- the way to the primary --- */

static bool haproxy_leads(const char *text, size_t len, const char *address, uint16_t port,
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
	               "0) is the primary, %s port %u: " SENSE_CURE,
	               address, (unsigned)port);
}

/* `host` may be a list. */
static bool names_host(const char *host, const char *address)
{
	size_t len = strlen(address);

	for (;; host++) {
		if (strncmp(host, address, len) == 0 && (host[len] == ',' || host[len] == '\0'))
			return true;
		host = strchr(host, ',');
		if (host == NULL)
			return false;
	}
}

static bool pgbouncer_leads(const char *text, size_t len, const char *address, uint16_t port,
                            struct err *err)
{
	struct pgbouncer_ini ini;
	bool leads = false;

	if (!pgbouncer_ini_parse(text, len, &ini, err))
		return false;
	for (size_t i = 0; i < ini.count && !leads; i++) {
		const struct pgbouncer_database *database = &ini.databases[i];

		leads = *database->host == '\0' || *database->host == '/' ||
		        (database->port == port && names_host(database->host, address));
	}
	pgbouncer_ini_free(&ini);
	return leads || err_set(err, "no database leads to the primary, %s port %u: " SENSE_CURE,
	                        address, (unsigned)port);
}

bool text_check_leads(const struct config_target *target, const char *text, size_t len,
                      const char *address, uint16_t port, struct err *err)
{
	if (!target->leads_to_primary)
		return true;
	switch (target->kind) {
	case CONFIG_TARGET_HAPROXY:
		return haproxy_leads(text, len, address, port, err);
	case CONFIG_TARGET_PGBOUNCER:
		return pgbouncer_leads(text, len, address, port, err);
	case CONFIG_TARGET_FILE:
		break;
	}
	return true;
}

bool text_check_judge(const struct config_target *target, const char *text, size_t len,
                      const char *address, uint16_t port, struct err *err)
{
	const struct haproxy_endpoint primary = {address, port};

	if (target->kind != CONFIG_TARGET_HAPROXY)
		return text_check_leads(target, text, len, address, port, err);
	if (!haproxy_routes_end(text, len, err))
		return false;
	return !target->leads_to_primary || haproxy_routes_lead(text, len, &primary, err);
}

/* --- what a section has --- */

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

bool text_check_keeps(const struct config_target *target, const char *before, size_t before_len,
                      const char *text, size_t len, struct err *err)
{
	struct sections old, new;
	bool keeps = true;

	if (target->kind != CONFIG_TARGET_HAPROXY)
		return true;
	if (!sections_read(text, len, &new, err))
		return false;
	if (!sections_read(before, before_len, &old, err)) {
		sections_fini(&new);
		return true; /* what was there before is no reason to refuse what comes */
	}
	for (size_t i = 0; i < old.count && keeps; i++) {
		const struct section *now = find_section(&new, old.items[i].name);

		keeps = now == NULL || section_keeps(&old.items[i], now, err);
	}
	sections_fini(&old);
	sections_fini(&new);
	return keeps;
}
