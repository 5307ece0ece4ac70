/* The PgBouncer target and what goes wrong around it: crashes, people, refusals. */
#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixtures/pgbouncer_target.h"

static struct pgdriver d;

static void setup(void)
{
	pgdriver_init(&d, NULL);
}

static void teardown(void)
{
	pgdriver_fini(&d);
}

TestSuite(pgbouncer_driver_trouble, .init = setup, .fini = teardown, .timeout = 90);

/* What a segue leaves behind that was killed after its PAUSE. */
static void crash_in_a_pause(void)
{
	pgdriver_apply(&d, 0);
	pgdriver_close(&d);
	pgdriver_command(&d, "PAUSE app");
	lab_write_file(d.record, "{\"databases\": [\"app\"], \"why\": \"test\"}\n");
	pgdriver_open(&d);
}

Test(pgbouncer_driver_trouble, found_paused_after_a_crash_the_move_is_finished)
{
	crash_in_a_pause();
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
	cr_assert_neq(access(d.record, F_OK), 0);
}

Test(pgbouncer_driver_trouble, found_paused_after_a_crash_clients_are_let_go_without_a_text)
{
	crash_in_a_pause();
	cr_assert(pgdriver_wait_paused(&d, "app", false));
	cr_assert_eq(pgdriver_count_log(&d, "event=pauses_found"), 1);
	cr_assert(pgdriver_leads_to(&d, 0));
}

Test(pgbouncer_driver_trouble, a_note_of_what_is_not_paused_any_more_is_removed)
{
	pgdriver_apply(&d, 0);
	pgdriver_close(&d);
	lab_write_file(d.record, "{\"databases\": [\"app\", \"gone\"]}\n");
	pgdriver_open(&d);
	pgdriver_apply(&d, 0);
	cr_assert_neq(access(d.record, F_OK), 0);
	pgdriver_command(&d, "PAUSE app");
	pgdriver_run(&d, 300);
	cr_assert(pgdriver_says(&d, "app", "paused", "1"), "a person's");
	pgdriver_command(&d, "RESUME app");
}

Test(pgbouncer_driver_trouble, a_note_that_cannot_be_read_is_reported)
{
	pgdriver_close(&d);
	lab_write_file(d.record, "{\"databases\": [");
	pgdriver_open(&d);
	pgdriver_apply(&d, 0);
	cr_assert_eq(pgdriver_count_log(&d, "event=intent_unusable"), 1);
}

Test(pgbouncer_driver_trouble, what_a_person_paused_is_moved_and_stays_paused)
{
	d.databases = 2;
	pgdriver_apply(&d, 0);
	pgdriver_command(&d, "PAUSE app1");
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
	cr_assert(pgdriver_says(&d, "app1", "paused", "1"));
	cr_assert(pgdriver_says(&d, "app1", "port", lab_printf(d.lab, "%u", lab_pg_port(d.pg, 1))));
	cr_assert_eq(pgdriver_count_log(&d, "event=paused_by_others"), 1);
}

Test(pgbouncer_driver_trouble, a_global_pause_of_a_person_is_reported_and_left)
{
	pgdriver_apply(&d, 0);
	pgdriver_command(&d, "PAUSE");
	pgdriver_name(&d, 1);
	cr_assert(pgdriver_wait_log(&d, "event=pause_refused"));
	cr_assert(pgdriver_wait_log(&d, "already suspended/paused"));
	pgdriver_command(&d, "RESUME");
	cr_assert(pgdriver_wait_sync(&d));
	cr_assert(pgdriver_leads_to(&d, 1));
}

Test(pgbouncer_driver_trouble, a_file_that_a_hand_changed_and_reloaded_is_put_right)
{
	pgdriver_apply(&d, 0);
	pgdriver_apply(&d, 1);
	lab_write_file(d.config.output,
	               lab_printf(d.lab,
	                          "[databases]\napp = host=127.0.0.1 port=%u dbname=postgres\n",
	                          lab_pg_port(d.pg, 0)));
	pgdriver_command(&d, "RELOAD");
	cr_assert(pgdriver_wait_log(&d, "event=drift"));
	cr_assert(pgdriver_wait_sync(&d));
	cr_assert(pgdriver_leads_to(&d, 1));
}

Test(pgbouncer_driver_trouble, restarted_in_a_hold_it_is_paused_again)
{
	pgdriver_apply(&d, 0);
	pgdriver_hold(&d, 30000);
	cr_assert(pgdriver_wait_step(&d, "holding"));
	lab_process_kill(lab_pgbouncer_process(d.bouncer));
	lab_pgbouncer_start(d.bouncer);
	cr_assert(pgdriver_wait_paused(&d, "app", true));
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
}

Test(pgbouncer_driver_trouble, what_is_down_at_the_change_finds_its_file_right)
{
	const char *port = lab_printf(d.lab, "%u", lab_pg_port(d.pg, 1));

	pgdriver_apply(&d, 0);
	lab_process_kill(lab_pgbouncer_process(d.bouncer));
	pgdriver_name(&d, 1);
	cr_assert(pgdriver_wait_log(&d, "event=pgbouncer_unreachable"));
	cr_assert_not_null(strstr(lab_read_file(d.lab, d.config.output), port));
	lab_pgbouncer_start(d.bouncer);
	cr_assert(pgdriver_wait_sync(&d));
	cr_assert(pgdriver_leads_to(&d, 1));
	cr_assert_eq(pgdriver_count_log(&d, "event=pgbouncer_unreachable"), 1);
}

/* --- a pgbouncer.ini without the output --- */

static void write_elsewhere(void)
{
	pgdriver_close(&d);
	free(d.config.output);
	d.config.output = xstrdup(lab_path(d.lab, "elsewhere.ini"));
	pgdriver_open(&d);
}

static bool was_reloaded(void)
{
	return strstr(lab_read_file(d.lab, lab_process_log(lab_pgbouncer_process(d.bouncer))),
	              "RELOAD command issued") != NULL;
}

Test(pgbouncer_driver_trouble, a_file_that_is_not_included_is_told_on_a_quiet_day)
{
	const char *text;

	pgdriver_apply(&d, 0);
	text = lab_read_file(d.lab, lab_pgbouncer_main_file(d.bouncer));
	write_elsewhere();
	pgdriver_name(&d, 0);
	cr_assert(pgdriver_wait_problem(&d, "elsewhere.ini: add the line \"%include "),
	          "though SHOW DATABASES is as it should be");
	lab_write_file(lab_pgbouncer_main_file(d.bouncer),
	               lab_printf(d.lab, "%s\n%%include %s\n", text, d.config.output));
	cr_assert(pgdriver_wait_sync(&d));
}

/* As with the console of another PgBouncer. */
Test(pgbouncer_driver_trouble, a_file_that_is_not_included_is_told_and_clients_go_on)
{
	write_elsewhere();
	pgdriver_name(&d, 1);
	cr_assert(pgdriver_wait_problem(&d, "elsewhere.ini: add the line \"%include "));
	cr_assert(pgdriver_wait_step(&d, "blocked"));
	pgdriver_run(&d, 2500);
	cr_expect_not(was_reloaded());
	cr_expect_eq(pgdriver_count_log(&d, "event=pgbouncer_ini_broken"), 1);
	cr_expect_eq(access(d.config.output, F_OK), 0);
}

/* --- a pgbouncer.ini that would not load --- */

/* A line that is none, in the place of line 3, above all settings. Returns what was there. */
static const char *break_main_file(void)
{
	const char *file = lab_pgbouncer_main_file(d.bouncer);
	const char *text = lab_read_file(d.lab, file);
	const char *settings = strstr(text, "[pgbouncer]\n");

	cr_assert_not_null(settings);
	lab_write_file(file, lab_printf(d.lab, "%.*s[pgbouncer]\nthis is no setting\n%s",
	                                (int)(settings - text), text, strchr(settings, '\n') + 1));
	return text;
}

static const char *config_of(const char *key)
{
	char *found = lab_pgbouncer_find(d.bouncer, "SHOW CONFIG", "key", key, "value");
	const char *kept = lab_printf(d.lab, "%s", found != NULL ? found : "");

	free(found);
	return kept;
}

Test(pgbouncer_driver_trouble, a_broken_pgbouncer_ini_is_not_reloaded_and_followed_once_it_is_right)
{
	const char *port = lab_printf(d.lab, "%u", lab_pg_port(d.pg, 1)), *good;

	pgdriver_apply(&d, 0);
	pgdriver_start_traffic(&d);
	good = break_main_file();
	pgdriver_name(&d, 1);
	cr_assert(pgdriver_wait_problem(&d, "pgbouncer.ini line 3: 'this is no setting'"));
	cr_assert(pgdriver_wait_step(&d, "blocked"));
	pgdriver_run(&d, 1500);
	cr_expect_str_eq(config_of("admin_users"), "pgbouncer");
	cr_expect(pgdriver_says(&d, "app", "paused", "0"));
	cr_expect(pgdriver_leads_to(&d, 0));
	cr_expect_not_null(strstr(lab_read_file(d.lab, d.config.output), port));
	cr_expect_eq(pgdriver_count_log(&d, "event=pgbouncer_ini_broken"), 1);
	lab_write_file(lab_pgbouncer_main_file(d.bouncer), good);
	cr_assert(pgdriver_wait_sync(&d));
	cr_expect(pgdriver_leads_to(&d, 1));
	cr_expect_eq(pgdriver_count_log(&d, "event=pgbouncer_ini_right"), 1);
	cr_expect_eq(pgdriver_count_log(&d, "event=move_failed"), 0);
	cr_expect(pgdriver_all_served(&d));
}

Test(pgbouncer_driver_trouble, a_pgbouncer_ini_that_breaks_on_a_quiet_day_is_told_then)
{
	const char *good;

	pgdriver_apply(&d, 0);
	good = break_main_file();
	cr_assert(pgdriver_wait_problem(&d, "pgbouncer.ini line 3: "));
	lab_write_file(lab_pgbouncer_main_file(d.bouncer), good);
	cr_assert(pgdriver_wait_sync(&d));
	cr_expect(pgdriver_leads_to(&d, 0));
}

Test(pgbouncer_driver_trouble, who_is_held_when_pgbouncer_ini_breaks_is_let_go_in_time)
{
	const char *good;

	pgdriver_apply(&d, 0);
	pgdriver_hold(&d, 30000);
	cr_assert(pgdriver_wait_step(&d, "holding"));
	good = break_main_file();
	pgdriver_name(&d, 1);
	cr_assert(pgdriver_wait_step(&d, "blocked"));
	cr_expect(pgdriver_says(&d, "app", "paused", "1"));
	cr_assert(pgdriver_wait_log(&d, "event=move_failed"));
	cr_assert(pgdriver_wait_paused(&d, "app", false));
	cr_expect_str_eq(config_of("admin_users"), "pgbouncer");
	lab_write_file(lab_pgbouncer_main_file(d.bouncer), good);
	cr_assert(pgdriver_wait_sync(&d));
	cr_expect(pgdriver_leads_to(&d, 1));
}

/* The timeouts that end what is left on a frozen primary apply to all databases. */
Test(pgbouncer_driver_trouble, timeouts_are_put_back_when_pgbouncer_ini_breaks_in_a_move)
{
	PGconn *conn = NULL;
	PGresult *result;
	const char *before;

	pgdriver_apply(&d, 0);
	before = config_of("query_timeout");
	conn = PQconnectdb(lab_pgbouncer_conninfo(d.bouncer, "app"));
	result = PQexec(conn, "begin");
	cr_assert_eq(PQresultStatus(result), PGRES_COMMAND_OK, "%s", PQerrorMessage(conn));
	PQclear(result);
	lab_process_freeze(lab_pg_process(d.pg, 0));
	pgdriver_name(&d, 1);
	cr_assert(pgdriver_wait_step(&d, "draining"));
	break_main_file();
	cr_assert(pgdriver_wait_log(&d, "event=links_cut"));
	cr_assert(pgdriver_wait_log(&d, "event=move_failed"));
	cr_assert(pgdriver_wait_paused(&d, "app", false));
	cr_expect_str_eq(config_of("query_timeout"), before);
	cr_expect_str_eq(config_of("idle_transaction_timeout"), "0");
	PQfinish(conn);
	lab_process_thaw(lab_pg_process(d.pg, 0));
}

/* --- a database that is defined once more, behind the %include --- */

static const char *define_once_more(void)
{
	const char *file = lab_pgbouncer_main_file(d.bouncer), *text = lab_read_file(d.lab, file);

	lab_write_file(file, lab_printf(d.lab,
	                                "%s[databases]\napp = host=127.0.0.1 port=%u "
	                                "dbname=postgres\n",
	                                text, lab_pg_port(d.pg, 0)));
	return text;
}

Test(pgbouncer_driver_trouble, a_database_that_is_defined_once_more_is_told_before_the_failover)
{
	struct target_status status;
	const char *good;

	pgdriver_apply(&d, 0);
	good = define_once_more();
	cr_assert(pgdriver_wait_problem(&d, " defines app again, after the %include of "));
	target_status(d.target, &status);
	cr_expect_not(status.in_sync);
	cr_expect_eq(pgdriver_count_log(&d, "event=pgbouncer_ini_trouble"), 1);
	cr_expect(pgdriver_leads_to(&d, 0));
	lab_write_file(lab_pgbouncer_main_file(d.bouncer), good);
	cr_assert(pgdriver_wait_sync(&d));
}

Test(pgbouncer_driver_trouble, a_move_that_stops_at_a_second_definition_names_its_line)
{
	const char *good;

	d.databases = 2;
	pgdriver_apply(&d, 0);
	good = define_once_more();
	pgdriver_name(&d, 1);
	cr_assert(pgdriver_wait_log(&d, "event=move_failed"));
	cr_expect(pgdriver_wait_problem(&d, " defines app again"));
	cr_expect(pgdriver_wait_paused(&d, "app", false));
	cr_expect(pgdriver_says(&d, "app1", "port", lab_printf(d.lab, "%u", lab_pg_port(d.pg, 1))),
	          "the others are moved");
	lab_write_file(lab_pgbouncer_main_file(d.bouncer), good);
	cr_assert(pgdriver_wait_sync(&d));
	cr_expect(pgdriver_leads_to(&d, 1));
}

/* --- a pgbouncer.ini that costs clients at the next start --- */

Test(pgbouncer_driver_trouble, an_auth_file_that_is_missing_is_told_before_the_next_start)
{
	const char *file = lab_pgbouncer_main_file(d.bouncer), *good;
	struct target_status status;

	pgdriver_apply(&d, 0);
	good = lab_read_file(d.lab, file);
	lab_write_file(file, lab_printf(d.lab, "%s[pgbouncer]\nauth_file = %s/userlist.tx\n", good,
	                                lab_dir(d.lab)));
	cr_assert(pgdriver_wait_problem(&d,
	                                "/userlist.tx: after the next start of PgBouncer, users "
	                                "that are listed only in this file cannot log in"));
	target_status(d.target, &status);
	cr_expect_not(status.in_sync);
	lab_write_file(file, good);
	cr_assert(pgdriver_wait_sync(&d));
}

Test(pgbouncer_driver_trouble, another_address_to_listen_at_is_told_and_no_fault)
{
	const char *file = lab_pgbouncer_main_file(d.bouncer);
	struct target_status status;

	pgdriver_apply(&d, 0);
	lab_write_file(file, lab_printf(d.lab, "%s[pgbouncer]\nlisten_addr = 127.0.0.11\n",
	                                lab_read_file(d.lab, file)));
	cr_assert(pgdriver_wait_problem(&d, ": listen_addr = 127.0.0.11, and PgBouncer runs with "
	                                    "127.0.0.1: its next start changes that"));
	target_status(d.target, &status);
	cr_expect(status.in_sync);
	cr_expect_eq(pgdriver_count_log(&d, "event=pgbouncer_ini_differs"), 1);
}

static void become(const struct passwd *user)
{
	if (user != NULL)
		cr_assert_eq(setresuid(user->pw_uid, user->pw_uid, 0), 0);
}

static void become_again(const struct passwd *user)
{
	if (user != NULL)
		cr_assert_eq(setresuid(0, 0, 0), 0);
}

Test(pgbouncer_driver_trouble,
     a_pgbouncer_ini_that_pgbouncer_cannot_read_is_told_before_the_failover)
{
	const struct passwd *postgres = geteuid() == 0 ? getpwnam("postgres") : NULL;
	const char *file = lab_pgbouncer_main_file(d.bouncer);
	struct target_status status;

	pgdriver_apply(&d, 0);
	cr_assert(postgres == NULL || chown(file, 0, 0) == 0);
	cr_assert_eq(chmod(file, postgres != NULL ? 0600 : 0), 0);
	become(postgres);
	cr_assert(pgdriver_wait_problem(&d, "PgBouncer cannot read "));
	target_status(d.target, &status);
	cr_expect_not(status.in_sync);
	cr_expect(pgdriver_leads_to(&d, 0));
	become_again(postgres);
	cr_assert_eq(chmod(file, 0644), 0);
	become(postgres);
	cr_assert(pgdriver_wait_sync(&d));
	become_again(postgres);
}

static void replace_console(const char *conninfo)
{
	pgdriver_close(&d);
	free(d.config.console);
	d.config.console = xstrdup(conninfo);
	pgdriver_open(&d);
}

static void refused(const char *user, const char *words)
{
	const char *port = lab_printf(d.lab, "%u", lab_pg_port(d.pg, 1));

	pgdriver_apply(&d, 0);
	replace_console(lab_printf(d.lab, "%s user=%s", d.config.console, user));
	pgdriver_name(&d, 1);
	cr_assert(pgdriver_wait_log(&d, words));
	cr_assert(pgdriver_wait_problem(&d, words));
	cr_assert_not_null(strstr(lab_read_file(d.lab, d.config.output), port),
	                   "its next start is right all the same");
	cr_assert_neq(access(d.record, F_OK), 0);
}

Test(pgbouncer_driver_trouble, a_user_who_may_only_look_is_told_so)
{
	refused("watcher", "admin access needed");
}

Test(pgbouncer_driver_trouble, a_user_who_may_not_connect_is_told_so)
{
	refused("app", "not allowed");
}

Test(pgbouncer_driver_trouble, a_text_that_pgbouncer_would_misread_is_refused)
{
	const char *text = "[databases]\napp = host=127.0.0.1 port=5432abc\n";
	const struct desired desired = {.text = text, .len = strlen(text), .zxid = 200};
	struct err err;

	pgdriver_apply(&d, 0);
	cr_assert_not(target_set_desired(d.target, &desired, &err));
	cr_assert_not_null(strstr(err.message, "line 2"), "%s", err.message);
	cr_assert(pgdriver_leads_to(&d, 0));
}

static char *login_retry(void)
{
	return lab_pgbouncer_find(d.bouncer, "SHOW CONFIG", "key", "server_login_retry", "value");
}

static void start_again(const char *settings)
{
	pgdriver_fini(&d);
	pgdriver_init(&d, settings);
}

/* Not before a failed login of before the move is so old that PgBouncer tries again by itself. */
Test(pgbouncer_driver_trouble, server_login_retry_is_put_back_when_it_is_over)
{
	auto_free char *during = NULL, *after = NULL;
	int64_t moved_ms;

	start_again("server_login_retry = 2\n");
	pgdriver_apply(&d, 0);
	pgdriver_apply(&d, 1);
	moved_ms = clock_now_ms();
	during = login_retry();
	cr_assert_str_eq(during, "0.1");
	cr_assert(pgdriver_wait_log(&d, "to=restoring"));
	cr_assert_geq(clock_now_ms() - moved_ms, 1900);
	cr_assert(pgdriver_wait_step(&d, "idle"));
	after = login_retry();
	cr_assert_str_eq(after, "2");
	cr_assert_neq(access(lab_path(d.lab, "state/pgbouncer-local.reload"), F_OK), 0);
}

/* The mark of a failed login is one of a pool, which is a database and a user: those who come back
 * late find theirs. */
Test(pgbouncer_driver_trouble, who_failed_before_the_move_is_served_right_after_it)
{
	const char *conninfo;
	int64_t started_ms;

	start_again("server_login_retry = 30\n");
	conninfo = lab_printf(d.lab, "%s user=app connect_timeout=2",
	                      lab_pgbouncer_conninfo(d.bouncer, "app"));
	pgdriver_apply(&d, 0);
	for (int node = 0; node < TRAFFIC_NODES; node++) {
		auto_free char *made =
		    lab_pg_query(lab_pg_conninfo(d.pg, node), "create role app login");

		cr_assert_not_null(made);
	}
	lab_process_kill(lab_pg_process(d.pg, 0));
	cr_assert_null(lab_pg_query(conninfo, "select 1"), "the primary is dead");
	pgdriver_apply(&d, 1);
	pgdriver_run(&d, 3000);
	started_ms = clock_now_ms();
	{
		auto_free char *answer = lab_pg_query(conninfo, "select 1");

		cr_assert_not_null(answer);
	}
	cr_assert_lt(clock_now_ms() - started_ms, 1500);
}

Test(pgbouncer_driver_trouble, without_a_note_it_is_paused_all_the_same_and_told)
{
	setenv("RUNTIME_DIRECTORY", "/proc/nowhere", 1);
	pgdriver_close(&d);
	pgdriver_open(&d);
	cr_assert_eq(
	    lab_run(d.lab,
	            (const char *[]){
	                "mkdir", lab_path(d.lab, "state/.pgbouncer-local.paused.segue-new"), NULL},
	            NULL),
	    0);
	pgdriver_apply(&d, 0);
	pgdriver_start_traffic(&d);
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
	cr_assert_eq(pgdriver_count_log(&d, "event=pause_not_noted"), 1);
	cr_assert(pgdriver_all_served(&d));
	target_fence(d.target, 1000);
	cr_assert(pgdriver_wait_log(&d, "event=fenced"));
	cr_assert(pgdriver_wait_paused(&d, "app", true));
	pgdriver_apply(&d, 0);
	cr_assert(pgdriver_leads_to(&d, 0));
}
