/* Observing a cluster: every server asked at once, each over one connection, and the list of
 * servers kept as repmgr has it. A round ends when all that answered last time have said something;
 * who is silent holds up nobody twice, and is asked all the same. */
#ifndef SEGUE_PUBLISHER_OBSERVE_H
#define SEGUE_PUBLISHER_OBSERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "postgres/libpq.h"
#include "publisher/decide.h"

struct event_base;
struct resolver;
struct observe;

/* Borrowed until the callback returns. */
struct observation {
	const struct node_state *states;
	size_t count;
	int64_t asked_us; /* when the oldest answer among them was asked for, or the round began */
	enum {
		OBSERVE_REPMGR_UNKNOWN,
		OBSERVE_REPMGR_ABSENT,
		OBSERVE_REPMGR_DENIED,
		OBSERVE_REPMGR_READ
	} repmgr;
};

/* Never inside a call from the left; observe_destroy() may not be called in them. */
struct observe_callbacks {
	void (*observed)(const struct observation *observation, void *arg); /* a round is over */
	void (*lost)(void *arg); /* a server that was not being asked has hung up */
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

/* What is borrowed has to outlive it. Fails on the connection strings of the configuration. */
struct observe *observe_create(const struct observe_options *options, struct err *err) MUST_CHECK;
void observe_destroy(struct observe *observe); /* NULL is fine */

/* Begins a round. During one: another one follows it at once. */
void observe_look(struct observe *observe);

/* A line for each server that says what is the matter with it, or nothing; for people. */
void observe_describe(const struct observe *observe, struct strbuf *out);

#endif
