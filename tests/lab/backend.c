/* A server that greets with its name and echoes what it gets: enough to see where HAProxy sends a
 * connection, and whether an old one still lives. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/internal.h"

struct lab_backend {
	struct lab_process *process;
	const char *greeting; /* with newline */
	uint16_t port;
};

static int listen_on(uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
	                           .sin_port = htons(port),
	                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, 1024) != 0)
		lab_fail("backend: port %u of 127.0.0.1: %s", port, strerror(errno));
	return fd;
}

static void greet(int poller, int listener, const char *greeting)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (fd < 0)
		return;
	if (send(fd, greeting, strlen(greeting), MSG_NOSIGNAL) < 0 ||
	    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0)
		close(fd);
}

static void echo(int fd)
{
	char buffer[4096];
	ssize_t got = recv(fd, buffer, sizeof(buffer), 0);

	if (got <= 0 || send(fd, buffer, (size_t)got, MSG_NOSIGNAL) != got)
		close(fd);
}

static int serve(void *arg)
{
	const struct lab_backend *backend = arg;
	struct rlimit files = {.rlim_cur = 0};
	int listener = listen_on(backend->port), poller = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) != 0)
		lab_fail("backend: epoll: %s", strerror(errno));
	for (;;) {
		if (epoll_wait(poller, &event, 1, -1) != 1)
			continue;
		if (event.data.fd == listener)
			greet(poller, listener, backend->greeting);
		else
			echo(event.data.fd);
	}
}

static bool listens(void *arg)
{
	const struct lab_backend *backend = arg;
	auto_close int fd = net_connect(backend->port, 1000);

	return fd >= 0;
}

void lab_backend_again(struct lab_backend *backend)
{
	process_fork(backend->process, serve, backend, false);
	process_wait_ready(backend->process, listens, backend, "does not listen");
}

struct lab_backend *lab_backend_start(struct lab *lab, const char *name)
{
	struct lab_backend *backend = lab_alloc(lab, sizeof(*backend), NULL);

	backend->process = process_create(lab, "backend");
	backend->greeting = lab_printf(lab, "%s\n", name);
	backend->port = lab_port(lab);
	lab_backend_again(backend);
	return backend;
}

uint16_t lab_backend_port(const struct lab_backend *backend)
{
	return backend->port;
}

struct lab_process *lab_backend_process(struct lab_backend *backend)
{
	return backend->process;
}
