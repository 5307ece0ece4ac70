/* Servers that answer with what nobody asked for: one cluster has such a primary, and that is all
 * that happens. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "fixtures/hostile_postgres.h"
#include "fixtures/run_stage.h"

TestSuite(hostile_postgres, .timeout = 240);

#define LOGIN      "user=segue dbname=postgres password=x sslmode=disable"
#define RSS_MAX_KB 49152

/* What segue says of each, with a limit of the size of a question's answer. */
static const char *const problems[HOSTILE_WAYS] = {
    [HOSTILE_COPY_IN] = "the server answered with COPY",
    [HOSTILE_COPY_OUT] = "the server answered with COPY",
    [HOSTILE_COPY_BOTH] = "the server answered with COPY",
    [HOSTILE_TWO_ROWS] = "more rows than the query can return",
    [HOSTILE_ENDLESS_RESULTS] = "more results than the query has statements",
    [HOSTILE_ENDLESS_ROWS] = "bytes that are allowed for one answer",
    [HOSTILE_HUGE_ROW] = "bytes that are allowed for one answer",
    [HOSTILE_ENDLESS_NOTICES] = "bytes that are allowed for one answer",
    [HOSTILE_ENDLESS_NOTIFICATIONS] = "bytes that are allowed for one answer",
    [HOSTILE_ENDLESS_PARAMETERS] = "ParameterStatus messages on one connection",
    [HOSTILE_DRIP] = "no answer within",
    [HOSTILE_SCRAM] = "more than 100000 SCRAM iterations",
};

static const char *json_of(struct lab *lab, uint16_t port)
{
	return lab_printf(lab,
	                  "{\"version\":1,\"primary\":{\"name\":\"bad\",\"host\":\"127.0.0.1\","
	                  "\"port\":%u},\"standbys\":[]}",
	                  (unsigned)port);
}

static void name_primary(struct lab *lab, struct lab_zk *zk, uint16_t port)
{
	const char *json = json_of(lab, port);

	lab_zk_set(zk, "/segue/bad/master", json, strlen(json));
}

/* The most that the process ever had, in kB. */
static long peak_kb(struct lab *lab, struct lab_process *process)
{
	const char *status =
	    lab_read_file(lab, lab_printf(lab, "/proc/%d/status", (int)lab_process_pid(process)));
	const char *found = status != NULL ? strstr(status, "VmHWM:") : NULL;

	cr_assert_not_null(found);
	return strtol(found + 6, NULL, 10);
}

static bool has_sanitizers(void)
{
#ifdef __SANITIZE_ADDRESS__
	return true;
#else
	return false;
#endif
}

static void must_be_well(struct lab *lab, struct lab_segue *segue)
{
	struct lab_process *process = lab_segue_process(segue);
	long kb = peak_kb(lab, process);

	if (!has_sanitizers())
		cr_expect_lt(kb, RSS_MAX_KB, "%ld kB", kb);
	cr_expect_eq(lab_process_stop(process), 0, "SIGTERM: %d\n%s",
	             lab_process_exit_code(process), lab_process_log_tail(process));
}

Test(hostile_postgres, another_cluster_goes_on)
{
	struct run run;

	run_init(&run, &(struct run_options){.sections = "[cluster bad]\npath = /segue/bad\n"
	                                                 "verify_timeout = 1s\n"
	                                                 "verify_conninfo = " LOGIN "\n"});
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_assert(run_wait_reaches(&run, 0));
	for (int way = 0; way < HOSTILE_WAYS; way++) {
		uint16_t port = hostile_start(run.lab, (enum hostile_way)way);

		lab_segue_mark(run.segue);
		name_primary(run.lab, run.zk, port);
		cr_expect_not_null(
		    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=server cluster=bad ",
		                       lab_printf(run.lab, "port=%u ", (unsigned)port),
		                       problems[way], NULL),
		    "%s:\n%s", hostile_name((enum hostile_way)way),
		    lab_process_log_tail(lab_segue_process(run.segue)));
		run_set_primary(&run, (way + 1) % RUN_BACKENDS);
		cr_assert(run_wait_reaches(&run, (way + 1) % RUN_BACKENDS), "%s",
		          hostile_name((enum hostile_way)way));
	}
	must_be_well(run.lab, run.segue);
	run_fini(&run);
}

Test(hostile_postgres, a_publisher_goes_on)
{
	struct lab *lab = lab_create("hostile");
	struct lab_zk *zk = lab_zk_share(lab);

	for (int way = 0; way < HOSTILE_WAYS; way++) {
		uint16_t port = hostile_start(lab, (enum hostile_way)way);
		struct lab_segue *segue = lab_segue_create(
		    lab, lab_printf(lab,
		                    "[zookeeper]\nhosts = %s\n[cluster bad]\npath = /segue/bad\n"
		                    "[publisher one]\ncluster = bad\nname = one\nrepmgr = no\n"
		                    "conninfo = " LOGIN "\n"
		                    "nodes = host=127.0.0.1 port=%u\n",
		                    lab_zk_hosts(zk), (unsigned)port));

		lab_segue_publish(segue);
		cr_expect_not_null(
		    lab_segue_wait_log(segue, RUN_TIMEOUT_MS, "event=server", problems[way], NULL),
		    "%s:\n%s", hostile_name((enum hostile_way)way),
		    lab_process_log_tail(lab_segue_process(segue)));
		must_be_well(lab, segue);
	}
	lab_destroy(lab);
}

static int run_check(void *arg)
{
	char verb[] = "check", option[] = "-c";
	char *argv[] = {verb, option, arg, NULL};

	return cmd_check(3, argv);
}

static const char *check(struct lab *lab, const char *text)
{
	char *ini = xstrdup(lab_path(lab, "segue.ini"));
	struct lab_process *process;

	lab_write_file(ini, text);
	process = lab_fork(lab, "check", run_check, ini);
	cr_expect(lab_process_wait(process, 30000));
	free(ini);
	return lab_read_file(lab, lab_process_log(process));
}

Test(hostile_postgres, check_says_so_of_a_server_and_of_a_console)
{
	struct lab *lab = lab_create("hostile");
	struct lab_zk *zk = lab_zk_share(lab);
	char *template_file = realpath("templates/pgbouncer.ini.mustache", NULL);

	for (int way = 0; way < HOSTILE_WAYS; way++) {
		uint16_t port = hostile_start(lab, (enum hostile_way)way);
		const char *printed;

		name_primary(lab, zk, port);
		printed = check(
		    lab, lab_printf(lab,
		                    "[segue]\nstate_dir = %s\n[zookeeper]\nhosts = %s\n"
		                    "[cluster bad]\npath = /segue/bad\nverify_timeout = 1s\n"
		                    "verify_conninfo = " LOGIN "\n"
		                    "[pgbouncer p]\ncluster = bad\ntemplate = %s\noutput = %s\n"
		                    "console = host=127.0.0.1 port=%u " LOGIN "\n",
		                    lab_dir(lab), lab_zk_hosts(zk), template_file,
		                    lab_path(lab, "databases.ini"), (unsigned)port));
		cr_expect_not_null(strstr(printed, problems[way]), "%s: no \"%s\" in\n%s",
		                   hostile_name((enum hostile_way)way), problems[way], printed);
		cr_expect_not_null(strstr(printed, way == HOSTILE_TWO_ROWS
		                                       ? "warn  pgbouncer/p: console: "
		                                       : "FAIL  pgbouncer/p: console: "),
		                   "%s:\n%s", hostile_name((enum hostile_way)way), printed);
	}
	free(template_file);
	lab_destroy(lab);
}
