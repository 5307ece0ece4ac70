/* Clocks, jitter and retry delays; see the header. */
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

int64_t clock_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_now_ms(void)
{
	return clock_now_us() / 1000;
}

void clock_wall(char *out, size_t size)
{
	clock_wall_at(clock_now_us(), out, size);
}

void clock_wall_at(int64_t us, char *out, size_t size)
{
	struct timespec now;
	struct tm utc;
	char text[24];
	int64_t wall_us;
	time_t seconds;

	clock_gettime(CLOCK_REALTIME, &now);
	wall_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - (clock_now_us() - us);
	seconds = wall_us / 1000000;
	gmtime_r(&seconds, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(out, size, "%s.%06ldZ", text, (long)(wall_us % 1000000));
}

int64_t clock_jitter_ms(int64_t ms)
{
	uint32_t noise;
	int64_t span = ms * 2 / 5;

	if (getrandom(&noise, sizeof(noise), GRND_NONBLOCK) != (ssize_t)sizeof(noise))
		noise = (uint32_t)clock_now_us();
	return span > 0 ? ms - ms / 5 + (int64_t)(noise % (uint64_t)(span + 1)) : ms;
}

int64_t clock_backoff_ms(unsigned attempt, int64_t first_ms, int64_t max_ms)
{
	int64_t ms = first_ms;

	if (attempt == 0)
		return 0;
	while (--attempt > 0 && ms > 0 && ms < max_ms)
		ms *= 2;
	return clock_jitter_ms(ms < max_ms ? ms : max_ms);
}
