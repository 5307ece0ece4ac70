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

/* Layout patroni: the leader, the standbys, which of them get read-only clients, and why a member
 * is not used. */

static void note_standby(struct check *check, const char *what, const struct member *standby)
{
	auto_free char *lag = standby->lag_bytes >= 0
	                          ? xasprintf("%" PRId64 " bytes behind", standby->lag_bytes)
	                          : xstrdup("lag not known");

	check_note(check, CHECK_OK, what, NULL, "standby %s at %s port %u, %s%s", standby->name,
	           standby->host, standby->port, lag, standby->unread ? ", no readers" : "");
}

/* Notes that the leader's member key is missing. Patroni, if it is alive, writes that key again
 * within loop_wait. */
static void note_lost_leader(struct check *check, const char *what, const char *path,
                             const struct layout_patroni *keys, const char *leader)
{
	auto_strbuf struct strbuf members = STRBUF_INIT;

	for (size_t i = 0; i < keys->member_count; i++)
		strbuf_printf(&members, "%s%s", i > 0 ? ", " : "", keys->members[i].name);
	check_note(
	    check, CHECK_FAIL, what,
	    "is Patroni running there (patronictl list)? Only Patroni may write the leader key",
	    "%s: the leader key names %s, which has no member key; members: %s", path, leader,
	    members.len > 0 ? members.data : "none");
}

/* Notes what a Patroni scope says: leader, members, and why one is not used. False, after a note,
 * if the scope cannot be used; otherwise `out` is to be ended with topology_fini(). */
static bool check_patroni(struct check *check, const char *what, const char *path,
                          const struct layout_patroni *keys, struct topology *out)
{
	auto_patroni_notes struct layout_patroni_notes notes = LAYOUT_PATRONI_NOTES_INIT;
	struct err err;

	if (!layout_patroni_decode(keys, out, &notes, &err)) {
		check_note(check, CHECK_FAIL, what, "segue moves no traffic until it is correct",
		           "%s: %s", path, err.message);
		return false;
	}
	for (size_t i = 0; i < out->standby_count; i++)
		note_standby(check, what, &out->standbys[i]);
	if (notes.unread.len > 0)
		check_note(check, CHECK_OK, what, NULL, "%s: without readers: %s", path,
		           notes.unread.data);
	if (notes.left_out.len > 0)
		check_note(check, CHECK_WARN, what, "correct it in Patroni", "%s: left out: %s",
		           path, notes.left_out.data);
	if (out->paused)
		check_note(check, CHECK_WARN, what, "patronictl resume",
		           "%s: Patroni is paused: it promotes no standby by itself", path);
	if (!out->has_primary && out->leader != NULL)
		note_lost_leader(check, what, path, keys, out->leader);
	else if (!out->has_primary && keys->leader.present)
		check_note(check, CHECK_WARN, what, NULL,
		           "%s: this is a standby cluster: its leader takes no writes", path);
	return true;
}

/* Overrides: a forgotten pin or freeze stops segue's work as surely as a broken template. Only
 * reads the files in state_dir. */

static void note_word(struct check *check, const char *what, const char *fix,
                      const struct override *word)
{
	auto_strbuf struct strbuf said = STRBUF_INIT;

	if (*word->by != '\0')
		strbuf_printf(&said, ", by %s", word->by);
	if (*word->since != '\0')
		strbuf_printf(&said, ", since %s", word->since);
	switch (word->kind) {
	case OVERRIDE_NONE:
		break;
	case OVERRIDE_PIN:
		check_note(
		    check, CHECK_WARN, what, fix,
		    "pinned to %s port %u%s: segue ignores what ZooKeeper and the servers say",
		    word->address, (unsigned)word->port, said.data);
		break;
	case OVERRIDE_FREEZE:
		check_note(check, CHECK_WARN, what, fix,
		           "frozen%s: segue moves no traffic and holds no clients", said.data);
		break;
	}
}

void check_overrides(struct check *check)
{
	for (size_t i = 0; i < check->config->cluster_count; i++) {
		const char *cluster = check->config->clusters[i].name;
		auto_free char *file = override_file(check->config->state_dir, cluster);
		auto_free char *what = xasprintf("cluster/%s", cluster);
		auto_free char *fix = xasprintf("segue release %s ends it", cluster);
		struct override word;
		struct err err;

		if (!check_may_read(check, CHECK_FAIL, what, file))
			continue;
		if (override_load(check->config->state_dir, cluster, &word, &err))
			note_word(check, what, fix, &word);
		else
			check_note(check, CHECK_FAIL, what, fix, "%s", err.message);
	}
}

#define ANSWER_MAX_MS 10000 /* from the start to the last answer */

/* One znode that is read: the master znode of a cluster, its presence znode, or the chroot. */
struct question {
	struct check *check;
	size_t cluster;
	bool presence;
	bool chroot; /* the znode "/", which is missing only under a chroot that does not exist */
	bool answered;
	struct event_base *base;
	struct zk *zk;
	size_t *open; /* how many questions are not answered yet; shared */
	char *path;
	struct zk_node *node;
	struct patroni_keys *scope; /* layout patroni: used instead of `node` */
	/* If `path` does not exist: a znode above it, whose children are listed. */
	char *above_path;
	struct zk_node *above;
};

static char *what_of(const struct question *question)
{
	if (question->chroot)
		return xstrdup("zookeeper");
	return xasprintf("cluster/%s", question->check->config->clusters[question->cluster].name);
}

static const char *loss_words(enum config_loss policy)
{
	switch (policy) {
	case CONFIG_LOSS_HOLD:
		return "clients are held until it does, for hold_timeout at most (on_primary_loss "
		       "= hold)";
	case CONFIG_LOSS_FENCE:
		return "clients are refused until it does (on_primary_loss = fence)";
	case CONFIG_LOSS_KEEP:
		break;
	}
	return "clients stay with the last primary (on_primary_loss = keep)";
}

static void note_topology(struct question *question, const struct topology *topology)
{
	struct check *check = question->check;
	const struct member *primary = &topology->primary;
	auto_free char *what = what_of(question);

	if (!topology->has_primary) {
		check_note(check, CHECK_WARN, what,
		           loss_words(check->config->clusters[question->cluster].on_primary_loss),
		           "%s names no primary", question->path);
		return;
	}
	check_note(check, CHECK_OK, what, NULL, "%s names %s%s%s port %u", question->path,
	           primary->name, *primary->name != '\0' ? " at " : "", primary->host,
	           primary->port);
	topology_follow(&check->topologies[question->cluster], topology);
}

static void note_value(struct question *question, const struct zk_node_fact *fact)
{
	struct check *check = question->check;
	auto_free char *what = what_of(question);
	struct topology topology;
	struct err err;

	if (fact->data == NULL) {
		check_note(check, CHECK_FAIL, what, "segue reads at most 64 KiB",
		           "%s has %zu bytes", question->path, fact->size);
		return;
	}
	if (!layout_decode(&check->config->clusters[question->cluster], fact->data, fact->size,
	                   &topology, &err)) {
		check_note(check, CHECK_FAIL, what, "segue moves no traffic until it is correct",
		           "%s: %s", question->path, err.message);
		return;
	}
	note_topology(question, &topology);
	topology_fini(&topology);
}

static void note_presence(struct question *question, const struct zk_node_fact *fact)
{
	auto_free char *what = what_of(question);

	if (fact->ephemeral_children > 0)
		check_note(question->check, CHECK_OK, what, NULL, "%s: live publishers %d",
		           question->path, fact->ephemeral_children);
	else
		check_note(question->check, CHECK_WARN, what,
		           "with presence = yes segue moves no traffic until a publisher runs",
		           "%s: no live publisher", question->path);
}

/* libzookeeper puts the chroot before every path: without that znode no path exists. */
static void note_chroot(struct question *question, const struct zk_node_fact *fact)
{
	const char *hosts = question->check->config->zookeeper_hosts;

	if (fact->state == ZK_NODE_ABSENT)
		check_note(
		    question->check, CHECK_FAIL, "zookeeper",
		    "correct the chroot at the end of hosts in [zookeeper], or create that znode",
		    "ZooKeeper has no znode %s, which is the chroot of all paths",
		    strchr(hosts, '/'));
}

static enum config_layout layout_of(const struct question *question)
{
	return question->check->config->clusters[question->cluster].layout;
}

/* The master znode is missing: if the state file shows that `segue run` has followed one, notes
 * what `segue run` does about that. False: as far as is known, it has followed none. */
static bool note_followed_before(const struct question *question, const char *what)
{
	const struct config *config = question->check->config;
	const struct config_cluster *cluster = &config->clusters[question->cluster];
	auto_strbuf struct strbuf note = STRBUF_INIT;
	auto_free char *file = state_file(config->state_dir, cluster);
	struct applied applied;
	struct err unused;
	bool followed = state_load(config->state_dir, cluster, config->zookeeper_hosts, &applied,
	                           &note, &unused) &&
	                applied.has_topology;

	if (followed && applied.zxid == 0)
		check_note(
		    question->check, CHECK_FAIL, what,
		    "correct path in its [cluster], or hosts in [zookeeper]; until it exists segue "
		    "run keeps the last primary",
		    "%s does not exist, and the state file %s was written for another path, "
		    "ZooKeeper or layout",
		    question->path, file);
	else if (followed)
		check_note(question->check, CHECK_FAIL, what,
		           "segue run has followed it before, so its absence means \"no primary\": "
		           "on_primary_loss applies until it is written again",
		           "%s does not exist any more", question->path);
	applied_fini(&applied);
	return followed;
}

/* Layout plain: another program writes the znode in its own format, so no command is suggested. */
static const char *absent_fix(const struct question *question)
{
	if (question->presence)
		return "segue moves no traffic until a publisher runs: start segue publish beside "
		       "a PostgreSQL server, or set presence = no";
	if (layout_of(question) == CONFIG_LAYOUT_PLAIN)
		return "segue moves no traffic until it is written; is path in its [cluster] "
		       "right?";
	return "segue moves no traffic until it is written: start segue publish beside a "
	       "PostgreSQL server, or create it by hand, its parents first: zkCli.sh create ... "
	       "'{\"version\":1,\"primary\":{\"host\":\"ADDRESS\",\"port\":5432}}'; or is path in "
	       "its [cluster] wrong?";
}

static void note_absent(struct question *question)
{
	auto_free char *what = what_of(question);

	if (!question->presence && note_followed_before(question, what))
		return;
	check_note(question->check, CHECK_WARN, what, absent_fix(question), "%s does not exist",
	           question->path);
}

static void note_answer(struct question *question, const struct zk_node_fact *fact)
{
	auto_free char *what = what_of(question);

	switch (fact->state) {
	case ZK_NODE_UNKNOWN:
		return;
	case ZK_NODE_ABSENT:
		note_absent(question);
		return;
	case ZK_NODE_DENIED:
		check_note(question->check, CHECK_FAIL, what,
		           "correct auth_file or the znode's ACL", "%s: %s", question->path,
		           fact->problem);
		return;
	case ZK_NODE_PRESENT:
		if (question->presence)
			note_presence(question, fact);
		else
			note_value(question, fact);
		return;
	}
}

static void end_answer(struct question *question)
{
	question->answered = true;
	if (--*question->open == 0)
		event_base_loopbreak(question->base);
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
	question->above =
	    zk_watch(question->zk, above_path, ZK_WATCH_NAMES, 0, above_answered, question);
}

/* Notes that the scope does not exist. Patroni creates it at its first run. */
static void note_no_scope(struct question *question, const struct zk_node_fact *above)
{
	auto_free char *what = what_of(question);
	auto_strbuf struct strbuf fix = STRBUF_INIT;

	strbuf_append_str(&fix, "is path right (NAMESPACE/SCOPE of a Patroni that has run)? ");
	if (above->state == ZK_NODE_DENIED)
		strbuf_append_str(&fix, above->problem);
	else
		strbuf_printf(&fix, "%s has %s", question->above_path,
		              above->name_count > 0 ? "the children " : "no children");
	patroni_keys_append_names(&fix, above->names, above->name_count);
	check_note(question->check, CHECK_FAIL, what, fix.data, "%s does not exist",
	           question->path);
}

/* The znode above may be a Patroni scope. Then the layout is wrong, and nobody should create a
 * master znode there. */
static void note_no_master(struct question *question, const struct zk_node_fact *above)
{
	auto_free char *what = what_of(question);

	if (patroni_keys_has_keys(above->names, above->name_count))
		check_note(question->check, CHECK_FAIL, what,
		           "set layout = patroni in its [cluster]",
		           "%s has the keys of a Patroni scope, but layout is segue",
		           question->above_path);
	else
		note_absent(question);
}

static void above_answered(const struct zk_node_fact *fact, void *arg)
{
	struct question *question = arg;
	bool is_patroni = layout_of(question) == CONFIG_LAYOUT_PATRONI;

	if (question->answered || fact->state == ZK_NODE_UNKNOWN || !fact->connected)
		return;
	if (is_patroni && fact->state == ZK_NODE_ABSENT && question->above_path[1] != '\0') {
		look_above(question, question->above_path);
		return;
	}
	if (is_patroni)
		note_no_scope(question, fact);
	else
		note_no_master(question, fact);
	end_answer(question);
}

/* -- answers -- */

static void note_scope(struct question *question, const struct patroni_keys_fact *fact)
{
	auto_free char *what = what_of(question);
	struct topology topology;

	switch (fact->state) {
	case PATRONI_KEYS_UNREACHABLE:
	case PATRONI_KEYS_ABSENT:
		return;
	case PATRONI_KEYS_DENIED:
		check_note(question->check, CHECK_FAIL, what,
		           "correct auth_file or the znode's ACL", "%s: %s", question->path,
		           fact->problem);
		return;
	case PATRONI_KEYS_READ:
		if (fact->problem != NULL) {
			check_note(question->check, CHECK_FAIL, what, NULL, "%s", fact->problem);
			return;
		}
		if (!check_patroni(question->check, what, question->path, fact->keys, &topology))
			return;
		question->check->topologies[question->cluster].times = topology.times;
		note_topology(question, &topology);
		topology_fini(&topology);
		return;
	}
}

static void patroni_keys_answered(const struct patroni_keys_fact *fact, void *arg)
{
	struct question *question = arg;

	if (question->answered)
		return;
	if (fact->state == PATRONI_KEYS_UNREACHABLE) {
		event_base_loopbreak(question->base);
		return;
	}
	if (fact->state == PATRONI_KEYS_ABSENT) {
		look_above(question, question->path);
		return;
	}
	note_scope(question, fact);
	end_answer(question);
}

/* True for the master znode of layout segue, PATH/master. */
static bool is_master(const struct question *question)
{
	return !question->chroot && !question->presence &&
	       layout_of(question) == CONFIG_LAYOUT_SEGUE;
}

static void answered(const struct zk_node_fact *fact, void *arg)
{
	struct question *question = arg;

	if (fact->state == ZK_NODE_UNKNOWN && !fact->connected) {
		event_base_loopbreak(question->base); /* all hosts have failed */
		return;
	}
	if (question->answered || fact->state == ZK_NODE_UNKNOWN || !fact->connected)
		return;
	if (is_master(question) && fact->state == ZK_NODE_ABSENT) {
		look_above(question, question->path);
		return;
	}
	if (question->chroot)
		note_chroot(question, fact);
	else
		note_answer(question, fact);
	end_answer(question);
}

static size_t question_count(const struct config *config)
{
	return config->cluster_count * 2 + 1;
}

static void ask(struct question *question, struct zk *zk)
{
	question->zk = zk;
	if (!question->chroot && layout_of(question) == CONFIG_LAYOUT_PATRONI)
		question->scope = patroni_keys_watch(zk, question->base, question->path,
		                                     patroni_keys_answered, question);
	else
		question->node = zk_watch(zk, question->path,
		                          question->presence ? ZK_WATCH_CHILDREN : ZK_WATCH_DATA,
		                          LAYOUT_VALUE_MAX, answered, question);
}

/* Two questions for each cluster, the second one empty if presence = no; and one for the chroot,
 * empty if hosts has none. */
static struct question *make_questions(struct check *check, size_t *open)
{
	const struct config *config = check->config;
	struct question *questions = xcalloc(question_count(config), sizeof(*questions));
	struct question *root = &questions[config->cluster_count * 2];

	*open = strchr(config->zookeeper_hosts, '/') != NULL;
	if (*open > 0)
		*root = (struct question){.check = check,
		                          .chroot = true,
		                          .base = check->base,
		                          .open = open,
		                          .path = xstrdup("/")};
	for (size_t i = 0; i < config->cluster_count * 2; i++) {
		const struct config_cluster *cluster = &config->clusters[i / 2];
		bool presence = i % 2 == 1;

		if (presence && !cluster->presence)
			continue;
		questions[i] = (struct question){.check = check,
		                                 .cluster = i / 2,
		                                 .presence = presence,
		                                 .base = check->base,
		                                 .open = open};
		questions[i].path =
		    presence ? layout_presence_path(cluster) : layout_master_path(cluster);
		++*open;
	}
	return questions;
}

static void end_question(struct question *question, bool connected)
{
	auto_free char *what = what_of(question);

	if (!question->answered && connected)
		check_note(question->check, CHECK_FAIL, what, "is the ensemble overloaded?",
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
	size_t open, count = question_count(check->config);
	struct question *questions = make_questions(check, &open);

	for (size_t i = 0; i < count; i++)
		if (questions[i].path != NULL)
			ask(&questions[i], zk);
	check_run_loop(check, ANSWER_MAX_MS);
	if (zk_connected(zk))
		check_note(check, CHECK_OK, "zookeeper", NULL, "%s", zk_describe(zk));
	else
		check_note(
		    check, CHECK_FAIL, "zookeeper",
		    "is hosts in [zookeeper] right, is ZooKeeper running there (systemctl status "
		    "zookeeper), does a firewall block it?",
		    "no session: %s", zk_describe(zk));
	for (size_t i = 0; i < count; i++)
		if (questions[i].path != NULL)
			end_question(&questions[i], zk_connected(zk));
	free(questions);
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
	auto_free char *what = xasprintf("cluster/%s", check->config->clusters[index].name);
	struct err err;

	for (size_t i = 0; i <= topology->standby_count; i++) {
		struct member *member = i == 0 ? &topology->primary : &topology->standbys[i - 1];

		if (!resolve(member, &err))
			check_note(check, CHECK_FAIL, what,
			           "correct DNS or /etc/hosts, or use IP addresses", "%s",
			           err.message);
	}
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
