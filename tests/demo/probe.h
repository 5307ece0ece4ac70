/* When does a new connection reach a PostgreSQL server? */
#ifndef SEGUE_TESTS_DEMO_PROBE_H
#define SEGUE_TESTS_DEMO_PROBE_H

#include <stdbool.h>
#include <stdint.h>

/* Opens a connection to 127.0.0.1:port every millisecond, each asking for TLS, until PostgreSQL
 * answers any of them; returns the clock_now_us() of that, or 0 after `timeout_ms`. Earlier ones
 * stay open meanwhile: they may be waiting in a proxy. */
int64_t probe_first_answer(uint16_t port, int64_t timeout_ms);

#endif
