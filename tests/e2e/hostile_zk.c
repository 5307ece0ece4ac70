/* Frames of the protocol: a length of four bytes, and for all but the first one of each direction a
 * header: xid and type of a request; xid, zxid and error of a reply. */
#include "hostile_zk.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"

#define FRAME_MAX     1048576
#define REPLY_HEAD    16
#define STAT_BYTES    68
#define GET_DATA      4
#define GET_CHILDREN2 12
#define PENDING_MAX   4096

struct relay {
	uint16_t port, server_port;
	volatile enum hostile_zk_way *way;
};

struct pending { /* requests without a reply */
	uint32_t xid[PENDING_MAX], type[PENDING_MAX];
	size_t next;
};

static char frame[FRAME_MAX];

static void read_all(int fd, char *to, size_t len)
{
	while (len > 0) {
		ssize_t n = read(fd, to, len);

		if (n <= 0)
			_exit(0);
		to += n;
		len -= (size_t)n;
	}
}

static void send_all(int fd, const char *from, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, from, len, MSG_NOSIGNAL);

		if (n <= 0)
			_exit(0);
		from += n;
		len -= (size_t)n;
	}
}

static uint32_t number_at(size_t at)
{
	uint32_t number;

	memcpy(&number, frame + at, sizeof(number));
	return ntohl(number);
}

static void put_number(size_t at, uint32_t number)
{
	number = htonl(number);
	memcpy(frame + at, &number, sizeof(number));
}

static size_t read_frame(int fd)
{
	size_t len;

	read_all(fd, frame, 4);
	len = number_at(0);
	if (len > FRAME_MAX - 4)
		_exit(1);
	read_all(fd, frame + 4, len);
	return 4 + len;
}

static void note_request(struct pending *pending)
{
	size_t at = pending->next++ % PENDING_MAX;

	pending->xid[at] = number_at(4);
	pending->type[at] = number_at(8);
}

static uint32_t type_of_reply(const struct pending *pending)
{
	for (size_t i = 0; i < PENDING_MAX && i < pending->next; i++)
		if (pending->xid[i] == number_at(4))
			return pending->type[i];
	return 0;
}

/* One list of children, spoilt, and its Stat. Returns the length of the frame. */
static size_t spoil_children(enum hostile_zk_way way, size_t len)
{
	size_t at = 4 + REPLY_HEAD;

	if (len < at + 4 + STAT_BYTES)
		return len;
	memmove(frame + FRAME_MAX - STAT_BYTES, frame + len - STAT_BYTES, STAT_BYTES);
	put_number(at, way == HOSTILE_ZK_NULL_NAME ? 1 : (uint32_t)-2);
	at += 4;
	if (way == HOSTILE_ZK_NULL_NAME) {
		put_number(at, (uint32_t)-1);
		at += 4;
	}
	memcpy(frame + at, frame + FRAME_MAX - STAT_BYTES, STAT_BYTES);
	at += STAT_BYTES;
	put_number(0, (uint32_t)at - 4);
	return at;
}

static void pass_reply(int client, const struct pending *pending, enum hostile_zk_way way,
                       size_t len)
{
	uint32_t type = type_of_reply(pending);

	if (type == GET_CHILDREN2 &&
	    (way == HOSTILE_ZK_NEGATIVE_COUNT || way == HOSTILE_ZK_NULL_NAME))
		len = spoil_children(way, len);
	send_all(client, frame, len);
	if (type == GET_DATA && way == HOSTILE_ZK_REPLY_TWICE)
		send_all(client, frame, len);
}

static struct sockaddr_in address_of(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_port = htons(port),
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = address_of(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void pass_on(int client, const struct relay *relay)
{
	static struct pending pending;
	int server = connect_to(relay->server_port);
	struct pollfd fds[] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
	bool greeted[2] = {false, false};

	while (server >= 0 && poll(fds, 2, -1) > 0) {
		if (fds[0].revents != 0) {
			size_t len = read_frame(client);

			if (greeted[0])
				note_request(&pending);
			greeted[0] = true;
			send_all(server, frame, len);
		}
		if (fds[1].revents != 0) {
			size_t len = read_frame(server);

			if (greeted[1])
				pass_reply(client, &pending, *relay->way, len);
			else
				send_all(client, frame, len);
			greeted[1] = true;
		}
	}
}

static int run(void *arg)
{
	const struct relay *relay = arg;
	struct sockaddr_in address = address_of(relay->port);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	signal(SIGCHLD, SIG_IGN);
	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 16) != 0)
		return 1;
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0 && fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pass_on(fd, relay);
			_exit(0);
		}
		close(fd);
	}
}

static bool listens(void *arg)
{
	const struct relay *relay = arg;
	auto_close int fd = connect_to(relay->port);

	return fd >= 0;
}

struct hostile_zk hostile_zk_start(struct lab *lab, struct lab_zk *zk)
{
	const char *port = strrchr(lab_zk_hosts(zk), ':');
	struct relay relay = {.port = lab_port(lab),
	                      .way = mmap(NULL, sizeof(*relay.way), PROT_READ | PROT_WRITE,
	                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0)};

	cr_assert_not_null(port);
	relay.server_port = (uint16_t)strtoul(port + 1, NULL, 10);
	lab_fork(lab, "hostile-zk", run, &relay);
	cr_assert(lab_wait_until(listens, &relay, 10000));
	return (struct hostile_zk){.port = relay.port, .way = relay.way};
}
