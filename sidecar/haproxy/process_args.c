/* The files that a HAProxy loads; see the header. */
#include "haproxy/process_args.h"

#include <dirent.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "haproxy/debian.h"
#include "target/command.h"

bool haproxy_files_is_loaded_name(const char *name)
{
	return fnmatch("?*.cfg", name, FNM_PERIOD) == 0;
}

static int only_loaded(const struct dirent *entry)
{
	return haproxy_files_is_loaded_name(entry->d_name);
}

void haproxy_files_expand(const char *path, struct string_list *out)
{
	struct dirent **entries;
	struct stat st;
	int count;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		string_list_add(out, xstrdup(path));
		return;
	}
	count = scandir(path, &entries, only_loaded, alphasort);
	for (int i = 0; i < count; i++) {
		string_list_add(out, xasprintf("%s/%s", path, entries[i]->d_name));
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/* The arguments of a HAProxy are best read from its process. Under systemd with
 * ProtectProc=invisible the sidecar does not see other users' processes; then they are read from
 * what starts HAProxy. */

#define FILE_MAX ((size_t)4 * 1024 * 1024) /* bytes */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool haproxy_started_same_file(const char *a, const char *b)
{
	struct stat left, right;

	return strcmp(a, b) == 0 ||
	       (stat(a, &left) == 0 && stat(b, &right) == 0 && is_same(&left, &right));
}

/* --- HAProxy's process --- */

static bool read_command_line(int64_t pid, struct strbuf *out)
{
	auto_free char *file = xasprintf("/proc/%" PRId64 "/cmdline", pid);
	struct err ignored; /* another pid namespace, or hidepid: other sources are tried */

	return file_read(file, FILE_MAX, out, NULL, &ignored) && out->len > 0;
}

static bool is_haproxy(const char *program)
{
	const char *slash = strrchr(program, '/');

	return strstr(slash != NULL ? slash + 1 : program, "haproxy") != NULL;
}

/* 0: it cannot be read. */
static int64_t parent_of(int64_t pid)
{
	auto_free char *file = xasprintf("/proc/%" PRId64 "/status", pid);
	auto_strbuf struct strbuf text = STRBUF_INIT;
	const char *found;
	struct err ignored;

	if (!file_read(file, FILE_MAX, &text, NULL, &ignored))
		return 0;
	found = strstr(text.data, "\nPPid:");
	return found != NULL ? strtoll(found + strlen("\nPPid:"), NULL, 10) : 0;
}

/* The target of the link /proc/PID/`name`. NULL: it cannot be read. Caller frees. */
static char *proc_link(int64_t pid, const char *name)
{
	auto_free char *link = xasprintf("/proc/%" PRId64 "/%s", pid, name);

	return realpath(link, NULL);
}

int64_t haproxy_starter(int64_t pid)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;
	int64_t parent = parent_of(pid);

	return parent > 1 && read_command_line(parent, &line) && is_haproxy(line.data) ? parent
	                                                                               : pid;
}

/* The folder that HAProxy was started in. NULL: not known. Caller frees. Looks at the master, if
 * there is one: a worker with a chroot has left that folder. */
static char *start_folder(int64_t pid)
{
	int64_t starter = haproxy_starter(pid);
	auto_free char *root = proc_link(starter, "root");

	return root != NULL && strcmp(root, "/") == 0 ? proc_link(starter, "cwd") : NULL;
}

static void make_absolute(struct string_list *paths, int64_t pid)
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

static bool files_of_process(int64_t pid, struct string_list *out)
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

/* --- what starts HAProxy --- */

/* If HAProxy would not load the output, the file is for another HAProxy, and is not used. */
static bool files_of_debian(const struct config_target *target, struct string_list *out)
{
	struct debian_haproxy debian;
	struct err ignored; /* `segue check` reports a file that cannot be parsed */

	if (debian_haproxy_load(DEBIAN_DEFAULTS, &debian, &ignored) && debian.there) {
		string_list_add(out, STEAL(debian.config));
		for (size_t i = 0; i < debian.files.count; i++)
			string_list_add(out, STEAL(debian.files.items[i]));
	}
	debian_haproxy_free(&debian);
	if (!haproxy_started_loads(out, target->output))
		string_list_free(out);
	return out->count > 0;
}

/* The "{}" in check_command, which stands for the staged output, is left out. */
static bool files_of_command(const struct config_target *target, struct string_list *out)
{
	struct err ignored; /* reported by `segue check` */
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

enum haproxy_started haproxy_started_with(const struct config_target *target, int64_t pid,
                                          struct string_list *out)
{
	if (files_of_process(pid, out))
		return HAPROXY_STARTED_PROCESS;
	if (files_of_debian(target, out))
		return HAPROXY_STARTED_DEBIAN;
	return files_of_command(target, out) ? HAPROXY_STARTED_COMMAND : HAPROXY_STARTED_UNKNOWN;
}

/* --- the files that HAProxy loads --- */

bool haproxy_started_loads(const struct string_list *arguments, const char *output)
{
	const char *name = strrchr(output, '/') + 1;
	auto_free char *folder = xstrndup(output, (size_t)(name - output));

	for (size_t i = 0; i < arguments->count; i++)
		if (haproxy_started_same_file(arguments->items[i], output) ||
		    (haproxy_files_is_loaded_name(name) &&
		     haproxy_started_same_file(arguments->items[i], folder)))
			return true;
	return false;
}

/* `outputs`: all zero where there is no file. */
static bool is_output(const struct config *config, const struct stat *outputs, const char *path)
{
	struct stat st;
	bool there = stat(path, &st) == 0;

	for (size_t i = 0; i < config->target_count; i++)
		if (strcmp(config->targets[i].output, path) == 0 ||
		    (there && is_same(&outputs[i], &st)))
			return true;
	return false;
}

static void leave_outputs_out(const struct config *config, struct string_list *files)
{
	auto_free struct stat *outputs = xcalloc(config->target_count, sizeof(*outputs));
	size_t kept = 0;

	for (size_t i = 0; i < config->target_count; i++)
		(void)stat(config->targets[i].output, &outputs[i]);
	for (size_t i = 0; i < files->count; i++) {
		if (is_output(config, outputs, files->items[i]))
			free(files->items[i]);
		else
			files->items[kept++] = files->items[i];
	}
	files->count = kept;
}

void haproxy_started_own_files(const struct config *config, const struct string_list *arguments,
                               struct string_list *out)
{
	for (size_t i = 0; i < arguments->count; i++)
		haproxy_files_expand(arguments->items[i], out);
	leave_outputs_out(config, out);
}
