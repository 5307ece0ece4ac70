/* A client that writes numbered rows one at a time, as an application would, with a new connection
 * after each error, and notes what became of every one of them: the judge of whether a move lost
 * what was acknowledged, and by whom. Where traffic.h counts a crowd, this is one client's book. A
 * write that failed is not repeated: its row may be there or not. It runs as a process of the lab;
 * all that it notes may be read while it writes, and lives as long as the lab. */
#ifndef SEGUE_TESTS_LAB_LEDGER_H
#define SEGUE_TESTS_LAB_LEDGER_H

#include "lab/lab.h"

struct ledger_options {
	const char *conninfo; /* of the proxy, or of a server */
	int client;           /* its number in the table */
	int pause_ms;         /* between two writes; 0: 5 */
	int timeout_ms;       /* of a write, then it counts as failed; 0: 5000. A connection: 2 s */
};

struct ledger_ack {
	int64_t began_us, at_us; /* as clock_now_us() */
	uint32_t n;              /* the row */
	uint16_t port;           /* inet_server_port() of the server that took it */
	bool in_recovery;        /* what that server said of itself in the same answer */
};

struct ledger_error {
	int64_t began_us, at_us;
	uint32_t n;
	uint16_t own_port; /* of the client's end of the connection; 0: there was none */
	char text[160];    /* its first line */
	char trace[400]; /* what PQtrace() saw of this write, as one line; "": it had no connection
	                  */
};

struct ledger;

void ledger_prepare(const char *conninfo); /* makes the table `ledger` */
struct ledger *ledger_start(struct lab *lab, const struct ledger_options *options);
void ledger_stop(struct ledger *ledger); /* kill -9: a write under way is in neither list */

uint32_t ledger_acks(const struct ledger *ledger); /* how many */
const struct ledger_ack *ledger_ack(const struct ledger *ledger, uint32_t i);
uint32_t ledger_acks_from(const struct ledger *ledger, uint16_t port);
uint32_t ledger_errors(const struct ledger *ledger); /* how many of them are kept: 4096 at most */
const struct ledger_error *ledger_error(const struct ledger *ledger, uint32_t i);

/* The longest time between two acknowledgements, from the start until now (or the stop). */
int64_t ledger_longest_gap_us(const struct ledger *ledger);

/* Waits until `port` (0: any server) has acknowledged a write that began after this call. */
bool ledger_wait_served(const struct ledger *ledger, uint16_t port, int64_t timeout_ms);

/* The same of a write that began after `since_us`, which may be past: several are waited for at
 * once when it is the same of all. */
bool ledger_wait_served_since(const struct ledger *ledger, int64_t since_us, uint16_t port,
                              int64_t timeout_ms);

/* How many acknowledged rows the server does not have; -1: it does not answer. `report` (may be
 * NULL) gets a line for each: row, time since the start, and the port that acknowledged it. */
int64_t ledger_missing(const struct ledger *ledger, const char *conninfo, struct strbuf *report);

#endif
