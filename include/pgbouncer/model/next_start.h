/* What PgBouncer's next start or RELOAD would do with its own files. Nobody notices these faults
 * while it runs: a file that it cannot read, a login that fails for all clients, a listen address
 * that clients do not use. Looks at the files on this machine. */
#ifndef SEGUE_PGBOUNCER_MODEL_NEXT_START_H
#define SEGUE_PGBOUNCER_MODEL_NEXT_START_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/string_list.h"
#include "pgbouncer/model/config.h"
#include "pgbouncer/model/show.h"

/* `config` is SHOW CONFIG, `found` is its pgbouncer.ini. What cannot be known is not reported. */

/* The user that PgBouncer runs as: the owner of its unix socket. False: not known, because it has
 * no such socket on this machine. */
bool next_start_user(const struct pgbouncer_table *config, uid_t *user) MUST_CHECK;

/* False if PgBouncer's user may not read `file`. Known only if that is the user of this process. */
bool next_start_reads(const struct pgbouncer_table *config, const char *file,
                      struct err *err) MUST_CHECK;

/* False if auth_file is missing or PgBouncer cannot read it: `err` names file and line and says
 * what to do. *some: there is an auth_user, so clients may still be able to log in. */
bool next_start_lets_in(const struct pgbouncer_table *config, const struct pgbouncer_main *found,
                        bool *some, struct err *err) MUST_CHECK;

/* Adds to `out` each setting of how clients reach PgBouncer that differs from what PgBouncer runs
 * with. only_start: only settings that a RELOAD does not change. */
void next_start_differs(const struct pgbouncer_table *config, const struct pgbouncer_main *found,
                        bool only_start, struct string_list *out);

#endif
