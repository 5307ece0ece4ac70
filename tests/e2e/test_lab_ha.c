/* The clusters that fail over by themselves: each shows one real failover. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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
	const char *log = lab_process_log(lab_patroni_machine(patroni, 0));

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
	cr_assert_null(strstr(lab_read_file(lab, log), "Removing data directory"),
	               "rewound, not cloned");
	lab_destroy(lab);
}

struct pair {
	struct lab_patroni *patroni;
	int leader;
};

static bool is_led_by(void *arg)
{
	const struct pair *pair = arg;

	return lab_patroni_leader(pair->patroni) == pair->leader &&
	       lab_takes_writes(lab_patroni_conninfo(pair->patroni, pair->leader));
}

/* In the order of a life: each step begins where the one before has left the cluster. */
Test(lab_patroni, parts_of_a_node_die_and_come_back_and_patronictl_moves_the_primary,
     .timeout = 120)
{
	struct lab *lab = lab_create("patroni");
	struct lab_zk *zk = lab_zk_start(lab, 1);
	struct lab_patroni *patroni = lab_patroni_start(lab, zk, "parts", 2);
	const char *first = lab_patroni_conninfo(patroni, 0),
	           *second = lab_patroni_conninfo(patroni, 1);
	auto_strbuf struct strbuf config = STRBUF_INIT;
	pid_t postgres;

	lab_patroni_switchover(patroni, 0, 1);
	cr_assert(lab_wait_until(is_led_by, &(struct pair){patroni, 1}, TIMEOUT_MS));
	cr_assert(lab_wait_timeline(first, 2, TIMEOUT_MS));

	lab_patroni_pause(patroni);
	postgres = lab_patroni_postgres(patroni, 1);
	lab_patroni_kill_agent(patroni, 1);
	cr_assert_eq(lab_patroni_agent(patroni, 1), 0);
	cr_assert(lab_takes_writes(second), "it goes on without Patroni");
	lab_patroni_node_start(patroni, 1);
	lab_patroni_resume(patroni);
	cr_assert(lab_wait_until(is_led_by, &(struct pair){patroni, 1}, TIMEOUT_MS));
	cr_assert_eq(lab_patroni_postgres(patroni, 1), postgres, "it was taken over");

	lab_patroni_kill_postgres(patroni, 1);
	cr_assert_eq(lab_patroni_postgres(patroni, 1), 0);
	cr_assert(lab_wait_until(is_led_by, &(struct pair){patroni, 1}, TIMEOUT_MS),
	          "Patroni starts it again in its place");
	cr_assert_not(lab_takes_writes(first));

	lab_patroni_set(patroni, "ttl=20");
	cr_assert(
	    lab_zk_get(zk, lab_printf(lab, "%s/config", lab_patroni_path(patroni)), &config, NULL));
	cr_assert_not_null(strstr(config.data, "\"ttl\": 20"), "%s", config.data);
	lab_destroy(lab);
}

/* What a client may reach while the fence is not up. */
Test(lab_patroni, frozen_leader_is_replaced_and_steps_down_when_it_wakes, .timeout = 120)
{
	struct lab *lab = lab_create("patroni");
	struct lab_zk *zk = lab_zk_start(lab, 1);
	struct lab_patroni *patroni = lab_patroni_start(lab, zk, "frozen", 2);

	lab_process_freeze(lab_patroni_machine(patroni, 0));
	cr_assert(lab_wait_until(is_led_by, &(struct pair){patroni, 1}, TIMEOUT_MS));
	lab_process_thaw(lab_patroni_machine(patroni, 0));
	cr_assert(lab_wait_timeline(lab_patroni_conninfo(patroni, 0), 2, TIMEOUT_MS), "%s",
	          lab_process_log_tail(lab_patroni_machine(patroni, 0)));
	cr_assert_eq(lab_patroni_wait_primary(patroni, -1, TIMEOUT_MS), 1);
	lab_destroy(lab);
}

static int leave_patroni_behind(int fd)
{
	struct lab *lab = lab_create("killed");
	struct lab_patroni *patroni = lab_patroni_start(lab, lab_zk_start(lab, 1), "killed", 1);
	pid_t left[] = {lab_process_pid(lab_patroni_machine(patroni, 0)),
	                lab_patroni_agent(patroni, 0), lab_patroni_postgres(patroni, 0)};

	if (write(fd, left, sizeof(left)) == sizeof(left))
		kill(getpid(), SIGKILL);
	return 1;
}

/* A dead process that its init has not reaped has no working directory. */
static bool process_is_gone(void *arg)
{
	auto_free char *cwd = xasprintf("/proc/%d/cwd", (int)*(pid_t *)arg);
	char target[8];

	return readlink(cwd, target, sizeof(target)) < 0;
}

Test(lab_patroni, nothing_outlives_a_killed_lab, .timeout = 120)
{
	pid_t left[3], child;
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	child = fork();
	if (child == 0)
		_exit(leave_patroni_behind(fds[1]));
	cr_assert_eq(read(fds[0], left, sizeof(left)), sizeof(left));
	waitpid(child, NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(left); i++) {
		cr_assert_gt(left[i], 0);
		cr_assert(lab_wait_until(process_is_gone, &left[i], TIMEOUT_MS), "process %d of %d",
		          (int)i, (int)left[i]);
	}
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

Test(lab_repmgr, witness_is_a_majority_for_one_standby, .timeout = 120)
{
	struct lab *lab = lab_create("witness");
	struct lab_repmgr *repmgr =
	    lab_repmgr_start(lab, &(struct lab_repmgr_options){.nodes = 2, .witness = true});
	struct lab_pg *pg = lab_repmgr_pg(repmgr);
	const char *witness = lab_pg_conninfo(lab_repmgr_witness(repmgr), 0);
	auto_strbuf struct strbuf shown = STRBUF_INIT;
	char *type = lab_pg_query(
	    witness, "select string_agg(type, ' ' order by node_id) from repmgr.nodes");

	cr_assert_str_eq(type, "primary standby witness");
	free(type);
	cr_assert_eq(lab_repmgr_run(repmgr, 1, (const char *[]){"cluster", "show", NULL}, &shown),
	             0, "%s", shown.data);
	lab_process_stop(lab_repmgr_daemon(repmgr, 1));
	lab_repmgr_daemon_start(repmgr, 1);

	lab_process_signal(lab_pg_process(pg, 0), SIGQUIT);
	cr_assert_eq(lab_repmgr_wait_primary(repmgr, 0, TIMEOUT_MS), 1, "%s",
	             lab_process_log_tail(lab_repmgr_daemon(repmgr, 1)));
	cr_assert_eq(lab_timeline(lab_pg_conninfo(pg, 1)), 2);
	lab_destroy(lab);
}
