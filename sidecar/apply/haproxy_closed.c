/* Finds a closed port by connecting to it; see the header. Only ports below 1024, which no outgoing
 * connection takes as its own: a client could otherwise connect to itself. */
#include "apply/haproxy_closed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/util.h"

#define ANSWER_MS 20 /* the loopback answers within the call; a firewall may swallow it */
#define PORT_LAST                                                                      \
	8 /* of those nobody has used for decades: tcpmux, compressnet, rje, echo, ... \
	   */

static bool ends_refused(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);

	return poll(&wait, 1, ANSWER_MS) == 1 &&
	       getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == ECONNREFUSED;
}

static bool is_closed(const struct sockaddr *address, socklen_t len)
{
	auto_close int fd =
	    socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return false;
	if (connect(fd, address, len) == 0)
		return false;
	return errno == ECONNREFUSED || (errno == EINPROGRESS && ends_refused(fd));
}

static bool find_ipv4(uint16_t port, struct haproxy_endpoint *out)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
	                                    .sin_port = htons(port),
	                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	*out = (struct haproxy_endpoint){"127.0.0.1", port};
	return is_closed((const struct sockaddr *)&address, sizeof(address));
}

static bool find_ipv6(uint16_t port, struct haproxy_endpoint *out)
{
	const struct sockaddr_in6 address = {
	    .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	*out = (struct haproxy_endpoint){"::1", port};
	return is_closed((const struct sockaddr *)&address, sizeof(address));
}

/* Of the primary's family where there is one: a server line may bind a source address. */
bool haproxy_closed_find(const char *primary, struct haproxy_endpoint *out, struct err *err)
{
	bool is_ipv6 = primary != NULL && strchr(primary, ':') != NULL;

	for (uint16_t port = 1; port <= PORT_LAST; port++)
		if (is_ipv6 ? find_ipv6(port, out) : find_ipv4(port, out))
			return true;
	for (uint16_t port = 1; port <= PORT_LAST; port++)
		if (is_ipv6 ? find_ipv4(port, out) : find_ipv6(port, out))
			return true;
	return err_set(err,
	               "127.0.0.1 and ::1: none of the ports 1 to %d refuses a connection, and "
	               "clients can wait only where one does",
	               PORT_LAST);
}
