/* Permissions: a znode that may not be read is told apart from one that is not there, and the right
 * auth_file opens it. */
#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

#include "base/clock.h"
#include "fixtures/zookeeper_loop.h"

#define TIMEOUT_MS 6000
#define MAX_SIZE   ((size_t)64 * 1024)

static struct lab *lab;
static struct lab_zk *zk;

static void setup(void)
{
	lab = lab_create("watch-acl");
	zk = lab_zk_share(lab);
}

static void teardown(void)
{
	lab_destroy(lab);
}

TestSuite(watch_acl, .init = setup, .fini = teardown, .timeout = 60);

static void ignore_event(zhandle_t *handle, int type, int state, const char *path, void *arg)
{
	(void)handle;
	(void)type;
	(void)state;
	(void)path;
	(void)arg;
}

static void on_created(int rc, const char *path, const void *data)
{
	(void)path;
	*(int *)data = rc;
}

static void turn(zhandle_t *handle)
{
	int fd = -1, interest = 0;
	struct timeval tv = {.tv_sec = 0};
	struct pollfd poll_fd;

	zookeeper_interest(handle, &fd, &interest, &tv);
	poll_fd =
	    (struct pollfd){.fd = fd,
	                    .events = (short)(((interest & ZOOKEEPER_READ) != 0 ? POLLIN : 0) |
	                                      ((interest & ZOOKEEPER_WRITE) != 0 ? POLLOUT : 0))};
	if (poll(&poll_fd, 1, 10) > 0)
		zookeeper_process(handle,
		                  ((poll_fd.revents & POLLIN) != 0 ? ZOOKEEPER_READ : 0) |
		                      ((poll_fd.revents & POLLOUT) != 0 ? ZOOKEEPER_WRITE : 0));
}

/* Makes a znode that only user "owner" with password "secret" may touch. */
static void create_protected(const char *path, const char *value)
{
	int64_t deadline = clock_now_ms() + WAIT_MS;
	int rc = ZOPERATIONTIMEOUT;
	zhandle_t *handle;

	zoo_set_debug_level((ZooLogLevel)0);
	handle =
	    zookeeper_init(lab_zk_hosts(zk), ignore_event, 10000, NULL, NULL, ZOO_NO_LOG_CLIENTENV);

	cr_assert_not_null(handle);
	zoo_add_auth(handle, "digest", "owner:secret", 12, NULL, NULL);
	while (zoo_state(handle) != ZOO_CONNECTED_STATE && clock_now_ms() < deadline)
		turn(handle);
	zoo_acreate(handle, path, value, (int)strlen(value), &ZOO_CREATOR_ALL_ACL, 0, on_created,
	            &rc);
	while (rc == ZOPERATIONTIMEOUT && clock_now_ms() < deadline)
		turn(handle);
	zookeeper_close(handle);
	cr_assert_eq(rc, ZOK, "%s", zerror(rc));
}

static void assert_denied(const char *auth, const char *hint)
{
	struct watch_loop loop;
	struct probe data, children;

	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, auth);
	probe_start(&data, &loop, "/locked", ZK_WATCH_DATA, MAX_SIZE);
	probe_start(&children, &loop, "/locked", ZK_WATCH_CHILDREN, 0);
	probe_wait_state(&data, &loop, ZK_NODE_DENIED);
	probe_wait_state(&children, &loop, ZK_NODE_DENIED);
	cr_assert_not_null(strstr(data.problem.data, "/locked"), "%s", data.problem.data);
	cr_assert_not_null(strstr(data.problem.data, hint), "%s", data.problem.data);
	cr_assert_null(data.fact.data);
	cr_assert_eq(children.fact.ephemeral_children, -1);
	watch_loop_close(&loop);
	probe_fini(&data);
	probe_fini(&children);
}

Test(watch_acl, without_or_with_the_wrong_auth_the_znode_is_denied)
{
	create_protected("/locked", "one");
	assert_denied("", "auth_file is not set");
	assert_denied("digest owner:wrong", "the user and password in auth_file do not match");
}

Test(watch_acl, the_right_auth_opens_it)
{
	struct watch_loop loop;
	struct probe probe;

	zk = lab_zk_start(lab, 1);
	create_protected("/locked", "one");
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "digest owner:secret");
	probe_start(&probe, &loop, "/locked", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_data(&probe, &loop, "one");
	lab_process_kill(lab_zk_process(zk, 0)); /* the next connection needs the auth again */
	probe_wait_connected(&probe, &loop, false);
	lab_zk_server_start(zk, 0);
	probe_wait_data(&probe, &loop, "one");
	watch_loop_close(&loop);
	probe_fini(&probe);
}

Test(watch_acl, denied_znode_that_is_replaced_by_an_open_one_is_seen)
{
	struct watch_loop loop;
	struct probe probe;

	create_protected("/locked", "one");
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	probe_start(&probe, &loop, "/locked", ZK_WATCH_DATA, MAX_SIZE);
	probe_wait_state(&probe, &loop, ZK_NODE_DENIED);
	cr_assert(lab_zk_delete(zk, "/locked"));
	probe_wait_state(&probe, &loop, ZK_NODE_ABSENT);
	lab_zk_set(zk, "/locked", "two", 3);
	probe_wait_data(&probe, &loop, "two");
	watch_loop_close(&loop);
	probe_fini(&probe);
}

Test(watch_acl, auth_and_hosts_are_checked_at_once)
{
	struct event_base *base = event_base_new();
	struct zk_options options = {
	    .hosts = "127.0.0.1:2181", .session_timeout_ms = TIMEOUT_MS, .auth = "owner:secret"};
	struct err err;

	cr_assert_null(zk_create(base, NULL, &options, &err));
	cr_assert_not_null(strstr(err.message, "digest user:password"), "%s", err.message);
	options.auth = "";
	options.hosts = "127.0.0.1:99999";
	cr_assert_null(zk_create(base, NULL, &options, &err));
	cr_assert_not_null(strstr(err.message, "127.0.0.1:99999"), "%s", err.message);
	event_base_free(base);
}
