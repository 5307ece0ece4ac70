/* Any text: parse and lint never crash, what is accepted can stand in a command, needs no reload
 * against itself, and HAProxy already as desired gets no command. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "haproxy/model/address.h"
#include "haproxy/model/config.h"
#include "haproxy/model/diff.h"
#include "haproxy/model/lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* What HAProxy would show after loading the file. */
static void make_live(const struct haproxy_config *config, struct haproxy_live *live)
{
	live->count = config->server_count;
	live->servers = xcalloc(live->count, sizeof(*live->servers));
	for (size_t i = 0; i < live->count; i++) {
		const struct haproxy_server *server = &config->servers[i];

		live->servers[i] = (struct haproxy_live_server){
		    .backend = xstrdup(server->backend),
		    .name = xstrdup(server->name),
		    .address = xstrdup(server->address),
		    .port = server->port,
		    .operational = server->disabled ? 0 : 2,
		    .admin = server->disabled ? 5 : 0,
		    .weight = server->weight,
		};
	}
}

static void check_servers(const struct haproxy_config *config)
{
	for (size_t i = 0; i < config->server_count; i++) {
		const struct haproxy_server *server = &config->servers[i];
		auto_free char *canonical = haproxy_address_canonical(server->address);

		require(haproxy_name_is_valid(server->backend));
		require(haproxy_name_is_valid(server->name));
		require(canonical != NULL && strcmp(canonical, server->address) == 0);
		require(server->port > 0 && server->weight <= 256);
	}
}

static const struct haproxy_abilities abilities = {.can_add = true};

static void check_settled(const struct haproxy_config *config)
{
	struct haproxy_live live = {0};
	struct haproxy_diff diff;

	make_live(config, &live);
	haproxy_diff(config, &live, abilities, &diff);
	require(diff.commands.len == 0 && diff.command_count == 0);
	haproxy_diff_free(&diff);
	haproxy_live_free(&live);
}

/* From nothing, whatever is sent is one line. */
static void check_one_line(const struct haproxy_config *config)
{
	struct haproxy_live_server other = {.name = (char[]){"x"}, .address = (char[]){"::"}};
	struct haproxy_live live = {.servers = &other, .count = 1};
	struct haproxy_diff diff;

	if (config->server_count == 0)
		return;
	other.backend = config->servers[0].backend;
	haproxy_diff(config, &live, abilities, &diff);
	require(strchr(diff.commands.data, '\n') == NULL);
	require(strlen(diff.commands.data) == diff.commands.len);
	haproxy_diff_free(&diff);
}

/* With its own servers a text stays as it is; with others it has those, and the same structure. */
static void check_patched(const char *text, size_t len, struct haproxy_config *config)
{
	struct strbuf out = STRBUF_INIT;
	struct haproxy_config after;
	struct err err;

	require(haproxy_config_patch(text, len, config, &out, &err));
	require(out.len == len && memcmp(out.data, text, len) == 0);
	strbuf_reset(&out);
	for (size_t i = 0; i < config->server_count; i++) {
		struct haproxy_server *server = &config->servers[i];

		server->port = (uint16_t)(server->port % 65535 + 1);
		server->weight = (server->weight + (unsigned)i) % 257;
		server->disabled = server->disabled != (i % 3 == 0);
	}
	if (haproxy_config_patch(text, len, config, &out, &err)) {
		require(haproxy_config_parse(out.data, out.len, &after, &err));
		require(strcmp(after.structure, config->structure) == 0);
		require(after.server_count == config->server_count);
		for (size_t i = 0; i < after.server_count; i++) {
			const struct haproxy_server *a = &after.servers[i],
			                            *b = &config->servers[i];

			require(strcmp(a->address, b->address) == 0 && a->port == b->port);
			require(a->weight == b->weight && a->disabled == b->disabled);
			require(strcmp(a->params, b->params) == 0 && a->check == b->check);
		}
		haproxy_config_free(&after);
	}
	strbuf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct string_list findings = {.count = 0};
	struct strbuf text = STRBUF_INIT;
	struct haproxy_config config;
	struct err err;

	haproxy_lint((const char *)data, size, HAPROXY_LINT_HOLD_MS, &findings);
	string_list_free(&findings);
	if (haproxy_config_parse((const char *)data, size, &config, &err)) {
		check_servers(&config);
		require(!haproxy_config_needs_reload(&config, &config, &text));
		check_settled(&config);
		check_one_line(&config);
		check_patched((const char *)data, size, &config);
		haproxy_config_free(&config);
	} else {
		require(strncmp(err.message, "line ", 5) == 0);
	}
	strbuf_fini(&text);
	return 0;
}
