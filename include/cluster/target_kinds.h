/* The kinds of targets: the only module that knows every driver. */
#ifndef SEGUE_CLUSTER_TARGET_KINDS_H
#define SEGUE_CLUSTER_TARGET_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"
#include "target/target.h"

/* `config` is borrowed until target_destroy(). `state_dir` is where the marker of a reload that is
 * still owed is kept. `changed` (may be NULL) is called when target_status() may have changed, but
 * never inside a call of a target_ function. */
struct target *target_create(struct target_hub *hub, const struct config_target *config,
                             const char *state_dir, void (*changed)(void *arg),
                             void *arg) MUST_CHECK;
/* --- checks of a rendered text that the proxy would accept: does it make sense? Pure. --- */

/* Returns true if some line leads to the primary: for [haproxy] a server that takes clients (not
 * disabled, no backup, weight above 0), for [pgbouncer] a database. `address` is numeric, as
 * inet_ntop(3) writes it. Also true if that cannot be known, as with a server that has a host name,
 * and if the target has leads_to_primary = no. A text that cannot be read is an error, too.
 * `whole`: with all checks, for the text of a new template: for [haproxy] also the way from each
 * bind to the servers (haproxy/model/routes.h). */
bool text_check_leads(const struct config_target *target, bool whole, const char *text, size_t len,
                      const char *address, uint16_t port, struct err *err) MUST_CHECK;

/* [haproxy]: returns true if no section of `before` that still exists has lost all its binds or all
 * its servers. `before` is rendered by the old template and `text` by the new one, both with the
 * same servers. */
bool text_check_keeps(const struct config_target *target, const char *before, size_t before_len,
                      const char *text, size_t len, struct err *err) MUST_CHECK;

#endif
