/* The kinds of target: the one place that knows every driver. */
#ifndef SEGUE_CLUSTER_TARGET_KINDS_H
#define SEGUE_CLUSTER_TARGET_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"
#include "target/target.h"

/* `config` is borrowed until target_destroy(). `state_dir`: where the marker of a reload that is
 * still owed is kept. `changed` (may be NULL) is called when target_status() may have changed;
 * never inside a call from the left. */
struct target *target_create(struct target_hub *hub, const struct config_target *config,
                             const char *state_dir, void (*changed)(void *arg),
                             void *arg) MUST_CHECK;
/* --- does a text that the proxy would take also make sense? Pure. --- */

/* Some line leads to the primary: of [haproxy] a server that takes clients (not disabled, no
 * backup, weight above 0), of [pgbouncer] a database. `address`: numeric, as inet_ntop(3) spells
 * it. True where that cannot be known, as with a server that has a host name, and where the target
 * has leads_to_primary = no. A text that cannot be read is an error, too. */
bool text_check_leads(const struct config_target *target, const char *text, size_t len,
                      const char *address, uint16_t port, struct err *err) MUST_CHECK;

/* The same with all that there is to see, for a text of a new template: of [haproxy], the way from
 * each bind to the servers (haproxy/model/routes.h). */
bool text_check_judge(const struct config_target *target, const char *text, size_t len,
                      const char *address, uint16_t port, struct err *err) MUST_CHECK;

/* [haproxy]: no section of `before` that is still there has lost all its binds, or all its servers.
 * Both rendered with the same servers, by an old template and a new one. */
bool text_check_keeps(const struct config_target *target, const char *before, size_t before_len,
                      const char *text, size_t len, struct err *err) MUST_CHECK;

#endif
