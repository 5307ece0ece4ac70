/* `segue init` where something is already: another proxy of segue's, another cluster, folders of
 * the package. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "fixtures/newcomer.h"

/* A machine with a HAProxy that segue drives, and a PgBouncer. */
static const char *second_proxy(struct newcomer *newcomer)
{
	const char *haproxy = lab_path(newcomer->lab, "haproxy.cfg"),
	           *pgbouncer = lab_path(newcomer->lab, "pgbouncer.ini");

	lab_write_file(haproxy, "global\n\tstats socket /run/a.sock level admin\n");
	lab_write_file(pgbouncer, "[databases]\n[pgbouncer]\nlisten_port = 6000\n");
	cr_assert_eq(newcomer_inits(newcomer, "haproxy", haproxy, NULL), CMD_OK, "%s",
	             newcomer->printed);
	lab_write_file(newcomer->ini_file,
	               lab_printf(newcomer->lab, "%s; mine",
	                          lab_read_file(newcomer->lab, newcomer->ini_file)));
	return pgbouncer;
}

Test(init_append, a_second_proxy_is_added_to_the_file_that_is_there)
{
	struct newcomer newcomer;
	const char *pgbouncer, *before, *after;

	newcomer_start(&newcomer);
	pgbouncer = second_proxy(&newcomer);
	before = lab_read_file(newcomer.lab, newcomer.ini_file);
	cr_expect_eq(newcomer_inits_bare(&newcomer, "pgbouncer", pgbouncer, NULL, NULL),
	             CMD_FAILED);
	newcomer_must_read(&newcomer, "\n[pgbouncer local-2]\ncluster = orders\n");
	newcomer_must_read(&newcomer, "`segue init pgbouncer --append` adds these lines to it, ");
	cr_expect_null(strstr(newcomer.printed, "[zookeeper]\n"), "%s", newcomer.printed);
	cr_expect_eq(
	    newcomer_inits_bare(&newcomer, "pgbouncer", pgbouncer, "--append", "--dry-run"),
	    CMD_OK);
	newcomer_must_read(&newcomer,
	                   "segue.ini would get these lines:\n\n; Added by `segue init pgbouncer`");
	cr_expect_str_eq(lab_read_file(newcomer.lab, newcomer.ini_file), before);

	cr_expect_eq(newcomer_inits_bare(&newcomer, "pgbouncer", pgbouncer, "--append", NULL),
	             CMD_OK, "%s", newcomer.printed);
	after = lab_read_file(newcomer.lab, newcomer.ini_file);
	cr_expect_eq(strstr(after, lab_printf(newcomer.lab, "%s\n\n; Added by ", before)), after,
	             "%s", after);
	cr_expect_not_null(strstr(after, "\n; FILL IN: the database on the server"), "%s", after);
	newcomer_must_read(&newcomer, " segue render -c ");
	newcomer_must_read(&newcomer, " local-2\n");
	cr_expect_null(strstr(newcomer.printed, "CREATE ROLE"), "was done for the first one");
	cr_expect_eq(
	    access(lab_printf(newcomer.lab, "%s/templates/pgbouncer.ini.mustache", newcomer.dir),
	           F_OK),
	    0);
	cr_expect_eq(newcomer_checks(&newcomer), CMD_FAILED);
	newcomer_must_read(
	    &newcomer, ": var.dbname is still empty, as it was shipped: fill in: the database ");

	cr_expect_eq(newcomer_inits_bare(&newcomer, "pgbouncer", pgbouncer, "--append", NULL),
	             CMD_FAILED);
	newcomer_must_read(&newcomer,
	                   " has [pgbouncer local-2] for this proxy and cluster orders already");
	cr_expect_str_eq(lab_read_file(newcomer.lab, newcomer.ini_file), after);
	lab_destroy(newcomer.lab);
}

Test(init_append, a_further_cluster_gets_its_sections_and_of_several_one_has_to_be_named)
{
	struct newcomer newcomer;
	const char *pgbouncer, *haproxy, *text, *template_file;

	newcomer_start(&newcomer);
	pgbouncer = second_proxy(&newcomer);
	haproxy = lab_path(newcomer.lab, "haproxy.cfg");
	template_file = lab_printf(newcomer.lab, "%s/templates/haproxy.cfg.mustache", newcomer.dir);
	lab_write_file(template_file, "mine\n");
	cr_expect_eq(newcomer_inits_bare(&newcomer, "haproxy", haproxy, "--append", NULL),
	             CMD_FAILED);
	newcomer_must_read(&newcomer,
	                   " has [haproxy local] for this proxy and cluster orders already");
	cr_expect_eq(
	    newcomer_inits_bare(&newcomer, "haproxy", haproxy, "--append", "--cluster=bills"),
	    CMD_OK, "%s", newcomer.printed);
	newcomer_must_read(&newcomer, "exists already, and is used as it is\n");
	cr_expect_str_eq(lab_read_file(newcomer.lab, template_file), "mine\n");
	text = lab_read_file(newcomer.lab, newcomer.ini_file);
	cr_expect_not_null(strstr(text, "\n[cluster bills]\n; FILL IN: "), "%s", text);
	cr_expect_not_null(strstr(text, "\n[haproxy local-2]\ncluster = bills\n"), "%s", text);
	cr_expect_not_null(strstr(text, "/conf.d/bills.cfg\n"), "%s", text);

	lab_write_file(newcomer.ini_file,
	               lab_printf(newcomer.lab, "%.*spath = /b\n%s",
	                          (int)(strstr(text, "path =\n") - text), text,
	                          strstr(text, "path =\n") + strlen("path =\n")));
	cr_expect_eq(newcomer_inits_bare(&newcomer, "pgbouncer", pgbouncer, "--append", NULL),
	             CMD_USAGE);
	newcomer_must_read(&newcomer,
	                   " has the clusters orders, bills: --cluster has to name the one ");
	cr_expect_eq(
	    newcomer_inits_bare(&newcomer, "pgbouncer", pgbouncer, "--append", "--cluster=bills"),
	    CMD_OK, "%s", newcomer.printed);
	cr_expect_not_null(strstr(lab_read_file(newcomer.lab, newcomer.ini_file),
	                          "\n[pgbouncer local-3]\ncluster = bills\n"));
	lab_destroy(newcomer.lab);
}

Test(init_append, folders_that_segue_can_use_are_left_alone)
{
	struct newcomer newcomer;
	const char *pgbouncer, *folder;

	newcomer_start(&newcomer);
	pgbouncer = second_proxy(&newcomer);
	folder = lab_path(newcomer.lab, "segue");
	cr_expect_eq(
	    newcomer_inits_bare(&newcomer, "pgbouncer", pgbouncer, "--append", "--dry-run"),
	    CMD_OK);
	newcomer_must_read(&newcomer, lab_printf(newcomer.lab, " %s\n", folder));
	cr_assert_eq(mkdir(folder, 0777), 0);
	cr_assert_eq(chmod(folder, 0777), 0);
	lab_write_file(lab_printf(newcomer.lab, "%s/orders.ini", folder), "");
	cr_expect_eq(
	    newcomer_inits_bare(&newcomer, "pgbouncer", pgbouncer, "--append", "--dry-run"),
	    CMD_OK);
	cr_expect_null(strstr(newcomer.printed, lab_printf(newcomer.lab, " %s\n", folder)), "%s",
	               newcomer.printed);
	cr_expect_null(strstr(newcomer.printed, " touch "), "%s", newcomer.printed);
	lab_destroy(newcomer.lab);
}
