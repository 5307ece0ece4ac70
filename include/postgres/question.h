/* The one question, in one round trip, that a role with nothing but LOGIN may ask of PostgreSQL 10
 * and later, primary or standby: and its answer as values. Pure. */
#ifndef SEGUE_POSTGRES_QUESTION_H
#define SEGUE_POSTGRES_QUESTION_H

#include <stdbool.h>

#include "base/err.h"
#include "topology/facts.h"

#define QUESTION_COLUMNS 4 /* recovery, timeline, lsn, identifier */

/* Without the identifier: for a role that may not execute pg_control_system(). */
const char *question_sql(bool with_identifier);

/* Writes what the row says into `fact`; NULL is SQL's. On failure `fact` is as it was. */
bool question_parse(const char *const row[QUESTION_COLUMNS], struct server_fact *fact,
                    struct err *err) MUST_CHECK;

#endif
