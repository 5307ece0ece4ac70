/* Clocks. Deadlines and durations use CLOCK_BOOTTIME, which also counts while the machine is
 * suspended and never jumps. The wall clock is only for people to read. */
#ifndef SEGUE_BASE_CLOCK_H
#define SEGUE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_now_us(void); /* microseconds since boot */
int64_t clock_now_ms(void); /* milliseconds since boot */

/* Writes the wall clock time as "2026-11-23T11:07:25.123456Z" (UTC). `size` is at least 28. */
#define CLOCK_WALL_MAX 28
void clock_wall(char *out, size_t size);

/* The same for the moment when clock_now_us() returned `us`. Wrong if the wall clock was set since
 * then. */
void clock_wall_at(int64_t us, char *out, size_t size);

/* `ms` plus or minus a random part of up to 20 %. Every periodic wait and every retry uses this. */
int64_t clock_jitter_ms(int64_t ms);

/* The delay in ms before retry number `attempt` (0, 1, ...): 0 for attempt 0, then `first_ms`, then
 * twice as long each time, up to `max_ms`. The jitter is added after this limit. */
int64_t clock_backoff_ms(unsigned attempt, int64_t first_ms, int64_t max_ms);

#endif
