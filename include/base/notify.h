/* What systemd is told of a service of Type=notify: sd_notify(3). Nothing happens where nobody
 * listens: NOTIFY_SOCKET is not set. */
#ifndef SEGUE_BASE_NOTIFY_H
#define SEGUE_BASE_NOTIFY_H

/* "READY=1", "RELOADING=1\nMONOTONIC_USEC=...", "STOPPING=1", "STATUS=...". */
void notify_systemd(const char *state);
void notify_systemd_reloading(void); /* with the time that it wants */

#endif
