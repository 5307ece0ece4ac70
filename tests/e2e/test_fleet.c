/* The fleet with a real ZooKeeper: each sidecar's znode from its first word to its end, and what
 * segue fleet and segue wait make of them. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixtures/fleet_stage.h"
#include "fixtures/run_stage.h"
#include "fixtures/zookeeper_loop.h"

TestSuite(fleet_run, .timeout = 120);

static const char *zxid_text(struct fleet_stage *fleet_stage, int64_t zxid)
{
	return lab_printf(fleet_stage->lab, "%" PRId64, zxid);
}

static void expect(const struct strbuf *output, const char *text)
{
	cr_assert_not_null(strstr(output->data, text), "\"%s\" is not in:\n%s", text, output->data);
}

/* The time is over, which was long enough to learn what the store says. */
static void must_wait_in_vain(struct fleet_stage *fleet_stage, struct strbuf *output)
{
	for (int ms = 300; ms < 20000; ms *= 2) {
		const char *timeout = lab_printf(fleet_stage->lab, "%dms", ms);

		cr_assert_eq(fleet_stage_run(fleet_stage, output, "wait", "orders", "--timeout",
		                             timeout, NULL),
		             1, "%s", output->data);
		if (strstr(output->data, "segue wait: not everything was read: ") == NULL)
			return;
	}
	cr_assert_fail("%s", output->data);
}

static const char *log_of(struct fleet_stage *fleet_stage, int sidecar)
{
	return lab_read_file(fleet_stage->lab,
	                     lab_process_log(lab_segue_process(fleet_stage->sidecars[sidecar])));
}

/* So many sidecars, all of which have confirmed 10.0.0.1 as the primary; that zxid. */
static int64_t confirm_first(struct fleet_stage *fleet_stage, int count)
{
	int64_t zxid;

	fleet_stage_start(fleet_stage, count);
	zxid = fleet_stage_name(fleet_stage, 1);
	for (int i = 0; i < count; i++)
		cr_assert(fleet_stage_wait_confirmed(
		    fleet_stage, lab_printf(fleet_stage->lab, "proxy%d", i), zxid));
	return zxid;
}

static int64_t start_confirmed(struct fleet_stage *fleet_stage, const char *cluster, int count)
{
	fleet_stage_init(fleet_stage, cluster);
	return confirm_first(fleet_stage, count);
}

Test(fleet_run, a_sidecar_says_what_it_has_confirmed)
{
	struct fleet_stage fleet_stage;
	auto_strbuf struct strbuf output = STRBUF_INIT;
	int64_t zxid;

	fleet_stage_init(&fleet_stage, NULL);
	fleet_stage_start(&fleet_stage, 2);
	cr_assert(fleet_stage_wait_says(&fleet_stage, "proxy0", "\"state\":\"waiting\""), "%s",
	          log_of(&fleet_stage, 0));
	cr_assert(fleet_stage_wait_says(&fleet_stage, "proxy1", "\"zxid\":0,"));
	zxid = fleet_stage_name(&fleet_stage, 1);
	for (int i = 0; i < 2; i++)
		cr_assert(fleet_stage_wait_confirmed(
		    &fleet_stage, lab_printf(fleet_stage.lab, "proxy%d", i), zxid));
	cr_assert(fleet_stage_wait_says(&fleet_stage, "proxy0",
	                                "\"primary\":\"10.0.0.1:5432\",\"state\":\"current\""));
	cr_assert(fleet_stage_wait_says(&fleet_stage, "proxy0", "\"started\":\"20"));
	cr_assert_eq(fleet_stage_run(&fleet_stage, &output, "fleet", "orders", NULL), 0, "%s",
	             output.data);
	expect(&output, "the store names 10.0.0.1:5432");
	expect(&output, "proxy1");
	expect(&output, "1/1");
	fleet_stage_fini(&fleet_stage);
}

Test(fleet_run, a_change_is_confirmed_by_all_and_wait_ends)
{
	struct fleet_stage fleet_stage;
	auto_strbuf struct strbuf output = STRBUF_INIT;
	int64_t zxid, started_ms, ms;

	fleet_stage_init(&fleet_stage, NULL);
	fleet_stage_start(&fleet_stage, 3);
	zxid = fleet_stage_name(&fleet_stage, 1);
	cr_assert_eq(
	    fleet_stage_run(&fleet_stage, &output, "wait", "orders", "--timeout", "15s", NULL), 0,
	    "%s", output.data);
	for (int i = 0; i < 3; i++)
		cr_assert(fleet_stage_wait_confirmed(
		    &fleet_stage, lab_printf(fleet_stage.lab, "proxy%d", i), zxid));
	zxid = fleet_stage_name(&fleet_stage, 2);
	started_ms = clock_now_ms();
	cr_assert_eq(fleet_stage_run(&fleet_stage, &output, "wait", "orders", "--zxid",
	                             lab_printf(fleet_stage.lab, "0x%" PRIx64, zxid), NULL),
	             0, "%s", output.data);
	ms = clock_now_ms() - started_ms;
	expect(&output,
	       lab_printf(fleet_stage.lab,
	                  "proxy2 has confirmed zxid %" PRId64 ", on 10.0.0.2:5432\n", zxid));
	expect(&output, lab_printf(fleet_stage.lab,
	                           "all sidecars of cluster orders have confirmed zxid "
	                           "%" PRId64 ": 3\n",
	                           zxid));
	cr_assert_lt(ms, 5000, "%" PRId64 " ms", ms);
	fleet_stage_fini(&fleet_stage);
}

Test(fleet_run, one_that_was_killed_vanishes_with_its_session_and_wait_ends)
{
	struct fleet_stage fleet_stage;
	auto_strbuf struct strbuf output = STRBUF_INIT;
	int64_t zxid;

	start_confirmed(&fleet_stage, NULL, 2);
	lab_process_kill(lab_segue_process(fleet_stage.sidecars[1]));
	zxid = fleet_stage_name(&fleet_stage, 2);
	cr_assert_eq(fleet_stage_run(&fleet_stage, &output, "wait", "orders", "--zxid",
	                             zxid_text(&fleet_stage, zxid), "--timeout", "20s", NULL),
	             0, "%s", output.data);
	expect(&output, "proxy0 has confirmed");
	expect(&output, "proxy1 is gone: its session has ended");
	expect(&output, ": 1\n");
	cr_assert(fleet_stage_wait_says(&fleet_stage, "proxy1", NULL));
	fleet_stage_fini(&fleet_stage);
}

Test(fleet_run, one_that_is_stopped_is_named_when_the_time_is_over)
{
	struct fleet_stage fleet_stage;
	auto_strbuf struct strbuf output = STRBUF_INIT;
	int64_t zxid;

	start_confirmed(&fleet_stage, NULL, 2);
	lab_process_freeze(lab_segue_process(fleet_stage.sidecars[1]));
	zxid = fleet_stage_name(&fleet_stage, 2);
	cr_assert_eq(fleet_stage_run(&fleet_stage, &output, "wait", "orders", "--zxid",
	                             zxid_text(&fleet_stage, zxid), "--timeout", "1500ms", NULL),
	             1, "%s", output.data);
	expect(&output, "proxy0 has confirmed");
	expect(&output, "missing: proxy1 (host ");
	expect(&output, "(10.0.0.1:5432)");
	cr_assert_eq(fleet_stage_run(&fleet_stage, &output, "fleet", "orders", NULL), 1, "%s",
	             output.data);
	expect(&output, "ELSEWHERE");
	lab_process_thaw(lab_segue_process(fleet_stage.sidecars[1]));
	cr_assert(fleet_stage_wait_confirmed(&fleet_stage, "proxy1", zxid));
	cr_assert_eq(fleet_stage_run(&fleet_stage, &output, "fleet", "orders", NULL), 0, "%s",
	             output.data);
	fleet_stage_fini(&fleet_stage);
}

struct newer {
	struct fleet_stage *fleet_stage;
	int64_t than;
};

static bool is_newer(void *arg)
{
	const struct newer *newer = arg;
	int64_t mzxid;

	return lab_zk_get(newer->fleet_stage->zk, ARMADA_NODES "/proxy0", NULL, &mzxid) &&
	       mzxid > newer->than;
}

Test(fleet_run, an_expired_session_is_followed_by_the_same_word)
{
	struct fleet_stage fleet_stage;
	struct newer newer = {.fleet_stage = &fleet_stage};
	int64_t zxid;

	fleet_stage_init_own(&fleet_stage, NULL);
	zxid = confirm_first(&fleet_stage, 1);
	cr_assert(lab_zk_get(fleet_stage.zk, ARMADA_NODES "/proxy0", NULL, &newer.than));
	cr_assert_gt(lab_zk_expire_others(fleet_stage.zk), 0);
	cr_assert(lab_wait_until(is_newer, &newer, ARMADA_TIMEOUT_MS));
	cr_assert(fleet_stage_wait_confirmed(&fleet_stage, "proxy0", zxid));
	fleet_stage_fini(&fleet_stage);
}

static bool is_gone(void *arg)
{
	const struct fleet_stage *fleet_stage = arg;

	return !lab_zk_get(fleet_stage->zk, ARMADA_NODES "/proxy0", NULL, NULL);
}

Test(fleet_run, a_clean_end_takes_the_word_away_at_once)
{
	struct fleet_stage fleet_stage;

	start_confirmed(&fleet_stage, NULL, 1);
	cr_assert_eq(lab_process_stop(lab_segue_process(fleet_stage.sidecars[0])), 0);
	cr_assert(lab_wait_until(is_gone, &fleet_stage, 1500), "the session has 4 s to expire");
	fleet_stage_fini(&fleet_stage);
}

struct sought {
	struct run *run;
	const char *path, *text;
};

static bool is_said(void *arg)
{
	const struct sought *sought = arg;
	auto_strbuf struct strbuf data = STRBUF_INIT;

	return lab_zk_get(sought->run->zk, sought->path, &data, NULL) &&
	       strstr(data.data, sought->text) != NULL;
}

Test(fleet_run, a_haproxy_is_confirmed_by_what_it_shows)
{
	struct run run;
	struct sought sought = {.run = &run};
	char host[65] = "";
	int64_t zxid;

	gethostname(host, sizeof(host) - 1);
	run_init(&run, &(struct run_options){.cluster = "fleet = yes\n"});
	sought.path = lab_printf(run.lab, ARMADA_NODES "/%s", host);
	lab_segue_start(run.segue);
	for (int backend = 0; backend < 2; backend++) {
		zxid = run_set_primary(&run, backend);
		sought.text = lab_printf(run.lab, "Z\",\"zxid\":%" PRId64 ",", zxid);
		cr_assert(lab_wait_until(is_said, &sought, ARMADA_TIMEOUT_MS));
		cr_assert(run_reaches(&run, backend));
		cr_assert(run_file_names(&run, backend));
	}
	run_fini(&run);
}

Test(fleet_run, a_reload_keeps_the_znode_and_fleet_no_takes_it_away)
{
	struct fleet_stage fleet_stage;
	struct watch_loop loop;
	struct probe probe;
	int64_t zxid, made;

	start_confirmed(&fleet_stage, NULL, 1);
	watch_loop_open(&loop, lab_zk_hosts(fleet_stage.zk), 10000, "");
	probe_start(&probe, &loop, ARMADA_NODES "/proxy0", ZK_WATCH_DATA, 65536);
	probe_wait_state(&probe, &loop, ZK_NODE_PRESENT);
	made = probe.fact.czxid;
	fleet_stage_reload(&fleet_stage, 0);
	zxid = fleet_stage_name(&fleet_stage, 2);
	cr_assert(fleet_stage_wait_confirmed(&fleet_stage, "proxy0", zxid));
	watch_loop_turn(&loop, 300);
	cr_assert_eq(probe.fact.czxid, made, "it was made anew");
	fleet_stage_configure(&fleet_stage, 0, "proxy0", "verify = disable\n", "");
	fleet_stage_reload(&fleet_stage, 0);
	cr_assert(fleet_stage_wait_says(&fleet_stage, "proxy0", NULL));
	fleet_stage_configure(&fleet_stage, 0, "other", ARMADA_FLEET, "");
	fleet_stage_reload(&fleet_stage, 0);
	cr_assert(fleet_stage_wait_confirmed(&fleet_stage, "other", zxid));
	fleet_stage_configure(&fleet_stage, 0, "third", ARMADA_FLEET, "");
	fleet_stage_reload(&fleet_stage, 0);
	cr_assert(fleet_stage_wait_confirmed(&fleet_stage, "third", zxid));
	cr_assert(fleet_stage_wait_says(&fleet_stage, "other", NULL));
	probe_fini(&probe);
	watch_loop_close(&loop);
	fleet_stage_fini(&fleet_stage);
}

Test(fleet_run, the_second_of_one_name_says_so_and_waits)
{
	struct fleet_stage fleet_stage;
	int64_t zxid;

	fleet_stage_init(&fleet_stage, NULL);
	fleet_stage_configure(&fleet_stage, 1, "proxy0", ARMADA_FLEET, "");
	zxid = fleet_stage_name(&fleet_stage, 1);
	fleet_stage_start(&fleet_stage, 1);
	cr_assert(fleet_stage_wait_confirmed(&fleet_stage, "proxy0", zxid));
	lab_segue_start(fleet_stage.sidecars[1]);
	cr_assert_not_null(
	    lab_segue_wait_log(
	        fleet_stage.sidecars[1], ARMADA_TIMEOUT_MS, "event=presence_taken",
	        ARMADA_NODES "/proxy0", "session=0x",
	        lab_printf(fleet_stage.lab, "\\\"pid\\\":%d",
	                   (int)lab_process_pid(lab_segue_process(fleet_stage.sidecars[0]))),
	        NULL),
	    "%s", log_of(&fleet_stage, 1));
	cr_assert_eq(lab_process_stop(lab_segue_process(fleet_stage.sidecars[0])), 0);
	cr_assert(fleet_stage_wait_says(
	    &fleet_stage, "proxy0",
	    lab_printf(fleet_stage.lab, "\"pid\":%d,",
	               (int)lab_process_pid(lab_segue_process(fleet_stage.sidecars[1])))));
	fleet_stage_fini(&fleet_stage);
}

Test(fleet_run, a_target_that_is_not_in_sync_keeps_wait_waiting_and_says_why)
{
	struct fleet_stage fleet_stage;
	auto_strbuf struct strbuf output = STRBUF_INIT;
	int64_t zxid;

	fleet_stage_init(&fleet_stage, NULL);
	fleet_stage_configure(&fleet_stage, 0, "proxy0", ARMADA_FLEET, "check_command = false\n");
	zxid = fleet_stage_name(&fleet_stage, 1);
	fleet_stage_start(&fleet_stage, 1);
	cr_assert(fleet_stage_wait_says(&fleet_stage, "proxy0",
	                                "\"in_sync\":false,\"primary\":null,\"problem\":\""));
	must_wait_in_vain(&fleet_stage, &output);
	expect(&output, "missing: proxy0 (host ");
	expect(&output,
	       lab_printf(fleet_stage.lab, "has confirmed zxid 0 and seen %" PRId64, zxid));
	expect(&output, "file/app is not in sync: ");
	fleet_stage_fini(&fleet_stage);
}

Test(fleet_run, a_primary_that_is_not_admitted_is_told_with_the_reason)
{
	struct fleet_stage fleet_stage;
	auto_strbuf struct strbuf output = STRBUF_INIT;
	const char *json;

	fleet_stage_init(&fleet_stage, NULL);
	fleet_stage_configure(&fleet_stage, 0, "proxy0", "fleet = yes\nverify = require\n", "");
	json = lab_printf(fleet_stage.lab,
	                  "{\"version\":1,\"primary\":{\"name\":\"db\",\"host\":\"127.0.0.1\","
	                  "\"port\":%u},\"standbys\":[]}",
	                  lab_port(fleet_stage.lab));
	lab_zk_set(fleet_stage.zk, "/segue/orders/master", json, strlen(json));
	fleet_stage_start(&fleet_stage, 1);
	cr_assert(fleet_stage_wait_says(&fleet_stage, "proxy0", "\"why\":\""), "%s",
	          log_of(&fleet_stage, 0));
	must_wait_in_vain(&fleet_stage, &output);
	expect(&output, "has confirmed zxid 0 and seen ");
	expect(&output, "it refuses connections");
	fleet_stage_fini(&fleet_stage);
}

Test(fleet_run, a_null_is_held_and_said_so)
{
	static const char null[] = "{\"version\":1,\"primary\":null,\"standbys\":[]}";
	struct fleet_stage fleet_stage;
	auto_strbuf struct strbuf output = STRBUF_INIT;

	start_confirmed(&fleet_stage, "hold_timeout = 2s\n", 1);
	lab_zk_set(fleet_stage.zk, "/segue/orders/master", null, strlen(null));
	cr_assert(fleet_stage_wait_says(&fleet_stage, "proxy0", "\"holding\":true"));
	must_wait_in_vain(&fleet_stage, &output);
	expect(&output, "): held, has confirmed zxid");
	cr_assert_eq(fleet_stage_run(&fleet_stage, &output, "fleet", "orders", NULL), 1);
	expect(&output, "the store names no primary");
	cr_assert(fleet_stage_wait_says(&fleet_stage, "proxy0", "\"state\":\"lost\""));
	cr_assert(fleet_stage_wait_says(&fleet_stage, "proxy0", "\"holding\":false"));
	fleet_stage_fini(&fleet_stage);
}

Test(fleet_run, bad_bytes_are_shown_with_path_and_zxid)
{
	struct fleet_stage fleet_stage;
	auto_strbuf struct strbuf output = STRBUF_INIT;
	json_t *document;
	int64_t bad;

	start_confirmed(&fleet_stage, NULL, 1);
	bad = lab_zk_set(fleet_stage.zk, ARMADA_NODES "/stray", "\033nonsense", 9);
	cr_assert_eq(fleet_stage_run(&fleet_stage, &output, "fleet", "orders", NULL), 1, "%s",
	             output.data);
	expect(&output, "UNREADABLE");
	expect(&output,
	       lab_printf(fleet_stage.lab,
	                  "znode " ARMADA_NODES "/stray (mzxid %" PRId64 "): not JSON", bad));
	expect(&output, "the value is \"\\x1bnonsense\"");
	cr_assert_eq(
	    fleet_stage_run(&fleet_stage, &output, "wait", "orders", "--timeout", "2s", NULL), 0,
	    "of no session: nobody waits for it: %s", output.data);
	cr_assert_eq(fleet_stage_run(&fleet_stage, &output, "fleet", "--json", "orders", NULL), 1);
	document = json_loads(output.data, 0, NULL);
	cr_assert_eq(json_array_size(json_object_get(document, "sidecars")), 2, "%s", output.data);
	json_decref(document);
	fleet_stage_fini(&fleet_stage);
}

Test(fleet_run, exit_codes_tell_nobody_from_a_wrong_line)
{
	struct fleet_stage fleet_stage;
	auto_strbuf struct strbuf output = STRBUF_INIT;

	fleet_stage_init_own(&fleet_stage, NULL);
	must_wait_in_vain(&fleet_stage, &output);
	expect(&output, "the master znode does not exist");
	fleet_stage_name(&fleet_stage, 1);
	must_wait_in_vain(&fleet_stage, &output);
	expect(&output, "cluster orders has no live sidecar");
	cr_assert_eq(
	    fleet_stage_run(&fleet_stage, &output, "wait", "orders", "--allow-empty", NULL), 0);
	cr_assert_eq(fleet_stage_run(&fleet_stage, &output, "fleet", "orders", NULL), 1);
	expect(&output, "no sidecar has a znode");
	cr_assert_eq(fleet_stage_run(&fleet_stage, &output, "fleet", "sales", NULL), 2);
	expect(&output, "found no [cluster sales]: there is: orders");
	cr_assert_eq(fleet_stage_run(&fleet_stage, &output, "wait", NULL), 2);
	cr_assert_eq(fleet_stage_run(&fleet_stage, &output, "wait", "orders", "--zxid", "7x", NULL),
	             2);
	cr_assert_eq(fleet_stage_run(&fleet_stage, &output, "wait", "orders", "--zxid", "0", NULL),
	             2);
	cr_assert_eq(
	    fleet_stage_run(&fleet_stage, &output, "wait", "orders", "--timeout", "7", NULL), 2);
	lab_process_kill(lab_zk_process(fleet_stage.zk, 0));
	cr_assert_eq(
	    fleet_stage_run(&fleet_stage, &output, "wait", "orders", "--timeout", "1s", NULL), 1);
	expect(&output, "segue wait: not everything was read: ");
	fleet_stage_fini(&fleet_stage);
}
