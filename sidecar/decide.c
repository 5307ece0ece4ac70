/* What to do with what the store says: one table, first matching row wins. */
/* clang-format off */
/*   the store                                    anything applied     nothing applied yet
 *   ------------------------------------------   ------------------   -------------------
 *   waiting, resolving, unreachable, absent,
 *     invalid                                    KEEP                 WAIT
 *   presence = yes, and no live publisher        KEEP                 WAIT
 *   no primary, newer, on_primary_loss = hold    HOLD                 WAIT
 *   no primary, otherwise                        KEEP                 WAIT
 *   newer: zxid > floor, or > applied if none    MOVE                 MOVE
 *   equal to applied, no floor, same servers     CURRENT; once a run MOVE, which is idempotent
 *   equal to applied, no floor, other addresses  MOVE: a name resolves to something else
 *   older, names the same servers                MOVE, floor = zxid   (nothing can be older)
 *   older, same system, higher timeline          MOVE, floor = zxid
 *   older, on_store_rollback = follow            MOVE, floor = zxid
 *   older, on_store_rollback = refuse            REFUSE, floor = zxid
 *
 * Older can only mean that the store itself went back: the watcher reports a value after a sync.
 * "Older" is also what equals the floor: the refused value, seen again after a restart. A value
 * written after the roll-back was seen is above the floor, and the newest there is.
 */
/* clang-format on */
#include "decide.h"

#include <string.h>

static struct decision keep_or_wait(const struct applied *applied, const char *reason)
{
	return (struct decision){.kind = applied->has_topology ? DECIDE_KEEP : DECIDE_WAIT,
	                         .reason = reason,
	                         .floor_zxid = applied->floor_zxid};
}

/* A promotion of the same system, which no restored backup of the store could know of. */
static bool is_later_timeline(const struct topology *now, const struct topology *before)
{
	return before->timeline > 0 && now->timeline > before->timeline &&
	       before->system_identifier[0] != '\0' &&
	       strcmp(now->system_identifier, before->system_identifier) == 0;
}

static struct decision decide_rollback(const struct config_cluster *cluster,
                                       const struct topology *now, const struct applied *applied)
{
	struct decision decision = {.kind = DECIDE_MOVE, .floor_zxid = now->zxid};

	if (applied->has_topology && topology_same_servers(now, &applied->topology)) {
		decision.reason = "the store went back in time but names the same servers";
	} else if (applied->has_topology && is_later_timeline(now, &applied->topology)) {
		decision.reason = "the store went back in time but names a later timeline";
	} else if (cluster->on_store_rollback == CONFIG_ROLLBACK_FOLLOW) {
		decision.reason = "the store went back in time: on_store_rollback = follow";
	} else {
		decision.kind = DECIDE_REFUSE;
		decision.reason = "the store went back in time: the last primary stays until a "
		                  "newer value is written (on_store_rollback = refuse)";
	}
	return decision;
}

/* Above this, a value is newer than all that was seen before. */
static int64_t newest_seen(const struct applied *applied)
{
	return applied->floor_zxid != 0 ? applied->floor_zxid : applied->zxid;
}

static struct decision decide_nobody(const struct config_cluster *cluster,
                                     const struct topology *now, const struct applied *applied)
{
	bool hold = applied->has_topology && cluster->on_primary_loss == CONFIG_LOSS_HOLD &&
	            now->zxid > newest_seen(applied);

	if (!hold)
		return keep_or_wait(applied, "the store names no primary: the last one stays");
	return (struct decision){
	    .kind = DECIDE_HOLD,
	    .reason = "the store names no primary: clients wait where the target can make them, "
	              "otherwise the last one stays",
	    .floor_zxid = applied->floor_zxid};
}

static struct decision decide_value(const struct config_cluster *cluster,
                                    const struct topology *now, const struct applied *applied)
{
	int64_t newest = newest_seen(applied);

	if (now->zxid > newest)
		return (struct decision){.kind = DECIDE_MOVE,
		                         .reason = "a newer value",
		                         .floor_zxid = applied->floor_zxid};
	if (now->zxid < newest || applied->floor_zxid != 0)
		return decide_rollback(cluster, now, applied);
	if (!applied->in_this_run)
		return (struct decision){.kind = DECIDE_MOVE, .reason = "as applied before"};
	if (!topology_same_servers(now, &applied->topology))
		return (struct decision){.kind = DECIDE_MOVE, .reason = "a name resolves anew"};
	return (struct decision){.kind = DECIDE_CURRENT, .reason = "applied"};
}

struct decision decide(const struct config_cluster *cluster, const struct watch_fact *fact,
                       const struct applied *applied)
{
	switch (fact->state) {
	case WATCH_WAITING:
		return keep_or_wait(applied, "waiting for the store");
	case WATCH_RESOLVING:
		return keep_or_wait(applied, "a host name of the new value is being resolved");
	case WATCH_UNREACHABLE:
		return keep_or_wait(applied, "the store is unreachable");
	case WATCH_ABSENT:
		return keep_or_wait(applied, "the znode does not exist");
	case WATCH_INVALID:
		return keep_or_wait(applied, "what the store says cannot be used");
	case WATCH_VALUE:
		break;
	}
	if (cluster->presence && fact->publishers < 1)
		return keep_or_wait(applied, fact->publishers < 0 ? "live publishers not known yet"
		                                                  : "no live publisher");
	if (!fact->topology->has_primary)
		return decide_nobody(cluster, fact->topology, applied);
	return decide_value(cluster, fact->topology, applied);
}
