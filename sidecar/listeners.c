/* All targets that share a `socket` are one HAProxy; see the header. */
#include "listeners.h"

#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_binds.h"
#include "apply/haproxy_taken.h"
#include "base/machine.h"

struct listeners {
	const struct config *config;
	struct haproxy_binds binds; /* their owners are targets */
};

struct listeners *listeners_create(const struct config *config, const struct strbuf *texts)
{
	struct listeners *listeners = xcalloc(1, sizeof(*listeners));

	listeners->config = config;
	for (size_t i = 0; i < config->target_count; i++)
		if (config->targets[i].kind == CONFIG_TARGET_HAPROXY)
			haproxy_binds_read(&listeners->binds, texts[i].data, texts[i].len, 0, i);
	return listeners;
}

void listeners_destroy(struct listeners *listeners)
{
	if (listeners == NULL)
		return;
	haproxy_binds_free(&listeners->binds);
	free(listeners);
}

static bool drives(const struct config *config, size_t cluster, const char *socket)
{
	for (size_t i = 0; i < config->target_count; i++) {
		const struct config_target *target = &config->targets[i];

		if (target->cluster_index == cluster && target->kind == CONFIG_TARGET_HAPROXY &&
		    strcmp(target->socket, socket) == 0)
			return true;
	}
	return false;
}

/* The one name that is the same machine everywhere; HAProxy resolves others. */
static bool is_localhost(const struct haproxy_bind *bind, const char *address, uint16_t port)
{
	static const char name[] = "localhost:";

	return bind->kind == HAPROXY_BIND_NAME && strncmp(bind->spelled, name, strlen(name)) == 0 &&
	       strtoul(bind->spelled + strlen(name), NULL, 10) == port &&
	       machine_is_loopback(address);
}

/* A bind to all addresses is one to those of the machine that HAProxy is on. */
static bool is_all(const struct haproxy_bind *bind)
{
	return bind->kind == HAPROXY_BIND_ANY || bind->kind == HAPROXY_BIND_ANY_IPV4 ||
	       bind->kind == HAPROXY_BIND_ANY_IPV6;
}

static bool is_on_haproxys_machine(const char *address, const char *socket)
{
	return machine_is_loopback(address) ||
	       (machine_has_address(address) && !haproxy_is_elsewhere(socket));
}

const struct config_target *listeners_find(const struct listeners *listeners, size_t cluster,
                                           const char *address, uint16_t port)
{
	struct haproxy_bind at;

	if (!haproxy_bind_of(address, port, &at))
		return NULL;
	for (size_t i = 0; i < listeners->binds.count; i++) {
		const struct haproxy_bind *bind = &listeners->binds.items[i];
		const struct config_target *target = &listeners->config->targets[bind->owner];

		if ((haproxy_bind_overlaps(bind, &at) || is_localhost(bind, address, port)) &&
		    *bind->interface == '\0' &&
		    drives(listeners->config, cluster, target->socket) &&
		    (!is_all(bind) || is_on_haproxys_machine(address, target->socket)))
			return target;
	}
	return NULL;
}
