/* Single requests to a real ZooKeeper: who may make which, every result, the lost and the cancelled
 * ones. */
#include <criterion/criterion.h>

#include "fixtures/zookeeper_loop.h"
#include "zookeeper/write.h"

#define TIMEOUT_MS 6000

static struct lab *lab;
static struct lab_zk *zk;

static void setup(void)
{
	lab = lab_create("zk_write");
	zk = lab_zk_share(lab);
}

static void teardown(void)
{
	lab_destroy(lab);
}

TestSuite(zk_write, .init = setup, .fini = teardown, .timeout = 180);

static bool is_true(void *arg)
{
	return *(bool *)arg;
}

/* -- permissions -- */

struct attempt {
	enum zk_result result;
	bool done;
};

static void on_attempt(const struct zk_answer *answer, void *arg)
{
	struct attempt *attempt = arg;

	attempt->result = answer->result;
	attempt->done = true;
}

static enum zk_result await(struct watch_loop *loop, struct attempt *attempt)
{
	cr_assert(watch_loop_until(loop, is_true, &attempt->done, WAIT_MS), "%s",
	          zk_describe(loop->zk));
	attempt->done = false;
	return attempt->result;
}

Test(zk_write, acl_creator_lets_the_world_read_and_the_owner_write)
{
	struct watch_loop owner, world;
	struct attempt attempt = {.done = false};
	struct zk_write *request;

	watch_loop_open(&owner, lab_zk_hosts(zk), TIMEOUT_MS, "digest owner:secret");
	watch_loop_open(&world, lab_zk_hosts(zk), TIMEOUT_MS, "digest other:secret");
	request = zk_write_create(owner.zk, "/a/b/master", "one", 3, ZK_CREATE_PARENTS,
	                          ZK_ACL_CREATOR, on_attempt, &attempt);
	cr_assert_not_null(request);
	cr_assert_eq(await(&owner, &attempt), ZK_RESULT_OK);
	cr_assert_not_null(zk_write_read(world.zk, "/a/b/master", on_attempt, &attempt));
	cr_assert_eq(await(&world, &attempt), ZK_RESULT_OK);
	cr_assert_not_null(
	    zk_write_set(world.zk, "/a/b/master", "two", 3, 0, on_attempt, &attempt));
	cr_assert_eq(await(&world, &attempt), ZK_RESULT_DENIED);
	cr_assert_not_null(zk_write_delete(world.zk, "/a/b/master", -1, on_attempt, &attempt));
	cr_assert_eq(await(&world, &attempt), ZK_RESULT_DENIED);
	cr_assert_not_null(zk_write_create(world.zk, "/a/b/c/d", "x", 1, ZK_CREATE_PARENTS,
	                                   ZK_ACL_OPEN, on_attempt, &attempt));
	cr_assert_eq(await(&world, &attempt), ZK_RESULT_DENIED);
	cr_assert_not_null(
	    zk_write_set(owner.zk, "/a/b/master", "two", 3, 0, on_attempt, &attempt));
	cr_assert_eq(await(&owner, &attempt), ZK_RESULT_OK);
	watch_loop_close(&owner);
	watch_loop_close(&world);
}

Test(zk_write, acl_creator_without_auth_file_is_denied_not_left_open)
{
	struct watch_loop loop;
	struct attempt attempt = {.done = false};

	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	cr_assert_not_null(
	    zk_write_create(loop.zk, "/a", "", 0, 0, ZK_ACL_CREATOR, on_attempt, &attempt));
	cr_assert_eq(await(&loop, &attempt), ZK_RESULT_DENIED);
	watch_loop_close(&loop);
}

/* -- single requests -- */

Test(zk_write, every_result_has_its_class)
{
	struct watch_loop loop;
	struct attempt attempt = {.done = false};

	zk = lab_zk_start(lab, 1);
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	cr_assert_not_null(zk_write_read(loop.zk, "/n", on_attempt, &attempt));
	cr_assert_not(attempt.done, "called back inside the call");
	cr_assert_eq(await(&loop, &attempt), ZK_RESULT_NO_NODE);
	cr_assert_not_null(
	    zk_write_create(loop.zk, "/p/n", "", 0, 0, ZK_ACL_OPEN, on_attempt, &attempt));
	cr_assert_eq(await(&loop, &attempt), ZK_RESULT_NO_NODE);
	cr_assert_not_null(
	    zk_write_create(loop.zk, "/n", "", 0, 0, ZK_ACL_OPEN, on_attempt, &attempt));
	cr_assert_eq(await(&loop, &attempt), ZK_RESULT_OK);
	cr_assert_not_null(
	    zk_write_create(loop.zk, "/n", "", 0, 0, ZK_ACL_OPEN, on_attempt, &attempt));
	cr_assert_eq(await(&loop, &attempt), ZK_RESULT_EXISTS);
	cr_assert_not_null(zk_write_set(loop.zk, "/n", "x", 1, 7, on_attempt, &attempt));
	cr_assert_eq(await(&loop, &attempt), ZK_RESULT_BAD_VERSION);
	cr_assert_not_null(zk_write_set(loop.zk, "n/", "x", 1, 7, on_attempt, &attempt));
	cr_assert_eq(await(&loop, &attempt), ZK_RESULT_REFUSED);
	cr_assert_not_null(zk_write_delete(loop.zk, "/n", 0, on_attempt, &attempt));
	cr_assert_eq(await(&loop, &attempt), ZK_RESULT_OK);
	lab_process_freeze(lab_zk_process(zk, 0));
	cr_assert_not_null(zk_write_set(loop.zk, "/n", "x", 1, 7, on_attempt, &attempt));
	cr_assert_eq(await(&loop, &attempt), ZK_RESULT_LOST);
	cr_assert_not_null(zk_write_set(loop.zk, "/n", "x", 1, 7, on_attempt, &attempt));
	cr_assert_eq(await(&loop, &attempt), ZK_RESULT_NOT_SENT);
	lab_process_thaw(lab_zk_process(zk, 0));
	watch_loop_close(&loop);
}

Test(zk_write, cancelled_and_destroyed_requests_never_call)
{
	struct watch_loop loop;
	struct attempt attempt = {.done = false};
	struct zk_write *request;

	zk = lab_zk_start(lab, 1);
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	request = zk_write_read(loop.zk, "/n", on_attempt, &attempt);
	zk_write_cancel(request);
	watch_loop_turn(&loop, 300);
	cr_assert(zk_connected(loop.zk));
	lab_process_freeze(lab_zk_process(zk, 0));
	cr_assert_not_null(zk_write_read(loop.zk, "/n", on_attempt, &attempt));
	request = zk_write_read(loop.zk, "/n", on_attempt, &attempt);
	watch_loop_turn(&loop, 50); /* they are sent */
	zk_write_cancel(request);
	cr_assert_not_null(zk_write_read(loop.zk, "/n", on_attempt, &attempt)); /* not sent */
	watch_loop_close(&loop);
	cr_assert_not(attempt.done);
	lab_process_thaw(lab_zk_process(zk, 0));
}
