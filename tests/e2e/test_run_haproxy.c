/* segue run and its proxy: whatever happens to HAProxy and its file, both end as the text says. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixtures/run_stage.h"

TestSuite(run_haproxy, .timeout = 120);

static void start_on(struct run *run, const struct run_options *options, int backend)
{
	int64_t zxid;

	run_init(run, options);
	zxid = run_set_primary(run, backend);
	lab_segue_start(run->segue);
	cr_assert(run_wait_moved(run, zxid));
	cr_assert(run_reaches(run, backend));
}

Test(run_haproxy, one_that_is_not_there_yet_finds_its_file_and_is_confirmed)
{
	struct run run;
	int64_t zxid;

	run_init(&run, &(struct run_options){.no_haproxy = true});
	zxid = run_set_primary(&run, 1);
	lab_segue_start(run.segue);
	cr_assert(run_wait_file_names(&run, 1));
	lab_haproxy_start(run.haproxy);
	cr_assert(run_wait_moved(&run, zxid));
	cr_assert(run_reaches(&run, 1));
	run_fini(&run);
}

Test(run_haproxy, a_change_while_it_is_down_is_there_when_it_comes_back)
{
	struct run run;

	start_on(&run, &(struct run_options){0}, 0);
	lab_process_kill(lab_haproxy_process(run.haproxy));
	run_set_primary(&run, 2);
	cr_assert(run_wait_file_names(&run, 2));
	lab_haproxy_start(run.haproxy);
	cr_assert(run_wait_reaches(&run, 2));
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	cr_assert(run_reaches(&run, 1));
	run_fini(&run);
}

/* The file is an old one at the moment of the restart: the live state is repaired. */
Test(run_haproxy, restarted_on_an_old_file_it_is_repaired)
{
	struct run run;
	const char *old;

	start_on(&run, &(struct run_options){0}, 0);
	old = lab_read_file(run.lab, run.output);
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	lab_process_kill(lab_haproxy_process(run.haproxy));
	lab_write_file(run.output, old);
	lab_haproxy_start(run.haproxy);
	cr_assert(run_wait_reaches(&run, 1));
	cr_assert(run_wait_file_names(&run, 1));
	run_fini(&run);
}

Test(run_haproxy, reloaded_behind_our_back_it_stays_where_it_is)
{
	struct run run;

	start_on(&run, &(struct run_options){0}, 0);
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	cr_assert(lab_haproxy_reload(run.haproxy));
	cr_assert(run_wait_reaches(&run, 1));
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 2)));
	cr_assert(run_reaches(&run, 2));
	run_fini(&run);
}

Test(run_haproxy, changed_by_hand_it_is_put_right)
{
	struct run run;
	auto_strbuf struct strbuf reply = STRBUF_INIT;

	start_on(&run, &(struct run_options){0}, 0);
	cr_assert(lab_haproxy_command(
	    run.haproxy,
	    lab_printf(run.lab, "set server orders_rw/primary addr 127.0.0.1 port %u",
	               lab_backend_port(run.backends[2])),
	    &reply));
	cr_assert(run_reaches(&run, 2));
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=drift",
	                                      "cluster=orders", "target=haproxy/local", NULL));
	cr_assert(run_wait_reaches(&run, 0));
	lab_segue_mark(run.segue);
	cr_assert(
	    lab_haproxy_command(run.haproxy, "set server orders_rw/primary state maint", &reply));
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=drift", NULL));
	cr_assert(run_wait_reaches(&run, 0));
	run_fini(&run);
}

struct worker {
	struct run *run;
	pid_t pid;
};

static bool is_another_worker(void *arg)
{
	const struct worker *before = arg;
	pid_t now = lab_haproxy_worker(before->run->haproxy);

	return now != 0 && now != before->pid;
}

/* What the runtime cannot change is reloaded, and the new worker is where the old one was. */
Test(run_haproxy, a_new_template_is_taken_up_by_a_reload)
{
	struct run run;
	pid_t worker;

	start_on(&run, &(struct run_options){0}, 0);
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	worker = lab_haproxy_worker(run.haproxy);
	run_write_template(&run, "\ttimeout queue 7s\n");
	lab_process_signal(lab_segue_process(run.segue), SIGHUP);
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=config_reloaded", "file=", NULL));
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=reloaded",
	                                      "target=haproxy/local", NULL));
	cr_assert(
	    lab_wait_until(is_another_worker, &(struct worker){&run, worker}, RUN_TIMEOUT_MS));
	cr_assert(run_wait_reaches(&run, 1));
	cr_assert_not_null(strstr(lab_read_file(run.lab, run.output), "timeout queue 7s"));
	run_fini(&run);
}

Test(run_haproxy, a_template_that_cannot_be_used_is_refused_and_the_running_one_stays)
{
	struct run run;
	const char *file;

	start_on(&run, &(struct run_options){0}, 0);
	file = lab_read_file(run.lab, run.output);
	lab_write_file(run.template_file, "backend x\n{{#primary}} never closed\n");
	lab_process_signal(lab_segue_process(run.segue), SIGHUP);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=config_problem",
	                                      "orders.cfg.mustache:2:", NULL));
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=config_refused", NULL));
	cr_assert_str_eq(lab_read_file(run.lab, run.output), file);
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	run_fini(&run);
}

Test(run_haproxy, a_bad_configuration_is_refused_with_every_error_and_a_good_one_taken)
{
	struct run run;
	const char *good, *more;

	start_on(&run, &(struct run_options){0}, 0);
	good = lab_read_file(run.lab, lab_segue_ini_file(run.segue));
	lab_write_file(lab_segue_ini_file(run.segue),
	               lab_printf(run.lab, "%s\nnonsense = 1\n[zookeper]\nhosts = x\n", good));
	lab_process_signal(lab_segue_process(run.segue), SIGHUP);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=config_problem",
	                                      "nonsense", NULL));
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=config_problem",
	                                      "zookeper", NULL));
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=config_refused", NULL));
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	more = lab_path(run.lab, "app.conf");
	lab_write_file(lab_path(run.lab, "app.mustache"), "db={{primary.endpoint}}\n");
	lab_write_file(lab_segue_ini_file(run.segue),
	               lab_printf(run.lab,
	                          "%s\n[file app]\ncluster = orders\ntemplate = %s\noutput = %s\n",
	                          good, lab_path(run.lab, "app.mustache"), more));
	lab_segue_mark(run.segue);
	lab_process_signal(lab_segue_process(run.segue), SIGHUP);
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=config_reloaded", NULL));
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "target=file/app", NULL));
	cr_assert_str_eq(
	    lab_read_file(run.lab, more),
	    lab_printf(run.lab, "db=127.0.0.1:%u\n", lab_backend_port(run.backends[1])));
	run_fini(&run);
}

Test(run_haproxy, a_file_that_the_check_refuses_is_not_installed)
{
	struct run run;
	const char *flag, *file;

	/* The check fails while the flag is there. */
	run_init(&run, &(struct run_options){.target = "check_command = sh ${CHECK} {}\n"});
	flag = lab_path(run.lab, "refuse");
	setenv("CHECK", lab_path(run.lab, "check.sh"), 1);
	lab_write_file(getenv("CHECK"),
	               lab_printf(run.lab,
	                          "if test -e %s; then echo the checker says no; exit 3; fi\n"
	                          "exec haproxy -c -q -f %s -f \"$1\"\n",
	                          flag, lab_haproxy_main_file(run.haproxy)));
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_assert(run_wait_file_names(&run, 0));
	cr_assert(run_wait_reaches(&run, 0));
	file = lab_read_file(run.lab, run.output);
	lab_write_file(flag, "");
	run_set_primary(&run, 1);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "target=haproxy/local",
	                                      "the checker says no", NULL));
	cr_assert_str_eq(lab_read_file(run.lab, run.output), file);
	cr_assert(run_reaches(&run, 1), "the push comes first");
	unlink(flag);
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 2)));
	cr_assert(run_file_names(&run, 2));
	run_fini(&run);
}

Test(run_haproxy, a_full_disk_does_not_stop_the_move_and_the_file_follows)
{
	struct run run;
	const char *file;
	int64_t zxid;

	run_init(&run, &(struct run_options){0});
	run_set_primary(&run, 0);
	run_start_with_faults(&run);
	cr_assert(run_wait_file_names(&run, 0));
	cr_assert(run_wait_reaches(&run, 0));
	file = lab_read_file(run.lab, run.output);
	run_fault(&run, "enospc", "");
	zxid = run_set_primary(&run, 1);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "target=haproxy/local",
	                                      "No space left on device", NULL));
	cr_assert(run_wait_reaches(&run, 1));
	cr_assert_str_eq(lab_read_file(run.lab, run.output), file);
	run_fault(&run, "enospc", NULL);
	cr_assert(run_wait_moved(&run, zxid));
	cr_assert(run_file_names(&run, 1));
	run_fini(&run);
}

static bool readyz_is(void *arg)
{
	const struct worker *wanted = arg; /* pid: the code */
	auto_strbuf struct strbuf body = STRBUF_INIT;

	return lab_ask(lab_segue_listen(wanted->run->segue), "GET", "/readyz", &body) ==
	       wanted->pid;
}

static bool wait_readyz(struct run *run, int code)
{
	return lab_wait_until(readyz_is, &(struct worker){run, code}, RUN_TIMEOUT_MS);
}

static void reload(struct run *run)
{
	lab_segue_mark(run->segue);
	lab_process_signal(lab_segue_process(run->segue), SIGHUP);
	cr_assert_not_null(
	    lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, "event=config_reloaded", NULL));
}

/* haproxy -c and HAProxy see nothing in it, and the kernel would deal the clients out. */
Test(run_haproxy, a_section_of_haproxys_own_on_the_same_address_is_an_alarm_until_it_is_gone)
{
	struct run run;
	const char *file, *good;
	auto_strbuf struct strbuf body = STRBUF_INIT;

	start_on(&run, &(struct run_options){0}, 0);
	cr_assert(wait_readyz(&run, 200));
	file = lab_haproxy_main_file(run.haproxy);
	good = lab_read_file(run.lab, file);
	lab_write_file(file, lab_printf(run.lab,
	                                "%s\nlisten old\n\tmode tcp\n\tbind 127.0.1:%u\n"
	                                "\tserver s 127.0.0.1:%u\n",
	                                good, run.port, lab_backend_port(run.backends[2])));
	reload(&run);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=target_alarm",
	                                      "target=haproxy/local", "(listen old)",
	                                      "remove that section", NULL));
	cr_assert_eq(lab_ask(lab_segue_listen(run.segue), "GET", "/readyz", &body), 503);
	cr_expect_not_null(strstr(body.data, "ALARM: haproxy/local: "), "%s", body.data);
	cr_expect_null(strstr(body.data, "not confirmed"), "%s", body.data);
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	lab_write_file(file, good);
	reload(&run);
	cr_assert(wait_readyz(&run, 200));
	run_fini(&run);
}

/* Found out before the day when the file has to be replaced. */
Test(run_haproxy, an_output_folder_that_takes_no_file_is_an_alarm_at_the_start)
{
	struct run run;
	const char *folder;
	auto_strbuf struct strbuf body = STRBUF_INIT;

	start_on(&run, &(struct run_options){.target = ""}, 0);
	cr_assert(wait_readyz(&run, 200));
	folder = lab_haproxy_conf_dir(run.haproxy);
	cr_assert_eq(rename(folder, lab_path(run.lab, "away")), 0);
	reload(&run);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=target_alarm",
	                                      "cannot create a file in ", "install -d -g ", NULL));
	cr_assert_eq(lab_ask(lab_segue_listen(run.segue), "GET", "/readyz", &body), 503);
	cr_assert_eq(rename(lab_path(run.lab, "away"), folder), 0);
	reload(&run);
	cr_assert(wait_readyz(&run, 200));
	run_fini(&run);
}
