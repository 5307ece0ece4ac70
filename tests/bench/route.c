/* Routes: who answers behind a frontend, and how long a change of the znode takes to show there. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench.h"

#define MEASURE_TIMEOUT_MS 10000

const char *route_config(struct lab *lab, const struct route *route)
{
	const char *front = "";

	if (route->front != 0)
		front = lab_printf(lab,
		                   "frontend %s_front\n\tbind 127.0.0.1:%u\n"
		                   "\tdefault_backend %s\n",
		                   route->name, route->front, route->name);
	return lab_printf(lab, "%sbackend %s\n\tserver primary 127.0.0.1:%u\n", front, route->name,
	                  route->servers[route->now]);
}

static size_t describe(const struct route *route, int server, char *out, size_t size)
{
	return (size_t)snprintf(out, size,
	                        "{\"version\":1,\"primary\":{\"name\":\"db%d\",\"host\":"
	                        "\"127.0.0.1\",\"port\":%u},\"standbys\":[]}",
	                        server, route->servers[server]);
}

void route_publish(struct lab_zk *zk, struct route *route, int server)
{
	char text[256];
	size_t len = describe(route, server, text, sizeof(text));

	route->now = server;
	lab_zk_set(zk, route->path, text, len);
}

/* Reset on close: tens of thousands of connections would use up the ports while in TIME_WAIT. */
static int who_answers(const struct route *route)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
	                           .sin_port = htons(route->front),
	                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct linger reset = {.l_onoff = 1};
	struct timeval limit = {.tv_sec = 1};
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char name;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || recv(fd, &name, 1, 0) != 1)
		return -1;
	return name - '0';
}

int64_t route_await(const struct route *route, int64_t timeout_ms)
{
	int64_t deadline_us = clock_now_us() + timeout_ms * 1000, now_us;
	bool there;

	do {
		there = who_answers(route) == route->now;
		now_us = clock_now_us();
	} while (!there && now_us < deadline_us);
	return there ? now_us : 0;
}

int64_t route_measure(struct lab_zk *zk, struct route *route)
{
	char text[256];
	size_t len = describe(route, !route->now, text, sizeof(text));
	int64_t start_us, end_us;

	route->now = !route->now;
	start_us = clock_now_us();
	lab_zk_set_begin(zk, route->path, text, len);
	end_us = route_await(route, MEASURE_TIMEOUT_MS);
	if (end_us == 0)
		lab_fail("%s: no connection reaches the new server in %d ms", route->name,
		         MEASURE_TIMEOUT_MS);
	lab_zk_set_finish(zk);
	return end_us - start_us;
}
