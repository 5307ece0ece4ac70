/* The verifier's question, and the parser of its answer. A role with only LOGIN may ask it, in one
 * round trip, of PostgreSQL 10 and later, of a primary or a standby. Pure. */
#ifndef SEGUE_POSTGRES_QUESTION_H
#define SEGUE_POSTGRES_QUESTION_H

#include <stdbool.h>

#include "base/err.h"
#include "topology/facts.h"

#define QUESTION_COLUMNS 4 /* recovery, timeline, lsn, identifier */

/* These two are for struct pg_connection_question (postgres/connection.h). `reduced`: for a role
 * that may not execute pg_control_system(). */
const char *question_sql(const void *answer, bool reduced);

/* Writes the values of `row` into `answer`, a struct server_fact. */
bool question_parse(const char *const *row, void *answer, struct err *err) MUST_CHECK;

#endif
