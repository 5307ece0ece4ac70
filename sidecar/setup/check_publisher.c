/* `segue check`, publishers: asks every server as segue publish would, looks for repmgr's tables,
 * and asks ZooKeeper whether the master znode may be written. Writes nothing: it sends a set for a
 * version that no znode has, which ZooKeeper refuses after it has checked the ACL. */
#include <event2/event.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "publisher/observe.h"
#include "setup/check.h"
#include "topology/layout.h"
#include "zookeeper/store.h"
#include "zookeeper/write.h"

#define SLACK_MS 1000

/* The check of one publisher. */
struct trial {
	struct check *check;
	const struct config_publisher *config;
	const struct config_cluster *cluster;
	char *path;           /* the master znode */
	struct zk_write *set; /* NULL: ZooKeeper has answered */
	unsigned open;        /* how many answers are still awaited */
};

static void end_one(struct trial *trial)
{
	if (--trial->open == 0)
		event_base_loopbreak(trial->check->base);
}

/* -- the servers -- */

static void note_node(const struct trial *trial, const struct node_state *node)
{
	struct check *check = trial->check;
	auto_free char *name =
	    xasprintf("%s%s%s port %u", node->name, *node->name != '\0' ? " at " : "", node->host,
	              (unsigned)node->port);

	if (node->class != SERVER_ANSWERED)
		check_warn(check,
		           "is it running, and does pg_hba.conf let the role of conninfo in?",
		           "%s: %s", name, server_class_name(node->class));
	else if (node->role == NODE_WITNESS)
		check_ok(check, "%s is repmgr's witness", name);
	else if (node->in_recovery && node->timeline == 0 && node->receiving)
		check_warn(check, "GRANT pg_monitor TO the role of conninfo",
		           "%s is a standby, whose timeline the role may not read", name);
	else
		check_ok(check, "%s %s on timeline %lld", name,
		         node->in_recovery ? "is a standby" : "takes writes",
		         (long long)node->timeline);
}

static void note_repmgr(const struct trial *trial, const struct observation *seen)
{
	bool wanted = trial->config->repmgr == CONFIG_REPMGR_YES;
	const char *schema = trial->config->repmgr_schema;

	if (trial->config->repmgr == CONFIG_REPMGR_NO || seen->repmgr == NODE_QUERY_REPMGR_UNKNOWN)
		return;
	if (seen->repmgr == NODE_QUERY_REPMGR_READABLE)
		check_ok(trial->check, "repmgr's tables are read, in schema %s", schema);
	else if (seen->repmgr == NODE_QUERY_REPMGR_DENIED)
		check_fail(trial->check,
		           "GRANT USAGE on the schema, and SELECT on its tables nodes and events",
		           "the role may not read repmgr's tables in schema %s", schema);
	else
		check_note(trial->check, wanted ? CHECK_FAIL : CHECK_OK, trial->check->what,
		           wanted
		               ? "correct dbname in conninfo or repmgr_schema, or set repmgr = no"
		               : NULL,
		           "there is no repmgr in schema %s", schema);
}

static void on_observed(const struct observation *seen, void *arg)
{
	struct trial *trial = arg;
	size_t answers = 0;

	for (size_t i = 0; i < seen->count; i++) {
		note_node(trial, &seen->states[i]);
		answers += seen->states[i].class == SERVER_ANSWERED;
	}
	if (answers == 0 && trial->check->bystander)
		check_denied(trial->check, CHECK_FAIL, trial->check->what, "ask", "any server");
	else if (answers == 0)
		check_fail(trial->check, "segue publish could not see any server: see above",
		           "none of %zu servers answers", seen->count);
	note_repmgr(trial, seen);
	end_one(trial);
}

static void on_lost(void *arg)
{
	(void)arg; /* a next round would show it, but there is only one round */
}

/* -- ZooKeeper -- */

static void on_refused(const struct zk_answer *answer, void *arg)
{
	struct trial *trial = arg;
	struct check *check = trial->check;

	trial->set = NULL;
	switch (answer->result) {
	case ZK_RESULT_OK:
	case ZK_RESULT_EXISTS:
	case ZK_RESULT_BAD_VERSION:
		check_ok(check, "%s may be written", trial->path);
		break;
	case ZK_RESULT_NO_NODE:
		check_ok(check, "%s does not exist yet: the first publisher creates it",
		         trial->path);
		break;
	case ZK_RESULT_DENIED:
		check_fail(check, "auth_file has to have the user that the ACL names",
		           "%s may not be written: %s", trial->path, answer->problem);
		break;
	case ZK_RESULT_REFUSED:
	case ZK_RESULT_NOT_SENT:
	case ZK_RESULT_LOST:
		check_fail(check, "is ZooKeeper running?",
		           "cannot tell whether %s may be written: %s", trial->path,
		           answer->problem);
		break;
	}
	end_one(trial);
}

static void check_one(struct trial *trial, const struct libpq *pq, const struct store *store)
{
	const struct observe_options options = {
	    .base = trial->check->base,
	    .pq = pq,
	    .resolver = store->resolver,
	    .cluster = trial->cluster,
	    .config = trial->config,
	    .callbacks = {.observed = on_observed, .lost = on_lost, .arg = trial}};
	const int64_t ms = ZK_WRITE_TIMEOUT_MS + 4 * trial->cluster->verify_timeout_ms + SLACK_MS;
	struct observe *observe;
	struct err err;

	observe = observe_create(&options, &err);
	if (observe == NULL) {
		check_fail(trial->check, NULL, "%s", err.message);
		return;
	}
	observe_look(observe);
	trial->set = zk_write_set(store->zk, trial->path, "", 0, INT_MAX, on_refused, trial);
	trial->open = 2;
	check_run_loop(trial->check, ms);
	if (trial->open > 0)
		check_fail(trial->check, "is this host overloaded?", "no answer within %lld ms",
		           (long long)ms);
	zk_write_cancel(trial->set);
	observe_destroy(observe);
}

static void check_all(struct check *check, const struct libpq *pq, const struct store *store)
{
	const struct config *config = check->config;

	for (size_t i = 0; i < config->publisher_count; i++) {
		const struct config_publisher *publisher = &config->publishers[i];
		const struct config_cluster *cluster = &config->clusters[publisher->cluster_index];
		auto_free char *path = layout_master_path(cluster);
		struct trial trial = {
		    .check = check, .config = publisher, .cluster = cluster, .path = path};

		check_about(check, "publisher", publisher->section);
		check_one(&trial, pq, store);
	}
}

void check_publishers(struct check *check)
{
	const struct config *config = check->config;
	struct store *store = NULL;
	struct libpq pq;
	struct err err;

	if (config->publisher_count > 0)
		store = store_prepare(check->base, config, NULL, &err);
	if (store == NULL)
		return; /* check_store() notes it */
	if (libpq_load(&pq, &err) && store_open(store, &err))
		check_all(check, &pq, store);
	else
		check_note(check, CHECK_FAIL, "publisher", NULL, "%s", err.message);
	store_close(store);
}
