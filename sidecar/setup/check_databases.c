/* `segue check`, databases: does the primary have the databases that a rendered PgBouncer text
 * leads to? A misspelled dbname in the template breaks all clients of that database, and no other
 * check finds it. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "pgbouncer/model/databases.h"
#include "postgres/connection.h"
#include "setup/check.h"

#define ANSWER_BYTES 1024 /* of an answer, without the names */

struct question {
	struct check *check;
	struct strbuf sql;
	char *missing; /* NULL: none */
};

/* Appends a string constant with escapes (E''), which does not depend on
 * standard_conforming_strings. */
static void append_literal(struct strbuf *sql, const char *text)
{
	strbuf_append_str(sql, "E'");
	for (; *text != '\0'; text++) {
		if (*text == '\'' || *text == '\\')
			strbuf_append_char(sql, *text);
		strbuf_append_char(sql, *text);
	}
	strbuf_append_char(sql, '\'');
}

static const char *sql_of(const void *answer, bool reduced)
{
	const struct question *question = answer;

	(void)reduced;
	return question->sql.data;
}

static bool parse_row(const char *const *row, void *answer, struct err *err)
{
	struct question *question = answer;

	(void)err;
	free(question->missing);
	question->missing = row[0] != NULL ? xstrdup(row[0]) : NULL;
	return true;
}

static void ended(enum pg_connection_outcome outcome, const struct connect_failure *failure,
                  void *arg)
{
	const struct question *question = arg;

	(void)outcome; /* check_servers() has noted a server that does not answer */
	(void)failure;
	event_base_loopbreak(question->check->base);
}

/* False if none of the databases leads to the primary. */
static bool make_sql(const struct pgbouncer_ini *ini, const struct member *primary,
                     struct strbuf *sql)
{
	size_t count = 0;

	strbuf_append_str(sql, "SELECT string_agg(DISTINCT n, ', ') FROM unnest(ARRAY[");
	for (size_t i = 0; i < ini->count; i++) {
		const struct pgbouncer_database *database = &ini->databases[i];

		if (database->port != primary->port ||
		    !pgbouncer_host_has(database->host, primary->address))
			continue;
		strbuf_append_str(sql, count++ > 0 ? ", " : "");
		append_literal(sql, database->dbname);
	}
	strbuf_append_str(
	    sql, "]::text[]) AS n WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_database d WHERE "
	         "d.datname = n AND d.datallowconn)");
	return count > 0;
}

static void ask(struct question *question, const struct libpq *pq,
                const struct config_cluster *cluster, const struct member *primary)
{
	const struct pg_connection_question asked = {.columns = 1,
	                                             .bytes_max = ANSWER_BYTES + question->sql.len,
	                                             .sql = sql_of,
	                                             .parse = parse_row};
	struct pg_connection *connection = pg_connection_create(
	    question->check->base, pq, &asked, cluster->verify_conninfo, primary, ended, question);

	pg_connection_ask(connection, question);
	check_run_loop(question->check, cluster->verify_timeout_ms);
	pg_connection_destroy(connection);
}

static void note_missing(struct check *check, const struct pgbouncer_ini *ini,
                         const struct member *primary, const char *missing)
{
	const struct pgbouncer_database *first = NULL; /* that leads to the first missing one */

	for (size_t i = ini->count; i-- > 0;) {
		size_t len = strlen(ini->databases[i].dbname);

		if (strncmp(missing, ini->databases[i].dbname, len) == 0 &&
		    (missing[len] == '\0' || missing[len] == ','))
			first = &ini->databases[i];
	}
	check_fail(check,
	           "correct dbname in the template, or the var.NAME that it reads, or create the "
	           "database",
	           "rendered line %u: %s leads to a database that the primary, %s port %u, does "
	           "not have or does not allow connections to: %s",
	           first != NULL ? first->line : 0, first != NULL ? first->name : "",
	           primary->address, (unsigned)primary->port, missing);
}

static void check_names(struct check *check, const struct libpq *pq,
                        const struct config_target *target, const struct pgbouncer_ini *ini)
{
	const struct member *primary = &check->topologies[target->cluster_index].primary;
	struct question question = {.check = check, .sql = STRBUF_INIT};

	if (make_sql(ini, primary, &question.sql))
		ask(&question, pq, &check->config->clusters[target->cluster_index], primary);
	if (question.missing != NULL)
		note_missing(check, ini, primary, question.missing);
	free(question.missing);
	strbuf_fini(&question.sql);
}

static bool is_asked(const struct check *check, const struct config_target *target)
{
	const struct topology *topology = &check->topologies[target->cluster_index];

	return target->kind == CONFIG_TARGET_PGBOUNCER &&
	       check->config->clusters[target->cluster_index].verify != CONFIG_VERIFY_DISABLE &&
	       topology->has_primary && topology->primary.address[0] != '\0' &&
	       !topology_is_example(topology);
}

void check_databases(struct check *check)
{
	struct libpq pq;
	struct err ignored; /* noted by check_servers() and check_targets() */
	bool loaded = libpq_load(&pq, &ignored);

	for (size_t i = 0; loaded && i < check->config->target_count; i++) {
		const struct config_target *target = &check->config->targets[i];
		struct pgbouncer_ini ini;

		if (!is_asked(check, target) ||
		    !pgbouncer_ini_parse(check->texts[i].data, check->texts[i].len, &ini, &ignored))
			continue;
		check_about_target(check, target);
		check_names(check, &pq, target, &ini);
		pgbouncer_ini_free(&ini);
	}
}
