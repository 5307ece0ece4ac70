/* Whose listeners keep HAProxy from an address: a process of this test stands for HAProxy, the test
 * itself for somebody else. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "haproxy/listening.h"

#define SOMEBODY 12345

static struct {
	char dir[64], socket[96];
	pid_t haproxy;
} t;

static void setup(void)
{
	snprintf(t.dir, sizeof(t.dir), "/tmp/segue-taken-XXXXXX");
	cr_assert_not_null(mkdtemp(t.dir));
	snprintf(t.socket, sizeof(t.socket), "%s/admin.sock", t.dir);
	t.haproxy = 0;
}

static void teardown(void)
{
	if (t.haproxy > 0) {
		kill(-t.haproxy, SIGKILL);
		waitpid(t.haproxy, NULL, 0);
	}
	unlink(t.socket);
	cr_assert_eq(rmdir(t.dir), 0);
}

TestSuite(haproxy_listening, .init = setup, .fini = teardown);

/* A listener at a port of the kernel's choice, which is returned. */
static uint16_t listen_at(const char *address, bool v6only)
{
	bool v6 = strchr(address, ':') != NULL;
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr *any = v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
	socklen_t len = v6 ? sizeof(in6) : sizeof(in);
	int fd = socket(any->sa_family, SOCK_STREAM, 0), only = v6only;

	inet_pton(any->sa_family, address, v6 ? (void *)&in6.sin6_addr : (void *)&in.sin_addr);
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (fd < 0 || bind(fd, any, len) != 0 || listen(fd, 1) != 0 ||
	    getsockname(fd, any, &len) != 0)
		return 0;
	return ntohs(v6 ? in6.sin6_port : in.sin_port);
}

/* As HAProxy does it. */
static bool make_stats_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s.%d.tmp", t.socket,
	         (int)getpid());
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 5) == 0 &&
	       rename(address.sun_path, t.socket) == 0;
}

enum haproxy_kind { HAPROXY_ALONE, HAPROXY_WITH_WORKER, HAPROXY_ELSEWHERE };

/* Starts it; returns the port of its listener, which with HAPROXY_WITH_WORKER only the worker has.
 */
static uint16_t start_haproxy(enum haproxy_kind kind)
{
	uint16_t port = 0;
	int ready[2];

	cr_assert_eq(pipe(ready), 0);
	t.haproxy = fork();
	if (t.haproxy == 0) {
		setpgid(0, 0);
		if ((kind == HAPROXY_ELSEWHERE && unshare(CLONE_NEWNET) != 0) ||
		    !make_stats_socket())
			_exit(1);
		if (kind != HAPROXY_WITH_WORKER || fork() == 0) {
			port = listen_at("127.0.0.1", false);
			(void)!write(ready[1], &port, sizeof(port));
		}
		for (;;)
			pause();
	}
	setpgid(t.haproxy, t.haproxy);
	close(ready[1]);
	cr_assert_eq(read(ready[0], &port, sizeof(port)), sizeof(port), "it did not start");
	close(ready[0]);
	return port;
}

static void note(const struct haproxy_bind *bind, uint16_t port, uid_t user, void *arg)
{
	strbuf_printf(arg, "%s %u %lu\n", bind->spelled, (unsigned)port, (unsigned long)user);
}

/* What is found for a text that binds address:port; group 1 is another HAProxy. */
static char *taken(const char *address, uint16_t port)
{
	auto_free char *text = xasprintf("frontend f\n\tbind %s:%u\n", address, (unsigned)port);
	struct haproxy_binds binds = {.items = NULL};
	struct strbuf out = STRBUF_INIT;

	haproxy_binds_read(&binds, text, strlen(text), 0, 0);
	haproxy_binds_read(&binds, text, strlen(text), 1, 1);
	haproxy_taken_find(t.socket, &binds, 0, note, &out);
	haproxy_binds_free(&binds);
	return strbuf_detach(&out);
}

static void expect_taken(const char *address, uint16_t port, uid_t user)
{
	auto_free char *found = taken(address, port);
	auto_free char *wanted = xasprintf("%s:%u %u %lu\n", address, (unsigned)port,
	                                   (unsigned)port, (unsigned long)user);

	cr_expect_str_eq(found, wanted);
}

static void expect_free(const char *address, uint16_t port)
{
	auto_free char *found = taken(address, port);

	cr_expect_str_eq(found, "");
}

Test(haproxy_listening, a_listener_of_haproxys_own_takes_nothing_from_it)
{
	uint16_t port = start_haproxy(HAPROXY_ALONE);

	expect_free("127.0.0.1", port);
	expect_free("*", port);
	cr_expect_not(haproxy_is_elsewhere(t.socket));
}

Test(haproxy_listening, nor_does_one_of_its_workers)
{
	expect_free("127.0.0.1", start_haproxy(HAPROXY_WITH_WORKER));
}

Test(haproxy_listening, a_listener_of_somebody_else_does)
{
	uint16_t port;

	start_haproxy(HAPROXY_WITH_WORKER);
	port = listen_at("127.0.0.1", false);
	expect_taken("127.0.0.1", port, geteuid());
	expect_taken("*", port, geteuid());
	expect_free("127.0.0.2", port);
	expect_free("127.0.0.1", port == 65535 ? 1 : port + 1);
}

Test(haproxy_listening, a_listener_at_all_addresses_holds_each_one_of_its_families)
{
	uint16_t both, six;

	start_haproxy(HAPROXY_ALONE);
	both = listen_at("::", false);
	six = listen_at("::", true);
	cr_assert(both != 0 && six != 0, "no IPv6 on this machine");
	expect_taken("127.0.0.1", both, geteuid());
	expect_taken("[::1]", six, geteuid());
	expect_free("127.0.0.1", six);
}

Test(haproxy_listening, another_user_is_named)
{
	uint16_t port;

	if (geteuid() != 0)
		cr_skip_test("only root can become somebody else");
	start_haproxy(HAPROXY_ALONE);
	cr_assert_eq(seteuid(SOMEBODY), 0);
	port = listen_at("127.0.0.1", false);
	cr_assert_eq(seteuid(0), 0);
	expect_taken("127.0.0.1", port, SOMEBODY);
}

Test(haproxy_listening, without_its_haproxy_here_nothing_can_be_said)
{
	uint16_t port = listen_at("127.0.0.1", false);

	expect_free("127.0.0.1", port);
	cr_expect_not(haproxy_is_elsewhere(t.socket), "it is not up");
	cr_expect(haproxy_is_elsewhere("127.0.0.1:9999"));
	if (geteuid() != 0)
		cr_skip_test("only root can make a network");
	start_haproxy(HAPROXY_ELSEWHERE);
	cr_expect(haproxy_is_elsewhere(t.socket));
	expect_free("127.0.0.1", port);
}
