/* A reply of HAProxy's runtime socket, line by line and field by field. Borrows the bytes. */
#ifndef SEGUE_APPLY_HAPROXY_REPLY_H
#define SEGUE_APPLY_HAPROXY_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct span {
	const char *at;
	size_t len;
};

bool span_is(struct span span, const char *text);
bool span_starts(struct span span, const char *prefix);
bool span_number(struct span span, uint64_t max, uint64_t *out) MUST_CHECK; /* digits only */
char *span_dup(struct span span) MUST_CHECK;

/* The first blank-separated field of `rest`, which then starts after it; empty at the end. */
struct span span_field(struct span *rest);

/* What follows `mark` in `span`; false, and nothing written, where `mark` does not occur. */
bool span_after(struct span span, const char *mark, struct span *out);

struct haproxy_reply {
	const char *at, *end;
	bool complete; /* the blank line that ends every reply has been read */
};

void haproxy_reply_init(struct haproxy_reply *reply, const char *text, size_t len);

/* The next line without its break; false at the end. */
bool haproxy_reply_line(struct haproxy_reply *reply, struct span *line);

/* Err "WHAT: HAProxy answered '...'", with the start of what came instead of the reply to WHAT. */
bool haproxy_reply_unexpected(struct err *err, const char *what, struct span got);
bool haproxy_reply_cut_short(struct err *err, const char *what);

#endif
