/* The text of one value -> its type, checked by its row of the table. Errors read
 * found "...": allowed: ... */
#ifndef SEGUE_CONFIG_VALUES_H
#define SEGUE_CONFIG_VALUES_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config/table.h"

/* Writes the value at key->offset of `base`: a string there is freed and replaced by a copy, an
 * enum is an unsigned. "" is "not set", and refused where the key is required. node. and var. are
 * only checked. On error `base` stays as it was. */
bool config_value_set(const struct config_key *key, const char *text, void *base,
                      struct err *err) MUST_CHECK;

/* ${NAME} and ${NAME:-default} (for a NAME that is unset or empty) from the environment; $$ is one
 * $, any other $ stays. Appends to `out`. */
bool config_value_expand(const char *text, struct strbuf *out, struct err *err) MUST_CHECK;

/* What a row allows, in words: "1s to 10m, ...", "segue | plain"; for messages and the manual. */
void config_value_allowed(const struct config_key *key, struct strbuf *out);

#endif
