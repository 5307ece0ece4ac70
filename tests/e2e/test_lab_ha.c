/* The clusters that fail over by themselves: each shows one real failover. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "lab/lab_ha.h"

#define TIMEOUT_MS 30000

static void run_sql(const char *conninfo, const char *sql)
{
	auto_free char *value = lab_pg_query(conninfo, sql);

	cr_assert_not_null(value, "%s", sql);
}

static void make_table(const char *primary, const char *standby)
{
	run_sql(primary, "create table t (n int)");
	cr_assert(lab_wait_replays(primary, standby, TIMEOUT_MS));
}

Test(lab_patroni, another_node_takes_writes_when_the_leaders_machine_dies, .timeout = 120)
{
	struct lab *lab = lab_create("patroni");
	struct lab_zk *zk = lab_zk_start(lab, 1);
	struct lab_patroni *patroni = lab_patroni_start(lab, zk, "demo", 2);

	cr_assert_eq(lab_patroni_leader(patroni), 0);
	cr_assert_eq(lab_timeline(lab_patroni_conninfo(patroni, 0)), 1);
	cr_assert_eq(lab_timeline(lab_patroni_conninfo(patroni, 1)), 1);
	make_table(lab_patroni_conninfo(patroni, 0), lab_patroni_conninfo(patroni, 1));
	cr_assert_neq(lab_patroni_agent(patroni, 0), 0);
	cr_assert_neq(lab_patroni_postgres(patroni, 0), 0);

	lab_patroni_cut(patroni, 0);
	cr_assert_eq(lab_patroni_agent(patroni, 0), 0);
	cr_assert_eq(lab_patroni_postgres(patroni, 0), 0);
	cr_assert_eq(lab_patroni_wait_primary(patroni, 0, TIMEOUT_MS), 1);
	cr_assert_eq(lab_patroni_leader(patroni), 1);
	cr_assert_eq(lab_timeline(lab_patroni_conninfo(patroni, 1)), 2);
	run_sql(lab_patroni_conninfo(patroni, 1), "insert into t values (1)");

	lab_patroni_node_start(patroni, 0);
	cr_assert(lab_wait_timeline(lab_patroni_conninfo(patroni, 0), 2, TIMEOUT_MS), "%s",
	          lab_process_log_tail(lab_patroni_machine(patroni, 0)));
	cr_assert_eq(lab_patroni_leader(patroni), 1);
	cr_assert_not(lab_takes_writes(lab_patroni_conninfo(patroni, 0)));
	lab_destroy(lab);
}

struct event_file {
	struct lab *lab;
	const char *path;
};

static bool has_promotion(void *arg)
{
	const struct event_file *file = arg;

	return strstr(lab_read_file(file->lab, file->path), "2 standby_promote 1\n") != NULL;
}

Test(lab_repmgr, a_standby_is_promoted_when_the_primary_dies_which_returns_believing_in_itself,
     .timeout = 120)
{
	struct lab *lab = lab_create("repmgr");
	const char *events = lab_path(lab, "events");
	struct lab_repmgr_options options = {.nodes = 3};
	struct lab_repmgr *repmgr;
	struct lab_pg *pg;

	lab_write_file(events, "");
	cr_assert_eq(chmod(events, 0666), 0);
	options.event_command = lab_printf(lab, "echo %%n %%e %%s >> %s", events);
	repmgr = lab_repmgr_start(lab, &options);
	pg = lab_repmgr_pg(repmgr);
	make_table(lab_pg_conninfo(pg, 0), lab_pg_conninfo(pg, 1));
	lab_process_kill(lab_pg_process(pg, 0));
	cr_assert_eq(lab_repmgr_wait_primary(repmgr, 0, TIMEOUT_MS), 1);
	cr_assert_eq(lab_timeline(lab_pg_conninfo(pg, 1)), 2);
	run_sql(lab_pg_conninfo(pg, 1), "insert into t values (1)");
	cr_assert(lab_wait_timeline(lab_pg_conninfo(pg, 2), 2, TIMEOUT_MS), "%s",
	          lab_process_log_tail(lab_repmgr_daemon(repmgr, 2)));
	cr_assert(lab_wait_until(has_promotion, &(struct event_file){lab, events}, TIMEOUT_MS),
	          "%s", lab_read_file(lab, events));

	lab_pg_node_start(pg, 0);
	cr_assert(lab_wait_takes_writes(lab_pg_conninfo(pg, 0), TIMEOUT_MS));
	cr_assert_eq(lab_timeline(lab_pg_conninfo(pg, 0)), 1);
	cr_assert(lab_takes_writes(lab_pg_conninfo(pg, 1)));
	lab_destroy(lab);
}
