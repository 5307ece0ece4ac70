/* Blocking connections with a bound in time, to loopback and to unix sockets. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "lab/internal.h"

#define REACH_TIMEOUT_MS 1000

/* On Linux SO_SNDTIMEO bounds connect() too. */
static int connect_within(const struct sockaddr *addr, socklen_t len, int64_t timeout_ms)
{
	struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
	    connect(fd, addr, len) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int net_connect_to(const char *address, uint16_t port, int64_t timeout_ms)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (inet_pton(AF_INET, address, &addr.sin_addr) != 1)
		lab_fail("%s: no IPv4 address", address);
	return connect_within((struct sockaddr *)&addr, sizeof(addr), timeout_ms);
}

int net_connect(uint16_t port, int64_t timeout_ms)
{
	return net_connect_to("127.0.0.1", port, timeout_ms);
}

int net_connect_unix(const char *path, int64_t timeout_ms)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(addr.sun_path))
		lab_fail("%s: too long for a unix socket", path);
	strcpy(addr.sun_path, path); /* NOLINT(clang-analyzer-security.insecureAPI.strcpy) */
	return connect_within((struct sockaddr *)&addr, sizeof(addr), timeout_ms);
}

bool net_ask(int fd, const char *request, struct strbuf *reply)
{
	char buffer[4096];
	ssize_t got;

	if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
		return false;
	while ((got = recv(fd, buffer, sizeof(buffer), 0)) > 0)
		strbuf_append(reply, buffer, (size_t)got);
	return got == 0;
}

const char *lab_reach(uint16_t port, char name[LAB_NAME_MAX])
{
	auto_close int fd = net_connect(port, REACH_TIMEOUT_MS);
	size_t len = 0;

	while (fd >= 0 && len < LAB_NAME_MAX - 1 && recv(fd, name + len, 1, 0) == 1 &&
	       name[len] != '\n')
		len++;
	name[len] = '\0';
	return name;
}
