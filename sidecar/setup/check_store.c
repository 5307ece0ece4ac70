/* `segue check`, ZooKeeper: opens a session and reads every master znode. */
#include <event2/event.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/override.h"
#include "cluster/state_file.h"
#include "setup/check.h"
#include "topology/layout.h"
#include "watch/patroni_keys.h"
#include "zookeeper/store.h"

/* Overrides: a forgotten pin or freeze stops segue's work as surely as a broken template. Only
 * reads the files in state_dir. */

static void check_override(struct check *check, const char *cluster)
{
	auto_free char *file = override_file(check->config->state_dir, cluster);
	auto_free char *fix = xasprintf("segue release %s ends it", cluster);
	auto_strbuf struct strbuf origin = STRBUF_INIT;
	struct override override;
	struct err err;

	check_about(check, "cluster", cluster);
	if (!check_may_read(check, CHECK_FAIL, check->what, file))
		return;
	if (!override_load(check->config->state_dir, cluster, &override, &err)) {
		check_fail(check, fix, "%s", err.message);
		return;
	}
	if (*override.by != '\0')
		strbuf_printf(&origin, ", by %s", override.by);
	if (*override.since != '\0')
		strbuf_printf(&origin, ", since %s", override.since);
	if (override.kind == OVERRIDE_PIN)
		check_warn(check, fix,
		           "pinned to %s port %u%s: segue ignores what ZooKeeper and the servers "
		           "say",
		           override.address, (unsigned) override.port, origin.data);
	else if (override.kind == OVERRIDE_FREEZE)
		check_warn(check, fix, "frozen%s: segue moves no traffic and holds no clients",
		           origin.data);
}

void check_overrides(struct check *check)
{
	for (size_t i = 0; i < check->config->cluster_count; i++)
		check_override(check, check->config->clusters[i].name);
}

#define ANSWER_MAX_MS 10000 /* from the start to the last answer */

/* The znodes that are read. */
struct questions {
	struct check *check;
	struct zk *zk;
	struct question *all;
	size_t count, open; /* open: not answered yet */
};

/* One znode: the master znode of a cluster, its presence znode, or the chroot. */
struct question {
	struct questions *questions;
	/* NULL: "/", which is missing only under a chroot that does not exist. */
	const struct config_cluster *cluster;
	struct topology *topology; /* of the cluster, in check->topologies */
	bool presence, answered;
	char *path;
	struct zk_node *node;
	struct patroni_keys *scope; /* layout patroni: used instead of `node` */
	/* If `path` does not exist: a znode above it, whose children are listed. */
	char *above_path;
	struct zk_node *above;
};

/* The check, whose notes are about this question from now on. */
static struct check *check_of(const struct question *question)
{
	const struct config_cluster *cluster = question->cluster;
	struct check *check = question->questions->check;

	check_about(check, cluster != NULL ? "cluster" : "zookeeper",
	            cluster != NULL ? cluster->name : NULL);
	return check;
}

static void note_topology(const struct question *question, const struct topology *topology)
{
	static const char *const losses[] = {
	    [CONFIG_LOSS_HOLD] = "clients are held until it does, for hold_timeout at most "
	                         "(on_primary_loss = hold)",
	    [CONFIG_LOSS_FENCE] = "clients are refused until it does (on_primary_loss = fence)",
	    [CONFIG_LOSS_KEEP] = "clients stay with the last primary (on_primary_loss = keep)"};
	struct check *check = check_of(question);
	const struct member *primary = &topology->primary;

	if (!topology->has_primary) {
		check_warn(check, losses[question->cluster->on_primary_loss], "%s names no primary",
		           question->path);
		return;
	}
	check_ok(check, "%s names %s%s%s port %u", question->path, primary->name,
	         *primary->name != '\0' ? " at " : "", primary->host, primary->port);
	topology_follow(question->topology, topology);
}

static void note_wrong(const struct question *question, const struct err *err)
{
	check_fail(check_of(question), "segue moves no traffic until it is correct", "%s: %s",
	           question->path, err->message);
}

static void note_denied(const struct question *question, const char *problem)
{
	check_fail(check_of(question), "correct auth_file or the znode's ACL", "%s: %s",
	           question->path, problem);
}

static void note_value(const struct question *question, const struct zk_node_fact *fact)
{
	struct topology topology;
	struct err err;

	if (fact->data == NULL) {
		check_fail(check_of(question), "segue reads at most 64 KiB", "%s has %zu bytes",
		           question->path, fact->size);
	} else if (layout_decode(question->cluster, fact->data, fact->size, &topology, &err)) {
		note_topology(question, &topology);
		topology_fini(&topology);
	} else {
		note_wrong(question, &err);
	}
}

static void note_presence(const struct question *question, const struct zk_node_fact *fact)
{
	struct check *check = check_of(question);

	if (fact->ephemeral_children > 0)
		check_ok(check, "%s: live publishers %d", question->path, fact->ephemeral_children);
	else
		check_warn(check,
		           "with presence = yes segue moves no traffic until a publisher runs",
		           "%s: no live publisher", question->path);
}

/* The master znode is missing: if the state file shows that `segue run` has followed one, notes
 * what `segue run` does about that. False: as far as is known, it has followed none. */
static bool note_followed_before(const struct question *question)
{
	struct check *check = check_of(question);
	const struct config *config = check->config;
	auto_strbuf struct strbuf note = STRBUF_INIT;
	auto_free char *file = state_file(config->state_dir, question->cluster);
	struct applied applied;
	struct err unused;
	bool followed = state_load(config->state_dir, question->cluster, config->zookeeper_hosts,
	                           &applied, &note, &unused) &&
	                applied.has_topology;

	if (followed && applied.zxid == 0)
		check_fail(check,
		           "correct path in its [cluster], or hosts in [zookeeper]; until it "
		           "exists segue run keeps the last primary",
		           "%s does not exist, and the state file %s was written for another path, "
		           "ZooKeeper or layout",
		           question->path, file);
	else if (followed)
		check_fail(check,
		           "segue run has followed it before, so its absence means \"no primary\": "
		           "on_primary_loss applies until it is written again",
		           "%s does not exist any more", question->path);
	applied_fini(&applied);
	return followed;
}

/* Layout plain: another program writes the znode in its own format, so no command is suggested. */
static void note_absent(const struct question *question)
{
	const char *fix =
	    "segue moves no traffic until it is written: start segue publish beside a PostgreSQL "
	    "server, or create it by hand, its parents first: zkCli.sh create ... "
	    "'{\"version\":1,\"primary\":{\"host\":\"ADDRESS\",\"port\":5432}}'; or is path in its "
	    "[cluster] wrong?";

	if (question->presence)
		fix = "segue moves no traffic until a publisher runs: start segue publish beside a "
		      "PostgreSQL server, or set presence = no";
	else if (note_followed_before(question))
		return;
	else if (question->cluster->layout == CONFIG_LAYOUT_PLAIN)
		fix = "segue moves no traffic until it is written; is path in its [cluster] right?";
	check_warn(check_of(question), fix, "%s does not exist", question->path);
}

static void end_answer(struct question *question)
{
	question->answered = true;
	if (--question->questions->open == 0)
		event_base_loopbreak(question->questions->check->base);
}

/* -- znodes that do not exist -- */

static void above_answered(const struct zk_node_fact *fact, void *arg);

static void look_above(struct question *question, const char *path)
{
	size_t len = (size_t)(strrchr(path, '/') - path);
	char *above_path = xstrndup(path, len > 0 ? len : 1);

	if (question->above != NULL)
		zk_unwatch(question->above);
	free(question->above_path);
	question->above_path = above_path;
	question->above = zk_watch(question->questions->zk, above_path, ZK_WATCH_NAMES, 0,
	                           above_answered, question);
}

/* Notes that the scope does not exist. Patroni creates it at its first run. */
static void note_no_scope(const struct question *question, const struct zk_node_fact *above)
{
	auto_strbuf struct strbuf fix = STRBUF_INIT;

	strbuf_append_str(&fix, "is path right (NAMESPACE/SCOPE of a Patroni that has run)? ");
	if (above->state == ZK_NODE_DENIED)
		strbuf_append_str(&fix, above->problem);
	else
		strbuf_printf(&fix, "%s has %s", question->above_path,
		              above->name_count > 0 ? "the children " : "no children");
	patroni_keys_append_names(&fix, above->names, above->name_count);
	check_fail(check_of(question), fix.data, "%s does not exist", question->path);
}

/* The znode above may be a Patroni scope. Then the layout is wrong, and nobody should create a
 * master znode there. */
static void above_answered(const struct zk_node_fact *fact, void *arg)
{
	struct question *question = arg;
	bool is_patroni = question->cluster->layout == CONFIG_LAYOUT_PATRONI;

	if (question->answered || fact->state == ZK_NODE_UNKNOWN || !fact->connected)
		return;
	if (is_patroni && fact->state == ZK_NODE_ABSENT && question->above_path[1] != '\0') {
		look_above(question, question->above_path);
		return;
	}
	if (is_patroni)
		note_no_scope(question, fact);
	else if (patroni_keys_has_keys(fact->names, fact->name_count))
		check_fail(check_of(question), "set layout = patroni in its [cluster]",
		           "%s has the keys of a Patroni scope, but layout is segue",
		           question->above_path);
	else
		note_absent(question);
	end_answer(question);
}

/* -- layout patroni: the leader, the standbys, which of them get read-only clients, and why a
 * member is not used -- */

/* Notes that the leader's member key is missing. Patroni, if it is alive, writes that key again
 * within loop_wait. */
static void note_lost_leader(const struct question *question, const struct layout_patroni *keys,
                             const char *leader)
{
	auto_strbuf struct strbuf members = STRBUF_INIT;

	for (size_t i = 0; i < keys->member_count; i++)
		strbuf_printf(&members, "%s%s", i > 0 ? ", " : "", keys->members[i].name);
	check_fail(check_of(question),
	           "is Patroni running there (patronictl list)? Only Patroni may write the leader "
	           "key",
	           "%s: the leader key names %s, which has no member key; members: %s",
	           question->path, leader, members.len > 0 ? members.data : "none");
}

static void note_members(const struct question *question, const struct layout_patroni *keys,
                         const struct topology *topology, const struct layout_patroni_notes *notes)
{
	struct check *check = check_of(question);

	for (size_t i = 0; i < topology->standby_count; i++) {
		const struct member *standby = &topology->standbys[i];
		auto_free char *lag =
		    standby->lag_bytes >= 0
		        ? xasprintf("%" PRId64 " bytes behind", standby->lag_bytes)
		        : xstrdup("lag not known");

		check_ok(check, "standby %s at %s port %u, %s%s", standby->name, standby->host,
		         standby->port, lag, standby->no_reads ? ", no readers" : "");
	}
	if (notes->no_reads.len > 0)
		check_ok(check, "%s: without readers: %s", question->path, notes->no_reads.data);
	if (notes->left_out.len > 0)
		check_warn(check, "correct it in Patroni", "%s: left out: %s", question->path,
		           notes->left_out.data);
	if (topology->paused)
		check_warn(check, "patronictl resume",
		           "%s: Patroni is paused: it promotes no standby by itself",
		           question->path);
	if (!topology->has_primary && topology->leader != NULL)
		note_lost_leader(question, keys, topology->leader);
	else if (!topology->has_primary && keys->leader.present)
		check_warn(check, NULL, "%s: this is a standby cluster: its leader takes no writes",
		           question->path);
}

static void note_scope(const struct question *question, const struct patroni_keys_fact *fact)
{
	auto_patroni_notes struct layout_patroni_notes notes = LAYOUT_PATRONI_NOTES_INIT;
	struct topology topology;
	struct err err;

	if (fact->state == PATRONI_KEYS_DENIED) {
		note_denied(question, fact->problem);
	} else if (fact->problem != NULL) {
		check_fail(check_of(question), NULL, "%s", fact->problem);
	} else if (layout_patroni_decode(fact->keys, &topology, &notes, &err)) {
		note_members(question, fact->keys, &topology, &notes);
		question->topology->times = topology.times;
		note_topology(question, &topology);
		topology_fini(&topology);
	} else {
		note_wrong(question, &err);
	}
}

static void patroni_keys_answered(const struct patroni_keys_fact *fact, void *arg)
{
	struct question *question = arg;

	if (question->answered)
		return;
	switch (fact->state) {
	case PATRONI_KEYS_UNREACHABLE:
		event_base_loopbreak(question->questions->check->base);
		return;
	case PATRONI_KEYS_ABSENT:
		look_above(question, question->path);
		return;
	case PATRONI_KEYS_DENIED:
	case PATRONI_KEYS_READ:
		note_scope(question, fact);
		end_answer(question);
		return;
	}
}

/* libzookeeper puts the chroot before every path: without that znode no path exists. */
static void note_answer(const struct question *question, const struct zk_node_fact *fact)
{
	struct check *check = check_of(question);

	if (question->cluster == NULL && fact->state == ZK_NODE_ABSENT)
		check_fail(check,
		           "correct the chroot at the end of hosts in [zookeeper], or create that "
		           "znode",
		           "ZooKeeper has no znode %s, which is the chroot of all paths",
		           strchr(check->config->zookeeper_hosts, '/'));
	else if (question->cluster == NULL)
		return;
	else if (fact->state == ZK_NODE_ABSENT)
		note_absent(question);
	else if (fact->state == ZK_NODE_DENIED)
		note_denied(question, fact->problem);
	else if (question->presence)
		note_presence(question, fact);
	else
		note_value(question, fact);
}

static void answered(const struct zk_node_fact *fact, void *arg)
{
	struct question *question = arg;

	if (fact->state == ZK_NODE_UNKNOWN && !fact->connected) /* all hosts have failed */
		event_base_loopbreak(question->questions->check->base);
	if (question->answered || fact->state == ZK_NODE_UNKNOWN || !fact->connected)
		return;
	if (fact->state == ZK_NODE_ABSENT && question->cluster != NULL && !question->presence &&
	    question->cluster->layout == CONFIG_LAYOUT_SEGUE) {
		look_above(question, question->path);
		return;
	}
	note_answer(question, fact);
	end_answer(question);
}

/* `path` is taken over. */
static void ask(struct questions *questions, const struct config_cluster *cluster,
                struct topology *topology, bool presence, char *path)
{
	struct question *question = &questions->all[questions->count++];

	*question = (struct question){.questions = questions,
	                              .cluster = cluster,
	                              .topology = topology,
	                              .presence = presence,
	                              .path = path};
	questions->open++;
	if (cluster != NULL && cluster->layout == CONFIG_LAYOUT_PATRONI)
		question->scope = patroni_keys_watch(questions->zk, questions->check->base, path,
		                                     patroni_keys_answered, question);
	else
		question->node =
		    zk_watch(questions->zk, path, presence ? ZK_WATCH_CHILDREN : ZK_WATCH_DATA,
		             LAYOUT_VALUE_MAX, answered, question);
}

static void end_question(struct question *question, bool connected)
{
	if (!question->answered && connected)
		check_fail(check_of(question), "is the ensemble overloaded?",
		           "%s: no answer within %d s", question->path, ANSWER_MAX_MS / 1000);
	patroni_keys_unwatch(question->scope);
	if (question->node != NULL)
		zk_unwatch(question->node);
	if (question->above != NULL)
		zk_unwatch(question->above);
	free(question->above_path);
	free(question->path);
}

static void ask_all(struct check *check, struct zk *zk)
{
	const struct config *config = check->config;
	struct questions questions = {.check = check, .zk = zk};

	questions.all = xcalloc(config->cluster_count * 2 + 1, sizeof(*questions.all));
	for (size_t i = 0; i < config->cluster_count; i++) {
		const struct config_cluster *cluster = &config->clusters[i];
		struct topology *topology = &check->topologies[i];

		ask(&questions, cluster, topology, false, layout_master_path(cluster));
		if (cluster->presence)
			ask(&questions, cluster, topology, true, layout_presence_path(cluster));
	}
	if (strchr(config->zookeeper_hosts, '/') != NULL)
		ask(&questions, NULL, NULL, false, xstrdup("/"));
	check_run_loop(check, ANSWER_MAX_MS);
	if (zk_connected(zk))
		check_note(check, CHECK_OK, "zookeeper", NULL, "%s", zk_describe(zk));
	else
		check_note(check, CHECK_FAIL, "zookeeper",
		           "is hosts in [zookeeper] right, is ZooKeeper running there (systemctl "
		           "status zookeeper), does a firewall block it?",
		           "no session: %s", zk_describe(zk));
	for (size_t i = 0; i < questions.count; i++)
		end_question(&questions.all[i], zk_connected(zk));
	free(questions.all);
}

/* Resolves a host name as the watcher does, but blocks, which is no problem here. */
static bool resolve(struct member *member, struct err *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	int rc;

	if (*member->address != '\0')
		return true;
	rc = getaddrinfo(member->host, NULL, &hints, &found);
	if (rc != 0)
		return err_set(err, "%s: %s", member->host, gai_strerror(rc));
	rc = getnameinfo(found->ai_addr, found->ai_addrlen, member->address,
	                 sizeof(member->address), NULL, 0, NI_NUMERICHOST);
	freeaddrinfo(found);
	return rc == 0 || err_set(err, "%s: %s", member->host, gai_strerror(rc));
}

static void resolve_all(struct check *check, size_t index)
{
	struct topology *topology = &check->topologies[index];
	struct err err;

	check_about(check, "cluster", check->config->clusters[index].name);
	for (size_t i = 0; i <= topology->standby_count; i++)
		if (!resolve(i == 0 ? &topology->primary : &topology->standbys[i - 1], &err))
			check_fail(check, "correct DNS or /etc/hosts, or use IP addresses", "%s",
			           err.message);
}

void check_store(struct check *check)
{
	const struct config *config = check->config;
	struct store *store;
	struct err err;

	if (*config->auth_file != '\0' &&
	    !check_may_read(check, CHECK_FAIL, "auth_file", config->auth_file))
		return;
	store = store_prepare(check->base, config, NULL, &err);
	if (store == NULL) {
		check_note(check, CHECK_FAIL, "auth_file",
		           "let segue's user read it, and write one line \"digest user:password\"",
		           "%s", err.message);
		return;
	}
	if (store_open(store, &err))
		ask_all(check, store->zk);
	else
		check_note(check, CHECK_FAIL, "zookeeper", NULL, "%s", err.message);
	store_close(store);
	for (size_t i = 0; i < config->cluster_count; i++)
		resolve_all(check, i);
}
