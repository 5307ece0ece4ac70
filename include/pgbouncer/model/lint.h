/* Settings of a running PgBouncer that would cost a failover, read from what its console shows.
 * Pure. pgbouncer(5). */
#ifndef SEGUE_PGBOUNCER_MODEL_LINT_H
#define SEGUE_PGBOUNCER_MODEL_LINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "pgbouncer/model/config.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/show.h"
#include "topology/topology.h"

struct pgbouncer_lint {
	const struct pgbouncer_table *config;    /* SHOW CONFIG */
	const struct pgbouncer_table *databases; /* SHOW DATABASES */
	const struct pgbouncer_table *users;     /* SHOW USERS; NULL: not known */
	const struct pgbouncer_ini *ini;         /* the rendered file; NULL: not known */
	const char *output;                      /* where that file is, for the message */
	const struct pgbouncer_main *main;       /* pgbouncer.ini; NULL: not known */
	const struct topology *topology;         /* the servers of the cluster */
	bool unrendered;                         /* nothing is in it yet */
	const char *console;                     /* how segue reaches it: a conninfo */
	int64_t hold_timeout_ms;
};

/* Appends one line a finding: "setting: found: what it costs: what to do"; returns how many. A
 * setting that this version does not have is no finding. */
size_t pgbouncer_lint(const struct pgbouncer_lint *lint, struct strbuf *out);

#endif
