/* Mustache templates: the whole specification 1.4 (mustache.github.io/mustache.5.html, and
 * spec/specs: comments, delimiters, interpolation, inverted, partials, sections, ~inheritance,
 * ~dynamic-names; no lambdas). A compiled set of templates never changes, and rendering does no
 * I/O. */
#ifndef SEGUE_RENDER_MUSTACHE_H
#define SEGUE_RENDER_MUSTACHE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "render/escape.h"

struct mustache;

/* Reads the text of a partial. Returns false with *missing set if it does not exist (it then
 * renders as nothing, as the specification says), or with `err` set if it cannot be read. `file` is
 * for messages. */
typedef bool mustache_load_fn(void *arg, const char *name, struct strbuf *text, struct strbuf *file,
                              bool *missing, struct err *err);

/* Compiles `text` and every partial that it reaches; `load` may be NULL, `load_arg` is borrowed
 * until the last partial is added. Errors have the form "file:line:column: reason". `file` is for
 * messages only and is copied. */
struct mustache *mustache_compile(const char *file, const char *text, size_t len,
                                  mustache_load_fn *load, void *load_arg,
                                  struct err *err) MUST_CHECK;

/* Adds a partial that only a dynamic name ({{>*name}}) may lead to, and all partials that it
 * reaches. True also if it does not exist. mustache_is_dynamic(): a template of the set has a
 * dynamic name. */
bool mustache_add_partial(struct mustache *mustache, const char *name, struct err *err) MUST_CHECK;
bool mustache_is_dynamic(const struct mustache *mustache);

/* Reads `file`, and partials from `partials`/NAME.mustache (NULL: the folder of `file`). If a name
 * is dynamic, all partials of that folder are read. */
struct mustache *mustache_compile_file(const char *file, const char *partials,
                                       struct err *err) MUST_CHECK;
void mustache_free(struct mustache *mustache);

/* Appends to `out`. Fails if a value cannot be escaped, or the nesting is too deep; `err` has file,
 * line and column. */
bool mustache_render(const struct mustache *mustache, const json_t *view, enum escape_mode mode,
                     struct strbuf *out, struct err *err) MUST_CHECK;

/* Checks which names a template looks up, because a misspelt name silently renders as nothing. */

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
