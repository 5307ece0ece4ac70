/* A relay in front of a server, as the network is to the one in front of it: what comes to its port
 * goes to the server's, until it is frozen or goes dark. Dark is what a machine is that lost its
 * power or its cable: a full queue of a listener makes Linux drop SYNs as such a network would. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/internal.h"

#define BACKLOG        128
#define FILLERS_MAX    16
#define FILLER_WAIT_MS 200
#define SETTLE_MS      5000
#define CALLERS_MAX    1024 /* numbers of sockets are below */

struct lab_relay {
	struct lab *lab;
	struct lab_process *process;
	uint16_t port, server_port;
	int fillers[FILLERS_MAX]; /* connections that nobody takes, while it is dark */
	size_t filler_count;
};

/* --- the process --- */

struct switchboard {
	const struct lab_relay *relay;
	int poller, listener, signals;
	int other[CALLERS_MAX]; /* the other end of a socket's connection */
};

static int listen_on(uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
	                           .sin_port = htons(port),
	                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, BACKLOG) != 0)
		lab_fail("relay: port %u of 127.0.0.1: %s", port, strerror(errno));
	return fd;
}

static int take_signal(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		lab_fail("relay: signalfd: %s", strerror(errno));
	return fd;
}

static void watch(const struct switchboard *board, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(board->poller, EPOLL_CTL_ADD, fd, &event) != 0)
		lab_fail("relay: epoll: %s", strerror(errno));
}

/* A server that refuses looks like one that hangs up: good enough for what is asked of it here. */
static void connect_through(struct switchboard *board)
{
	int caller = accept4(board->listener, NULL, NULL, SOCK_CLOEXEC), server;

	if (caller < 0)
		return;
	server = net_connect(board->relay->server_port, SETTLE_MS);
	if (server < 0 || server >= CALLERS_MAX || caller >= CALLERS_MAX) {
		close(caller);
		if (server >= 0)
			close(server);
		return;
	}
	board->other[caller] = server;
	board->other[server] = caller;
	watch(board, caller);
	watch(board, server);
}

static void hang_up(struct switchboard *board, int fd)
{
	int other = board->other[fd];

	board->other[fd] = board->other[other] = -1;
	close(fd);
	close(other);
}

static void pass_on(struct switchboard *board, int fd)
{
	char buffer[16384];
	ssize_t got;

	if (board->other[fd] < 0)
		return; /* it ended in the same round */
	got = recv(fd, buffer, sizeof(buffer), 0);
	if (got <= 0 || send(board->other[fd], buffer, (size_t)got, MSG_NOSIGNAL) != got)
		hang_up(board, fd);
}

/* Stopped with a queue that holds one connection; it goes on here when it is let. */
static void go_dark(const struct switchboard *board)
{
	struct signalfd_siginfo info;

	if (read(board->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	listen(board->listener, 0);
	raise(SIGSTOP);
	listen(board->listener, BACKLOG);
}

/* Going on after a stop interrupts the wait. */
static bool next_event(const struct switchboard *board, struct epoll_event *event)
{
	int count;

	while ((count = epoll_wait(board->poller, event, 1, -1)) < 0 && errno == EINTR)
		continue;
	return count == 1;
}

static int serve(void *arg)
{
	struct switchboard board = {.relay = arg, .poller = epoll_create1(EPOLL_CLOEXEC)};
	struct epoll_event event;

	board.listener = listen_on(board.relay->port);
	board.signals = take_signal();
	for (size_t i = 0; i < CALLERS_MAX; i++)
		board.other[i] = -1;
	watch(&board, board.listener);
	watch(&board, board.signals);
	while (next_event(&board, &event)) {
		if (event.data.fd == board.listener)
			connect_through(&board);
		else if (event.data.fd == board.signals)
			go_dark(&board);
		else
			pass_on(&board, event.data.fd);
	}
	return 1;
}

/* --- from outside --- */

static bool listens(void *arg)
{
	const struct lab_relay *relay = arg;
	auto_close int fd = net_connect(relay->port, SETTLE_MS);

	return fd >= 0;
}

static void end_fillers(struct lab_relay *relay)
{
	while (relay->filler_count > 0)
		close(relay->fillers[--relay->filler_count]);
}

static void fini(void *memory)
{
	end_fillers(memory);
}

struct lab_relay *lab_relay_start(struct lab *lab, uint16_t server_port)
{
	struct lab_relay *relay = lab_alloc(lab, sizeof(*relay), fini);

	relay->lab = lab;
	relay->process = process_create(lab, "relay");
	relay->port = lab_port(lab);
	relay->server_port = server_port;
	process_fork(relay->process, serve, relay, false);
	process_wait_ready(relay->process, listens, relay, "does not listen");
	return relay;
}

void lab_relay_restart(struct lab_relay *relay)
{
	lab_process_kill(relay->process);
	process_fork(relay->process, serve, relay, false);
	process_wait_ready(relay->process, listens, relay, "does not listen again");
}

uint16_t lab_relay_port(const struct lab_relay *relay)
{
	return relay->port;
}

static bool is_stopped(void *arg)
{
	const struct lab_relay *relay = arg;
	siginfo_t info = {.si_pid = 0};

	return waitid(P_PID, (id_t)lab_process_pid(relay->process), &info,
	              WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid != 0;
}

/* -1: the connection is not made in time, neither is it refused: nobody answers the SYN. */
static int fill(const struct lab_relay *relay)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
	                           .sin_port = htons(relay->port),
	                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct pollfd ready = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
	                       .events = POLLOUT};

	if (ready.fd < 0 || (connect(ready.fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 &&
	                     errno != EINPROGRESS))
		lab_fail("relay: cannot connect to it: %s", strerror(errno));
	if (poll(&ready, 1, FILLER_WAIT_MS) == 0) {
		close(ready.fd);
		return -1;
	}
	if ((ready.revents & (POLLERR | POLLHUP)) != 0)
		lab_fail("relay: a connection is refused where nobody is to answer");
	return ready.fd;
}

void lab_relay_darken(struct lab_relay *relay)
{
	int fd;

	lab_process_signal(relay->process, SIGUSR1);
	if (!lab_wait_until(is_stopped, relay, SETTLE_MS))
		process_fail(relay->process, "does not stop");
	while ((fd = fill(relay)) >= 0) {
		if (relay->filler_count == FILLERS_MAX)
			process_fail(relay->process, "takes connections though it is stopped");
		relay->fillers[relay->filler_count++] = fd;
	}
}

void lab_relay_freeze(struct lab_relay *relay)
{
	lab_process_freeze(relay->process);
	if (!lab_wait_until(is_stopped, relay, SETTLE_MS))
		process_fail(relay->process, "does not stop");
}

void lab_relay_light(struct lab_relay *relay)
{
	end_fillers(relay);
	lab_process_thaw(relay->process);
}
