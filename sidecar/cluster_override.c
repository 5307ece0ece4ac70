/* The operator's word on a cluster: read at the start, kept before it is followed, and repeated in
 * the log until it is taken back. */
#include <event2/event.h>
#include <stdlib.h>

#include "base/log.h"
#include "cluster_own.h"

#define REMIND_S 600

/* Nobody is to forget that segue does not act. */
static void remind(struct cluster *cluster)
{
	const struct timeval after = {.tv_sec = REMIND_S};

	cluster_say_override(cluster);
	if (cluster->override.kind != OVERRIDE_NONE)
		event_add(cluster->reminder, &after);
	else
		event_del(cluster->reminder);
}

void cluster_on_reminder(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	remind(arg);
}

/* What is in force, whatever a folder may hold that state_dir names now. */
static void carry_over(struct cluster *cluster, const struct cluster *previous)
{
	struct err err;

	cluster->override = previous->override;
	if (previous->override_problem != NULL)
		cluster->override_problem = xstrdup(previous->override_problem);
	if (!override_save(cluster->segue->state_dir, cluster->config->name, &cluster->override,
	                   &err))
		log_error("override_not_kept", KV_STR("cluster", cluster->config->name),
		          KV_ERR(&err),
		          KV_STR("next", "it is in force until segue ends: mend state_dir, then "
		                         "say it again"));
}

void cluster_load_override(struct cluster *cluster, const struct cluster *previous)
{
	const char *name = cluster->config->name;
	struct err err;

	if (previous != NULL)
		carry_over(cluster, previous);
	else if (!override_load(cluster->segue->state_dir, name, &cluster->override, &err)) {
		cluster->override_problem = xstrdup(err.message);
		log_error("override_unusable", KV_STR("cluster", name), KV_ERR(&err),
		          KV_STR("next", "frozen, as an operator's word may be in it: `segue pin`, "
		                         "`segue freeze` or `segue release` it"));
	}
	remind(cluster);
}

bool cluster_set_override(struct cluster *cluster, const struct override *override, struct err *err)
{
	if (override->kind == OVERRIDE_PIN &&
	    !cluster_may_lead_to(cluster, override->address, override->port, err))
		return false;
	if (!override_save(cluster->segue->state_dir, cluster->config->name, override, err))
		return false;
	if (override->kind == OVERRIDE_NONE && cluster->override.kind != OVERRIDE_NONE)
		log_warning("override_released", KV_STR("cluster", cluster->config->name),
		            KV_STR("next", "the store and the servers are followed again"));
	cluster->override = *override;
	free(cluster->override_problem);
	cluster->override_problem = NULL;
	remind(cluster);
	cluster_reconcile(cluster);
	return true;
}
