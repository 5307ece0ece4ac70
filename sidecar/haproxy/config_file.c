/* Keeps HAProxy's file equal to the text, for HAProxy's next start, and has HAProxy reloaded for a
 * change that the runtime API cannot make: by the reloader, or by asking a person in the log. Acts
 * only after the runtime commands were sent, unless HAProxy does not answer. Never installs a file
 * that check_command refuses. If the text cannot be installed or loaded, the file on disk still
 * gets the current servers. A marker file keeps an owed reload across a crash. A reload that does
 * not help is not repeated. */
/* clang-format off */
/*     file differs            on disk      reload owed           reported done
 *   IDLE -------> INSTALLING -----> IDLE ---------> RELOADING -------> CONFIRMING
 *    ^                | refused, failed               | failed          | |
 *    |                +-----> FALLING_BACK <----------+- no new worker -+ |
 *    |  timer, new text            | installed, refused, nothing to do    |
 *    +----------------------- WAITING                                     |
 *    +----------------------------- a new worker answers -----------------+
 */
/* clang-format on */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/timer.h"
#include "driver_internal.h"
#include "haproxy/process_args.h"

/* A new worker within this time after a reload by segue comes from that reload. */
#define OWN_RELOAD_MS 10000

static void enter(struct haproxy_driver *driver, enum config_file_state state, int64_t timer_ms)
{
	struct haproxy_config_file *file = &driver->file;

	file->state = state;
	timer_stop(file->timer);
	if (timer_ms >= 0)
		timer_start(file->timer, timer_ms);
}

static void set_problem(struct haproxy_driver *driver, const char *problem)
{
	strbuf_reset(&driver->file.problem);
	strbuf_append_str(&driver->file.problem, problem);
}

static void fail(struct haproxy_driver *driver, const char *event, const char *problem,
                 const char *next, unsigned failures)
{
	int64_t ms = target_fail_retry(&driver->target, event, problem, next, failures);

	set_problem(driver, problem);
	driver->file.retry_at_ms = clock_now_ms() + ms;
	enter(driver, CONFIG_FILE_WAITING, ms);
}

/* A new text has come since the installation was started. */
static bool is_stale(const struct haproxy_driver *driver)
{
	return driver->file.install_generation != driver->generation;
}

/* --- what HAProxy has loaded --- */

/* The file on disk is good. */
static void forget_previous(struct haproxy_driver *driver)
{
	if (driver->file.has_previous)
		haproxy_trial_forget(driver->file.note);
	driver->file.has_previous = false;
}

static void forget_loaded(struct haproxy_driver *driver)
{
	if (driver->file.loaded_known)
		haproxy_config_free(&driver->file.loaded);
	driver->file.loaded_known = false;
}

/* If segue cannot read the file, it is not known what is loaded. */
static void load_from_file(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct err ignored;

	forget_previous(driver);
	forget_loaded(driver);
	file->refused_on_disk = false;
	file->loaded_known =
	    file_read(driver->target.config->output, INSTALL_MAX, &text, NULL, &ignored) &&
	    haproxy_config_parse(text.data, text.len, &file->loaded, &ignored);
	if (file->loaded_known)
		target_marker_remove(&driver->target);
}

/* HAProxy has loaded what the file held at segue's start, unless the marker says that a reload is
 * owed. The marker holds the pid of the worker that had not loaded the file (0: not known); a
 * worker with another pid has loaded it. */
static void open_loaded(struct haproxy_driver *driver)
{
	int64_t marker, pid = driver->runtime.info.pid;

	if (driver->file.opened)
		return;
	driver->file.opened = true;
	marker = target_marker_read(&driver->target);
	if (marker < 0 || (marker != 0 && pid != 0 && marker != pid))
		load_from_file(driver);
}

void haproxy_config_file_new_worker(struct haproxy_driver *driver, int64_t seen_us)
{
	struct haproxy_config_file *file = &driver->file;
	const struct haproxy_runtime *runtime = &driver->runtime;
	int64_t own_ms = driver->reloader != NULL ? reloader_last_ok_ms(driver->reloader) : 0;
	bool own = own_ms != 0 && clock_now_ms() - own_ms < OWN_RELOAD_MS;

	if (file->state == CONFIG_FILE_CONFIRMING) {
		load_from_file(driver);
		file->reload_failures = 0;
		file->cured = file->reload_generation;
		enter(driver, CONFIG_FILE_IDLE, -1);
		return;
	}
	if (!own)
		file->cured = file->warned = 0;
	if (!file->opened)
		return; /* open_loaded() decides */
	/* The new worker has loaded the file only if it is younger than the file by more than 1 s
	 * (the accuracy of worker_us), or if the worker before it still answered after the
	 * installation. Otherwise a reload stays owed. */
	if (file->install != NULL && install_is_committing(file->install))
		return;
	if (file->installed_us == 0 || seen_us > file->installed_us ||
	    runtime->worker_us > file->installed_us + 1000000)
		load_from_file(driver);
}

/* Appends why a reload is needed, or nothing when none is. */
static void reload_reason(const struct haproxy_driver *driver, struct strbuf *why)
{
	const struct haproxy_config_file *file = &driver->file;

	if (!file->loaded_known)
		strbuf_printf(why,
		              "it is not known what HAProxy has loaded: %s was not there, not "
		              "readable, or a reload was owed",
		              driver->target.config->output);
	else
		haproxy_config_needs_reload(&file->loaded, &driver->config, why);
	if (why->len == 0)
		strbuf_append_str(why, driver->runtime.needs.data);
}

/* Keeps the file on disk as `previous`. If there is a `previous` already, that one stays: then the
 * file on disk was installed, but never loaded. */
static bool keep_previous(struct haproxy_driver *driver, struct err *err)
{
	struct haproxy_config_file *file = &driver->file;
	auto_free char *path = NULL;
	struct err ignored;

	if (file->has_previous)
		return true;
	strbuf_reset(&file->previous);
	file->previous_missing = false;
	if (!file_read(driver->target.config->output, INSTALL_MAX, &file->previous,
	               &file->previous_missing, &ignored) &&
	    !file->previous_missing)
		return true;
	if (driver->reloader != NULL) { /* else a person reloads, and sees the result */
		path = install_path(driver->target.config, err);
		if (path == NULL ||
		    !haproxy_trial_note(file->note, path,
		                        file->previous_missing ? NULL : &file->previous, err))
			return false;
	}
	file->has_previous = true;
	return true;
}

/* --- falling back ---
 * While the current text cannot be installed or loaded, HAProxy would start with an earlier file.
 * That file must not lead to the old primary, so it gets the servers of the current text. The text
 * itself is not installed, nor is a file that check_command refuses. */

/* The file on disk is now one that HAProxy has loaded, or would load, except for its servers. */
static void went_back(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;

	file->installed_us = clock_now_us();
	file->installed = false;
	if (!file->refused_on_disk)
		return;
	forget_previous(driver);
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
static void fell_back_cb(enum install_end end, const char *why, void *arg)
{
	struct haproxy_driver *driver = arg;
	int64_t ms = driver->file.retry_at_ms - clock_now_ms();

	driver->file.install = NULL;
	if (end != INSTALL_DONE) {
		failed(driver, why);
	} else {
		went_back(driver);
		TARGET_LOG(LOG_INFO, &driver->target, "fell_back",
		           KV_STR("what", "an earlier file, with the servers as they are now"));
		driver->runtime.want_read = true;
	}
	if (is_stale(driver))
		enter(driver, CONFIG_FILE_IDLE, -1);
	else
		enter(driver, CONFIG_FILE_WAITING, larger(ms, 0));
	driver->wake(driver);
}

/* Puts exactly the bytes of the earlier file back: these need no check_command. NULL: there was
 * none. */
static void put_back(struct haproxy_driver *driver, const struct strbuf *text)
{
	struct err err;
	auto_free char *path = install_path(driver->target.config, &err);

	if (path != NULL &&
	    haproxy_trial_undo(path, text, NULL, &driver->file.installer.owner, &err))
		went_back(driver);
	else
		failed(driver, err.message);
}

/* After a failure, while WAITING: installs an earlier file with the current servers. */
static void fall_back(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;
	const char *output = driver->target.config->output;
	auto_strbuf struct strbuf source = STRBUF_INIT, patched = STRBUF_INIT;
	struct err err;

	if (file->refused_on_disk && file->previous_missing) {
		put_back(driver, NULL);
		return;
	}
	if (file->refused_on_disk)
		strbuf_append(&source, file->previous.data, file->previous.len);
	else if (!file_read(output, INSTALL_MAX, &source, NULL, &err))
		return;
	if (!haproxy_config_patch(source.data, source.len, &driver->config, &patched, &err)) {
		failed(driver, err.message);
		strbuf_reset(&patched);
		strbuf_append(&patched, source.data, source.len);
	}
	if (install_is_current(output, patched.data, patched.len))
		return;
	if (patched.len == source.len && memcmp(patched.data, source.data, source.len) == 0) {
		put_back(driver, &source);
		return;
	}
	file->install_generation = driver->generation;
	file->install = install_start(&file->installer, patched.data, patched.len, NULL,
	                              fell_back_cb, driver, &err);
	if (file->install == NULL)
		failed(driver, err.message);
	else
		enter(driver, CONFIG_FILE_FALLING_BACK, -1);
}

/* --- the installation of the text --- */

static void installed(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;

	file->refused_on_disk = false;
	file->failures = 0;
	file->installed_us = clock_now_us();
	file->current = !is_stale(driver);
	if (file->installed)
		TARGET_LOG(LOG_WARNING, &driver->target, "drift",
		           KV_STR("what", "somebody had changed the file"),
		           KV_STR("next", "segue corrects it"));
	else if (file->current)
		target_end_step(&driver->target, MOVE_PERSISTED);
	if (file->reload_failures == 0)
		set_problem(driver, "");
	/* A worker that started after the push, but before this file was in place, has loaded the
	 * old file and leads to the old primary. Only a re-read shows that. */
	driver->runtime.want_read = true;
}

static void installed_cb(enum install_end end, const char *why, void *arg)
{
	struct haproxy_driver *driver = arg;
	bool refused = end == INSTALL_REFUSED;

	driver->file.install = NULL;
	if (end == INSTALL_DONE)
		installed(driver);
	else
		fail(driver, refused ? "check_refused" : "install_failed", why,
		     refused ? "the last good file stays" : "the file is unchanged",
		     ++driver->file.failures);
	if (end == INSTALL_DONE || is_stale(driver))
		enter(driver, CONFIG_FILE_IDLE, -1);
	else
		fall_back(driver);
	driver->wake(driver);
}

/* For a file that HAProxy has to load: writes the marker that a reload is owed, and keeps the old
 * file. */
static bool ready_cb(void *arg, struct err *err)
{
	struct haproxy_driver *driver = arg;
	auto_strbuf struct strbuf why = STRBUF_INIT;

	reload_reason(driver, &why);
	if (why.len == 0) {
		forget_previous(driver);
		return true;
	}
	return target_marker_write(&driver->target, driver->runtime.info.pid, err) &&
	       keep_previous(driver, err);
}

static void install(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;
	struct err err;

	file->install_generation = driver->generation;
	file->install = install_start(&file->installer, driver->text, driver->len, ready_cb,
	                              installed_cb, driver, &err);
	if (file->install == NULL)
		fail(driver, "install_failed", err.message, "the file is unchanged",
		     ++file->failures);
	else
		enter(driver, CONFIG_FILE_INSTALLING, -1);
}

/* --- the reload --- */

static const char *shared_section(const struct haproxy_config *ours, const char *file)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	const char *found = NULL;
	struct haproxy_config theirs;
	struct err ignored;

	if (!file_read(file, INSTALL_MAX, &text, NULL, &ignored) ||
	    !haproxy_config_parse(text.data, text.len, &theirs, &ignored))
		return NULL;
	for (size_t i = 0; i < ours->backend_count && found == NULL; i++)
		for (size_t k = 0; k < theirs.backend_count && found == NULL; k++)
			if (strcmp(ours->backends[i], theirs.backends[k]) == 0)
				found = ours->backends[i];
	haproxy_config_free(&theirs);
	return found;
}

/* HAProxy 2.6 does not report why a reload failed. After a change of `output` in segue.ini the
 * usual reason is that the old file is still there, or that the new path is misspelled. In both
 * cases two files hold the same section, and HAProxy refuses that. */
static void append_shared_sections(const struct haproxy_driver *driver, struct strbuf *what)
{
	const char *output = driver->target.config->output;
	auto_free char *folder = xstrndup(output, (size_t)(strrchr(output, '/') - output));
	auto_string_list struct string_list files = {.count = 0};

	haproxy_files_expand(folder, &files);
	for (size_t i = 0; i < files.count; i++) {
		const char *section = strcmp(files.items[i], output) != 0
		                          ? shared_section(&driver->config, files.items[i])
		                          : NULL;

		if (section != NULL)
			strbuf_printf(what,
			              "; %s also has the section %s: remove that file, or correct "
			              "`output` in segue.ini",
			              files.items[i], section);
	}
}

static void reload_failed(struct haproxy_driver *driver, const char *what)
{
	struct haproxy_config_file *file = &driver->file;
	auto_strbuf struct strbuf text = STRBUF_INIT;

	strbuf_append_str(&text, what);
	append_shared_sections(driver, &text);
	/* A text that came during the reload does not wait for the retry of the failed one. */
	file->current = false;
	file->refused_on_disk = file->has_previous;
	if (file->reload_generation != driver->generation) {
		target_fail(&driver->target, "reload_failed", text.data,
		            "the text has changed since: segue installs the new one at once");
		enter(driver, CONFIG_FILE_IDLE, -1);
		return;
	}
	fail(driver, "reload_failed", text.data,
	     file->has_previous ? "the file that was there before is put back"
	                        : "HAProxy keeps its running configuration",
	     ++file->reload_failures);
	fall_back(driver);
}

static void reloaded_cb(bool ok, const char *what, void *arg)
{
	struct haproxy_driver *driver = arg;
	struct haproxy_config_file *file = &driver->file;

	file->reload = NULL;
	if (!ok) {
		reload_failed(driver, what);
	} else {
		TARGET_LOG(LOG_INFO, &driver->target, "reloaded", KV_STR("what", what));
		driver->target.clock.reloaded = file->reload_generation == driver->generation;
		enter(driver, CONFIG_FILE_CONFIRMING, MASTER_RELOAD_CONFIRM_MS);
		/* The socket may have shown the new worker before the reloader reported success. */
		if (driver->runtime.known && driver->runtime.info.pid != file->reload_from_pid)
			haproxy_config_file_new_worker(driver, driver->runtime.read_us);
		haproxy_runtime_forget(driver);
	}
	driver->wake(driver);
}

static void warn_once(struct haproxy_driver *driver, const char *event, const char *why,
                      const char *next)
{
	auto_free char *problem = xasprintf("%s: %s", why, next);

	set_problem(driver, problem);
	if (driver->file.warned == driver->generation)
		return;
	driver->file.warned = driver->generation;
	target_fail(&driver->target, event, why, next);
}

static void start_reload(struct haproxy_driver *driver, const char *why)
{
	struct haproxy_config_file *file = &driver->file;
	auto_free char *next =
	    xasprintf("is %s among HAProxy's -f files? segue tries again when the text changes or "
	              "HAProxy is restarted",
	              driver->target.config->output);

	if (file->cured == driver->generation) {
		warn_once(driver, "reload_did_not_help", why, next);
		return;
	}
	if (driver->reloader == NULL) {
		warn_once(driver, "reload_needed", why,
		          "reload HAProxy (systemctl reload haproxy): segue has neither "
		          "master_socket nor reload_command; after that it continues by itself");
		return;
	}
	TARGET_LOG(LOG_INFO, &driver->target, "reload", KV_STR("what", why));
	file->reload_generation = driver->generation;
	file->reload_from_pid = driver->runtime.info.pid;
	file->reload = reloader_request(driver->reloader, reloaded_cb, driver);
	enter(driver, CONFIG_FILE_RELOADING, -1);
}

/* --- the state --- */

bool haproxy_config_file_done(const struct haproxy_driver *driver)
{
	auto_strbuf struct strbuf why = STRBUF_INIT;

	reload_reason(driver, &why);
	return driver->file.state == CONFIG_FILE_IDLE && driver->file.current && why.len == 0;
}

/* A reload would leave held clients in the old worker, where no command can move them. Stale
 * sessions are ended before a reload: one query finds them while their worker is the current one.
 */
static void reload(struct haproxy_driver *driver, const char *why)
{
	const struct haproxy_runtime *runtime = &driver->runtime;
	auto_free char *waits =
	    xasprintf("the reload waits until segue holds no client in this HAProxy: %s", why);

	if (driver->hold.state != HOLD_OPEN ||
	    (driver->reloader != NULL && reloader_is_held(driver->reloader)))
		set_problem(driver, waits);
	else if (runtime->known && runtime->state == RUNTIME_IDLE && !runtime->cleanup_owed)
		start_reload(driver, why);
}

static void step(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;
	auto_strbuf struct strbuf why = STRBUF_INIT;

	open_loaded(driver);
	if (!file->current || file->verify)
		file->current =
		    install_is_current(driver->target.config->output, driver->text, driver->len);
	file->verify = false;
	file->installed = file->installed || file->current;
	if (!file->current) {
		install(driver);
		return;
	}
	reload_reason(driver, &why);
	if (why.len == 0)
		set_problem(driver, "");
	else
		reload(driver, why.data);
}

void haproxy_config_file_reconcile(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;

	switch (file->state) {
	case CONFIG_FILE_INSTALLING:
	case CONFIG_FILE_FALLING_BACK:
		if (!is_stale(driver) || install_is_committing(file->install))
			return;
		install_cancel(STEAL(file->install));
		enter(driver, CONFIG_FILE_IDLE, -1);
		break;
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

	file->current = file->installed = false;
	file->failures = file->reload_failures = 0;
	if (file->state == CONFIG_FILE_WAITING)
		enter(driver, CONFIG_FILE_IDLE, -1);
}

static void on_timer(void *arg)
{
	struct haproxy_driver *driver = arg;

	if (driver->file.state == CONFIG_FILE_CONFIRMING)
		reload_failed(driver, "the reload was reported as done, but the old worker still "
		                      "answers at the socket");
	else
		enter(driver, CONFIG_FILE_IDLE, -1);
	driver->wake(driver);
}

void haproxy_config_file_init(struct haproxy_driver *driver, const char *state_dir)
{
	struct haproxy_config_file *file = &driver->file;

	*file = (struct haproxy_config_file){
	    .note = xasprintf("%s/haproxy-%s.tried", state_dir, driver->target.config->name),
	    .previous = STRBUF_INIT,
	    .problem = STRBUF_INIT};
	file->timer = timer_new(driver->target.base, on_timer, driver);
	installer_init(&file->installer, driver->target.base, target_hub_saver(driver->target.hub),
	               driver->target.config);
}

/* The target ends before HAProxy has loaded the file: puts the old one back. At its next start,
 * with nobody watching, HAProxy might refuse the new file, or load its sections twice. */
static void abandon_reload(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;
	auto_free char *path = NULL;
	struct err err;

	if (!file->has_previous || driver->reloader == NULL)
		return;
	path = install_path(driver->target.config, &err);
	if (path != NULL &&
	    haproxy_trial_undo(path, file->previous_missing ? NULL : &file->previous,
	                       &driver->config, &file->installer.owner, &err)) {
		forget_previous(driver);
		TARGET_LOG(
		    LOG_WARNING, &driver->target, "put_back",
		    KV_STR("file", driver->target.config->output),
		    KV_STR("what", file->previous_missing ? "removed" : "what was there before"),
		    KV_STR("next",
		           "segue ended or reloaded its configuration before HAProxy loaded the "
		           "new file; the new file is installed again if it is still needed"));
	} else {
		target_fail(&driver->target, "not_put_back", err.message,
		            "check the file: HAProxy may refuse it at its next start; segue "
		            "tries again at its own next start");
	}
}

void haproxy_config_file_fini(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;

	if (file->install != NULL)
		install_cancel(file->install);
	if (file->reload != NULL)
		reload_cancel(file->reload);
	abandon_reload(driver);
	forget_loaded(driver);
	timer_free(file->timer);
	free(file->note);
	strbuf_fini(&file->previous);
	strbuf_fini(&file->problem);
}
