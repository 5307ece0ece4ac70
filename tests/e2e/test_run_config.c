/* segue run and SIGHUP: what could not work is refused with its reason, and what runs goes on. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "fixtures/run_stage.h"

/* The second one would write over the first one's memory, and drive the same proxies. */
Test(run_config, a_second_sidecar_on_the_same_state_is_refused)
{
	const char *argv[] = {NULL, "run", "-c", NULL, NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;
	struct run run;

	run_init(&run, &(struct run_options){0});
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_assert(run_wait_settled(&run));
	argv[0] = lab_segue_binary(run.lab);
	argv[3] = lab_segue_ini_file(run.segue);
	cr_assert_eq(lab_run(run.lab, argv, &output), 2);
	cr_assert_not_null(
	    strstr(output.data, lab_printf(run.lab, "taken by another process, pid %d",
	                                   (int)lab_process_pid(lab_segue_process(run.segue)))),
	    "%s", output.data);
	run_fini(&run);
}

TestSuite(run_config, .timeout = 120);

static void start_on(struct run *run, const struct run_options *options, int backend)
{
	run_init(run, options);
	run_set_primary(run, backend);
	lab_segue_start(run->segue);
	cr_assert(run_wait_file_names(run, backend));
	cr_assert(run_wait_settled(run));
	cr_assert(run_wait_reaches(run, backend));
}

static void hup(struct run *run)
{
	lab_segue_mark(run->segue);
	lab_process_signal(lab_segue_process(run->segue), SIGHUP);
}

static void expect_refused(struct run *run, const char *problem, const char *more)
{
	cr_assert_not_null(lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, "event=config_problem",
	                                      problem, more, NULL),
	                   "%s", lab_process_log_tail(lab_segue_process(run->segue)));
	cr_assert_not_null(
	    lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, "event=config_refused", NULL));
}

static void expect_reloaded(struct run *run)
{
	cr_assert_not_null(
	    lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, "event=config_reloaded", NULL), "%s",
	    lab_process_log_tail(lab_segue_process(run->segue)));
}

static void expect_moves(struct run *run, int backend)
{
	cr_assert(run_wait_moved(run, run_set_primary(run, backend)));
	cr_assert(run_reaches(run, backend));
	cr_assert(run_file_names(run, backend));
}

/* Probe files and staged files are hidden. */
static bool no_hidden_file(void *arg)
{
	const struct run *run = arg;
	DIR *dir = opendir(lab_haproxy_conf_dir(run->haproxy));
	const struct dirent *entry;
	bool clean = true;

	cr_assert_not_null(dir);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] == '.' && strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			clean = false;
	closedir(dir);
	return clean;
}

static const char *ini_of(struct run *run)
{
	return lab_read_file(run->lab, lab_segue_ini_file(run->segue));
}

/* A second cluster in the same HAProxy. */
static const char *with_other(struct run *run, const char *ini, uint16_t port)
{
	return lab_printf(run->lab,
	                  "%s\n[cluster other]\npath = /segue/other\n"
	                  "[haproxy other]\ncluster = other\ntemplate = %s\noutput = %s/other.cfg\n"
	                  "socket = %s\nmaster_socket = %s\nvar.port = %u\n",
	                  ini, run->template_file, lab_haproxy_conf_dir(run->haproxy),
	                  lab_haproxy_socket(run->haproxy), lab_haproxy_master_socket(run->haproxy),
	                  port);
}

Test(run_config, a_template_that_only_haproxy_refuses_is_refused_and_the_next_move_has_its_file)
{
	struct run run;
	const char *file;

	start_on(&run, &(struct run_options){0}, 0);
	file = lab_read_file(run.lab, run.output);
	lab_write_file(lab_segue_ini_file(run.segue),
	               lab_printf(run.lab,
	                          "%s\n[file x]\ncluster = orders\ntemplate = %s\n"
	                          "output = %s\ncheck_command = sh -c 'cat \"$0\"; exit 3' {}\n",
	                          ini_of(&run), run.template_file, lab_path(run.lab, "x")));
	hup(&run);
	expect_refused(&run, "[file x] check_command rejects the text that ", "sh exited with 3: ");
	run_write_template(&run, "\tfrobnicate 1\n");
	hup(&run);
	expect_refused(&run, "[haproxy local] check_command rejects the text that ",
	               run.template_file);
	cr_assert_str_eq(lab_read_file(run.lab, run.output), file);
	cr_assert(no_hidden_file(&run), "a probe was left behind");
	expect_moves(&run, 1);
	lab_process_kill(lab_haproxy_process(run.haproxy));
	lab_haproxy_start(run.haproxy);
	cr_assert(run_reaches(&run, 1), "the file leads to the old primary");
	run_fini(&run);
}

Test(run_config, a_template_of_a_target_that_is_checked_and_accepted_is_taken)
{
	struct run run;

	start_on(&run, &(struct run_options){0}, 0);
	run_write_template(&run, "\ttimeout queue 7s\n");
	hup(&run);
	expect_reloaded(&run);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=reloaded",
	                                      "target=haproxy/local", NULL));
	cr_assert_not_null(strstr(lab_read_file(run.lab, run.output), "timeout queue 7s"));
	expect_moves(&run, 1);
	run_fini(&run);
}

Test(run_config, an_owner_that_nobody_knows_is_refused_and_moves_go_on)
{
	struct run run;

	start_on(&run, &(struct run_options){0}, 0);
	lab_write_file(lab_segue_ini_file(run.segue),
	               lab_printf(run.lab,
	                          "%s\n[file x]\ncluster = orders\ntemplate = %s\n"
	                          "output = %s\nowner = nosuch:haproxy\n",
	                          ini_of(&run), run.template_file, lab_path(run.lab, "x")));
	hup(&run);
	expect_refused(&run, "[file x]: owner = nosuch:haproxy: ", "there is no user 'nosuch'");
	expect_moves(&run, 1);
	run_fini(&run);
}

Test(run_config, two_clusters_on_one_address_are_refused_and_on_two_both_are_reached)
{
	struct run run;
	const char *ini, *other_primary, *clash;
	char name[LAB_NAME_MAX];
	uint16_t port;

	start_on(&run, &(struct run_options){0}, 0);
	port = lab_port(run.lab);
	ini = ini_of(&run);
	other_primary = run_json(&run, 2);
	lab_zk_set(run.zk, "/segue/other/master", other_primary, strlen(other_primary));
	lab_write_file(lab_segue_ini_file(run.segue), with_other(&run, ini, run.port));
	clash = lab_printf(run.lab, "[haproxy local] and [haproxy other] both bind 127.0.0.1:%u, ",
	                   run.port);
	hup(&run);
	expect_refused(&run, clash, "var.rw_bind");
	expect_moves(&run, 1);
	lab_write_file(lab_segue_ini_file(run.segue), with_other(&run, ini, port));
	hup(&run);
	expect_reloaded(&run);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=moved",
	                                      "target=haproxy/other", NULL));
	for (int i = 0; i < 20; i++) {
		cr_assert_str_eq(lab_reach(port, name), "2");
		cr_assert(run_reaches(&run, 1));
	}
	run_fini(&run);
}

Test(run_config, two_clusters_on_one_address_are_refused_at_the_start)
{
	struct run run;

	run_init(&run, &(struct run_options){0});
	lab_write_file(lab_segue_ini_file(run.segue), with_other(&run, ini_of(&run), run.port));
	lab_segue_start(run.segue);
	cr_assert(lab_process_wait(lab_segue_process(run.segue), RUN_TIMEOUT_MS));
	cr_expect_eq(lab_process_exit_code(lab_segue_process(run.segue)), CMD_USAGE);
	cr_expect_not_null(lab_segue_wait_log(
	    run.segue, RUN_TIMEOUT_MS, "[haproxy local] and [haproxy other] both bind", NULL));
	run_fini(&run);
}

/* Of the shipped template, with one address for writers and for readers. */
static const char *shipped_twice(struct run *run)
{
	char *file = realpath("templates/haproxy.cfg.mustache", NULL);
	const char *section =
	    lab_printf(run->lab,
	               "[haproxy twice]\ncluster = orders\ntemplate = %s\noutput = %s/twice.cfg\n"
	               "socket = %s\nmaster_socket = %s\nvar.rw_bind = 127.0.0.1:%u\n"
	               "var.ro_bind = 127.0.0.1:%u\n",
	               file, lab_haproxy_conf_dir(run->haproxy), lab_haproxy_socket(run->haproxy),
	               lab_haproxy_master_socket(run->haproxy), run->port, run->port);

	free(file);
	return section;
}

Test(run_config, two_sections_of_one_target_on_one_address_are_refused)
{
	static const char problem[] = "in \"frontend orders_rw_in\" and in \"frontend "
	                              "orders_ro_in\"";
	struct run run;
	const char *ini;

	start_on(&run, &(struct run_options){0}, 0);
	ini = ini_of(&run);
	lab_write_file(lab_segue_ini_file(run.segue),
	               lab_printf(run.lab, "%.*s%s", (int)(strstr(ini, "[haproxy ") - ini), ini,
	                          shipped_twice(&run)));
	hup(&run);
	expect_refused(&run, "[haproxy twice] binds 127.0.0.1:", "var.rw_bind");
	expect_moves(&run, 1);
	cr_expect_eq(lab_process_stop(lab_segue_process(run.segue)), CMD_OK);
	lab_segue_start(run.segue);
	cr_assert(lab_process_wait(lab_segue_process(run.segue), RUN_TIMEOUT_MS));
	cr_expect_eq(lab_process_exit_code(lab_segue_process(run.segue)), CMD_USAGE);
	cr_expect_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, problem, NULL));
	run_fini(&run);
}

/* What was taken after the file was written keeps nobody from a start. */
Test(run_config, an_address_that_another_process_has_is_refused_unless_the_file_has_it)
{
	struct run run;
	const char *ini, *refused;
	uint16_t taken;

	start_on(&run, &(struct run_options){0}, 0);
	taken = lab_backend_port(run.backends[2]);
	ini = ini_of(&run);
	refused = lab_printf(run.lab,
	                     "[haproxy other] binds 127.0.0.1:%u in \"frontend other_rw\", and "
	                     "another process, ",
	                     taken);
	lab_write_file(lab_segue_ini_file(run.segue), with_other(&run, ini, taken));
	hup(&run);
	expect_refused(&run, "[haproxy other] binds 127.0.0.1:", "and another process, ");
	cr_expect_eq(lab_process_stop(lab_segue_process(run.segue)), CMD_OK);
	lab_segue_start(run.segue);
	cr_assert(lab_process_wait(lab_segue_process(run.segue), RUN_TIMEOUT_MS));
	cr_expect_eq(lab_process_exit_code(lab_segue_process(run.segue)), CMD_USAGE);
	cr_expect_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, refused, NULL));
	lab_write_file(lab_printf(run.lab, "%s/other.cfg", lab_haproxy_conf_dir(run.haproxy)),
	               lab_printf(run.lab, "frontend other_rw\n\tbind 127.0.0.1:%u\n", taken));
	lab_segue_start(run.segue);
	cr_assert(run_wait_settled(&run));
	expect_moves(&run, 1);
	run_fini(&run);
}

Test(run_config, an_output_that_is_a_link_stays_one_and_the_file_behind_it_is_replaced)
{
	struct run run;
	const char *folder, *real;
	struct stat st;

	run_init(&run, &(struct run_options){0});
	folder = lab_path(run.lab, "behind");
	real = lab_path(run.lab, "behind/real");
	cr_assert_eq(mkdir(folder, 0700), 0);
	cr_assert_eq(symlink(real, run.output), 0);
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_assert(run_wait_reaches(&run, 0));
	cr_assert(run_wait_settled(&run));
	run_write_template(&run, "\ttimeout queue 7s\n");
	hup(&run);
	expect_reloaded(&run);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=reloaded",
	                                      "target=haproxy/local", NULL));
	expect_moves(&run, 1);
	cr_assert_eq(lstat(run.output, &st), 0);
	cr_assert(S_ISLNK(st.st_mode), "the link was replaced by a file");
	cr_assert_str_eq(lab_read_file(run.lab, real), lab_read_file(run.lab, run.output));
	cr_assert(lab_wait_until(no_hidden_file, &run, RUN_TIMEOUT_MS));
	unlink(real);
	cr_assert_eq(rmdir(folder), 0, "something was left in it");
	run_fini(&run);
}

/* A file that no rename can replace would never become true. */
Test(run_config, an_output_that_is_a_mount_point_is_refused)
{
	static const char cure[] =
	    "the output is a mount point (a single-file volume), which a rename cannot replace: "
	    "mount its folder instead";
	struct run run;
	const char *real;

	if (unshare(CLONE_NEWNS) != 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		cr_skip_test("only root can mount");
	start_on(&run, &(struct run_options){0}, 0);
	real = lab_path(run.lab, "real");
	lab_write_file(real, lab_read_file(run.lab, run.output));
	cr_assert_eq(mount(real, run.output, NULL, MS_BIND, NULL), 0);
	lab_segue_mark(run.segue);
	run_set_primary(&run, 1);
	cr_assert(run_wait_reaches(&run, 1));
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=install_failed",
	                                      "target=haproxy/local", cure, NULL));
	hup(&run);
	expect_refused(&run, "[haproxy local]: ", cure);
	cr_expect_eq(lab_process_stop(lab_segue_process(run.segue)), CMD_OK);
	lab_segue_start(run.segue);
	cr_assert(lab_process_wait(lab_segue_process(run.segue), RUN_TIMEOUT_MS));
	cr_expect_eq(lab_process_exit_code(lab_segue_process(run.segue)), CMD_USAGE);
	cr_expect_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, cure, NULL));
	cr_assert_eq(umount(run.output), 0);
	run_fini(&run);
}

struct slow { /* a check_command that does not end while the flag is there */
	const char *flag, *started;
};

static bool has_started(void *arg)
{
	return access(((const struct slow *)arg)->started, F_OK) == 0;
}

static void start_slow(struct run *run, struct slow *slow)
{
	run_init(run, &(struct run_options){.target = "check_command = sh ${CHECK} {}\n"});
	slow->flag = lab_path(run->lab, "slow");
	slow->started = lab_path(run->lab, "started");
	setenv("CHECK", lab_path(run->lab, "check.sh"), 1);
	lab_write_file(getenv("CHECK"),
	               lab_printf(run->lab,
	                          "if test -e %s; then : >%s; exec sleep 600; fi\n"
	                          "exec haproxy -c -f %s -f \"$1\"\n",
	                          slow->flag, slow->started, lab_haproxy_main_file(run->haproxy)));
	run_set_primary(run, 0);
	lab_segue_start(run->segue);
	cr_assert(run_wait_file_names(run, 0));
	cr_assert(run_wait_settled(run));
	cr_assert(run_wait_reaches(run, 0));
	lab_write_file(slow->flag, "");
	run_write_template(run, "\ttimeout queue 7s\n");
	hup(run);
	cr_assert(lab_wait_until(has_started, slow, RUN_TIMEOUT_MS));
}

Test(run_config, moves_go_on_while_a_check_runs_and_another_sighup_starts_over)
{
	struct run run;
	struct slow slow;

	start_slow(&run, &slow);
	run_set_primary(&run, 1);
	cr_assert(run_wait_reaches(&run, 1));
	cr_assert_eq(lab_segue_count_log(run.segue, "event=config_re", NULL), 0);
	unlink(slow.flag);
	run_write_template(&run, "\ttimeout queue 8s\n");
	lab_process_signal(lab_segue_process(run.segue), SIGHUP);
	expect_reloaded(&run);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=reloaded",
	                                      "target=haproxy/local", NULL));
	cr_assert(run_wait_file_names(&run, 1));
	cr_assert_not_null(strstr(lab_read_file(run.lab, run.output), "timeout queue 8s"));
	cr_assert_eq(lab_segue_count_log(run.segue, "event=config_re", NULL), 1);
	cr_assert(lab_wait_until(no_hidden_file, &run, RUN_TIMEOUT_MS));
	run_fini(&run);
}

Test(run_config, sigterm_ends_a_check)
{
	struct run run;
	struct slow slow;

	start_slow(&run, &slow);
	cr_expect_eq(lab_process_stop(lab_segue_process(run.segue)), CMD_OK);
	cr_expect(no_hidden_file(&run), "a probe was left behind");
	run_fini(&run);
}

static const char *status_of(struct run *run)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;

	cr_assert_eq(lab_ask(lab_segue_listen(run->segue), "GET", "/status", &body), 200);
	return lab_printf(run->lab, "%s", body.data);
}

static const char *output_of(struct run *run, const char *const *argv, int wanted)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;

	cr_assert_eq(lab_run(run->lab, argv, &output), wanted, "%s", output.data);
	return lab_printf(run->lab, "%s", output.data);
}

/* With file and line, wherever a person may look; and with an unreadable segue.ini there is a way
 * to ask. */
Test(run_config, a_refused_reload_stands_in_the_status_until_one_is_taken)
{
	struct run run;
	const char *good, *file, *segue, *said, *place;
	auto_strbuf struct strbuf text = STRBUF_INIT;

	start_on(&run, &(struct run_options){0}, 0);
	segue = lab_segue_binary(run.lab);
	file = lab_segue_ini_file(run.segue);
	good = ini_of(&run);
	cr_assert_not_null(strstr(status_of(&run), "\"config_refused\":null"));
	lab_write_file(file, lab_printf(run.lab, "%s\nvar.prt = 1\n", good));
	hup(&run);
	place = lab_printf(run.lab, "%s line ", file);
	expect_refused(&run, place, "[haproxy local]: var.prt: ");
	said = strstr(status_of(&run), "\"config_refused\":\"CONFIG REFUSED since ");
	cr_assert_not_null(said);
	cr_assert_not_null(strstr(said, place), "%s", said);
	said = output_of(&run, (const char *[]){segue, "status", "-c", file, NULL}, 0);
	cr_assert_not_null(strstr(said, "CONFIG REFUSED since "), "%s", said);
	said = output_of(&run, (const char *[]){segue, "check", "-c", file, NULL}, 1);
	cr_assert_not_null(strstr(said, "correct the name there"), "%s", said);
	cr_assert_eq(lab_ask(lab_segue_listen(run.segue), "GET", "/metrics", &text), 200);
	cr_assert_not_null(strstr(text.data, "\nsegue_config_refused 1\n"));
	cr_assert_eq(lab_ask(lab_segue_listen(run.segue), "GET", "/readyz", &text), 200);
	lab_write_file(file, "[segue\n");
	setenv("STATE_DIRECTORY", lab_path(run.lab, "state"), 1);
	said = output_of(&run, (const char *[]){segue, "status", "-c", file, NULL}, 2);
	cr_assert_not_null(
	    strstr(said, lab_printf(run.lab, "can still be asked: segue status -s %s\n",
	                            strchr(lab_segue_listen(run.segue), '/'))),
	    "%s", said);
	lab_write_file(file, good);
	hup(&run);
	expect_reloaded(&run);
	cr_assert_not_null(strstr(status_of(&run), "\"config_refused\":null"));
	run_fini(&run);
}
