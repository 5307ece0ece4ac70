/* Builds and parses one batch of the driver: commands and, after them on the same line, the `show`
 * commands whose replies confirm them. Pure. */
#ifndef SEGUE_HAPROXY_MODEL_BATCH_H
#define SEGUE_HAPROXY_MODEL_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "haproxy/model/config.h"
#include "haproxy/model/replies.h"

struct haproxy_batch_reply {
	struct haproxy_live live;
	struct haproxy_info info;
	int64_t uptime_s;   /* of the worker; -1: not reported; too low after it was suspended */
	int64_t start_s;    /* wall clock at its start; -1: not reported (before 2.5) */
	struct strbuf said; /* replies to the commands: "a; b"; empty ones are left out */
	const char *level;  /* of the socket, if below admin: HAProxy refuses changes; or NULL */
};

/* Appends to `line` the `commands` ("" for none) and the `show` commands for the servers of the
 * backends of `config`, their maxconn and queues, and the process. A line without commands also
 * asks for the level of the socket. False: not all commands fit in one line; the line holds only
 * the first ones. */
bool haproxy_batch_line(const char *commands, const struct haproxy_config *config,
                        struct strbuf *line) MUST_CHECK;

/* Parses the reply to such a line. A reply from a worker that is stopping is an error. */
bool haproxy_batch_parse(const char *text, size_t len, struct haproxy_batch_reply *out,
                         struct err *err) MUST_CHECK;
void haproxy_batch_free(struct haproxy_batch_reply *reply);

#endif
