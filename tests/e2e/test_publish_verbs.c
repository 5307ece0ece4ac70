/* segue publish --once, segue notify, segue check of a publisher, reloads, and repmgr's list of
 * nodes as it changes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixtures/repmgr_stage.h"

TestSuite(publish_verbs, .timeout = 180);

static int segue(struct repmgr_stage *repmgr_stage, struct strbuf *output, const char *verb,
                 const char *a, const char *b, const char *c, const char *d)
{
	const char *argv[] = {lab_segue_binary(repmgr_stage->lab), verb, a, b, c, d, NULL};

	strbuf_reset(output);
	return lab_run(repmgr_stage->lab, argv, output);
}

static const char *ini_of(struct repmgr_stage *repmgr_stage, int publisher)
{
	return lab_segue_ini_file(repmgr_stage->publishers[publisher]);
}

static void run_sql(struct repmgr_stage *repmgr_stage, const char *sql)
{
	auto_free char *done = lab_pg_query(lab_pg_conninfo(repmgr_stage->pg, 0), sql);

	cr_assert_not_null(done, "%s", sql);
}

/* A name leads to the same server as an address of repmgr's: it is asked, and counted, once. */
static void expect_one_server_under_two_addresses(struct repmgr_stage *repmgr_stage)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;
	const char *file, *ini, *at, *first;

	file = lab_path(repmgr_stage->lab, "names.ini");
	ini = repmgr_stage_ini(repmgr_stage, 0, NULL);
	at = strstr(ini, "nodes = host=127.0.0.1");
	lab_write_file(file,
	               lab_printf(repmgr_stage->lab, "%.*snodes = host=localhost%s",
	                          (int)(at - ini), ini, at + strlen("nodes = host=127.0.0.1")));
	cr_assert_eq(segue(repmgr_stage, &out, "publish", "-c", file, "--once", "--dry-run"), 0,
	             "%s", out.data);
	first = strstr(out.data, "takes writes on");
	cr_assert_not_null(first, "%s", out.data);
	cr_assert_null(strstr(first + 1, "takes writes on timeline 1, seen"), "%s", out.data);
	cr_assert_null(strstr(out.data, "alarm"), "%s", out.data);
}

/* The witness comes first and has a list without node3; the primary's list counts. */
static void expect_the_primarys_list(struct repmgr_stage *repmgr_stage)
{
	const struct lab_pg *witness = lab_repmgr_witness(repmgr_stage->repmgr);
	auto_free char *gone = lab_pg_query(lab_pg_conninfo(witness, 0),
	                                    "delete from repmgr.nodes where node_name = 'node3'");
	auto_strbuf struct strbuf out = STRBUF_INIT;
	const char *file = lab_path(repmgr_stage->lab, "witness.ini");
	const char *ini = repmgr_stage_ini(repmgr_stage, 0, NULL), *at = strstr(ini, "nodes = ");

	cr_assert_not_null(gone);
	lab_write_file(file, lab_printf(repmgr_stage->lab,
	                                "%.*snodes = host=127.0.0.1 port=%u, host=127.0.0.1 "
	                                "port=%u, host=127.0.0.1 port=%u%s",
	                                (int)(at - ini), ini, lab_pg_port(witness, 0),
	                                lab_pg_port(repmgr_stage->pg, 0),
	                                lab_pg_port(repmgr_stage->pg, 1), strchr(at, '\n')));
	cr_assert_eq(segue(repmgr_stage, &out, "publish", "-c", file, "--once", "--dry-run"), 0,
	             "%s", out.data);
	cr_assert_not_null(strstr(out.data, "node3 (127.0.0.1:"), "%s", out.data);
}

/* The znode names it: that stays, as it lives. */
static void expect_no_writer_without_a_row(struct repmgr_stage *repmgr_stage)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;
	const char *file;

	file = lab_path(repmgr_stage->lab, "rows.ini");
	lab_write_file(file, repmgr_stage_ini(repmgr_stage, 0, "write_check = table\n"));
	cr_assert_eq(segue(repmgr_stage, &out, "publish", "-c", file, "--once", "--dry-run"), 0);
	cr_assert_not_null(strstr(out.data, "nothing to write: same: "), "%s", out.data);
	run_sql(repmgr_stage, "alter system set default_transaction_read_only = on");
	run_sql(repmgr_stage, "select pg_reload_conf()");
	cr_assert_eq(segue(repmgr_stage, &out, "publish", "-c", file, "--once", "--dry-run"), 0);
	cr_assert_not_null(strstr(out.data, "nothing to write: wait: "), "%s", out.data);
	cr_assert_not_null(strstr(out.data, "read-only transaction"), "%s", out.data);
}

Test(publish_verbs, once_tells_and_a_dry_run_writes_nothing)
{
	struct repmgr_stage repmgr_stage;
	auto_strbuf struct strbuf out = STRBUF_INIT;
	const char *ini;

	repmgr_stage_start(&repmgr_stage,
	                   &(struct repmgr_stage_options){.own_zk = true, .quiet = true});
	ini = ini_of(&repmgr_stage, 0);
	cr_assert_eq(segue(&repmgr_stage, &out, "publish", "-c", ini, "--once", "--dry-run"), 0,
	             "%s", out.data);
	cr_assert_not_null(strstr(out.data, "[publisher orders] pub1, of cluster orders\n"));
	cr_assert_not_null(strstr(out.data, "node1 (127.0.0.1:"), "%s", out.data);
	cr_assert_not_null(strstr(out.data, "takes writes on timeline 1"), "%s", out.data);
	cr_assert_not_null(strstr(out.data, "is a standby on timeline 1"), "%s", out.data);
	cr_assert_not_null(strstr(out.data, "is repmgr's witness"), "%s", out.data);
	cr_assert_not_null(
	    strstr(out.data, "would write: publish: node1 takes writes on timeline 1: "), "%s",
	    out.data);
	cr_assert_not_null(strstr(out.data, "{\"version\":1,\"primary\":{\"name\":\"node1\""));
	cr_assert_not(lab_zk_get(repmgr_stage.zk, CROWD_PATH "/master", NULL, NULL));

	cr_assert_eq(segue(&repmgr_stage, &out, "publish", "-c", ini, "--once", NULL), 0, "%s",
	             out.data);
	cr_assert_not_null(strstr(out.data, "written: publish: "), "%s", out.data);
	cr_assert_eq(repmgr_stage_primary(&repmgr_stage, NULL), 0);
	cr_assert_eq(segue(&repmgr_stage, &out, "publish", "-c", ini, "--once", NULL), 0);
	cr_assert_not_null(strstr(out.data, "nothing to write: same: "), "%s", out.data);

	expect_one_server_under_two_addresses(&repmgr_stage);
	expect_the_primarys_list(&repmgr_stage);
	expect_no_writer_without_a_row(&repmgr_stage);
	cr_assert_eq(segue(&repmgr_stage, &out, "publish", "-c", ini, "--dry-run", NULL), 2);
	cr_assert_eq(segue(&repmgr_stage, &out, "publish", "-c", ini, "--once", "nobody"), 2);
	cr_assert_not_null(strstr(out.data, "found no [publisher nobody] section"), "%s", out.data);
	lab_process_kill(lab_zk_process(repmgr_stage.zk, 0));
	cr_assert_eq(segue(&repmgr_stage, &out, "publish", "-c", ini, "--once", NULL), 1);
	cr_assert_not_null(strstr(out.data, "ZooKeeper: "), "%s", out.data);
	repmgr_stage_fini(&repmgr_stage);
}

static const char *without_conninfo(struct repmgr_stage *repmgr_stage)
{
	const char *ini = repmgr_stage_ini(repmgr_stage, 0, NULL), *at = strstr(ini, "conninfo = ");

	return lab_printf(repmgr_stage->lab, "%.*s%s", (int)(at - ini), ini, strchr(at, '\n') + 1);
}

Test(publish_verbs, check_asks_as_the_publisher_would)
{
	struct repmgr_stage repmgr_stage;
	auto_strbuf struct strbuf out = STRBUF_INIT;
	const char *file;

	repmgr_stage_start(&repmgr_stage, &(struct repmgr_stage_options){.quiet = true});
	file = lab_path(repmgr_stage.lab, "check.ini");
	lab_write_file(file, lab_printf(repmgr_stage.lab, "%s[segue]\n",
	                                repmgr_stage_ini(&repmgr_stage, 0, "repmgr = yes\n")));
	lab_write_file(file, repmgr_stage_ini(&repmgr_stage, 0, "repmgr = yes\n"));
	segue(&repmgr_stage, &out, "check", "-c", file, NULL, NULL);
	cr_assert_not_null(strstr(out.data, "ok    publisher/orders: node1 at 127.0.0.1 port "),
	                   "%s", out.data);
	cr_assert_not_null(strstr(out.data, "repmgr's tables are read, in schema repmgr"));
	cr_assert_not_null(strstr(out.data, "master does not exist yet"), "%s", out.data);
	lab_zk_set(repmgr_stage.zk, CROWD_PATH "/master", "x", 1);
	segue(&repmgr_stage, &out, "check", "-c", file, NULL, NULL);
	cr_assert_not_null(strstr(out.data, "master may be written"), "%s", out.data);

	run_sql(&repmgr_stage, "create role bare login");
	cr_assert(lab_wait_replays(lab_pg_conninfo(repmgr_stage.pg, 0),
	                           lab_pg_conninfo(repmgr_stage.pg, 1), CROWD_TIMEOUT_MS));
	lab_write_file(file,
	               lab_printf(repmgr_stage.lab, "%sconninfo = user=bare dbname=postgres\n",
	                          without_conninfo(&repmgr_stage)));
	cr_assert_eq(segue(&repmgr_stage, &out, "check", "-c", file, NULL, NULL), 1);
	cr_assert_not_null(strstr(out.data, "the role may not read repmgr's tables"), "%s",
	                   out.data);
	lab_write_file(file,
	               repmgr_stage_ini(&repmgr_stage, 0, "repmgr = yes\nrepmgr_schema = other\n"));
	cr_assert_eq(segue(&repmgr_stage, &out, "check", "-c", file, NULL, NULL), 1);
	cr_assert_not_null(
	    strstr(out.data, "FAIL  publisher/orders: there is no repmgr in schema other"), "%s",
	    out.data);
	lab_process_kill(lab_pg_process(repmgr_stage.pg, 0));
	cr_assert_eq(segue(&repmgr_stage, &out, "check", "-c", file, NULL, NULL), 1);
	cr_assert_not_null(strstr(out.data, "FAIL  publisher/orders: none of 1 servers answers"),
	                   "%s", out.data);
	repmgr_stage_fini(&repmgr_stage);
}

/* -- notify -- */

static int notify(struct repmgr_stage *repmgr_stage, struct strbuf *out, const char *socket,
                  int64_t *took_us)
{
	int64_t start = clock_now_us();
	int code = segue(repmgr_stage, out, "notify", "-s", socket, "orders", NULL);

	*took_us = clock_now_us() - start;
	return code;
}

/* From a socket of its own each time, as what one may have under way is bounded, too. */
static bool send_one(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool sent = sendto(fd, "x", 1, 0, (const struct sockaddr *)address, sizeof(*address)) == 1;

	cr_assert(sent || errno == EAGAIN, "%s", strerror(errno));
	close(fd);
	return sent;
}

Test(publish_verbs, notify_never_stands_in_the_way)
{
	struct repmgr_stage repmgr_stage = {.lab = lab_create("notify")};
	auto_strbuf struct strbuf out = STRBUF_INIT;
	const char *socket_file = lab_path(repmgr_stage.lab, "deaf.sock");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int64_t took_us;

	cr_assert_eq(
	    notify(&repmgr_stage, &out, lab_path(repmgr_stage.lab, "nobody.sock"), &took_us), 0);
	cr_assert_not_null(strstr(out.data, "no publisher was notified"), "%s", out.data);
	cr_assert_eq(segue(&repmgr_stage, &out, "notify", "-c", "/nonexistent.ini", "orders", NULL),
	             0);
	cr_assert_not_null(strstr(out.data, "no publisher was notified"), "%s", out.data);
	cr_assert_eq(segue(&repmgr_stage, &out, "notify", "--nonsense", NULL, NULL, NULL), 0);
	/* somebody has the socket and never reads: its queue is full */
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_file);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	while (send_one(&address))
		continue;
	cr_assert_eq(notify(&repmgr_stage, &out, socket_file, &took_us), 0);
	cr_assert_lt(took_us, 1000000);
	cr_assert_not_null(strstr(out.data, "no publisher was notified"), "%s", out.data);
	close(fd);
	lab_destroy(repmgr_stage.lab);
}

/* With an interval of a minute nothing but the word of the script can have brought it. */
Test(publish_verbs, notify_wakes_the_publisher)
{
	struct repmgr_stage repmgr_stage;
	auto_strbuf struct strbuf out = STRBUF_INIT;
	int64_t took_us;

	repmgr_stage_start(&repmgr_stage, &(struct repmgr_stage_options){
	                                      .alone = true, .settings = "interval = 1m\n"});
	lab_pg_promote(repmgr_stage.pg, 1);
	cr_assert_eq(repmgr_stage_primary(&repmgr_stage, NULL), 0);
	cr_assert_eq(
	    notify(&repmgr_stage, &out,
	           lab_printf(repmgr_stage.lab, "%s/notify2.sock", lab_dir(repmgr_stage.lab)),
	           &took_us),
	    0);
	cr_assert_str_eq(out.data, "");
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	cr_assert_not_null(lab_segue_wait_log(repmgr_stage.publishers[1], CROWD_TIMEOUT_MS,
	                                      "event=notified", "cluster=orders", NULL));
	repmgr_stage_fini(&repmgr_stage);
}

/* -- what changes while it runs -- */

struct standbys_wanted {
	struct repmgr_stage *repmgr_stage;
	size_t count;
};

static bool has_standbys(void *arg)
{
	const struct standbys_wanted *wanted = arg;
	struct topology topology;
	bool is;

	repmgr_stage_primary(wanted->repmgr_stage, &topology);
	is = topology.standby_count == wanted->count;
	topology_fini(&topology);
	return is;
}

static bool wait_standbys(struct repmgr_stage *repmgr_stage, size_t count)
{
	return lab_wait_until(has_standbys, &(struct standbys_wanted){repmgr_stage, count},
	                      CROWD_TIMEOUT_MS);
}

Test(publish_verbs, nodes_come_and_go_with_repmgrs_list)
{
	struct repmgr_stage repmgr_stage;
	const char *const leave[] = {"standby", "unregister", NULL};
	const char *const join[] = {"standby", "register", "--upstream-node-id=1", NULL};
	auto_strbuf struct strbuf out = STRBUF_INIT;

	repmgr_stage_start(&repmgr_stage, &(struct repmgr_stage_options){.quiet = true});
	lab_segue_publish(repmgr_stage.publishers[0]);
	cr_assert(wait_standbys(&repmgr_stage, 2), "%s", repmgr_stage_logs(&repmgr_stage));
	lab_process_stop(lab_repmgr_daemon(repmgr_stage.repmgr, 2));
	cr_assert_eq(lab_repmgr_run(repmgr_stage.repmgr, 2, leave, &out), 0, "%s", out.data);
	cr_assert(wait_standbys(&repmgr_stage, 1), "%s", repmgr_stage_logs(&repmgr_stage));
	cr_assert_eq(lab_repmgr_run(repmgr_stage.repmgr, 2, join, &out), 0, "%s", out.data);
	cr_assert(wait_standbys(&repmgr_stage, 2), "%s", repmgr_stage_logs(&repmgr_stage));
	repmgr_stage_fini(&repmgr_stage);
}

Test(publish_verbs, a_reload_keeps_the_presence_and_a_bad_one_keeps_all)
{
	struct repmgr_stage repmgr_stage;
	const char *presence = CROWD_PATH "/publishers/pub1";
	int64_t before, after;

	repmgr_stage_start(&repmgr_stage, &(struct repmgr_stage_options){.alone = true});
	cr_assert(lab_zk_get(repmgr_stage.zk, presence, NULL, &before));
	lab_write_file(ini_of(&repmgr_stage, 0), "[cluster orders]\n");
	lab_process_signal(lab_segue_process(repmgr_stage.publishers[0]), SIGHUP);
	cr_assert_not_null(lab_segue_wait_log(repmgr_stage.publishers[0], CROWD_TIMEOUT_MS,
	                                      "event=config_refused", NULL));
	lab_write_file(ini_of(&repmgr_stage, 0),
	               repmgr_stage_ini(&repmgr_stage, 0, "interval = 200ms\n"));
	lab_process_signal(lab_segue_process(repmgr_stage.publishers[0]), SIGHUP);
	cr_assert_not_null(lab_segue_wait_log(repmgr_stage.publishers[0], CROWD_TIMEOUT_MS,
	                                      "event=config_reloaded", NULL));
	lab_segue_mark(repmgr_stage.publishers[0]);
	cr_assert(repmgr_stage_wait_present(&repmgr_stage, 0, true));
	cr_assert_not_null(
	    lab_segue_wait_log(repmgr_stage.publishers[0], CROWD_TIMEOUT_MS, "event=server", NULL));
	cr_assert(lab_zk_get(repmgr_stage.zk, presence, NULL, &after));
	repmgr_stage_must_name(&repmgr_stage, 0, 1);
	repmgr_stage_fini(&repmgr_stage);
}

/* -- systemd -- */

/* What systemd hears, up to the word wanted; words before it are of its kind, or a status. */
static void hear(int fd, const char *wanted)
{
	char word[1024] = "";

	while (strstr(word, wanted) == NULL) {
		ssize_t len = recv(fd, word, sizeof(word) - 1, 0);

		cr_assert_gt(len, 0, "systemd never hears %s", wanted);
		word[len] = '\0';
		cr_assert_not_null(strstr(word, "STATUS="));
	}
}

Test(publish_verbs, systemd_is_told_when_it_is_ready_and_when_it_stops)
{
	struct repmgr_stage repmgr_stage;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval limit = {.tv_sec = 20};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	repmgr_stage_start(&repmgr_stage,
	                   &(struct repmgr_stage_options){.alone = true, .quiet = true});
	snprintf(address.sun_path, sizeof(address.sun_path), "%s",
	         lab_path(repmgr_stage.lab, "systemd"));
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	lab_segue_publish(repmgr_stage.publishers[0]);
	hear(fd, "READY=1");
	lab_process_signal(lab_segue_process(repmgr_stage.publishers[0]), SIGTERM);
	hear(fd, "STOPPING=1");
	cr_assert_eq(lab_process_stop(lab_segue_process(repmgr_stage.publishers[0])), 0);
	close(fd);
	repmgr_stage_fini(&repmgr_stage);
}
