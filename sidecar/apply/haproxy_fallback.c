/* While the text at hand cannot be installed or loaded: the file that HAProxy would start with is
 * an earlier one, which must not lead to the old primary. So it gets the servers of the text at
 * hand, as they are at the socket. Never a file that check_command refuses; never the bad text. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "apply/haproxy_driver.h"
#include "base/clock.h"

static void wait_on(struct haproxy_driver *driver)
{
	int64_t ms = driver->file.retry_at_ms - clock_now_ms();

	haproxy_config_file_enter(driver, CONFIG_FILE_WAITING, ms > 0 ? ms : 0);
}

/* The file is one that HAProxy has loaded, or would, but for its servers. */
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
	haproxy_log_problem(
	    driver, "fallback_failed", problem,
	    driver->file.refused_on_disk
	        ? "HAProxy would refuse the file at its next start"
	        : "until it is put right, HAProxy would start with the servers before");
}

/* A text that has come meanwhile does not wait. */
static void committed_cb(const struct err *problem, void *arg)
{
	struct haproxy_driver *driver = arg;

	driver->file.install = NULL;
	if (problem != NULL) {
		failed(driver, problem->message);
	} else {
		went_back(driver);
		haproxy_log_fell_back(driver);
		driver->runtime.want_read = true;
	}
	if (haproxy_config_file_is_stale(driver))
		haproxy_config_file_enter(driver, CONFIG_FILE_IDLE, -1);
	else
		wait_on(driver);
	haproxy_reconcile(driver);
}

static void checked_cb(bool accepted, const char *what, void *arg)
{
	struct haproxy_driver *driver = arg;

	if (accepted) {
		haproxy_config_file_commit(driver, committed_cb);
	} else {
		install_cancel(STEAL(driver->file.install));
		failed(driver, what);
		wait_on(driver);
	}
	haproxy_reconcile(driver);
}

/* What is to be on disk. False when nothing is known to be right. */
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

	if (path != NULL && unlink(path) == 0) {
		went_back(driver);
		return;
	}
	if (path != NULL)
		err_set_errno(&err, errno, "cannot remove %s", path);
	failed(driver, err.message);
}

/* What was there before, byte for byte, was there without a check. */
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
	                              text->data, text->len, checked_cb, driver, &err);
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
