/* The beginner's path: a HAProxy as Debian installs it, `segue init`, the lines that it prints
 * typed in as they are, `segue check` clean, `segue run` moves it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "fixtures/newcomer.h"

/* Debian's own, in what a HAProxy of the lab can do without. */
static const char haproxy_cfg[] = "global\n"
                                  "\tlog /dev/log\tlocal0\n"
                                  "\tstats socket %s mode 660 level admin\n"
                                  "\tstats timeout 30s\n"
                                  "\tdaemon\n"
                                  "\n"
                                  "defaults\n"
                                  "\tlog\tglobal\n"
                                  "\tmode\thttp\n"
                                  "\toption\thttplog\n"
                                  "\ttimeout connect 5000\n"
                                  "\ttimeout client  50000\n"
                                  "\ttimeout server  50000\n"
                                  "\n"
                                  "listen postgres\n"
                                  "\tbind 127.0.0.1:%u\n"
                                  "\tmode tcp\n"
                                  "\toption pgsql-check user haproxy\n"
                                  "\tserver db1 127.0.0.1:%u maxconn 50\n"
                                  "\tserver db2 127.0.0.1:%u backup\n";

struct reach {
	uint16_t port;
	const char *name;
};

static bool reaches(void *arg)
{
	const struct reach *reach = arg;
	char name[LAB_NAME_MAX];

	return strcmp(lab_reach(reach->port, name), reach->name) == 0;
}

/* The section that segue's takes the place of, with a # before each line: the last one here. */
static void take_section_out(struct newcomer *newcomer, const char *file, const char *first_line)
{
	const char *text = lab_read_file(newcomer->lab, file), *at = strstr(text, first_line);
	auto_strbuf struct strbuf out = STRBUF_INIT;

	cr_assert_not_null(at);
	strbuf_append(&out, text, (size_t)(at - text));
	while (*at != '\0') {
		size_t len = strcspn(at, "\n") + 1;

		strbuf_printf(&out, "#%.*s", (int)len, at);
		at += len;
	}
	lab_write_file(file, out.data);
}

Test(init, haproxy_as_debian_has_it_with_a_section_for_postgresql, .timeout = 120)
{
	struct newcomer newcomer;
	struct lab_haproxy *haproxy;
	struct lab_backend *db1, *db2;
	struct reach reach = {.name = "db1"};
	const char *main_file, *global, *options;

	newcomer_start(&newcomer);
	db1 = lab_backend_start(newcomer.lab, "db1");
	db2 = lab_backend_start(newcomer.lab, "db2");
	haproxy = lab_haproxy_create(newcomer.lab, NULL);
	main_file = lab_haproxy_main_file(haproxy);
	reach.port = lab_port(newcomer.lab);
	lab_write_file(main_file, lab_printf(newcomer.lab, haproxy_cfg, lab_haproxy_socket(haproxy),
	                                     (unsigned)reach.port, (unsigned)lab_backend_port(db1),
	                                     (unsigned)lab_backend_port(db2)));
	lab_write_file(lab_path(newcomer.lab, "defaults"),
	               lab_printf(newcomer.lab,
	                          "# of the unit\nCONFIG=\"%s\"\nEXTRAOPTS=\"-S %s\"\n", main_file,
	                          lab_haproxy_master_socket(haproxy)));
	cr_assert_eq(rmdir(lab_haproxy_conf_dir(haproxy)), 0);

	cr_assert_eq(newcomer_inits(&newcomer, "haproxy", main_file, NULL), CMD_OK, "%s",
	             newcomer.printed);
	newcomer_must_read(&newcomer, "listen postgres (");
	newcomer_must_read(&newcomer, "     hard-stop-after 1h\n");
	options = lab_printf(newcomer.lab, "     EXTRAOPTS=\"-S %s -f %s\"\n",
	                     lab_haproxy_master_socket(haproxy), lab_haproxy_conf_dir(haproxy));
	newcomer_must_read(&newcomer, options); /* which is how the lab starts it */
	cr_expect_null(strstr(newcomer.printed, "Fill in"), "%s", newcomer.printed);
	newcomer_must_read(&newcomer, "listen postgres, in ");
	newcomer_types_commands(&newcomer);
	global = lab_printf(newcomer.lab, "global\n\thard-stop-after 1h\n%s",
	                    lab_read_file(newcomer.lab, main_file) + strlen("global\n"));
	lab_write_file(main_file, global);
	lab_haproxy_start(haproxy);
	cr_expect(lab_wait_until(reaches, &reach, BEGINNER_TIMEOUT_MS), "the section of before");

	newcomer_names_primary(&newcomer, lab_backend_port(db1));
	newcomer_edits_ini(&newcomer);
	cr_expect_eq(newcomer_checks(&newcomer), CMD_FAILED);
	newcomer_must_read(&newcomer, " and so does the rendered text, at 127.0.0.1:");
	take_section_out(&newcomer, main_file, "listen postgres");
	cr_expect_eq(newcomer_checks(&newcomer), CMD_OK, "%s", newcomer.printed);
	cr_expect_null(strstr(newcomer.printed, "warn"), "%s", newcomer.printed);
	newcomer_starts_segue(&newcomer);
	cr_expect(lab_wait_until(reaches, &reach, BEGINNER_TIMEOUT_MS));
	newcomer_names_primary(&newcomer, lab_backend_port(db2));
	reach.name = "db2";
	cr_expect(lab_wait_until(reaches, &reach, BEGINNER_TIMEOUT_MS));
	lab_destroy(newcomer.lab);
}

Test(init, nothing_of_somebodys_is_lost)
{
	struct newcomer newcomer;
	const char *main_file, *before, *template_file;

	newcomer_start(&newcomer);
	main_file = lab_path(newcomer.lab, "haproxy.cfg");
	template_file = lab_printf(newcomer.lab, "%s/templates/haproxy.cfg.mustache", newcomer.dir);
	lab_write_file(main_file, "global\n\tstats socket /run/a.sock level admin\n");
	cr_assert_eq(newcomer_inits(&newcomer, "haproxy", main_file, "--dry-run"), CMD_OK, "%s",
	             newcomer.printed);
	newcomer_must_read(&newcomer, "socket = /run/a.sock\n");
	cr_expect_neq(access(newcomer.dir, F_OK), 0, "--dry-run has made it");
	cr_assert_eq(newcomer_inits(&newcomer, "haproxy", main_file, NULL), CMD_OK, "%s",
	             newcomer.printed);
	before = lab_read_file(newcomer.lab, newcomer.ini_file);
	cr_assert_eq(newcomer_inits(&newcomer, "haproxy", main_file, NULL), CMD_OK, "%s",
	             newcomer.printed);
	newcomer_must_read(&newcomer, "segue.ini is there already, and the same\n");

	lab_write_file(template_file, "mine\n");
	cr_expect_eq(newcomer_inits(&newcomer, "haproxy", main_file, NULL), CMD_FAILED);
	newcomer_must_read(&newcomer, "exists, and nothing is written: --force");
	cr_expect_str_eq(lab_read_file(newcomer.lab, template_file), "mine\n");
	cr_expect_eq(newcomer_inits(&newcomer, "haproxy", main_file, "--force"), CMD_OK, "%s",
	             newcomer.printed);
	cr_expect_str_eq(
	    lab_read_file(newcomer.lab, lab_printf(newcomer.lab, "%s.before-init", template_file)),
	    "mine\n");
	cr_expect_neq(strcmp(lab_read_file(newcomer.lab, template_file), "mine\n"), 0);
	cr_expect_str_eq(lab_read_file(newcomer.lab, newcomer.ini_file), before);
	cr_expect_str_eq(lab_read_file(newcomer.lab, main_file),
	                 "global\n\tstats socket /run/a.sock level admin\n");

	cr_expect_eq(newcomer_inits(&newcomer, "nginx", main_file, NULL), CMD_USAGE);
	cr_expect_eq(newcomer_inits(&newcomer, "haproxy", lab_path(newcomer.lab, "no.cfg"), NULL),
	             CMD_FAILED);
	newcomer_must_read(
	    &newcomer, "no.cfg: No such file or directory: is it another file (--proxy-config)");
	lab_destroy(newcomer.lab);
}

Test(init, segue_ini_as_a_package_brings_it_is_nobodys_work)
{
	struct newcomer newcomer;
	const char *main_file, *shipped;

	newcomer_start(&newcomer);
	main_file = lab_path(newcomer.lab, "haproxy.cfg");
	shipped = lab_read_file(newcomer.lab, "packaging/debian/segue.ini");
	lab_write_file(main_file, "global\n\tstats socket /run/a.sock level admin\n");
	cr_assert_eq(mkdir(newcomer.dir, 0755), 0);
	lab_write_file(newcomer.ini_file, lab_printf(newcomer.lab, "%s; mine\n", shipped));
	cr_expect_eq(newcomer_inits(&newcomer, "haproxy", main_file, NULL), CMD_FAILED);
	lab_write_file(newcomer.ini_file, shipped);
	cr_assert_eq(newcomer_inits(&newcomer, "haproxy", main_file, NULL), CMD_OK, "%s",
	             newcomer.printed);
	newcomer_must_read(&newcomer, ", and the old one is ");
	cr_expect_not_null(
	    strstr(lab_read_file(newcomer.lab, newcomer.ini_file), "socket = /run/a.sock\n"));
	lab_destroy(newcomer.lab);
}

Test(init, what_nobody_can_know_is_left_empty_and_check_names_it)
{
	struct newcomer newcomer;
	const char *main_file, *text;

	newcomer_start(&newcomer);
	main_file = lab_path(newcomer.lab, "haproxy.cfg");
	lab_write_file(main_file, "global\n\tstats socket /run/a.sock level admin\n");
	cr_expect_eq(newcomer_inits_bare(&newcomer, "haproxy", main_file, "--cluster", "no/name"),
	             CMD_USAGE);
	newcomer_must_read(
	    &newcomer, "nothing is written, because the new segue.ini would have these errors:");
	cr_expect_neq(access(newcomer.ini_file, F_OK), 0);
	cr_assert_eq(newcomer_inits_bare(&newcomer, "haproxy", main_file, NULL, NULL), CMD_OK, "%s",
	             newcomer.printed);
	newcomer_must_read(&newcomer, ", hosts: the servers of your ZooKeeper\n");
	newcomer_must_read(&newcomer, " -server HOSTS create PATH ''\n");
	text = lab_read_file(newcomer.lab, newcomer.ini_file);
	cr_expect_not_null(strstr(text, "; FILL IN: the servers of your ZooKeeper: "), "%s", text);
	cr_expect_not_null(strstr(text, "\nhosts =\n"), "%s", text);
	cr_expect_not_null(strstr(text, "\n[cluster orders]\n; FILL IN: "), "%s", text);
	cr_expect_eq(newcomer_checks(&newcomer), CMD_USAGE, "%s", newcomer.printed);
	newcomer_must_read(&newcomer,
	                   ": hosts is still empty, as it was shipped: fill in: the servers of ");
	newcomer_must_read(&newcomer, ": path is still empty, as it was shipped: fill in: ");

	cr_expect_eq(newcomer_inits_bare(&newcomer, "pgbouncer", main_file, NULL, NULL),
	             CMD_FAILED);
	newcomer_must_read(&newcomer, "segue.ini exists, but has errors, and nothing is written: ");
	cr_expect_str_eq(lab_read_file(newcomer.lab, newcomer.ini_file), text);
	lab_destroy(newcomer.lab);
}
