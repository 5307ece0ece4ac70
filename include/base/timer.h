/* One-shot timers of an event loop. */
#ifndef SEGUE_BASE_TIMER_H
#define SEGUE_BASE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

struct event_base;
struct timer;

/* Called once for each time that the timer was set, from the loop, and never inside a function
 * below. The timer is not set any more: the callback may set it again, or free it. */
typedef void timer_cb(void *arg);

/* Returns a timer that is not set. `base` is borrowed until timer_free(). It is not called
 * timer_create() because POSIX has a function of that name. */
struct timer *timer_new(struct event_base *base, timer_cb *cb, void *arg) MUST_CHECK;
void timer_free(struct timer *timer); /* NULL is fine */

/* Sets the timer to fire in `ms`; 0 or less: after the loop has looked for new events. A timer that
 * is set already is set anew, and fires once. */
void timer_start(struct timer *timer, int64_t ms);

/* Lets the timer fire as soon as the present call has returned to the loop, which does not look for
 * new events before that. A timer that is set already does not fire again at its time. */
void timer_fire(struct timer *timer);

void timer_stop(struct timer *timer);         /* it is not set any more */
bool timer_is_set(const struct timer *timer); /* it will fire */

/* 0 is the most urgent one; without this call it is the middle one of the loop's priorities. Not
 * for a timer that is set. */
void timer_set_priority(struct timer *timer, int priority);

#endif
