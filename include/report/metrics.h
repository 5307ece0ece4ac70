/* Prometheus' text format, version 0.0.4. Pure. A family is one metrics_family() and right behind
 * it all of its samples, as Prometheus wants them. */
#ifndef SEGUE_REPORT_METRICS_H
#define SEGUE_REPORT_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics_label {
	const char *name, *value; /* the value may hold anything; what is no UTF-8 becomes "?" */
};

/* `type`: "gauge", "counter" or "histogram". */
void metrics_family(struct strbuf *out, const char *name, const char *type, const char *help);
void metrics_sample(struct strbuf *out, const char *name, const struct metrics_label *labels,
                    size_t label_count, double value);

struct metrics_histogram {
	const int64_t *bounds_us; /* ascending, included */
	const uint64_t *counts;   /* bound_count + 1, not cumulative; the last: above all bounds */
	size_t bound_count;
	int64_t sum_us;
};

/* In seconds. At most METRICS_LABELS_MAX labels. */
#define METRICS_LABELS_MAX 4
void metrics_histogram(struct strbuf *out, const char *name, const struct metrics_label *labels,
                       size_t label_count, const struct metrics_histogram *histogram);

/* report/metrics.c: this process as Linux has it, by the names that every client library of
 * Prometheus has for it. Not pure. */
void metrics_process(struct strbuf *out, int64_t started_us); /* clock_now_us() */

#endif
