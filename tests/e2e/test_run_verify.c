/* What segue run makes of what the servers say: when the store is early, late or away, and when the
 * primary is lost, or only looks so. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "fixtures/failover_stage.h"

TestSuite(run_verify, .timeout = 180);

static void start(struct failover_stage *failover_stage, const char *cluster)
{
	failover_stage_start(failover_stage, &(struct failover_stage_options){.kind = STAND_PAIR,
	                                                                      .cluster = cluster});
}

static void must_query(const struct failover_stage *failover_stage, int node, const char *sql)
{
	auto_free char *value = lab_pg_query(failover_stage_conninfo(failover_stage, node), sql);

	cr_assert_not_null(value, "%s", sql);
}

static void expect_no_errors(const struct failover_stage *failover_stage)
{
	for (int i = 0; i < STAND_PROXIES; i++)
		cr_expect_eq(ledger_errors(failover_stage->ledgers[i]), 0, "%s",
		             ledger_error(failover_stage->ledgers[i], 0)->text);
}

static const char *output_of(struct failover_stage *failover_stage, const char *verb, int rc)
{
	const char *argv[] = {lab_segue_binary(failover_stage->lab), verb, "-c",
	                      lab_segue_ini_file(failover_stage->segue), NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	cr_assert_eq(lab_run(failover_stage->lab, argv, &output), rc, "%s", output.data);
	return lab_printf(failover_stage->lab, "%s", output.data);
}

/* `segue status`, for people. */
static const char *status_of(struct failover_stage *failover_stage)
{
	return output_of(failover_stage, "status", 0);
}

static void expect_in(const char *text, const char *part)
{
	cr_expect_not_null(strstr(text, part), "no \"%s\" in\n%s", part, text);
}

Test(run_verify, status_shows_what_each_server_says_and_why_it_is_refused)
{
	struct failover_stage failover_stage;
	const char *status;

	start(&failover_stage, NULL);
	failover_stage_name(&failover_stage, 1);
	failover_stage_must_say(&failover_stage, "event=kept ", "still in recovery", NULL);
	status = status_of(&failover_stage);
	expect_in(status, lab_printf(failover_stage.lab, "127.0.0.1:%u",
	                             failover_stage_port(&failover_stage, 0)));
	expect_in(status, "it is still in recovery");
	expect_in(status, "not ready");
	failover_stage_fini(&failover_stage);
}

Test(run_verify, status_says_why_a_server_that_takes_writes_is_not_followed_and_what_to_do)
{
	static const char nobody[] = "{\"version\":1,\"primary\":null}";
	struct failover_stage failover_stage;
	const char *status, *server;

	start(&failover_stage, NULL);
	server =
	    lab_printf(failover_stage.lab, "127.0.0.1:%u", failover_stage_port(&failover_stage, 0));
	lab_zk_set(failover_stage.zk, "/segue/orders/master", nobody, strlen(nobody));
	failover_stage_must_say(&failover_stage, "event=hold ", "the store names no primary", NULL);
	status = status_of(&failover_stage);
	expect_in(status, "\n  HELD, clients wait, ");
	expect_in(status,
	          lab_printf(failover_stage.lab,
	                     "; %s takes writes, but is not followed: it is the last "
	                     "primary, but the store no longer names it; if it is the right "
	                     "one: segue set-primary orders %s\n",
	                     server, server));
	failover_stage_name(&failover_stage, 0);
	failover_stage_must_serve(&failover_stage, 0);
	expect_no_errors(&failover_stage);
	failover_stage_fini(&failover_stage);
}

/* The primary of the store, with a wrong digit in its system identifier. */
static void misname(struct failover_stage *failover_stage)
{
	const char *value = lab_printf(failover_stage->lab,
	                               "{\"version\":1,\"system_identifier\":\"7123\","
	                               "\"primary\":{\"host\":\"127.0.0.1\",\"port\":%u}}",
	                               failover_stage_port(failover_stage, 0));

	lab_zk_set(failover_stage->zk, "/segue/orders/master", value, strlen(value));
}

static bool has_state_file(void *failover_stage)
{
	const struct failover_stage *where = failover_stage;

	return access(lab_path(where->lab, "state/orders.json"), F_OK) == 0;
}

Test(run_verify, a_wrong_digit_in_the_stores_system_identifier_holds_nobody)
{
	struct failover_stage failover_stage;
	const char *status;

	start(&failover_stage, NULL);
	cr_assert(lab_wait_until(has_state_file, &failover_stage, STAND_TIMEOUT_MS));
	misname(&failover_stage);
	failover_stage_must_say(&failover_stage, "event=refused ", "with a wrong system identifier",
	                        NULL);
	status = status_of(&failover_stage);
	expect_in(status, "\n  REFUSED, the last primary stays: ");
	expect_in(status, "\n  ALARM: the store has system_identifier 7123, but the primary ");
	expect_in(status, ": nothing is moved; correct it in /segue/orders/master\n");
	lab_segue_mark(failover_stage.segue);
	lab_process_kill(lab_segue_process(failover_stage.segue));
	lab_segue_start(failover_stage.segue);
	failover_stage_must_say(&failover_stage, "event=refused ", "with a wrong system identifier",
	                        NULL);
	failover_stage_must_serve(&failover_stage, 0);
	cr_expect_eq(lab_segue_count_log(failover_stage.segue, "event=hold ", NULL), 0);
	failover_stage_name(&failover_stage, 0);
	failover_stage_must_say(&failover_stage, "event=alarm_over ", NULL);
	failover_stage_judge(&failover_stage, 0);
	expect_no_errors(&failover_stage);
	failover_stage_fini(&failover_stage);
}

Test(run_verify, a_store_that_is_early_is_waited_for)
{
	struct failover_stage failover_stage;

	start(&failover_stage, NULL);
	failover_stage_name(&failover_stage, 1);
	failover_stage_must_say(&failover_stage, "event=kept ", "not ready", "still in recovery",
	                        NULL);
	failover_stage_must_serve(&failover_stage, 0);
	cr_assert(lab_wait_replays(failover_stage_conninfo(&failover_stage, 0),
	                           failover_stage_conninfo(&failover_stage, 1), STAND_TIMEOUT_MS));
	failover_stage.lost_us = clock_now_us();
	lab_process_kill(lab_pg_process(failover_stage.pg, 0));
	failover_stage_must_say(&failover_stage, "event=hold ",
	                        "the new primary does not take writes yet", NULL);
	lab_pg_promote(failover_stage.pg, 1);
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_judge(&failover_stage, 1);
	failover_stage_fini(&failover_stage);
}

/* Nobody tells the store, the new primary proves itself. */
Test(run_verify, a_store_that_is_late_is_not_waited_for)
{
	struct failover_stage failover_stage;

	start(&failover_stage, NULL);
	failover_stage.lost_us = clock_now_us();
	lab_process_kill(lab_pg_process(failover_stage.pg, 0));
	failover_stage_must_say(&failover_stage, "event=hold ", "the primary is lost", NULL);
	lab_pg_promote(failover_stage.pg, 1);
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_must_say(&failover_stage, "event=primary ", "higher timeline", NULL);
	failover_stage_must_say(&failover_stage, "event=overruled ",
	                        lab_printf(failover_stage.lab,
	                                   "segue set-primary orders 127.0.0.1:%u;",
	                                   failover_stage_port(&failover_stage, 1)),
	                        NULL);
	failover_stage_judge(&failover_stage, 1);
	failover_stage_fini(&failover_stage);
}

static void expect_none_on_node0_since(const struct failover_stage *failover_stage,
                                       int64_t since_us)
{
	for (int p = 0; p < STAND_PROXIES; p++)
		for (uint32_t i = 0; i < ledger_acks(failover_stage->ledgers[p]); i++) {
			const struct ledger_ack *ack = ledger_ack(failover_stage->ledgers[p], i);

			cr_assert(ack->port != failover_stage_port(failover_stage, 0) ||
			              ack->began_us < since_us,
			          "row %u was written on the old primary", ack->n);
		}
}

/* The standby was promoted meanwhile, and nobody has told the store. */
Test(run_verify, a_primary_that_comes_back_when_another_was_promoted_gets_no_write)
{
	struct failover_stage failover_stage;
	int64_t dead_us;

	start(&failover_stage, NULL);
	failover_stage.lost_us = clock_now_us();
	lab_process_kill(lab_pg_process(failover_stage.pg, 0));
	dead_us = clock_now_us();
	failover_stage_must_say(&failover_stage, "event=hold ", "the primary is lost", NULL);
	lab_pg_promote(failover_stage.pg, 1);
	lab_pg_node_start(failover_stage.pg, 0);
	cr_assert(
	    lab_wait_takes_writes(failover_stage_conninfo(&failover_stage, 0), STAND_TIMEOUT_MS));
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_must_say(&failover_stage, "event=split_brain ", "lower timeline", NULL);
	failover_stage_judge(&failover_stage, 1);
	expect_none_on_node0_since(&failover_stage, dead_us);
	failover_stage_fini(&failover_stage);
}

/* It crashes and comes back: whoever waited goes on there. */
Test(run_verify, a_primary_that_comes_back_takes_its_clients_again)
{
	struct failover_stage failover_stage;

	start(&failover_stage, NULL);
	lab_process_kill(lab_pg_process(failover_stage.pg, 0));
	failover_stage_must_say(&failover_stage, "event=hold ", "the primary is lost", NULL);
	lab_pg_node_start(failover_stage.pg, 0);
	failover_stage_must_say(&failover_stage, "event=primary ", "held clients are released",
	                        NULL);
	failover_stage_must_serve(&failover_stage, 0);
	failover_stage_judge(&failover_stage, 0);
	cr_expect_leq(ledger_errors(failover_stage.ledgers[STAND_PGBOUNCER]), 1);
	failover_stage_fini(&failover_stage);
}

/* --- a relay in front of the server --- */

static bool is_socket_of(int pid, unsigned long inode)
{
	char path[64], target[64], wanted[64];

	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	for (int fd = 0; fd < 256; fd++) {
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		len = readlink(path, target, sizeof(target) - 1);
		if (len > 0 && (size_t)len == strlen(wanted) &&
		    strncmp(target, wanted, (size_t)len) == 0)
			return true;
	}
	return false;
}

/* The warm connection and two silent ones at least, as two ends are what proves a loss. */
static bool segue_is_guarding(void *arg)
{
	const struct failover_stage *failover_stage = arg;
	int pid = (int)lab_process_pid(lab_segue_process(failover_stage->segue)), count = 0;
	FILE *table = fopen("/proc/net/tcp", "r");
	char line[256];

	while (table != NULL && fgets(line, sizeof(line), table) != NULL) {
		char port[8], state[8], inode[24];

		if (sscanf(line, "%*s %*s %*[^:]:%7s %7s %*s %*s %*s %*s %*s %23s", port, state,
		           inode) == 3 &&
		    strtoul(port, NULL, 16) == lab_relay_port(failover_stage->relay) &&
		    strtoul(state, NULL, 16) == 1 && is_socket_of(pid, strtoul(inode, NULL, 10)))
			count++;
	}
	if (table != NULL)
		fclose(table);
	return count >= 3;
}

/* All connections end at once, as with a death, but the server lives: what is held is let go as
 * soon as it answers. */
Test(run_verify, a_relay_that_is_restarted_costs_those_in_flight_only)
{
	struct failover_stage failover_stage;
	int restarts = 0;

	failover_stage_start(&failover_stage,
	                     &(struct failover_stage_options){.kind = STAND_PAIR, .relay = true});
	failover_stage_must_serve(&failover_stage, 0);
	do {
		cr_assert(lab_wait_until(segue_is_guarding, &failover_stage, STAND_TIMEOUT_MS));
		lab_segue_mark(failover_stage.segue);
		lab_relay_restart(failover_stage.relay);
		restarts++;
		failover_stage_must_serve(&failover_stage, 0);
	} while (restarts < 20 && lab_segue_count_log(failover_stage.segue,
	                                              "ended within a millisecond", NULL) == 0);
	cr_expect_lt(restarts, 20);
	failover_stage_must_say(&failover_stage, "event=hold ", "target=pgbouncer/pool", NULL);
	failover_stage_must_say(&failover_stage, "event=primary ", "held clients are released",
	                        NULL);
	failover_stage_must_say(&failover_stage, "event=step ", "target=pgbouncer/pool",
	                        "from=resuming", NULL);
	cr_expect_leq((int)ledger_errors(failover_stage.ledgers[STAND_PGBOUNCER]), restarts);
	failover_stage_judge(&failover_stage, 0);
	failover_stage_fini(&failover_stage);
}

Test(run_verify, fence_ends_all_sessions_until_there_is_a_primary)
{
	struct failover_stage failover_stage;

	start(&failover_stage, "on_primary_loss = fence\n");
	lab_process_kill(lab_pg_process(failover_stage.pg, 0));
	failover_stage_must_say(&failover_stage, "event=fence ", "the primary is lost", NULL);
	lab_pg_node_start(failover_stage.pg, 0);
	failover_stage_must_serve(&failover_stage, 0);
	failover_stage_judge(&failover_stage, 0);
	failover_stage_fini(&failover_stage);
}

static void end_sessions_of_segue(const struct failover_stage *failover_stage, int node)
{
	must_query(failover_stage, node,
	           "select count(pg_terminate_backend(pid)) from pg_stat_activity "
	           "where usename = 'segue'");
}

Test(run_verify, a_primary_without_a_connection_to_spare_is_not_lost)
{
	struct failover_stage failover_stage;

	failover_stage_start(&failover_stage,
	                     &(struct failover_stage_options){.kind = STAND_PAIR, .role = "segue"});
	failover_stage_must_say(&failover_stage, "event=server ", "class=answered",
	                        "in_recovery=no", NULL);
	must_query(&failover_stage, 0, "alter role segue connection limit 0");
	end_sessions_of_segue(&failover_stage, 0);
	failover_stage_must_say(&failover_stage, "event=server ", "class=full", NULL);
	failover_stage_must_serve(&failover_stage, 0);
	cr_expect_eq(lab_segue_count_log(failover_stage.segue, "event=hold ", NULL), 0);
	failover_stage_judge(&failover_stage, 0);
	expect_no_errors(&failover_stage);
	failover_stage_fini(&failover_stage);
}

Test(run_verify, who_does_not_let_segue_in_is_refused_where_that_is_required)
{
	struct failover_stage failover_stage;

	failover_stage_start(&failover_stage,
	                     &(struct failover_stage_options){.kind = STAND_PAIR,
	                                                      .role = "segue",
	                                                      .cluster = "verify = require\n"});
	must_query(&failover_stage, 0, "alter role segue nologin");
	cr_assert(lab_wait_replays(failover_stage_conninfo(&failover_stage, 0),
	                           failover_stage_conninfo(&failover_stage, 1), STAND_TIMEOUT_MS));
	end_sessions_of_segue(&failover_stage, 1);
	failover_stage_must_say(&failover_stage, "event=server ", "class=denied", NULL);
	failover_stage_name(&failover_stage, 1);
	failover_stage_must_say(&failover_stage, "event=refused ", "verify = require", NULL);
	failover_stage_must_serve(&failover_stage, 0);
	failover_stage_judge(&failover_stage, 0);
	expect_no_errors(&failover_stage);
	failover_stage_fini(&failover_stage);
}

/* --- verify_conninfo with a typo --- */

/* Puts other words into segue.ini, and reloads. */
static void replace_in_ini(struct failover_stage *failover_stage, const char *words,
                           const char *others)
{
	const char *ini = lab_segue_ini_file(failover_stage->segue);
	const char *text = lab_read_file(failover_stage->lab, ini), *at = strstr(text, words);

	cr_assert_not_null(at, "no \"%s\" in\n%s", words, text);
	lab_write_file(ini, lab_printf(failover_stage->lab, "%.*s%s%s", (int)(at - text), text,
	                               others, at + strlen(words)));
	lab_process_signal(lab_segue_process(failover_stage->segue), SIGHUP);
}

/* The alarm may come before HAProxy is confirmed after the SIGHUP. */
static bool is_ready(void *arg)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;

	return lab_ask(arg, "GET", "/readyz", &body) == 200;
}

/* From node 0, which dies, to node 1. */
static void fail_over(struct failover_stage *failover_stage)
{
	cr_assert(lab_wait_replays(failover_stage_conninfo(failover_stage, 0),
	                           failover_stage_conninfo(failover_stage, 1), STAND_TIMEOUT_MS));
	failover_stage->lost_us = clock_now_us();
	lab_process_kill(lab_pg_process(failover_stage->pg, 0));
	lab_pg_promote(failover_stage->pg, 1);
	failover_stage_must_serve(failover_stage, 1);
}

/* Nobody can check the store's word any more: that is said, the primary that took writes when it
 * could be asked is not left for a standby, and a true failover goes on. */
Test(run_verify, a_typo_in_verify_conninfo_is_told_and_leads_nobody_to_a_standby)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;
	struct failover_stage failover_stage;
	const char *status, *listen;

	failover_stage_start(&failover_stage,
	                     &(struct failover_stage_options){.kind = STAND_PAIR, .role = "segue"});
	failover_stage_must_say(&failover_stage, "event=server ", "class=answered",
	                        "in_recovery=yes", NULL);
	replace_in_ini(&failover_stage, "user=segue", "user=seuge");
	failover_stage_must_say(&failover_stage, "event=unverified ",
	                        "segue cannot log in to any server", "seuge", NULL);
	listen =
	    lab_printf(failover_stage.lab, "unix:%s", lab_path(failover_stage.lab, "segue.sock"));
	status = status_of(&failover_stage);
	expect_in(status,
	          "\n  UNVERIFIED: segue cannot log in to any server, for example 127.0.0.1:");
	expect_in(status, "the next primary is followed without a check");
	cr_expect(lab_wait_until(is_ready, (void *)listen, STAND_TIMEOUT_MS));
	cr_expect_eq(lab_ask(listen, "GET", "/metrics", &body), 200);
	expect_in(body.data, "\nsegue_cluster_alarm{cluster=\"orders\"} 1\n");
	lab_segue_mark(failover_stage.segue);
	failover_stage_name(&failover_stage, 1);
	failover_stage_must_say(&failover_stage, "event=kept ", "not ready",
	                        "the last primary is still running", NULL);
	failover_stage_must_serve(&failover_stage, 0);
	fail_over(&failover_stage);
	replace_in_ini(&failover_stage, "user=seuge", "user=segue");
	failover_stage_must_say(&failover_stage, "event=server ", "class=answered",
	                        "in_recovery=no", NULL);
	cr_expect_null(strstr(status_of(&failover_stage), "UNVERIFIED"));
	failover_stage_judge(&failover_stage, 1);
	failover_stage_fini(&failover_stage);
}

/* --- Patroni's keys, by hand --- */

static void set_key(struct failover_stage *failover_stage, const char *key, const char *value)
{
	lab_zk_set(failover_stage->zk, lab_printf(failover_stage->lab, "/service/orders/%s", key),
	           value, strlen(value));
}

/* On the timeline before the one that it has come to. */
static void set_leader(struct failover_stage *failover_stage, unsigned port)
{
	set_key(failover_stage, "members/node2",
	        lab_printf(failover_stage->lab,
	                   "{\"conn_url\":\"postgres://127.0.0.1:%u/postgres\",\"state\":"
	                   "\"running\",\"role\":\"master\",\"timeline\":1}",
	                   port));
}

/* Where the leader's key points nobody listens, and the leader is where it always was. */
Test(run_verify, a_wrong_digit_in_the_leaders_conn_url_is_no_second_primary)
{
	struct failover_stage failover_stage;

	start(&failover_stage, NULL);
	fail_over(&failover_stage);
	set_key(&failover_stage, "leader", "node2");
	set_leader(&failover_stage, failover_stage_port(&failover_stage, 1));
	lab_segue_mark(failover_stage.segue);
	replace_in_ini(&failover_stage, "layout = segue\npath = /segue/orders",
	               "layout = patroni\npath = /service/orders");
	failover_stage_must_say(&failover_stage, "event=primary ", NULL);
	lab_segue_mark(failover_stage.segue);
	set_leader(&failover_stage, lab_port(failover_stage.lab));
	failover_stage_must_say(&failover_stage, "event=kept ", "not ready", NULL);
	failover_stage_must_say(
	    &failover_stage, "event=alarm ", "(node2), where no server answers, ",
	    "(node2, timeline 2), which takes writes and has the same name", NULL);
	lab_process_kill(lab_segue_process(failover_stage.segue));
	lab_segue_start(failover_stage.segue);
	failover_stage_must_say(&failover_stage, "event=alarm ",
	                        "which takes writes and has the same name", NULL);
	cr_expect_eq(lab_segue_count_log(failover_stage.segue, "event=split_brain ", NULL), 0);
	expect_in(output_of(&failover_stage, "check", CMD_FAILED),
	          lab_printf(failover_stage.lab,
	                     "; the last primary, 127.0.0.1 port %u, "
	                     "has the same name: is connect_address of postgresql in its "
	                     "patroni.yml right?\n",
	                     failover_stage_port(&failover_stage, 1)));
	failover_stage_must_serve(&failover_stage, 1);
	set_leader(&failover_stage, failover_stage_port(&failover_stage, 1));
	failover_stage_must_say(&failover_stage, "event=alarm_over ", NULL);
	set_key(&failover_stage, "leader", "node21");
	failover_stage_must_say(&failover_stage, "event=hold ",
	                        "a member whose member key is missing", "leader=node21", NULL);
	expect_in(status_of(&failover_stage),
	          ": Patroni's leader key names a member whose member key is missing: node21; ");
	set_key(&failover_stage, "leader", "node2");
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_judge(&failover_stage, 1);
	failover_stage_fini(&failover_stage);
}

/* Its data directory is damaged, so that no login comes to its end: clients would get errors only.
 */
Test(run_verify, who_lets_nobody_in_is_not_moved_to)
{
	struct failover_stage failover_stage;
	auto_free char *session = NULL;
	const char *map;

	failover_stage_start(&failover_stage,
	                     &(struct failover_stage_options){.kind = STAND_PAIR, .role = "segue"});
	failover_stage_must_say(&failover_stage, "event=server ", "class=answered",
	                        "in_recovery=yes", NULL);
	session = lab_pg_query(failover_stage_conninfo(&failover_stage, 1),
	                       "select pid from pg_stat_activity "
	                       "where usename = 'segue' limit 1");
	cr_assert_not_null(session);
	map = lab_printf(failover_stage.lab, "%s/global/pg_filenode.map",
	                 lab_pg_data(failover_stage.pg, 1));
	cr_assert_eq(rename(map, lab_printf(failover_stage.lab, "%s.away", map)), 0);
	cr_assert_eq(kill((pid_t)strtol(session, NULL, 10), SIGTERM), 0);
	failover_stage_must_say(&failover_stage, "event=server ", "class=faulty", "58P01", NULL);
	failover_stage_name(&failover_stage, 1);
	failover_stage_must_say(&failover_stage, "event=kept ", "it rejects all logins", NULL);
	expect_in(status_of(&failover_stage), "it rejects all logins");
	failover_stage_must_serve(&failover_stage, 0);
	failover_stage_judge(&failover_stage, 0);
	expect_no_errors(&failover_stage);
	failover_stage_fini(&failover_stage);
}

Test(run_verify, a_lost_store_changes_nothing)
{
	struct failover_stage failover_stage;

	failover_stage_start(&failover_stage,
	                     &(struct failover_stage_options){.kind = STAND_PAIR, .own_zk = true});
	lab_process_kill(lab_zk_process(failover_stage.zk, 0));
	failover_stage_must_say(&failover_stage, "event=kept ", "the store is unreachable", NULL);
	failover_stage_must_serve(&failover_stage, 0);
	failover_stage_judge(&failover_stage, 0);
	expect_no_errors(&failover_stage);
	failover_stage_fini(&failover_stage);
}

Test(run_verify, a_lost_store_holds_where_that_is_wanted)
{
	struct failover_stage failover_stage;

	failover_stage_start(&failover_stage,
	                     &(struct failover_stage_options){
	                         .kind = STAND_PAIR,
	                         .own_zk = true,
	                         .cluster = "on_store_loss = hold\nhold_timeout = 60s\n"});
	lab_process_kill(lab_zk_process(failover_stage.zk, 0));
	failover_stage_must_say(&failover_stage, "event=hold ", "the store is unreachable", NULL);
	lab_zk_server_start(failover_stage.zk, 0);
	failover_stage_must_say(&failover_stage, "event=primary ", "held clients are released",
	                        NULL);
	failover_stage_must_serve(&failover_stage, 0);
	failover_stage_judge(&failover_stage, 0);
	expect_no_errors(&failover_stage);
	failover_stage_fini(&failover_stage);
}

/* --- followed against the store, and undone --- */

static bool is_kept_as_unconfirmed(void *failover_stage)
{
	const struct failover_stage *where = failover_stage;
	const char *file = lab_path(where->lab, "state/orders.json");

	return strstr(lab_read_file(where->lab, file), "\"confirmed\"") != NULL;
}

static bool is_kept_as_confirmed(void *failover_stage)
{
	return !is_kept_as_unconfirmed(failover_stage);
}

/* Somebody promotes the standby while the primary lives, the store is told nothing, and the mistake
 * ends with the server. */
static void undo_a_promotion(bool restart)
{
	struct failover_stage failover_stage;

	start(&failover_stage, NULL);
	lab_pg_promote(failover_stage.pg, 1);
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_must_say(&failover_stage, "event=split_brain ", "timeline 1)", "timeline 2)",
	                        NULL);
	cr_assert(lab_wait_until(is_kept_as_unconfirmed, &failover_stage, STAND_TIMEOUT_MS));
	if (restart) {
		lab_process_kill(lab_segue_process(failover_stage.segue));
		lab_segue_start(failover_stage.segue);
		failover_stage_must_say(&failover_stage, "event=primary ", "higher timeline", NULL);
		failover_stage_must_serve(&failover_stage, 1);
	}
	lab_process_kill(lab_pg_process(failover_stage.pg, 1));
	failover_stage_must_say(&failover_stage, "event=hold ",
	                        "the new primary does not take writes yet", NULL);
	failover_stage_must_serve(&failover_stage, 0);
	failover_stage_must_say(&failover_stage, "event=primary ", "no longer a primary", NULL);
	lab_process_kill(lab_segue_process(failover_stage.segue));
	lab_segue_start(failover_stage.segue);
	failover_stage_must_say(&failover_stage, "event=primary ", NULL);
	failover_stage_must_serve(&failover_stage, 0);
	failover_stage_fini(&failover_stage);
}

Test(run_verify, a_promotion_that_is_undone_leads_clients_back_to_the_stores_primary)
{
	undo_a_promotion(false);
}

Test(run_verify, a_promotion_that_is_undone_is_no_floor_after_a_restart)
{
	undo_a_promotion(true);
}

/* The store has named the promoted one: the old one is not gone back to, also after a restart. */
Test(run_verify, a_confirmed_promotion_is_a_floor_for_good)
{
	struct failover_stage failover_stage;
	int64_t dead_us;

	start(&failover_stage, NULL);
	lab_pg_promote(failover_stage.pg, 1);
	failover_stage_must_serve(&failover_stage, 1);
	cr_assert(lab_wait_until(is_kept_as_unconfirmed, &failover_stage, STAND_TIMEOUT_MS));
	failover_stage_name(&failover_stage, 1);
	cr_assert(lab_wait_until(is_kept_as_confirmed, &failover_stage, STAND_TIMEOUT_MS));
	failover_stage_name(&failover_stage, 0);
	cr_assert(lab_wait_until(is_kept_as_unconfirmed, &failover_stage, STAND_TIMEOUT_MS));
	lab_process_kill(lab_pg_process(failover_stage.pg, 1));
	dead_us = clock_now_us();
	failover_stage_must_say(&failover_stage, "event=hold ",
	                        "the new primary does not take writes yet", NULL);
	lab_process_kill(lab_segue_process(failover_stage.segue));
	lab_segue_start(failover_stage.segue);
	failover_stage_must_say(&failover_stage, "event=hold ",
	                        "the new primary does not take writes yet", "timeline is lower",
	                        NULL);
	lab_pg_node_start(failover_stage.pg, 1);
	failover_stage_must_serve(&failover_stage, 1);
	expect_none_on_node0_since(&failover_stage, dead_us);
	failover_stage_fini(&failover_stage);
}

/* --- a smart shutdown --- */

/* It rejects all logins by now, and waits for who is there: segue is, and so are its PgBouncer's
 * connections, until that is paused. */
Test(run_verify, a_smart_shutdown_holds_clients_and_is_not_held_up)
{
	struct failover_stage failover_stage;

	start(&failover_stage, NULL);
	ledger_stop(failover_stage.ledgers[STAND_HAPROXY]);
	failover_stage.lost_us = clock_now_us();
	lab_process_signal(lab_pg_process(failover_stage.pg, 0), SIGTERM);
	failover_stage_must_say(&failover_stage, "event=server ", "class=starting", "57P03", NULL);
	failover_stage_must_say(&failover_stage, "event=hold ", "the primary is lost", NULL);
	cr_assert(lab_process_wait(lab_pg_process(failover_stage.pg, 0), STAND_TIMEOUT_MS),
	          "the shutdown does not end");
	lab_pg_promote(failover_stage.pg, 1);
	cr_assert(ledger_wait_served(failover_stage.ledgers[STAND_PGBOUNCER],
	                             failover_stage_port(&failover_stage, 1), STAND_TIMEOUT_MS));
	failover_stage_judge(&failover_stage, 1);
	failover_stage_fini(&failover_stage);
}
