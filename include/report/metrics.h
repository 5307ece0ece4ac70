/* Prometheus' text format, version 0.0.4. Pure. All samples of a family have to follow its
 * metrics_family() directly, as Prometheus requires. */
#ifndef SEGUE_REPORT_METRICS_H
#define SEGUE_REPORT_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics_label {
	const char *name, *value; /* any bytes; what is not UTF-8 becomes "?" */
};

/* `type`: "gauge", "counter" or "histogram". */
void metrics_family(struct strbuf *out, const char *name, const char *type, const char *help);
void metrics_sample(struct strbuf *out, const char *name, const struct metrics_label *labels,
                    size_t label_count, double value);
/* A family with one sample that has no labels. */
void metrics_gauge(struct strbuf *out, const char *name, const char *help, double value);

struct metrics_histogram {
	const int64_t *bounds_us; /* upper bounds, ascending, inclusive */
	/* bound_count + 1 counts, not cumulative; the last one is of values above all bounds */
	const uint64_t *counts;
	size_t bound_count;
	int64_t sum_us;
};

/* Written in seconds. At most METRICS_LABELS_MAX labels. */
#define METRICS_LABELS_MAX 4
void metrics_histogram(struct strbuf *out, const char *name, const struct metrics_label *labels,
                       size_t label_count, const struct metrics_histogram *histogram);

/* Metrics of this process, read from Linux, under the names that all Prometheus client libraries
 * use. Not pure. */
void metrics_process(struct strbuf *out, int64_t started_us); /* clock_now_us() at its start */

#endif
