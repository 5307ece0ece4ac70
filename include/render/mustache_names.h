/* Which names a template may look up: a misspelt one renders as nothing, without a word. */
#ifndef SEGUE_RENDER_MUSTACHE_NAMES_H
#define SEGUE_RENDER_MUSTACHE_NAMES_H

#include "render/mustache.h"

/* What may be looked up in a value of the view. A list stands for each of its elements. */
struct mustache_fields {
	const char *name;                     /* NULL: the end of the table */
	const struct mustache_fields *fields; /* of an object or of the elements of a list; NULL: it
	                                         has none, as text and numbers */
	bool open;                            /* any name: what a person or the environment sets */
};

/* The one of `fields` that is spelled most alike; NULL: none is near. */
const char *mustache_nearest_name(const struct mustache_fields *fields,
                                  const char *name) MUST_CHECK;

/* Called for each name that may have been looked up in an open value: `in` is that value's name. */
typedef void mustache_read_fn(void *arg, const char *in, const char *name);

/* Follows the template and all partials that it reaches, each where it stands. Refuses a name that
 * no view of `fields` can have there, with the nearest one that there is, and a partial that is
 * missing. What a dynamic name leads to is not followed. `read` may be NULL. */
bool mustache_check_names(const struct mustache *mustache, const struct mustache_fields *fields,
                          mustache_read_fn *read, void *arg, struct err *err) MUST_CHECK;

#endif
