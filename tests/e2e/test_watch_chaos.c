/* Random faults and random changes at once: the last value is always seen, and no fact that is
 * called current is ever older than one before it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/zookeeper_loop.h"

#define ROUNDS     24
#define CHANGES    25 /* a round */
#define TIMEOUT_MS 4000

static struct watch_loop loop;
static int64_t newest;
static char last[16];

static void on_fact(const struct zk_node_fact *fact, void *arg)
{
	(void)arg;
	if (!fact->connected)
		return;
	cr_assert_eq(fact->state, ZK_NODE_PRESENT);
	cr_assert_geq(fact->mzxid, newest);
	newest = fact->mzxid;
	snprintf(last, sizeof(last), "%.*s", (int)fact->size, fact->data);
}

static bool is_last(void *arg)
{
	return zk_connected(loop.zk) && strcmp(last, arg) == 0;
}

static void disturb(struct lab_zk *zk, int server, long what)
{
	struct lab_process *process = lab_zk_process(zk, server);

	switch (what % 5) {
	case 0:
		lab_process_kill(process);
		watch_loop_turn(&loop, what % 300);
		lab_zk_server_start(zk, server);
		lab_zk_wait_ready(zk, server, WAIT_MS); /* an early connection of the lab's hangs */
		break;
	case 1:
		lab_process_freeze(process);
		watch_loop_turn(&loop, what % 3000);
		lab_process_thaw(process);
		break;
	case 2:
		lab_zk_expire_others(zk);
		break;
	default:
		watch_loop_turn(&loop, what % 50);
		break;
	}
}

static void chaos(int servers, unsigned seed)
{
	struct lab *lab = lab_create("watch-chaos");
	struct lab_zk *zk = lab_zk_start(lab, servers);
	char value[16] = "start";

	srandom(seed);
	lab_zk_set(zk, "/n", value, strlen(value));
	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	cr_assert_not_null(zk_watch(loop.zk, "/n", ZK_WATCH_DATA, 64, on_fact, NULL));
	for (int round = 0; round < ROUNDS; round++) {
		disturb(zk, (int)(random() % servers), random());
		for (int i = 0; i < CHANGES; i++) {
			snprintf(value, sizeof(value), "%d.%d", round, i);
			lab_zk_set(zk, "/n", value, strlen(value));
			event_base_loop(loop.base, EVLOOP_NONBLOCK);
		}
		cr_assert(watch_loop_until(&loop, is_last, value, WAIT_MS),
		          "seed %u, round %d: '%s', not '%s'; %s", seed, round, last, value,
		          zk_describe(loop.zk));
	}
	watch_loop_close(&loop);
	lab_destroy(lab);
}

Test(watch_chaos, one_server, .timeout = 180)
{
	chaos(1, 1);
}

Test(watch_chaos, ensemble_of_three, .timeout = 180)
{
	chaos(3, 2);
}
