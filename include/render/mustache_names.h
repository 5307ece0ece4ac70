/* Checks which names a template looks up, because a misspelt name silently renders as nothing. */
#ifndef SEGUE_RENDER_MUSTACHE_NAMES_H
#define SEGUE_RENDER_MUSTACHE_NAMES_H

#include "render/mustache.h"

/* The names that may be looked up in a value of the view. For a list: in each of its elements. */
struct mustache_fields {
	const char *name; /* NULL: the end of the table */
	/* of an object, or of the elements of a list; NULL for text and numbers, which have no
	 * fields */
	const struct mustache_fields *fields;
	bool open; /* has any name: a person or the environment sets them */
};

/* Returns the name in `fields` with the most similar spelling; NULL if none is similar. */
const char *mustache_nearest_name(const struct mustache_fields *fields,
                                  const char *name) MUST_CHECK;

/* Called for each name that may have been looked up in an open value. `in` is the name of that
 * value. */
typedef void mustache_read_fn(void *arg, const char *in, const char *name);

/* Follows the template and all partials that it reaches, each in its context. Refuses a name that
 * no view with `fields` has at that place (the error proposes the nearest name), and a missing
 * partial. Partials behind a dynamic name are not followed. `read` may be NULL. */
bool mustache_check_names(const struct mustache *mustache, const struct mustache_fields *fields,
                          mustache_read_fn *read, void *arg, struct err *err) MUST_CHECK;

#endif
