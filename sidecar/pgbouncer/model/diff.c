/* Compares desired with live databases; see the header. Databases that only PgBouncer has are
 * ignored: they come from its own pgbouncer.ini. */
#include "pgbouncer/model/diff.h"

#include <stdlib.h>
#include <string.h>

/* A list of addresses is written in brackets, as an IPv6 address is: the port is for all of
 * them. */
static void append_endpoint(struct strbuf *out, const char *host, uint16_t port)
{
	bool brackets = strpbrk(host, ":,") != NULL;

	strbuf_printf(out, "%s%s%s:%u", brackets ? "[" : "", *host != '\0' ? host : "unix",
	              brackets ? "]" : "", (unsigned)port);
}

static void append_move(struct strbuf *out, const struct pgbouncer_database *database,
                        const struct pgbouncer_live_database *live)
{
	strbuf_append_char(out, ' ');
	append_endpoint(out, live->host, live->port);
	strbuf_append_str(out, "->");
	append_endpoint(out, database->host, database->port);
	if (strcmp(database->dbname, live->dbname) != 0)
		strbuf_printf(out, " dbname %s->%s", live->dbname, database->dbname);
}

bool pgbouncer_is_moved(const struct pgbouncer_database *database,
                        const struct pgbouncer_live_database *live)
{
	return database->port != live->port || strcmp(database->host, live->host) != 0 ||
	       strcmp(database->dbname, live->dbname) != 0;
}

void pgbouncer_diff(const struct pgbouncer_ini *desired, const struct pgbouncer_live *live,
                    struct pgbouncer_diff *out)
{
	*out = (struct pgbouncer_diff){.summary = STRBUF_INIT};
	for (size_t i = 0; i < desired->count; i++) {
		const struct pgbouncer_database *database = &desired->databases[i];
		const struct pgbouncer_live_database *found =
		    pgbouncer_live_find(live, database->name);

		if (found != NULL && !pgbouncer_is_moved(database, found))
			continue;
		strbuf_printf(&out->summary, "%s%s", out->summary.len > 0 ? ", " : "",
		              database->name);
		if (found != NULL) {
			append_move(&out->summary, database, found);
			out->moved_count++;
		} else {
			strbuf_append_str(&out->summary, " missing");
			out->missing = true;
		}
	}
}

bool pgbouncer_quote_name(const char *name, struct strbuf *out, struct err *err)
{
	auto_strbuf struct strbuf quoted = STRBUF_INIT;

	for (const char *c = name; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return err_set(err,
			               "a database name with the control character \\x%02x: "
			               "PgBouncer's console does not accept it",
			               (unsigned char)*c);
		strbuf_append(&quoted, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
	}
	if (quoted.len == 0 || quoted.len > PGBOUNCER_NAME_MAX)
		return err_set(err,
		               "a database name of %zu bytes: PgBouncer's console takes 1 to %d",
		               quoted.len, PGBOUNCER_NAME_MAX);
	strbuf_printf(out, "\"%s\"", quoted.data);
	return true;
}
