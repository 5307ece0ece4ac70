/* Hosts as PgBouncer takes them; see the header. */
#include "apply/pgbouncer_address.h"

#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_address.h"
#include "base/strbuf.h"

static bool is_socket(const char *host)
{
	return *host == '\0' || *host == '/' || *host == '@';
}

char *pgbouncer_host_canonical(const char *host)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;

	if (is_socket(host))
		return xstrdup(host);
	for (;;) {
		size_t len = strcspn(host, ",");
		auto_free char *part = xstrndup(host, len);
		auto_free char *address = haproxy_address_canonical(part);

		if (address == NULL)
			return NULL;
		strbuf_printf(&out, "%s%s", out.len > 0 ? "," : "", address);
		if (host[len] == '\0')
			return strbuf_detach(&out);
		host += len + 1;
	}
}

bool pgbouncer_host_has(const char *host, const char *address)
{
	auto_free char *wanted = haproxy_address_canonical(address);
	size_t len;

	/* From 1.19 on "unix(PID@...)", before that "unix". */
	if (is_socket(host))
		return strncmp(address, "unix", 4) == 0;
	for (; wanted != NULL; host += len + 1) {
		len = strcspn(host, ",");
		if (len == strlen(wanted) && strncmp(host, wanted, len) == 0)
			return true;
		if (host[len] == '\0')
			return false;
	}
	return false;
}
