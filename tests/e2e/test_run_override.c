/* The operator's last word: segue pin, freeze and release against a sidecar that runs, over its
 * restarts; and what segue status says of it. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "fixtures/failover_stage.h"
#include "fixtures/run_stage.h"

TestSuite(run_override, .timeout = 120);

static void start(struct run *run)
{
	run_init(run, &(struct run_options){0});
	run_set_primary(run, 0);
	lab_segue_start(run->segue);
	cr_assert(run_wait_reaches(run, 0));
	cr_assert(run_wait_settled(run));
}

/* `segue VERB -c INI orders [word]`; its exit code. */
static int say(struct run *run, const char *verb, const char *word, struct strbuf *output)
{
	const char *argv[] = {lab_segue_binary(run->lab),
	                      verb,
	                      "-c",
	                      lab_segue_ini_file(run->segue),
	                      "orders",
	                      word,
	                      NULL};

	return lab_run(run->lab, argv, output);
}

static void must_say(struct run *run, const char *verb, const char *word)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;

	cr_assert_eq(say(run, verb, word, &output), 0, "segue %s: %s", verb, output.data);
}

static const char *endpoint(struct run *run, int backend)
{
	return lab_printf(run->lab, "127.0.0.1:%u", lab_backend_port(run->backends[backend]));
}

static void must_log(struct run *run, const char *event)
{
	cr_assert_not_null(
	    lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, event, "cluster=orders", NULL));
}

/* The cluster's object in the status document. */
static json_t *cluster_status(struct run *run, json_t **document)
{
	const char *argv[] = {lab_segue_binary(run->lab),     "status", "--json", "-c",
	                      lab_segue_ini_file(run->segue), NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;
	json_error_t error;

	cr_assert_eq(lab_run(run->lab, argv, &output), 0, "%s", output.data);
	*document = json_loads(output.data, 0, &error);
	cr_assert_not_null(*document, "%s: %s", error.text, output.data);
	return json_array_get(json_object_get(*document, "clusters"), 0);
}

static void expect_state(struct run *run, const char *state, const char *primary)
{
	json_t *document, *cluster = cluster_status(run, &document);
	json_t *applied = json_object_get(cluster, "applied");

	cr_expect_str_eq(json_string_value(json_object_get(cluster, "state")), state);
	cr_expect_str_eq(json_string_value(json_object_get(applied, "primary")), primary);
	json_decref(document);
}

static void restart(struct run *run)
{
	cr_assert_eq(lab_process_stop(lab_segue_process(run->segue)), 0);
	lab_segue_start(run->segue);
}

Test(run_override, a_pin_is_above_the_store_and_kept_over_a_restart)
{
	struct run run;

	start(&run);
	must_say(&run, "pin", endpoint(&run, 2));
	cr_assert(run_wait_reaches(&run, 2));
	must_log(&run, "event=pinned");
	run_set_primary(&run, 1);
	restart(&run);
	must_log(&run, "event=pinned");
	cr_assert(run_wait_settled(&run));
	cr_expect(run_reaches(&run, 2));
	expect_state(&run, "pinned", endpoint(&run, 2));
	must_say(&run, "release", NULL);
	cr_assert(run_wait_reaches(&run, 1));
	must_log(&run, "event=override_released");
	run_fini(&run);
}

Test(run_override, a_freeze_lets_nothing_move_until_the_release)
{
	struct run run;

	start(&run);
	must_say(&run, "freeze", NULL);
	must_log(&run, "event=frozen");
	run_set_primary(&run, 1);
	must_log(&run, "frozen by an operator");
	restart(&run);
	must_log(&run, "event=frozen");
	must_log(&run, "frozen by an operator");
	expect_state(&run, "frozen", endpoint(&run, 0));
	cr_expect(run_reaches(&run, 0));
	must_say(&run, "release", NULL);
	cr_assert(run_wait_reaches(&run, 1));
	run_fini(&run);
}

Test(run_override, what_cannot_be_followed_is_refused_in_words)
{
	struct run run;
	auto_strbuf struct strbuf output = STRBUF_INIT;

	start(&run);
	cr_expect_neq(say(&run, "pin", "nowhere", &output), 0);
	cr_expect_not_null(strstr(output.data, "nowhere"), "%s", output.data);
	strbuf_reset(&output);
	cr_assert_eq(lab_process_stop(lab_segue_process(run.segue)), 0);
	cr_expect_neq(say(&run, "freeze", NULL, &output), 0);
	cr_expect_not_null(strstr(output.data, "segue.sock"), "%s", output.data);
	run_fini(&run);
}

/* A word that cannot be read may have been a freeze. */
Test(run_override, a_file_that_cannot_be_read_freezes)
{
	struct run run;

	start(&run);
	cr_assert_eq(lab_process_stop(lab_segue_process(run.segue)), 0);
	lab_write_file(lab_path(run.lab, "state/orders.override"), "{\"kind\": \"fre");
	run_set_primary(&run, 1);
	lab_segue_start(run.segue);
	must_log(&run, "event=override_unusable");
	must_log(&run, "frozen by an operator");
	cr_expect(run_reaches(&run, 0));
	run_fini(&run);
}

Test(run_override, status_shows_store_applied_and_targets)
{
	struct run run;
	json_t *document, *cluster, *target;

	start(&run);
	cluster = cluster_status(&run, &document);
	target = json_array_get(json_object_get(cluster, "targets"), 0);
	cr_expect_str_eq(json_string_value(json_object_get(cluster, "state")), "current");
	cr_expect_str_eq(
	    json_string_value(json_object_get(json_object_get(cluster, "store"), "primary")),
	    endpoint(&run, 0));
	cr_expect(json_is_true(json_object_get(target, "in_sync")));
	cr_expect_str_eq(json_string_value(json_object_get(target, "name")), "local");
	cr_expect(json_is_null(json_object_get(cluster, "override")));
	json_decref(document);
	run_fini(&run);
}

/* --- the server of a pin is asked first --- */

/* `segue pin -c INI orders 127.0.0.1:PORT [--force]`; what it printed. */
static const char *pin(struct failover_stage *failover_stage, uint16_t port, bool force,
                       int expected)
{
	const char *argv[] = {lab_segue_binary(failover_stage->lab),
	                      "pin",
	                      "-c",
	                      lab_segue_ini_file(failover_stage->segue),
	                      "orders",
	                      lab_printf(failover_stage->lab, "127.0.0.1:%u", port),
	                      force ? "--force" : NULL,
	                      NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	cr_assert_eq(lab_run(failover_stage->lab, argv, &output), expected, "%s", output.data);
	return lab_printf(failover_stage->lab, "%s", output.data);
}

static void must_refuse_pin(struct failover_stage *failover_stage, uint16_t port,
                            const char *reason)
{
	const char *output = pin(failover_stage, port, false, 1);

	cr_expect_not_null(strstr(output, reason), "no \"%s\" in\n%s", reason, output);
	cr_expect_not_null(strstr(output, "nothing was changed (use --force"), "%s", output);
}

/* segue pin knows the cluster by the state file, which is written after the move. */
static bool identifier_is_saved(void *arg)
{
	struct failover_stage *failover_stage = arg;
	const char *file = lab_path(failover_stage->lab, "state/orders.json");

	return access(file, F_OK) == 0 &&
	       strstr(lab_read_file(failover_stage->lab, file), "\"system_identifier\"") != NULL;
}

Test(run_override, a_pin_to_what_is_no_primary_of_the_cluster_is_refused_without_force)
{
	struct lab_pg *other;
	struct failover_stage failover_stage;
	const char *output;

	failover_stage_start(&failover_stage, &(struct failover_stage_options){.kind = STAND_PAIR});
	other = lab_pg_start(failover_stage.lab, 1);
	must_refuse_pin(&failover_stage, failover_stage_port(&failover_stage, 1),
	                "is a standby: promote it first");
	must_refuse_pin(&failover_stage, 1, "cannot be asked: refused");
	cr_assert(lab_wait_until(identifier_is_saved, &failover_stage, RUN_TIMEOUT_MS));
	must_refuse_pin(&failover_stage, lab_pg_port(other, 0), "has system identifier");
	cr_expect_eq(lab_segue_count_log(failover_stage.segue, "event=pinned", NULL), 0);
	output = pin(&failover_stage, failover_stage_port(&failover_stage, 0), false, 0);
	cr_expect_not_null(strstr(output, "takes writes on timeline 1\n"), "%s", output);
	failover_stage_must_say(&failover_stage, "event=pinned ", NULL);
	lab_segue_mark(failover_stage.segue);
	output = pin(&failover_stage, lab_pg_port(other, 0), true, 0);
	cr_expect_not_null(strstr(output, "done anyway, because of --force"), "%s", output);
	failover_stage_must_say(&failover_stage, "event=pinned ", NULL);
	failover_stage_fini(&failover_stage);
}
