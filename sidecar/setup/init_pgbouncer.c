/* `segue init pgbouncer`: makes segue.ini, a template and the remaining steps from pgbouncer.ini.
 * Only reads. Takes the server that most databases lead to for the primary; leaves databases on
 * other servers alone, and reports them. */
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "haproxy/debian.h"
#include "init_internal.h"
#include "pgbouncer/model/config.h"
#include "pgbouncer/model/databases.h"
#include "setup/init_plan.h"
#include "setup/unit.h"

#define DEBIAN_INI    "/etc/pgbouncer/pgbouncer.ini"
#define DEBIAN_SOCKET "/var/run/postgresql"
#define DEBIAN_USER   "postgres"
#define PORT          "6432" /* default of listen_port */
#define SERVER_PORT   "5432" /* default port of a database */

struct pgbouncer_plan {
	struct init_plan *plan;
	struct pgbouncer_main config;
	const char *main_file;
	char *user;              /* owner of the main file, so the user that PgBouncer runs as */
	char *folder;            /* folder of the file that segue writes */
	const char *host, *port; /* of the server that is taken for the primary; NULL: none */
	struct stat st;
	bool secret; /* a line of [databases] has a password */
};

static const char *setting(const struct pgbouncer_plan *init, const char *name, const char *other)
{
	const char *value = pgbouncer_main_get(&init->config, name);

	return value != NULL && *value != '\0' ? value : other;
}

static const char *host_of(const struct pgbouncer_main_database *database)
{
	const char *host = pgbouncer_pairs_get(&database->pairs, "host");

	return host != NULL && *host != '/' && *host != '@' ? host : NULL;
}

static const char *port_of(const struct pgbouncer_main_database *database)
{
	const char *port = pgbouncer_pairs_get(&database->pairs, "port");

	return port != NULL ? port : SERVER_PORT;
}

static bool is_at(const struct pgbouncer_main_database *database, const char *host,
                  const char *port)
{
	return host_of(database) != NULL && strcmp(host_of(database), host) == 0 &&
	       strcmp(port_of(database), port) == 0;
}

/* False for a database that segue's file cannot hold, see pgbouncer_ini_parse(), or has already, or
 * that has "{{" in a value, which the template would interpret. */
static bool can_be_taken(const struct pgbouncer_plan *init,
                         const struct pgbouncer_main_database *database)
{
	if (strcmp(database->name, "*") == 0 || strlen(database->name) > PGBOUNCER_NAME_MAX ||
	    strcmp(database->file, init->plan->output) == 0)
		return false;
	for (size_t i = 0; i < database->pairs.count; i++)
		if (strstr(database->pairs.pairs[i].value, "{{") != NULL)
			return false;
	return true;
}

static bool is_ours(const struct pgbouncer_plan *init,
                    const struct pgbouncer_main_database *database)
{
	return init->host != NULL && is_at(database, init->host, init->port) &&
	       can_be_taken(init, database);
}

/* Chooses the server that most databases lead to; among equals, the first. */
static void choose_primary(struct pgbouncer_plan *init)
{
	const struct pgbouncer_main_database *databases = init->config.databases;
	size_t most = 0;

	for (size_t i = 0; i < init->config.database_count; i++) {
		const char *host = host_of(&databases[i]), *port = port_of(&databases[i]);
		size_t count = 0;

		if (host == NULL || !can_be_taken(init, &databases[i]))
			continue;
		for (size_t k = 0; k < init->config.database_count; k++)
			count += is_at(&databases[k], host, port);
		if (count <= most)
			continue;
		most = count;
		init->host = host;
		init->port = port;
	}
}

static void say_database(struct pgbouncer_plan *init,
                         const struct pgbouncer_main_database *database)
{
	const char *why =
	    "is left alone: it is on another server; if that belongs to this cluster, add it to "
	    "the template";

	if (strcmp(database->file, init->plan->output) == 0)
		return;
	if (is_ours(init, database))
		why = "follows the primary";
	else if (host_of(database) == NULL)
		why = "is left alone: it leads to a PostgreSQL on this machine";
	else if (!can_be_taken(init, database))
		why = "is left alone and does not follow a failover: segue moves only databases "
		      "listed by name";
	plan_found(init->plan, "database %s at %s port %s (%s line %u): %s", database->name,
	           host_of(database) != NULL ? host_of(database) : "a unix socket",
	           port_of(database), database->file, database->line, why);
}

static void say_found(struct pgbouncer_plan *init)
{
	plan_found(init->plan, "port %s, unix socket in %s, auth_type %s, admin_users %s",
	           setting(init, "listen_port", PORT),
	           setting(init, "unix_socket_dir", DEBIAN_SOCKET),
	           setting(init, "auth_type", "md5"), setting(init, "admin_users", "(none)"));
	plan_found(
	    init->plan,
	    "PgBouncer runs as %s: if segue runs as the same user, the console needs no password",
	    init->user);
	for (size_t i = 0; i < init->config.includes.count; i++)
		plan_found(init->plan, "%%include %s", init->config.includes.items[i]);
	for (size_t i = 0; i < init->config.database_count; i++)
		say_database(init, &init->config.databases[i]);
	if (init->config.problem != NULL)
		plan_found(init->plan,
		           "not read to its end, and PgBouncer would stop there, too: %s",
		           init->config.problem);
}

/* Appends "app = host={{address}} port={{port}} dbname='app' pool_size='20'" to the template. */
static void template_entry(struct pgbouncer_plan *init,
                           const struct pgbouncer_main_database *database)
{
	auto_strbuf struct strbuf rest = STRBUF_INIT;

	for (size_t i = 0; i < database->pairs.count; i++) {
		const struct pgbouncer_pair *pair = &database->pairs.pairs[i];

		init->secret = init->secret || strcmp(pair->key, "password") == 0;
		if (strcmp(pair->key, "host") != 0 && strcmp(pair->key, "port") != 0)
			pgbouncer_pair_append(pair, &rest);
	}
	strbuf_printf(&init->plan->template_file.text, "%s = host={{address}} port={{port}}%s%s\n",
	              database->name, rest.len > 0 ? " " : "", rest.data);
}

static void make_template(struct pgbouncer_plan *init)
{
	const char *cluster = init->plan->options->cluster, *dir = init->plan->options->dir;
	struct init_file *file = &init->plan->template_file;

	if (init->host == NULL) {
		file->path = xasprintf("%s/templates/pgbouncer.ini.mustache", dir);
		strbuf_append_str(&file->text, shipped_pgbouncer);
		return;
	}
	file->path = xasprintf("%s/templates/%s.ini.mustache", dir, cluster);
	strbuf_printf(
	    &file->text,
	    "{{!\n"
	    "  The databases of cluster %s, as %s had them when `segue init` read it. Add one by a "
	    "line of\n"
	    "  its own; for readers, see the template pgbouncer.ini.mustache that ships, and "
	    "segue-templates(7).\n"
	    "}}\n"
	    "; Written by segue from {{target.template}}: changes made here are lost.\n"
	    "[databases]\n{{#primary}}\n",
	    cluster, init->main_file);
	for (size_t i = 0; i < init->config.database_count; i++)
		if (is_ours(init, &init->config.databases[i]))
			template_entry(init, &init->config.databases[i]);
	strbuf_append_str(&file->text, "{{/primary}}\n");
	if (init->secret)
		file->owner = (struct file_owner){.mode = 0640,
		                                  .has_uid = true,
		                                  .has_gid = true,
		                                  .uid = init->st.st_uid,
		                                  .gid = init->st.st_gid};
}

static void ini_target(struct pgbouncer_plan *init)
{
	struct init_plan *plan = init->plan;
	const char *folders = setting(init, "unix_socket_dir", DEBIAN_SOCKET);

	plan->kind = CONFIG_TARGET_PGBOUNCER;
	plan_ini(plan, "\n[pgbouncer %s]", plan->options->target);
	plan_ini(plan, "cluster = %s", plan->options->cluster);
	plan_ini(plan, "template = %s", plan->template_file.path);
	plan_ini(plan, "output = %s", plan->output);
	if (init->secret) {
		plan_comment(plan, "The output contains a password.");
		plan_ini(plan, "mode = 0640");
	}
	plan_comment(plan,
	             "If segue runs as PgBouncer's own user, %s, the user pgbouncer needs no "
	             "password and no entry in admin_users.",
	             init->user);
	folders += strspn(folders, " "); /* a list: the first one */
	plan->address =
	    xasprintf("host=%.*s port=%s user=pgbouncer dbname=pgbouncer",
	              (int)strcspn(folders, ", "), folders, setting(init, "listen_port", PORT));
	plan_ini(plan, "console = %s", plan->address);
	if (init->host == NULL)
		plan_fill_in(plan, "var.dbname",
		             "the database on the server, and its name for clients", "app");
}

/* Makes the folders and the output. The package makes its own folders, and its unit the state
 * folder. A folder that segue's user can write to stays as it is, because another owner or mode
 * would lock somebody out. */
static void folder_step(struct pgbouncer_plan *init)
{
	const bool packaged = debian_has_unit(DEBIAN_POOLER_UNIT);
	const bool file = access(init->plan->output, F_OK) != 0;
	const char *const own[] = {"/var/lib/segue", "/run/segue"};
	struct account *account = plan_account(DEBIAN_POOLER_UNIT, init->user);
	auto_strbuf struct strbuf lines = STRBUF_INIT;

	if (account == NULL || !account_may_write(account, init->folder))
		strbuf_printf(&lines, "     sudo install -d -o %s %s %s\n", init->user,
		              packaged ? "-g segue -m 2770" : "-m 0750", init->folder);
	for (size_t i = 0; !packaged && i < ARRAY_LEN(own); i++)
		if (account == NULL || !account_may_write(account, own[i]))
			strbuf_printf(&lines, "     sudo install -d -o %s -m 0755 %s\n", init->user,
			              own[i]);
	account_free(account);
	if (lines.len == 0 && !file)
		return;
	plan_step(init->plan, "Create %s%s%s:", lines.len > 0 ? "the folders" : "",
	          lines.len > 0 && file ? ", and " : "",
	          file ? "an empty file for PgBouncer to read" : "");
	strbuf_append(&init->plan->steps, lines.data, lines.len);
	if (file)
		plan_line(init->plan, "sudo -u %s touch %s", init->user, init->plan->output);
}

/* Adds the settings whose absence segue check would warn about. */
static void settings_step(struct pgbouncer_plan *init)
{
	static const struct {
		const char *name, *value;
		bool session_only;
	} wanted[] = {
	    {"server_login_retry", "1", false}, {"tcp_user_timeout", "2000", false},
	    {"tcp_keepidle", "2", false},       {"tcp_keepintvl", "1", false},
	    {"tcp_keepcnt", "2", false},        {"client_login_timeout", "120", false},
	    {"server_fast_close", "1", true},
	};
	const bool session = strcmp(setting(init, "pool_mode", "session"), "session") == 0;
	bool said = false;

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		if (pgbouncer_main_get(&init->config, wanted[i].name) != NULL ||
		    (wanted[i].session_only && !session))
			continue;
		if (!said)
			plan_step(init->plan,
			          "To keep a failover short, add to the section [pgbouncer] of %s:",
			          init->main_file);
		said = true;
		plan_line(init->plan, "%s = %s", wanted[i].name, wanted[i].value);
	}
}

static void old_lines_step(struct pgbouncer_plan *init)
{
	if (init->host == NULL)
		return;
	plan_step(init->plan,
	          "When segue runs, these lines have no effect, because %s is read after them. "
	          "Remove them:",
	          init->plan->output);
	for (size_t i = 0; i < init->config.database_count; i++) {
		const struct pgbouncer_main_database *database = &init->config.databases[i];

		if (is_ours(init, database))
			plan_line(init->plan, "%s, line %u: %s", database->file, database->line,
			          database->name);
	}
}

static void make_plan(struct pgbouncer_plan *init)
{
	const struct plan_cluster cluster = {.host = init->host, .port = init->port};

	say_found(init);
	make_template(init);
	plan_begin(init->plan, "pgbouncer", init->main_file, &cluster);
	ini_target(init);
	folder_step(init);
	settings_step(init);
	if (!init->config.takes_output) {
		plan_step(init->plan, "At the end of %s add:", init->main_file);
		plan_line(init->plan, "%%include %s", init->plan->output);
	}
	plan_step(init->plan, "Reload PgBouncer:");
	plan_line(init->plan, "sudo systemctl reload pgbouncer");
	plan_store_steps(init->plan, &cluster);
	plan_run_step(init->plan, DEBIAN_POOLER_UNIT, init->user);
	old_lines_step(init);
}

static void find_user(struct pgbouncer_plan *init)
{
	const struct passwd *user = NULL;

	if (stat(init->main_file, &init->st) == 0 && init->st.st_uid != 0)
		user = getpwuid(init->st.st_uid);
	init->user = xstrdup(user != NULL ? user->pw_name : DEBIAN_USER);
}

bool init_pgbouncer(const struct init_options *options, struct init_plan *plan, struct err *err)
{
	struct pgbouncer_plan init = {
	    .plan = plan,
	    .main_file = options->proxy_config != NULL ? options->proxy_config : DEBIAN_INI};
	bool ok;

	plan_init(plan, options);
	init.folder = xasprintf("%.*s/segue", (int)(strrchr(init.main_file, '/') - init.main_file),
	                        init.main_file);
	plan->output = xasprintf("%s/%s.ini", init.folder, options->cluster);
	ok = pgbouncer_main_load(
	    init.main_file, &(struct pgbouncer_reading){.output = plan->output}, &init.config, err);
	if (ok) {
		find_user(&init);
		choose_primary(&init);
		make_plan(&init);
	}
	pgbouncer_main_free(&init.config);
	free(init.user);
	free(init.folder);
	return ok;
}
