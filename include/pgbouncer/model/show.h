/* Answers of PgBouncer's admin console as values. Pure: a table of strings in, structs out. Columns
 * are found by name, because versions 1.12 to 1.25 add and rename some. Source: pgbouncer(1), "Show
 * commands". */
#ifndef SEGUE_PGBOUNCER_MODEL_SHOW_H
#define SEGUE_PGBOUNCER_MODEL_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/string_list.h"
#include "pgbouncer/model/databases.h"

/* One result set, filled by the console. A NULL cell is SQL NULL. */
struct pgbouncer_table {
	char **columns;
	size_t column_count;
	char **cells; /* row by row */
	size_t row_count;
};
void pgbouncer_table_copy(const struct pgbouncer_table *from, struct pgbouncer_table *to);
void pgbouncer_table_free(struct pgbouncer_table *table);
/* NULL: no such column, or SQL NULL. */
const char *pgbouncer_table_get(const struct pgbouncer_table *table, size_t row,
                                const char *column);
bool pgbouncer_table_is(const struct pgbouncer_table *table, size_t row, const char *column,
                        const char *text);
/* The value of `key` in SHOW CONFIG; NULL: this version has no such setting. */
const char *pgbouncer_config_get(const struct pgbouncer_table *config, const char *key);
/* The same for another column: "default", "changeable". Also NULL if there is no such column. */
const char *pgbouncer_config_cell(const struct pgbouncer_table *config, const char *key,
                                  const char *column);

struct pgbouncer_live_database { /* SHOW DATABASES */
	char *name, *host, *dbname;
	uint16_t port;
	bool paused, disabled;
};
struct pgbouncer_live {
	struct pgbouncer_live_database *databases;
	size_t count;
};
bool pgbouncer_live_parse(const struct pgbouncer_table *table, struct pgbouncer_live *out,
                          struct err *err) MUST_CHECK;
void pgbouncer_live_free(struct pgbouncer_live *live);
const struct pgbouncer_live_database *pgbouncer_live_find(const struct pgbouncer_live *live,
                                                          const char *name);

/* SHOW POOLS: the sums over all users of one database: server connections (active, idle, used,
 * tested, login, and the cancel states of newer versions), waiting and active clients. False if the
 * table is no answer to SHOW POOLS. */
struct pgbouncer_pool_sum {
	unsigned servers, waiting, active_clients;
};
bool pgbouncer_pools_sum(const struct pgbouncer_table *table, const char *database,
                         struct pgbouncer_pool_sum *out, struct err *err) MUST_CHECK;

/* SHOW SERVERS: server connections that lead anywhere but to the host and port of their database.
 */
struct pgbouncer_stale {
	unsigned count; /* of all of them */
	struct string_list
	    links; /* of the active ones: the column link (the client's ptr), for KILL_CLIENT */
};
/* Adds those of `database` to `out`; after an error perhaps not all. */
bool pgbouncer_stale_add(const struct pgbouncer_table *table,
                         const struct pgbouncer_database *database, struct pgbouncer_stale *out,
                         struct err *err) MUST_CHECK;

/* SHOW VERSION: "PgBouncer 1.18.0", in a row or, before 1.12, in a notice. */
bool pgbouncer_version_parse(const char *text, unsigned *major, unsigned *minor) MUST_CHECK;

/* What the console's error messages mean. All have SQLSTATE 08P01: only the message differs. */
enum pgbouncer_problem {
	PGBOUNCER_OTHER,
	PGBOUNCER_NOT_PAUSED,     /* "database app is not paused": success for a RESUME */
	PGBOUNCER_ALREADY_PAUSED, /* "already suspended/paused": a global PAUSE by a person */
	PGBOUNCER_NO_DATABASE,    /* "no such database: app" */
	PGBOUNCER_NO_ADMIN,       /* "admin access needed" */
	PGBOUNCER_NOT_ALLOWED,    /* FATAL "not allowed": neither admin nor stats user */
	PGBOUNCER_RELOAD_FAILED,  /* 1.25: "RELOAD failed, see logs" */
};
enum pgbouncer_problem pgbouncer_problem_of(const char *message);

#endif
