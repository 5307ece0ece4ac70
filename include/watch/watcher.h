/* Watches the master znode and the presence of the publishers of one cluster. It reports the
 * topology, with numeric addresses, and one of the states of watch_state. It decides nothing. */
#ifndef SEGUE_WATCH_WATCHER_H
#define SEGUE_WATCH_WATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "topology/facts.h"
#include "zookeeper/session.h"

struct watcher;
struct resolver;

typedef void watcher_cb(void *arg); /* something has changed; see watcher_fact() */

struct watcher *watcher_create(struct zk *zk, struct resolver *resolver,
                               const struct config_cluster *cluster, watcher_cb *cb,
                               void *arg) MUST_CHECK;
void watcher_destroy(struct watcher *watcher);

/* Borrowed until the next loop iteration. */
const struct watch_fact *watcher_fact(const struct watcher *watcher);

#endif
