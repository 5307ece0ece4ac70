/* segue run on a scope of Patroni's that is written by hand: what no Patroni of the lab does. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/run_stage.h"

TestSuite(run_patroni_keys, .timeout = 120);

static const struct run_options patroni = {.cluster = "layout = patroni\n"};

static void set(struct run *run, const char *key, const char *value)
{
	lab_zk_set(run->zk, lab_printf(run->lab, "/segue/orders/%s", key), value, strlen(value));
}

static void set_member(struct run *run, const char *name, int backend)
{
	set(run, lab_printf(run->lab, "members/%s", name),
	    lab_printf(run->lab,
	               "{\"conn_url\":\"postgres://127.0.0.1:%u/\",\"state\":\"running\","
	               "\"role\":\"replica\"}",
	               (unsigned)lab_backend_port(run->backends[backend])));
}

Test(run_patroni_keys, a_path_without_a_key_of_Patronis_is_logged_and_shown)
{
	static const char words[] = "no Patroni keys (initialize, leader, members) below "
	                            "/segue/orders: check the setting path; the znode has the "
	                            "children 0, 1";
	auto_strbuf struct strbuf shown = STRBUF_INIT;
	struct run run;
	const char *argv[] = {NULL, "status", "-s", NULL, NULL};

	run_init(&run, &patroni);
	set(&run, "0/leader", "pg1");
	set(&run, "1/leader", "pg1");
	lab_segue_start(run.segue);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=waiting",
	                                      "cluster=orders", "names no primary", words, NULL));
	argv[0] = lab_segue_binary(run.lab);
	argv[3] = lab_segue_listen(run.segue);
	cr_assert_eq(lab_run(run.lab, argv, &shown), 0, "%s", shown.data);
	cr_expect_not_null(strstr(shown.data, words), "%s", shown.data);
	set_member(&run, "pg1", 0);
	set(&run, "leader", "pg1");
	cr_assert(run_wait_reaches(&run, 0));
	run_fini(&run);
}

/* Each is a server in HAProxy, which takes few letters, and in the state file. */
/* On disk is whom clients were led to last. */
static bool has_saved_backend_2(void *arg)
{
	struct run *run = arg;
	const char *primary = strstr(lab_read_file(run->lab, run->state_file), "\"primary\"");
	auto_free char *port = xasprintf("\"port\": %u", lab_backend_port(run->backends[2]));
	const char *found = primary != NULL ? strstr(primary, "\"port\": ") : NULL;

	return found != NULL && strncmp(found, port, strlen(port)) == 0;
}

Test(run_patroni_keys, members_of_any_name_are_servers_and_moved_to)
{
	struct run run;
	const char *text;

	run_init(&run, &patroni);
	run_write_template(&run, "{{#members}}\tserver {{name}} {{endpoint}}"
	                         "{{^is_primary}} disabled{{/is_primary}}\n{{/members}}");
	set_member(&run, "pg 1", 0);
	set_member(&run, "pg:201", 1);
	set_member(&run, "M\xc3\xbcnchen", 2);
	set(&run, "leader", "pg 1");
	lab_segue_start(run.segue);
	cr_assert(run_wait_reaches(&run, 0), "%s",
	          lab_process_log_tail(lab_segue_process(run.segue)));
	set(&run, "leader", "M\xc3\xbcnchen");
	cr_assert(run_wait_reaches(&run, 2));
	cr_assert(run_wait_file_names(&run, 2));
	text = lab_read_file(run.lab, run.output);
	cr_expect_not_null(strstr(text, "\tserver pg:201 127.0.0.1:"), "%s", text);
	cr_expect_not_null(strstr(text, "\tserver pg:3a201 127.0.0.1:"), "%s", text);
	cr_expect_not_null(strstr(text, "\tserver M:c3:bcnchen 127.0.0.1:"), "%s", text);
	cr_assert(lab_wait_until(has_saved_backend_2, &run, RUN_TIMEOUT_MS), "%s",
	          lab_read_file(run.lab, run.state_file));
	lab_process_kill(lab_segue_process(run.segue));
	lab_segue_start(run.segue);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=primary",
	                                      "name=\"M\\xc3\\xbcnchen\"",
	                                      "applied before the restart", NULL));
	set(&run, "leader", "pg:201");
	cr_assert(run_wait_reaches(&run, 1));
	run_fini(&run);
}
