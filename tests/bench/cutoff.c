/* Patroni at its defaults (ttl 30, loop_wait 10, retry_timeout 10), and hold_timeout = auto. The
 * leader's machine is cut off from everybody: it lives, and nothing that is sent to it is answered.
 * Clients come, or speak after a rest, all through the time without a primary: each has to be
 * served by the next one. */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "bench/failover.h"

#define STAGE_LIMIT_MS 120000
#define ROUND_LIMIT_MS 180000
#define VOICES         48    /* clients of a round */
#define LAST_VOICE_MS  28000 /* after the cut */
#define CLIENT_FIRST   1000  /* numbers in the ledger's table */

enum kind { NEW_AT_HAPROXY, NEW_AT_PGBOUNCER, IDLE_AT_PGBOUNCER, KINDS };

static const char *const kind_names[KINDS] = {
    [NEW_AT_HAPROXY] = "HAProxy, clients that connect",
    [NEW_AT_PGBOUNCER] = "PgBouncer, clients that connect",
    [IDLE_AT_PGBOUNCER] = "PgBouncer, clients that were idle"};

/* A client that says one thing in its life, after the cut. Shared with its process. */
struct voice {
	enum kind kind;
	int number;
	const char *conninfo;
	_Atomic bool idle; /* connected, has written, and says nothing */
	_Atomic int64_t speaks_at_us;
	_Atomic int64_t done_us; /* 0: not yet */
	_Atomic uint16_t port;   /* who served it; 0: an error */
	char error[200];
};

struct tally {
	unsigned served, errors; /* of those who waited */
	unsigned unheard;        /* errors of who spoke to the dead machine before it was known */
};

struct cutoff {
	struct stage stage;
	struct lab_host *zk_host, *hosts[FAILOVER_NODES];
	struct voice *voices;
	struct samples dark, held, noticed, served[KINDS]; /* served: from the new primary on */
	struct tally tallies[KINDS];
	int next_number;
};

static const char segue_config[] = "[segue]\nname = cutoff\nstate_dir = %s\n"
                                   "[zookeeper]\nhosts = %s\n"
                                   "[cluster cutoff]\nlayout = patroni\npath = %s\n"
                                   "verify_conninfo = user=postgres dbname=postgres\n"
                                   "[haproxy front]\ncluster = cutoff\n"
                                   "template = %s/haproxy.cfg.mustache\noutput = %s/front.cfg\n"
                                   "socket = %s\nmaster_socket = %s\n"
                                   "var.rw_bind = 127.0.0.1:%u\nvar.ro_bind = 127.0.0.1:%u\n"
                                   "[pgbouncer pool]\ncluster = cutoff\n"
                                   "template = %s/pgbouncer.ini.mustache\noutput = %s\n"
                                   "console = %s\nvar.dbname = postgres\n";

/* ---- a client ---- */

static void write_row(struct voice *voice, PGconn *conn, int n)
{
	auto_free char *sql = xasprintf(
	    "insert into ledger values (%d, %d) returning inet_server_port()", voice->number, n);
	PGresult *result = PQexec(conn, sql);
	bool fine = PQresultStatus(result) == PGRES_TUPLES_OK;

	if (!fine)
		snprintf(voice->error, sizeof(voice->error), "%.*s",
		         (int)strcspn(PQerrorMessage(conn), "\n"), PQerrorMessage(conn));
	atomic_store(&voice->port, fine ? (uint16_t)strtol(PQgetvalue(result, 0, 0), NULL, 10) : 0);
	PQclear(result);
}

static void rest_until_told(const struct voice *voice)
{
	int64_t at_us;

	while ((at_us = atomic_load(&voice->speaks_at_us)) == 0 || clock_now_us() < at_us)
		poll(NULL, 0, 5);
}

static int speak(void *arg)
{
	struct voice *voice = arg;
	PGconn *conn = NULL;

	if (voice->kind == IDLE_AT_PGBOUNCER) {
		conn = PQconnectdb(voice->conninfo);
		write_row(voice, conn, 0);
		atomic_store(&voice->idle, true);
	}
	rest_until_told(voice);
	if (conn == NULL)
		conn = PQconnectdb(voice->conninfo);
	write_row(voice, conn, 1);
	atomic_store(&voice->done_us, clock_now_us());
	PQfinish(conn);
	return 0;
}

/* ---- the servers ---- */

static void start_segue(struct stage *stage)
{
	auto_free char *templates = realpath("templates", NULL);
	const char *state = lab_path(stage->lab, "state-cutoff");
	uint16_t port = lab_port(stage->lab);

	if (mkdir(state, 0755) != 0)
		lab_fail("cannot make %s: %s", state, strerror(errno));
	stage->haproxy = lab_haproxy_create(stage->lab, NULL);
	lab_haproxy_start(stage->haproxy);
	stage->bouncers[WAY_PGBOUNCER] = lab_pgbouncer_create(stage->lab, NULL);
	lab_pgbouncer_start(stage->bouncers[WAY_PGBOUNCER]);
	stage->conninfo[WAY_HAPROXY] =
	    lab_printf(stage->lab, "host=127.0.0.1 port=%u user=postgres dbname=postgres", port);
	stage->conninfo[WAY_PGBOUNCER] =
	    lab_printf(stage->lab, "host=127.0.0.1 port=%u user=postgres dbname=postgres",
	               lab_pgbouncer_port(stage->bouncers[WAY_PGBOUNCER]));
	stage->segue = lab_segue_create(
	    stage->lab,
	    lab_printf(stage->lab, segue_config, state, lab_zk_hosts(stage->zk),
	               lab_patroni_path(stage->patroni), templates,
	               lab_haproxy_conf_dir(stage->haproxy), lab_haproxy_socket(stage->haproxy),
	               lab_haproxy_master_socket(stage->haproxy), port, lab_port(stage->lab),
	               templates, lab_pgbouncer_databases_file(stage->bouncers[WAY_PGBOUNCER]),
	               lab_pgbouncer_console(stage->bouncers[WAY_PGBOUNCER])));
	lab_segue_start(stage->segue);
}

static void start(struct cutoff *cutoff, struct lab *lab)
{
	struct stage *stage = &cutoff->stage;

	stage->lab = lab;
	cutoff->zk_host = lab_host_create(lab, "zookeeper");
	for (int i = 0; i < FAILOVER_NODES; i++)
		cutoff->hosts[i] = lab_host_create(lab, lab_printf(lab, "pg%d", i + 1));
	stage->zk = lab_zk_start_at(lab, &cutoff->zk_host, 1);
	stage->patroni =
	    lab_patroni_start_with(lab, stage->zk,
	                           &(struct lab_patroni_options){.scope = "cutoff",
	                                                         .nodes = FAILOVER_NODES,
	                                                         .hosts = cutoff->hosts,
	                                                         .ttl = 30,
	                                                         .loop_wait = 10,
	                                                         .retry_timeout = 10});
	ledger_prepare(lab_patroni_conninfo(stage->patroni, 0));
	start_segue(stage);
	cutoff->voices = mmap(NULL, sizeof(struct voice) * VOICES, PROT_READ | PROT_WRITE,
	                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (cutoff->voices == MAP_FAILED)
		lab_fail("mmap: %s", strerror(errno));
	cutoff->next_number = CLIENT_FIRST;
}

/* ---- a quiet day ---- */

static void settle(struct cutoff *cutoff)
{
	struct stage *stage = &cutoff->stage;

	stage_await_standby(stage, STAGE_LIMIT_MS);
	for (int i = WAY_HAPROXY; i <= WAY_PGBOUNCER; i++)
		stage_must_lead(stage, i, STAGE_LIMIT_MS);
}

/* ---- the clients of a round ---- */

static bool all_idle(void *arg)
{
	const struct cutoff *cutoff = arg;

	for (int i = 0; i < VOICES; i++)
		if (cutoff->voices[i].kind == IDLE_AT_PGBOUNCER && !cutoff->voices[i].idle)
			return false;
	return true;
}

static void start_voices(struct cutoff *cutoff, struct lab_process *processes[VOICES])
{
	for (int i = 0; i < VOICES; i++) {
		struct voice *voice = &cutoff->voices[i];

		*voice = (struct voice){.kind = i % KINDS, .number = cutoff->next_number++};
		voice->conninfo =
		    cutoff->stage
		        .conninfo[voice->kind == NEW_AT_HAPROXY ? WAY_HAPROXY : WAY_PGBOUNCER];
		processes[i] = lab_fork(cutoff->stage.lab, "voice", speak, voice);
	}
	if (!lab_wait_until(all_idle, cutoff, STAGE_LIMIT_MS))
		lab_fail("the idle clients do not get through PgBouncer");
}

static bool all_done(void *arg)
{
	const struct cutoff *cutoff = arg;

	for (int i = 0; i < VOICES; i++)
		if (cutoff->voices[i].done_us == 0)
			return false;
	return true;
}

/* ---- a round ---- */

static int64_t must_log(struct cutoff *cutoff, const char *a, const char *b)
{
	int64_t us = failover_logged_us(&cutoff->stage, ROUND_LIMIT_MS, a, b, NULL);

	if (us == 0)
		lab_fail("segue does not log %s%s:\n%s", a, b,
		         lab_process_log_tail(lab_segue_process(cutoff->stage.segue)));
	return us;
}

static void judge(struct cutoff *cutoff, int64_t cut_us, int64_t known_us, int64_t zero_us)
{
	bool printed = false;

	for (int i = 0; i < VOICES; i++) {
		const struct voice *voice = &cutoff->voices[i];
		struct tally *tally = &cutoff->tallies[voice->kind];
		bool waits = voice->kind == NEW_AT_HAPROXY || voice->speaks_at_us > known_us;

		if (voice->port != 0) {
			tally->served++;
			samples_add(&cutoff->served[voice->kind],
			            voice->done_us > zero_us ? voice->done_us - zero_us : 0);
			continue;
		}
		if (!waits) {
			tally->unheard++;
			continue;
		}
		tally->errors++;
		printed = true;
		printf("an error at %s: spoke %.1f s after the cut, error after %.1f s: %s\n",
		       kind_names[voice->kind], (double)(voice->speaks_at_us - cut_us) / 1e6,
		       (double)(voice->done_us - cut_us) / 1e6, voice->error);
	}
	if (printed)
		failover_print_segue(&cutoff->stage, cut_us - 1000000, clock_now_us());
}

static void run_round(struct cutoff *cutoff, unsigned round)
{
	struct stage *stage = &cutoff->stage;
	int old = stage->primary, new = !old;
	struct lab_process *processes[VOICES];
	int64_t cut_us, known_us, released_us, zero_us;
	struct dawn *dawn;

	settle(cutoff);
	start_voices(cutoff, processes);
	lab_segue_mark(stage->segue);
	dawn = dawn_watch(stage->lab, lab_patroni_conninfo(stage->patroni, new), round, false);
	cut_us = clock_now_us();
	lab_host_cut(cutoff->hosts[old], true);
	for (int i = 0; i < VOICES; i++)
		cutoff->voices[i].speaks_at_us =
		    cut_us + (int64_t)(i + 1) * LAST_VOICE_MS * 1000 / VOICES;
	known_us = must_log(cutoff, "event=hold ", "target=pgbouncer/pool");
	zero_us = dawn_broke_us(dawn, ROUND_LIMIT_MS);
	released_us = must_log(cutoff, "event=released ", "target=haproxy/front");
	stage->primary = new;
	if (!lab_wait_until(all_done, cutoff, ROUND_LIMIT_MS))
		printf("not all clients have an answer, neither good nor bad\n");
	judge(cutoff, cut_us, known_us, zero_us);
	samples_add(&cutoff->dark, zero_us - cut_us);
	samples_add(&cutoff->noticed, known_us - cut_us);
	samples_add(&cutoff->held, released_us - known_us);
	printf("round %u: held after %.1f s, the new primary takes writes after %.1f s,"
	       " its own first write %.1f ms later, HAProxy released %.1f ms later\n",
	       round + 1, (double)(known_us - cut_us) / 1e6, (double)(zero_us - cut_us) / 1e6,
	       (double)(dawn_wrote_us(dawn, ROUND_LIMIT_MS) - zero_us) / 1e3,
	       (double)(released_us - zero_us) / 1e3);
	fflush(stdout);
	dawn_end(dawn);
	for (int i = 0; i < VOICES; i++)
		lab_process_kill(processes[i]);
	lab_host_cut(cutoff->hosts[old], false);
}

/* ---- all ---- */

static double ms(struct samples *samples, unsigned percent)
{
	return (double)samples_at(samples, percent) / 1000;
}

static unsigned report_clients(struct cutoff *cutoff)
{
	unsigned errors = 0;

	printf("\n| clients | served | served after the new primary was there, p50 / worst ms |"
	       " errors of who waited or was idle | errors of who asked the dead machine before it"
	       " was known |\n|---|---|---|---|---|\n");
	for (int i = 0; i < KINDS; i++) {
		const struct tally *tally = &cutoff->tallies[i];

		errors += tally->errors;
		printf("| %s | %u | %.1f / %.1f | %u | %u |\n", kind_names[i], tally->served,
		       ms(&cutoff->served[i], 50), ms(&cutoff->served[i], 100), tally->errors,
		       tally->unheard);
		samples_free(&cutoff->served[i]);
	}
	return errors;
}

void cutoff_bench(struct lab *lab, struct report *report, unsigned rounds)
{
	struct cutoff cutoff = {.stage = {.primary = 0}};
	unsigned errors;

	start(&cutoff, lab);
	for (unsigned i = 0; i < rounds; i++)
		run_round(&cutoff, i);
	printf("\n| Patroni at its defaults, the leader's machine cut off, %u times | p50 s |"
	       " worst s |\n|---|---|---|\n"
	       "| from the cut until clients are held | %.1f | %.1f |\n"
	       "| from the cut until the new primary takes writes | %.1f | %.1f |\n"
	       "| clients were held for | %.1f | %.1f |\n",
	       rounds, ms(&cutoff.noticed, 50) / 1e3, ms(&cutoff.noticed, 100) / 1e3,
	       ms(&cutoff.dark, 50) / 1e3, ms(&cutoff.dark, 100) / 1e3, ms(&cutoff.held, 50) / 1e3,
	       ms(&cutoff.held, 100) / 1e3);
	errors = report_clients(&cutoff);
	report_head();
	report_none(report,
	            "Patroni's defaults, machine cut off: errors of waiting and idle clients",
	            errors);
	samples_free(&cutoff.noticed);
	samples_free(&cutoff.dark);
	samples_free(&cutoff.held);
	munmap(cutoff.voices, sizeof(struct voice) * VOICES);
}
