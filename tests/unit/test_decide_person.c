/* decide and a person's word in the store (segue set-primary): the floor that the last primary has
 * left counts for it no more, once. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "decide_scene.h"

TestSuite(decide_person, .init = scene_setup, .fini = scene_teardown, .timeout = 30);

static void set_by(struct topology *topology, const char *id, int64_t timeline)
{
	snprintf(topology->set_by.id, sizeof(topology->set_by.id), "%s", id);
	topology->set_by.timeline = timeline;
}

/* A person has named 2, on the timeline below that of 1. */
static void name_2(void)
{
	scene_store_names(2);
	scene.store.timeline = 1;
	set_by(&scene.store, "a", 1);
}

Test(decide_person, a_lower_timeline_is_followed_on_a_persons_word)
{
	name_2();
	scene_recovers(1, 1);
	scene_writes(2, 1);
	scene_expect_move(2, 1, 9);
	cr_expect_str_eq(scene.got.next.set_by.id, "a");
	scene_expect(DECIDE_MOVE, "a person has named the primary");
}

Test(decide_person, without_one_it_is_refused)
{
	name_2();
	scene.store.set_by.id[0] = '\0';
	scene_recovers(1, 1);
	scene_writes(2, 1);
	scene_expect(DECIDE_REFUSE, "");
	cr_expect_str_eq(scene.got.why, ADMIT_OLD_PRIMARY);
}

Test(decide_person, a_word_that_was_obeyed_is_not_obeyed_again)
{
	name_2();
	set_by(&scene.applied.topology, "a", 1);
	scene_recovers(1, 1);
	scene_writes(2, 1);
	scene_expect(DECIDE_REFUSE, "");
}

/* A publisher has written since, and its value still carries the word. */
Test(decide_person, who_was_away_obeys_a_later_value)
{
	scene.applied.topology.timeline = 5;
	scene_store_names(2);
	scene.store.timeline = 3;
	set_by(&scene.store, "a", 1);
	scene_recovers(1, 1);
	scene_writes(2, 3);
	scene_expect_move(2, 3, 9);
}

Test(decide_person, no_server_overrules_a_person)
{
	name_2();
	scene_writes(1, 2);
	scene_writes(2, 1);
	scene_expect_move(2, 1, 9);
	cr_expect_not(scene.got.overruled);
	cr_assert_not_null(scene.got.stray_primary);
	cr_expect(topology_same_address(scene.got.stray_primary, &scene.applied.topology.primary));
}

/* ... nor later, when the word is what is applied. */
Test(decide_person, a_stray_is_not_followed_back)
{
	name_2();
	topology_follow(&scene.applied.topology, &scene.store);
	scene.applied.topology.standbys[0].no_reads = true;
	scene.applied.zxid = 9;
	scene_writes(1, 2);
	scene_writes(2, 1);
	scene_expect(DECIDE_CURRENT, "applied");
	cr_expect_not_null(scene.got.stray_primary);
}

/* It was followed against the store's word: a person's counts at once, before it is undone. */
Test(decide_person, who_was_followed_against_the_store_is_left_on_a_persons_word)
{
	scene.applied.against_store = true;
	scene.applied.confirmed = (struct floor){2, "77"};
	scene.applied.topology.timeline = 5;
	name_2();
	scene_writes(1, 5);
	scene_writes(2, 1);
	scene_expect_move(2, 1, 9);
	cr_expect_not(scene.got.against_store);
	cr_expect_not_null(scene.got.stray_primary);
}

/* A pin goes before it: the word is obeyed when the pin is taken back, and only then obeyed. */
Test(decide_person, a_pin_leaves_the_word_for_later)
{
	name_2();
	scene.override = (struct override){.kind = OVERRIDE_PIN, .port = 5432};
	strcpy(scene.override.address, "10.0.0.1");
	scene_writes(1, 2);
	scene_writes(2, 1);
	scene_expect_move(1, 2, 9);
	cr_expect(scene.got.against_store);
	cr_expect_str_eq(scene.got.next.set_by.id, "");
	topology_follow(&scene.applied.topology, &scene.got.next);
	scene.applied.against_store = true;
	scene.applied.confirmed = (struct floor){2, "77"};
	scene.applied.zxid = 9;
	scene.override.kind = OVERRIDE_NONE;
	scene_expect_move(2, 1, 9);
	cr_expect_str_eq(scene.got.next.set_by.id, "a");
}

/* Somebody was promoted since: the servers may be ahead of the store again. */
Test(decide_person, after_a_promotion_a_higher_timeline_is_followed_again)
{
	scene_store_names(2);
	scene.store.timeline = 2;
	set_by(&scene.store, "a", 1);
	topology_follow(&scene.applied.topology, &scene.store);
	scene.applied.zxid = 9;
	scene_writes(1, 3);
	scene_writes(2, 2);
	scene_expect_move(1, 3, 9);
}

Test(decide_person, a_value_without_the_word_keeps_it)
{
	scene_store_names(2);
	scene.store.timeline = 3;
	set_by(&scene.applied.topology, "a", 1);
	scene_recovers(1, 1);
	scene_writes(2, 3);
	scene_expect_move(2, 3, 9);
	cr_expect_str_eq(scene.got.next.set_by.id, "a");
}
