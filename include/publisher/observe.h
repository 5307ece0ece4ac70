/* Observes a cluster: asks all servers at the same time, each over one connection, and keeps the
 * list of servers as repmgr has it. A round ends when all servers that answered last time have
 * answered or failed. A silent server is still asked, but delays only one round. */
#ifndef SEGUE_PUBLISHER_OBSERVE_H
#define SEGUE_PUBLISHER_OBSERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "postgres/libpq.h"
#include "publisher/decide.h"
#include "publisher/node_query.h"

struct event_base;
struct resolver;
struct observe;

/* Borrowed until the callback returns. */
struct observation {
	const struct node_state *states;
	size_t count;
	int64_t asked_us; /* when the oldest of the answers was asked for; at the latest, when the
	                     round began */
	enum node_query_repmgr repmgr; /* the highest of the answers */
};

/* Never called inside a call of an observe_ function. observe_destroy() must not be called in
 * them. */
struct observe_callbacks {
	void (*observed)(const struct observation *observation, void *arg); /* a round is over */
	void (*lost)(void *arg); /* a connection has ended while its server was not being asked */
	void *arg;
};

struct observe_options {
	struct event_base *base;
	const struct libpq *pq;
	struct resolver *resolver;
	const struct config_cluster *cluster;
	const struct config_publisher *config;
	struct observe_callbacks callbacks;
};

/* What is borrowed has to outlive it. Fails if a connection string of the configuration cannot be
 * used. */
struct observe *observe_create(const struct observe_options *options, struct err *err) MUST_CHECK;
void observe_destroy(struct observe *observe); /* NULL is fine */

/* Starts a round. If one is running, another one follows it at once. */
void observe_look(struct observe *observe);

/* Appends one line for each server that has a problem; for people. */
void observe_describe(const struct observe *observe, struct strbuf *out);

#endif
