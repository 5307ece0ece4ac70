/* What the hold records of both drivers have in common: a file with a JSON object, and in it who
 * wrote it. The keys are each driver's own, but for "owner" and "since". */
#ifndef SEGUE_TARGET_HOLD_RECORD_H
#define SEGUE_TARGET_HOLD_RECORD_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

/* Stores the JSON of the file `path`, or NULL if there is no file; caller releases it. A file that
 * cannot be read or is no JSON: false, with an error that names it. `advice` says what to do with a
 * file that is no JSON, as " (remove it)"; "": nothing. */
bool hold_record_read(const char *path, const char *advice, json_t **root,
                      struct err *err) MUST_CHECK;

/* The text of `root` with "owner" and, if `dated`, the time now as "since". Caller frees it. */
char *hold_record_encode(json_t *root, const char *owner, bool dated);

/* Differs for each process, and for each target within it. Caller frees it. */
char *hold_record_new_owner(void);

/* False if another owner has written the file since: the same target after a reload of the
 * configuration. */
bool hold_record_is_of(const char *path, const char *owner);

#endif
