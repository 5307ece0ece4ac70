/* Stages, checks and commits a text, in this order. The staged file is in the folder of
 * the output, so that the rename is atomic. Its name is hidden, because HAProxy loads whole folders
 * without hidden files. */
#include "target/install.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_writer.h"
#include "base/timer.h"
#include "target/command.h"

#define CHECK_TIMEOUT_MS 30000
#define LINKS_MAX        40 /* symbolic links in a chain, as in path_resolution(7) */

struct install {
	const struct installer *installer;
	char *path; /* install_path() */
	char *staged;
	struct command *check;       /* NULL: not configured, or done */
	struct timer *soon;          /* goes on from the loop if there is no check_command */
	struct file_writer_job *job; /* NULL: the commit has not started */
	install_ready_cb *ready;     /* NULL: none */
	install_cb *done;
	void *arg;
};

bool install_owner(const struct config_target *config, struct file_owner *out, struct err *err)
{
	auto_free char *user = xstrdup(config->owner);
	char *colon = strchr(user, ':');
	const char *group = colon != NULL ? colon + 1 : "";
	const struct passwd *pw;
	const struct group *gr;

	if (colon != NULL)
		*colon = '\0';
	*out = (struct file_owner){.mode = (mode_t)config->mode};
	out->has_uid = *user != '\0';
	out->has_gid = *group != '\0';
	pw = out->has_uid ? getpwnam(user) : NULL;
	if (out->has_uid && pw == NULL)
		return err_set(err, "owner = %s: there is no user '%s' on this machine",
		               config->owner, user);
	gr = out->has_gid ? getgrnam(group) : NULL;
	if (out->has_gid && gr == NULL)
		return err_set(err, "owner = %s: there is no group '%s' on this machine",
		               config->owner, group);
	out->uid = pw != NULL ? pw->pw_uid : 0;
	out->gid = gr != NULL ? gr->gr_gid : 0;
	return true;
}

/* Returns the path that the symbolic link names; caller frees. Follows only links of root and of
 * segue's own user: another user who may write to the folder must not make segue overwrite any
 * file. */
static char *follow(const char *link, const struct stat *st, struct err *err)
{
	char target[PATH_MAX];
	ssize_t len;

	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		err_set(err,
		        "%s: the output is a symbolic link that belongs to another user, and "
		        "segue does not follow it: create the link as root, or set output to the "
		        "file that it names",
		        link);
		return NULL;
	}
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0) {
		err_set_errno(err, errno, "%s", link);
		return NULL;
	}
	target[len] = '\0';
	return *target == '/'
	           ? xstrdup(target)
	           : xasprintf("%.*s%s", (int)(strrchr(link, '/') + 1 - link), link, target);
}

char *install_path(const struct config_target *config, struct err *err)
{
	auto_free char *path = xstrdup(config->output);
	struct statx mount;
	struct stat st;

	for (int links = 0; lstat(path, &st) == 0 && S_ISLNK(st.st_mode); links++) {
		char *next = links < LINKS_MAX ? follow(path, &st, err) : NULL;

		if (links == LINKS_MAX)
			err_set_errno(err, ELOOP, "%s", config->output);
		if (next == NULL)
			return NULL;
		free(path);
		path = next;
	}
	/* Linux before 5.8 does not report a mount point; there rename() fails. */
	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &mount) == 0 &&
	    (mount.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) {
		err_set(err,
		        "%s: the output is a mount point (a single-file volume), which a rename "
		        "cannot replace: mount its folder instead",
		        path);
		return NULL;
	}
	return STEAL(path);
}

/* Each line begins with "name:x:id:". */
char *install_local_name(const char *table, unsigned long id)
{
	FILE *file = fopen(table, "re");
	auto_free char *line = NULL;
	char *name = NULL;
	size_t capacity = 0;

	while (file != NULL && name == NULL && getline(&line, &capacity, file) > 0) {
		char *rest = line;
		const char *first = strsep(&rest, ":");

		strsep(&rest, ":");
		if (rest != NULL && strtoul(rest, NULL, 10) == id)
			name = xstrdup(first);
	}
	if (file != NULL)
		fclose(file);
	return name;
}

char *install_folder_cure(const char *folder, int error)
{
	auto_free char *found = install_local_name("/etc/group", getegid());
	const char *group = found != NULL ? found : "GROUP";

	switch (error) {
	case ENOENT:
		return xasprintf(
		    "create it, writable for the group of segue: install -d -g %s -m 2775 %s",
		    group, folder);
	case EROFS:
		return xasprintf("the systemd unit makes it read-only for segue: add "
		                 "ReadWritePaths=%s under [Service] (systemctl edit segue, or "
		                 "segue-pgbouncer), then restart the unit",
		                 folder);
	case EACCES:
	case EPERM:
		return xasprintf(
		    "make it writable for the group of segue: chgrp %s %s && chmod g+ws %s", group,
		    folder, folder);
	default:
		return xasprintf("check space and inodes of its file system: df -h -i %s", folder);
	}
}

bool install_is_current(const char *output, const char *text, size_t len)
{
	auto_strbuf struct strbuf now = STRBUF_INIT;
	struct err ignored;

	return file_read(output, INSTALL_MAX, &now, NULL, &ignored) && now.len == len &&
	       memcmp(now.data, text, len) == 0;
}

static void install_free(struct install *install)
{
	if (install->check != NULL)
		command_cancel(install->check);
	timer_free(install->soon);
	free(install->path);
	free(install->staged);
	free(install);
}

static void end(struct install *install, enum install_end how, const char *why)
{
	install_cb *done = install->done;
	void *arg = install->arg;

	install_free(install);
	done(how, why, arg);
}

static void committed_cb(const struct err *problem, void *arg)
{
	end(arg, problem == NULL ? INSTALL_DONE : INSTALL_FAILED,
	    problem == NULL ? "" : problem->message);
}

static void checked_cb(bool ok, const char *what, void *arg)
{
	struct install *install = arg;
	struct err err;

	install->check = NULL;
	if (ok && install->installer->file_writer == NULL) {
		unlink(install->staged);
		end(install, INSTALL_DONE, what);
		return;
	}
	if (ok && (install->ready == NULL || install->ready(install->arg, &err))) {
		install->job = file_writer_commit(install->installer->file_writer, install->staged,
		                                  install->path, committed_cb, install);
		return;
	}
	unlink(install->staged);
	end(install, ok ? INSTALL_FAILED : INSTALL_REFUSED, ok ? err.message : what);
}

static void soon_cb(void *arg)
{
	checked_cb(true, "", arg);
}

static bool start_check(struct install *install, struct err *err)
{
	const struct installer *installer = install->installer;
	char **argv;

	if (installer->config->check_command[0] == '\0') {
		install->soon = timer_new(installer->base, soon_cb, install);
		timer_start(install->soon, 0);
		return true;
	}
	argv = command_split(installer->config->check_command, install->staged, err);
	if (argv == NULL)
		return err_wrap(err, "check_command");
	install->check = command_run(installer->base, argv, CHECK_TIMEOUT_MS, checked_cb, install);
	command_argv_free(argv);
	return true;
}

void installer_init(struct installer *installer, struct event_base *base,
                    struct file_writer *file_writer, const struct config_target *config)
{
	struct err ignored; /* install_start() asks again and reports it */

	*installer = (struct installer){.base = base, .file_writer = file_writer, .config = config};
	installer->owner_known = install_owner(config, &installer->owner, &ignored);
}

struct install *install_start(struct installer *installer, const char *text, size_t len,
                              install_ready_cb *ready, install_cb *done, void *arg, struct err *err)
{
	struct install *install;

	if (!installer->owner_known) /* the user may have been created meanwhile */
		installer->owner_known = install_owner(installer->config, &installer->owner, err);
	if (!installer->owner_known)
		return NULL;
	install = xcalloc(1, sizeof(*install));
	*install =
	    (struct install){.installer = installer, .ready = ready, .done = done, .arg = arg};
	install->path = install_path(installer->config, err);
	if (install->path != NULL)
		install->staged = file_stage(install->path, text, len, &installer->owner, err);
	if (install->staged == NULL) {
		install_free(install);
		return NULL;
	}
	if (!start_check(install, err)) {
		install_cancel(install);
		return NULL;
	}
	return install;
}

bool install_is_committing(const struct install *install)
{
	return install->job != NULL;
}

void install_cancel(struct install *install)
{
	if (install->job != NULL)
		file_writer_cancel(install->job);
	else
		unlink(install->staged);
	install_free(install);
}
