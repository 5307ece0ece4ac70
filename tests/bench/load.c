/* The load on a pool: pgbench with two scripts of our own, and what its output, its log of
 * transactions and the rows tell. It runs until SIGALRM, as at the end of its -T. */
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/pool.h"

#define STOP_TIMEOUT_MS 30000
#define ROW_TIMEOUT_MS  60000

static const char read_script[] = "\\set id random(1, 10000)\n"
                                  "select v from bench_accounts where id = :id;\n";
static const char write_script[] = "insert into bench_rows default values;\n";

static void must_query(const char *conninfo, const char *sql)
{
	auto_free char *value = lab_pg_query(conninfo, sql);

	if (value == NULL)
		lab_fail("PostgreSQL refuses: %s", sql);
}

void load_prepare(struct lab_pg *pg)
{
	const char *conninfo = lab_pg_conninfo(pg, 0);

	must_query(conninfo, "create table bench_rows (id bigserial primary key,"
	                     " port int default inet_server_port(),"
	                     " at timestamptz default clock_timestamp())");
	must_query(conninfo, "create table bench_accounts as"
	                     " select i as id, i as v from generate_series(1, 10000) i");
	must_query(conninfo, "alter table bench_accounts add primary key (id)");
}

int64_t pool_wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int run_pgbench(void *arg)
{
	const struct load *load = arg;

	execv(load->argv[0], (char *const *)load->argv);
	return 127;
}

static const char *script(struct load *load, const char *name, const char *text)
{
	const char *path = lab_path(load->lab, name);

	lab_write_file(path, text);
	return path;
}

void load_start(struct load *load, struct keeper *keeper)
{
	const char *argv[] = {lab_pg_program(keeper->pg, "pgbench"),
	                      "--no-vacuum",
	                      "--rate=2000",
	                      "--client=16",
	                      "--time=3600",
	                      "--log",
	                      "--log-prefix",
	                      NULL, /* filled in below */
	                      "-f",
	                      NULL,
	                      "-f",
	                      NULL,
	                      lab_pgbouncer_conninfo(keeper->bouncer, "app"),
	                      NULL};

	*load = (struct load){.lab = keeper->lab,
	                      .log_prefix = lab_printf(keeper->lab, "%s/pgbench-%s",
	                                               lab_dir(keeper->lab), keeper->name)};
	argv[7] = load->log_prefix;
	argv[9] = script(load, "read.sql", read_script);
	argv[11] = script(load, "write.sql", write_script);
	load->argv = argv;
	load->process = lab_fork(keeper->lab, "pgbench", run_pgbench, load);
	load->argv = NULL;
}

static int64_t number_after(const char *text, const char *label)
{
	const char *at = strstr(text, label);

	return at != NULL ? strtoll(at + strlen(label), NULL, 10) : 0;
}

static int64_t count_in(const char *text, const char *what)
{
	int64_t count = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		count++;
	}
	return count;
}

struct load_result load_stop(struct load *load)
{
	const char *said;

	lab_process_signal(load->process, SIGALRM);
	if (!lab_process_wait(load->process, STOP_TIMEOUT_MS))
		lab_fail("pgbench does not end:\n%s", lab_process_log_tail(load->process));
	said = lab_read_file(load->lab, lab_process_log(load->process));
	return (struct load_result){
	    .done = number_after(said, "number of transactions actually processed: "),
	    .failed = number_after(said, "number of failed transactions: ") +
	              count_in(said, " aborted in command ")};
}

/* pgbench(1), "Per-Transaction Logging": client, number, time, script, epoch, us, lag. */
static int64_t longest_in(FILE *log, int64_t from_us, int64_t to_us)
{
	int64_t longest = 0, took, seconds, us, ended;
	char line[256];

	while (fgets(line, sizeof(line), log) != NULL) {
		/* NOLINTNEXTLINE(cert-err34-c) */
		int fields = sscanf(line, "%*d %*d %" SCNd64 " %*d %" SCNd64 " %" SCNd64, &took,
		                    &seconds, &us);

		if (fields != 3)
			continue;
		ended = seconds * 1000000 + us;
		if (ended >= from_us && ended < to_us && took > longest)
			longest = took;
	}
	return longest;
}

int64_t load_longest_us(const struct load *load, int64_t from_us, int64_t to_us)
{
	auto_free char *pattern = xasprintf("%s.*", load->log_prefix);
	int64_t longest = 0;
	glob_t files;

	if (glob(pattern, 0, NULL, &files) != 0)
		lab_fail("pgbench has left no log %s", pattern);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		FILE *log = fopen(files.gl_pathv[i], "re");
		int64_t one = log != NULL ? longest_in(log, from_us, to_us) : 0;

		longest = one > longest ? one : longest;
		if (log != NULL)
			fclose(log);
	}
	globfree(&files);
	return longest;
}

int64_t load_rows_after(struct lab_pg *pg, int node, int64_t wall_us)
{
	auto_free char *sql = xasprintf("select count(*) from bench_rows where port = %u"
	                                " and at > to_timestamp(%" PRId64 "::numeric / 1000000)",
	                                lab_pg_port(pg, node), wall_us);
	auto_free char *count = lab_pg_query(lab_pg_conninfo(pg, node), sql);

	if (count == NULL)
		lab_fail("db%d does not count its rows", node);
	return strtoll(count, NULL, 10);
}

struct row_wanted {
	const struct load *load;
	struct lab_pg *pg;
	int node;
	int64_t wall_us;
};

static bool has_row(void *arg)
{
	const struct row_wanted *wanted = arg;
	auto_free char *sql =
	    xasprintf("select at > to_timestamp(%" PRId64 "::numeric / 1000000) from bench_rows"
	              " order by id desc limit 1",
	              wanted->wall_us);
	auto_free char *there = lab_pg_query(lab_pg_conninfo(wanted->pg, wanted->node), sql);

	return there != NULL && strcmp(there, "t") == 0;
}

void load_await_row(const struct load *load, struct lab_pg *pg, int node, int64_t wall_us)
{
	struct row_wanted wanted = {load, pg, node, wall_us};

	if (!lab_wait_until(has_row, &wanted, ROW_TIMEOUT_MS))
		lab_fail("no write reaches db%d; pgbench says:\n%s", node,
		         lab_process_log_tail(load->process));
}
