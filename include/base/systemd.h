/* sd_notify(3) and the watchdog of systemd, for a service of Type=notify. All functions accept NULL
 * and then do nothing: outside systemd there is nobody to notify. */
#ifndef SEGUE_BASE_SYSTEMD_H
#define SEGUE_BASE_SYSTEMD_H

#include <stdint.h>

#include "base/util.h"

struct systemd;

/* NULL if NOTIFY_SOCKET is not set, or if libsystemd cannot be loaded, which is logged. */
struct systemd *systemd_open(void) MUST_CHECK;
void systemd_close(struct systemd *systemd);

/* `state`: "READY=1", "STOPPING=1", "STATUS=...", "WATCHDOG=1", or several, one a line. */
void systemd_send(const struct systemd *systemd, const char *state);
void systemd_reloading(const struct systemd *systemd); /* RELOADING=1 with MONOTONIC_USEC= */

/* Within how many microseconds systemd expects WATCHDOG=1 from this process; 0: never. */
uint64_t systemd_watchdog_us(const struct systemd *systemd) MUST_CHECK;

#endif
