/* What targets share: the connections to each socket, and the reloads of each HAProxy. Created when
 * the first target asks; borrowed by the targets until target_hub_destroy(). */
#ifndef SEGUE_TARGET_HUB_H
#define SEGUE_TARGET_HUB_H

#include "target/reload.h"
#include "target/target.h"

/* Returns the shared object with this key and this `destroy`, which also identifies the kind of
 * object. The first call creates it with `create`; target_hub_destroy() ends it with `destroy`. */
void *target_hub_share(struct target_hub *hub, const char *key,
                       void *(*create)(struct event_base *base, const char *key, const void *arg),
                       void (*destroy)(void *thing), const void *arg) MUST_CHECK;

/* Returns the shared reloader of `object`; the first call creates it with `method`. NULL: `object`
 * is "". */
struct reloader *target_hub_reloader(struct target_hub *hub, const struct reload_method *method,
                                     const char *object) MUST_CHECK;

/* How long a target waits between two re-reads of the live state, in ms. It grows with the number
 * of targets. */
int64_t target_hub_reread_ms(const struct target_hub *hub);

/* The same during a hold or a fence. It is shorter, because a manual change then does harm: it may
 * lead clients to a server. */
int64_t target_hub_watch_ms(const struct target_hub *hub);
void target_hub_count(struct target_hub *hub, int change); /* 1: a target is made; -1: it ends */

#endif
