/* Servers asked once, each over a connection of its own, all at the same time; see the header. */
#include "asking.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "admit.h"
#include "base/libpq.h"
#include "guess.h"
#include "listeners.h"
#include "publisher/peer.h"
#include "render/view.h"

#define SERVERS_MAX (TOPOLOGY_SLOTS_MAX + 1)

struct asked {
	struct asking *asking;
	struct nodes_target target;
	struct peer *peer;
	bool told;
};

struct asking {
	struct event_base *base;
	struct resolver *resolver;
	const struct config *config;
	const struct config_cluster *cluster;
	struct config_publisher publisher; /* how servers are asked: a section's, or made up */
	struct libpq pq;
	struct inquiry inquiry;
	asking_cb *cb;
	void *arg;
	struct asked servers[SERVERS_MAX];
	size_t count;
};

static void choose_questions(struct asking *asking, const struct config *config)
{
	asking->publisher = (struct config_publisher){.conninfo = asking->cluster->verify_conninfo,
	                                              .repmgr_schema = (char *)"repmgr",
	                                              .interval_ms = 1000,
	                                              .write_check = CONFIG_WRITE_CHECK_NO};
	for (size_t i = config->publisher_count; i-- > 0;)
		if (strcmp(config->publishers[i].cluster, asking->cluster->name) == 0)
			asking->publisher = config->publishers[i];
	asking->publisher.repmgr = CONFIG_REPMGR_NO;
	inquiry_init(&asking->inquiry, &asking->publisher);
}

struct asking *asking_create(struct event_base *base, struct resolver *resolver,
                             const struct config *config, const struct config_cluster *cluster,
                             asking_cb *cb, void *arg, struct err *err)
{
	struct asking *asking = xcalloc(1, sizeof(*asking));

	asking->base = base;
	asking->resolver = resolver;
	asking->config = config;
	asking->cluster = cluster;
	asking->cb = cb;
	asking->arg = arg;
	if (!libpq_load(&asking->pq, err)) {
		free(asking);
		return NULL;
	}
	choose_questions(asking, config);
	return asking;
}

void asking_destroy(struct asking *asking)
{
	if (asking == NULL)
		return;
	for (size_t i = 0; i < asking->count; i++) {
		peer_destroy(asking->servers[i].peer);
		nodes_target_fini(&asking->servers[i].target);
	}
	inquiry_fini(&asking->inquiry);
	free(asking);
}

static void on_peer(enum peer_event event, void *arg)
{
	struct asked *asked = arg;
	struct asking *asking = asked->asking;

	if (event != PEER_TOLD || asked->told)
		return;
	asked->told = true;
	for (size_t i = 0; i < asking->count; i++)
		if (!asking->servers[i].told)
			return;
	asking->cb(asking->arg);
}

/* The string of `nodes` for this server, as it may have settings of its own. */
static bool find_target(const struct asking *asking, const struct member *member,
                        struct nodes_target *out)
{
	const char *list = asking->publisher.nodes, *common = asking->publisher.conninfo;
	struct err ignored;
	char *conninfo;

	while (list != NULL && (conninfo = nodes_next(&list)) != NULL) {
		bool found =
		    nodes_parse(&asking->pq, common, conninfo, NODES_OWN_FIRST, out, &ignored) &&
		    out->member.port == member->port && strcmp(out->member.host, member->host) == 0;

		free(conninfo);
		if (found)
			return true;
		nodes_target_fini(out);
	}
	return false;
}

bool asking_add(struct asking *asking, const struct member *member, struct err *err)
{
	struct asked *asked = &asking->servers[asking->count];
	auto_free char *own = xasprintf("host='%s' port=%u", member->host, (unsigned)member->port);
	const struct peer_options options = {.base = asking->base,
	                                     .pq = &asking->pq,
	                                     .resolver = asking->resolver,
	                                     .inquiry = &asking->inquiry,
	                                     .timeout_ms = asking->cluster->verify_timeout_ms,
	                                     .cb = on_peer,
	                                     .arg = asked};

	*asked = (struct asked){.asking = asking};
	if (!find_target(asking, member, &asked->target) &&
	    !nodes_parse(&asking->pq, asking->publisher.conninfo, own, NODES_OWN_FIRST,
	                 &asked->target, err))
		return false;
	snprintf(asked->target.member.name, sizeof(asked->target.member.name), "%s", member->name);
	asked->peer = peer_create(&options, &asked->target);
	asking->count++;
	return true;
}

void asking_begin(struct asking *asking)
{
	for (size_t i = 0; i < asking->count; i++)
		peer_ask(asking->servers[i].peer);
}

size_t asking_count(const struct asking *asking)
{
	return asking->count;
}

const struct member *asking_member(const struct asking *asking, size_t i)
{
	return &asking->servers[i].target.member;
}

const struct inquiry_answer *asking_answer(const struct asking *asking, size_t i)
{
	return peer_answer(asking->servers[i].peer);
}

void asking_append_place(const struct member *member, struct strbuf *out)
{
	bool is6 = strchr(member->host, ':') != NULL;

	strbuf_printf(out, "%s%s%s:%u", is6 ? "[" : "", member->host, is6 ? "]" : "",
	              (unsigned)member->port);
	if (member->name[0] != '\0')
		strbuf_printf(out, " (%s)", member->name);
}

/* By what the HAProxies of this machine have rendered; NULL: none listens there. */
static const struct config_target *find_listener(const struct config *config, size_t cluster,
                                                 const struct strbuf *texts, const char *host,
                                                 uint16_t port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct listeners *listeners = listeners_create(config, texts);
	const struct config_target *target = NULL;
	char address[TOPOLOGY_ADDRESS_MAX];
	struct addrinfo *found = NULL;

	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		found = NULL;
	for (const struct addrinfo *at = found; at != NULL && target == NULL; at = at->ai_next)
		if (getnameinfo(at->ai_addr, at->ai_addrlen, address, sizeof(address), NULL, 0,
		                NI_NUMERICHOST) == 0)
			target = listeners_find(listeners, cluster, address, port);
	if (found != NULL)
		freeaddrinfo(found);
	listeners_destroy(listeners);
	return target;
}

static const struct config_target *find_own(const struct asking *asking,
                                            const struct member *member)
{
	const struct config *config = asking->config;
	struct strbuf *texts = xcalloc(config->target_count, sizeof(*texts));
	const struct config_target *target;
	struct mustache *template;
	struct err ignored; /* `segue check` says it */

	for (size_t i = 0; i < config->target_count; i++) {
		strbuf_init(&texts[i]);
		template = view_compile(&config->targets[i], &ignored);
		if (template != NULL)
			(void)guess_render(config, i, template, &texts[i]);
		mustache_free(template);
	}
	target = find_listener(config, (size_t)(asking->cluster - config->clusters), texts,
	                       member->host, member->port);
	for (size_t i = 0; i < config->target_count; i++)
		strbuf_fini(&texts[i]);
	free(texts);
	return target;
}

void asking_object_answer(const struct member *member, const struct inquiry_answer *answer,
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
		strbuf_printf(&problem, "takes no row: %s", answer->refused);
	if (problem.len == 0)
		return;
	asking_append_place(member, out);
	strbuf_printf(out, " %s", problem.data);
}

void asking_object(const struct asking *asking, size_t i, const char *system_identifier,
                   struct strbuf *out)
{
	const struct member *member = asking_member(asking, i);
	const struct config_target *own = find_own(asking, member);

	if (own == NULL) {
		asking_object_answer(member, asking_answer(asking, i), system_identifier, out);
		return;
	}
	asking_append_place(member, out);
	strbuf_printf(out, " is where [haproxy %s] listens itself: no sidecar follows it",
	              own->name);
}
