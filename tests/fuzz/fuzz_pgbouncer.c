/* Any text: the databases file never crashes the parser, and what is accepted can be compared and
 * named on the console. Any value: escaped into a line, it is read back as it was, alone. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/diff.h"
#include "pgbouncer/model/ini_syntax.h"
#include "render/escape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* What SHOW DATABASES would show after a RELOAD of the file. */
static void make_live(const struct pgbouncer_ini *ini, struct pgbouncer_live *live)
{
	live->count = ini->count;
	live->databases = xcalloc(live->count, sizeof(*live->databases));
	for (size_t i = 0; i < live->count; i++)
		live->databases[i] = (struct pgbouncer_live_database){
		    .name = xstrdup(ini->databases[i].name),
		    .host = xstrdup(ini->databases[i].host),
		    .dbname = xstrdup(ini->databases[i].dbname),
		    .port = ini->databases[i].port,
		};
}

static void check_settled(const struct pgbouncer_ini *ini)
{
	struct pgbouncer_live live = {0};
	struct pgbouncer_diff diff;

	make_live(ini, &live);
	pgbouncer_diff(ini, &live, &diff);
	require(diff.moved_count == 0 && !diff.missing && diff.summary.len == 0);
	strbuf_fini(&diff.summary);
	pgbouncer_live_free(&live);
}

static void check_databases(const struct pgbouncer_ini *ini)
{
	require(ini->count > 0);
	for (size_t i = 0; i < ini->count; i++) {
		const struct pgbouncer_database *database = &ini->databases[i];
		auto_free char *canonical = pgbouncer_host_canonical(database->host);
		auto_strbuf struct strbuf quoted = STRBUF_INIT;
		struct err err;

		require(canonical != NULL && strcmp(canonical, database->host) == 0);
		require(database->port > 0 && database->dbname[0] != '\0');
		require(pgbouncer_ini_find(ini, database->name) == database);
		require(pgbouncer_quote_name(database->name, &quoted, &err));
		require(strchr(database->params, '\n') == NULL);
	}
}

static void check_file(const char *text, size_t len)
{
	struct pgbouncer_ini ini;
	struct err err;

	if (!pgbouncer_ini_parse(text, len, &ini, &err)) {
		require(strncmp(err.message, "line ", 5) == 0);
		return;
	}
	check_databases(&ini);
	check_settled(&ini);
	pgbouncer_ini_free(&ini);
}

static void check_value(const char *value, size_t len)
{
	auto_free char *expected = xstrndup(value, len);
	auto_strbuf struct strbuf escaped = STRBUF_INIT, text = STRBUF_INIT, params = STRBUF_INIT;
	struct pgbouncer_ini ini;
	struct err err;

	if (!escape_append(&escaped, ESCAPE_PGBOUNCER, value, len, &err))
		return;
	pgbouncer_pair_append(&(struct pgbouncer_pair){(char[]){"password"}, expected}, &params);
	pgbouncer_pair_append(&(struct pgbouncer_pair){(char[]){"pool_size"}, (char[]){"3"}},
	                      &params);
	strbuf_printf(&text, "[databases]\na = dbname=%s password=%s host=10.0.0.1 pool_size=3\n",
	              escaped.data, escaped.data);
	require(pgbouncer_ini_parse(text.data, text.len, &ini, &err));
	require(ini.count == 1 && strcmp(ini.databases[0].dbname, expected) == 0);
	require(strcmp(ini.databases[0].host, "10.0.0.1") == 0 && ini.databases[0].port == 5432);
	require(strcmp(ini.databases[0].params, params.data) == 0);
	pgbouncer_ini_free(&ini);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_file((const char *)data, size);
	check_value((const char *)data, size);
	return 0;
}
