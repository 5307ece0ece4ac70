/* The fixture of the tests of the verifier; see the header. */
#include "verify_case.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

struct verify_case t;

const struct server_fact *verify_case_fact(int node)
{
	size_t count;
	const struct server_fact *facts = verifier_facts(t.verifier, &count);

	cr_assert_lt((size_t)node, count);
	return &facts[node];
}

static void on_change(void *arg)
{
	size_t count;
	const struct server_fact *facts = verifier_facts(t.verifier, &count);

	(void)arg;
	for (size_t i = 0; i < count; i++)
		t.seen[i][facts[i].class] = true;
}

/* Runs the loop until the condition holds; looked at after every turn of it. */
static bool run_until(bool (*cond)(int node), int node)
{
	int64_t until = clock_now_ms() + LIMIT_MS;

	while (!cond(node) && clock_now_ms() < until) {
		const struct timeval step = {.tv_usec = 20000};

		event_base_loopexit(t.base, &step);
		event_base_loop(t.base, EVLOOP_ONCE);
	}
	return cond(node);
}

bool verify_case_answers(int node)
{
	return verify_case_fact(node)->class == SERVER_ANSWERED;
}

bool verify_case_takes_writes(int node)
{
	return server_takes_writes(verify_case_fact(node));
}

bool verify_case_refuses_thrice(int node)
{
	return verify_case_fact(node)->class == SERVER_REFUSED &&
	       verify_case_fact(node)->running >= 3;
}

void verify_case_expect(bool (*cond)(int node), int node)
{
	cr_assert(run_until(cond, node), "node %d is %s (%u): %s", node,
	          server_class_name(verify_case_fact(node)->class), verify_case_fact(node)->running,
	          verify_case_fact(node)->problem);
}

void verify_case_follow(int nodes)
{
	const struct member *list[NODES] = {&t.members[0], &t.members[1]};

	verifier_follow(t.verifier, list, (size_t)nodes);
}

void verify_case_run_sql(int node, const char *sql)
{
	auto_free char *value = lab_pg_query(lab_pg_conninfo(t.pg, node), sql);

	cr_assert_not_null(value, "%s", sql);
}

static void start(int nodes)
{
	memset(&t, 0, sizeof(t));
	t.lab = lab_create("verify");
	t.pg = lab_pg_start(t.lab, nodes);
	verify_case_run_sql(0, "CREATE ROLE segue LOGIN");
	snprintf(t.name, sizeof(t.name), "a");
	snprintf(t.conninfo, sizeof(t.conninfo), "user=segue dbname=postgres");
	t.base = event_base_new();
	t.config = (struct config_cluster){.name = t.name,
	                                   .verify = CONFIG_VERIFY_PREFER,
	                                   .verify_conninfo = t.conninfo,
	                                   .verify_timeout_ms = 5000};
	for (int i = 0; i < nodes; i++) {
		snprintf(t.members[i].host, sizeof(t.members[i].host), "127.0.0.1");
		snprintf(t.members[i].address, sizeof(t.members[i].address), "127.0.0.1");
		t.members[i].port = lab_pg_port(t.pg, i);
	}
	t.verifier = verifier_create(t.base, &t.config, on_change, NULL);
}

static bool standby_has_the_role(void *arg)
{
	auto_free char *found = lab_pg_query(lab_pg_conninfo(t.pg, 1),
	                                     "SELECT 1 FROM pg_roles WHERE rolname = 'segue'");

	(void)arg;
	return found != NULL && *found == '1';
}

void verify_case_start_pair(void)
{
	start(NODES);
	cr_assert(lab_wait_until(standby_has_the_role, NULL, LIMIT_MS));
	verify_case_follow(NODES);
	verify_case_expect(verify_case_answers, 0);
	verify_case_expect(verify_case_answers, 1);
}

void verify_case_start_one(void)
{
	start(1);
	verify_case_follow(1);
	verify_case_expect(verify_case_answers, 0);
}

void verify_case_finish(void)
{
	verifier_destroy(t.verifier);
	event_base_free(t.base);
	lab_destroy(t.lab);
}

void verify_case_hold_sessions(PGconn **sessions, int count)
{
	for (int i = 0; i < count; i++) {
		sessions[i] = PQconnectdb(lab_pg_conninfo(t.pg, 0));
		cr_assert_eq(PQstatus(sessions[i]), CONNECTION_OK, "%s",
		             PQerrorMessage(sessions[i]));
	}
}
