/* The failovers, one after the other, and what the clients say of them. Zero of each is when the
 * new primary began to take writes, whoever had noticed. */
#include "bench/failover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define ROUND_LIMIT_MS 120000
#define LOG_LIMIT_MS   5000

/* What is timed, of every failover. The steps of segue are by its own log. */
enum mark {
	MARK_WRITTEN,
	MARK_WRITTEN_ANEW,
	MARK_KNOWN,
	MARK_LED,
	MARK_RESUMED,
	MARK_FIRST,
	MARKS = MARK_FIRST + WAYS
};

static const char *const mark_names[MARKS] = {
    [MARK_WRITTEN] = "first write without a proxy, on a connection from before",
    [MARK_WRITTEN_ANEW] = "first write without a proxy, on a connection made then (the floor)",
    [MARK_KNOWN] = "segue's probe has seen it",
    [MARK_LED] = "segue's HAProxy leads there",
    [MARK_RESUMED] = "segue's PgBouncer leads there and is resumed",
    [MARK_FIRST + WAY_HAPROXY] = "first write through segue's HAProxy",
    [MARK_FIRST + WAY_PGBOUNCER] = "first write through segue's PgBouncer",
    [MARK_FIRST + WAY_BEFORE_HAPROXY] = "first write through a PgBouncer before segue's HAProxy",
    [MARK_FIRST + WAY_PATRONI] = "first write through a HAProxy with Patroni's haproxy.cfg",
};

static const char *const way_names[WAYS] = {[WAY_PGBOUNCER] = "segue's PgBouncer",
                                            [WAY_BEFORE_HAPROXY] =
                                                "a PgBouncer before segue's HAProxy",
                                            [WAY_HAPROXY] = "segue's HAProxy",
                                            [WAY_PATRONI] = "a HAProxy with Patroni's haproxy.cfg"};

struct tally {
	int64_t in_flight; /* when the leader died */
	int64_t after;
};

struct failover {
	struct stage stage;
	struct report *report;
	unsigned rounds;
	struct samples marks[MARKS], dark; /* from the cut to zero */
	struct tally writers[WAYS], holders[WAYS_POOLED];
	unsigned captured[WAYS];                  /* errors of this failover */
	uint32_t counted[WAYS][FAILOVER_WRITERS]; /* errors of a client that are in a tally */
	uint32_t counted_of_holders[WAYS_POOLED][FAILOVER_HOLDERS];
};

/* ---- one ---- */

struct awaited {
	const struct ledger *ledger;
	uint16_t port;
	int64_t since_us, first_us;
	uint32_t next; /* the first acknowledgement not looked at yet */
};

static bool has_first(void *arg)
{
	struct awaited *awaited = arg;

	for (; awaited->next < ledger_acks(awaited->ledger); awaited->next++) {
		const struct ledger_ack *ack = ledger_ack(awaited->ledger, awaited->next);

		if (ack->port == awaited->port && ack->at_us >= awaited->since_us) {
			awaited->first_us = ack->at_us;
			return true;
		}
	}
	return false;
}

static int64_t first_write_us(struct stage *stage, enum way way, int writer, int node,
                              int64_t since_us)
{
	struct awaited awaited = {.ledger = stage->writers[way][writer],
	                          .port = lab_patroni_port(stage->patroni, node),
	                          .since_us = since_us};

	if (!lab_wait_until(has_first, &awaited, ROUND_LIMIT_MS))
		lab_fail("no %s in %d ms; segue's log:\n%s", mark_names[MARK_FIRST + way],
		         ROUND_LIMIT_MS, lab_process_log_tail(lab_segue_process(stage->segue)));
	return awaited.first_us;
}

static void note(struct failover *failover, enum mark mark, int64_t zero_us, int64_t at_us)
{
	if (at_us == 0)
		lab_fail("failover: \"%s\" is not in segue's log:\n%s", mark_names[mark],
		         lab_process_log_tail(lab_segue_process(failover->stage.segue)));
	samples_add(&failover->marks[mark], at_us - zero_us);
}

static void note_steps(struct failover *failover, int node, int64_t zero_us)
{
	struct stage *stage = &failover->stage;
	const char *port =
	    lab_printf(stage->lab, " port=%u ", lab_patroni_port(stage->patroni, node));

	note(
	    failover, MARK_KNOWN, zero_us,
	    failover_logged_us(stage, LOG_LIMIT_MS, "event=server ", port, "in_recovery=no", NULL));
	note(failover, MARK_LED, zero_us,
	     failover_logged_us(stage, LOG_LIMIT_MS, "event=released ", "target=haproxy/front",
	                        NULL));
	note(failover, MARK_RESUMED, zero_us,
	     failover_logged_us(stage, LOG_LIMIT_MS, "event=step ", "target=pgbouncer/pool",
	                        "from=resuming ", NULL));
}

static void note_firsts(struct failover *failover, int node, int64_t zero_us, int64_t since_us)
{
	for (int i = 0; i < WAYS; i++)
		for (int j = 0; j < FAILOVER_WRITERS; j++)
			note(failover, MARK_FIRST + i, zero_us,
			     first_write_us(&failover->stage, i, j, node, since_us));
}

struct death { /* of the leader, process by process */
	int64_t from_us, to_us;
};

/* Under way while the leader died. PgBouncer's words tell more than the times do: whom it turns
 * away had no server, and whose server crashed had one, whenever he noticed. */
static bool was_in_flight(const struct ledger_error *error, const struct death *death)
{
	if (strstr(error->text, "server conn crashed") != NULL)
		return true;
	return error->began_us < death->to_us && error->at_us >= death->from_us &&
	       strstr(error->text, "server login has been failing") == NULL;
}

#define CAPTURES_MAX      2 /* of each way in each failover */
#define CAPTURE_BEFORE_US 5000
#define CAPTURE_AFTER_US  20000

/* Both ends of the connection that failed: what its client saw of the protocol, and PgBouncer's log
 * and segue's from just before the death until just after the error. */
static void print_error(const struct failover *failover, enum way way,
                        const struct ledger_error *error, const struct death *death)
{
	int64_t from_us = death->from_us - CAPTURE_BEFORE_US;
	int64_t to_us = error->at_us + CAPTURE_AFTER_US;

	printf("later, at %s: from %.1f to %.1f ms after the leader's first process was killed"
	       " (the last one: %.1f), client port %u: %s\n  the client: %s\n",
	       way_names[way], (double)(error->began_us - death->from_us) / 1000,
	       (double)(error->at_us - death->from_us) / 1000,
	       (double)(death->to_us - death->from_us) / 1000, error->own_port, error->text,
	       error->trace[0] != '\0' ? error->trace : "not connected");
	if (way < WAYS_POOLED) {
		printf("  PgBouncer's log, 0 = %d ms before the death:\n",
		       CAPTURE_BEFORE_US / 1000);
		failover_print_bouncer(&failover->stage, way, from_us, to_us);
	}
	printf("  segue's log, 0 = %d ms before the death:\n", CAPTURE_BEFORE_US / 1000);
	failover_print_segue(&failover->stage, from_us, to_us);
}

static void count_errors(struct failover *failover, enum way way, const struct ledger *ledger,
                         uint32_t *counted, const struct death *death, struct tally *tally)
{
	for (; *counted < ledger_errors(ledger); (*counted)++) {
		const struct ledger_error *error = ledger_error(ledger, *counted);

		if (was_in_flight(error, death)) {
			tally->in_flight++;
			continue;
		}
		tally->after++;
		if (way != WAY_PATRONI && failover->captured[way]++ < CAPTURES_MAX)
			print_error(failover, way, error, death);
	}
}

static void count_all_errors(struct failover *failover, const struct death *death)
{
	struct stage *stage = &failover->stage;

	memset(failover->captured, 0, sizeof(failover->captured));
	for (int i = 0; i < WAYS; i++)
		for (int j = 0; j < FAILOVER_WRITERS; j++)
			count_errors(failover, i, stage->writers[i][j], &failover->counted[i][j],
			             death, &failover->writers[i]);
	for (int i = 0; i < WAYS_POOLED; i++)
		for (int j = 0; j < FAILOVER_HOLDERS; j++)
			count_errors(failover, i, stage->holders[i][j],
			             &failover->counted_of_holders[i][j], death,
			             &failover->holders[i]);
	fflush(stdout);
}

static int64_t later_errors(const struct failover *failover, enum way way)
{
	return failover->writers[way].after + failover->holders[way].after;
}

static void print_round(const struct failover *failover, unsigned round)
{
	const struct samples *marks = failover->marks;

	printf("failover %u:", round + 1);
	for (int i = 0; i < MARK_FIRST; i++)
		printf(" %s %.1f;", mark_names[i], (double)marks[i].us[marks[i].count - 1] / 1000);
	printf(" later errors: %" PRId64 " at PgBouncer, %" PRId64 " at one before HAProxy\n",
	       later_errors(failover, WAY_PGBOUNCER), later_errors(failover, WAY_BEFORE_HAPROXY));
	fflush(stdout);
}

static void fail_over(struct failover *failover, unsigned round)
{
	struct stage *stage = &failover->stage;
	int old = stage->primary, new = !old;
	struct death death;
	struct dawn *dawn, *floor;
	int64_t zero_us;

	stage_settle(stage);
	lab_segue_mark(stage->segue);
	dawn = dawn_watch(stage->lab, lab_patroni_conninfo(stage->patroni, new), round, false);
	floor = dawn_watch(stage->lab, lab_patroni_conninfo(stage->patroni, new), round, true);
	death.from_us = clock_now_us();
	lab_patroni_cut(stage->patroni, old);
	death.to_us = clock_now_us();
	zero_us = dawn_broke_us(dawn, ROUND_LIMIT_MS);
	samples_add(&failover->dark, zero_us - death.from_us);
	note_firsts(failover, new, zero_us, death.from_us);
	note(failover, MARK_WRITTEN, zero_us, dawn_wrote_us(dawn, ROUND_LIMIT_MS));
	note(failover, MARK_WRITTEN_ANEW, zero_us, dawn_wrote_us(floor, ROUND_LIMIT_MS));
	note_steps(failover, new, zero_us);
	dawn_end(dawn);
	dawn_end(floor);
	stage->primary = new;
	stage_serve(stage);
	lab_patroni_node_start(stage->patroni, old);
	stage_settle(stage);
	count_all_errors(failover, &death);
	print_round(failover, round);
}

/* ---- all ---- */

static double ms(struct samples *samples, unsigned percent)
{
	return (double)samples_at(samples, percent) / 1000;
}

static void print_marks(struct failover *failover)
{
	printf("\n| Patroni fails over, %u times: from the new primary taking writes until |"
	       " p50 ms | worst ms |\n|---|---|---|\n",
	       failover->rounds);
	for (int i = 0; i < MARKS; i++)
		printf("| %s | %.1f | %.1f |\n", mark_names[i], ms(&failover->marks[i], 50),
		       ms(&failover->marks[i], 100));
	printf(
	    "\nZero is the last question that the standby answered with \"in recovery\", asked"
	    " every 5 ms; the leader\nwas cut off %.1f s before (p50). The four ways side by side,"
	    " %d clients each, that make a new\nconnection 20 ms after an error, with"
	    " connect_timeout = 2. segue and its proxies run at nice %d: where they stand, no"
	    "\nserver dies and takes the processor with it.\n",
	    ms(&failover->dark, 50) / 1000, FAILOVER_WRITERS, FAILOVER_NICE);
}

static void print_errors(const struct failover *failover)
{
	printf(
	    "\n| errors of clients in these %u failovers | writes in flight when the leader died |"
	    " later ones |\n|---|---|---|\n",
	    failover->rounds);
	for (int i = 0; i < WAYS; i++)
		printf("| %s, %d clients that write all the time | %" PRId64 " | %" PRId64 " |\n",
		       way_names[i], FAILOVER_WRITERS, failover->writers[i].in_flight,
		       failover->writers[i].after);
	for (int i = 0; i < WAYS_POOLED; i++)
		printf("| %s, %d clients with a write now and then | %" PRId64 " | %" PRId64 " |\n",
		       way_names[i], FAILOVER_HOLDERS, failover->holders[i].in_flight,
		       failover->holders[i].after);
}

static void report_failovers(struct failover *failover)
{
	struct samples *first = &failover->marks[MARK_FIRST];
	struct report *report = failover->report;
	double patroni = ms(&first[WAY_PATRONI], 50);
	double floor = ms(&failover->marks[MARK_WRITTEN_ANEW], 50);

	report_head();
	report_row(report, "failover: first write through HAProxy, p50",
	           ms(&first[WAY_HAPROXY], 50), " ms", 12);
	report_row(report, "failover: first write through PgBouncer, p50",
	           ms(&first[WAY_PGBOUNCER], 50), " ms", 15);
	report_row(report, "failover: first write through PgBouncer before HAProxy, p50",
	           ms(&first[WAY_BEFORE_HAPROXY], 50), " ms", 0);
	report_row(report, "failover: first write through HAProxy, times the floor, p50",
	           ms(&first[WAY_HAPROXY], 50) / floor, "", 0);
	report_row(report, "failover: first write through PgBouncer, times the floor, p50",
	           ms(&first[WAY_PGBOUNCER], 50) / floor, "", 0);
	report_row(report, "failover: Patroni's haproxy.cfg, times segue's HAProxy, p50",
	           patroni / ms(&first[WAY_HAPROXY], 50), "", 0);
	report_row(report, "failover: Patroni's haproxy.cfg, times segue's PgBouncer, p50",
	           patroni / ms(&first[WAY_PGBOUNCER], 50), "", 0);
	report_none(report, "failover with hold: errors at PgBouncer, clients idle or waiting",
	            later_errors(failover, WAY_PGBOUNCER));
	report_none(report, "failover with hold: the same, PgBouncer before HAProxy",
	            later_errors(failover, WAY_BEFORE_HAPROXY));
}

void failover_bench(struct lab *lab, struct lab_zk *zk, struct report *report, unsigned rounds)
{
	struct failover failover = {.report = report, .rounds = rounds};

	stage_start(&failover.stage, lab, zk);
	for (unsigned i = 0; i < failover.rounds; i++)
		fail_over(&failover, i);
	stage_stop(&failover.stage);
	print_marks(&failover);
	print_errors(&failover);
	report_failovers(&failover);
	for (int i = 0; i < MARKS; i++)
		samples_free(&failover.marks[i]);
	samples_free(&failover.dark);
}
