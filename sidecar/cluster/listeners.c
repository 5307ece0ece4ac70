/* Where HAProxies listen; see the header. All targets with the same `socket` belong to one
 * HAProxy. */
#include "cluster/listeners.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/machine.h"
#include "haproxy/listening.h"

#define FILE_MAX ((size_t)4 * 1024 * 1024) /* largest file of HAProxy that is read, in bytes */

struct listeners {
	const struct config *config;
	struct haproxy_binds binds; /* `owner` is the index of the target */
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

/* "localhost" is the only name that means the same machine everywhere. HAProxy resolves the
 * others. */
static bool is_localhost(const struct haproxy_bind *bind, const char *address,
                         const struct haproxy_bind *at)
{
	int family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
	struct haproxy_bind bound;

	return bind->host != NULL && strcasecmp(bind->host, "localhost") == 0 &&
	       (bind->host_family == AF_UNSPEC || bind->host_family == family) &&
	       machine_is_loopback(address) && haproxy_bind_at(bind, address, &bound) &&
	       haproxy_bind_overlaps(&bound, at);
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

		if (!(haproxy_bind_overlaps(bind, &at) || is_localhost(bind, address, &at)) ||
		    *bind->interface != '\0' || !drives(listeners->config, cluster, target->socket))
			continue;
		/* a bind to all addresses covers those of the machine on which HAProxy runs */
		if ((bind->kind != HAPROXY_BIND_ANY && bind->kind != HAPROXY_BIND_ANY_IPV4 &&
		     bind->kind != HAPROXY_BIND_ANY_IPV6) ||
		    machine_is_loopback(address) ||
		    (machine_has_address(address) && !haproxy_is_elsewhere(target->socket)))
			return target;
	}
	return NULL;
}

/* --- binds in HAProxy's own files --- */

/* Replaces a host name by its address, if it has one. */
static struct haproxy_bind as_bound(const struct haproxy_bind *bind, bool ask)
{
	struct haproxy_bind bound;

	return haproxy_bind_resolve(bind, ask, &bound) ? bound : *bind;
}

/* The bind of a target of this socket that shares its address with `own`; NULL: none. */
static const struct haproxy_bind *find_rendered(const struct listeners *listeners,
                                                const char *socket, const struct haproxy_bind *own,
                                                bool ask)
{
	const struct haproxy_bind bound = as_bound(own, ask);

	for (size_t i = 0; i < listeners->binds.count; i++) {
		const struct haproxy_bind *rendered = &listeners->binds.items[i];
		struct haproxy_bind at;

		if (strcmp(listeners->config->targets[rendered->owner].socket, socket) != 0)
			continue;
		at = as_bound(rendered, ask);
		if (haproxy_bind_shares(&at, &bound))
			return rendered;
	}
	return NULL;
}

void listeners_find_shared(const struct listeners *listeners, const char *socket,
                           const struct string_list *files, bool ask, listeners_shared_cb *found,
                           void *arg)
{
	struct haproxy_binds own = {.count = 0};
	struct err ignored; /* `segue check` reports it */

	for (size_t i = 0; i < files->count; i++) {
		auto_strbuf struct strbuf text = STRBUF_INIT;

		if (file_read(files->items[i], FILE_MAX, &text, NULL, &ignored))
			haproxy_binds_read(&own, text.data, text.len, 0, i);
	}
	for (size_t i = 0; i < own.count; i++) {
		const struct haproxy_bind *rendered =
		    find_rendered(listeners, socket, &own.items[i], ask);

		if (rendered != NULL)
			found(&listeners->config->targets[rendered->owner], rendered,
			      files->items[own.items[i].owner], &own.items[i], arg);
	}
	haproxy_binds_free(&own);
}
