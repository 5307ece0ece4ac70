/* The fixture of segue publish; see the header. */
#include "crowd.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "topology/layout.h"

#define MASTER CROWD_PATH "/master"

static const struct config_cluster cluster = {
    .name = (char *)"orders", .layout = CONFIG_LAYOUT_SEGUE, .path = (char *)CROWD_PATH};

const char *crowd_ini(struct crowd *crowd, int node, const char *settings)
{
	return lab_printf(
	    crowd->lab,
	    "[segue]\nname = pub%d\n"
	    "[zookeeper]\nhosts = %s\nsession_timeout = 4s\n"
	    "[cluster orders]\npath = " CROWD_PATH "\n"
	    "[publisher orders]\ncluster = orders\nname = pub%d\n"
	    "nodes = host=127.0.0.1 port=%u\nconninfo = user=postgres dbname=postgres\n"
	    "notify_socket = %s/notify%d.sock\n%s",
	    node + 1, lab_zk_hosts(crowd->zk), node + 1, lab_pg_port(crowd->pg, node),
	    lab_dir(crowd->lab), node + 1, settings != NULL ? settings : "");
}

/* Every node as repmgr would list it, where there is none. */
static const char *alone_settings(struct crowd *crowd, const char *settings)
{
	return lab_printf(crowd->lab, "repmgr = no\n%s", settings != NULL ? settings : "");
}

static const char *alone_ini(struct crowd *crowd, int node, const char *settings)
{
	const char *ini = crowd_ini(crowd, node, alone_settings(crowd, settings));
	const char *at = strstr(ini, "nodes = "), *end = strchr(at, '\n');

	return lab_printf(crowd->lab,
	                  "%.*snodes = host=127.0.0.1 port=%u, host=127.0.0.1 port=%u, "
	                  "host=127.0.0.1 port=%u%s",
	                  (int)(at - ini), ini, lab_pg_port(crowd->pg, 0),
	                  lab_pg_port(crowd->pg, 1), lab_pg_port(crowd->pg, 2), end);
}

void crowd_move_node(struct crowd *crowd, int publisher, int node, uint16_t port)
{
	const char *file = lab_segue_ini_file(crowd->publishers[publisher]);
	const char *ini = lab_read_file(crowd->lab, file);
	const char *from = lab_printf(crowd->lab, "port=%u", lab_pg_port(crowd->pg, node));
	const char *at = strstr(ini, from);

	cr_assert_not_null(at, "%s", ini);
	lab_write_file(file, lab_printf(crowd->lab, "%.*sport=%u%s", (int)(at - ini), ini, port,
	                                at + strlen(from)));
}

/* %n is repmgr's: the node's number, which the sockets have, too. */
static const char *event_command(struct crowd *crowd)
{
	return lab_printf(crowd->lab, "%s notify -s %s/notify%%n.sock orders",
	                  lab_segue_binary(crowd->lab), lab_dir(crowd->lab));
}

static void start_servers(struct crowd *crowd, const struct crowd_options *options)
{
	struct lab_repmgr_options repmgr = {.nodes = CROWD_NODES, .witness = true};

	crowd->zk = options->own_zk ? lab_zk_start(crowd->lab, 1) : lab_zk_share(crowd->lab);
	if (options->alone) {
		crowd->pg = lab_pg_start(crowd->lab, CROWD_NODES);
		return;
	}
	if (options->events)
		repmgr.event_command = event_command(crowd);
	crowd->repmgr = lab_repmgr_start(crowd->lab, &repmgr);
	crowd->pg = lab_repmgr_pg(crowd->repmgr);
}

void crowd_start(struct crowd *crowd, const struct crowd_options *options)
{
	*crowd = (struct crowd){.lab = lab_create("crowd")};
	start_servers(crowd, options);
	for (int i = 0; i < CROWD_NODES; i++) {
		crowd->publishers[i] = lab_segue_create(
		    crowd->lab, options->alone ? alone_ini(crowd, i, options->settings)
		                               : crowd_ini(crowd, i, options->settings));
		if (!options->quiet)
			lab_segue_publish(crowd->publishers[i]);
	}
	if (options->quiet)
		return;
	crowd_must_name(crowd, 0, 1);
	for (int i = 0; i < CROWD_NODES; i++)
		cr_assert(crowd_wait_present(crowd, i, true), "%s", crowd_logs(crowd));
}

void crowd_fini(struct crowd *crowd)
{
	lab_destroy(crowd->lab);
}

const char *crowd_logs(struct crowd *crowd)
{
	const char *all = "";

	for (int i = 0; i < CROWD_NODES; i++)
		all = lab_printf(crowd->lab, "%s--- pub%d ---\n%s\n", all, i + 1,
		                 lab_process_log_tail(lab_segue_process(crowd->publishers[i])));
	return all;
}

int crowd_primary(struct crowd *crowd, struct topology *out)
{
	auto_strbuf struct strbuf data = STRBUF_INIT;
	struct topology topology;
	struct err err;
	int found = -1;

	if (out != NULL)
		topology_init(out);
	if (!lab_zk_get(crowd->zk, MASTER, &data, NULL))
		return -1;
	cr_assert(layout_decode(&cluster, data.data, data.len, &topology, &err), "%s", err.message);
	for (int i = 0; topology.has_primary && i < CROWD_NODES; i++)
		if (topology.primary.port == lab_pg_port(crowd->pg, i))
			found = i;
	if (out != NULL)
		*out = topology;
	else
		topology_fini(&topology);
	return found;
}

struct wanted {
	struct crowd *crowd;
	int node;
	int64_t timeline; /* 0: any */
};

static bool is_named(void *arg)
{
	const struct wanted *wanted = arg;
	struct topology topology;
	bool is = crowd_primary(wanted->crowd, &topology) == wanted->node &&
	          (wanted->timeline == 0 || topology.timeline == wanted->timeline);

	topology_fini(&topology);
	return is;
}

static bool is_null(void *arg)
{
	auto_strbuf struct strbuf data = STRBUF_INIT;
	const struct crowd *crowd = arg;

	return lab_zk_get(crowd->zk, MASTER, &data, NULL) &&
	       strstr(data.data, "\"primary\":null") != NULL;
}

void crowd_must_name(struct crowd *crowd, int node, int64_t timeline)
{
	cr_assert(
	    lab_wait_until(is_named, &(struct wanted){crowd, node, timeline}, CROWD_TIMEOUT_MS),
	    "node %d is not named:\n%s", node, crowd_logs(crowd));
}

void crowd_must_name_nobody(struct crowd *crowd)
{
	cr_assert(lab_wait_until(is_null, crowd, CROWD_TIMEOUT_MS), "no null:\n%s",
	          crowd_logs(crowd));
}

struct presence_wanted {
	struct crowd *crowd;
	const char *path;
	bool there;
};

static bool is_as_wanted(void *arg)
{
	const struct presence_wanted *wanted = arg;

	return lab_zk_get(wanted->crowd->zk, wanted->path, NULL, NULL) == wanted->there;
}

bool crowd_wait_present(struct crowd *crowd, int publisher, bool there)
{
	const char *path = lab_printf(crowd->lab, CROWD_PATH "/publishers/pub%d", publisher + 1);

	return lab_wait_until(is_as_wanted, &(struct presence_wanted){crowd, path, there},
	                      CROWD_TIMEOUT_MS);
}
