/* The file half: keeps the output as the text says, for HAProxy's next start, and has HAProxy
 * reloaded where a change is beyond its socket. Never before HAProxy has been told what it can be
 * told, unless HAProxy is away; never a file that check_command refuses; whatever file is there,
 * its servers are those of now. */
/* clang-format off */
/*     file differs        accepted          on disk      reload owed           reported done
 *   IDLE -------> CHECKING --------> COMMITTING ----> IDLE ---------> RELOADING -------> CONFIRMING
 *    ^                | refused         | no room                         | failed          | |
 *    |                +-----------------+-----> FALLING_BACK <------------+- no new worker -+ |
 *    |                                     accepted |  | refused, no room, nothing to do       |
 *    |  timer, new text               COMMITTING <--+  |                                      |
 *    +----------------------- WAITING <-----+----------+                                      |
 *    +---------------------------------------------- a new worker answers --------------------+
 */
/* clang-format on */
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_driver.h"
#include "base/clock.h"

#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS   60000

void haproxy_persist_enter(struct haproxy_driver *driver, enum persist_state state,
                           int64_t timer_ms)
{
	struct haproxy_persist *persist = &driver->persist;
	struct timeval after = {.tv_sec = timer_ms / 1000, .tv_usec = timer_ms % 1000 * 1000};

	persist->state = state;
	event_del(persist->timer);
	if (timer_ms >= 0)
		event_add(persist->timer, &after);
}

void haproxy_persist_set_problem(struct haproxy_driver *driver, const char *problem)
{
	strbuf_reset(&driver->persist.problem);
	strbuf_append_str(&driver->persist.problem, problem);
}

void haproxy_persist_fail(struct haproxy_driver *driver, const char *event, const char *problem,
                          const char *next, unsigned failures)
{
	int64_t ms = clock_backoff_ms(failures, RETRY_FIRST_MS, RETRY_MAX_MS);
	auto_free char *when = xasprintf(
	    "%s; tried again in %" PRId64 " s, or when the text changes", next, (ms + 999) / 1000);

	haproxy_persist_set_problem(driver, problem);
	haproxy_log_problem(driver, event, problem, when);
	driver->persist.retry_at_ms = clock_now_ms() + ms;
	haproxy_persist_enter(driver, PERSIST_WAITING, ms);
}

bool haproxy_persist_is_stale(const struct haproxy_driver *driver)
{
	return driver->persist.install_generation != driver->generation;
}

void haproxy_persist_commit(struct haproxy_driver *driver, install_done_cb *done)
{
	install_commit(driver->persist.install, target_hub_saver(driver->target.hub), done);
	haproxy_persist_enter(driver, PERSIST_COMMITTING, -1);
}

bool haproxy_persist_done(const struct haproxy_driver *driver)
{
	auto_strbuf struct strbuf why = STRBUF_INIT;

	haproxy_reload_reason(driver, &why);
	return driver->persist.state == PERSIST_IDLE && driver->persist.current && why.len == 0;
}

static void fail_install(struct haproxy_driver *driver, const struct err *err)
{
	haproxy_persist_fail(driver, "install_failed", err->message, "the file is what it was",
	                     ++driver->persist.failures);
}

static void installed(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;

	persist->refused_on_disk = false;
	persist->failures = 0;
	persist->installed_us = clock_now_us();
	persist->current = !haproxy_persist_is_stale(driver);
	if (driver->watch.told)
		haproxy_log_drift(driver, "somebody had changed the file");
	else if (persist->current)
		driver->watch.persisted_us = clock_now_us();
	if (persist->reload_failures == 0)
		haproxy_persist_set_problem(driver, "");
	/* A worker that came up between the push and the file has loaded the old file, and leads to
	 * the old primary: only another look tells. */
	driver->sync.want_read = true;
}

static void committed_cb(const struct err *problem, void *arg)
{
	struct haproxy_driver *driver = arg;

	driver->persist.install = NULL;
	if (problem == NULL)
		installed(driver);
	else
		fail_install(driver, problem);
	if (problem == NULL || haproxy_persist_is_stale(driver))
		haproxy_persist_enter(driver, PERSIST_IDLE, -1);
	else
		haproxy_fallback_start(driver);
	haproxy_reconcile(driver);
}

static bool commit(struct haproxy_driver *driver, struct err *err)
{
	struct haproxy_persist *persist = &driver->persist;
	auto_strbuf struct strbuf why = STRBUF_INIT;

	haproxy_reload_reason(driver, &why);
	if (why.len == 0)
		haproxy_forget_previous(driver);
	else if (!haproxy_reload_prepare(driver, err)) {
		install_cancel(STEAL(persist->install));
		return false;
	}
	haproxy_persist_commit(driver, committed_cb);
	return true;
}

static void checked_cb(bool accepted, const char *what, void *arg)
{
	struct haproxy_driver *driver = arg;
	struct haproxy_persist *persist = &driver->persist;
	struct err err;

	if (!accepted) {
		install_cancel(STEAL(persist->install));
		haproxy_persist_fail(driver, "check_refused", what, "the last good file stays",
		                     ++persist->failures);
		haproxy_fallback_start(driver);
	} else if (!commit(driver, &err)) {
		/* Without a place for the note that a reload is owed, the servers still go in. */
		fail_install(driver, &err);
		haproxy_fallback_start(driver);
	}
	haproxy_reconcile(driver);
}

static void start_install(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;
	struct err err;

	persist->install_generation = driver->generation;
	/* Asked again each time: the user may have been made meanwhile. */
	if (!persist->owner_known)
		persist->owner_known = install_owner(driver->target.config, &persist->owner, &err);
	if (persist->owner_known)
		persist->install =
		    install_stage(driver->target.base, driver->target.config, &persist->owner,
		                  driver->text, driver->len, checked_cb, driver, &err);
	if (persist->install == NULL)
		fail_install(driver, &err);
	else
		haproxy_persist_enter(driver, PERSIST_CHECKING, -1);
}

/* Stale sessions are ended before a reload, where it takes one question to find them. */
static bool sync_is_settled(const struct haproxy_driver *driver)
{
	const struct haproxy_sync *sync = &driver->sync;

	return sync->known && sync->state == SYNC_IDLE && !sync->sweep_owed;
}

/* Clients that wait would be left behind in the old worker, where no command leads them on. */
static bool must_not_reload(const struct haproxy_driver *driver)
{
	return driver->hold.door != DOOR_OPEN ||
	       (driver->reloader != NULL && reloader_is_held(driver->reloader));
}

static void tell_reload_waits(struct haproxy_driver *driver, const char *why)
{
	auto_free char *problem =
	    xasprintf("a reload waits until no client of this HAProxy is held: %s", why);

	haproxy_persist_set_problem(driver, problem);
}

static void timer_cb(int fd, short events, void *arg)
{
	struct haproxy_driver *driver = arg;

	(void)fd;
	(void)events;
	if (driver->persist.state == PERSIST_CONFIRMING)
		haproxy_reload_failed(
		    driver, "the reload was reported as done, but the same worker goes on "
		            "answering at the socket");
	else
		haproxy_persist_enter(driver, PERSIST_IDLE, -1);
	haproxy_reconcile(driver);
}

static void step(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;
	auto_strbuf struct strbuf why = STRBUF_INIT;

	haproxy_loaded_open(driver);
	if (!persist->current || persist->verify)
		persist->current =
		    install_is_current(driver->target.config->output, driver->text, driver->len);
	persist->verify = false;
	if (!persist->current) {
		start_install(driver);
		return;
	}
	haproxy_reload_reason(driver, &why);
	if (why.len == 0)
		haproxy_persist_set_problem(driver, "");
	else if (must_not_reload(driver))
		tell_reload_waits(driver, why.data);
	else if (sync_is_settled(driver))
		haproxy_reload_start(driver, why.data);
}

void haproxy_persist_reconcile(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;

	switch (persist->state) {
	case PERSIST_CHECKING:
	case PERSIST_FALLING_BACK:
		if (!haproxy_persist_is_stale(driver))
			return;
		install_cancel(STEAL(persist->install));
		haproxy_persist_enter(driver, PERSIST_IDLE, -1);
		break;
	case PERSIST_COMMITTING:
	case PERSIST_RELOADING:
	case PERSIST_CONFIRMING:
	case PERSIST_WAITING:
		return;
	case PERSIST_IDLE:
		break;
	}
	if (driver->sync.offered == driver->wish)
		step(driver);
}

void haproxy_persist_new_text(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;

	persist->current = false;
	persist->failures = persist->reload_failures = 0;
	if (persist->state == PERSIST_WAITING)
		haproxy_persist_enter(driver, PERSIST_IDLE, -1);
}

void haproxy_persist_init(struct haproxy_driver *driver, const char *state_dir)
{
	struct haproxy_persist *persist = &driver->persist;
	struct err ignored; /* asked again, and told, when there is something to install */

	*persist = (struct haproxy_persist){
	    .note = xasprintf("%s/haproxy-%s.tried", state_dir, driver->target.config->name),
	    .previous = STRBUF_INIT,
	    .problem = STRBUF_INIT};
	persist->timer = event_new(driver->target.base, -1, 0, timer_cb, driver);
	persist->owner_known = install_owner(driver->target.config, &persist->owner, &ignored);
}

void haproxy_persist_fini(struct haproxy_driver *driver)
{
	struct haproxy_persist *persist = &driver->persist;

	if (persist->install != NULL)
		install_cancel(persist->install);
	if (persist->reload != NULL)
		reload_cancel(persist->reload);
	haproxy_reload_abandon(driver);
	haproxy_loaded_fini(driver);
	event_free(persist->timer);
	free(persist->note);
	strbuf_fini(&persist->previous);
	strbuf_fini(&persist->problem);
}
