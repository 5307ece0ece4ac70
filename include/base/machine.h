/* The addresses of this machine, as far as this process's network namespace goes. */
#ifndef SEGUE_BASE_MACHINE_H
#define SEGUE_BASE_MACHINE_H

#include <stdbool.h>

/* 127.0.0.0/8, ::1, and what leads there: 0.0.0.0, :: and IPv4 loopback in an IPv6 address. */
bool machine_is_loopback(const char *address);

/* Is it a loopback address, or one of an interface? `address`: numeric; else false. */
bool machine_has_address(const char *address);

#endif
