/* A port of this machine where nobody listens: what the servers of a held primary lead to, so that
 * each try of a waiting client is refused at once, and the next one may find the new primary. */
#ifndef SEGUE_APPLY_HAPROXY_CLOSED_H
#define SEGUE_APPLY_HAPROXY_CLOSED_H

#include "apply/haproxy_config.h"
#include "base/err.h"

/* Looks, as somebody might listen after all; out->address is static. HAProxy is taken to share
 * segue's network, as it does where both have the same loopback. */
bool haproxy_closed_find(struct haproxy_place *out, struct err *err) MUST_CHECK;

#endif
