/* Hosts as PgBouncer takes them; see the header. */
#include "apply/pgbouncer_address.h"

#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_address.h"
#include "base/machine.h"
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

static bool listens_at(const char *listener, const char *address)
{
	auto_free char *own = haproxy_address_canonical(listener);

	if (strcmp(listener, "*") == 0 ||
	    (own != NULL && (strcmp(own, "0.0.0.0") == 0 || strcmp(own, "::") == 0)))
		return machine_has_address(address);
	if (strcmp(listener, "localhost") == 0)
		return machine_is_loopback(address);
	return own != NULL && strcmp(own, address) == 0;
}

bool pgbouncer_listens_at(const char *listen_addr, const char *address)
{
	static const char blanks[] = ", \t";
	auto_free char *wanted = haproxy_address_canonical(address);

	while (wanted != NULL && *(listen_addr += strspn(listen_addr, blanks)) != '\0') {
		auto_free char *listener = xstrndup(listen_addr, strcspn(listen_addr, blanks));

		if (listens_at(listener, wanted))
			return true;
		listen_addr += strlen(listener);
	}
	return false;
}
