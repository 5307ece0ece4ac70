/* Checks whether a server is alive at an address: it connects and sends PostgreSQL's SSLRequest
 * (protocol 3.0, 55.2.10), which every server answers with one byte before any authentication. A
 * frozen server accepts the connection (its kernel does) but never answers. */
#ifndef SEGUE_POSTGRES_PING_H
#define SEGUE_POSTGRES_PING_H

#include <stdint.h>

#include "base/util.h"

struct event_base;
struct pg_ping;

enum pg_ping_answer { PG_PING_ALIVE, PG_PING_REFUSED, PG_PING_SILENT };

/* Called once, never from inside pg_ping_ask(), never after pg_ping_cancel(). */
typedef void pg_ping_cb(enum pg_ping_answer answer, void *arg);
struct pg_ping *pg_ping_ask(struct event_base *base, const char *address, uint16_t port,
                            int64_t timeout_ms, pg_ping_cb *cb, void *arg) MUST_CHECK;
void pg_ping_cancel(struct pg_ping *pg_ping);

#endif
