/* Each of a few lanes checks one target after the other. First PgBouncer is asked who uses the
 * databases that the text no longer has; then check_command examines the text, beside an output of
 * its own. What is checked here is never installed. */
#include "run/precheck.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timer.h"
#include "pgbouncer/lost_databases.h"
#include "target/install.h"

#define LANES 2 /* each may be a `haproxy -c` of a whole configuration, beside working proxies */

struct lane {
	struct precheck *check;
	size_t target;
	struct config_target probe; /* a copy of the target's, with another `output` */
	struct installer installer;
	struct install *install;     /* if this and `lost` are NULL, the lane is free */
	struct lost_databases *lost; /* runs before `install` */
};

struct precheck {
	struct event_base *base;
	struct precheck_request request;
	struct timer *more; /* fills the free lanes */
	size_t next;        /* the next target to check */
	struct lane lanes[LANES];
};

static void leave(struct lane *lane)
{
	lost_databases_cancel(STEAL(lane->lost));
	if (lane->install != NULL)
		install_cancel(STEAL(lane->install));
	free(STEAL(lane->probe.output));
}

static void checked_cb(enum install_end end, const char *what, void *arg)
{
	struct lane *lane = arg;
	const struct precheck_request *request = &lane->check->request;

	lane->install = NULL;
	leave(lane);
	timer_fire(lane->check->more);
	request->checked(lane->target, end == INSTALL_DONE, what, request->arg);
}

/* The command gets a file in the folder of the one that is to be replaced, because it may depend on
 * the folder. The pid keeps `segue check` apart from the daemon. */
static void start_command(struct lane *lane)
{
	const struct precheck_request *request = &lane->check->request;
	const struct config_target *target = &request->config->targets[lane->target];
	const struct strbuf *text = &request->texts[lane->target];
	auto_free char *path = NULL;
	struct err err;

	if (*target->check_command == '\0')
		return;
	lane->probe = *target;
	path = install_path(target, &err);
	lane->probe.output = path != NULL ? xasprintf("%s.check-%d", path, (int)getpid()) : NULL;
	if (path != NULL) {
		installer_init(&lane->installer, lane->check->base, NULL, &lane->probe);
		lane->install = install_start(&lane->installer, text->data, text->len, NULL,
		                              checked_cb, lane, &err);
	}
	if (lane->install != NULL)
		return;
	leave(lane);
	request->checked(lane->target, false, err.message, request->arg);
}

static void lost_cb(bool used, const char *what, void *arg)
{
	struct lane *lane = arg;
	const struct precheck_request *request = &lane->check->request;

	lane->lost = NULL;
	timer_fire(lane->check->more);
	request->lost(lane->target, used, what, request->arg);
	start_command(lane);
}

static void start(struct lane *lane, size_t target)
{
	const struct precheck_request *request = &lane->check->request;
	const struct strbuf *text = &request->texts[target];

	lane->target = target;
	if (request->config->targets[target].kind == CONFIG_TARGET_PGBOUNCER)
		lane->lost =
		    lost_databases_ask(lane->check->base, &request->config->targets[target],
		                       text->data, text->len, lost_cb, lane);
	if (lane->lost == NULL)
		start_command(lane);
}

static bool is_wanted(const struct precheck *check, size_t target)
{
	const struct config_target *config = &check->request.config->targets[target];
	const struct strbuf *text = &check->request.texts[target];

	if (text->len == 0 ||
	    (*config->check_command == '\0' && config->kind != CONFIG_TARGET_PGBOUNCER))
		return false;
	return !check->request.changed_only ||
	       !install_is_current(config->output, text->data, text->len);
}

/* One target per loop iteration: reading a thousand outputs must not delay a move. */
static void fill_lanes(void *arg)
{
	struct precheck *check = arg;
	size_t count = check->request.config->target_count;
	struct lane *free_lane = NULL;
	bool busy = false;

	for (size_t i = 0; i < LANES; i++) {
		if (check->lanes[i].install == NULL && check->lanes[i].lost == NULL)
			free_lane = &check->lanes[i];
		else
			busy = true;
	}
	if (check->next < count) {
		if (free_lane == NULL)
			return;
		timer_fire(check->more);
		if (is_wanted(check, check->next++))
			start(free_lane, check->next - 1);
	} else if (!busy) {
		struct precheck_request request = check->request;

		precheck_cancel(check);
		request.done(request.arg);
	}
}

struct precheck *precheck_start(struct event_base *base, const struct precheck_request *request)
{
	struct precheck *check = xcalloc(1, sizeof(*check));

	check->base = base;
	check->request = *request;
	check->more = timer_new(base, fill_lanes, check);
	timer_set_priority(check->more, event_base_get_npriorities(base) - 1);
	for (size_t i = 0; i < LANES; i++)
		check->lanes[i].check = check;
	timer_fire(check->more);
	return check;
}

void precheck_cancel(struct precheck *check)
{
	if (check == NULL)
		return;
	for (size_t i = 0; i < LANES; i++)
		leave(&check->lanes[i]);
	timer_free(check->more);
	free(check);
}
