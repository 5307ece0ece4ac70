/* Notes of what segue holds whose target segue.ini has no more: a section was renamed, removed or
 * led elsewhere while segue was dead. */
#ifndef SEGUE_CLUSTER_ORPHANED_HOLDS_H
#define SEGUE_CLUSTER_ORPHANED_HOLDS_H

#include <stddef.h>

#include "config/config.h"

struct event_base;
struct orphaned_holds;

struct orphaned_hold {
	enum config_target_kind kind;
	char *name;   /* of the section that was */
	char *path;   /* of the note */
	char *place;  /* console or socket; NULL: a note of an older segue, or one that cannot be
	                 read */
	char *output; /* NULL: the same */
};

/* In state_dir; the array, of `count`, is freed with orphaned_holds_free(). */
struct orphaned_hold *orphaned_holds_find(const struct config *config, size_t *count) MUST_CHECK;
void orphaned_holds_free(struct orphaned_hold *notes, size_t count);

/* Before the targets are made: the note of a proxy that another section drives now becomes that
 * section's, which goes on as if it had always had that name. */
void orphaned_holds_adopt(const struct config *config);

/* Lets go of what the notes that are left say, by `segue resume --gone` in a child, again and again
 * until it has worked. NULL: there are none. `config` is borrowed until the end. */
struct orphaned_holds *orphaned_holds_release(struct event_base *base,
                                              const struct config *config) MUST_CHECK;
void orphaned_holds_cancel(struct orphaned_holds *left); /* may be NULL */

#endif
