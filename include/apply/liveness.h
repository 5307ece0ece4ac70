/* Is anybody alive at this address? A TCP connect and PostgreSQL's SSLRequest
 * (protocol 3.0, 55.2.10), which every server answers with one byte before any authentication. A
 * frozen server accepts (its kernel does) and never answers. */
#ifndef SEGUE_APPLY_LIVENESS_H
#define SEGUE_APPLY_LIVENESS_H

#include <stdint.h>

#include "base/util.h"

struct event_base;
struct liveness;

enum liveness_answer { LIVENESS_ALIVE, LIVENESS_REFUSED, LIVENESS_SILENT };

/* Calls back once, never inside the call, never after liveness_cancel(). */
typedef void liveness_cb(enum liveness_answer answer, void *arg);
struct liveness *liveness_ask(struct event_base *base, const char *address, uint16_t port,
                              int64_t timeout_ms, liveness_cb *cb, void *arg) MUST_CHECK;
void liveness_cancel(struct liveness *liveness);

#endif
