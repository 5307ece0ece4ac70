/* The hold record: a file that says what a HAProxy target holds or fences. It exists from before
 * the first command until HAProxy shows the text again, so that after a crash the next process
 * finds what to release. "<state_dir>/haproxy-NAME.held". */
#ifndef SEGUE_HAPROXY_HOLD_RECORD_H
#define SEGUE_HAPROXY_HOLD_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "haproxy/model/config.h"

enum haproxy_hold_record_kind {
	HAPROXY_RECORD_NONE,
	HAPROXY_RECORD_HOLD, /* servers lead to `closed` */
	HAPROXY_RECORD_FENCE /* servers of `primary` are in maintenance, or lead to `closed` */
};

struct haproxy_hold_record {
	char *path;
	char *owner; /* identifies this target in the records that it writes */
	enum haproxy_hold_record_kind kind;
	char *closed_address;  /* NULL: no server leads to a closed port */
	char *primary_address; /* NULL: any */
	uint16_t closed_port, primary_port;
	/* Of the target: segue.ini may not have it any more when the record is found. NULL: an
	 * older segue wrote the record. */
	char *socket, *output;
};

/* Reads the file. No file: kind NONE. A file that cannot be read: an error, and kind NONE. Call
 * haproxy_hold_record_fini() in any case. */
bool haproxy_hold_record_init(struct haproxy_hold_record *record, const char *state_dir,
                              const char *name, struct err *err) MUST_CHECK;
void haproxy_hold_record_fini(struct haproxy_hold_record *record);

void haproxy_hold_record_set(struct haproxy_hold_record *record, enum haproxy_hold_record_kind kind,
                             const struct haproxy_endpoint *closed,
                             const struct haproxy_endpoint *primary);

/* Sets socket and output (copied), for the next save. */
void haproxy_hold_record_set_origin(struct haproxy_hold_record *record, const char *socket,
                                    const char *output);

/* Writes the file, or removes it for kind NONE. segue never reads `zxid`: it is for people. */
bool haproxy_hold_record_save(const struct haproxy_hold_record *record, int64_t zxid,
                              struct err *err) MUST_CHECK;

/* False when another target of the same name, made by a reload of the configuration, has written
 * the file since this one did. */
bool haproxy_hold_record_is_ours(const struct haproxy_hold_record *record);

#endif
