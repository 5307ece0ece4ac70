/* A watched node on a real ZooKeeper that stays up: every change is seen, and each of the things
 * that can be known of a node is told apart. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fixtures/zookeeper_loop.h"

#define TIMEOUT_MS 6000
#define MAX_SIZE   ((size_t)64 * 1024)
#define NODES      1000

static struct lab *lab;
static struct lab_zk *zk;
static struct watch_loop loop;

static void setup(void)
{
	lab = lab_create("watch-node");
	zk = lab_zk_share(lab);
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
}

static void teardown(void)
{
	watch_loop_close(&loop);
	lab_destroy(lab);
}

TestSuite(watch_node, .init = setup, .fini = teardown, .timeout = 60);

static int64_t set(const char *path, const char *value)
{
	return lab_zk_set(zk, path, value, strlen(value));
}

Test(watch_node, first_value_and_a_change_are_seen)
{
	struct probe probe;
	int64_t mzxid;

	set("/n", "one");
	probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_data(&probe, &loop, "one");
	cr_assert(zk_connected(loop.zk));
	mzxid = set("/n", "two");
	probe_wait_data(&probe, &loop, "two");
	cr_assert_eq(probe.fact.mzxid, mzxid);
	cr_assert_eq(probe.fact.size, 3);
	cr_assert_geq(probe.fact.read_us, probe.fact.notified_us);
	cr_assert_eq(probe.losses, 0);
	probe_fini(&probe);
}

Test(watch_node, last_of_a_hundred_quick_changes_is_seen)
{
	struct probe probe;
	char value[16];

	set("/n", "0");
	probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_data(&probe, &loop, "0");
	for (int i = 1; i <= 100; i++) {
		snprintf(value, sizeof(value), "%d", i);
		set("/n", value);
		event_base_loop(loop.base, EVLOOP_NONBLOCK);
	}
	probe_wait_data(&probe, &loop, "100");
	cr_assert_leq(probe.calls, 101);
	probe_fini(&probe);
}

Test(watch_node, absent_then_created_then_deleted_then_made_again)
{
	struct probe probe;

	probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_state(&probe, &loop, ZK_NODE_ABSENT);
	set("/n", "born");
	probe_wait_data(&probe, &loop, "born");
	cr_assert(lab_zk_delete(zk, "/n"));
	probe_wait_state(&probe, &loop, ZK_NODE_ABSENT);
	set("/n", "again");
	probe_wait_data(&probe, &loop, "again");
	cr_assert(lab_zk_delete(zk, "/n"));
	set("/n", "at once");
	probe_wait_data(&probe, &loop, "at once");
	probe_fini(&probe);
}

Test(watch_node, empty_and_too_large_are_told_apart)
{
	auto_free char *large = xcalloc(1, MAX_SIZE + 1);
	struct probe probe;

	set("/n", "");
	probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_data(&probe, &loop, "");
	cr_assert_not_null(probe.fact.data);
	lab_zk_set(zk, "/n", large, MAX_SIZE + 1);
	while (probe.fact.size != MAX_SIZE + 1)
		event_base_loop(loop.base, EVLOOP_ONCE);
	cr_assert_null(probe.fact.data);
	cr_assert_eq(probe.fact.state, ZK_NODE_PRESENT);
	lab_zk_set(zk, "/n", large, MAX_SIZE);
	while (probe.fact.size != MAX_SIZE)
		event_base_loop(loop.base, EVLOOP_ONCE);
	cr_assert_not_null(probe.fact.data);
	probe_fini(&probe);
}

Test(watch_node, a_value_of_nearly_a_megabyte_does_not_hurt)
{
	const size_t size = 1000000;
	auto_free char *large = xcalloc(1, size);
	struct probe probe;

	lab_zk_set(zk, "/n", large, size);
	probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_state(&probe, &loop, ZK_NODE_PRESENT);
	cr_assert_eq(probe.fact.size, size);
	cr_assert_null(probe.fact.data);
	set("/n", "small");
	probe_wait_data(&probe, &loop, "small");
	cr_assert_eq(probe.losses, 0);
	probe_fini(&probe);
}

Test(watch_node, ephemeral_children_are_counted)
{
	struct probe probe;

	probe_start(&probe, &loop, "/p", ZK_WATCH_CHILDREN, 0);
	probe_wait_state(&probe, &loop, ZK_NODE_ABSENT);
	cr_assert_eq(probe.fact.ephemeral_children, 0);
	set("/p/for-good", "");
	probe_wait_state(&probe, &loop, ZK_NODE_PRESENT);
	probe_wait_ephemerals(&probe, &loop, 0);
	lab_zk_create_ephemeral(zk, "/p/db1");
	probe_wait_ephemerals(&probe, &loop, 1);
	lab_zk_create_ephemeral(zk, "/p/db2");
	probe_wait_ephemerals(&probe, &loop, 2);
	lab_zk_disconnect(zk);
	probe_wait_ephemerals(&probe, &loop, 0);
	probe_fini(&probe);
}

/* One ephemeral child among `count` that stay: it is found, lost, and found again. */
static void find_among(const char *parent, const char *name, int count)
{
	auto_free char *live = xasprintf("%s/db1", parent);
	auto_free char *others = xasprintf("%s/%s", parent, name);
	struct probe probe;

	lab_zk_create_many(zk, others, count);
	probe_start(&probe, &loop, parent, ZK_WATCH_CHILDREN, 0);
	probe_wait_ephemerals(&probe, &loop, 0);
	for (int i = 0; i < 2; i++) {
		lab_zk_create_ephemeral(zk, live);
		probe_wait_ephemerals(&probe, &loop, 1);
		lab_zk_disconnect(zk);
		probe_wait_ephemerals(&probe, &loop, 0);
	}
	cr_assert_eq(probe.losses, 0);
	probe_fini(&probe);
}

Test(watch_node, an_ephemeral_child_is_found_beside_300_persistent_ones)
{
	find_among("/p", "for-good", 300);
}

Test(watch_node, an_ephemeral_child_is_found_beside_5000_persistent_ones)
{
	find_among("/p", "for-good", 5000);
}

/* More than are kept at once: read in slices. */
Test(watch_node, an_ephemeral_child_is_found_beside_persistent_ones_with_long_names)
{
	char name[201] = "";

	memset(name, 'x', sizeof(name) - 1);
	find_among("/p", name, 3000);
}

/* Children that come and go are each a reason to look again: the live one stays known, and when it
 * goes, that is seen. */
Test(watch_node, persistent_children_that_come_and_go_hide_no_ephemeral_one)
{
	struct probe probe;

	lab_zk_create_many(zk, "/p/for-good", 300);
	lab_zk_create_ephemeral(zk, "/p/db1");
	probe_start(&probe, &loop, "/p", ZK_WATCH_CHILDREN, 0);
	probe_wait_ephemerals(&probe, &loop, 1);
	for (int i = 0; i < 200; i++) {
		auto_free char *path = xasprintf("/p/for-good-%d", i);
		auto_free char *other = xasprintf("/p/another-%d", i);

		cr_assert(lab_zk_delete(zk, path));
		set(other, "");
		watch_loop_turn(&loop, 1);
		cr_assert_eq(probe.fact.ephemeral_children, 1, "after %d", i);
	}
	lab_zk_disconnect(zk);
	probe_wait_ephemerals(&probe, &loop, 0);
	probe_fini(&probe);
}

Test(watch_node, data_and_children_of_one_path)
{
	struct probe data, children;

	set("/n", "db1");
	probe_start(&data, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_start(&children, &loop, "/n", ZK_WATCH_CHILDREN, 0);
	probe_wait_data(&data, &loop, "db1");
	probe_wait_ephemerals(&children, &loop, 0);
	lab_zk_create_ephemeral(zk, "/n/live");
	probe_wait_ephemerals(&children, &loop, 1);
	set("/n", "db2");
	probe_wait_data(&data, &loop, "db2");
	probe_fini(&data);
	probe_fini(&children);
}

Test(watch_node, an_unwatched_node_is_silent_and_can_be_watched_again)
{
	struct probe probe, other;
	int calls;

	set("/n", "one");
	set("/other", "one");
	probe_start(&other, &loop, "/other", ZK_WATCH_DATA, MAX_SIZE);
	probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_data(&probe, &loop, "one");
	zk_unwatch(probe.node);
	calls = probe.calls;
	set("/n", "two");
	set("/other", "two");
	probe_wait_data(&other, &loop, "two");
	cr_assert_eq(probe.calls, calls);
	probe_fini(&probe);
	probe_start(&probe, &loop, "/n", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_data(&probe, &loop, "two");
	set("/n", "three");
	probe_wait_data(&probe, &loop, "three");
	probe_fini(&probe);
	probe_fini(&other);
}

Test(watch_node, a_path_that_zookeeper_refuses_is_told_as_denied)
{
	struct probe probe;

	probe_start(&probe, &loop, "/a//b", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_state(&probe, &loop, ZK_NODE_DENIED);
	cr_assert_not_null(strstr(probe.problem.data, "/a//b"), "%s", probe.problem.data);
	probe_fini(&probe);
}

struct many {
	struct probe probes[NODES];
};

static bool all_present(void *arg)
{
	const struct many *many = arg;

	for (int i = 0; i < NODES; i++)
		if (!many->probes[i].fact.connected ||
		    many->probes[i].fact.state != ZK_NODE_PRESENT)
			return false;
	return true;
}

Test(watch_node, a_thousand_nodes_come_up_within_two_seconds)
{
	struct many *many = xcalloc(1, sizeof(*many));
	char path[32];
	int64_t start;
	int calls = 0;

	for (int i = 0; i < NODES; i++) {
		snprintf(path, sizeof(path), "/many/%d", i);
		set(path, "one");
	}
	start = clock_now_ms();
	for (int i = 0; i < NODES; i++) {
		snprintf(path, sizeof(path), "/many/%d", i);
		probe_start(&many->probes[i], &loop, path, ZK_WATCH_DATA, MAX_SIZE);
	}
	cr_assert(watch_loop_until(&loop, all_present, many, 2000), "after 2 s");
	fprintf(stderr, "%d nodes in %d ms\n", NODES, (int)(clock_now_ms() - start));
	set("/many/500", "two");
	probe_wait_data(&many->probes[500], &loop, "two");
	for (int i = 0; i < NODES; i++) {
		calls += many->probes[i].calls;
		probe_fini(&many->probes[i]);
	}
	cr_assert_eq(calls, NODES + 1);
	free(many);
}
