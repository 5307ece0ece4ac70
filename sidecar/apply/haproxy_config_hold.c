/* The servers of a text as they are to be while there is no primary; see the header. A view for the
 * socket alone: the file keeps the addresses that the text names. */
#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_config.h"

static bool leads_to(const struct haproxy_server *server, const struct haproxy_endpoint *place)
{
	return place->address == NULL ||
	       (server->port == place->port && strcmp(server->address, place->address) == 0);
}

static void copy_view(const struct haproxy_config *config, struct haproxy_config *out)
{
	*out = *config;
	out->servers = xcalloc(config->server_count, sizeof(*out->servers));
	for (size_t i = 0; i < config->server_count; i++)
		out->servers[i] = config->servers[i];
}

/* A server that is disabled has nobody who could wait there. */
size_t haproxy_config_hold(const struct haproxy_config *config,
                           const struct haproxy_endpoint *primary,
                           const struct haproxy_endpoint *closed, int64_t hold_ms,
                           struct haproxy_config *out)
{
	size_t count = 0;

	copy_view(config, out);
	for (size_t i = 0; i < out->server_count; i++) {
		struct haproxy_server *server = &out->servers[i];

		if (server->disabled || !leads_to(server, primary))
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

		if (!leads_to(server, primary))
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
