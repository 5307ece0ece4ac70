/* Runs an event loop until a condition holds or a deadline passes: how tests wait without naps. */
#ifndef SEGUE_TESTS_UNIT_LOOP_H
#define SEGUE_TESTS_UNIT_LOOP_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* True when *done became true within `ms`. */
static inline bool loop_until(struct event_base *base, const bool *done, int64_t ms)
{
	int64_t until = clock_now_ms() + ms;

	while (!*done && clock_now_ms() < until) {
		struct timeval step = {.tv_usec = 5000};

		event_base_loopexit(base, &step);
		event_base_loop(base, EVLOOP_ONCE);
	}
	return *done;
}

/* Lets the loop run for `ms`, for what must not happen. */
static inline void loop_for(struct event_base *base, int64_t ms)
{
	bool never = false;

	loop_until(base, &never, ms);
}

#endif
