/* Judges the store's value. The watcher reports a value only after a sync, so an older one means
 * that the store itself was rolled back. A value that equals the floor counts as older, too: it is
 * the refused one, seen again after a restart. A value written after the rollback was seen is above
 * the floor, and is the newest. */
#include "decide/store_value.h"

#include <string.h>

#include "decide_internal.h"

#define BIT(value) (1U << (value))
#define VALUE      BIT(WATCH_VALUE)
#define ABSENT     BIT(WATCH_ABSENT)

/* A backup of the store that was restored cannot have a later promotion. Patroni recreates member
 * keys at times, also 1.5 s after a promotion. */
const struct store_row store_rows[STORE_ROWS] = {
    {BIT(WATCH_WAITING), 0, STORE_NO_VALUE, false, "waiting for the store"},
    {BIT(WATCH_RESOLVING), 0, STORE_NO_VALUE, false,
     "a host name of the new value is being resolved"},
    {BIT(WATCH_UNREACHABLE), 0, STORE_NO_VALUE, false, "the store is unreachable"},
    {BIT(WATCH_INVALID), 0, STORE_NO_VALUE, false, "the value in ZooKeeper cannot be used"},
    {VALUE | ABSENT, STORE_IF_UNKNOWN_PUBLISHER, STORE_NO_PUBLISHER, false,
     "it is not known yet whether a publisher is alive"},
    {VALUE | ABSENT, STORE_IF_NO_PUBLISHER, STORE_NO_PUBLISHER, false, "no live publisher"},
    {ABSENT, STORE_IF_STRANGE, STORE_NO_VALUE, false,
     "the znode does not exist; what was applied came from another store or path"},
    {ABSENT, 0, STORE_NO_PRIMARY, false, "the znode does not exist"},
    {VALUE, STORE_IF_LEADER_APPLIED, STORE_NO_VALUE, false,
     "Patroni's leader key names the last primary, but its member key is missing"},
    {VALUE, STORE_IF_NO_PRIMARY | STORE_IF_SEEN, STORE_NO_VALUE, false,
     "an older value of the store names no primary"},
    {VALUE, STORE_IF_LEADER, STORE_NO_PRIMARY, false,
     "the store names no primary: Patroni's leader key names a member whose member key is missing"},
    {VALUE, STORE_IF_NO_PRIMARY, STORE_NO_PRIMARY, false, "the store names no primary"},
    {VALUE, STORE_IF_OLDER | STORE_IF_SAME_SERVERS, STORE_PRIMARY, true,
     "ZooKeeper was rolled back, but it names the same servers"},
    {VALUE, STORE_IF_OLDER | STORE_IF_LATER_TIMELINE, STORE_PRIMARY, true,
     "ZooKeeper was rolled back, but it names a later timeline"},
    {VALUE, STORE_IF_OLDER | STORE_IF_FOLLOW, STORE_PRIMARY, true,
     "ZooKeeper was rolled back: on_store_rollback = follow"},
    {VALUE, STORE_IF_OLDER, STORE_ROLLED_BACK, false,
     "ZooKeeper was rolled back: the last primary stays until a newer value is written "
     "(on_store_rollback = refuse)"},
    {VALUE, STORE_IF_APPLIED, STORE_PRIMARY, false, "applied"},
    {VALUE, STORE_IF_PERSON, STORE_PRIMARY, true,
     "a person has named the primary (segue set-primary)"},
    {VALUE, STORE_IF_SEEN, STORE_PRIMARY, true, "the value that was applied before the restart"},
    {VALUE, 0, STORE_PRIMARY, true, "a newer value"},
};

bool store_is_strange(const struct watch_fact *fact, const struct applied *applied)
{
	return fact->state == WATCH_ABSENT && applied->has_topology && applied->zxid == 0;
}

static unsigned value_facts(const struct config_cluster *cluster, const struct topology *now,
                            const struct applied *applied)
{
	const struct topology *last = applied->has_topology ? &applied->topology : NULL;
	const struct floor before = applied_confirmed(applied);
	int64_t newest = applied->floor_zxid != 0 ? applied->floor_zxid : applied->zxid;
	bool leader = !now->has_primary && now->leader != NULL;
	bool led = leader && last != NULL && strcmp(now->leader, last->primary.name) == 0;
	bool older = now->zxid < newest || (now->zxid == newest && applied->floor_zxid != 0);
	bool later = last != NULL && before.timeline > 0 && now->timeline > before.timeline &&
	             before.system_identifier[0] != '\0' &&
	             strcmp(now->system_identifier, before.system_identifier) == 0;

	return (now->has_primary ? 0 : STORE_IF_NO_PRIMARY) | (leader ? STORE_IF_LEADER : 0) |
	       (led ? STORE_IF_LEADER_APPLIED : 0) | (now->zxid <= newest ? STORE_IF_SEEN : 0) |
	       (older ? STORE_IF_OLDER : 0) | (later ? STORE_IF_LATER_TIMELINE : 0) |
	       (last != NULL && topology_same_servers(now, last) ? STORE_IF_SAME_SERVERS : 0) |
	       (cluster->on_store_rollback == CONFIG_ROLLBACK_FOLLOW ? STORE_IF_FOLLOW : 0) |
	       (now->zxid <= newest && applied->in_this_run ? STORE_IF_APPLIED : 0) |
	       (last != NULL && topology_is_set_anew(now, last) ? STORE_IF_PERSON : 0);
}

const struct store_row *store_row(const struct config_cluster *cluster,
                                  const struct watch_fact *fact, const struct applied *applied)
{
	const struct store_row *row = store_rows;
	unsigned facts = store_is_strange(fact, applied) ? STORE_IF_STRANGE : 0;

	if (cluster->presence && fact->publishers < 1)
		facts |= fact->publishers < 0 ? STORE_IF_UNKNOWN_PUBLISHER : STORE_IF_NO_PUBLISHER;
	if (fact->state == WATCH_VALUE)
		facts |= value_facts(cluster, fact->topology, applied);
	while (!(row->states & BIT(fact->state)) || (row->facts & ~facts) != 0)
		row++; /* there is a row for each state */
	return row;
}

struct store_value store_value(const struct config_cluster *cluster, const struct watch_fact *fact,
                               const struct applied *applied)
{
	const struct store_row *row = store_row(cluster, fact, applied);
	bool rolled_back = (row->facts & STORE_IF_OLDER) != 0;

	return (struct store_value){.kind = row->kind,
	                            .newer = row->newer,
	                            .reason = row->reason,
	                            .floor_zxid =
	                                rolled_back ? fact->topology->zxid : applied->floor_zxid};
}

struct floor applied_confirmed(const struct applied *applied)
{
	struct floor floor = applied->confirmed;

	if (applied->against_store)
		return floor;
	if (!applied->has_topology)
		return (struct floor){0};
	floor.timeline = applied->topology.timeline;
	memcpy(floor.system_identifier, applied->topology.system_identifier,
	       sizeof(floor.system_identifier));
	return floor;
}
