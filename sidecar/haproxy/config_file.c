/* Keeps HAProxy's file equal to the text, for HAProxy's next start, and has HAProxy reloaded for a
 * change that the runtime API cannot make. Acts only after the runtime commands were sent, unless
 * HAProxy does not answer. Never installs a file that check_command refuses. If the text cannot be
 * installed or loaded, the file on disk still gets the current servers. */
/* clang-format off */
/*     file differs        accepted          on disk      reload owed           reported done
 *   IDLE -------> CHECKING --------> COMMITTING ----> IDLE ---------> RELOADING -------> CONFIRMING
 *    ^                | refused         | failed                          | failed          | |
 *    |                +-----------------+-----> FALLING_BACK <------------+- no new worker -+ |
 *    |                                     accepted |  | refused, failed, nothing to do        |
 *    |  timer, new text               COMMITTING <--+  |                                      |
 *    +----------------------- WAITING <-----+----------+                                      |
 *    +---------------------------------------------- a new worker answers --------------------+
 */
/* clang-format on */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/timer.h"
#include "driver_internal.h"

/* --- falling back ---
 * While the current text cannot be installed or loaded, HAProxy would start with an earlier file.
 * That file must not lead to the old primary, so it gets the servers of the current text. The text
 * itself is not installed, nor is a file that check_command refuses. */

static bool haproxy_config_file_is_stale(const struct haproxy_driver *driver);
static void haproxy_config_file_commit(struct haproxy_driver *driver, install_done_cb *done);

static void wait_on(struct haproxy_driver *driver)
{
	int64_t ms = driver->file.retry_at_ms - clock_now_ms();

	haproxy_config_file_enter(driver, CONFIG_FILE_WAITING, ms > 0 ? ms : 0);
}

/* The file on disk is now one that HAProxy has loaded, or would load, except for its servers. */
static void went_back(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;

	file->installed_us = clock_now_us();
	if (!file->refused_on_disk)
		return;
	haproxy_forget_previous(driver);
	file->refused_on_disk = false;
	if (file->loaded_known)
		target_marker_remove(&driver->target);
}

static void failed(struct haproxy_driver *driver, const char *problem)
{
	target_fail(&driver->target, "fallback_failed", problem,
	            driver->file.refused_on_disk
	                ? "HAProxy would not start with the file that is on disk now"
	                : "until this is repaired, HAProxy would start with the former servers");
}

/* A text that came during the commit is installed without waiting. */
static void fallback_committed_cb(const struct err *problem, void *arg)
{
	struct haproxy_driver *driver = arg;

	driver->file.install = NULL;
	if (problem != NULL) {
		failed(driver, problem->message);
	} else {
		went_back(driver);
		TARGET_LOG(LOG_INFO, &driver->target, "fell_back",
		           KV_STR("what", "an earlier file, with the servers as they are now"));
		driver->runtime.want_read = true;
	}
	if (haproxy_config_file_is_stale(driver))
		haproxy_config_file_enter(driver, CONFIG_FILE_IDLE, -1);
	else
		wait_on(driver);
	haproxy_reconcile(driver);
}

static void fallback_checked_cb(bool accepted, const char *what, void *arg)
{
	struct haproxy_driver *driver = arg;

	if (accepted) {
		haproxy_config_file_commit(driver, fallback_committed_cb);
	} else {
		install_cancel(STEAL(driver->file.install));
		failed(driver, what);
		wait_on(driver);
	}
	haproxy_reconcile(driver);
}

/* Reads the file to fall back to, before its servers are replaced. False: no good one is known. */
static bool read_source(struct haproxy_driver *driver, struct strbuf *text)
{
	struct haproxy_config_file *file = &driver->file;
	struct err ignored;

	if (!file->refused_on_disk)
		return file_read(driver->target.config->output, INSTALL_MAX, text, NULL, &ignored);
	strbuf_append(text, file->previous.data, file->previous.len);
	return !file->previous_missing;
}

static void remove_output(struct haproxy_driver *driver)
{
	struct err err;
	auto_free char *path = install_path(driver->target.config, &err);

	if (path != NULL && file_remove(path, &err))
		went_back(driver);
	else
		failed(driver, err.message);
}

/* Puts exactly the bytes of the earlier file back: these need no check_command. */
static void put_back(struct haproxy_driver *driver, const struct strbuf *text)
{
	struct err err;
	auto_free char *path = install_path(driver->target.config, &err);

	if (path != NULL && file_replace(path, text->data, text->len, &driver->file.owner, &err))
		went_back(driver);
	else
		failed(driver, err.message);
}

static void stage(struct haproxy_driver *driver, const struct strbuf *text)
{
	struct haproxy_config_file *file = &driver->file;
	struct err err;

	file->install_generation = driver->generation;
	file->install = install_stage(driver->target.base, driver->target.config, &file->owner,
	                              text->data, text->len, fallback_checked_cb, driver, &err);
	if (file->install == NULL)
		failed(driver, err.message);
	else
		haproxy_config_file_enter(driver, CONFIG_FILE_FALLING_BACK, -1);
}

void haproxy_fallback_start(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;
	const char *output = driver->target.config->output;
	auto_strbuf struct strbuf source = STRBUF_INIT, patched = STRBUF_INIT;
	struct err err;
	bool readable = read_source(driver, &source);

	if (!readable) {
		if (file->refused_on_disk)
			remove_output(driver);
		return;
	}
	if (!haproxy_config_patch(source.data, source.len, &driver->config, &patched, &err)) {
		failed(driver, err.message);
		strbuf_reset(&patched);
		strbuf_append(&patched, source.data, source.len);
	}
	if (install_is_current(output, patched.data, patched.len))
		return;
	if (patched.len == source.len && memcmp(patched.data, source.data, source.len) == 0)
		put_back(driver, &source);
	else
		stage(driver, &patched);
}

#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS   60000

void haproxy_config_file_enter(struct haproxy_driver *driver, enum config_file_state state,
                               int64_t timer_ms)
{
	struct haproxy_config_file *file = &driver->file;

	file->state = state;
	timer_stop(file->timer);
	if (timer_ms >= 0)
		timer_start(file->timer, timer_ms);
}

void haproxy_config_file_set_problem(struct haproxy_driver *driver, const char *problem)
{
	strbuf_reset(&driver->file.problem);
	strbuf_append_str(&driver->file.problem, problem);
}

void haproxy_config_file_fail(struct haproxy_driver *driver, const char *event, const char *problem,
                              const char *next, unsigned failures)
{
	int64_t ms = clock_backoff_ms(failures, RETRY_FIRST_MS, RETRY_MAX_MS);
	auto_free char *when = xasprintf(
	    "%s; tried again in %" PRId64 " s, or when the text changes", next, (ms + 999) / 1000);

	haproxy_config_file_set_problem(driver, problem);
	target_fail(&driver->target, event, problem, when);
	driver->file.retry_at_ms = clock_now_ms() + ms;
	haproxy_config_file_enter(driver, CONFIG_FILE_WAITING, ms);
}

/* A new text has come since the installation was started. */
static bool haproxy_config_file_is_stale(const struct haproxy_driver *driver)
{
	return driver->file.install_generation != driver->generation;
}

/* Commits the accepted installation; calls `done` with the driver as its arg. */
static void haproxy_config_file_commit(struct haproxy_driver *driver, install_done_cb *done)
{
	install_commit(driver->file.install, target_hub_saver(driver->target.hub), done);
	haproxy_config_file_enter(driver, CONFIG_FILE_COMMITTING, -1);
}

bool haproxy_config_file_done(const struct haproxy_driver *driver)
{
	auto_strbuf struct strbuf why = STRBUF_INIT;

	haproxy_reload_reason(driver, &why);
	return driver->file.state == CONFIG_FILE_IDLE && driver->file.current && why.len == 0;
}

static void fail_install(struct haproxy_driver *driver, const struct err *err)
{
	haproxy_config_file_fail(driver, "install_failed", err->message, "the file is unchanged",
	                         ++driver->file.failures);
}

static void installed(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;

	file->refused_on_disk = false;
	file->failures = 0;
	file->installed_us = clock_now_us();
	file->current = !haproxy_config_file_is_stale(driver);
	if (driver->target.clock.told)
		TARGET_LOG(LOG_WARNING, &driver->target, "drift",
		           KV_STR("what", "somebody had changed the file"),
		           KV_STR("next", "segue corrects it"));
	else if (file->current)
		target_end_step(&driver->target, MOVE_PERSISTED);
	if (file->reload_failures == 0)
		haproxy_config_file_set_problem(driver, "");
	/* A worker that started after the push, but before this file was in place, has loaded the
	 * old file and leads to the old primary. Only a re-read shows that. */
	driver->runtime.want_read = true;
}

static void committed_cb(const struct err *problem, void *arg)
{
	struct haproxy_driver *driver = arg;

	driver->file.install = NULL;
	if (problem == NULL)
		installed(driver);
	else
		fail_install(driver, problem);
	if (problem == NULL || haproxy_config_file_is_stale(driver))
		haproxy_config_file_enter(driver, CONFIG_FILE_IDLE, -1);
	else
		haproxy_fallback_start(driver);
	haproxy_reconcile(driver);
}

static bool commit(struct haproxy_driver *driver, struct err *err)
{
	struct haproxy_config_file *file = &driver->file;
	auto_strbuf struct strbuf why = STRBUF_INIT;

	haproxy_reload_reason(driver, &why);
	if (why.len == 0)
		haproxy_forget_previous(driver);
	else if (!haproxy_reload_prepare(driver, err)) {
		install_cancel(STEAL(file->install));
		return false;
	}
	haproxy_config_file_commit(driver, committed_cb);
	return true;
}

static void checked_cb(bool accepted, const char *what, void *arg)
{
	struct haproxy_driver *driver = arg;
	struct haproxy_config_file *file = &driver->file;
	struct err err;

	if (!accepted) {
		install_cancel(STEAL(file->install));
		haproxy_config_file_fail(driver, "check_refused", what, "the last good file stays",
		                         ++file->failures);
		haproxy_fallback_start(driver);
	} else if (!commit(driver, &err)) {
		/* The marker that a reload is owed, or the copy of the old file, cannot be written.
		 * At least the servers in the file are updated. */
		fail_install(driver, &err);
		haproxy_fallback_start(driver);
	}
	haproxy_reconcile(driver);
}

static void start_install(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;
	struct err err;

	file->install_generation = driver->generation;
	/* Looked up again each time: the user may have been created meanwhile. */
	if (!file->owner_known)
		file->owner_known = install_owner(driver->target.config, &file->owner, &err);
	if (file->owner_known)
		file->install =
		    install_stage(driver->target.base, driver->target.config, &file->owner,
		                  driver->text, driver->len, checked_cb, driver, &err);
	if (file->install == NULL)
		fail_install(driver, &err);
	else
		haproxy_config_file_enter(driver, CONFIG_FILE_CHECKING, -1);
}

/* Stale sessions are ended before a reload: one query finds them while their worker is the current
 * one. */
static bool sync_is_settled(const struct haproxy_driver *driver)
{
	const struct haproxy_runtime *runtime = &driver->runtime;

	return runtime->known && runtime->state == RUNTIME_IDLE && !runtime->cleanup_owed;
}

/* A reload would leave held clients in the old worker, where no command can move them. */
static bool must_not_reload(const struct haproxy_driver *driver)
{
	return driver->hold.state != HOLD_OPEN ||
	       (driver->reloader != NULL && reloader_is_held(driver->reloader));
}

static void tell_reload_waits(struct haproxy_driver *driver, const char *why)
{
	auto_free char *problem =
	    xasprintf("the reload waits until segue holds no client in this HAProxy: %s", why);

	haproxy_config_file_set_problem(driver, problem);
}

static void on_timer(void *arg)
{
	struct haproxy_driver *driver = arg;

	if (driver->file.state == CONFIG_FILE_CONFIRMING)
		haproxy_reload_failed(driver,
		                      "the reload was reported as done, but the old worker still "
		                      "answers at the socket");
	else
		haproxy_config_file_enter(driver, CONFIG_FILE_IDLE, -1);
	haproxy_reconcile(driver);
}

static void step(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;
	auto_strbuf struct strbuf why = STRBUF_INIT;

	haproxy_loaded_open(driver);
	if (!file->current || file->verify)
		file->current =
		    install_is_current(driver->target.config->output, driver->text, driver->len);
	file->verify = false;
	if (!file->current) {
		start_install(driver);
		return;
	}
	haproxy_reload_reason(driver, &why);
	if (why.len == 0)
		haproxy_config_file_set_problem(driver, "");
	else if (must_not_reload(driver))
		tell_reload_waits(driver, why.data);
	else if (sync_is_settled(driver))
		haproxy_reload_start(driver, why.data);
}

void haproxy_config_file_reconcile(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;

	switch (file->state) {
	case CONFIG_FILE_CHECKING:
	case CONFIG_FILE_FALLING_BACK:
		if (!haproxy_config_file_is_stale(driver))
			return;
		install_cancel(STEAL(file->install));
		haproxy_config_file_enter(driver, CONFIG_FILE_IDLE, -1);
		break;
	case CONFIG_FILE_COMMITTING:
	case CONFIG_FILE_RELOADING:
	case CONFIG_FILE_CONFIRMING:
	case CONFIG_FILE_WAITING:
		return;
	case CONFIG_FILE_IDLE:
		break;
	}
	if (driver->runtime.offered == driver->desired_seq)
		step(driver);
}

void haproxy_config_file_new_text(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;

	file->current = false;
	file->failures = file->reload_failures = 0;
	if (file->state == CONFIG_FILE_WAITING)
		haproxy_config_file_enter(driver, CONFIG_FILE_IDLE, -1);
}

void haproxy_config_file_init(struct haproxy_driver *driver, const char *state_dir)
{
	struct haproxy_config_file *file = &driver->file;
	struct err ignored; /* start_install() tries again and reports it */

	*file = (struct haproxy_config_file){
	    .note = xasprintf("%s/haproxy-%s.tried", state_dir, driver->target.config->name),
	    .previous = STRBUF_INIT,
	    .problem = STRBUF_INIT};
	file->timer = timer_new(driver->target.base, on_timer, driver);
	file->owner_known = install_owner(driver->target.config, &file->owner, &ignored);
}

void haproxy_config_file_fini(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;

	if (file->install != NULL)
		install_cancel(file->install);
	if (file->reload != NULL)
		reload_cancel(file->reload);
	haproxy_reload_abandon(driver);
	haproxy_loaded_fini(driver);
	timer_free(file->timer);
	free(file->note);
	strbuf_fini(&file->previous);
	strbuf_fini(&file->problem);
}
