/* decide: what the store says (the table of store_value.c), with nobody asking the servers. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "decide/decide.h"

/* A value of the store, or what was applied: all that a row may vary. */
struct version {
	int64_t zxid;
	const char *host; /* NULL: no primary */
	int64_t timeline;
	const char *system_identifier;
};

static struct topology topology_of(const struct version *version)
{
	struct topology t;

	topology_init(&t);
	t.zxid = version->zxid;
	t.timeline = version->timeline;
	t.has_primary = version->host != NULL;
	t.primary.port = 5432;
	snprintf(t.primary.host, sizeof(t.primary.host), "%s",
	         version->host != NULL ? version->host : "");
	snprintf(t.system_identifier, sizeof(t.system_identifier), "%s",
	         version->system_identifier != NULL ? version->system_identifier : "");
	return t;
}

static struct decision decide_by_store(const struct config_cluster *cluster,
                                       const struct watch_fact *fact, const struct applied *applied)
{
	struct override none = {.kind = OVERRIDE_NONE};

	return decide(&(struct decide_input){
	    .cluster = cluster, .fact = fact, .applied = applied, .override = &none});
}

static void expect(struct decision got, enum decision_kind kind, const char *reason_part,
                   int64_t floor_zxid)
{
	cr_assert_eq(got.kind, kind, "kind %d: %s", (int)got.kind, got.reason);
	cr_assert_not_null(strstr(got.reason, reason_part), "\"%s\" is not in \"%s\"", reason_part,
	                   got.reason);
	cr_assert_eq(got.floor_zxid, floor_zxid, "floor %lld", (long long)got.floor_zxid);
	decision_fini(&got);
}

static void nothing_usable(enum watch_state state, const char *reason_part)
{
	struct config_cluster cluster = {.presence = false};
	struct watch_fact fact = {.state = state};
	struct applied applied = {.zxid = 7, .floor_zxid = 3, .has_topology = true};
	struct applied nothing = {.zxid = 0};

	expect(decide_by_store(&cluster, &fact, &applied), DECIDE_KEEP, reason_part, 3);
	expect(decide_by_store(&cluster, &fact, &nothing), DECIDE_WAIT, reason_part, 0);
}

Test(decide, without_a_usable_value_the_last_one_stays)
{
	nothing_usable(WATCH_WAITING, "waiting for the store");
	nothing_usable(WATCH_RESOLVING, "being resolved");
	nothing_usable(WATCH_UNREACHABLE, "the store is unreachable");
	nothing_usable(WATCH_INVALID, "cannot be used");
}

Test(decide, an_absent_znode_is_a_loss_of_the_primary)
{
	struct config_cluster cluster = {.on_primary_loss = CONFIG_LOSS_HOLD};
	struct watch_fact fact = {.state = WATCH_ABSENT};
	struct applied applied = {.zxid = 7, .floor_zxid = 3, .has_topology = true};
	struct applied nothing = {.zxid = 0};

	expect(decide_by_store(&cluster, &fact, &applied), DECIDE_HOLD, "does not exist", 3);
	expect(decide_by_store(&cluster, &fact, &nothing), DECIDE_WAIT, "does not exist", 0);
	cluster.on_primary_loss = CONFIG_LOSS_KEEP;
	expect(decide_by_store(&cluster, &fact, &applied), DECIDE_KEEP, "does not exist", 3);
	cluster.on_primary_loss = CONFIG_LOSS_FENCE;
	expect(decide_by_store(&cluster, &fact, &applied), DECIDE_FENCE, "does not exist", 3);
}

/* zxid 0: its path, its hosts or its layout have changed since. */
Test(decide, an_absent_znode_where_nothing_was_followed_before_is_no_loss)
{
	struct config_cluster cluster = {.on_primary_loss = CONFIG_LOSS_HOLD};
	struct watch_fact fact = {.state = WATCH_ABSENT};
	struct topology nobody = {.zxid = 9};
	struct applied applied = {.zxid = 0, .has_topology = true};

	expect(decide_by_store(&cluster, &fact, &applied), DECIDE_KEEP, "another store or path", 0);
	applied.in_this_run = true;
	expect(decide_by_store(&cluster, &fact, &applied), DECIDE_KEEP, "another store or path", 0);
	fact = (struct watch_fact){.state = WATCH_VALUE, .topology = &nobody};
	expect(decide_by_store(&cluster, &fact, &applied), DECIDE_HOLD, "names no primary", 0);
}

static struct decision with_publishers(bool presence, int publishers, bool has_applied)
{
	struct config_cluster cluster = {.presence = presence};
	struct topology t = topology_of(&(struct version){.zxid = 9, .host = "b"});
	struct watch_fact fact = {.state = WATCH_VALUE, .topology = &t, .publishers = publishers};
	struct applied applied = {.zxid = 7, .has_topology = has_applied};

	return decide_by_store(&cluster, &fact, &applied);
}

Test(decide, presence_asks_for_a_live_publisher)
{
	expect(with_publishers(true, 0, true), DECIDE_KEEP, "no live publisher", 0);
	expect(with_publishers(true, 0, false), DECIDE_WAIT, "no live publisher", 0);
	expect(with_publishers(true, -1, true), DECIDE_KEEP, "not known yet", 0);
	expect(with_publishers(true, 1, true), DECIDE_MOVE, "a newer value", 0);
	expect(with_publishers(false, 0, true), DECIDE_MOVE, "a newer value", 0);
	expect(with_publishers(false, -1, false), DECIDE_MOVE, "a newer value", 0);
}

struct row {
	struct version now;
	struct version before; /* zxid 0 and no host: nothing applied */
	int64_t floor_zxid;
	bool in_this_run, follow;
	enum config_loss loss; /* hold, unless it is said */
	enum decision_kind kind;
	const char *reason_part;
	int64_t floor_after;
};

static void walk(const struct row *row)
{
	struct config_cluster cluster = {.on_primary_loss = row->loss,
	                                 .on_store_rollback = row->follow ? CONFIG_ROLLBACK_FOLLOW
	                                                                  : CONFIG_ROLLBACK_REFUSE};
	struct topology now = topology_of(&row->now);
	struct watch_fact fact = {.state = WATCH_VALUE, .topology = &now, .publishers = -1};
	struct applied applied = {.zxid = row->before.zxid,
	                          .floor_zxid = row->floor_zxid,
	                          .in_this_run = row->in_this_run,
	                          .has_topology = row->before.host != NULL,
	                          .topology = topology_of(&row->before)};

	expect(decide_by_store(&cluster, &fact, &applied), row->kind, row->reason_part,
	       row->floor_after);
}

#define ROW(...) walk(&(struct row){__VA_ARGS__})

Test(decide, a_value_that_names_no_primary_holds_or_changes_nothing)
{
	ROW(.now = {9}, .before = {7, "a"}, .kind = DECIDE_HOLD, .reason_part = "names no primary");
	ROW(.now = {9}, .before = {7, "a"}, .loss = CONFIG_LOSS_KEEP, .kind = DECIDE_KEEP,
	    .reason_part = "names no primary");
	ROW(.now = {5}, .before = {7, "a"}, .kind = DECIDE_KEEP, .reason_part = "names no primary");
	ROW(.now = {9}, .kind = DECIDE_WAIT, .reason_part = "names no primary");
}

Test(decide, newer_is_applied)
{
	ROW(.now = {9, "b"}, .before = {7, "a"}, .kind = DECIDE_MOVE, .reason_part = "newer");
	ROW(.now = {9, "b"}, .kind = DECIDE_MOVE, .reason_part = "newer");
	ROW(.now = {1, "b"}, .before = {0, "a"}, .kind = DECIDE_MOVE, .reason_part = "newer");
}

Test(decide, equal_is_applied_once_a_run)
{
	ROW(.now = {7, "a"}, .before = {7, "a"}, .in_this_run = true, .kind = DECIDE_CURRENT,
	    .reason_part = "applied");
	ROW(.now = {7, "a"}, .before = {7, "a"}, .kind = DECIDE_MOVE,
	    .reason_part = "applied before the restart");
	ROW(.now = {7, "b"}, .before = {7, "a"}, .in_this_run = true, .kind = DECIDE_MOVE,
	    .reason_part = "now has another address");
}

Test(decide, a_store_that_went_back_is_refused)
{
	ROW(.now = {5, "b"}, .before = {7, "a"}, .kind = DECIDE_REFUSE,
	    .reason_part = "ZooKeeper was rolled back", .floor_after = 5);
	ROW(.now = {5, "b"}, .before = {7, "a"}, .in_this_run = true, .kind = DECIDE_REFUSE,
	    .reason_part = "ZooKeeper was rolled back", .floor_after = 5);
}

Test(decide, a_store_that_went_back_is_followed_when_told_so)
{
	ROW(.now = {5, "b"}, .before = {7, "a"}, .follow = true, .kind = DECIDE_MOVE,
	    .reason_part = "follow", .floor_after = 5);
	ROW(.now = {5, "b"}, .before = {7, "a"}, .floor_zxid = 5, .follow = true,
	    .kind = DECIDE_MOVE, .reason_part = "follow", .floor_after = 5);
}

Test(decide, a_store_that_went_back_to_the_same_servers_is_adopted)
{
	ROW(.now = {5, "a"}, .before = {7, "a"}, .kind = DECIDE_MOVE,
	    .reason_part = "names the same servers", .floor_after = 5);
}

Test(decide, a_later_timeline_of_the_same_system_beats_the_roll_back)
{
	ROW(.now = {5, "b", 3, "77"}, .before = {7, "a", 2, "77"}, .kind = DECIDE_MOVE,
	    .reason_part = "later timeline", .floor_after = 5);
	ROW(.now = {5, "b", 2, "77"}, .before = {7, "a", 2, "77"}, .kind = DECIDE_REFUSE,
	    .reason_part = "rolled back", .floor_after = 5);
	ROW(.now = {5, "b", 1, "77"}, .before = {7, "a", 2, "77"}, .kind = DECIDE_REFUSE,
	    .reason_part = "rolled back", .floor_after = 5);
	ROW(.now = {5, "b", 3, "78"}, .before = {7, "a", 2, "77"}, .kind = DECIDE_REFUSE,
	    .reason_part = "rolled back", .floor_after = 5);
	ROW(.now = {5, "b", 3, ""}, .before = {7, "a", 2, ""}, .kind = DECIDE_REFUSE,
	    .reason_part = "rolled back", .floor_after = 5);
	ROW(.now = {5, "b", 3, "77"}, .before = {7, "a", 0, "77"}, .kind = DECIDE_REFUSE,
	    .reason_part = "rolled back", .floor_after = 5);
}

Test(decide, what_was_refused_stays_refused_and_what_is_written_after_it_is_newer)
{
	ROW(.now = {5, "b"}, .before = {7, "a"}, .floor_zxid = 5, .kind = DECIDE_REFUSE,
	    .reason_part = "rolled back", .floor_after = 5);
	ROW(.now = {6, "b"}, .before = {7, "a"}, .floor_zxid = 5, .kind = DECIDE_MOVE,
	    .reason_part = "newer", .floor_after = 5);
	ROW(.now = {9, "b"}, .before = {7, "a"}, .floor_zxid = 5, .kind = DECIDE_MOVE,
	    .reason_part = "newer", .floor_after = 5);
	ROW(.now = {7, "a"}, .before = {7, "a"}, .floor_zxid = 5, .in_this_run = true,
	    .kind = DECIDE_MOVE, .reason_part = "newer", .floor_after = 5);
	ROW(.now = {3, "b"}, .before = {7, "a"}, .floor_zxid = 5, .kind = DECIDE_REFUSE,
	    .reason_part = "rolled back", .floor_after = 3);
	ROW(.now = {3, "a"}, .before = {7, "a"}, .floor_zxid = 5, .kind = DECIDE_MOVE,
	    .reason_part = "same servers", .floor_after = 3);
}

/* What a caller does with the decisions, over the life of a roll-back and a restart. */
Test(decide, a_roll_back_from_end_to_end)
{
	struct config_cluster cluster = {.on_store_rollback = CONFIG_ROLLBACK_REFUSE};
	struct applied applied = {.zxid = 100,
	                          .in_this_run = true,
	                          .has_topology = true,
	                          .topology =
	                              topology_of(&(struct version){.zxid = 100, .host = "a"})};
	struct topology restored = topology_of(&(struct version){.zxid = 40, .host = "b"});
	struct topology written = topology_of(&(struct version){.zxid = 41, .host = "a"});
	struct watch_fact fact = {.state = WATCH_VALUE, .topology = &restored};
	struct decision first = decide_by_store(&cluster, &fact, &applied);

	expect(first, DECIDE_REFUSE, "rolled back", 40);
	applied.floor_zxid = first.floor_zxid;
	applied.in_this_run = false;
	expect(decide_by_store(&cluster, &fact, &applied), DECIDE_REFUSE, "rolled back", 40);
	fact.topology = &written;
	expect(decide_by_store(&cluster, &fact, &applied), DECIDE_MOVE, "newer", 40);
	applied.zxid = 41;
	applied.floor_zxid = 0;
	applied.in_this_run = true;
	expect(decide_by_store(&cluster, &fact, &applied), DECIDE_CURRENT, "applied", 0);
	fact.topology = &restored;
	expect(decide_by_store(&cluster, &fact, &applied), DECIDE_REFUSE, "rolled back", 40);
}
