/* Settings that would harm clients in a failover; see the header. Databases that are not in segue's
 * file are not judged, unless they lead to the same servers: a failover would leave them behind. */
#include "pgbouncer/model/lint.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pgbouncer/model/databases.h"

#define UNSET            (-1)
#define LOGIN_RETRY_MS   1000
#define KEEPIDLE_MAX_MS  INT64_C(60000) /* the kernel's default is 7200 s */
#define NAMES_SHOWN_MAX  200            /* bytes of a list of databases in one message */
#define CONSOLE_DATABASE "pgbouncer"
#define SERVER_PORT      5432 /* of a database without a port */

static const char *setting(const struct pgbouncer_lint *lint, const char *name)
{
	return pgbouncer_config_get(lint->config, name);
}

/* The value of a setting as a message shows it. */
static const char *shown(const struct pgbouncer_lint *lint, const char *name)
{
	const char *value = setting(lint, name);

	return value != NULL && *value != '\0' ? value : "(not set)";
}

/* The value times 1000: seconds become ms. UNSET if this version has no such setting. */
static int64_t setting_ms(const struct pgbouncer_lint *lint, const char *name)
{
	const char *value = setting(lint, name);
	double number;
	char *end;

	if (value == NULL || *value == '\0')
		return UNSET;
	number = strtod(value, &end);
	return *end == '\0' && number >= 0 && number < 1e12 ? (int64_t)(number * 1000 + 0.5)
	                                                    : UNSET;
}

static bool is_zero(const struct pgbouncer_lint *lint, const char *name)
{
	return setting_ms(lint, name) == 0;
}

/* A timeout of 0 never expires. */
static void judge_hold(const struct pgbouncer_lint *lint, struct string_list *out, const char *name,
                       const char *cost)
{
	int64_t ms = setting_ms(lint, name), hold_ms = lint->hold_timeout_ms;

	if (ms > 0 && ms <= hold_ms)
		string_list_printf(
		    out,
		    "%s: %s s, and hold_timeout is %" PRId64 " ms: %s before the hold is over: "
		    "set %s = %" PRId64 " or more",
		    name, shown(lint, name), hold_ms, cost, name, hold_ms / 1000 + 10);
}

static bool is_ours(const struct pgbouncer_lint *lint, const char *name)
{
	return lint->ini != NULL && pgbouncer_ini_find(lint->ini, name) != NULL;
}

static void append_name(struct strbuf *names, const char *name)
{
	if (names->len >= NAMES_SHOWN_MAX)
		return;
	strbuf_printf(names, "%s%s", names->len > 0 ? ", " : "", name);
	if (names->len >= NAMES_SHOWN_MAX)
		strbuf_append_str(names, ", ...");
}

/* A user's pool_mode overrides that of the database. */
static void judge_pool_mode(const struct pgbouncer_lint *lint, struct string_list *out)
{
	const struct pgbouncer_table *databases = lint->databases, *users = lint->users;
	const char *preset = setting(lint, "pool_mode");
	auto_strbuf struct strbuf names = STRBUF_INIT;

	if (!is_zero(lint, "server_fast_close"))
		return;
	for (size_t i = 0; i < databases->row_count; i++) {
		const char *name = pgbouncer_table_get(databases, i, "name");
		const char *mode = pgbouncer_table_get(databases, i, "pool_mode");

		mode = mode != NULL ? mode : preset;
		if (name != NULL && mode != NULL && strcmp(mode, "session") == 0 &&
		    is_ours(lint, name))
			append_name(&names, name);
	}
	for (size_t i = 0; users != NULL && i < users->row_count; i++) {
		const char *name = pgbouncer_table_get(users, i, "name");
		auto_free char *shown = xasprintf("user %s", name != NULL ? name : "?");

		if (pgbouncer_table_is(users, i, "pool_mode", "session"))
			append_name(&names, shown);
	}
	if (names.len > 0)
		string_list_printf(
		    out,
		    "server_fast_close: 0, and pool_mode is session (%s): clients keep their "
		    "connection to the old primary until they log out, and a PAUSE waits for "
		    "that: set server_fast_close = 1, or pool_mode = transaction",
		    names.data);
}

static void judge_network(const struct pgbouncer_lint *lint, struct string_list *out)
{
	int64_t idle = setting_ms(lint, "tcp_keepidle");

	if (is_zero(lint, "tcp_user_timeout"))
		string_list_printf(
		    out,
		    "tcp_user_timeout: 0: when the old primary's host disappears, "
		    "queries that were sent to it hang for about 15 minutes and keep their place "
		    "in the pool: set tcp_user_timeout = 2000 (ms) or so");
	if (is_zero(lint, "tcp_keepalive") || idle == 0 || idle > KEEPIDLE_MAX_MS)
		string_list_printf(
		    out,
		    "tcp_keepidle: %s, tcp_keepalive: %s: when the old primary's host "
		    "disappears, clients that wait for its answer get no error for hours: set "
		    "tcp_keepalive = 1, tcp_keepidle = 2, tcp_keepintvl = 1, tcp_keepcnt = 2",
		    idle == 0 ? "0 (the kernel's 7200 s)" : shown(lint, "tcp_keepidle"),
		    shown(lint, "tcp_keepalive"));
}

/* Looks for "host=DIR" in a conninfo, or in the query part of a URI. DIR may be quoted. */
static bool leads_to_folder(const char *conninfo, const char *folder)
{
	size_t len = strlen(folder);

	for (const char *at = conninfo; (at = strstr(at, "host")) != NULL; at++) {
		const char *value = at + strlen("host");

		value += strspn(value, " ");
		if (*value != '=')
			continue;
		value++;
		value += strspn(value, " '");
		if (strncmp(value, folder, len) == 0 && strchr(" '&\t", value[len]) != NULL)
			return true;
	}
	return false;
}

/* segue SETs the min_pool_size of [pgbouncer] to 0 while it pauses. That of a database stays. */
static void judge_min_pool_size(const struct pgbouncer_lint *lint, struct string_list *out)
{
	const char *common = setting(lint, "min_pool_size");
	auto_strbuf struct strbuf names = STRBUF_INIT;

	for (size_t i = 0; i < lint->databases->row_count; i++) {
		const char *name = pgbouncer_table_get(lint->databases, i, "name");
		const char *own = pgbouncer_table_get(lint->databases, i, "min_pool_size");

		if (name != NULL && is_ours(lint, name) && own != NULL && strcmp(own, "0") != 0 &&
		    (common == NULL || strcmp(own, common) != 0))
			append_name(&names, name);
	}
	if (names.len > 0)
		string_list_printf(
		    out,
		    "min_pool_size in the entry of %s: PgBouncer also logs in while the database "
		    "is paused, cuts these logins itself, and after RESUME refuses whoever asks "
		    "before the first login: set min_pool_size in [pgbouncer] instead, where "
		    "segue sets it to 0 meanwhile",
		    names.data);
}

/* A unix socket directory belongs to only one of the PgBouncers that share a port. */
static void judge_reuseport(const struct pgbouncer_lint *lint, struct string_list *out)
{
	const char *folder = setting(lint, "unix_socket_dir");

	if (setting_ms(lint, "so_reuseport") <= 0 ||
	    (folder != NULL && *folder != '\0' && leads_to_folder(lint->console, folder)))
		return;
	string_list_printf(
	    out,
	    "so_reuseport: 1: several PgBouncers share the port, and a console over it "
	    "reaches any one of them, so the others would not move: give each a "
	    "unix_socket_dir of its own (this one has %s), and a [pgbouncer NAME] section of "
	    "its own in segue.ini with that folder as host in console",
	    shown(lint, "unix_socket_dir"));
}

static void judge_include(const struct pgbouncer_lint *lint, struct string_list *out,
                          const struct pgbouncer_live *live)
{
	const struct pgbouncer_main *file = lint->main;
	const struct pgbouncer_ini *ini = lint->ini;
	const char *main_file = setting(lint, "conffile");
	auto_strbuf struct strbuf names = STRBUF_INIT;

	for (size_t i = 0; ini != NULL && i < ini->count; i++)
		if (pgbouncer_live_find(live, ini->databases[i].name) == NULL)
			append_name(&names, ini->databases[i].name);
	if (names.len == 0)
		return;
	if (file != NULL && file->takes_output)
		string_list_printf(
		    out,
		    "[databases]: SHOW DATABASES has no %s: the rendered text has it. PgBouncer "
		    "loads it at the next RELOAD, which `segue run` sends when it uses this "
		    "template",
		    names.data);
	else if (file == NULL || !pgbouncer_main_leaves_out(file)) /* else reported elsewhere */
		string_list_printf(
		    out,
		    "[databases]: SHOW DATABASES has no %s: unless the template has just been "
		    "changed, PgBouncer does not read %s, so it "
		    "would never move: add the line \"%%include %s\" to %s, then RELOAD",
		    names.data, lint->output, lint->output,
		    main_file != NULL ? main_file : "pgbouncer.ini");
}

/* `host` as in a file or SHOW DATABASES: a name, an address, or a list. */
static bool is_at(const struct member *member, const char *host, uint16_t port)
{
	auto_free char *canonical = pgbouncer_host_canonical(host);

	return member->port == port && (strcmp(member->host, host) == 0 ||
	                                (canonical != NULL && member->address[0] != '\0' &&
	                                 pgbouncer_host_has(canonical, member->address)));
}

static bool leads_to_ours(const struct pgbouncer_lint *lint, const char *host, uint16_t port)
{
	const struct pgbouncer_ini *ini = lint->ini;
	const struct topology *topology = lint->topology;

	for (size_t i = 0; ini != NULL && i < ini->count; i++)
		if (ini->databases[i].port == port &&
		    pgbouncer_host_has(ini->databases[i].host, host))
			return true;
	if (topology->has_primary && is_at(&topology->primary, host, port))
		return true;
	for (size_t i = 0; i < topology->standby_count; i++)
		if (is_at(&topology->standbys[i], host, port))
			return true;
	return false;
}

static void judge_strangers(const struct pgbouncer_lint *lint, struct string_list *out,
                            const struct pgbouncer_live *live)
{
	auto_strbuf struct strbuf named = STRBUF_INIT, left = STRBUF_INIT;

	for (size_t i = 0; i < live->count; i++) {
		const struct pgbouncer_live_database *database = &live->databases[i];
		auto_free char *place = xasprintf("%s at %s port %u", database->name,
		                                  database->host, (unsigned)database->port);
		auto_free char *address = pgbouncer_host_canonical(database->host);

		if (strcmp(database->name, CONSOLE_DATABASE) == 0 || is_ours(lint, database->name))
			continue;
		if (leads_to_ours(lint, database->host, database->port))
			append_name(&left, place);
		else if (address == NULL) /* a host name */
			append_name(&named, database->name);
	}
	if (left.len > 0 && lint->ini != NULL)
		string_list_printf(
		    out,
		    "[databases]: %s: leads to a server of this cluster, but is not in %s, so a "
		    "failover would leave it behind: put it into the template",
		    left.data, lint->output);
	if (named.len > 0)
		string_list_printf(
		    out,
		    "dns_max_ttl: %s s, and host is a name in %s: PgBouncer resolves it by "
		    "itself, and segue does not move it: if it belongs to this cluster, put it "
		    "into the template",
		    shown(lint, "dns_max_ttl"), named.data);
}

/* SHOW DATABASES does not show the entry '*', only the databases that clients have used through it.
 */
static void judge_wildcard(const struct pgbouncer_lint *lint, struct string_list *out)
{
	const struct pgbouncer_main *file = lint->main;
	const struct pgbouncer_main_database *any = NULL;
	const char *host, *port;

	for (size_t i = 0; file != NULL && i < file->database_count; i++)
		if (strcmp(file->databases[i].name, "*") == 0)
			any = &file->databases[i];
	host = any != NULL ? pgbouncer_pairs_get(&any->pairs, "host") : NULL;
	if (host == NULL) /* a server on this machine */
		return;
	port = pgbouncer_pairs_get(&any->pairs, "port");
	if (leads_to_ours(lint, host,
	                  port != NULL ? (uint16_t)strtoul(port, NULL, 10) : SERVER_PORT))
		string_list_printf(
		    out,
		    "[databases]: * at %s port %s (%s line %u): leads to a server of this "
		    "cluster, and segue does not move it: every database without an entry of "
		    "its own would be left behind in a failover: name them in the template, "
		    "and remove the '*'",
		    host, port != NULL ? port : "5432", any->file, any->line);
}

void pgbouncer_lint(const struct pgbouncer_lint *lint, struct string_list *out)
{
	struct pgbouncer_live live;
	struct err err;

	if (setting_ms(lint, "server_login_retry") > LOGIN_RETRY_MS)
		string_list_printf(
		    out,
		    "server_login_retry: %s s: after one failed login PgBouncer tries no server "
		    "for that long, and its clients get errors; segue shortens it in its own "
		    "moves only: set server_login_retry = 1",
		    shown(lint, "server_login_retry"));
	if (is_zero(lint, "default_pool_size"))
		string_list_printf(
		    out,
		    "default_pool_size: 0: clients of every database without a pool_size of its "
		    "own wait for ever: set default_pool_size = 20 or so");
	judge_hold(lint, out, "query_wait_timeout", "clients that wait get an error");
	judge_hold(lint, out, "client_login_timeout", "clients that log in meanwhile are cut off");
	judge_pool_mode(lint, out);
	judge_min_pool_size(lint, out);
	judge_network(lint, out);
	judge_reuseport(lint, out);
	if (!pgbouncer_live_parse(lint->databases, &live, &err)) {
		string_list_printf(out, "[databases]: %s", err.message);
		return;
	}
	if (!lint->unrendered) /* an empty file cannot show whether PgBouncer reads it */
		judge_include(lint, out, &live);
	judge_strangers(lint, out, &live);
	judge_wildcard(lint, out);
	pgbouncer_live_free(&live);
}
