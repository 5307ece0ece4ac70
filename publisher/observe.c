/* Rounds; see the header. Refuses to wait for a silent server more than once: it is asked, and what
 * comes of it counts in the round that is under way then. Always holds: `observed` comes once a
 * round, and a round ends, as every question has its deadline.
 *
 *             look                  all awaited have told
 *   (resting) -----> looking -----------------------------> observed, (resting)
 *                      ^                    |
 *                      +-- new servers, or --+
 *                          look meanwhile
 */
#include "publisher/observe.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "observe_internal.h"

/* In rounds that follow each other fast a server that fails is left alone that long: it logs each
 * attempt. */
#define RETRY_US        INT64_C(200000)
/* Of one look: for servers that repmgr's tables bring, and those that theirs may bring. */
#define ROUNDS_MORE_MAX 3

static bool is_over(const struct observe *observe)
{
	for (size_t i = 0; i < observe->count; i++)
		if (observe->servers[i]->awaited && observe->servers[i]->node != NULL &&
		    node_is_asked(observe->servers[i]->node))
			return false;
	return true;
}

static void end_when_over(struct observe *observe)
{
	if (observe->looking && is_over(observe))
		event_active(observe->over, EV_TIMEOUT, 0);
}

void observe_node_event(enum node_event event, void *arg)
{
	struct observed *server = arg;
	struct observe *observe = server->observe;

	if (event == NODE_TOLD)
		end_when_over(observe);
	else
		observe->options.callbacks.lost(observe->options.callbacks.arg);
}

static bool is_due(const struct observed *server, int64_t now_us)
{
	const struct server_fact *fact = &node_answer(server->node)->fact;

	return fact->class == SERVER_UNASKED || fact->class == SERVER_ANSWERED ||
	       now_us - fact->asked_us >= RETRY_US;
}

static void begin(struct observe *observe)
{
	observe->looking = true;
	observe->again = false;
	observe->started_us = clock_now_us();
	for (size_t i = 0; i < observe->count; i++) {
		struct observed *server = observe->servers[i];
		enum server_class class;

		if (server->node == NULL)
			continue;
		class = node_answer(server->node)->fact.class;
		server->awaited = class == SERVER_ANSWERED || class == SERVER_UNASKED;
		if (is_due(server, observe->started_us))
			node_ask(server->node);
	}
	end_when_over(observe); /* nobody to wait for */
}

void observe_look(struct observe *observe)
{
	if (observe->looking)
		observe->again = true;
	else
		begin(observe);
}

/* -- the end of a round -- */

static void fill_sighting(struct node_state *node_state, const struct observed *server)
{
	const struct node_query_answer *answer = node_answer(server->node);
	const struct server_fact *fact = &answer->fact;

	*node_state = (struct node_state){.port = server->member.port,
	                                  .class = fact->class,
	                                  .in_recovery = fact->in_recovery,
	                                  .timeline = fact->timeline,
	                                  .lsn = fact->lsn,
	                                  .receiving = answer->receiving,
	                                  .role = server->role,
	                                  .inactive = server->inactive};
	/* It lives and takes no row: no writer, and no reason to believe that there is none. */
	if (fact->class == SERVER_ANSWERED && !fact->in_recovery && *answer->refused != '\0')
		node_state->class = SERVER_OTHER;
	snprintf(node_state->name, sizeof(node_state->name), "%.*s", TOPOLOGY_NAME_MAX - 1,
	         server->member.name);
	snprintf(node_state->host, sizeof(node_state->host), "%s", server->member.host);
	snprintf(node_state->system_identifier, sizeof(node_state->system_identifier), "%s",
	         fact->system_identifier);
	snprintf(node_state->promoted_name, sizeof(node_state->promoted_name), "%s",
	         answer->promoted_name);
	snprintf(node_state->promoted_at, sizeof(node_state->promoted_at), "%s",
	         answer->promoted_at);
}

static const char *problem_of(const struct observed *server)
{
	const struct node_query_answer *answer = node_answer(server->node);

	return answer->fact.class == SERVER_ANSWERED && !answer->fact.in_recovery
	           ? answer->refused
	           : answer->fact.problem;
}

static void log_server(struct observed *server, const struct node_state *node_state)
{
	bool answers = node_state->class == SERVER_ANSWERED;
	const char *problem = problem_of(server);
	const struct observe_options *options = &server->observe->options;

	if (server->told && server->told_class == node_state->class &&
	    (!answers || (server->told_recovery == node_state->in_recovery &&
	                  server->told_timeline == node_state->timeline)))
		return;
	server->told = true;
	server->told_class = node_state->class;
	server->told_recovery = node_state->in_recovery;
	server->told_timeline = node_state->timeline;
	log_info("server", KV_STR("publisher", options->config->name),
	         KV_STR("cluster", options->cluster->name), KV_STR("node", node_state->name),
	         KV_STR("host", node_state->host), KV_INT("port", node_state->port),
	         KV_STR("class", server_class_name(node_state->class)),
	         KV_STR("in_recovery", !answers                  ? NULL
	                               : node_state->in_recovery ? "yes"
	                                                         : "no"),
	         KV_INT("timeline", answers ? node_state->timeline : 0),
	         KV_STR("problem", *problem != '\0' ? problem : NULL));
}

static void note_repmgr(struct observation *out, const struct node_query_answer *answer)
{
	if (answer->fact.class != SERVER_ANSWERED || out->repmgr == OBSERVE_REPMGR_READ)
		return;
	switch (answer->repmgr) {
	case NODE_QUERY_REPMGR_ABSENT:
		if (out->repmgr == OBSERVE_REPMGR_UNKNOWN)
			out->repmgr = OBSERVE_REPMGR_ABSENT;
		return;
	case NODE_QUERY_REPMGR_DENIED:
		out->repmgr = OBSERVE_REPMGR_DENIED;
		return;
	case NODE_QUERY_REPMGR_READABLE:
		out->repmgr = OBSERVE_REPMGR_READ;
		return;
	}
}

static void tell(struct observe *observe)
{
	struct node_state *states = xcalloc(observe->count + 1, sizeof(*states));
	struct observation observation = {.states = states, .asked_us = observe->started_us};

	for (size_t i = 0; i < observe->count; i++) {
		struct observed *server = observe->servers[i];
		const struct node_query_answer *answer;
		struct node_state *node_state = &states[observation.count];

		if (server->node == NULL)
			continue;
		answer = node_answer(server->node);
		observation.count++;
		fill_sighting(node_state, server);
		log_server(server, node_state);
		note_repmgr(&observation, answer);
		if (answer->fact.class == SERVER_ANSWERED &&
		    answer->fact.asked_us < observation.asked_us)
			observation.asked_us = answer->fact.asked_us;
	}
	observe->options.callbacks.observed(&observation, observe->options.callbacks.arg);
	free(states);
}

/* repmgr.nodes is read by the question after the one that found it: only then is the list whole. */
static bool list_is_open(const struct observe *observe)
{
	for (size_t i = 0; i < observe->count; i++) {
		const struct node_query_answer *answer;

		if (observe->servers[i]->node == NULL)
			continue;
		answer = node_answer(observe->servers[i]->node);
		if (answer->fact.class == SERVER_ANSWERED &&
		    answer->repmgr == NODE_QUERY_REPMGR_READABLE && answer->node_count == 0 &&
		    !observe->servers[i]->told)
			return true;
	}
	return false;
}

static void on_over(evutil_socket_t fd, short what, void *arg)
{
	struct observe *observe = arg;
	bool again;

	(void)fd;
	(void)what;
	if (!observe->looking || !is_over(observe))
		return;
	if ((observe_list_merge(observe) || list_is_open(observe)) &&
	    observe->rounds_more++ < ROUNDS_MORE_MAX) {
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

		if (server->node != NULL && *problem_of(server) != '\0')
			strbuf_printf(out, "%s port %u: %s\n", server->member.host,
			              (unsigned)server->member.port, problem_of(server));
	}
}

struct observe *observe_create(const struct observe_options *options, struct err *err)
{
	struct observe *observe = xcalloc(1, sizeof(*observe));

	observe->options = *options;
	node_query_init(&observe->node_query, options->config);
	observe->over = event_new(options->base, -1, 0, on_over, observe);
	if (observe_list_configured(observe, err))
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
	event_free(observe->over);
	node_query_fini(&observe->node_query);
	free(observe);
}
