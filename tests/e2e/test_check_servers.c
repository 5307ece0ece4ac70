/* `segue check` on PostgreSQL servers: what it says of each, and what to do about it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cluster/state_file.h"
#include "lab/lab.h"

static struct {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_pg *pg;
} t;

static int run_check(void *arg)
{
	char verb[] = "check", option[] = "-c";
	char *argv[] = {verb, option, arg, NULL};

	return cmd_check(3, argv);
}

/* Returns what it printed, with these lines in [cluster a]. */
static const char *check(const char *lines)
{
	const char *ini = lab_path(t.lab, "segue.ini");
	char *copy = xstrdup(ini); /* argv is not const */
	struct lab_process *process;

	lab_write_file(ini, lab_printf(t.lab,
	                               "[segue]\nstate_dir = %s\n[zookeeper]\nhosts = %s\n"
	                               "[cluster a]\npath = /segue/a\n%s\n",
	                               lab_dir(t.lab), lab_zk_hosts(t.zk), lines));
	process = lab_fork(t.lab, "check", run_check, copy);
	free(copy);
	cr_assert(lab_process_wait(process, 30000));
	return lab_read_file(t.lab, lab_process_log(process));
}

static void expect_line(const char *printed, const char *line)
{
	cr_expect_not_null(strstr(printed, line), "no \"%s\" in\n%s", line, printed);
}

static void name_servers(int primary, int standby)
{
	const char *value =
	    lab_printf(t.lab,
	               "{\"version\":1,\"primary\":{\"name\":\"one\",\"host\":\"127.0.0.1\","
	               "\"port\":%u},\"standbys\":[{\"name\":\"two\",\"host\":\"127.0.0.1\","
	               "\"port\":%u}]}",
	               (unsigned)lab_pg_port(t.pg, primary), (unsigned)lab_pg_port(t.pg, standby));

	lab_zk_set(t.zk, "/segue/a/master", value, strlen(value));
}

static bool standby_has_the_role(void *arg)
{
	auto_free char *found = lab_pg_query(lab_pg_conninfo(t.pg, 1),
	                                     "SELECT 1 FROM pg_roles WHERE rolname = 'segue'");

	(void)arg;
	return found != NULL && *found == '1';
}

/* A sidecar has led clients to a server on that timeline. */
static void remember_timeline(int64_t timeline)
{
	char name[] = "a", path[] = "/segue/a";
	struct config_cluster cluster = {.name = name, .path = path};
	struct applied applied;
	struct err err;

	applied_init(&applied);
	applied.zxid = 1;
	applied.has_topology = applied.topology.has_primary = true;
	topology_example(&applied.topology);
	applied.topology.timeline = timeline;
	cr_assert(state_save(lab_dir(t.lab), &cluster, lab_zk_hosts(t.zk), &applied, &err), "%s",
	          err.message);
	applied_fini(&applied);
}

Test(check_servers, each_is_asked_and_what_it_means_is_said, .timeout = 120)
{
	auto_free char *made = NULL;
	const char *printed;

	t.lab = lab_create("checksrv");
	t.zk = lab_zk_share(t.lab);
	t.pg = lab_pg_start(t.lab, 2);
	made = lab_pg_query(lab_pg_conninfo(t.pg, 0), "CREATE ROLE segue LOGIN");
	cr_assert_not_null(made);
	cr_assert(lab_wait_until(standby_has_the_role, NULL, 20000));

	name_servers(0, 1);
	printed = check("");
	expect_line(printed, "ok    cluster/a: one at 127.0.0.1 port ");
	expect_line(printed, "primary: takes writes, timeline 1, system identifier ");
	expect_line(printed, "ok    cluster/a: two at 127.0.0.1 port ");
	expect_line(printed, "standby: in recovery, ");

	name_servers(1, 0);
	printed = check("");
	expect_line(printed, "segue does not use it until it takes writes\n");
	expect_line(printed, "two servers take writes, or ZooKeeper is late");

	name_servers(0, 1);
	printed = check("verify_conninfo = user=segue dbname=nosuch");
	expect_line(printed, "FAIL  cluster/a: one at ");
	expect_line(printed, "3D000");
	expect_line(printed,
	            "trusts ZooKeeper about it and all others, because no server lets segue in: ");
	expect_line(
	    printed,
	    "verify_conninfo in [cluster a] has user=segue dbname=nosuch: name a database that "
	    "exists\n");
	printed = check("verify_conninfo = user=seuge password=secret");
	expect_line(printed, "FAIL  cluster/a: one at ");
	expect_line(printed, "FAIL  cluster/a: two at ");
	expect_line(printed, "verify_conninfo in [cluster a] has user=seuge: if that is the role");
	cr_expect_null(strstr(printed, "secret"));
	printed = check("verify = require\nverify_conninfo = user=nobody dbname=postgres");
	expect_line(printed, "FAIL  cluster/a: one at ");
	expect_line(printed, "CREATE ROLE with LOGIN");
	cr_expect_null(strstr(check("verify = disable"), "takes writes"));

	remember_timeline(5);
	printed = check("");
	expect_line(printed, "FAIL  cluster/a: one at ");
	expect_line(printed, "refused: its timeline is lower than the last one applied");
	expect_line(printed, "segue pin");

	lab_process_kill(lab_pg_process(t.pg, 0));
	lab_process_freeze(lab_pg_process(t.pg, 1));
	printed = check("verify_timeout = 200ms");
	expect_line(printed, "primary: refused, Connection refused: three such failures in a row");
	expect_line(printed, "standby: timed out, no connection within 200 ms: ");
	lab_destroy(t.lab);
}
