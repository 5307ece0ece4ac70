/* One server; see the header. A name is never looked up in the loop: the resolver does that before
 * each connection, because the address may be another one by then. Always: one question at a time,
 * and `timer` is its deadline.
 *
 *            ask: a name             ask: a connection, an address
 *   IDLE --------------> RESOLVING --------------> ASKING
 *    ^                       |                       |
 *    +------ reported -------+--- answer, failure, --+
 *                                 deadline
 */
#include "publisher/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/timer.h"
#include "postgres/connection.h"
#include "zookeeper/resolver.h"

/* It contains repmgr's table nodes, of up to TOPOLOGY_SLOTS_MAX rows. */
#define ANSWER_BYTES_MAX 262144

struct node {
	struct node_options options;
	char *conninfo;
	struct member member;
	bool by_name;                  /* the address has to be looked up */
	struct pg_connection *session; /* to member.address; NULL: none yet */
	struct resolver_query *query;  /* RESOLVING; NULL: ASKING, or IDLE */
	struct timer *timer;           /* the deadline; it is set except in IDLE */
	struct node_query_answer answer, next;
	bool again; /* the connection had ended, or was cut: the question was sent once more */
};

static void conclude(struct node *node)
{
	timer_stop(node->timer);
	node->options.cb(NODE_TOLD, node->options.arg);
}

static void conclude_failure(struct node *node, enum server_class class, const char *problem)
{
	struct server_fact *fact = &node->answer.fact;

	fact->class = class;
	fact->asked_us = node->next.fact.asked_us;
	snprintf(fact->problem, sizeof(fact->problem), "%s", problem);
	conclude(node);
}

/* node_query_parse() has filled `next`, which becomes the answer. The old answer is the buffer for
 * the next one. */
static void conclude_answer(struct node *node)
{
	struct node_query_answer next = node->next;

	node->next = node->answer;
	node->answer = next;
	node->answer.fact.class = SERVER_ANSWERED;
	node->answer.fact.problem[0] = '\0';
	if (server_takes_writes(&node->answer.fact))
		pg_connection_renew(node->session);
	conclude(node);
}

static void ask_again(struct node *node)
{
	node->again = true;
	pg_connection_ask(node->session, &node->next);
}

static void pg_connection_told(enum pg_connection_outcome outcome,
                               const struct connect_failure *verdict, void *arg)
{
	struct node *node = arg;

	switch (outcome) {
	case PG_CONNECTION_ANSWERED:
		conclude_answer(node);
		return;
	case PG_CONNECTION_FAILED:
		if (verdict->cut && !node->again)
			ask_again(node);
		else
			conclude_failure(node, verdict->class, verdict->problem);
		return;
	case PG_CONNECTION_SHUT:
	case PG_CONNECTION_ENDED:
		if (node_is_asked(node) && node->query == NULL)
			ask_again(node);
		else
			node->options.cb(NODE_LOST, node->options.arg);
		return;
	}
}

/* repmgr's tables are read once a server has answered that it has them. */
static const char *sql_of(const void *answer, bool reduced)
{
	const struct node *node =
	    (const struct node *)((const char *)answer - offsetof(struct node, next));
	const struct node_query *node_query = node->options.node_query;

	if (reduced)
		return node_query->reduced;
	return node->answer.repmgr == NODE_QUERY_REPMGR_READABLE ? node_query->with_repmgr
	                                                         : node_query->plain;
}

static bool parse_row(const char *const *row, void *answer, struct err *err)
{
	return node_query_parse(row, answer, err);
}

static const struct pg_connection_question question = {.columns = NODE_QUERY_COLUMNS,
                                                       .bytes_max = ANSWER_BYTES_MAX,
                                                       .sql = sql_of,
                                                       .parse = parse_row};

static void ask_server(struct node *node)
{
	if (node->session == NULL)
		node->session =
		    pg_connection_create(node->options.base, node->options.pq, &question,
		                         node->conninfo, &node->member, pg_connection_told, node);
	pg_connection_ask(node->session, &node->next);
}

/* A connection leads to one address. Another address needs another connection. */
static void on_resolved(char (*addresses)[TOPOLOGY_ADDRESS_MAX], size_t count, const char *problem,
                        void *arg)
{
	struct node *node = arg;

	node->query = NULL;
	if (count == 0) {
		conclude_failure(node, SERVER_REFUSED, problem);
		return;
	}
	if (strcmp(node->member.address, addresses[0]) != 0) {
		pg_connection_destroy(STEAL(node->session));
		snprintf(node->member.address, sizeof(node->member.address), "%s", addresses[0]);
	}
	ask_server(node);
}

static void on_deadline(void *arg)
{
	struct node *node = arg;
	char problem[64];
	bool connected = node->session != NULL && pg_connection_connected(node->session);

	snprintf(problem, sizeof(problem), "no %s within %lld ms",
	         connected ? "answer" : "connection", (long long)node->options.timeout_ms);
	if (node->query != NULL)
		resolver_cancel(STEAL(node->query));
	if (node->session != NULL)
		pg_connection_close(node->session);
	conclude_failure(node, SERVER_TIMED_OUT, problem);
}

void node_ask(struct node *node)
{
	if (node_is_asked(node))
		return;
	node->again = false;
	node->next.fact.asked_us = clock_now_us();
	timer_start(node->timer, node->options.timeout_ms);
	if (node->by_name && (node->session == NULL || !pg_connection_connected(node->session)))
		node->query =
		    resolver_ask(node->options.resolver, node->member.host, on_resolved, node);
	else
		ask_server(node);
}

bool node_is_asked(const struct node *node)
{
	return timer_is_set(node->timer);
}

const struct node_query_answer *node_answer(const struct node *node)
{
	return &node->answer;
}

struct node *node_create(const struct node_options *options, const struct conninfo_target *target)
{
	struct node *node = xcalloc(1, sizeof(*node));

	node->options = *options;
	node->conninfo = xstrdup(target->conninfo);
	node->member = target->member;
	node->by_name = *node->member.address == '\0';
	node->timer = timer_new(options->base, on_deadline, node);
	return node;
}

void node_destroy(struct node *node)
{
	if (node == NULL)
		return;
	if (node->query != NULL)
		resolver_cancel(node->query);
	pg_connection_destroy(node->session);
	timer_free(node->timer);
	node_query_answer_fini(&node->answer);
	node_query_answer_fini(&node->next);
	free(node->conninfo);
	free(node);
}
