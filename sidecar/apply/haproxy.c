/* The HAProxy target: takes texts from the left, keeps the history of each, and lets the two halves
 * (haproxy_sync.c, haproxy_persist.c) work until proxy and file agree with it. A text that cannot
 * be read as HAProxy would read it is refused, and the one before it stays. */
#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_driver.h"
#include "base/clock.h"
#include "base/log.h"

static struct haproxy_driver *driver_of(struct target *target)
{
	return (struct haproxy_driver *)target;
}

static int64_t since(const struct haproxy_watch *watch, int64_t us)
{
	return us - (watch->notified_us != 0 ? watch->notified_us : watch->set_us);
}

/* One line when all is done; a stopwatch that did not run (no command was needed, say) is left out.
 */
static void tell_moved(const struct haproxy_driver *driver)
{
	const struct haproxy_watch *watch = &driver->watch;
	const struct {
		const char *key;
		int64_t us;
	} laps[] = {{"read_ms", watch->read_us},
	            {"rendered_ms", watch->rendered_us},
	            {"pushed_ms", watch->pushed_us},
	            {"confirmed_ms", watch->confirmed_us},
	            {"persisted_ms", watch->persisted_us}};
	struct log_kv pairs[4 + ARRAY_LEN(laps)] = {
	    KV_STR("cluster", driver->target.config->cluster),
	    KV_STR("target", driver->target.config->name),
	    KV_INT("zxid", watch->zxid),
	    KV_STR("what", watch->summary.len > 0 ? watch->summary.data : "the file only"),
	};
	size_t count = 4;

	for (size_t i = 0; i < ARRAY_LEN(laps); i++)
		if (laps[i].us != 0)
			pairs[count++] = KV_MS(laps[i].key, since(watch, laps[i].us));
	log_emit(LOG_INFO, "moved", pairs, count);
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
		tell_moved(driver);
	else
		log_debug("unchanged", KV_STR("cluster", driver->target.config->cluster),
		          KV_STR("target", driver->target.config->name),
		          KV_INT("zxid", watch->zxid));
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

	if (driver->persist.owner_problem != NULL)
		return err_set(err, "%s", driver->persist.owner_problem);
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

static void status(const struct target *target, struct target_status *out)
{
	const struct haproxy_driver *driver = (const struct haproxy_driver *)target;
	const char *persist_step = haproxy_persist_step(driver);
	const char *problem = driver->sync.problem.data;

	if (*problem == '\0')
		problem = driver->persist.problem.data;
	if (driver->persist.owner_problem != NULL)
		problem = driver->persist.owner_problem;
	*out = (struct target_status){
	    .zxid = driver->generation != 0 ? driver->watch.zxid : 0,
	    .in_sync = in_sync(driver),
	    .problem = problem,
	    .step = *persist_step != '\0' && driver->sync.state == SYNC_IDLE
	                ? persist_step
	                : haproxy_sync_step(driver),
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
