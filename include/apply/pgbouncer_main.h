/* A person's own pgbouncer.ini, with the files that it takes in: settings, databases, %include
 * lines. Only read, never judged: what PgBouncer runs with is its own business. */
#ifndef SEGUE_APPLY_PGBOUNCER_MAIN_H
#define SEGUE_APPLY_PGBOUNCER_MAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "apply/pgbouncer_pairs.h"
#include "base/err.h"

struct pgbouncer_setting { /* of [pgbouncer] */
	char *name, *value;
};

struct pgbouncer_main_database {
	char *name;
	struct pgbouncer_pairs pairs;
	char *file;
	unsigned line;
};

struct pgbouncer_main {
	struct pgbouncer_setting *settings;
	size_t setting_count;
	struct pgbouncer_main_database *databases; /* one a name: the last one counts */
	size_t database_count;
	char **includes; /* as they are spelled */
	size_t include_count;
	char *problem; /* where reading ended early, as PgBouncer's would; NULL: it did not */
};

/* False only when `file` itself cannot be read. Free with pgbouncer_main_free() either way. */
bool pgbouncer_main_load(const char *file, struct pgbouncer_main *out, struct err *err) MUST_CHECK;
void pgbouncer_main_free(struct pgbouncer_main *config);

/* NULL: not set there. */
const char *pgbouncer_main_get(const struct pgbouncer_main *config, const char *name);

/* One of the %include lines leads to `file`, however it is spelled. */
bool pgbouncer_main_includes(const struct pgbouncer_main *config, const char *file);

#endif
