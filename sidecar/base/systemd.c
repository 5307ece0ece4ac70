/* sd_notify(3) of libsystemd. The library is loaded only if NOTIFY_SOCKET is set: it needs
 * libgcrypt and three compression libraries, and most containers and tests of segue have no
 * systemd. A failed notification is ignored here: systemd notices it itself (TimeoutStartSec,
 * WatchdogSec). */
#include "base/systemd.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "base/log.h"

#define LIBSYSTEMD_FILE "libsystemd.so.0"

struct systemd {
	void *library;
	__typeof__(&sd_notify) send;
	__typeof__(&sd_watchdog_enabled) watchdog_enabled;
};

static bool find_function(void *library, const char *name, void *function)
{
	void *found = dlsym(library, name);

	memcpy(function, &found, sizeof(found));
	return found != NULL;
}

struct systemd *systemd_open(void)
{
	struct systemd *systemd;

	if (getenv("NOTIFY_SOCKET") == NULL)
		return NULL;
	systemd = xcalloc(1, sizeof(*systemd));
	systemd->library = dlopen(LIBSYSTEMD_FILE, RTLD_LAZY | RTLD_LOCAL);
	if (systemd->library != NULL &&
	    find_function(systemd->library, "sd_notify", &systemd->send) &&
	    find_function(systemd->library, "sd_watchdog_enabled", &systemd->watchdog_enabled))
		return systemd;
	log_warning("systemd_not_told", KV_STR("problem", dlerror()),
	            KV_STR("action", "install libsystemd0, or use Type=exec without WatchdogSec="));
	systemd_close(systemd);
	return NULL;
}

void systemd_close(struct systemd *systemd)
{
	if (systemd == NULL)
		return;
	if (systemd->library != NULL)
		dlclose(systemd->library);
	free(systemd);
}

void systemd_send(const struct systemd *systemd, const char *state)
{
	if (systemd != NULL)
		systemd->send(0, state);
}

void systemd_reloading(const struct systemd *systemd)
{
	struct timespec now;
	char state[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
	         (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	systemd_send(systemd, state);
}

uint64_t systemd_watchdog_us(const struct systemd *systemd)
{
	uint64_t interval_us = 0;

	if (systemd == NULL || systemd->watchdog_enabled(0, &interval_us) <= 0)
		return 0;
	return interval_us;
}
