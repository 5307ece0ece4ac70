/* `segue check`: compares how long clients are held with how long the cluster manager may take to
 * have a new primary. */
#include <inttypes.h>

#include "setup/check.h"

static bool holds(const struct config_cluster *cluster)
{
	return cluster->on_primary_loss == CONFIG_LOSS_HOLD ||
	       cluster->on_store_loss == CONFIG_LOSS_HOLD;
}

int64_t check_hold_ms(const struct check *check, size_t cluster_index)
{
	const struct config_cluster *cluster = &check->config->clusters[cluster_index];
	const struct manager_times *times = &check->topologies[cluster_index].times;

	return holds(cluster) ? config_hold_ms(cluster, manager_times_ms(times, false)) : 0;
}

/* Recommends hold_timeout = auto if that is long enough; caller frees. */
static char *fix_of_short_hold(const struct config_cluster *cluster, int64_t lost_ms)
{
	struct config_cluster by_auto = *cluster;
	int64_t enough_s = (lost_ms + CONFIG_HOLD_MARGIN_MS + 999) / 1000;

	by_auto.hold_timeout_ms = 0;
	if (config_hold_ms(&by_auto, lost_ms) >= lost_ms)
		return xasprintf("hold_timeout = auto in [cluster %s]", cluster->name);
	return xasprintf(
	    "auto is 5 minutes at most: set a smaller ttl in Patroni (patronictl edit-config), or "
	    "hold_timeout = %" PRId64 "s in [cluster %s]",
	    enough_s, cluster->name);
}

static void check_patroni_times(struct check *check, const struct config_cluster *cluster,
                                int64_t hold_ms, const struct manager_times *times)
{
	const int64_t lost_ms = manager_times_ms(times, false);
	const bool is_short = hold_ms < lost_ms;
	auto_free char *fix = fix_of_short_hold(cluster, lost_ms);

	if (times->ttl == 0)
		check_ok(check, "hold_timeout: %" PRId64 " ms; Patroni's /config is not known",
		         hold_ms);
	else
		check_note(check, is_short ? CHECK_WARN : CHECK_OK, check->what,
		           is_short ? fix : NULL,
		           "hold_timeout: %" PRId64 " ms; Patroni may take %" PRId64
		           " ms to have a new primary (ttl %" PRId64 " + loop_wait %" PRId64
		           " + retry_timeout %" PRId64 "%s)%s",
		           hold_ms, lost_ms, times->ttl, times->loop_wait, times->retry_timeout,
		           times->assumed ? ", its defaults, as its /config cannot be used" : "",
		           is_short ? ": clients that wait may get errors before that" : "");
}

static void check_cluster(struct check *check, size_t index)
{
	const struct config_cluster *cluster = &check->config->clusters[index];
	int64_t hold_ms = check_hold_ms(check, index);

	if (!holds(cluster))
		return;
	check_about(check, "cluster", cluster->name);
	if (cluster->layout == CONFIG_LAYOUT_PATRONI)
		check_patroni_times(check, cluster, hold_ms, &check->topologies[index].times);
	else
		check_ok(
		    check,
		    "hold_timeout: %" PRId64
		    " ms; repmgr.conf cannot be read from here: reconnect_attempts x "
		    "reconnect_interval (60 s by default) and the promotion have to be shorter",
		    hold_ms);
}

void check_hold_times(struct check *check)
{
	for (size_t i = 0; i < check->config->cluster_count; i++)
		check_cluster(check, i);
}
