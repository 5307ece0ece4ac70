/* The HAProxy target: takes texts from the left, keeps the history of each, and lets the two halves
 * (haproxy_sync.c, haproxy_persist.c) work until proxy and file agree with it. A text that cannot
 * be read as HAProxy would read it is refused, and the one before it stays. */
#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_driver.h"
#include "base/clock.h"

static struct haproxy_driver *driver_of(struct target *target)
{
	return (struct haproxy_driver *)target;
}

static bool in_sync(const struct haproxy_driver *driver)
{
	const struct haproxy_sync *sync = &driver->sync;

	return driver->generation != 0 && sync->known && sync->down_ms == 0 &&
	       sync->confirmed == driver->generation && sync->needs.len == 0 &&
	       haproxy_persist_done(driver);
}

static void tell_when_done(struct haproxy_driver *driver)
{
	struct haproxy_watch *watch = &driver->watch;

	if (watch->told || !in_sync(driver))
		return;
	watch->told = true;
	if (watch->pushed_us != 0 || watch->persisted_us != 0)
		haproxy_log_moved(driver);
	else
		haproxy_log_in_sync(driver);
}

void haproxy_reconcile(struct haproxy_driver *driver)
{
	if (driver->generation == 0)
		return;
	haproxy_sync_reconcile(driver);
	haproxy_persist_reconcile(driver);
	tell_when_done(driver);
	target_changed(&driver->target);
}

static void start_watch(struct haproxy_driver *driver, const struct desired *desired)
{
	strbuf_fini(&driver->watch.summary);
	driver->watch = (struct haproxy_watch){.zxid = desired->zxid,
	                                       .set_us = clock_now_us(),
	                                       .notified_us = desired->notified_us,
	                                       .read_us = desired->read_us,
	                                       .rendered_us = desired->rendered_us,
	                                       .summary = STRBUF_INIT};
}

static bool same_backends(const struct haproxy_config *a, const struct haproxy_config *b)
{
	if (a->backend_count != b->backend_count)
		return false;
	for (size_t i = 0; i < a->backend_count; i++)
		if (strcmp(a->backends[i], b->backends[i]) != 0)
			return false;
	return true;
}

/* Takes over `config`. */
static void replace_text(struct haproxy_driver *driver, const struct desired *desired,
                         const struct haproxy_config *config)
{
	bool same = driver->generation != 0 && same_backends(&driver->config, config);

	if (driver->generation != 0)
		haproxy_config_free(&driver->config);
	free(driver->text);
	driver->config = *config;
	driver->text = xstrndup(desired->text, desired->len);
	driver->len = desired->len;
	driver->generation++;
	start_watch(driver, desired);
	haproxy_sync_new_text(driver, same);
	haproxy_persist_new_text(driver);
}

static bool set_desired(struct target *target, const struct desired *desired, struct err *err)
{
	struct haproxy_driver *driver = driver_of(target);
	struct haproxy_config config;

	if (driver->generation != 0 && desired->len == driver->len &&
	    memcmp(desired->text, driver->text, driver->len) == 0) {
		driver->watch.zxid = desired->zxid;
		return true;
	}
	if (!haproxy_config_parse(desired->text, desired->len, &config, err))
		return false;
	replace_text(driver, desired, &config);
	haproxy_reconcile(driver);
	return true;
}

static const char *sync_step(enum sync_state state)
{
	switch (state) {
	case SYNC_IDLE:
		return "idle";
	case SYNC_READING:
		return "reading";
	case SYNC_PUSHING:
		return "pushing";
	case SYNC_SWEEPING:
		return "sweeping";
	case SYNC_WAITING:
		return "waiting";
	}
	return "?";
}

/* "" while there is nothing to do. */
static const char *persist_step(enum persist_state state)
{
	switch (state) {
	case PERSIST_IDLE:
		return "";
	case PERSIST_CHECKING:
		return "checking";
	case PERSIST_RELOADING:
		return "reloading";
	case PERSIST_CONFIRMING:
		return "confirming the reload";
	case PERSIST_FALLING_BACK:
		return "falling back to an earlier file";
	case PERSIST_WAITING:
		return "waiting";
	}
	return "?";
}

static void status(const struct target *target, struct target_status *out)
{
	const struct haproxy_driver *driver = (const struct haproxy_driver *)target;
	const char *step = persist_step(driver->persist.state);
	const char *problem = driver->sync.problem.data;

	if (*problem == '\0')
		problem = driver->persist.problem.data;
	*out = (struct target_status){
	    .zxid = driver->generation != 0 ? driver->watch.zxid : 0,
	    .in_sync = in_sync(driver),
	    .problem = problem,
	    .step = *step != '\0' && driver->sync.state == SYNC_IDLE
	                ? step
	                : sync_step(driver->sync.state),
	};
}

static void destroy(struct target *target)
{
	struct haproxy_driver *driver = driver_of(target);

	haproxy_sync_fini(driver);
	haproxy_persist_fini(driver);
	if (driver->generation != 0)
		haproxy_config_free(&driver->config);
	strbuf_fini(&driver->watch.summary);
	free(driver->text);
	target_hub_count(target->hub, -1);
	target_fini(target);
	free(driver);
}

struct target *haproxy_target_create(const struct target_setup *setup)
{
	static const struct target_ops ops = {
	    .set_desired = set_desired, .status = status, .destroy = destroy};
	struct haproxy_driver *driver = xcalloc(1, sizeof(*driver));
	const struct config_target *config = setup->config;

	target_init(&driver->target, &ops, setup);
	driver->watch.summary = (struct strbuf)STRBUF_INIT;
	driver->socket = target_hub_gate(setup->hub, config->socket, false);
	driver->master = config->master_socket[0] != '\0'
	                     ? target_hub_gate(setup->hub, config->master_socket, true)
	                     : NULL;
	driver->reloader =
	    target_hub_reloader(setup->hub, config->master_socket, config->reload_command);
	target_hub_count(setup->hub, 1);
	haproxy_sync_init(driver);
	haproxy_persist_init(driver);
	return &driver->target;
}
