/* Where the HAProxies listen by the texts of their targets. A primary at such an address would be
 * the proxy itself: one connection would go round in it until there is no room for another. */
#ifndef SEGUE_LISTENERS_H
#define SEGUE_LISTENERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "config.h"

struct listeners;

/* `texts`: one a target, empty where it is not known. `config` is borrowed until the end. */
struct listeners *listeners_create(const struct config *config,
                                   const struct strbuf *texts) MUST_CHECK;
void listeners_destroy(struct listeners *listeners); /* NULL is fine */

/* The target of a HAProxy that listens there, and has a target of the cluster: that one, or another
 * one. NULL: none has. `address` is numeric, "" where it is not known yet. */
const struct config_target *listeners_find(const struct listeners *listeners, size_t cluster,
                                           const char *address, uint16_t port);

#endif
