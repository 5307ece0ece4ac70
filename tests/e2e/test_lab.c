/* The lab itself: what the end-to-end tests stand on has to hold first. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/lab.h"

#define TIMEOUT_MS 20000

Test(lab, folder_goes_with_the_lab)
{
	struct lab *lab = lab_create("gone");
	auto_free char *dir = xstrdup(lab_dir(lab));

	lab_write_file(lab_path(lab, "file"), "text");
	cr_assert_str_eq(lab_read_file(lab, lab_path(lab, "file")), "text");
	lab_destroy(lab);
	cr_assert_neq(access(dir, F_OK), 0);
}

static bool is_gone(void *arg)
{
	return access(arg, F_OK) != 0;
}

static bool process_is_gone(void *arg)
{
	return kill(*(pid_t *)arg, 0) != 0;
}

struct remains {
	pid_t server, frozen;
	char dir[256];
};

static int make_remains(int fd)
{
	struct lab *lab = lab_create("killed");
	struct lab_process *server = lab_backend_process(lab_backend_start(lab, "one"));
	struct lab_process *frozen = lab_backend_process(lab_backend_start(lab, "two"));
	struct remains remains = {.server = lab_process_pid(server),
	                          .frozen = lab_process_pid(frozen)};

	lab_process_freeze(frozen);
	snprintf(remains.dir, sizeof(remains.dir), "%s", lab_dir(lab));
	if (write(fd, &remains, sizeof(remains)) == sizeof(remains))
		kill(getpid(), SIGKILL);
	return 1;
}

/* The lab of a process that is killed before it can clean up. */
Test(lab, nothing_outlives_a_killed_lab)
{
	struct remains remains;
	pid_t child;
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	child = fork();
	if (child == 0)
		_exit(make_remains(fds[1]));
	cr_assert_eq(read(fds[0], &remains, sizeof(remains)), sizeof(remains));
	waitpid(child, NULL, 0);
	cr_assert(lab_wait_until(is_gone, remains.dir, TIMEOUT_MS), "%s is still there",
	          remains.dir);
	cr_assert(lab_wait_until(process_is_gone, &remains.server, TIMEOUT_MS));
	cr_assert(lab_wait_until(process_is_gone, &remains.frozen, TIMEOUT_MS));
}

Test(lab, haproxy_sends_connections_where_the_runtime_says)
{
	struct lab *lab = lab_create("haproxy");
	struct lab_backend *one = lab_backend_start(lab, "one"),
	                   *two = lab_backend_start(lab, "two");
	struct lab_haproxy *haproxy = lab_haproxy_create(lab, NULL);
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	uint16_t port = lab_port(lab);
	char name[LAB_NAME_MAX];
	pid_t worker;

	lab_write_file(lab_printf(lab, "%s/be.cfg", lab_haproxy_conf_dir(haproxy)),
	               lab_printf(lab,
	                          "listen be\n\tbind 127.0.0.1:%u\n"
	                          "\tserver primary 127.0.0.1:%u\n",
	                          port, lab_backend_port(one)));
	lab_haproxy_start(haproxy);
	cr_assert_str_eq(lab_reach(port, name), "one");
	cr_assert(lab_haproxy_command(
	    haproxy,
	    lab_printf(lab, "set server be/primary addr 127.0.0.1 port %u", lab_backend_port(two)),
	    &reply));
	cr_assert_str_eq(lab_reach(port, name), "two");

	worker = lab_haproxy_worker(haproxy);
	cr_assert(lab_haproxy_reload(haproxy));
	cr_assert_neq(lab_haproxy_worker(haproxy), worker);
	cr_assert_str_eq(lab_reach(port, name), "one", "a reload goes back to the file");

	lab_process_kill(lab_haproxy_process(haproxy));
	cr_assert_str_eq(lab_reach(port, name), "");
	lab_haproxy_start(haproxy);
	cr_assert_str_eq(lab_reach(port, name), "one");
	lab_destroy(lab);
}

Test(lab, znodes_are_written_read_and_deleted)
{
	struct lab *lab = lab_create("zk");
	struct lab_zk *zk = lab_zk_start(lab, 1);
	auto_strbuf struct strbuf data = STRBUF_INIT;
	int64_t first, second, read;

	first = lab_zk_set(zk, "/segue/orders/master", "a", 1);
	second = lab_zk_set(zk, "/segue/orders/master", "bc", 2);
	cr_assert_gt(second, first);
	cr_assert(lab_zk_get(zk, "/segue/orders/master", &data, &read));
	cr_assert_str_eq(data.data, "bc");
	cr_assert_eq(read, second);
	cr_assert(lab_zk_delete(zk, "/segue/orders/master"));
	cr_assert_not(lab_zk_delete(zk, "/segue/orders/master"));
	cr_assert_not(lab_zk_get(zk, "/segue/orders/master", NULL, NULL));
	lab_zk_create_ephemeral(zk, "/segue/orders/publishers/db1");
	lab_zk_disconnect(zk);
	cr_assert_not(lab_zk_get(zk, "/segue/orders/publishers/db1", NULL, NULL));
	lab_destroy(lab);
}

Test(lab, zookeeper_keeps_its_port_and_data_over_a_kill)
{
	struct lab *lab = lab_create("zkkill");
	struct lab_zk *zk = lab_zk_start(lab, 1);
	int64_t set = lab_zk_set(zk, "/a", "1", 1), read;

	lab_process_kill(lab_zk_process(zk, 0));
	cr_assert_eq(lab_zk_leader(zk), -1);
	lab_zk_server_start(zk, 0);
	cr_assert(lab_zk_wait_ready(zk, 0, TIMEOUT_MS));
	cr_assert(lab_zk_get(zk, "/a", NULL, &read));
	cr_assert_eq(read, set);

	lab_process_stop(lab_zk_process(zk, 0));
	lab_zk_wipe(zk, 0);
	lab_zk_server_start(zk, 0);
	cr_assert(lab_zk_wait_ready(zk, 0, TIMEOUT_MS));
	lab_zk_disconnect(zk);
	cr_assert_not(lab_zk_get(zk, "/a", NULL, NULL));
	lab_destroy(lab);
}

static bool has_leader(void *arg)
{
	return lab_zk_leader(arg) >= 0;
}

Test(lab, ensemble_elects_another_leader)
{
	struct lab *lab = lab_create("zk3");
	struct lab_zk *zk = lab_zk_start(lab, 3);
	int leader = lab_zk_leader(zk);

	cr_assert_geq(leader, 0);
	lab_zk_set(zk, "/a", "1", 1);
	lab_process_kill(lab_zk_process(zk, leader));
	cr_assert(lab_wait_until(has_leader, zk, TIMEOUT_MS));
	cr_assert_neq(lab_zk_leader(zk), leader);
	lab_zk_set(zk, "/a", "2", 1);
	lab_destroy(lab);
}

/* The other session is that of a second process, whose ephemeral shows when it ended. */
static int hold_ephemeral(void *arg)
{
	lab_zk_create_ephemeral(arg, "/other");
	pause();
	return 0;
}

static bool other_exists(void *arg)
{
	return lab_zk_get(arg, "/other", NULL, NULL);
}

Test(lab, expire_others_ends_their_sessions_only)
{
	struct lab *lab = lab_create("expire");
	struct lab_zk *zk = lab_zk_start(lab, 1);

	lab_fork(lab, "other", hold_ephemeral, zk);
	lab_zk_create_ephemeral(zk, "/own");
	cr_assert(lab_wait_until(other_exists, zk, TIMEOUT_MS));
	cr_assert_eq(lab_zk_expire_others(zk), 1);
	cr_assert_not(other_exists(zk));
	cr_assert(lab_zk_get(zk, "/own", NULL, NULL));
	lab_destroy(lab);
}

static bool has_table(void *arg)
{
	char *count = lab_pg_query(lab_pg_conninfo(arg, 1), "select count(*) from t");
	bool found = count != NULL && strcmp(count, "1") == 0;

	free(count);
	return found;
}

Test(lab, standby_replicates_and_is_promoted)
{
	struct lab *lab = lab_create("pg");
	struct lab_pg *pg = lab_pg_start(lab, 2);
	char *value;

	cr_assert(lab_pg_wait_recovery(pg, 0, false, TIMEOUT_MS));
	cr_assert(lab_pg_wait_recovery(pg, 1, true, TIMEOUT_MS));
	value = lab_pg_query(lab_pg_conninfo(pg, 0), "create table t as select 7 as n");
	cr_assert_not_null(value);
	free(value);
	cr_assert_null(lab_pg_query(lab_pg_conninfo(pg, 1), "create table u (n int)"));
	cr_assert(lab_wait_until(has_table, pg, TIMEOUT_MS));

	lab_process_kill(lab_pg_process(pg, 0));
	lab_pg_promote(pg, 1);
	value = lab_pg_query(lab_pg_conninfo(pg, 1), "insert into t values (8) returning n");
	cr_assert_str_eq(value, "8");
	free(value);
	lab_destroy(lab);
}

static bool leads_to(const struct lab_pgbouncer *bouncer, const char *node)
{
	auto_free char *port =
	    lab_pg_query(lab_pgbouncer_conninfo(bouncer, "app"), "select inet_server_port()");

	return port != NULL && strcmp(port, node) == 0;
}

Test(lab, pgbouncer_serves_what_its_databases_file_says_and_comes_back_after_a_kill)
{
	struct lab *lab = lab_create("bouncer");
	struct lab_pg *pg = lab_pg_start(lab, 1);
	struct lab_pgbouncer *bouncer = lab_pgbouncer_create(lab, NULL);
	const char *port = lab_printf(lab, "%u", lab_pg_port(pg, 0));
	char *paused;

	lab_write_file(
	    lab_pgbouncer_databases_file(bouncer),
	    lab_printf(lab, "[databases]\napp = host=127.0.0.1 port=%s dbname=postgres\n", port));
	lab_pgbouncer_start(bouncer);
	cr_assert(lab_pgbouncer_says(bouncer, "app", "port", port));
	cr_assert(leads_to(bouncer, port));
	paused = lab_pgbouncer_query(bouncer, "PAUSE app", NULL);
	cr_assert_str_eq(paused, "");
	free(paused);
	cr_assert(lab_pgbouncer_says(bouncer, "app", "paused", "1"));
	cr_assert_null(lab_pgbouncer_query(bouncer, "PAUSE app, app", NULL));

	lab_process_kill(lab_pgbouncer_process(bouncer));
	lab_pgbouncer_start(bouncer);
	cr_assert(lab_pgbouncer_says(bouncer, "app", "paused", "0"));
	cr_assert(leads_to(bouncer, port));
	lab_destroy(lab);
}
