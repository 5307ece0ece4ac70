/* The beginner's path: a proxy as Debian installs it, `segue init`, the lines that it prints typed
 * in as they are, `segue check` clean, `segue run` moves it. */
#include <criterion/criterion.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "lab/lab.h"

#define TIMEOUT_MS 20000

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

struct path { /* somebody's first hour */
	struct lab *lab;
	struct lab_zk *zk;
	const char *dir; /* of segue.ini */
	const char *ini_file, *printed;
};

static void path_init(struct path *path)
{
	path->lab = lab_create("init");
	path->zk = lab_zk_start(path->lab, 1);
	path->dir = lab_path(path->lab, "etc");
	path->ini_file = lab_printf(path->lab, "%s/segue.ini", path->dir);
}

static int run(struct path *path, const char *const *argv)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;
	int code = lab_run(path->lab, argv, &output);

	path->printed = lab_printf(path->lab, "%s", output.data);
	return code;
}

/* Without --zookeeper and --path, and with two words more. */
static int init_bare(struct path *path, const char *proxy, const char *main_file, const char *more,
                     const char *value)
{
	const char *argv[] = {lab_segue_binary(path->lab),
	                      "init",
	                      proxy,
	                      "--proxy-config",
	                      main_file,
	                      "--defaults",
	                      lab_path(path->lab, "defaults"),
	                      "--dir",
	                      path->dir,
	                      more,
	                      value,
	                      NULL};

	return run(path, argv);
}

static int init(struct path *path, const char *proxy, const char *main_file, const char *more)
{
	const char *argv[] = {lab_segue_binary(path->lab),
	                      "init",
	                      proxy,
	                      "--proxy-config",
	                      main_file,
	                      "--defaults",
	                      lab_path(path->lab, "defaults"),
	                      "--dir",
	                      path->dir,
	                      "--zookeeper",
	                      lab_zk_hosts(path->zk),
	                      "--path",
	                      "/segue/main",
	                      more,
	                      NULL};

	return run(path, argv);
}

static void expect(const struct path *path, const char *line)
{
	cr_expect_not_null(strstr(path->printed, line), "no \"%s\" in\n%s", line, path->printed);
}

/* The lines under steps, which stand in five blanks; "" after the last one. */
static const char *next_line(struct path *path, const char **at)
{
	const char *found = strstr(*at, "\n     ");
	size_t len;

	if (found == NULL)
		return "";
	found += strlen("\n     ");
	len = strcspn(found, "\n");
	*at = found + len;
	return lab_printf(path->lab, "%.*s", (int)len, found);
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Runs the printed commands that stay in the lab's folder: no systemctl, no /var/lib. */
static void type_commands(struct path *path)
{
	for (const char *at = path->printed, *line = next_line(path, &at); *line != '\0';
	     line = next_line(path, &at)) {
		const char *argv[] = {"sh", "-c", NULL, NULL};
		bool folders = strstr(line, " /var/lib/segue") != NULL;
		const char *cut = strstr(line, " /var/lib/segue");

		if (!starts_with(line, "sudo ") || strstr(line, lab_dir(path->lab)) == NULL ||
		    strstr(line, " segue ") != NULL)
			continue;
		line += strlen("sudo ");
		if (starts_with(line, "-u postgres "))
			line = lab_printf(path->lab, "su postgres -s /bin/sh -c '%s'",
			                  line + strlen("-u postgres "));
		argv[2] = folders ? lab_printf(path->lab, "%.*s", (int)(cut - line), line) : line;
		cr_assert_eq(lab_run(path->lab, argv, NULL), 0, "%s", argv[2]);
	}
}

/* Its state and its socket are the lab's; nobody has a PostgreSQL to ask. */
static void edit_ini(struct path *path)
{
	const char *text = lab_read_file(path->lab, path->ini_file);
	const char *target = strstr(text, "verify_conninfo");

	cr_assert_not_null(target, "%s", text);
	lab_write_file(path->ini_file,
	               lab_printf(path->lab,
	                          "%.*sverify = disable\n%s[segue]\nstate_dir = %s/state\n"
	                          "listen = unix:%s/segue.sock\n",
	                          (int)(target - text), text, target, lab_dir(path->lab),
	                          lab_dir(path->lab)));
	cr_assert_eq(mkdir(lab_path(path->lab, "state"), 0777), 0);
}

static int check(struct path *path)
{
	const char *argv[] = {lab_segue_binary(path->lab), "check", "-c", path->ini_file, NULL};

	return run(path, argv);
}

static void name_primary(struct path *path, uint16_t port)
{
	const char *json = lab_printf(
	    path->lab,
	    "{\"version\":1,\"primary\":{\"name\":\"p%u\",\"host\":\"127.0.0.1\",\"port\":%u}}",
	    (unsigned)port, (unsigned)port);

	lab_zk_set(path->zk, "/segue/main/master", json, strlen(json));
}

/* With its own segue.ini, not one of the lab's making. */
static struct lab_segue *start_segue(struct path *path)
{
	struct lab_segue *segue =
	    lab_segue_create(path->lab, lab_read_file(path->lab, path->ini_file));

	lab_segue_start(segue);
	return segue;
}

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
static void take_section_out(struct path *path, const char *file, const char *first_line)
{
	const char *text = lab_read_file(path->lab, file), *at = strstr(text, first_line);
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
	struct path path;
	struct lab_haproxy *haproxy;
	struct lab_backend *db1, *db2;
	struct reach reach = {.name = "db1"};
	const char *main_file, *global, *options;

	path_init(&path);
	db1 = lab_backend_start(path.lab, "db1");
	db2 = lab_backend_start(path.lab, "db2");
	haproxy = lab_haproxy_create(path.lab, NULL);
	main_file = lab_haproxy_main_file(haproxy);
	reach.port = lab_port(path.lab);
	lab_write_file(main_file, lab_printf(path.lab, haproxy_cfg, lab_haproxy_socket(haproxy),
	                                     (unsigned)reach.port, (unsigned)lab_backend_port(db1),
	                                     (unsigned)lab_backend_port(db2)));
	lab_write_file(lab_path(path.lab, "defaults"),
	               lab_printf(path.lab, "# of the unit\nCONFIG=\"%s\"\nEXTRAOPTS=\"-S %s\"\n",
	                          main_file, lab_haproxy_master_socket(haproxy)));
	cr_assert_eq(rmdir(lab_haproxy_conf_dir(haproxy)), 0);

	cr_assert_eq(init(&path, "haproxy", main_file, NULL), CMD_OK, "%s", path.printed);
	expect(&path, "listen postgres (");
	expect(&path, "     hard-stop-after 1h\n");
	options = lab_printf(path.lab, "     EXTRAOPTS=\"-S %s -f %s\"\n",
	                     lab_haproxy_master_socket(haproxy), lab_haproxy_conf_dir(haproxy));
	expect(&path, options); /* which is how the lab starts it */
	cr_expect_null(strstr(path.printed, "Fill in"), "%s", path.printed);
	expect(&path, "listen postgres, in ");
	type_commands(&path);
	global = lab_printf(path.lab, "global\n\thard-stop-after 1h\n%s",
	                    lab_read_file(path.lab, main_file) + strlen("global\n"));
	lab_write_file(main_file, global);
	lab_haproxy_start(haproxy);
	cr_expect(lab_wait_until(reaches, &reach, TIMEOUT_MS), "the section of before");

	name_primary(&path, lab_backend_port(db1));
	edit_ini(&path);
	cr_expect_eq(check(&path), CMD_FAILED);
	expect(&path, " and so does the rendered text, at 127.0.0.1:");
	take_section_out(&path, main_file, "listen postgres");
	cr_expect_eq(check(&path), CMD_OK, "%s", path.printed);
	cr_expect_null(strstr(path.printed, "warn"), "%s", path.printed);
	start_segue(&path);
	cr_expect(lab_wait_until(reaches, &reach, TIMEOUT_MS));
	name_primary(&path, lab_backend_port(db2));
	reach.name = "db2";
	cr_expect(lab_wait_until(reaches, &reach, TIMEOUT_MS));
	lab_destroy(path.lab);
}

Test(init, nothing_of_somebodys_is_lost)
{
	struct path path;
	const char *main_file, *before, *template_file;

	path_init(&path);
	main_file = lab_path(path.lab, "haproxy.cfg");
	template_file = lab_printf(path.lab, "%s/templates/haproxy.cfg.mustache", path.dir);
	lab_write_file(main_file, "global\n\tstats socket /run/a.sock level admin\n");
	cr_assert_eq(init(&path, "haproxy", main_file, "--dry-run"), CMD_OK, "%s", path.printed);
	expect(&path, "socket = /run/a.sock\n");
	cr_expect_neq(access(path.dir, F_OK), 0, "--dry-run has made it");
	cr_assert_eq(init(&path, "haproxy", main_file, NULL), CMD_OK, "%s", path.printed);
	before = lab_read_file(path.lab, path.ini_file);
	cr_assert_eq(init(&path, "haproxy", main_file, NULL), CMD_OK, "%s", path.printed);
	expect(&path, "segue.ini is there already, and the same\n");

	lab_write_file(template_file, "mine\n");
	cr_expect_eq(init(&path, "haproxy", main_file, NULL), CMD_FAILED);
	expect(&path, "is there, and nothing is written: --force");
	cr_expect_str_eq(lab_read_file(path.lab, template_file), "mine\n");
	cr_expect_eq(init(&path, "haproxy", main_file, "--force"), CMD_OK, "%s", path.printed);
	cr_expect_str_eq(
	    lab_read_file(path.lab, lab_printf(path.lab, "%s.before-init", template_file)),
	    "mine\n");
	cr_expect_neq(strcmp(lab_read_file(path.lab, template_file), "mine\n"), 0);
	cr_expect_str_eq(lab_read_file(path.lab, path.ini_file), before);
	cr_expect_str_eq(lab_read_file(path.lab, main_file),
	                 "global\n\tstats socket /run/a.sock level admin\n");

	cr_expect_eq(init(&path, "nginx", main_file, NULL), CMD_USAGE);
	cr_expect_eq(init(&path, "haproxy", lab_path(path.lab, "no.cfg"), NULL), CMD_FAILED);
	expect(&path, "no.cfg: No such file or directory: is it another file (--proxy-config)");
	lab_destroy(path.lab);
}

Test(init, segue_ini_as_a_package_brings_it_is_nobodys_work)
{
	struct path path;
	const char *main_file, *shipped;

	path_init(&path);
	main_file = lab_path(path.lab, "haproxy.cfg");
	shipped = lab_read_file(path.lab, "packaging/debian/segue.ini");
	lab_write_file(main_file, "global\n\tstats socket /run/a.sock level admin\n");
	cr_assert_eq(mkdir(path.dir, 0755), 0);
	lab_write_file(path.ini_file, lab_printf(path.lab, "%s; mine\n", shipped));
	cr_expect_eq(init(&path, "haproxy", main_file, NULL), CMD_FAILED);
	lab_write_file(path.ini_file, shipped);
	cr_assert_eq(init(&path, "haproxy", main_file, NULL), CMD_OK, "%s", path.printed);
	expect(&path, ", and the old one is ");
	cr_expect_not_null(
	    strstr(lab_read_file(path.lab, path.ini_file), "socket = /run/a.sock\n"));
	lab_destroy(path.lab);
}

Test(init, what_nobody_can_know_is_left_empty_and_check_names_it)
{
	struct path path;
	const char *main_file, *text;

	path_init(&path);
	main_file = lab_path(path.lab, "haproxy.cfg");
	lab_write_file(main_file, "global\n\tstats socket /run/a.sock level admin\n");
	cr_expect_eq(init_bare(&path, "haproxy", main_file, "--cluster", "no/name"), CMD_USAGE);
	expect(&path, "nothing is written, as this would be wrong in it:");
	cr_expect_neq(access(path.ini_file, F_OK), 0);
	cr_assert_eq(init_bare(&path, "haproxy", main_file, NULL, NULL), CMD_OK, "%s",
	             path.printed);
	expect(&path, ", hosts: the servers of your ZooKeeper\n");
	expect(&path, " -server HOSTS create PATH ''\n");
	text = lab_read_file(path.lab, path.ini_file);
	cr_expect_not_null(strstr(text, "; FILL IN: the servers of your ZooKeeper: "), "%s", text);
	cr_expect_not_null(strstr(text, "\nhosts =\n"), "%s", text);
	cr_expect_not_null(strstr(text, "\n[cluster orders]\n; FILL IN: "), "%s", text);
	cr_expect_eq(check(&path), CMD_USAGE, "%s", path.printed);
	expect(&path, ": hosts is still empty, as it was shipped: fill in: the servers of ");
	expect(&path, ": path is still empty, as it was shipped: fill in: ");

	cr_expect_eq(init_bare(&path, "pgbouncer", main_file, NULL, NULL), CMD_FAILED);
	expect(&path, "segue.ini is there, but is wrong, and nothing is written: ");
	cr_expect_str_eq(lab_read_file(path.lab, path.ini_file), text);
	lab_destroy(path.lab);
}

/* A machine with a HAProxy that segue drives, and a PgBouncer. */
static const char *second_proxy(struct path *path)
{
	const char *haproxy = lab_path(path->lab, "haproxy.cfg"),
	           *pgbouncer = lab_path(path->lab, "pgbouncer.ini");

	lab_write_file(haproxy, "global\n\tstats socket /run/a.sock level admin\n");
	lab_write_file(pgbouncer, "[databases]\n[pgbouncer]\nlisten_port = 6000\n");
	cr_assert_eq(init(path, "haproxy", haproxy, NULL), CMD_OK, "%s", path->printed);
	lab_write_file(path->ini_file,
	               lab_printf(path->lab, "%s; mine", lab_read_file(path->lab, path->ini_file)));
	return pgbouncer;
}

Test(init, a_second_proxy_is_added_to_the_file_that_is_there)
{
	struct path path;
	const char *pgbouncer, *before, *after;

	path_init(&path);
	pgbouncer = second_proxy(&path);
	before = lab_read_file(path.lab, path.ini_file);
	cr_expect_eq(init_bare(&path, "pgbouncer", pgbouncer, NULL, NULL), CMD_FAILED);
	expect(&path, "\n[pgbouncer local-2]\ncluster = orders\n");
	expect(&path, "`segue init pgbouncer --append` adds these lines to it, ");
	cr_expect_null(strstr(path.printed, "[zookeeper]\n"), "%s", path.printed);
	cr_expect_eq(init_bare(&path, "pgbouncer", pgbouncer, "--append", "--dry-run"), CMD_OK);
	expect(&path, "segue.ini would go on with:\n\n; Added by `segue init pgbouncer`");
	cr_expect_str_eq(lab_read_file(path.lab, path.ini_file), before);

	cr_expect_eq(init_bare(&path, "pgbouncer", pgbouncer, "--append", NULL), CMD_OK, "%s",
	             path.printed);
	after = lab_read_file(path.lab, path.ini_file);
	cr_expect(starts_with(after, lab_printf(path.lab, "%s\n\n; Added by ", before)), "%s",
	          after);
	cr_expect_not_null(strstr(after, "\n; FILL IN: the database on the server"), "%s", after);
	expect(&path, " segue render -c ");
	expect(&path, " local-2\n");
	cr_expect_null(strstr(path.printed, "CREATE ROLE"), "was done for the first one");
	cr_expect_eq(
	    access(lab_printf(path.lab, "%s/templates/pgbouncer.ini.mustache", path.dir), F_OK), 0);
	cr_expect_eq(check(&path), CMD_FAILED);
	expect(&path, ": var.dbname is still empty, as it was shipped: fill in: the database ");

	cr_expect_eq(init_bare(&path, "pgbouncer", pgbouncer, "--append", NULL), CMD_FAILED);
	expect(&path, " has [pgbouncer local-2] for this proxy and cluster orders already");
	cr_expect_str_eq(lab_read_file(path.lab, path.ini_file), after);
	lab_destroy(path.lab);
}

Test(init, a_further_cluster_gets_its_sections_and_of_several_one_has_to_be_named)
{
	struct path path;
	const char *pgbouncer, *haproxy, *text, *template_file;

	path_init(&path);
	pgbouncer = second_proxy(&path);
	haproxy = lab_path(path.lab, "haproxy.cfg");
	template_file = lab_printf(path.lab, "%s/templates/haproxy.cfg.mustache", path.dir);
	lab_write_file(template_file, "mine\n");
	cr_expect_eq(init_bare(&path, "haproxy", haproxy, "--append", NULL), CMD_FAILED);
	expect(&path, " has [haproxy local] for this proxy and cluster orders already");
	cr_expect_eq(init_bare(&path, "haproxy", haproxy, "--append", "--cluster=bills"), CMD_OK,
	             "%s", path.printed);
	expect(&path, "is there already, and is used as it is\n");
	cr_expect_str_eq(lab_read_file(path.lab, template_file), "mine\n");
	text = lab_read_file(path.lab, path.ini_file);
	cr_expect_not_null(strstr(text, "\n[cluster bills]\n; FILL IN: "), "%s", text);
	cr_expect_not_null(strstr(text, "\n[haproxy local-2]\ncluster = bills\n"), "%s", text);
	cr_expect_not_null(strstr(text, "/conf.d/bills.cfg\n"), "%s", text);

	lab_write_file(path.ini_file, lab_printf(path.lab, "%.*spath = /b\n%s",
	                                         (int)(strstr(text, "path =\n") - text), text,
	                                         strstr(text, "path =\n") + strlen("path =\n")));
	cr_expect_eq(init_bare(&path, "pgbouncer", pgbouncer, "--append", NULL), CMD_USAGE);
	expect(&path, " has the clusters orders, bills: --cluster says which of them ");
	cr_expect_eq(init_bare(&path, "pgbouncer", pgbouncer, "--append", "--cluster=bills"),
	             CMD_OK, "%s", path.printed);
	cr_expect_not_null(strstr(lab_read_file(path.lab, path.ini_file),
	                          "\n[pgbouncer local-3]\ncluster = bills\n"));
	lab_destroy(path.lab);
}

Test(init, folders_that_segue_can_use_are_left_alone)
{
	struct path path;
	const char *pgbouncer, *folder;

	path_init(&path);
	pgbouncer = second_proxy(&path);
	folder = lab_path(path.lab, "segue");
	cr_expect_eq(init_bare(&path, "pgbouncer", pgbouncer, "--append", "--dry-run"), CMD_OK);
	expect(&path, lab_printf(path.lab, " %s\n", folder));
	cr_assert_eq(mkdir(folder, 0777), 0);
	cr_assert_eq(chmod(folder, 0777), 0);
	lab_write_file(lab_printf(path.lab, "%s/orders.ini", folder), "");
	cr_expect_eq(init_bare(&path, "pgbouncer", pgbouncer, "--append", "--dry-run"), CMD_OK);
	cr_expect_null(strstr(path.printed, lab_printf(path.lab, " %s\n", folder)), "%s",
	               path.printed);
	cr_expect_null(strstr(path.printed, " touch "), "%s", path.printed);
	lab_destroy(path.lab);
}

/* Takes what stands under the step that has `text` in it, line by line. */
static const char *lines_of_step(struct path *path, const char *text)
{
	auto_strbuf struct strbuf lines = STRBUF_INIT;
	const char *at = strstr(path->printed, text), *end;

	cr_assert_not_null(at, "no step \"%s\" in\n%s", text, path->printed);
	at = strstr(at, "\n\n");
	end = strstr(at + 2, "\n\n");
	end = end != NULL ? end : at + strlen(at);
	while (at < end) {
		const char *line = next_line(path, &at);

		if (*line == '\0' || at > end)
			break;
		strbuf_printf(&lines, "%s\n", line);
	}
	return lab_printf(path->lab, "%s", lines.data);
}

struct leads {
	struct lab_pgbouncer *bouncer;
	const char *port;
};

static bool leads(void *arg)
{
	const struct leads *wanted = arg;

	return lab_pgbouncer_says(wanted->bouncer, "app", "port", wanted->port) &&
	       lab_pgbouncer_says(wanted->bouncer, "reports", "port", wanted->port);
}

Test(init, pgbouncer_with_databases_of_its_own, .timeout = 120)
{
	struct path path;
	struct lab_pgbouncer *bouncer;
	struct leads wanted = {.port = "5001"};
	const char *main_file, *text, *printed;

	path_init(&path);
	bouncer = lab_pgbouncer_create(path.lab, NULL);
	main_file = lab_pgbouncer_main_file(bouncer);
	wanted.bouncer = bouncer;
	text = strchr(lab_read_file(path.lab, main_file), '\n') + 1; /* without the %include */
	lab_write_file(main_file,
	               lab_printf(path.lab,
	                          "[databases]\napp = host=127.0.0.1 port=5000 pool_size=7\n"
	                          "reports = dbname=app host=127.0.0.1 port=5000\n%s",
	                          text));
	lab_pgbouncer_start(bouncer);
	cr_assert_eq(init(&path, "pgbouncer", main_file, NULL), CMD_OK, "%s", path.printed);
	expect(&path, "database app at 127.0.0.1 port 5000 (");
	printed = path.printed;
	cr_expect_null(strstr(printed, "Fill in"), "%s", printed);
	type_commands(&path);
	name_primary(&path, 5001);
	edit_ini(&path);
	text = strstr(lab_read_file(path.lab, path.ini_file), "console = ");
	cr_expect_not_null(strstr(text, lab_pgbouncer_dir(bouncer)), "%s", text);

	cr_expect_eq(check(&path), CMD_FAILED); /* not included yet, and root is no user of it */
	path.printed = printed;
	lab_write_file(main_file,
	               lab_printf(path.lab, "%s\n%s%s", lab_read_file(path.lab, main_file),
	                          lines_of_step(&path, "So that a failover is short"),
	                          lines_of_step(&path, "At the end of ")));
	text = lab_read_file(path.lab, path.ini_file);
	lab_write_file(path.ini_file, lab_printf(path.lab, "%.*sconsole = %s\n%s",
	                                         (int)(strstr(text, "console = ") - text), text,
	                                         lab_pgbouncer_console(bouncer),
	                                         strchr(strstr(text, "console = "), '\n') + 1));
	free(lab_pgbouncer_query(bouncer, "RELOAD", NULL));
	cr_expect_eq(check(&path), CMD_OK, "%s", path.printed);
	cr_expect_null(strstr(path.printed, "warn"), "%s", path.printed);
	start_segue(&path);
	cr_expect(lab_wait_until(leads, &wanted, TIMEOUT_MS));
	name_primary(&path, 5002);
	wanted.port = "5002";
	cr_expect(lab_wait_until(leads, &wanted, TIMEOUT_MS));
	cr_expect(lab_pgbouncer_says(bouncer, "app", "pool_size", "7"));
	lab_destroy(path.lab);
}
