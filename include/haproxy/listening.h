/* Finds addresses in a HAProxy text that another process already listens on: HAProxy could not bind
 * them, or would share the clients with that process (SO_REUSEPORT). `haproxy -c` does not bind. */
#ifndef SEGUE_HAPROXY_LISTENING_H
#define SEGUE_HAPROXY_LISTENING_H

#include <stdint.h>
#include <sys/types.h>

#include "haproxy/model/binds.h"

/* A process of `user` listens at `port`: the port of the bind, or one in its range. */
typedef void haproxy_taken_cb(const struct haproxy_bind *bind, uint16_t port, uid_t user,
                              void *arg);

/* Calls `found` once for every bind of the group whose address another process listens on, that is,
 * a process other than the HAProxy of this stats socket. Cases that cannot be known are skipped: a
 * HAProxy that is not running, or in another network namespace; names; binds to an interface or a
 * namespace; a listener of HAProxy's user, if segue may not see the open files of HAProxy. */
void haproxy_taken_find(const char *socket, const struct haproxy_binds *binds, size_t group,
                        haproxy_taken_cb *found, void *arg);

/* The pid of the process that made this stats socket: the master, or the only process. 0: no unix
 * socket, nobody listens, or a process in another pid namespace. */
int64_t haproxy_pid_at(const char *socket) MUST_CHECK;

/* HAProxy is in another network namespace, or `socket` is no unix socket but an address. False also
 * if nobody listens at the socket. */
bool haproxy_is_elsewhere(const char *socket) MUST_CHECK;

/* --- host names in bind lines --- */

/* Sets `out` to `bind` with the first address that getaddrinfo(3) returns for its host name, as
 * HAProxy does. `ask`: a name server may be asked, which blocks; otherwise only numbers ("127.1")
 * and names in /etc/hosts are resolved. False: no host name, or no address. Nothing to free: `out`
 * shares the strings of `bind`. */
bool haproxy_bind_resolve(const struct haproxy_bind *bind, bool ask,
                          struct haproxy_bind *out) MUST_CHECK;

/* `hosts`, a text in the format of hosts(5), has an entry for this host name. */
bool haproxy_names_has(const char *hosts, const char *host) MUST_CHECK;

#endif
