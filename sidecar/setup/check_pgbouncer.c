/* `segue check`, PgBouncer: does the console answer and let segue be an admin, does PgBouncer read
 * the rendered file, and which of its settings would harm a failover? Changes nothing. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
static bool ask(struct check *check, struct console *console, const char *sql,
                struct pgbouncer_table *table, struct err *err)
{
	struct answer answer = {.table = table, .err = err};

	*table = (struct pgbouncer_table){0};
	err_set(err, "no connection was tried");
	console_query(console, sql, ANSWER_MAX_MS, take_answer, &answer);
	while (!answer.done && event_base_loop(check->base, EVLOOP_ONCE) == 0)
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
static void note_refused(struct check *check, const char *what, const struct err *err)
{
	auto_free char *thing = xasprintf("PgBouncer's console (%s)", err->message);

	if (check->bystander)
		check_denied(check, CHECK_FAIL, what, "ask", thing);
	else
		check_note(
		    check, CHECK_FAIL, what, console_fix(err), "%s%s",
		    strncmp(err->message, "console: ", 9) == 0 ? "" : "console: ", err->message);
}

static bool check_version(struct check *check, struct console *console, const char *what,
                          unsigned *minor)
{
	struct pgbouncer_table table;
	const char *version = NULL;
	unsigned major = 0;
	struct err err;

	if (!ask(check, console, "SHOW VERSION", &table, &err)) {
		note_refused(check, what, &err);
		return false;
	}
	if (table.row_count > 0)
		version = pgbouncer_table_get(&table, 0, "version");
	if (version == NULL || !pgbouncer_version_parse(version, &major, minor))
		check_note(check, CHECK_WARN, what, "segue knows PgBouncer 1.12 to 1.25",
		           "console: the version cannot be read");
	else
		check_note(check, major == 1 && *minor >= 12 ? CHECK_OK : CHECK_WARN, what,
		           major == 1 && *minor >= 12 ? NULL : "segue knows 1.12 to 1.25",
		           "console: %s", version);
	pgbouncer_table_free(&table);
	return true;
}

static void check_admin(struct check *check, struct console *console, const char *what)
{
	struct pgbouncer_table table;
	struct err err = {0};
	bool fine = ask(check, console, ADMIN_QUESTION, &table, &err);

	pgbouncer_table_free(&table);
	if (fine || strstr(err.message, "SET failed") != NULL)
		check_note(check, CHECK_OK, what, NULL, "console: its user is an admin");
	else
		note_refused(check, what, &err);
}

/* PgBouncer before 1.17 takes a list of hosts for the name of one host, which does not exist. */
static void check_lists(struct check *check, const char *what, const struct pgbouncer_ini *ini,
                        unsigned minor)
{
	for (size_t i = 0; minor > 0 && minor < 17 && i < ini->count; i++)
		if (strchr(ini->databases[i].host, ',') != NULL)
			check_note(
			    check, CHECK_FAIL, what, "name one host in the template",
			    "rendered line %u: %s has a list of hosts, which PgBouncer supports "
			    "from 1.17 on",
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

/* SHOW DATABASES does not prove that PgBouncer reads the output: a copy of the output, or an older
 * entry of the same name, may show the same today. */
static void check_include(struct check *check, const char *what, const char *main_file,
                          const struct pgbouncer_main *found, const char *output)
{
	auto_free char *fix = xasprintf(PGBOUNCER_NOT_INCLUDED_CURE, output);

	struct err err;

	if (!pgbouncer_main_obeys(found, output, &err))
		check_note(check, CHECK_FAIL, what, "systemctl reload pgbouncer", "%s",
		           err.message);
	if (pgbouncer_main_leaves_out(found))
		check_note(check, CHECK_FAIL, what, fix, PGBOUNCER_NOT_INCLUDED, main_file, output);
}

/* Can clients still reach PgBouncer and log in after its next start? */
static void check_next(struct check *check, const char *what, const struct pgbouncer_table *config,
                       const struct pgbouncer_main *found)
{
	auto_string_list struct string_list differs = {.count = 0};
	struct err err;
	bool some;

	if (!next_start_lets_in(config, found, &some, &err))
		check_note(check, some ? CHECK_WARN : CHECK_FAIL, what, NULL, "%s", err.message);
	next_start_differs(config, found, false, &differs);
	check_note_all(check, CHECK_WARN, what, NULL, "", &differs);
}

/* pgbouncer.ini cannot be read here: it is on another machine, or only PgBouncer's user may read
 * it. */
static void note_unread(struct check *check, const char *what, const char *main_file,
                        const struct pgbouncer_table *config, const char *output,
                        const char *problem)
{
	auto_free char *fix = xasprintf("let %s read it", check->as);
	struct err err;

	if (*main_file == '/' && !next_start_reads(config, main_file, &err)) {
		check_note(
		    check, CHECK_FAIL, what,
		    "until it can read that file, PgBouncer follows no failover and does not start "
		    "again",
		    "%s", err.message);
		return;
	}
	if (is_unrendered(output))
		check_note(check, CHECK_WARN, what, "check it yourself",
		           "cannot check that pgbouncer.ini has %%include %s: %s", output, problem);
	else if (access(main_file, F_OK) == 0)
		check_note(check, CHECK_WARN, what, fix,
		           "cannot check whether PgBouncer would load it: %s", problem);
}

/* Reads pgbouncer.ini as a RELOAD would. False if it cannot be read here. Free `found` in either
 * case. */
static bool check_main(struct check *check, const char *what, const char *main_file,
                       const char *output, const struct pgbouncer_reading *reading,
                       struct pgbouncer_main *found)
{
	struct err err;

	*found = (struct pgbouncer_main){0};
	if (main_file == NULL ||
	    (check->bystander && !check_may_read(check, CHECK_WARN, what, main_file)))
		return false;
	if (*main_file != '/')
		err_set(&err, "%s, where PgBouncer was started", main_file);
	if (*main_file != '/' || !pgbouncer_main_load(main_file, reading, found, &err)) {
		note_unread(check, what, main_file, reading->config, output, err.message);
		return false;
	}
	if (found->problem != NULL)
		check_note(
		    check, CHECK_FAIL, what, "correct it, then systemctl reload pgbouncer",
		    "a RELOAD would reset settings and drop databases, so segue sends none: %s",
		    found->problem);
	return true;
}

/* The rendered text of a target, if it could be rendered. */
struct rendered {
	struct strbuf text;
	struct pgbouncer_ini storage,
	    *ini; /* NULL: the template is wrong, which is noted already */
};

static void note_unrendered(struct check *check, const char *what, const char *output)
{
	if (access(output, F_OK) != 0)
		check_note(
		    check, CHECK_WARN, what, "create it empty, or let `segue run` write it",
		    "there is no %s: PgBouncer does not start while %%include names a missing file",
		    output);
	else
		check_note(check, CHECK_OK, what, NULL,
		           "%s: not rendered yet: `segue run` renders it", output);
}

static void check_main_settings(struct check *check, const char *what,
                                const struct config_target *target, const struct rendered *rendered,
                                unsigned minor, const struct pgbouncer_table *config,
                                const struct pgbouncer_table *databases,
                                const struct pgbouncer_table *users)
{
	bool unrendered = is_unrendered(target->output);
	const char *main_file = pgbouncer_config_get(config, "conffile");
	const struct pgbouncer_reading reading = {
	    .minor = minor,
	    .config = config,
	    .output = target->output,
	    .text = rendered->ini != NULL ? rendered->text.data : NULL,
	    .len = rendered->text.len,
	    .ini = rendered->ini};
	auto_string_list struct string_list findings = {.count = 0};
	struct pgbouncer_main found;
	bool known = check_main(check, what, main_file, target->output, &reading, &found);

	if (known) {
		check_include(check, what, main_file, &found, target->output);
		check_next(check, what, config, &found);
	}
	pgbouncer_lint(
	    &(struct pgbouncer_lint){.config = config,
	                             .databases = databases,
	                             .users = users,
	                             .ini = rendered->ini,
	                             .output = target->output,
	                             .main = known ? &found : NULL,
	                             .topology = &check->topologies[target->cluster_index],
	                             .unrendered = unrendered,
	                             .console = target->console,
	                             .hold_timeout_ms =
	                                 check_hold_ms(check, target->cluster_index)},
	    &findings);
	check_note_all(check, CHECK_WARN, what, NULL, "", &findings);
	pgbouncer_main_free(&found);
}

/* The owner of PgBouncer's unix socket is the user that PgBouncer runs as. If PgBouncer is on
 * another machine or has no socket, its user is not known. */
static void check_user_of(struct check *check, const struct config_target *target,
                          const struct pgbouncer_table *config)
{
	const char *folder = pgbouncer_config_get(config, "unix_socket_dir");
	const char *port = pgbouncer_config_get(config, "listen_port");
	auto_free char *socket = folder != NULL && port != NULL && *folder == '/'
	                             ? xasprintf("%s/.s.PGSQL.%s", folder, port)
	                             : NULL;
	struct stat st;

	if (socket != NULL && stat(socket, &st) == 0 && S_ISSOCK(st.st_mode))
		check_reader(check, target, "PgBouncer", st.st_uid);
}

static void check_own(struct check *check, const struct config_target *target,
                      const struct pgbouncer_table *config)
{
	const struct topology *topology = &check->topologies[target->cluster_index];
	const char *address = pgbouncer_config_get(config, "listen_addr");
	const char *port = pgbouncer_config_get(config, "listen_port");
	const struct member *primary = &topology->primary;

	if (topology->has_primary && address != NULL && port != NULL &&
	    strtoul(port, NULL, 10) == primary->port &&
	    pgbouncer_listens_at(address, primary->address))
		check_note_own(check, target, "that ZooKeeper names", primary->address,
		               primary->port);
}

static void check_running(struct check *check, struct console *console, const char *what,
                          const struct config_target *target, const struct rendered *rendered,
                          unsigned minor)
{
	struct pgbouncer_table config, databases = {0}, users = {0};
	struct err err;

	if (is_unrendered(target->output))
		note_unrendered(check, what, target->output);
	if (ask(check, console, "SHOW CONFIG", &config, &err) &&
	    ask(check, console, "SHOW DATABASES", &databases, &err) &&
	    ask(check, console, "SHOW USERS", &users, &err)) {
		check_main_settings(check, what, target, rendered, minor, &config, &databases,
		                    &users);
		check_own(check, target, &config);
		check_user_of(check, target, &config);
	} else {
		note_refused(check, what, &err);
	}
	pgbouncer_table_free(&config);
	pgbouncer_table_free(&databases);
	pgbouncer_table_free(&users);
}

static void render(struct check *check, const struct config_target *target, struct rendered *out)
{
	struct err ignored;

	*out = (struct rendered){.text = STRBUF_INIT};
	if (check_render(check, target, &out->text, &ignored) &&
	    pgbouncer_ini_parse(out->text.data, out->text.len, &out->storage, &ignored))
		out->ini = &out->storage;
}

static void check_console(struct check *check, const struct config_target *target)
{
	auto_free char *what = check_target_name(target);
	struct console *console = console_create(check->base, target->console);
	struct rendered rendered;
	unsigned minor = 0;

	render(check, target, &rendered);
	if (check_version(check, console, what, &minor)) {
		check_admin(check, console, what);
		if (rendered.ini != NULL)
			check_lists(check, what, rendered.ini, minor);
		check_running(check, console, what, target, &rendered, minor);
	}
	console_close(console);
	pgbouncer_ini_free(&rendered.storage);
	strbuf_fini(&rendered.text);
}

void check_pgbouncers(struct check *check)
{
	for (size_t i = 0; i < check->config->target_count; i++)
		if (check->config->targets[i].kind == CONFIG_TARGET_PGBOUNCER)
			check_console(check, &check->config->targets[i]);
}
