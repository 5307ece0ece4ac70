/* The text of a publisher's presence znode: what each server of the cluster looks like from there.
 * Pure. JSON: {"version":1, "publisher":NAME, "nodes":[{"name","host","port","says","timeline"}]};
 * "says" is "primary", "standby", "witness", or a server_class_name(). */
#ifndef SEGUE_PUBLISHER_SEEN_NODES_INTERNAL_H
#define SEGUE_PUBLISHER_SEEN_NODES_INTERNAL_H

#include "publisher/decide.h"

/* Contains nothing that changes with every transaction, because each change is a write. Caller
 * frees. */
char *seen_nodes_encode(const char *publisher, const struct node_state *states,
                        size_t count) MUST_CHECK;

/* Returns true if it shows the primary of the topology taking writes, on its timeline or a later
 * one. Bytes that are no such document show nothing. */
bool seen_nodes_has_primary(const char *data, size_t size, const struct topology *topology);

#endif
