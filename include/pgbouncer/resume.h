/* RESUME of all databases that segue paused, in one blocking call: for `segue resume`, and for a
 * target that is destroyed during a move. */
#ifndef SEGUE_PGBOUNCER_RESUME_H
#define SEGUE_PGBOUNCER_RESUME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "pgbouncer/hold_record.h"

/* Blocks for at most `timeout_ms`, on an event loop of its own. On success none of the record's
 * databases is paused any more, the record is empty and its file is removed. */
bool pgbouncer_resume(const char *conninfo, struct pgbouncer_hold_record *record,
                      int64_t timeout_ms, struct err *err) MUST_CHECK;

#endif
