/* `segue check`, HAProxy's own settings: the files of its -f arguments; see the header. */
#include "check/settings.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/command.h"
#include "apply/haproxy_files.h"
#include "apply/haproxy_lint.h"
#include "base/file.h"
#include "init/debian.h"

static bool read_command_line(int64_t pid, struct strbuf *out)
{
	auto_free char *file = xasprintf("/proc/%" PRId64 "/cmdline", pid);
	struct err ignored; /* another namespace, or hidepid: check_command has to do */

	return file_read(file, CHECK_SETTINGS_FILE_MAX, out, NULL, &ignored) && out->len > 0;
}

static bool is_haproxy(const char *program)
{
	const char *slash = strrchr(program, '/');

	return strstr(slash != NULL ? slash + 1 : program, "haproxy") != NULL;
}

/* 0 where it cannot be read. */
static int64_t parent_of(int64_t pid)
{
	auto_free char *file = xasprintf("/proc/%" PRId64 "/status", pid);
	auto_strbuf struct strbuf text = STRBUF_INIT;
	const char *found;
	struct err ignored;

	if (!file_read(file, CHECK_SETTINGS_FILE_MAX, &text, NULL, &ignored))
		return 0;
	found = strstr(text.data, "\nPPid:");
	return found != NULL ? strtoll(found + strlen("\nPPid:"), NULL, 10) : 0;
}

/* What /proc/PID/`name` leads to; NULL where it cannot be read. */
static char *proc_link(int64_t pid, const char *name)
{
	auto_free char *link = xasprintf("/proc/%" PRId64 "/%s", pid, name);

	return realpath(link, NULL);
}

/* Who reads the files: a worker's master. */
static int64_t starter_of(int64_t pid)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;
	int64_t parent = parent_of(pid);

	return parent > 1 && read_command_line(parent, &line) && is_haproxy(line.data) ? parent
	                                                                               : pid;
}

/* The folder that HAProxy was started in. A worker with a chroot is no longer there, but then its
 * master is; NULL: cannot be known. */
static char *start_folder(int64_t pid)
{
	const int64_t starter = starter_of(pid);
	auto_free char *root = NULL;

	root = proc_link(starter, "root");
	return root != NULL && strcmp(root, "/") == 0 ? proc_link(starter, "cwd") : NULL;
}

static void make_absolute(struct haproxy_files *paths, int64_t pid)
{
	auto_free char *folder = start_folder(pid);

	for (size_t i = 0; folder != NULL && i < paths->count; i++) {
		char *relative = paths->items[i];

		if (*relative == '/')
			continue;
		paths->items[i] = xasprintf("%s/%s", folder, relative);
		free(relative);
	}
}

static bool files_of_process(int64_t pid, struct haproxy_files *out)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;
	auto_free char **argv = NULL;
	size_t count = 0;

	if (pid == 0 || !read_command_line(pid, &line) || !is_haproxy(line.data))
		return false;
	for (size_t at = 0; at < line.len; at += strlen(line.data + at) + 1) {
		argv = xreallocarray(argv, count + 2, sizeof(*argv));
		argv[count++] = line.data + at;
		argv[count] = NULL;
	}
	haproxy_files_of_arguments(argv, out);
	make_absolute(out, pid);
	return out->count > 0;
}

/* {} stays as it is, and is no file. */
static bool files_of_command(const struct config_target *target, struct haproxy_files *out)
{
	struct err ignored; /* noted by check_targets() */
	char **argv = *target->check_command != '\0'
	                  ? command_split(target->check_command, NULL, &ignored)
	                  : NULL;

	if (argv == NULL)
		return false;
	haproxy_files_of_arguments(argv, out);
	command_argv_free(argv);
	for (size_t i = 0; i < out->count; i++)
		if (strcmp(out->items[i], "{}") == 0) {
			free(out->items[i]);
			out->items[i--] = out->items[--out->count];
		}
	return out->count > 0;
}

/* However they are spelled: "./", "..", symbolic links. */
static bool same_file(const char *a, const char *b)
{
	struct stat left, right;

	if (strcmp(a, b) == 0)
		return true;
	return stat(a, &left) == 0 && stat(b, &right) == 0 && left.st_dev == right.st_dev &&
	       left.st_ino == right.st_ino;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_output(const struct check *check, const char *path)
{
	for (size_t i = 0; i < check->config->target_count; i++)
		if (same_file(check->config->targets[i].output, path))
			return true;
	return false;
}

static void leave_outputs_out(const struct check *check, struct haproxy_files *files)
{
	size_t kept = 0;

	for (size_t i = 0; i < files->count; i++) {
		if (is_output(check, files->items[i]))
			free(files->items[i]);
		else
			files->items[kept++] = files->items[i];
	}
	files->count = kept;
}

static void lint_file(struct check *check, const char *path, int64_t hold_ms)
{
	auto_strbuf struct strbuf text = STRBUF_INIT, findings = STRBUF_INIT;
	struct err err;

	if (*path != '/') {
		check_note(check, CHECK_WARN, path, "start HAProxy with absolute paths",
		           "not looked at, as it is relative");
		return;
	}
	if (!check_may_read(check, CHECK_WARN, "haproxy settings", path))
		return;
	if (!file_read(path, CHECK_SETTINGS_FILE_MAX, &text, NULL, &err)) {
		check_note(check, CHECK_WARN, "haproxy settings", "not looked at", "%s",
		           err.message);
		return;
	}
	if (haproxy_lint(text.data, text.len, hold_ms, &findings) == 0)
		check_note(check, CHECK_OK, path, NULL, "nothing in it hurts a failover");
	for (const char *line = findings.data; *line != '\0';) {
		size_t len = strcspn(line, "\n");

		check_note(check, CHECK_WARN, path, NULL, "%.*s", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

char *check_haproxy_arguments(const struct config_target *target, const char *folder)
{
	const char *master = target->master_socket;
	struct debian_haproxy debian;
	auto_free char *line = NULL;
	struct err ignored; /* what it was given is then not known, and cannot be kept */

	if (!debian_haproxy_load(DEBIAN_DEFAULTS, &debian, &ignored)) {
		debian_haproxy_free(&debian);
		debian.extraopts = xstrdup("");
	}
	for (size_t i = 0; folder != NULL && i < debian.files.count; i++)
		if (same_file(debian.files.items[i], folder))
			folder = NULL;
	line = debian_haproxy_arguments(&debian, *master != '\0' ? master : DEBIAN_MASTER_SOCKET,
	                                geteuid() != 0 || debian_has_unit(DEBIAN_UNIT), folder);
	debian_haproxy_free(&debian);
	return xasprintf("EXTRAOPTS=\"%s\"", line);
}

static bool loads(const struct haproxy_files *arguments, const char *output)
{
	const char *name = strrchr(output, '/') + 1;
	auto_free char *folder = xstrndup(output, (size_t)(name - output));

	for (size_t i = 0; i < arguments->count; i++)
		if (same_file(arguments->items[i], output) ||
		    (haproxy_files_is_loaded_name(name) && same_file(arguments->items[i], folder)))
			return true;
	return false;
}

/* The first one that could not be made absolute; NULL: none. */
static const char *find_relative(const struct haproxy_files *arguments)
{
	for (size_t i = 0; i < arguments->count; i++)
		if (*arguments->items[i] != '/')
			return arguments->items[i];
	return NULL;
}

static char *not_loaded_fix(const struct config_target *target)
{
	const char *name = strrchr(target->output, '/') + 1;
	auto_free char *folder = xstrndup(target->output, (size_t)(name - target->output - 1));
	auto_free char *line = check_haproxy_arguments(target, folder);

	if (!haproxy_files_is_loaded_name(name))
		return xstrdup("from a folder, HAProxy loads only *.cfg: call it so, and name the "
		               "folder with -f; or, if that is another HAProxy, correct socket");
	return xasprintf("add a -f for its folder; Debian: %s in " DEBIAN_DEFAULTS
	                 ", then systemctl restart haproxy (a reload is not enough); or, if that "
	                 "is another HAProxy, correct socket",
	                 line);
}

static void note_not_loaded(struct check *check, const struct config_target *target,
                            const struct haproxy_files *arguments, int64_t pid)
{
	auto_free char *what = check_target_name(target);
	const char *relative = find_relative(arguments);
	auto_free char *fix = not_loaded_fix(target);

	if (relative != NULL)
		check_note(check, CHECK_WARN, what, "start HAProxy with absolute paths",
		           "whether HAProxy loads %s is not known: it was started with -f %s, in a "
		           "folder that segue's user cannot see",
		           target->output, relative);
	else
		check_note(check, CHECK_FAIL, what, fix,
		           "the HAProxy that answers at %s, pid %" PRId64
		           ", was not started with %s",
		           target->socket, pid, target->output);
}

static void check_outputs(struct check *check, const struct config_target *first,
                          const struct haproxy_files *arguments, int64_t pid)
{
	auto_free char *starter = xasprintf("/proc/%" PRId64, starter_of(pid));
	struct stat st;
	bool known = stat(starter, &st) == 0;

	for (size_t i = 0; i < check->config->target_count; i++) {
		const struct config_target *target = &check->config->targets[i];

		if (target->kind != CONFIG_TARGET_HAPROXY ||
		    strcmp(target->socket, first->socket) != 0)
			continue;
		if (!loads(arguments, target->output))
			note_not_loaded(check, target, arguments, pid);
		if (known)
			check_reader(check, target, "HAProxy", st.st_uid);
	}
}

void check_settings(struct check *check, const struct config_target *target, int64_t pid)
{
	int64_t hold_ms = check_hold_ms(check, target->cluster_index);
	struct haproxy_files arguments = {.count = 0}, files = {.count = 0};
	auto_free char *what = check_target_name(target);

	if (files_of_process(pid, &arguments)) {
		check_outputs(check, target, &arguments, pid);
	} else if (!files_of_command(target, &arguments)) {
		check_note(check, CHECK_WARN, what, "name them with -f in check_command",
		           "HAProxy's own files are not known, and not looked at");
		return;
	}
	for (size_t i = 0; i < arguments.count; i++)
		if (!is_folder(arguments.items[i]) ||
		    check_may_read(check, CHECK_WARN, "haproxy settings", arguments.items[i]))
			haproxy_files_expand(arguments.items[i], &files);
	leave_outputs_out(check, &files); /* their templates are looked at already */
	for (size_t i = 0; i < files.count; i++)
		lint_file(check, files.items[i], hold_ms > 0 ? hold_ms : HAPROXY_LINT_HOLD_MS);
	check_binds(check, target, &files);
	haproxy_files_free(&files);
	haproxy_files_free(&arguments);
}
