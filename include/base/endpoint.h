/* Formats a host and its port as one string. */
#ifndef SEGUE_BASE_ENDPOINT_H
#define SEGUE_BASE_ENDPOINT_H

#include <stddef.h>
#include <stdint.h>

#define ENDPOINT_MAX 264 /* bytes: a host name of 253, two brackets, a colon, a port, the NUL */

/* "10.0.0.1:5432", "[::1]:5432"; truncated to `size` bytes. Returns `out`. */
const char *endpoint_format(char *out, size_t size, const char *host, uint16_t port);

#endif
