/* Time. Deadlines and stopwatches use CLOCK_BOOTTIME, which goes on while the machine sleeps and
 * never jumps; wall time is only for people. */
#ifndef SEGUE_BASE_CLOCK_H
#define SEGUE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_now_us(void); /* microseconds since boot */
int64_t clock_now_ms(void); /* milliseconds since boot */

/* Writes the wall clock as "2026-11-23T11:07:25.123456Z" (UTC); `size` at least 28. */
#define CLOCK_WALL_MAX 28
void clock_wall(char *out, size_t size);

/* The same for the moment when clock_now_us() was `us`, as long as nobody has set the clock. */
void clock_wall_at(int64_t us, char *out, size_t size);

/* `ms` plus or minus up to a fifth of it, at random: what every periodic or retried thing waits. */
int64_t clock_jitter_ms(int64_t ms);

/* The delay before retry number `attempt` (0, 1, ...): at once, then doubling from `first_ms`, at
 * most `max_ms`, all of it with jitter. */
int64_t clock_backoff_ms(unsigned attempt, int64_t first_ms, int64_t max_ms);

#endif
