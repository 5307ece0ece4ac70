/* Entries of [databases] and [users]; see the header. What PgBouncer would take and misread (a name
 * for an address, letters for a number) is an error here. */
#include "apply/pgbouncer_params.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "apply/pgbouncer_address.h"
#include "apply/pgbouncer_pairs.h"

#define DEFAULT_PORT 5432 /* PgBouncer's, for an entry that names none */
#define NUMBER_MAX   1000000000
#define SHOWN_MAX    32 /* bytes of a key in a message */

enum param_kind {
	PARAM_HOST,
	PARAM_PORT,
	PARAM_DBNAME,
	PARAM_NUMBER, /* PgBouncer reads letters as 0 */
	PARAM_SIZE,   /* the same, and with 0 no client is ever served */
	PARAM_MODE,
	PARAM_TEXT,
};

struct param {
	const char *key;
	enum param_kind kind;
};

/* Of all versions: one that is too old for a key refuses the file, which SHOW DATABASES tells. */
static const struct param database_params[] = {
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
};

static const struct param user_params[] = {
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
};

static const struct param *find_param(const struct param *params, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(params[i].key, key) == 0)
			return &params[i];
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
		return err_set(err, "%s '%s' is not a whole number, which PgBouncer would not tell",
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

static bool refuse_key(const char *key, struct err *err)
{
	return err_set(err, "PgBouncer has no key '%.*s' here, and would stop reading the file",
	               SHOWN_MAX, key);
}

static bool take_params(const struct pgbouncer_pairs *pairs, const struct param *params,
                        size_t count, struct pgbouncer_database *database, struct err *err)
{
	auto_strbuf struct strbuf rest = STRBUF_INIT;

	for (size_t i = 0; i < pairs->count; i++) {
		const struct pgbouncer_pair *pair = &pairs->pairs[i];
		const struct param *param = find_param(params, count, pair->key);

		if (param == NULL)
			return refuse_key(pair->key, err);
		if (!take_param(param, pair, database, &rest, err))
			return false;
	}
	database->params = strbuf_detach(&rest);
	return true;
}

static bool read_params(const char *text, size_t len, const struct param *params, size_t count,
                        struct pgbouncer_database *database, struct err *err)
{
	struct pgbouncer_pairs pairs;
	bool ok;

	if (!pgbouncer_pairs_parse(text, len, &pairs, err))
		return false;
	ok = take_params(&pairs, params, count, database, err);
	pgbouncer_pairs_free(&pairs);
	return ok;
}

bool pgbouncer_database_read(struct pgbouncer_database *database, const char *text, size_t len,
                             struct err *err)
{
	database->host = xstrdup("");
	database->port = DEFAULT_PORT;
	database->dbname = xstrdup(database->name);
	return read_params(text, len, database_params, ARRAY_LEN(database_params), database, err);
}

void pgbouncer_database_fini(struct pgbouncer_database *database)
{
	free(database->name);
	free(database->host);
	free(database->dbname);
	free(database->params);
}

bool pgbouncer_user_check(const char *text, size_t len, struct err *err)
{
	struct pgbouncer_database unused = {0};
	bool ok = read_params(text, len, user_params, ARRAY_LEN(user_params), &unused, err);

	pgbouncer_database_fini(&unused);
	return ok;
}

static bool pass_all(const struct pgbouncer_pairs *pairs, const struct param *params, size_t count,
                     struct err *err)
{
	for (size_t i = 0; i < pairs->count; i++) {
		const struct pgbouncer_pair *pair = &pairs->pairs[i];
		const struct param *param = find_param(params, count, pair->key);

		if (param == NULL)
			return refuse_key(pair->key, err);
		if (param->kind == PARAM_PORT && strtol(pair->value, NULL, 10) == 0)
			return err_set(err, "port '%s' is no number", pair->value);
		if (param->kind == PARAM_MODE && !check_mode(pair, err))
			return false;
	}
	return true;
}

bool pgbouncer_database_passes(const struct pgbouncer_pairs *pairs, struct err *err)
{
	return pass_all(pairs, database_params, ARRAY_LEN(database_params), err);
}

bool pgbouncer_user_passes(const struct pgbouncer_pairs *pairs, struct err *err)
{
	return pass_all(pairs, user_params, ARRAY_LEN(user_params), err);
}
