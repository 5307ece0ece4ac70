/* The endpoint of a sidecar that runs: what it remembers of moves, whether it is ready, and its
 * metrics by the judgement of Prometheus' own tool. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/run_stage.h"

TestSuite(run_endpoint, .timeout = 120);

static int ask(struct run *run, const char *path, struct strbuf *body)
{
	return lab_ask(lab_segue_listen(run->segue), "GET", path, body);
}

static void start(struct run *run, const struct run_options *options)
{
	run_init(run, options);
	run_set_primary(run, 0);
	lab_segue_start(run->segue);
	cr_assert(run_wait_reaches(run, 0));
	cr_assert(run_wait_settled(run));
}

static int64_t move_to(struct run *run, int backend)
{
	int64_t zxid = run_set_primary(run, backend);

	cr_assert(run_wait_moved(run, zxid));
	return zxid;
}

static json_t *status(struct run *run)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;
	json_error_t error;
	json_t *document;

	cr_assert_eq(ask(run, "/status", &body), 200);
	document = json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES, &error);
	cr_assert_not_null(document, "%s: %s", error.text, body.data);
	return document;
}

static const json_t *cluster_of(const json_t *document)
{
	return json_array_get(json_object_get(document, "clusters"), 0);
}

static const json_t *target_of(const json_t *document)
{
	return json_array_get(json_object_get(cluster_of(document), "targets"), 0);
}

static void expect_text(const json_t *object, const char *key, const char *text)
{
	const char *found = json_string_value(json_object_get(object, key));

	cr_assert_not_null(found, "no %s", key);
	cr_assert_str_eq(found, text, "%s", key);
}

static void expect_place(const json_t *target, const char *key, const char *address)
{
	const json_t *places = json_object_get(target, key);

	cr_assert_eq(json_array_size(places), 1, "%s", key);
	expect_text(json_array_get(places, 0), "name", "orders_rw/primary");
	expect_text(json_array_get(places, 0), "address", address);
}

/* The steps follow each other without a gap, up to the total. */
static void expect_steps(const json_t *move)
{
	static const char *const names[] = {"read", "rendered", "pushed", "confirmed", "persisted"};
	const json_t *steps = json_object_get(move, "steps");
	double end = 0;

	cr_assert_eq(json_array_size(steps), ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const json_t *step = json_array_get(steps, i);

		expect_text(step, "name", names[i]);
		cr_assert_float_eq(json_real_value(json_object_get(step, "start_ms")), end, 0.001);
		end += json_real_value(json_object_get(step, "ms"));
	}
	cr_assert_gt(end, 0);
	cr_assert_float_eq(json_real_value(json_object_get(move, "total_ms")), end, 0.01);
}

Test(run_endpoint, the_status_remembers_the_last_ten_moves)
{
	const json_t *target, *moves;
	int64_t zxids[12];
	json_t *document;
	struct run run;

	start(&run, &(struct run_options){0});
	for (int i = 0; i < 12; i++)
		zxids[i] = move_to(&run, i % 2 == 0 ? 1 : 0);
	document = status(&run);
	target = target_of(document);
	moves = json_object_get(target, "moves");
	cr_assert_eq(json_array_size(moves), 10);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(
		    json_integer_value(json_object_get(json_array_get(moves, (size_t)i), "zxid")),
		    zxids[11 - i]);
	expect_steps(json_array_get(moves, 0));
	expect_place(target, "desired",
	             lab_printf(run.lab, "127.0.0.1:%u", lab_backend_port(run.backends[0])));
	expect_place(target, "live",
	             lab_printf(run.lab, "127.0.0.1:%u", lab_backend_port(run.backends[0])));
	cr_assert_eq(json_integer_value(json_object_get(target, "old_sessions")), 0);
	cr_assert(json_is_null(json_object_get(cluster_of(document), "hold")));
	expect_text(document, "segue", SEGUE_VERSION);
	cr_assert_eq(strlen(json_string_value(json_object_get(document, "now"))), 27);
	json_decref(document);
	run_fini(&run);
}

static bool is_ready(void *arg)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;

	return ask(arg, "/readyz", &body) == 200;
}

/* After a reload the proxy is read anew first. */
static void expect_ready(struct run *run, const char *text)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;

	cr_assert(lab_wait_until(is_ready, run, RUN_TIMEOUT_MS));
	cr_assert_eq(ask(run, "/readyz", &body), 200, "%s", body.data);
	cr_assert_str_eq(body.data, text);
}

static void expect_unready(struct run *run, const char *why)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;

	cr_assert_eq(ask(run, "/readyz", &body), 503, "%s", body.data);
	cr_assert_eq(strncmp(body.data, why, strlen(why)), 0, "%s", body.data);
	cr_assert_eq(body.data[body.len - 1], '\n', "%s", body.data);
}

struct wanted {
	struct run *run;
	int status;
};

static bool readyz_is(void *arg)
{
	const struct wanted *wanted = arg;
	auto_strbuf struct strbuf body = STRBUF_INIT;

	return ask(wanted->run, "/readyz", &body) == wanted->status;
}

static bool wait_readyz(struct run *run, int code)
{
	return lab_wait_until(readyz_is, &(struct wanted){run, code}, RUN_TIMEOUT_MS);
}

static const char nobody[] = "{\"version\":1,\"primary\":null,\"standbys\":[]}";

Test(run_endpoint, ready_is_who_leads_clients_to_an_admitted_primary)
{
	const json_t *hold;
	json_t *document;
	struct run run;

	run_init(&run, &(struct run_options){.zk_servers = 1});
	lab_segue_start(run.segue);
	cr_assert(wait_readyz(&run, 503));
	expect_unready(&run, "cluster orders: WAITING, no primary is admitted: ");
	run_set_primary(&run, 0);
	cr_assert(wait_readyz(&run, 200));
	expect_ready(&run, "ready\n");
	run_set(&run, nobody, strlen(nobody));
	cr_assert(wait_readyz(&run, 503));
	expect_unready(&run, "cluster orders: HELD, clients wait, ");
	document = status(&run);
	hold = json_object_get(cluster_of(document), "hold");
	expect_text(hold, "by", "store");
	expect_text(hold, "policy", "hold");
	cr_assert_gt(json_integer_value(json_object_get(hold, "left_ms")), 1000);
	cr_assert_leq(json_integer_value(json_object_get(hold, "left_ms")), 90000);
	json_decref(document);
	run_set_primary(&run, 1);
	cr_assert(wait_readyz(&run, 200));
	lab_process_kill(lab_zk_process(run.zk, 0));
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "kept", "cluster=orders", NULL));
	expect_ready(&run, "ready\n");
	lab_process_stop(lab_segue_process(run.segue));
	lab_segue_start(run.segue);
	cr_assert(wait_readyz(&run, 503));
	expect_unready(
	    &run, lab_printf(run.lab,
	                     "cluster orders: WAITING, nothing is changed: the proxies stay as "
	                     "they are; they last led clients to 127.0.0.1:%u: ",
	                     lab_backend_port(run.backends[1])));
	run_fini(&run);
}

struct headline { /* of cluster orders */
	struct run *run;
	size_t index;
	const char *text; /* how it begins */
};

static bool headline_is(void *arg)
{
	const struct headline *wanted = arg;
	json_t *document = status(wanted->run);
	const json_t *first =
	    json_array_get(json_object_get(cluster_of(document), "headlines"), wanted->index);
	const char *text = json_string_value(first);
	bool is = text != NULL && strncmp(text, wanted->text, strlen(wanted->text)) == 0;

	json_decref(document);
	return is;
}

static void expect_headline(struct run *run, size_t index, const char *text)
{
	cr_expect(lab_wait_until(headline_is, &(struct headline){run, index, text}, RUN_TIMEOUT_MS),
	          "%s", text);
}

static void order(struct run *run, const char *verb, const char *server)
{
	const char *argv[] = {lab_segue_binary(run->lab),
	                      verb,
	                      "-s",
	                      lab_segue_listen(run->segue),
	                      "orders",
	                      server,
	                      NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	cr_assert_eq(lab_run(run->lab, argv, &output), 0, "%s", output.data);
}

Test(run_endpoint, what_a_person_has_to_know_comes_first_and_the_worst_of_it)
{
	struct run run;

	start(&run, &(struct run_options){0});
	run_set(&run, "garbage", 7);
	expect_headline(&run, 0, "KEPT, the last primary stays: ");
	order(&run, "freeze", NULL);
	expect_headline(&run, 0, "FROZEN by ");
	lab_process_kill(lab_haproxy_process(run.haproxy));
	expect_headline(&run, 0, "haproxy/local: not confirmed: ");
	expect_headline(&run, 1, "FROZEN by ");
	lab_haproxy_start(run.haproxy);
	order(&run, "release", NULL);
	run_set(&run, nobody, strlen(nobody));
	expect_headline(&run, 0, "HELD, clients wait, ");
	run_fini(&run);
}

Test(run_endpoint, a_target_that_is_not_confirmed_is_named)
{
	struct run run;

	start(&run, &(struct run_options){0});
	expect_ready(&run, "ready\n");
	lab_process_kill(lab_haproxy_process(run.haproxy));
	cr_assert(wait_readyz(&run, 503));
	expect_unready(&run, "cluster orders: haproxy/local: not confirmed: ");
	lab_haproxy_start(run.haproxy);
	cr_assert(wait_readyz(&run, 200));
	run_fini(&run);
}

/* Prometheus' own tool has nothing to say. */
static void check_metrics(struct run *run, const struct strbuf *text)
{
	const char *file = lab_path(run->lab, "metrics.txt");
	const char *argv[] = {"sh", "-c", lab_printf(run->lab, "promtool check metrics < %s", file),
	                      NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	lab_write_file(file, text->data);
	cr_assert_eq(lab_run(run->lab, argv, &output), 0, "%s", output.data);
	cr_assert_str_eq(output.data, "");
}

static void expect_sample(const struct strbuf *text, const char *sample)
{
	auto_free char *line = xasprintf("\n%s\n", sample);

	cr_assert_not_null(strstr(text->data, line), "no \"%s\" in:\n%s", sample, text->data);
}

static bool is_current(void *arg)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;

	return ask(arg, "/metrics", &text) == 200 &&
	       strstr(text.data, "state=\"current\"} 1\n") != NULL &&
	       strstr(text.data, "\nsegue_store_connected 1\n") != NULL;
}

/* Ready at once, as what was applied goes on; the store's word comes later. */
static void hup(struct run *run)
{
	lab_segue_mark(run->segue);
	lab_process_signal(lab_segue_process(run->segue), SIGHUP);
	cr_assert_not_null(
	    lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, "event=config_reloaded", NULL));
	expect_ready(run, "ready\n");
	cr_assert(lab_wait_until(is_current, run, RUN_TIMEOUT_MS));
}

static void expect_metrics(struct run *run, int64_t zxid, int reloads)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;

	cr_assert_eq(ask(run, "/metrics", &text), 200);
	check_metrics(run, &text);
	expect_sample(&text, "segue_build_info{version=\"" SEGUE_VERSION "\"} 1");
	expect_sample(&text, "segue_store_connected 1");
	expect_sample(&text, "segue_clusters 1");
	expect_sample(&text, lab_printf(run->lab, "segue_config_reloads_total %d", reloads));
	expect_sample(&text, "segue_cluster_state{cluster=\"orders\",state=\"current\"} 1");
	expect_sample(&text, "segue_cluster_ready{cluster=\"orders\"} 1");
	expect_sample(
	    &text,
	    lab_printf(run->lab, "segue_cluster_applied_zxid{cluster=\"orders\"} %" PRId64, zxid));
	expect_sample(&text, "segue_target_in_sync{cluster=\"orders\",kind=\"haproxy\",target="
	                     "\"local\"} 1");
	expect_sample(&text, "segue_target_moves_total{cluster=\"orders\",kind=\"haproxy\","
	                     "target=\"local\"} 3");
	expect_sample(&text, "segue_move_seconds_count{kind=\"haproxy\"} 3");
	expect_sample(&text, "segue_move_step_seconds_bucket{kind=\"haproxy\",step=\"read\",le="
	                     "\"+Inf\"} 3");
}

Test(run_endpoint, metrics_are_clean_and_outlive_a_reload)
{
	json_t *document;
	int64_t zxid;
	struct run run;

	start(&run, &(struct run_options){0});
	move_to(&run, 1);
	zxid = move_to(&run, 2);
	expect_metrics(&run, zxid, 0);
	hup(&run);
	expect_metrics(&run, zxid, 1);
	document = status(&run);
	cr_assert_eq(json_array_size(json_object_get(target_of(document), "moves")), 3);
	json_decref(document);
	run_fini(&run);
}

Test(run_endpoint, over_tcp_all_is_read_and_nothing_is_written)
{
	static const char *const paths[] = {"/status", "/healthz", "/readyz", "/metrics"};
	auto_strbuf struct strbuf body = STRBUF_INIT;
	const char *listen;
	struct run run;

	run_init(&run, &(struct run_options){0});
	listen = lab_printf(run.lab, "127.0.0.1:%u", lab_port(run.lab));
	lab_write_file(lab_segue_ini_file(run.segue),
	               lab_printf(run.lab,
	                          "[segue]\nstate_dir = %s\nlisten = %s\n[zookeeper]\nhosts = %s\n"
	                          "[cluster orders]\npath = /segue/orders\n",
	                          lab_path(run.lab, "state"), listen, lab_zk_hosts(run.zk)));
	lab_segue_start(run.segue);
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=status_served", NULL));
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		cr_expect_eq(lab_ask(listen, "GET", paths[i], &body), 200, "%s: %s", paths[i],
		             body.data);
		cr_expect_eq(lab_ask(listen, "POST", paths[i], &body), 405, "%s", paths[i]);
		cr_expect_eq(lab_ask(listen, "DELETE", paths[i], &body), 405, "%s", paths[i]);
	}
	run_fini(&run);
}

static void expect_code(struct run *run, uint16_t port, const char *host, const char *code)
{
	const char *argv[] = {"curl",
	                      "-s",
	                      "-o",
	                      "/dev/null",
	                      "-w",
	                      "%{http_code}",
	                      "-H",
	                      lab_printf(run->lab, "Host: %s", host),
	                      lab_printf(run->lab, "http://127.0.0.1:%u/", port),
	                      NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	cr_assert_eq(lab_run(run->lab, argv, &output), 0, "%s", output.data);
	cr_assert_str_eq(output.data, code, "%s", host);
}

static void write_hosts(struct run *run, uint16_t port, const char *hosts)
{
	lab_write_file(lab_segue_ini_file(run->segue),
	               lab_printf(run->lab,
	                          "[segue]\nname = proxy1\nstate_dir = %s\nlisten = 127.0.0.1:%u\n"
	                          "listen_hosts = %s\n[zookeeper]\nhosts = %s\n"
	                          "[cluster orders]\npath = /segue/orders\n",
	                          lab_path(run->lab, "state"), port, hosts, lab_zk_hosts(run->zk)));
}

/* As a page does that has led its own name here, and a reverse proxy that passes the name on. */
Test(run_endpoint, a_page_is_given_by_a_listed_name_only_and_a_reload_lists_more)
{
	struct run run;
	uint16_t port;

	run_init(&run, &(struct run_options){0});
	port = lab_port(run.lab);
	write_hosts(&run, port, "");
	lab_segue_start(run.segue);
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=status_served", NULL));
	expect_code(&run, port, lab_printf(run.lab, "127.0.0.1:%u", port), "200");
	expect_code(&run, port, "proxy1", "200");
	expect_code(&run, port, "status.example.org", "421");
	write_hosts(&run, port, ".example.org");
	lab_segue_mark(run.segue);
	lab_process_signal(lab_segue_process(run.segue), SIGHUP);
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=config_reloaded", NULL));
	expect_code(&run, port, "status.example.org", "200");
	expect_code(&run, port, "evil.example", "421");
	run_fini(&run);
}
