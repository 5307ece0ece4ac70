/* What targets share, made when the first one asks: the way to each socket, and the reloader of
 * each HAProxy. Borrowed by the targets until target_hub_destroy(). */
#ifndef SEGUE_TARGET_HUB_H
#define SEGUE_TARGET_HUB_H

#include "haproxy/queue.h"
#include "target/reload.h"
#include "target/target.h"

struct haproxy_queue *target_hub_queue(struct target_hub *hub, const char *path,
                                       bool master) MUST_CHECK;

/* The one of master_socket, else of reload_command; NULL when both are "". */
struct reloader *target_hub_reloader(struct target_hub *hub, const char *master_socket,
                                     const char *reload_command) MUST_CHECK;

/* How long a HAProxy target waits between slow re-reads, in ms: longer, the more there are. */
int64_t target_hub_reread_ms(const struct target_hub *hub);

/* The same while a target keeps clients from a server: whoever leads them elsewhere by hand harms
 * them. */
int64_t target_hub_watch_ms(const struct target_hub *hub);
void target_hub_count(struct target_hub *hub, int change); /* a target is made (1) or ends (-1) */

#endif
