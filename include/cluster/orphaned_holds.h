/* Hold records whose target is no longer in segue.ini: its section was renamed, removed, or pointed
 * to another proxy while segue was not running. */
#ifndef SEGUE_CLUSTER_ORPHANED_HOLDS_H
#define SEGUE_CLUSTER_ORPHANED_HOLDS_H

#include <stddef.h>

#include "config/config.h"

struct event_base;
struct orphaned_holds;

struct orphaned_hold {
	enum config_target_kind kind;
	char *name; /* of the former section */
	char *path; /* of the record's file */
	/* NULL: the record is of an older segue, or cannot be read */
	char *place; /* console or socket */
	char *output;
};

/* Finds them in state_dir. The array has `count` items; free it with orphaned_holds_free(). */
struct orphaned_hold *orphaned_holds_find(const struct config *config, size_t *count) MUST_CHECK;
void orphaned_holds_free(struct orphaned_hold *notes, size_t count);

/* To be called before the targets are created. If another section now drives the proxy of a record,
 * the record becomes that section's, which continues the hold as if it had always had that name. */
void orphaned_holds_adopt(const struct config *config);

/* Releases what the remaining records say is held: runs `segue resume --gone` as a child process,
 * again and again until it succeeds. NULL: there are none. `config` is borrowed until
 * orphaned_holds_cancel(). */
struct orphaned_holds *orphaned_holds_release(struct event_base *base,
                                              const struct config *config) MUST_CHECK;
void orphaned_holds_cancel(struct orphaned_holds *left); /* may be NULL */

#endif
