/* Answers to SHOW as values; see the header. A table without a column that segue reads is an error,
 * so that an unknown or newer answer is never taken for an empty one. */
#include "pgbouncer/model/show.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "pgbouncer/model/databases.h"

#define SHOWN_MAX 64 /* bytes of a cell that a message quotes */

static char *copy(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

void pgbouncer_table_copy(const struct pgbouncer_table *from, struct pgbouncer_table *to)
{
	size_t cells = from->row_count * from->column_count;

	*to = *from;
	to->columns = xcalloc(from->column_count, sizeof(char *));
	to->cells = xcalloc(cells, sizeof(char *));
	for (size_t i = 0; i < from->column_count; i++)
		to->columns[i] = copy(from->columns[i]);
	for (size_t i = 0; i < cells; i++)
		to->cells[i] = copy(from->cells[i]);
}

void pgbouncer_table_free(struct pgbouncer_table *table)
{
	for (size_t i = 0; i < table->column_count; i++)
		free(table->columns[i]);
	for (size_t i = 0; i < table->row_count * table->column_count; i++)
		free(table->cells[i]);
	free(table->columns);
	free(table->cells);
	*table = (struct pgbouncer_table){0};
}

/* column_count: there is no such column. */
static size_t find_column(const struct pgbouncer_table *table, const char *column)
{
	size_t i = 0;

	while (i < table->column_count && strcmp(table->columns[i], column) != 0)
		i++;
	return i;
}

const char *pgbouncer_table_get(const struct pgbouncer_table *table, size_t row, const char *column)
{
	size_t i = find_column(table, column);

	return i < table->column_count ? table->cells[row * table->column_count + i] : NULL;
}

bool pgbouncer_table_is(const struct pgbouncer_table *table, size_t row, const char *column,
                        const char *text)
{
	const char *cell = pgbouncer_table_get(table, row, column);

	return cell != NULL && strcmp(cell, text) == 0;
}

const char *pgbouncer_config_cell(const struct pgbouncer_table *config, const char *key,
                                  const char *column)
{
	for (size_t row = 0; row < config->row_count; row++)
		if (pgbouncer_table_is(config, row, "key", key))
			return pgbouncer_table_get(config, row, column);
	return NULL;
}

const char *pgbouncer_config_get(const struct pgbouncer_table *config, const char *key)
{
	return pgbouncer_config_cell(config, key, "value");
}

static bool has_columns(const struct pgbouncer_table *table, const char *command,
                        const char *const *names, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (find_column(table, names[i]) == table->column_count)
			return err_set(err,
			               "%s: the answer has no column \"%s\": segue knows "
			               "PgBouncer 1.12 to 1.25",
			               command, names[i]);
	return true;
}

static bool bad_cell(struct err *err, const char *command, const char *column, const char *cell)
{
	auto_strbuf struct strbuf shown = STRBUF_INIT;

	if (cell == NULL)
		return err_set(err, "%s: %s is NULL", command, column);
	strbuf_append_escaped(&shown, cell, strlen(cell), SHOWN_MAX);
	return err_set(err, "%s: %s is \"%s\", which is not a valid number here", command, column,
	               shown.data);
}

static bool read_number(const struct pgbouncer_table *table, size_t row, const char *command,
                        const char *column, unsigned *out, struct err *err)
{
	const char *cell = pgbouncer_table_get(table, row, column);
	unsigned long number;
	char *end;

	if (cell == NULL || !isdigit((unsigned char)*cell))
		return bad_cell(err, command, column, cell);
	number = strtoul(cell, &end, 10);
	if (*end != '\0' || number > INT32_MAX)
		return bad_cell(err, command, column, cell);
	*out = (unsigned)number;
	return true;
}

/* PgBouncer accepts a port out of range, such as 70000. It is read as 0, which no desired database
 * has. */
static bool read_live(const struct pgbouncer_table *table, size_t row,
                      struct pgbouncer_live_database *out, struct err *err)
{
	const char *name = pgbouncer_table_get(table, row, "name");
	const char *host = pgbouncer_table_get(table, row, "host");
	const char *dbname = pgbouncer_table_get(table, row, "database");
	unsigned port = 0, paused = 0, disabled = 0;

	*out = (struct pgbouncer_live_database){0};
	if (name == NULL || dbname == NULL)
		return bad_cell(err, "SHOW DATABASES", name == NULL ? "name" : "database", NULL);
	if (!read_number(table, row, "SHOW DATABASES", "port", &port, err) ||
	    !read_number(table, row, "SHOW DATABASES", "paused", &paused, err) ||
	    !read_number(table, row, "SHOW DATABASES", "disabled", &disabled, err))
		return false;
	out->paused = paused != 0;
	out->disabled = disabled != 0;
	out->port = port <= UINT16_MAX ? (uint16_t)port : 0;
	out->name = xstrdup(name);
	out->dbname = xstrdup(dbname);
	out->host = pgbouncer_host_canonical(host != NULL ? host : "");
	if (out->host == NULL)
		out->host = xstrdup(host);
	return true;
}

bool pgbouncer_live_parse(const struct pgbouncer_table *table, struct pgbouncer_live *out,
                          struct err *err)
{
	static const char *const needed[] = {"name",     "host",   "port",
	                                     "database", "paused", "disabled"};

	*out = (struct pgbouncer_live){0};
	if (!has_columns(table, "SHOW DATABASES", needed, ARRAY_LEN(needed), err))
		return false;
	out->databases = xcalloc(table->row_count, sizeof(*out->databases));
	for (; out->count < table->row_count; out->count++) {
		if (!read_live(table, out->count, &out->databases[out->count], err)) {
			pgbouncer_live_free(out);
			return false;
		}
	}
	return true;
}

void pgbouncer_live_free(struct pgbouncer_live *live)
{
	for (size_t i = 0; i < live->count; i++) {
		free(live->databases[i].name);
		free(live->databases[i].host);
		free(live->databases[i].dbname);
	}
	free(live->databases);
	*live = (struct pgbouncer_live){0};
}

const struct pgbouncer_live_database *pgbouncer_live_find(const struct pgbouncer_live *live,
                                                          const char *name)
{
	for (size_t i = 0; i < live->count; i++)
		if (strcmp(live->databases[i].name, name) == 0)
			return &live->databases[i];
	return NULL;
}

/* Every state of a server connection has a column sv_*, also the states of later versions. */
static bool add_pool(const struct pgbouncer_table *table, size_t row,
                     struct pgbouncer_pool_sum *out, struct err *err)
{
	unsigned number = 0;

	for (size_t i = 0; i < table->column_count; i++) {
		const char *column = table->columns[i];
		unsigned *sum = strncmp(column, "sv_", 3) == 0      ? &out->servers
		                : strcmp(column, "cl_waiting") == 0 ? &out->waiting
		                : strcmp(column, "cl_active") == 0  ? &out->active_clients
		                                                    : NULL;

		if (sum == NULL)
			continue;
		if (!read_number(table, row, "SHOW POOLS", column, &number, err))
			return false;
		*sum += number;
	}
	return true;
}

bool pgbouncer_pools_sum(const struct pgbouncer_table *table, const char *database,
                         struct pgbouncer_pool_sum *out, struct err *err)
{
	static const char *const needed[] = {"database", "cl_active", "cl_waiting", "sv_active",
	                                     "sv_idle",  "sv_used",   "sv_tested",  "sv_login"};

	*out = (struct pgbouncer_pool_sum){0};
	if (!has_columns(table, "SHOW POOLS", needed, ARRAY_LEN(needed), err))
		return false;
	for (size_t i = 0; i < table->row_count; i++)
		if (pgbouncer_table_is(table, i, "database", database) &&
		    !add_pool(table, i, out, err))
			return false;
	return true;
}

bool pgbouncer_stale_add(const struct pgbouncer_table *table,
                         const struct pgbouncer_database *database, struct pgbouncer_stale *out,
                         struct err *err)
{
	static const char *const needed[] = {"database", "state", "addr", "port", "link"};

	if (!has_columns(table, "SHOW SERVERS", needed, ARRAY_LEN(needed), err))
		return false;
	for (size_t row = 0; row < table->row_count; row++) {
		const char *address = pgbouncer_table_get(table, row, "addr");
		const char *link = pgbouncer_table_get(table, row, "link");
		unsigned port = 0;

		if (!pgbouncer_table_is(table, row, "database", database->name))
			continue;
		if (!read_number(table, row, "SHOW SERVERS", "port", &port, err))
			return false;
		if (address != NULL && port == database->port &&
		    pgbouncer_host_has(database->host, address))
			continue;
		out->count++;
		if (pgbouncer_table_is(table, row, "state", "active") && link != NULL &&
		    *link != '\0')
			string_list_add(&out->links, xstrdup(link));
	}
	return true;
}

bool pgbouncer_version_parse(const char *text, unsigned *major, unsigned *minor)
{
	char *end;

	if (strncasecmp(text, "PgBouncer ", 10) != 0)
		return false;
	text += strcspn(text, "0123456789");
	*major = (unsigned)strtoul(text, &end, 10);
	if (end == text || *end != '.' || !isdigit((unsigned char)end[1]))
		return false;
	*minor = (unsigned)strtoul(end + 1, NULL, 10);
	return true;
}

enum pgbouncer_problem pgbouncer_problem_of(const char *message)
{
	static const struct {
		const char *text;
		enum pgbouncer_problem problem;
	} known[] = {
	    {"already suspended/paused", PGBOUNCER_ALREADY_PAUSED},
	    {"admin access needed", PGBOUNCER_NO_ADMIN},
	    {"not allowed", PGBOUNCER_NOT_ALLOWED},
	    {"RELOAD failed", PGBOUNCER_RELOAD_FAILED},
	    {"no such database: ", PGBOUNCER_NO_DATABASE},
	    {" is not paused", PGBOUNCER_NOT_PAUSED},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strstr(message, known[i].text) != NULL)
			return known[i].problem;
	return PGBOUNCER_OTHER;
}
