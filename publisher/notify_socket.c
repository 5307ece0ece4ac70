/* Both ends of the socket; see the header. It removes nothing but a socket. Always: a message is
 * only compared with the names of clusters, and wakes; it carries no fact. */
#include "publisher/notify_socket.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_MAX  128
#define MESSAGES_MAX 64 /* read in one loop iteration */

struct notify_socket {
	char *path;
	int fd;
	struct event *readable;
	notify_socket_cb *cb;
	void *arg;
};

static bool fill_address(const char *path, struct sockaddr_un *address, struct err *err)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return err_set(err, "%s: the path is too long for a socket", path);
	snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
	return true;
}

static int open_socket(struct err *err)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		err_set_errno(err, errno, "cannot make a unix socket");
	return fd;
}

static int connect_to(const char *path, struct err *err)
{
	struct sockaddr_un address;
	int fd = fill_address(path, &address, err) ? open_socket(err) : -1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	err_set_errno(err, errno, "%s", path);
	close(fd);
	return -1;
}

bool notify_socket_send(const char *path, const char *cluster, struct err *err)
{
	auto_close int fd = connect_to(path, err);

	if (fd < 0)
		return false;
	if (send(fd, cluster, strlen(cluster), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return err_set_errno(err, errno, "%s", path);
	return true;
}

/* Removes the socket of a process that has ended: nobody takes a connection on it. */
static bool clear_path(const char *path, struct err *err)
{
	struct stat st;
	struct err nobody;
	auto_close int fd = -1;

	if (lstat(path, &st) != 0)
		return true;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, "%s: exists and is not a socket", path);
	fd = connect_to(path, &nobody);
	if (fd >= 0)
		return err_set(err, "%s: another segue publish listens on it", path);
	if (unlink(path) != 0)
		return err_set_errno(err, errno, "cannot remove %s", path);
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	const struct notify_socket *wake = arg;
	char message[MESSAGE_MAX + 1];
	ssize_t len;

	(void)what;
	for (int i = 0; i < MESSAGES_MAX; i++) {
		len = recv(fd, message, MESSAGE_MAX, MSG_DONTWAIT);
		if (len < 0)
			return;
		message[len] = '\0';
		wake->cb(message, wake->arg);
	}
}

static bool bind_socket(struct notify_socket *wake, struct err *err)
{
	struct sockaddr_un address;

	if (!fill_address(wake->path, &address, err) || !clear_path(wake->path, err))
		return false;
	wake->fd = open_socket(err);
	if (wake->fd < 0)
		return false;
	if (bind(wake->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return err_set_errno(err, errno, "cannot listen on %s", wake->path);
	/* repmgrd runs as the database's user, whatever user segue has: waking is no privilege */
	if (chmod(wake->path, 0666) != 0)
		return err_set_errno(err, errno, "cannot set the mode of %s", wake->path);
	return true;
}

struct notify_socket *notify_socket_create(struct event_base *base, const char *path,
                                           notify_socket_cb *cb, void *arg, struct err *err)
{
	struct notify_socket *wake = xcalloc(1, sizeof(*wake));

	*wake = (struct notify_socket){.path = xstrdup(path), .fd = -1, .cb = cb, .arg = arg};
	if (bind_socket(wake, err)) {
		wake->readable = event_new(base, wake->fd, EV_READ | EV_PERSIST, on_readable, wake);
		event_add(wake->readable, NULL);
		return wake;
	}
	if (wake->fd >= 0)
		close(wake->fd);
	free(wake->path);
	free(wake);
	return NULL;
}

void notify_socket_destroy(struct notify_socket *wake)
{
	if (wake == NULL)
		return;
	event_free(wake->readable);
	unlink(wake->path);
	close(wake->fd);
	free(wake->path);
	free(wake);
}
