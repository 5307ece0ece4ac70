/* segue set-primary: a person names the primary of a cluster. Asks that server and all others that
 * the master znode has, then writes the znode by compare-and-set, with a mark (struct
 * topology_mark) that lowers the timeline floors of all publishers and sidecars. Without --force it
 * refuses if the servers' answers contradict the choice. The znode is written once or not at all,
 * and keeps its other standbys. If another writer was faster, the znode is read again, but the
 * servers are not asked again. Each step runs the loop until it has its answer. */
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "cli/cli.h"
#include "cli_internal.h"
#include "config/config.h"
#include "config/grammar.h"
#include "topology/layout.h"
#include "topology/layout_fields.h"
#include "zookeeper/store.h"
#include "zookeeper/write.h"

#define RACES_MAX 20 /* lost compare-and-sets; publishers write at most once a round */

struct setting {
	struct cmd_args args;
	const char *name; /* --name; NULL: not given */
	bool force;       /* --force */
	struct config *config;
	const struct config_cluster *cluster;
	struct event_base *base;
	struct store *store;
	struct ask_server *asking;
	char *path;
	struct member member; /* the new primary */

	/* The last request to ZooKeeper and its answer. */
	struct zk_write *request;
	enum zk_result result;
	struct err problem;
	int64_t mzxid;
	int32_t version;

	struct topology old; /* what the znode has; empty if that is no topology */
	bool exists;
	struct topology next;
	struct strbuf text; /* `next` as text */
	const char *then;   /* what an error leaves behind, for its text */
};

static bool same_address(const struct member *a, const struct member *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* -- the znode -- */

static void on_answer(const struct zk_answer *answer, void *arg)
{
	struct setting *setting = arg;

	setting->request = NULL;
	setting->result = answer->result;
	err_set(&setting->problem, "%s",
	        answer->problem != NULL ? answer->problem : zk_result_name(answer->result));
	setting->mzxid = answer->mzxid;
	setting->version = answer->version;
	event_base_loopbreak(setting->base);
}

/* An invalid value counts as an empty topology and is overwritten: a person has decided that. */
static void on_read(const struct zk_answer *answer, void *arg)
{
	struct setting *setting = arg;
	struct err ignored;

	topology_fini(&setting->old);
	setting->exists = answer->result == ZK_RESULT_OK;
	if (setting->exists && answer->size <= LAYOUT_VALUE_MAX &&
	    !layout_decode(setting->cluster, answer->data, answer->size, &setting->old, &ignored))
		topology_init(&setting->old);
	on_answer(answer, arg);
}

static bool read_znode(struct setting *setting, struct err *err)
{
	setting->result = ZK_RESULT_LOST; /* until on_answer() */
	setting->request = zk_write_read(setting->store->zk, setting->path, on_read, setting);
	event_base_dispatch(setting->base);
	return setting->result == ZK_RESULT_OK || setting->result == ZK_RESULT_NO_NODE ||
	       err_set(err, "%s cannot be read: %s", setting->path, setting->problem.message);
}

static void write_znode(struct setting *setting)
{
	const struct strbuf *text = &setting->text;
	enum zk_acl acl = setting->config->acl == CONFIG_ACL_CREATOR ? ZK_ACL_CREATOR : ZK_ACL_OPEN;
	struct zk *zk = setting->store->zk;

	setting->result = ZK_RESULT_LOST; /* until on_answer() */
	setting->request = setting->exists
	                       ? zk_write_set(zk, setting->path, text->data, text->len,
	                                      setting->version, on_answer, setting)
	                       : zk_write_create(zk, setting->path, text->data, text->len,
	                                         ZK_CREATE_PARENTS, acl, on_answer, setting);
	event_base_dispatch(setting->base);
}

/* -- its new value -- */

/* Sets the new primary's name, from --name, the znode or node.NAME of segue.ini; "": not known. */
static void find_name(struct setting *setting)
{
	struct member *member = &setting->member;
	const struct topology *old = &setting->old;
	const char *name = setting->name;

	if (name == NULL && old->has_primary && same_address(&old->primary, member))
		name = old->primary.name;
	for (size_t i = 0; name == NULL && i < old->standby_count; i++)
		if (same_address(&old->standbys[i], member))
			name = old->standbys[i].name;
	for (size_t i = 0; name == NULL && i < setting->cluster->node_count; i++) {
		const struct config_node *node = &setting->cluster->nodes[i];

		if (node->port == member->port && strcmp(node->host, member->host) == 0)
			name = node->name;
	}
	snprintf(member->name, sizeof(member->name), "%s", name != NULL ? name : "");
}

static bool fill_mark(const struct setting *setting, struct topology *next, struct err *err)
{
	struct topology_mark *mark = &next->set_by;
	unsigned char bytes[8];
	char wall[CLOCK_WALL_MAX];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_set(err, "cannot get random bytes from the system");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(mark->id + 2 * i, 3, "%02x", bytes[i]);
	cmd_person(mark->who, sizeof(mark->who));
	clock_wall(wall, sizeof(wall));
	/* The clocks of hosts differ, but this mark must not be older than the last promotion. */
	snprintf(mark->at, sizeof(mark->at), "%s",
	         strcmp(wall, setting->old.promoted_at) > 0 ? wall : setting->old.promoted_at);
	mark->timeline = next->timeline;
	return true;
}

static bool make_next(struct setting *setting, struct err *err)
{
	const struct server_fact *fact = ask_server_fact(setting->asking);
	struct topology *next = &setting->next;

	topology_fini(next);
	find_name(setting);
	next->has_primary = true;
	next->primary = setting->member;
	/* without the old primary: publishers add it when it is a standby */
	for (size_t i = 0; i < setting->old.standby_count; i++)
		if (!layout_same_server(&setting->old.standbys[i], &next->primary))
			*topology_add_standby(next) = setting->old.standbys[i];
	if (fact->class == SERVER_ANSWERED)
		next->timeline = fact->timeline;
	snprintf(next->system_identifier, sizeof(next->system_identifier), "%s",
	         fact->class == SERVER_ANSWERED && fact->system_identifier[0] != '\0'
	             ? fact->system_identifier
	             : setting->old.system_identifier);
	if (!fill_mark(setting, next, err))
		return false;
	snprintf(next->promoted_at, sizeof(next->promoted_at), "%s", next->set_by.at);
	strbuf_reset(&setting->text);
	layout_segue_encode(next, &setting->text);
	return true;
}

/* -- the servers -- */

static bool add_servers(struct setting *setting, struct err *err)
{
	const struct topology *old = &setting->old;
	const struct member *first = &setting->member;
	bool ok = ask_server_add(setting->asking, first, err);

	if (old->has_primary && !same_address(&old->primary, first))
		ok = ok && ask_server_add(setting->asking, &old->primary, err);
	for (size_t i = 0; i < old->standby_count; i++)
		if (!same_address(&old->standbys[i], first))
			ok = ok && ask_server_add(setting->asking, &old->standbys[i], err);
	return ok;
}

static bool servers_agree(struct setting *setting, struct err *err)
{
	auto_strbuf struct strbuf problem = STRBUF_INIT;

	if (!add_servers(setting, err))
		return false;
	ask_server_run(setting->asking);
	ask_server_object(setting->asking, setting->old.system_identifier, &problem);
	if (problem.len > 0 && setting->force)
		fprintf(stderr, "segue set-primary: %s: %s; done anyway, because of --force\n",
		        setting->cluster->name, problem.data);
	if (problem.len == 0 || setting->force)
		return true;
	setting->then = "; nothing was changed (use --force to do it anyway)";
	return err_set(err, "%s", problem.data);
}

/* -- beginning and end -- */

static void tell_done(const struct setting *setting)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	const struct topology *next = &setting->next, *old = &setting->old;
	const char *cluster = setting->cluster->name;

	ask_server_append_name(&next->primary, &text);
	if (next->timeline > 0)
		strbuf_printf(&text, " on timeline %" PRId64, next->timeline);
	strbuf_append_str(&text, "; before: ");
	if (old->has_primary)
		ask_server_append_name(&old->primary, &text);
	else
		strbuf_append_str(&text, "none");
	if (old->timeline > 0)
		strbuf_printf(&text, " on timeline %" PRId64, old->timeline);
	printf("%s: the primary is %s\n"
	       "Publishers and sidecars obey this once, whatever timelines they have seen.\n",
	       cluster, text.data);
	if (setting->mzxid != 0 && setting->cluster->fleet)
		printf("Until every sidecar has confirmed it: segue wait --zxid %" PRId64 " %s\n",
		       setting->mzxid, cluster);
}

static bool name_primary(struct setting *setting, struct err *err)
{
	for (unsigned races = 0; races <= RACES_MAX; races++) {
		if (!read_znode(setting, err) || (races == 0 && !servers_agree(setting, err)) ||
		    !make_next(setting, err))
			return false;
		write_znode(setting);
		if (setting->result == ZK_RESULT_OK) {
			tell_done(setting);
			return true;
		}
		if (setting->result == ZK_RESULT_LOST) {
			setting->then = "; repeat the command";
			return err_set(err,
			               "the answer of ZooKeeper was lost: it is not known whether "
			               "%s was written",
			               setting->path);
		}
		if (setting->result != ZK_RESULT_EXISTS && setting->result != ZK_RESULT_BAD_VERSION)
			return err_set(err, "%s cannot be written: %s", setting->path,
			               setting->problem.message);
	}
	return err_set(err, "other programs keep writing %s", setting->path);
}

static bool find_cluster(struct setting *setting, struct err *err)
{
	const char *name = setting->args.words[0];

	setting->cluster = cmd_cluster(setting->config, name, err);
	if (setting->cluster == NULL)
		return false;
	switch (setting->cluster->layout) {
	case CONFIG_LAYOUT_SEGUE:
		return true;
	case CONFIG_LAYOUT_PATRONI:
		return err_set(
		    err,
		    "%s has layout patroni: only Patroni decides which server is primary: "
		    "patronictl switchover, or patronictl failover",
		    name);
	case CONFIG_LAYOUT_PLAIN:
		break;
	}
	return err_set(
	    err,
	    "%s has layout plain: %s is written by another program, and segue "
	    "cannot set the primary in it: have that program name the server; then on each "
	    "host with a sidecar: systemctl stop segue; rm %s/%s.json; systemctl start segue",
	    name, setting->cluster->path, setting->config->state_dir, name);
}

static bool connect_all(struct setting *setting, struct err *err)
{
	setting->path = layout_master_path(setting->cluster);
	setting->base = event_base_new();
	if (setting->base == NULL)
		return err_set(err, "cannot create an event loop");
	setting->store = store_prepare(setting->base, setting->config, NULL, err);
	if (setting->store == NULL || !store_open(setting->store, err))
		return false;
	setting->asking = ask_server_create(setting->base, setting->store->resolver,
	                                    setting->config, setting->cluster, err);
	return setting->asking != NULL;
}

static void fini(struct setting *setting)
{
	zk_write_cancel(setting->request);
	ask_server_destroy(setting->asking);
	store_end(setting->store);
	if (setting->base != NULL)
		event_base_free(setting->base);
	topology_fini(&setting->old);
	topology_fini(&setting->next);
	strbuf_fini(&setting->text);
	free(setting->path);
	config_free(setting->config);
}

static int set_primary(struct setting *setting)
{
	int code = CMD_FAILED;
	struct err err;

	topology_init(&setting->old);
	topology_init(&setting->next);
	setting->config = cmd_load(setting->args.config_file);
	log_configure(LOG_ERROR, LOG_TEXT); /* the printed result shows problems */
	if (setting->config == NULL) {
		code = CMD_USAGE;
	} else if (!find_cluster(setting, &err)) {
		fprintf(stderr, "segue set-primary: %s\n", err.message);
		code = setting->cluster == NULL ? CMD_USAGE : CMD_FAILED;
	} else if (connect_all(setting, &err) && name_primary(setting, &err)) {
		code = CMD_OK;
	} else {
		fprintf(stderr, "segue set-primary: %s: %s%s\n", setting->cluster->name,
		        err.message, setting->then);
	}
	fini(setting);
	return code;
}

int cmd_set_primary(int argc, char **argv)
{
	struct setting setting = {
	    .member = {.lag_bytes = -1}, .text = STRBUF_INIT, .then = "; nothing was changed"};
	const char *const *words = setting.args.words;
	const struct cmd_syntax syntax = {
	    .usage =
	        "usage: segue set-primary [-c FILE] [--name NODE] [--force] CLUSTER HOST:PORT\n"
	        "\n"
	        "  -c, --config FILE  the configuration (" CONFIG_DEFAULT_FILE ")\n"
	        "      --name NODE    the server's name, if it is not in ZooKeeper\n"
	        "      --force        also if the answers of the servers contradict it\n"
	        "\n"
	        "Writes to ZooKeeper (layout segue) that HOST:PORT is the primary of CLUSTER, whatever\n"
	        "timelines were seen before: all publishers and sidecars obey this once. Use it after a\n"
	        "mistaken promotion was undone. The server is asked first; it has to take writes, and\n"
	        "no other server may take writes.\n" CMD_EXIT_CODES,
	    .words_min = 2,
	    .words_max = 2,
	    .options = {CMD_CONFIG(setting.args),
	                {.name = "name", .value = &setting.name},
	                {.name = "force", .flag = &setting.force}}};
	auto_free char *host = NULL;
	uint16_t port;
	struct err err;
	int code;

	if (!cmd_options(argc, argv, &syntax, &setting.args, &code))
		return code;
	if (!grammar_host_port(words[1], &host, &port)) {
		fprintf(stderr, "segue set-primary: \"%s\" is no HOST:PORT like 10.0.0.1:5432\n",
		        words[1]);
		return CMD_USAGE;
	}
	if (setting.name != NULL && layout_name_problem(setting.name) != NULL) {
		fprintf(stderr, "segue set-primary: --name \"%s\" is not a valid server name: %s\n",
		        setting.name, layout_name_problem(setting.name));
		return CMD_USAGE;
	}
	if (!layout_member_set(&setting.member, "HOST:PORT", host, port, false, &err)) {
		fprintf(stderr, "segue set-primary: %s\n", err.message);
		return CMD_USAGE;
	}
	return set_primary(&setting);
}
