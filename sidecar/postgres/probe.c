/* One server over time: when it is asked, how long an attempt may take, and what the answers and
 * failures mean. At most one thing is in progress, and `timer` ends it: it is the deadline of a
 * question (including the connecting, if needed), or starts the next question or attempt.
 *
 *                 timer               answered
 *   WAITING ---------------> ASKING <----------> IDLE
 *      ^                       |   timer, hurry   |
 *      +--- failed, deadline --+------ EOF -------+
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/timer.h"
#include "postgres/connection.h"
#include "postgres/question.h"
#include "postgres_internal.h"

/* An answer has about 500. */
#define ANSWER_BYTES_MAX 16384

#define WRITER_INTERVAL_MS 1000
#define READER_INTERVAL_MS 5000
#define RETRY_FIRST_MS     1

#define HURRY_SLOW_MS    100
#define HURRY_US         INT64_C(10000000)
/* Callers renew the request every second. */
#define HURRY_LINGERS_US INT64_C(2000000)

/* If a connection ends sooner than this, opening the next ones backs off. */
#define SETTLED_US INT64_C(1000000)
/* If a timer fires this late, the event loop was blocked, and the server may have answered. */
#define STALLED_US INT64_C(50000)

enum probe_state {
	PROBE_WAITING, /* no connection; the timer starts the next attempt */
	PROBE_ASKING,  /* connecting, or the question is sent; the timer is the deadline */
	PROBE_IDLE,    /* connected; the timer starts the next question, EOF ends it */
};

struct probe {
	const struct config_cluster *config;
	struct pg_connection *connection;
	struct server_fact fact;
	struct server_fact next; /* the fact after the attempt in progress */
	enum probe_state state;
	struct timer *timer; /* always set; NULL: the server cannot be asked */
	int64_t due_us;      /* when the timer is due */
	bool hurry_slowly;   /* requested by verifier_attend() */
	bool extended;       /* this attempt got a second deadline */
	bool cut_before;     /* the last attempt ended without a byte from the server */
	bool ended;          /* a connection that worked has ended since the last attempt */
	unsigned failures;   /* failed attempts in a row */
	unsigned flaps;      /* connections in a row that ended soon after they were opened */
	int64_t made_us;     /* when opening the connection began */
	int64_t end_us;      /* when a connection to the server last ended; 0: never */
	int64_t hurry_from_us, hurry_until_us; /* hurry_until_us 0: no hurry */
	int64_t awaited_us; /* an answer to a question asked since then is awaited; 0: none is */
	probe_cb *cb;
	void *arg;
};

/* The only place where the state changes; it also starts the timer that ends the state. */
static void enter(struct probe *probe, enum probe_state state, int64_t ms)
{
	probe->state = state;
	probe->due_us = clock_now_us() + ms * 1000;
	timer_start(probe->timer, ms);
}

static bool in_hurry(const struct probe *probe, int64_t now_us)
{
	return now_us < probe->hurry_until_us;
}

static int64_t interval_ms(const struct probe *probe)
{
	bool writes = probe->fact.known && !probe->fact.in_recovery;

	return writes ? WRITER_INTERVAL_MS : READER_INTERVAL_MS;
}

/* Most often at first, when a promotion may finish at any moment; then less often, because many
 * sidecars may ask. */
static int64_t hurry_interval_ms(int64_t hurried_us)
{
	static const struct {
		int64_t until_us, ms;
	} steps[] = {{HURRY_US / 20, 2}, {HURRY_US / 5, 5}, {HURRY_US, 20}};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (hurried_us < steps[i].until_us)
			return steps[i].ms;
	return HURRY_SLOW_MS;
}

static void wait_to_ask(struct probe *probe)
{
	int64_t now = clock_now_us(), ms = clock_jitter_ms(interval_ms(probe));

	if (probe->awaited_us != 0)
		ms = 0; /* the last answer is to a question that was asked before the hurry */
	else if (in_hurry(probe, now))
		ms = hurry_interval_ms(now - probe->hurry_from_us);
	enter(probe, PROBE_IDLE, ms);
}

static void wait_to_retry(struct probe *probe, unsigned attempt)
{
	int64_t max = in_hurry(probe, clock_now_us()) ? HURRY_SLOW_MS : interval_ms(probe);

	enter(probe, PROBE_WAITING, clock_backoff_ms(attempt, RETRY_FIRST_MS, max));
}

static bool takes_no_writes(const struct server_fact *fact)
{
	return fact->class == SERVER_REFUSED || fact->class == SERVER_TIMED_OUT ||
	       fact->class == SERVER_STARTING ||
	       (fact->class == SERVER_ANSWERED && fact->in_recovery);
}

/* A server that closed an open connection, and accepts no new one right after, is lost. A third
 * attempt would cost clients: a PgBouncer rejects them meanwhile. */
static unsigned count_unserved(const struct probe *probe, const struct server_fact *now)
{
	unsigned count = probe->fact.unserved + 1;

	if (!takes_no_writes(now))
		return 0;
	if (probe->ended && now->class != SERVER_ANSWERED && count < SERVER_RUNNING_MATTERS)
		return SERVER_RUNNING_MATTERS;
	return count;
}

/* True if the server may have another role since its last answer. A demotion restarts a server, a
 * promotion does not. */
static bool is_interrupted(const struct server_fact *now)
{
	if (now->class == SERVER_ANSWERED)
		return false;
	return now->interrupted || now->class == SERVER_REFUSED || now->class == SERVER_STARTING ||
	       (now->class == SERVER_TIMED_OUT && now->unserved >= SERVER_RUNNING_MATTERS);
}

/* An attempt has ended; probe->next is its result. */
static void conclude(struct probe *probe)
{
	struct server_fact before = probe->fact, *now = &probe->next;
	bool again = now->class == before.class &&
	             (now->class != SERVER_ANSWERED || now->in_recovery == before.in_recovery);
	bool awaited = probe->awaited_us != 0 && now->asked_us >= probe->awaited_us;

	now->running = again ? before.running + 1 : 1;
	now->unserved = count_unserved(probe, now);
	now->interrupted = is_interrupted(now);
	probe->ended = false;
	if (!server_says_the_same(now, &before))
		probe->hurry_until_us = 0;
	if (awaited)
		probe->awaited_us = 0;
	probe->fact = *now;
	probe->cb(probe, &before, awaited, probe->arg);
}

static void conclude_answer(struct probe *probe)
{
	probe->next.class = SERVER_ANSWERED;
	probe->next.known = true;
	probe->next.answered_us = probe->next.heard_us = clock_now_us();
	probe->next.problem[0] = '\0';
	probe->cut_before = false;
	probe->failures = 0;
	conclude(probe);
	wait_to_ask(probe);
	if (server_takes_writes(&probe->fact))
		pg_connection_renew(probe->connection);
}

static void conclude_failure(struct probe *probe, const struct connect_failure *failure)
{
	int64_t asked_us = probe->next.asked_us;

	probe->next = probe->fact;
	probe->next.asked_us = asked_us;
	probe->next.class = failure->class;
	snprintf(probe->next.problem, sizeof(probe->next.problem), "%s", failure->problem);
	probe->cut_before = failure->cut;
	conclude(probe);
	wait_to_retry(probe, ++probe->failures);
}

void probe_lose(struct probe *probe, const char *problem)
{
	struct connect_failure failure = {.class = SERVER_REFUSED};

	snprintf(failure.problem, sizeof(failure.problem), "%s", problem);
	pg_connection_close(probe->connection);
	probe->ended = true;
	probe->end_us = 0;
	probe->next.asked_us = clock_now_us();
	conclude_failure(probe, &failure);
}

void probe_note_end(struct probe *probe)
{
	int64_t now = clock_now_us(), before = probe->end_us;

	probe->end_us = now;
	if (before != 0 && now - before <= PROBE_TOGETHER_US)
		probe_lose(probe, "two connections to the server ended within a millisecond");
}

/* A connection that had worked has ended. This alone proves nothing: the next attempt decides. */
static void take_end(struct probe *probe)
{
	bool settled = clock_now_us() - probe->made_us >= SETTLED_US;

	probe->ended = true;
	probe->flaps = settled ? 0 : probe->flaps + 1;
	wait_to_retry(probe, probe->flaps);
	if (settled)
		probe_note_end(probe);
}

static void on_outcome(enum pg_connection_outcome outcome, const struct connect_failure *failure,
                       void *arg)
{
	struct probe *probe = arg;

	switch (outcome) {
	case PG_CONNECTION_ANSWERED:
		conclude_answer(probe);
		return;
	case PG_CONNECTION_FAILED:
		if (!failure->cut || probe->cut_before) {
			conclude_failure(probe, failure);
			return;
		}
		probe->cut_before = true;
		wait_to_retry(probe, 0);
		return;
	case PG_CONNECTION_ENDED:
		take_end(probe);
		return;
	case PG_CONNECTION_SHUT:
		/* Counts as the end of the connection and a refusal: the server accepts no new
		 * connection. */
		probe->ended = true;
		probe->next.asked_us = clock_now_us();
		conclude_failure(probe, failure);
		return;
	}
}

static void ask(struct probe *probe)
{
	probe->next = probe->fact;
	probe->next.asked_us = clock_now_us();
	probe->extended = false;
	if (!pg_connection_connected(probe->connection))
		probe->made_us = probe->next.asked_us;
	enter(probe, PROBE_ASKING, probe->config->verify_timeout_ms);
	pg_connection_ask(probe->connection, &probe->next);
}

static void give_up(struct probe *probe)
{
	struct connect_failure failure = {.class = SERVER_TIMED_OUT};

	if (!probe->extended && clock_now_us() - probe->due_us > STALLED_US) {
		probe->extended = true;
		enter(probe, PROBE_ASKING, probe->config->verify_timeout_ms);
		return;
	}
	snprintf(failure.problem, sizeof(failure.problem), "no %s within %lld ms",
	         pg_connection_connected(probe->connection) ? "answer" : "connection",
	         (long long)probe->config->verify_timeout_ms);
	pg_connection_close(probe->connection);
	conclude_failure(probe, &failure);
}

static void on_timer(void *arg)
{
	struct probe *probe = arg;

	if (probe->state == PROBE_ASKING)
		give_up(probe);
	else
		ask(probe);
}

void probe_hurry(struct probe *probe, bool slowly)
{
	int64_t now = clock_now_us();
	bool hurried = in_hurry(probe, now) && (slowly || !probe->hurry_slowly);

	probe->hurry_until_us = now + HURRY_LINGERS_US;
	if (probe->awaited_us == 0)
		probe->awaited_us = now;
	if (hurried || probe->timer == NULL)
		return;
	probe->hurry_slowly = slowly;
	probe->hurry_from_us = slowly ? now - HURRY_US : now;
	if (probe->state != PROBE_ASKING)
		enter(probe, probe->state, 0);
}

void probe_recall(struct probe *probe, const struct server_fact *before)
{
	struct server_fact *fact = &probe->fact;

	fact->known = before->known;
	fact->interrupted = before->interrupted;
	fact->in_recovery = before->in_recovery;
	fact->timeline = before->timeline;
	fact->lsn = before->lsn;
	fact->answered_us = before->answered_us;
	memcpy(fact->system_identifier, before->system_identifier, sizeof(fact->system_identifier));
}

const struct server_fact *probe_fact(const struct probe *probe)
{
	return &probe->fact;
}

static const struct pg_connection_question question = {.columns = QUESTION_COLUMNS,
                                                       .bytes_max = ANSWER_BYTES_MAX,
                                                       .sql = question_sql,
                                                       .parse = question_parse};

struct probe *probe_create(struct event_base *base, const struct libpq *pq,
                           const struct config_cluster *config, const struct member *member,
                           const char *problem, probe_cb *cb, void *arg)
{
	struct probe *probe = xcalloc(1, sizeof(*probe));

	probe->config = config;
	probe->cb = cb;
	probe->arg = arg;
	probe->fact.port = member->port;
	probe->fact.heard_us = clock_now_us();
	memcpy(probe->fact.address, member->address, sizeof(probe->fact.address));
	if (problem != NULL) {
		probe->fact.class = SERVER_OTHER;
		probe->fact.running = 1;
		classify_line(probe->fact.problem, sizeof(probe->fact.problem), problem);
		return probe;
	}
	probe->connection = pg_connection_create(base, pq, &question, config->verify_conninfo,
	                                         member, on_outcome, probe);
	probe->timer = timer_new(base, on_timer, probe);
	enter(probe, PROBE_WAITING, 0);
	return probe;
}

void probe_destroy(struct probe *probe)
{
	if (probe == NULL)
		return;
	pg_connection_destroy(probe->connection);
	timer_free(probe->timer);
	free(probe);
}
