/* Slots: whoever stays, stays where it is, whatever happens to the others. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "topology/topology.h"

static void fill(struct member *member, const char *name, unsigned port)
{
	*member = (struct member){.host = "db.example", .port = (uint16_t)port, .lag_bytes = -1};
	snprintf(member->name, sizeof(member->name), "%s", name);
}

/* The first name is the primary's, "" for none. */
static struct topology make(const char *const *names)
{
	struct topology topology;

	topology_init(&topology);
	topology.has_primary = names[0][0] != '\0';
	fill(&topology.primary, names[0], 5432);
	for (size_t i = 1; names[i] != NULL; i++)
		fill(topology_add_standby(&topology), names[i], 5432);
	return topology;
}

#define MAKE(...) make((const char *const[]){__VA_ARGS__, NULL})

static void follow(struct topology *topology, struct topology next)
{
	topology_follow(topology, &next);
	topology_fini(&next);
}

/* 0: there is no member of that name. */
static unsigned slot_of(const struct topology *topology, const char *name)
{
	if (topology->has_primary && strcmp(topology->primary.name, name) == 0)
		return topology->primary.slot;
	for (size_t i = 0; i < topology->standby_count; i++)
		if (strcmp(topology->standbys[i].name, name) == 0)
			return topology->standbys[i].slot;
	return 0;
}

Test(topology, first_slots_go_by_name)
{
	struct topology topology = MAKE("db2", "db3", "db1");

	topology_assign_slots(&topology, NULL);
	cr_expect_eq(slot_of(&topology, "db1"), 1);
	cr_expect_eq(slot_of(&topology, "db2"), 2);
	cr_expect_eq(slot_of(&topology, "db3"), 3);
	topology_fini(&topology);
}

Test(topology, a_failover_that_drops_the_old_primary_moves_nobody)
{
	struct topology topology = MAKE("db1", "db2", "db3", "db4");

	topology_assign_slots(&topology, NULL);
	follow(&topology, MAKE("db2", "db4", "db3"));
	cr_expect_eq(slot_of(&topology, "db2"), 2);
	cr_expect_eq(slot_of(&topology, "db3"), 3);
	cr_expect_eq(slot_of(&topology, "db4"), 4);
	follow(&topology, MAKE("db2", "db1", "db3", "db4"));
	cr_expect_eq(slot_of(&topology, "db1"), 1, "the free one");
	cr_expect_eq(slot_of(&topology, "db4"), 4);
	topology_fini(&topology);
}

Test(topology, who_comes_takes_the_lowest_slot_that_is_free)
{
	struct topology topology = MAKE("db1", "db2", "db3");

	topology_assign_slots(&topology, NULL);
	follow(&topology, MAKE("db1", "db9", "db3", "db0"));
	cr_expect_eq(slot_of(&topology, "db0"), 2);
	cr_expect_eq(slot_of(&topology, "db3"), 3);
	cr_expect_eq(slot_of(&topology, "db9"), 4);
	topology_fini(&topology);
}

Test(topology, a_time_without_a_primary_costs_nobody_its_slot)
{
	struct topology topology = MAKE("db1", "db2", "db3");

	topology_assign_slots(&topology, NULL);
	follow(&topology, MAKE("", "db2", "db3"));
	follow(&topology, MAKE("db3", "db2"));
	cr_expect_eq(slot_of(&topology, "db2"), 2);
	cr_expect_eq(slot_of(&topology, "db3"), 3);
	topology_fini(&topology);
}

Test(topology, a_member_without_a_name_is_known_by_its_place)
{
	struct topology topology = MAKE("db1", "", ""), next = MAKE("db1", "", "");

	topology.standbys[0].port = 6000;
	topology.standbys[1].port = 6001;
	topology_assign_slots(&topology, NULL);
	next.standbys[0].port = 6001;
	next.standbys[1].port = 6002;
	follow(&topology, next);
	cr_expect_eq(topology.standbys[0].slot, 2);
	cr_expect_eq(topology.standbys[1].slot, 1);
	topology_fini(&topology);
}

Test(topology, a_name_given_twice_is_told_apart_by_its_place)
{
	struct topology topology = MAKE("db1", "db", "db"), next = MAKE("db1", "db", "db");

	topology.standbys[0].port = next.standbys[1].port = 6000;
	topology.standbys[1].port = next.standbys[0].port = 6001;
	topology_assign_slots(&topology, NULL);
	follow(&topology, next);
	cr_expect_eq(topology.standbys[0].port, 6001);
	cr_expect_eq(topology.standbys[0].slot, topology.primary.slot == 3 ? 2 : 3);
	cr_expect_neq(topology.standbys[0].slot, topology.standbys[1].slot);
	follow(&topology, MAKE("db1", "db"));
	cr_expect_neq(topology.standbys[0].slot, topology.primary.slot);
	topology_fini(&topology);
}

Test(topology, a_full_house_changed_at_once_has_a_slot_each)
{
	struct topology topology, next;
	bool seen[TOPOLOGY_SLOTS_MAX + 1] = {false};

	topology = MAKE("p");
	next = MAKE("q");
	for (unsigned i = 0; i < TOPOLOGY_STANDBYS_MAX; i++) {
		char name[8];

		snprintf(name, sizeof(name), "a%u", i);
		fill(topology_add_standby(&topology), name, 5432);
		name[0] = i % 2 == 0 ? 'a' : 'b';
		fill(topology_add_standby(&next), name, 5432);
	}
	topology_assign_slots(&topology, NULL);
	follow(&topology, next);
	cr_assert_null(topology_add_standby(&topology));
	seen[topology.primary.slot] = true;
	for (size_t i = 0; i < TOPOLOGY_STANDBYS_MAX; i++) {
		unsigned slot = topology.standbys[i].slot;

		cr_assert(slot >= 1 && slot <= TOPOLOGY_SLOTS_MAX, "%u", slot);
		cr_assert_not(seen[slot], "slot %u twice", slot);
		seen[slot] = true;
	}
	topology_fini(&topology);
}

Test(topology, slots_make_no_other_servers)
{
	struct topology a = MAKE("db1", "db2"), b = MAKE("db1", "db2");

	topology_assign_slots(&a, NULL);
	cr_expect(topology_same_servers(&a, &b));
	topology_fini(&a);
	topology_fini(&b);
}

Test(topology, tags_make_a_difference)
{
	struct topology a = MAKE("db1", "db2"), b = MAKE("db1", "db2");

	cr_assert(topology_set_tags(&a.standbys[0], "{\"reporting\":true}"));
	cr_expect_not(topology_same_servers(&a, &b));
	topology_fini(&a);
	topology_fini(&b);
}

Test(topology, tags_have_the_room_that_a_name_leaves)
{
	struct member member = {.name = "db1"};
	static char tags[TOPOLOGY_TEXT_MAX];

	cr_expect_str_eq(topology_tags(&member), "");
	memset(tags, 't', sizeof(tags) - strlen("db1") - 1);
	cr_expect_not(topology_set_tags(&member, tags));
	cr_expect_str_eq(topology_tags(&member), "");
	tags[strlen(tags) - 1] = '\0';
	cr_assert(topology_set_tags(&member, tags));
	cr_expect_str_eq(topology_tags(&member), tags);
	cr_expect_str_eq(member.name, "db1");
}

Test(topology, a_copy_has_a_leader_of_its_own)
{
	struct topology a = MAKE(""), b = MAKE("");

	a.leader = xstrdup("db3");
	topology_copy(&b, &a);
	topology_copy(&b, &a);
	cr_expect_str_eq(b.leader, "db3");
	topology_fini(&a);
	cr_expect_null(a.leader);
	topology_copy(&b, &a);
	cr_expect_null(b.leader);
	topology_fini(&b);
}

Test(topology, who_may_be_read_from_makes_a_difference_and_lag_does_not)
{
	struct topology a = MAKE("db1", "db2"), b = MAKE("db1", "db2");

	a.standbys[0].lag_bytes = 7;
	cr_expect(topology_same_servers(&a, &b));
	a.standbys[0].no_reads = true;
	cr_expect_not(topology_same_servers(&a, &b));
	topology_fini(&a);
	topology_fini(&b);
}
