/* What PgBouncer's next start or RELOAD would make of its own files, which nobody sees as long as
 * it runs: a file that it cannot read, a login that fails for everybody, an address where clients
 * find nobody. Files are looked at on this machine. */
#ifndef SEGUE_PGBOUNCER_MODEL_NEXT_START_H
#define SEGUE_PGBOUNCER_MODEL_NEXT_START_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "pgbouncer/model/config.h"
#include "pgbouncer/model/show.h"

/* `config` is SHOW CONFIG, `found` is its pgbouncer.ini. What cannot be known is passed over. */

/* False where PgBouncer's user may not read `file`, which is known where that user is this one: by
 * whose its unix socket is. */
bool next_start_reads(const struct pgbouncer_table *config, const char *file,
                      struct err *err) MUST_CHECK;

/* False where auth_file is missing or cannot be read: `err` names file, line and what to do. *some:
 * there is an auth_user, who may let clients in without it. */
bool next_start_lets_in(const struct pgbouncer_table *config, const struct pgbouncer_main *found,
                        bool *some, struct err *err) MUST_CHECK;

/* Appends one line for each setting by which clients reach PgBouncer that is not what it runs with,
 * and returns how many. only_start: those only that a RELOAD does not change. */
size_t next_start_differs(const struct pgbouncer_table *config, const struct pgbouncer_main *found,
                          bool only_start, struct strbuf *out);

#endif
