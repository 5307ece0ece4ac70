/* The IP addresses of this machine, as the network namespace of this process has them. */
#ifndef SEGUE_BASE_MACHINE_H
#define SEGUE_BASE_MACHINE_H

#include <stdbool.h>

/* True for 127.0.0.0/8, ::1, and addresses that connect to them: 0.0.0.0, :: and an IPv4-mapped
 * IPv6 address of IPv4 loopback or 0.0.0.0. */
bool machine_is_loopback(const char *address);

/* True for a loopback address or an address of an interface. False if `address` is not numeric. */
bool machine_has_address(const char *address);

#endif
