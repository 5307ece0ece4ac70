/* What targets share, made when the first one asks: the connections to each socket, and the reloads
 * of each HAProxy. Borrowed by the targets until target_hub_destroy(). */
#ifndef SEGUE_TARGET_HUB_H
#define SEGUE_TARGET_HUB_H

#include "target/reload.h"
#include "target/target.h"

/* The thing of this key that targets share. The first who asks has it made, by `create`; `destroy`
 * ends it with the hub, and tells one kind of thing from another. */
void *target_hub_share(struct target_hub *hub, const char *key,
                       void *(*create)(struct event_base *base, const char *key, const void *arg),
                       void (*destroy)(void *thing), const void *arg) MUST_CHECK;

/* The one that reloads this object in this way; NULL where the object is "". */
struct reloader *target_hub_reloader(struct target_hub *hub, const struct reload_method *method,
                                     const char *object) MUST_CHECK;

/* How long a HAProxy target waits between slow re-reads, in ms: longer, the more there are. */
int64_t target_hub_reread_ms(const struct target_hub *hub);

/* The same while a target keeps clients from a server: whoever leads them elsewhere by hand harms
 * them. */
int64_t target_hub_watch_ms(const struct target_hub *hub);
void target_hub_count(struct target_hub *hub, int change); /* a target is made (1) or ends (-1) */

#endif
