/* The servers, each machine a host of its own, and the logs that are kept after a violation. */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "chaos/chaos.h"

#define HAPROXY_PORT 5000

static const char pg_settings[] = "wal_receiver_timeout = 3s\nwal_sender_timeout = 3s\n"
                                  "tcp_keepalives_idle = 2\ntcp_keepalives_interval = 1\n"
                                  "tcp_keepalives_count = 3\n";

static void make_publisher(struct chaos *chaos, int node)
{
	auto_strbuf struct strbuf nodes = STRBUF_INIT;
	struct node *this = &chaos->nodes[node];

	for (int i = 0; i < NODES; i++)
		strbuf_printf(&nodes, "%shost=%s port=%u application_name=segue_%s",
		              i > 0 ? ", " : "", lab_host_address(chaos->nodes[i].host),
		              lab_pg_port(chaos->pg, i), lab_host_name(this->host));
	this->publisher = lab_segue_create(
	    chaos->lab,
	    lab_printf(chaos->lab,
	               "[segue]\nname = %s\n[zookeeper]\nhosts = %s\nsession_timeout = 4s\n"
	               "[cluster orders]\npath = /segue/orders\n"
	               "node.%s = %s:%u\nnode.%s = %s:%u\nnode.%s = %s:%u\n"
	               "[publisher orders]\ncluster = orders\nname = %s\nnodes = %s\n"
	               "conninfo = user=postgres dbname=postgres\nnotify_socket =\n"
	               "null_hold = %dms\n",
	               lab_host_name(this->host), lab_zk_hosts(chaos->zk),
	               lab_host_name(chaos->nodes[0].host), lab_host_address(chaos->nodes[0].host),
	               lab_pg_port(chaos->pg, 0), lab_host_name(chaos->nodes[1].host),
	               lab_host_address(chaos->nodes[1].host), lab_pg_port(chaos->pg, 1),
	               lab_host_name(chaos->nodes[2].host), lab_host_address(chaos->nodes[2].host),
	               lab_pg_port(chaos->pg, 2), lab_host_name(this->host), nodes.data,
	               NULL_HOLD_MS));
	lab_process_place(lab_segue_process(this->publisher), this->host);
	lab_segue_publish(this->publisher);
}

/* A file system of 1 MB, so that it can be full or read-only. */
static void make_state_dir(struct chaos *chaos, struct sidecar *sidecar, const char *name)
{
	sidecar->state_dir = lab_path(chaos->lab, name);
	if (mkdir(sidecar->state_dir, 0755) != 0 ||
	    mount("chaos", sidecar->state_dir, "tmpfs", 0, "size=1m,mode=755") != 0)
		lab_fail("cannot mount a tmpfs at %s: %s", sidecar->state_dir, strerror(errno));
}

static void make_sidecar(struct chaos *chaos, enum proxy proxy, const char *target)
{
	struct sidecar *sidecar = &chaos->sidecars[proxy];

	make_state_dir(chaos, sidecar, proxy == PROXY_HAPROXY ? "state-front" : "state-pool");
	sidecar->segue = lab_segue_create(
	    chaos->lab,
	    lab_printf(chaos->lab,
	               "[segue]\nname = %s\nstate_dir = %s\n"
	               "[zookeeper]\nhosts = %s\nsession_timeout = 4s\n"
	               "[cluster orders]\npath = /segue/orders\nverify = require\n"
	               "verify_conninfo = user=postgres dbname=postgres\nhold_timeout = 2m\n%s",
	               lab_host_name(sidecar->host), sidecar->state_dir, lab_zk_hosts(chaos->zk),
	               target));
	lab_process_place(lab_segue_process(sidecar->segue), sidecar->host);
	lab_segue_start(sidecar->segue);
}

static void start_haproxy(struct chaos *chaos)
{
	auto_free char *templates = realpath("templates", NULL);
	struct sidecar *sidecar = &chaos->sidecars[PROXY_HAPROXY];
	const char *address = lab_host_address(sidecar->host);

	chaos->haproxy = lab_haproxy_create(chaos->lab, "global\n\thard-stop-after 10m\n");
	lab_process_place(lab_haproxy_process(chaos->haproxy), sidecar->host);
	lab_haproxy_start(chaos->haproxy);
	sidecar->output =
	    lab_printf(chaos->lab, "%s/orders.cfg", lab_haproxy_conf_dir(chaos->haproxy));
	chaos->conninfo[PROXY_HAPROXY] = lab_printf(
	    chaos->lab, "host=%s port=%d user=postgres dbname=postgres", address, HAPROXY_PORT);
	make_sidecar(chaos, PROXY_HAPROXY,
	             lab_printf(chaos->lab,
	                        "[haproxy front]\ncluster = orders\n"
	                        "template = %s/haproxy.cfg.mustache\noutput = %s\n"
	                        "socket = %s\nmaster_socket = %s\n"
	                        "var.rw_bind = %s:%d\nvar.ro_bind = %s:%d\nvar.retries = 6000\n",
	                        templates, sidecar->output, lab_haproxy_socket(chaos->haproxy),
	                        lab_haproxy_master_socket(chaos->haproxy), address, HAPROXY_PORT,
	                        address, HAPROXY_PORT + 1));
}

static void start_bouncer(struct chaos *chaos)
{
	auto_free char *templates = realpath("templates", NULL);
	struct sidecar *sidecar = &chaos->sidecars[PROXY_PGBOUNCER];
	const char *address = lab_host_address(sidecar->host);

	/* listen_port stays the lab's own: the name of its unix socket has it. */
	chaos->bouncer = lab_pgbouncer_create(
	    chaos->lab,
	    lab_printf(chaos->lab, "listen_addr = %s\nquery_wait_timeout = 300", address));
	lab_process_place(lab_pgbouncer_process(chaos->bouncer), sidecar->host);
	lab_pgbouncer_start(chaos->bouncer);
	sidecar->output = lab_pgbouncer_databases_file(chaos->bouncer);
	chaos->conninfo[PROXY_PGBOUNCER] =
	    lab_printf(chaos->lab, "host=%s port=%u user=postgres dbname=postgres", address,
	               lab_pgbouncer_port(chaos->bouncer));
	make_sidecar(chaos, PROXY_PGBOUNCER,
	             lab_printf(chaos->lab,
	                        "[pgbouncer pool]\ncluster = orders\n"
	                        "template = %s/pgbouncer.ini.mustache\noutput = %s\n"
	                        "console = %s\nvar.dbname = postgres\npause_timeout = %dms\n",
	                        templates, sidecar->output, lab_pgbouncer_console(chaos->bouncer),
	                        PAUSE_TIMEOUT_MS));
}

static void make_hosts(struct chaos *chaos)
{
	for (int i = 0; i < NODES; i++)
		chaos->nodes[i].host =
		    lab_host_create(chaos->lab, lab_printf(chaos->lab, "db%d", i + 1));
	for (int i = 0; i < STORES; i++)
		chaos->store_hosts[i] =
		    lab_host_create(chaos->lab, lab_printf(chaos->lab, "zk%d", i + 1));
	chaos->sidecars[PROXY_HAPROXY].host = lab_host_create(chaos->lab, "front");
	chaos->sidecars[PROXY_PGBOUNCER].host = lab_host_create(chaos->lab, "pool");
}

void stage_start(struct chaos *chaos)
{
	struct lab_host *hosts[NODES];
	auto_free char *made = NULL;

	chaos->lab = lab_create("chaos");
	lab_net_start(chaos->lab);
	make_hosts(chaos);
	for (int i = 0; i < NODES; i++)
		hosts[i] = chaos->nodes[i].host;
	chaos->zk = lab_zk_start_at(chaos->lab, chaos->store_hosts, STORES);
	chaos->pg = lab_pg_start_at(chaos->lab, hosts, NODES, pg_settings);
	chaos->timeline = 1;
	made = lab_pg_query(node_conninfo(chaos, 0),
	                    "create table chaos (client int, n bigint, primary key (client, n))");
	if (made == NULL)
		lab_fail("cannot make the table of the chaos");
	for (int i = 0; i < NODES; i++)
		make_publisher(chaos, i);
	start_haproxy(chaos);
	start_bouncer(chaos);
	chaos_say(chaos, "three databases, three ZooKeepers, HAProxy and PgBouncer run in %s",
	          lab_dir(chaos->lab));
}

/* build/chaos-SEED, beside the program. */
void stage_keep_logs(struct chaos *chaos)
{
	auto_free char *self = realpath("/proc/self/exe", NULL);
	static const char copy[] = "rm -rf \"$2\" && mkdir -p \"$2\" && cd \"$1\" && "
	                           "cp -r *.log segue*/segue.ini \"$2\" 2>/dev/null; "
	                           "for i in segue*; do cp \"$i\"/segue.ini \"$2/$i.ini\"; done; "
	                           "rm -f \"$2\"/run-*.log \"$2\"/segue.ini";
	const char *argv[] = {"sh", "-c", copy, "sh", lab_dir(chaos->lab), NULL, NULL};

	chaos->kept = lab_printf(chaos->lab, "%s-%u", self, chaos->seed);
	argv[5] = chaos->kept;
	lab_run(chaos->lab, argv, NULL);
}
