/* Publishing with a real ZooKeeper: the race of ten, and a writer that comes late. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixtures/zookeeper_loop.h"
#include "publisher/write.h"
#include "topology/layout.h"
#include "zookeeper/ephemeral.h"

#define TIMEOUT_MS 6000
#define RACERS     10
#define PROMOTIONS 1000
#define ROUND_US   ((int64_t)1000000)
#define MASTER     "/segue/race/master"

static struct lab *lab;
static struct lab_zk *zk;
static const struct config_cluster cluster = {
    .name = (char *)"race", .layout = CONFIG_LAYOUT_SEGUE, .path = (char *)"/segue/race"};

static void setup(void)
{
	lab = lab_create("publish");
	zk = lab_zk_share(lab);
}

static void teardown(void)
{
	lab_destroy(lab);
}

TestSuite(publish, .init = setup, .fini = teardown, .timeout = 180);

/* A publisher without its observations: those are the test's. */
struct racer {
	struct zk *zk;
	struct publish_zk store;
	struct publish *publish;
	struct decider *decider;
	char name[16];
	unsigned written, done, races_lost;
	struct publish_outcome last;
	struct topology seen; /* what the store had when the last decision was formed */
	struct stored_value known;
};

static void on_form(const struct stored_value *store, struct publish_decision *out, void *arg)
{
	struct racer *racer = arg;

	publish_decide(racer->decider, store, clock_now_us(), out);
	if (store->state == STORED_VALUE)
		topology_copy(&racer->seen, store->topology);
	racer->known.state = store->state;
	racer->known.topology = &racer->seen;
}

static void on_done(const struct publish_outcome *outcome, void *arg)
{
	struct racer *racer = arg;

	racer->done++;
	racer->written += outcome->result == PUBLISH_WRITTEN;
	racer->races_lost += outcome->races_lost;
	racer->last = *outcome;
	if (outcome->result == PUBLISH_WRITTEN)
		decider_written(racer->decider, outcome->decision);
	racer->last.decision = NULL;
	racer->last.problem = NULL;
}

static void racer_open(struct racer *racer, struct zk *session, int number)
{
	const struct publish_rules rules = {
	    .publisher = racer->name, .null_after = 3, .drop_after = 3, .fresh_us = 60 * ROUND_US};
	struct publish_options options = {
	    .cluster = &cluster, .form = on_form, .done = on_done, .arg = racer};
	struct publish_store store;

	*racer = (struct racer){.zk = session, .store = {.zk = session, .acl = ZK_ACL_OPEN}};
	snprintf(racer->name, sizeof(racer->name), "pub%d", number);
	topology_init(&racer->seen);
	racer->decider = decider_create(&rules);
	store = publish_store_of(&racer->store);
	options.store = &store;
	racer->publish = publish_create(&options);
}

static void racer_close(struct racer *racer)
{
	publish_destroy(racer->publish);
	decider_destroy(racer->decider);
	topology_fini(&racer->seen);
}

/* Two servers, of which the one writes on this timeline and the other follows. */
static void observe(struct racer *racer, int64_t timeline)
{
	struct node_state nodes[2];
	char wall[CLOCK_WALL_MAX];

	for (int i = 0; i < 2; i++) {
		nodes[i] = (struct node_state){.port = 5432,
		                               .class = SERVER_ANSWERED,
		                               .in_recovery = timeline % 2 != i,
		                               .timeline = timeline,
		                               .lsn = 1000,
		                               .system_identifier = "7000"};
		snprintf(nodes[i].name, sizeof(nodes[i].name), "db%d", i + 1);
		snprintf(nodes[i].host, sizeof(nodes[i].host), "10.0.0.%d", i + 1);
	}
	clock_wall(wall, sizeof(wall));
	decider_observe(racer->decider, nodes, 2, &racer->known, clock_now_us(), wall);
}

/* -- the race -- */

struct race {
	struct watch_loop loops; /* its base and resolver are everybody's */
	struct racer racers[RACERS];
	struct zk *sessions[RACERS];
	unsigned wanted; /* runs that are over */
};

static bool all_done(void *arg)
{
	const struct race *race = arg;

	for (int i = 0; i < RACERS; i++)
		if (race->racers[i].done < race->wanted)
			return false;
	return true;
}

static void race_open(struct race *race)
{
	const struct zk_options options = {
	    .hosts = lab_zk_hosts(zk), .session_timeout_ms = TIMEOUT_MS, .auth = ""};
	struct err err;

	watch_loop_open(&race->loops, lab_zk_hosts(zk), TIMEOUT_MS, "");
	for (int i = 0; i < RACERS; i++) {
		race->sessions[i] =
		    zk_create(race->loops.base, race->loops.resolver, &options, &err);
		cr_assert_not_null(race->sessions[i], "%s", err.message);
		racer_open(&race->racers[i], race->sessions[i], i);
	}
}

static void race_close(struct race *race)
{
	for (int i = 0; i < RACERS; i++) {
		racer_close(&race->racers[i]);
		zk_destroy(race->sessions[i]);
	}
	watch_loop_close(&race->loops);
}

struct stored {
	struct topology topology;
	int32_t version;
	int64_t mzxid;
	bool done;
};

static void on_stored(const struct zk_answer *answer, void *arg)
{
	struct stored *stored = arg;
	struct err err;

	cr_assert_eq(answer->result, ZK_RESULT_OK, "%s", zk_result_name(answer->result));
	cr_assert(layout_decode(&cluster, answer->data, answer->size, &stored->topology, &err));
	stored->version = answer->version;
	stored->done = true;
}

static bool is_true(void *arg)
{
	return *(bool *)arg;
}

static struct stored read_store(struct watch_loop *loop)
{
	struct stored stored = {.done = false};

	cr_assert_not_null(zk_write_read(loop->zk, MASTER, on_stored, &stored));
	cr_assert(watch_loop_until(loop, is_true, &stored.done, WAIT_MS));
	return stored;
}

/* Each promotion is seen by all ten; every other time a half of them still sees the one before. */
static void race_promotion(struct race *race, int64_t timeline)
{
	race->wanted++;
	for (int i = 0; i < RACERS; i++) {
		int number = (int)((i + timeline) % RACERS);
		struct racer *racer = &race->racers[number];
		bool late = timeline % 2 == 0 && i % 2 == 1 && timeline > 1;

		observe(racer, late ? timeline - 1 : timeline);
		publish_run(racer->publish);
	}
	cr_assert(watch_loop_until(&race->loops, all_done, race, WAIT_MS), "timeline %" PRId64,
	          timeline);
}

Test(publish, ten_racing_publishers_write_each_promotion_once_and_in_order)
{
	struct race race = {.wanted = 0};
	struct probe probe;
	char promoted_at[64] = "";
	unsigned written = 0, races_lost = 0;

	race_open(&race);
	probe_start(&probe, &race.loops, MASTER, ZK_WATCH_DATA, LAYOUT_VALUE_MAX);
	for (int64_t timeline = 1; timeline <= PROMOTIONS; timeline++) {
		struct stored stored;

		race_promotion(&race, timeline);
		stored = read_store(&race.loops);
		cr_assert_eq(stored.topology.timeline, timeline);
		cr_assert_eq(stored.version, timeline - 1, "version %d on timeline %" PRId64,
		             stored.version, timeline);
		cr_assert_geq(strcmp(stored.topology.promoted_at, promoted_at), 0);
		cr_assert_str_eq(stored.topology.primary.name, timeline % 2 == 0 ? "db1" : "db2");
		memcpy(promoted_at, stored.topology.promoted_at, sizeof(promoted_at));
		topology_fini(&stored.topology);
	}
	for (int i = 0; i < RACERS; i++) {
		written += race.racers[i].written;
		races_lost += race.racers[i].races_lost;
	}
	cr_assert_eq(written, PROMOTIONS);
	cr_assert_gt(races_lost, PROMOTIONS, "they did race: %u", races_lost);
	race_close(&race);
	probe_fini(&probe);
}

/* -- the late writer -- */

/* A store that stops the process between the read and the write, as SIGSTOP would. */
static struct zk_write *stop_and_set(void *store, const char *path, const void *data, size_t size,
                                     int32_t version, zk_write_cb *cb, void *arg)
{
	struct publish_store real = publish_store_of(store);

	raise(SIGSTOP);
	return real.set(store, path, data, size, version, cb, arg);
}

static bool is_done(void *arg)
{
	return ((const struct racer *)arg)->done > 0;
}

/* Sees timeline 2, reads, is stopped, and writes when it goes on. Exits 0 when it wrote nothing. */
static int late_publisher(void *arg)
{
	struct watch_loop loop;
	struct racer racer;
	struct publish_store store;
	struct publish_options options = {
	    .cluster = &cluster, .form = on_form, .done = on_done, .arg = &racer};

	watch_loop_open(&loop, lab_zk_hosts(arg), TIMEOUT_MS, "");
	racer_open(&racer, loop.zk, 1);
	publish_destroy(racer.publish);
	store = publish_store_of(&racer.store);
	store.set = stop_and_set;
	options.store = &store;
	racer.publish = publish_create(&options);
	observe(&racer, 2);
	publish_run(racer.publish);
	if (!watch_loop_until(&loop, is_done, &racer, WAIT_MS))
		return 1;
	return racer.written == 0 && racer.last.result == PUBLISH_NOTHING && racer.races_lost > 0
	           ? 0
	           : 2;
}

static void publish_as(struct watch_loop *loop, int64_t timeline)
{
	struct racer racer;

	racer_open(&racer, loop->zk, 9);
	observe(&racer, timeline);
	publish_run(racer.publish);
	cr_assert(watch_loop_until(loop, is_done, &racer, WAIT_MS));
	cr_assert_eq(racer.last.result, PUBLISH_WRITTEN, "%d", racer.last.result);
	racer_close(&racer);
}

static bool is_stopped(void *arg)
{
	char path[64], line[512] = "";
	const char *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", *(pid_t *)arg);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	state = fgets(line, sizeof(line), file) != NULL ? strrchr(line, ')') : NULL;
	fclose(file);
	return state != NULL && state[2] == 'T';
}

Test(publish, the_write_of_a_publisher_that_was_stopped_meanwhile_loses)
{
	struct watch_loop loop;
	struct lab_process *late;
	struct stored stored;
	pid_t pid;

	watch_loop_open(&loop, lab_zk_hosts(zk), TIMEOUT_MS, "");
	publish_as(&loop, 1);
	late = lab_fork(lab, "late", late_publisher, zk);
	pid = lab_process_pid(late);
	while (!is_stopped(&pid)) {
		cr_assert(lab_process_alive(late), "%s", lab_process_log_tail(late));
		watch_loop_turn(&loop, 10);
	}
	publish_as(&loop, 3);
	kill(pid, SIGCONT);
	cr_assert(lab_process_wait(late, WAIT_MS));
	cr_assert_eq(lab_process_exit_code(late), 0, "%d: %s", lab_process_exit_code(late),
	             lab_process_log_tail(late));
	stored = read_store(&loop);
	cr_assert_eq(stored.topology.timeline, 3);
	cr_assert_eq(stored.version, 1);
	topology_fini(&stored.topology);
	watch_loop_close(&loop);
}
