/* What stands behind the '=' of an entry of [databases] or [users]: keys and values that every
 * PgBouncer from 1.12 to 1.25 knows or could know. Pure. */
#ifndef SEGUE_APPLY_PGBOUNCER_PARAMS_H
#define SEGUE_APPLY_PGBOUNCER_PARAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "apply/pgbouncer_ini.h"
#include "apply/pgbouncer_pairs.h"
#include "base/err.h"

/* Fills host, port, dbname and params of `database`, whose name is set; pgbouncer_database_fini()
 * frees them, on failure too. */
bool pgbouncer_database_read(struct pgbouncer_database *database, const char *text, size_t len,
                             struct err *err) MUST_CHECK;
void pgbouncer_database_fini(struct pgbouncer_database *database);

/* Would PgBouncer go on reading after such an entry? What it would misread passes. */
bool pgbouncer_database_passes(const struct pgbouncer_pairs *pairs, struct err *err) MUST_CHECK;
bool pgbouncer_user_passes(const struct pgbouncer_pairs *pairs, struct err *err) MUST_CHECK;

bool pgbouncer_user_check(const char *text, size_t len, struct err *err) MUST_CHECK;

#endif
