/* The socket of `segue notify`: a datagram with the name of a cluster wakes its publishers. */
#ifndef SEGUE_PUBLISHER_NOTIFY_SOCKET_H
#define SEGUE_PUBLISHER_NOTIFY_SOCKET_H

#include <stdbool.h>

#include "base/err.h"

struct event_base;
struct notify_socket;

/* Called once for each datagram. */
typedef void notify_socket_cb(const char *cluster, void *arg);

/* Replaces a socket on which nobody listens any more; refuses one on which somebody listens. */
struct notify_socket *notify_socket_create(struct event_base *base, const char *path,
                                           notify_socket_cb *cb, void *arg,
                                           struct err *err) MUST_CHECK;
void notify_socket_destroy(struct notify_socket *wake); /* NULL is fine */

/* Never waits: if the datagram cannot be sent at once, that is an error. */
bool notify_socket_send(const char *path, const char *cluster, struct err *err) MUST_CHECK;

#endif
