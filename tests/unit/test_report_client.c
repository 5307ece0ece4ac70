/* The client of the verbs, against servers that are busy, or that take nothing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report/client.h"

#define BACKLOG_MAX 16
#define BUSY_US     50000
#define REPLY       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static struct {
	char dir[64], listen[128];
	struct sockaddr_un address;
	int server;
	int waiting[BACKLOG_MAX]; /* clients that nobody has accepted yet */
	size_t count;
} t;

/* A server that accepts nobody. */
static void setup(void)
{
	t.address.sun_family = AF_UNIX;
	snprintf(t.dir, sizeof(t.dir), "/tmp/segue-client-XXXXXX");
	cr_assert_not_null(mkdtemp(t.dir));
	snprintf(t.address.sun_path, sizeof(t.address.sun_path), "%s/sock", t.dir);
	snprintf(t.listen, sizeof(t.listen), "unix:%s", t.address.sun_path);
	t.server = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(t.server, (struct sockaddr *)&t.address, sizeof(t.address)), 0);
	cr_assert_eq(listen(t.server, 1), 0);
}

static void teardown(void)
{
	for (size_t i = 0; i < t.count; i++)
		close(t.waiting[i]);
	close(t.server);
	unlink(t.address.sun_path);
	cr_assert_eq(rmdir(t.dir), 0);
}

TestSuite(report_client, .init = setup, .fini = teardown, .timeout = 60);

static void fill_backlog(void)
{
	int rc;

	do {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

		cr_assert_lt(t.count, BACKLOG_MAX);
		rc = connect(fd, (struct sockaddr *)&t.address, sizeof(t.address));
		t.waiting[t.count++] = fd;
	} while (rc == 0);
	cr_assert_eq(errno, EAGAIN);
}

static bool ask(int64_t timeout_ms, struct strbuf *body, enum client_reach *reach, struct err *err)
{
	const struct client_call call = {.listen = t.listen,
	                                 .method = "POST",
	                                 .path = "/override/orders",
	                                 .body = "{}",
	                                 .timeout_ms = timeout_ms};
	int status = 0;

	return client_request(&call, &status, body, reach, err) && status == 200;
}

Test(report_client, a_server_that_stays_busy_is_there_but_was_not_reached)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;
	enum client_reach reach;
	struct err err;

	fill_backlog();
	cr_assert_not(ask(100, &body, &reach, &err));
	cr_expect_eq(reach, CLIENT_UNREACHED);
	cr_expect_not_null(strstr(err.message, "segue accepts connections but does not reply"),
	                   "%s", err.message);
}

/* Takes its time, then answers each client that sends something. */
static _Noreturn void serve_late(void)
{
	char request[4096];

	usleep(BUSY_US);
	for (;;) {
		int fd = accept(t.server, NULL, NULL);

		if (recv(fd, request, sizeof(request), 0) > 0)
			(void)!write(fd, REPLY, strlen(REPLY));
		close(fd);
	}
}

Test(report_client, a_server_that_was_busy_is_asked)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;
	enum client_reach reach;
	struct err err;
	pid_t child;
	bool ok;

	fill_backlog();
	for (size_t i = 0; i < t.count; i++)
		shutdown(t.waiting[i], SHUT_WR);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0)
		serve_late();
	ok = ask(10000, &body, &reach, &err);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	cr_assert(ok, "%s", err.message);
	cr_expect_eq(reach, CLIENT_REACHED);
	cr_expect_str_eq(body.data, "ok");
}

/* From here on send() fails in this process, as when the server is gone. */
static bool refuse_to_send(void)
{
	struct sock_filter rules[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPIPE),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {.len = ARRAY_LEN(rules), .filter = rules};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

Test(report_client, a_server_that_got_no_byte_was_not_reached)
{
	int status = 0;
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child == 0) {
		auto_strbuf struct strbuf body = STRBUF_INIT;
		enum client_reach reach = CLIENT_REACHED;
		struct err err;

		if (!refuse_to_send())
			_exit(77);
		_exit(!ask(1000, &body, &reach, &err) && reach == CLIENT_UNREACHED &&
		              strstr(err.message, "cannot send the request") != NULL
		          ? 0
		          : 1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		cr_skip_test("this system has no seccomp");
	cr_expect_eq(WEXITSTATUS(status), 0);
}

Test(report_client, a_server_that_got_the_request_was_reached)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;
	enum client_reach reach;
	struct err err;

	cr_assert_not(ask(100, &body, &reach, &err));
	cr_expect_eq(reach, CLIENT_REACHED);
}

Test(report_client, nobody_listens)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;
	enum client_reach reach;
	struct err err;

	close(t.server);
	cr_assert_not(ask(100, &body, &reach, &err));
	cr_expect_eq(reach, CLIENT_NOBODY);
	t.server = socket(AF_UNIX, SOCK_STREAM, 0);
}
