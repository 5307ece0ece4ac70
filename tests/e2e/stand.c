/* The stand for tests of a whole failover; see the header. */
#include "stand.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strbuf.h"

#define MASTER "/segue/orders/master"

uint16_t stand_port(const struct stand *stand, int node)
{
	if (stand->patroni != NULL)
		return lab_patroni_port(stand->patroni, node);
	return lab_pg_port(stand->pg, node);
}

const char *stand_conninfo(const struct stand *stand, int node)
{
	if (stand->patroni != NULL)
		return lab_patroni_conninfo(stand->patroni, node);
	return lab_pg_conninfo(stand->pg, node);
}

/* Where the store says that it is. */
static uint16_t named_port(const struct stand *stand, int node)
{
	if (stand->relay != NULL && node == 0)
		return lab_relay_port(stand->relay);
	return stand_port(stand, node);
}

int64_t stand_name(struct stand *stand, int node)
{
	const char *json = lab_printf(
	    stand->lab,
	    "{\"version\":1,\"primary\":{\"name\":\"node%d\",\"host\":\"127.0.0.1\","
	    "\"port\":%u},\"standbys\":[{\"name\":\"node%d\",\"host\":\"127.0.0.1\",\"port\":%u}]}",
	    node + 1, named_port(stand, node), 2 - node, named_port(stand, 1 - node));

	return lab_zk_set(stand->zk, MASTER, json, strlen(json));
}

/* --- the start --- */

static void start_publisher(struct stand *stand, int node)
{
	stand->publishers[node] = lab_segue_create(
	    stand->lab,
	    lab_printf(stand->lab,
	               "[segue]\nname = pub%d\n[zookeeper]\nhosts = %s\nsession_timeout = 4s\n"
	               "[cluster orders]\npath = /segue/orders\n"
	               "[publisher orders]\ncluster = orders\nname = pub%d\n"
	               "nodes = host=127.0.0.1 port=%u\n"
	               "conninfo = user=postgres dbname=postgres\nnotify_socket =\n",
	               node + 1, lab_zk_hosts(stand->zk), node + 1, stand_port(stand, node)));
	lab_segue_publish(stand->publishers[node]);
}

static void name_first(struct stand *stand, const struct stand_options *options)
{
	if (!options->publish && options->kind != STAND_PATRONI)
		stand_name(stand, 0);
	for (int i = 0; options->publish && i < STAND_NODES; i++)
		start_publisher(stand, i);
}

static const char *make_cluster(struct stand *stand, const struct stand_options *options)
{
	return lab_printf(stand->lab,
	                  "[cluster orders]\nlayout = %s\npath = %s\n"
	                  "verify_conninfo = user=%s dbname=postgres\n%s",
	                  stand->patroni != NULL ? "patroni" : "segue",
	                  stand->patroni != NULL ? lab_patroni_path(stand->patroni)
	                                         : "/segue/orders",
	                  options->role != NULL ? options->role : "postgres",
	                  options->cluster != NULL ? options->cluster : "");
}

static const char *make_ini(struct stand *stand, const struct stand_options *options, uint16_t port)
{
	auto_free char *templates = realpath("templates", NULL);
	const char *state = lab_path(stand->lab, "state");

	cr_assert_eq(mkdir(state, 0755), 0, "%s: %s", state, strerror(errno));
	return lab_printf(
	    stand->lab,
	    "[segue]\nname = stand\nstate_dir = %s\nlisten = unix:%s\n"
	    "[zookeeper]\nhosts = %s\nsession_timeout = 4s\n%s"
	    "[haproxy front]\ncluster = orders\ntemplate = %s/haproxy.cfg.mustache\n"
	    "output = %s/orders.cfg\nsocket = %s\nmaster_socket = %s\n"
	    "var.rw_bind = 127.0.0.1:%u\nvar.ro_bind = 127.0.0.1:%u\n"
	    "[pgbouncer pool]\ncluster = orders\ntemplate = %s/pgbouncer.ini.mustache\n"
	    "output = %s\nconsole = %s\nvar.dbname = postgres\n",
	    state, lab_path(stand->lab, "segue.sock"), lab_zk_hosts(stand->zk),
	    make_cluster(stand, options), templates, lab_haproxy_conf_dir(stand->haproxy),
	    lab_haproxy_socket(stand->haproxy), lab_haproxy_master_socket(stand->haproxy), port,
	    lab_port(stand->lab), templates, lab_pgbouncer_databases_file(stand->bouncer),
	    lab_pgbouncer_console(stand->bouncer));
}

static void start_servers(struct stand *stand, const struct stand_options *options)
{
	const struct lab_patroni_options patroni = {.scope = "orders",
	                                            .nodes = STAND_NODES,
	                                            .ttl = options->ttl,
	                                            .loop_wait = 1,
	                                            .retry_timeout = 2};

	stand->zk = options->own_zk || options->kind == STAND_PATRONI ? lab_zk_start(stand->lab, 1)
	                                                              : lab_zk_share(stand->lab);
	switch (options->kind) {
	case STAND_PATRONI:
		stand->patroni = lab_patroni_start_with(stand->lab, stand->zk, &patroni);
		break;
	case STAND_REPMGR:
		stand->repmgr = lab_repmgr_start(
		    stand->lab, &(struct lab_repmgr_options){.nodes = STAND_NODES});
		stand->pg = lab_repmgr_pg(stand->repmgr);
		break;
	case STAND_PAIR:
		stand->pg = lab_pg_start(stand->lab, STAND_NODES);
		break;
	}
	stand->haproxy = lab_haproxy_create(stand->lab, NULL);
	lab_haproxy_start(stand->haproxy);
	stand->bouncer = lab_pgbouncer_create(stand->lab, NULL);
	lab_pgbouncer_start(stand->bouncer);
}

struct reach {
	const struct stand *stand;
	int node;
};

static bool leads_there(void *arg)
{
	const struct reach *reach = arg;

	for (int i = 0; i < STAND_PROXIES; i++) {
		auto_free char *port =
		    lab_pg_query(reach->stand->conninfo[i], "select inet_server_port()");

		if (port == NULL || strtol(port, NULL, 10) != stand_port(reach->stand, reach->node))
			return false;
	}
	return true;
}

static const char *log_of(struct stand *stand)
{
	return lab_process_log_tail(lab_segue_process(stand->segue));
}

static void make_role(struct stand *stand, const char *role)
{
	auto_free char *made = lab_pg_query(stand_conninfo(stand, 0),
	                                    lab_printf(stand->lab, "create role %s login", role));

	cr_assert_not_null(made);
	cr_assert(
	    lab_wait_replays(stand_conninfo(stand, 0), stand_conninfo(stand, 1), STAND_TIMEOUT_MS));
}

void stand_start(struct stand *stand, const struct stand_options *options)
{
	uint16_t port;

	*stand = (struct stand){.lab = lab_create("stand")};
	start_servers(stand, options);
	if (options->relay)
		stand->relay = lab_relay_start(stand->lab, stand_port(stand, 0));
	port = lab_port(stand->lab);
	stand->conninfo[STAND_HAPROXY] = lab_printf(
	    stand->lab, "host=127.0.0.1 port=%u user=postgres dbname=postgres connect_timeout=60",
	    port);
	stand->conninfo[STAND_PGBOUNCER] = lab_pgbouncer_conninfo(stand->bouncer, "postgres");
	stand->segue = lab_segue_create(stand->lab, make_ini(stand, options, port));
	name_first(stand, options);
	ledger_prepare(stand_conninfo(stand, 0));
	if (options->role != NULL)
		make_role(stand, options->role);
	lab_segue_start(stand->segue);
	cr_assert(lab_wait_until(leads_there, &(struct reach){stand, 0}, STAND_TIMEOUT_MS), "%s",
	          log_of(stand));
	for (int i = 0; i < STAND_PROXIES; i++)
		stand->ledgers[i] = ledger_start(
		    stand->lab, &(struct ledger_options){.conninfo = stand->conninfo[i],
		                                         .client = i,
		                                         .timeout_ms = 60000});
	stand_must_serve(stand, 0);
}

void stand_fini(struct stand *stand)
{
	lab_destroy(stand->lab);
}

/* --- what it shows --- */

void stand_must_serve(struct stand *stand, int node)
{
	static const char *const names[] = {"HAProxy", "PgBouncer"};

	for (int i = 0; i < STAND_PROXIES; i++)
		cr_assert(ledger_wait_served(stand->ledgers[i], stand_port(stand, node),
		                             STAND_TIMEOUT_MS),
		          "no write through %s reaches node %d; segue's log:\n%s", names[i], node,
		          log_of(stand));
}

void stand_must_say(struct stand *stand, const char *first, ...)
{
	const char *words[4] = {NULL};
	size_t count = 0;
	va_list args;

	va_start(args, first);
	for (const char *word = va_arg(args, const char *); word != NULL && count < 3;
	     word = va_arg(args, const char *))
		words[count++] = word;
	va_end(args);
	cr_assert_not_null(lab_segue_wait_log(stand->segue, STAND_TIMEOUT_MS, first, words[0],
	                                      words[1], words[2], NULL),
	                   "segue does not say \"%s\":\n%s", first, log_of(stand));
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When the first row that node 1 acknowledged was there. */
static int64_t first_of_node1(const struct stand *stand)
{
	int64_t first = INT64_MAX;

	for (int p = 0; p < STAND_PROXIES; p++)
		for (uint32_t i = 0; i < ledger_acks(stand->ledgers[p]); i++) {
			const struct ledger_ack *ack = ledger_ack(stand->ledgers[p], i);

			if (ack->port == stand_port(stand, 1))
				first = smaller(first, ack->at_us);
		}
	return first;
}

static void judge_order(const struct stand *stand, const struct ledger *ledger)
{
	int64_t first = first_of_node1(stand);

	for (uint32_t i = 0; i < ledger_acks(ledger); i++) {
		const struct ledger_ack *ack = ledger_ack(ledger, i);

		cr_assert_not(ack->in_recovery);
		cr_assert(ack->port == stand_port(stand, 1) || ack->began_us <= first,
		          "node 0 acknowledged row %u, begun %" PRId64
		          " us after node 1's first one",
		          ack->n, ack->began_us - first);
	}
}

/* Rows that node 0 acknowledged so late that asynchronous replication may have lost them. */
static int64_t may_be_lost(const struct stand *stand, const struct ledger *ledger)
{
	int64_t count = 0;

	for (uint32_t i = 0; stand->lost_us != 0 && i < ledger_acks(ledger); i++) {
		const struct ledger_ack *ack = ledger_ack(ledger, i);

		count += ack->port == stand_port(stand, 0) && ack->at_us > stand->lost_us - 1000000;
	}
	return count;
}

void stand_judge(struct stand *stand, int node)
{
	for (int i = 0; i < STAND_PROXIES; i++) {
		struct ledger *ledger = stand->ledgers[i];
		auto_strbuf struct strbuf report = STRBUF_INIT;
		int64_t missing;

		ledger_stop(ledger);
		if (node == 1)
			judge_order(stand, ledger);
		missing = ledger_missing(ledger, stand_conninfo(stand, node), &report);
		cr_assert_geq(missing, 0, "node %d does not answer", node);
		cr_assert_leq(missing, may_be_lost(stand, ledger), "acknowledged and gone:\n%s",
		              report.data);
	}
}
