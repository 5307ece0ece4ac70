/* PgBouncer the way Debian runs it: as the user postgres, in the foreground, with a unix socket of
 * its own beside the TCP port. Its databases are in a file that pgbouncer.ini takes in with
 * %include, which is what the sidecar writes; all other settings are the defaults. */
#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/internal.h"

struct lab_pgbouncer {
	struct lab *lab;
	struct lab_process *process;
	const char *dir, *main_file, *databases_file, *console;
	const char *settings; /* NULL: none; borrowed */
	uint16_t port;
};

/* Of two settings with the same name PgBouncer takes the last: the test's own ones come last. */
static const char main_config[] = "%%include %s\n"
                                  "[pgbouncer]\n"
                                  "listen_addr = 127.0.0.1\n"
                                  "listen_port = %u\n"
                                  "unix_socket_dir = %s\n"
                                  "auth_type = trust\n"
                                  "auth_file = %s/users.txt\n"
                                  "admin_users = pgbouncer\n"
                                  "stats_users = watcher\n"
                                  "pool_mode = transaction\n"
                                  "max_client_conn = 1000\n"
                                  "log_connections = 0\n"
                                  "log_disconnections = 0\n"
                                  "log_stats = 0\n"
                                  "%s\n";

static const char users[] = "\"postgres\" \"\"\n"
                            "\"app\" \"" LAB_PGBOUNCER_PASSWORD "\"\n"
                            "\"pgbouncer\" \"" LAB_PGBOUNCER_PASSWORD "\"\n"
                            "\"watcher\" \"" LAB_PGBOUNCER_PASSWORD "\"\n";

static void write_files(struct lab_pgbouncer *bouncer)
{
	lab_write_file(bouncer->databases_file, "[databases]\n");
	lab_write_file(lab_printf(bouncer->lab, "%s/users.txt", bouncer->dir), users);
	lab_write_file(bouncer->main_file,
	               lab_printf(bouncer->lab, main_config, bouncer->databases_file, bouncer->port,
	                          bouncer->dir, bouncer->dir,
	                          bouncer->settings != NULL ? bouncer->settings : ""));
}

static void listen_at(struct lab_pgbouncer *bouncer, uint16_t port)
{
	bouncer->port = port;
	bouncer->console =
	    lab_printf(bouncer->lab,
	               "host=%s port=%u user=pgbouncer dbname=pgbouncer connect_timeout=2 "
	               "password=" LAB_PGBOUNCER_PASSWORD,
	               bouncer->dir, bouncer->port);
	write_files(bouncer);
}

struct lab_pgbouncer *lab_pgbouncer_create(struct lab *lab, const char *settings)
{
	struct lab_pgbouncer *bouncer = lab_alloc(lab, sizeof(*bouncer), NULL);

	bouncer->lab = lab;
	bouncer->process = process_create(lab, "pgbouncer");
	bouncer->settings = settings;
	bouncer->dir = postgres_folder(lab, "pgbouncer");
	bouncer->main_file = lab_printf(lab, "%s/pgbouncer.ini", bouncer->dir);
	bouncer->databases_file = lab_printf(lab, "%s/databases.ini", bouncer->dir);
	listen_at(bouncer, lab_port(lab));
	return bouncer;
}

void lab_pgbouncer_share_port(struct lab_pgbouncer *bouncer, const struct lab_pgbouncer *with)
{
	listen_at(bouncer, with->port);
}

const char *lab_pgbouncer_dir(const struct lab_pgbouncer *bouncer)
{
	return bouncer->dir;
}

const char *lab_pgbouncer_main_file(const struct lab_pgbouncer *bouncer)
{
	return bouncer->main_file;
}

const char *lab_pgbouncer_databases_file(const struct lab_pgbouncer *bouncer)
{
	return bouncer->databases_file;
}

const char *lab_pgbouncer_console(const struct lab_pgbouncer *bouncer)
{
	return bouncer->console;
}

uint16_t lab_pgbouncer_port(const struct lab_pgbouncer *bouncer)
{
	return bouncer->port;
}

const char *lab_pgbouncer_conninfo(const struct lab_pgbouncer *bouncer, const char *database)
{
	return lab_printf(bouncer->lab,
	                  "host=127.0.0.1 port=%u user=postgres dbname=%s connect_timeout=30",
	                  bouncer->port, database);
}

struct lab_process *lab_pgbouncer_process(struct lab_pgbouncer *bouncer)
{
	return bouncer->process;
}

static bool console_answers(void *arg)
{
	auto_free char *version = lab_pgbouncer_query(arg, "SHOW VERSION", NULL);

	return version != NULL;
}

void lab_pgbouncer_start(struct lab_pgbouncer *bouncer)
{
	const char *argv[] = {"pgbouncer", bouncer->main_file, NULL};

	process_exec(bouncer->process, argv, true);
	process_wait_ready(bouncer->process, console_answers, bouncer,
	                   "does not answer on its console");
}

struct query {
	const char *key_column, *key; /* the row: NULL, the first one */
	const char *column;           /* NULL: the first one */
};

static char *value_of(const PGresult *result, const struct query *query)
{
	int column = query->column != NULL ? PQfnumber(result, query->column) : 0;
	int key_column = query->key_column != NULL ? PQfnumber(result, query->key_column) : 0;

	if (column < 0 || key_column < 0)
		return NULL;
	for (int row = 0; row < PQntuples(result); row++)
		if (query->key == NULL ||
		    strcmp(PQgetvalue(result, row, key_column), query->key) == 0)
			return xstrdup(PQgetvalue(result, row, column));
	return xstrdup("");
}

static char *ask(const struct lab_pgbouncer *bouncer, const char *sql, const struct query *query)
{
	PGconn *conn = PQconnectdb(bouncer->console);
	PGresult *result = PQstatus(conn) == CONNECTION_OK ? PQexec(conn, sql) : NULL;
	char *value = NULL;

	if (PQresultStatus(result) == PGRES_COMMAND_OK)
		value = xstrdup("");
	else if (PQresultStatus(result) == PGRES_TUPLES_OK)
		value = value_of(result, query);
	PQclear(result);
	PQfinish(conn);
	return value;
}

char *lab_pgbouncer_query(const struct lab_pgbouncer *bouncer, const char *sql, const char *column)
{
	return ask(bouncer, sql, &(struct query){.column = column});
}

char *lab_pgbouncer_find(const struct lab_pgbouncer *bouncer, const char *sql,
                         const char *key_column, const char *key, const char *column)
{
	return ask(bouncer, sql,
	           &(struct query){.key_column = key_column, .key = key, .column = column});
}

bool lab_pgbouncer_says(const struct lab_pgbouncer *bouncer, const char *database,
                        const char *column, const char *wanted)
{
	auto_free char *value =
	    lab_pgbouncer_find(bouncer, "SHOW DATABASES", "name", database, column);

	return value != NULL && strcmp(value, wanted) == 0;
}
