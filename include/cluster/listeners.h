/* Where the HAProxies listen by the texts of their targets. A primary at such an address would be
 * the proxy itself: one connection would go round in it until there is no room for another. */
#ifndef SEGUE_CLUSTER_LISTENERS_H
#define SEGUE_CLUSTER_LISTENERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "config/config.h"
#include "haproxy/model/binds.h"
#include "haproxy/process_args.h"

struct listeners;

/* `texts`: one a target, empty where it is not known. `config` is borrowed until the end. */
struct listeners *listeners_create(const struct config *config,
                                   const struct strbuf *texts) MUST_CHECK;
void listeners_destroy(struct listeners *listeners); /* NULL is fine */

/* The target of a HAProxy that listens there, and has a target of the cluster: that one, or another
 * one. NULL: none has. `address` is numeric, "" where it is not known yet. */
const struct config_target *listeners_find(const struct listeners *listeners, size_t cluster,
                                           const char *address, uint16_t port);

/* `own`, of this file, takes an address that `rendered`, of the target's text, takes, too: the
 * kernel deals the clients out among both. */
typedef void listeners_shared_cb(const struct config_target *target,
                                 const struct haproxy_bind *rendered, const char *file,
                                 const struct haproxy_bind *own, void *arg);

#define LISTENERS_SHARED_CURE                                                                    \
	"take that section out, as segue's has its place, or give the template other addresses " \
	"(var.rw_bind, var.ro_bind)"

/* Calls `found` once for each such bind of HAProxy's own `files`, for the targets of this socket.
 * `ask`: as for haproxy_bind_resolve(). */
void listeners_find_shared(const struct listeners *listeners, const char *socket,
                           const struct haproxy_files *files, bool ask, listeners_shared_cb *found,
                           void *arg);

#endif
