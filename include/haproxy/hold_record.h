/* The note on disk that a HAProxy target has closed the way to the primary: there from before the
 * first command until all is open again, so that whoever comes after a crash finds what to open.
 * "<state_dir>/haproxy-NAME.held". */
#ifndef SEGUE_HAPROXY_HOLD_RECORD_H
#define SEGUE_HAPROXY_HOLD_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "haproxy/model/config.h"

enum haproxy_hold_record_kind {
	HAPROXY_RECORD_NONE,
	HAPROXY_RECORD_HOLD, /* servers lead to `closed` */
	HAPROXY_RECORD_FENCE /* servers of `primary` are in maintenance */
};

struct haproxy_hold_record {
	char *path;
	char *owner; /* of what this process writes */
	enum haproxy_hold_record_kind kind;
	char *closed_address, *primary_address; /* NULL: any */
	uint16_t closed_port, primary_port;
	char *socket, *output; /* where it is, for who finds the note; NULL: of an older segue */
};

/* Reads what is there; a file that cannot be read is an error, and kind NONE. Ended with
 * haproxy_hold_record_fini() in any case. */
bool haproxy_hold_record_init(struct haproxy_hold_record *note, const char *state_dir,
                              const char *name, struct err *err) MUST_CHECK;
void haproxy_hold_record_fini(struct haproxy_hold_record *note);

void haproxy_hold_record_set(struct haproxy_hold_record *note, enum haproxy_hold_record_kind kind,
                             const struct haproxy_endpoint *closed,
                             const struct haproxy_endpoint *primary);

/* What the file says from the next save on. */
void haproxy_hold_record_set_origin(struct haproxy_hold_record *note, const char *socket,
                                    const char *output);

/* Writes the note, or removes it for kind NONE; `zxid` is for people. */
bool haproxy_hold_record_save(const struct haproxy_hold_record *note, int64_t zxid,
                              struct err *err) MUST_CHECK;

/* False when another target of the same name, made by a reload of the configuration, has written
 * the file since. */
bool haproxy_hold_record_is_ours(const struct haproxy_hold_record *note);

#endif
