/* Clients that write, count and remember; see the header. */
#include "lab/traffic.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "lab/internal.h"

#define THINK_MS    20    /* between two writes of a client */
#define ROWS_MAX    65536 /* of a client, which rests when it has written them */
#define CLIENTS_MAX 64

/* Shared with the client. */
struct board {
	struct traffic_client counts;
	int64_t served_us; /* the begin of the last write that was answered */
	uint32_t next;     /* number of the next row */
	uint8_t acknowledged[ROWS_MAX];
};

struct client_task {
	const struct traffic_options *options;
	struct board *board;
	PGconn *conn; /* NULL between two */
	int number;
};

struct traffic {
	struct lab *lab;
	struct traffic_options options;
	struct board *boards;
	struct client_task tasks[CLIENTS_MAX];
	struct lab_process *processes[CLIENTS_MAX];
};

void traffic_prepare(const char *conninfo)
{
	auto_free char *value = lab_pg_query(
	    conninfo, "create table writes (client int, n int, port int default inet_server_port(),"
	              " at timestamptz default clock_timestamp())");

	if (value == NULL)
		lab_fail("cannot make the table of the traffic");
}

static void count_answer(struct client_task *task, int port, int64_t start_us)
{
	struct traffic_client *counts = &task->board->counts;
	int64_t now = clock_now_us(), took = now - start_us;
	int node = port == task->options->ports[0] ? 0 : 1;

	counts->ok[node]++;
	counts->busy_us += took;
	if (took > counts->longest_us)
		counts->longest_us = took;
	if (counts->first_us[node] == 0)
		counts->first_us[node] = now;
	counts->last_us[node] = now;
	task->board->served_us = start_us;
}

static void count_failure(struct client_task *task)
{
	struct traffic_client *counts = &task->board->counts;

	if (counts->failed++ > 0)
		return;
	snprintf(counts->error, sizeof(counts->error), "%s", PQerrorMessage(task->conn));
	counts->error[strcspn(counts->error, "\n")] = '\0';
}

static bool insert_row(struct client_task *task, uint32_t n, int *port)
{
	auto_free char *sql = xasprintf("insert into writes (client, n) values (%d, %u) "
	                                "returning inet_server_port()",
	                                task->number, n);
	PGresult *result = PQexec(task->conn, sql);
	bool ok = PQresultStatus(result) == PGRES_TUPLES_OK;

	if (ok)
		*port = (int)strtol(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return ok;
}

static void write_once(struct client_task *task)
{
	int64_t start_us = clock_now_us();
	uint32_t n = task->board->next++;
	int port = 0;

	if (task->conn == NULL)
		task->conn = PQconnectdb(task->options->conninfo);
	if (PQstatus(task->conn) == CONNECTION_OK && insert_row(task, n, &port)) {
		task->board->acknowledged[n] = 1;
		count_answer(task, port, start_us);
	} else {
		count_failure(task);
	}
	if (!task->options->keep || PQstatus(task->conn) != CONNECTION_OK) {
		PQfinish(task->conn);
		task->conn = NULL;
	}
}

static int run_client(void *arg)
{
	struct client_task *task = arg;

	for (;;) {
		if (task->board->next < ROWS_MAX)
			write_once(task);
		poll(NULL, 0, THINK_MS);
	}
	return 0;
}

static void unmap_boards(void *memory)
{
	struct traffic *traffic = memory;

	munmap(traffic->boards, (size_t)traffic->options.clients * sizeof(*traffic->boards));
}

struct traffic *traffic_start(struct lab *lab, const struct traffic_options *options)
{
	struct traffic *traffic = lab_alloc(lab, sizeof(*traffic), unmap_boards);

	traffic->lab = lab;
	traffic->options = *options;
	if (options->clients > CLIENTS_MAX)
		lab_fail("%d clients: %d are possible", options->clients, CLIENTS_MAX);
	traffic->boards = mmap(NULL, (size_t)options->clients * sizeof(*traffic->boards),
	                       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (traffic->boards == MAP_FAILED)
		lab_fail("mmap: %s", strerror(errno));
	for (int i = 0; i < options->clients; i++) {
		traffic->tasks[i] = (struct client_task){.options = &traffic->options,
		                                         .board = &traffic->boards[i],
		                                         .number = options->first_client + i};
		traffic->processes[i] = lab_fork(lab, "client", run_client, &traffic->tasks[i]);
	}
	return traffic;
}

void traffic_stop(struct traffic *traffic)
{
	for (int i = 0; i < traffic->options.clients; i++)
		lab_process_kill(traffic->processes[i]);
}

static void add_node(struct traffic_client *sum, const struct traffic_client *one, int node)
{
	sum->ok[node] += one->ok[node];
	if (one->first_us[node] != 0 &&
	    (sum->first_us[node] == 0 || one->first_us[node] < sum->first_us[node]))
		sum->first_us[node] = one->first_us[node];
	if (one->last_us[node] > sum->last_us[node])
		sum->last_us[node] = one->last_us[node];
}

struct traffic_client traffic_sum(const struct traffic *traffic)
{
	struct traffic_client sum = {0};

	for (int i = 0; i < traffic->options.clients; i++) {
		const struct traffic_client *one = &traffic->boards[i].counts;

		for (int node = 0; node < TRAFFIC_NODES; node++)
			add_node(&sum, one, node);
		sum.failed += one->failed;
		sum.busy_us += one->busy_us;
		if (one->longest_us > sum.longest_us)
			sum.longest_us = one->longest_us;
		if (sum.error[0] == '\0')
			memcpy(sum.error, one->error, sizeof(sum.error));
	}
	return sum;
}

int64_t traffic_all_there_us(const struct traffic *traffic, int node)
{
	int64_t last_us = 0;

	for (int i = 0; i < traffic->options.clients; i++) {
		int64_t first_us = traffic->boards[i].counts.first_us[node];

		if (first_us == 0)
			return 0;
		if (first_us > last_us)
			last_us = first_us;
	}
	return last_us;
}

struct since {
	const struct traffic *traffic;
	int64_t us;
};

static bool all_served(void *arg)
{
	const struct since *since = arg;

	for (int i = 0; i < since->traffic->options.clients; i++)
		if (since->traffic->boards[i].served_us < since->us)
			return false;
	return true;
}

bool traffic_all_served(const struct traffic *traffic, int64_t timeout_ms)
{
	struct since since = {traffic, clock_now_us()};

	return lab_wait_until(all_served, &since, timeout_ms);
}

static bool mark_rows(const struct traffic *traffic, const char *conninfo, uint8_t *seen)
{
	PGconn *conn = PQconnectdb(conninfo);
	PGresult *result = PQexec(conn, "select client, n from writes");
	bool ok = PQresultStatus(result) == PGRES_TUPLES_OK;

	for (int i = 0; ok && i < PQntuples(result); i++) {
		long client =
		    strtol(PQgetvalue(result, i, 0), NULL, 10) - traffic->options.first_client;

		if (client >= 0 && client < traffic->options.clients)
			seen[client * ROWS_MAX + strtol(PQgetvalue(result, i, 1), NULL, 10)] = 1;
	}
	PQclear(result);
	PQfinish(conn);
	return ok;
}

int64_t traffic_lost(const struct traffic *traffic, const char *const *servers, size_t count)
{
	auto_free uint8_t *seen = xcalloc((size_t)traffic->options.clients, ROWS_MAX);
	int64_t lost = 0;

	for (size_t i = 0; i < count; i++)
		if (!mark_rows(traffic, servers[i], seen))
			return -1;
	for (int i = 0; i < traffic->options.clients; i++)
		for (size_t n = 0; n < ROWS_MAX; n++)
			lost += traffic->boards[i].acknowledged[n] != 0 &&
			        seen[(size_t)i * ROWS_MAX + n] == 0;
	return lost;
}
