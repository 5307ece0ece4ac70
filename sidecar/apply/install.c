/* Stage, check, commit, in this order, each once. The staged file stands beside the output under a
 * hidden name, so that the rename is atomic and HAProxy, which loads whole folders, never sees a
 * half one. */
#include "apply/install.h"

#include <event2/event.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/command.h"
#include "base/saver.h"

#define CHECK_TIMEOUT_MS 30000

struct install {
	const struct config_target *config;
	char *staged;
	struct command *check; /* NULL: none configured, or done */
	struct event *soon;    /* calls back where there is nothing to wait for */
	struct saver_job *job; /* NULL: not to be committed yet */
	install_cb *cb;
	install_done_cb *done;
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
		return err_set(err, "owner = %s: this machine knows no user '%s'", config->owner,
		               user);
	gr = out->has_gid ? getgrnam(group) : NULL;
	if (out->has_gid && gr == NULL)
		return err_set(err, "owner = %s: this machine knows no group '%s'", config->owner,
		               group);
	out->uid = pw != NULL ? pw->pw_uid : 0;
	out->gid = gr != NULL ? gr->gr_gid : 0;
	return true;
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
	if (install->soon != NULL)
		event_free(install->soon);
	free(install->staged);
	free(install);
}

static void check_cb(bool ok, const char *what, void *arg)
{
	struct install *install = arg;

	install->check = NULL;
	install->cb(ok, what, install->arg);
}

static void soon_cb(int fd, short events, void *arg)
{
	struct install *install = arg;

	(void)fd;
	(void)events;
	install->cb(true, "no check_command", install->arg);
}

static bool start_check(struct install *install, struct event_base *base, struct err *err)
{
	const struct timeval now = {0};
	char **argv;

	if (install->config->check_command[0] == '\0') {
		install->soon = event_new(base, -1, 0, soon_cb, install);
		event_add(install->soon, &now);
		return true;
	}
	argv = command_split(install->config->check_command, install->staged, err);
	if (argv == NULL)
		return err_wrap(err, "check_command");
	install->check = command_run(base, argv, CHECK_TIMEOUT_MS, check_cb, install);
	command_argv_free(argv);
	return true;
}

struct install *install_stage(struct event_base *base, const struct config_target *config,
                              const struct file_owner *owner, const char *text, size_t len,
                              install_cb *cb, void *arg, struct err *err)
{
	struct install *install = xcalloc(1, sizeof(*install));

	*install = (struct install){.config = config, .cb = cb, .arg = arg};
	install->staged = file_stage(config->output, text, len, owner, err);
	if (install->staged == NULL) {
		install_free(install);
		return NULL;
	}
	if (!start_check(install, base, err)) {
		install_cancel(install);
		return NULL;
	}
	return install;
}

static void saved_cb(const struct err *problem, void *arg)
{
	struct install *install = arg;
	install_done_cb *done = install->done;
	void *done_arg = install->arg;

	install_free(install);
	done(problem, done_arg);
}

void install_commit(struct install *install, struct saver *saver, install_done_cb *done)
{
	install->done = done;
	install->job =
	    saver_commit(saver, install->staged, install->config->output, saved_cb, install);
}

void install_cancel(struct install *install)
{
	if (install->job != NULL)
		saver_cancel(install->job);
	else
		unlink(install->staged);
	install_free(install);
}
