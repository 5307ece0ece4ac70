/* What HAProxy has loaded, as far as segue can tell, and how it is made to load the file: through
 * the reloader, or by telling a person. A marker file says across a crash that a reload is owed; a
 * file that HAProxy refuses is put back to what it was; a reload that does not help is not tried
 * again. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "driver_internal.h"
#include "haproxy/process_args.h"
#include "master_reload_internal.h"

/* A new worker so soon after one of segue's own reloads is the one that it made. */
#define OWN_RELOAD_MS 10000

static void set_loaded(struct haproxy_driver *driver, const char *text, size_t len)
{
	struct haproxy_config_file *file = &driver->file;
	struct err ignored; /* a file that segue cannot read says nothing of what is loaded */

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

/* What the file held when segue came is what HAProxy has loaded, unless a marker says that a reload
 * was still owed: the pid in it is that of the worker which had not loaded the file. */
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
		return; /* haproxy_loaded_open() judges */
	/* A worker older than the file, or as old, may have loaded the one before it: a reload
	 * stays owed. */
	if (file->state == CONFIG_FILE_COMMITTING)
		return;
	if (file->installed_us == 0 || seen_us > file->installed_us ||
	    runtime->worker_us > file->installed_us + 1000000)
		load_from_file(driver);
}

/* In words, what a reload is needed for; "" when it is not. */
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

/* A file that was installed, but never loaded, is nothing to go back to. */
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
	if (driver->reloader != NULL) { /* else a person reloads, and sees what comes of it */
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

/* HAProxy may refuse the file, or load it twice, at its next start, when nobody looks. */
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
		haproxy_log_put_back(driver);
	} else {
		haproxy_log_problem(driver, "not_put_back", err.message,
		                    "HAProxy may refuse the file at its next start: see what it "
		                    "holds; tried again at the next start of segue");
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

/* HAProxy 2.6 does not say why. Where segue.ini has got another output, it is mostly the file of
 * before, or the one of before is right and this one has a letter too few. */
static void append_twins(const struct haproxy_driver *driver, struct strbuf *what)
{
	const char *output = driver->target.config->output;
	auto_free char *folder = xstrndup(output, (size_t)(strrchr(output, '/') - output));
	struct haproxy_files files = {.count = 0};

	haproxy_files_expand(folder, &files);
	for (size_t i = 0; i < files.count; i++) {
		const char *section = strcmp(files.items[i], output) != 0
		                          ? shared_section(&driver->config, files.items[i])
		                          : NULL;

		if (section != NULL)
			strbuf_printf(what,
			              "; %s has the section %s, too: remove that file, or is the "
			              "output of segue.ini wrong?",
			              files.items[i], section);
	}
	haproxy_files_free(&files);
}

static void reload_failed(struct haproxy_driver *driver, const char *what)
{
	struct haproxy_config_file *file = &driver->file;

	/* A text that has come meanwhile does not wait for the one that failed. */
	file->current = false;
	file->refused_on_disk = file->has_previous;
	if (file->reload_generation != driver->generation) {
		haproxy_log_problem(driver, "reload_failed", what,
		                    "the text has changed meanwhile: that one is tried at once");
		haproxy_config_file_enter(driver, CONFIG_FILE_IDLE, -1);
		return;
	}
	haproxy_config_file_fail(driver, "reload_failed", what,
	                         file->has_previous ? "the file that was there before is put back"
	                                            : "HAProxy goes on as it is",
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
		haproxy_log_reload(driver, "reloaded", what);
		driver->watch.reloaded = file->reload_generation == driver->generation;
		haproxy_config_file_enter(driver, CONFIG_FILE_CONFIRMING, MASTER_RELOAD_CONFIRM_MS);
		/* The socket may have shown the new worker before the reloader was sure of it. */
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
	haproxy_log_problem(driver, event, why, next);
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
		          "master_socket nor reload_command; it goes on by itself after that");
		return;
	}
	haproxy_log_reload(driver, "reload", why);
	file->reload_generation = driver->generation;
	file->reload_from_pid = driver->runtime.info.pid;
	file->reload = reloader_request(driver->reloader, reloaded_cb, driver);
	haproxy_config_file_enter(driver, CONFIG_FILE_RELOADING, -1);
}
