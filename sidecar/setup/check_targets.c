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
#include "config/config.h"
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
	auto_free char *what = check_target_name(target);
	struct stat st;

	if (account != NULL && foresee(target, &st) &&
	    !account_may_read(account, target->output, &st))
		check_note(check, CHECK_FAIL, what,
		           "mode, owner, or the rights of the folders above: mode = 0644 lets all "
		           "read it; mode = 0640 with owner = :GROUP, those in that group",
		           "%s, mode %04o, uid %u, gid %u: %s runs as %s, and cannot read it: it "
		           "would not follow, and not start again",
		           target->output, (unsigned)(st.st_mode & 07777), (unsigned)st.st_uid,
		           (unsigned)st.st_gid, proxy, account->name);
	account_free(account);
}

/* The rendered texts of all targets: does check_command accept them, and can HAProxy bind their
 * addresses? */

static void note_checked(size_t target, bool accepted, const char *what, void *arg)
{
	struct check *check = arg;
	auto_free char *name = check_target_name(&check->config->targets[target]);

	if (accepted)
		check_note(check, CHECK_OK, name, NULL, "check_command accepts the rendered text");
	else
		check_note(check, CHECK_FAIL, name, "correct the template, or the command",
		           "check_command, on the rendered text: %s", what);
}

static void note_lost(size_t target, bool used, const char *what, void *arg)
{
	struct check *check = arg;
	auto_free char *name = check_target_name(&check->config->targets[target]);

	check_note(check, used ? CHECK_FAIL : CHECK_WARN, name, NULL, "%s", what);
}

static void all_checked(void *arg)
{
	(void)arg; /* the event loop ends because no event is left */
}

static void run_commands(struct check *check, const struct strbuf *texts)
{
	const struct precheck_request request = {.config = check->config,
	                                         .texts = texts,
	                                         .checked = note_checked,
	                                         .lost = note_lost,
	                                         .done = all_checked,
	                                         .arg = check};

	if (precheck_start(check->base, &request) != NULL)
		event_base_dispatch(check->base);
}

static void find_clashes(struct check *check, const struct strbuf *texts)
{
	auto_string_list struct string_list clashes = {.count = 0};

	bind_conflicts_find(check->config, texts, &clashes);
	check_note_all(check, CHECK_FAIL, "bind", NULL, "", &clashes);
}

void check_note_own(struct check *check, const struct config_target *target, const char *whose,
                    const char *address, uint16_t port)
{
	auto_free char *what = check_target_name(target);

	check_note(check, CHECK_FAIL, what,
	           "nothing is led there, as a connection would go round in it for ever: name the "
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
	struct override word;
	struct err ignored; /* noted by check_overrides() */

	if (topology->has_primary)
		target = listeners_find(listeners, cluster, primary->address, primary->port);
	if (target != NULL)
		check_note_own(check, target, "that the store names", primary->address,
		               primary->port);
	if (!override_load(config->state_dir, config->clusters[cluster].name, &word, &ignored) ||
	    word.kind != OVERRIDE_PIN)
		return;
	target = listeners_find(listeners, cluster, word.address, word.port);
	if (target != NULL)
		check_note_own(check, target, "that is pinned", word.address, word.port);
}

static void find_all_own(struct check *check, const struct strbuf *texts)
{
	struct listeners *listeners = listeners_create(check->config, texts);

	for (size_t i = 0; i < check->config->cluster_count; i++)
		find_own(check, listeners, i);
	listeners_destroy(listeners);
}

/* Clears the texts whose output folder is missing or not writable: check_command cannot run on a
 * file there. check_targets() has noted these folders. */
static void leave_homeless_out(const struct check *check, struct strbuf *texts)
{
	for (size_t i = 0; i < check->config->target_count; i++) {
		struct err ignored;
		auto_free char *folder = install_path(&check->config->targets[i], &ignored);

		if (folder != NULL)
			strrchr(folder, '/')[1] = '\0';
		if (folder == NULL || access(folder, W_OK) != 0)
			strbuf_reset(&texts[i]);
	}
}

void check_rendered(struct check *check)
{
	size_t count = check->config->target_count;
	struct strbuf *texts = xcalloc(count, sizeof(*texts));
	struct err ignored; /* noted by check_targets() */

	for (size_t i = 0; i < count; i++) {
		strbuf_init(&texts[i]);
		if (!check_render(check, &check->config->targets[i], &texts[i], &ignored))
			strbuf_reset(&texts[i]);
	}
	find_clashes(check, texts);
	find_all_own(check, texts);
	leave_homeless_out(check, texts);
	run_commands(check, texts);
	for (size_t i = 0; i < count; i++)
		strbuf_fini(&texts[i]);
	free(texts);
}

bool check_render(struct check *check, const struct config_target *target, struct strbuf *out,
                  struct err *err)
{
	const struct config_cluster *cluster = &check->config->clusters[target->cluster_index];
	const struct topology *topology = &check->topologies[target->cluster_index];
	struct mustache *mustache = view_compile(target, err);
	bool fine = mustache != NULL && view_render(cluster, target, topology, mustache, out, err);

	mustache_free(mustache);
	return fine;
}

static void note_lint(struct check *check, const struct config_target *target, const char *what,
                      const struct strbuf *text)
{
	auto_string_list struct string_list findings = {.count = 0};
	int64_t hold_ms = check_hold_ms(check, target->cluster_index);

	haproxy_lint(text->data, text->len, hold_ms > 0 ? hold_ms : HAPROXY_LINT_HOLD_MS,
	             &findings);
	check_note_all(check, CHECK_WARN, what, NULL, "rendered ", &findings);
}

static bool leads_to_any(const struct check *check, const struct config_target *target,
                         const struct topology *topology, struct err *err)
{
	struct mustache *mustache = view_compile(target, err);
	bool fine = mustache != NULL &&
	            state_or_example_leads_to_any(&check->config->clusters[target->cluster_index],
	                                          target, mustache, topology, err);

	mustache_free(mustache);
	return fine;
}

static void check_sense(struct check *check, const struct config_target *target, const char *what,
                        const struct strbuf *text)
{
	const struct topology *topology = &check->topologies[target->cluster_index];
	struct err err;

	if (!topology->has_primary || topology->primary.address[0] == '\0')
		return;
	if (!text_check_judge(target, text->data, text->len, topology->primary.address,
	                      topology->primary.port, &err) ||
	    !leads_to_any(check, target, topology, &err))
		check_note(check, CHECK_FAIL, what, "correct the template", "rendered: %s",
		           err.message);
}

/* Notes addresses that lead elsewhere than in the output. segue wrote the output last, so it is
 * what HAProxy runs with. */
static void check_ways(struct check *check, const struct config_target *target, const char *what,
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
		check_note(check, CHECK_WARN, what,
		           "put it right, unless it is meant: then tell the clients of the old "
		           "address",
		           "unlike %s, the rendered text leads elsewhere: %s", target->output,
		           found.data);
}

static void check_haproxy_text(struct check *check, const struct config_target *target,
                               const char *what, const struct strbuf *text)
{
	struct haproxy_config parsed;
	struct err err;

	if (!haproxy_config_parse(text->data, text->len, &parsed, &err)) {
		check_note(check, CHECK_FAIL, what, "correct the template", "rendered %s",
		           err.message);
		return;
	}
	if (parsed.server_count == 0)
		check_note(check, CHECK_WARN, what, "give a backend a server line",
		           "the rendered text has no server that could be moved");
	else
		check_note(check, CHECK_OK, what, NULL, "rendered: backends %zu, servers %zu",
		           parsed.backend_count, parsed.server_count);
	haproxy_config_free(&parsed);
	check_sense(check, target, what, text);
	check_ways(check, target, what, text);
	note_lint(check, target, what, text);
}

static void check_pgbouncer_text(struct check *check, const struct config_target *target,
                                 const char *what, const struct strbuf *text)
{
	struct pgbouncer_ini parsed;
	struct err err;

	if (!pgbouncer_ini_parse(text->data, text->len, &parsed, &err)) {
		check_note(check, CHECK_FAIL, what, "correct the template", "rendered %s",
		           err.message);
		return;
	}
	check_note(check, CHECK_OK, what, NULL, "rendered: databases %zu", parsed.count);
	pgbouncer_ini_free(&parsed);
	check_sense(check, target, what, text);
}

static void note_not_rendered(struct check *check, const struct config_target *target,
                              const char *what, struct err *err)
{
	const char *fix = config_locate_var(check->config, target, err)
	                      ? "correct the name there, or have the template read it"
	                      : "correct the template";

	check_note(check, CHECK_FAIL, what, fix, "%s", err->message);
}

static void check_text(struct check *check, const struct config_target *target, const char *what)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct err err;

	if (access(target->template_file, F_OK) != 0 && errno == ENOENT)
		check_note(check, CHECK_FAIL, what,
		           "name it in template, copy one of /usr/share/segue/templates, or let "
		           "segue init write it",
		           "there is no template %s", target->template_file);
	else if (!check_may_read(check, CHECK_FAIL, what, target->template_file))
		return;
	else if (!check_render(check, target, &text, &err))
		note_not_rendered(check, target, what, &err);
	else if (target->kind == CONFIG_TARGET_HAPROXY)
		check_haproxy_text(check, target, what, &text);
	else if (target->kind == CONFIG_TARGET_PGBOUNCER)
		check_pgbouncer_text(check, target, what, &text);
	else
		check_note(check, CHECK_OK, what, NULL, "rendered: %zu bytes", text.len);
}

static void check_output(struct check *check, const struct config_target *target, const char *what)
{
	struct file_owner owner;
	struct stat st;
	struct err err;
	auto_free char *path = install_path(target, &err);

	if (path == NULL) {
		check_note(check, CHECK_FAIL, what, NULL, "%s", err.message);
	} else {
		auto_free char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));

		check_folder(check, what, *folder != '\0' ? folder : "/");
	}
	if (path != NULL && strcmp(path, target->output) != 0)
		check_note(check, CHECK_OK, what, NULL,
		           "%s is a symbolic link, which stays: the file that is replaced is %s",
		           target->output, path);
	if (path != NULL && stat(target->output, &st) == 0 && !S_ISREG(st.st_mode))
		check_note(check, CHECK_FAIL, what, "name a file", "%s is no regular file",
		           target->output);
	if (!install_owner(target, &owner, &err))
		check_note(check, CHECK_FAIL, what, "owner, in its section", "%s", err.message);
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

static void check_command(struct check *check, const char *what, const char *key, const char *line)
{
	struct err err;
	char **argv;

	if (*line == '\0')
		return;
	argv = command_split(line, NULL, &err);
	if (argv == NULL) {
		check_note(check, CHECK_FAIL, what, NULL, "%s: %s", key, err.message);
		return;
	}
	if (!program_exists(argv[0]))
		check_note(check, CHECK_FAIL, what, "install it, or name it with its path",
		           "%s: there is no program %s", key, argv[0]);
	else if (shell_word(argv) != NULL)
		check_note(check, CHECK_WARN, what, "no shell runs it: sh -c '...' would",
		           "%s: \"%s\" is handed over as an argument", key, shell_word(argv));
	else
		check_note(check, CHECK_OK, what, NULL, "%s: %s is there", key, argv[0]);
	command_argv_free(argv);
}

/* Optional keys of [haproxy] whose absence hurts only when a reload is needed or a template is
 * wrong. */
static void check_haproxy_keys(struct check *check, const struct config_target *target,
                               const char *what)
{
	if (*target->master_socket == '\0' && *target->reload_command == '\0')
		check_note(
		    check, CHECK_WARN, what, "set master_socket",
		    "neither master_socket nor reload_command: what needs a reload waits for "
		    "somebody's");
	if (*target->check_command == '\0')
		check_note(check, CHECK_WARN, what,
		           "check_command = haproxy -c -f /etc/haproxy/haproxy.cfg -f {}",
		           "no check_command: a template's mistake shows at HAProxy's next start");
}

void check_targets(struct check *check)
{
	for (size_t i = 0; i < check->config->target_count; i++) {
		const struct config_target *target = &check->config->targets[i];
		auto_free char *what = check_target_name(target);

		check_text(check, target, what);
		check_output(check, target, what);
		check_command(check, what, "check_command", target->check_command);
		check_command(check, what, "reload_command", target->reload_command);
		if (target->kind == CONFIG_TARGET_HAPROXY)
			check_haproxy_keys(check, target, what);
	}
}
