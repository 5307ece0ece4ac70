/* One PostgreSQL server of a cluster, asked over one connection that stays. It is asked when it is
 * told to, and says what came of it: an answer or a failure, by the deadline. */
#ifndef SEGUE_PUBLISHER_NODE_H
#define SEGUE_PUBLISHER_NODE_H

#include "postgres/libpq.h"
#include "publisher/conninfo_list.h"
#include "publisher/node_query.h"

struct event_base;
struct resolver;
struct node;

enum node_event {
	NODE_TOLD, /* what was asked has come to its end */
	NODE_LOST, /* the connection has ended while nothing was asked */
};

/* Never inside a call from the left. The node is not to be destroyed in it. */
typedef void node_cb(enum node_event event, void *arg);

struct node_options {
	struct event_base *base;
	const struct libpq *pq;
	struct resolver *resolver;
	const struct node_query *node_query;
	int64_t timeout_ms; /* for one question, with all that it needs */
	node_cb *cb;
	void *arg;
};

/* What is borrowed in the options has to outlive it; `target` is copied. */
struct node *node_create(const struct node_options *options,
                         const struct conninfo_target *target) MUST_CHECK;
void node_destroy(struct node *node); /* NULL is fine */

void node_ask(struct node *node); /* nothing new while it is being asked */
bool node_is_asked(const struct node *node);

/* Class, problem, asked_us and answered_us are those of the last question that has ended; the rest
 * is of the last one that was ANSWERED. */
const struct node_query_answer *node_answer(const struct node *node);

#endif
