/* The databases of the rendered text; see the header. The grammar is PgBouncer's (1.12 to 1.25),
 * the narrowest one if versions differ. What PgBouncer would misread is an error here. */
#include "pgbouncer/model/databases.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/machine.h"
#include "base/strbuf.h"
#include "haproxy/model/address.h"
#include "pgbouncer/model/ini_syntax.h"
#include "target/target.h"

/* --- hosts as PgBouncer reads them --- */

static bool is_socket(const char *host)
{
	return *host == '\0' || *host == '/' || *host == '@';
}

char *pgbouncer_host_canonical(const char *host)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;

	if (is_socket(host))
		return xstrdup(host);
	for (;;) {
		size_t len = strcspn(host, ",");
		auto_free char *part = xstrndup(host, len);
		auto_free char *address = haproxy_address_canonical(part);

		if (address == NULL)
			return NULL;
		strbuf_printf(&out, "%s%s", out.len > 0 ? "," : "", address);
		if (host[len] == '\0')
			return strbuf_detach(&out);
		host += len + 1;
	}
}

/* `host` may be a list, of addresses in canonical form. */
static bool has_address(const char *host, const char *address)
{
	size_t len = strlen(address);

	while (strncmp(host, address, len) != 0 || (host[len] != ',' && host[len] != '\0')) {
		host = strchr(host, ',');
		if (host == NULL)
			return false;
		host++;
	}
	return true;
}

bool pgbouncer_host_has(const char *host, const char *address)
{
	auto_free char *wanted = NULL;

	if (is_socket(host)) /* "unix(PID@...)" since 1.19, "unix" before. */
		return strncmp(address, "unix", 4) == 0;
	wanted = haproxy_address_canonical(address);
	return wanted != NULL && has_address(host, wanted);
}

static bool listens_at(const char *listener, const char *address)
{
	auto_free char *own = haproxy_address_canonical(listener);

	if (strcmp(listener, "*") == 0 ||
	    (own != NULL && (strcmp(own, "0.0.0.0") == 0 || strcmp(own, "::") == 0)))
		return machine_has_address(address);
	if (strcmp(listener, "localhost") == 0)
		return machine_is_loopback(address);
	return own != NULL && strcmp(own, address) == 0;
}

bool pgbouncer_listens_at(const char *listen_addr, const char *address)
{
	static const char blanks[] = ", \t";
	auto_free char *wanted = haproxy_address_canonical(address);

	while (wanted != NULL && *(listen_addr += strspn(listen_addr, blanks)) != '\0') {
		auto_free char *listener = xstrndup(listen_addr, strcspn(listen_addr, blanks));

		if (listens_at(listener, wanted))
			return true;
		listen_addr += strlen(listener);
	}
	return false;
}

/* --- entries of [databases] and [users] ---
 * What PgBouncer would accept and misread (a host name instead of an address, letters instead of a
 * number) is an error here. */

#define DEFAULT_PORT 5432 /* PgBouncer's, for an entry without a port */
#define NUMBER_MAX   1000000000
#define SHOWN_MAX    32 /* bytes of the text that a message quotes */

enum param_kind {
	PARAM_HOST,
	PARAM_PORT,
	PARAM_DBNAME,
	PARAM_NUMBER, /* PgBouncer reads letters as 0 */
	PARAM_SIZE,   /* the same; with 0 no client is ever served */
	PARAM_MODE,
	PARAM_TEXT,
};

enum section {
	SECTION_NONE,
	SECTION_DATABASES,
	SECTION_USERS,
};

struct param {
	const char *key;
	enum param_kind kind;
};

/* The keys of all versions. A version that is too old for a key refuses the file, which SHOW
 * DATABASES then shows. */
static const struct param *find_param(enum section section, const char *key, struct err *err)
{
	static const struct param databases[] = {
	    {"host", PARAM_HOST},
	    {"port", PARAM_PORT},
	    {"dbname", PARAM_DBNAME},
	    {"user", PARAM_TEXT},
	    {"password", PARAM_TEXT},
	    {"auth_user", PARAM_TEXT},
	    {"auth_dbname", PARAM_TEXT},
	    {"auth_query", PARAM_TEXT},
	    {"application_name", PARAM_TEXT},
	    {"client_encoding", PARAM_TEXT},
	    {"connect_query", PARAM_TEXT},
	    {"datestyle", PARAM_TEXT},
	    {"timezone", PARAM_TEXT},
	    {"load_balance_hosts", PARAM_TEXT},
	    {"server_lifetime", PARAM_TEXT},
	    {"query_wait_timeout", PARAM_TEXT},
	    {"pool_mode", PARAM_MODE},
	    {"pool_size", PARAM_SIZE},
	    {"min_pool_size", PARAM_NUMBER},
	    {"reserve_pool", PARAM_NUMBER},
	    {"reserve_pool_size", PARAM_NUMBER},
	    {"max_db_connections", PARAM_NUMBER},
	    {"max_db_client_connections", PARAM_NUMBER},
	    {NULL, PARAM_TEXT},
	};
	static const struct param users[] = {
	    {"pool_mode", PARAM_MODE},
	    {"pool_size", PARAM_SIZE},
	    {"reserve_pool_size", PARAM_NUMBER},
	    {"max_user_connections", PARAM_NUMBER},
	    {"max_user_client_connections", PARAM_NUMBER},
	    {"client_idle_timeout", PARAM_TEXT},
	    {"idle_transaction_timeout", PARAM_TEXT},
	    {"query_timeout", PARAM_TEXT},
	    {"query_wait_timeout", PARAM_TEXT},
	    {"transaction_timeout", PARAM_TEXT},
	    {NULL, PARAM_TEXT},
	};
	const struct param *param = section == SECTION_USERS ? users : databases;

	while (param->key != NULL && strcmp(param->key, key) != 0)
		param++;
	if (param->key != NULL)
		return param;
	err_set(err, "PgBouncer has no key '%.*s' here, and would stop reading the file", SHOWN_MAX,
	        key);
	return NULL;
}

static bool read_number(const char *text, unsigned long max, unsigned long *out)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	*out = strtoul(text, &end, 10);
	return *end == '\0' && *out <= max;
}

static bool check_number(enum param_kind kind, const struct pgbouncer_pair *pair, struct err *err)
{
	unsigned long number;

	if (!read_number(pair->value, NUMBER_MAX, &number))
		return err_set(err,
		               "%s '%s' is not a whole number, and PgBouncer would not report it",
		               pair->key, pair->value);
	return number > 0 || kind != PARAM_SIZE ||
	       err_set(err,
	               "%s '%s': all clients would wait for ever, as no server connection may be "
	               "made: write 1 or more, or leave it out for PgBouncer's own",
	               pair->key, pair->value);
}

static bool check_mode(const struct pgbouncer_pair *pair, struct err *err)
{
	static const char *const modes[] = {"session", "transaction", "statement"};

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (strcasecmp(pair->value, modes[i]) == 0)
			return true;
	return err_set(err, "pool_mode '%s': session, transaction and statement are allowed",
	               pair->value);
}

static bool read_port(const char *value, uint16_t *port, struct err *err)
{
	unsigned long number;

	if (!read_number(value, UINT16_MAX, &number) || number == 0)
		return err_set(err,
		               "port '%s' is not one number from 1 to 65535 (all servers of a "
		               "list of hosts share one port)",
		               value);
	*port = (uint16_t)number;
	return true;
}

static bool read_host(const char *value, char **host, struct err *err)
{
	free(*host);
	*host = pgbouncer_host_canonical(value);
	if (*host != NULL)
		return true;
	return err_set(
	    err,
	    "host '%s' is not numeric: PgBouncer resolves names by itself and keeps "
	    "the old address for dns_max_ttl (15 s), so use {{primary.address}}; several "
	    "addresses are separated by commas, IPv6 has no brackets",
	    value);
}

static bool take_param(const struct param *param, const struct pgbouncer_pair *pair,
                       struct pgbouncer_database *database, struct strbuf *rest, struct err *err)
{
	switch (param->kind) {
	case PARAM_HOST:
		return read_host(pair->value, &database->host, err);
	case PARAM_PORT:
		return read_port(pair->value, &database->port, err);
	case PARAM_DBNAME:
		free(database->dbname);
		database->dbname = xstrdup(pair->value);
		return true;
	case PARAM_NUMBER:
	case PARAM_SIZE:
		pgbouncer_pair_append(pair, rest);
		return check_number(param->kind, pair, err);
	case PARAM_MODE:
		pgbouncer_pair_append(pair, rest);
		return check_mode(pair, err);
	case PARAM_TEXT:
		pgbouncer_pair_append(pair, rest);
		return true;
	}
	return true;
}

static bool take_params(const struct pgbouncer_pairs *pairs, enum section section,
                        struct pgbouncer_database *database, struct err *err)
{
	auto_strbuf struct strbuf rest = STRBUF_INIT;

	for (size_t i = 0; i < pairs->count; i++) {
		const struct pgbouncer_pair *pair = &pairs->pairs[i];
		const struct param *param = find_param(section, pair->key, err);

		if (param == NULL || !take_param(param, pair, database, &rest, err))
			return false;
	}
	database->params = strbuf_detach(&rest);
	return true;
}

static void database_fini(struct pgbouncer_database *database)
{
	free(database->name);
	free(database->host);
	free(database->dbname);
	free(database->params);
}

/* True if PgBouncer would continue reading after such an entry, even if it misreads it. */
static bool pass_all(const struct pgbouncer_pairs *pairs, enum section section, struct err *err)
{
	for (size_t i = 0; i < pairs->count; i++) {
		const struct pgbouncer_pair *pair = &pairs->pairs[i];
		const struct param *param = find_param(section, pair->key, err);

		if (param == NULL || (param->kind == PARAM_MODE && !check_mode(pair, err)))
			return false;
		if (param->kind == PARAM_PORT && strtol(pair->value, NULL, 10) == 0)
			return err_set(err, "port '%s' is not a number", pair->value);
	}
	return true;
}

bool pgbouncer_database_passes(const struct pgbouncer_pairs *pairs, struct err *err)
{
	return pass_all(pairs, SECTION_DATABASES, err);
}

bool pgbouncer_user_passes(const struct pgbouncer_pairs *pairs, struct err *err)
{
	return pass_all(pairs, SECTION_USERS, err);
}

/* --- the text --- */

struct reader {
	struct pgbouncer_lines lines;
	enum section section;
	size_t capacity;
	struct pgbouncer_ini *out;
};

static bool check_name(const struct reader *reader, const char *name, struct err *err)
{
	if (strcmp(name, "pgbouncer") == 0)
		return err_set(err, "the name is reserved: it is PgBouncer's console");
	if (strcmp(name, "*") == 0)
		return err_set(err,
		               "SHOW DATABASES does not show this entry, so no move could be "
		               "confirmed: name the databases, and leave '*' to pgbouncer.ini");
	if (strlen(name) > PGBOUNCER_NAME_MAX)
		return err_set(
		    err, "the name is longer than the %d bytes that PgBouncer's console takes",
		    PGBOUNCER_NAME_MAX);
	if (pgbouncer_ini_find(reader->out, name) != NULL)
		return err_set(err, "the name is used twice, first in line %u",
		               pgbouncer_ini_find(reader->out, name)->line);
	return true;
}

static void add_database(struct reader *reader, const struct pgbouncer_database *database)
{
	struct pgbouncer_ini *out = reader->out;

	if (out->count == reader->capacity) {
		reader->capacity = reader->capacity > 0 ? reader->capacity * 2 : 8;
		out->databases =
		    xreallocarray(out->databases, reader->capacity, sizeof(*out->databases));
	}
	out->databases[out->count++] = *database;
}

/* The values of an entry of [users] are only checked. */
static bool take_entry(struct reader *reader, struct err *err)
{
	const struct pgbouncer_lines *at = &reader->lines;
	bool user = reader->section == SECTION_USERS, ok;
	struct pgbouncer_database database;
	struct pgbouncer_pairs pairs;

	if (reader->section == SECTION_NONE)
		return err_set(err, "there is no [databases] above it");
	if ((!user && !check_name(reader, at->name, err)) ||
	    !pgbouncer_pairs_parse(at->value, at->value_len, true, &pairs, err))
		return false;
	database = (struct pgbouncer_database){.name = xstrdup(at->name),
	                                       .host = xstrdup(""),
	                                       .port = DEFAULT_PORT,
	                                       .dbname = xstrdup(at->name),
	                                       .line = at->line};
	ok = take_params(&pairs, reader->section, &database, err);
	pgbouncer_pairs_free(&pairs);
	if (ok && !user)
		add_database(reader, &database);
	else
		database_fini(&database);
	return ok;
}

static bool enter_section(struct reader *reader, struct err *err)
{
	const char *name = reader->lines.name;

	reader->section = strcmp(name, "users") == 0 ? SECTION_USERS : SECTION_DATABASES;
	return reader->section == SECTION_USERS || strcmp(name, "databases") == 0 ||
	       err_set(err,
	               "[%.*s]: only [databases] and [users] are allowed in this file, all else "
	               "belongs to pgbouncer.ini, which %%includes it",
	               SHOWN_MAX, name);
}

static bool take_statement(struct reader *reader, enum pgbouncer_statement statement,
                           struct err *err)
{
	switch (statement) {
	case PGBOUNCER_STATEMENT_SECTION:
		return enter_section(reader, err);
	case PGBOUNCER_STATEMENT_ENTRY:
		return take_entry(reader, err) ||
		       err_wrap(err, "%.*s", SHOWN_MAX, reader->lines.name);
	case PGBOUNCER_STATEMENT_INCLUDE:
		return err_set(err, "%%include is not allowed in this file: segue would not know "
		                    "the databases of the included file");
	case PGBOUNCER_STATEMENT_END:
	case PGBOUNCER_STATEMENT_BROKEN:
		break;
	}
	return false;
}

/* PgBouncer stops reading at a NUL. Other control characters can only be a mistake. */
static bool check_bytes(const char *text, size_t len, struct err *err)
{
	unsigned line = 1;

	for (size_t i = 0; i < len; i++) {
		bool allowed = text[i] == '\t' || text[i] == '\n' ||
		               (text[i] == '\r' && (i + 1 == len || text[i + 1] == '\n'));

		if (!allowed && iscntrl((unsigned char)text[i]))
			return err_set(err, "a control character (\\x%02x)",
			               (unsigned char)text[i]) ||
			       err_at_line(err, line);
		line += text[i] == '\n';
	}
	return true;
}

bool pgbouncer_ini_parse(const char *text, size_t len, struct pgbouncer_ini *out, struct err *err)
{
	struct reader reader = {.out = out};
	enum pgbouncer_statement statement;

	*out = (struct pgbouncer_ini){0};
	if (!check_bytes(text, len, err))
		return false;
	pgbouncer_lines_init(&reader.lines, text, len);
	do
		statement = pgbouncer_lines_next(&reader.lines, err);
	while (take_statement(&reader, statement, err));
	pgbouncer_lines_fini(&reader.lines);
	if (statement == PGBOUNCER_STATEMENT_END && out->count > 0)
		return true;
	if (statement == PGBOUNCER_STATEMENT_END)
		err_set(err, "the file names no database: PgBouncer would drop those that it has");
	pgbouncer_ini_free(out);
	return err_at_line(err, reader.lines.line);
}

void pgbouncer_ini_free(struct pgbouncer_ini *ini)
{
	for (size_t i = 0; i < ini->count; i++)
		database_fini(&ini->databases[i]);
	free(ini->databases);
	*ini = (struct pgbouncer_ini){0};
}

const struct pgbouncer_database *pgbouncer_ini_find(const struct pgbouncer_ini *ini,
                                                    const char *name)
{
	for (size_t i = 0; i < ini->count; i++)
		if (strcmp(ini->databases[i].name, name) == 0)
			return &ini->databases[i];
	return NULL;
}

/* --- does the text lead to the primary? --- */

bool pgbouncer_text_leads(const struct config_target *config, bool whole, const char *text,
                          size_t len, const char *address, uint16_t port, struct err *err)
{
	struct pgbouncer_ini ini;
	bool leads = false;

	(void)whole;
	if (!config->leads_to_primary)
		return true;
	if (!pgbouncer_ini_parse(text, len, &ini, err))
		return false;
	for (size_t i = 0; i < ini.count && !leads; i++) {
		const struct pgbouncer_database *database = &ini.databases[i];

		leads = *database->host == '\0' || *database->host == '/' ||
		        (database->port == port && has_address(database->host, address));
	}
	pgbouncer_ini_free(&ini);
	return leads ||
	       err_set(err, "no database leads to the primary, %s port %u: " TARGET_TEXT_CURE,
	               address, (unsigned)port);
}
