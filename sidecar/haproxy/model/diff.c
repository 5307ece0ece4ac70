/* Compares desired servers with live ones; see the header. An address changes in place and never
 * through maintenance, because maintenance would close waiting clients (EOF). Commands that take a
 * server out of service come first, commands that put it back come last. */
#include "haproxy/model/diff.h"

#include <inttypes.h>
#include <string.h>

#include "base/endpoint.h"
#include "haproxy/model/routes.h"

#define WHY_ENOUGH 400 /* bytes; no reason is added after that many */

/* These append what all entries begin with; the caller appends the rest to the result. */

static struct strbuf *add_command(struct haproxy_diff *out, const char *verb,
                                  const struct haproxy_server *server)
{
	strbuf_printf(&out->commands, "%s%s %s/%s", out->command_count > 0 ? ";" : "", verb,
	              server->backend, server->name);
	out->command_count++;
	return &out->commands;
}

static struct strbuf *add_summary(struct haproxy_diff *out, const struct haproxy_server *server)
{
	strbuf_printf(&out->summary, "%s%s/%s ", out->summary.len > 0 ? ", " : "", server->backend,
	              server->name);
	return &out->summary;
}

static void need_reload(struct haproxy_diff *out, const struct haproxy_server *server,
                        const char *reason)
{
	out->needs_reload = true;
	if (out->why.len < WHY_ENOUGH)
		strbuf_printf(&out->why, "%sserver %s/%s %s", out->why.len > 0 ? "; " : "",
		              server->backend, server->name, reason);
}

static void change_address(struct haproxy_diff *out, const struct haproxy_server *server,
                           const struct haproxy_live_server *live)
{
	char from[ENDPOINT_MAX], to[ENDPOINT_MAX];

	strbuf_printf(add_command(out, "set server", server), " addr %s port %u", server->address,
	              (unsigned)server->port);
	strbuf_printf(add_summary(out, server), "%s->%s",
	              endpoint_format(from, sizeof(from), live->address, live->port),
	              endpoint_format(to, sizeof(to), server->address, server->port));
	out->needs_cleanup = true;
}

static bool is_down(const struct haproxy_live_server *live)
{
	return live->operational == 0 && (live->admin & HAPROXY_ADMIN_MAINT) == 0;
}

/* True when the server needs `health up`. With a check: after a change of address, because a
 * failure at the old address tells nothing about the new one. Without a check: when it is DOWN,
 * because nothing else would set it UP again. */
static bool wants_health_up(const struct haproxy_server *server,
                            const struct haproxy_live_server *live, bool moved)
{
	if (server->disabled || server->track)
		return false;
	return server->check && !server->unchecked ? moved : !server->agent && is_down(live);
}

/* At the closed port of a hold a health check would fail, and HAProxy would drop the waiting
 * clients. So checks are disabled before the address changes to the closed port, and enabled after
 * it has changed back. */
static void change_check(struct haproxy_diff *out, const struct haproxy_server *server,
                         const struct haproxy_live_server *live)
{
	bool enabled = (live->check & HAPROXY_CHECK_ENABLED) != 0;

	if (!server->check || (live->check & HAPROXY_CHECK_CONFIGURED) == 0 ||
	    enabled == !server->unchecked)
		return;
	add_command(out, server->unchecked ? "disable health" : "enable health", server);
	strbuf_append_str(add_summary(out, server), server->unchecked ? "unchecked" : "checked");
}

static void set_limit(struct haproxy_diff *out, const struct haproxy_server *server,
                      const struct haproxy_live_server *live, uint64_t limit)
{
	strbuf_printf(add_command(out, "set maxconn server", server), " %" PRIu64, limit);
	strbuf_printf(add_summary(out, server), "maxconn %" PRIu64 "->%" PRIu64, live->maxconn,
	              limit);
}

static bool has_its_limit(const struct haproxy_server *server,
                          const struct haproxy_live_server *live)
{
	return server->maxconn == HAPROXY_MAXCONN_UNKNOWN || !live->counted ||
	       live->maxconn == (uint64_t)server->maxconn;
}

static void change_limit(struct haproxy_diff *out, const struct haproxy_server *server,
                         const struct haproxy_live_server *live, bool withhold)
{
	uint64_t wanted = server->maxconn > 0 ? (uint64_t)server->maxconn : HAPROXY_MAXCONN_OPEN;

	if (has_its_limit(server, live))
		return;
	if (live->maxconn != wanted && withhold)
		out->withholds = true;
	else if (live->maxconn != wanted)
		set_limit(out, server, live, wanted);
	else if (server->maxconn == 0 && live->queued > 0)
		out->queue_lasts = true;
	else if (server->maxconn == 0)
		strbuf_printf(&out->tidy, "%sset maxconn server %s/%s 0",
		              out->tidy.len > 0 ? ";" : "", server->backend, server->name);
}

static void change_server(struct haproxy_diff *out, const struct haproxy_server *server,
                          const struct haproxy_live_server *live, bool late_address)
{
	bool moved = live->port != server->port || strcmp(live->address, server->address) != 0;
	bool in_maint = (live->admin & HAPROXY_ADMIN_FORCED_MAINT) != 0;
	bool in_drain = (live->admin & HAPROXY_ADMIN_FORCED_DRAIN) != 0;

	if (server->disabled && !in_maint && !server->agent) {
		/* Otherwise clients in its queue would stay there until `timeout queue`. */
		if (!has_its_limit(server, live))
			set_limit(out, server, live, HAPROXY_MAXCONN_OPEN);
		strbuf_append_str(add_command(out, "set server", server), " state maint");
		strbuf_append_str(add_summary(out, server), "disabled");
		out->needs_cleanup = out->needs_cleanup || server->cut_off;
	}
	if (server->unchecked)
		change_check(out, server, live);
	if (moved)
		change_address(out, server, live);
	if (!server->unchecked)
		change_check(out, server, live);
	if (!server->disabled)
		change_limit(out, server, live,
		             moved && late_address && server->maxconn != HAPROXY_MAXCONN_HELD);
	if (live->weight != server->weight && !server->agent) {
		strbuf_printf(add_command(out, "set server", server), " weight %u", server->weight);
		strbuf_printf(add_summary(out, server), "weight %u->%u", live->weight,
		              server->weight);
	}
	if (!server->disabled && (in_maint || in_drain) && !server->agent) {
		strbuf_append_str(add_command(out, "set server", server), " state ready");
		strbuf_append_str(add_summary(out, server), in_maint ? "enabled" : "undrained");
	}
	if (wants_health_up(server, live, moved)) {
		strbuf_append_str(add_command(out, "set server", server), " health up");
		if (!moved)
			strbuf_append_str(add_summary(out, server), "up");
	}
}

/* A new server starts in maintenance with its checks disabled. The checks are enabled before the
 * server, which would otherwise get clients without a check. */
static void add_server(struct haproxy_diff *out, const struct haproxy_server *server)
{
	char address[ENDPOINT_MAX];
	struct strbuf *command = add_command(out, "add server", server);

	endpoint_format(address, sizeof(address), server->address, server->port);
	strbuf_printf(command, " %s%s%s", address, *server->params != '\0' ? " " : "",
	              server->params);
	if (server->weight != 1)
		strbuf_printf(command, " weight %u", server->weight);
	strbuf_append_str(command, server->check ? " check" : "");
	if (server->check)
		add_command(out, "enable health", server);
	if (server->agent)
		add_command(out, "enable agent", server);
	if (!server->disabled)
		add_command(out, "enable server", server);
	strbuf_printf(add_summary(out, server), "added at %s", address);
}

static bool backend_is_live(const struct haproxy_live *live, const char *backend)
{
	for (size_t i = 0; i < live->count; i++)
		if (strcmp(live->servers[i].backend, backend) == 0)
			return true;
	return false;
}

static void handle_missing(struct haproxy_diff *out, const struct haproxy_server *server,
                           const struct haproxy_live *live, bool can_add)
{
	if (!backend_is_live(live, server->backend))
		need_reload(out, server,
		            "is missing with its whole backend: HAProxy has not loaded the file");
	else if (!can_add)
		need_reload(out, server,
		            "is missing, and this HAProxy cannot add servers at runtime");
	else if (server->reload_only)
		need_reload(
		    out, server,
		    "is missing, and its parameters cannot be written in a runtime command");
	else
		add_server(out, server);
}

static void remove_server(struct haproxy_diff *out, const struct haproxy_server *server,
                          bool in_maint, bool can_add)
{
	if (!in_maint)
		strbuf_append_str(add_command(out, "set server", server), " state maint");
	if (can_add) {
		add_command(out, "del server", server);
		out->removals++;
	} else {
		need_reload(out, server,
		            "is surplus, and this HAProxy cannot remove servers at runtime");
	}
	strbuf_append_str(add_summary(out, server), "removed");
}

static void diff_fixed(struct haproxy_diff *out, const struct haproxy_config *desired,
                       const struct haproxy_live *live)
{
	for (size_t i = 0; i < desired->fixed_count; i++) {
		const struct haproxy_fixed *fixed = &desired->fixed[i];
		const struct haproxy_server server = {.backend = fixed->backend,
		                                      .name = fixed->name};

		if (fixed->last == 0 &&
		    haproxy_live_find(live, fixed->backend, fixed->name, NULL) == NULL)
			need_reload(out, &server,
			            "is missing, and only a reload of the file can add it");
	}
}

static void diff_servers(struct haproxy_diff *out, const struct haproxy_config *desired,
                         const struct haproxy_live *live, struct haproxy_abilities abilities)
{
	size_t hint = 0;

	for (size_t i = 0; i < desired->server_count; i++) {
		const struct haproxy_server *server = &desired->servers[i];
		const struct haproxy_live_server *one =
		    haproxy_live_find(live, server->backend, server->name, &hint);

		if (one == NULL)
			handle_missing(out, server, live, abilities.can_add);
		else if (*one->address == '\0')
			need_reload(
			    out, server,
			    "has no IP address in HAProxy, and a runtime command cannot set one");
		else
			change_server(out, server, one, abilities.late_address);
	}
}

static void diff_surplus(struct haproxy_diff *out, const struct haproxy_config *desired,
                         const struct haproxy_live *live, bool can_add)
{
	size_t server_hint = 0, backend_hint = 0;

	for (size_t i = 0; i < live->count; i++) {
		const struct haproxy_live_server *one = &live->servers[i];
		const struct haproxy_server server = {.backend = one->backend, .name = one->name};

		if (haproxy_config_drops(desired, &server, &backend_hint) &&
		    haproxy_config_find(desired, &server, &server_hint) == NULL)
			remove_server(out, &server, (one->admin & HAPROXY_ADMIN_FORCED_MAINT) != 0,
			              can_add);
	}
}

void haproxy_diff(const struct haproxy_config *desired, const struct haproxy_live *live,
                  struct haproxy_abilities abilities, struct haproxy_diff *out)
{
	*out = (struct haproxy_diff){.commands = STRBUF_INIT,
	                             .summary = STRBUF_INIT,
	                             .why = STRBUF_INIT,
	                             .tidy = STRBUF_INIT};
	diff_servers(out, desired, live, abilities);
	diff_fixed(out, desired, live);
	diff_surplus(out, desired, live, abilities.can_add);
}

void haproxy_diff_free(struct haproxy_diff *diff)
{
	strbuf_fini(&diff->commands);
	strbuf_fini(&diff->summary);
	strbuf_fini(&diff->why);
	strbuf_fini(&diff->tidy);
}

const struct haproxy_server *haproxy_find_down(const struct haproxy_config *config,
                                               const struct haproxy_endpoint *primary,
                                               const struct haproxy_live *live)
{
	const struct haproxy_server *down = NULL;
	const char *backend = "";
	bool passes = false; /* the current backend has a server that is UP or not the primary */
	size_t hint = 0;

	for (size_t i = 0; i < config->server_count; i++) {
		const struct haproxy_server *server = &config->servers[i];
		const struct haproxy_live_server *one;

		if (strcmp(server->backend, backend) != 0) {
			if (down != NULL && !passes)
				return down;
			backend = server->backend;
			down = NULL;
			passes = false;
		}
		if (passes || !haproxy_takes_clients(server))
			continue;
		one = haproxy_live_find(live, server->backend, server->name, &hint);
		passes = !haproxy_server_is_at(server, primary) || one == NULL || !is_down(one);
		down = server;
	}
	return passes ? NULL : down;
}
