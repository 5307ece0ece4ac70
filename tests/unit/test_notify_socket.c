/* The socket of segue notify. */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "publisher/notify_socket.h"

static char folder[] = "/tmp/segue-wake-XXXXXX";
static char path[64];
static char heard[256];

static void setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
}

static void teardown(void)
{
	unlink(path);
	rmdir(folder);
}

TestSuite(notify_socket, .init = setup, .fini = teardown);

static void on_wake(const char *cluster, void *arg)
{
	(void)arg;
	strncat(heard, cluster, sizeof(heard) - strlen(heard) - 2);
	strncat(heard, ";", 2);
}

Test(notify_socket, names_come_through_and_the_socket_goes_with_its_owner)
{
	struct event_base *base = event_base_new();
	struct stat st;
	struct err err;
	struct notify_socket *wake = notify_socket_create(base, path, on_wake, NULL, &err);

	cr_assert_not_null(wake, "%s", err.message);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0666);
	cr_assert(notify_socket_send(path, "orders", &err));
	cr_assert(notify_socket_send(path, "", &err));
	cr_assert(notify_socket_send(path, "bills", &err));
	event_base_loop(base, EVLOOP_NONBLOCK);
	cr_assert_str_eq(heard, "orders;;bills;");
	cr_assert_null(notify_socket_create(base, path, on_wake, NULL, &err));
	cr_assert_not_null(strstr(err.message, "another segue publish listens on it"));
	notify_socket_destroy(wake);
	cr_assert_eq(access(path, F_OK), -1);
	cr_assert_not(notify_socket_send(path, "orders", &err));
	event_base_free(base);
}

Test(notify_socket, what_a_dead_one_left_is_replaced_and_a_file_is_not)
{
	struct event_base *base = event_base_new();
	struct err err;
	struct notify_socket *wake;
	pid_t child = fork();
	FILE *file;

	if (child == 0) {
		wake = notify_socket_create(base, path, on_wake, NULL, &err);
		_exit(wake != NULL ? 0 : 1);
	}
	waitpid(child, NULL, 0);
	cr_assert_eq(access(path, F_OK), 0);
	wake = notify_socket_create(base, path, on_wake, NULL, &err);
	cr_assert_not_null(wake, "%s", err.message);
	notify_socket_destroy(wake);
	file = fopen(path, "we");
	cr_assert_not_null(file);
	fclose(file);
	cr_assert_null(notify_socket_create(base, path, on_wake, NULL, &err));
	cr_assert_not_null(strstr(err.message, "is not a socket"), "%s", err.message);
	cr_assert_eq(access(path, F_OK), 0);
	event_base_free(base);
}
