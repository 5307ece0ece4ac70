/* Sessions to the old primary that HAProxy does not end when it is told: told again until they are
 * gone. The HAProxy is real; whoever stands before its socket swallows the first orders. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixtures/haproxy_target.h"

static struct driver d;

struct deaf {
	struct sockaddr_un address;
	const char *socket; /* HAProxy's */
	_Atomic int *deaf;  /* how many orders are swallowed yet */
};

static void answer(const struct deaf *deaf, int client)
{
	char line[16384], reply[65536];
	ssize_t len = read(client, line, sizeof(line) - 1);
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	line[len > 0 ? len : 0] = '\0';
	if (strstr(line, "shutdown session") != NULL && atomic_load(deaf->deaf) > 0) {
		atomic_fetch_sub(deaf->deaf, 1);
		(void)!write(client, "\n", 1);
		close(fd);
		return;
	}
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", deaf->socket);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	    write(fd, line, strlen(line)) > 0)
		while ((len = read(fd, reply, sizeof(reply))) > 0)
			(void)!write(client, reply, (size_t)len);
	close(fd);
}

static int be_deaf(void *arg)
{
	const struct deaf *deaf = arg;
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), client;

	if (bind(listener, (const struct sockaddr *)&deaf->address, sizeof(deaf->address)) != 0 ||
	    listen(listener, 10) != 0)
		return 1;
	while ((client = accept(listener, NULL, NULL)) >= 0) {
		answer(deaf, client);
		close(client);
	}
	return 1;
}

static bool is_there(void *path)
{
	return access(path, F_OK) == 0;
}

static void setup(void)
{
	driver_init(&d);
}

static void teardown(void)
{
	driver_fini(&d);
}

TestSuite(haproxy_old_sessions, .init = setup, .fini = teardown, .timeout = 60);

/* A round ends them four times. */
Test(haproxy_old_sessions, sessions_that_were_left_are_ended_a_moment_later)
{
	struct deaf deaf = {.address = {.sun_family = AF_UNIX}, .socket = d.config.socket};
	const char *path = lab_path(d.lab, "deaf.sock");
	int session;

	deaf.deaf = mmap(NULL, sizeof(*deaf.deaf), PROT_READ | PROT_WRITE,
	                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	snprintf(deaf.address.sun_path, sizeof(deaf.address.sun_path), "%s", path);
	lab_fork(d.lab, "deaf", be_deaf, &deaf);
	cr_assert(lab_wait_until(is_there, (void *)path, DRIVER_TIMEOUT_MS));
	d.config.socket = (char *)path;
	driver_restart(&d);
	driver_apply(&d, driver_text(&d, driver_server(&d, "primary", d.a, ""), "", ""));
	session = driver_open_session(d.rw, "a");
	cr_assert_geq(session, 0);
	atomic_store(deaf.deaf, 6);
	driver_apply(&d, driver_text(&d, driver_server(&d, "primary", d.b, ""), "", ""));
	cr_assert_geq(driver_count_log(&d, "event=sessions_ended"), 1, "%s",
	              lab_read_file(d.lab, d.log));
	cr_assert(driver_wait_ended(&d, session));
	cr_assert(driver_wait_log(&d, " left=0 ", 1));
	close(session);
}
