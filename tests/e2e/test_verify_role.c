/* The verifier on real PostgreSQL servers that live and do not let its role in, or tell it less. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/verifier_stage.h"

TestSuite(verify_role, .timeout = 120);

static bool is_full(int node)
{
	return verify_case_fact(node)->class == SERVER_FULL;
}

static bool denies(int node)
{
	return verify_case_fact(node)->class == SERVER_DENIED;
}

/* The verifier anew, with this conninfo, of node 0 alone. */
static void ask_as(const char *conninfo)
{
	verifier_follow(t.verifier, NULL, 0);
	snprintf(t.conninfo, sizeof(t.conninfo), "%s", conninfo);
	verify_case_follow(1);
}

/* What pg_hba.conf has to say from now on. */
static void set_hba(const char *lines)
{
	auto_free char *file = lab_pg_query(lab_pg_conninfo(t.pg, 0), "SHOW hba_file");

	cr_assert_not_null(file);
	lab_write_file(file, lab_printf(t.lab, "host all postgres 127.0.0.1/32 trust\n%s", lines));
	verify_case_run_sql(0, "SELECT pg_reload_conf()");
}

Test(verify_role, a_server_without_a_free_connection_is_full)
{
	PGconn *sessions[5];

	verify_case_start_one();
	verify_case_run_sql(0, "ALTER ROLE segue CONNECTION LIMIT 0");
	verify_case_run_sql(0, VERIFY_CASE_END_OURS);
	verify_case_expect(is_full, 0);
	verify_case_run_sql(0, "ALTER ROLE segue CONNECTION LIMIT -1");
	verify_case_expect(verify_case_answers, 0);
	verify_case_run_sql(0, "ALTER SYSTEM SET max_connections = 5");
	verify_case_run_sql(0, "ALTER SYSTEM SET superuser_reserved_connections = 3");
	verify_case_run_sql(0, "ALTER SYSTEM SET max_wal_senders = 0");
	lab_process_kill(lab_pg_process(t.pg, 0));
	verifier_follow(t.verifier, NULL, 0);
	lab_pg_node_start(t.pg, 0);
	cr_assert(lab_pg_wait_recovery(t.pg, 0, false, LIMIT_MS));
	verify_case_hold_sessions(sessions, 2);
	verify_case_follow(1);
	verify_case_expect(is_full, 0);
	cr_expect_not_null(strstr(verify_case_fact(0)->problem, "reserved"), "%s",
	                   verify_case_fact(0)->problem);
	verify_case_hold_sessions(sessions + 2, 3);
	verify_case_follow(0);
	verify_case_follow(1);
	verify_case_expect(is_full, 0);
	cr_expect_not_null(strstr(verify_case_fact(0)->problem, "too many"), "%s",
	                   verify_case_fact(0)->problem);
	for (int i = 0; i < 5; i++)
		PQfinish(sessions[i]);
	verify_case_expect(verify_case_answers, 0);
	cr_expect_not(t.seen[0][SERVER_REFUSED]);
	verify_case_finish();
}

Test(verify_role, whoever_is_not_let_in_knows_that_the_server_lives)
{
	verify_case_start_one();
	unsetenv("PGPASSWORD");
	setenv("PGPASSFILE", "/nonexistent", 1);
	verify_case_run_sql(0, "CREATE ROLE lena LOGIN PASSWORD 'right'");
	set_hba("host all segue 127.0.0.1/32 trust\nhost all lena 127.0.0.1/32 scram-sha-256\n");
	ask_as("user=nobody dbname=postgres");
	verify_case_expect(denies, 0);
	cr_expect_not_null(strstr(verify_case_fact(0)->problem, "28000"), "%s",
	                   verify_case_fact(0)->problem);
	ask_as("user=segue dbname=nosuch");
	verify_case_expect(denies, 0);
	cr_expect_not_null(strstr(verify_case_fact(0)->problem, "3D000"), "%s",
	                   verify_case_fact(0)->problem);
	ask_as("user=lena dbname=postgres password=wrong");
	verify_case_expect(denies, 0);
	cr_expect_not_null(strstr(verify_case_fact(0)->problem, "28P01"), "%s",
	                   verify_case_fact(0)->problem);
	ask_as("user=lena dbname=postgres");
	verify_case_expect(denies, 0);
	cr_expect_not_null(strstr(verify_case_fact(0)->problem, "password file"), "%s",
	                   verify_case_fact(0)->problem);
	ask_as("user=lena dbname=postgres password=right");
	verify_case_expect(verify_case_answers, 0);
	verify_case_finish();
}

Test(verify_role, a_role_that_may_not_read_the_identifier_learns_the_rest)
{
	verify_case_start_one();
	verify_case_run_sql(0, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
	ask_as("user=segue dbname=postgres");
	verify_case_expect(verify_case_answers, 0);
	cr_expect(verify_case_takes_writes(0));
	cr_expect_eq(verify_case_fact(0)->timeline, 1);
	cr_expect_str_eq(verify_case_fact(0)->system_identifier, "");
	verify_case_finish();
}

/* An old search path of the role's must not change what is asked. */
Test(verify_role, functions_of_the_same_name_are_not_taken_for_postgresqls)
{
	verify_case_start_one();
	verify_case_run_sql(0, "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;"
	                       "CREATE FUNCTION evil.pg_is_in_recovery() RETURNS bool LANGUAGE sql"
	                       " AS 'SELECT true';"
	                       "ALTER ROLE segue SET search_path = evil, pg_catalog");
	ask_as("user=segue dbname=postgres");
	verify_case_expect(verify_case_takes_writes, 0);
	verify_case_finish();
}
