/* The ledger: what it calls acknowledged, failed and missing is so. */
#include <criterion/criterion.h>
#include <string.h>

#include "lab/lab_ha.h"
#include "lab/ledger.h"

#define TIMEOUT_MS 20000

static const char *report_of(struct lab *lab, const struct ledger *ledger, const char *conninfo)
{
	auto_strbuf struct strbuf report = STRBUF_INIT;

	if (ledger_missing(ledger, conninfo, &report) < 0)
		return "no answer";
	return lab_printf(lab, "%s", report.data);
}

Test(lab_ledger, every_acknowledged_row_is_there_over_a_restart_of_the_server)
{
	struct lab *lab = lab_create("ledger");
	struct lab_pg *pg = lab_pg_start(lab, 1);
	const char *server = lab_pg_conninfo(pg, 0);
	struct ledger *ledger;

	ledger_prepare(server);
	ledger = ledger_start(lab, &(struct ledger_options){.conninfo = server, .client = 7});
	cr_assert(ledger_wait_served(ledger, lab_pg_port(pg, 0), TIMEOUT_MS));
	cr_assert_eq(ledger_errors(ledger), 0);
	lab_process_kill(lab_pg_process(pg, 0));
	cr_assert_not(ledger_wait_served(ledger, 0, 100));
	lab_pg_node_start(pg, 0);
	cr_assert(ledger_wait_served(ledger, 0, TIMEOUT_MS));
	ledger_stop(ledger);

	cr_assert_gt(ledger_errors(ledger), 0);
	cr_assert_gt(ledger_longest_gap_us(ledger), 100000);
	cr_assert_eq(ledger_acks_from(ledger, lab_pg_port(pg, 0)), ledger_acks(ledger));
	cr_assert_not(ledger_ack(ledger, 0)->in_recovery);
	cr_assert_eq(ledger_missing(ledger, server, NULL), 0, "%s", report_of(lab, ledger, server));
	lab_process_kill(lab_pg_process(pg, 0));
	cr_assert_eq(ledger_missing(ledger, server, NULL), -1);
	lab_destroy(lab);
}

/* The standby is down while the last rows are written, and then takes over without them. */
Test(lab_ledger, rows_that_only_the_old_primary_had_are_listed_with_its_port)
{
	struct lab *lab = lab_create("ledger");
	struct lab_pg *pg = lab_pg_start(lab, 2);
	const char *standby = lab_pg_conninfo(pg, 1), *report;
	struct ledger *ledger;

	ledger_prepare(lab_pg_conninfo(pg, 0));
	ledger = ledger_start(lab, &(struct ledger_options){.conninfo = lab_pg_conninfo(pg, 0)});
	cr_assert(ledger_wait_served(ledger, 0, TIMEOUT_MS));
	cr_assert(lab_wait_replays(lab_pg_conninfo(pg, 0), standby, TIMEOUT_MS));
	lab_process_kill(lab_pg_process(pg, 1));
	cr_assert(ledger_wait_served(ledger, 0, TIMEOUT_MS));
	ledger_stop(ledger);
	lab_process_kill(lab_pg_process(pg, 0));
	lab_pg_node_start(pg, 1);
	cr_assert(lab_pg_wait_recovery(pg, 1, true, TIMEOUT_MS));
	lab_pg_promote(pg, 1);

	cr_assert_gt(ledger_missing(ledger, standby, NULL), 0);
	cr_assert_lt(ledger_missing(ledger, standby, NULL), ledger_acks(ledger));
	report = report_of(lab, ledger, standby);
	cr_assert_not_null(strstr(report, lab_printf(lab, "by port %u\n", lab_pg_port(pg, 0))),
	                   "%s", report);
	lab_destroy(lab);
}

Test(lab_ledger, server_that_does_not_answer_is_an_error_after_the_timeout)
{
	struct lab *lab = lab_create("ledger");
	struct lab_pg *pg = lab_pg_start(lab, 1);
	const char *server = lab_pg_conninfo(pg, 0);
	const struct ledger_error *error;
	struct ledger *ledger;

	ledger_prepare(server);
	ledger = ledger_start(
	    lab, &(struct ledger_options){.conninfo = server, .timeout_ms = 200, .pause_ms = 1});
	cr_assert(ledger_wait_served(ledger, 0, TIMEOUT_MS));
	lab_process_freeze(lab_pg_process(pg, 0));
	cr_assert_not(ledger_wait_served(ledger, 0, 400));
	lab_process_thaw(lab_pg_process(pg, 0));
	cr_assert(ledger_wait_served(ledger, 0, TIMEOUT_MS));
	ledger_stop(ledger);
	cr_assert_gt(ledger_errors(ledger), 0);
	error = ledger_error(ledger, 0);
	cr_assert_str_eq(error->text, "no answer in time");
	cr_assert_geq(error->at_us - error->began_us, 200000);
	lab_destroy(lab);
}
