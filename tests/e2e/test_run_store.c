/* segue run and the store: what the znode says reaches HAProxy, and nothing else does. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixtures/run_stage.h"

TestSuite(run_store, .timeout = 120);

static void start_on(struct run *run, const struct run_options *options, int backend)
{
	int64_t zxid;

	run_init(run, options);
	zxid = run_set_primary(run, backend);
	lab_segue_start(run->segue);
	cr_assert(run_wait_moved(run, zxid), "%s",
	          lab_read_file(run->lab, lab_process_log(lab_segue_process(run->segue))));
	cr_assert(run_reaches(run, backend));
	cr_assert(run_file_names(run, backend));
}

Test(run_store, without_znode_nothing_is_touched_until_there_is_one)
{
	struct run run;

	run_init(&run, &(struct run_options){0});
	lab_segue_start(run.segue);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=waiting",
	                                      "cluster=orders", "does not exist", NULL));
	cr_assert_neq(access(run.output, F_OK), 0);
	run_set_primary(&run, 1);
	cr_assert(run_wait_reaches(&run, 1));
	cr_assert(run_wait_file_names(&run, 1));
	run_fini(&run);
}

Test(run_store, the_store_may_come_up_after_the_sidecar)
{
	struct run run;
	int64_t zxid;

	run_init(&run, &(struct run_options){.zk_servers = 1});
	zxid = run_set_primary(&run, 0);
	lab_process_kill(lab_zk_process(run.zk, 0));
	lab_segue_start(run.segue);
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=waiting", "unreachable", NULL));
	lab_zk_server_start(run.zk, 0);
	cr_assert(run_wait_moved(&run, zxid));
	cr_assert(run_reaches(&run, 0));
	run_fini(&run);
}

Test(run_store, a_change_moves_the_running_haproxy_without_a_reload)
{
	struct run run;
	pid_t worker;

	start_on(&run, &(struct run_options){0}, 0);
	worker = lab_haproxy_worker(run.haproxy);
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	cr_assert(run_reaches(&run, 1));
	cr_assert(run_file_names(&run, 1));
	cr_assert_eq(lab_haproxy_worker(run.haproxy), worker);
	run_fini(&run);
}

/* The last one names a server of its own, so that reaching it says that nothing came after. */
Test(run_store, a_hundred_changes_in_a_row_and_the_last_one_wins)
{
	struct run run;

	start_on(&run, &(struct run_options){0}, 0);
	for (int i = 0; i < 99; i++)
		run_set_primary(&run, i % 2);
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 2)));
	cr_assert(run_reaches(&run, 2));
	cr_assert(run_file_names(&run, 2));
	run_fini(&run);
}

static const struct run_options keep = {.cluster = "on_primary_loss = keep\n"};

Test(run_store, a_deleted_znode_changes_nothing_when_told_so_and_a_new_one_is_followed)
{
	struct run run;

	start_on(&run, &keep, 0);
	cr_assert(lab_zk_delete(run.zk, RUN_MASTER));
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=kept",
	                                      "cluster=orders", "does not exist", NULL));
	cr_assert(run_reaches(&run, 0));
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 2)));
	cr_assert(run_reaches(&run, 2));
	run_fini(&run);
}

Test(run_store, no_primary_keeps_the_last_one_when_told_so_and_says_it)
{
	static const char null_json[] = "{\"version\":1,\"primary\":null,\"standbys\":[]}";
	struct run run;

	start_on(&run, &keep, 0);
	run_set(&run, null_json, strlen(null_json));
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=kept", "names no primary", NULL));
	cr_assert(run_reaches(&run, 0));
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	run_fini(&run);
}

struct payload {
	const char *name, *data, *said;
};

/* Every one of them is refused with path and zxid, and the last good state stays. */
static const struct payload payloads[] = {
    {"empty", "", "empty"},
    {"garbage", "\x01\x02 garbage \xff", "cannot be used"},
    {"not an object", "[1,2,3]", "cannot be used"},
    {"another version", "{\"version\":2,\"primary\":null}", "version"},
    {"a line break in the host",
     "{\"version\":1,\"primary\":{\"name\":\"x\",\"host\":\"h\\n server evil 127.0.0.1:1\",\"port\":1},\"standbys\":[]}",
     "host"},
    {"a command in the host",
     "{\"version\":1,\"primary\":{\"name\":\"x\",\"host\":\"127.0.0.1;disable frontend orders_rw\",\"port\":1},\"standbys\":[]}",
     "host"},
    {"a port out of range",
     "{\"version\":1,\"primary\":{\"name\":\"x\",\"host\":\"127.0.0.1\",\"port\":70000},\"standbys\":[]}",
     "port"},
};

Test(run_store, garbage_and_hostile_values_are_refused_by_name)
{
	struct run run;
	char wanted[64];

	start_on(&run, &(struct run_options){0}, 0);
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		int64_t zxid = run_set(&run, payloads[i].data, strlen(payloads[i].data));

		snprintf(wanted, sizeof(wanted), " zxid=%" PRId64 " ", zxid);
		cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=kept",
		                                      wanted, RUN_MASTER, payloads[i].said, NULL),
		                   "%s", payloads[i].name);
		cr_assert(run_reaches(&run, 0), "%s", payloads[i].name);
	}
	cr_assert(run_file_names(&run, 0));
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	run_fini(&run);
}

Test(run_store, a_megabyte_is_refused_unread)
{
	size_t size = 1000000;
	auto_free char *big = xcalloc(size, 1);
	struct run run;

	memset(big, '{', size);
	start_on(&run, &(struct run_options){0}, 0);
	run_set(&run, big, size);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=kept", RUN_MASTER,
	                                      "1000000", NULL));
	cr_assert(run_reaches(&run, 0));
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	run_fini(&run);
}

Test(run_store, a_restarted_server_brings_the_next_change)
{
	struct run run;

	start_on(&run, &(struct run_options){.zk_servers = 1}, 0);
	lab_process_kill(lab_zk_process(run.zk, 0));
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=kept", "unreachable", NULL));
	cr_assert(run_reaches(&run, 0));
	lab_zk_server_start(run.zk, 0);
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	cr_assert(run_reaches(&run, 1));
	run_fini(&run);
}

Test(run_store, an_expired_session_is_replaced_and_misses_nothing)
{
	struct run run;

	start_on(&run, &(struct run_options){.zk_servers = 1}, 0);
	for (int i = 1; i <= 3; i++) {
		cr_assert_gt(lab_zk_expire_others(run.zk), 0);
		cr_assert(run_wait_moved(&run, run_set_primary(&run, i % RUN_BACKENDS)));
		cr_assert(run_reaches(&run, i % RUN_BACKENDS));
	}
	run_fini(&run);
}

Test(run_store, a_killed_leader_of_an_ensemble_is_survived)
{
	struct run run;
	int leader;

	start_on(&run, &(struct run_options){.zk_servers = 3}, 0);
	leader = lab_zk_leader(run.zk);
	cr_assert_geq(leader, 0);
	lab_process_kill(lab_zk_process(run.zk, leader));
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	cr_assert(run_reaches(&run, 1));
	run_fini(&run);
}

Test(run_store, a_frozen_server_of_an_ensemble_is_left)
{
	struct run run;
	int backend = 1;

	start_on(&run, &(struct run_options){.zk_servers = 3}, 0);
	for (int i = 0; i < 3; i++) {
		if (i == lab_zk_leader(run.zk))
			continue;
		lab_zk_disconnect(run.zk);
		lab_process_freeze(lab_zk_process(run.zk, i));
		backend = 3 - backend; /* another one than before */
		cr_assert(run_wait_moved(&run, run_set_primary(&run, backend)));
		lab_process_thaw(lab_zk_process(run.zk, i));
		cr_assert(lab_zk_wait_ready(run.zk, i, RUN_TIMEOUT_MS));
	}
	run_fini(&run);
}

struct expiry {
	struct run *run;
};

static bool session_is_gone(void *arg)
{
	struct run *run = ((struct expiry *)arg)->run;

	return lab_zk_expire_others(run->zk) == 0;
}

/* Longer than its session lives, with two changes while it sleeps. */
Test(run_store, a_sidecar_that_was_frozen_takes_the_newest_value)
{
	struct run run;
	struct expiry expiry = {&run};
	int64_t zxid;

	start_on(&run, &(struct run_options){.zk_servers = 1}, 0);
	lab_process_freeze(lab_segue_process(run.segue));
	run_set_primary(&run, 1);
	cr_assert(lab_wait_until(session_is_gone, &expiry, RUN_TIMEOUT_MS));
	zxid = run_set_primary(&run, 2);
	lab_process_thaw(lab_segue_process(run.segue));
	cr_assert(run_wait_moved(&run, zxid));
	cr_assert(run_reaches(&run, 2));
	cr_assert_eq(lab_segue_count_log(run.segue, "event=primary", "primary=127.0.0.1:1 ", NULL),
	             0);
	run_fini(&run);
}

/* The data set is gone and made again with an older fact: nothing moves, and it is an alarm; a
 * value that is written after that is newer than both. */
Test(run_store, a_store_that_went_back_in_time_is_refused_until_it_is_written_again)
{
	struct run run;
	int64_t zxid = 0;

	start_on(&run, &(struct run_options){.zk_servers = 1}, 0);
	for (int i = 0; i < 50; i++)
		zxid = run_set_primary(&run, 1 + (i & 1));
	cr_assert(run_wait_moved(&run, zxid));
	lab_process_kill(lab_zk_process(run.zk, 0));
	lab_zk_disconnect(run.zk);
	lab_zk_wipe(run.zk, 0);
	lab_zk_server_start(run.zk, 0);
	cr_assert_lt(run_set_primary(&run, 0), zxid);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=refused",
	                                      "cluster=orders", "back", NULL));
	cr_assert(run_reaches(&run, 2));
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	cr_assert(run_reaches(&run, 1));
	run_fini(&run);
}

Test(run_store, with_presence_nothing_moves_without_a_live_publisher)
{
	struct run run;

	run_init(&run, &(struct run_options){.cluster = "presence = yes\n"});
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=waiting", "publisher", NULL));
	cr_assert_neq(access(run.output, F_OK), 0);
	lab_zk_create_ephemeral(run.zk, "/segue/orders/publishers/db0");
	cr_assert(run_wait_reaches(&run, 0));
	lab_zk_disconnect(run.zk);
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=kept", "publisher", NULL));
	run_set_primary(&run, 1);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=kept", NULL));
	cr_assert(run_reaches(&run, 0));
	lab_zk_create_ephemeral(run.zk, "/segue/orders/publishers/db1");
	cr_assert(run_wait_reaches(&run, 1));
	run_fini(&run);
}

Test(run_store, layout_plain_follows_a_node_name)
{
	struct run run;
	const char *nodes;

	run_init(&run, &(struct run_options){0});
	nodes = lab_printf(run.lab,
	                   "[segue]\nstate_dir = %s\n[zookeeper]\nhosts = %s\n"
	                   "[cluster orders]\nlayout = plain\npath = /db/master\n"
	                   "node.node1 = 127.0.0.1:%u\nnode.node2 = 127.0.0.1:%u\n"
	                   "[haproxy local]\ncluster = orders\ntemplate = %s\noutput = %s\n"
	                   "socket = %s\nmaster_socket = %s\nvar.port = %u\n",
	                   lab_path(run.lab, "state"), lab_zk_hosts(run.zk),
	                   lab_backend_port(run.backends[1]), lab_backend_port(run.backends[2]),
	                   run.template_file, run.output, lab_haproxy_socket(run.haproxy),
	                   lab_haproxy_master_socket(run.haproxy), run.port);
	lab_write_file(lab_segue_ini_file(run.segue), nodes);
	lab_zk_set(run.zk, "/db/master", "node1", 5);
	lab_segue_start(run.segue);
	cr_assert(run_wait_reaches(&run, 1));
	nodes =
	    "{:node-id 2, :event-timestamp #inst \"2015-03-16T13:48:00.000-00:00\", :name \"node2\"}";
	lab_zk_set(run.zk, "/db/master", nodes, strlen(nodes));
	cr_assert(run_wait_reaches(&run, 2));
	run_fini(&run);
}

static void set_path(struct run *run, const char *from, const char *to)
{
	const char *ini = lab_read_file(run->lab, lab_segue_ini_file(run->segue));
	const char *at = strstr(ini, from);

	cr_assert_not_null(at, "%s", ini);
	lab_write_file(
	    lab_segue_ini_file(run->segue),
	    lab_printf(run->lab, "%.*s%s%s", (int)(at - ini), ini, to, at + strlen(from)));
	lab_segue_mark(run->segue);
}

static void expect_alarm(struct run *run)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;

	cr_assert_not_null(lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, "event=alarm ",
	                                      "path = /segue/oders does not exist", NULL),
	                   "%s", lab_process_log_tail(lab_segue_process(run->segue)));
	cr_assert(run_reaches(run, 0));
	lab_ask(lab_segue_listen(run->segue), "GET", "/status", &output);
	cr_expect_not_null(strstr(output.data, "correct path in [cluster orders]"), "%s",
	                   output.data);
	cr_expect_eq(lab_segue_count_log(run->segue, "event=hold ", NULL), 0);
}

/* A letter is missing in path: nobody is held for it, neither then nor after a restart. */
Test(run_store, a_path_that_was_changed_to_nothing_changes_nothing)
{
	const char *argv[] = {NULL, "check", "-c", NULL, NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;
	struct run run;

	start_on(&run, &(struct run_options){0}, 0);
	set_path(&run, "path = /segue/orders\n", "path = /segue/oders\n");
	lab_process_signal(lab_segue_process(run.segue), SIGHUP);
	expect_alarm(&run);
	argv[0] = lab_segue_binary(run.lab);
	argv[3] = lab_segue_ini_file(run.segue);
	cr_expect_neq(lab_run(run.lab, argv, &output), 0);
	cr_expect_not_null(strstr(output.data, "FAIL  cluster/orders: /segue/oders/master does not "
	                                       "exist, and "),
	                   "%s", output.data);
	lab_process_stop(lab_segue_process(run.segue));
	lab_segue_mark(run.segue);
	lab_segue_start(run.segue);
	expect_alarm(&run);
	set_path(&run, "path = /segue/oders\n", "path = /segue/orders\n");
	lab_process_signal(lab_segue_process(run.segue), SIGHUP);
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=config_reloaded", NULL));
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	cr_assert(run_reaches(&run, 1));
	run_fini(&run);
}
