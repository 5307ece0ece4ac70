/* A whole batch of the driver: commands and, behind them on the same line, the questions whose
 * answers confirm them. Pure. */
#ifndef SEGUE_HAPROXY_MODEL_BATCH_H
#define SEGUE_HAPROXY_MODEL_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "haproxy/model/config.h"
#include "haproxy/model/replies.h"

struct haproxy_batch {
	struct haproxy_live live;
	struct haproxy_info info;
	int64_t uptime_s;   /* of the worker; -1: it does not say; lags after it stood still */
	int64_t start_s;    /* when it started, by the clock; -1: it does not say (before 2.5) */
	struct strbuf said; /* what it answered to the commands: "a; b", without empty answers */
	const char *level; /* of the socket, other than admin: HAProxy refuses changes; else NULL */
};

/* Writes the line for `commands` ("" for none), and asks for the servers of the backends of
 * `config`, their limits and queues, and for the process; without commands also for the socket's
 * level. False when not all commands fit in one line: the first ones do. */
bool haproxy_batch_line(const char *commands, const struct haproxy_config *config,
                        struct strbuf *line) MUST_CHECK;

/* The reply to such a line; that of a worker which is about to stop is an error. */
bool haproxy_batch_parse(const char *text, size_t len, struct haproxy_batch *out,
                         struct err *err) MUST_CHECK;
void haproxy_batch_free(struct haproxy_batch *round);

#endif
