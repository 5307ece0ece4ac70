/* The question and its answer. A server may be promoted while it runs the query. Therefore recovery
 * is read only once, behind an OFFSET that keeps the planner from reading it again. A server that
 * has left recovery never returns to it, so what only a primary can answer is read only then. */
#include "postgres/question.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS     "0123456789"
#define HEX_DIGITS "0123456789ABCDEF"

#define QUESTION(identifier)                                                                  \
	"SELECT r.recovery, CASE WHEN r.recovery THEN NULL ELSE pg_catalog.substr("           \
	"pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END, "            \
	"pg_catalog.pg_wal_lsn_diff(CASE WHEN r.recovery "                                    \
	"THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END, " \
	"'0/0'), " identifier                                                                 \
	" FROM (SELECT pg_catalog.pg_is_in_recovery() AS recovery OFFSET 0) "                 \
	"AS r"

const char *question_sql(const void *answer, bool reduced)
{
	(void)answer;
	return reduced ? QUESTION("NULL")
	               : QUESTION("(SELECT system_identifier FROM pg_catalog.pg_control_system())");
}

/* All of `text` has to be digits of this base. */
static bool parse_number(const char *text, const char *digits, int base, int64_t *out)
{
	if (*text == '\0' || text[strspn(text, digits)] != '\0')
		return false;
	errno = 0;
	*out = strtoll(text, NULL, base);
	return errno == 0;
}

bool question_parse(const char *const *row, void *answer, struct err *err)
{
	struct server_fact *fact = answer;
	const char *recovery = row[0], *identifier = row[3] != NULL ? row[3] : "";
	int64_t timeline = 0, lsn = 0;

	if (recovery == NULL || (strcmp(recovery, "t") != 0 && strcmp(recovery, "f") != 0))
		return err_set(err, "pg_is_in_recovery() is neither true nor false");
	if (row[1] != NULL &&
	    (strlen(row[1]) != 8 || !parse_number(row[1], HEX_DIGITS, 16, &timeline)))
		return err_set(
		    err, "pg_walfile_name() returned no WAL file name with a timeline: \"%s\"",
		    row[1]);
	if (row[2] != NULL && !parse_number(row[2], DIGITS, 10, &lsn))
		return err_set(err, "the WAL position is not a number: \"%s\"", row[2]);
	if (identifier[strspn(identifier, DIGITS)] != '\0' ||
	    strlen(identifier) >= sizeof(fact->system_identifier))
		return err_set(err, "the system identifier is not a number: \"%.40s\"", identifier);
	fact->in_recovery = *recovery == 't';
	fact->timeline = timeline;
	fact->lsn = lsn;
	memcpy(fact->system_identifier, identifier, strlen(identifier) + 1);
	return true;
}
