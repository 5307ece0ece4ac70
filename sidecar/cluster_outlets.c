/* The targets of a cluster: made from the configuration, with what those before a reload of it
 * remember. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cluster_own.h"

const struct cluster_target *cluster_find_outlet(const struct cluster *cluster,
                                                 const struct config_target *target)
{
	for (size_t i = 0; i < cluster->target_count; i++)
		if (cluster->outlets[i].config->kind == target->kind &&
		    strcmp(cluster->outlets[i].config->name, target->name) == 0)
			return &cluster->outlets[i];
	return NULL;
}

/* The same target remembers its moves. */
static void inherit(const struct cluster_target *outlet, const struct cluster *previous)
{
	const struct cluster_target *before =
	    previous != NULL ? cluster_find_outlet(previous, outlet->config) : NULL;

	if (before != NULL)
		target_inherit(outlet->target, before->target);
}

bool cluster_has_confirmed(const struct cluster *cluster, const struct cluster_target *outlet)
{
	struct target_status status;

	target_status(outlet->target, &status);
	return status.in_sync && status.zxid == cluster->applied.topology.zxid;
}

void cluster_set_alarm(const struct cluster *cluster, const struct config_target *target,
                       const char *alarm)
{
	const struct cluster_target *outlet = cluster_find_outlet(cluster, target);

	if (outlet == NULL || !target_set_alarm(outlet->target, alarm))
		return;
	if (*alarm != '\0')
		log_error("target_alarm", KV_STR("cluster", target->cluster),
		          KV_STR("kind", config_target_kind_name(target->kind)),
		          KV_STR("target", target->name), KV_STR("alarm", alarm));
	else
		log_info("target_alarm_over", KV_STR("cluster", target->cluster),
		         KV_STR("kind", config_target_kind_name(target->kind)),
		         KV_STR("target", target->name));
}

static void on_changed(void *arg)
{
	struct cluster *cluster = arg;

	cluster_save_confirmed(cluster);
	if (cluster_own_changed(cluster, watcher_fact(cluster->watcher)))
		cluster_reconcile(cluster);
	cluster_fleet_note(cluster);
}

void cluster_create_outlets(struct cluster *cluster, const struct cluster_world *world,
                            size_t index, const struct cluster *previous)
{
	const struct config *config = world->config;
	struct cluster_target *outlet;
	size_t count = 0;

	for (size_t i = 0; i < config->target_count; i++)
		count += config->targets[i].cluster_index == index;
	cluster->outlets = xcalloc(count, sizeof(*cluster->outlets));
	for (size_t i = 0; i < config->target_count; i++) {
		if (config->targets[i].cluster_index != index)
			continue;
		outlet = &cluster->outlets[cluster->target_count];
		outlet->config = &config->targets[i];
		outlet->template = world->templates[i];
		outlet->target = target_create(world->hub, outlet->config, config->state_dir,
		                               on_changed, cluster);
		cluster->target_count++;
		inherit(outlet, previous);
	}
}

void cluster_destroy_outlets(struct cluster *cluster)
{
	for (size_t i = 0; i < cluster->target_count; i++) {
		target_destroy(cluster->outlets[i].target);
		free(cluster->outlets[i].alarm);
	}
	free(STEAL(cluster->outlets));
	cluster->target_count = 0;
}
