/* The addresses on which HAProxies listen, according to the texts of their targets. A primary at
 * such an address would be the proxy itself: one connection would go round in it until it has no
 * room for another. */
#ifndef SEGUE_CLUSTER_LISTENERS_H
#define SEGUE_CLUSTER_LISTENERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "config/config.h"
#include "haproxy/model/binds.h"
#include "haproxy/process_args.h"

struct listeners;

/* `texts`: one per target, empty if it is not known. `config` is borrowed until
 * listeners_destroy(). */
struct listeners *listeners_create(const struct config *config,
                                   const struct strbuf *texts) MUST_CHECK;
void listeners_destroy(struct listeners *listeners); /* NULL is fine */

/* Looks for a HAProxy that listens at the address and port and is driven by a target of the
 * cluster. Returns the target whose text has the bind, which may be of another cluster. NULL: there
 * is none. `address` is numeric, or "" while it is not known. */
const struct config_target *listeners_find(const struct listeners *listeners, size_t cluster,
                                           const char *address, uint16_t port);

/* `own`, a bind in `file`, takes an address that `rendered`, a bind in the target's text, takes
 * too. The kernel then distributes the clients between both. */
typedef void listeners_shared_cb(const struct config_target *target,
                                 const struct haproxy_bind *rendered, const char *file,
                                 const struct haproxy_bind *own, void *arg);

#define LISTENERS_SHARED_CURE                                                                     \
	"remove that section, because segue's replaces it, or give the template other addresses " \
	"(var.rw_bind, var.ro_bind)"

/* Calls `found` once for each such bind in `files`, which are HAProxy's own, and the targets of
 * this socket. `ask`: as for haproxy_bind_resolve(). */
void listeners_find_shared(const struct listeners *listeners, const char *socket,
                           const struct string_list *files, bool ask, listeners_shared_cb *found,
                           void *arg);

#endif
