/* The verifier's question, and the parser of its answer. A role with only LOGIN may ask it, in one
 * round trip, of PostgreSQL 10 and later, of a primary or a standby. Pure. */
#ifndef SEGUE_POSTGRES_QUESTION_H
#define SEGUE_POSTGRES_QUESTION_H

#include <stdbool.h>

#include "base/err.h"
#include "topology/facts.h"

#define QUESTION_COLUMNS 4 /* recovery, timeline, lsn, identifier */

/* `with_identifier` is false for a role that may not execute pg_control_system(). */
const char *question_sql(bool with_identifier);

/* Writes the values of `row` into `fact`; NULL in `row` is an SQL NULL. On failure `fact` is
 * unchanged. */
bool question_parse(const char *const row[QUESTION_COLUMNS], struct server_fact *fact,
                    struct err *err) MUST_CHECK;

#endif
