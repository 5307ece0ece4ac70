/* The servers of the failovers and the clients behind the three ways. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "bench/failover.h"

#define STAGE_TIMEOUT_MS 90000
#define WRITE_LIMIT_MS   60000 /* no client gives up before */

/* As the haproxy.cfg in Patroni's repository has it. Arguments: the port, then port and REST port
 * of each node. */
static const char patroni_config[] = "defaults\n"
                                     "\tmode tcp\n"
                                     "\tretries 2\n"
                                     "\ttimeout client 30m\n"
                                     "\ttimeout connect 4s\n"
                                     "\ttimeout server 30m\n"
                                     "\ttimeout check 5s\n"
                                     "listen batman\n"
                                     "\tbind 127.0.0.1:%u\n"
                                     "\toption httpchk\n"
                                     "\thttp-check expect status 200\n"
                                     "\tdefault-server inter 3s fall 3 rise 2"
                                     " on-marked-down shutdown-sessions\n"
                                     "\tserver pg1 127.0.0.1:%u maxconn 100 check port %u\n"
                                     "\tserver pg2 127.0.0.1:%u maxconn 100 check port %u\n";

static const char segue_config[] = "[segue]\nname = failover\nstate_dir = %s\n"
                                   "[zookeeper]\nhosts = %s\n"
                                   "[cluster failover]\nlayout = patroni\npath = %s\n"
                                   "verify = require\nhold_timeout = 60s\n"
                                   "verify_conninfo = user=postgres dbname=postgres\n"
                                   "[haproxy front]\ncluster = failover\n"
                                   "template = %s/haproxy.cfg.mustache\noutput = %s/front.cfg\n"
                                   "socket = %s\nmaster_socket = %s\n"
                                   "var.rw_bind = 127.0.0.1:%u\nvar.ro_bind = 127.0.0.1:%u\n"
                                   "[pgbouncer pool]\ncluster = failover\n"
                                   "template = %s/pgbouncer.ini.mustache\noutput = %s\n"
                                   "console = %s\nvar.dbname = postgres\n";

/* Who closes what, and why, in the log: for the capture of an error. */
static const char bouncer_settings[] = "log_connections = 1\nlog_disconnections = 1\n";

/* As the cookbook's before-haproxy.ini.mustache has it. Argument: the port of HAProxy. */
static const char before_haproxy_settings[] = "log_connections = 1\n"
                                              "log_disconnections = 1\n"
                                              "server_connect_timeout = 90\n"
                                              "server_login_retry = 1\n";
static const char before_haproxy_databases[] =
    "[databases]\npostgres = host=127.0.0.1 port=%u dbname=postgres\n";

static const char *way_through(struct lab *lab, uint16_t port)
{
	return lab_printf(lab, "host=127.0.0.1 port=%u user=postgres dbname=postgres", port);
}

static void start_patronis_way(struct stage *stage)
{
	uint16_t port = lab_port(stage->lab);
	const struct lab_patroni *patroni = stage->patroni;

	stage->patroni_haproxy = lab_haproxy_create(
	    stage->lab, lab_printf(stage->lab, patroni_config, port, lab_patroni_port(patroni, 0),
	                           lab_patroni_api_port(patroni, 0), lab_patroni_port(patroni, 1),
	                           lab_patroni_api_port(patroni, 1)));
	lab_haproxy_start(stage->patroni_haproxy);
	stage->conninfo[WAY_PATRONI] = way_through(stage->lab, port);
}

static void start_before_haproxy(struct stage *stage, uint16_t port)
{
	struct lab_pgbouncer *bouncer = lab_pgbouncer_create(stage->lab, before_haproxy_settings);

	lab_write_file(lab_pgbouncer_databases_file(bouncer),
	               lab_printf(stage->lab, before_haproxy_databases, port));
	lab_pgbouncer_start(bouncer);
	stage->bouncers[WAY_BEFORE_HAPROXY] = bouncer;
	stage->conninfo[WAY_BEFORE_HAPROXY] = lab_pgbouncer_conninfo(bouncer, "postgres");
}

/* The children, too: HAProxy's worker is one of its master. */
static void prefer(const struct lab_process *process)
{
	pid_t pid = lab_process_pid(process);
	auto_free char *children = xasprintf("/proc/%d/task/%d/children", (int)pid, (int)pid);
	auto_strbuf struct strbuf list = STRBUF_INIT;
	struct err ignored;
	bool missing;

	setpriority(PRIO_PROCESS, (id_t)pid, FAILOVER_NICE);
	if (!file_read(children, PATH_MAX, &list, &missing, &ignored))
		return;
	for (char *rest = list.data, *word; (word = strsep(&rest, " ")) != NULL;)
		if (*word != '\0')
			setpriority(PRIO_PROCESS, (id_t)strtoul(word, NULL, 10), FAILOVER_NICE);
}

static void start_segues_ways(struct stage *stage)
{
	auto_free char *templates = realpath("templates", NULL);
	const char *state = lab_path(stage->lab, "state-failover");
	struct lab_pgbouncer *bouncer;
	uint16_t port = lab_port(stage->lab);

	if (mkdir(state, 0755) != 0)
		lab_fail("cannot make %s: %s", state, strerror(errno));
	stage->haproxy = lab_haproxy_create(stage->lab, NULL);
	lab_haproxy_start(stage->haproxy);
	bouncer = stage->bouncers[WAY_PGBOUNCER] =
	    lab_pgbouncer_create(stage->lab, bouncer_settings);
	lab_pgbouncer_start(bouncer);
	stage->conninfo[WAY_HAPROXY] = way_through(stage->lab, port);
	stage->conninfo[WAY_PGBOUNCER] = lab_pgbouncer_conninfo(bouncer, "postgres");
	stage->segue = lab_segue_create(
	    stage->lab,
	    lab_printf(stage->lab, segue_config, state, lab_zk_hosts(stage->zk),
	               lab_patroni_path(stage->patroni), templates,
	               lab_haproxy_conf_dir(stage->haproxy), lab_haproxy_socket(stage->haproxy),
	               lab_haproxy_master_socket(stage->haproxy), port, lab_port(stage->lab),
	               templates, lab_pgbouncer_databases_file(bouncer),
	               lab_pgbouncer_console(bouncer)));
	lab_segue_start(stage->segue);
	start_before_haproxy(stage, port);
	prefer(lab_segue_process(stage->segue));
	prefer(lab_haproxy_process(stage->haproxy));
	for (int i = 0; i < WAYS_POOLED; i++)
		prefer(lab_pgbouncer_process(stage->bouncers[i]));
}

struct arrival {
	const struct stage *stage;
	const char *conninfo;
};

static bool leads_to_primary(void *arg)
{
	const struct arrival *arrival = arg;
	const struct stage *stage = arrival->stage;
	auto_free char *port =
	    lab_pg_query(lab_printf(stage->lab, "%s connect_timeout=2", arrival->conninfo),
	                 "select inet_server_port()");

	return port != NULL &&
	       strtol(port, NULL, 10) == lab_patroni_port(stage->patroni, stage->primary);
}

void stage_must_lead(struct stage *stage, enum way way, int64_t timeout_ms)
{
	struct arrival arrival = {stage, stage->conninfo[way]};

	if (!lab_wait_until(leads_to_primary, &arrival, timeout_ms))
		lab_fail("way %d does not lead to the primary; segue's log:\n%s", way,
		         lab_process_log_tail(lab_segue_process(stage->segue)));
}

static struct ledger *start_client(struct stage *stage, enum way way, int client, int pause_ms)
{
	stage_must_lead(stage, way, STAGE_TIMEOUT_MS);
	return ledger_start(stage->lab, &(struct ledger_options){.conninfo = stage->conninfo[way],
	                                                         .client = client,
	                                                         .pause_ms = pause_ms,
	                                                         .timeout_ms = WRITE_LIMIT_MS});
}

/* Their pauses differ, so that those who wait repeat their attempts at moments of their own. */
static void start_clients(struct stage *stage)
{
	int client = 0;

	for (int i = 0; i < WAYS; i++)
		for (int j = 0; j < FAILOVER_WRITERS; j++)
			stage->writers[i][j] = start_client(stage, i, client++, 5 + 25 * j);
	for (int i = 0; i < WAYS_POOLED; i++)
		for (int j = 0; j < FAILOVER_HOLDERS; j++)
			stage->holders[i][j] =
			    start_client(stage, i, client++, j % 2 == 0 ? 1000 : 100 + 20 * j);
}

void stage_start(struct stage *stage, struct lab *lab, struct lab_zk *zk)
{
	*stage = (struct stage){.lab = lab, .zk = zk};
	stage->patroni = lab_patroni_start(lab, zk, "failover", FAILOVER_NODES);
	start_patronis_way(stage);
	start_segues_ways(stage);
	ledger_prepare(lab_patroni_conninfo(stage->patroni, 0));
	start_clients(stage);
}

void stage_stop(struct stage *stage)
{
	for (int i = 0; i < WAYS * FAILOVER_WRITERS; i++)
		ledger_stop(stage->writers[i / FAILOVER_WRITERS][i % FAILOVER_WRITERS]);
	for (int i = 0; i < WAYS_POOLED * FAILOVER_HOLDERS; i++)
		ledger_stop(stage->holders[i / FAILOVER_HOLDERS][i % FAILOVER_HOLDERS]);
	lab_process_stop(lab_segue_process(stage->segue));
	for (int i = 0; i < WAYS_POOLED; i++)
		lab_process_stop(lab_pgbouncer_process(stage->bouncers[i]));
	lab_process_kill(lab_haproxy_process(stage->haproxy));
	lab_process_kill(lab_haproxy_process(stage->patroni_haproxy));
	for (int i = 0; i < FAILOVER_NODES; i++)
		lab_process_kill(lab_patroni_machine(stage->patroni, i));
}

/* ---- a quiet day ---- */

static bool is_listed_standby(void *arg)
{
	const struct stage *stage = arg;
	auto_free char *path = xasprintf("%s/members/%s", lab_patroni_path(stage->patroni),
	                                 lab_patroni_name(stage->patroni, !stage->primary));
	auto_strbuf struct strbuf member = STRBUF_INIT;

	return lab_zk_get(stage->zk, path, &member, NULL) &&
	       strstr(member.data, "\"state\":\"running\"") != NULL &&
	       strstr(member.data, "\"role\":\"replica\"") != NULL;
}

static void must_serve(struct stage *stage, struct ledger *ledger, int64_t since_us,
                       const char *who)
{
	if (!ledger_wait_served_since(ledger, since_us,
	                              lab_patroni_port(stage->patroni, stage->primary),
	                              STAGE_TIMEOUT_MS))
		lab_fail("%s is not served by the primary; segue's log:\n%s", who,
		         lab_process_log_tail(lab_segue_process(stage->segue)));
}

static void await_answer(struct stage *stage)
{
	const char *port =
	    lab_printf(stage->lab, " port=%u ", lab_patroni_port(stage->patroni, !stage->primary));

	if (lab_segue_wait_log(stage->segue, STAGE_TIMEOUT_MS, "event=server ", port,
	                       "class=answered in_recovery=yes", NULL) == NULL)
		lab_fail("segue does not see the standby; its log:\n%s",
		         lab_process_log_tail(lab_segue_process(stage->segue)));
}

void stage_serve(struct stage *stage)
{
	int64_t now_us = clock_now_us();

	for (int i = 0; i < WAYS; i++)
		for (int j = 0; j < FAILOVER_WRITERS; j++)
			must_serve(stage, stage->writers[i][j], now_us,
			           "a client that writes all the time");
	for (int i = 0; i < WAYS_POOLED; i++)
		for (int j = 0; j < FAILOVER_HOLDERS; j++)
			must_serve(stage, stage->holders[i][j], now_us,
			           "a client with a write now and then");
}

void stage_await_standby(struct stage *stage, int64_t timeout_ms)
{
	const char *primary = lab_patroni_conninfo(stage->patroni, stage->primary);
	const char *standby = lab_patroni_conninfo(stage->patroni, !stage->primary);

	if (!lab_wait_streams(standby, timeout_ms) ||
	    !lab_wait_until(is_listed_standby, stage, timeout_ms) ||
	    !lab_wait_replays(primary, standby, timeout_ms))
		lab_fail(
		    "node %d is no standby again:\n%s", !stage->primary,
		    lab_process_log_tail(lab_patroni_machine(stage->patroni, !stage->primary)));
}

void stage_settle(struct stage *stage)
{
	stage_await_standby(stage, STAGE_TIMEOUT_MS);
	await_answer(stage);
	stage_serve(stage);
}
