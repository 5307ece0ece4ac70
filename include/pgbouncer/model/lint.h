/* Finds settings of a running PgBouncer that would harm clients in a failover, in the answers of
 * its console. Pure. Source: pgbouncer(5). */
#ifndef SEGUE_PGBOUNCER_MODEL_LINT_H
#define SEGUE_PGBOUNCER_MODEL_LINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/string_list.h"
#include "pgbouncer/model/config.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/show.h"
#include "topology/topology.h"

struct pgbouncer_lint {
	const struct pgbouncer_table *config;    /* SHOW CONFIG */
	const struct pgbouncer_table *databases; /* SHOW DATABASES */
	const struct pgbouncer_table *users;     /* SHOW USERS; NULL: not known */
	const struct pgbouncer_ini *ini;         /* the rendered file; NULL: not known */
	const char *output;                      /* the path of that file, for messages */
	const struct pgbouncer_main *main;       /* pgbouncer.ini; NULL: not known */
	const struct topology *topology;         /* the servers of the cluster */
	bool unrendered;                         /* the file is still empty */
	const char *console;                     /* the conninfo of the console */
	int64_t hold_timeout_ms;
};

/* Adds the findings to `out`: "setting: found: what it costs: what to do". A setting that this
 * version does not have is no finding. */
void pgbouncer_lint(const struct pgbouncer_lint *lint, struct string_list *out);

#endif
