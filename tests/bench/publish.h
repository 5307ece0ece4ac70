/* The bench of the publisher. */
#ifndef SEGUE_TESTS_BENCH_PUBLISH_H
#define SEGUE_TESTS_BENCH_PUBLISH_H

#include "bench/bench.h"

/* All of it, rows of the report. */
void publish_bench(struct lab *lab, struct lab_zk *zk, struct report *report, bool quick);

/* race.c: ten publishers that see so many promotions at the same time, half of them late. */
void race_bench(struct lab_zk *zk, struct report *report, int64_t promotions);

#endif
