/* Is a cluster as it should be, for who asks with a yes or no: GET /readyz and systemd. What the
 * store says by now does not matter, only what clients are led to. */
#include "cluster_own.h"

/* A text stands for a primary that was admitted, or named by the operator, in this process: the one
 * exception is what is applied so as to hold clients, and then a hold is on. */
static bool is_led(const struct cluster *cluster)
{
	return cluster->primed && cluster->hold.by == HELD_NOT;
}

static bool is_confirmed(const struct cluster *cluster)
{
	struct target_status status;

	for (size_t i = 0; i < cluster->target_count; i++) {
		target_status(cluster->outlets[i].target, &status);
		if (!status.in_sync || *status.alarm != '\0')
			return false;
	}
	return true;
}

bool cluster_is_ready(const struct cluster *cluster)
{
	return cluster->target_count == 0 || (is_led(cluster) && is_confirmed(cluster));
}
