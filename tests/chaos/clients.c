/* The clients: each a process that inserts rows of its own numbers through one proxy, and notes in
 * shared memory what became of each: who acknowledged it, or which error it got. A row whose insert
 * failed is not tried again. */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "chaos/chaos.h"

#define ACKS_MAX      400000
#define ERRORS_MAX    20000
#define ANSWER_MAX_MS 150000 /* then the client gives up: nobody waits that long in a run */
#define RETRY_MS      50     /* after an error */

struct book {
	_Atomic uint32_t ack_count, error_count;
	struct ack acks[ACKS_MAX];
	struct client_error errors[ERRORS_MAX];
};

struct client {
	struct chaos *chaos;
	int number;
	struct lab_process *process;
	struct book *book;
	/* in its process only */
	PGconn *conn;
	int64_t connected_us; /* when the connect began */
	unsigned random;
};

enum proxy client_proxy(int client)
{
	return client < CLIENTS / 2 ? PROXY_HAPROXY : PROXY_PGBOUNCER;
}

/* Of each proxy's eight: two write all the time, two with a new connection for each row, four keep
 * a connection and write now and then. */
enum client_kind client_kind(int client)
{
	static const enum client_kind kinds[CLIENTS / 2] = {
	    CLIENT_STEADY, CLIENT_FRESH, CLIENT_IDLE, CLIENT_IDLE,
	    CLIENT_STEADY, CLIENT_FRESH, CLIENT_IDLE, CLIENT_IDLE};

	return kinds[client % (CLIENTS / 2)];
}

const char *client_words(int client)
{
	switch (client_kind(client)) {
	case CLIENT_STEADY:
		return "writes all the time";
	case CLIENT_FRESH:
		return "connects for each write";
	case CLIENT_IDLE:
		return "is idle most of the time";
	}
	return "";
}

/* ---- in the client's process ---- */

static int pause_ms(struct client *client)
{
	switch (client_kind(client->number)) {
	case CLIENT_STEADY:
		return 60;
	case CLIENT_FRESH:
		return 90;
	case CLIENT_IDLE:
		return 500 + (int)(rand_r(&client->random) % 6000U);
	}
	return 0;
}

static void disconnect(struct client *client)
{
	PQfinish(client->conn);
	client->conn = NULL;
}

static void note_error(struct client *client, struct client_error *error, const char *text)
{
	struct book *book = client->book;
	uint32_t count = atomic_load(&book->error_count);

	error->at_us = clock_now_us();
	error->connected_us = client->connected_us;
	if (count == ERRORS_MAX)
		return;
	snprintf(error->text, sizeof(error->text), "%s", text);
	for (char *c = error->text; *c != '\0'; c++)
		if (*c == '\n')
			*c = c[1] == '\0' ? '\0' : ' ';
	book->errors[count] = *error;
	atomic_store(&book->error_count, count + 1);
}

/* Whether the answer to the query under way is here in time. */
static bool wait_answer(PGconn *conn)
{
	struct pollfd ready = {.fd = PQsocket(conn), .events = POLLIN};
	int64_t deadline = clock_now_ms() + ANSWER_MAX_MS;

	while (PQisBusy(conn)) {
		int64_t left = deadline - clock_now_ms();

		if (left <= 0)
			return false;
		poll(&ready, 1, (int)left);
		if (!PQconsumeInput(conn))
			return true;
	}
	return true;
}

static bool take_answer(struct client *client, const PGresult *result, struct ack *ack)
{
	unsigned high, low;

	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
		return false;
	ack->node = node_of_address(client->chaos, PQgetvalue(result, 0, 0));
	ack->timeline = (int)strtol(PQgetvalue(result, 0, 1), NULL, 16);
	if (sscanf(PQgetvalue(result, 0, 2), "%X/%X", &high, &low) == 2) /* NOLINT(cert-err34-c) */
		ack->lsn = (uint64_t)high << 32 | low;
	ack->at_us = clock_now_us();
	ack->connected_us = client->connected_us;
	return true;
}

static PGresult *insert_row(struct client *client, uint32_t n)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	         "insert into chaos values (%d, %u) returning host(inet_server_addr()), "
	         "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), "
	         "pg_current_wal_insert_lsn()",
	         client->number, n);
	if (!PQsendQuery(client->conn, sql) || !wait_answer(client->conn))
		return NULL;
	return PQgetResult(client->conn);
}

static bool connect_it(struct client *client)
{
	if (client->conn == NULL) {
		client->connected_us = clock_now_us();
		client->conn = PQconnectdb(client->chaos->conninfo[client_proxy(client->number)]);
	}
	return PQstatus(client->conn) == CONNECTION_OK;
}

static bool write_row(struct client *client, uint32_t n)
{
	struct ack ack = {.n = n, .began_us = clock_now_us()};
	struct client_error error = {.n = n, .began_us = ack.began_us};
	PGresult *result = connect_it(client) ? insert_row(client, n) : NULL;
	bool ok = take_answer(client, result, &ack);
	struct book *book = client->book;

	if (ok) {
		uint32_t count = atomic_load(&book->ack_count);

		book->acks[count] = ack;
		atomic_store(&book->ack_count, count + 1);
		PQclear(PQgetResult(client->conn));
	} else {
		note_error(client, &error,
		           result != NULL ? PQresultErrorMessage(result)
		           : PQstatus(client->conn) == CONNECTION_OK
		               ? "no answer in time"
		               : PQerrorMessage(client->conn));
	}
	PQclear(result);
	if (!ok || client_kind(client->number) == CLIENT_FRESH)
		disconnect(client);
	return ok;
}

/* Waits, and notes when the connection is lost meanwhile. */
static void idle(struct client *client, int ms)
{
	int64_t until = clock_now_ms() + ms;
	struct client_error error = {.began_us = clock_now_us(), .idle = true};
	int64_t left;

	while ((left = until - clock_now_ms()) > 0) {
		struct pollfd ready = {.fd = PQsocket(client->conn), .events = POLLIN};

		if (client->conn == NULL || poll(&ready, 1, (int)left) != 1) {
			poll(NULL, 0, client->conn == NULL ? (int)left : 0);
			continue;
		}
		if (PQconsumeInput(client->conn) && PQstatus(client->conn) == CONNECTION_OK)
			continue;
		note_error(client, &error, PQerrorMessage(client->conn));
		disconnect(client);
	}
}

static int run_client(void *arg)
{
	struct client *client = arg;

	client->random = client->chaos->seed + (unsigned)client->number;
	for (uint32_t n = 0; atomic_load(&client->book->ack_count) < ACKS_MAX; n++)
		idle(client, write_row(client, n) ? pause_ms(client) : RETRY_MS);
	poll(NULL, 0, -1);
	return 0;
}

/* ---- in the harness ---- */

void clients_start(struct chaos *chaos)
{
	chaos->clients = xcalloc(CLIENTS, sizeof(*chaos->clients));
	for (int i = 0; i < CLIENTS; i++) {
		struct client *client = &chaos->clients[i];

		*client = (struct client){.chaos = chaos, .number = i};
		client->book = mmap(NULL, sizeof(*client->book), PROT_READ | PROT_WRITE,
		                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (client->book == MAP_FAILED)
			lab_fail("mmap: %s", strerror(errno));
		client->process = lab_fork(chaos->lab, "client", run_client, client);
	}
}

void clients_stop(struct chaos *chaos)
{
	for (int i = 0; i < CLIENTS; i++)
		lab_process_kill(chaos->clients[i].process);
}

uint32_t client_acks(const struct chaos *chaos, int client)
{
	return atomic_load(&chaos->clients[client].book->ack_count);
}

const struct ack *client_ack(const struct chaos *chaos, int client, uint32_t i)
{
	return &chaos->clients[client].book->acks[i];
}

uint32_t client_errors(const struct chaos *chaos, int client)
{
	return atomic_load(&chaos->clients[client].book->error_count);
}

const struct client_error *client_error(const struct chaos *chaos, int client, uint32_t i)
{
	return &chaos->clients[client].book->errors[i];
}
