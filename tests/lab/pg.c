/* PostgreSQL with streaming replication: node 0 starts as primary, the others as its standbys.
 * No fsync, trust on loopback; as root it runs as the user postgres. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/internal.h"

#define PG_NODES_MAX 4

struct pg_node {
	struct lab_process *process;
	const char *data, *conninfo;
	const char *address;
	uint16_t port;
};

struct lab_pg {
	struct lab *lab;
	const char *bin;      /* folder of the newest PostgreSQL's programs */
	const char *dir;      /* belongs to the user that PostgreSQL runs as */
	const char *settings; /* more lines for postgresql.auto.conf */
	const char *template; /* folder that nodes are copies of; NULL: none */
	bool hosts;           /* other hosts connect */
	int count;
	struct pg_node nodes[PG_NODES_MAX];
};

static const char settings[] = "unix_socket_directories = ''\n"
                               "fsync = off\n"
                               "dynamic_shared_memory_type = mmap\n" /* a kill leaves nothing */
                               "autovacuum = off\n"
                               "max_logical_replication_workers = 0\n"
                               "shared_buffers = 16MB\n"
                               "wal_keep_size = 64MB\n"
                               "max_wal_size = 128MB\n"
                               "max_connections = 300\n"
                               "wal_level = replica\n"
                               "hot_standby = on\n"
                               "wal_retrieve_retry_interval = 100ms\n"
                               "log_min_messages = warning\n";

const char *postgres_programs(struct lab *lab)
{
	const char *found = NULL;
	glob_t dirs;

	if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &dirs) == 0)
		found = lab_printf(lab, "%s", dirs.gl_pathv[dirs.gl_pathc - 1]);
	globfree(&dirs);
	if (found == NULL)
		lab_fail("no PostgreSQL in /usr/lib/postgresql: make deps installs it");
	return found;
}

const char *lab_pg_program(struct lab_pg *pg, const char *name)
{
	return lab_printf(pg->lab, "%s/%s", pg->bin, name);
}

/* PostgreSQL insists that its data belong to it. */
const char *postgres_folder(struct lab *lab, const char *name)
{
	const struct passwd *user = getpwnam("postgres");
	const char *dir = lab_printf(lab, "%s/%s%u", lab->dir, name, lab->counter++);

	if (user == NULL)
		user = getpwnam("nobody");
	if (mkdir(dir, 0755) != 0 ||
	    (geteuid() == 0 && user != NULL && chown(dir, user->pw_uid, user->pw_gid) != 0))
		lab_fail("cannot make %s: %s", dir, strerror(errno));
	return dir;
}

static void run_program(struct lab_pg *pg, const char *const *argv)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;

	if (process_run(pg->lab, argv, true, &output) != 0)
		lab_fail("%s failed:\n%s", argv[0], output.data);
}

static void append_settings(struct lab_pg *pg, int i)
{
	const char *path = lab_printf(pg->lab, "%s/postgresql.auto.conf", pg->nodes[i].data);
	const char *old = lab_read_file(pg->lab, path);

	lab_write_file(path,
	               lab_printf(pg->lab, "%s%slisten_addresses = '%s'\n%sport = %u\n", old,
	                          settings, pg->nodes[i].address, pg->settings, pg->nodes[i].port));
}

static void let_hosts_in(struct lab_pg *pg, int i)
{
	const char *path = lab_printf(pg->lab, "%s/pg_hba.conf", pg->nodes[i].data);

	lab_write_file(path, lab_printf(pg->lab,
	                                "%shost all all 10.0.0.0/8 trust\n"
	                                "host replication all 10.0.0.0/8 trust\n",
	                                lab_read_file(pg->lab, path)));
}

static void init(struct lab_pg *pg, const char *data)
{
	const char *argv[] = {lab_pg_program(pg, "initdb"),
	                      "--no-sync",
	                      "--auth=trust",
	                      "--username=postgres",
	                      "--no-instructions",
	                      "--locale=C",
	                      "--encoding=UTF8",
	                      "--wal-segsize=1",
	                      "-D",
	                      data,
	                      NULL};

	run_program(pg, argv);
}

/* ---- the template: initdb takes longer than all the rest, so that it is run once a build ---- */

static bool copy_folder(struct lab_pg *pg, const char *from, const char *to)
{
	const char *argv[] = {"cp", "-a", from, to, NULL};

	return process_run(pg->lab, argv, false, NULL) == 0;
}

/* Every node copies all of it, so that a third of initdb's files has to do: one database, postgres
 * (who wants another: CREATE DATABASE copies template1, which is gone), and one segment of WAL.
 * Free space maps are made again at need. The new WAL says wal_level = minimal, which no standby
 * takes, until a server has run on it. */
static void shrink(struct lab_pg *pg, const char *data)
{
	const char *script = lab_printf(pg->lab,
	                                "printf '%%s\\n' "
	                                "\"update pg_database set datistemplate = false\" "
	                                "'drop database template0' 'drop database template1' | "
	                                "%s/postgres --single -D %s postgres",
	                                pg->bin, data);
	const char *drop[] = {"sh", "-c", script, NULL};
	const char *wal[] = {lab_pg_program(pg, "pg_resetwal"), "-D", data, NULL};
	const char *level[] = {
	    lab_pg_program(pg, "postgres"), "--single", "-D", data, "postgres", NULL};
	const char *maps[] = {"find", data, "-name", "*_fsm", "-delete", NULL};

	run_program(pg, drop);
	run_program(pg, wal);
	run_program(pg, level);
	run_program(pg, maps);
}

static bool make_template(void *arg, const char *path)
{
	struct lab_pg *pg = arg;
	const char *data = lab_printf(pg->lab, "%s/node", postgres_folder(pg->lab, "template"));

	init(pg, data);
	shrink(pg, data);
	return copy_folder(pg, data, path);
}

/* Of these programs; NULL: it cannot be kept. Copies of one template have one system identifier, so
 * that each cluster of a lab has another template. */
static const char *find_template(struct lab_pg *pg)
{
	char version[16];

	if (sscanf(pg->bin, "/usr/lib/postgresql/%15[^/]/bin", version) != 1)
		return NULL;
	return once_made(pg->lab,
	                 lab_printf(pg->lab, "postgresql-%s-cluster%u", version, pg->lab->clusters),
	                 make_template, pg);
}

static bool copy_template(struct lab_pg *pg, int i)
{
	if (i == 0)
		pg->template = find_template(pg);
	return pg->template != NULL && copy_folder(pg, pg->template, pg->nodes[i].data);
}

static void make_primary(struct lab_pg *pg)
{
	if (!copy_template(pg, 0))
		init(pg, pg->nodes[0].data);
	append_settings(pg, 0);
	if (pg->hosts)
		let_hosts_in(pg, 0);
}

/* The standby goes on calling itself nodeN (from 1) to its primary, as repmgr's do. */
static const char *source_of(struct lab_pg *pg, int node, int primary)
{
	return lab_printf(pg->lab, "%s application_name=node%d", pg->nodes[primary].conninfo,
	                  node + 1);
}

static int copy_primary(struct lab_pg *pg, int node, int primary, struct strbuf *output)
{
	const char *argv[] = {lab_pg_program(pg, "pg_basebackup"),
	                      "--no-sync",
	                      "--checkpoint=fast",
	                      "--write-recovery-conf",
	                      "--dbname",
	                      source_of(pg, node, primary),
	                      "-D",
	                      pg->nodes[node].data,
	                      NULL};
	int status = process_run(pg->lab, argv, true, output);

	if (status == 0)
		append_settings(pg, node);
	return status;
}

/* A copy of what the primary is a copy of: it has yet to stream all that the primary did. */
static void follow_primary(struct lab_pg *pg, int i)
{
	const char *data = pg->nodes[i].data;
	const char *signal = lab_printf(pg->lab, "%s/standby.signal", data);
	const char *settings_path = lab_printf(pg->lab, "%s/postgresql.auto.conf", data);
	struct stat owner;

	append_settings(pg, i);
	lab_write_file(settings_path,
	               lab_printf(pg->lab, "%sprimary_conninfo = '%s'\n",
	                          lab_read_file(pg->lab, settings_path), source_of(pg, i, 0)));
	lab_write_file(signal, "");
	if (stat(data, &owner) != 0 || chown(signal, owner.st_uid, owner.st_gid) != 0)
		lab_fail("cannot hand over %s: %s", signal, strerror(errno));
	if (pg->hosts)
		let_hosts_in(pg, i);
}

static void make_standby(struct lab_pg *pg, int i)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;

	if (pg->template != NULL && copy_template(pg, i)) {
		follow_primary(pg, i);
		return;
	}
	if (copy_primary(pg, i, 0, &output) != 0)
		lab_fail("pg_basebackup failed:\n%s", output.data);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* postgresql.auto.conf comes with the copy, and of two lines with the same name the last counts. */
bool lab_pg_rebuild(struct lab_pg *pg, int node, int primary)
{
	if (lab_process_alive(pg->nodes[node].process))
		lab_fail("rebuilding a PostgreSQL server that runs");
	if (nftw(pg->nodes[node].data, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		lab_fail("cannot remove %s: %s", pg->nodes[node].data, strerror(errno));
	return copy_primary(pg, node, primary, NULL) == 0;
}

bool lab_pg_follow(struct lab_pg *pg, int node, int primary)
{
	const char *conninfo = pg->nodes[node].conninfo;
	auto_free char *set =
	    lab_pg_query(conninfo, lab_printf(pg->lab, "alter system set primary_conninfo = '%s'",
	                                      source_of(pg, node, primary)));
	auto_free char *loaded =
	    set != NULL ? lab_pg_query(conninfo, "select pg_reload_conf()") : NULL;

	return loaded != NULL;
}

void lab_pg_node_start(struct lab_pg *pg, int node)
{
	const char *argv[] = {lab_pg_program(pg, "postgres"), "-D", pg->nodes[node].data, NULL};

	process_exec(pg->nodes[node].process, argv, true);
}

struct node_ref {
	struct lab_pg *pg;
	int node;
	bool in_recovery; /* wanted */
};

static bool takes_queries(void *arg)
{
	const struct node_ref *ref = arg;

	return PQping(lab_pg_conninfo(ref->pg, ref->node)) == PQPING_OK;
}

static void start_and_wait(struct lab_pg *pg, int i)
{
	lab_pg_node_start(pg, i);
	process_wait_ready(pg->nodes[i].process, takes_queries, &(struct node_ref){pg, i, false},
	                   "does not take queries");
}

struct lab_pg *lab_pg_start_at(struct lab *lab, struct lab_host *const *hosts, int nodes,
                               const char *more_settings)
{
	struct lab_pg *pg = lab_alloc(lab, sizeof(*pg), NULL);

	pg->lab = lab;
	pg->bin = postgres_programs(lab);
	pg->count = nodes < PG_NODES_MAX ? nodes : PG_NODES_MAX;
	pg->dir = postgres_folder(lab, "pg");
	pg->settings = more_settings;
	pg->hosts = hosts != NULL;
	for (int i = 0; i < pg->count; i++) {
		struct pg_node *node = &pg->nodes[i];

		node->process = process_create(lab, lab_printf(lab, "postgres%d", i));
		node->data = lab_printf(lab, "%s/node%d", pg->dir, i);
		node->port = lab_port(lab);
		node->address = host_address(hosts != NULL ? hosts[i] : NULL);
		process_place(node->process, host_netns(hosts != NULL ? hosts[i] : NULL));
		node->conninfo = lab_printf(lab,
		                            "host=%s port=%u user=postgres dbname=postgres "
		                            "connect_timeout=2",
		                            node->address, node->port);
		if (i == 0)
			make_primary(pg);
		else
			make_standby(pg, i);
		start_and_wait(pg, i);
	}
	lab->clusters++;
	return pg;
}

struct lab_pg *lab_pg_start_with(struct lab *lab, int nodes, const char *more_settings)
{
	return lab_pg_start_at(lab, NULL, nodes, more_settings);
}

struct lab_pg *lab_pg_start(struct lab *lab, int nodes)
{
	return lab_pg_start_with(lab, nodes, "");
}

void lab_pg_rejoin(struct lab_pg *pg, int node, int of)
{
	lab_process_stop(pg->nodes[node].process);
	if (!lab_pg_rebuild(pg, node, of))
		lab_fail("pg_basebackup of node %d from node %d failed", node, of);
	start_and_wait(pg, node);
}

const char *lab_pg_data(const struct lab_pg *pg, int node)
{
	return pg->nodes[node].data;
}

uint16_t lab_pg_port(const struct lab_pg *pg, int node)
{
	return pg->nodes[node].port;
}

const char *lab_pg_conninfo(const struct lab_pg *pg, int node)
{
	return pg->nodes[node].conninfo;
}

struct lab_process *lab_pg_process(struct lab_pg *pg, int node)
{
	return pg->nodes[node].process;
}

char *lab_pg_query(const char *conninfo, const char *sql)
{
	PGconn *conn = PQconnectdb(conninfo);
	PGresult *result = PQstatus(conn) == CONNECTION_OK ? PQexec(conn, sql) : NULL;
	char *value = NULL;

	if (PQresultStatus(result) == PGRES_COMMAND_OK)
		value = xstrdup("");
	else if (PQresultStatus(result) == PGRES_TUPLES_OK)
		value = xstrdup(PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	PQfinish(conn);
	return value;
}

static bool is_in_state(void *arg)
{
	const struct node_ref *ref = arg;
	auto_free char *value =
	    lab_pg_query(lab_pg_conninfo(ref->pg, ref->node), "select pg_is_in_recovery()");

	return value != NULL && strcmp(value, ref->in_recovery ? "t" : "f") == 0;
}

bool lab_pg_wait_recovery(struct lab_pg *pg, int node, bool in_recovery, int64_t timeout_ms)
{
	return lab_wait_until(is_in_state, &(struct node_ref){pg, node, in_recovery}, timeout_ms);
}

void lab_pg_promote(struct lab_pg *pg, int node)
{
	auto_free char *promoted =
	    lab_pg_query(pg->nodes[node].conninfo, "select pg_promote(true, 30)");

	if (promoted == NULL || strcmp(promoted, "t") != 0 ||
	    !lab_pg_wait_recovery(pg, node, false, READY_TIMEOUT_MS))
		process_fail(pg->nodes[node].process, "is not promoted");
}
