/* `segue check` against real PgBouncers. */
#include <criterion/criterion.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lab/lab.h"

#define MASTER                                                                                \
	"{\"version\":1,\"primary\":{\"name\":\"db1\",\"host\":\"127.0.0.1\",\"port\":5432}," \
	"\"standbys\":[{\"name\":\"db2\",\"host\":\"127.0.0.2\",\"port\":5432},"              \
	"{\"name\":\"db3\",\"host\":\"127.0.0.3\",\"port\":5432}]}"

#define GOOD                                                                                     \
	"server_login_retry = 1\ntcp_user_timeout = 2000\ntcp_keepidle = 2\ntcp_keepintvl = 1\n" \
	"tcp_keepcnt = 2\nclient_login_timeout = 120\n"

static bool as_pgbouncer; /* the next check runs as PgBouncer's user */

static int run_check(void *arg)
{
	const struct passwd *postgres =
	    as_pgbouncer && geteuid() == 0 ? getpwnam("postgres") : NULL;
	char verb[] = "check", option[] = "-c";
	char *argv[] = {verb, option, arg, NULL};

	if (postgres != NULL && setresuid(postgres->pw_uid, postgres->pw_uid, 0) != 0)
		return -1;
	return cmd_check(3, argv);
}

/* Returns what it printed; *code is its exit code. */
static const char *check(struct lab *lab, struct lab_pgbouncer *bouncer, const char *console,
                         const char *more, int *code)
{
	char *template_file = realpath("templates/pgbouncer.ini.mustache", NULL);
	char *ini = xstrdup(lab_path(lab, "segue.ini"));
	struct lab_zk *zk = lab_zk_share(lab);
	struct lab_process *process;

	cr_assert_not_null(template_file, "run from the top of the repository");
	lab_zk_set(zk, "/segue/a/master", MASTER, strlen(MASTER));
	lab_write_file(ini, lab_printf(lab,
	                               "[segue]\nstate_dir = %s\nlisten = unix:%s/segue.sock\n"
	                               "[zookeeper]\nhosts = %s\n"
	                               "[cluster a]\npath = /segue/a\nverify = disable\n"
	                               "[pgbouncer p]\ncluster = a\ntemplate = %s\noutput = %s\n"
	                               "console = %s\n%s",
	                               lab_dir(lab), lab_dir(lab), lab_zk_hosts(zk), template_file,
	                               lab_pgbouncer_databases_file(bouncer), console, more));
	process = lab_fork(lab, "check", run_check, ini);
	cr_assert(lab_process_wait(process, 30000));
	*code = lab_process_exit_code(process);
	free(ini);
	free(template_file);
	return lab_read_file(lab, lab_process_log(process));
}

static void expect_line(const char *printed, const char *line)
{
	cr_expect_not_null(strstr(printed, line), "no \"%s\" in\n%s", line, printed);
}

static struct lab_pgbouncer *start(struct lab *lab, const char *settings, const char *databases)
{
	struct lab_pgbouncer *bouncer = lab_pgbouncer_create(lab, settings);

	lab_write_file(lab_pgbouncer_databases_file(bouncer),
	               lab_printf(lab, "[databases]\n%s\n", databases));
	lab_pgbouncer_start(bouncer);
	return bouncer;
}

Test(check_pgbouncer, all_is_fine)
{
	struct lab *lab = lab_create("check");
	struct lab_pgbouncer *bouncer =
	    start(lab, GOOD, "a = host=10.0.0.9\na_ro = host=10.0.0.9,10.0.0.8");
	const char *printed;
	int code;

	printed = check(lab, bouncer, lab_pgbouncer_console(bouncer), "", &code);
	cr_expect_eq(code, CMD_OK, "%s", printed);
	cr_expect_null(strstr(printed, "FAIL"), "%s", printed);
	cr_expect_null(strstr(printed, "warn"), "%s", printed);
	expect_line(printed, "ok    pgbouncer/p: rendered: databases 2\n");
	expect_line(printed, "ok    pgbouncer/p: console: PgBouncer 1.");
	expect_line(printed, "ok    pgbouncer/p: console: its user is an admin\n");
	lab_destroy(lab);
}

Test(check_pgbouncer, what_would_cost_a_failover_is_a_warning)
{
	struct lab *lab = lab_create("check");
	struct lab_pgbouncer *bouncer =
	    start(lab,
	          "pool_mode = session\nquery_wait_timeout = 20\nclient_login_timeout = 10\n"
	          "[users]\nwatcher = pool_mode=session\n",
	          "old = host=127.0.0.1 port=5432\na = host=localhost");
	const char *printed;
	int code;

	printed = check(lab, bouncer, lab_pgbouncer_console(bouncer), "", &code);
	cr_expect_eq(code, CMD_OK, "%s", printed);
	expect_line(printed, "warn  pgbouncer/p: server_login_retry: 15 s: ");
	expect_line(printed, "warn  pgbouncer/p: query_wait_timeout: 20 s, and hold_timeout");
	expect_line(printed, "warn  pgbouncer/p: client_login_timeout: 10 s, and hold_timeout");
	expect_line(
	    printed,
	    "warn  pgbouncer/p: server_fast_close: 0, and pool_mode is session (a, user watcher)");
	expect_line(printed, "warn  pgbouncer/p: tcp_user_timeout: 0: ");
	expect_line(printed, "warn  pgbouncer/p: tcp_keepidle: 0 ");
	expect_line(printed, "warn  pgbouncer/p: [databases]: SHOW DATABASES has no a_ro: the "
	                     "rendered text has it. PgBouncer loads it at the next RELOAD");
	expect_line(printed,
	            "warn  pgbouncer/p: [databases]: old at 127.0.0.1 port 5432: leads to a");
	lab_destroy(lab);
}

Test(check_pgbouncer, before_the_first_run_there_is_nothing_to_include_yet)
{
	struct lab *lab = lab_create("check");
	struct lab_pgbouncer *bouncer = start(lab, GOOD, "a =");
	const char *file = lab_pgbouncer_databases_file(bouncer), *printed;
	int code;

	lab_write_file(file, "");
	printed = check(lab, bouncer, lab_pgbouncer_console(bouncer), "", &code);
	cr_expect_eq(code, CMD_OK, "%s", printed);
	expect_line(printed, lab_printf(lab, "ok    pgbouncer/p: %s: not rendered yet: ", file));
	cr_expect_null(strstr(printed, "%include"), "%s", printed);
	cr_assert_eq(unlink(file), 0);
	printed = check(lab, bouncer, lab_pgbouncer_console(bouncer), "", &code);
	cr_expect_eq(code, CMD_OK, "%s", printed);
	expect_line(printed, lab_printf(lab, "warn  pgbouncer/p: there is no %s: ", file));
	expect_line(printed, ": create it empty, or let `segue run` write it\n");
	lab_destroy(lab);
}

Test(check_pgbouncer, before_the_first_run_the_include_line_has_to_be_there)
{
	struct lab *lab = lab_create("check");
	struct lab_pgbouncer *bouncer = start(lab, GOOD, "");
	const char *file = lab_pgbouncer_databases_file(bouncer), *printed, *rest;
	const char *main_file = lab_pgbouncer_main_file(bouncer);
	int code;

	lab_write_file(file, "");
	rest = strchr(lab_read_file(lab, main_file), '\n');
	lab_write_file(main_file, rest + 1);
	printed = check(lab, bouncer, lab_pgbouncer_console(bouncer), "", &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(
	    printed,
	    lab_printf(lab,
	               "FAIL  pgbouncer/p: the PgBouncer that console connects to was started "
	               "with %s, which does not include %s: ",
	               main_file, file));
	expect_line(printed, lab_printf(lab, ": add the line \"%%include %s\" at its end", file));
	lab_destroy(lab);
}

Test(check_pgbouncer, the_console_of_another_pgbouncer)
{
	struct lab *lab = lab_create("check");
	struct lab_pgbouncer *bouncer = start(lab, GOOD, "a =\na_ro =");
	struct lab_pgbouncer *other = start(lab, GOOD, "a =\na_ro =");
	const char *printed;
	int code;

	printed = check(lab, bouncer, lab_pgbouncer_console(other), "", &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(
	    printed,
	    lab_printf(lab,
	               "FAIL  pgbouncer/p: the PgBouncer that console connects to was started "
	               "with %s, which does not include %s: ",
	               lab_pgbouncer_main_file(other), lab_pgbouncer_databases_file(bouncer)));
	expect_line(printed, "; or, if that is another PgBouncer, correct console\n");
	lab_destroy(lab);
}

Test(check_pgbouncer, an_output_that_pgbouncers_user_could_not_read)
{
	struct lab *lab = lab_create("check");
	struct lab_pgbouncer *bouncer = start(lab, GOOD, "a =\na_ro =");
	const char *printed;
	int code;

	printed = check(lab, bouncer, lab_pgbouncer_console(bouncer), "mode = 0600\n", &code);
	if (geteuid() == 0) /* PgBouncer runs as postgres */
		expect_line(printed, lab_printf(lab,
		                                "FAIL  pgbouncer/p: %s, mode 0600, uid 0, gid 0: "
		                                "PgBouncer runs as postgres and cannot read it: ",
		                                lab_pgbouncer_databases_file(bouncer)));
	printed = check(lab, bouncer, lab_pgbouncer_console(bouncer),
	                "mode = 0600\nowner = postgres\n", &code);
	cr_expect_null(strstr(printed, "cannot read it"), "%s", printed);
	lab_destroy(lab);
}

/* As a person leaves it who has edited it and not reloaded yet. */
Test(check_pgbouncer, a_pgbouncer_ini_that_would_not_load)
{
	struct lab *lab = lab_create("check");
	struct lab_pgbouncer *bouncer =
	    start(lab, GOOD, "a = host=10.0.0.9\na_ro = host=10.0.0.9,10.0.0.8");
	const char *main_file = lab_pgbouncer_main_file(bouncer), *printed;
	int code;

	lab_write_file(main_file, lab_printf(lab, "[databases]\n[pgbouncer]\nadmin_user = boss\n%s",
	                                     lab_read_file(lab, main_file)));
	printed = check(lab, bouncer, lab_pgbouncer_console(bouncer), "", &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed, lab_printf(lab,
	                                "segue sends none: %s line 3: admin_user: PgBouncer has no "
	                                "setting of this name, and would stop reading here: "
	                                "correct it, then systemctl reload pgbouncer\n",
	                                main_file));
	lab_destroy(lab);
}

Test(check_pgbouncer, a_pgbouncer_ini_that_pgbouncer_cannot_read_either)
{
	struct lab *lab = lab_create("check");
	struct lab_pgbouncer *bouncer =
	    start(lab, GOOD, "a = host=10.0.0.9\na_ro = host=10.0.0.9,10.0.0.8");
	const char *main_file = lab_pgbouncer_main_file(bouncer), *printed;
	int code;

	as_pgbouncer = true;
	cr_assert_eq(chmod(main_file, geteuid() == 0 ? 0600 : 0), 0);
	cr_assert(geteuid() != 0 || chown(main_file, 0, 0) == 0);
	printed = check(lab, bouncer, lab_pgbouncer_console(bouncer), "", &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed,
	            lab_printf(lab, "FAIL  pgbouncer/p: PgBouncer cannot read %s, because its ",
	                       main_file));
	lab_destroy(lab);
}

/* It goes on as long as it runs. */
Test(check_pgbouncer, a_pgbouncer_that_would_let_nobody_in_after_its_next_start)
{
	struct lab *lab = lab_create("check");
	struct lab_pgbouncer *bouncer =
	    start(lab, GOOD, "a = host=10.0.0.9\na_ro = host=10.0.0.9,10.0.0.8");
	const char *main_file = lab_pgbouncer_main_file(bouncer), *printed;
	const char *file = lab_path(lab, "userlist.tx"), *good = lab_read_file(lab, main_file);
	int code;

	lab_write_file(main_file, lab_printf(lab, "%s[pgbouncer]\nauth_file = %s\n", good, file));
	printed = check(lab, bouncer, lab_pgbouncer_console(bouncer), "", &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed, lab_printf(lab, "FAIL  pgbouncer/p: %s line ", main_file));
	expect_line(
	    printed,
	    lab_printf(lab,
	               ": auth_file = %s: after the next start of PgBouncer, users "
	               "that are listed only in this file cannot log in: there is no such file: ",
	               file));
	lab_write_file(main_file, lab_printf(lab,
	                                     "%s[pgbouncer]\nlisten_addr = 127.0.0.11\n"
	                                     "max_client_conn = 1\n",
	                                     good));
	printed = check(lab, bouncer, lab_pgbouncer_console(bouncer), "", &code);
	cr_expect_eq(code, CMD_OK, "%s", printed);
	expect_line(printed, ": listen_addr = 127.0.0.11, and PgBouncer runs with 127.0.0.1: its "
	                     "next start changes that: ");
	expect_line(printed,
	            ": max_client_conn = 1, and PgBouncer runs with 1000: its next RELOAD, "
	            "and segue sends one with each move, changes that: ");
	lab_destroy(lab);
}

/* All of them lead to the right server until the next failover. */
Test(check_pgbouncer, a_copy_is_included_or_a_database_defined_once_more)
{
	struct lab *lab = lab_create("check");
	struct lab_pgbouncer *bouncer =
	    start(lab, GOOD, "a = host=127.0.0.1\na_ro = host=127.0.0.2,127.0.0.3");
	const char *main_file = lab_pgbouncer_main_file(bouncer), *printed;
	const char *output = lab_pgbouncer_databases_file(bouncer);
	const char *good = lab_read_file(lab, main_file), *copy = lab_path(lab, "copy.ini");
	int code;

	lab_write_file(copy, lab_read_file(lab, output));
	lab_write_file(main_file, lab_printf(lab, "%%include %s%s", copy, strchr(good, '\n')));
	printed = check(lab, bouncer, lab_pgbouncer_console(bouncer), "", &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed,
	            lab_printf(lab, "with %s, which does not include %s: ", main_file, output));
	lab_write_file(main_file, lab_printf(lab, "%%include %s\n%%include %s%s", output, copy,
	                                     strchr(good, '\n')));
	printed = check(lab, bouncer, lab_pgbouncer_console(bouncer), "", &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed, lab_printf(lab,
	                                "FAIL  pgbouncer/p: %s line 2 defines a again, after "
	                                "the %%include of %s. PgBouncer uses the last definition: "
	                                "remove it: systemctl reload "
	                                "pgbouncer\n",
	                                copy, output));
	lab_destroy(lab);
}

Test(check_pgbouncer, a_wildcard_that_leads_to_a_server_of_the_cluster)
{
	struct lab *lab = lab_create("check");
	struct lab_pgbouncer *bouncer =
	    start(lab, GOOD, "a = host=10.0.0.9\na_ro = host=10.0.0.9,10.0.0.8");
	const char *main_file = lab_pgbouncer_main_file(bouncer), *printed;
	int code;

	lab_write_file(main_file, lab_printf(lab, "[databases]\n* = host=127.0.0.2\n%s",
	                                     lab_read_file(lab, main_file)));
	printed = check(lab, bouncer, lab_pgbouncer_console(bouncer), "", &code);
	cr_expect_eq(code, CMD_OK, "%s", printed);
	expect_line(printed, lab_printf(lab,
	                                "warn  pgbouncer/p: [databases]: * at 127.0.0.2 port 5432 "
	                                "(%s line 2): leads to a server of this cluster",
	                                main_file));
	lab_destroy(lab);
}

Test(check_pgbouncer, a_user_who_is_no_admin)
{
	struct lab *lab = lab_create("check");
	struct lab_pgbouncer *bouncer = start(lab, GOOD, "a =\na_ro =");
	const char *printed;
	int code;

	printed = check(lab, bouncer,
	                lab_printf(lab, "host=%s port=%u user=watcher dbname=pgbouncer",
	                           lab_pgbouncer_dir(bouncer), lab_pgbouncer_port(bouncer)),
	                "", &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed, "FAIL  pgbouncer/p: console: ");
	expect_line(printed, "admin access needed: name an admin in console, or add");
	lab_destroy(lab);
}

Test(check_pgbouncer, a_user_who_may_not_ask)
{
	struct lab *lab = lab_create("check");
	struct lab_pgbouncer *bouncer = start(lab, GOOD, "a =\na_ro =");
	const char *printed;
	int code;

	printed = check(lab, bouncer,
	                lab_printf(lab, "host=%s port=%u user=app dbname=pgbouncer",
	                           lab_pgbouncer_dir(bouncer), lab_pgbouncer_port(bouncer)),
	                "", &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed, "not allowed: run segue as PgBouncer's own system user");
	lab_destroy(lab);
}

Test(check_pgbouncer, nobody_there_and_a_template_that_makes_no_sense)
{
	struct lab *lab = lab_create("check");
	struct lab_pgbouncer *bouncer = lab_pgbouncer_create(lab, NULL);
	const char *printed;
	int code;

	printed =
	    check(lab, bouncer, lab_pgbouncer_console(bouncer), "var.pool_size = many\n", &code);
	cr_expect_eq(code, CMD_FAILED, "%s", printed);
	expect_line(printed, "FAIL  pgbouncer/p: rendered line ");
	expect_line(printed, ": a: pool_size 'many' is not a whole number");
	expect_line(printed, "FAIL  pgbouncer/p: console: ");
	expect_line(printed, ": is PgBouncer running (systemctl status pgbouncer), are host (its ");
	lab_destroy(lab);
}
