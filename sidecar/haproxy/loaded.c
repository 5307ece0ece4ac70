/* Tracks what HAProxy has loaded, and has it load the file: by the reloader, or by asking a person
 * in the log. A marker file keeps an owed reload across a crash. A file that HAProxy refuses is
 * replaced by the file before it. A reload that does not help is not repeated. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "driver_internal.h"
#include "haproxy/process_args.h"

/* A new worker within this time after a reload by segue comes from that reload. */
#define OWN_RELOAD_MS 10000

static void set_loaded(struct haproxy_driver *driver, const char *text, size_t len)
{
	struct haproxy_config_file *file = &driver->file;
	struct err ignored; /* segue cannot read the file: what is loaded is not known */

	if (file->loaded_known)
		haproxy_config_free(&file->loaded);
	file->loaded_known = haproxy_config_parse(text, len, &file->loaded, &ignored);
	if (file->loaded_known)
		target_marker_remove(&driver->target);
}

void haproxy_loaded_fini(struct haproxy_driver *driver)
{
	if (driver->file.loaded_known)
		haproxy_config_free(&driver->file.loaded);
	driver->file.loaded_known = false;
}

static void load_from_file(struct haproxy_driver *driver)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct err ignored;

	haproxy_forget_previous(driver);
	driver->file.refused_on_disk = false;
	if (file_read(driver->target.config->output, INSTALL_MAX, &text, NULL, &ignored)) {
		set_loaded(driver, text.data, text.len);
		return;
	}
	haproxy_loaded_fini(driver);
}

/* HAProxy has loaded what the file held at segue's start, unless the marker says that a reload is
 * owed. The marker holds the pid of the worker that had not loaded the file (0: not known); a
 * worker with another pid has loaded it. */
void haproxy_loaded_open(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;
	int64_t marker = target_marker_read(&driver->target), pid = driver->runtime.info.pid;

	if (file->opened)
		return;
	file->opened = true;
	if (marker < 0 || (marker != 0 && pid != 0 && marker != pid))
		load_from_file(driver);
}

void haproxy_loaded_new_worker(struct haproxy_driver *driver, int64_t seen_us)
{
	struct haproxy_config_file *file = &driver->file;
	const struct haproxy_runtime *runtime = &driver->runtime;
	int64_t own_ms = driver->reloader != NULL ? reloader_last_ok_ms(driver->reloader) : 0;
	bool own = own_ms != 0 && clock_now_ms() - own_ms < OWN_RELOAD_MS;

	if (file->state == CONFIG_FILE_CONFIRMING) {
		load_from_file(driver);
		file->reload_failures = 0;
		file->cured = file->reload_generation;
		haproxy_config_file_enter(driver, CONFIG_FILE_IDLE, -1);
		return;
	}
	if (!own)
		file->cured = file->warned = 0;
	if (!file->opened)
		return; /* haproxy_loaded_open() decides */
	/* The new worker has loaded the file only if it is younger than the file by more than 1 s
	 * (the accuracy of worker_us), or if the worker before it still answered after the
	 * installation. Otherwise a reload stays owed. */
	if (file->state == CONFIG_FILE_COMMITTING)
		return;
	if (file->installed_us == 0 || seen_us > file->installed_us ||
	    runtime->worker_us > file->installed_us + 1000000)
		load_from_file(driver);
}

void haproxy_reload_reason(const struct haproxy_driver *driver, struct strbuf *why)
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

void haproxy_forget_previous(struct haproxy_driver *driver)
{
	if (driver->file.has_previous)
		haproxy_trial_forget(driver->file.note);
	driver->file.has_previous = false;
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

bool haproxy_reload_prepare(struct haproxy_driver *driver, struct err *err)
{
	return target_marker_write(&driver->target, driver->runtime.info.pid, err) &&
	       keep_previous(driver, err);
}

/* The target ends before HAProxy has loaded the file: puts the old one back. At its next start,
 * with nobody watching, HAProxy might refuse the new file, or load its sections twice. */
void haproxy_reload_abandon(struct haproxy_driver *driver)
{
	struct haproxy_config_file *file = &driver->file;
	auto_free char *path = NULL;
	struct err err;

	if (!file->has_previous || driver->reloader == NULL)
		return;
	path = install_path(driver->target.config, &err);
	if (path != NULL &&
	    haproxy_trial_undo(path, file->previous_missing ? NULL : &file->previous,
	                       &driver->config, &file->owner, &err)) {
		haproxy_forget_previous(driver);
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

/* --- a reload that failed --- */

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
static void append_twins(const struct haproxy_driver *driver, struct strbuf *what)
{
	const char *output = driver->target.config->output;
	auto_free char *folder = xstrndup(output, (size_t)(strrchr(output, '/') - output));
	struct string_list files = {.count = 0};

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
	string_list_free(&files);
}

static void reload_failed(struct haproxy_driver *driver, const char *what)
{
	struct haproxy_config_file *file = &driver->file;

	/* A text that came during the reload does not wait for the retry of the failed one. */
	file->current = false;
	file->refused_on_disk = file->has_previous;
	if (file->reload_generation != driver->generation) {
		target_fail(&driver->target, "reload_failed", what,
		            "the text has changed since: segue installs the new one at once");
		haproxy_config_file_enter(driver, CONFIG_FILE_IDLE, -1);
		return;
	}
	haproxy_config_file_fail(driver, "reload_failed", what,
	                         file->has_previous ? "the file that was there before is put back"
	                                            : "HAProxy keeps its running configuration",
	                         ++file->reload_failures);
	haproxy_fallback_start(driver);
}

void haproxy_reload_failed(struct haproxy_driver *driver, const char *what)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;

	strbuf_append_str(&text, what);
	append_twins(driver, &text);
	reload_failed(driver, text.data);
}

static void reloaded_cb(bool ok, const char *what, void *arg)
{
	struct haproxy_driver *driver = arg;
	struct haproxy_config_file *file = &driver->file;

	file->reload = NULL;
	if (!ok) {
		haproxy_reload_failed(driver, what);
	} else {
		TARGET_LOG(LOG_INFO, &driver->target, "reloaded", KV_STR("what", what));
		driver->target.clock.reloaded = file->reload_generation == driver->generation;
		haproxy_config_file_enter(driver, CONFIG_FILE_CONFIRMING, MASTER_RELOAD_CONFIRM_MS);
		/* The socket may have shown the new worker before the reloader reported success. */
		if (driver->runtime.known && driver->runtime.info.pid != file->reload_from_pid)
			haproxy_loaded_new_worker(driver, driver->runtime.read_us);
		haproxy_runtime_forget(driver);
	}
	haproxy_reconcile(driver);
}

static void warn_once(struct haproxy_driver *driver, const char *event, const char *why,
                      const char *next)
{
	auto_free char *problem = xasprintf("%s: %s", why, next);

	haproxy_config_file_set_problem(driver, problem);
	if (driver->file.warned == driver->generation)
		return;
	driver->file.warned = driver->generation;
	target_fail(&driver->target, event, why, next);
}

void haproxy_reload_start(struct haproxy_driver *driver, const char *why)
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
	haproxy_config_file_enter(driver, CONFIG_FILE_RELOADING, -1);
}
