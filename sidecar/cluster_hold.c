/* No primary: clients wait, or are fenced off, and the time for that runs. Which of the two, and
 * when it ends, has been decided before. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "cluster_own.h"
#include "watch/watcher.h"

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
	return cluster->hold_limit_ms - (clock_now_us() - cluster->hold.since_us) / 1000;
}

/* --- for how long --- */

int64_t cluster_hold_timeout_ms(const struct cluster *cluster, bool starting)
{
	return config_hold_ms(cluster->config, manager_times_ms(&cluster->times, starting));
}

char *cluster_hold_source(const struct cluster *cluster)
{
	const struct manager_times *times = &cluster->times;

	if (cluster->config->hold_timeout_ms > 0)
		return xstrdup("hold_timeout");
	if (cluster->config->layout != CONFIG_LAYOUT_PATRONI)
		return xstrdup("auto, without Patroni");
	if (times->ttl == 0)
		return xstrdup("auto, Patroni's defaults: its /config is not known yet");
	return xasprintf(
	    "auto, %s: ttl %" PRId64 " + loop_wait %" PRId64 " + retry_timeout %" PRId64 " + %d s",
	    times->assumed ? "Patroni's defaults, as its /config cannot be used"
	                   : "Patroni's /config",
	    times->ttl, times->loop_wait, times->retry_timeout, CONFIG_HOLD_MARGIN_MS / 1000);
}

static void say_timeout(struct cluster *cluster)
{
	int64_t ms = cluster_hold_timeout_ms(cluster, false);
	auto_free char *source = cluster_hold_source(cluster);

	if (ms == cluster->hold_timeout_said_ms)
		return;
	cluster->hold_timeout_said_ms = ms;
	LOG_EMIT(cluster->times.assumed ? LOG_WARNING : LOG_INFO, "hold_timeout",
	         KV_STR("cluster", cluster->config->name), KV_MS("timeout_ms", ms * 1000),
	         KV_MS("starting_up_ms", cluster_hold_timeout_ms(cluster, true) * 1000),
	         KV_STR("from", source),
	         KV_STR("next", cluster->times.assumed ? "look at config in Patroni's scope: "
	                                                 "patronictl show-config"
	                                               : NULL));
}

void cluster_hold_learn(struct cluster *cluster, const struct watch_fact *fact)
{
	if (fact->topology == NULL)
		return;
	cluster->times = fact->topology->times;
	say_timeout(cluster);
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* While PostgreSQL is starting up its Patroni lives, and another server becomes primary only after
 * that has given it up: until then the time does not run. What is over stays over. */
static void set_limit(struct cluster *cluster, bool is_new, const struct server_fact *last)
{
	if (!is_new && cluster_hold_left_ms(cluster) <= 0)
		return;
	if (is_new)
		cluster->hold_starting_ms = 0;
	if (last != NULL && last->class == SERVER_STARTING)
		cluster->hold_starting_ms = (clock_now_us() - cluster->hold.since_us) / 1000;
	cluster->hold_limit_ms =
	    smaller(cluster_hold_timeout_ms(cluster, false) + cluster->hold_starting_ms,
	            cluster_hold_timeout_ms(cluster, true));
}

/* --- the targets --- */

/* PgBouncers come first: from its first login that fails on, one turns clients away. */
static void hold_outlets(const struct cluster *cluster, bool fence, int64_t left_ms, bool dead,
                         bool bouncers)
{
	for (size_t i = 0; i < cluster->target_count; i++) {
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
	    last != NULL && (last->class == SERVER_REFUSED || last->class == SERVER_STARTING ||
	                     last->class == SERVER_TIMED_OUT);
	bool fence = decision->kind == DECIDE_FENCE;
	bool is_new = is_new_hold(cluster, decision, fact);
	int64_t left_ms;

	if (is_new) {
		cluster->episode = cluster->hold.since_us = clock_now_us();
		cluster->held_zxid = fact->mzxid;
	}
	cluster->hold.by = decision->held;
	set_limit(cluster, is_new, last);
	cluster->hold.policy = fence ? CONFIG_LOSS_FENCE : CONFIG_LOSS_HOLD;
	left_ms = cluster_hold_left_ms(cluster);
	hold_outlets(cluster, fence, left_ms, dead, true);
	hold_outlets(cluster, fence, left_ms, dead, false);
}
