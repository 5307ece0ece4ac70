/* Ends the sessions that still run to an address that a server has left, one by one, as `shutdown
 * sessions server` would also end those to the new address and the clients that wait. In the
 * current worker, and through the master CLI in every old one; there those that wait as well, where
 * all that the old worker has leads elsewhere, as no command leads them on. Memory is bounded
 * whatever the number of sessions: the dump is read as it comes, and they end in slices. */
#ifndef SEGUE_HAPROXY_SESSION_CLEANUP_INTERNAL_H
#define SEGUE_HAPROXY_SESSION_CLEANUP_INTERNAL_H

#include <stdbool.h>

#include "haproxy/model/config.h"
#include "haproxy/model/replies.h"
#include "haproxy/queue.h"

struct session_cleanup;

struct session_cleanup_result {
	unsigned ended;   /* sessions that were told to end */
	unsigned waiting; /* of those, who waited in an old worker, where they would wait in vain */
	unsigned left;    /* of those, still there when it gave up */
	unsigned connecting; /* on their way to an address that was left: cleanup again later */
	const char *problem; /* "" or why a worker could not be asked; borrowed */
};

/* Called once, never inside session_cleanup_start(), never after session_cleanup_cancel(). */
typedef void session_cleanup_cb(const struct session_cleanup_result *result, void *arg);

/* Right are the addresses of `desired`; a server that `live` has more in the same backends loses
 * all its sessions, as does one that is to be cut off. Both are read during the call only. `master`
 * may be NULL: no old workers. */
struct session_cleanup *session_cleanup_start(struct haproxy_queue *socket,
                                              struct haproxy_queue *master,
                                              const struct haproxy_config *desired,
                                              const struct haproxy_live *live,
                                              session_cleanup_cb *cb, void *arg) MUST_CHECK;
void session_cleanup_cancel(struct session_cleanup *cleanup);

#endif
