/* Mustache templates: the whole specification 1.4 (mustache.github.io/mustache.5.html, and
 * spec/specs: comments, delimiters, interpolation, inverted, partials, sections, ~inheritance,
 * ~dynamic-names; no lambdas). A compiled set is immutable and does no I/O when it renders. */
#ifndef SEGUE_RENDER_MUSTACHE_H
#define SEGUE_RENDER_MUSTACHE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "render/escape.h"

struct mustache;

/* Finds a partial's text. Returns false with *missing set where there is none (which renders as
 * nothing, as the specification says), or with err set where it cannot be read. `file` is for
 * messages. */
typedef bool mustache_load_fn(void *arg, const char *name, struct strbuf *text, struct strbuf *file,
                              bool *missing, struct err *err);

/* Compiles `text` and every partial that it reaches; `load` may be NULL. Errors read
 * "file:line:column: reason". `file` is for messages only and is copied. */
struct mustache *mustache_compile(const char *file, const char *text, size_t len,
                                  mustache_load_fn *load, void *load_arg,
                                  struct err *err) MUST_CHECK;

/* Adds a partial, and what it reaches, that only a dynamic name ({{>*name}}) may lead to; true also
 * when there is none. mustache_is_dynamic(): a template of the set has a dynamic name. */
bool mustache_add_partial(struct mustache *mustache, const char *name, mustache_load_fn *load,
                          void *load_arg, struct err *err) MUST_CHECK;
bool mustache_is_dynamic(const struct mustache *mustache);

/* Reads `file` and, for partials, <folder of file or `partials`>/NAME.mustache; all of that folder
 * where a name is dynamic. */
struct mustache *mustache_compile_file(const char *file, const char *partials,
                                       struct err *err) MUST_CHECK;
void mustache_free(struct mustache *mustache);

/* Appends to `out`. Fails where a value cannot be escaped, or nesting exceeds its bound, naming
 * file, line and column. */
bool mustache_render(const struct mustache *mustache, const json_t *view, enum escape_mode mode,
                     struct strbuf *out, struct err *err) MUST_CHECK;

#endif
