/* A cluster of layout patroni on a real ZooKeeper, with nodes as Patroni writes them. Whatever is
 * seen, the zxid never goes back, and a leader never shows without the member it has. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "fixtures/zookeeper_loop.h"
#include "watch/watcher.h"

#define TIMEOUT_MS 6000
#define SCOPE      "/service/orders"

static struct lab *lab;
static struct lab_zk *zk;
static struct watch_loop loop;
static struct config_cluster cluster;
static struct watcher *watcher;

/* What the watcher has told. */
static struct {
	int calls, resolving, gaps; /* gaps: values without a primary */
	int64_t zxid;
} told;

static void on_fact(void *arg)
{
	const struct watch_fact *fact = watcher_fact(watcher);

	(void)arg;
	told.calls++;
	told.resolving += fact->state == WATCH_RESOLVING;
	if (fact->state != WATCH_VALUE)
		return;
	cr_assert_geq(fact->topology->zxid, told.zxid, "the zxid went back");
	told.zxid = fact->topology->zxid;
	told.gaps += !fact->topology->has_primary;
}

static void setup(void)
{
	lab = lab_create("watch-patroni");
	zk = lab_zk_share(lab);
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	cluster = (struct config_cluster){
	    .name = (char *)"orders", .layout = CONFIG_LAYOUT_PATRONI, .path = (char *)SCOPE};
}

static void teardown(void)
{
	watcher_destroy(watcher);
	watch_loop_close(&loop);
	lab_destroy(lab);
}

/* For a test that stops the server or ends sessions. */
static void use_own_server(void)
{
	watch_loop_close(&loop);
	zk = lab_zk_start(lab, 1);
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
}

TestSuite(watch_patroni, .init = setup, .fini = teardown, .timeout = 60);

static void start(void)
{
	watcher = watcher_create(loop.zk, loop.resolver, &cluster, on_fact, NULL);
	cr_assert_eq(watcher_fact(watcher)->state, WATCH_WAITING);
	cr_assert_eq(told.calls, 0);
}

static int64_t set(const char *child, const char *value)
{
	return lab_zk_set(zk, lab_printf(lab, SCOPE "/%s", child), value, strlen(value));
}

static int64_t set_member_at(const char *name, const char *host, long location)
{
	return set(lab_printf(lab, "members/%s", name),
	           lab_printf(lab,
	                      "{\"conn_url\":\"postgres://%s:5432/postgres\",\"state\":\"running\","
	                      "\"role\":\"replica\",\"xlog_location\":%ld,\"timeline\":1}",
	                      host, location));
}

/* pg1 is at 10.0.0.1, and so on. */
static int64_t set_member(const char *name, long location)
{
	return set_member_at(name, lab_printf(lab, "10.0.0.%s", name + 2), location);
}

static int64_t make_ephemeral(const char *child, const char *value)
{
	lab_zk_create_ephemeral(zk, lab_printf(lab, SCOPE "/%s", child));
	return set(child, value);
}

static void delete (const char *child)
{
	cr_assert(lab_zk_delete(zk, lab_printf(lab, SCOPE "/%s", child)));
}

struct wanted {
	enum watch_state state;
	const char *primary; /* NULL: nobody */
	size_t standbys;
	int64_t zxid; /* at least */
};

static bool holds(void *arg)
{
	const struct wanted *wanted = arg;
	const struct watch_fact *fact = watcher_fact(watcher);
	const struct topology *topology = fact->topology;

	if (fact->state != wanted->state || wanted->state != WATCH_VALUE)
		return fact->state == wanted->state;
	return topology->has_primary == (wanted->primary != NULL) &&
	       (wanted->primary == NULL || strcmp(topology->primary.name, wanted->primary) == 0) &&
	       topology->standby_count == wanted->standbys && topology->zxid >= wanted->zxid;
}

static const struct topology *wait_for(struct wanted wanted)
{
	const struct watch_fact *fact = watcher_fact(watcher);

	cr_assert(watch_loop_until(&loop, holds, &wanted, WAIT_MS),
	          "wanted state %d, primary %s, %zu standbys; state %d, primary %s, %zu standbys, "
	          "problem %s",
	          wanted.state, wanted.primary != NULL ? wanted.primary : "none", wanted.standbys,
	          fact->state, fact->topology != NULL ? fact->topology->primary.name : "?",
	          fact->topology != NULL ? fact->topology->standby_count : 0,
	          fact->problem != NULL ? fact->problem : "");
	return fact->topology;
}

static const struct topology *wait_value(const char *primary, size_t standbys, int64_t zxid)
{
	return wait_for((struct wanted){
	    .state = WATCH_VALUE, .primary = primary, .standbys = standbys, .zxid = zxid});
}

/* From pg1 on so many, pg1 leads, and that is seen. */
static void start_led(int members)
{
	int64_t zxid;

	for (int i = 1; i <= members; i++)
		set_member(lab_printf(lab, "pg%d", i), 100);
	zxid = set("leader", "pg1");
	start();
	wait_value("pg1", (size_t)members - 1, zxid);
}

Test(watch_patroni, a_scope_that_does_not_exist_yet_is_absent_until_it_does)
{
	const struct topology *topology;
	int64_t zxid;

	start();
	wait_for((struct wanted){.state = WATCH_ABSENT});
	set("initialize", "7711301187118192856");
	wait_value(NULL, 0, 0);
	set_member("pg1", 100);
	wait_value(NULL, 1, 0);
	zxid = make_ephemeral("leader", "pg1");
	topology = wait_value("pg1", 0, zxid);
	cr_assert_eq(topology->zxid, zxid);
	cr_assert_str_eq(topology->primary.address, "10.0.0.1");
	cr_assert_str_eq(topology->system_identifier, "7711301187118192856");
	cr_assert_eq(topology->timeline, 1);
}

Test(watch_patroni, the_first_value_told_is_whole)
{
	int64_t zxid;

	for (int i = 1; i <= 20; i++)
		set_member(lab_printf(lab, "pg%d", i), 100);
	zxid = set("leader", "pg7");
	start();
	wait_value("pg7", 19, zxid);
	cr_assert_eq(told.calls, 1);
}

Test(watch_patroni, leader_flips_without_a_gap)
{
	int64_t zxid = 0;

	start_led(3);
	for (int i = 0; i < 50; i++) {
		zxid = set("leader", i % 2 == 0 ? "pg2" : "pg3");
		event_base_loop(loop.base, EVLOOP_NONBLOCK);
	}
	wait_value("pg3", 2, zxid);
	cr_assert_eq(told.gaps, 0);
}

Test(watch_patroni, members_come_and_go_one_leads_at_once)
{
	int64_t zxid;

	start_led(1);
	for (int i = 2; i <= 20; i++)
		zxid = set_member(lab_printf(lab, "pg%d", i), 100);
	wait_value("pg1", 19, zxid);
	set_member("pg21", 100);
	zxid = set("leader", "pg21");
	wait_value("pg21", 20, zxid);
	for (int i = 2; i <= 20; i++)
		delete (lab_printf(lab, "members/pg%d", i));
	wait_value("pg21", 1, zxid + 19);
	set_member("pg5", 100);
	wait_value("pg21", 2, zxid + 20);
	cr_assert_eq(told.gaps, 0);
}

Test(watch_patroni, a_deletion_is_newer_than_what_it_deleted)
{
	int64_t zxid;

	start_led(1);
	zxid = set_member("pg2", 100);
	wait_value("pg1", 1, zxid);
	delete ("members/pg2");
	wait_value("pg1", 0, zxid + 1);
	delete ("leader");
	wait_value(NULL, 1, zxid + 2);
	delete ("members/pg1");
	wait_value(NULL, 0, zxid + 3);
}

/* As it is when a Patroni and its server die: leader and member go together. */
Test(watch_patroni, session_loss_of_the_leader_ends_it_and_the_next_is_seen)
{
	int64_t zxid;

	lab_zk_create_ephemeral(zk, SCOPE "/leader");
	make_ephemeral("members/pg1", "{\"conn_url\":\"postgres://10.0.0.1/\"}");
	set("leader", "pg1");
	start();
	wait_value("pg1", 0, 0);
	lab_zk_disconnect(zk);
	wait_value(NULL, 0, 0);
	cr_assert_eq(told.gaps, 1);
	set_member("pg2", 100);
	zxid = make_ephemeral("leader", "pg2");
	wait_value("pg2", 0, zxid);
}

Test(watch_patroni, a_member_that_comes_after_its_leader_is_taken_at_once)
{
	int64_t zxid;

	set("leader", "pg1");
	start();
	wait_value(NULL, 0, 0);
	zxid = set_member("pg1", 100);
	wait_value("pg1", 0, zxid);
}

static bool leads_alone(void *arg)
{
	const struct topology *topology = watcher_fact(watcher)->topology;
	const char *leader = topology != NULL ? topology->leader : NULL;

	return leader != NULL && strcmp(leader, arg) == 0;
}

/* A member key that is away for a moment holds nobody, but only the last primary's own. */
Test(watch_patroni, another_leader_without_a_member_is_news)
{
	char pg1[] = "pg1", pg2[] = "pg2";

	set("leader", pg1);
	start();
	cr_assert(watch_loop_until(&loop, leads_alone, pg1, WAIT_MS));
	set("leader", pg2);
	cr_assert(watch_loop_until(&loop, leads_alone, pg2, WAIT_MS));
}

Test(watch_patroni, pause_and_resume_are_seen)
{
	int64_t zxid;

	start_led(1);
	cr_assert_not(wait_value("pg1", 0, 0)->paused);
	zxid = set("config", "{\"ttl\":30,\"pause\":true}");
	cr_assert(wait_value("pg1", 0, zxid)->paused);
	zxid = set("config", "{\"ttl\":30}");
	cr_assert_not(wait_value("pg1", 0, zxid)->paused);
}

Test(watch_patroni, a_bad_member_is_left_out_and_a_bad_leader_is_invalid)
{
	const struct watch_fact *fact;
	int64_t zxid;

	start_led(1);
	zxid = set("members/pg2", "{\"conn_url\":\"postgres://u:secret@a b/\"}");
	wait_value("pg1", 0, zxid);
	set("leader", "pg2");
	wait_for((struct wanted){.state = WATCH_INVALID});
	fact = watcher_fact(watcher);
	cr_assert_not_null(strstr(fact->problem, "the leader's member pg2"), "%s", fact->problem);
	cr_assert_null(strstr(fact->problem, "secret"));
	cr_assert_str_eq(fact->topology->primary.name, "pg1");
	zxid = set("leader", "pg1");
	wait_value("pg1", 0, zxid);
}

/* A Citus cluster without its group; a leader that Patroni writes there ends it. */
Test(watch_patroni, a_path_without_a_key_of_Patronis_is_told_with_the_children_that_are_there)
{
	const struct watch_fact *fact;
	int64_t zxid;

	set("1/leader", "pg1");
	set("0/leader", "pg1");
	start();
	wait_value(NULL, 0, 0);
	fact = watcher_fact(watcher);
	cr_assert_not_null(fact->problem);
	cr_expect_str_eq(fact->problem, "no Patroni keys (initialize, leader, members) below " SCOPE
	                                ": check the setting path; the znode has the children "
	                                "0, 1");
	set_member("pg1", 100);
	zxid = set("leader", "pg1");
	wait_value("pg1", 0, zxid);
	cr_expect_null(fact->problem);
}

Test(watch_patroni, members_of_any_name_are_followed)
{
	const char *longest = lab_printf(lab, "%0255d", 0);
	int64_t zxid;

	set_member_at("pg 1", "10.0.0.1", 100);
	set_member_at("10.0.0.2:5432", "10.0.0.2", 100);
	set_member_at("M\xc3\xbcnchen", "10.0.0.3", 100);
	set_member_at(longest, "10.0.0.4", 100);
	set_member_at(lab_printf(lab, "%0256d", 0), "10.0.0.5", 100);
	zxid = set("leader", "pg 1");
	start();
	wait_value("pg 1", 3, zxid);
	zxid = set("leader", "10.0.0.2:5432");
	wait_value("10.0.0.2:5432", 3, zxid);
	zxid = set("leader", "M\xc3\xbcnchen");
	wait_value("M\xc3\xbcnchen", 3, zxid);
	zxid = set("leader", longest);
	cr_expect_str_eq(wait_value(longest, 3, zxid)->primary.address, "10.0.0.4");
}

/* Patroni writes every member's position every few seconds. */
Test(watch_patroni, lag_alone_is_told_late_and_many_at_once)
{
	int64_t zxid = 0;
	int before;

	start_led(5);
	before = told.calls;
	for (int round = 1; round <= 20; round++)
		for (int i = 1; i <= 5; i++) {
			zxid = set_member(lab_printf(lab, "pg%d", i),
			                  i == 1 ? 1000L * round : 900L * round);
			event_base_loop(loop.base, EVLOOP_NONBLOCK);
		}
	cr_assert_eq(wait_value("pg1", 4, zxid)->standbys[0].lag_bytes, 2000);
	cr_assert_leq(told.calls - before, 3);
}

Test(watch_patroni, a_storm_on_one_member_does_not_hold_up_a_new_leader)
{
	struct wanted wanted = {.state = WATCH_VALUE, .primary = "pg2", .standbys = 2};
	const char *value = "{\"conn_url\":\"postgres://10.0.0.3/\",\"state\":\"running\"}";
	int64_t begin;
	int writes = 0;

	start_led(3);
	set("leader", "pg2");
	begin = clock_now_ms();
	while (!holds(&wanted) && clock_now_ms() - begin < WAIT_MS) {
		lab_zk_set_begin(zk, SCOPE "/members/pg3", value, strlen(value));
		event_base_loop(loop.base, EVLOOP_NONBLOCK);
		lab_zk_set_finish(zk);
		writes++;
	}
	cr_assert(holds(&wanted), "not seen in %d writes", writes);
	cr_assert_lt(clock_now_ms() - begin, 2000);
}

Test(watch_patroni, names_are_resolved_once_and_a_failover_waits_for_none)
{
	int64_t zxid;

	set_member_at("pg1", "localhost", 100);
	set("members/pg2", "{\"conn_url\":\"postgres://localhost:5433/\",\"state\":\"running\"}");
	zxid = set("leader", "pg1");
	start();
	cr_assert_str_eq(wait_value("pg1", 1, zxid)->primary.address, "127.0.0.1");
	set_member_at("pg1", "localhost", 200);
	zxid = set("leader", "pg2");
	cr_assert_str_eq(wait_value("pg2", 1, zxid)->primary.address, "127.0.0.1");
	cr_assert_eq(told.resolving, 0);
	delete ("members/pg1");
	wait_value("pg2", 0, zxid + 1);
	zxid = set_member_at("pg1", "localhost", 300);
	wait_value("pg2", 1, zxid);
	cr_assert_eq(told.resolving, 1, "a key made anew may be of another machine");
}

Test(watch_patroni, reconnect_shows_the_same_value_again)
{
	int64_t zxid;

	use_own_server();
	set_member_at("pg1", "localhost", 100);
	set_member("pg2", 100);
	zxid = set("leader", "pg1");
	start();
	wait_value("pg1", 1, zxid);
	lab_process_kill(lab_zk_process(zk, 0));
	wait_for((struct wanted){.state = WATCH_UNREACHABLE});
	cr_assert_eq(watcher_fact(watcher)->topology->zxid, zxid);
	cr_assert_not_null(strstr(watcher_fact(watcher)->problem, "ZooKeeper"));
	lab_zk_server_start(zk, 0);
	wait_value("pg1", 1, zxid);
	cr_assert_eq(told.calls, 3);
	cr_assert_eq(told.resolving, 0);
}

Test(watch_patroni, what_changed_while_the_session_was_lost_is_seen)
{
	int64_t zxid;

	use_own_server();
	start_led(2);
	cr_assert_eq(lab_zk_expire_others(zk), 1);
	delete ("members/pg1");
	set_member("pg3", 100);
	zxid = set("leader", "pg3");
	wait_value("pg3", 1, zxid);
	cr_assert_eq(told.gaps, 0);
}

Test(watch_patroni, more_members_than_there_is_room_for_and_the_leader_is_one_of_the_last)
{
	int64_t zxid = 0;

	for (int i = 10; i < 80; i++)
		set_member(lab_printf(lab, "pg%d", i), 100);
	zxid = set("leader", "pg79");
	start();
	wait_value("pg79", TOPOLOGY_STANDBYS_MAX, zxid);
	zxid = set("leader", "pg78");
	wait_value("pg78", TOPOLOGY_STANDBYS_MAX, zxid);
	cr_assert_eq(told.gaps, 0);
}

Test(watch_patroni, a_store_that_is_away_from_the_start_is_unreachable)
{
	use_own_server();
	lab_process_kill(lab_zk_process(zk, 0));
	start();
	wait_for((struct wanted){.state = WATCH_UNREACHABLE});
	cr_assert_eq(told.calls, 1);
	lab_zk_server_start(zk, 0);
	wait_for((struct wanted){.state = WATCH_ABSENT});
}
