/* The stand for the tests of the cookbook; see the header. */
#include "cookbook.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void cookbook_init(struct cookbook *book)
{
	*book = (struct cookbook){.lab = lab_create("cookbook")};
	book->zk = lab_zk_share(book->lab);
	book->haproxy = lab_haproxy_create(book->lab, NULL);
	lab_haproxy_start(book->haproxy);
}

void cookbook_add_pgbouncer(struct cookbook *book, const char *settings)
{
	book->bouncer = lab_pgbouncer_create(book->lab, settings);
	lab_pgbouncer_start(book->bouncer);
}

/* Tests run in the top folder of the repository, and segue.ini takes absolute paths only. */
static const char *recipe_file(struct cookbook *book, const char *recipe, const char *kind)
{
	char cwd[4096];

	cr_assert_not_null(getcwd(cwd, sizeof(cwd)));
	return lab_printf(book->lab, "%s/templates/cookbook/%s.%s.mustache", cwd, recipe, kind);
}

const char *cookbook_haproxy(struct cookbook *book, const char *cluster, const char *recipe)
{
	return lab_printf(book->lab,
	                  "[haproxy %1$s]\ncluster = %1$s\ntemplate = %2$s\n"
	                  "output = %3$s/%1$s.cfg\nsocket = %4$s\nmaster_socket = %5$s\n",
	                  cluster, recipe_file(book, recipe, "cfg"),
	                  lab_haproxy_conf_dir(book->haproxy), lab_haproxy_socket(book->haproxy),
	                  lab_haproxy_master_socket(book->haproxy));
}

const char *cookbook_pgbouncer(struct cookbook *book, const char *cluster, const char *recipe)
{
	return lab_printf(book->lab,
	                  "[pgbouncer %s]\ncluster = %s\ntemplate = %s\noutput = %s\n"
	                  "console = %s\nvar.dbname = postgres\n",
	                  cluster, cluster, recipe_file(book, recipe, "ini"),
	                  lab_pgbouncer_databases_file(book->bouncer),
	                  lab_pgbouncer_console(book->bouncer));
}

void cookbook_run(struct cookbook *book, const char *sections)
{
	book->segue = lab_segue_create(
	    book->lab, lab_printf(book->lab,
	                          "[segue]\nstate_dir = %s\nlisten =\n"
	                          "[zookeeper]\nhosts = %s\nsession_timeout = 4s\n"
	                          "%s",
	                          lab_path(book->lab, "state"), lab_zk_hosts(book->zk), sections));
	lab_segue_start(book->segue);
}

void cookbook_name(struct cookbook *book, const char *cluster, uint16_t port)
{
	const char *json = "{\"version\":1,\"primary\":null,\"standbys\":[]}";

	if (port != 0)
		json = lab_printf(book->lab,
		                  "{\"version\":1,\"primary\":{\"name\":\"db\",\"host\":"
		                  "\"127.0.0.1\",\"port\":%u},\"standbys\":[]}",
		                  port);
	lab_zk_set(book->zk, lab_printf(book->lab, "/segue/%s/master", cluster), json,
	           strlen(json));
}

struct reach {
	uint16_t port;
	const char *name;
	char found[LAB_NAME_MAX];
};

static bool reaches(void *arg)
{
	struct reach *reach = arg;

	return strcmp(lab_reach(reach->port, reach->found), reach->name) == 0;
}

void cookbook_must_reach(uint16_t port, const char *name)
{
	struct reach reach = {.port = port, .name = name};

	cr_assert(lab_wait_until(reaches, &reach, COOKBOOK_TIMEOUT_MS),
	          "port %u leads to '%s', not to '%s'", port, reach.found, name);
}
