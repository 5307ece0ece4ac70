/* Does a text that the proxy would take also make sense? Pure. */
#ifndef SEGUE_TARGET_TEXT_CHECK_H
#define SEGUE_TARGET_TEXT_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"

#define SENSE_CURE                                                                                 \
	"is a mark of the template in the wrong place? A target for readers only, or in front of " \
	"another proxy, has leads_to_primary = no"

/* Some line leads to the primary: of [haproxy] a server that takes clients (not disabled, no
 * backup, weight above 0), of [pgbouncer] a database. `address`: numeric, as inet_ntop(3) spells
 * it. True where that cannot be known, as with a server that has a host name, and where the target
 * has leads_to_primary = no. A text that cannot be read is an error, too. */
bool text_check_leads(const struct config_target *target, const char *text, size_t len,
                      const char *address, uint16_t port, struct err *err) MUST_CHECK;

/* The same with all that there is to see, for a text of a new template: of [haproxy], the way from
 * each bind to the servers (haproxy_routes.h). */
bool text_check_judge(const struct config_target *target, const char *text, size_t len,
                      const char *address, uint16_t port, struct err *err) MUST_CHECK;

/* [haproxy]: no section of `before` that is still there has lost all its binds, or all its servers.
 * Both rendered with the same servers, by an old template and a new one. */
bool text_check_keeps(const struct config_target *target, const char *before, size_t before_len,
                      const char *text, size_t len, struct err *err) MUST_CHECK;

#endif
