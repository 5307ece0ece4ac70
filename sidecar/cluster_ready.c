/* Is a cluster as it should be, for who asks with a yes or no: GET /readyz and systemd. What the
 * store says by now does not matter, only what clients are led to. */
#include "cluster_own.h"

/* A text stands for a primary that was admitted, or named by the operator, in this process: the one
 * exception is what is applied so as to hold clients, and then a hold is on. */
static bool is_led(const struct cluster *cluster)
{
	return cluster->primed && cluster->hold.by == HELD_NOT;
}

static void say_unled(const struct cluster *cluster, struct strbuf *why)
{
	const struct verdict *verdict = &cluster->verdict;
	bool told = verdict->reason != NULL && verdict->reason[0] != '\0';

	strbuf_printf(why, "cluster %s: no primary is admitted: %s\n", cluster->config->name,
	              told ? verdict->reason : "the store has not answered yet");
}

static bool outlet_is_ready(const struct outlet *outlet, struct strbuf *why)
{
	struct target_status status;

	target_status(outlet->target, &status);
	if (status.in_sync)
		return true;
	strbuf_printf(why, "cluster %s: %s/%s: not confirmed: %s\n", outlet->config->cluster,
	              config_target_kind_name(outlet->config->kind), outlet->config->name,
	              status.problem[0] != '\0' ? status.problem : status.step);
	return false;
}

bool cluster_is_ready(const struct cluster *cluster, struct strbuf *why)
{
	bool ready = true;

	if (cluster->outlet_count > 0 && !is_led(cluster)) {
		say_unled(cluster, why);
		return false;
	}
	for (size_t i = 0; i < cluster->outlet_count; i++)
		if (!outlet_is_ready(&cluster->outlets[i], why))
			ready = false;
	return ready;
}
