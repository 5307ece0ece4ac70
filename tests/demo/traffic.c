/* Clients that write and count; see the header. A write that gets an error is counted as failed and
 * not repeated. */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "demo/traffic.h"

#define THINK_MS 4 /* between two writes of a client */

struct client_task {
	struct traffic_client *counts;
	const char *conninfo;
	uint16_t ports[TRAFFIC_NODES];
};

struct traffic {
	struct traffic_client *counts; /* shared with the clients */
	struct client_task tasks[TRAFFIC_CLIENTS];
	struct lab_process *processes[TRAFFIC_CLIENTS];
};

static void count_answer(struct client_task *task, int port, int64_t start_us)
{
	struct traffic_client *counts = task->counts;
	int64_t now = clock_now_us(), took = now - start_us;
	int node = port == task->ports[0] ? 0 : 1;

	counts->ok[node]++;
	counts->busy_us += took;
	if (took > counts->longest_us)
		counts->longest_us = took;
	if (counts->first_us[node] == 0)
		counts->first_us[node] = now;
	counts->last_us[node] = now;
}

static void count_failure(struct client_task *task, const PGconn *conn)
{
	struct traffic_client *counts = task->counts;

	if (counts->failed++ > 0)
		return;
	snprintf(counts->error, sizeof(counts->error), "%s", PQerrorMessage(conn));
	counts->error[strcspn(counts->error, "\n")] = '\0';
}

static void write_once(struct client_task *task)
{
	int64_t start_us = clock_now_us();
	PGconn *conn = PQconnectdb(task->conninfo);
	PGresult *result = NULL;

	if (PQstatus(conn) == CONNECTION_OK)
		result = PQexec(conn, "insert into writes default values"
		                      " returning inet_server_port()");
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		count_answer(task, (int)strtol(PQgetvalue(result, 0, 0), NULL, 10), start_us);
	else
		count_failure(task, conn);
	PQclear(result);
	PQfinish(conn);
}

static int run_client(void *arg)
{
	for (;;) {
		write_once(arg);
		poll(NULL, 0, THINK_MS);
	}
	return 0;
}

struct traffic *traffic_start(struct lab *lab, uint16_t haproxy_port,
                              const uint16_t ports[TRAFFIC_NODES])
{
	struct traffic *traffic = xcalloc(1, sizeof(*traffic));

	traffic->counts = mmap(NULL, TRAFFIC_CLIENTS * sizeof(*traffic->counts),
	                       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (traffic->counts == MAP_FAILED)
		lab_fail("mmap: %s", strerror(errno));
	for (int i = 0; i < TRAFFIC_CLIENTS; i++) {
		struct client_task *task = &traffic->tasks[i];

		task->counts = &traffic->counts[i];
		task->conninfo = lab_printf(lab,
		                            "host=127.0.0.1 port=%u user=postgres dbname=postgres "
		                            "connect_timeout=30",
		                            haproxy_port);
		memcpy(task->ports, ports, sizeof(task->ports));
		traffic->processes[i] = lab_fork(lab, "client", run_client, task);
	}
	return traffic;
}

void traffic_stop(struct traffic *traffic)
{
	for (int i = 0; i < TRAFFIC_CLIENTS; i++)
		lab_process_stop(traffic->processes[i]);
	munmap(traffic->counts, TRAFFIC_CLIENTS * sizeof(*traffic->counts));
	free(traffic);
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

	for (int i = 0; i < TRAFFIC_CLIENTS; i++) {
		const struct traffic_client *one = &traffic->counts[i];

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
