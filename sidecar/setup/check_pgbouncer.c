/* `segue check`, PgBouncer: does the console answer and let segue be an admin, does PgBouncer read
 * the rendered file, and which of its settings would harm a failover? Changes nothing. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "pgbouncer/console.h"
#include "pgbouncer/model/config.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/lint.h"
#include "pgbouncer/model/next_start.h"
#include "pgbouncer/model/show.h"
#include "setup/check.h"
#include "target/install.h"

#define ANSWER_MAX_MS 3000

/* Needs an admin and names a setting that does not exist: the error "SET failed" shows that the
 * user is an admin. */
#define ADMIN_QUESTION "SET segue_check='1'"

/* The PgBouncer of one target. */
struct pooler {
	struct check *check;
	const struct config_target *target;
	const struct strbuf *text; /* rendered; empty: the template is wrong, which is noted */
	struct pgbouncer_ini storage, *ini; /* of `text`; NULL: not known */
	struct console *console;
	unsigned minor;                                  /* of version 1.x; 0: not known */
	struct pgbouncer_table config, databases, users; /* of SHOW */
	struct pgbouncer_main main;                      /* pgbouncer.ini */
	bool has_main, unrendered; /* unrendered: the output is missing or empty */
};

struct answer {
	bool done, fine;
	struct pgbouncer_table *table;
	struct err *err;
};

/* Copies the table, because the console owns it. */
static void take_answer(const struct pgbouncer_table *table, const struct err *err, bool lost,
                        void *arg)
{
	struct answer *answer = arg;

	(void)lost;
	answer->done = true;
	answer->fine = err == NULL;
	if (err != NULL)
		*answer->err = *err;
	else if (table != NULL)
		pgbouncer_table_copy(table, answer->table);
}

/* Caller frees `table` with pgbouncer_table_free(); it is empty after an error. */
static bool ask(struct pooler *pooler, const char *sql, struct pgbouncer_table *table,
                struct err *err)
{
	struct answer answer = {.table = table, .err = err};

	*table = (struct pgbouncer_table){0};
	err_set(err, "no connection was tried");
	console_query(pooler->console, sql, ANSWER_MAX_MS, take_answer, &answer);
	while (!answer.done && event_base_loop(pooler->check->base, EVLOOP_ONCE) == 0)
		;
	return answer.fine;
}

static const char *console_fix(const struct err *err)
{
	switch (pgbouncer_problem_of(err->message)) {
	case PGBOUNCER_NO_ADMIN:
		return "name an admin in console, or add its user to admin_users in pgbouncer.ini, "
		       "then systemctl reload pgbouncer";
	case PGBOUNCER_NOT_ALLOWED:
		return "run segue as PgBouncer's own system user, the owner of its unix socket "
		       "(User=postgres in the unit; segue-pgbouncer.service has it), whom it lets "
		       "in as user=pgbouncer; or name in console a user of admin_users in "
		       "pgbouncer.ini who has a password in passfile";
	case PGBOUNCER_NO_DATABASE:
		return "set dbname=pgbouncer in console";
	case PGBOUNCER_OTHER:
	case PGBOUNCER_NOT_PAUSED:
	case PGBOUNCER_ALREADY_PAUSED:
	case PGBOUNCER_RELOAD_FAILED:
		return "is PgBouncer running (systemctl status pgbouncer), are host (its "
		       "unix_socket_dir) and port (its listen_port) in console right, and may this "
		       "user log in?";
	}
	return NULL;
}

/* The console decides by the system user and the passwords that this user has, so the refusal of a
 * bystander says nothing about segue. */
static void note_refused(struct pooler *pooler, const struct err *err)
{
	struct check *check = pooler->check;
	auto_free char *thing = xasprintf("PgBouncer's console (%s)", err->message);

	if (check->bystander)
		check_denied(check, CHECK_FAIL, check->what, "ask", thing);
	else
		check_fail(
		    check, console_fix(err), "%s%s",
		    strncmp(err->message, "console: ", 9) == 0 ? "" : "console: ", err->message);
}

static bool check_version(struct pooler *pooler)
{
	struct pgbouncer_table table;
	const char *version = NULL;
	unsigned major = 0;
	struct err err;

	if (!ask(pooler, "SHOW VERSION", &table, &err)) {
		note_refused(pooler, &err);
		return false;
	}
	if (table.row_count > 0)
		version = pgbouncer_table_get(&table, 0, "version");
	if (version == NULL || !pgbouncer_version_parse(version, &major, &pooler->minor))
		version = "the version cannot be read";
	if (major == 1 && pooler->minor >= 12)
		check_ok(pooler->check, "console: %s", version);
	else
		check_warn(pooler->check, "segue knows PgBouncer 1.12 to 1.25", "console: %s",
		           version);
	pgbouncer_table_free(&table);
	return true;
}

static void check_admin(struct pooler *pooler)
{
	struct pgbouncer_table table;
	struct err err = {0};

	if (ask(pooler, ADMIN_QUESTION, &table, &err) || strstr(err.message, "SET failed") != NULL)
		check_ok(pooler->check, "console: its user is an admin");
	else
		note_refused(pooler, &err);
	pgbouncer_table_free(&table);
}

/* PgBouncer before 1.17 takes a list of hosts for the name of one host, which does not exist. */
static void check_lists(const struct pooler *pooler)
{
	const struct pgbouncer_ini *ini = pooler->ini;

	for (size_t i = 0; pooler->minor > 0 && pooler->minor < 17 && i < ini->count; i++)
		if (strchr(ini->databases[i].host, ',') != NULL)
			check_fail(pooler->check, "name one host in the template",
			           "rendered line %u: %s has a list of hosts, which PgBouncer "
			           "supports from 1.17 on",
			           ini->databases[i].line, ini->databases[i].name);
}

/* True if the file is missing or empty, as the README tells people to prepare it before the first
 * run. */
static bool is_unrendered(const char *output)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct err ignored; /* check_targets() has noted why it cannot be read */
	bool missing;

	if (!file_read(output, INSTALL_MAX, &text, &missing, &ignored))
		return missing;
	return text.data[strspn(text.data, " \t\r\n")] == '\0';
}

/* pgbouncer.ini cannot be read here: it is on another machine, or only PgBouncer's user may read
 * it. */
static void note_unread(const struct pooler *pooler, const char *main_file, const char *problem)
{
	struct check *check = pooler->check;
	auto_free char *fix = xasprintf("let %s read it", check->as);
	struct err err;

	if (*main_file == '/' && !next_start_reads(&pooler->config, main_file, &err))
		check_fail(check,
		           "until it can read that file, PgBouncer follows no failover and does "
		           "not start again",
		           "%s", err.message);
	else if (pooler->unrendered)
		check_warn(check, "check it yourself",
		           "cannot check that pgbouncer.ini has %%include %s: %s",
		           pooler->target->output, problem);
	else if (access(main_file, F_OK) == 0)
		check_warn(check, fix, "cannot check whether PgBouncer would load it: %s", problem);
}

/* Reads pgbouncer.ini as a RELOAD would. False if it cannot be read here. */
static bool check_main(struct pooler *pooler, const char *main_file)
{
	struct check *check = pooler->check;
	const struct pgbouncer_reading reading = {.minor = pooler->minor,
	                                          .config = &pooler->config,
	                                          .output = pooler->target->output,
	                                          .text = pooler->ini != NULL ? pooler->text->data
	                                                                      : NULL,
	                                          .len = pooler->text->len,
	                                          .ini = pooler->ini};
	struct err err;

	if (main_file == NULL ||
	    (check->bystander && !check_may_read(check, CHECK_WARN, check->what, main_file)))
		return false;
	if (*main_file != '/')
		err_set(&err, "%s, where PgBouncer was started", main_file);
	if (*main_file != '/' || !pgbouncer_main_load(main_file, &reading, &pooler->main, &err)) {
		note_unread(pooler, main_file, err.message);
		return false;
	}
	if (pooler->main.problem != NULL)
		check_fail(
		    check, "correct it, then systemctl reload pgbouncer",
		    "a RELOAD would reset settings and drop databases, so segue sends none: %s",
		    pooler->main.problem);
	return true;
}

/* Does PgBouncer read the output? SHOW DATABASES does not prove it: a copy of the output, or an
 * older entry of the same name, may show the same today. And can clients still reach PgBouncer and
 * log in after its next start? */
static void check_next(const struct pooler *pooler, const char *main_file)
{
	struct check *check = pooler->check;
	const char *output = pooler->target->output;
	auto_free char *fix = xasprintf(PGBOUNCER_NOT_INCLUDED_CURE, output);
	auto_string_list struct string_list differs = {.count = 0};
	struct err err;
	bool some;

	if (!pgbouncer_main_obeys(&pooler->main, output, &err))
		check_fail(check, "systemctl reload pgbouncer", "%s", err.message);
	if (pgbouncer_main_leaves_out(&pooler->main))
		check_fail(check, fix, PGBOUNCER_NOT_INCLUDED, main_file, output);
	if (!next_start_lets_in(&pooler->config, &pooler->main, &some, &err))
		check_note(check, some ? CHECK_WARN : CHECK_FAIL, check->what, NULL, "%s",
		           err.message);
	next_start_differs(&pooler->config, &pooler->main, false, &differs);
	check_note_all(check, CHECK_WARN, check->what, NULL, "", &differs);
}

static void check_settings(const struct pooler *pooler)
{
	struct check *check = pooler->check;
	const struct config_target *target = pooler->target;
	const struct pgbouncer_lint lint = {.config = &pooler->config,
	                                    .databases = &pooler->databases,
	                                    .users = &pooler->users,
	                                    .ini = pooler->ini,
	                                    .output = target->output,
	                                    .main = pooler->has_main ? &pooler->main : NULL,
	                                    .topology = &check->topologies[target->cluster_index],
	                                    .unrendered = pooler->unrendered,
	                                    .console = target->console,
	                                    .hold_timeout_ms =
	                                        check_hold_ms(check, target->cluster_index)};
	auto_string_list struct string_list findings = {.count = 0};

	pgbouncer_lint(&lint, &findings);
	check_note_all(check, CHECK_WARN, check->what, NULL, "", &findings);
}

static void check_own(const struct pooler *pooler)
{
	const struct topology *topology = &pooler->check->topologies[pooler->target->cluster_index];
	const char *address = pgbouncer_config_get(&pooler->config, "listen_addr");
	const char *port = pgbouncer_config_get(&pooler->config, "listen_port");
	const struct member *primary = &topology->primary;

	if (topology->has_primary && address != NULL && port != NULL &&
	    strtoul(port, NULL, 10) == primary->port &&
	    pgbouncer_listens_at(address, primary->address))
		check_note_own(pooler->check, pooler->target, "that ZooKeeper names",
		               primary->address, primary->port);
}

static void check_running(struct pooler *pooler)
{
	const char *output = pooler->target->output, *main_file;
	struct err err;
	uid_t user;

	pooler->unrendered = is_unrendered(output);
	if (access(output, F_OK) != 0)
		check_warn(pooler->check, "create it empty, or let `segue run` write it",
		           "there is no %s: PgBouncer does not start while %%include names a "
		           "missing file",
		           output);
	else if (pooler->unrendered)
		check_ok(pooler->check, "%s: not rendered yet: `segue run` renders it", output);
	if (!ask(pooler, "SHOW CONFIG", &pooler->config, &err) ||
	    !ask(pooler, "SHOW DATABASES", &pooler->databases, &err) ||
	    !ask(pooler, "SHOW USERS", &pooler->users, &err)) {
		note_refused(pooler, &err);
		return;
	}
	main_file = pgbouncer_config_get(&pooler->config, "conffile");
	pooler->has_main = check_main(pooler, main_file);
	if (pooler->has_main)
		check_next(pooler, main_file);
	check_settings(pooler);
	check_own(pooler);
	if (next_start_user(&pooler->config, &user))
		check_reader(pooler->check, pooler->target, "PgBouncer", user);
}

static void check_pooler(struct pooler *pooler)
{
	struct err ignored; /* noted by check_targets() */

	if (pooler->text->len > 0 &&
	    pgbouncer_ini_parse(pooler->text->data, pooler->text->len, &pooler->storage, &ignored))
		pooler->ini = &pooler->storage;
	if (!check_version(pooler))
		return;
	check_admin(pooler);
	if (pooler->ini != NULL)
		check_lists(pooler);
	check_running(pooler);
}

void check_pgbouncers(struct check *check)
{
	for (size_t i = 0; i < check->config->target_count; i++) {
		const struct config_target *target = &check->config->targets[i];
		struct pooler pooler = {.check = check, .target = target, .text = &check->texts[i]};

		if (target->kind != CONFIG_TARGET_PGBOUNCER)
			continue;
		check_about_target(check, target);
		pooler.console = console_create(check->base, target->console);
		check_pooler(&pooler);
		console_close(pooler.console);
		pgbouncer_table_free(&pooler.config);
		pgbouncer_table_free(&pooler.databases);
		pgbouncer_table_free(&pooler.users);
		pgbouncer_main_free(&pooler.main);
		pgbouncer_ini_free(&pooler.storage);
	}
}
