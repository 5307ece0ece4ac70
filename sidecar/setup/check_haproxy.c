/* `segue check`, HAProxy: its sockets, and the settings in the files of its -f arguments. */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/listeners.h"
#include "haproxy/debian.h"
#include "haproxy/model/lint.h"
#include "haproxy/model/replies.h"
#include "haproxy/model/syntax.h"
#include "haproxy/process_args.h"
#include "haproxy/socket.h"
#include "setup/check.h"

#define SETTINGS_FILE_MAX ((size_t)4 * 1024 * 1024) /* bytes of one HAProxy file */

/* Do HAProxy's own files bind an address that a rendered text binds, too? Neither `haproxy -c` nor
 * HAProxy itself reports that: the kernel would distribute the clients between both. */

static void note_shared(const struct config_target *target, const struct haproxy_bind *rendered,
                        const char *file, const struct haproxy_bind *own, void *arg)
{
	struct check *check = arg;

	check_about_target(check, target);
	check_fail(check, LISTENERS_SHARED_CURE,
	           "%s listens at %s (%s), and so does the rendered text, at %s", file,
	           own->spelled, own->section_name, rendered->spelled);
}

/* Notes each address that a rendered text and a file of `own` both bind. `own`: HAProxy's files
 * without the outputs of targets. */
static void check_binds(struct check *check, const struct config_target *first,
                        const struct string_list *own)
{
	struct listeners *listeners = listeners_create(check->config, check->texts);

	listeners_find_shared(listeners, first->socket, own, true, note_shared, check);
	listeners_destroy(listeners);
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void lint_file(struct check *check, const char *path, int64_t hold_ms)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	auto_string_list struct string_list findings = {.count = 0};
	struct err err;

	if (*path != '/') {
		check_note(check, CHECK_WARN, path, "start HAProxy with absolute paths",
		           "not checked, because the path is relative");
		return;
	}
	if (!check_may_read(check, CHECK_WARN, "haproxy settings", path))
		return;
	if (!file_read(path, SETTINGS_FILE_MAX, &text, NULL, &err)) {
		check_note(check, CHECK_WARN, "haproxy settings", "not checked", "%s", err.message);
		return;
	}
	haproxy_lint(text.data, text.len, hold_ms, &findings);
	if (findings.count == 0)
		check_note(check, CHECK_OK, path, NULL, "no setting in it harms a failover");
	check_note_all(check, CHECK_WARN, path, NULL, "", &findings);
}

/* The line EXTRAOPTS="..." for Debian's /etc/default/haproxy that gives HAProxy the target's master
 * socket, open to segue's user, and makes it load `folder` (NULL: none). Caller frees. */
static char *haproxy_arguments(const struct config_target *target, const char *folder)
{
	const char *master = target->master_socket;
	struct debian_haproxy debian;
	auto_free char *line = NULL;
	struct err ignored; /* then the present options are not known and not kept */

	if (!debian_haproxy_load(DEBIAN_DEFAULTS, &debian, &ignored)) {
		debian_haproxy_free(&debian);
		debian.extraopts = xstrdup("");
	}
	for (size_t i = 0; folder != NULL && i < debian.files.count; i++)
		if (haproxy_started_same_file(debian.files.items[i], folder))
			folder = NULL;
	line = debian_haproxy_arguments(&debian, *master != '\0' ? master : DEBIAN_MASTER_SOCKET,
	                                geteuid() != 0 || debian_has_unit(DEBIAN_UNIT), folder);
	debian_haproxy_free(&debian);
	return xasprintf("EXTRAOPTS=\"%s\"", line);
}

static char *not_loaded_fix(const struct config_target *target)
{
	const char *name = strrchr(target->output, '/') + 1;
	auto_free char *folder = xstrndup(target->output, (size_t)(name - target->output - 1));
	auto_free char *line = haproxy_arguments(target, folder);

	if (!haproxy_files_is_loaded_name(name))
		return xstrdup("HAProxy loads only *.cfg from a folder: rename the output, and "
		               "name its folder with -f; or, if that is another HAProxy, correct "
		               "socket");
	return xasprintf("add a -f for its folder; Debian: %s in " DEBIAN_DEFAULTS
	                 ", then systemctl restart haproxy (a reload is not enough); or, if that "
	                 "is another HAProxy, correct socket",
	                 line);
}

static void note_not_loaded(struct check *check, const struct config_target *target,
                            const struct string_list *arguments, int64_t pid)
{
	auto_free char *fix = not_loaded_fix(target);
	const char *relative = NULL; /* a path that could not be made absolute */

	for (size_t i = arguments->count; i-- > 0;)
		if (*arguments->items[i] != '/')
			relative = arguments->items[i];
	check_about_target(check, target);
	if (relative != NULL)
		check_warn(check, "start HAProxy with absolute paths",
		           "cannot check whether HAProxy loads %s: it was started with -f %s, in a "
		           "folder that segue's user cannot see",
		           target->output, relative);
	else
		check_fail(check, fix,
		           "the HAProxy that answers at %s, pid %" PRId64
		           ", was not started with %s",
		           target->socket, pid, target->output);
}

static void note_next_start(struct check *check, const struct config_target *target,
                            const struct debian_haproxy *debian)
{
	const char *master = target->master_socket;
	const char *next = debian->master_socket != NULL ? debian->master_socket : "none";
	auto_free char *not_loaded = not_loaded_fix(target), *arguments = NULL;
	auto_string_list struct string_list files = {.count = 0};

	check_about_target(check, target);
	string_list_add(&files, xstrdup(debian->config));
	for (size_t i = 0; i < debian->files.count; i++)
		string_list_add(&files, xstrdup(debian->files.items[i]));
	if (!haproxy_started_loads(&files, target->output))
		check_fail(check, not_loaded,
		           "EXTRAOPTS in " DEBIAN_DEFAULTS " does not load %s: HAProxy has loaded "
		           "it now, but will not after its next restart",
		           target->output);
	if (*master == '\0')
		return;
	arguments = haproxy_arguments(target, NULL);
	if (strcmp(next, master) != 0)
		check_fail(check, arguments,
		           "EXTRAOPTS in " DEBIAN_DEFAULTS " has the master socket %s: after "
		           "HAProxy's next restart there is no master_socket = %s",
		           next, master);
	else if (geteuid() != 0 && !debian_master_is_open(debian))
		check_fail(check, arguments,
		           "EXTRAOPTS in " DEBIAN_DEFAULTS " keeps the master socket %s closed to "
		           "segue's user, from HAProxy's next restart on",
		           master);
}

/* Checks that HAProxy loads the outputs of all targets of this socket and, if Debian's unit has
 * started it, that it will do so at its next start. */
static void check_outputs(struct check *check, const struct config_target *first,
                          const struct string_list *arguments, int64_t pid)
{
	auto_free char *starter = xasprintf("/proc/%" PRId64, haproxy_starter(pid));
	struct stat st;
	bool known = stat(starter, &st) == 0, debians = false;
	struct debian_haproxy debian;
	struct err ignored; /* then HAProxy would not start, and systemd reports it */

	if (debian_haproxy_load(DEBIAN_DEFAULTS, &debian, &ignored) && debian.there)
		for (size_t i = 0; i < arguments->count; i++)
			debians = debians ||
			          haproxy_started_same_file(arguments->items[i], debian.config);
	for (size_t i = 0; i < check->config->target_count; i++) {
		const struct config_target *target = &check->config->targets[i];

		if (target->kind != CONFIG_TARGET_HAPROXY ||
		    strcmp(target->socket, first->socket) != 0)
			continue;
		if (!haproxy_started_loads(arguments, target->output))
			note_not_loaded(check, target, arguments, pid);
		else if (debians)
			note_next_start(check, target, &debian);
		if (known)
			check_reader(check, target, "HAProxy", st.st_uid);
	}
	debian_haproxy_free(&debian);
}

/* Notes a failure if HAProxy's files no longer have the target's socket: it would be gone after
 * HAProxy's next start or reload. */
static void check_next_socket(struct check *check, const struct config_target *target,
                              const struct string_list *files)
{
	auto_free char *other = NULL;       /* "/etc/haproxy/haproxy.cfg line 3 has /run/b.sock" */
	bool fine = *target->socket != '/'; /* or not known */

	for (size_t i = 0; !fine && i < files->count; i++) {
		auto_strbuf struct strbuf text = STRBUF_INIT;
		struct haproxy_lines lines;
		struct err ignored; /* noted by lint_file() */

		fine = !file_read(files->items[i], SETTINGS_FILE_MAX, &text, NULL, &ignored);
		haproxy_lines_init(&lines, text.data, text.len);
		while (haproxy_lines_next(&lines, &ignored)) {
			const char *path = haproxy_lines_word(&lines, 2);

			if (!haproxy_line_is(&lines, "stats socket"))
				continue;
			path += strncmp(path, "unix@", 5) == 0 ? 5 : 0;
			fine = fine || haproxy_lines_has_variable(&lines) ||
			       haproxy_started_same_file(path, target->socket);
			if (other == NULL)
				other = xasprintf("%s line %u has %s", files->items[i],
				                  lines.number, path);
		}
		haproxy_lines_fini(&lines);
	}
	check_about_target(check, target);
	if (other != NULL && !fine)
		check_fail(check, "correct that line, or socket in the target's section",
		           "no file of HAProxy has \"stats socket %s\" (%s): segue cannot reach it "
		           "from its next start or reload on",
		           target->socket, other);
}

/* Finds the -f arguments of the process `pid`, or those of check_command if `pid` is 0 or the
 * process is not visible. Notes settings in those files that would harm a failover, and outputs
 * that HAProxy would not load. Covers all targets that have the socket of `target`. */
static void check_settings(struct check *check, const struct config_target *target, int64_t pid)
{
	int64_t hold_ms = check_hold_ms(check, target->cluster_index);
	auto_string_list struct string_list arguments = {.count = 0}, files = {.count = 0};
	enum haproxy_started how = haproxy_started_with(target, pid, &arguments);

	if (how == HAPROXY_STARTED_UNKNOWN) {
		check_warn(check, "name them with -f in check_command",
		           "HAProxy's own files are not known and not checked");
		return;
	}
	if (how == HAPROXY_STARTED_PROCESS)
		check_outputs(check, target, &arguments, pid);
	for (size_t i = 0; i < arguments.count; i++)
		if (is_folder(arguments.items[i]) && access(arguments.items[i], R_OK) != 0 &&
		    errno == EACCES)
			check_denied(check, CHECK_WARN, "haproxy settings", "read",
			             arguments.items[i]);
	/* The outputs are left out: their templates are checked already. */
	haproxy_started_own_files(check->config, &arguments, &files);
	for (size_t i = 0; i < files.count; i++)
		lint_file(check, files.items[i], hold_ms > 0 ? hold_ms : HAPROXY_LINT_HOLD_MS);
	if (how != HAPROXY_STARTED_COMMAND) /* check_command may name folders of a container */
		check_next_socket(check, target, &files);
	check_binds(check, target, &files);
}

/* The running HAProxies: do the sockets answer, do they have level admin, which a move needs, and
 * what was HAProxy started with? Sends only queries. */

#define ANSWER_MAX_MS 3000

/* Needs level admin and names a server that cannot exist: the answer "no such backend" shows that
 * the level is admin. */
#define ADMIN_QUESTION "set server segue-check-no-such-backend/none weight 1"

struct answer {
	bool fine;
	struct strbuf *reply;
	struct err *err;
};

static void take_answer(const char *reply, size_t len, const struct err *err, void *arg)
{
	struct answer *answer = arg;

	answer->fine = reply != NULL;
	if (reply != NULL)
		strbuf_append(answer->reply, reply, len);
	else
		*answer->err = *err;
}

static bool ask(struct check *check, const char *path, bool master, const char *line,
                struct strbuf *reply, struct err *err)
{
	struct answer answer = {.reply = reply, .err = err};

	if (haproxy_call_start(check->base, path, master, line, ANSWER_MAX_MS, take_answer,
	                       &answer) == NULL)
		return err_set(err, "no connection was tried");
	event_base_dispatch(check->base); /* until no event is left */
	return answer.fine;
}

static void check_level(struct check *check, const char *path)
{
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	struct err err;

	if (!ask(check, path, false, ADMIN_QUESTION, &reply, &err))
		check_fail(check, NULL, "%s: %s", path, err.message);
	else if (strcasestr(reply.data, "permission denied") != NULL)
		check_fail(check, HAPROXY_ADMIN_CURE, "%s does not allow changes of servers", path);
	else
		check_ok(check, "%s has level admin", path);
}

/* Returns HAProxy's pid, or 0. */
static int64_t check_socket(struct check *check, const char *path)
{
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	struct haproxy_info info;
	struct err err;

	if (check_is_shut(check, path)) {
		check_denied(check, CHECK_FAIL, check->what, "connect to", path);
	} else if (!ask(check, path, false, "show info", &reply, &err)) {
		auto_free char *line = xasprintf(
		    "is HAProxy up? In the section global of haproxy.cfg there has to be: stats "
		    "socket %s mode 660 level admin",
		    path);
		auto_free char *fix = check_socket_fix(path, line);

		check_fail(check, fix, "stats socket %s: %s", path, err.message);
	} else if (!haproxy_info_parse(reply.data, reply.len, &info, &err)) {
		check_fail(check, "correct socket: it has to be HAProxy's stats socket", "%s: %s",
		           path, err.message);
	} else {
		check_note(check, info.stopping ? CHECK_WARN : CHECK_OK, check->what, NULL,
		           "%s: HAProxy %s, pid %" PRId64 "%s", path, info.version, info.pid,
		           info.stopping ? ", an old worker that is stopping" : "");
		check_level(check, path);
		return info.pid;
	}
	return 0;
}

static char *master_fix(const struct config_target *target)
{
	const char *path = target->master_socket;
	const bool closed = access(path, F_OK) == 0 && access(path, W_OK) != 0;
	auto_free char *line = haproxy_arguments(target, NULL);
	auto_free char *fix =
	    xasprintf("%s: %s in /etc/default/haproxy, then systemctl restart haproxy",
	              closed ? "only root may use it: run segue as root, or open it to a group of "
	                       "segue's user"
	                     : "HAProxy creates it when it is started with -W -S; Debian",
	              line);

	return closed ? STEAL(fix) : check_socket_fix(path, fix);
}

static bool has_worker(const struct haproxy_procs *procs, int64_t pid)
{
	for (size_t i = 0; i < procs->old_count; i++)
		if (procs->old_pids[i] == pid)
			return true;
	return procs->worker_pid == pid;
}

/* `pid`: the HAProxy that answers at the stats socket; 0: not known. */
static void check_master(struct check *check, const struct config_target *target, int64_t pid)
{
	const char *path = target->master_socket;
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	struct haproxy_procs procs;
	struct err err;

	check_about_target(check, target);
	if (check_is_shut(check, path)) {
		check_denied(check, CHECK_FAIL, check->what, "connect to", path);
		return;
	}
	if (!ask(check, path, true, "show proc", &reply, &err) ||
	    !haproxy_procs_parse(reply.data, reply.len, &procs, &err)) {
		auto_free char *fix = master_fix(target);

		check_fail(check, fix, "master socket %s: %s", path, err.message);
		return;
	}
	check_note(check, procs.failed > 0 ? CHECK_WARN : CHECK_OK, check->what,
	           procs.failed > 0 ? "run haproxy -c to see what is wrong with its files" : NULL,
	           "%s: master %" PRId64 ", worker %" PRId64 ", old workers %zu, failed reloads %u",
	           path, procs.master_pid, procs.worker_pid, procs.old_count, procs.failed);
	if (pid != 0 && !has_worker(&procs, pid))
		check_fail(check,
		           "correct socket or master_socket: one of them belongs to another "
		           "HAProxy",
		           "pid %" PRId64 " answers at %s, and is no worker of the master at %s",
		           pid, target->socket, path);
	haproxy_procs_free(&procs);
}

/* True if a target before this one has the same sockets. */
static bool is_repeated(const struct config *config, size_t target)
{
	const struct config_target *wanted = &config->targets[target];

	for (size_t i = 0; i < target; i++)
		if (config->targets[i].kind == CONFIG_TARGET_HAPROXY &&
		    strcmp(config->targets[i].socket, wanted->socket) == 0 &&
		    strcmp(config->targets[i].master_socket, wanted->master_socket) == 0)
			return true;
	return false;
}

void check_haproxies(struct check *check)
{
	const struct config *config = check->config;
	auto_free int64_t *pids = xcalloc(config->target_count, sizeof(*pids));

	for (size_t i = 0; i < config->target_count; i++) {
		const struct config_target *target = &config->targets[i];
		size_t first;

		if (target->kind != CONFIG_TARGET_HAPROXY)
			continue;
		first = config_haproxy_first(config, i);
		check_about_target(check, target);
		if (first == i) {
			pids[i] = check_socket(check, target->socket);
			check_settings(check, target, pids[i]);
		}
		if (*target->master_socket != '\0' && !is_repeated(config, i))
			check_master(check, target, pids[first]);
	}
}

char *check_socket_fix(const char *path, const char *missing)
{
	char *shut = haproxy_socket_shut(path);

	if (*path != '/')
		return xstrdup("does a process listen there?");
	if (shut != NULL)
		return shut;
	return xstrdup(access(path, F_OK) != 0
	                   ? missing
	                   : "no process listens there: is it running (systemctl status), or is "
	                     "this socket left over?");
}
