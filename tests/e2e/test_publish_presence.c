/* A publisher's presence with a real ZooKeeper: shown, rewritten, taken away; its session expired,
 * ended, or that of an earlier life. */
#include <criterion/criterion.h>

#include "base/clock.h"
#include "fixtures/zookeeper_loop.h"
#include "zookeeper/ephemeral.h"

#define TIMEOUT_MS 6000
#define PRESENCE   "/segue/race/publishers/pub1"

static struct lab *lab;
static struct lab_zk *zk;

static void setup(void)
{
	lab = lab_create("presence");
	zk = lab_zk_share(lab);
}

static void teardown(void)
{
	lab_destroy(lab);
}

TestSuite(publish_presence, .init = setup, .fini = teardown, .timeout = 180);

static struct zk_ephemeral *presence_open(struct watch_loop *loop)
{
	const struct zk_ephemeral_options options = {.base = loop->base,
	                                             .zk = loop->zk,
	                                             .acl = ZK_ACL_OPEN,
	                                             .path = PRESENCE,
	                                             .who = "publisher"};

	return zk_ephemeral_create(&options);
}

static bool has_settled(void *arg)
{
	return zk_ephemeral_settled(arg);
}

Test(publish_presence, presence_is_shown_rewritten_and_taken_away)
{
	struct watch_loop loop;
	struct zk_ephemeral *presence;
	struct probe data, count;

	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	presence = presence_open(&loop);
	probe_start(&data, &loop, PRESENCE, ZK_WATCH_DATA, 100);
	probe_start(&count, &loop, "/segue/race/publishers", ZK_WATCH_CHILDREN, 0);
	probe_wait_state(&data, &loop, ZK_NODE_ABSENT);
	zk_ephemeral_show(presence, "{\"sees\":1}");
	probe_wait_data(&data, &loop, "{\"sees\":1}");
	probe_wait_ephemerals(&count, &loop, 1);
	zk_ephemeral_show(presence, "{\"sees\":2}");
	probe_wait_data(&data, &loop, "{\"sees\":2}");
	zk_ephemeral_hide(presence);
	probe_wait_state(&data, &loop, ZK_NODE_ABSENT);
	zk_ephemeral_show(presence, "{\"sees\":2}");
	zk_ephemeral_hide(presence);
	zk_ephemeral_show(presence, "{\"sees\":3}");
	probe_wait_data(&data, &loop, "{\"sees\":3}");
	cr_assert(watch_loop_until(&loop, has_settled, presence, WAIT_MS));
	cr_assert(lab_zk_delete(zk, PRESENCE)); /* by somebody's hand */
	probe_wait_data(&data, &loop, "{\"sees\":3}");
	zk_ephemeral_destroy(presence);
	watch_loop_close(&loop);
	probe_fini(&data);
	probe_fini(&count);
}

Test(publish_presence, presence_comes_back_after_the_session_expired)
{
	struct watch_loop loop;
	struct zk_ephemeral *presence;
	struct probe data;
	int64_t mzxid, again;

	zk = lab_zk_start(lab, 1);
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	presence = presence_open(&loop);
	zk_ephemeral_show(presence, "one");
	cr_assert(watch_loop_until(&loop, has_settled, presence, WAIT_MS));
	cr_assert(lab_zk_get(zk, PRESENCE, NULL, &mzxid));
	cr_assert_gt(lab_zk_expire_others(zk), 0);
	cr_assert_not(lab_zk_get(zk, PRESENCE, NULL, &again));
	probe_start(&data, &loop, PRESENCE, ZK_WATCH_DATA, 100);
	probe_wait_data(&data, &loop, "one");
	cr_assert(watch_loop_until(&loop, has_settled, presence, WAIT_MS));
	cr_assert(lab_zk_get(zk, PRESENCE, NULL, &again));
	cr_assert_gt(again, mzxid);
	zk_ephemeral_destroy(presence);
	watch_loop_close(&loop);
	probe_fini(&data);
}

Test(publish_presence, presence_of_the_last_life_is_waited_out_not_deleted)
{
	struct watch_loop old, new;
	struct zk_ephemeral *before, *after;
	struct probe data;

	watch_loop_open(&old, lab_zk_hosts(zk), TIMEOUT_MS, "");
	before = presence_open(&old);
	zk_ephemeral_show(before, "old");
	cr_assert(watch_loop_until(&old, has_settled, before, WAIT_MS));
	zk_ephemeral_destroy(before);
	watch_loop_close(&old); /* the session is left to expire */
	watch_loop_open(&new, lab_zk_hosts(zk), TIMEOUT_MS, "");
	after = presence_open(&new);
	zk_ephemeral_show(after, "new");
	probe_start(&data, &new, PRESENCE, ZK_WATCH_DATA, 100);
	probe_wait_data(&data, &new, "old");
	watch_loop_turn(&new, 1000);
	cr_assert_str_eq(data.data.data, "old");
	probe_wait_data(&data, &new, "new");
	zk_ephemeral_destroy(after);
	watch_loop_close(&new);
	probe_fini(&data);
}

static void show_and_settle(struct zk_ephemeral *presence, struct watch_loop *loop)
{
	zk_ephemeral_show(presence, "one");
	cr_assert(watch_loop_until(loop, has_settled, presence, WAIT_MS));
	cr_assert(lab_zk_get(zk, PRESENCE, NULL, NULL));
}

Test(publish_presence, it_is_gone_when_the_end_of_the_session_returns)
{
	struct watch_loop loop;
	struct zk_ephemeral *presence;

	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	presence = presence_open(&loop);
	show_and_settle(presence, &loop);
	zk_ephemeral_show(presence, "two"); /* under way, and of no importance any more */
	zk_ephemeral_destroy(presence);
	zk_end(STEAL(loop.zk));
	cr_assert_not(lab_zk_get(zk, PRESENCE, NULL, NULL));
	watch_loop_close(&loop);
}

Test(publish_presence, a_frozen_store_holds_up_the_end_of_the_session_for_a_moment_only)
{
	struct watch_loop loop;
	struct zk_ephemeral *presence;
	int64_t begun_ms, took_ms;

	zk = lab_zk_start(lab, 1);
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	presence = presence_open(&loop);
	show_and_settle(presence, &loop);
	lab_process_freeze(lab_zk_process(zk, 0));
	zk_ephemeral_show(presence, "two");
	watch_loop_turn(&loop, 50); /* sent, and never answered */
	zk_ephemeral_destroy(presence);
	begun_ms = clock_now_ms();
	zk_end(STEAL(loop.zk));
	took_ms = clock_now_ms() - begun_ms;
	cr_assert_leq(took_ms, ZK_END_MS + 500, "%lld ms", (long long)took_ms);
	lab_process_thaw(lab_zk_process(zk, 0));
	watch_loop_close(&loop);
}
