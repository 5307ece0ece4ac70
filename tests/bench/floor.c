/* The floor: the least that can be between a znode and HAProxy. The same ZooKeeper client, a watch,
 * exists and get, one command on the socket; no checks, no file, no reading back. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

#include "bench/bench.h"

#define SESSION_TIMEOUT_MS 6000

struct watch {
	zhandle_t *zh;
	const char *path;
	uint16_t port; /* the last one seen */
	void (*changed)(uint16_t port, void *arg);
	void *arg;
};

static void read_again(struct watch *watch);

static void on_event(zhandle_t *zh, int type, int state, const char *path, void *arg)
{
	(void)zh;
	(void)path;
	if (type != ZOO_SESSION_EVENT || state == ZOO_CONNECTED_STATE)
		read_again(arg);
}

static void on_stat(int rc, const struct Stat *stat, const void *arg)
{
	(void)rc;
	(void)stat;
	(void)arg;
}

static void on_data(int rc, const char *value, int len, const struct Stat *stat, const void *arg)
{
	struct watch *watch = (struct watch *)arg;
	auto_free char *text = xstrndup(rc == ZOK ? value : "", rc == ZOK ? (size_t)len : 0);
	const char *port = strstr(text, "\"port\":");
	uint16_t number =
	    port != NULL ? (uint16_t)strtoul(port + strlen("\"port\":"), NULL, 10) : 0;

	(void)stat;
	if (number == 0 || number == watch->port)
		return;
	watch->port = number;
	watch->changed(number, watch->arg);
}

static void read_again(struct watch *watch)
{
	zoo_awexists(watch->zh, watch->path, on_event, watch, on_stat, watch);
	zoo_aget(watch->zh, watch->path, 0, on_data, watch);
}

static void turn(zhandle_t *zh)
{
	struct pollfd pfd = {.fd = -1};
	int fd = -1, interest = 0;
	struct timeval tv = {0, 0};

	if (zookeeper_interest(zh, &fd, &interest, &tv) == ZOK && fd >= 0) {
		pfd.fd = fd;
		pfd.events = (short)((interest & ZOOKEEPER_READ ? POLLIN : 0) |
		                     (interest & ZOOKEEPER_WRITE ? POLLOUT : 0));
	}
	poll(&pfd, 1, (int)(tv.tv_sec * 1000 + tv.tv_usec / 1000) + 1);
	if (pfd.fd >= 0)
		zookeeper_process(
		    zh, (pfd.revents & (POLLIN | POLLERR | POLLHUP) ? ZOOKEEPER_READ : 0) |
		            (pfd.revents & POLLOUT ? ZOOKEEPER_WRITE : 0));
}

int watch_port(const char *hosts, const char *path, void (*changed)(uint16_t port, void *arg),
               void *arg)
{
	struct watch watch = {.path = path, .changed = changed, .arg = arg};

	zoo_set_debug_level((ZooLogLevel)0);
	watch.zh =
	    zookeeper_init(hosts, on_event, SESSION_TIMEOUT_MS, NULL, &watch, ZOO_NO_LOG_CLIENTENV);
	if (watch.zh == NULL)
		return 1;
	while (!is_unrecoverable(watch.zh))
		turn(watch.zh);
	return 1;
}

static void send_address(uint16_t port, void *arg)
{
	const struct rival *rival = arg;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char buffer[1024];
	int len = snprintf(buffer, sizeof(buffer), "set server %s/primary addr 127.0.0.1 port %u\n",
	                   rival->route.name, port);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", rival->socket);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    send(fd, buffer, (size_t)len, MSG_NOSIGNAL) != len)
		lab_fail("floor: HAProxy's socket %s does not answer", rival->socket);
	while (recv(fd, buffer, sizeof(buffer), 0) > 0)
		;
}

int floor_main(void *rival)
{
	const struct rival *self = rival;

	return watch_port(self->zookeeper, self->route.path, send_address, rival);
}
