/* `segue check` against real servers: what it finds, and its exit codes. */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lab/lab.h"

#define MASTER "{\"version\":1,\"primary\":{\"name\":\"db1\",\"host\":\"127.0.0.1\",\"port\":5432}}"

static int run_check(void *arg)
{
	char verb[] = "check", option[] = "-c";
	char *argv[] = {verb, option, arg, NULL};

	return cmd_check(3, argv);
}

/* Returns what it printed; *code is its exit code. */
static const char *check(struct lab *lab, const char *ini_text, int *code)
{
	const char *ini = lab_path(lab, "segue.ini");
	char *copy = xstrdup(ini); /* argv is not const */
	struct lab_process *process;

	lab_write_file(ini, ini_text);
	process = lab_fork(lab, "check", run_check, copy);
	free(copy);
	cr_assert(lab_process_wait(process, 30000));
	*code = lab_process_exit_code(process);
	return lab_read_file(lab, lab_process_log(process));
}

static void expect_line(const char *printed, const char *line)
{
	cr_expect_not_null(strstr(printed, line), "no \"%s\" in\n%s", line, printed);
}

static struct lab_haproxy *start_haproxy(struct lab *lab)
{
	struct lab_haproxy *haproxy = lab_haproxy_create(lab, NULL);

	lab_haproxy_start(haproxy);
	return haproxy;
}

/* Everything as it should be, but for what `more` adds to the target. */
static const char *good_ini_at(struct lab *lab, struct lab_zk *zk, struct lab_haproxy *haproxy,
                               uint16_t ro_port, const char *more)
{
	char *template_file = realpath("templates/haproxy.cfg.mustache", NULL);
	const char *ini;

	cr_assert_not_null(template_file, "run from the top of the repository");
	ini =
	    lab_printf(lab,
	               "[segue]\nstate_dir = %s\n[zookeeper]\nhosts = %s\n"
	               "[cluster a]\npath = /segue/a\n"
	               "[haproxy h]\ncluster = a\ntemplate = %s\n"
	               "output = %s/a.cfg\nsocket = %s\nmaster_socket = %s\n"
	               "check_command = haproxy -c -q -f %s -f {}\nvar.rw_bind = 127.0.0.1:%u\n"
	               "var.ro_bind = 127.0.0.1:%u\n%s",
	               lab_dir(lab), lab_zk_hosts(zk), template_file, lab_haproxy_conf_dir(haproxy),
	               lab_haproxy_socket(haproxy), lab_haproxy_master_socket(haproxy),
	               lab_haproxy_main_file(haproxy), lab_port(lab), ro_port, more);
	free(template_file);
	return ini;
}

static const char *good_ini(struct lab *lab, struct lab_zk *zk, struct lab_haproxy *haproxy,
                            const char *more)
{
	return good_ini_at(lab, zk, haproxy, lab_port(lab), more);
}

Test(check, all_is_fine)
{
	struct lab *lab = lab_create("check");
	struct lab_zk *zk = lab_zk_share(lab);
	struct lab_haproxy *haproxy = start_haproxy(lab);
	const char *printed;
	int code;

	lab_zk_set(zk, "/segue/a/master", MASTER, strlen(MASTER));
	printed = check(lab, good_ini(lab, zk, haproxy, ""), &code);
	cr_expect_eq(code, CMD_OK, "%d\n%s", code, printed);
	cr_expect_null(strstr(printed, "FAIL"), "%s", printed);
	expect_line(printed, "ok    config: ");
	expect_line(printed, "ok    state_dir: ");
	expect_line(printed, "ok    cluster/a: /segue/a/master names db1 at 127.0.0.1 port 5432\n");
	expect_line(printed, "ok    zookeeper: ");
	expect_line(printed, "ok    haproxy/h: rendered: backends 2, servers ");
	expect_line(printed, "ok    haproxy/h: check_command: haproxy is there\n");
	expect_line(printed, "admin.sock has level admin\n");
	expect_line(printed, "old workers 0, failed reloads 0\n");
	lab_destroy(lab);
}

Test(check, an_operators_word_in_force_is_a_warning_and_one_that_cannot_be_read_a_failure)
{
	struct lab *lab = lab_create("check");
	struct lab_zk *zk = lab_zk_share(lab);
	struct lab_haproxy *haproxy = start_haproxy(lab);
	const char *word = lab_path(lab, "a.override"), *printed;
	int code;

	lab_zk_set(zk, "/segue/a/master", MASTER, strlen(MASTER));
	lab_write_file(word, "{\"kind\":\"pin\",\"address\":\"10.0.0.2\",\"port\":5432,"
	                     "\"by\":\"alice@p1\",\"since\":\"2026-11-23T11:07:20Z\"}");
	printed = check(lab, good_ini(lab, zk, haproxy, ""), &code);
	cr_expect_eq(code, CMD_OK, "%s", printed);
	expect_line(printed, "warn  cluster/a: pinned to 10.0.0.2 port 5432, by alice@p1, since "
	                     "2026-11-23T11:07:20Z: ");
	expect_line(printed, ": segue release a ends it\n");
	lab_write_file(word, "{\"kind\":\"freeze\"}");
	printed = check(lab, good_ini(lab, zk, haproxy, ""), &code);
	cr_expect_eq(code, CMD_OK, "%s", printed);
	expect_line(printed,
	            "warn  cluster/a: frozen: segue moves no traffic and holds no clients: ");
	lab_write_file(word, "{\"kind\":");
	printed = check(lab, good_ini(lab, zk, haproxy, ""), &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed, "FAIL  cluster/a: cannot use the override file ");
	expect_line(printed, "segue release a ends it\n");
	lab_destroy(lab);
}

/* Each with what was tried, what happened, and the line or command that mends it. */
Test(check, what_somebody_new_runs_into_is_told_with_its_cure)
{
	struct lab *lab = lab_create("check");
	struct lab_zk *zk = lab_zk_share(lab);
	const uint16_t port = lab_port(lab);
	struct lab_haproxy *haproxy = lab_haproxy_create(
	    lab, lab_printf(lab,
	                    "frontend old\n\tbind 127.0.1:%u\n\tdefault_backend old\n"
	                    "backend old\n\tserver s 127.0.0.1:1\n",
	                    port));
	const char *printed, *nobody = lab_path(lab, "nobody.sock");
	int code;

	lab_haproxy_start(haproxy);
	lab_write_file(nobody, "");
	printed = check(
	    lab,
	    good_ini_at(lab, zk, haproxy, port,
	                lab_printf(lab,
	                           "[haproxy none]\ncluster = a\ntemplate = %s/none.mustache\n"
	                           "output = %s/none/a.cfg\nsocket = %s/none.sock\n"
	                           "master_socket = %s\n",
	                           lab_dir(lab), lab_dir(lab), lab_dir(lab), nobody)),
	    &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(
	    printed,
	    "warn  cluster/a: /segue/a/master does not exist: segue moves no traffic until it is "
	    "written: start segue publish");
	expect_line(printed, "/none.mustache: correct template, copy one from "
	                     "/usr/share/segue/templates");
	expect_line(printed, "/none: cannot create a file there: No such file or directory: "
	                     "create it, writable for the group of segue: install -d -g ");
	expect_line(printed, lab_printf(lab,
	                                "there has to be: stats socket %s/none.sock mode 660 "
	                                "level admin\n",
	                                lab_dir(lab)));
	expect_line(printed, ": no process listens there: is it running (systemctl status)");
	expect_line(
	    printed,
	    lab_printf(
	        lab,
	        "main.cfg listens at 127.0.1:%u (frontend old), and so does the rendered text, at "
	        "127.0.0.1:%u: remove that section",
	        port, port));
	cr_expect_null(strstr(printed, "another process"), "%s", printed);
	lab_destroy(lab);
}

Test(check, without_a_configuration_it_says_who_writes_one)
{
	struct lab *lab = lab_create("check");
	const char *argv[] = {lab_segue_binary(lab), "check", "-c", lab_path(lab, "none.ini"),
	                      NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	cr_expect_eq(lab_run(lab, argv, &output), CMD_USAGE);
	expect_line(output.data, "`segue init haproxy` or `segue init pgbouncer` writes one\n");
	lab_destroy(lab);
}

/* What root may, the sidecar of a package may not. */
Test(check, root_looks_with_the_access_of_the_user_who_is_named)
{
	struct lab *lab = lab_create("check");
	const char *folder = lab_path(lab, "closed"), *ini = lab_path(lab, "segue.ini");
	const char *argv[] = {lab_segue_binary(lab), "check", "-c", ini, "--user", "nobody", NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	if (geteuid() != 0)
		cr_skip_test("only root can become somebody else");
	cr_assert_eq(mkdir(folder, 0700), 0);
	cr_assert_eq(chmod(lab_dir(lab), 0755), 0);
	lab_write_file(ini,
	               lab_printf(lab,
	                          "[segue]\nstate_dir = %s\n[zookeeper]\nhosts = 127.0.0.1:%u\n"
	                          "[cluster a]\npath = /a\n[file f]\ncluster = a\n"
	                          "template = %s/t\noutput = %s/out\n",
	                          folder, (unsigned)lab_port(lab), lab_dir(lab), folder));
	cr_assert_eq(chmod(ini, 0644), 0);
	cr_expect_eq(lab_run(lab, argv, &output), CMD_FAILED);
	expect_line(output.data, "checked as user nobody\n");
	expect_line(output.data,
	            lab_printf(lab,
	                       "FAIL  state_dir: %s: cannot create a file there: "
	                       "Permission denied: make it writable for the group of segue: "
	                       "chgrp nogroup %s && chmod g+ws %s\n",
	                       folder, folder, folder));
	argv[4] = NULL;
	strbuf_reset(&output);
	cr_expect_eq(lab_run(lab, argv, &output), CMD_FAILED, "%s", output.data);
	expect_line(output.data, "checked as user root\n");
	expect_line(output.data, lab_printf(lab, "ok    state_dir: %s is writable\n", folder));

	argv[4] = "--user";
	cr_assert_eq(chmod(ini, 0600), 0);
	strbuf_reset(&output);
	cr_expect_eq(lab_run(lab, argv, &output), CMD_FAILED);
	expect_line(output.data, "FAIL  config: ");
	expect_line(output.data, " cannot be read; checked as user nobody: ");
	argv[5] = "no-such-user";
	cr_expect_eq(lab_run(lab, argv, &output), CMD_USAGE);
	expect_line(output.data, "there is no user \"no-such-user\" on this machine\n");
	lab_destroy(lab);
}

Test(check, what_is_wrong_is_found_all_at_once)
{
	struct lab *lab = lab_create("check");
	struct lab_zk *zk = lab_zk_share(lab);
	struct lab_haproxy *haproxy = start_haproxy(lab);
	const char *printed, *dir = lab_dir(lab);
	int code;

	lab_zk_set(zk, "/segue/a/master", "garbage", 7);
	lab_write_file(lab_path(lab, "bad.mustache"), "{{#open}}\n");
	printed = check(lab,
	                good_ini(lab, zk, haproxy,
	                         lab_printf(lab,
	                                    "[cluster b]\npath = /segue/b\npresence = yes\n"
	                                    "[haproxy g]\ncluster = b\n"
	                                    "template = %s/bad.mustache\noutput = %s/no/b.cfg\n"
	                                    "socket = %s/no.sock\nowner = nobody-of-segue\n"
	                                    "[file f]\ncluster = b\ntemplate = %s/none\n"
	                                    "output = %s/f\nreload_command = /no/program && x\n"
	                                    "check_command = true | cat\n",
	                                    dir, dir, dir, dir, dir)),
	                &code);
	cr_expect_eq(code, CMD_FAILED, "%d\n%s", code, printed);
	expect_line(printed, "FAIL  cluster/a: /segue/a/master: ");
	expect_line(printed, "warn  cluster/b: /segue/b/master does not exist: ");
	expect_line(printed, "FAIL  haproxy/g: ");
	expect_line(printed, "bad.mustache:1:");
	expect_line(printed,
	            "/no: cannot create a file there: No such file or directory: create it");
	expect_line(printed, "nobody-of-segue");
	expect_line(printed, "no.sock: ");
	expect_line(printed, "FAIL  file/f: ");
	expect_line(printed, "FAIL  file/f: reload_command: there is no program /no/program: ");
	expect_line(printed,
	            "warn  file/f: check_command: \"|\" is passed to the program as an argument: ");
	lab_destroy(lab);
}

Test(check, a_store_that_is_away_and_a_bad_file)
{
	struct lab *lab = lab_create("check");
	struct lab_haproxy *haproxy = start_haproxy(lab);
	const char *printed;
	int code;

	printed = check(lab,
	                lab_printf(lab,
	                           "[segue]\nstate_dir = %s\n[zookeeper]\nhosts = 127.0.0.1:%u\n"
	                           "[cluster a]\npath = /a\n[haproxy h]\ncluster = a\n"
	                           "template = /none\noutput = %s/elsewhere.cfg\nsocket = %s\n",
	                           lab_dir(lab), lab_port(lab), lab_dir(lab),
	                           lab_haproxy_socket(haproxy)),
	                &code);
	cr_expect_eq(code, CMD_FAILED, "%d\n%s", code, printed);
	expect_line(printed, "FAIL  zookeeper: no session: ");
	expect_line(printed, "/elsewhere.cfg: add a -f for it");
	printed = check(lab, "[cluster a]\n", &code);
	cr_expect_eq(code, CMD_USAGE, "%d\n%s", code, printed);
	lab_destroy(lab);
}

Test(check, a_socket_without_level_admin)
{
	struct lab *lab = lab_create("check");
	struct lab_haproxy *haproxy;
	const char *socket = lab_path(lab, "operator.sock"), *printed;
	int code;

	haproxy = lab_haproxy_create(
	    lab, lab_printf(lab, "global\n\tstats socket %s level operator\n", socket));
	lab_haproxy_start(haproxy);
	printed =
	    check(lab,
	          lab_printf(lab,
	                     "[segue]\nstate_dir = %s\n[zookeeper]\nhosts = 127.0.0.1:%u\n"
	                     "[cluster a]\npath = /a\n[haproxy h]\ncluster = a\n"
	                     "template = /none\noutput = %s/a.cfg\nsocket = %s\n",
	                     lab_dir(lab), lab_port(lab), lab_haproxy_conf_dir(haproxy), socket),
	          &code);
	cr_expect_eq(code, CMD_FAILED);
	expect_line(printed, "operator.sock does not allow changes of servers: ");
	cr_expect_null(strstr(printed, "add a -f for it"), "%s", printed);
	lab_destroy(lab);
}

#define PATRONI(host, role, more)                   \
	"{\"conn_url\":\"postgres://u:secret@" host \
	":5432/\",\"state\":\"running\",\"role\":\"" role "\",\"xlog_location\":" more "}"

static void set(struct lab_zk *zk, const char *path, const char *value)
{
	lab_zk_set(zk, path, value, strlen(value));
}

static const char *patroni_ini(struct lab *lab, struct lab_zk *zk)
{
	lab_write_file(lab_path(lab, "t.mustache"), "{{#standbys}}{{name}}{{/standbys}}\n");
	return lab_printf(lab,
	                  "[segue]\nstate_dir = %s\n[zookeeper]\nhosts = %s\n"
	                  "[cluster a]\npath = /service/a\nlayout = patroni\nmax_lag = 16MB\n"
	                  "[cluster b]\npath = /service/b\nlayout = patroni\n"
	                  "[file f]\ncluster = a\ntemplate = %s/t.mustache\noutput = %s/f\n",
	                  lab_dir(lab), lab_zk_hosts(zk), lab_dir(lab), lab_dir(lab));
}

Test(check, patroni_shows_leader_members_and_reasons)
{
	struct lab *lab = lab_create("check-patroni");
	struct lab_zk *zk = lab_zk_share(lab);
	const char *printed;
	int code;

	set(zk, "/service/a/leader", "pg1");
	set(zk, "/service/a/config", "{\"pause\":true}");
	set(zk, "/service/a/members/pg1", PATRONI("10.0.0.1", "primary", "100"));
	set(zk, "/service/a/members/pg2", PATRONI("10.0.0.2", "replica", "60"));
	set(zk, "/service/a/members/pg3",
	    PATRONI("10.0.0.3", "replica", "100,\"tags\":{\"noloadbalance\":true}"));
	set(zk, "/service/a/members/pg4", PATRONI("10.0.0.0.4", "replica", "100"));
	set(zk, "/service/b/initialize", "");
	printed = check(lab, patroni_ini(lab, zk), &code);
	cr_expect_eq(code, CMD_OK, "%d\n%s", code, printed);
	expect_line(printed, "ok    cluster/a: /service/a names pg1 at 10.0.0.1 port 5432\n");
	expect_line(printed,
	            "ok    cluster/a: standby pg2 at 10.0.0.2 port 5432, 40 bytes behind\n");
	expect_line(printed, "standby pg3 at 10.0.0.3 port 5432, 0 bytes behind, no readers\n");
	expect_line(printed, "without readers: pg3: tag noloadbalance\n");
	expect_line(printed, "left out: pg4: conn_url: host: looks like an IPv4 address");
	expect_line(printed, "warn  cluster/a: /service/a: Patroni is paused");
	expect_line(printed, "warn  cluster/b: /service/b names no primary: clients are held until "
	                     "it does, ");
	cr_expect_null(strstr(printed, "secret"), "%s", printed);
	set(zk, "/service/a/leader", "pg4");
	printed = check(lab, patroni_ini(lab, zk), &code);
	cr_expect_eq(code, CMD_FAILED, "%d\n%s", code, printed);
	expect_line(printed,
	            "FAIL  cluster/a: /service/a: the leader's member pg4: conn_url: host");
	set(zk, "/service/a/leader", "pg21");
	set(zk, "/service/a/config", "{\"ttl\":300}");
	printed = check(lab, patroni_ini(lab, zk), &code);
	cr_expect_eq(code, CMD_FAILED, "%d\n%s", code, printed);
	expect_line(printed, "FAIL  cluster/a: /service/a: the leader key names pg21, which has no "
	                     "member key; members: pg1, pg2, pg3, pg4: ");
	expect_line(printed,
	            "hold_timeout: 300000 ms; Patroni may take 320000 ms to have a new "
	            "primary (ttl 300 + loop_wait 10 + retry_timeout 10): clients that "
	            "wait may get errors before that: auto is 5 minutes at most: set a smaller ttl "
	            "in Patroni (patronictl edit-config), or hold_timeout = 325s in "
	            "[cluster a]\n");
	lab_destroy(lab);
}

/* Each with what is there: of a typing error the right name, of Citus the groups. */
Test(check, a_path_that_is_no_scope_of_Patronis_is_a_failure)
{
	struct lab *lab = lab_create("check-patroni");
	struct lab_zk *zk = lab_zk_start(lab, 1);
	const char *printed;
	int code;

	set(zk, "/service/batman/initialize", "77");
	set(zk, "/service/citus/0/initialize", "77");
	set(zk, "/service/citus/1/initialize", "77");
	set(zk, "/service/empty", "");
	printed = check(lab,
	                lab_printf(lab,
	                           "[segue]\nstate_dir = %s\n[zookeeper]\nhosts = %s\n"
	                           "[cluster a]\npath = /service/batmann\nlayout = patroni\n"
	                           "[cluster b]\npath = /service/citus\nlayout = patroni\n"
	                           "[cluster c]\npath = /service/empty\nlayout = patroni\n"
	                           "[cluster d]\npath = /srvice/batman\nlayout = patroni\n"
	                           "[cluster e]\npath = /service/batman\n"
	                           "[cluster f]\npath = /service/other\n",
	                           lab_dir(lab), lab_zk_hosts(zk)),
	                &code);
	cr_expect_eq(code, CMD_FAILED, "%d\n%s", code, printed);
	expect_line(
	    printed,
	    "FAIL  cluster/a: /service/batmann does not exist: is path right (NAMESPACE/SCOPE of a "
	    "Patroni that has run)? /service has the "
	    "children batman, citus, empty\n");
	expect_line(printed, "FAIL  cluster/b: no Patroni keys (initialize, leader, members) below "
	                     "/service/citus: check the setting path; the znode has the children "
	                     "0, 1\n");
	expect_line(printed, "FAIL  cluster/c: no Patroni keys (initialize, leader, members) below "
	                     "/service/empty: check the setting path; the znode has no children\n");
	expect_line(
	    printed,
	    "FAIL  cluster/d: /srvice/batman does not exist: is path right (NAMESPACE/SCOPE of a "
	    "Patroni that has run)? / has the children "
	    "service, zookeeper\n");
	expect_line(
	    printed,
	    "FAIL  cluster/e: /service/batman has the keys of a Patroni scope, but layout is "
	    "segue: set layout = patroni in its [cluster]\n");
	expect_line(
	    printed,
	    "warn  cluster/f: /service/other/master does not exist: segue moves no traffic until "
	    "it is written: start segue publish");
	lab_destroy(lab);
}

static int run_check_as_nobody(void *arg)
{
	return setgid(65534) == 0 && setuid(65534) == 0 ? run_check(arg) : CMD_USAGE;
}

/* What is root's alone says nothing of the sidecar. */
Test(check, an_ordinary_user_is_told_who_can_read_what_it_cannot)
{
	struct lab *lab = lab_create("check");
	const char *dir = lab_dir(lab), *ini = lab_path(lab, "segue.ini"), *printed;
	const char *const files[] = {"a.override", "a.json", "auth", "t"};
	struct lab_process *process;
	char *copy = xstrdup(ini);

	if (geteuid() != 0)
		cr_skip_test("only root can become somebody else");
	cr_assert_eq(chmod(dir, 0755), 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		const char *file = lab_path(lab, files[i]);

		lab_write_file(file, "");
		cr_assert_eq(chmod(file, 0600), 0);
	}
	lab_write_file(ini,
	               lab_printf(lab,
	                          "[segue]\nstate_dir = %s\n[zookeeper]\nhosts = 127.0.0.1:%u\n"
	                          "auth_file = %s/auth\n[cluster a]\npath = /a\n"
	                          "[file f]\ncluster = a\ntemplate = %s/t\noutput = %s/out\n",
	                          dir, (unsigned)lab_port(lab), dir, dir, dir));
	cr_assert_eq(chmod(ini, 0644), 0);
	process = lab_fork(lab, "check", run_check_as_nobody, copy);
	cr_assert(lab_process_wait(process, 30000));
	cr_expect_eq(lab_process_exit_code(process), CMD_FAILED);
	printed = lab_read_file(lab, lab_process_log(process));
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		expect_line(printed,
		            lab_printf(lab,
		                       ": cannot read %s/%s as nobody: run segue check as root or "
		                       "segue's user\n",
		                       dir, files[i]));
	cr_expect_null(strstr(printed, "frozen"), "%s", printed);
	cr_expect_null(strstr(printed, "repair it"), "%s", printed);
	cr_expect_null(strstr(printed, "correct the template"), "%s", printed);
	cr_assert_eq(chmod(ini, 0600), 0);
	process = lab_fork(lab, "check", run_check_as_nobody, copy);
	cr_assert(lab_process_wait(process, 30000));
	cr_expect_eq(lab_process_exit_code(process), CMD_USAGE);
	expect_line(lab_read_file(lab, lab_process_log(process)),
	            lab_printf(lab,
	                       "segue check: cannot read %s as nobody: run segue check as root or "
	                       "segue's user\n",
	                       ini));
	free(copy);
	lab_destroy(lab);
}

/* In a mount namespace of its own, with this file as Debian's defaults for HAProxy. */
static int run_check_with_defaults(void *arg)
{
	char *const *words = arg; /* the file, segue.ini */

	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount(words[0], "/etc/default/haproxy", NULL, MS_BIND, NULL) != 0)
		return 77;
	return run_check(words[1]);
}

Test(check, what_haproxy_will_not_be_started_with_the_next_time_is_a_failure)
{
	struct lab *lab = lab_create("check");
	struct lab_zk *zk = lab_zk_start(lab, 1);
	struct lab_haproxy *haproxy = start_haproxy(lab);
	const char *ini = lab_path(lab, "segue.ini"), *defaults = lab_path(lab, "defaults");
	char *words[] = {xstrdup(defaults), xstrdup(ini)};
	struct lab_process *process;
	const char *printed;
	int code;

	lab_write_file(ini, good_ini(lab, zk, haproxy, ""));
	lab_write_file(defaults,
	               lab_printf(lab, "CONFIG=%s\nEXTRAOPTS=\"-S %s/other.sock,mode,600 -f %s\"\n",
	                          lab_haproxy_main_file(haproxy), lab_dir(lab), lab_dir(lab)));
	process = lab_fork(lab, "check", run_check_with_defaults, words);
	cr_assert(lab_process_wait(process, 30000));
	free(words[0]);
	free(words[1]);
	printed = lab_read_file(lab, lab_process_log(process));
	if (lab_process_exit_code(process) == 77)
		cr_skip_test("no mount namespace, or no /etc/default/haproxy to put a file over");
	cr_expect_eq(lab_process_exit_code(process), CMD_FAILED);
	expect_line(printed, "FAIL  haproxy/h: EXTRAOPTS in /etc/default/haproxy does not load ");
	expect_line(printed, lab_printf(lab,
	                                "has the master socket %s/other.sock: after HAProxy's "
	                                "next restart there is no master_socket = %s: "
	                                "EXTRAOPTS=\"-S %s,mode,600 -f ",
	                                lab_dir(lab), lab_haproxy_master_socket(haproxy),
	                                lab_haproxy_master_socket(haproxy)));
	lab_write_file(lab_haproxy_main_file(haproxy),
	               lab_printf(lab, "global\n\tstats socket %s.old level admin\n",
	                          lab_haproxy_socket(haproxy)));
	printed = check(lab, good_ini(lab, zk, haproxy, ""), &code);
	cr_expect_eq(code, CMD_FAILED);
	expect_line(printed, lab_printf(lab,
	                                "FAIL  haproxy/h: no file of HAProxy has \"stats socket "
	                                "%s\" (%s line 2 has %s.old): ",
	                                lab_haproxy_socket(haproxy), lab_haproxy_main_file(haproxy),
	                                lab_haproxy_socket(haproxy)));
	lab_destroy(lab);
}
