/* A cluster's watcher on a real ZooKeeper: znode bytes become a topology with numeric addresses,
 * and unreachable, absent, invalid and changed stay four different things. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fixtures/zookeeper_loop.h"
#include "watch/watcher.h"

#define TIMEOUT_MS 6000
#define JSON(primary, standbys) \
	"{\"version\":1,\"primary\":" primary ",\"standbys\":[" standbys "]}"
#define MEMBER(name, host) "{\"name\":\"" name "\",\"host\":\"" host "\",\"port\":5432}"

static struct lab *lab;
static struct lab_zk *zk;
static struct watch_loop loop;
static struct config_cluster cluster;
static struct watcher *watcher;
static int calls;

static void on_fact(void *arg)
{
	(void)arg;
	calls++;
}

static void setup(void)
{
	lab = lab_create("watch-cluster");
	zk = lab_zk_share(lab);
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	cluster = (struct config_cluster){
	    .name = (char *)"orders", .layout = CONFIG_LAYOUT_SEGUE, .path = (char *)"/orders"};
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

TestSuite(watch_cluster, .init = setup, .fini = teardown, .timeout = 60);

static void start(void)
{
	watcher = watcher_create(loop.zk, loop.resolver, &cluster, on_fact, NULL);
	cr_assert_eq(watcher_fact(watcher)->state, WATCH_WAITING);
	cr_assert_eq(calls, 0);
}

static int64_t set(const char *value)
{
	return lab_zk_set(zk, "/orders/master", value, strlen(value));
}

static bool in_state(void *arg)
{
	return watcher_fact(watcher)->state == *(const enum watch_state *)arg;
}

static void wait_state(enum watch_state state)
{
	const struct watch_fact *fact = watcher_fact(watcher);

	cr_assert(watch_loop_until(&loop, in_state, &state, WAIT_MS), "state %d, wanted %d: %s",
	          fact->state, state, fact->problem != NULL ? fact->problem : "");
}

struct wanted_value {
	int64_t zxid;
	size_t standbys;
};

static bool has_value(void *arg)
{
	const struct wanted_value *wanted = arg;
	const struct watch_fact *fact = watcher_fact(watcher);

	return fact->state == WATCH_VALUE && fact->topology->zxid == wanted->zxid &&
	       fact->topology->standby_count == wanted->standbys;
}

static const struct topology *wait_value(int64_t zxid, size_t standbys)
{
	struct wanted_value wanted = {.zxid = zxid, .standbys = standbys};
	const struct watch_fact *fact = watcher_fact(watcher);

	cr_assert(watch_loop_until(&loop, has_value, &wanted, WAIT_MS), "state %d: %s", fact->state,
	          fact->problem != NULL ? fact->problem : "");
	return fact->topology;
}

static bool problem_has(const char *words)
{
	const char *problem = watcher_fact(watcher)->problem;

	return problem != NULL && strstr(problem, words) != NULL;
}

Test(watch_cluster, four_events_stay_four)
{
	const struct watch_fact *fact;
	int64_t zxid;

	use_own_server();
	start();
	wait_state(WATCH_ABSENT);
	fact = watcher_fact(watcher);
	cr_assert_null(fact->topology);
	cr_assert_null(fact->problem);
	zxid = set(JSON(MEMBER("db1", "10.0.0.1"), MEMBER("db2", "::1")));
	cr_assert_str_eq(wait_value(zxid, 1)->primary.address, "10.0.0.1");
	cr_assert_str_eq(fact->topology->standbys[0].address, "::1");
	cr_assert_eq(fact->mzxid, zxid);
	cr_assert_eq(calls, 2);
	zxid = set("{\"vers\x01");
	wait_state(WATCH_INVALID);
	cr_assert(problem_has("/orders/master"), "%s", fact->problem);
	cr_assert(problem_has(lab_printf(lab, "mzxid %lld", (long long)zxid)), "%s", fact->problem);
	cr_assert(problem_has("the value is \"{\\\"vers\\x01\""), "%s", fact->problem);
	cr_assert_eq(fact->mzxid, zxid);
	cr_assert_str_eq(fact->topology->primary.address, "10.0.0.1");
	lab_zk_delete(zk, "/orders/master");
	wait_state(WATCH_ABSENT);
	lab_process_kill(lab_zk_process(zk, 0));
	wait_state(WATCH_UNREACHABLE);
	cr_assert(problem_has("ZooKeeper"), "%s", fact->problem);
	lab_zk_server_start(zk, 0);
	wait_state(WATCH_ABSENT);
}

Test(watch_cluster, empty_and_too_large_are_invalid)
{
	char large[64 * 1024 + 1];

	set("");
	start();
	wait_state(WATCH_INVALID);
	memset(large, 'x', sizeof(large));
	lab_zk_set(zk, "/orders/master", large, sizeof(large));
	while (!problem_has("65537 bytes: at most 65536 are allowed"))
		event_base_loop(loop.base, EVLOOP_ONCE);
	set(JSON("null", ""));
	wait_state(WATCH_VALUE);
	cr_assert_not(watcher_fact(watcher)->topology->has_primary);
}

Test(watch_cluster, names_are_resolved_before_they_are_shown)
{
	int64_t zxid = set(JSON(MEMBER("db1", "localhost"),
	                        "{\"name\":\"db2\",\"host\":\"localhost\",\"port\":5433}"));
	const struct topology *topology;

	start();
	topology = wait_value(zxid, 1);
	cr_assert_str_eq(topology->primary.host, "localhost");
	cr_assert_str_eq(topology->primary.address, "127.0.0.1");
	cr_assert_str_eq(topology->standbys[0].address, "127.0.0.1");
	cr_assert_eq(calls, 1);
}

Test(watch_cluster, standby_without_an_address_is_left_out)
{
	int64_t zxid = set(JSON(MEMBER("db1", "10.0.0.1"),
	                        MEMBER("db2", "no.invalid") "," MEMBER("db3", "10.0.0.3")));

	start();
	cr_assert_str_eq(wait_value(zxid, 1)->standbys[0].name, "db3");
}

static bool names_are_asked(void *arg)
{
	(void)arg;
	return watcher_fact(watcher)->state == WATCH_RESOLVING && problem_has("no.invalid");
}

Test(watch_cluster, primary_without_an_address_waits_and_a_newer_value_wins)
{
	int64_t zxid = set(JSON(MEMBER("db1", "10.0.0.1"), ""));

	start();
	wait_value(zxid, 0);
	set(JSON(MEMBER("db2", "no.invalid"), ""));
	cr_assert(watch_loop_until(&loop, names_are_asked, NULL, WAIT_MS));
	cr_assert_str_eq(watcher_fact(watcher)->topology->primary.name, "db1");
	zxid = set(JSON(MEMBER("db3", "10.0.0.3"), ""));
	cr_assert_str_eq(wait_value(zxid, 0)->primary.name, "db3");
	cr_assert_null(watcher_fact(watcher)->problem);
}

Test(watch_cluster, reconnect_shows_the_same_value_again_without_asking_names)
{
	int64_t zxid;

	use_own_server();
	zxid = set(JSON(MEMBER("db1", "localhost"), ""));
	start();
	wait_value(zxid, 0);
	lab_process_kill(lab_zk_process(zk, 0));
	wait_state(WATCH_UNREACHABLE);
	cr_assert_eq(watcher_fact(watcher)->topology->zxid, zxid);
	lab_zk_server_start(zk, 0);
	wait_value(zxid, 0);
	cr_assert_eq(calls, 3);
}

static bool has_publishers(void *arg)
{
	return watcher_fact(watcher)->publishers == *(const int *)arg;
}

static void wait_publishers(int count)
{
	cr_assert(watch_loop_until(&loop, has_publishers, &count, WAIT_MS), "%d, wanted %d",
	          watcher_fact(watcher)->publishers, count);
}

Test(watch_cluster, publishers_are_counted_with_presence_only)
{
	int64_t zxid;

	use_own_server();
	zxid = set(JSON(MEMBER("db1", "10.0.0.1"), ""));
	cluster.presence = true;
	start();
	cr_assert_eq(watcher_fact(watcher)->publishers, -1);
	wait_value(zxid, 0);
	wait_publishers(0);
	lab_zk_create_ephemeral(zk, "/orders/publishers/db1");
	wait_publishers(1);
	lab_zk_disconnect(zk);
	wait_publishers(0);
	lab_process_kill(lab_zk_process(zk, 0));
	wait_publishers(-1);
	watcher_destroy(watcher);
	cluster.presence = false;
	calls = 0;
	start();
	lab_zk_server_start(zk, 0);
	wait_value(zxid, 0);
	cr_assert_eq(watcher_fact(watcher)->publishers, -1);
}
