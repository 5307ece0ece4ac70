/* segue run on a scope of Patroni's that is written by hand: what no Patroni of the lab does. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

TestSuite(run_scope, .timeout = 120);

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

Test(run_scope, a_path_without_a_key_of_Patronis_is_logged_and_shown)
{
	static const char words[] = "no key of Patroni below /segue/orders (initialize, leader, "
	                            "members): is path right? its children are 0, 1";
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
