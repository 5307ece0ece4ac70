/* A template that HAProxy would take, and that leads nobody to the primary: refused by check, by
 * SIGHUP and at a move, and told. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "run.h"

TestSuite(run_sense, .timeout = 120);

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

/* The wrong way round, which no checker of names can find. */
static const char inverted[] = HEAD "listen orders_rw from orders\n\tbind 127.0.0.1:{{vars.port}}\n"
                                    "{{^primary}}\tserver primary 127.0.0.1:2\n{{/primary}}"
                                    "\tserver none 127.0.0.1:1\n";

Test(run_sense, a_text_without_a_way_to_the_primary_is_refused)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;
	const char *file;
	struct run run;

	start(&run, NULL);
	file = lab_read_file(run.lab, run.output);
	hup(&run, inverted);
	expect_log(&run, "event=config_problem", ".mustache: rendered: ");
	expect_log(&run, "event=config_refused", "");
	cr_assert(run_reaches(&run, 0));
	expect_check(&run, 1, "no server that takes clients");

	lab_process_stop(lab_segue_process(run.segue));
	lab_segue_start(run.segue);
	expect_log(&run, "event=render_refused", "no server that takes clients");
	cr_assert_str_eq(lab_read_file(run.lab, run.output), file);
	cr_assert(run_reaches(&run, 0));
	cr_assert_eq(lab_ask(lab_segue_listen(run.segue), "GET", "/readyz", &body), 503);
	cr_assert_not_null(strstr(body.data, "cluster orders: haproxy/local: not confirmed: the "
	                                     "rendered text is refused: no server that takes"),
	                   "%s", body.data);
	run_fini(&run);
}

Test(run_sense, a_section_that_would_lose_its_bind_is_refused)
{
	struct run run;

	start(&run, NULL);
	hup(&run, HEAD "listen orders_rw from orders\n"
	               "{{^primary}}\tbind 127.0.0.1:{{vars.port}}\n{{/primary}}" SERVER);
	expect_log(&run, "event=config_problem", "listen orders_rw would have no bind line");
	cr_assert(run_reaches(&run, 0));
	run_fini(&run);
}

Test(run_sense, a_target_for_readers_says_so)
{
	struct run run;

	start(&run, "leads_to_primary = no\n");
	hup(&run, inverted);
	expect_log(&run, "event=config_reloaded", "");
	cr_assert(run_wait_reaches(&run, -1));
	run_fini(&run);
}
