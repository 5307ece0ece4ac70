/* Compares desired servers with live ones; see the header. An address changes in place and never
 * through maintenance, because maintenance would close waiting clients (EOF). Commands that take a
 * server out of service come first, commands that put it back come last. */
#include "haproxy/model/diff.h"

#include <inttypes.h>
#include <string.h>

#include "base/endpoint.h"
#include "haproxy/model/routes.h"

#define WHY_ENOUGH 400 /* bytes; no reason is added after that many */

enum admin_bit { /* SRV_ADMF_* of HAProxy */
	         ADMIN_FORCED_MAINT = 1,
	         ADMIN_INHERITED_MAINT = 2,
	         ADMIN_FORCED_DRAIN = 8,
	         ADMIN_RESOLUTION_MAINT = 32,
};

enum check_bit { /* CHK_ST_* */
	         CHECK_CONFIGURED = 2,
	         CHECK_ENABLED = 4,
};

static void add_command(struct haproxy_diff *out, const char *verb,
                        const struct haproxy_server *server, const char *rest)
{
	strbuf_printf(&out->commands, "%s%s %s/%s%s", out->command_count > 0 ? ";" : "", verb,
	              server->backend, server->name, rest);
	out->command_count++;
}

static void add_summary(struct haproxy_diff *out, const struct haproxy_server *server,
                        const char *what)
{
	strbuf_printf(&out->summary, "%s%s/%s %s", out->summary.len > 0 ? ", " : "",
	              server->backend, server->name, what);
}

static void add_why(struct haproxy_diff *out, const char *why)
{
	out->needs_reload = true;
	if (out->why.len < WHY_ENOUGH)
		strbuf_printf(&out->why, "%s%s", out->why.len > 0 ? "; " : "", why);
}

static void change_address(struct haproxy_diff *out, const struct haproxy_server *server,
                           const struct haproxy_live_server *live)
{
	auto_free char *rest =
	    xasprintf(" addr %s port %u", server->address, (unsigned)server->port);
	char from[ENDPOINT_MAX], to[ENDPOINT_MAX];
	auto_free char *what =
	    xasprintf("%s->%s", endpoint_format(from, sizeof(from), live->address, live->port),
	              endpoint_format(to, sizeof(to), server->address, server->port));

	add_command(out, "set server", server, rest);
	add_summary(out, server, what);
	out->needs_cleanup = true;
}

static void change_weight(struct haproxy_diff *out, const struct haproxy_server *server,
                          const struct haproxy_live_server *live)
{
	auto_free char *rest = xasprintf(" weight %u", server->weight);
	auto_free char *what = xasprintf("weight %u->%u", live->weight, server->weight);

	add_command(out, "set server", server, rest);
	add_summary(out, server, what);
}

/* True when the server needs `health up`. With a check: after a change of address, because a
 * failure at the old address tells nothing about the new one. Without a check: when it is DOWN,
 * because nothing else would set it UP again. */
static bool wants_health_up(const struct haproxy_server *server,
                            const struct haproxy_live_server *live, bool moved)
{
	const unsigned maint = ADMIN_FORCED_MAINT | ADMIN_INHERITED_MAINT | ADMIN_RESOLUTION_MAINT;

	if (server->disabled || server->track)
		return false;
	if (server->check && !server->unchecked)
		return moved;
	return !server->agent && live->operational == 0 && (live->admin & maint) == 0;
}

/* At the closed port of a hold a health check would fail, and HAProxy would drop the waiting
 * clients. So checks are disabled before the address changes to the closed port, and enabled after
 * it has changed back. */
static void change_check(struct haproxy_diff *out, const struct haproxy_server *server,
                         const struct haproxy_live_server *live)
{
	bool enabled = (live->check & CHECK_ENABLED) != 0;

	if (!server->check || (live->check & CHECK_CONFIGURED) == 0 ||
	    enabled == !server->unchecked)
		return;
	add_command(out, server->unchecked ? "disable health" : "enable health", server, "");
	add_summary(out, server, server->unchecked ? "unchecked" : "checked");
}

static void set_limit(struct haproxy_diff *out, const struct haproxy_server *server,
                      const struct haproxy_live_server *live, uint64_t limit)
{
	auto_free char *what = xasprintf("maxconn %" PRIu64 "->%" PRIu64, live->maxconn, limit);
	auto_free char *rest = xasprintf(" %" PRIu64, limit);

	add_command(out, "set maxconn server", server, rest);
	add_summary(out, server, what);
}

static void end_limit(struct haproxy_diff *out, const struct haproxy_server *server,
                      const struct haproxy_live_server *live)
{
	if (live->queued > 0)
		out->queue_lasts = true;
	else
		strbuf_printf(&out->tidy, "%sset maxconn server %s/%s 0",
		              out->tidy.len > 0 ? ";" : "", server->backend, server->name);
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
	else if (server->maxconn == 0)
		end_limit(out, server, live);
}

static void change_server(struct haproxy_diff *out, const struct haproxy_server *server,
                          const struct haproxy_live_server *live, bool late_address)
{
	bool moved = live->port != server->port || strcmp(live->address, server->address) != 0;
	bool in_maint = (live->admin & ADMIN_FORCED_MAINT) != 0;
	bool in_drain = (live->admin & ADMIN_FORCED_DRAIN) != 0;

	if (server->disabled && !in_maint && !server->agent) {
		/* Otherwise clients in its queue would stay there until `timeout queue`. */
		if (!has_its_limit(server, live))
			set_limit(out, server, live, HAPROXY_MAXCONN_OPEN);
		add_command(out, "set server", server, " state maint");
		add_summary(out, server, "disabled");
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
	if (live->weight != server->weight && !server->agent)
		change_weight(out, server, live);
	if (!server->disabled && (in_maint || in_drain) && !server->agent) {
		add_command(out, "set server", server, " state ready");
		add_summary(out, server, in_maint ? "enabled" : "undrained");
	}
	if (wants_health_up(server, live, moved)) {
		add_command(out, "set server", server, " health up");
		if (!moved)
			add_summary(out, server, "up");
	}
}

/* A new server starts in maintenance with its checks disabled. The checks are enabled before the
 * server, which would otherwise get clients without a check. */
static void add_server(struct haproxy_diff *out, const struct haproxy_server *server)
{
	char address[ENDPOINT_MAX];
	auto_free char *weight =
	    server->weight != 1 ? xasprintf(" weight %u", server->weight) : xstrdup("");
	auto_free char *rest = xasprintf(
	    " %s%s%s%s%s", endpoint_format(address, sizeof(address), server->address, server->port),
	    *server->params != '\0' ? " " : "", server->params, weight,
	    server->check ? " check" : "");
	auto_free char *what = xasprintf("added at %s", address);

	add_command(out, "add server", server, rest);
	if (server->check)
		add_command(out, "enable health", server, "");
	if (server->agent)
		add_command(out, "enable agent", server, "");
	if (!server->disabled)
		add_command(out, "enable server", server, "");
	add_summary(out, server, what);
}

static bool backend_is_live(const struct haproxy_live *live, const char *backend)
{
	for (size_t i = 0; i < live->count; i++)
		if (strcmp(live->servers[i].backend, backend) == 0)
			return true;
	return false;
}

static void miss_server(struct haproxy_diff *out, const struct haproxy_server *server,
                        const char *reason)
{
	auto_free char *why = xasprintf("server %s/%s %s", server->backend, server->name, reason);

	add_why(out, why);
}

static void handle_missing(struct haproxy_diff *out, const struct haproxy_server *server,
                           const struct haproxy_live *live, bool can_add)
{
	if (!backend_is_live(live, server->backend))
		miss_server(out, server,
		            "is missing with its whole backend: HAProxy has not loaded the file");
	else if (!can_add)
		miss_server(out, server,
		            "is missing, and this HAProxy cannot add servers at runtime");
	else if (server->reload_only)
		miss_server(
		    out, server,
		    "is missing, and its parameters cannot be written in a runtime command");
	else
		add_server(out, server);
}

/* Starts the search at *hint and wraps around: HAProxy mostly lists servers in the order of its
 * file, so that looking up all servers in turn takes linear time. */
static const struct haproxy_live_server *
find_live(const struct haproxy_live *live, const struct haproxy_server *server, size_t *hint)
{
	for (size_t i = 0; i < live->count; i++) {
		size_t at = (*hint + i) % live->count;
		const struct haproxy_live_server *one = &live->servers[at];

		if (strcmp(one->name, server->name) == 0 &&
		    strcmp(one->backend, server->backend) == 0) {
			*hint = at + 1;
			return one;
		}
	}
	return NULL;
}

static bool is_desired(const struct haproxy_config *desired, const struct haproxy_live_server *live,
                       size_t *hint)
{
	for (size_t i = 0; i < desired->server_count; i++) {
		size_t at = (*hint + i) % desired->server_count;
		const struct haproxy_server *one = &desired->servers[at];

		if (strcmp(one->name, live->name) == 0 &&
		    strcmp(one->backend, live->backend) == 0) {
			*hint = at + 1;
			return true;
		}
	}
	return false;
}

static bool names_backend(const struct haproxy_config *desired, const char *backend, size_t *hint)
{
	for (size_t i = 0; i < desired->backend_count; i++) {
		size_t at = (*hint + i) % desired->backend_count;

		if (strcmp(desired->backends[at], backend) == 0) {
			*hint = at;
			return true;
		}
	}
	return false;
}

static void remove_server(struct haproxy_diff *out, struct haproxy_live_server *live, bool can_add)
{
	const struct haproxy_server server = {.backend = live->backend, .name = live->name};

	if ((live->admin & ADMIN_FORCED_MAINT) == 0)
		add_command(out, "set server", &server, " state maint");
	if (can_add) {
		add_command(out, "del server", &server, "");
		out->removals++;
	} else {
		miss_server(out, &server,
		            "is surplus, and this HAProxy cannot remove servers at runtime");
	}
	add_summary(out, &server, "removed");
}

static void diff_fixed(struct haproxy_diff *out, const struct haproxy_config *desired,
                       const struct haproxy_live *live)
{
	for (size_t i = 0; i < desired->fixed_count; i++) {
		const struct haproxy_fixed *fixed = &desired->fixed[i];
		const struct haproxy_server server = {.backend = fixed->backend,
		                                      .name = fixed->name};

		if (fixed->last == 0 &&
		    haproxy_live_find(live, fixed->backend, fixed->name) == NULL)
			miss_server(out, &server,
			            "is missing, and only a reload of the file can add it");
	}
}

static void diff_servers(struct haproxy_diff *out, const struct haproxy_config *desired,
                         const struct haproxy_live *live, struct haproxy_abilities abilities)
{
	size_t hint = 0;

	for (size_t i = 0; i < desired->server_count; i++) {
		const struct haproxy_server *server = &desired->servers[i];
		const struct haproxy_live_server *one = find_live(live, server, &hint);

		if (one == NULL)
			handle_missing(out, server, live, abilities.can_add);
		else if (*one->address == '\0')
			miss_server(
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
		struct haproxy_live_server *one = &live->servers[i];

		if (names_backend(desired, one->backend, &backend_hint) &&
		    !is_desired(desired, one, &server_hint) &&
		    !haproxy_config_is_fixed(desired, one->backend, one->name))
			remove_server(out, one, can_add);
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

static bool is_down(const struct haproxy_live_server *live)
{
	const unsigned maint = ADMIN_FORCED_MAINT | ADMIN_INHERITED_MAINT | ADMIN_RESOLUTION_MAINT;

	return live != NULL && live->operational == 0 && (live->admin & maint) == 0;
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

		if (strcmp(server->backend, backend) != 0) {
			if (down != NULL && !passes)
				return down;
			backend = server->backend;
			down = NULL;
			passes = false;
		}
		if (passes || !haproxy_takes_clients(server))
			continue;
		passes = server->port != primary->port ||
		         strcmp(server->address, primary->address) != 0 ||
		         !is_down(find_live(live, server, &hint));
		down = server;
	}
	return passes ? NULL : down;
}
