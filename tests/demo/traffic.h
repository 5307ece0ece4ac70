/* The demo's clients: processes that write through HAProxy all the time, a new connection a write,
 * and count in shared memory where their writes went. */
#ifndef SEGUE_TESTS_DEMO_TRAFFIC_H
#define SEGUE_TESTS_DEMO_TRAFFIC_H

#include "lab/lab.h"

#define TRAFFIC_CLIENTS 4
#define TRAFFIC_NODES   2

struct traffic_client { /* written by its process alone */
	int64_t ok[TRAFFIC_NODES];
	int64_t failed;
	int64_t busy_us;                 /* spent in writes that were answered */
	int64_t longest_us;              /* the longest of those */
	int64_t first_us[TRAFFIC_NODES]; /* when the first write of that node was answered */
	int64_t last_us[TRAFFIC_NODES];  /* and the last one */
	char error[160];                 /* of the first write that failed */
};

struct traffic;

/* The table `writes` is there. `ports`: of the nodes, in order. */
struct traffic *traffic_start(struct lab *lab, uint16_t haproxy_port,
                              const uint16_t ports[TRAFFIC_NODES]);
void traffic_stop(struct traffic *traffic);

/* All clients in one: sums, the longest, the earliest first and the latest last (0: none). */
struct traffic_client traffic_sum(const struct traffic *traffic);

#endif
