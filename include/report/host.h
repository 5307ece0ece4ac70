/* Which names the endpoint goes by. A web page that a person has open can lead its own name to this
 * endpoint's address (DNS rebinding) and read on; its name is then in the Host header. Pure. */
#ifndef SEGUE_REPORT_HOST_H
#define SEGUE_REPORT_HOST_H

#include <stdbool.h>

/* `host`: the header's value, with or without a port; "" where there was none, which no browser
 * sends. `names`: comma separated, ".example.org" for that and all below it; "" for none. IP
 * addresses and localhost always are. */
bool host_is_allowed(const char *host, const char *names);

#endif
