/* A primary that is the proxy itself: one connection would go round in it until there is no room
 * for another. Refused, whoever names it and by whatever address of this machine. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "fixtures/pgbouncer_stage.h"
#include "fixtures/run_stage.h"

#define REASON \
	"reason=\"the primary that the store names is an address on which this proxy itself listens\""

TestSuite(run_own_listener, .timeout = 120);

static void start(struct run *run, const struct run_options *options)
{
	run_init(run, options);
	run_set_primary(run, 0);
	lab_segue_start(run->segue);
	cr_assert(run_wait_settled(run));
	cr_assert(run_wait_reaches(run, 0));
}

static int64_t name_primary(struct run *run, const char *host, uint16_t port)
{
	const char *json =
	    lab_printf(run->lab, "{\"version\":1,\"primary\":{\"host\":\"%s\",\"port\":%u}}", host,
	               (unsigned)port);

	return run_set(run, json, strlen(json));
}

static void must_refuse(struct run *run, const char *address, int64_t zxid)
{
	const char *about = lab_printf(run->lab, "about=%s:%u ", address, run->port);
	const char *at = lab_printf(run->lab, " zxid=%" PRId64 " ", zxid);

	cr_assert_not_null(lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, "event=refused",
	                                      "cluster=orders", at, REASON, about,
	                                      "target=haproxy/local",
	                                      "action=\"name the PostgreSQL server", NULL),
	                   "%s", lab_process_log_tail(lab_segue_process(run->segue)));
	cr_expect(run_reaches(run, 0));
	cr_expect(run_file_names(run, 0));
}

/* `segue VERB -c INI ...`; its exit code. */
static int say(struct run *run, const char *verb, const char *cluster, const char *place,
               struct strbuf *output)
{
	const char *argv[] = {lab_segue_binary(run->lab),
	                      verb,
	                      "-c",
	                      lab_segue_ini_file(run->segue),
	                      cluster,
	                      place,
	                      NULL};

	strbuf_reset(output);
	return lab_run(run->lab, argv, output);
}

static void expect(const struct strbuf *output, const char *part)
{
	cr_expect_not_null(strstr(output->data, part), "no \"%s\" in\n%s", part, output->data);
}

Test(run_own_listener, the_store_names_it_and_the_last_primary_stays)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;
	struct run run;

	start(&run, &(struct run_options){0});
	lab_segue_mark(run.segue);
	must_refuse(&run, "127.0.0.1", name_primary(&run, "localhost", run.port));
	cr_expect_eq(lab_ask(lab_segue_listen(run.segue), "GET", "/status", &output), 200);
	expect(&output, "\"state\":\"refused\"");
	expect(&output, lab_printf(run.lab,
	                           "\"alarm\":\"the primary that the store names, 127.0.0.1:%u, is "
	                           "the own listener of [haproxy local]: no client is led there; ",
	                           run.port));
	cr_expect_eq(lab_ask(lab_segue_listen(run.segue), "GET", "/readyz", &output), 200, "%s",
	             output.data);
	cr_expect_eq(say(&run, "check", NULL, NULL, &output), CMD_FAILED);
	expect(&output,
	       lab_printf(run.lab,
	                  "FAIL  haproxy/local: the primary that ZooKeeper names, 127.0.0.1 "
	                  "port %u, is this proxy's own listener: ",
	                  run.port));
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	cr_assert(run_reaches(&run, 1));
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=alarm_over", NULL));
	run_fini(&run);
}

Test(run_own_listener, nobody_is_led_there_at_the_start)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;
	struct run run;

	run_init(&run, &(struct run_options){0});
	name_primary(&run, "127.0.0.1", run.port);
	lab_segue_start(run.segue);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=waiting", REASON,
	                                      "target=haproxy/local", NULL));
	cr_expect_eq(lab_ask(lab_segue_listen(run.segue), "GET", "/readyz", &output), 503);
	expect(&output, lab_printf(run.lab,
	                           "cluster orders: WAITING, no primary is admitted: the primary "
	                           "that the store names is an address on which this proxy itself "
	                           "listens: 127.0.0.1:%u\n",
	                           run.port));
	cr_expect_str_eq(lab_read_file(run.lab, run.output), "");
	run_set_primary(&run, 0);
	cr_assert(run_wait_reaches(&run, 0));
	run_fini(&run);
}

Test(run_own_listener, a_bind_to_all_addresses_is_one_to_each_of_this_machine)
{
	struct run run;
	const char *text;

	run_init(&run, &(struct run_options){0});
	text = lab_read_file(run.lab, run.template_file);
	lab_write_file(run.template_file,
	               lab_printf(run.lab, "%.*s*%s", (int)(strstr(text, "127.0.0.1:{{") - text),
	                          text, strstr(text, ":{{vars.port}}")));
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_assert(run_wait_settled(&run));
	cr_assert(run_wait_reaches(&run, 0));
	lab_segue_mark(run.segue);
	must_refuse(&run, "127.0.0.2", name_primary(&run, "127.0.0.2", run.port));
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	cr_assert(run_reaches(&run, 1));
	run_fini(&run);
}

Test(run_own_listener, a_person_is_told_and_nothing_is_changed)
{
	auto_strbuf struct strbuf output = STRBUF_INIT, before = STRBUF_INIT, after = STRBUF_INIT;
	struct run run;
	const char *place;

	start(&run, &(struct run_options){0});
	place = lab_printf(run.lab, "127.0.0.1:%u", run.port);
	cr_expect_eq(say(&run, "pin", "orders", place, &output), CMD_FAILED);
	expect(&output,
	       lab_printf(run.lab,
	                  "%s is the own listener of [haproxy local]: the proxy would connect to "
	                  "itself; ",
	                  place));
	cr_assert(lab_zk_get(run.zk, RUN_MASTER, &before, NULL));
	cr_expect_eq(say(&run, "set-primary", "orders", place, &output), CMD_FAILED);
	expect(&output,
	       lab_printf(run.lab,
	                  "%s is an address where haproxy/local itself listens: no sidecar can use "
	                  "it",
	                  place));
	cr_assert(lab_zk_get(run.zk, RUN_MASTER, &after, NULL));
	cr_expect_str_eq(after.data, before.data);
	cr_expect(run_reaches(&run, 0));
	run_fini(&run);
}

/* HAProxy is to listen where the primary is. */
Test(run_own_listener, a_configuration_that_would_make_it_so_is_refused)
{
	struct run run;
	const char *ini, *at;

	start(&run, &(struct run_options){0});
	ini = lab_read_file(run.lab, lab_segue_ini_file(run.segue));
	at = strstr(ini, "var.port = ");
	lab_write_file(lab_segue_ini_file(run.segue),
	               lab_printf(run.lab, "%.*svar.port = %u\n", (int)(at - ini), ini,
	                          lab_backend_port(run.backends[0])));
	lab_segue_mark(run.segue);
	lab_process_signal(lab_segue_process(run.segue), SIGHUP);
	cr_assert_not_null(lab_segue_wait_log(
	    run.segue, RUN_TIMEOUT_MS, "event=config_problem",
	    lab_printf(run.lab,
	               "[cluster orders] the primary that is applied: 127.0.0.1:%u is the own "
	               "listener of [haproxy local]",
	               lab_backend_port(run.backends[0])),
	    NULL));
	cr_assert(run_reaches(&run, 0));
	run_fini(&run);
}

Test(run_own_listener, a_pgbouncer_is_not_led_to_itself)
{
	const struct pgbouncer_stage_options options = {.no_traffic = true};
	struct pgbouncer_stage pgbouncer_stage;
	const char *json, *about, *argv[] = {NULL, "check", "-c", NULL, NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;
	unsigned port;

	pgbouncer_stage_start(&pgbouncer_stage, &options);
	port = lab_pgbouncer_port(pgbouncer_stage.bouncers[0]);
	json = lab_printf(pgbouncer_stage.lab,
	                  "{\"version\":1,\"primary\":{\"host\":\"127.0.0.1\",\"port\":%u}}", port);
	about = lab_printf(pgbouncer_stage.lab, "about=127.0.0.1:%u ", port);
	lab_segue_mark(pgbouncer_stage.segue);
	lab_zk_set(pgbouncer_stage.zk, RUN_MASTER, json, strlen(json));
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=refused", REASON, about,
	                                      "target=pgbouncer/local", NULL),
	                   "%s", lab_process_log_tail(lab_segue_process(pgbouncer_stage.segue)));
	cr_expect(pgbouncer_stage_leads_to(&pgbouncer_stage, 0, 0));
	argv[0] = lab_segue_binary(pgbouncer_stage.lab);
	argv[3] = lab_segue_ini_file(pgbouncer_stage.segue);
	cr_expect_eq(lab_run(pgbouncer_stage.lab, argv, &output), CMD_FAILED);
	expect(&output, lab_printf(pgbouncer_stage.lab,
	                           "FAIL  pgbouncer/local: the primary that ZooKeeper names, "
	                           "127.0.0.1 port %u, is this proxy's own listener: ",
	                           port));
	cr_assert(pgbouncer_stage_wait_moved(&pgbouncer_stage, 0,
	                                     pgbouncer_stage_name(&pgbouncer_stage, 1)));
	pgbouncer_stage_fini(&pgbouncer_stage);
}

/* What PgBouncer says of itself comes after the first move. */
Test(run_own_listener, with_keep_the_alarm_says_that_clients_are_led_there)
{
	const struct pgbouncer_stage_options options = {.no_traffic = true,
	                                                .cluster = "on_primary_loss = keep\n"};
	struct pgbouncer_stage pgbouncer_stage;
	const char *json;
	auto_strbuf struct strbuf output = STRBUF_INIT;

	pgbouncer_stage_init(&pgbouncer_stage, &options);
	lab_process_stop(lab_pgbouncer_process(pgbouncer_stage.bouncers[0]));
	json = lab_printf(pgbouncer_stage.lab,
	                  "{\"version\":1,\"primary\":{\"host\":\"127.0.0.1\",\"port\":%u}}",
	                  lab_pgbouncer_port(pgbouncer_stage.bouncers[0]));
	lab_zk_set(pgbouncer_stage.zk, RUN_MASTER, json, strlen(json));
	lab_segue_start(pgbouncer_stage.segue);
	cr_assert_not_null(
	    lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS, "event=primary ", NULL),
	    "%s", lab_process_log_tail(lab_segue_process(pgbouncer_stage.segue)));
	lab_pgbouncer_start(pgbouncer_stage.bouncers[0]);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=alarm ", "clients are led there", NULL),
	                   "%s", lab_process_log_tail(lab_segue_process(pgbouncer_stage.segue)));
	cr_expect_eq(lab_ask(lab_segue_listen(pgbouncer_stage.segue), "GET", "/status", &output),
	             200);
	expect(&output, "clients are led there, and none of them reaches a PostgreSQL server");
	cr_assert_not_null(
	    lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS, "event=moved",
	                       lab_printf(pgbouncer_stage.lab, "zxid=%lld",
	                                  (long long)pgbouncer_stage_name(&pgbouncer_stage, 1)),
	                       "target=pgbouncer/local", NULL));
	pgbouncer_stage_fini(&pgbouncer_stage);
}
