/* What the tests of decide with servers stand on: the store, the servers and what is applied.
 * Servers are told apart by their last byte: 1 is the one applied, at zxid 7 and timeline 2, and 2
 * its standby, and the store says so, too. */
#ifndef SEGUE_TESTS_UNIT_DECIDE_SCENE_H
#define SEGUE_TESTS_UNIT_DECIDE_SCENE_H

#include "decide/decide.h"

#define SERVERS_MAX 4

extern struct scene {
	struct config_cluster cluster;
	struct watch_fact fact;
	struct topology store;
	struct applied applied;
	struct override override;
	struct server_fact servers[SERVERS_MAX];
	size_t server_count;
	struct own_listener own[SERVERS_MAX];
	size_t own_count;
	int64_t moved_us;
	struct decide_hold hold;
	bool store_lost;
	int64_t now_us;
	struct decision got;
} scene;

void scene_setup(void);
void scene_teardown(void);

void scene_set_member(struct member *member, int number);

/* The store names this one as the primary, at zxid 9, and the other of 1 and 2 as its standby. */
void scene_store_names(int number);

/* One more server is heard; the fact may be changed. */
struct server_fact *scene_server(int number, enum server_class class, unsigned running);
struct server_fact *scene_writes(int number, int64_t timeline);
struct server_fact *scene_recovers(int number, unsigned running);

/* This one is where a proxy of the cluster's targets listens itself. */
void scene_own(int number);

/* Since before all answers, unless the test says something else. */
void scene_hold(enum decide_held by);

/* Decides; it is in scene.got. */
void scene_expect(enum decision_kind kind, const char *reason_part);
void scene_expect_move(int number, int64_t timeline, int64_t zxid);

#endif
