/* The bytes are those of the PostgreSQL manual, 55.7; see the header. */
#include "hostile.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"

#define COLUMN_ROW "\0\1a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"

struct server {
	uint16_t port;
	enum hostile_way way;
};

static void put(int fd, const void *bytes, size_t len)
{
	for (const char *at = bytes; len > 0;) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			_exit(0);
		at += n;
		len -= (size_t)n;
	}
}

static void put_head(int fd, char type, uint32_t len)
{
	const unsigned char head[5] = {(unsigned char)type, (unsigned char)(len >> 24),
	                               (unsigned char)(len >> 16), (unsigned char)(len >> 8),
	                               (unsigned char)len};

	put(fd, head, sizeof(head));
}

static void say(int fd, char type, const void *body, size_t len)
{
	put_head(fd, type, (uint32_t)len + 4);
	put(fd, body, len);
}

static void take(int fd, char *bytes, size_t size)
{
	ssize_t n = read(fd, bytes, size - 1);

	if (n <= 0)
		_exit(0);
	bytes[n] = '\0';
}

/* The nonce of the client, and one more. */
static void ask_for_iterations(int fd)
{
	char bytes[4096] = "", reply[1024] = "\0\0\0\v", *nonce;
	int len;

	say(fd, 'R', "\0\0\0\nSCRAM-SHA-256\0", 19);
	take(fd, bytes, sizeof(bytes));
	nonce = memmem(bytes, sizeof(bytes), ",r=", 3);
	if (nonce == NULL)
		_exit(1);
	len =
	    snprintf(reply + 4, sizeof(reply) - 4, "%.64sx,s=c2FsdHNhbHQ=,i=2000000000", nonce + 1);
	say(fd, 'R', reply, (size_t)len + 4);
	take(fd, bytes, sizeof(bytes));
}

static void answer_forever(int fd, char type, const void *body, size_t len)
{
	for (;;)
		say(fd, type, body, len);
}

static void report_parameters(int fd)
{
	char body[64];

	for (unsigned i = 0;; i++)
		say(fd, 'S', body, (size_t)snprintf(body, sizeof(body), "p%u%c1", i, 0) + 1);
}

static void answer_huge_row(int fd)
{
	static const char bytes[65536];

	put_head(fd, 'D', 1000000000);
	put(fd, "\0\1\x3b\x9a\xc9\xf4", 6);
	for (;;)
		put(fd, bytes, sizeof(bytes));
}

static void drip(int fd)
{
	put_head(fd, 'D', 1000);
	for (;;) {
		put(fd, "", 1);
		usleep(20000);
	}
}

static void answer(int fd, enum hostile_way way)
{
	say(fd, 'T', COLUMN_ROW, 22);
	switch (way) {
	case HOSTILE_COPY_IN:
		say(fd, 'G', "\0\0\0", 3);
		return;
	case HOSTILE_COPY_OUT:
		say(fd, 'H', "\0\0\0", 3);
		return;
	case HOSTILE_COPY_BOTH:
		say(fd, 'W', "\0\0\0", 3);
		return;
	case HOSTILE_TWO_ROWS:
		say(fd, 'D', "\0\1\0\0\0\1x", 7);
		say(fd, 'D', "\0\1\0\0\0\1x", 7);
		say(fd, 'C', "SELECT 2", 9);
		say(fd, 'Z', "I", 1);
		return;
	case HOSTILE_ENDLESS_RESULTS:
		answer_forever(fd, 'C', "SET", 4);
		return;
	case HOSTILE_ENDLESS_ROWS:
		answer_forever(fd, 'D', "\0\1\0\0\0\1x", 7);
		return;
	case HOSTILE_HUGE_ROW:
		answer_huge_row(fd);
		return;
	case HOSTILE_ENDLESS_NOTICES:
		answer_forever(fd, 'N', "SNOTICE\0Mlook here\0", 20);
		return;
	case HOSTILE_ENDLESS_NOTIFICATIONS:
		answer_forever(fd, 'A', "\0\0\0\1channel\0\0", 13);
		return;
	case HOSTILE_ENDLESS_PARAMETERS:
		report_parameters(fd);
		return;
	case HOSTILE_DRIP:
		drip(fd);
		return;
	case HOSTILE_SCRAM:
	case HOSTILE_WAYS:
		return;
	}
}

static void serve(int fd, enum hostile_way way)
{
	char bytes[4096];

	take(fd, bytes, sizeof(bytes));
	if (way == HOSTILE_SCRAM)
		ask_for_iterations(fd);
	say(fd, 'R', "\0\0\0\0", 4);
	say(fd, 'Z', "I", 1);
	for (;;) {
		take(fd, bytes, sizeof(bytes));
		answer(fd, way);
	}
}

static struct sockaddr_in address_of(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_port = htons(port),
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int run(void *arg)
{
	const struct server *server = arg;
	struct sockaddr_in address = address_of(server->port);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	signal(SIGCHLD, SIG_IGN);
	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 128) != 0)
		return 1;
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0 && fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(fd, server->way);
			_exit(0);
		}
		close(fd);
	}
}

static bool listens(void *arg)
{
	const struct server *server = arg;
	struct sockaddr_in address = address_of(server->port);
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

uint16_t hostile_start(struct lab *lab, enum hostile_way way)
{
	struct server server = {.port = lab_port(lab), .way = way};

	lab_fork(lab, "hostile", run, &server);
	cr_assert(lab_wait_until(listens, &server, 10000));
	return server.port;
}

const char *hostile_name(enum hostile_way way)
{
	static const char *const names[HOSTILE_WAYS] = {
	    [HOSTILE_COPY_IN] = "copy in",
	    [HOSTILE_COPY_OUT] = "copy out",
	    [HOSTILE_COPY_BOTH] = "copy both",
	    [HOSTILE_TWO_ROWS] = "two rows",
	    [HOSTILE_ENDLESS_RESULTS] = "endless results",
	    [HOSTILE_ENDLESS_ROWS] = "endless rows",
	    [HOSTILE_HUGE_ROW] = "huge row",
	    [HOSTILE_ENDLESS_NOTICES] = "endless notices",
	    [HOSTILE_ENDLESS_NOTIFICATIONS] = "endless notifications",
	    [HOSTILE_ENDLESS_PARAMETERS] = "endless parameters",
	    [HOSTILE_DRIP] = "drip",
	    [HOSTILE_SCRAM] = "scram",
	};

	return names[way];
}
