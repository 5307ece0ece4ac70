/* Addresses that HAProxy is about to listen on, and another process has already: HAProxy would not
 * get them, or share the clients with that process (SO_REUSEPORT). `haproxy -c` does not try. */
#ifndef SEGUE_HAPROXY_LISTENING_H
#define SEGUE_HAPROXY_LISTENING_H

#include <stdint.h>
#include <sys/types.h>

#include "haproxy/model/binds.h"

/* `user`: whose process listens at the port of the bind, or, of a range, at this one of it. */
typedef void haproxy_taken_cb(const struct haproxy_bind *bind, uint16_t port, uid_t user,
                              void *arg);

/* Calls `found` once for every bind of the group at whose address a process listens that is not the
 * HAProxy behind this stats socket. What cannot be known is passed over: a HAProxy that is not up,
 * or not in this network namespace, names, binds to an interface or a namespace, and a listener of
 * HAProxy's user where this process may not see which files HAProxy has open. */
void haproxy_taken_find(const char *socket, const struct haproxy_binds *binds, size_t group,
                        haproxy_taken_cb *found, void *arg);

/* The process that listens at this stats socket: the master, or a worker; 0: none, or none that
 * this process could see. */
int64_t haproxy_pid_at(const char *socket) MUST_CHECK;

/* It answers at this stats socket, and is in another network namespace, or behind an address. */
bool haproxy_is_elsewhere(const char *socket) MUST_CHECK;

/* The addresses that HAProxy listens at for a host name in a bind line. */

/* Becomes the first address that getaddrinfo(3) has for the name, as HAProxy takes that one; all
 * else stays as it is. `ask`: a name server may be asked, and waited for; otherwise only numbers
 * ("127.1") and the names in /etc/hosts are known. False: it is no host name, or has no address.
 * Nothing to free; shares the words of `bind`. */
bool haproxy_bind_resolve(const struct haproxy_bind *bind, bool ask,
                          struct haproxy_bind *out) MUST_CHECK;

/* A text in the form of hosts(5) names this host. */
bool haproxy_names_has(const char *hosts, const char *host) MUST_CHECK;

#endif
