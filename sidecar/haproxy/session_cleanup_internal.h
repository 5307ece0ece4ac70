/* Ends the sessions to former addresses of a server, one by one: `shutdown sessions server` would
 * also end sessions to the new address, and waiting clients. Works on the current worker and,
 * through the master CLI, on all old workers. In an old worker it also ends waiting sessions of a
 * backend whose servers all lead elsewhere, as no command can move them there. Memory is bounded
 * for any number of sessions: the dump is parsed as it comes, and sessions are ended in slices. */
#ifndef SEGUE_HAPROXY_SESSION_CLEANUP_INTERNAL_H
#define SEGUE_HAPROXY_SESSION_CLEANUP_INTERNAL_H

#include <stdbool.h>

#include "haproxy/model/config.h"
#include "haproxy/model/replies.h"
#include "haproxy/queue.h"

struct session_cleanup;

struct session_cleanup_result {
	unsigned ended;      /* sessions that `shutdown session` was sent for */
	unsigned waiting;    /* of `ended`: those that waited in vain in an old worker */
	unsigned left;       /* of `ended`: those still there after the last round */
	unsigned connecting; /* still connecting to a former address: clean up again later */
	const char *problem; /* "", or why a worker could not be asked; borrowed */
};

/* Called once, never inside session_cleanup_start(), never after session_cleanup_cancel(). */
typedef void session_cleanup_cb(const struct session_cleanup_result *result, void *arg);

/* Sessions to the addresses in `desired` stay. A server loses all its sessions if `desired` has it
 * cut_off, or if only `live` has it, in a backend of `desired`. Both are read during this call
 * only. `master` NULL: old workers are not cleaned up. */
struct session_cleanup *session_cleanup_start(struct haproxy_queue *socket,
                                              struct haproxy_queue *master,
                                              const struct haproxy_config *desired,
                                              const struct haproxy_live *live,
                                              session_cleanup_cb *cb, void *arg) MUST_CHECK;
void session_cleanup_cancel(struct session_cleanup *cleanup);

#endif
