/* sd_notify(3), from libsystemd, which is loaded when there is somebody to tell and not before: it
 * brings libgcrypt and three compressors, and most of segue's containers and tests have no systemd.
 * A failure to tell is systemd's to notice (TimeoutStartSec), and stops nothing here. */
#include "base/notify.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "base/log.h"

#define LIBSYSTEMD_FILE "libsystemd.so.0"

void notify_systemd(const char *state)
{
	__typeof__(&sd_notify) notify;
	void *library, *found;

	if (getenv("NOTIFY_SOCKET") == NULL)
		return;
	library = dlopen(LIBSYSTEMD_FILE, RTLD_LAZY | RTLD_LOCAL);
	found = library != NULL ? dlsym(library, "sd_notify") : NULL;
	if (found == NULL) {
		log_warning("systemd_not_told", KV_STR("state", state),
		            KV_STR("problem", dlerror()),
		            KV_STR("action", "install libsystemd0, or use Type=exec"));
		return;
	}
	memcpy(&notify, &found, sizeof(notify));
	notify(0, state);
	dlclose(library);
}

void notify_systemd_reloading(void)
{
	struct timespec now;
	char state[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
	         (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	notify_systemd(state);
}
