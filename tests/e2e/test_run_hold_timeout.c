/* hold_timeout = auto with a real Patroni: by its /config, which changes, also while clients are
 * held. Its times of 5 s, 1 s and 2 s count as those that Patroni allows: 20 s, 1 s and 3 s. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "fixtures/failover_stage.h"

TestSuite(run_hold_timeout, .timeout = 240);

static json_t *ask_status(struct failover_stage *failover_stage)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;
	json_t *document;

	cr_assert_eq(lab_ask(lab_printf(failover_stage->lab, "unix:%s",
	                                lab_path(failover_stage->lab, "segue.sock")),
	                     "GET", "/status", &body),
	             200);
	document = json_loads(body.data, 0, NULL);
	cr_assert_not_null(document, "%s", body.data);
	return document;
}

/* A number of the cluster; -1: it is not there. */
static int64_t status_of(struct failover_stage *failover_stage, const char *object, const char *key)
{
	json_auto_t *document = ask_status(failover_stage);
	const json_t *cluster = json_array_get(json_object_get(document, "clusters"), 0);
	const json_t *value = json_object_get(json_object_get(cluster, object), key);

	return json_is_integer(value) ? json_integer_value(value) : -1;
}

static void must_say_timeout(struct failover_stage *failover_stage, const char *timeout,
                             const char *from)
{
	failover_stage_must_say(failover_stage, "event=hold_timeout cluster=orders ",
	                        lab_printf(failover_stage->lab, "timeout_ms=%s", timeout), from,
	                        NULL);
}

Test(run_hold_timeout, auto_follows_Patroni)
{
	struct failover_stage failover_stage;
	auto_strbuf struct strbuf printed = STRBUF_INIT;

	failover_stage_start(&failover_stage,
	                     &(struct failover_stage_options){.kind = STAND_PATRONI});
	must_say_timeout(&failover_stage, "29000", "ttl 20 + loop_wait 1 + retry_timeout 3 + 5 s");
	cr_expect_eq(status_of(&failover_stage, "hold_timeout", "ms"), 29000);
	cr_expect_eq(status_of(&failover_stage, "hold_timeout", "starting_up_ms"), 300000);
	lab_patroni_set(failover_stage.patroni, "primary_start_timeout=50");
	lab_patroni_set(failover_stage.patroni, "ttl=40");
	must_say_timeout(&failover_stage, "49000", "ttl 40 + loop_wait 1 + retry_timeout 3 + 5 s");
	cr_expect_eq(status_of(&failover_stage, "hold_timeout", "ms"), 49000);
	cr_expect_eq(status_of(&failover_stage, "hold_timeout", "starting_up_ms"), 57000);
	lab_run(failover_stage.lab,
	        (const char *[]){lab_segue_binary(failover_stage.lab), "check", "-c",
	                         lab_segue_ini_file(failover_stage.segue), NULL},
	        &printed);
	cr_expect_not_null(strstr(printed.data, "ok    cluster/orders: hold_timeout: 49000 ms; "
	                                        "Patroni may take 44000 ms"),
	                   "%s", printed.data);
	cr_expect_eq(lab_segue_count_log(failover_stage.segue, "event=reloaded ",
	                                 "target=haproxy/front", NULL),
	             1, "a change of /config needs no reload of HAProxy");
	failover_stage_must_serve(&failover_stage, 0);
	failover_stage_fini(&failover_stage);
}

/* Nobody is left to take over: so long a hold would have been over. */
Test(run_hold_timeout, a_hold_gets_the_time_that_Patroni_is_given_meanwhile)
{
	static const char config[] = "{\"ttl\":60,\"loop_wait\":10,\"retry_timeout\":10}";
	struct failover_stage failover_stage;

	failover_stage_start(&failover_stage,
	                     &(struct failover_stage_options){.kind = STAND_PATRONI});
	must_say_timeout(&failover_stage, "29000", "Patroni's /config");
	lab_patroni_cut(failover_stage.patroni, 1);
	failover_stage.lost_us = clock_now_us();
	lab_patroni_cut(failover_stage.patroni, 0);
	failover_stage_must_say(&failover_stage, "event=held ", "target=haproxy/front", NULL);
	cr_assert_leq(status_of(&failover_stage, "hold", "left_ms"), 29000);
	lab_zk_set(failover_stage.zk, "/service/orders/config", config, strlen(config));
	must_say_timeout(&failover_stage, "85000", "ttl 60 + loop_wait 10 + retry_timeout 10");
	cr_assert_gt(status_of(&failover_stage, "hold", "left_ms"), 30000);
	lab_patroni_node_start(failover_stage.patroni, 0);
	failover_stage_must_serve(&failover_stage, 0);
	cr_assert_eq(lab_segue_count_log(failover_stage.segue, "event=hold_over", NULL), 0);
	failover_stage_judge(&failover_stage, 0);
	failover_stage_fini(&failover_stage);
}

Test(run_hold_timeout, check_warns_of_one_that_is_shorter_than_Patroni_takes)
{
	struct failover_stage failover_stage;
	auto_strbuf struct strbuf printed = STRBUF_INIT;

	failover_stage_start(&failover_stage,
	                     &(struct failover_stage_options){.kind = STAND_PATRONI,
	                                                      .cluster = "hold_timeout = 15s\n"});
	must_say_timeout(&failover_stage, "15000", "from=hold_timeout");
	lab_run(failover_stage.lab,
	        (const char *[]){lab_segue_binary(failover_stage.lab), "check", "-c",
	                         lab_segue_ini_file(failover_stage.segue), NULL},
	        &printed);
	cr_expect_not_null(strstr(printed.data, "warn  cluster/orders: hold_timeout: 15000 ms; "
	                                        "Patroni may take 24000 ms"),
	                   "%s", printed.data);
	cr_expect_not_null(strstr(printed.data, "hold_timeout = auto"), "%s", printed.data);
	failover_stage_fini(&failover_stage);
}
