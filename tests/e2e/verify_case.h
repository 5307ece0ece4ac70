/* What the tests of the verifier stand on: real PostgreSQL servers, a role that asks them, and a
 * verifier in this process's own loop. */
#ifndef SEGUE_TESTS_E2E_VERIFY_CASE_H
#define SEGUE_TESTS_E2E_VERIFY_CASE_H

#include <event2/event.h>
#include <libpq-fe.h>

#include "lab/lab.h"
#include "postgres/verifier.h"

#define NODES    2
#define LIMIT_MS 20000

/* Ends what the verifier has open. */
#define VERIFY_CASE_END_OURS \
	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'segue'"

extern struct verify_case {
	struct lab *lab;
	struct lab_pg *pg;
	struct event_base *base;
	struct config_cluster config;
	struct verifier *verifier;
	struct member members[NODES];
	char name[8], conninfo[128];
	bool seen[NODES][SERVER_CLASSES]; /* classes that a callback has seen */
} t;

/* A primary with its standby, or alone; both are followed, and have answered. */
void verify_case_start_pair(void);
void verify_case_start_one(void);
void verify_case_finish(void);

void verify_case_follow(int nodes);
void verify_case_run_sql(int node, const char *sql);

/* Sessions that are held open, by a superuser. */
void verify_case_hold_sessions(PGconn **sessions, int count);

const struct server_fact *verify_case_fact(int node);
bool verify_case_answers(int node);
bool verify_case_takes_writes(int node);
bool verify_case_refuses_thrice(int node);

/* Runs the loop until the condition holds. */
void verify_case_expect(bool (*cond)(int node), int node);

#endif
