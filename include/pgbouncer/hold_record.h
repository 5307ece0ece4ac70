/* What segue pauses, on disk before it is paused: the one thing that tells segue's pauses from a
 * person's after segue's death. In <state_dir>/pgbouncer-NAME.paused, JSON; where that cannot be
 * written in $RUNTIME_DIRECTORY or /run/segue, which is no disk, and lives as long as the pause. */
#ifndef SEGUE_PGBOUNCER_HOLD_RECORD_H
#define SEGUE_PGBOUNCER_HOLD_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct pgbouncer_hold_record {
	char *path;  /* where it is written */
	char *spare; /* where that cannot be done; the two change places then */
	char
	    *owner; /* who wrote it last: process and target, see pgbouncer_hold_record_is_ours() */
	char **names; /* the databases */
	size_t count;
	bool fence; /* nobody is to reach the last primary: only a primary or a person ends that */
	int max_db_connections;     /* what it has to be set to again before RESUME; -1: nothing */
	char *staged, *staged_text; /* see pgbouncer_hold_record_stage(); NULL: none */
	bool undated;               /* the file is the staged one */
	char *console, *output; /* where it is, for who finds the note; NULL: of an older segue */
};

/* Reads the file when there is one; it then belongs to `record` from the next save on. An record
 * that cannot be read is an error that names the file; the record is empty then. To be ended with
 * pgbouncer_hold_record_fini() in any case. */
bool pgbouncer_hold_record_init(struct pgbouncer_hold_record *record, const char *state_dir,
                                const char *name, struct err *err) MUST_CHECK;
void pgbouncer_hold_record_fini(struct pgbouncer_hold_record *record);

/* What the file says from the next save on: it may hold the console's password, as its mode says.
 */
void pgbouncer_hold_record_set_origin(struct pgbouncer_hold_record *record, const char *console,
                                      const char *output);

bool pgbouncer_hold_record_has(const struct pgbouncer_hold_record *record, const char *name);
void pgbouncer_hold_record_add(struct pgbouncer_hold_record *record, const char *name);
/* With the last name the fence is over. */
void pgbouncer_hold_record_drop(struct pgbouncer_hold_record *record, const char *name);

/* Writes, beside the file, what it will have to be with these names, so that it takes but a rename
 * to save it: while clients are turned away, each ms counts. Harmless to repeat. */
bool pgbouncer_hold_record_stage(struct pgbouncer_hold_record *record, char *const *names,
                                 size_t count, struct err *err) MUST_CHECK;
/* False, and nothing done, where what is staged, if anything, is not what the record is now. */
bool pgbouncer_hold_record_save_staged(struct pgbouncer_hold_record *record) MUST_CHECK;

/* Replaces the file, not yet durably; removes it when the record is empty. */
bool pgbouncer_hold_record_save(struct pgbouncer_hold_record *record, const char *why,
                                struct err *err) MUST_CHECK;
/* What was saved survives a power cut from now on, and says since when and why (`why`). */
bool pgbouncer_hold_record_sync(struct pgbouncer_hold_record *record, const char *why,
                                struct err *err) MUST_CHECK;

/* False when another one (the same target after a reload of the configuration) has saved it since.
 */
bool pgbouncer_hold_record_is_ours(const struct pgbouncer_hold_record *record);

#endif
