/* A [file NAME] target: for a program that segue has no driver for. Installs the text when
 * check_command accepts it, then runs reload_command. A marker file keeps across a crash that the
 * command is still owed. segue does not see the live state of that program, only the exit status of
 * the command.
 *
 *      file differs           on disk      command owed
 *   IDLE --------> INSTALLING -----> IDLE -----------> RELOADING -- exit 0 --+
 *    ^ ^                | refused, failed                | failed            |
 *    | | timer, new text|                                |                   |
 *    | +------------ WAITING <---------------------------+                   |
 *    +-----------------------------------------------------------------------+
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "base/timer.h"
#include "target/file_target.h"
#include "target/install.h"
#include "target/target_ops.h"

enum file_state {
	FILE_IDLE,
	FILE_INSTALLING,
	FILE_RELOADING, /* reload_command is requested or runs */
	FILE_WAITING,   /* after a failure, until the timer or a new text */
};

struct file_target {
	struct target target;
	enum file_state state;
	struct reloader *reloader; /* NULL: no reload_command */
	struct install *install;
	struct reload *reload;
	struct timer *timer; /* WAITING: until the retry; IDLE: until the file is read again */
	struct installer installer;
	char *text; /* NULL: none yet */
	size_t len;
	unsigned generation, install_generation;
	bool current;     /* the file has the text */
	bool installed;   /* it has had the text: a later difference is drift */
	bool reload_owed; /* the file has changed since the last successful reload_command */
	unsigned failures;
	struct strbuf problem;
};

static void reconcile(struct file_target *file);

static void enter(struct file_target *file, enum file_state state, int64_t timer_ms)
{
	file->state = state;
	timer_stop(file->timer);
	if (timer_ms >= 0)
		timer_start(file->timer, timer_ms);
}

static void fail(struct file_target *file, const char *event, const char *problem, const char *next)
{
	int64_t ms = target_fail_retry(&file->target, event, problem, next, ++file->failures);

	strbuf_reset(&file->problem);
	strbuf_append_str(&file->problem, problem);
	enter(file, FILE_WAITING, ms);
}

static void done(struct file_target *file)
{
	struct move_clock *clock = &file->target.clock;

	file->failures = 0;
	strbuf_reset(&file->problem);
	if (!clock->told && clock->end_us[MOVE_PERSISTED] != 0)
		target_tell_moved(&file->target, "the file");
	clock->told = true;
	enter(file, FILE_IDLE, clock_jitter_ms(target_hub_reread_ms(file->target.hub)));
}

static void reloaded_cb(bool ok, const char *what, void *arg)
{
	struct file_target *file = arg;

	file->reload = NULL;
	if (ok) {
		file->reload_owed = false;
		target_marker_remove(&file->target);
		enter(file, FILE_IDLE, -1);
	} else {
		fail(file, "reload_failed", what, "the new file stays");
		if (!file->current) /* a new text has come, and does not wait */
			enter(file, FILE_IDLE, -1);
	}
	reconcile(file);
}

static void installed(struct file_target *file)
{
	file->reload_owed = file->reloader != NULL;
	file->current = file->install_generation == file->generation;
	if (file->installed)
		TARGET_LOG(LOG_WARNING, &file->target, "drift",
		           KV_STR("what", "somebody had changed the file"),
		           KV_STR("next", "segue corrects it"));
	else if (file->current)
		target_end_step(&file->target, MOVE_PERSISTED);
}

/* If a newer text was set during the commit, goes on with it at once, also after a failure. */
static void installed_cb(enum install_end end, const char *why, void *arg)
{
	struct file_target *file = arg;

	file->install = NULL;
	if (end == INSTALL_DONE)
		installed(file);
	else if (end == INSTALL_REFUSED)
		fail(file, "check_refused", why, "the last good file stays");
	else
		fail(file, "install_failed", why, "the file is unchanged");
	if (end == INSTALL_DONE || file->install_generation != file->generation)
		enter(file, FILE_IDLE, -1);
	reconcile(file);
}

/* Writes the marker before the commit: a crash after the rename must not lose the reload. */
static bool ready_cb(void *arg, struct err *err)
{
	const struct file_target *file = arg;

	return file->reloader == NULL || target_marker_write(&file->target, 0, err);
}

static void start_install(struct file_target *file)
{
	struct err err;

	file->install_generation = file->generation;
	file->install = install_start(&file->installer, file->text, file->len, ready_cb,
	                              installed_cb, file, &err);
	if (file->install == NULL)
		fail(file, "install_failed", err.message, "the file is unchanged");
	else
		enter(file, FILE_INSTALLING, -1);
}

static void step(struct file_target *file)
{
	if (!file->current)
		file->current =
		    install_is_current(file->target.config->output, file->text, file->len);
	file->installed = file->installed || file->current;
	if (!file->current) {
		start_install(file);
	} else if (file->reload_owed) {
		file->reload = reloader_request(file->reloader, reloaded_cb, file);
		enter(file, FILE_RELOADING, -1);
	} else {
		done(file);
	}
}

static void reconcile(struct file_target *file)
{
	switch (file->state) {
	case FILE_INSTALLING:
		if (file->install_generation == file->generation ||
		    install_is_committing(file->install))
			break;
		install_cancel(STEAL(file->install));
		enter(file, FILE_IDLE, -1);
		step(file);
		break;
	case FILE_IDLE:
		step(file);
		break;
	case FILE_RELOADING:
	case FILE_WAITING:
		break;
	}
	target_changed(&file->target);
}

static void on_timer(void *arg)
{
	struct file_target *file = arg;

	file->current = false; /* somebody may have changed it */
	enter(file, FILE_IDLE, -1);
	reconcile(file);
}

static bool set_desired(struct target *target, const struct desired *desired, struct err *err)
{
	struct file_target *file = (struct file_target *)target;

	(void)err;
	target->clock.zxid = desired->zxid;
	if (file->text != NULL && desired->len == file->len &&
	    memcmp(desired->text, file->text, file->len) == 0)
		return true;
	free(file->text);
	file->text = xstrndup(desired->text, desired->len);
	file->len = desired->len;
	file->generation++;
	file->current = file->installed = false;
	file->failures = 0;
	target_start_clock(target, desired);
	if (file->state == FILE_WAITING)
		enter(file, FILE_IDLE, -1);
	reconcile(file);
	return true;
}

static void status(const struct target *target, struct target_status *out)
{
	static const char *const steps[] = {[FILE_IDLE] = "idle",
	                                    [FILE_INSTALLING] = "checking",
	                                    [FILE_RELOADING] = "reloading",
	                                    [FILE_WAITING] = "waiting"};
	const struct file_target *file = (const struct file_target *)target;
	bool committing = file->install != NULL && install_is_committing(file->install);

	*out = (struct target_status){
	    .in_sync = file->current && !file->reload_owed && file->state == FILE_IDLE,
	    .problem = file->problem.data,
	    .step = committing ? "committing" : steps[file->state],
	};
}

static void destroy(struct target *target)
{
	struct file_target *file = (struct file_target *)target;

	if (file->install != NULL)
		install_cancel(file->install);
	if (file->reload != NULL)
		reload_cancel(file->reload);
	timer_free(file->timer);
	strbuf_fini(&file->problem);
	free(file->text);
	target_fini(target);
	free(file);
}

struct target *file_target_create(const struct target_setup *setup)
{
	static const struct target_ops ops = {
	    .set_desired = set_desired, .status = status, .destroy = destroy};
	struct file_target *file = xcalloc(1, sizeof(*file));

	target_init(&file->target, &ops, setup);
	file->problem = (struct strbuf)STRBUF_INIT;
	file->timer = timer_new(file->target.base, on_timer, file);
	file->reloader =
	    target_hub_reloader(setup->hub, &reload_by_command, setup->config->reload_command);
	file->reload_owed = file->reloader != NULL && target_marker_read(&file->target) >= 0;
	installer_init(&file->installer, file->target.base, target_hub_saver(setup->hub),
	               setup->config);
	return &file->target;
}
