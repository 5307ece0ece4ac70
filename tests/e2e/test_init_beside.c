/* `segue init` where something is already: another proxy of segue's, another cluster, folders of
 * the package. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beginner.h"
#include "cli/cli.h"

/* A machine with a HAProxy that segue drives, and a PgBouncer. */
static const char *second_proxy(struct beginner *beginner)
{
	const char *haproxy = lab_path(beginner->lab, "haproxy.cfg"),
	           *pgbouncer = lab_path(beginner->lab, "pgbouncer.ini");

	lab_write_file(haproxy, "global\n\tstats socket /run/a.sock level admin\n");
	lab_write_file(pgbouncer, "[databases]\n[pgbouncer]\nlisten_port = 6000\n");
	cr_assert_eq(beginner_inits(beginner, "haproxy", haproxy, NULL), CMD_OK, "%s",
	             beginner->printed);
	lab_write_file(beginner->ini_file,
	               lab_printf(beginner->lab, "%s; mine",
	                          lab_read_file(beginner->lab, beginner->ini_file)));
	return pgbouncer;
}

Test(init_beside, a_second_proxy_is_added_to_the_file_that_is_there)
{
	struct beginner beginner;
	const char *pgbouncer, *before, *after;

	beginner_start(&beginner);
	pgbouncer = second_proxy(&beginner);
	before = lab_read_file(beginner.lab, beginner.ini_file);
	cr_expect_eq(beginner_inits_bare(&beginner, "pgbouncer", pgbouncer, NULL, NULL),
	             CMD_FAILED);
	beginner_must_read(&beginner, "\n[pgbouncer local-2]\ncluster = orders\n");
	beginner_must_read(&beginner, "`segue init pgbouncer --append` adds these lines to it, ");
	cr_expect_null(strstr(beginner.printed, "[zookeeper]\n"), "%s", beginner.printed);
	cr_expect_eq(
	    beginner_inits_bare(&beginner, "pgbouncer", pgbouncer, "--append", "--dry-run"),
	    CMD_OK);
	beginner_must_read(&beginner,
	                   "segue.ini would go on with:\n\n; Added by `segue init pgbouncer`");
	cr_expect_str_eq(lab_read_file(beginner.lab, beginner.ini_file), before);

	cr_expect_eq(beginner_inits_bare(&beginner, "pgbouncer", pgbouncer, "--append", NULL),
	             CMD_OK, "%s", beginner.printed);
	after = lab_read_file(beginner.lab, beginner.ini_file);
	cr_expect_eq(strstr(after, lab_printf(beginner.lab, "%s\n\n; Added by ", before)), after,
	             "%s", after);
	cr_expect_not_null(strstr(after, "\n; FILL IN: the database on the server"), "%s", after);
	beginner_must_read(&beginner, " segue render -c ");
	beginner_must_read(&beginner, " local-2\n");
	cr_expect_null(strstr(beginner.printed, "CREATE ROLE"), "was done for the first one");
	cr_expect_eq(
	    access(lab_printf(beginner.lab, "%s/templates/pgbouncer.ini.mustache", beginner.dir),
	           F_OK),
	    0);
	cr_expect_eq(beginner_checks(&beginner), CMD_FAILED);
	beginner_must_read(
	    &beginner, ": var.dbname is still empty, as it was shipped: fill in: the database ");

	cr_expect_eq(beginner_inits_bare(&beginner, "pgbouncer", pgbouncer, "--append", NULL),
	             CMD_FAILED);
	beginner_must_read(&beginner,
	                   " has [pgbouncer local-2] for this proxy and cluster orders already");
	cr_expect_str_eq(lab_read_file(beginner.lab, beginner.ini_file), after);
	lab_destroy(beginner.lab);
}

Test(init_beside, a_further_cluster_gets_its_sections_and_of_several_one_has_to_be_named)
{
	struct beginner beginner;
	const char *pgbouncer, *haproxy, *text, *template_file;

	beginner_start(&beginner);
	pgbouncer = second_proxy(&beginner);
	haproxy = lab_path(beginner.lab, "haproxy.cfg");
	template_file = lab_printf(beginner.lab, "%s/templates/haproxy.cfg.mustache", beginner.dir);
	lab_write_file(template_file, "mine\n");
	cr_expect_eq(beginner_inits_bare(&beginner, "haproxy", haproxy, "--append", NULL),
	             CMD_FAILED);
	beginner_must_read(&beginner,
	                   " has [haproxy local] for this proxy and cluster orders already");
	cr_expect_eq(
	    beginner_inits_bare(&beginner, "haproxy", haproxy, "--append", "--cluster=bills"),
	    CMD_OK, "%s", beginner.printed);
	beginner_must_read(&beginner, "is there already, and is used as it is\n");
	cr_expect_str_eq(lab_read_file(beginner.lab, template_file), "mine\n");
	text = lab_read_file(beginner.lab, beginner.ini_file);
	cr_expect_not_null(strstr(text, "\n[cluster bills]\n; FILL IN: "), "%s", text);
	cr_expect_not_null(strstr(text, "\n[haproxy local-2]\ncluster = bills\n"), "%s", text);
	cr_expect_not_null(strstr(text, "/conf.d/bills.cfg\n"), "%s", text);

	lab_write_file(beginner.ini_file,
	               lab_printf(beginner.lab, "%.*spath = /b\n%s",
	                          (int)(strstr(text, "path =\n") - text), text,
	                          strstr(text, "path =\n") + strlen("path =\n")));
	cr_expect_eq(beginner_inits_bare(&beginner, "pgbouncer", pgbouncer, "--append", NULL),
	             CMD_USAGE);
	beginner_must_read(&beginner,
	                   " has the clusters orders, bills: --cluster says which of them ");
	cr_expect_eq(
	    beginner_inits_bare(&beginner, "pgbouncer", pgbouncer, "--append", "--cluster=bills"),
	    CMD_OK, "%s", beginner.printed);
	cr_expect_not_null(strstr(lab_read_file(beginner.lab, beginner.ini_file),
	                          "\n[pgbouncer local-3]\ncluster = bills\n"));
	lab_destroy(beginner.lab);
}

Test(init_beside, folders_that_segue_can_use_are_left_alone)
{
	struct beginner beginner;
	const char *pgbouncer, *folder;

	beginner_start(&beginner);
	pgbouncer = second_proxy(&beginner);
	folder = lab_path(beginner.lab, "segue");
	cr_expect_eq(
	    beginner_inits_bare(&beginner, "pgbouncer", pgbouncer, "--append", "--dry-run"),
	    CMD_OK);
	beginner_must_read(&beginner, lab_printf(beginner.lab, " %s\n", folder));
	cr_assert_eq(mkdir(folder, 0777), 0);
	cr_assert_eq(chmod(folder, 0777), 0);
	lab_write_file(lab_printf(beginner.lab, "%s/orders.ini", folder), "");
	cr_expect_eq(
	    beginner_inits_bare(&beginner, "pgbouncer", pgbouncer, "--append", "--dry-run"),
	    CMD_OK);
	cr_expect_null(strstr(beginner.printed, lab_printf(beginner.lab, " %s\n", folder)), "%s",
	               beginner.printed);
	cr_expect_null(strstr(beginner.printed, " touch "), "%s", beginner.printed);
	lab_destroy(beginner.lab);
}
