/* Layouts: znode bytes -> topology. Pure: no ZooKeeper, no clock, no names resolved. Everything in
 * the bytes is hostile until it is checked here. */
#ifndef SEGUE_WATCH_LAYOUT_H
#define SEGUE_WATCH_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config.h"
#include "topology.h"

#define LAYOUT_VALUE_MAX ((size_t)64 * 1024) /* bytes; a larger znode is refused unread */

/* The znode that names the primary, and the one whose ephemeral children are live publishers
 * (segue: <path>/master and <path>/publishers; plain: <path> both). Caller frees. */
char *layout_master_path(const struct config_cluster *cluster) MUST_CHECK;
char *layout_presence_path(const struct config_cluster *cluster) MUST_CHECK;

/* Decodes by cluster->layout; node names are looked up in cluster->nodes. `out` is initialised by
 * the call and, on success only, to be ended with topology_fini(); out->zxid is left 0, addresses
 * are filled in where the host is numeric already. The error says what is wrong and, where it
 * helps, at which byte; the caller adds path, zxid and the escaped bytes. An empty value is an
 * error. */
bool layout_decode(const struct config_cluster *cluster, const char *data, size_t len,
                   struct topology *out, struct err *err) MUST_CHECK;

/* May the bytes hold a password ("password", or user:password@ in a URI)? Then nobody shows them;
 * the errors of layout_decode() are free of them in any case. */
bool layout_secret(const char *data, size_t len);

/* The segue layout's JSON, as stored in the znode: for state files and publishers. `addresses`: the
 * host of each member is its numeric address, where it has one. */
void layout_segue_encode(const struct topology *topology, bool addresses, struct strbuf *out);

/* The decoders behind layout_decode(). */
bool layout_segue_decode(const struct config_cluster *cluster, const char *data, size_t len,
                         struct topology *out, struct err *err) MUST_CHECK;
bool layout_plain_decode(const struct config_cluster *cluster, const char *data, size_t len,
                         struct topology *out, struct err *err) MUST_CHECK;

#endif
