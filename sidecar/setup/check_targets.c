/* `segue check`, targets: does the template render to a text that the proxy accepts, can the file
 * be written, and do the programs of the commands exist? */
#include <errno.h>
#include <event2/event.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/listeners.h"
#include "cluster/override.h"
#include "cluster/state_file.h"
#include "cluster/target_kinds.h"
#include "haproxy/model/config.h"
#include "haproxy/model/lint.h"
#include "haproxy/model/routes.h"
#include "pgbouncer/model/databases.h"
#include "render/mustache.h"
#include "render/view.h"
#include "run/bind_conflicts.h"
#include "run/precheck.h"
#include "setup/check.h"
#include "setup/unit.h"
#include "target/command.h"
#include "target/install.h"

/* May the proxy read the output? A running proxy keeps what it has read, so an error shows only at
 * its next reload or start: on RELOAD, PgBouncer stops reading at the %include line of that file,
 * and later it does not start. */

/* The owner and mode that file_stage() will give the output. */
static bool foresee(const struct config_target *target, struct stat *out)
{
	struct file_owner owner;
	struct err ignored; /* noted by check_targets() */
	bool replaces = stat(target->output, out) == 0;

	if (!install_owner(target, &owner, &ignored))
		return false;
	if (!replaces)
		*out = (struct stat){.st_mode = 0644, .st_uid = geteuid(), .st_gid = getegid()};
	if (owner.mode != 0)
		out->st_mode = owner.mode;
	if (owner.has_uid)
		out->st_uid = owner.uid;
	if (owner.has_gid)
		out->st_gid = owner.gid;
	return true;
}

void check_reader(struct check *check, const struct config_target *target, const char *proxy,
                  uid_t uid)
{
	const struct passwd *user = getpwuid(uid);
	struct err ignored;
	struct account *account = user != NULL ? account_find(user->pw_name, &ignored) : NULL;
	struct stat st;

	check_about_target(check, target);
	if (account != NULL && foresee(target, &st) &&
	    !account_may_read(account, target->output, &st))
		check_fail(check,
		           "mode, owner, or the rights of the folders above: mode = 0644 lets all "
		           "read it; mode = 0640 with owner = :GROUP, those in that group",
		           "%s, mode %04o, uid %u, gid %u: %s runs as %s and cannot read it: it "
		           "would not follow a failover and would not start again",
		           target->output, (unsigned)(st.st_mode & 07777), (unsigned)st.st_uid,
		           (unsigned)st.st_gid, proxy, account->name);
	account_free(account);
}

/* The rendered texts of all targets: does check_command accept them, and can HAProxy bind their
 * addresses? */

static void note_checked(size_t target, bool accepted, const char *what, void *arg)
{
	struct check *check = arg;

	check_about_target(check, &check->config->targets[target]);
	if (accepted)
		check_ok(check, "check_command accepts the rendered text");
	else
		check_fail(check, "correct the template, or the command",
		           "check_command does not accept the rendered text: %s", what);
}

static void note_lost(size_t target, bool used, const char *what, void *arg)
{
	struct check *check = arg;

	check_about_target(check, &check->config->targets[target]);
	check_note(check, used ? CHECK_FAIL : CHECK_WARN, check->what, NULL, "%s", what);
}

static void all_checked(void *arg)
{
	(void)arg; /* the event loop ends because no event is left */
}

/* Clears the texts whose output folder is missing or not writable: check_command cannot run on a
 * file there. check_targets() has noted these folders. */
static void skip_missing_folders(const struct check *check, struct strbuf *texts)
{
	for (size_t i = 0; i < check->config->target_count; i++) {
		struct err ignored;
		auto_free char *folder = install_path(&check->config->targets[i], &ignored);

		if (folder != NULL)
			strrchr(folder, '/')[1] = '\0';
		if (folder == NULL || access(folder, W_OK) != 0)
			strbuf_init(&texts[i]);
	}
}

static void run_commands(struct check *check)
{
	const size_t count = check->config->target_count;
	auto_free struct strbuf *texts = xcalloc(count, sizeof(*texts)); /* borrow their bytes */
	const struct precheck_request request = {.config = check->config,
	                                         .texts = texts,
	                                         .checked = note_checked,
	                                         .lost = note_lost,
	                                         .done = all_checked,
	                                         .arg = check};

	for (size_t i = 0; i < count; i++)
		texts[i] = check->texts[i];
	skip_missing_folders(check, texts);
	if (precheck_start(check->base, &request) != NULL)
		event_base_dispatch(check->base);
}

void check_note_own(struct check *check, const struct config_target *target, const char *whose,
                    const char *address, uint16_t port)
{
	check_about_target(check, target);
	check_fail(check,
	           "segue does not use it, because connections would loop for ever: use the "
	           "address of the PostgreSQL server",
	           "the primary %s, %s port %u, is this proxy's own listener", whose, address,
	           (unsigned)port);
}

static void find_own(struct check *check, const struct listeners *listeners, size_t cluster)
{
	const struct config *config = check->config;
	const struct topology *topology = &check->topologies[cluster];
	const struct member *primary = &topology->primary;
	const struct config_target *target = NULL;
	struct override override;
	struct err ignored; /* noted by check_overrides() */

	if (topology->has_primary)
		target = listeners_find(listeners, cluster, primary->address, primary->port);
	if (target != NULL)
		check_note_own(check, target, "that ZooKeeper names", primary->address,
		               primary->port);
	if (!override_load(config->state_dir, config->clusters[cluster].name, &override,
	                   &ignored) ||
	    override.kind != OVERRIDE_PIN)
		return;
	target = listeners_find(listeners, cluster, override.address, override.port);
	if (target != NULL)
		check_note_own(check, target, "that is pinned", override.address, override.port);
}

void check_rendered(struct check *check)
{
	struct listeners *listeners = listeners_create(check->config, check->texts);
	auto_string_list struct string_list conflicts = {.count = 0};

	bind_conflicts_find(check->config, check->texts, &conflicts);
	check_note_all(check, CHECK_FAIL, "bind", NULL, "", &conflicts);
	for (size_t i = 0; i < check->config->cluster_count; i++)
		find_own(check, listeners, i);
	listeners_destroy(listeners);
	run_commands(check);
}

/* Notes if the text leads to no primary, whichever server that is. */
static void check_sense(struct check *check, const struct config_target *target,
                        const struct mustache *mustache, const struct strbuf *text)
{
	const struct topology *topology = &check->topologies[target->cluster_index];
	struct err err;

	if (!topology->has_primary || topology->primary.address[0] == '\0')
		return;
	if (!text_check_leads(target, true, text->data, text->len, topology->primary.address,
	                      topology->primary.port, &err) ||
	    !state_or_example_leads_to_any(&check->config->clusters[target->cluster_index], target,
	                                   mustache, topology, &err))
		check_fail(check, "correct the template", "rendered: %s", err.message);
}

/* Notes addresses that lead elsewhere than in the output. segue wrote the output last, so it is
 * what HAProxy runs with. */
static void check_routes(struct check *check, const struct config_target *target,
                         const struct strbuf *text)
{
	const struct topology *topology = &check->topologies[target->cluster_index];
	auto_strbuf struct strbuf file = STRBUF_INIT, found = STRBUF_INIT;
	struct topology last;
	struct err ignored;

	if (!target->leads_to_primary || !topology->has_primary ||
	    !file_read(target->output, INSTALL_MAX, &file, NULL, &ignored))
		return;
	if (state_or_example_topology(check->config, target->cluster_index, &last, &ignored)) {
		const struct haproxy_routes_text
		    before = {file.data, file.len, {last.primary.address, last.primary.port}},
		    now = {
		        text->data, text->len, {topology->primary.address, topology->primary.port}};

		haproxy_routes_compare(&before, &now, &found);
	}
	topology_fini(&last);
	if (found.len > 0)
		check_warn(check,
		           "correct the template; if the change is intended, inform the clients of "
		           "the old address",
		           "the rendered text leads to other servers than %s: %s", target->output,
		           found.data);
}

static void check_haproxy_text(struct check *check, const struct config_target *target,
                               const struct mustache *mustache, const struct strbuf *text)
{
	const int64_t hold_ms = check_hold_ms(check, target->cluster_index);
	auto_string_list struct string_list findings = {.count = 0};
	struct haproxy_config parsed;
	struct err err;

	if (!haproxy_config_parse(text->data, text->len, &parsed, &err)) {
		check_fail(check, "correct the template", "rendered %s", err.message);
		return;
	}
	if (parsed.server_count == 0)
		check_warn(check, "add a server line to a backend",
		           "the rendered text has no server line that segue could change");
	else
		check_ok(check, "rendered: backends %zu, servers %zu", parsed.backend_count,
		         parsed.server_count);
	haproxy_config_free(&parsed);
	check_sense(check, target, mustache, text);
	check_routes(check, target, text);
	haproxy_lint(text->data, text->len, hold_ms > 0 ? hold_ms : HAPROXY_LINT_HOLD_MS,
	             &findings);
	check_note_all(check, CHECK_WARN, check->what, NULL, "rendered ", &findings);
}

static void check_pgbouncer_text(struct check *check, const struct config_target *target,
                                 const struct mustache *mustache, const struct strbuf *text)
{
	struct pgbouncer_ini parsed;
	struct err err;

	if (!pgbouncer_ini_parse(text->data, text->len, &parsed, &err)) {
		check_fail(check, "correct the template", "rendered %s", err.message);
		return;
	}
	check_ok(check, "rendered: databases %zu", parsed.count);
	pgbouncer_ini_free(&parsed);
	check_sense(check, target, mustache, text);
}

static void check_template(struct check *check, const struct config_target *target,
                           struct strbuf *text)
{
	const struct config_cluster *cluster = &check->config->clusters[target->cluster_index];
	const struct topology *topology = &check->topologies[target->cluster_index];
	struct mustache *mustache;
	struct err err;

	if (access(target->template_file, F_OK) != 0 && errno == ENOENT) {
		check_fail(check,
		           "correct template, copy one from /usr/share/segue/templates, or run "
		           "segue init",
		           "there is no template %s", target->template_file);
		return;
	}
	if (!check_may_read(check, CHECK_FAIL, check->what, target->template_file))
		return;
	mustache = view_compile(target, &err);
	if (mustache == NULL || !view_render(cluster, target, topology, mustache, text, &err)) {
		strbuf_reset(text);
		check_fail(check,
		           config_locate_var(check->config, target, &err)
		               ? "correct the name there, or use it in the template"
		               : "correct the template",
		           "%s", err.message);
	} else if (target->kind == CONFIG_TARGET_HAPROXY) {
		check_haproxy_text(check, target, mustache, text);
	} else if (target->kind == CONFIG_TARGET_PGBOUNCER) {
		check_pgbouncer_text(check, target, mustache, text);
	} else {
		check_ok(check, "rendered: %zu bytes", text->len);
	}
	mustache_free(mustache);
}

static void check_output(struct check *check, const struct config_target *target)
{
	struct file_owner owner;
	struct stat st;
	struct err err;
	auto_free char *path = install_path(target, &err);

	if (path == NULL) {
		check_fail(check, NULL, "%s", err.message);
	} else {
		auto_free char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));

		check_folder(check, check->what, *folder != '\0' ? folder : "/");
		if (strcmp(path, target->output) != 0)
			check_ok(check,
			         "%s is a symbolic link, which stays: the file that is replaced is "
			         "%s",
			         target->output, path);
		if (stat(target->output, &st) == 0 && !S_ISREG(st.st_mode))
			check_fail(check, "output has to name a file", "%s is not a regular file",
			           target->output);
	}
	if (!install_owner(target, &owner, &err))
		check_fail(check, "correct owner in its section", "%s", err.message);
}

/* Searches for the program as execvp(3) does. */
static bool program_exists(const char *program)
{
	const char *path = getenv("PATH"), *dir = path != NULL ? path : "/bin:/usr/bin";

	if (strchr(program, '/') != NULL)
		return access(program, X_OK) == 0;
	for (;; dir++) {
		size_t len = strcspn(dir, ":");
		auto_free char *file =
		    xasprintf("%.*s/%s", len > 0 ? (int)len : 1, len > 0 ? dir : ".", program);

		if (access(file, X_OK) == 0)
			return true;
		dir += len;
		if (*dir == '\0')
			return false;
	}
}

/* A word that only a shell would interpret. segue runs no shell: the program would get it as an
 * argument. */
static const char *shell_word(char *const *argv)
{
	static const char *const words[] = {"|", "||", "&", "&&", ";", ">", ">>", "<"};

	for (; *argv != NULL; argv++)
		for (size_t i = 0; i < ARRAY_LEN(words); i++)
			if (strcmp(*argv, words[i]) == 0)
				return words[i];
	return NULL;
}

static void check_command(struct check *check, const char *key, const char *line)
{
	struct err err;
	char **argv;

	if (*line == '\0')
		return;
	argv = command_split(line, NULL, &err);
	if (argv == NULL) {
		check_fail(check, NULL, "%s: %s", key, err.message);
		return;
	}
	if (!program_exists(argv[0]))
		check_fail(check, "install it, or write its full path",
		           "%s: there is no program %s", key, argv[0]);
	else if (shell_word(argv) != NULL)
		check_warn(check, "the command runs without a shell: use sh -c '...'",
		           "%s: \"%s\" is passed to the program as an argument", key,
		           shell_word(argv));
	else
		check_ok(check, "%s: %s is there", key, argv[0]);
	command_argv_free(argv);
}

/* Optional keys of [haproxy] whose absence hurts only when a reload is needed or a template is
 * wrong. */
static void check_haproxy_keys(struct check *check, const struct config_target *target)
{
	if (*target->master_socket == '\0' && *target->reload_command == '\0')
		check_warn(check, "set master_socket",
		           "neither master_socket nor reload_command is set: changes that need a "
		           "reload wait until somebody reloads HAProxy");
	if (*target->check_command == '\0')
		check_warn(check, "check_command = haproxy -c -f /etc/haproxy/haproxy.cfg -f {}",
		           "no check_command: an error in the template shows only when HAProxy "
		           "starts again");
}

void check_targets(struct check *check)
{
	check->texts = xcalloc(check->config->target_count, sizeof(*check->texts));
	for (size_t i = 0; i < check->config->target_count; i++) {
		const struct config_target *target = &check->config->targets[i];

		strbuf_init(&check->texts[i]);
		check_about_target(check, target);
		check_template(check, target, &check->texts[i]);
		check_output(check, target);
		check_command(check, "check_command", target->check_command);
		check_command(check, "reload_command", target->reload_command);
		if (target->kind == CONFIG_TARGET_HAPROXY)
			check_haproxy_keys(check, target);
	}
}
