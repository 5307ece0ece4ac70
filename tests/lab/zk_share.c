/* One ZooKeeper server for all tests of a run that need nothing of it but znodes. Its owner is a
 * process that the first of them forks, and that ends with the run, however that ends; it gives
 * each test a chroot. The tests find it at an abstract socket named after the runner's pid: whoever
 * can bind that name is the first, and the name is free again once the owner has ended. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "lab/zk_internal.h"

#define CHROOT_MAX 32
#define HOSTS_MAX  64

static struct sockaddr_un address_of(pid_t runner)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX}; /* abstract: the first byte stays 0 */

	snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "segue-lab-zookeeper-%d",
	         (int)runner);
	return addr;
}

static int open_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		lab_fail("cannot make a unix socket: %s", strerror(errno));
	return fd;
}

/* ---- the owner: descriptor 0 is its socket, 1 the runner's pidfd, 2 the runner's stderr ---- */

static void leave_test(int listener, int runner)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	setsid();
	if (dup2(listener, 0) != 0 || dup2(runner, 1) != 1 || close_range(3, ~0U, 0) != 0)
		_exit(1);
}

static void give_chroot(struct lab *lab, struct lab_zk *zk, unsigned number)
{
	auto_close int fd = accept4(0, NULL, NULL, SOCK_CLOEXEC);
	const char *hosts;
	char chroot[CHROOT_MAX];

	if (fd < 0)
		return;
	snprintf(chroot, sizeof(chroot), "/t%u", number);
	lab_zk_set(zk, chroot, "", 0);
	lab_zk_disconnect(zk); /* who knows when the next one comes */
	hosts = lab_printf(lab, "%s%s", lab_zk_hosts(zk), chroot);
	send(fd, hosts, strlen(hosts), MSG_NOSIGNAL);
}

static void owner_main(void)
{
	struct lab *lab = lab_create("zk-shared");
	struct lab_zk *zk = lab_zk_start(lab, 1);
	struct lab_process *process = lab_zk_process(zk, 0);
	struct pollfd fds[] = {{.fd = 0, .events = POLLIN},
	                       {.fd = 1, .events = POLLIN},
	                       {.fd = pidfd_open(lab_process_pid(process), 0), .events = POLLIN}};

	for (unsigned number = 1; fds[1].revents == 0; number++) {
		if (poll(fds, ARRAY_LEN(fds), -1) < 0)
			continue;
		if (fds[2].revents != 0)
			process_fail(process, "ended while tests shared it, and they fail");
		if (fds[0].revents != 0)
			give_chroot(lab, zk, number);
	}
	lab_destroy(lab);
	_exit(0);
}

/* Unless another test is the first. */
static void become_first(pid_t runner, int runner_fd)
{
	struct sockaddr_un addr = address_of(runner);
	auto_close int fd = open_socket();
	pid_t pid;

	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		return;
	if (listen(fd, SOMAXCONN) != 0)
		lab_fail("cannot listen for tests that share a ZooKeeper: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		lab_fail("cannot fork the owner of the shared ZooKeeper: %s", strerror(errno));
	if (pid == 0) {
		leave_test(fd, runner_fd);
		owner_main();
	}
}

/* ---- the test ---- */

/* A pidfd of the parent, if that is the runner of this test; -1: it is some other program. */
static int open_runner(struct lab *lab, pid_t parent)
{
	struct stat own, its;
	int fd = pidfd_open(parent, 0);

	if (fd >= 0 && stat("/proc/self/exe", &own) == 0 &&
	    stat(lab_printf(lab, "/proc/%d/exe", (int)parent), &its) == 0 &&
	    own.st_dev == its.st_dev && own.st_ino == its.st_ino && getppid() == parent)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

struct search {
	pid_t runner;
	int runner_fd;
	int fd; /* connected to the owner */
};

static bool finds_owner(void *arg)
{
	struct search *search = arg;
	struct sockaddr_un addr = address_of(search->runner);

	search->fd = open_socket();
	if (connect(search->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return true;
	close(search->fd);
	become_first(search->runner, search->runner_fd);
	return false;
}

/* The owner answers with one write once the server is ready; it ends without, if that fails. */
static const char *receive_hosts(struct lab *lab, const struct search *search)
{
	struct timeval limit = {.tv_sec = 2 * READY_TIMEOUT_MS / 1000};
	char hosts[HOSTS_MAX] = "";
	ssize_t got = -1;

	if (setsockopt(search->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0)
		while ((got = recv(search->fd, hosts, sizeof(hosts) - 1, 0)) < 0 && errno == EINTR)
			;
	if (got <= 0)
		lab_fail("no chroot of the ZooKeeper that the tests of process %d share (%s): see "
		         "above what that said",
		         (int)search->runner, got < 0 ? strerror(errno) : "its owner ended");
	return lab_printf(lab, "%s", hosts);
}

struct lab_zk *lab_zk_share(struct lab *lab)
{
	struct search search = {.runner = getppid(), .fd = -1};
	const char *hosts;

	search.runner_fd = open_runner(lab, search.runner);
	if (search.runner_fd < 0)
		return lab_zk_start(lab, 1);
	if (!lab_wait_until(finds_owner, &search, READY_TIMEOUT_MS))
		lab_fail("no test can start the ZooKeeper to share");
	hosts = receive_hosts(lab, &search);
	close(search.fd);
	close(search.runner_fd);
	return zk_of(lab, hosts);
}
