/* How the store's value is judged; the first row that matches wins. */
/* clang-format off */
/*   the store                                       the result
 *   ---------------------------------------------   ------------------------------
 *   waiting, resolving, unreachable, invalid        NO_VALUE
 *   presence = yes, and no live publisher           NO_PUBLISHER
 *   the znode is absent, and what was applied is
 *     of another store or path                      NO_VALUE
 *   the znode is absent                             NO_PRIMARY
 *   no primary, but Patroni's leader key names
 *     the applied one                               NO_VALUE
 *   no primary, newer                               NO_PRIMARY
 *   no primary, otherwise                           NO_VALUE
 *   newer: zxid > floor, or > applied if none       PRIMARY, newer
 *   equal to applied, no floor                      PRIMARY; newer once in each run
 *   older, names the same servers                   PRIMARY, newer; floor = zxid
 *   older, same system, higher timeline             PRIMARY, newer; floor = zxid
 *   older, on_store_rollback = follow               PRIMARY, newer; floor = zxid
 *   older, on_store_rollback = refuse               ROLLED_BACK; floor = zxid
 *
 * The watcher reports a value only after a sync, so an older one means that the store itself was
 * rolled back. A value that equals the floor counts as older, too: it is the refused one, seen
 * again after a restart. A value written after the rollback was seen is above the floor, and is the
 * newest. */
/* clang-format on */
#include "decide/store_value.h"

#include <string.h>

static struct store_value says(const struct applied *applied, enum store_value_kind kind,
                               const char *reason)
{
	return (struct store_value){
	    .kind = kind, .reason = reason, .floor_zxid = applied->floor_zxid};
}

/* A later promotion in the same system, which a restored backup of the store cannot contain. */
static bool is_later_timeline(const struct topology *now, const struct applied *applied)
{
	const struct floor before = applied_confirmed(applied);

	return before.timeline > 0 && now->timeline > before.timeline &&
	       before.system_identifier[0] != '\0' &&
	       strcmp(now->system_identifier, before.system_identifier) == 0;
}

static struct store_value weigh_rollback(const struct config_cluster *cluster,
                                         const struct topology *now, const struct applied *applied)
{
	struct store_value word = {.kind = STORE_PRIMARY, .newer = true, .floor_zxid = now->zxid};

	if (applied->has_topology && topology_same_servers(now, &applied->topology)) {
		word.reason = "the store went back in time but names the same servers";
	} else if (applied->has_topology && is_later_timeline(now, applied)) {
		word.reason = "the store went back in time but names a later timeline";
	} else if (cluster->on_store_rollback == CONFIG_ROLLBACK_FOLLOW) {
		word.reason = "the store went back in time: on_store_rollback = follow";
	} else {
		word.kind = STORE_ROLLED_BACK;
		word.reason = "the store went back in time: the last primary stays until a "
		              "newer value is written (on_store_rollback = refuse)";
	}
	return word;
}

/* A value with a higher zxid than this is newer than all that were seen before. */
static int64_t newest_seen(const struct applied *applied)
{
	return applied->floor_zxid != 0 ? applied->floor_zxid : applied->zxid;
}

static struct store_value weigh_nobody(const struct topology *now, const struct applied *applied)
{
	bool named = applied->has_topology && now->leader != NULL &&
	             strcmp(now->leader, applied->topology.primary.name) == 0;

	/* Patroni recreates member keys at times, also 1.5 s after a promotion. */
	if (named)
		return says(applied, STORE_NO_VALUE,
		            "the leader is the last primary, and its member key is not there");
	if (now->zxid <= newest_seen(applied))
		return says(applied, STORE_NO_VALUE,
		            "an older value of the store names no primary");
	return says(applied, STORE_NO_PRIMARY,
	            now->leader != NULL ? "the store names no primary: Patroni's leader key names "
	                                  "a member that has no key of its own"
	                                : "the store names no primary");
}

static struct store_value weigh_value(const struct config_cluster *cluster,
                                      const struct topology *now, const struct applied *applied)
{
	int64_t newest = newest_seen(applied);
	struct store_value word = says(applied, STORE_PRIMARY, "applied");

	if (!now->has_primary)
		return weigh_nobody(now, applied);
	if (now->zxid < newest || (now->zxid == newest && applied->floor_zxid != 0))
		return weigh_rollback(cluster, now, applied);
	word.newer = now->zxid > newest || !applied->in_this_run;
	if (word.newer)
		word.reason = now->zxid > newest ? "a newer value" : "as applied before";
	if (word.newer && applied->has_topology && topology_is_set_anew(now, &applied->topology))
		word.reason = "a person has named the primary (segue set-primary)";
	return word;
}

bool store_is_strange(const struct watch_fact *fact, const struct applied *applied)
{
	return fact->state == WATCH_ABSENT && applied->has_topology && applied->zxid == 0;
}

struct store_value store_value(const struct config_cluster *cluster, const struct watch_fact *fact,
                               const struct applied *applied)
{
	bool known = false;

	switch (fact->state) {
	case WATCH_WAITING:
		return says(applied, STORE_NO_VALUE, "waiting for the store");
	case WATCH_RESOLVING:
		return says(applied, STORE_NO_VALUE,
		            "a host name of the new value is being resolved");
	case WATCH_UNREACHABLE:
		return says(applied, STORE_NO_VALUE, "the store is unreachable");
	case WATCH_INVALID:
		return says(applied, STORE_NO_VALUE, "what the store says cannot be used");
	case WATCH_ABSENT:
		break;
	case WATCH_VALUE:
		known = true;
		break;
	}
	if (cluster->presence && fact->publishers < 1)
		return says(applied, STORE_NO_PUBLISHER,
		            fact->publishers < 0 ? "live publishers not known yet"
		                                 : "no live publisher");
	if (known)
		return weigh_value(cluster, fact->topology, applied);
	if (store_is_strange(fact, applied))
		return says(applied, STORE_NO_VALUE,
		            "the znode does not exist; what was applied came from another store "
		            "or path");
	return says(applied, STORE_NO_PRIMARY, "the znode does not exist");
}
