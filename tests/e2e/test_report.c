/* segue status, pin, freeze and release, as they are typed, against an endpoint with a made-up
 * source that keeps overrides as segue does. */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cluster/override.h"
#include "lab/lab.h"
#include "report/endpoint.h"

#define READY_MS 5000

struct endpoint {
	const char *dir, *listen;
};

static struct {
	struct lab *lab;
	const char *dir, *socket, *listen;
	struct strbuf output;
} t;

static bool status(void *arg, struct report_cursor *at, struct strbuf *text)
{
	const struct endpoint *endpoint = arg;
	struct override override;
	json_auto_t *document = NULL;
	struct err err;
	char *json;

	(void)at;
	if (!override_load(endpoint->dir, "orders", &override, &err))
		return false;
	document =
	    json_pack("{s:s, s:i, s:[{s:s, s:s, s:[s], s:o}]}", "segue", "0.1.0", "pid",
	              (int)getpid(), "clusters", "name", "orders", "state", "current", "headlines",
	              "PINNED by somebody", "override", override_to_json(&override));
	json = json_dumps(document, 0);
	strbuf_append_str(text, json);
	free(json);
	return false;
}

static bool take_override(void *arg, const char *cluster, const json_t *body, struct err *err)
{
	const struct endpoint *endpoint = arg;
	struct override override;

	if (strcmp(cluster, "orders") != 0)
		return err_set(err, "there is no cluster \"%s\"", cluster);
	return override_from_json(body, &override, err) &&
	       override_save(endpoint->dir, cluster, &override, err);
}

/* A cluster without an operator's word is ready. */
static bool ready(void *arg, struct strbuf *why)
{
	const struct endpoint *endpoint = arg;
	struct override override;
	struct err err;

	if (override_load(endpoint->dir, "orders", &override, &err) &&
	    override.kind == OVERRIDE_NONE)
		return true;
	strbuf_append_str(why, "cluster orders: not ready\n");
	return false;
}

static int serve(void *arg)
{
	struct endpoint endpoint = *(struct endpoint *)arg;
	const struct report_source source = {
	    .status = status, .ready = ready, .override = take_override, .arg = &endpoint};
	struct event_base *base = event_base_new();
	struct err err;

	if (report_server_create(base, endpoint.listen, &source, &err) == NULL)
		lab_fail("%s", err.message);
	event_base_dispatch(base);
	return 1;
}

static void setup(void)
{
	t.lab = lab_create("report");
	t.dir = lab_dir(t.lab);
	t.socket = lab_path(t.lab, "segue.sock");
	t.listen = lab_printf(t.lab, "unix:%s", t.socket);
	strbuf_init(&t.output);
}

static void teardown(void)
{
	strbuf_fini(&t.output);
	lab_destroy(t.lab);
}

TestSuite(report, .init = setup, .fini = teardown, .timeout = 120);

/* Runs segue with these arguments; t.output is what it printed. */
static int segue(const char *const *args)
{
	const char *argv[12] = {lab_segue_binary(t.lab)};

	for (size_t i = 1; *args != NULL; i++)
		argv[i] = *args++;
	strbuf_reset(&t.output);
	return lab_run(t.lab, argv, &t.output);
}

#define SEGUE(...) segue((const char *const[]){__VA_ARGS__, NULL})

static bool answers(void *arg)
{
	(void)arg;
	return SEGUE("status", "-s", t.listen) == 0;
}

static struct lab_process *start(const char *listen)
{
	struct endpoint endpoint = {.dir = t.dir, .listen = listen};
	struct lab_process *process = lab_fork(t.lab, "endpoint", serve, &endpoint);

	t.listen = listen;
	cr_assert(lab_wait_until(answers, NULL, READY_MS), "%s", t.output.data);
	return process;
}

static void expect_printed(const char *text)
{
	cr_assert_not_null(strstr(t.output.data, text), "no \"%s\" in:\n%s", text, t.output.data);
}

static struct override kept(void)
{
	struct override override;
	struct err err;

	cr_assert(override_load(t.dir, "orders", &override, &err), "%s", err.message);
	return override;
}

Test(report, a_pin_is_given_shown_and_released)
{
	struct override override;

	start(t.listen);
	cr_assert_eq(SEGUE("pin", "-s", t.socket, "--force", "orders", "[fd00::1]:5433"), 0, "%s",
	             t.output.data);
	expect_printed("orders is pinned to [fd00::1]:5433, regardless of ZooKeeper, until: segue "
	               "release orders\n");
	override = kept();
	cr_assert_eq(override.kind, OVERRIDE_PIN);
	cr_assert_str_eq(override.address, "fd00::1");
	cr_assert_eq(override.port, 5433);
	cr_assert_not_null(strchr(override.by, '@'), "%s", override.by);
	cr_assert_eq(SEGUE("status", "-s", t.socket, "orders"), 0);
	expect_printed("cluster orders: current\n  PINNED by somebody\n");
	cr_assert_eq(SEGUE("release", "orders", "-s", t.socket), 0, "%s", t.output.data);
	expect_printed("orders is released: segue follows ZooKeeper again\n");
	cr_assert_eq(kept().kind, OVERRIDE_NONE);
}

Test(report, a_name_becomes_an_address_and_is_told)
{
	start(t.listen);
	cr_assert_eq(SEGUE("pin", "-s", t.socket, "--force", "orders", "localhost:5432"), 0, "%s",
	             t.output.data);
	expect_printed("localhost is ");
	cr_assert_eq(kept().port, 5432);
	cr_assert_eq(SEGUE("pin", "-s", t.socket, "orders", "nobody.invalid:5432"), 1);
	expect_printed("segue pin: nobody.invalid: ");
	expect_printed("nothing was changed");
	cr_assert_eq(kept().kind, OVERRIDE_PIN, "the first pin was lost");
}

Test(report, the_socket_is_the_configuration_s)
{
	const char *ini = lab_path(t.lab, "segue.ini");

	lab_write_file(ini, lab_printf(t.lab,
	                               "[segue]\nlisten = %s\n[zookeeper]\nhosts = 127.0.0.1:1\n"
	                               "[cluster orders]\npath = /orders\n",
	                               t.listen));
	start(t.listen);
	cr_assert_eq(SEGUE("freeze", "-c", ini, "orders"), 0, "%s", t.output.data);
	expect_printed("orders is frozen");
	cr_assert_eq(kept().kind, OVERRIDE_FREEZE);
	cr_assert_eq(SEGUE("status", "-c", ini, "--json"), 0);
	expect_printed("\"kind\": \"freeze\"");
}

Test(report, what_segue_refuses_is_told)
{
	start(t.listen);
	cr_assert_eq(SEGUE("freeze", "-s", t.socket, "other"), 1);
	expect_printed("segue freeze: there is no cluster \"other\"");
	cr_assert_eq(SEGUE("pin", "-s", t.socket, "--force", "orders", "0.0.0.0:5432"), 1);
	expect_printed("segue pin: address is \"0.0.0.0\": it must be one server's IP address");
	cr_assert_eq(kept().kind, OVERRIDE_NONE);
	cr_assert_eq(SEGUE("status", "-s", t.socket, "other"), 1);
	expect_printed("has no cluster \"other\"");
}

Test(report, what_is_typed_wrong_is_usage)
{
	cr_assert_eq(SEGUE("pin", "-s", t.socket, "orders"), 2);
	expect_printed("usage: segue pin");
	cr_assert_eq(SEGUE("pin", "-s", t.socket, "orders", "db1"), 2);
	expect_printed("\"db1\" is no HOST:PORT");
	cr_assert_eq(SEGUE("freeze", "-s", t.socket, "../orders"), 2);
	expect_printed("\"../orders\" is not a valid cluster name");
	cr_assert_eq(SEGUE("release", "-s", t.socket, "a", "b"), 2);
	expect_printed("unexpected argument \"b\"");
	cr_assert_eq(SEGUE("release", "--json", "a"), 2);
	cr_assert_eq(SEGUE("status", "-c", "/nonexistent/segue.ini"), 2);
	expect_printed("/nonexistent/segue.ini: No such file");
	cr_assert_eq(SEGUE("status", "--help"), 0);
}

Test(report, without_a_segue_the_verbs_say_so)
{
	cr_assert_eq(SEGUE("freeze", "-s", t.socket, "orders"), 1);
	expect_printed("segue does not run here");
	expect_printed("nothing was changed");
	expect_printed(t.socket);
	cr_assert_eq(kept().kind, OVERRIDE_NONE, "the verb has written the file itself");
	cr_assert_eq(SEGUE("status", "-s", t.socket), 1);
	expect_printed("segue does not run here");
}

Test(report, one_that_was_killed_is_not_there_and_its_socket_is_taken_over)
{
	lab_process_kill(start(t.listen));
	cr_assert_eq(access(t.socket, F_OK), 0);
	cr_assert_eq(SEGUE("status", "-s", t.socket), 1);
	expect_printed("segue does not run here");
	start(t.listen);
	cr_assert_eq(SEGUE("freeze", "-s", t.socket, "orders"), 0, "%s", t.output.data);
}

Test(report, one_that_hangs_is_given_up_after_five_seconds)
{
	struct lab_process *process = start(t.listen);
	int64_t start_ms;

	lab_process_freeze(process);
	start_ms = clock_now_ms();
	cr_assert_eq(SEGUE("freeze", "-s", t.socket, "orders"), 1);
	cr_assert_geq(clock_now_ms(), start_ms + 4900);
	cr_assert_lt(clock_now_ms(), start_ms + 15000);
	expect_printed("no answer in time");
	expect_printed("segue status shows what is in force now");
	lab_process_thaw(process);
}

Test(report, over_tcp_there_is_the_status_alone)
{
	const char *listen = lab_printf(t.lab, "127.0.0.1:%u", lab_port(t.lab));

	start(listen);
	cr_assert_eq(SEGUE("status", "-s", listen), 0, "%s", t.output.data);
	expect_printed("cluster orders: current\n");
	cr_assert_null(strchr(t.output.data, '\033'), "colours, and no terminal");
	cr_assert_eq(SEGUE("freeze", "-s", listen, "orders"), 1);
	expect_printed("it accepts no commands over TCP");
	cr_assert_eq(kept().kind, OVERRIDE_NONE);
}

Test(report, health_is_an_exit_code)
{
	cr_assert_eq(SEGUE("health", "-s", t.socket), 1);
	expect_printed("segue health: ");
	start(t.listen);
	cr_assert_eq(SEGUE("health", "-s", t.socket), 0, "%s", t.output.data);
	cr_assert_eq(SEGUE("health", "-s", t.socket, "--ready"), 0, "%s", t.output.data);
	cr_assert_eq(t.output.len, 0, "%s", t.output.data);
	cr_assert_eq(SEGUE("freeze", "-s", t.socket, "orders"), 0, "%s", t.output.data);
	cr_assert_eq(SEGUE("health", "-s", t.socket), 0, "alive, and not ready");
	cr_assert_eq(SEGUE("health", "-s", t.socket, "--ready"), 1);
	cr_assert_str_eq(t.output.data, "cluster orders: not ready\n");
}

Test(report, one_that_hangs_is_not_healthy)
{
	struct lab_process *process = start(t.listen);

	lab_process_freeze(process);
	cr_assert_eq(SEGUE("health", "-s", t.socket), 1);
	expect_printed("no answer in time");
	lab_process_thaw(process);
}

Test(report, the_environment_names_the_configuration)
{
	const char *ini = lab_path(t.lab, "segue.ini");

	lab_write_file(ini, lab_printf(t.lab,
	                               "[segue]\nlisten = %s\n[zookeeper]\nhosts = 127.0.0.1:1\n"
	                               "[cluster orders]\npath = /orders\n",
	                               t.listen));
	start(t.listen);
	setenv("SEGUE_CONFIG", ini, 1);
	cr_assert_eq(SEGUE("health"), 0, "%s", t.output.data);
	cr_assert_eq(SEGUE("health", "-c", "/nonexistent/segue.ini"), 2);
}

Test(report, what_is_no_segue_is_told)
{
	struct lab_backend *backend = lab_backend_start(t.lab, "db1");

	cr_assert_eq(SEGUE("status", "-s",
	                   lab_printf(t.lab, "127.0.0.1:%u", (unsigned)lab_backend_port(backend))),
	             1);
}
