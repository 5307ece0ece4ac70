/* One PostgreSQL server of a cluster, asked over one connection that stays open. node_ask() starts
 * a question. It ends with an answer or a failure, at the deadline at the latest. */
#ifndef SEGUE_PUBLISHER_NODE_H
#define SEGUE_PUBLISHER_NODE_H

#include "postgres/libpq.h"
#include "publisher/conninfo_list.h"
#include "publisher/node_query.h"

struct event_base;
struct resolver;
struct node;

enum node_event {
	NODE_TOLD, /* a question has ended */
	NODE_LOST, /* the connection has ended while no question was running */
};

/* Never called inside a call of a node_ function. The node must not be destroyed in it. */
typedef void node_cb(enum node_event event, void *arg);

struct node_options {
	struct event_base *base;
	const struct libpq *pq;
	struct resolver *resolver;
	const struct node_query *node_query;
	int64_t timeout_ms; /* for one question, with name lookup and connecting */
	node_cb *cb;
	void *arg;
};

/* What the options borrow has to outlive the node; `target` is copied. */
struct node *node_create(const struct node_options *options,
                         const struct conninfo_target *target) MUST_CHECK;
void node_destroy(struct node *node); /* NULL is fine */

void node_ask(struct node *node); /* does nothing while a question is running */
bool node_is_asked(const struct node *node);

/* `class`, `problem` and `asked_us` are of the last question that has ended; the rest is of the
 * last one that was ANSWERED. */
const struct node_query_answer *node_answer(const struct node *node);

#endif
