/* Who is asked: the configured servers, and those that repmgr lists. Refuses to ask one server
 * twice, whatever addresses lead to it: a configured one that turns out to be one of repmgr's gives
 * way to it, as does one of two that are the same running server. Always holds: a configured server
 * is never forgotten. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "observe_internal.h"
#include "publisher/nodes.h"

/* The configured ones, and those of repmgr. */
#define SERVERS_MAX ((size_t)2 * TOPOLOGY_SLOTS_MAX)

void observed_destroy(struct observed *server)
{
	node_destroy(server->node);
	free(server->conninfo);
	free(server);
}

static bool answered(const struct observed *server)
{
	return server->node != NULL && node_answer(server->node)->fact.class == SERVER_ANSWERED;
}

static void say(const struct observe *observe, const struct observed *server, const char *event,
                const char *why)
{
	log_info(event, KV_STR("publisher", observe->options.config->name),
	         KV_STR("cluster", observe->options.cluster->name),
	         KV_STR("node", server->member.name), KV_STR("host", server->member.host),
	         KV_INT("port", server->member.port), KV_STR("reason", why));
}

static const char *configured_name(const struct config_cluster *cluster,
                                   const struct member *member)
{
	for (size_t i = 0; i < cluster->node_count; i++)
		if (cluster->nodes[i].port == member->port &&
		    strcmp(cluster->nodes[i].host, member->host) == 0)
			return cluster->nodes[i].name;
	return "";
}

static void append(struct observe *observe, struct observed *server)
{
	size_t size = sizeof(*observe->servers); /* NOLINT(bugprone-sizeof-expression): pointers */

	observe->servers = xreallocarray(observe->servers, observe->count + 1, size);
	observe->servers[observe->count++] = server;
}

static struct observed *add(struct observe *observe, const char *conninfo,
                            enum conninfo_precedence precedence, struct err *err)
{
	const struct observe_options *options = &observe->options;
	struct conninfo_target target;
	struct observed *server;
	struct node_options node = {.base = options->base,
	                            .pq = options->pq,
	                            .resolver = options->resolver,
	                            .node_query = &observe->node_query,
	                            .timeout_ms = options->cluster->verify_timeout_ms,
	                            .cb = observe_node_event};

	if (!conninfo_target_parse(options->pq, options->config->conninfo, conninfo, precedence,
	                           &target, err))
		return NULL;
	server = xcalloc(1, sizeof(*server));
	server->observe = observe;
	server->member = target.member;
	server->conninfo = xstrdup(conninfo);
	node.arg = server;
	server->node = node_create(&node, &target);
	conninfo_target_fini(&target);
	append(observe, server);
	return server;
}

bool observe_list_configured(struct observe *observe, struct err *err)
{
	const char *list = observe->options.config->nodes;
	char *conninfo;

	while ((conninfo = conninfo_list_next(&list)) != NULL) {
		auto_free char *text = conninfo;
		struct observed *server = add(observe, text, CONNINFO_OWN_FIRST, err);

		if (server == NULL)
			return err_wrap(err, "[publisher %s] nodes",
			                observe->options.config->section);
		if (observe->count > TOPOLOGY_SLOTS_MAX)
			return err_set(err, "[publisher %s] nodes: more than %d of them",
			               observe->options.config->section, TOPOLOGY_SLOTS_MAX);
		server->configured = true;
		snprintf(server->member.name, sizeof(server->member.name), "%s",
		         configured_name(observe->options.cluster, &server->member));
	}
	return true;
}

/* -- repmgr's list -- */

/* Who takes writes on the highest timeline knows best who belongs to it; a witness and a standby
 * have copies, a returned old primary its own past. */
static const struct node_query_answer *find_authority(const struct observe *observe)
{
	const struct node_query_answer *best = NULL;

	for (size_t i = 0; i < observe->count; i++) {
		const struct observed *server = observe->servers[i];
		const struct node_query_answer *answer;

		if (!answered(server))
			continue;
		answer = node_answer(server->node);
		if (answer->node_count == 0)
			continue;
		if (best == NULL || server->role != NODE_WITNESS)
			if (best == NULL || answer->fact.timeline > best->fact.timeline ||
			    (answer->fact.timeline == best->fact.timeline &&
			     best->fact.in_recovery && !answer->fact.in_recovery))
				best = answer;
	}
	return best;
}

static struct observed *find_listed(const struct observe *observe, const char *conninfo)
{
	for (size_t i = 0; i < observe->count; i++)
		if (observe->servers[i]->listed &&
		    strcmp(observe->servers[i]->conninfo, conninfo) == 0)
			return observe->servers[i];
	return NULL;
}

static bool same_place(const struct member *a, const struct member *b)
{
	if (a->port != b->port)
		return false;
	return strcmp(a->host, b->host) == 0 ||
	       (*a->address != '\0' && strcmp(a->address, b->address) == 0);
}

/* The configured one goes on under repmgr's name, with the connection that it has. */
static struct observed *adopt(const struct observe *observe, const struct member *member,
                              const char *conninfo)
{
	for (size_t i = 0; i < observe->count; i++) {
		struct observed *server = observe->servers[i];

		if (server->listed || server->node == NULL || !same_place(&server->member, member))
			continue;
		free(server->conninfo);
		server->conninfo = xstrdup(conninfo);
		return server;
	}
	return NULL;
}

static struct observed *list_server(struct observe *observe, const struct repmgr_node *node,
                                    bool *is_new)
{
	struct observed *server = find_listed(observe, node->conninfo);
	struct conninfo_target target;
	struct err err;

	if (server != NULL)
		return server;
	if (!conninfo_target_parse(observe->options.pq, observe->options.config->conninfo,
	                           node->conninfo, CONNINFO_COMMON_FIRST, &target, &err)) {
		log_warning("node_unusable", KV_STR("publisher", observe->options.config->name),
		            KV_STR("node", node->name), KV_STR("problem", err.message),
		            KV_STR("action", "not asked; correct its conninfo in repmgr.nodes"));
		return NULL;
	}
	server = adopt(observe, &target.member, node->conninfo);
	conninfo_target_fini(&target);
	if (server != NULL)
		return server;
	server = add(observe, node->conninfo, CONNINFO_COMMON_FIRST, &err);
	*is_new = server != NULL;
	return server;
}

static void follow(const struct observe *observe, struct observed *server,
                   const struct repmgr_node *node, bool is_new)
{
	bool fresh = !server->listed;

	server->listed = true;
	server->role = node->role;
	server->inactive = node->inactive;
	if (*node->name != '\0')
		snprintf(server->member.name, sizeof(server->member.name), "%s", node->name);
	if (fresh)
		say(observe, server, "node_found",
		    is_new ? "it is in repmgr's table nodes" : "repmgr's table nodes has it, too");
}

/* It is not asked any more, until the configuration is read again. */
static void shadow(const struct observe *observe, struct observed *server)
{
	say(observe, server, "node_merged", "the same server as one that repmgr lists");
	node_destroy(STEAL(server->node));
}

static bool same_instance(const struct observed *a, const struct observed *b)
{
	return answered(a) && answered(b) && *node_answer(a->node)->instance != '\0' &&
	       strcmp(node_answer(a->node)->instance, node_answer(b->node)->instance) == 0 &&
	       strcmp(node_answer(a->node)->fact.system_identifier,
	              node_answer(b->node)->fact.system_identifier) == 0;
}

static void merge_instances(struct observe *observe)
{
	for (size_t i = 0; i < observe->count; i++)
		for (size_t j = 0; j < observe->count; j++) {
			struct observed *a = observe->servers[i], *b = observe->servers[j];

			if (a != b && !b->listed && (a->listed || i < j) && same_instance(a, b))
				shadow(observe, b);
		}
}

static void forget(struct observe *observe, const bool *kept)
{
	size_t count = 0;

	for (size_t i = 0; i < observe->count; i++) {
		struct observed *server = observe->servers[i];

		if (kept[i] || server->configured) {
			server->listed = server->listed && kept[i];
			if (!server->listed)
				server->role = NODE_ROLE_UNKNOWN;
			observe->servers[count++] = server;
			continue;
		}
		say(observe, server, "node_gone", "repmgr's table nodes has it no more");
		observed_destroy(server);
	}
	observe->count = count;
}

static bool merge_rows(struct observe *observe, const struct node_query_answer *authority)
{
	bool kept[SERVERS_MAX] = {false}, added = false;

	for (size_t i = 0; i < authority->node_count; i++) {
		const struct repmgr_node *node = &authority->nodes[i];
		bool is_new = false;
		struct observed *server;

		if (observe->count >= SERVERS_MAX)
			break;
		server = list_server(observe, node, &is_new);
		if (server == NULL)
			continue;
		follow(observe, server, node, is_new);
		added = added || is_new;
		for (size_t k = 0; k < observe->count; k++)
			kept[k] = kept[k] || observe->servers[k] == server;
	}
	forget(observe, kept);
	return added;
}

bool observe_list_merge(struct observe *observe)
{
	const struct node_query_answer *authority = find_authority(observe);
	bool added = authority != NULL && merge_rows(observe, authority);

	merge_instances(observe);
	return added;
}
