/* A password that asks for 2,000,000,000 iterations of SCRAM, at a real PostgreSQL, with TLS and
 * without: hours of computing, which nobody begins. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "fixtures/run_stage.h"

TestSuite(hostile_scram, .timeout = 120);

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void sql(struct lab_pg *pg, const char *text)
{
	auto_free char *value = lab_pg_query(lab_pg_conninfo(pg, 0), text);

	cr_assert_not_null(value, "%s", text);
}

static void make_certificate(struct lab *lab, struct lab_pg *pg)
{
	const char *data = lab_pg_data(pg, 0);
	const char *key = lab_printf(lab, "%s/server.key", data);
	struct stat owner;

	cr_assert_eq(system(lab_printf(lab,
	                               "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "
	                               "/CN=db -keyout %s -out %s/server.crt 2>/dev/null",
	                               key, data)),
	             0);
	cr_assert_eq(stat(data, &owner), 0);
	cr_assert_eq(chmod(key, 0600), 0);
	cr_assert_eq(chown(key, owner.st_uid, owner.st_gid), 0);
	cr_assert_eq(chown(lab_printf(lab, "%s/server.crt", data), owner.st_uid, owner.st_gid), 0);
}

/* "slow" has the password, "fine" a usual one. */
static struct lab_pg *start_server(struct lab *lab)
{
	struct lab_pg *pg = lab_pg_start(lab, 1);
	auto_free char *hba = lab_pg_query(lab_pg_conninfo(pg, 0), "SHOW hba_file");

	sql(pg, "CREATE ROLE fine LOGIN PASSWORD 'x'");
	/* Not by CREATE ROLE, which would compute them to see that it is not empty. */
	sql(pg, "CREATE ROLE slow LOGIN");
	sql(pg, "UPDATE pg_authid SET rolpassword = 'SCRAM-SHA-256$2000000000:c2FsdHNhbHQ=$" KEY
	        ":" KEY "' WHERE rolname = 'slow'");
	make_certificate(lab, pg);
	lab_write_file(hba, lab_printf(lab,
	                               "host all slow 127.0.0.1/32 scram-sha-256\n"
	                               "host all fine 127.0.0.1/32 scram-sha-256\n%s",
	                               lab_read_file(lab, hba)));
	sql(pg, "ALTER SYSTEM SET ssl = on");
	sql(pg, "SELECT pg_reload_conf()");
	return pg;
}

static void name_server(struct run *run, const char *cluster, struct lab_pg *pg)
{
	const char *json = lab_printf(run->lab,
	                              "{\"version\":1,\"primary\":{\"name\":\"db\",\"host\":"
	                              "\"127.0.0.1\",\"port\":%u},\"standbys\":[]}",
	                              (unsigned)lab_pg_port(pg, 0));

	lab_zk_set(run->zk, lab_printf(run->lab, "/segue/%s/master", cluster), json, strlen(json));
}

static void must_refuse_and_go_on(const char *sslmode)
{
	char text[512];
	struct lab_pg *pg;
	struct run run;

	snprintf(text, sizeof(text),
	         "[cluster slow]\npath = /segue/slow\n"
	         "verify_conninfo = user=slow password=x dbname=postgres sslmode=%s\n"
	         "[cluster fine]\npath = /segue/fine\n"
	         "verify_conninfo = user=fine password=x dbname=postgres sslmode=%s\n",
	         sslmode, sslmode);
	run_init(&run, &(struct run_options){.sections = text});
	pg = start_server(run.lab);
	name_server(&run, "slow", pg);
	name_server(&run, "fine", pg);
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_expect_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS,
	                                      "event=server cluster=slow ",
	                                      "more than 100000 SCRAM iterations", NULL),
	                   "%s", lab_process_log_tail(lab_segue_process(run.segue)));
	cr_expect_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS,
	                                      "event=server cluster=fine ", "class=answered", NULL),
	                   "%s", lab_process_log_tail(lab_segue_process(run.segue)));
	run_set_primary(&run, 1);
	cr_expect(run_wait_reaches(&run, 1));
	cr_expect_eq(lab_process_stop(lab_segue_process(run.segue)), 0);
	run_fini(&run);
}

Test(hostile_scram, is_not_computed_without_tls)
{
	must_refuse_and_go_on("disable");
}

Test(hostile_scram, is_not_computed_with_tls)
{
	must_refuse_and_go_on("require");
}
