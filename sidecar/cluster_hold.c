/* No primary: clients wait, or are fenced off, and the time for that runs. Which of the two, and
 * when it ends, has been decided before. */
#include "base/clock.h"
#include "cluster_own.h"

/* Whoever writes "no primary" once more wants clients to wait once more, though the first hold was
 * over or given up. In Patroni's keys nobody writes that, and their zxid rises all the time. */
static bool is_new_hold(const struct cluster *cluster, const struct decision *decision,
                        const struct watch_fact *fact)
{
	if (cluster->hold.by == HELD_NOT)
		return true;
	return decision->held == HELD_BY_STORE && fact->state == WATCH_VALUE &&
	       fact->mzxid != cluster->held_zxid &&
	       cluster->config->layout != CONFIG_LAYOUT_PATRONI;
}

int64_t cluster_hold_left_ms(const struct cluster *cluster)
{
	if (cluster->hold.by == HELD_NOT)
		return 0;
	return cluster->config->hold_timeout_ms - (clock_now_us() - cluster->hold.since_us) / 1000;
}

/* PgBouncers come first: from its first login that fails on, one turns clients away. */
static void hold_outlets(const struct cluster *cluster, bool fence, int64_t left_ms, bool dead,
                         bool bouncers)
{
	for (size_t i = 0; i < cluster->outlet_count; i++) {
		struct target *target = cluster->outlets[i].target;

		if ((cluster->outlets[i].config->kind == CONFIG_TARGET_PGBOUNCER) != bouncers)
			continue;
		if (fence)
			target_fence(target, cluster->episode);
		else if (left_ms > 0)
			target_hold(target, cluster->episode, left_ms, dead);
	}
}

void cluster_hold(struct cluster *cluster, const struct decision *decision,
                  const struct decide_input *input)
{
	const struct watch_fact *fact = input->fact;
	const struct server_fact *last =
	    server_of(input->servers, input->server_count, &cluster->applied.topology.primary);
	bool dead =
	    last != NULL && (last->class == SERVER_REFUSED || last->class == SERVER_STARTING);
	bool fence = decision->kind == DECIDE_FENCE;
	int64_t left_ms;

	if (is_new_hold(cluster, decision, fact)) {
		cluster->episode = cluster->hold.since_us = clock_now_us();
		cluster->held_zxid = fact->mzxid;
	}
	cluster->hold.by = decision->held;
	cluster->hold.policy = fence ? CONFIG_LOSS_FENCE : CONFIG_LOSS_HOLD;
	left_ms = cluster_hold_left_ms(cluster);
	hold_outlets(cluster, fence, left_ms, dead, true);
	hold_outlets(cluster, fence, left_ms, dead, false);
}
