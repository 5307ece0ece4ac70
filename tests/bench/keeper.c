/* Three ways to keep PgBouncer on the primary: segue; the script that people run at a promotion
 * (psql PAUSE, sed, RELOAD, RESUME); a loop in the manner of confd (write the file, RELOAD). */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/pool.h"

#define KEEPER_TIMEOUT_MS 60000

static const char *databases(const struct keeper *keeper, uint16_t port)
{
	return lab_printf(keeper->lab,
	                  "[databases]\napp = host=127.0.0.1 port=%u dbname=postgres\n", port);
}

/* Blocks without naps, so that what a script takes is what it takes. */
static void run_shell(const char *command)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		lab_fail("%s: status %d", command, status);
}

static const char *psql(const struct keeper *keeper, const char *sql)
{
	return lab_printf(keeper->lab, "psql -X -q -d '%s' -c '%s' >/dev/null",
	                  lab_pgbouncer_console(keeper->bouncer), sql);
}

/* ---- segue ---- */

static const char template_text[] =
    "[databases]\n"
    "{{#primary}}app = host={{address}} port={{port}} dbname=postgres\n{{/primary}}";

static const char *make_ini(const struct keeper *keeper)
{
	const char *state =
	    lab_printf(keeper->lab, "%s/state-%s", lab_dir(keeper->lab), keeper->name);
	const char *template_file = lab_path(keeper->lab, "pool.mustache");

	if (mkdir(state, 0755) != 0)
		lab_fail("cannot make %s: %s", state, strerror(errno));
	lab_write_file(template_file, template_text);
	return lab_printf(
	    keeper->lab,
	    "[segue]\nname = bench\nstate_dir = %s\n[zookeeper]\nhosts = %s\n"
	    "[cluster %s]\npath = /bench/%s\nverify = disable\n"
	    "[pgbouncer %s]\ncluster = %s\ntemplate = %s\noutput = %s\nconsole = %s\n",
	    state, lab_zk_hosts(keeper->zk), keeper->name, keeper->name, keeper->name, keeper->name,
	    template_file, lab_pgbouncer_databases_file(keeper->bouncer),
	    lab_pgbouncer_console(keeper->bouncer));
}

static bool segue_is_ready(void *arg)
{
	const struct keeper *keeper = arg;

	return lab_segue_count_log(keeper->segue, "event=in_sync ", NULL) > 0 ||
	       lab_segue_count_log(keeper->segue, "event=moved ", NULL) > 0;
}

static void start_segue(struct keeper *keeper)
{
	keeper->segue = lab_segue_create(keeper->lab, make_ini(keeper));
	lab_segue_start(keeper->segue);
	if (!lab_wait_until(segue_is_ready, keeper, KEEPER_TIMEOUT_MS))
		lab_fail("segue is not in sync with PgBouncer; its log:\n%s",
		         lab_process_log_tail(lab_segue_process(keeper->segue)));
}

/* ---- confd ---- */

static void write_and_reload(uint16_t port, void *arg)
{
	const struct keeper *keeper = arg;

	lab_write_file(lab_pgbouncer_databases_file(keeper->bouncer), databases(keeper, port));
	run_shell(psql(keeper, "RELOAD"));
}

static int confd_loop(void *arg)
{
	const struct keeper *keeper = arg;

	return watch_port(lab_zk_hosts(keeper->zk), keeper->path, write_and_reload, arg);
}

/* ---- all of them ---- */

static void say_primary(struct keeper *keeper, int node)
{
	const char *primary = "null", *json;

	if (node >= 0)
		primary = lab_printf(keeper->lab,
		                     "{\"name\":\"db%d\",\"host\":\"127.0.0.1\",\"port\":%u}", node,
		                     lab_pg_port(keeper->pg, node));
	json = lab_printf(keeper->lab, "{\"version\":1,\"primary\":%s,\"standbys\":[]}", primary);
	lab_zk_set(keeper->zk, keeper->path, json, strlen(json));
}

void keeper_start(struct keeper *keeper, enum keeping how, const char *purpose, struct lab *lab,
                  struct lab_zk *zk, struct lab_pg *pg)
{
	static const char *const names[KEEPINGS] = {"segue", "script", "confd"};

	*keeper = (struct keeper){.how = how,
	                          .name = lab_printf(lab, "%s-%s", purpose, names[how]),
	                          .lab = lab,
	                          .zk = zk,
	                          .pg = pg};
	keeper->path = lab_printf(lab, "/bench/%s/master", keeper->name);
	keeper->bouncer = lab_pgbouncer_create(lab, NULL);
	lab_write_file(lab_pgbouncer_databases_file(keeper->bouncer),
	               databases(keeper, lab_pg_port(pg, 0)));
	lab_pgbouncer_start(keeper->bouncer);
	say_primary(keeper, 0);
	if (how == KEEPING_SEGUE)
		start_segue(keeper);
	else if (how == KEEPING_CONFD)
		keeper->confd = lab_fork(lab, "confd", confd_loop, keeper);
	keeper_await(keeper, 0);
}

void keeper_stop(struct keeper *keeper)
{
	if (keeper->segue != NULL)
		lab_process_stop(lab_segue_process(keeper->segue));
	if (keeper->confd != NULL)
		lab_process_kill(keeper->confd);
	PQfinish(keeper->console);
	lab_process_kill(lab_pgbouncer_process(keeper->bouncer));
}

/* ---- what PgBouncer says, asked every millisecond over one connection ---- */

struct question {
	const char *sql, *key_column, *key, *column;
};

static const struct question paused = {"SHOW DATABASES", "name", "app", "paused"};
static const struct question port_of = {"SHOW DATABASES", "name", "app", "port"};
static const struct question server = {"SHOW SERVERS", "database", "app", "state"};
static const struct question retry = {"SHOW CONFIG", "key", "server_login_retry", "value"};

/* "" stands for no such row. */
static bool says(struct keeper *keeper, const struct question *question, const char *wanted)
{
	PGresult *result;
	const char *value = "";
	bool same;

	if (keeper->console == NULL)
		keeper->console = PQconnectdb(lab_pgbouncer_console(keeper->bouncer));
	result = PQexec(keeper->console, question->sql);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		lab_fail("%s: %s", question->sql, PQerrorMessage(keeper->console));
	for (int row = PQntuples(result) - 1; row >= 0; row--)
		if (strcmp(PQgetvalue(result, row, PQfnumber(result, question->key_column)),
		           question->key) == 0)
			value = PQgetvalue(result, row, PQfnumber(result, question->column));
	same = strcmp(value, wanted) == 0;
	PQclear(result);
	return same;
}

static bool is_drained(struct keeper *keeper)
{
	return says(keeper, &paused, "1") && says(keeper, &server, "");
}

static bool is_at(struct keeper *keeper, const char *port)
{
	return says(keeper, &port_of, port) && says(keeper, &paused, "0");
}

static void check_deadline(const struct keeper *keeper, int64_t start_ms, const char *what)
{
	if (clock_now_ms() - start_ms > KEEPER_TIMEOUT_MS)
		lab_fail("%s: PgBouncer %s in %d ms; the log:\n%s", keeper->name, what,
		         KEEPER_TIMEOUT_MS,
		         keeper->segue != NULL
		             ? lab_process_log_tail(lab_segue_process(keeper->segue))
		             : "");
	poll(NULL, 0, 1);
}

void keeper_hold(struct keeper *keeper)
{
	int64_t start_ms = clock_now_ms();

	switch (keeper->how) {
	case KEEPING_SEGUE:
		lab_segue_mark(keeper->segue);
		say_primary(keeper, -1);
		while (!is_drained(keeper))
			check_deadline(keeper, start_ms, "is not paused and drained");
		return;
	case KEEPING_SCRIPT:
		run_shell(psql(keeper, "PAUSE app"));
		return;
	case KEEPING_CONFD:
	case KEEPINGS:
		return;
	}
}

static void run_script(struct keeper *keeper, int node)
{
	const char *sed = lab_printf(keeper->lab, "sed -i 's/port=[0-9]*/port=%u/' %s",
	                             lab_pg_port(keeper->pg, node),
	                             lab_pgbouncer_databases_file(keeper->bouncer));

	run_shell(lab_printf(keeper->lab, "%s && %s && %s", sed, psql(keeper, "RELOAD"),
	                     psql(keeper, "RESUME app")));
}

void keeper_name(struct keeper *keeper, int node)
{
	if (keeper->how == KEEPING_SCRIPT)
		run_script(keeper, node);
	else
		say_primary(keeper, node);
}

void keeper_await(struct keeper *keeper, int node)
{
	const char *port = lab_printf(keeper->lab, "%u", lab_pg_port(keeper->pg, node));
	int64_t start_ms = clock_now_ms();

	while (!is_at(keeper, port))
		check_deadline(keeper, start_ms, "does not lead to the new primary");
}

void keeper_await_quiet(struct keeper *keeper)
{
	int64_t start_ms = clock_now_ms();

	while (!says(keeper, &retry, "15"))
		check_deadline(keeper, start_ms, "does not get its settings back");
}

int64_t keeper_own_us(struct keeper *keeper)
{
	const char *drained, *moved;

	if (keeper->segue == NULL)
		return -1;
	drained = lab_segue_wait_log(keeper->segue, KEEPER_TIMEOUT_MS, "event=held ", NULL);
	moved = lab_segue_wait_log(keeper->segue, KEEPER_TIMEOUT_MS, "event=moved ", NULL);
	if (drained == NULL || moved == NULL)
		lab_fail("segue does not log the steps of a move; its log:\n%s",
		         lab_process_log_tail(lab_segue_process(keeper->segue)));
	return (
	    int64_t)((lab_log_number(drained, "drained_ms") + lab_log_number(moved, "resumed_ms")) *
	             1000);
}
