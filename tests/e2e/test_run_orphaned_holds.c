/* kill -9 while clients are held, and at the next start segue.ini has another section: those who
 * wait are led on or let go, by the start and by `segue resume`. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "fixtures/pgbouncer_stage.h"
#include "fixtures/run_stage.h"

TestSuite(run_orphaned_holds, .timeout = 300);

/* In a file, each `from` becomes `to`. */
static void replace(struct lab *lab, const char *file, const char *from, const char *to)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	const char *at = lab_read_file(lab, file), *next;

	cr_assert_not_null(strstr(at, from), "no %s in %s", from, at);
	for (; (next = strstr(at, from)) != NULL; at = next + strlen(from)) {
		strbuf_append(&text, at, (size_t)(next - at));
		strbuf_append_str(&text, to);
	}
	strbuf_append_str(&text, at);
	lab_write_file(file, text.data);
}

static bool is_gone(void *arg)
{
	const char *const *file = arg;

	return access(*file, F_OK) != 0;
}

static bool wait_gone(const char *file)
{
	return lab_wait_until(is_gone, &file, BOUNCE_TIMEOUT_MS);
}

/* --- PgBouncer --- */

static const char *note_of(const struct pgbouncer_stage *pgbouncer_stage, const char *target)
{
	return lab_printf(pgbouncer_stage->lab, "%s/pgbouncer-%s.paused",
	                  pgbouncer_stage->state_dir, target);
}

static const char *ini_of(const struct pgbouncer_stage *pgbouncer_stage)
{
	return lab_segue_ini_file(pgbouncer_stage->segue);
}

static void killed_in_a_hold(struct pgbouncer_stage *pgbouncer_stage, int bouncers)
{
	pgbouncer_stage_start(pgbouncer_stage,
	                      &(struct pgbouncer_stage_options){.bouncers = bouncers});
	pgbouncer_stage_name(pgbouncer_stage, -1);
	for (int i = 0; i < bouncers; i++)
		cr_assert(pgbouncer_stage_wait_drained(pgbouncer_stage, i));
	lab_process_kill(lab_segue_process(pgbouncer_stage->segue));
	cr_assert(pgbouncer_stage_is_paused(pgbouncer_stage, 0));
}

static void nobody_failed(struct pgbouncer_stage *pgbouncer_stage)
{
	traffic_stop(pgbouncer_stage->traffic);
	cr_assert_eq(traffic_sum(pgbouncer_stage->traffic).failed, 0, "%s",
	             traffic_sum(pgbouncer_stage->traffic).error);
	pgbouncer_stage_fini(pgbouncer_stage);
}

static int resume(const struct pgbouncer_stage *pgbouncer_stage, const char *option,
                  struct strbuf *output)
{
	const char *argv[] = {lab_segue_binary(pgbouncer_stage->lab),
	                      "resume",
	                      "-c",
	                      ini_of(pgbouncer_stage),
	                      option,
	                      NULL};

	return lab_run(pgbouncer_stage->lab, argv, output);
}

/* It is the same PgBouncer: who waits goes on to wait, and is led to the next primary. */
Test(run_orphaned_holds, a_pgbouncer_section_of_another_name_goes_on_with_the_hold)
{
	struct pgbouncer_stage pgbouncer_stage;

	killed_in_a_hold(&pgbouncer_stage, 1);
	replace(pgbouncer_stage.lab, ini_of(&pgbouncer_stage), "[pgbouncer local]",
	        "[pgbouncer main]");
	replace(pgbouncer_stage.lab, ini_of(&pgbouncer_stage), "connect_timeout=2",
	        "connect_timeout=3");
	lab_segue_start(pgbouncer_stage.segue);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=note_adopted ", "target=pgbouncer/main",
	                                      NULL));
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=pauses_found ", "target=pgbouncer/main",
	                                      NULL));
	cr_assert(pgbouncer_stage_is_paused(&pgbouncer_stage, 0));
	pgbouncer_stage_name(&pgbouncer_stage, 1);
	cr_assert(pgbouncer_stage_wait_leads_to(&pgbouncer_stage, 0, 1));
	cr_assert(traffic_all_served(pgbouncer_stage.traffic, BOUNCE_TIMEOUT_MS));
	cr_assert(wait_gone(note_of(&pgbouncer_stage, "main")));
	cr_assert(wait_gone(note_of(&pgbouncer_stage, "local")));
	cr_assert_eq(lab_segue_count_log(pgbouncer_stage.segue, "event=note_without_target", NULL),
	             0);
	nobody_failed(&pgbouncer_stage);
}

Test(run_orphaned_holds, segue_resume_lets_go_of_a_pgbouncer_that_segue_ini_has_no_more)
{
	struct pgbouncer_stage pgbouncer_stage;
	auto_strbuf struct strbuf output = STRBUF_INIT;

	killed_in_a_hold(&pgbouncer_stage, 1);
	replace(pgbouncer_stage.lab, ini_of(&pgbouncer_stage), "[pgbouncer local]",
	        "[pgbouncer main]");
	cr_assert_eq(resume(&pgbouncer_stage, NULL, &output), 0, "%s", output.data);
	cr_assert_not_null(strstr(output.data, "pgbouncer/local: segue.ini has no such section"),
	                   "%s", output.data);
	cr_assert_not_null(strstr(output.data, "pgbouncer/local: 1 database resumed"), "%s",
	                   output.data);
	cr_assert_not(pgbouncer_stage_is_paused(&pgbouncer_stage, 0));
	cr_assert_neq(access(note_of(&pgbouncer_stage, "local"), F_OK), 0);
	cr_assert(traffic_all_served(pgbouncer_stage.traffic, BOUNCE_TIMEOUT_MS));
	nobody_failed(&pgbouncer_stage);
}

/* The second PgBouncer is nobody's any more. */
Test(run_orphaned_holds, the_start_lets_go_of_a_pgbouncer_that_segue_ini_has_no_more)
{
	struct pgbouncer_stage pgbouncer_stage;
	char *section;
	const char *ini;

	killed_in_a_hold(&pgbouncer_stage, 2);
	ini = lab_read_file(pgbouncer_stage.lab, ini_of(&pgbouncer_stage));
	section = strstr(ini, "[pgbouncer other]");
	cr_assert_not_null(section);
	lab_write_file(ini_of(&pgbouncer_stage),
	               lab_printf(pgbouncer_stage.lab, "%.*s", (int)(section - ini), ini));
	lab_segue_start(pgbouncer_stage.segue);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=note_without_target ",
	                                      "target=pgbouncer/other", NULL));
	cr_assert(pgbouncer_stage_wait_paused(&pgbouncer_stage, 1, false));
	cr_assert(wait_gone(note_of(&pgbouncer_stage, "other")));
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=left_notes_done ", NULL));
	cr_assert(pgbouncer_stage_is_paused(&pgbouncer_stage, 0), "that one is held still");
	pgbouncer_stage_name(&pgbouncer_stage, 0);
	cr_assert(pgbouncer_stage_wait_leads_to(&pgbouncer_stage, 0, 0));
	nobody_failed(&pgbouncer_stage);
}

/* One that does not answer keeps its note, is told, and is tried again. */
Test(run_orphaned_holds, a_pgbouncer_that_is_away_is_let_go_when_it_is_back)
{
	struct pgbouncer_stage pgbouncer_stage;
	auto_strbuf struct strbuf output = STRBUF_INIT;

	killed_in_a_hold(&pgbouncer_stage, 1);
	lab_process_freeze(lab_pgbouncer_process(pgbouncer_stage.bouncers[0]));
	replace(pgbouncer_stage.lab, ini_of(&pgbouncer_stage), "[pgbouncer local]",
	        "[pgbouncer main]");
	cr_assert_eq(resume(&pgbouncer_stage, NULL, &output), 1, "%s", output.data);
	cr_assert_eq(access(note_of(&pgbouncer_stage, "local"), F_OK), 0);
	lab_process_thaw(lab_pgbouncer_process(pgbouncer_stage.bouncers[0]));
	cr_assert_eq(resume(&pgbouncer_stage, "--gone", &output), 0, "%s", output.data);
	cr_assert_not(pgbouncer_stage_is_paused(&pgbouncer_stage, 0));
	nobody_failed(&pgbouncer_stage);
}

/* The section has its name still, and leads to another PgBouncer. */
Test(run_orphaned_holds, the_note_of_the_pgbouncer_before_is_not_taken_for_that_of_the_next_one)
{
	struct pgbouncer_stage pgbouncer_stage;
	char *section;
	const char *ini;

	killed_in_a_hold(&pgbouncer_stage, 2);
	cr_assert_eq(unlink(note_of(&pgbouncer_stage, "other")), 0);
	ini = lab_read_file(pgbouncer_stage.lab, ini_of(&pgbouncer_stage));
	section = strstr(ini, "[pgbouncer other]");
	lab_write_file(ini_of(&pgbouncer_stage),
	               lab_printf(pgbouncer_stage.lab, "%.*s", (int)(section - ini), ini));
	replace(pgbouncer_stage.lab, ini_of(&pgbouncer_stage),
	        lab_pgbouncer_console(pgbouncer_stage.bouncers[0]),
	        lab_pgbouncer_console(pgbouncer_stage.bouncers[1]));
	replace(pgbouncer_stage.lab, ini_of(&pgbouncer_stage),
	        lab_pgbouncer_databases_file(pgbouncer_stage.bouncers[0]),
	        lab_pgbouncer_databases_file(pgbouncer_stage.bouncers[1]));
	lab_segue_start(pgbouncer_stage.segue);
	cr_assert(pgbouncer_stage_wait_paused(&pgbouncer_stage, 0, false));
	cr_assert(pgbouncer_stage_is_paused(&pgbouncer_stage, 1),
	          "a person's, for all that segue knows");
	cr_assert(wait_gone(note_of(&pgbouncer_stage, "local@gone")));
	traffic_stop(pgbouncer_stage.traffic);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_orphaned_holds, a_note_that_does_not_say_where_is_told_with_what_to_type)
{
	struct pgbouncer_stage pgbouncer_stage;
	auto_strbuf struct strbuf output = STRBUF_INIT;

	pgbouncer_stage_init(&pgbouncer_stage, &(struct pgbouncer_stage_options){0});
	cr_assert_eq(lab_run(pgbouncer_stage.lab,
	                     (const char *[]){"mkdir", "-p", pgbouncer_stage.state_dir, NULL},
	                     NULL),
	             0);
	lab_write_file(note_of(&pgbouncer_stage, "old"), "{\"databases\": [\"app\"]}\n");
	cr_assert_eq(resume(&pgbouncer_stage, NULL, &output), 1, "%s", output.data);
	cr_assert_not_null(strstr(output.data, "type RESUME"), "%s", output.data);
	cr_assert_eq(access(note_of(&pgbouncer_stage, "old"), F_OK), 0);
	pgbouncer_stage_name(&pgbouncer_stage, 0);
	lab_segue_start(pgbouncer_stage.segue);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=left_notes_stay ", "type RESUME", NULL));
	cr_assert(pgbouncer_stage_wait_settled(&pgbouncer_stage, 0),
	          "it keeps nobody from anything");
	pgbouncer_stage_fini(&pgbouncer_stage);
}

/* --- HAProxy --- */

static const char *held_note(const struct run *run, const char *target)
{
	return lab_printf(run->lab, "%s/haproxy-%s.held", lab_path(run->lab, "state"), target);
}

static const char nobody[] = "{\"version\":1,\"primary\":null,\"standbys\":[]}";

static void haproxy_killed_in_a_hold(struct run *run)
{
	run_init(run, &(struct run_options){0});
	run_set_primary(run, 0);
	lab_segue_start(run->segue);
	cr_assert(run_wait_settled(run));
	cr_assert(run_wait_file_names(run, 0));
	run_set(run, nobody, strlen(nobody));
	cr_assert_not_null(lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, "event=held ",
	                                      "target=haproxy/local", NULL));
	lab_process_kill(lab_segue_process(run->segue));
	cr_assert(run_wait_reaches(run, -1));
}

Test(run_orphaned_holds, a_haproxy_section_of_another_name_goes_on_with_the_hold)
{
	struct run run;

	haproxy_killed_in_a_hold(&run);
	replace(run.lab, lab_segue_ini_file(run.segue), "[haproxy local]", "[haproxy main]");
	lab_segue_start(run.segue);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=note_adopted ",
	                                      "target=haproxy/main", NULL));
	run_set_primary(&run, 1);
	cr_assert(run_wait_reaches(&run, 1));
	run_fini(&run);
}

Test(run_orphaned_holds, segue_resume_opens_a_haproxy_that_segue_ini_has_no_more)
{
	struct run run;
	auto_strbuf struct strbuf output = STRBUF_INIT;
	const char *argv[6] = {NULL, "resume", "-c"};

	haproxy_killed_in_a_hold(&run);
	argv[0] = lab_segue_binary(run.lab);
	argv[3] = lab_segue_ini_file(run.segue);
	replace(run.lab, argv[3], "[haproxy local]", "[haproxy main]");
	cr_assert_eq(lab_run(run.lab, argv, &output), 0, "%s", output.data);
	cr_assert_not_null(strstr(output.data, "haproxy/local: 1 server opened"), "%s",
	                   output.data);
	cr_assert(run_wait_reaches(&run, 0));
	run_fini(&run);
}

/* Another file: it is not known to be of the same servers, so its own is opened by what it wrote.
 */
Test(run_orphaned_holds, the_start_opens_a_haproxy_section_that_segue_ini_has_no_more)
{
	struct run run;
	const char *ini;

	haproxy_killed_in_a_hold(&run);
	ini = lab_segue_ini_file(run.segue);
	replace(run.lab, ini, "[haproxy local]", "[haproxy main]");
	replace(run.lab, ini, run.output,
	        lab_printf(run.lab, "%s/elsewhere.cfg", lab_segue_dir(run.segue)));
	run_set_primary(&run, 0); /* or the new section would hold at once */
	lab_segue_start(run.segue);
	cr_assert_not_null(lab_segue_wait_log(
	    run.segue, RUN_TIMEOUT_MS, "event=note_without_target ", "target=haproxy/local", NULL));
	cr_assert(run_wait_reaches(&run, 0));
	cr_assert(wait_gone(held_note(&run, "local")));
	run_fini(&run);
}
