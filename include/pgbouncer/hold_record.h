/* The hold record: the databases that segue pauses, on disk before they are paused. After a crash
 * of segue only this file tells its pauses from a person's. JSON in
 * <state_dir>/pgbouncer-NAME.paused; if that cannot be written, in $RUNTIME_DIRECTORY or
 * /run/segue, which is not on a disk and lives as long as the pause. */
#ifndef SEGUE_PGBOUNCER_HOLD_RECORD_H
#define SEGUE_PGBOUNCER_HOLD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pgbouncer_hold_record {
	char *path;   /* of the file */
	char *spare;  /* used if `path` cannot be written; the two are swapped then */
	char *owner;  /* process and target that write it; see ..._is_ours() */
	char **names; /* of the databases */
	size_t count;
	bool fence; /* no client may reach the last primary; a new one or a person ends it */
	int max_db_connections;     /* value to SET before RESUME; -1: do not SET it */
	int min_pool_size;          /* value to SET after it; the same */
	char *staged, *staged_text; /* see pgbouncer_hold_record_stage(); NULL: none */
	bool undated;               /* the file is the staged one, without time and reason */
	char *console, *output;     /* of the target; NULL: written by an older segue */
};

/* Reads the file if it exists. From the next save on the file belongs to `record`. A file that
 * cannot be read is an error that names it; `record` is empty then. Call
 * pgbouncer_hold_record_fini() in either case. */
bool pgbouncer_hold_record_init(struct pgbouncer_hold_record *record, const char *state_dir,
                                const char *name, struct err *err) MUST_CHECK;
void pgbouncer_hold_record_fini(struct pgbouncer_hold_record *record);

/* Sets the console and the output that the next save writes. They let whoever finds the file know
 * which PgBouncer it is about. `console` may contain a password, so the file has mode 0600. */
void pgbouncer_hold_record_set_origin(struct pgbouncer_hold_record *record, const char *console,
                                      const char *output);

bool pgbouncer_hold_record_has(const struct pgbouncer_hold_record *record, const char *name);
void pgbouncer_hold_record_add(struct pgbouncer_hold_record *record, const char *name);
/* Dropping the last name ends the fence. */
void pgbouncer_hold_record_drop(struct pgbouncer_hold_record *record, const char *name);

/* Writes the record with these names to a second file beside it, so that saving it later takes only
 * a rename. PgBouncer may be refusing clients then, and each ms counts. Harmless to repeat. */
bool pgbouncer_hold_record_stage(struct pgbouncer_hold_record *record, char *const *names,
                                 size_t count, struct err *err) MUST_CHECK;
/* Renames the staged file into place. False, with nothing changed, if nothing is staged or it
 * differs from the record. */
bool pgbouncer_hold_record_save_staged(struct pgbouncer_hold_record *record) MUST_CHECK;

/* Replaces the file, without fsync. Removes it if the record is empty. */
bool pgbouncer_hold_record_save(struct pgbouncer_hold_record *record, const char *why,
                                struct err *err) MUST_CHECK;
/* fsyncs the file, so that it survives a power failure. A staged record is first saved again with
 * the time and `why`. */
bool pgbouncer_hold_record_sync(struct pgbouncer_hold_record *record, const char *why,
                                struct err *err) MUST_CHECK;

/* False if another owner (the same target after a reload of the configuration) has saved the file
 * since. */
bool pgbouncer_hold_record_is_ours(const struct pgbouncer_hold_record *record);

/* RESUME of all databases that segue paused, in one blocking call: for `segue resume`, and for a
 * target that is destroyed during a move. */

/* Blocks for at most `timeout_ms`, on an event loop of its own. On success none of the record's
 * databases is paused any more, the record is empty and its file is removed. */
bool pgbouncer_resume(const char *conninfo, struct pgbouncer_hold_record *record,
                      int64_t timeout_ms, struct err *err) MUST_CHECK;

#endif
