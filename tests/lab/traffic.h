/* Clients that write numbered rows all the time, count in shared memory where their writes went,
 * and remember which of them were acknowledged: the judges of a move. Each is a process of the lab.
 * A write that gets an error is counted as failed and not repeated. */
#ifndef SEGUE_TESTS_LAB_TRAFFIC_H
#define SEGUE_TESTS_LAB_TRAFFIC_H

#include "lab/lab.h"

#define TRAFFIC_NODES 2

struct traffic_options {
	const char *conninfo;          /* of the proxy */
	uint16_t ports[TRAFFIC_NODES]; /* of the servers behind it, in order */
	int clients;
	int first_client; /* its number in the table: two crowds share it */
	bool keep;        /* a client keeps its connection; else a new one for each write */
};

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

void traffic_prepare(const char *conninfo); /* makes the table `writes` */
struct traffic *traffic_start(struct lab *lab, const struct traffic_options *options);
void traffic_stop(struct traffic *traffic); /* the clients; what they counted stays */

/* All clients in one: sums, the longest, the earliest first and the latest last (0: none). */
struct traffic_client traffic_sum(const struct traffic *traffic);

/* When the last of the clients had its first write of that node answered; 0: one has not yet. */
int64_t traffic_all_there_us(const struct traffic *traffic, int node);

/* Waits until every client has had a write answered that it began after this call. */
bool traffic_all_served(const struct traffic *traffic, int64_t timeout_ms);

/* How many acknowledged rows are on none of the servers (conninfos); -1: one does not answer. */
int64_t traffic_lost(const struct traffic *traffic, const char *const *servers, size_t count);

#endif
