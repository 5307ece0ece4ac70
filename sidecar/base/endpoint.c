/* Formats a host and its port; see the header. */
#include "base/endpoint.h"

#include <stdio.h>
#include <string.h>

const char *endpoint_format(char *out, size_t size, const char *host, uint16_t port)
{
	snprintf(out, size, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
	return out;
}
