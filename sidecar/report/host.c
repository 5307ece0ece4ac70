/* The Host header against the names of the endpoint. Refuses any name that a stranger could own;
 * an IP address is nobody's name, so that a page that asks by it is the endpoint's own. */
#include "report/host.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "report/request.h"

/* Copies the host without its port and the dot of the root into `out`; IPv6 comes out of its
 * brackets. False where it is no host:port at all. */
static bool strip(const char *host, char out[REQUEST_HOST_MAX], bool *bracketed)
{
	size_t len;

	*bracketed = host[0] == '[';
	if (*bracketed)
		host++;
	len = strcspn(host, *bracketed ? "]" : ":");
	if (len >= REQUEST_HOST_MAX || (*bracketed && host[len] != ']'))
		return false;
	memcpy(out, host, len);
	out[len] = '\0';
	if (len > 0 && out[len - 1] == '.')
		out[len - 1] = '\0';
	host += len;
	if (*bracketed)
		host++;
	return *host == '\0' || (*host == ':' && host[1 + strspn(host + 1, "0123456789")] == '\0');
}

/* `name` has `len` bytes. */
static bool matches(const char *host, const char *name, size_t len)
{
	size_t host_len = strlen(host);

	if (len > 0 && name[0] == '.') {
		if (host_len > len && strncasecmp(host + host_len - len, name, len) == 0)
			return true;
		name++;
		len--;
	}
	return len > 0 && host_len == len && strncasecmp(host, name, len) == 0;
}

static bool is_listed(const char *host, const char *names)
{
	for (size_t len;; names += len + 1) {
		len = strcspn(names, ",");
		if (matches(host, names, len))
			return true;
		if (names[len] == '\0')
			return false;
	}
}

bool host_is_allowed(const char *host, const char *names)
{
	char name[REQUEST_HOST_MAX];
	unsigned char bytes[sizeof(struct in6_addr)];
	bool bracketed;

	if (host[0] == '\0')
		return true;
	if (!strip(host, name, &bracketed))
		return false;
	if (bracketed)
		return inet_pton(AF_INET6, name, bytes) == 1;
	return inet_pton(AF_INET, name, bytes) == 1 || strcasecmp(name, "localhost") == 0 ||
	       is_listed(name, names);
}
