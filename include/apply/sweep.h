/* Ends the sessions that still run to an address that a server has left, one by one, as `shutdown
 * sessions server` would also end those to the new address and the clients that wait. In the
 * current worker, and through the master CLI in every old one; there those that wait as well, where
 * all that the old worker has leads elsewhere, as no command leads them on. Memory is bounded
 * whatever the number of sessions: the dump is read as it comes, and they end in slices. */
#ifndef SEGUE_APPLY_SWEEP_H
#define SEGUE_APPLY_SWEEP_H

#include <stdbool.h>

#include "apply/haproxy_config.h"
#include "apply/haproxy_gate.h"
#include "apply/haproxy_state.h"

struct sweep;

struct sweep_result {
	unsigned ended;   /* sessions that were told to end */
	unsigned waiting; /* of those, who waited in an old worker, where they would wait in vain */
	unsigned left;    /* of those, still there when it gave up */
	unsigned connecting; /* on their way to an address that was left: sweep again later */
	const char *problem; /* "" or why a worker could not be asked; borrowed */
};

/* Called once, never inside sweep_start(), never after sweep_cancel(). */
typedef void sweep_cb(const struct sweep_result *result, void *arg);

/* Right are the addresses of `desired`; a server that `live` has more in the same backends loses
 * all its sessions, as does one that is to be cut off. Both are read during the call only. `master`
 * may be NULL: no old workers. */
struct sweep *sweep_start(struct haproxy_gate *socket, struct haproxy_gate *master,
                          const struct haproxy_config *desired, const struct haproxy_live *live,
                          sweep_cb *cb, void *arg) MUST_CHECK;
void sweep_cancel(struct sweep *sweep);

#endif
