/* A server that lets everybody in as PostgreSQL and PgBouncer do, and then answers a question with
 * what no such server says. */
#ifndef SEGUE_TESTS_E2E_HOSTILE_H
#define SEGUE_TESTS_E2E_HOSTILE_H

#include <stdint.h>

#include "lab/lab.h"

enum hostile_way {
	HOSTILE_COPY_IN,
	HOSTILE_COPY_OUT,
	HOSTILE_COPY_BOTH,
	HOSTILE_TWO_ROWS,
	HOSTILE_ENDLESS_RESULTS,
	HOSTILE_ENDLESS_ROWS,
	HOSTILE_HUGE_ROW, /* of which the head says 1 GB, and which comes */
	HOSTILE_ENDLESS_NOTICES,
	HOSTILE_ENDLESS_NOTIFICATIONS,
	HOSTILE_ENDLESS_PARAMETERS,
	HOSTILE_DRIP,  /* a byte now and then */
	HOSTILE_SCRAM, /* a login with 2,000,000,000 iterations */
	HOSTILE_WAYS
};

/* Lives as long as the lab. Each connection in a process of its own. */
uint16_t hostile_start(struct lab *lab, enum hostile_way way);
const char *hostile_name(enum hostile_way way);

#endif
