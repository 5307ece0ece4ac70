/* One server; see the header. Refuses to look up a name in the loop: names go through the resolver
 * before each connection, as they may lead elsewhere by then. Always holds: one question at a time,
 * and `timer` is its end.
 *
 *            ask: a name             ask: a connection, an address
 *   IDLE --------------> RESOLVING --------------> ASKING
 *    ^                       |                       |
 *    +------ told -----------+--- answer, failure, --+
 *                                 deadline
 */
#include "publisher/peer.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "verify/session.h"
#include "watch/resolver.h"

/* repmgr's table nodes, of TOPOLOGY_SLOTS_MAX rows, is in it. */
#define ANSWER_BYTES_MAX 262144

enum peer_state {
	PEER_IDLE,      /* nothing is asked */
	PEER_RESOLVING, /* the name server is */
	PEER_ASKING,    /* the server is, with connecting where that is needed */
};

struct peer {
	struct peer_options options;
	char *conninfo;
	struct member member;
	bool by_name;            /* the address is looked up */
	struct session *session; /* to member.address; NULL: none yet */
	struct resolver_query *query;
	struct event *timer;
	enum peer_state state;
	struct inquiry_answer answer, next;
	bool again; /* the connection had ended, or was cut: asked once more */
};

/* The one place where the state changes. */
static void enter(struct peer *peer, enum peer_state state)
{
	peer->state = state;
}

static void conclude(struct peer *peer)
{
	event_del(peer->timer);
	enter(peer, PEER_IDLE);
	peer->options.cb(PEER_TOLD, peer->options.arg);
}

static void conclude_failure(struct peer *peer, enum server_class class, const char *problem)
{
	struct server_fact *fact = &peer->answer.fact;

	fact->class = class;
	fact->asked_us = peer->next.fact.asked_us;
	snprintf(fact->problem, sizeof(fact->problem), "%s", problem);
	conclude(peer);
}

/* `next` has become the answer by inquiry_parse(), and is what the next one is read into. */
static void conclude_answer(struct peer *peer)
{
	struct inquiry_answer next = peer->next;

	peer->next = peer->answer;
	peer->answer = next;
	peer->answer.fact.class = SERVER_ANSWERED;
	peer->answer.fact.known = true;
	peer->answer.fact.answered_us = clock_now_us();
	peer->answer.fact.problem[0] = '\0';
	if (server_takes_writes(&peer->answer.fact))
		session_renew(peer->session);
	conclude(peer);
}

static void ask_again(struct peer *peer)
{
	peer->again = true;
	session_ask(peer->session, &peer->next);
}

static void session_told(enum session_outcome outcome, const struct verdict *verdict, void *arg)
{
	struct peer *peer = arg;

	switch (outcome) {
	case SESSION_ANSWERED:
		conclude_answer(peer);
		return;
	case SESSION_FAILED:
		if (verdict->cut && !peer->again)
			ask_again(peer);
		else
			conclude_failure(peer, verdict->class, verdict->problem);
		return;
	case SESSION_SHUT:
	case SESSION_ENDED:
		if (peer->state == PEER_ASKING)
			ask_again(peer);
		else
			peer->options.cb(PEER_LOST, peer->options.arg);
		return;
	}
}

/* repmgr's tables are read as soon as a server said that it has them. */
static const char *sql_of(const void *answer, bool reduced)
{
	const struct peer *peer =
	    (const struct peer *)((const char *)answer - offsetof(struct peer, next));
	const struct inquiry *inquiry = peer->options.inquiry;

	if (reduced)
		return inquiry->reduced;
	return peer->answer.repmgr == INQUIRY_REPMGR_READABLE ? inquiry->with_repmgr
	                                                      : inquiry->plain;
}

static bool parse_row(const char *const *row, void *answer, struct err *err)
{
	return inquiry_parse(row, answer, err);
}

static const struct session_question question = {
    .columns = INQUIRY_COLUMNS, .bytes_max = ANSWER_BYTES_MAX, .sql = sql_of, .parse = parse_row};

static void ask_server(struct peer *peer)
{
	if (peer->session == NULL)
		peer->session = session_create(peer->options.base, peer->options.pq, &question,
		                               peer->conninfo, &peer->member, session_told, peer);
	enter(peer, PEER_ASKING);
	session_ask(peer->session, &peer->next);
}

/* A session leads to one address: another one takes another session. */
static void on_resolved(const char *address, const char *problem, void *arg)
{
	struct peer *peer = arg;

	peer->query = NULL;
	if (address == NULL) {
		conclude_failure(peer, SERVER_REFUSED, problem);
		return;
	}
	if (strcmp(peer->member.address, address) != 0) {
		session_destroy(STEAL(peer->session));
		snprintf(peer->member.address, sizeof(peer->member.address), "%s", address);
	}
	ask_server(peer);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct peer *peer = arg;
	char problem[64];
	bool connected = peer->session != NULL && session_connected(peer->session);

	(void)fd;
	(void)what;
	snprintf(problem, sizeof(problem), "no %s within %lld ms",
	         connected ? "answer" : "connection", (long long)peer->options.timeout_ms);
	if (peer->query != NULL)
		resolver_cancel(STEAL(peer->query));
	if (peer->session != NULL)
		session_close(peer->session);
	conclude_failure(peer, SERVER_TIMED_OUT, problem);
}

static bool must_resolve(const struct peer *peer)
{
	return peer->by_name && (peer->session == NULL || !session_connected(peer->session));
}

void peer_ask(struct peer *peer)
{
	int64_t ms = peer->options.timeout_ms;
	const struct timeval deadline = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (peer->state != PEER_IDLE)
		return;
	peer->again = false;
	peer->next.fact.asked_us = clock_now_us();
	event_add(peer->timer, &deadline);
	if (!must_resolve(peer)) {
		ask_server(peer);
		return;
	}
	enter(peer, PEER_RESOLVING);
	peer->query = resolver_ask(peer->options.resolver, peer->member.host, on_resolved, peer);
}

bool peer_is_asked(const struct peer *peer)
{
	return peer->state != PEER_IDLE;
}

const struct inquiry_answer *peer_answer(const struct peer *peer)
{
	return &peer->answer;
}

struct peer *peer_create(const struct peer_options *options, const struct nodes_target *target)
{
	struct peer *peer = xcalloc(1, sizeof(*peer));

	peer->options = *options;
	peer->conninfo = xstrdup(target->conninfo);
	peer->member = target->member;
	peer->by_name = *peer->member.address == '\0';
	peer->timer = evtimer_new(options->base, on_deadline, peer);
	return peer;
}

void peer_destroy(struct peer *peer)
{
	if (peer == NULL)
		return;
	if (peer->query != NULL)
		resolver_cancel(peer->query);
	session_destroy(peer->session);
	event_free(peer->timer);
	inquiry_answer_fini(&peer->answer);
	inquiry_answer_fini(&peer->next);
	free(peer->conninfo);
	free(peer);
}
