/* repmgr: the servers are the lab's own, registered in its tables, with a repmgrd for each. repmgr
 * needs neither ssh nor pg_ctl here: a promotion is a function call, a standby follows by reload.
 */
#include <stdlib.h>
#include <string.h>

#include "lab/internal.h"
#include "lab/lab_ha.h"

#define NODES_MAX          5 /* four and a witness */
#define ARGS_MAX           16
#define DEFAULT_ATTEMPTS   3
#define EXTENSION_SETTINGS "shared_preload_libraries = 'repmgr'\nwal_log_hints = on\n"

struct repmgr_node {
	struct lab_process *daemon;
	const char *name, *conf, *conninfo;
};

struct lab_repmgr {
	struct lab *lab;
	struct lab_pg *pg, *witness; /* NULL: none */
	const char *programs, *dir;
	int servers, count; /* with the witness */
	struct repmgr_node nodes[NODES_MAX];
};

/* Arguments: id, name, conninfo, data, programs, attempts, and repmgr with its configuration twice.
 */
static const char conf_text[] = "node_id=%d\n"
                                "node_name='%s'\n"
                                "conninfo='%s'\n"
                                "data_directory='%s'\n"
                                "pg_bindir='%s'\n"
                                "log_level=INFO\n"
                                "failover=automatic\n"
                                "monitor_interval_secs=1\n"
                                "reconnect_attempts=%d\n"
                                "reconnect_interval=1\n"
                                "promote_command='%s standby promote -f %s'\n"
                                "follow_command='%s standby follow -f %s --upstream-node-id=%%n'\n";

static void write_conf(struct lab_repmgr *repmgr, int i, const struct lab_repmgr_options *options)
{
	struct lab *lab = repmgr->lab;
	struct repmgr_node *node = &repmgr->nodes[i];
	const char *program = lab_printf(lab, "%s/repmgr", repmgr->programs);
	const char *data =
	    i < repmgr->servers ? lab_pg_data(repmgr->pg, i) : lab_pg_data(repmgr->witness, 0);
	int attempts =
	    options->reconnect_attempts > 0 ? options->reconnect_attempts : DEFAULT_ATTEMPTS;
	const char *text =
	    lab_printf(lab, conf_text, i + 1, node->name, node->conninfo, data, repmgr->programs,
	               attempts, program, node->conf, program, node->conf);

	if (options->event_command != NULL)
		text = lab_printf(lab, "%sevent_notification_command='%s'\n", text,
		                  options->event_command);
	lab_write_file(node->conf, text);
}

static void prepare_node(struct lab_repmgr *repmgr, int i, const struct lab_repmgr_options *options)
{
	struct repmgr_node *node = &repmgr->nodes[i];

	node->name = lab_printf(repmgr->lab, "node%d", i + 1);
	node->conf = lab_printf(repmgr->lab, "%s/%s.conf", repmgr->dir, node->name);
	node->conninfo = i < repmgr->servers ? lab_pg_conninfo(repmgr->pg, i)
	                                     : lab_pg_conninfo(repmgr->witness, 0);
	node->daemon =
	    process_create(repmgr->lab, lab_printf(repmgr->lab, "repmgrd-%s", node->name));
	write_conf(repmgr, i, options);
}

int lab_repmgr_run(struct lab_repmgr *repmgr, int node, const char *const *args,
                   struct strbuf *output)
{
	const char *argv[ARGS_MAX] = {lab_printf(repmgr->lab, "%s/repmgr", repmgr->programs), "-f",
	                              repmgr->nodes[node].conf};
	size_t count = 3;

	for (; *args != NULL; args++) {
		if (count == ARGS_MAX - 1)
			lab_fail("repmgr: more than %d arguments", ARGS_MAX - 1);
		argv[count++] = *args;
	}
	return process_run(repmgr->lab, argv, true, output);
}

/* A standby looks for the primary in its own copy of repmgr's tables. */
static void register_node(struct lab_repmgr *repmgr, int i)
{
	const char *first = repmgr->nodes[0].conninfo, *own = repmgr->nodes[i].conninfo;
	const char *const primary[] = {"primary", "register", NULL};
	const char *const standby[] = {"standby", "register", "--upstream-node-id=1",
	                               "--wait-sync=30", NULL};
	const char *const witness[] = {"witness", "register", "-d", first, NULL};
	const char *const *args = i == 0 ? primary : i < repmgr->servers ? standby : witness;
	auto_strbuf struct strbuf output = STRBUF_INIT;

	if (args == standby && !lab_wait_replays(first, own, READY_TIMEOUT_MS))
		process_fail(lab_pg_process(repmgr->pg, i), "does not replay");
	if (lab_repmgr_run(repmgr, i, args, &output) != 0)
		lab_fail("repmgr cannot register %s:\n%s", repmgr->nodes[i].name, output.data);
}

struct node_ref {
	struct lab_repmgr *repmgr;
	int node;
	size_t mark; /* bytes of its log that lie behind */
};

/* Its words once it has a connection to what it watches, and can decide about a failover. */
static bool watches(void *arg)
{
	const struct node_ref *ref = arg;
	const char *log = lab_process_log(ref->repmgr->nodes[ref->node].daemon);
	const char *text = lab_read_file(ref->repmgr->lab, log);

	if (strlen(text) < ref->mark)
		return false;
	text += ref->mark;
	return strstr(text, "monitoring cluster primary") != NULL ||
	       strstr(text, "monitoring connection to ") != NULL;
}

static void exec_daemon(struct lab_repmgr *repmgr, int node)
{
	const char *argv[] = {lab_printf(repmgr->lab, "%s/repmgrd", repmgr->programs),
	                      "-f",
	                      repmgr->nodes[node].conf,
	                      "--daemonize=false",
	                      "--no-pid-file",
	                      NULL};

	process_exec(repmgr->nodes[node].daemon, argv, true);
}

static void wait_daemon(struct lab_repmgr *repmgr, int node, size_t mark)
{
	process_wait_ready(repmgr->nodes[node].daemon, watches,
	                   &(struct node_ref){repmgr, node, mark}, "does not say that it monitors");
}

void lab_repmgr_daemon_start(struct lab_repmgr *repmgr, int node)
{
	const char *log = lab_process_log(repmgr->nodes[node].daemon);
	size_t mark = strlen(lab_read_file(repmgr->lab, log));

	exec_daemon(repmgr, node);
	wait_daemon(repmgr, node, mark);
}

struct lab_repmgr *lab_repmgr_start(struct lab *lab, const struct lab_repmgr_options *options)
{
	struct lab_repmgr *repmgr = lab_alloc(lab, sizeof(*repmgr), NULL);

	repmgr->lab = lab;
	repmgr->programs = postgres_programs(lab);
	repmgr->dir = postgres_folder(lab, "repmgr");
	repmgr->servers = options->nodes < NODES_MAX ? options->nodes : NODES_MAX - 1;
	repmgr->count = repmgr->servers + (options->witness ? 1 : 0);
	repmgr->pg = lab_pg_start_with(lab, repmgr->servers, EXTENSION_SETTINGS);
	if (options->witness)
		repmgr->witness = lab_pg_start_with(lab, 1, EXTENSION_SETTINGS);
	for (int i = 0; i < repmgr->count; i++) {
		prepare_node(repmgr, i, options);
		register_node(repmgr, i);
	}
	for (int i = 0; i < repmgr->count; i++)
		exec_daemon(repmgr, i);
	for (int i = 0; i < repmgr->count; i++)
		wait_daemon(repmgr, i, 0);
	return repmgr;
}

struct lab_pg *lab_repmgr_pg(struct lab_repmgr *repmgr)
{
	return repmgr->pg;
}

struct lab_pg *lab_repmgr_witness(struct lab_repmgr *repmgr)
{
	return repmgr->witness;
}

const char *lab_repmgr_conf(const struct lab_repmgr *repmgr, int node)
{
	return repmgr->nodes[node].conf;
}

struct lab_process *lab_repmgr_daemon(struct lab_repmgr *repmgr, int node)
{
	return repmgr->nodes[node].daemon;
}

struct primary_search {
	const struct lab_repmgr *repmgr;
	int not_node, found;
};

static bool has_primary(void *arg)
{
	struct primary_search *search = arg;

	for (int i = 0; i < search->repmgr->servers; i++)
		if (i != search->not_node && lab_takes_writes(search->repmgr->nodes[i].conninfo)) {
			search->found = i;
			return true;
		}
	return false;
}

int lab_repmgr_wait_primary(struct lab_repmgr *repmgr, int not_node, int64_t timeout_ms)
{
	struct primary_search search = {repmgr, not_node, -1};

	lab_wait_until(has_primary, &search, timeout_ms);
	return search.found;
}
