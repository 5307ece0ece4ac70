/* Checks the value of an entry of [databases] or [users] against the keys and values that PgBouncer
 * 1.12 to 1.25 may know. Pure. */
#ifndef SEGUE_PGBOUNCER_MODEL_DATABASES_INTERNAL_H
#define SEGUE_PGBOUNCER_MODEL_DATABASES_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/ini_syntax.h"

/* True if PgBouncer would continue reading after such an entry, even if it misreads it. */
bool pgbouncer_database_passes(const struct pgbouncer_pairs *pairs, struct err *err) MUST_CHECK;
bool pgbouncer_user_passes(const struct pgbouncer_pairs *pairs, struct err *err) MUST_CHECK;

#endif
