/* One server: connect, ask, wait, ask again; and after a failure connect anew. It decides nothing.
 * At any moment one thing at most is under way, and `timer` is its end: the deadline of connecting
 * and asking, the next question or attempt of waiting.
 *
 *              timer                connected                  answered
 *   WAITING -----------> CONNECTING ---------> ASKING <-----------------------> IDLE
 *      ^                     |                   |        timer, hurry           |
 *      |   failed, deadline  |  error, deadline, |                               |
 *      +---------------------+-------- EOF ------+------------- EOF -------------+
 */
#include "verify/probe.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "verify/classify.h"
#include "verify/question.h"

#define WRITER_INTERVAL_MS 1000
#define READER_INTERVAL_MS 5000
#define RETRY_FIRST_MS     10

#define HURRY_INTERVAL_MS 5
#define HURRY_SLOW_MS     100
#define HURRY_US          INT64_C(10000000)

/* A connection that ends sooner than that was not warm: the next ones back off. */
#define SETTLED_US  INT64_C(1000000)
/* A timer that comes so late comes from a loop that stood still: the server may have answered. */
#define STALLED_US  INT64_C(50000)
/* Errors that pass by themselves, before one is believed. */
#define PASSING_MAX 3

enum probe_state {
	PROBE_WAITING,    /* no connection; the timer brings the next attempt */
	PROBE_CONNECTING, /* libpq is at it, until the deadline */
	PROBE_ASKING,     /* the question is out, until the deadline */
	PROBE_IDLE,       /* connected; the timer brings the next question, the socket its end */
};

struct probe {
	struct event_base *base;
	const struct libpq *pq;
	const struct config_cluster *config;
	char host[TOPOLOGY_HOST_MAX];
	struct server_fact fact;
	enum probe_state state;
	PGconn *conn;
	PGresult *result;    /* the first one of the answer */
	struct event *io;    /* NULL: nothing to watch */
	struct event *timer; /* always pending */
	int64_t due_us;      /* when the timer is due */
	bool extended;       /* this attempt got a second deadline */
	bool spoke;          /* the last that came in while connecting was bytes, not the end */
	bool cut_before;     /* the last attempt was cut without a word */
	bool answered;       /* this connection has brought an answer */
	bool no_identifier;  /* the role may not read it on this connection */
	unsigned passing;    /* errors in a row that may pass by themselves */
	unsigned failures;   /* attempts in a row that failed */
	unsigned flaps;      /* connections in a row that ended soon after they were made */
	int64_t connected_us;
	int64_t hurry_from_us, hurry_until_us; /* until: 0: no hurry */
	probe_cb *cb;
	void *arg;
};

static void advance(struct probe *probe);

static void set_timer(struct probe *probe, int64_t ms)
{
	struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	probe->due_us = clock_now_us() + ms * 1000;
	event_add(probe->timer, &after);
}

/* The one place where the state changes. What is entered for the deadline's sake keeps the deadline
 * of the attempt. */
static void enter(struct probe *probe, enum probe_state state)
{
	probe->state = state;
}

static void enter_until(struct probe *probe, enum probe_state state, int64_t ms)
{
	enter(probe, state);
	set_timer(probe, ms);
}

static void unwatch(struct probe *probe)
{
	if (probe->io != NULL)
		event_free(probe->io);
	probe->io = NULL;
}

static void io_cb(evutil_socket_t fd, short events, void *arg)
{
	struct probe *probe = arg;
	char byte;

	/* Not before it is connected: the call would take the error that libpq looks for. */
	if (probe->state == PROBE_CONNECTING && (events & EV_READ) != 0)
		probe->spoke = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
	advance(probe);
}

static void watch(struct probe *probe, short events)
{
	int fd = probe->pq->socket(probe->conn);

	if (probe->io != NULL && event_get_fd(probe->io) == fd &&
	    (event_get_events(probe->io) & (EV_READ | EV_WRITE)) == events)
		return;
	unwatch(probe);
	probe->io = event_new(probe->base, fd, (short)(events | EV_PERSIST), io_cb, probe);
	event_add(probe->io, NULL);
}

static void disconnect(struct probe *probe)
{
	unwatch(probe);
	if (probe->result != NULL)
		probe->pq->clear(STEAL(probe->result));
	if (probe->conn != NULL)
		probe->pq->finish(STEAL(probe->conn));
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

static int64_t next_question_ms(const struct probe *probe)
{
	int64_t now = clock_now_us();

	if (!in_hurry(probe, now))
		return clock_jitter_ms(interval_ms(probe));
	return now - probe->hurry_from_us < HURRY_US ? HURRY_INTERVAL_MS : HURRY_SLOW_MS;
}

static void wait_to_retry(struct probe *probe, unsigned attempt)
{
	int64_t max = in_hurry(probe, clock_now_us()) ? HURRY_SLOW_MS : interval_ms(probe);

	enter_until(probe, PROBE_WAITING, clock_backoff_ms(attempt, RETRY_FIRST_MS, max));
}

/* An attempt has ended; `fact` is what it brought. */
static void conclude(struct probe *probe, struct server_fact *fact)
{
	struct server_fact before = probe->fact;
	bool again = fact->class == before.class &&
	             (fact->class != SERVER_ANSWERED || fact->in_recovery == before.in_recovery);

	fact->running = again ? before.running + 1 : 1;
	if (!server_says_the_same(fact, &before))
		probe->hurry_until_us = 0;
	probe->fact = *fact;
	probe->cb(probe, &before, probe->arg);
}

static void conclude_answer(struct probe *probe, struct server_fact *fact)
{
	fact->class = SERVER_ANSWERED;
	fact->known = true;
	fact->answered_us = clock_now_us();
	fact->problem[0] = '\0';
	probe->answered = true;
	probe->cut_before = false;
	probe->failures = probe->passing = 0;
	enter(probe, PROBE_IDLE);
	watch(probe, EV_READ);
	conclude(probe, fact);
	set_timer(probe, next_question_ms(probe));
}

/* The connection goes, whatever it may still be good for: the next attempt shows. */
static void conclude_failure(struct probe *probe, const struct verdict *verdict)
{
	struct server_fact fact = probe->fact;

	fact.class = verdict->class;
	memcpy(fact.problem, verdict->problem, sizeof(fact.problem));
	probe->cut_before = verdict->cut;
	probe->passing = 0;
	disconnect(probe);
	conclude(probe, &fact);
	wait_to_retry(probe, ++probe->failures);
}

/* A connection that had worked has ended: that says nothing yet, the next attempt does. */
static void lose(struct probe *probe)
{
	bool settled = clock_now_us() - probe->connected_us >= SETTLED_US;

	disconnect(probe);
	probe->flaps = settled ? 0 : probe->flaps + 1;
	wait_to_retry(probe, probe->flaps);
}

static void fail(struct probe *probe, const struct verdict *verdict)
{
	if (!verdict->cut || probe->cut_before) {
		conclude_failure(probe, verdict);
		return;
	}
	probe->cut_before = true;
	disconnect(probe);
	wait_to_retry(probe, probe->failures);
}

static void fail_to_connect(struct probe *probe, bool started)
{
	const struct classify_failure failure = {
	    .message = probe->pq->error_message(probe->conn),
	    .needs_password = probe->pq->needs_password(probe->conn),
	    .started = started,
	    .spoke = probe->spoke,
	};
	struct verdict verdict;

	classify_failure(&failure, &verdict);
	fail(probe, &verdict);
}

/* While asking: by the end of the connection, or by what made libpq end it. */
static void lose_question(struct probe *probe)
{
	probe->spoke = false;
	if (probe->answered)
		lose(probe);
	else
		fail_to_connect(probe, true);
}

static void send_question(struct probe *probe)
{
	int unsent = -1;

	if (probe->pq->send_query(probe->conn, question_sql(!probe->no_identifier)))
		unsent = probe->pq->flush(probe->conn);
	if (unsent < 0) {
		lose_question(probe);
		return;
	}
	enter(probe, PROBE_ASKING);
	watch(probe, unsent > 0 ? EV_READ | EV_WRITE : EV_READ);
}

static void ask(struct probe *probe)
{
	probe->fact.asked_us = clock_now_us();
	probe->extended = false;
	set_timer(probe, probe->config->verify_timeout_ms);
	send_question(probe);
}

static void understand(struct probe *probe)
{
	const PGresult *result = probe->result;
	struct server_fact fact = probe->fact;
	struct verdict verdict = {.class = SERVER_OTHER};
	const char *row[QUESTION_COLUMNS] = {NULL};
	struct err err = {"not one row of four columns"};
	bool good = probe->pq->rows(result) == 1 && probe->pq->columns(result) == QUESTION_COLUMNS;

	for (int i = 0; good && i < QUESTION_COLUMNS; i++)
		row[i] = probe->pq->is_null(result, 0, i) ? NULL : probe->pq->value(result, 0, i);
	if (good && question_parse(row, &fact, &err)) {
		probe->pq->clear(STEAL(probe->result));
		conclude_answer(probe, &fact);
		return;
	}
	classify_line(verdict.problem, sizeof(verdict.problem), err.message);
	conclude_failure(probe, &verdict);
}

/* 55000: cannot be done in recovery, or outside. 40001, 57014: a conflict with recovery, a cancel.
 */
static bool may_pass(const char *sqlstate)
{
	return strcmp(sqlstate, "55000") == 0 || strcmp(sqlstate, "40001") == 0 ||
	       strcmp(sqlstate, "57014") == 0;
}

static void take_error(struct probe *probe)
{
	const char *sqlstate = probe->pq->result_error_field(probe->result, PG_DIAG_SQLSTATE);
	const char *text = probe->pq->result_error_field(probe->result, PG_DIAG_MESSAGE_PRIMARY);
	struct verdict verdict;

	if (sqlstate != NULL && strcmp(sqlstate, "42501") == 0 && !probe->no_identifier) {
		probe->no_identifier = true;
		probe->pq->clear(STEAL(probe->result));
		send_question(probe);
	} else if (sqlstate != NULL && may_pass(sqlstate) && ++probe->passing <= PASSING_MAX) {
		probe->pq->clear(STEAL(probe->result));
		enter_until(probe, PROBE_IDLE, HURRY_INTERVAL_MS);
	} else {
		classify_error(sqlstate, text != NULL ? text : "the question failed", &verdict);
		conclude_failure(probe, &verdict);
	}
}

static void take_result(struct probe *probe)
{
	if (probe->pq->status(probe->conn) == CONNECTION_BAD)
		lose_question(probe);
	else if (probe->pq->result_status(probe->result) == PGRES_TUPLES_OK)
		understand(probe);
	else
		take_error(probe);
}

/* An error stands before whatever follows it. */
static void keep_result(struct probe *probe, PGresult *result)
{
	if (probe->result == NULL)
		probe->result = result;
	else
		probe->pq->clear(result);
}

static void read_answer(struct probe *probe)
{
	int unsent = probe->pq->flush(probe->conn);
	PGresult *result;

	if (unsent < 0 || !probe->pq->consume_input(probe->conn)) {
		lose_question(probe);
		return;
	}
	while (!probe->pq->is_busy(probe->conn)) {
		result = probe->pq->get_result(probe->conn);
		if (result == NULL) {
			take_result(probe);
			return;
		}
		keep_result(probe, result);
	}
	watch(probe, unsent > 0 ? EV_READ | EV_WRITE : EV_READ);
}

static void connected(struct probe *probe)
{
	probe->connected_us = clock_now_us();
	probe->answered = probe->no_identifier = false;
	probe->pq->set_nonblocking(probe->conn, 1);
	send_question(probe);
}

/* libpq may close its socket and open one with the same number: the event goes before. */
static void go_on_connecting(struct probe *probe)
{
	unwatch(probe);
	switch (probe->pq->connect_poll(probe->conn)) {
	case PGRES_POLLING_READING:
	case PGRES_POLLING_ACTIVE:
		watch(probe, EV_READ);
		return;
	case PGRES_POLLING_WRITING:
		watch(probe, EV_WRITE);
		return;
	case PGRES_POLLING_OK:
		connected(probe);
		return;
	case PGRES_POLLING_FAILED:
		fail_to_connect(probe, true);
		return;
	}
}

static void advance(struct probe *probe)
{
	switch (probe->state) {
	case PROBE_WAITING:
		return;
	case PROBE_CONNECTING:
		go_on_connecting(probe);
		return;
	case PROBE_ASKING:
		read_answer(probe);
		return;
	case PROBE_IDLE:
		if (!probe->pq->consume_input(probe->conn) ||
		    probe->pq->status(probe->conn) == CONNECTION_BAD)
			lose(probe);
		return;
	}
}

static void drop_notice(void *arg, const PGresult *result)
{
	(void)arg;
	(void)result;
}

/* What stands before verify_conninfo it may set otherwise, what stands behind it may not: an
 * address, so that no name is looked up, and the name beside it for TLS and the passfile. GSSAPI
 * asks name servers and ticket servers with the loop standing still. */
static PGconn *start_connecting(const struct probe *probe)
{
	char port[8];
	const char *const keys[] = {"fallback_application_name",
	                            "gssencmode",
	                            "keepalives_idle",
	                            "keepalives_interval",
	                            "keepalives_count",
	                            "tcp_user_timeout",
	                            "dbname",
	                            "hostaddr",
	                            "host",
	                            "port",
	                            "target_session_attrs",
	                            NULL};
	const char *const values[] = {"segue",
	                              "disable",
	                              "5",
	                              "2",
	                              "3",
	                              "10000",
	                              probe->config->verify_conninfo,
	                              probe->fact.address,
	                              probe->host,
	                              port,
	                              "any",
	                              NULL};

	snprintf(port, sizeof(port), "%u", (unsigned)probe->fact.port);
	return probe->pq->connect_start_params(keys, values, 1);
}

static void connect_anew(struct probe *probe)
{
	probe->fact.asked_us = clock_now_us();
	probe->extended = probe->spoke = probe->answered = false;
	enter_until(probe, PROBE_CONNECTING, probe->config->verify_timeout_ms);
	probe->conn = start_connecting(probe);
	if (probe->pq->status(probe->conn) == CONNECTION_BAD) {
		fail_to_connect(probe, false);
		return;
	}
	probe->pq->set_notice_receiver(probe->conn, drop_notice, NULL);
	probe->pq->set_verbosity(probe->conn, PQERRORS_VERBOSE);
	watch(probe, EV_WRITE);
}

static void give_up(struct probe *probe)
{
	struct verdict verdict = {.class = SERVER_TIMED_OUT};

	if (!probe->extended && clock_now_us() - probe->due_us > STALLED_US) {
		probe->extended = true;
		set_timer(probe, probe->config->verify_timeout_ms);
		return;
	}
	snprintf(verdict.problem, sizeof(verdict.problem), "%s within %lld ms",
	         probe->state == PROBE_CONNECTING ? "no connection" : "no answer",
	         (long long)probe->config->verify_timeout_ms);
	conclude_failure(probe, &verdict);
}

static void timer_cb(evutil_socket_t fd, short events, void *arg)
{
	struct probe *probe = arg;

	(void)fd;
	(void)events;
	switch (probe->state) {
	case PROBE_WAITING:
		connect_anew(probe);
		return;
	case PROBE_CONNECTING:
	case PROBE_ASKING:
		give_up(probe);
		return;
	case PROBE_IDLE:
		ask(probe);
		return;
	}
}

void probe_hurry(struct probe *probe)
{
	int64_t now = clock_now_us();
	bool hurried = in_hurry(probe, now);

	probe->hurry_until_us = now + HURRY_US;
	if (hurried)
		return;
	probe->hurry_from_us = now;
	switch (probe->state) {
	case PROBE_WAITING:
	case PROBE_IDLE:
		set_timer(probe, 0);
		return;
	case PROBE_CONNECTING:
	case PROBE_ASKING:
		return; /* it is being asked */
	}
}

const struct server_fact *probe_fact(const struct probe *probe)
{
	return &probe->fact;
}

struct probe *probe_create(struct event_base *base, const struct libpq *pq,
                           const struct config_cluster *config, const struct member *member,
                           probe_cb *cb, void *arg)
{
	struct probe *probe = xcalloc(1, sizeof(*probe));

	*probe = (struct probe){.base = base,
	                        .pq = pq,
	                        .config = config,
	                        .cb = cb,
	                        .arg = arg,
	                        .fact.port = member->port};
	memcpy(probe->fact.address, member->address, sizeof(probe->fact.address));
	memcpy(probe->host, *member->host != '\0' ? member->host : member->address,
	       *member->host != '\0' ? sizeof(member->host) : sizeof(member->address));
	probe->timer = event_new(base, -1, 0, timer_cb, probe);
	enter_until(probe, PROBE_WAITING, 0);
	return probe;
}

void probe_destroy(struct probe *probe)
{
	if (probe == NULL)
		return;
	disconnect(probe);
	event_free(probe->timer);
	free(probe);
}
