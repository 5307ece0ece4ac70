/* What stands behind the '=' of an entry of [databases] or [users]: keys and values that every
 * PgBouncer from 1.12 to 1.25 knows or could know. Pure. */
#ifndef SEGUE_PGBOUNCER_MODEL_DATABASES_INTERNAL_H
#define SEGUE_PGBOUNCER_MODEL_DATABASES_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/ini_syntax.h"

/* Would PgBouncer go on reading after such an entry? What it would misread passes. */
bool pgbouncer_database_passes(const struct pgbouncer_pairs *pairs, struct err *err) MUST_CHECK;
bool pgbouncer_user_passes(const struct pgbouncer_pairs *pairs, struct err *err) MUST_CHECK;

#endif
