/* What a kill -9 of segue leaves: who was led to, at which zxid and timeline, is on disk as soon as
 * the proxies have been moved, and an old primary is refused by it after the next start. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "fixtures/failover_stage.h"
#include "fixtures/run_stage.h"

TestSuite(run_durable, .timeout = 180);

#define MOVES          8
/* Of the best of them: a machine that is busy does not spoil all. */
#define DURABLE_MAX_MS 60
/* Files have the time of the last tick. */
#define TICK_MS        10

struct wanted {
	struct lab *lab;
	const char *file, *parts[2];
};

static bool holds_parts(void *arg)
{
	const struct wanted *wanted = arg;
	const char *text = lab_read_file(wanted->lab, wanted->file);

	return strstr(text, wanted->parts[0]) != NULL && strstr(text, wanted->parts[1]) != NULL;
}

static void must_be_on_disk(struct lab *lab, const char *file, const char *what, const char *more)
{
	struct wanted wanted = {.lab = lab, .file = file, .parts = {what, more}};

	cr_assert(lab_wait_until(holds_parts, &wanted, RUN_TIMEOUT_MS), "no %s, %s in\n%s", what,
	          more, lab_read_file(lab, file));
}

/* --- how soon --- */

static double wall_ms(const char *line)
{
	struct tm tm = {.tm_isdst = 0};
	const char *fraction = strptime(line, "%Y-%m-%dT%H:%M:%S", &tm);

	cr_assert_not_null(fraction, "%s", line);
	return (double)timegm(&tm) * 1000 + strtod(fraction, NULL) * 1000;
}

static double written_ms(const char *file)
{
	struct stat st;

	cr_assert_eq(stat(file, &st), 0);
	return (double)st.st_mtim.tv_sec * 1000 + (double)st.st_mtim.tv_nsec / 1e6;
}

/* From the line that says that the proxy was moved to the file's time. */
static double move_and_measure(struct run *run, int backend)
{
	int64_t zxid = run_set_primary(run, backend);
	const char *said = lab_printf(run->lab, " zxid=%" PRId64 " ", zxid);
	const char *line =
	    lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, "event=moved ", said, NULL);

	cr_assert_not_null(line);
	must_be_on_disk(
	    run->lab, run->state_file, lab_printf(run->lab, "\"applied_zxid\": %" PRId64, zxid),
	    lab_printf(run->lab, "\"port\": %u", lab_backend_port(run->backends[backend])));
	return written_ms(run->state_file) - wall_ms(line);
}

/* --- while the disk stands still --- */

Test(run_durable, a_disk_that_stands_still_stops_neither_moves_nor_answers)
{
	struct run run;
	auto_strbuf struct strbuf body = STRBUF_INIT;
	int64_t zxid;

	run_init(&run, &(struct run_options){0});
	run_set_primary(&run, 0);
	run_start_with_faults(&run);
	cr_assert(run_wait_file_names(&run, 0));
	cr_assert(run_wait_settled(&run));
	run_fault(&run, "slow-disk", "");
	for (int backend = 1; backend < RUN_BACKENDS; backend++) {
		run_set_primary(&run, backend);
		cr_assert(run_wait_reaches(&run, backend));
		cr_expect_eq(lab_ask(lab_segue_listen(run.segue), "GET", "/healthz", &body), 200);
		cr_expect_eq(lab_ask(lab_segue_listen(run.segue), "GET", "/readyz", &body), 503,
		             "the file is not there yet");
	}
	zxid = run_set_primary(&run, 1);
	cr_assert(run_wait_reaches(&run, 1));
	cr_expect(run_file_names(&run, 0));
	run_fault(&run, "slow-disk", NULL);
	cr_assert(run_wait_file_names(&run, 1));
	must_be_on_disk(run.lab, run.state_file,
	                lab_printf(run.lab, "\"applied_zxid\": %" PRId64, zxid), "");
	run_fini(&run);
}

Test(run_durable, a_move_is_on_disk_as_soon_as_the_proxy_has_confirmed_and_not_before)
{
	struct run run;
	double best = 1e9;

	run_init(&run, &(struct run_options){.target = "check_command =\n"});
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_assert(run_wait_settled(&run));
	for (int i = 1; i <= MOVES; i++) {
		double took = move_and_measure(&run, i % RUN_BACKENDS);

		cr_expect_gt(took, -TICK_MS, "written %.1f ms before the proxy was moved", -took);
		best = took < best ? took : best;
	}
	cr_expect_lt(best, DURABLE_MAX_MS, "%.1f ms at best", best);
	cr_expect_eq(lab_segue_count_log(run.segue, "event=hold ", NULL), 0);
	run_fini(&run);
}

/* --- what it is good for --- */

static const char *state_file(struct failover_stage *failover_stage)
{
	return lab_path(failover_stage->lab, "state/orders.json");
}

static void must_have_saved(struct failover_stage *failover_stage, int node, int timeline)
{
	must_be_on_disk(failover_stage->lab, state_file(failover_stage),
	                lab_printf(failover_stage->lab, "\"port\": %u",
	                           failover_stage_port(failover_stage, node)),
	                lab_printf(failover_stage->lab, "\"timeline\": %d", timeline));
}

/* Node 0 dies, node 1 is promoted and followed, and segue is killed. Returns when node 0 died;
 * `old` is the state file of before. */
static int64_t move_and_die(struct failover_stage *failover_stage, const char **old)
{
	int64_t dead_us;

	failover_stage_start(failover_stage, &(struct failover_stage_options){.kind = STAND_PAIR});
	must_have_saved(failover_stage, 0, 1);
	*old = lab_read_file(failover_stage->lab, state_file(failover_stage));
	failover_stage->lost_us = clock_now_us();
	lab_process_kill(lab_pg_process(failover_stage->pg, 0));
	dead_us = clock_now_us();
	lab_pg_promote(failover_stage->pg, 1);
	failover_stage_must_serve(failover_stage, 1);
	must_have_saved(failover_stage, 1, 2);
	lab_process_kill(lab_segue_process(failover_stage->segue));
	return dead_us;
}

static void bring_back_node0(struct failover_stage *failover_stage)
{
	lab_pg_node_start(failover_stage->pg, 0);
	cr_assert(
	    lab_wait_takes_writes(failover_stage_conninfo(failover_stage, 0), STAND_TIMEOUT_MS));
}

/* As an old primary's own script may do. */
static void name_node0_alone(struct failover_stage *failover_stage)
{
	const char *json =
	    lab_printf(failover_stage->lab,
	               "{\"version\":1,\"primary\":{\"name\":\"node1\",\"host\":\"127.0.0.1\","
	               "\"port\":%u},\"standbys\":[]}",
	               failover_stage_port(failover_stage, 0));

	lab_zk_set(failover_stage->zk, RUN_MASTER, json, strlen(json));
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

/* Nothing but the file knows of the higher timeline: node 1 is down, and not in the store. */
Test(run_durable, after_a_kill_the_old_primary_is_refused_by_the_timeline_on_disk)
{
	struct failover_stage failover_stage;
	const char *old;
	int64_t dead_us = move_and_die(&failover_stage, &old);

	lab_process_kill(lab_pg_process(failover_stage.pg, 1));
	bring_back_node0(&failover_stage);
	name_node0_alone(&failover_stage);
	lab_segue_start(failover_stage.segue);
	failover_stage_must_say(&failover_stage, "event=hold ", "timeline is lower", NULL);
	lab_pg_node_start(failover_stage.pg, 1);
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_judge(&failover_stage, 1);
	expect_none_on_node0_since(&failover_stage, dead_us);
	failover_stage_fini(&failover_stage);
}

/* As after a kill between the move and its state file: the members that it knows are asked. */
Test(run_durable, killed_before_it_has_saved_it_follows_the_higher_timeline_all_the_same)
{
	struct failover_stage failover_stage;
	const char *old;
	int64_t dead_us = move_and_die(&failover_stage, &old);

	lab_write_file(state_file(&failover_stage), old);
	bring_back_node0(&failover_stage);
	failover_stage_name(&failover_stage, 0);
	lab_segue_start(failover_stage.segue);
	failover_stage_must_say(&failover_stage, "event=primary ", "higher timeline", NULL);
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_judge(&failover_stage, 1);
	expect_none_on_node0_since(&failover_stage, dead_us);
	failover_stage_fini(&failover_stage);
}
