/* The HAProxy target. It takes rendered texts and has runtime.c and config_file.c work until the
 * running HAProxy and its file agree with the text; hold.c acts while there is no primary. A text
 * that HAProxy could not read is refused, and the text before it stays. */
#include "haproxy/driver.h"
#include "driver_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "haproxy/model/address.h"
#include "haproxy/model/routes.h"
#include "haproxy/socket.h"

static bool in_sync(const struct haproxy_driver *driver)
{
	const struct haproxy_runtime *runtime = &driver->runtime;

	return driver->generation != 0 && runtime->known && runtime->down_ms == 0 &&
	       runtime->confirmed == driver->desired_seq && runtime->needs.len == 0 &&
	       runtime->level == NULL && !runtime->cleanup_due &&
	       *haproxy_runtime_unfit(driver) == '\0' && driver->hold.state == HOLD_OPEN &&
	       haproxy_config_file_done(driver);
}

static void tell_when_done(struct haproxy_driver *driver)
{
	struct move_clock *clock = &driver->target.clock;
	/* without a command at the socket, a reload may have moved all of the traffic */
	const char *how = clock->reloaded ? "all of the file, by a reload" : "the file only";

	if (clock->told || !in_sync(driver))
		return;
	clock->told = true;
	if (clock->end_us[MOVE_PUSHED] != 0 || clock->end_us[MOVE_PERSISTED] != 0)
		target_tell_moved(&driver->target,
		                  clock->summary.len > 0 ? clock->summary.data : how);
	else
		TARGET_LOG_ZXID(LOG_INFO, &driver->target, "in_sync",
		                KV_STR("what", "HAProxy and file were as they should be"));
}

static void reconcile(struct haproxy_driver *driver)
{
	if (driver->generation == 0)
		return;
	if (driver->runtime.new_worker)
		haproxy_config_file_new_worker(driver, driver->runtime.seen_us);
	driver->runtime.new_worker = false;
	haproxy_runtime_reconcile(driver);
	haproxy_hold_settle(driver);
	haproxy_config_file_reconcile(driver);
	tell_when_done(driver);
	target_changed(&driver->target);
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

/* Takes ownership of `config`. */
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
	driver->desired_seq++;
	target_start_clock(&driver->target, desired);
	haproxy_runtime_desired_changed(driver, same);
	haproxy_config_file_new_text(driver);
}

static bool set_desired(struct target *target, const struct desired *desired, struct err *err)
{
	struct haproxy_driver *driver = (struct haproxy_driver *)target;
	bool same = driver->generation != 0 && desired->len == driver->len &&
	            memcmp(desired->text, driver->text, driver->len) == 0;
	bool closed = driver->hold.state != HOLD_OPEN;
	struct haproxy_config config;

	if (!same && !haproxy_config_parse(desired->text, desired->len, &config, err))
		return false;
	free((char *)driver->primary.address);
	driver->primary = (struct haproxy_endpoint){
	    desired->primary != NULL ? haproxy_address_canonical(desired->primary) : NULL,
	    desired->primary_port};
	haproxy_hold_end(driver);
	if (!same)
		replace_text(driver, desired, &config);
	else if (closed)
		target_start_clock(target, desired);
	else
		target->clock.zxid = desired->zxid;
	reconcile(driver);
	if (!same)
		haproxy_hold_judge(driver);
	return true;
}

/* Moves the servers at `from` to the primary. False: none of them gets clients. */
static bool lead_on(struct haproxy_config *config, const struct haproxy_endpoint *from,
                    const struct desired *desired)
{
	bool leads = false;

	for (size_t i = 0; i < config->server_count; i++) {
		struct haproxy_server *server = &config->servers[i];

		if (server->port != from->port || strcmp(server->address, from->address) != 0)
			continue;
		free(server->address);
		server->address = xstrdup(desired->primary);
		server->port = desired->primary_port;
		leads = leads || haproxy_takes_clients(server);
	}
	return leads;
}

/* When a text is refused, clients must neither stay at the former primary nor wait at a closed
 * port. So the last good text is used with the new primary's address. The last good text is the
 * current one, or, if there is none yet, the file that an earlier segue process left. */
static bool follow(struct target *target, const struct desired *desired)
{
	struct haproxy_driver *driver = (struct haproxy_driver *)target;
	bool has_text = driver->generation != 0;
	const struct haproxy_endpoint former = {desired->former, desired->former_port};
	const struct haproxy_endpoint *from = has_text ? &driver->primary : &former;
	auto_strbuf struct strbuf before = STRBUF_INIT, text = STRBUF_INIT;
	struct desired next = *desired;
	struct haproxy_config config;
	struct err ignored; /* only the refusal of the rendered text is reported */
	bool found;

	if (has_text)
		strbuf_append(&before, driver->text, driver->len);
	else if (!file_read(target->config->output, INSTALL_MAX, &before, NULL, &ignored))
		return false;
	if (from->address == NULL ||
	    !haproxy_config_parse(before.data, before.len, &config, &ignored))
		return false;
	found = lead_on(&config, from, desired) &&
	        haproxy_config_patch(before.data, before.len, &config, &text, &ignored);
	haproxy_config_free(&config);
	next.text = text.data;
	next.len = text.len;
	return found && set_desired(target, &next, &ignored);
}

static const char *current_step(const struct haproxy_driver *driver)
{
	static const char *const runtime[] = {[RUNTIME_IDLE] = "idle",
	                                      [RUNTIME_READING] = "reading",
	                                      [RUNTIME_PUSHING] = "pushing",
	                                      [RUNTIME_CLEANING] = "cleaning up sessions",
	                                      [RUNTIME_WAITING] = "waiting"};
	static const char *const file[] = {[CONFIG_FILE_IDLE] = "idle",
	                                   [CONFIG_FILE_INSTALLING] = "checking",
	                                   [CONFIG_FILE_RELOADING] = "reloading",
	                                   [CONFIG_FILE_CONFIRMING] = "confirming the reload",
	                                   [CONFIG_FILE_FALLING_BACK] =
	                                       "falling back to an earlier file",
	                                   [CONFIG_FILE_WAITING] = "waiting"};
	static const char *const hold[] = {[HOLD_HELD] = "holding",
	                                   [HOLD_FENCED] = "fenced",
	                                   [HOLD_RECOVERED] =
	                                       "held or fenced by an earlier segue process",
	                                   [HOLD_OPENING] = "opening"};

	if (driver->hold.state != HOLD_OPEN)
		return hold[driver->hold.state];
	if (driver->runtime.state != RUNTIME_IDLE)
		return runtime[driver->runtime.state];
	return driver->file.install != NULL && install_is_committing(driver->file.install)
	           ? "committing"
	           : file[driver->file.state];
}

static const char *const hold_problem[] = {
    [HOLD_OPEN] = "",
    [HOLD_HELD] = "no primary: clients are held until one is named, or hold_timeout is over",
    [HOLD_FENCED] = "no primary: fenced until one is named",
    [HOLD_RECOVERED] = "an earlier segue process left it held or fenced",
    [HOLD_OPENING] = "an earlier segue process left it held or fenced"};

/* Servers that get no clients are not listed as endpoints: those that are disabled in the text, and
 * those in maintenance of any kind (SRV_ADMF_* of HAProxy, see struct haproxy_live_server). */
#define MAINTENANCE_BITS (1U | 2U | 4U | 32U)

static void add_endpoint(struct target_endpoints *list, const char *backend, const char *server,
                         const char *address, uint16_t port)
{
	auto_free char *name = xasprintf("%s/%s", backend, server);

	target_add_endpoint(list, name, address, port);
}

static bool has_backend(const struct haproxy_config *config, const char *backend)
{
	for (size_t i = 0; i < config->backend_count; i++)
		if (strcmp(config->backends[i], backend) == 0)
			return true;
	return false;
}

static void endpoints(const struct target *target, struct target_endpoints *desired,
                      struct target_endpoints *live)
{
	const struct haproxy_driver *driver = (const struct haproxy_driver *)target;
	const struct haproxy_config *config = &driver->config;
	const struct haproxy_live *shown = &driver->runtime.live;

	if (driver->generation == 0)
		return;
	for (size_t i = 0; i < config->server_count; i++) {
		const struct haproxy_server *server = &config->servers[i];

		if (!server->disabled)
			add_endpoint(desired, server->backend, server->name, server->address,
			             server->port);
	}
	for (size_t i = 0; driver->runtime.known && i < shown->count; i++) {
		const struct haproxy_live_server *server = &shown->servers[i];

		if ((server->admin & MAINTENANCE_BITS) == 0 && has_backend(config, server->backend))
			add_endpoint(live, server->backend, server->name, server->address,
			             server->port);
	}
}

/* how long clients may wait in a worker that segue cannot reach; an estimate */
#define OUT_OF_REACH_US 60000000

/* It was reloaded during the present or the last hold, and not all clients have got errors yet. */
static bool is_out_of_reach(const struct haproxy_driver *driver)
{
	const struct haproxy_hold *hold = &driver->hold;
	int64_t at_us = driver->runtime.unreached_us;

	return at_us != 0 && at_us >= hold->since_us &&
	       (hold->state != HOLD_OPEN || clock_now_us() - hold->turned_us <= OUT_OF_REACH_US);
}

static void status(const struct target *target, struct target_status *out)
{
	const struct haproxy_driver *driver = (const struct haproxy_driver *)target;
	const char *problem = driver->runtime.problem.data;

	if (driver->runtime.level != NULL)
		problem = "the socket has no level admin, so that HAProxy refuses every "
		          "change: " HAPROXY_ADMIN_CURE;
	if (*problem == '\0' && is_out_of_reach(driver))
		problem = "HAProxy was reloaded in a hold: clients may wait in its old worker, "
		          "which segue cannot reach without master_socket";
	if (*problem == '\0')
		problem = hold_problem[driver->hold.state];
	if (*problem == '\0')
		problem = haproxy_runtime_unfit(driver);
	if (*problem == '\0')
		problem = driver->file.problem.data;
	*out = (struct target_status){
	    .in_sync = in_sync(driver),
	    .problem = problem,
	    .step = current_step(driver),
	    .old_sessions = driver->runtime.sessions_left,
	};
}

static void destroy(struct target *target)
{
	struct haproxy_driver *driver = (struct haproxy_driver *)target;

	haproxy_runtime_fini(driver);
	haproxy_config_file_fini(driver);
	haproxy_hold_fini(driver);
	if (driver->generation != 0)
		haproxy_config_free(&driver->config);
	free(driver->text);
	free((char *)driver->primary.address);
	target_fini(target);
	free(driver);
}

static void *create_queue(struct event_base *base, const char *key, const void *arg)
{
	return haproxy_queue_create(base, key, arg != NULL);
}

static void destroy_queue(void *thing)
{
	haproxy_queue_destroy(thing);
}

/* `master`: NULL, or the same pointer each time. */
static struct haproxy_queue *shared_queue(struct target_hub *hub, const char *path,
                                          const void *master)
{
	return target_hub_share(hub, path, create_queue, destroy_queue, master);
}

struct target *haproxy_target_create(const struct target_setup *setup)
{
	static const struct target_ops ops = {.leads = haproxy_text_leads,
	                                      .set_desired = set_desired,
	                                      .follow = follow,
	                                      .hold = haproxy_hold,
	                                      .fence = haproxy_fence,
	                                      .places = endpoints,
	                                      .status = status,
	                                      .destroy = destroy};
	struct haproxy_driver *driver = xcalloc(1, sizeof(*driver));
	const struct config_target *config = setup->config;
	bool has_master = config->master_socket[0] != '\0';

	target_init(&driver->target, &ops, setup);
	driver->wake = reconcile;
	driver->socket = shared_queue(setup->hub, config->socket, NULL);
	if (has_master) {
		driver->master =
		    shared_queue(setup->hub, config->master_socket, &haproxy_master_reload);
		driver->reloader =
		    target_hub_reloader(setup->hub, &haproxy_master_reload, config->master_socket);
	} else {
		driver->reloader =
		    target_hub_reloader(setup->hub, &reload_by_command, config->reload_command);
	}
	haproxy_runtime_init(driver);
	haproxy_config_file_init(driver, setup->state_dir);
	haproxy_hold_init(driver, setup->state_dir);
	return &driver->target;
}
