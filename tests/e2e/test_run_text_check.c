/* A template that HAProxy would take, and that leads nobody to the primary: refused by check, by
 * SIGHUP and at a move, and told. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "fixtures/run_stage.h"

TestSuite(run_text_check, .timeout = 120);

#define HEAD                                                                          \
	"defaults orders\n\tmode tcp\n\ttimeout connect 500ms\n\ttimeout client 1m\n" \
	"\ttimeout server 1m\n"

#define SERVER                                                    \
	"{{#primary}}\tserver primary {{endpoint}}\n{{/primary}}" \
	"{{^primary}}\tserver primary 127.0.0.1:1\n{{/primary}}"

static const char good[] =
    HEAD "listen orders_rw from orders\n\tbind 127.0.0.1:{{vars.port}}\n" SERVER;

static void start(struct run *run, const char *target)
{
	run_init(run, &(struct run_options){.target = target});
	lab_write_file(run->template_file, good);
	run_set_primary(run, 0);
	lab_segue_start(run->segue);
	cr_assert(run_wait_reaches(run, 0));
	cr_assert(run_wait_settled(run));
}

static void hup(struct run *run, const char *template)
{
	lab_write_file(run->template_file, template);
	lab_segue_mark(run->segue);
	lab_process_signal(lab_segue_process(run->segue), SIGHUP);
}

static void expect_log(struct run *run, const char *event, const char *problem)
{
	cr_assert_not_null(lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, event, problem, NULL),
	                   "%s", lab_process_log_tail(lab_segue_process(run->segue)));
}

static void expect_check(struct run *run, int status, const char *said)
{
	const char *argv[] = {lab_segue_binary(run->lab), "check", "-c",
	                      lab_segue_ini_file(run->segue), NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	cr_expect_eq(lab_run(run->lab, argv, &output), status, "%s", output.data);
	cr_expect_not_null(strstr(output.data, said), "%s", output.data);
}

struct said {
	struct run *run;
	const char *path;
	int status;
	const char *said; /* NULL: no alarm */
	struct strbuf body;
};

static bool is_said(void *arg)
{
	struct said *wanted = arg;
	const char *listen = lab_segue_listen(wanted->run->segue);

	strbuf_reset(&wanted->body);
	return lab_ask(listen, "GET", wanted->path, &wanted->body) == wanted->status &&
	       (wanted->said != NULL ? strstr(wanted->body.data, wanted->said) != NULL
	                             : strstr(wanted->body.data, "ALARM") == NULL);
}

static void expect_said(struct run *run, const char *path, int status, const char *said)
{
	struct said wanted = {run, path, status, said, STRBUF_INIT};

	cr_assert(lab_wait_until(is_said, &wanted, RUN_TIMEOUT_MS), "%s: %s", said,
	          wanted.body.data);
	strbuf_fini(&wanted.body);
}

/* The wrong way round, which no checker of names can find. */
static const char inverted[] = HEAD "listen orders_rw from orders\n\tbind 127.0.0.1:{{vars.port}}\n"
                                    "{{^primary}}\tserver primary 127.0.0.1:2\n{{/primary}}"
                                    "\tserver none 127.0.0.1:1\n";

Test(run_text_check, a_text_without_a_way_to_the_primary_is_refused)
{
	const char *file;
	struct run run;

	start(&run, NULL);
	file = lab_read_file(run.lab, run.output);
	hup(&run, inverted);
	expect_log(&run, "event=config_problem", ".mustache: rendered: ");
	expect_log(&run, "event=config_problem", "no bind leads to the primary");
	expect_log(&run, "event=config_refused", "");
	cr_assert(run_reaches(&run, 0));
	expect_check(&run, 1, "no bind leads to the primary");

	lab_process_stop(lab_segue_process(run.segue));
	lab_segue_start(run.segue);
	expect_log(&run, "event=render_refused", "no bind leads to the primary");
	cr_assert_str_eq(lab_read_file(run.lab, run.output), file);
	cr_assert(run_reaches(&run, 0));
	expect_said(&run, "/readyz", 503,
	            "cluster orders: haproxy/local: not confirmed: the rendered text was refused; "
	            "the servers of the last good text were moved to 127.0.0.1 port");

	run_set_primary(&run, 1); /* not even this one leads anybody to the primary before */
	cr_assert(run_wait_reaches(&run, 1));
	cr_assert(run_wait_file_names(&run, 1));
	lab_process_stop(lab_segue_process(run.segue));
	lab_segue_start(run.segue);
	expect_log(&run, "event=render_refused", "no bind leads to the primary");
	cr_assert(run_reaches(&run, 1));
	run_set_primary(&run, 2);
	cr_assert(run_wait_reaches(&run, 2));
	run_fini(&run);
}

/* Two ports, so that each can take the other's place. */
static const char *two_ports(struct run *run, int rw_port, int ro_port, const char *to)
{
	return lab_printf(run->lab,
	                  HEAD "# {{vars.port}}\nfrontend w from orders\n\tbind 127.0.0.1:%d\n%s"
	                       "frontend r from orders\n\tbind 127.0.0.1:%d\n\tdefault_backend ro\n"
	                       "backend rw from orders\n" SERVER
	                       "backend ro from orders\n\tserver other 127.0.0.1:%u\n",
	                  rw_port, to, ro_port, lab_backend_port(run->backends[2]));
}

#define TO_RW "\tdefault_backend rw\n"

Test(run_text_check, an_address_that_leads_elsewhere_than_before_is_told)
{
	const char *moved;
	struct run run;
	int other;

	start(&run, NULL);
	other = lab_port(run.lab);
	hup(&run, two_ports(&run, run.port, other, TO_RW));
	expect_log(&run, "event=moved", "");
	hup(&run, two_ports(&run, run.port, other, "\tdefault_backend ro\n"));
	expect_log(&run, "event=config_problem", "no bind leads to the primary");
	hup(&run, two_ports(&run, run.port, other, ""));
	expect_log(&run, "event=config_problem", "frontend w has a bind and no backend");
	cr_assert(run_reaches(&run, 0));

	moved = lab_printf(run.lab,
	                   "127.0.0.1:%d (frontend w) led to the primary, and now leads to other "
	                   "servers (frontend r); 127.0.0.1:%d (frontend w) leads to it now",
	                   run.port, other);
	lab_write_file(run.template_file, two_ports(&run, other, run.port, TO_RW));
	expect_check(&run, 0, moved);
	hup(&run, two_ports(&run, other, run.port, TO_RW));
	expect_log(&run, "event=text_alarm", moved);
	cr_assert(run_wait_reaches(&run, 2));
	cr_assert(run_wait_settled(&run));
	expect_said(&run, "/status", 200, lab_printf(run.lab, "ALARM: haproxy/local: %s", moved));
	hup(&run, two_ports(&run, other, run.port, TO_RW)); /* it is meant */
	expect_log(&run, "event=config_reloaded", "");
	cr_assert(run_wait_settled(&run));
	expect_said(&run, "/status", 200, NULL);
	run_fini(&run);
}

Test(run_text_check, a_text_for_one_primary_only_is_refused_or_told)
{
	const char *port, *json;
	struct run run;

	run_init(&run, &(struct run_options){.target = NULL});
	lab_write_file(run.template_file, good);
	json = lab_printf(run.lab,
	                  "{\"version\":1,\"primary\":{\"host\":\"127.0.0.1\",\"port\":%u},"
	                  "\"standbys\":[{\"host\":\"127.0.0.1\",\"port\":%u}]}",
	                  lab_backend_port(run.backends[0]), lab_backend_port(run.backends[1]));
	run_set(&run, json, strlen(json));
	lab_segue_start(run.segue);
	cr_assert(run_wait_reaches(&run, 0));
	cr_assert(run_wait_settled(&run));
	port = lab_printf(run.lab,
	                  HEAD "listen orders_rw from orders\n\tbind 127.0.0.1:{{vars.port}}\n"
	                       "\tserver primary {{#primary}}{{address}}:%u{{/primary}}"
	                       "{{^primary}}127.0.0.1:1{{/primary}}\n",
	                  lab_backend_port(run.backends[0]));
	hup(&run, port);
	expect_log(&run, "event=config_problem", "leads only to the present primary");
	expect_check(&run, 1, "leads only to the present primary");
	lab_process_stop(lab_segue_process(run.segue));
	lab_segue_start(run.segue);
	expect_log(&run, "event=text_alarm", "leads only to the present primary");
	cr_assert(run_wait_settled(&run));
	expect_said(&run, "/status", 200, "ALARM: haproxy/local: the text leads only to");

	run_set_primary(&run, 1);
	cr_assert(run_wait_reaches(&run, 1));
	expect_log(&run, "event=render_refused", "");
	cr_assert(run_wait_file_names(&run, 1));
	lab_process_stop(lab_segue_process(run.segue));
	lab_segue_start(run.segue);
	expect_log(&run, "event=render_refused", "");
	cr_assert(run_reaches(&run, 1));
	cr_assert(run_file_names(&run, 1));
	run_fini(&run);
}

Test(run_text_check, a_primary_that_haproxys_check_has_down_is_told)
{
	static const char text[] =
	    HEAD "listen orders_rw from orders\n\tbind 127.0.0.1:{{vars.port}}\n\tserver primary "
	         "{{#primary}}{{endpoint}}{{/primary}}{{^primary}}127.0.0.1:1{{/primary}}%s\n";
	struct run run;

	start(&run, NULL);
	hup(&run, lab_printf(run.lab, text, " check inter 200ms port 1"));
	expect_log(&run, "event=check_failed", "HAProxy's own check has orders_rw/primary DOWN");
	expect_said(&run, "/readyz", 503,
	            "cluster orders: haproxy/local: not confirmed: HAProxy's own check has "
	            "orders_rw/primary DOWN");
	hup(&run, lab_printf(run.lab, text, " check inter 200ms"));
	expect_log(&run, "event=config_reloaded", "");
	cr_assert(run_wait_reaches(&run, 0));
	cr_assert(run_wait_settled(&run));
	expect_said(&run, "/status", 200, NULL);
	run_fini(&run);
}

Test(run_text_check, a_timeout_that_lost_its_unit_is_told)
{
	struct run run;

	start(&run, NULL);
	hup(&run, "defaults orders\n\tmode tcp\n\ttimeout connect 500ms\n\ttimeout client 1\n"
	          "\ttimeout server 1m\n"
	          "listen orders_rw from orders\n\tbind 127.0.0.1:{{vars.port}}\n" SERVER);
	expect_log(&run, "event=text_alarm", "\"timeout client\\\" is 1 ms");
	expect_log(&run, "event=moved", "");
	expect_check(&run, 0, "\"timeout client 1\" is 1 ms, as it has no unit");
	expect_said(&run, "/status", 200,
	            "ALARM: haproxy/local: rendered line 4: \\\"timeout client\\\" is 1 ms");
	run_fini(&run);
}

Test(run_text_check, a_section_that_would_lose_its_bind_is_refused)
{
	struct run run;

	start(&run, NULL);
	hup(&run, HEAD "listen orders_rw from orders\n"
	               "{{^primary}}\tbind 127.0.0.1:{{vars.port}}\n{{/primary}}" SERVER);
	expect_log(&run, "event=config_problem", "listen orders_rw would have no bind line");
	cr_assert(run_reaches(&run, 0));
	run_fini(&run);
}

Test(run_text_check, a_target_for_readers_says_so)
{
	struct run run;

	start(&run, "leads_to_primary = no\n");
	hup(&run, inverted);
	expect_log(&run, "event=config_reloaded", "");
	cr_assert(run_wait_reaches(&run, -1));
	run_fini(&run);
}
