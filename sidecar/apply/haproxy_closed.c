/* Finds a closed port by connecting to it; see the header. Only ports below 1024, which no outgoing
 * connection takes as its own: a client could otherwise connect to itself. */
#include "apply/haproxy_closed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/util.h"

#define ANSWER_MS 20 /* the loopback answers within the call; a firewall may swallow it */
#define PORT_LAST 8  /* of those nobody has used for decades: tcpmux, compressnet, rje, echo, ... */

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

bool haproxy_closed_find(struct haproxy_place *out, struct err *err)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
	                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	for (uint16_t port = 1; port <= PORT_LAST; port++) {
		v4.sin_port = v6.sin6_port = htons(port);
		out->port = port;
		out->address = "127.0.0.1";
		if (is_closed((const struct sockaddr *)&v4, sizeof(v4)))
			return true;
		out->address = "::1";
		if (is_closed((const struct sockaddr *)&v6, sizeof(v6)))
			return true;
	}
	return err_set(err,
	               "127.0.0.1 and ::1: none of the ports 1 to %d refuses a connection, and "
	               "clients can wait only where one does",
	               PORT_LAST);
}
