/* Every fact is weighed by one function, whatever it is about: what asks for no hold begins none,
 * and ends none either. */
#include <criterion/criterion.h>
#include <string.h>

#include "fixtures/run_stage.h"

TestSuite(run_reconcile, .timeout = 120);

static const char nobody[] = "{\"version\":1,\"primary\":null,\"standbys\":[]}";

static void start(struct run *run)
{
	run_init(run, &(struct run_options){.zk_servers = 1, .cluster = "hold_timeout = 60s\n"});
	run_set_primary(run, 0);
	lab_segue_start(run->segue);
	cr_assert(run_wait_settled(run));
}

static void must_say(struct run *run, const char *event, const char *words)
{
	cr_assert_not_null(lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, event, words, NULL),
	                   "no %s, %s in\n%s", event, words,
	                   lab_process_log_tail(lab_segue_process(run->segue)));
}

/* The store goes away, and comes back with the value that it had. */
static void pgbouncer_stage_store(struct run *run)
{
	lab_process_kill(lab_zk_process(run->zk, 0));
	must_say(run, "event=kept ", "unreachable");
	lab_segue_mark(run->segue);
	lab_zk_server_start(run->zk, 0);
}

static int holds(struct run *run)
{
	return lab_segue_count_log(run->segue, "event=hold ", NULL) +
	       lab_segue_count_log(run->segue, "event=fence ", NULL);
}

Test(run_reconcile, moves_and_a_store_that_is_away_hold_nobody)
{
	struct run run;

	start(&run);
	for (int i = 1; i <= RUN_BACKENDS; i++)
		cr_assert(run_wait_moved(&run, run_set_primary(&run, i % RUN_BACKENDS)));
	cr_expect_eq(holds(&run), 0);
	pgbouncer_stage_store(&run);
	must_say(&run, "event=current ", "reason=applied");
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	cr_assert(run_wait_reaches(&run, 1));
	cr_expect_eq(holds(&run), 0);
	run_fini(&run);
}

/* Otherwise hold_timeout would begin anew each time. */
Test(run_reconcile, a_store_that_is_away_meanwhile_leaves_a_hold_as_it_is)
{
	struct run run;

	start(&run);
	run_set(&run, nobody, strlen(nobody));
	must_say(&run, "event=held ", "target=haproxy/local");
	pgbouncer_stage_store(&run);
	must_say(&run, "event=hold ", "names no primary");
	cr_expect_eq(lab_segue_count_log(run.segue, "event=hold ", "target=haproxy/local", NULL),
	             0);
	lab_segue_mark(run.segue);
	cr_assert(run_wait_moved(&run, run_set_primary(&run, 1)));
	cr_assert(run_wait_reaches(&run, 1));
	cr_expect_eq(holds(&run), 0);
	run_fini(&run);
}
