/* The addresses that HAProxy listens at for a host name in a bind line. */
#ifndef SEGUE_APPLY_HAPROXY_NAMES_H
#define SEGUE_APPLY_HAPROXY_NAMES_H

#include "apply/haproxy_binds.h"

/* Becomes the first address that getaddrinfo(3) has for the name, as HAProxy takes that one; all
 * else stays as it is. `ask`: a name server may be asked, and waited for; otherwise only numbers
 * ("127.1") and the names in /etc/hosts are known. False: it is no host name, or has no address.
 * Nothing to free; shares the words of `bind`. */
bool haproxy_bind_resolve(const struct haproxy_bind *bind, bool ask,
                          struct haproxy_bind *out) MUST_CHECK;

/* A text in the form of hosts(5) names this host. */
bool haproxy_names_has(const char *hosts, const char *host) MUST_CHECK;

#endif
