/* Faults for end-to-end tests, put into segue with LD_PRELOAD, so that the product needs no hooks.
 * $SEGUE_FAULTS names a folder; what lies in it at the moment of a call decides:
 *   kill-at   holds N: the Nth call from then on that has an effect outside of the process is not
 *             made, the process dies of SIGKILL instead; the file is removed by the one that dies
 *   enospc    while it exists, writes to staged files (".NAME.segue-new") fail with ENOSPC: to
 *             those whose path begins with what it holds; empty: to all
 *   slow-disk while it exists, an fsync does not return
 * A call with an effect: connect, send, write to a file or socket (not stderr), fsync, rename,
 * unlink, fork. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic long calls_seen; /* of the loop and of the thread that saves */

static bool fault_path(const char *name, char *out, size_t size)
{
	const char *folder = getenv("SEGUE_FAULTS");

	return folder != NULL && snprintf(out, size, "%s/%s", folder, name) < (int)size;
}

/* The N of kill-at, or 0. Without stdio or malloc: libevent writes from a signal handler, too. */
static long kill_at(void)
{
	char path[512], digits[16] = "";
	long at = 0;
	int fd;

	if (!fault_path("kill-at", path, sizeof(path)))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, digits, sizeof(digits) - 1) > 0)
		for (const char *c = digits; *c >= '0' && *c <= '9'; c++)
			at = at * 10 + (*c - '0');
	close(fd);
	return at;
}

static void effect(void)
{
	long at = kill_at();
	char path[512];

	if (at == 0) {
		calls_seen = 0;
		return;
	}
	if (++calls_seen < at)
		return;
	if (fault_path("kill-at", path, sizeof(path)))
		syscall(SYS_unlinkat, AT_FDCWD, path, 0); /* past the wrapper below */
	raise(SIGKILL);
}

/* The library function that the wrapper stands in front of. */
#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* The start of a file, as text. */
static bool fault_content(const char *name, char *out, size_t size)
{
	char path[512];
	ssize_t len;
	int fd;

	if (!fault_path(name, path, sizeof(path)))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = read(fd, out, size - 1);
	close(fd);
	out[len > 0 ? len : 0] = '\0';
	return true;
}

static bool is_on_full_disk(int fd)
{
	char link[64], path[512], full[512];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return false;
	path[len] = '\0';
	return strstr(path, ".segue-new") != NULL && fault_content("enospc", full, sizeof(full)) &&
	       strncmp(path, full, strlen(full)) == 0;
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	effect();
	return NEXT(connect)(fd, address, len);
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
	effect();
	return NEXT(send)(fd, data, len, flags);
}

ssize_t write(int fd, const void *data, size_t len)
{
	if (fd > STDERR_FILENO) {
		if (is_on_full_disk(fd)) {
			errno = ENOSPC;
			return -1;
		}
		effect();
	}
	return NEXT(write)(fd, data, len);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	effect();
	return NEXT(writev)(fd, parts, count);
}

static bool is_disk_slow(void)
{
	char path[512];

	return fault_path("slow-disk", path, sizeof(path)) && access(path, F_OK) == 0;
}

int fsync(int fd)
{
	effect();
	while (is_disk_slow())
		poll(NULL, 0, 5);
	return NEXT(fsync)(fd);
}

int rename(const char *from, const char *to)
{
	effect();
	return NEXT(rename)(from, to);
}

int unlink(const char *path)
{
	effect();
	return NEXT(unlink)(path);
}

pid_t fork(void)
{
	effect();
	return NEXT(fork)();
}
