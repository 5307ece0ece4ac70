/* Patroni clusters on the lab's ZooKeeper. No fsync, trust on loopback, the superuser postgres for
 * everything; as root, Patroni and what it starts run as the user postgres. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lab/lab_ha.h"
#include "lab/patroni_internal.h"

#define NODES_MAX 4

struct patroni_node {
	struct machine machine;
	const char *name, *data, *conninfo, *address;
	uint16_t port, api_port;
};

struct lab_patroni {
	struct lab *lab;
	struct lab_zk *zk;
	const char *scope, *dir, *path;
	struct lab_patroni_options options;
	int count;
	struct patroni_node nodes[NODES_MAX];
};

/* Arguments: scope, name, address and API port twice, ZooKeeper's hosts, the times, address and
 * PostgreSQL's port twice, its programs, its data, a passfile, a folder for its socket (beside the
 * data: pg_rewind fails on one inside).
 * The ttl is at least loop_wait + 2 * retry_timeout, as Patroni demands. */
static const char node_config[] =
    "scope: %s\n"
    "name: %s\n"
    "restapi:\n"
    "  listen: %s:%u\n"
    "  connect_address: %s:%u\n"
    "zookeeper:\n"
    "  hosts: '%s'\n"
    "bootstrap:\n"
    "  dcs:\n"
    "    ttl: %d\n"
    "    loop_wait: %d\n"
    "    retry_timeout: %d\n"
    "    postgresql:\n"
    "      use_pg_rewind: true\n"
    "      parameters: {max_connections: 300}\n"
    "  initdb: [no-sync, {encoding: UTF8}, {locale: C}, {wal-segsize: '1'}]\n"
    "postgresql:\n"
    "  listen: %s:%u\n"
    "  connect_address: %s:%u\n"
    "  bin_dir: %s\n"
    "  data_dir: %s\n"
    "  pgpass: %s\n"
    "  authentication:\n"
    "    superuser: {username: postgres}\n"
    "    replication: {username: postgres}\n"
    "    rewind: {username: postgres}\n"
    "  basebackup: [no-sync, {checkpoint: fast}]\n"
    "  remove_data_directory_on_rewind_failure: true\n"
    "  pg_hba:\n"
    "    - host all all 127.0.0.1/32 trust\n"
    "    - host replication all 127.0.0.1/32 trust\n"
    "    - host all all 10.213.0.0/16 trust\n"
    "    - host replication all 10.213.0.0/16 trust\n"
    "  parameters:\n"
    "    fsync: 'off'\n"
    "    dynamic_shared_memory_type: mmap\n"
    "    autovacuum: 'off'\n"
    "    max_logical_replication_workers: 0\n"
    "    shared_buffers: 16MB\n"
    "    wal_keep_size: 64MB\n"
    "    max_wal_size: 128MB\n"
    "    unix_socket_directories: %s\n"
    "    wal_retrieve_retry_interval: 100ms\n"
    "watchdog: {mode: 'off'}\n";

static void prepare_node(struct lab_patroni *patroni, int i)
{
	struct patroni_node *node = &patroni->nodes[i];
	struct lab *lab = patroni->lab;
	const struct lab_patroni_options *options = &patroni->options;
	struct lab_host *host = options->hosts != NULL ? options->hosts[i] : NULL;
	const char *config;

	node->address = host_address(host);
	node->name = lab_printf(lab, "pg%d", i + 1);
	node->data = lab_printf(lab, "%s/%s", patroni->dir, node->name);
	node->port = lab_port(lab);
	node->api_port = lab_port(lab);
	node->conninfo =
	    lab_printf(lab, "host=%s port=%u user=postgres dbname=postgres connect_timeout=2",
	               node->address, node->port);
	config = lab_printf(lab, "%s.yml", node->data);
	lab_write_file(config,
	               lab_printf(lab, node_config, patroni->scope, node->name, node->address,
	                          node->api_port, node->address, node->api_port,
	                          lab_zk_hosts(patroni->zk), options->ttl, options->loop_wait,
	                          options->retry_timeout, node->address, node->port, node->address,
	                          node->port, postgres_programs(lab), node->data,
	                          lab_printf(lab, "%s.pgpass", node->data), patroni->dir));
	machine_init(&node->machine, lab, lab_printf(lab, "patroni-%s", node->name), config);
	process_place(node->machine.process, host_netns(host));
}

struct node_ref {
	struct lab_patroni *patroni;
	int node;
};

static bool leads(void *arg)
{
	const struct node_ref *ref = arg;

	return lab_takes_writes(ref->patroni->nodes[ref->node].conninfo) &&
	       lab_patroni_leader(ref->patroni) == ref->node;
}

/* It streams, and the store says so: that comes a loop_wait later. */
static bool is_replica(void *arg)
{
	const struct node_ref *ref = arg;
	const struct patroni_node *node = &ref->patroni->nodes[ref->node];
	auto_free char *path = xasprintf("%s/members/%s", ref->patroni->path, node->name);
	auto_strbuf struct strbuf member = STRBUF_INIT;

	return lab_zk_get(ref->patroni->zk, path, &member, NULL) &&
	       strstr(member.data, "\"state\":\"running\"") != NULL &&
	       strstr(member.data, "\"role\":\"replica\"") != NULL &&
	       lab_wait_streams(node->conninfo, 0);
}

/* Patroni takes some loop_waits to come up. */
static void wait_ready(struct lab_patroni *patroni, int node, bool (*cond)(void *arg),
                       const char *what)
{
	struct node_ref ref = {patroni, node};

	lab_wait_until(cond, &ref,
	               INT64_C(2) * READY_TIMEOUT_MS + INT64_C(10000) * patroni->options.loop_wait);
	process_wait_ready(patroni->nodes[node].machine.process, cond, &ref, what);
}

struct lab_patroni *lab_patroni_start_with(struct lab *lab, struct lab_zk *zk,
                                           const struct lab_patroni_options *options)
{
	struct lab_patroni *patroni = lab_alloc(lab, sizeof(*patroni), NULL);
	const char *scope = options->scope;
	int nodes = options->nodes;

	patroni->options = *options;
	if (options->ttl == 0) {
		patroni->options.ttl = 5;
		patroni->options.loop_wait = 1;
		patroni->options.retry_timeout = 2;
	}

	patroni->lab = lab;
	patroni->zk = zk;
	patroni->scope = lab_printf(lab, "%s", scope);
	patroni->path = lab_printf(lab, "/service/%s", scope);
	patroni->dir = postgres_folder(lab, "patroni");
	patroni->count = nodes < NODES_MAX ? nodes : NODES_MAX;
	for (int i = 0; i < patroni->count; i++) {
		prepare_node(patroni, i);
		machine_run_agent(&patroni->nodes[i].machine);
		if (i == 0)
			wait_ready(patroni, 0, leads, "does not lead");
	}
	for (int i = 1; i < patroni->count; i++)
		wait_ready(patroni, i, is_replica, "does not stream");
	return patroni;
}

struct lab_patroni *lab_patroni_start(struct lab *lab, struct lab_zk *zk, const char *scope,
                                      int nodes)
{
	return lab_patroni_start_with(
	    lab, zk, &(struct lab_patroni_options){.scope = scope, .nodes = nodes});
}

const char *lab_patroni_path(const struct lab_patroni *patroni)
{
	return patroni->path;
}

const char *lab_patroni_name(const struct lab_patroni *patroni, int node)
{
	return patroni->nodes[node].name;
}

const char *lab_patroni_address(const struct lab_patroni *patroni, int node)
{
	return patroni->nodes[node].address;
}

const char *lab_patroni_conninfo(const struct lab_patroni *patroni, int node)
{
	return patroni->nodes[node].conninfo;
}

uint16_t lab_patroni_port(const struct lab_patroni *patroni, int node)
{
	return patroni->nodes[node].port;
}

uint16_t lab_patroni_api_port(const struct lab_patroni *patroni, int node)
{
	return patroni->nodes[node].api_port;
}

int lab_patroni_leader(struct lab_patroni *patroni)
{
	const char *path = lab_printf(patroni->lab, "%s/leader", patroni->path);
	auto_strbuf struct strbuf name = STRBUF_INIT;

	if (!lab_zk_get(patroni->zk, path, &name, NULL))
		return -1;
	for (int i = 0; i < patroni->count; i++)
		if (strcmp(name.data, patroni->nodes[i].name) == 0)
			return i;
	return -1;
}

struct primary_search {
	const struct lab_patroni *patroni;
	int not_node, found;
};

static bool has_primary(void *arg)
{
	struct primary_search *search = arg;

	for (int i = 0; i < search->patroni->count; i++)
		if (i != search->not_node && lab_takes_writes(search->patroni->nodes[i].conninfo)) {
			search->found = i;
			return true;
		}
	return false;
}

int lab_patroni_wait_primary(struct lab_patroni *patroni, int not_node, int64_t timeout_ms)
{
	struct primary_search search = {patroni, not_node, -1};

	lab_wait_until(has_primary, &search, timeout_ms);
	return search.found;
}

struct lab_process *lab_patroni_machine(struct lab_patroni *patroni, int node)
{
	return patroni->nodes[node].machine.process;
}

void lab_patroni_cut(struct lab_patroni *patroni, int node)
{
	machine_cut(&patroni->nodes[node].machine);
}

pid_t lab_patroni_agent(const struct lab_patroni *patroni, int node)
{
	return atomic_load(patroni->nodes[node].machine.agent);
}

/* The file outlives a killed postmaster. */
pid_t lab_patroni_postgres(const struct lab_patroni *patroni, int node)
{
	const char *file = lab_printf(patroni->lab, "%s/postmaster.pid", patroni->nodes[node].data);
	pid_t pid = (pid_t)strtol(lab_read_file(patroni->lab, file), NULL, 10);

	return pid > 0 && kill(pid, 0) == 0 ? pid : 0;
}

static bool pid_is_gone(void *arg)
{
	return kill(*(pid_t *)arg, 0) != 0;
}

static void kill_part(struct lab_patroni *patroni, int node, pid_t pid, bool with_children)
{
	if (pid == 0)
		return;
	if (with_children)
		tree_signal(pid, SIGKILL);
	else
		kill(pid, SIGKILL);
	if (!lab_wait_until(pid_is_gone, &pid, READY_TIMEOUT_MS))
		process_fail(patroni->nodes[node].machine.process, "survives SIGKILL");
}

static bool agent_is_gone(void *arg)
{
	const struct machine *machine = arg;

	return atomic_load(machine->agent) == 0;
}

void lab_patroni_kill_agent(struct lab_patroni *patroni, int node)
{
	kill_part(patroni, node, lab_patroni_agent(patroni, node), false);
	lab_wait_until(agent_is_gone, &patroni->nodes[node].machine, READY_TIMEOUT_MS);
}

void lab_patroni_kill_postgres(struct lab_patroni *patroni, int node)
{
	kill_part(patroni, node, lab_patroni_postgres(patroni, node), true);
}

void lab_patroni_node_start(struct lab_patroni *patroni, int node)
{
	machine_run_agent(&patroni->nodes[node].machine);
}

/* `argv` begins with "patronictl", "-c" and room for a node's configuration. */
static void run_patronictl(struct lab_patroni *patroni, const char **argv)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;

	argv[2] = patroni->nodes[0].machine.config;
	if (lab_run(patroni->lab, argv, &output) != 0)
		lab_fail("patronictl %s failed:\n%s", argv[3], output.data);
}

void lab_patroni_switchover(struct lab_patroni *patroni, int from, int to)
{
	run_patronictl(patroni,
	               (const char *[]){"patronictl", "-c", NULL, "switchover", "--leader",
	                                patroni->nodes[from].name, "--candidate",
	                                patroni->nodes[to].name, "--force", patroni->scope, NULL});
}

void lab_patroni_pause(struct lab_patroni *patroni)
{
	run_patronictl(patroni, (const char *[]){"patronictl", "-c", NULL, "pause", "--wait",
	                                         patroni->scope, NULL});
}

void lab_patroni_resume(struct lab_patroni *patroni)
{
	run_patronictl(patroni, (const char *[]){"patronictl", "-c", NULL, "resume", "--wait",
	                                         patroni->scope, NULL});
}

void lab_patroni_set(struct lab_patroni *patroni, const char *setting)
{
	run_patronictl(patroni,
	               (const char *[]){"patronictl", "-c", NULL, "edit-config", "--force",
	                                "--quiet", "--set", setting, patroni->scope, NULL});
}
