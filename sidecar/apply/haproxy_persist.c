/* The file half: keeps the output as the text says, for HAProxy's next start, and has HAProxy
 * reloaded where a change is beyond its socket. Never before HAProxy has been told what it can be
 * told, unless HAProxy is away; never a file that check_command refuses; a file that HAProxy
 * refuses to load is put back to what it was.
 *
 *            file differs            accepted           reload owed
 *   IDLE ---------------> CHECKING ----------> IDLE --------------> RELOADING --> CONFIRMING
 *    ^ ^ timer, new text     | refused, no room, ...                    | failed      | a new
 * worker | +------------------ WAITING <------------------------------------+-------------+ or
 * nothing
 *    +--------------------------------------------------------------------------------+
 */
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/haproxy_driver.h"
#include "base/clock.h"
#include "base/log.h"

#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS   60000
/* A new worker so soon after one of segue's own reloads is the one that it made. */
#define OWN_RELOAD_MS  10000

const char *haproxy_persist_step(const struct haproxy_driver *driver)
{
	switch (driver->persist.state) {
	case PERSIST_IDLE:
		return "";
	case PERSIST_CHECKING:
		return "checking";
	case PERSIST_RELOADING:
		return "reloading";
	case PERSIST_CONFIRMING:
		return "confirming the reload";
	case PERSIST_WAITING:
		return "waiting";
	}
	return "?";
}

static void enter(struct haproxy_driver *driver, enum persist_state state, int64_t timer_ms)
{
	struct haproxy_persist *persist = &driver->persist;
	struct timeval after = {.tv_sec = timer_ms / 1000, .tv_usec = timer_ms % 1000 * 1000};

	persist->state = state;
	event_del(persist->timer);
	if (timer_ms >= 0)
		event_add(persist->timer, &after);
}

static void set_problem(struct haproxy_driver *driver, const char *problem)
{
	strbuf_reset(&driver->persist.problem);
	strbuf_append_str(&driver->persist.problem, problem);
}

static void fail(struct haproxy_driver *driver, const char *event, const char *problem,
                 const char *next)
{
	struct haproxy_persist *persist = &driver->persist;
	int64_t ms = clock_backoff_ms(++persist->failures, RETRY_FIRST_MS, RETRY_MAX_MS);
	auto_free char *when = xasprintf(
	    "%s; tried again in %" PRId64 " s, or when the text changes", next, (ms + 999) / 1000);

	set_problem(driver, problem);
	log_error(event, KV_STR("cluster", driver->target.config->cluster),
	          KV_STR("target", driver->target.config->name), KV_INT("zxid", driver->watch.zxid),
	          KV_STR("error", problem), KV_STR("next", when));
	enter(driver, PERSIST_WAITING, ms);
}

static void set_loaded(struct haproxy_driver *driver, const char *text, size_t len)
{
	struct haproxy_persist *persist = &driver->persist;
	struct err ignored; /* a file that segue cannot read says nothing of what is loaded */

	if (persist->loaded_known)
		haproxy_config_free(&persist->loaded);
	persist->loaded_known = haproxy_config_parse(text, len, &persist->loaded, &ignored);
	if (persist->loaded_known)
		target_marker_remove(&driver->target);
}

static void load_from_file(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct err ignored;

	if (file_read(driver->target.config->output, INSTALL_MAX, &text, NULL, &ignored)) {
		set_loaded(driver, text.data, text.len);
		return;
	}
	if (persist->loaded_known)
		haproxy_config_free(&persist->loaded);
	persist->loaded_known = false;
}

/* What the file held when segue came is what HAProxy has loaded, unless a marker says that a reload
 * was still owed: the pid in it is that of the worker which had not loaded the file. */
static void open_file(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;
	int64_t marker = target_marker_read(&driver->target), pid = driver->sync.info.pid;

	if (persist->opened)
		return;
	persist->opened = true;
	if (marker < 0 || (marker != 0 && pid != 0 && marker != pid))
		load_from_file(driver);
}

void haproxy_persist_new_worker(struct haproxy_driver *driver, int64_t seen_ms)
{
	struct haproxy_persist *persist = &driver->persist;
	const struct haproxy_sync *sync = &driver->sync;
	int64_t own_ms = driver->reloader != NULL ? reloader_last_ok_ms(driver->reloader) : 0;
	bool own = own_ms != 0 && clock_now_ms() - own_ms < OWN_RELOAD_MS;

	if (persist->state == PERSIST_CONFIRMING) {
		load_from_file(driver);
		persist->cured = persist->reload_generation;
		enter(driver, PERSIST_IDLE, -1);
		return;
	}
	if (!own)
		persist->cured = persist->warned = 0;
	if (!persist->opened)
		return; /* open_file() judges */
	/* A worker older than the file may have loaded the one before it: a reload stays owed. */
	if (persist->installed_ms == 0 || seen_ms > persist->installed_ms ||
	    sync->worker_ms > persist->installed_ms + 1000)
		load_from_file(driver);
}

/* In words, what a reload is needed for; "" when it is not. */
static void find_reload_reason(const struct haproxy_driver *driver, struct strbuf *why)
{
	const struct haproxy_persist *persist = &driver->persist;

	if (!persist->loaded_known)
		strbuf_printf(why,
		              "it is not known what HAProxy has loaded: %s was not there, not "
		              "readable, or a reload was owed",
		              driver->target.config->output);
	else
		haproxy_config_needs_reload(&persist->loaded, &driver->config, why);
	if (why->len == 0)
		strbuf_append_str(why, driver->sync.needs.data);
}

bool haproxy_persist_done(const struct haproxy_driver *driver)
{
	auto_strbuf struct strbuf why = STRBUF_INIT;

	find_reload_reason(driver, &why);
	return driver->persist.state == PERSIST_IDLE && driver->persist.current && why.len == 0;
}

/* --- the file --- */

static void keep_previous(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;
	struct err ignored;

	strbuf_reset(&persist->previous);
	persist->previous_missing = false;
	persist->has_previous =
	    file_read(driver->target.config->output, INSTALL_MAX, &persist->previous,
	              &persist->previous_missing, &ignored) ||
	    persist->previous_missing;
}

static bool commit(struct haproxy_driver *driver, struct err *err)
{
	struct haproxy_persist *persist = &driver->persist;
	struct install *install = STEAL(persist->install);
	auto_strbuf struct strbuf why = STRBUF_INIT;

	find_reload_reason(driver, &why);
	persist->has_previous = false;
	if (why.len > 0) {
		keep_previous(driver);
		if (!target_marker_write(&driver->target, driver->sync.info.pid, err)) {
			install_cancel(install);
			return false;
		}
	}
	return install_commit(install, err);
}

static void checked_cb(bool accepted, const char *what, void *arg)
{
	struct haproxy_driver *driver = arg;
	struct haproxy_persist *persist = &driver->persist;
	struct err err;

	if (!accepted) {
		install_cancel(STEAL(persist->install));
		fail(driver, "check_refused", what, "the last good file stays");
	} else if (!commit(driver, &err)) {
		fail(driver, "install_failed", err.message, "the file is what it was");
	} else {
		persist->current = true;
		persist->failures = 0;
		persist->installed_ms = clock_now_ms();
		if (!driver->watch.told)
			driver->watch.persisted_us = clock_now_us();
		set_problem(driver, "");
		enter(driver, PERSIST_IDLE, -1);
	}
	haproxy_reconcile(driver);
}

static void start_install(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;
	struct err err;

	persist->install_generation = driver->generation;
	persist->install =
	    install_stage(driver->target.base, driver->target.config, &persist->owner, driver->text,
	                  driver->len, checked_cb, driver, &err);
	if (persist->install == NULL)
		fail(driver, "install_failed", err.message, "the file is what it was");
	else
		enter(driver, PERSIST_CHECKING, -1);
}

/* --- the reload --- */

static void put_back(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;
	const char *output = driver->target.config->output;
	struct err err = {""};

	if (!persist->has_previous)
		return;
	persist->has_previous = false;
	persist->current = false;
	if (persist->previous_missing
	        ? unlink(output) == 0
	        : file_replace(output, persist->previous.data, persist->previous.len,
	                       &persist->owner, &err)) {
		if (persist->loaded_known)
			target_marker_remove(&driver->target);
		return;
	}
	log_error("put_back_failed", KV_STR("target", driver->target.config->name),
	          KV_STR("file", output), KV_ERR(&err),
	          KV_STR("next", "HAProxy would refuse this file at its next start"));
}

static void reload_failed(struct haproxy_driver *driver, const char *what)
{
	bool putting = driver->persist.has_previous;

	put_back(driver);
	fail(driver, "reload_failed", what,
	     putting ? "the file that was there before has been put back"
	             : "HAProxy goes on as it is");
}

static void reloaded_cb(bool ok, const char *what, void *arg)
{
	struct haproxy_driver *driver = arg;
	struct haproxy_persist *persist = &driver->persist;

	persist->reload = NULL;
	if (!ok) {
		reload_failed(driver, what);
	} else {
		log_info("reloaded", KV_STR("cluster", driver->target.config->cluster),
		         KV_STR("target", driver->target.config->name), KV_STR("what", what));
		enter(driver, PERSIST_CONFIRMING, RELOADER_CONFIRM_MS);
		/* The socket may have shown the new worker before the reloader was sure of it. */
		if (driver->sync.known && driver->sync.info.pid != persist->reload_from_pid)
			haproxy_persist_new_worker(driver, driver->sync.read_ms);
		haproxy_sync_forget(driver);
	}
	haproxy_reconcile(driver);
}

static void warn_once(struct haproxy_driver *driver, const char *event, const char *why,
                      const char *next)
{
	auto_free char *problem = xasprintf("%s: %s", why, next);

	set_problem(driver, problem);
	if (driver->persist.warned == driver->generation)
		return;
	driver->persist.warned = driver->generation;
	log_error(event, KV_STR("cluster", driver->target.config->cluster),
	          KV_STR("target", driver->target.config->name), KV_INT("zxid", driver->watch.zxid),
	          KV_STR("error", why), KV_STR("next", next));
}

static void start_reload(struct haproxy_driver *driver, const char *why)
{
	struct haproxy_persist *persist = &driver->persist;
	auto_free char *next =
	    xasprintf("is %s among HAProxy's -f files? segue tries again when the text changes or "
	              "HAProxy is restarted",
	              driver->target.config->output);

	if (persist->cured == driver->generation) {
		warn_once(driver, "reload_did_not_help", why, next);
		return;
	}
	if (driver->reloader == NULL) {
		warn_once(driver, "reload_needed", why,
		          "reload HAProxy (systemctl reload haproxy): segue has neither "
		          "master_socket nor reload_command; it goes on by itself after that");
		return;
	}
	log_info("reload", KV_STR("cluster", driver->target.config->cluster),
	         KV_STR("target", driver->target.config->name), KV_STR("why", why));
	persist->reload_generation = driver->generation;
	persist->reload_from_pid = driver->sync.info.pid;
	persist->reload = reloader_request(driver->reloader, reloaded_cb, driver);
	enter(driver, PERSIST_RELOADING, -1);
}

/* Stale sessions are ended before a reload, where it takes one question to find them. */
static bool sync_is_settled(const struct haproxy_driver *driver)
{
	const struct haproxy_sync *sync = &driver->sync;

	return sync->known && sync->state == SYNC_IDLE && !sync->sweep_owed;
}

static void timer_cb(int fd, short events, void *arg)
{
	struct haproxy_driver *driver = arg;

	(void)fd;
	(void)events;
	if (driver->persist.state == PERSIST_CONFIRMING)
		reload_failed(driver,
		              "the reload was reported as done, but the same worker goes on "
		              "answering at the socket");
	else
		enter(driver, PERSIST_IDLE, -1);
	haproxy_reconcile(driver);
}

static void step(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;
	auto_strbuf struct strbuf why = STRBUF_INIT;

	open_file(driver);
	if (!persist->current || persist->verify)
		persist->current =
		    install_is_current(driver->target.config->output, driver->text, driver->len);
	persist->verify = false;
	if (!persist->current) {
		start_install(driver);
		return;
	}
	find_reload_reason(driver, &why);
	if (why.len == 0)
		set_problem(driver, "");
	else if (sync_is_settled(driver))
		start_reload(driver, why.data);
}

void haproxy_persist_reconcile(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;

	switch (persist->state) {
	case PERSIST_CHECKING:
		if (persist->install_generation == driver->generation)
			return;
		install_cancel(STEAL(persist->install));
		enter(driver, PERSIST_IDLE, -1);
		break;
	case PERSIST_RELOADING:
	case PERSIST_CONFIRMING:
	case PERSIST_WAITING:
		return;
	case PERSIST_IDLE:
		break;
	}
	if (driver->sync.offered == driver->generation)
		step(driver);
}

void haproxy_persist_new_text(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;

	persist->current = false;
	persist->failures = 0;
	if (persist->state == PERSIST_WAITING)
		enter(driver, PERSIST_IDLE, -1);
}

void haproxy_persist_init(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;
	struct err err;

	*persist = (struct haproxy_persist){.previous = STRBUF_INIT, .problem = STRBUF_INIT};
	persist->timer = event_new(driver->target.base, -1, 0, timer_cb, driver);
	if (!install_owner(driver->target.config, &persist->owner, &err))
		persist->owner_problem = xstrdup(err.message);
}

void haproxy_persist_fini(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;

	if (persist->install != NULL)
		install_cancel(persist->install);
	if (persist->reload != NULL)
		reload_cancel(persist->reload);
	if (persist->loaded_known)
		haproxy_config_free(&persist->loaded);
	event_free(persist->timer);
	free(persist->owner_problem);
	strbuf_fini(&persist->previous);
	strbuf_fini(&persist->problem);
}
