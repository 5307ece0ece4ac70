/* Runs one reload at a time. Requests made during a reload wait for the next one. */
#include "target/reload.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/timer.h"
#include "target/command.h"

#define COMMAND_MS 30000

struct reload {
	struct reload *next;
	struct reloader *reloader;
	reload_cb *cb;
	void *arg;
};

struct reloader {
	struct event_base *base;
	const struct reload_method *method;
	char *object;
	int64_t last_ok_ms;
	void *run;             /* the reload in flight, of the method; NULL: none */
	struct timer *start;   /* starts the next reload from the loop */
	struct reload *served; /* the requests that the reload in flight is for */
	struct reload *queued; /* the requests made since it started */
	int holds;             /* targets in a hold or fence; above 0 no reload starts */
};

/* Calls back all requests of this reload. The next reload starts from the loop, not here, because a
 * callback may request or cancel one. */
static void end(bool ok, const char *what, void *arg)
{
	struct reloader *reloader = arg;
	struct reload *reload;

	reloader->run = NULL;
	if (ok)
		reloader->last_ok_ms = clock_now_ms();
	if (reloader->queued != NULL)
		timer_start(reloader->start, 0);
	while ((reload = reloader->served) != NULL) {
		reload_cb *cb = reload->cb;
		void *cb_arg = reload->arg;

		reloader->served = reload->next;
		free(reload);
		cb(ok, what, cb_arg);
	}
}

static void start_cb(void *arg)
{
	struct reloader *reloader = arg;
	struct err err;

	if (reloader->run != NULL || reloader->holds > 0 || reloader->queued == NULL)
		return;
	reloader->served = STEAL(reloader->queued);
	reloader->run = reloader->method->start(reloader->base, reloader->object,
	                                        reloader->method->limit_ms, end, reloader, &err);
	if (reloader->run == NULL)
		end(false, err.message, reloader);
}

struct reloader *reloader_create(struct event_base *base, const struct reload_method *method,
                                 const char *object)
{
	struct reloader *reloader = xcalloc(1, sizeof(*reloader));

	*reloader = (struct reloader){.base = base, .method = method, .object = xstrdup(object)};
	reloader->start = timer_new(base, start_cb, reloader);
	return reloader;
}

void reloader_destroy(struct reloader *reloader)
{
	if (reloader->run != NULL)
		reloader->method->cancel(reloader->run);
	timer_free(reloader->start);
	free(reloader->object);
	free(reloader);
}

struct reload *reloader_request(struct reloader *reloader, reload_cb *cb, void *arg)
{
	struct reload *reload = xcalloc(1, sizeof(*reload));

	*reload =
	    (struct reload){.next = reloader->queued, .reloader = reloader, .cb = cb, .arg = arg};
	reloader->queued = reload;
	if (reloader->run == NULL)
		timer_start(reloader->start, 0);
	return reload;
}

void reloader_hold(struct reloader *reloader, int change)
{
	reloader->holds += change;
	if (reloader->holds == 0 && reloader->queued != NULL && reloader->run == NULL)
		timer_start(reloader->start, 0);
}

bool reloader_is_held(const struct reloader *reloader)
{
	return reloader->holds > 0;
}

static void unlink_from(struct reload **list, const struct reload *reload)
{
	while (*list != NULL && *list != reload)
		list = &(*list)->next;
	if (*list != NULL)
		*list = reload->next;
}

void reload_cancel(struct reload *reload)
{
	unlink_from(&reload->reloader->served, reload);
	unlink_from(&reload->reloader->queued, reload);
	free(reload);
}

int64_t reloader_last_ok_ms(const struct reloader *reloader)
{
	return reloader->last_ok_ms;
}

/* --- reload by a command --- */

static void *start_command(struct event_base *base, const char *object, int64_t limit_ms,
                           reload_cb *done, void *arg, struct err *err)
{
	char **argv = command_split(object, NULL, err);
	struct command *run;

	if (argv == NULL) {
		err_wrap(err, "reload_command");
		return NULL;
	}
	run = command_run(base, argv, limit_ms, done, arg);
	command_argv_free(argv);
	return run;
}

static void cancel_command(void *run)
{
	command_cancel(run);
}

const struct reload_method reload_by_command = {
    .start = start_command, .cancel = cancel_command, .limit_ms = COMMAND_MS};
