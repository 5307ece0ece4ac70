/* A letter too few in `output`: HAProxy would load the old file and the new one. The new one must
 * not outlive the try, whatever ends it, and the old one is named. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fixtures/run_stage.h"

TestSuite(run_trial, .timeout = 300);

static const char *at_order_cfg(struct run *run)
{
	return lab_printf(run->lab, "%s/order.cfg", lab_haproxy_conf_dir(run->haproxy));
}

static const char *replace(struct run *run, const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);

	cr_assert_not_null(at, "%s", old);
	return lab_printf(run->lab, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
}

static void configure(struct run *run, const char *ini)
{
	lab_write_file(lab_segue_ini_file(run->segue), ini);
	lab_segue_mark(run->segue);
	lab_process_signal(lab_segue_process(run->segue), SIGHUP);
	cr_assert_not_null(
	    lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, "event=config_reloaded ", NULL));
}

/* Runs well, and returns its segue.ini. */
static const char *start(struct run *run)
{
	run_init(run, &(struct run_options){0});
	run_set_primary(run, 0);
	lab_segue_start(run->segue);
	cr_assert(run_wait_settled(run));
	cr_assert(run_wait_file_names(run, 0));
	return lab_read_file(run->lab, lab_segue_ini_file(run->segue));
}

/* With the wrong output, and a reload that does not end. */
static const char *slow(struct run *run, const char *ini)
{
	const char *text = replace(run, ini, "/orders.cfg\n", "/order.cfg\n");

	return replace(run, text,
	               "master_socket =", "reload_command = sh -c 'sleep 600'\n#master_socket =");
}

static void haproxy_starts(struct run *run)
{
	lab_process_kill(lab_haproxy_process(run->haproxy));
	lab_haproxy_start(run->haproxy);
	cr_assert(run_wait_reaches(run, 0));
}

Test(run_trial, the_reload_that_fails_names_the_other_file_and_a_mended_output_leaves_one)
{
	struct run run;
	const char *ini = start(&run);

	configure(&run, replace(&run, ini, "/orders.cfg\n", "/order.cfg\n"));
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=output_left ",
	                                      "target=haproxy/local", "/orders.cfg", NULL));
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=reload_failed ",
	                                      "/orders.cfg also has the section orders_rw", NULL));
	configure(&run, slow(&run, ini));
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=reload ", NULL));
	cr_assert_eq(access(at_order_cfg(&run), F_OK), 0);
	configure(&run, ini);
	cr_assert_eq(access(at_order_cfg(&run), F_OK), -1);
	cr_assert_eq(lab_segue_count_log(run.segue, "event=output_left ", NULL), 0);
	cr_assert(run_wait_settled(&run));
	haproxy_starts(&run);
	run_fini(&run);
}

Test(run_trial, what_a_killed_segue_had_only_tried_is_taken_away_at_the_next_start)
{
	struct run run;
	const char *ini = start(&run);

	configure(&run, slow(&run, ini));
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=reload ", NULL));
	lab_process_kill(lab_segue_process(run.segue));
	cr_assert_eq(access(at_order_cfg(&run), F_OK), 0);
	lab_write_file(lab_segue_ini_file(run.segue), ini);
	lab_segue_start(run.segue);
	cr_assert(run_wait_settled(&run));
	cr_assert_eq(access(at_order_cfg(&run), F_OK), -1);
	cr_assert_eq(lab_segue_count_log(run.segue, "event=put_back ", "/order.cfg", NULL), 1);
	cr_assert_eq(access(lab_path(run.lab, "state/haproxy-local.tried"), F_OK), -1);
	haproxy_starts(&run);
	run_fini(&run);
}

Test(run_trial, an_output_of_the_run_before_is_told_of_at_the_start)
{
	struct run run;
	const char *ini = start(&run);

	lab_process_stop(lab_segue_process(run.segue));
	lab_write_file(lab_segue_ini_file(run.segue),
	               replace(&run, ini, "/orders.cfg\n", "/order.cfg\n"));
	lab_segue_start(run.segue);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=output_left ",
	                                      "target=haproxy/local", "/orders.cfg", NULL));
	lab_process_stop(lab_segue_process(run.segue));
	cr_assert_eq(access(at_order_cfg(&run), F_OK), -1);
	haproxy_starts(&run);
	run_fini(&run);
}
