/* Inside the Mustache renderer: how JSON is seen from a template. Nobody else includes this. */
#ifndef SEGUE_RENDER_MUSTACHE_VALUE_H
#define SEGUE_RENDER_MUSTACHE_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "render/escape.h"

/* The context stack: what the sections around have pushed, innermost first. */
struct context {
	const struct context *up;
	const json_t *value;
};

/* `path`: `parts` names, each ended by a NUL; 0 parts are ".", the innermost value. The first name
 * is searched through the stack, the others only in what it led to. NULL: not there. */
const json_t *context_find(const struct context *context, const char *path, size_t parts);

/* False: missing, null, false, an empty list, an empty string. Numbers are all true: a lag of 0
 * bytes is a known lag. */
bool value_is_true(const json_t *value);

/* Appends text, numbers (the shortest form that reads back as the same), true, false; nothing for
 * null and NULL. Fails on a list or an object, and where escaping does. */
bool value_append(struct strbuf *out, enum escape_mode mode, const json_t *value,
                  struct err *err) MUST_CHECK;

#endif
