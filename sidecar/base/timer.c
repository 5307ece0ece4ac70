/* One-shot timers; see the header. */
#include "base/timer.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

struct timer {
	struct event event;
	timer_cb *cb;
	void *arg;
};

/* The callback may free the timer, so nothing is done after it. */
static void on_event(evutil_socket_t fd, short what, void *arg)
{
	const struct timer *timer = arg;

	(void)fd;
	(void)what;
	timer->cb(timer->arg);
}

struct timer *timer_new(struct event_base *base, timer_cb *cb, void *arg)
{
	struct timer *timer = xcalloc(1, sizeof(*timer));

	timer->cb = cb;
	timer->arg = arg;
	event_assign(&timer->event, base, -1, 0, on_event, timer);
	return timer;
}

void timer_free(struct timer *timer)
{
	if (timer != NULL)
		event_del(&timer->event);
	free(timer);
}

void timer_start(struct timer *timer, int64_t ms)
{
	const int64_t left = larger(ms, 0);
	const struct timeval after = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};

	event_add(&timer->event, &after);
}

void timer_fire(struct timer *timer)
{
	event_active(&timer->event, EV_TIMEOUT, 0);
}

void timer_stop(struct timer *timer)
{
	event_del(&timer->event);
}

bool timer_is_set(const struct timer *timer)
{
	return event_pending(&timer->event, EV_TIMEOUT, NULL) != 0;
}

void timer_set_priority(struct timer *timer, int priority)
{
	event_priority_set(&timer->event, priority);
}
