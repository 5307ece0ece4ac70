/* Tells addresses of this machine from others; see the header. */
#include "base/machine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"

/* An IPv4 address becomes an address of ::ffff:0:0/96 (IPv4-mapped). */
static bool parse(const char *address, struct in6_addr *out)
{
	struct in_addr v4;

	if (inet_pton(AF_INET6, address, out) == 1)
		return true;
	if (inet_pton(AF_INET, address, &v4) != 1)
		return false;
	*out = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
	memcpy(&out->s6_addr[12], &v4, sizeof(v4));
	return true;
}

bool machine_is_loopback(const char *address)
{
	struct in6_addr ip;

	if (!parse(address, &ip))
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&ip))
		return ip.s6_addr[12] == 127 || ip.s6_addr32[3] == INADDR_ANY;
	return IN6_IS_ADDR_LOOPBACK(&ip) || IN6_IS_ADDR_UNSPECIFIED(&ip);
}

/* A fast check: bind() fails with EADDRNOTAVAIL for nearly every address of another machine. Other
 * results prove nothing: with net.ipv4.ip_nonlocal_bind = 1 every address can be bound, and EINVAL
 * stands for a link-local address (without its interface) and, with net.ipv6.bindv6only = 1, for
 * an IPv4-mapped one. */
static bool is_elsewhere(const struct in6_addr *ip)
{
	const struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = *ip};
	auto_close int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 &&
	       errno == EADDRNOTAVAIL;
}

static bool is_interfaces(const struct sockaddr *of, const struct in6_addr *ip)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)of;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)of;

	if (of == NULL)
		return false;
	if (of->sa_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&in6->sin6_addr, ip);
	return of->sa_family == AF_INET && IN6_IS_ADDR_V4MAPPED(ip) &&
	       in->sin_addr.s_addr == ip->s6_addr32[3];
}

bool machine_has_address(const char *address)
{
	struct ifaddrs *all = NULL;
	struct in6_addr ip;
	bool found = false;

	if (machine_is_loopback(address))
		return true;
	if (!parse(address, &ip) || is_elsewhere(&ip) || getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *at = all; at != NULL && !found; at = at->ifa_next)
		found = is_interfaces(at->ifa_addr, &ip);
	freeifaddrs(all);
	return found;
}
