/* The operator's last command for a cluster, kept in <state_dir>/<cluster>.override over restarts.
 */
#ifndef SEGUE_CLUSTER_OVERRIDE_H
#define SEGUE_CLUSTER_OVERRIDE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "decide/override.h"

/* From {"kind": "pin", "address": "10.0.0.1", "port": 5432, "by": ..., "since": ...}, {"kind":
 * "freeze", ...} or {"kind": "none"}. by and since may be missing or null; other keys are ignored.
 * Everything is checked, because the file is trusted no more than what comes through the socket. */
bool override_from_json(const json_t *document, struct override *out, struct err *err) MUST_CHECK;
json_t *override_to_json(const struct override *override); /* a new reference; null for NONE */

/* The file's name; caller frees. */
char *override_file(const char *state_dir, const char *cluster) MUST_CHECK;

/* Without a file: OVERRIDE_NONE and success. A file that cannot be read or understood is an error,
 * and `out` is a freeze, so that a bad file does not lose an operator's command. */
bool override_load(const char *state_dir, const char *cluster, struct override *out,
                   struct err *err) MUST_CHECK;

/* Replaces the file durably; OVERRIDE_NONE removes it. */
bool override_save(const char *state_dir, const char *cluster, const struct override *override,
                   struct err *err) MUST_CHECK;

#endif
