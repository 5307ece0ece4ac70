/* A list of durations and its percentiles (nearest rank). */
#include <stdlib.h>

#include "bench/bench.h"

void samples_add(struct samples *samples, int64_t us)
{
	samples->us = xreallocarray(samples->us, samples->count + 1, sizeof(*samples->us));
	samples->us[samples->count++] = us;
}

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

int64_t samples_at(struct samples *samples, unsigned percent)
{
	size_t rank = (samples->count * percent + 99) / 100;

	if (samples->count == 0)
		return 0;
	qsort(samples->us, samples->count, sizeof(*samples->us), compare);
	return samples->us[rank > 0 ? rank - 1 : 0];
}

void samples_free(struct samples *samples)
{
	free(samples->us);
	*samples = (struct samples){0};
}
