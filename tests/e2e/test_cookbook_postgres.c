/* The recipes of templates/cookbook that are about PostgreSQL's own protocol: TLS, and a PgBouncer
 * in front of a HAProxy. */
#include <criterion/criterion.h>
#include <grp.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixtures/cookbook_stage.h"
#include "lab/lab_ha.h"

#define PORT_SQL "select inet_server_port()"
#define TLS_SQL  "select ssl from pg_stat_ssl where pid = pg_backend_pid()"

TestSuite(cookbook_postgres, .timeout = 90);

struct question {
	const char *conninfo, *sql, *wanted;
};

static bool is_answered(void *arg)
{
	const struct question *question = arg;
	auto_free char *found = lab_pg_query(question->conninfo, question->sql);

	return found != NULL && strcmp(found, question->wanted) == 0;
}

static void must_answer(const struct cookbook *book, const char *conninfo, const char *sql,
                        const char *wanted)
{
	struct question question = {conninfo, sql, wanted};

	cr_assert(lab_wait_until(is_answered, &question, COOKBOOK_TIMEOUT_MS),
	          "%s: never '%s' to %s\n%s", conninfo, wanted, sql,
	          lab_process_log_tail(lab_segue_process(book->segue)));
}

/* --- TLS --- */

static void make_certificate(struct lab *lab, const char *name, const char *names)
{
	const struct group *postgres = getgrnam("postgres");
	const char *key = lab_printf(lab, "%s/%s.key", lab_dir(lab), name);
	const char *argv[] = {"openssl",
	                      "req",
	                      "-x509",
	                      "-newkey",
	                      "ec",
	                      "-pkeyopt",
	                      "ec_paramgen_curve:prime256v1",
	                      "-nodes",
	                      "-days",
	                      "2",
	                      "-subj",
	                      "/CN=db",
	                      "-addext",
	                      lab_printf(lab, "subjectAltName=%s", names),
	                      "-keyout",
	                      key,
	                      "-out",
	                      lab_printf(lab, "%s/%s.crt", lab_dir(lab), name),
	                      NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	cr_assert_eq(lab_run(lab, argv, &output), 0, "%s", output.data);
	if (geteuid() == 0 && postgres != NULL) {
		cr_assert_eq(chown(key, 0, postgres->gr_gid), 0);
		cr_assert_eq(chmod(key, 0640), 0);
	}
}

static struct lab_pg *start_with_tls(struct lab *lab, const char *name)
{
	return lab_pg_start_with(
	    lab, 1,
	    lab_printf(
	        lab, "ssl = on\nssl_cert_file = '%1$s/%2$s.crt'\nssl_key_file = '%1$s/%2$s.key'\n",
	        lab_dir(lab), name));
}

/* Through HAProxy, as a client that checks the name `host` and trusts that certificate. */
static const char *verifying(const struct cookbook *book, uint16_t port, const char *host,
                             const char *root)
{
	return lab_printf(book->lab,
	                  "host=%s hostaddr=127.0.0.1 port=%u user=postgres dbname=postgres "
	                  "sslmode=verify-full sslrootcert=%s/%s.crt connect_timeout=5",
	                  host, port, lab_dir(book->lab), root);
}

static void must_refuse(const char *conninfo, const char *why)
{
	PGconn *conn = PQconnectdb(conninfo);

	cr_expect_eq(PQstatus(conn), CONNECTION_BAD, "%s", conninfo);
	cr_expect_not_null(strstr(PQerrorMessage(conn), why), "%s: %s", conninfo,
	                   PQerrorMessage(conn));
	PQfinish(conn);
}

/* segue asks the server with its certificate checked in this mode. */
static const char *tls_cluster(struct cookbook *book, const char *mode)
{
	return lab_printf(book->lab,
	                  "[cluster orders]\npath = /segue/orders\nverify = require\n"
	                  "verify_conninfo = user=postgres dbname=postgres sslmode=%s\n"
	                  "  sslrootcert=%s/orders.crt\n",
	                  mode, lab_dir(book->lab));
}

Test(cookbook_postgres, tls_goes_through_haproxy_untouched_and_the_client_checks_the_server)
{
	struct cookbook book;
	uint16_t port;

	cookbook_init(&book);
	make_certificate(book.lab, "orders", "DNS:db.example,IP:127.0.0.1");
	make_certificate(book.lab, "other", "DNS:db.example");
	cookbook_name(&book, "orders", lab_pg_port(start_with_tls(book.lab, "orders"), 0));
	port = lab_port(book.lab);
	cookbook_run(&book, lab_printf(book.lab, "%s%svar.bind = 127.0.0.1:%u\n",
	                               tls_cluster(&book, "verify-full"),
	                               cookbook_haproxy(&book, "orders", "single-primary"), port));
	must_answer(&book, verifying(&book, port, "db.example", "orders"), TLS_SQL, "t");
	must_refuse(verifying(&book, port, "proxy.example", "orders"), "does not match host name");
	must_refuse(verifying(&book, port, "db.example", "other"), "certificate verify failed");
	lab_destroy(book.lab);
}

static const char *tls_bouncer(struct lab *lab, const char *mode)
{
	return lab_printf(lab,
	                  "server_tls_sslmode = %s\nserver_tls_ca_file = %s/orders.crt\n"
	                  "server_login_retry = 0.1\n",
	                  mode, lab_dir(lab));
}

static bool is_known(void *arg)
{
	const struct cookbook *book = arg;

	return lab_pgbouncer_says(book->bouncer, "postgres", "host", "127.0.0.1");
}

static bool log_has_mismatch(void *arg)
{
	const struct cookbook *book = arg;
	const char *log = lab_process_log(lab_pgbouncer_process(book->bouncer));

	return strstr(lab_read_file(book->lab, log), "not present in server certificate") != NULL;
}

/* The server's certificate has these names; `bouncer` and `mode` are how PgBouncer and segue check
 * it. */
static void start_pooled(struct cookbook *book, const char *names, const char *bouncer,
                         const char *mode)
{
	struct lab_pg *pg;

	cookbook_init(book);
	make_certificate(book->lab, "orders", names);
	cookbook_add_pgbouncer(book, tls_bouncer(book->lab, bouncer));
	pg = start_with_tls(book->lab, "orders");
	cookbook_name(book, "orders", lab_pg_port(pg, 0));
	cookbook_run(book, lab_printf(book->lab, "%s%s", tls_cluster(book, mode),
	                              cookbook_pgbouncer(book, "orders", "tls")));
}

Test(cookbook_postgres, pgbouncer_finds_the_servers_address_in_its_certificate)
{
	struct cookbook book;

	start_pooled(&book, "DNS:db.example,IP:127.0.0.1", "verify-full", "verify-full");
	must_answer(&book, lab_pgbouncer_conninfo(book.bouncer, "postgres"), TLS_SQL, "t");
	lab_destroy(book.lab);
}

Test(cookbook_postgres, a_certificate_without_the_address_needs_verify_ca)
{
	const char *app, *impatient;
	struct cookbook book;

	start_pooled(&book, "DNS:db.example", "verify-full", "verify-ca");
	app = lab_pgbouncer_conninfo(book.bouncer, "postgres");
	impatient = lab_printf(book.lab, "%s connect_timeout=2", app);
	cr_assert(lab_wait_until(is_known, &book, COOKBOOK_TIMEOUT_MS));
	must_refuse(impatient, "");
	cr_expect(log_has_mismatch(&book), "%s",
	          lab_process_log_tail(lab_pgbouncer_process(book.bouncer)));
	lab_destroy(book.lab);

	start_pooled(&book, "DNS:db.example", "verify-ca", "verify-ca");
	must_answer(&book, lab_pgbouncer_conninfo(book.bouncer, "postgres"), TLS_SQL, "t");
	lab_destroy(book.lab);
}

/* --- PgBouncer in front of HAProxy --- */

static bool waits_in_pool(void *arg)
{
	const struct cookbook *book = arg;
	auto_free char *waiting =
	    lab_pgbouncer_find(book->bouncer, "SHOW POOLS", "database", "postgres", "cl_waiting");

	return waiting != NULL && strcmp(waiting, "1") == 0;
}

/* PgBouncer has seen that its server is gone: who comes now is not sent there. */
static bool is_pool_empty(void *arg)
{
	const struct cookbook *book = arg;
	auto_free char *idle =
	    lab_pgbouncer_find(book->bouncer, "SHOW POOLS", "database", "postgres", "sv_idle");
	auto_free char *used =
	    lab_pgbouncer_find(book->bouncer, "SHOW POOLS", "database", "postgres", "sv_used");

	return idle != NULL && used != NULL && strcmp(idle, "0") == 0 && strcmp(used, "0") == 0;
}

static bool has_result(void *arg)
{
	PQconsumeInput(arg);
	return PQisBusy(arg) == 0;
}

static void expect_port(PGconn *conn, uint16_t port)
{
	auto_free char *wanted = xasprintf("%u", port);
	PGresult *result;

	cr_assert(lab_wait_until(has_result, conn, COOKBOOK_TIMEOUT_MS), "no answer");
	result = PQgetResult(conn);
	cr_assert_eq(PQresultStatus(result), PGRES_TUPLES_OK, "%s", PQerrorMessage(conn));
	cr_expect_str_eq(PQgetvalue(result, 0, 0), wanted);
	PQclear(result);
}

static bool is_paused(void *arg)
{
	const struct cookbook *book = arg;

	return lab_pgbouncer_says(book->bouncer, "postgres", "paused", "1");
}

static void must_do(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);

	cr_assert_eq(PQresultStatus(result), PGRES_COMMAND_OK, "%s: %s", sql, PQerrorMessage(conn));
	PQclear(result);
}

static void run_chain(struct cookbook *book, uint16_t port)
{
	cookbook_run(
	    book,
	    lab_printf(book->lab,
	               "[cluster orders]\npath = /segue/orders\n"
	               "verify_conninfo = user=postgres dbname=postgres\n"
	               "%svar.bind = 127.0.0.1:%u\n%sleads_to_primary = no\nvar.rw_port = %u\n",
	               cookbook_haproxy(book, "orders", "single-primary"), port,
	               cookbook_pgbouncer(book, "orders", "before-haproxy"), port));
}

/* Ready, and PgBouncer leads through HAProxy to node 0. Returns HAProxy's port. */
static uint16_t start_chain(struct cookbook *book, struct lab_pg **pg)
{
	uint16_t port;

	cookbook_init(book);
	cookbook_add_pgbouncer(book, "server_connect_timeout = 60\nserver_login_retry = 1\n");
	*pg = lab_pg_start(book->lab, 2);
	port = lab_port(book->lab);
	cookbook_name(book, "orders", lab_pg_port(*pg, 0));
	run_chain(book, port);
	must_answer(book, lab_pgbouncer_conninfo(book->bouncer, "postgres"), PORT_SQL,
	            lab_printf(book->lab, "%u", lab_pg_port(*pg, 0)));
	return port;
}

static void expect_not_moved(const struct cookbook *book, uint16_t port)
{
	auto_free char *wanted = xasprintf("%u", port);

	cr_expect(lab_pgbouncer_says(book->bouncer, "postgres", "port", wanted));
	cr_expect(lab_pgbouncer_says(book->bouncer, "postgres", "paused", "0"));
}

Test(cookbook_postgres, behind_pgbouncer_haproxy_moves_and_a_client_in_the_pool_sees_no_error)
{
	struct cookbook book;
	struct lab_pg *pg;
	uint16_t port;
	PGconn *conn;

	port = start_chain(&book, &pg);
	conn = PQconnectdb(lab_pgbouncer_conninfo(book.bouncer, "postgres"));
	cr_assert_eq(PQstatus(conn), CONNECTION_OK);

	lab_process_kill(lab_pg_process(pg, 0));
	cookbook_name(&book, "orders", 0);
	cr_assert(lab_wait_until(is_pool_empty, &book, COOKBOOK_TIMEOUT_MS));
	cr_assert_eq(PQsendQuery(conn, PORT_SQL), 1);
	cr_expect(lab_wait_until(waits_in_pool, &book, COOKBOOK_TIMEOUT_MS));
	expect_not_moved(&book, port);
	lab_pg_promote(pg, 1);
	cookbook_name(&book, "orders", lab_pg_port(pg, 1));
	expect_port(conn, lab_pg_port(pg, 1));
	expect_not_moved(&book, port);
	PQfinish(conn);
	lab_destroy(book.lab);
}

/* Before a planned switchover: PAUSE by hand, as the recipe says. */
Test(cookbook_postgres, a_pause_lets_a_transaction_end_before_haproxy_cuts_its_session)
{
	struct cookbook book;
	struct lab_pg *pg;
	PGconn *conn, *console;

	start_chain(&book, &pg);
	conn = PQconnectdb(lab_pgbouncer_conninfo(book.bouncer, "postgres"));
	console = PQconnectdb(lab_pgbouncer_console(book.bouncer));
	must_do(conn, "begin; create table t (n int)");
	cr_assert_eq(PQsendQuery(console, "PAUSE postgres"), 1);
	cr_expect(lab_wait_until(is_paused, &book, COOKBOOK_TIMEOUT_MS));
	must_do(conn, "commit");
	cr_assert(lab_wait_until(has_result, console, COOKBOOK_TIMEOUT_MS));
	PQclear(PQgetResult(console));
	PQclear(PQgetResult(console));

	cr_assert(
	    lab_wait_replays(lab_pg_conninfo(pg, 0), lab_pg_conninfo(pg, 1), COOKBOOK_TIMEOUT_MS));
	lab_process_signal(lab_pg_process(pg, 0), SIGINT); /* waits for nobody's session */
	cr_assert(lab_process_wait(lab_pg_process(pg, 0), COOKBOOK_TIMEOUT_MS));
	lab_pg_promote(pg, 1);
	cookbook_name(&book, "orders", lab_pg_port(pg, 1));
	cr_assert_eq(PQsendQuery(conn, "select inet_server_port() where exists "
	                               "(select from pg_class where relname = 't')"),
	             1);
	cr_assert_not_null(lab_segue_wait_log(book.segue, COOKBOOK_TIMEOUT_MS, "event=moved ",
	                                      "target=pgbouncer/orders", NULL));
	cr_expect(is_paused(&book), "segue has ended a person's pause");
	must_do(console, "RESUME postgres");
	expect_port(conn, lab_pg_port(pg, 1));
	PQfinish(console);
	PQfinish(conn);
	lab_destroy(book.lab);
}
