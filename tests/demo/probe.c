/* Connections in quick succession, so that one is always new; see the header. PostgreSQL 15 manual
 * 55.2.10 "SSL Session Encryption": the server answers an SSLRequest with one byte. */
#include "demo/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"

#define PROBES_MAX  512 /* at once; the oldest ones go first */
#define INTERVAL_MS 1

static const unsigned char ssl_request[] = {0, 0, 0, 8, 4, 210, 22, 47};

/* On loopback a connection to a listening socket is made at once, and the request fits its buffer.
 */
static int open_probe(uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
	                           .sin_port = htons(port),
	                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	                send(fd, ssl_request, sizeof(ssl_request), MSG_NOSIGNAL) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A readable probe without a byte is one that the proxy has closed. */
static bool any_answered(struct pollfd *probes)
{
	char byte;

	for (int i = 0; i < PROBES_MAX; i++) {
		if (probes[i].fd < 0 || probes[i].revents == 0)
			continue;
		if (recv(probes[i].fd, &byte, 1, MSG_DONTWAIT) == 1)
			return true;
		close(probes[i].fd);
		probes[i].fd = -1;
	}
	return false;
}

static void renew(struct pollfd *probe, uint16_t port)
{
	if (probe->fd >= 0)
		close(probe->fd);
	probe->fd = open_probe(port);
	probe->events = POLLIN;
}

int64_t probe_first_answer(uint16_t port, int64_t timeout_ms)
{
	auto_free struct pollfd *probes = xcalloc(PROBES_MAX, sizeof(*probes));
	int64_t deadline_us = clock_now_us() + timeout_ms * 1000, answered_us = 0;

	for (int i = 0; i < PROBES_MAX; i++)
		probes[i].fd = -1;
	for (int next = 0; answered_us == 0 && clock_now_us() < deadline_us;
	     next = (next + 1) % PROBES_MAX) {
		renew(&probes[next], port);
		if (poll(probes, PROBES_MAX, INTERVAL_MS) > 0 && any_answered(probes))
			answered_us = clock_now_us();
	}
	for (int i = 0; i < PROBES_MAX; i++)
		if (probes[i].fd >= 0)
			close(probes[i].fd);
	return answered_us;
}
