/* The client and its book, which is shared memory: each entry is complete before it is counted. */
#include "lab/ledger.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "lab/internal.h"

#define ACKS_MAX           1048576 /* then the client rests */
#define ERRORS_MAX         4096    /* those after are not kept */
#define DEFAULT_PAUSE_MS   5
#define DEFAULT_TIMEOUT_MS 5000
#define RETRY_MS           20 /* after an error, before the next connection */

struct book {
	_Atomic uint32_t ack_count, error_count;
	struct ledger_ack acks[ACKS_MAX];
	struct ledger_error errors[ERRORS_MAX];
};

struct ledger {
	struct ledger_options options;
	struct lab_process *process;
	struct book *book;
	int64_t started_us, stopped_us; /* 0: it runs */
	PGconn *conn;                   /* in the client only; NULL between two */
	FILE *trace;                    /* in the client only: of the write under way */
	char *traced;                   /* its bytes */
	size_t traced_len;
};

void ledger_prepare(const char *conninfo)
{
	auto_free char *value = lab_pg_query(
	    conninfo, "create table ledger (client int, n int, primary key (client, n))");

	if (value == NULL)
		lab_fail("cannot make the table of the ledger");
}

/* ---- the client ---- */

static void note_ack(struct book *book, const struct ledger_ack *ack)
{
	uint32_t count = atomic_load(&book->ack_count);

	book->acks[count] = *ack;
	atomic_store(&book->ack_count, count + 1);
}

static uint16_t own_port(PGconn *conn)
{
	struct sockaddr_in address = {0};
	socklen_t len = sizeof(address);

	if (PQsocket(conn) < 0 ||
	    getsockname(PQsocket(conn), (struct sockaddr *)&address, &len) != 0)
		return 0;
	return address.sin_family == AF_INET ? ntohs(address.sin_port) : 0;
}

static void take_trace(struct ledger *ledger, struct ledger_error *error)
{
	size_t len = (size_t)ftell(ledger->trace);

	fflush(ledger->trace);
	len = len < ledger->traced_len ? len : ledger->traced_len;
	if (len >= sizeof(error->trace))
		len = sizeof(error->trace) - 1;
	memcpy(error->trace, ledger->traced, len);
	for (size_t i = 0; i < len; i++)
		if (error->trace[i] < ' ')
			error->trace[i] = error->trace[i] == '\n' ? ';' : ' ';
}

static void note_error(struct book *book, struct ledger_error *error, const char *text)
{
	uint32_t count = atomic_load(&book->error_count);

	if (count == ERRORS_MAX)
		return;
	error->at_us = clock_now_us();
	snprintf(error->text, sizeof(error->text), "%.*s", (int)strcspn(text, "\n"), text);
	book->errors[count] = *error;
	atomic_store(&book->error_count, count + 1);
}

/* Whether the answer to the query under way is here in time. */
static bool wait_answer(PGconn *conn, int64_t deadline_ms)
{
	struct pollfd ready = {.fd = PQsocket(conn), .events = POLLIN};

	while (PQisBusy(conn)) {
		int64_t left = deadline_ms - clock_now_ms();

		if (left <= 0)
			return false;
		poll(&ready, 1, (int)left);
		if (!PQconsumeInput(conn))
			return true; /* an answer too, of a kind: PQgetResult() has the error */
	}
	return true;
}

static PGresult *insert_row(const struct ledger *ledger, uint32_t n)
{
	auto_free char *sql = xasprintf("insert into ledger values (%d, %u) "
	                                "returning inet_server_port(), pg_is_in_recovery()",
	                                ledger->options.client, n);

	if (!PQsendQuery(ledger->conn, sql) ||
	    !wait_answer(ledger->conn, clock_now_ms() + ledger->options.timeout_ms))
		return NULL;
	return PQgetResult(ledger->conn);
}

static bool take_answer(const struct ledger *ledger, PGresult *result, struct ledger_ack *ack)
{
	PGresult *more;

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		return false;
	ack->port = (uint16_t)strtol(PQgetvalue(result, 0, 0), NULL, 10);
	ack->in_recovery = PQgetvalue(result, 0, 1)[0] == 't';
	ack->at_us = clock_now_us();
	while ((more = PQgetResult(ledger->conn)) != NULL)
		PQclear(more);
	return true;
}

static const char *why(const struct ledger *ledger, const PGresult *result)
{
	if (result != NULL)
		return PQresultErrorMessage(result);
	return PQstatus(ledger->conn) == CONNECTION_OK ? "no answer in time"
	                                               : PQerrorMessage(ledger->conn);
}

static bool write_row(struct ledger *ledger, uint32_t n)
{
	struct ledger_ack ack = {.n = n, .began_us = clock_now_us()};
	struct ledger_error error = {.n = n, .began_us = ack.began_us};
	PGresult *result = NULL;
	bool ok;

	rewind(ledger->trace);
	if (ledger->conn == NULL) {
		ledger->conn = PQconnectdb(ledger->options.conninfo);
		PQtrace(ledger->conn, ledger->trace);
	}
	error.own_port = own_port(ledger->conn);
	if (PQstatus(ledger->conn) == CONNECTION_OK)
		result = insert_row(ledger, n);
	ok = take_answer(ledger, result, &ack);
	if (ok) {
		note_ack(ledger->book, &ack);
	} else {
		take_trace(ledger, &error);
		note_error(ledger->book, &error, why(ledger, result));
		PQfinish(ledger->conn);
		ledger->conn = NULL;
	}
	PQclear(result);
	return ok;
}

static int run_client(void *arg)
{
	struct ledger *ledger = arg;

	ledger->trace = open_memstream(&ledger->traced, &ledger->traced_len);
	if (ledger->trace == NULL)
		lab_fail("open_memstream: %s", strerror(errno));
	for (uint32_t n = 0; atomic_load(&ledger->book->ack_count) < ACKS_MAX; n++)
		poll(NULL, 0, write_row(ledger, n) ? ledger->options.pause_ms : RETRY_MS);
	poll(NULL, 0, -1);
	return 0;
}

/* ---- the reader ---- */

static void unmap_book(void *memory)
{
	struct ledger *ledger = memory;

	munmap(ledger->book, sizeof(*ledger->book));
}

struct ledger *ledger_start(struct lab *lab, const struct ledger_options *options)
{
	struct ledger *ledger = lab_alloc(lab, sizeof(*ledger), unmap_book);

	ledger->options = *options;
	ledger->options.conninfo = lab_printf(lab, "%s connect_timeout=2", options->conninfo);
	if (ledger->options.pause_ms == 0)
		ledger->options.pause_ms = DEFAULT_PAUSE_MS;
	if (ledger->options.timeout_ms == 0)
		ledger->options.timeout_ms = DEFAULT_TIMEOUT_MS;
	ledger->book = mmap(NULL, sizeof(*ledger->book), PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ledger->book == MAP_FAILED)
		lab_fail("mmap: %s", strerror(errno));
	ledger->started_us = clock_now_us();
	ledger->process = lab_fork(lab, "ledger", run_client, ledger);
	return ledger;
}

void ledger_stop(struct ledger *ledger)
{
	if (ledger->stopped_us == 0)
		ledger->stopped_us = clock_now_us();
	lab_process_kill(ledger->process);
}

uint32_t ledger_acks(const struct ledger *ledger)
{
	return atomic_load(&ledger->book->ack_count);
}

const struct ledger_ack *ledger_ack(const struct ledger *ledger, uint32_t i)
{
	return &ledger->book->acks[i];
}

uint32_t ledger_acks_from(const struct ledger *ledger, uint16_t port)
{
	uint32_t count = 0, all = ledger_acks(ledger);

	for (uint32_t i = 0; i < all; i++)
		count += ledger->book->acks[i].port == port;
	return count;
}

uint32_t ledger_errors(const struct ledger *ledger)
{
	return atomic_load(&ledger->book->error_count);
}

const struct ledger_error *ledger_error(const struct ledger *ledger, uint32_t i)
{
	return &ledger->book->errors[i];
}

int64_t ledger_longest_gap_us(const struct ledger *ledger)
{
	int64_t end_us = ledger->stopped_us != 0 ? ledger->stopped_us : clock_now_us();
	int64_t previous_us = ledger->started_us, longest_us = 0;
	uint32_t count = ledger_acks(ledger);

	for (uint32_t i = 0; i <= count; i++) {
		int64_t at_us = i < count ? ledger->book->acks[i].at_us : end_us;

		if (at_us - previous_us > longest_us)
			longest_us = at_us - previous_us;
		previous_us = at_us;
	}
	return longest_us;
}

struct awaited {
	const struct ledger *ledger;
	int64_t since_us;
	uint32_t next; /* the first acknowledgement not looked at yet */
	uint16_t port; /* 0: any */
};

static bool is_served(void *arg)
{
	struct awaited *awaited = arg;
	uint32_t count = ledger_acks(awaited->ledger);

	for (; awaited->next < count; awaited->next++) {
		const struct ledger_ack *ack = ledger_ack(awaited->ledger, awaited->next);

		if (ack->began_us >= awaited->since_us &&
		    (awaited->port == 0 || ack->port == awaited->port))
			return true;
	}
	return false;
}

bool ledger_wait_served_since(const struct ledger *ledger, int64_t since_us, uint16_t port,
                              int64_t timeout_ms)
{
	struct awaited awaited = {ledger, since_us, ledger_acks(ledger), port};

	while (awaited.next > 0 && ledger_ack(ledger, awaited.next - 1)->at_us >= since_us)
		awaited.next--;
	return lab_wait_until(is_served, &awaited, timeout_ms);
}

bool ledger_wait_served(const struct ledger *ledger, uint16_t port, int64_t timeout_ms)
{
	return ledger_wait_served_since(ledger, clock_now_us(), port, timeout_ms);
}

static int compare_rows(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

/* The rows of the client that the server has, ascending; NULL: it does not answer. Caller frees. */
static uint32_t *read_rows(const struct ledger *ledger, const char *conninfo, size_t *count)
{
	auto_free char *sql =
	    xasprintf("select n from ledger where client = %d order by n", ledger->options.client);
	PGconn *conn = PQconnectdb(conninfo);
	PGresult *result = PQexec(conn, sql);
	uint32_t *rows = NULL;

	*count = (size_t)PQntuples(result);
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		rows = xcalloc(*count + 1, sizeof(*rows));
	for (size_t i = 0; rows != NULL && i < *count; i++)
		rows[i] = (uint32_t)strtoul(PQgetvalue(result, (int)i, 0), NULL, 10);
	PQclear(result);
	PQfinish(conn);
	return rows;
}

int64_t ledger_missing(const struct ledger *ledger, const char *conninfo, struct strbuf *report)
{
	size_t count;
	uint32_t acks = ledger_acks(ledger);
	auto_free uint32_t *rows = read_rows(ledger, conninfo, &count);
	int64_t missing = 0;

	if (rows == NULL)
		return -1;
	for (uint32_t i = 0; i < acks; i++) {
		const struct ledger_ack *ack = ledger_ack(ledger, i);

		if (bsearch(&ack->n, rows, count, sizeof(*rows), compare_rows) != NULL)
			continue;
		missing++;
		if (report != NULL)
			strbuf_printf(report, "row %u, acknowledged at %.3f s by port %u\n", ack->n,
			              (double)(ack->at_us - ledger->started_us) / 1e6, ack->port);
	}
	return missing;
}
