/* The witness of a promotion: a process that asks one standby every 5 ms, on one connection,
 * whether it is still in recovery, and writes a row as soon as it is not. A connection that breaks
 * fails the bench. */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "bench/failover.h"

#define ASK_MS        5
#define WARM_LIMIT_MS 10000

struct sight {
	_Atomic int64_t asked_us; /* 0: the connection is not warm yet */
	_Atomic int64_t broke_us, wrote_us;
};

struct dawn {
	const char *conninfo, *insert;
	bool anew;
	struct lab_process *process;
	struct sight *sight;
};

static bool is_in_recovery(PGconn *conn)
{
	PGresult *result = PQexec(conn, "select pg_is_in_recovery()");
	bool in_recovery;

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		lab_fail("the standby does not answer: %s", PQerrorMessage(conn));
	in_recovery = PQgetvalue(result, 0, 0)[0] == 't';
	PQclear(result);
	return in_recovery;
}

static void write_row(const struct dawn *dawn, PGconn *conn)
{
	PGresult *result = PQexec(conn, dawn->insert);

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		lab_fail("the new primary takes no write: %s", PQerrorMessage(conn));
	PQclear(result);
	atomic_store(&dawn->sight->wrote_us, clock_now_us());
}

static PGconn *must_connect(const struct dawn *dawn)
{
	PGconn *conn = PQconnectdb(dawn->conninfo);

	if (PQstatus(conn) != CONNECTION_OK)
		lab_fail("no connection to the standby: %s", PQerrorMessage(conn));
	return conn;
}

static int run_witness(void *arg)
{
	const struct dawn *dawn = arg;
	PGconn *conn = must_connect(dawn);
	int64_t asked_us, night_us = clock_now_us();

	while (asked_us = clock_now_us(), is_in_recovery(conn)) {
		night_us = asked_us;
		atomic_store(&dawn->sight->asked_us, asked_us);
		poll(NULL, 0, ASK_MS);
	}
	atomic_store(&dawn->sight->broke_us, night_us);
	if (dawn->anew) {
		PQfinish(conn);
		conn = must_connect(dawn);
	}
	write_row(dawn, conn);
	PQfinish(conn);
	poll(NULL, 0, -1);
	return 0;
}

static bool is_warm(void *arg)
{
	return atomic_load(&((struct dawn *)arg)->sight->asked_us) != 0;
}

struct dawn *dawn_watch(struct lab *lab, const char *conninfo, unsigned row, bool anew)
{
	struct dawn *dawn = xcalloc(1, sizeof(*dawn));

	dawn->conninfo = conninfo;
	dawn->anew = anew;
	dawn->insert =
	    lab_printf(lab, "insert into ledger values (%d, %u)", FAILOVER_DAWN + anew, row);
	dawn->sight = mmap(NULL, sizeof(*dawn->sight), PROT_READ | PROT_WRITE,
	                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (dawn->sight == MAP_FAILED)
		lab_fail("mmap: %s", strerror(errno));
	dawn->process = lab_fork(lab, "dawn", run_witness, dawn);
	if (!lab_wait_until(is_warm, dawn, WARM_LIMIT_MS))
		lab_fail("the standby is not in recovery: %s", lab_process_log_tail(dawn->process));
	return dawn;
}

void dawn_end(struct dawn *dawn)
{
	lab_process_kill(dawn->process);
	munmap(dawn->sight, sizeof(*dawn->sight));
	free(dawn);
}

static bool has_broken(void *arg)
{
	const struct dawn *dawn = arg;

	return atomic_load(&dawn->sight->broke_us) != 0 || !lab_process_alive(dawn->process);
}

int64_t dawn_broke_us(const struct dawn *dawn, int64_t timeout_ms)
{
	int64_t broke_us;

	lab_wait_until(has_broken, (void *)dawn, timeout_ms);
	broke_us = atomic_load(&dawn->sight->broke_us);
	if (broke_us == 0)
		lab_fail("the standby was not promoted in %lld ms: %s", (long long)timeout_ms,
		         lab_process_log_tail(dawn->process));
	return broke_us;
}

static bool has_written(void *arg)
{
	const struct dawn *dawn = arg;

	return atomic_load(&dawn->sight->wrote_us) != 0 || !lab_process_alive(dawn->process);
}

int64_t dawn_wrote_us(const struct dawn *dawn, int64_t timeout_ms)
{
	int64_t wrote_us;

	lab_wait_until(has_written, (void *)dawn, timeout_ms);
	wrote_us = atomic_load(&dawn->sight->wrote_us);
	if (wrote_us == 0)
		lab_fail("a witness of the promotion wrote nothing in %lld ms: %s",
		         (long long)timeout_ms, lab_process_log_tail(dawn->process));
	return wrote_us;
}
