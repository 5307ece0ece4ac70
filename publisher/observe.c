/* Which servers are asked: the configured ones, and those that repmgr lists. No server is asked
 * twice, whatever addresses lead to it: a configured one that turns out to be one of repmgr's gives
 * way to that one, and so does one of two that are the same running server: it is asked again when
 * the configuration is read again. Always: another configured server is never forgotten. */
#include "publisher/observe.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/timer.h"
#include "publisher/conninfo_list.h"
#include "publisher/node.h"

struct observed {
	struct observe *observe;
	struct node *node;
	struct member member;
	char *conninfo;          /* as the list has it; identifies a row of repmgr.nodes */
	bool configured, listed; /* in `nodes`; in repmgr.nodes */
	bool kept;               /* the list that is being merged has it */
	bool awaited;            /* the round waits for it */
	enum node_role role;     /* from repmgr, as is `inactive` */
	bool inactive;
	struct node_state logged; /* class UNASKED: its state was not logged yet */
};

struct observe {
	struct observe_options options;
	struct node_query node_query;
	struct observed **servers;
	size_t count;
	struct timer *over; /* ends the round in a loop iteration of its own */
	bool looking, again;
	int64_t started_us;
	unsigned rounds_more; /* extra rounds that this look has taken so far */
};

/* Rounds; see the header. A silent server is waited for only once: it is still asked, and its
 * result counts in the round that is running then. Always: `observed` is called once per round, and
 * each round ends, because every question has a deadline.
 *
 *             look                  all awaited are done
 *   (resting) -----> looking -----------------------------> observed, (resting)
 *                      ^                    |
 *                      +-- new servers, or --+
 *                          look meanwhile
 */

/* us. A server that fails is not asked again sooner, even if rounds follow each other fast, because
 * it logs each attempt. */
#define RETRY_US        INT64_C(200000)
/* Extra rounds of one look: for servers that repmgr's tables add, and for those that their tables
 * add. */
#define ROUNDS_MORE_MAX 3

static bool is_over(const struct observe *observe)
{
	for (size_t i = 0; i < observe->count; i++)
		if (observe->servers[i]->awaited && node_is_asked(observe->servers[i]->node))
			return false;
	return true;
}

static void end_when_over(struct observe *observe)
{
	if (observe->looking && is_over(observe))
		timer_fire(observe->over);
}

static void on_node_event(enum node_event event, void *arg)
{
	struct observed *server = arg;
	struct observe *observe = server->observe;

	if (event == NODE_TOLD)
		end_when_over(observe);
	else
		observe->options.callbacks.lost(observe->options.callbacks.arg);
}

static void begin(struct observe *observe)
{
	observe->looking = true;
	observe->again = false;
	observe->started_us = clock_now_us();
	for (size_t i = 0; i < observe->count; i++) {
		struct observed *server = observe->servers[i];
		const struct server_fact *fact = &node_answer(server->node)->fact;

		server->awaited = fact->class == SERVER_ANSWERED || fact->class == SERVER_UNASKED;
		if (server->awaited || observe->started_us - fact->asked_us >= RETRY_US)
			node_ask(server->node);
	}
	end_when_over(observe); /* there may be nobody to wait for */
}

void observe_look(struct observe *observe)
{
	if (observe->looking)
		observe->again = true;
	else
		begin(observe);
}

/* The configured servers, and those of repmgr. */
#define SERVERS_MAX ((size_t)2 * TOPOLOGY_SLOTS_MAX)

static void observed_destroy(struct observed *server)
{
	node_destroy(server->node);
	free(server->conninfo);
	free(server);
}

static bool answered(const struct observed *server)
{
	return node_answer(server->node)->fact.class == SERVER_ANSWERED;
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

static struct observed *add(struct observe *observe, const char *conninfo,
                            const struct conninfo_target *target)
{
	const struct observe_options *options = &observe->options;
	struct observed *server = xcalloc(1, sizeof(*server));
	const struct node_options node = {.base = options->base,
	                                  .pq = options->pq,
	                                  .resolver = options->resolver,
	                                  .node_query = &observe->node_query,
	                                  .timeout_ms = options->cluster->verify_timeout_ms,
	                                  .cb = on_node_event,
	                                  .arg = server};

	server->observe = observe;
	server->member = target->member;
	server->conninfo = xstrdup(conninfo);
	server->node = node_create(&node, target);
	observe->servers =
	    xreallocarray(observe->servers, observe->count + 1, sizeof(struct observed *));
	observe->servers[observe->count++] = server;
	return server;
}

/* Adds the servers of `nodes`. */
static bool add_configured(struct observe *observe, struct err *err)
{
	const struct config_publisher *config = observe->options.config;
	const char *list = config->nodes;
	char *conninfo;

	while ((conninfo = conninfo_list_next(&list)) != NULL) {
		auto_free char *text = conninfo;
		struct conninfo_target target;
		struct observed *server;

		if (!conninfo_target_parse(observe->options.pq, config->conninfo, text,
		                           CONNINFO_OWN_FIRST, &target, err))
			return err_wrap(err, "[publisher %s] nodes", config->section);
		server = add(observe, text, &target);
		conninfo_target_fini(&target);
		if (observe->count > TOPOLOGY_SLOTS_MAX)
			return err_set(err, "[publisher %s] nodes: more than %d of them",
			               config->section, TOPOLOGY_SLOTS_MAX);
		server->configured = true;
		snprintf(server->member.name, sizeof(server->member.name), "%s",
		         configured_name(observe->options.cluster, &server->member));
	}
	return true;
}

/* -- repmgr's list -- */

static const struct node_query_answer *find_authority(const struct observe *observe)
{
	const struct observed *best = NULL;

	for (size_t i = 0; i < observe->count; i++) {
		const struct observed *server = observe->servers[i];

		if (answered(server) && node_answer(server->node)->node_count > 0 &&
		    (best == NULL ||
		     node_query_knows_better(node_answer(server->node), server->role,
		                             node_answer(best->node), best->role)))
			best = server;
	}
	return best != NULL ? node_answer(best->node) : NULL;
}

static struct observed *find_listed(const struct observe *observe, const char *conninfo)
{
	for (size_t i = 0; i < observe->count; i++)
		if (observe->servers[i]->listed &&
		    strcmp(observe->servers[i]->conninfo, conninfo) == 0)
			return observe->servers[i];
	return NULL;
}

/* A configured server at the same place stays, with its connection, under repmgr's name. */
static struct observed *adopt(const struct observe *observe, const struct member *member,
                              const char *conninfo)
{
	for (size_t i = 0; i < observe->count; i++) {
		struct observed *server = observe->servers[i];
		const struct member *own = &server->member;

		if (server->listed || own->port != member->port ||
		    (strcmp(own->host, member->host) != 0 &&
		     (*own->address == '\0' || strcmp(own->address, member->address) != 0)))
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
	*is_new = server == NULL;
	if (server == NULL)
		server = add(observe, node->conninfo, &target);
	conninfo_target_fini(&target);
	return server;
}

/* Returns true if the server was not listed before. */
static bool follow(const struct observe *observe, struct observed *server,
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
	return fresh;
}

static bool same_instance(const struct observed *a, const struct observed *b)
{
	return answered(a) && answered(b) && *node_answer(a->node)->instance != '\0' &&
	       strcmp(node_answer(a->node)->instance, node_answer(b->node)->instance) == 0 &&
	       strcmp(node_answer(a->node)->fact.system_identifier,
	              node_answer(b->node)->fact.system_identifier) == 0;
}

/* Of two that are the same running server the listed one stays, else the first one. `kept` servers
 * are at the start of the list, and `at` is the first of those that were not looked at yet. */
static bool is_duplicate(const struct observe *observe, size_t kept, size_t at)
{
	for (size_t i = 0; i < observe->count && !observe->servers[at]->listed; i++)
		if ((i < kept || (i > at && observe->servers[i]->listed)) &&
		    same_instance(observe->servers[i], observe->servers[at]))
			return true;
	return false;
}

static void merge_instances(struct observe *observe)
{
	size_t kept = 0;

	for (size_t i = 0; i < observe->count; i++) {
		struct observed *server = observe->servers[i];

		if (is_duplicate(observe, kept, i)) {
			say(observe, server, "node_merged",
			    "the same server as one that repmgr lists");
			observed_destroy(server);
		} else {
			observe->servers[kept++] = server;
		}
	}
	observe->count = kept;
}

static void forget(struct observe *observe)
{
	size_t count = 0;

	for (size_t i = 0; i < observe->count; i++) {
		struct observed *server = observe->servers[i];

		if (!server->kept && !server->configured) {
			say(observe, server, "node_gone", "repmgr's table nodes no longer has it");
			observed_destroy(server);
			continue;
		}
		server->listed = server->listed && server->kept;
		if (!server->listed)
			server->role = NODE_ROLE_UNKNOWN;
		server->kept = false;
		observe->servers[count++] = server;
	}
	observe->count = count;
}

/* *listed: a server of the list was not listed before. */
static bool merge_rows(struct observe *observe, const struct node_query_answer *authority,
                       bool *listed)
{
	bool added = false;

	for (size_t i = 0; i < authority->node_count && observe->count < SERVERS_MAX; i++) {
		const struct repmgr_node *node = &authority->nodes[i];
		bool is_new = false;
		struct observed *server = list_server(observe, node, &is_new);

		if (server == NULL)
			continue;
		*listed |= follow(observe, server, node, is_new);
		added = added || is_new;
		server->kept = true;
	}
	forget(observe);
	return added;
}

/* Takes the servers from repmgr.nodes of the server that is most likely to know. The first list
 * tells the roles: if it was a witness's, another server knows better. Returns true if there are
 * new servers, which have not been asked yet. */
static bool merge(struct observe *observe)
{
	bool added = false, listed = true;

	for (int i = 0; i < 2 && listed; i++) {
		const struct node_query_answer *authority = find_authority(observe);

		listed = false;
		if (authority != NULL && merge_rows(observe, authority, &listed))
			added = true;
		merge_instances(observe);
	}
	return added;
}

/* -- the end of a round -- */

static struct node_state state_of(const struct observed *server)
{
	const struct node_query_answer *answer = node_answer(server->node);
	const struct server_fact *fact = &answer->fact;
	struct node_state state = {.port = server->member.port,
	                           .class = fact->class,
	                           .in_recovery = fact->in_recovery,
	                           .timeline = fact->timeline,
	                           .lsn = fact->lsn,
	                           .receiving = answer->receiving,
	                           .role = server->role,
	                           .inactive = server->inactive};

	/* It is alive but takes no row: it does not count as taking writes, and does not prove that
	 * no server does. */
	if (fact->class == SERVER_ANSWERED && !fact->in_recovery && *answer->refused != '\0')
		state.class = SERVER_OTHER;
	snprintf(state.name, sizeof(state.name), "%.*s", TOPOLOGY_NAME_MAX - 1,
	         server->member.name);
	memcpy(state.host, server->member.host, sizeof(state.host));
	memcpy(state.system_identifier, fact->system_identifier, sizeof(state.system_identifier));
	memcpy(state.promoted_name, answer->promoted_name, sizeof(state.promoted_name));
	memcpy(state.promoted_at, answer->promoted_at, sizeof(state.promoted_at));
	return state;
}

static const char *problem_of(const struct observed *server)
{
	const struct node_query_answer *answer = node_answer(server->node);

	return answer->fact.class == SERVER_ANSWERED && !answer->fact.in_recovery
	           ? answer->refused
	           : answer->fact.problem;
}

static void log_server(struct observed *server, const struct node_state *state)
{
	bool answers = state->class == SERVER_ANSWERED;
	const char *problem = problem_of(server);
	const struct observe_options *options = &server->observe->options;

	if (server->logged.class == state->class &&
	    (!answers || (server->logged.in_recovery == state->in_recovery &&
	                  server->logged.timeline == state->timeline)))
		return;
	server->logged = *state;
	log_info("server", KV_STR("publisher", options->config->name),
	         KV_STR("cluster", options->cluster->name), KV_STR("node", state->name),
	         KV_STR("host", state->host), KV_INT("port", state->port),
	         KV_STR("class", server_class_name(state->class)),
	         KV_STR("in_recovery", !answers             ? NULL
	                               : state->in_recovery ? "yes"
	                                                    : "no"),
	         KV_INT("timeline", answers ? state->timeline : 0),
	         KV_STR("problem", *problem != '\0' ? problem : NULL));
}

static void tell(struct observe *observe)
{
	auto_free struct node_state *states = xcalloc(observe->count + 1, sizeof(*states));
	struct observation seen = {
	    .states = states, .count = observe->count, .asked_us = observe->started_us};

	for (size_t i = 0; i < observe->count; i++) {
		const struct node_query_answer *answer = node_answer(observe->servers[i]->node);

		states[i] = state_of(observe->servers[i]);
		log_server(observe->servers[i], &states[i]);
		if (answer->fact.class != SERVER_ANSWERED)
			continue;
		if (answer->repmgr > seen.repmgr)
			seen.repmgr = answer->repmgr;
		if (answer->fact.asked_us < seen.asked_us)
			seen.asked_us = answer->fact.asked_us;
	}
	observe->options.callbacks.observed(&seen, observe->options.callbacks.arg);
}

/* repmgr.nodes is read by the question after the one that found it. The list is not complete before
 * that. */
static bool list_is_open(const struct observe *observe)
{
	for (size_t i = 0; i < observe->count; i++) {
		const struct node_query_answer *answer = node_answer(observe->servers[i]->node);

		if (answer->fact.class == SERVER_ANSWERED &&
		    answer->repmgr == NODE_QUERY_REPMGR_READABLE && answer->node_count == 0 &&
		    observe->servers[i]->logged.class == SERVER_UNASKED)
			return true;
	}
	return false;
}

static void on_over(void *arg)
{
	struct observe *observe = arg;
	bool again;

	if (!observe->looking || !is_over(observe))
		return;
	if ((merge(observe) || list_is_open(observe)) && observe->rounds_more++ < ROUNDS_MORE_MAX) {
		begin(observe);
		return;
	}
	again = observe->again;
	observe->looking = observe->again = false;
	observe->rounds_more = 0;
	tell(observe);
	if (again)
		observe_look(observe);
}

void observe_describe(const struct observe *observe, struct strbuf *out)
{
	for (size_t i = 0; i < observe->count; i++) {
		const struct observed *server = observe->servers[i];

		if (*problem_of(server) != '\0')
			strbuf_printf(out, "%s port %u: %s\n", server->member.host,
			              (unsigned)server->member.port, problem_of(server));
	}
}

struct observe *observe_create(const struct observe_options *options, struct err *err)
{
	struct observe *observe = xcalloc(1, sizeof(*observe));

	observe->options = *options;
	node_query_init(&observe->node_query, options->config);
	observe->over = timer_new(options->base, on_over, observe);
	if (add_configured(observe, err))
		return observe;
	observe_destroy(observe);
	return NULL;
}

void observe_destroy(struct observe *observe)
{
	if (observe == NULL)
		return;
	for (size_t i = 0; i < observe->count; i++)
		observed_destroy(observe->servers[i]);
	free(observe->servers);
	timer_free(observe->over);
	node_query_fini(&observe->node_query);
	free(observe);
}
