/* A port of this machine where nobody listens: what the servers of a held primary lead to, so that
 * each try of a waiting client is refused at once, and the next one may find the new primary. */
#ifndef SEGUE_APPLY_HAPROXY_CLOSED_H
#define SEGUE_APPLY_HAPROXY_CLOSED_H

#include "apply/haproxy_config.h"
#include "base/err.h"

/* Looks, as somebody might listen after all, and HAProxy is taken to have segue's loopback.
 * `primary`: the address that is left, of the same family where that can be; may be NULL.
 * out->address is static. */
bool haproxy_closed_find(const char *primary, struct haproxy_endpoint *out,
                         struct err *err) MUST_CHECK;

#endif
