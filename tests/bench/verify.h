/* The bench of asking the servers: what it costs when nothing happens, and what it adds to a change
 * of the znode. */
#ifndef SEGUE_TESTS_BENCH_VERIFY_H
#define SEGUE_TESTS_BENCH_VERIFY_H

#include "bench/bench.h"

/* Three members on a quiet day; those of struct bench's idle rows have no server to ask. */
void probes_bench(struct lab *lab, struct lab_zk *zk, struct report *report, unsigned seconds);

/* The same change with verify = require and with verify = disable, in turn. */
void verified_bench(struct lab *lab, struct lab_zk *zk, struct report *report, unsigned changes);

#endif
