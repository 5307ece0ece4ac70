/* What the tests of the PgBouncer target stand on: a real PgBouncer, two PostgreSQL servers, and
 * the target in this process's own event loop. */
#ifndef SEGUE_TESTS_E2E_PGDRIVER_H
#define SEGUE_TESTS_E2E_PGDRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "lab/lab.h"
#include "lab/traffic.h"
#include "target/target.h"

#define PGDRIVER_TIMEOUT_MS 20000
#define PGDRIVER_CLIENTS    8

struct pgdriver {
	struct lab *lab;
	struct lab_pg *pg; /* node 1 is promoted from the start: both take writes */
	struct lab_pgbouncer *bouncer;
	struct event_base *base;
	struct target_hub *hub;
	struct target *target;
	struct config_target config;
	struct traffic *traffic;
	int databases; /* "app", "app1", ... in every text */
	int64_t zxid;
	const char *log;    /* path; what segue logs goes there */
	const char *record; /* path of the note of pauses */
};

/* PgBouncer runs with an empty [databases] and these settings; the target exists, pause_timeout is
 * 1 s. */
void pgdriver_init(struct pgdriver *driver, const char *settings);
void pgdriver_fini(struct pgdriver *driver);
void pgdriver_open(struct pgdriver *driver);
void pgdriver_close(struct pgdriver *driver); /* by the book */

void pgdriver_name(struct pgdriver *driver, int node);  /* the text that leads to that node */
void pgdriver_apply(struct pgdriver *driver, int node); /* and waits until in sync */
void pgdriver_hold(struct pgdriver *driver, int64_t timeout_ms);
void pgdriver_start_traffic(struct pgdriver *driver); /* writes to "app" */

/* Run the loop until then. */
bool pgdriver_wait_sync(struct pgdriver *driver);
bool pgdriver_wait_problem(struct pgdriver *driver, const char *words);
bool pgdriver_wait_log(struct pgdriver *driver, const char *words);
bool pgdriver_wait_step(struct pgdriver *driver, const char *step);
bool pgdriver_wait_paused(struct pgdriver *driver, const char *database, bool paused);
bool pgdriver_all_served(struct pgdriver *driver); /* of the traffic */
void pgdriver_run(struct pgdriver *driver, int64_t ms);

bool pgdriver_says(struct pgdriver *driver, const char *database, const char *column,
                   const char *wanted);
bool pgdriver_leads_to(struct pgdriver *driver, int node); /* SHOW DATABASES, and a query */
void pgdriver_command(struct pgdriver *driver, const char *sql);
int pgdriver_count_log(struct pgdriver *driver, const char *words);

#endif
