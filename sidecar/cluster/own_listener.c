/* Members that are one of the cluster's own proxies: a HAProxy according to the texts of its
 * targets, a PgBouncer according to its own report. Looked up before the decision is made, so that
 * the decision is based on facts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/listeners.h"
#include "cluster_internal.h"
#include "watch/watcher.h"

static const struct config_target *find(const struct cluster *cluster, const char *address,
                                        uint16_t port)
{
	size_t index = (size_t)(cluster->config - cluster->segue->clusters);
	const struct config_target *target =
	    listeners_find(cluster->listeners, index, address, port);

	for (size_t i = 0; target == NULL && i < cluster->target_count; i++)
		if (target_listens_at(cluster->targets[i].target, address, port))
			target = cluster->targets[i].config;
	return target;
}

static bool is_own(struct cluster *cluster, const struct member *member)
{
	const struct config_target *target = find(cluster, member->address, member->port);

	if (target == NULL)
		return false;
	cluster->own = xreallocarray(cluster->own, cluster->own_count + 1, sizeof(*cluster->own));
	cluster->own[cluster->own_count++] = (struct own_listener){.at = *member, .target = target};
	return true;
}

/* The members of `before` have been looked at already. */
static size_t look_at_all(struct cluster *cluster, const struct topology *topology,
                          const struct topology *before, const struct member **others)
{
	size_t count = 0;

	for (size_t i = topology->has_primary ? 0 : 1; i <= topology->standby_count; i++) {
		const struct member *member =
		    i == 0 ? &topology->primary : &topology->standbys[i - 1];

		if (cluster_find_member(before, member) == NULL && !is_own(cluster, member))
			others[count++] = member;
	}
	return count;
}

size_t cluster_find_own(struct cluster *cluster, const struct watch_fact *fact,
                        const struct member *others[CLUSTER_MEMBERS_MAX])
{
	struct member pinned = {.port = cluster->override.port, .lag_bytes = -1};
	size_t count = 0;

	cluster->own_count = 0;
	if (fact->topology != NULL)
		count = look_at_all(cluster, fact->topology, NULL, others);
	if (cluster->applied.has_topology)
		count += look_at_all(cluster, &cluster->applied.topology, fact->topology,
		                     others + count);
	memcpy(pinned.address, cluster->override.address, sizeof(pinned.address));
	if (cluster->override.kind == OVERRIDE_PIN)
		(void)is_own(cluster, &pinned);
	return count;
}

bool cluster_own_changed(struct cluster *cluster, const struct watch_fact *fact)
{
	auto_free struct own_listener *before = STEAL(cluster->own);
	const struct member *others[CLUSTER_MEMBERS_MAX];
	size_t count = cluster->own_count;
	bool same;

	(void)cluster_find_own(cluster, fact, others);
	same = cluster->own_count == count;
	for (size_t i = 0; same && i < count; i++)
		same = before[i].target == cluster->own[i].target &&
		       topology_same_address(&before[i].at, &cluster->own[i].at);
	return !same;
}

char *cluster_own_words(const struct config_target *target)
{
	return xasprintf("the own listener of [%s %s]", config_target_kind_name(target->kind),
	                 target->name);
}

char *cluster_own_cure(const struct cluster *cluster)
{
	const char *name = cluster->config->name;

	if (cluster->override.kind == OVERRIDE_PIN)
		return xasprintf("name the PostgreSQL server: segue pin %s HOST:PORT, or segue "
		                 "release %s",
		                 name, name);
	if (cluster->config->layout == CONFIG_LAYOUT_SEGUE)
		return xasprintf("name the PostgreSQL server: segue set-primary %s HOST:PORT",
		                 name);
	return xstrdup("write the address of the PostgreSQL server to the store");
}

/* `target`: the one that listens at the address; NULL: none does. */
static bool refuse_own(const struct config_target *target, const char *address, uint16_t port,
                       struct err *err)
{
	auto_free char *words = NULL;
	char endpoint[MEMBER_ENDPOINT_MAX];

	if (target == NULL)
		return true;
	words = cluster_own_words(target);
	endpoint_format(endpoint, sizeof(endpoint), address, port);
	return err_set(err, "%s is %s: the proxy would connect to itself", endpoint, words);
}

bool cluster_may_lead_to(const struct cluster *cluster, const char *address, uint16_t port,
                         struct err *err)
{
	return refuse_own(find(cluster, address, port), address, port, err);
}

bool cluster_try_listeners(const struct cluster *cluster, const struct listeners *listeners,
                           size_t index, struct err *err)
{
	const struct member *primary = &cluster->applied.topology.primary;

	return !cluster->applied.has_topology ||
	       refuse_own(listeners_find(listeners, index, primary->address, primary->port),
	                  primary->address, primary->port, err);
}
