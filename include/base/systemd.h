/* What systemd is told of a service of Type=notify: sd_notify(3), and its watchdog. All of it takes
 * NULL for "nobody listens", which is how segue runs outside systemd. */
#ifndef SEGUE_BASE_SYSTEMD_H
#define SEGUE_BASE_SYSTEMD_H

#include <stdint.h>

#include "base/util.h"

struct notify;

/* NULL where NOTIFY_SOCKET is not set, or libsystemd cannot be had, which is logged. */
struct notify *systemd_open(void) MUST_CHECK;
void systemd_close(struct notify *notify);

/* "READY=1", "STOPPING=1", "STATUS=...", "WATCHDOG=1"; several are separated by line ends. */
void systemd_send(const struct notify *notify, const char *state);
void systemd_reloading(const struct notify *notify); /* with the time that it wants */

/* How often systemd wants to hear WATCHDOG=1 from this very process, microseconds; 0: never. */
uint64_t systemd_watchdog_us(const struct notify *notify) MUST_CHECK;

#endif
