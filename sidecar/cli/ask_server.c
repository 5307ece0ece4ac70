/* Asks all servers at the same time, each over its own connection. */
#include "cli_internal.h"

#include <event2/event.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/endpoint.h"
#include "cluster/listeners.h"
#include "cluster/state_file.h"
#include "decide/admission.h"
#include "postgres/libpq.h"
#include "publisher/node.h"
#include "render/view.h"

#define SERVERS_MAX (TOPOLOGY_SLOTS_MAX + 1)

struct asked {
	struct ask_server *asking;
	struct conninfo_target target;
	struct node *node;
	bool answered; /* or failed */
};

struct ask_server {
	struct event_base *base;
	struct resolver *resolver;
	const struct config *config;
	const struct config_cluster *cluster;
	struct config_publisher publisher; /* how to ask: as a [publisher], or verify_conninfo */
	struct libpq pq;
	struct node_query node_query;
	struct asked servers[SERVERS_MAX];
	size_t count;
};

static void choose_questions(struct ask_server *asking, const struct config *config)
{
	asking->publisher = (struct config_publisher){.conninfo = asking->cluster->verify_conninfo,
	                                              .repmgr_schema = (char *)"repmgr",
	                                              .interval_ms = 1000,
	                                              .write_check = CONFIG_WRITE_CHECK_NO};
	for (size_t i = config->publisher_count; i-- > 0;)
		if (strcmp(config->publishers[i].cluster, asking->cluster->name) == 0)
			asking->publisher = config->publishers[i];
	asking->publisher.repmgr = CONFIG_REPMGR_NO;
	node_query_init(&asking->node_query, &asking->publisher);
}

struct ask_server *ask_server_create(struct event_base *base, struct resolver *resolver,
                                     const struct config *config,
                                     const struct config_cluster *cluster, struct err *err)
{
	struct ask_server *asking = xcalloc(1, sizeof(*asking));

	asking->base = base;
	asking->resolver = resolver;
	asking->config = config;
	asking->cluster = cluster;
	if (!libpq_load(&asking->pq, err)) {
		free(asking);
		return NULL;
	}
	choose_questions(asking, config);
	return asking;
}

void ask_server_destroy(struct ask_server *asking)
{
	if (asking == NULL)
		return;
	for (size_t i = 0; i < asking->count; i++) {
		node_destroy(asking->servers[i].node);
		conninfo_target_fini(&asking->servers[i].target);
	}
	node_query_fini(&asking->node_query);
	free(asking);
}

static void on_node(enum node_event event, void *arg)
{
	struct asked *asked = arg;
	const struct ask_server *asking = asked->asking;

	if (event != NODE_TOLD || asked->answered)
		return;
	asked->answered = true;
	for (size_t i = 0; i < asking->count; i++)
		if (!asking->servers[i].answered)
			return;
	event_base_loopbreak(asking->base);
}

/* Finds this server's connection string in `nodes`, because it may have settings of its own. */
static bool find_target(const struct ask_server *asking, const struct member *member,
                        struct conninfo_target *out)
{
	const char *list = asking->publisher.nodes, *common = asking->publisher.conninfo;
	struct err ignored;
	char *conninfo;

	while (list != NULL && (conninfo = conninfo_list_next(&list)) != NULL) {
		bool found = conninfo_target_parse(&asking->pq, common, conninfo,
		                                   CONNINFO_OWN_FIRST, out, &ignored) &&
		             out->member.port == member->port &&
		             strcmp(out->member.host, member->host) == 0;

		free(conninfo);
		if (found)
			return true;
		conninfo_target_fini(out);
	}
	return false;
}

bool ask_server_add(struct ask_server *asking, const struct member *member, struct err *err)
{
	struct asked *asked = &asking->servers[asking->count];
	auto_free char *own = xasprintf("host='%s' port=%u", member->host, (unsigned)member->port);
	const struct node_options options = {.base = asking->base,
	                                     .pq = &asking->pq,
	                                     .resolver = asking->resolver,
	                                     .node_query = &asking->node_query,
	                                     .timeout_ms = asking->cluster->verify_timeout_ms,
	                                     .cb = on_node,
	                                     .arg = asked};

	*asked = (struct asked){.asking = asking};
	if (!find_target(asking, member, &asked->target) &&
	    !conninfo_target_parse(&asking->pq, asking->publisher.conninfo, own, CONNINFO_OWN_FIRST,
	                           &asked->target, err))
		return false;
	snprintf(asked->target.member.name, sizeof(asked->target.member.name), "%s", member->name);
	asked->node = node_create(&options, &asked->target);
	asking->count++;
	return true;
}

void ask_server_run(struct ask_server *asking)
{
	for (size_t i = 0; i < asking->count; i++)
		node_ask(asking->servers[i].node);
	event_base_dispatch(asking->base);
}

const struct server_fact *ask_server_fact(const struct ask_server *asking)
{
	return &node_answer(asking->servers[0].node)->fact;
}

void ask_server_append_name(const struct member *member, struct strbuf *out)
{
	char endpoint[ENDPOINT_MAX];

	strbuf_append_str(out,
	                  endpoint_format(endpoint, sizeof(endpoint), member->host, member->port));
	if (member->name[0] != '\0')
		strbuf_printf(out, " (%s)", member->name);
}

/* The [haproxy] target whose rendered text listens at one of the member's addresses; NULL: none. */
static const struct config_target *find_listener(const struct ask_server *asking,
                                                 const struct strbuf *texts,
                                                 const struct member *member)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct listeners *listeners = listeners_create(asking->config, texts);
	const struct config_target *target = NULL;
	size_t cluster = (size_t)(asking->cluster - asking->config->clusters);
	char address[TOPOLOGY_ADDRESS_MAX];
	struct addrinfo *found = NULL;

	if (getaddrinfo(member->host, NULL, &hints, &found) != 0)
		found = NULL;
	for (const struct addrinfo *at = found; at != NULL && target == NULL; at = at->ai_next)
		if (getnameinfo(at->ai_addr, at->ai_addrlen, address, sizeof(address), NULL, 0,
		                NI_NUMERICHOST) == 0)
			target = listeners_find(listeners, cluster, address, member->port);
	if (found != NULL)
		freeaddrinfo(found);
	listeners_destroy(listeners);
	return target;
}

static const struct config_target *find_own(const struct ask_server *asking,
                                            const struct member *member)
{
	const struct config *config = asking->config;
	struct strbuf *texts = xcalloc(config->target_count, sizeof(*texts));
	const struct config_target *target;
	struct mustache *template;
	struct err ignored; /* `segue check` reports it */

	for (size_t i = 0; i < config->target_count; i++) {
		strbuf_init(&texts[i]);
		template = view_compile(&config->targets[i], &ignored);
		if (template != NULL)
			(void)state_or_example_render(config, i, template, &texts[i]);
		mustache_free(template);
	}
	target = find_listener(asking, texts, member);
	for (size_t i = 0; i < config->target_count; i++)
		strbuf_fini(&texts[i]);
	free(texts);
	return target;
}

void ask_server_object_answer(const struct member *member, const struct node_query_answer *answer,
                              const char *system_identifier, struct strbuf *out)
{
	const struct server_fact *fact = &answer->fact;
	auto_strbuf struct strbuf problem = STRBUF_INIT;

	if (fact->class != SERVER_ANSWERED)
		strbuf_printf(&problem, "cannot be asked: %s: %s", server_class_name(fact->class),
		              fact->problem);
	else if (!same_system(system_identifier, fact->system_identifier))
		strbuf_printf(&problem, "has system identifier %s, and the cluster has %s",
		              fact->system_identifier, system_identifier);
	else if (fact->in_recovery)
		strbuf_append_str(&problem, "is a standby: promote it first");
	else if (answer->refused[0] != '\0')
		strbuf_printf(&problem, "accepts no test row: %s", answer->refused);
	if (problem.len == 0)
		return;
	ask_server_append_name(member, out);
	strbuf_printf(out, " %s", problem.data);
}

void ask_server_object(const struct ask_server *asking, const char *system_identifier,
                       struct strbuf *out)
{
	const struct member *first = &asking->servers[0].target.member;
	const struct config_target *own = find_own(asking, first);

	if (own == NULL) {
		ask_server_object_answer(first, node_answer(asking->servers[0].node),
		                         system_identifier, out);
	} else {
		ask_server_append_name(first, out);
		strbuf_printf(
		    out, " is an address where haproxy/%s itself listens: no sidecar can use it",
		    own->name);
	}
	for (size_t i = 1; i < asking->count; i++) {
		const struct server_fact *fact = &node_answer(asking->servers[i].node)->fact;

		if (!server_takes_writes(fact))
			continue;
		strbuf_append_str(out, out->len > 0 ? "; " : "");
		ask_server_append_name(&asking->servers[i].target.member, out);
		strbuf_printf(out, " also takes writes, on timeline %" PRId64 ": stop it first",
		              fact->timeline);
	}
}
