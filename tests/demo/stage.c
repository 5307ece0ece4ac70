/* What the demo plays on; see the header. */
#include "demo/stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void stage_give_up(struct stage *stage, const char *what)
{
	lab_fail("%s; segue's log:\n%s", what,
	         lab_process_log_tail(lab_segue_process(stage->segue)));
}

const char *stage_describe(struct stage *stage, int primary)
{
	const char *standby =
	    primary == 1
	        ? ""
	        : lab_printf(stage->lab, "{\"name\":\"db2\",\"host\":\"127.0.0.1\",\"port\":%u}",
	                     lab_pg_port(stage->pg, 1));

	return lab_printf(
	    stage->lab,
	    "{\"version\":1,\"primary\":{\"name\":\"db%d\",\"host\":\"127.0.0.1\",\"port\":%u},"
	    "\"standbys\":[%s]}",
	    primary + 1, lab_pg_port(stage->pg, primary), standby);
}

static void must_query(const char *conninfo, const char *sql)
{
	auto_free char *value = lab_pg_query(conninfo, sql);

	if (value == NULL)
		lab_fail("PostgreSQL refuses: %s", sql);
}

/* Synchronous replication, so that what db1 has acknowledged must be on db2: losing writes is not
 * what the demo is about. */
static void prepare_database(struct stage *stage)
{
	const char *conninfo = lab_pg_conninfo(stage->pg, 0);

	traffic_prepare(conninfo);
	must_query(conninfo, "alter system set synchronous_standby_names = '*'");
	must_query(conninfo, "select pg_reload_conf()");
}

void stage_start_servers(struct stage *stage)
{
	struct crowd *haproxy = &stage->crowds[STAGE_HAPROXY];
	struct crowd *bouncer = &stage->crowds[STAGE_PGBOUNCER];

	stage->zk = lab_zk_start(stage->lab, 1);
	stage->pg = lab_pg_start(stage->lab, TRAFFIC_NODES);
	prepare_database(stage);
	stage->haproxy = lab_haproxy_create(stage->lab, NULL);
	lab_haproxy_start(stage->haproxy);
	stage->bouncer = lab_pgbouncer_create(stage->lab, NULL);
	lab_pgbouncer_start(stage->bouncer);
	*haproxy = (struct crowd){
	    .proxy = "HAProxy", .target = "haproxy/front", .port = lab_port(stage->lab)};
	haproxy->conninfo = lab_printf(stage->lab,
	                               "host=127.0.0.1 port=%u user=postgres dbname=postgres "
	                               "connect_timeout=30",
	                               haproxy->port);
	*bouncer = (struct crowd){.proxy = "PgBouncer",
	                          .target = "pgbouncer/pool",
	                          .port = lab_pgbouncer_port(stage->bouncer),
	                          .conninfo = lab_pgbouncer_conninfo(stage->bouncer, "postgres")};
}

static const char *make_ini(struct stage *stage)
{
	const char *state = lab_path(stage->lab, "state");
	const char *haproxy = lab_printf(
	    stage->lab,
	    "[haproxy front]\ncluster = demo\ntemplate = %s/haproxy.cfg.mustache\n"
	    "output = %s/demo.cfg\nsocket = %s\nmaster_socket = %s\n"
	    "check_command = haproxy -c -f %s -f {}\n"
	    "var.rw_bind = 127.0.0.1:%u\nvar.ro_bind = 127.0.0.1:%u\n",
	    stage->templates, lab_haproxy_conf_dir(stage->haproxy),
	    lab_haproxy_socket(stage->haproxy), lab_haproxy_master_socket(stage->haproxy),
	    lab_haproxy_main_file(stage->haproxy), stage->crowds[STAGE_HAPROXY].port,
	    lab_port(stage->lab));
	const char *bouncer =
	    lab_printf(stage->lab,
	               "[pgbouncer pool]\ncluster = demo\ntemplate = %s/pgbouncer.ini.mustache\n"
	               "output = %s\nconsole = %s\nvar.dbname = postgres\n",
	               stage->templates, lab_pgbouncer_databases_file(stage->bouncer),
	               lab_pgbouncer_console(stage->bouncer));

	if (mkdir(state, 0755) != 0)
		lab_fail("cannot make %s: %s", state, strerror(errno));
	return lab_printf(stage->lab,
	                  "[segue]\nname = demo\nstate_dir = %s\n[zookeeper]\nhosts = %s\n"
	                  "[cluster demo]\npath = /segue/demo\n"
	                  "verify_conninfo = user=postgres dbname=postgres\n%s%s",
	                  state, lab_zk_hosts(stage->zk), haproxy, bouncer);
}

static bool writes_arrive(void *arg)
{
	const struct stage *stage = arg;

	for (int i = 0; i < STAGE_CROWDS; i++) {
		auto_free char *port =
		    lab_pg_query(stage->crowds[i].conninfo, "select inet_server_port()");

		if (port == NULL || strtol(port, NULL, 10) != lab_pg_port(stage->pg, 0))
			return false;
	}
	return true;
}

void stage_start_segue(struct stage *stage)
{
	const char *text = stage_describe(stage, 0);

	stage->segue = lab_segue_create(stage->lab, make_ini(stage));
	lab_zk_set(stage->zk, STAGE_MASTER, text, strlen(text));
	lab_segue_start(stage->segue);
	if (!lab_wait_until(writes_arrive, stage, STAGE_TIMEOUT_MS))
		stage_give_up(stage, "HAProxy and PgBouncer do not both lead to db1");
}

void stage_start_crowds(struct stage *stage)
{
	for (int i = 0; i < STAGE_CROWDS; i++) {
		struct traffic_options options = {
		    .conninfo = stage->crowds[i].conninfo,
		    .ports = {lab_pg_port(stage->pg, 0), lab_pg_port(stage->pg, 1)},
		    .clients = STAGE_CLIENTS,
		    .first_client = i * STAGE_CLIENTS,
		    .keep = i == STAGE_PGBOUNCER};

		stage->crowds[i].traffic = traffic_start(stage->lab, &options);
	}
}
