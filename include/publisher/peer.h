/* One PostgreSQL server of a cluster, asked over one connection that stays. It is asked when it is
 * told to, and says what came of it: an answer or a failure, by the deadline. */
#ifndef SEGUE_PUBLISHER_PEER_H
#define SEGUE_PUBLISHER_PEER_H

#include "base/libpq.h"
#include "publisher/inquiry.h"
#include "publisher/nodes.h"

struct event_base;
struct resolver;
struct peer;

enum peer_event {
	PEER_TOLD, /* what was asked has come to its end */
	PEER_LOST, /* the connection has ended while nothing was asked */
};

/* Never inside a call from the left. The peer is not to be destroyed in it. */
typedef void peer_cb(enum peer_event event, void *arg);

struct peer_options {
	struct event_base *base;
	const struct libpq *pq;
	struct resolver *resolver;
	const struct inquiry *inquiry;
	int64_t timeout_ms; /* for one question, with all that it needs */
	peer_cb *cb;
	void *arg;
};

/* What is borrowed in the options has to outlive it; `target` is copied. */
struct peer *peer_create(const struct peer_options *options,
                         const struct nodes_target *target) MUST_CHECK;
void peer_destroy(struct peer *peer); /* NULL is fine */

void peer_ask(struct peer *peer); /* nothing new while it is being asked */
bool peer_is_asked(const struct peer *peer);

/* Class, problem, asked_us and answered_us are those of the last question that has ended; the rest
 * is of the last one that was ANSWERED. */
const struct inquiry_answer *peer_answer(const struct peer *peer);

#endif
