/* `segue check`: what only shows when the rendered texts are tried, and what it must not take for a
 * mistake. */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lab/lab.h"

static const char template_text[] = "frontend {{cluster}}_rw\n\tbind {{vars.bind}}\n"
                                    "\tdefault_backend {{cluster}}_rw\n"
                                    "backend {{cluster}}_rw\n\tserver primary "
                                    "{{primary.endpoint}}\n";

static int run_check(void *arg)
{
	char verb[] = "check", option[] = "-c";
	char *argv[] = {verb, option, arg, NULL};

	return cmd_check(3, argv);
}

/* Returns what it printed; *code is its exit code. `targets`: the sections after [zookeeper]. */
static const char *check(struct lab *lab, const char *hosts, const char *targets, int *code)
{
	char *ini = xstrdup(lab_path(lab, "segue.ini"));
	struct lab_process *process;

	lab_write_file(ini, lab_printf(lab, "[segue]\nstate_dir = %s\n[zookeeper]\nhosts = %s\n%s",
	                               lab_dir(lab), hosts, targets));
	process = lab_fork(lab, "check", run_check, ini);
	free(ini);
	cr_assert(lab_process_wait(process, 30000));
	*code = lab_process_exit_code(process);
	return lab_read_file(lab, lab_process_log(process));
}

static const char *target(struct lab *lab, struct lab_haproxy *haproxy, const char *name,
                          const char *host, uint16_t port)
{
	return lab_printf(lab,
	                  "[cluster %s]\npath = /segue/%s\n"
	                  "[haproxy %s]\ncluster = %s\ntemplate = %s\noutput = %s/%s.cfg\n"
	                  "socket = %s\ncheck_command = haproxy -c -f %s -f {}\nvar.bind = %s:%u\n",
	                  name, name, name, name, lab_path(lab, "t.mustache"),
	                  lab_haproxy_conf_dir(haproxy), name, lab_haproxy_socket(haproxy),
	                  lab_haproxy_main_file(haproxy), host, port);
}

static void expect_line(const char *printed, const char *line)
{
	cr_expect_not_null(strstr(printed, line), "no \"%s\" in\n%s", line, printed);
}

Test(check_rendered, check_command_is_run_and_its_words_are_shown)
{
	struct lab *lab = lab_create("check");
	struct lab_zk *zk = lab_zk_share(lab);
	struct lab_haproxy *haproxy = lab_haproxy_create(lab, NULL);
	const uint16_t port = lab_port(lab);
	const char *printed;
	int code;

	lab_haproxy_start(haproxy);
	lab_write_file(lab_path(lab, "t.mustache"), template_text);
	printed = check(lab, lab_zk_hosts(zk), target(lab, haproxy, "a", "127.0.0.1", port), &code);
	cr_expect_eq(code, CMD_OK, "%s", printed);
	expect_line(printed, "ok    haproxy/a: check_command accepts the rendered text\n");
	lab_write_file(lab_path(lab, "t.mustache"),
	               lab_printf(lab, "%s\tfrobnicate 1\n", template_text));
	printed = check(lab, lab_zk_hosts(zk), target(lab, haproxy, "a", "127.0.0.1", port), &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(
	    printed,
	    "FAIL  haproxy/a: check_command does not accept the rendered text: haproxy exited ");
	expect_line(printed, "unknown keyword 'frobnicate'");
	cr_expect_eq(rmdir(lab_haproxy_conf_dir(haproxy)), 0, "a probe was left behind");
	lab_destroy(lab);
}

Test(check_rendered, a_link_is_followed_and_a_mount_point_fails)
{
	struct lab *lab = lab_create("check");
	struct lab_zk *zk = lab_zk_share(lab);
	const char *output = lab_path(lab, "out"), *real = lab_path(lab, "real"), *printed;
	const char *sections = lab_printf(lab,
	                                  "[cluster a]\npath = /segue/a\nverify = disable\n"
	                                  "[file f]\ncluster = a\ntemplate = %s\noutput = %s\n"
	                                  "check_command = grep -q made {}\n",
	                                  lab_path(lab, "t.mustache"), output);
	int code;

	if (unshare(CLONE_NEWNS) != 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		cr_skip_test("only root can mount");
	lab_write_file(lab_path(lab, "t.mustache"), "made of {{cluster}}\n");
	cr_assert_eq(symlink("real", output), 0);
	printed = check(lab, lab_zk_hosts(zk), sections, &code);
	cr_expect_eq(code, CMD_OK, "%s", printed);
	expect_line(printed, lab_printf(lab,
	                                "ok    file/f: %s is a symbolic link, which stays: the "
	                                "file that is replaced is %s\n",
	                                output, real));
	expect_line(printed, "ok    file/f: check_command accepts the rendered text\n");
	unlink(output);
	lab_write_file(output, "");
	lab_write_file(real, "");
	cr_assert_eq(mount(real, output, NULL, MS_BIND, NULL), 0);
	printed = check(lab, lab_zk_hosts(zk), sections, &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed, lab_printf(lab,
	                                "FAIL  file/f: %s: the output is a mount point (a "
	                                "single-file volume), which a rename cannot replace: "
	                                "mount its folder instead\n",
	                                output));
	cr_assert_eq(umount(output), 0);
	lab_destroy(lab);
}

Test(check_rendered, an_address_that_two_targets_take_is_found)
{
	struct lab *lab = lab_create("check");
	struct lab_zk *zk = lab_zk_share(lab);
	struct lab_haproxy *haproxy = lab_haproxy_create(lab, NULL);
	const char *printed;
	int code;

	lab_write_file(lab_path(lab, "t.mustache"), template_text);
	printed = check(lab, lab_zk_hosts(zk),
	                lab_printf(lab, "%s%s", target(lab, haproxy, "a", "127.0.0.1", 5000),
	                           target(lab, haproxy, "b", "*", 5000)),
	                &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed,
	            "FAIL  bind: [haproxy a] and [haproxy b] both bind 127.0.0.1:5000 (the "
	            "second as *:5000), ");
	lab_destroy(lab);
}

Test(check_rendered, an_address_that_two_sections_of_one_target_take_is_found)
{
	struct lab *lab = lab_create("check");
	struct lab_zk *zk = lab_zk_share(lab);
	struct lab_haproxy *haproxy = lab_haproxy_create(lab, NULL);
	char *shipped = realpath("templates/haproxy.cfg.mustache", NULL);
	const char *printed;
	int code;

	cr_assert_not_null(shipped, "run from the top of the repository");
	printed =
	    check(lab, lab_zk_hosts(zk),
	          lab_printf(lab,
	                     "[cluster a]\npath = /segue/a\n"
	                     "[haproxy h]\ncluster = a\ntemplate = %s\noutput = %s/a.cfg\n"
	                     "socket = %s\nvar.rw_bind = 127.0.0.1:5001\n",
	                     shipped, lab_haproxy_conf_dir(haproxy), lab_haproxy_socket(haproxy)),
	          &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed,
	            "FAIL  bind: [haproxy h] binds 127.0.0.1:5001 in \"frontend a_rw_in\" and in "
	            "\"frontend a_ro_in\", and clients would reach either section by chance: ");
	free(shipped);
	lab_destroy(lab);
}

/* A section that a person has put a # in front of is HAProxy's until it is reloaded. */
Test(check_rendered, an_address_that_another_process_has_is_found_and_haproxys_own_is_not)
{
	struct lab *lab = lab_create("check");
	struct lab_zk *zk = lab_zk_share(lab);
	struct lab_backend *other = lab_backend_start(lab, "other");
	const uint16_t port = lab_port(lab), taken = lab_backend_port(other);
	struct lab_haproxy *haproxy =
	    lab_haproxy_create(lab, lab_printf(lab, "listen old\n\tbind 127.0.0.1:%u\n", port));
	const char *printed;
	int code;

	lab_haproxy_start(haproxy);
	lab_write_file(lab_path(lab, "t.mustache"), template_text);
	printed =
	    check(lab, lab_zk_hosts(zk), target(lab, haproxy, "a", "127.0.0.1", taken), &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(
	    printed,
	    lab_printf(lab,
	               "FAIL  bind: [haproxy a] binds 127.0.0.1:%u in \"frontend a_rw\", and "
	               "another process, of uid %u, listens at port %u there: ",
	               taken, (unsigned)geteuid(), taken));
	lab_write_file(lab_haproxy_main_file(haproxy),
	               lab_printf(lab, "global\n\tstats socket %s level admin\n",
	                          lab_haproxy_socket(haproxy)));
	printed = check(lab, lab_zk_hosts(zk), target(lab, haproxy, "a", "127.0.0.1", port), &code);
	cr_expect_eq(code, CMD_OK, "%s", printed);
	cr_expect_null(strstr(printed, "another process"), "%s", printed);
	lab_destroy(lab);
}

Test(check_rendered, a_chroot_that_does_not_exist_is_said_in_words)
{
	struct lab *lab = lab_create("check");
	struct lab_zk *zk = lab_zk_start(lab, 1);
	const char *wrong = lab_printf(lab, "%s/prdo", lab_zk_hosts(zk)), *printed;
	int code;

	printed = check(lab, wrong, "[cluster a]\npath = /segue/a\n", &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed, "FAIL  zookeeper: ZooKeeper has no znode /prdo, ");
	lab_zk_set(zk, "/prdo", "", 0);
	printed = check(lab, wrong, "[cluster a]\npath = /segue/a\n", &code);
	cr_expect_eq(code, CMD_OK, "%s", printed);
	lab_destroy(lab);
}

static int run_relative(void *arg)
{
	if (chdir(arg) == 0)
		execlp("haproxy", "haproxy", "-W", "-db", "-f", "./main.cfg", "-f", "conf.d/",
		       (char *)NULL);
	return 1;
}

static bool answers(void *arg)
{
	return lab_haproxy_worker(arg) != 0;
}

Test(check_rendered, relative_files_of_haproxy_are_found_from_its_folder)
{
	struct lab *lab = lab_create("check");
	struct lab_zk *zk = lab_zk_share(lab);
	struct lab_haproxy *haproxy =
	    lab_haproxy_create(lab, "global\n\tchroot /var/lib/haproxy\n");
	char *folder = xstrdup(lab_haproxy_conf_dir(haproxy));
	const uint16_t port = lab_port(lab);
	const char *printed;
	int code;

	if (geteuid() != 0 || access("/var/lib/haproxy", F_OK) != 0) /* only root may chroot */
		lab_write_file(lab_haproxy_main_file(haproxy),
		               lab_printf(lab, "global\n\tstats socket %s level admin\ndefaults\n",
		                          lab_haproxy_socket(haproxy)));
	lab_write_file(lab_path(lab, "t.mustache"), template_text);
	*strrchr(folder, '/') = '\0';
	(void)lab_fork(lab, "haproxy", run_relative, folder);
	cr_assert(lab_wait_until(answers, haproxy, 10000));
	printed = check(
	    lab, lab_zk_hosts(zk),
	    lab_printf(lab,
	               "%s[haproxy stray]\ncluster = a\ntemplate = %s\noutput = %s/stray.cfg\n"
	               "socket = %s\nvar.bind = 127.0.0.1:%u\n",
	               target(lab, haproxy, "a", "127.0.0.1", port), lab_path(lab, "t.mustache"),
	               lab_dir(lab), lab_haproxy_socket(haproxy), lab_port(lab)),
	    &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	cr_expect_null(strstr(printed, "FAIL  haproxy/a:"), "%s", printed);
	expect_line(printed, "FAIL  haproxy/stray: the HAProxy that answers at ");
	cr_expect_null(strstr(printed, "is relative"), "%s", printed);
	free(folder);
	lab_destroy(lab);
}

Test(check_rendered, the_socket_of_another_haproxy)
{
	struct lab *lab = lab_create("check");
	struct lab_zk *zk = lab_zk_start(lab, 1);
	struct lab_haproxy *haproxy = lab_haproxy_create(lab, NULL);
	struct lab_haproxy *other = lab_haproxy_create(lab, NULL);
	const char *printed;
	int code;

	lab_write_file(lab_path(lab, "t.mustache"), template_text);
	lab_haproxy_start(haproxy);
	lab_haproxy_start(other);
	printed = check(lab, lab_zk_hosts(zk),
	                lab_printf(lab,
	                           "[cluster a]\npath = /segue/a\n[haproxy a]\ncluster = a\n"
	                           "template = %s\noutput = %s/a.cfg\nsocket = %s\n"
	                           "master_socket = %s\nvar.bind = 127.0.0.1:%u\n",
	                           lab_path(lab, "t.mustache"), lab_haproxy_conf_dir(haproxy),
	                           lab_haproxy_socket(other), lab_haproxy_master_socket(haproxy),
	                           lab_port(lab)),
	                &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed,
	            lab_printf(lab, "FAIL  haproxy/a: the HAProxy that answers at %s, pid ",
	                       lab_haproxy_socket(other)));
	expect_line(printed, "; or, if that is another HAProxy, correct socket\n");
	expect_line(printed,
	            lab_printf(lab, " answers at %s, and is no worker of the master at %s",
	                       lab_haproxy_socket(other), lab_haproxy_master_socket(haproxy)));
	printed = check(lab, lab_zk_hosts(zk),
	                lab_printf(lab, "%smaster_socket = %s\n",
	                           target(lab, haproxy, "a", "127.0.0.1", lab_port(lab)),
	                           lab_haproxy_master_socket(haproxy)),
	                &code);
	cr_expect_null(strstr(printed, "is no worker of"), "%s", printed);
	cr_expect_null(strstr(printed, "the HAProxy that answers"), "%s", printed);

	/* The second target of a stats socket. */
	printed = check(lab, lab_zk_hosts(zk),
	                lab_printf(lab, "%smaster_socket = %s\n%smaster_socket = %s\n",
	                           target(lab, haproxy, "a", "127.0.0.1", lab_port(lab)),
	                           lab_haproxy_master_socket(haproxy),
	                           target(lab, haproxy, "b", "127.0.0.1", lab_port(lab)),
	                           lab_haproxy_master_socket(other)),
	                &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed, "FAIL  haproxy/b: pid ");
	expect_line(printed, lab_printf(lab, " and is no worker of the master at %s",
	                                lab_haproxy_master_socket(other)));
	lab_destroy(lab);
}
