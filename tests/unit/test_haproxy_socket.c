/* A batch against servers that behave and that do not. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "haproxy/socket.h"
#include "unit/loop.h"

/* What the fake server does with each connection, in a process of its own. */
typedef void serve_fn(int fd, const char *line);

static struct {
	struct event_base *base;
	char dir[64], path[96];
	pid_t server;
} t;

static struct reply {
	bool called;
	int calls;
	bool failed;
	size_t len;
	char text[4096];
} r;

static void setup(void)
{
	t.base = event_base_new();
	snprintf(t.dir, sizeof(t.dir), "/tmp/segue-socket-XXXXXX");
	cr_assert_not_null(mkdtemp(t.dir));
	snprintf(t.path, sizeof(t.path), "%s/sock", t.dir);
	r = (struct reply){0};
}

static void teardown(void)
{
	if (t.server > 0) {
		kill(t.server, SIGKILL);
		waitpid(t.server, NULL, 0);
	}
	unlink(t.path);
	rmdir(t.dir);
	event_base_free(t.base);
}

static int listen_here(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", t.path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 16), 0);
	return fd;
}

static void serve(serve_fn *fn)
{
	int listener = listen_here();

	t.server = fork();
	if (t.server == 0) {
		for (;;) {
			int fd = accept(listener, NULL, NULL);
			char line[4096];
			size_t len = 0;

			while (len < sizeof(line) - 1 && read(fd, line + len, 1) == 1 &&
			       line[len] != '\n')
				len++;
			line[len] = '\0';
			fn(fd, line);
			close(fd);
		}
	}
	close(listener);
}

static void record_cb(const char *reply, size_t len, const struct err *err, void *arg)
{
	(void)arg;
	r.called = true;
	r.calls++;
	r.failed = reply == NULL;
	cr_assert_eq(err == NULL, reply != NULL);
	r.len = len;
	snprintf(r.text, sizeof(r.text), "%s", reply != NULL ? reply : err->message);
}

static void send_and_wait(bool master, const char *line, int64_t timeout_ms)
{
	struct haproxy_call *batch;

	r = (struct reply){0};
	batch = haproxy_call_start(t.base, t.path, master, line, timeout_ms, record_cb, NULL);
	cr_assert_not_null(batch);
	cr_assert_not(r.called, "called back inside haproxy_call_start()");
	cr_assert(loop_until(t.base, &r.called, 10000));
	cr_assert_eq(r.calls, 1);
}

static void echo(int fd, const char *line)
{
	dprintf(fd, "you said: %s\n\n", line);
}

static void until_half_closed(int fd, const char *line)
{
	char byte;

	dprintf(fd, "%s\n", line);
	while (read(fd, &byte, 1) == 1)
		;
	dprintf(fd, "end\n");
}

static void nothing(int fd, const char *line)
{
	(void)fd;
	(void)line;
}

static void stall(int fd, const char *line)
{
	dprintf(fd, "half of %s", line);
	poll(NULL, 0, 60000);
}

static void in_pieces(int fd, const char *line)
{
	for (int i = 0; i < 5; i++) {
		dprintf(fd, "%s%d\n", line, i);
		poll(NULL, 0, 2);
	}
}

static void without_end(int fd, const char *line)
{
	static char block[65536];

	(void)line;
	while (write(fd, block, sizeof(block)) > 0)
		;
}

Test(haproxy_socket, line_goes_out_and_reply_comes_until_eof, .init = setup, .fini = teardown)
{
	serve(echo);
	send_and_wait(false, "show info;show stat", 5000);
	cr_assert_not(r.failed);
	cr_assert_str_eq(r.text, "you said: show info;show stat\n\n");
}

Test(haproxy_socket, reply_in_pieces_is_put_together, .init = setup, .fini = teardown)
{
	serve(in_pieces);
	send_and_wait(false, "x", 5000);
	cr_assert_str_eq(r.text, "x0\nx1\nx2\nx3\nx4\n");
}

Test(haproxy_socket, master_cli_gets_a_half_close, .init = setup, .fini = teardown)
{
	serve(until_half_closed);
	send_and_wait(true, "show proc", 5000);
	cr_assert_str_eq(r.text, "show proc\nend\n");
}

Test(haproxy_socket, empty_reply_is_a_reply, .init = setup, .fini = teardown)
{
	serve(nothing);
	send_and_wait(false, "reload", 5000);
	cr_assert_not(r.failed);
	cr_assert_eq(r.len, 0);
}

Test(haproxy_socket, half_a_reply_at_the_deadline_is_a_failure, .init = setup, .fini = teardown)
{
	serve(stall);
	send_and_wait(false, "x", 50);
	cr_assert(r.failed);
	cr_assert_not_null(strstr(r.text, "no complete reply within 50 ms"), "%s", r.text);
}

Test(haproxy_socket, reply_without_end_is_refused, .init = setup, .fini = teardown)
{
	serve(without_end);
	send_and_wait(false, "x", 60000);
	cr_assert(r.failed);
	cr_assert_not_null(strstr(r.text, "larger than"), "%s", r.text);
}

Test(haproxy_socket, nobody_there_is_named, .init = setup, .fini = teardown)
{
	send_and_wait(false, "x", 5000);
	cr_assert(r.failed);
	cr_assert_not_null(strstr(r.text, t.path), "%s", r.text);
	cr_assert_not_null(strstr(r.text, "No such file"), "%s", r.text);
	close(listen_here());
	send_and_wait(false, "x", 5000);
	cr_assert_not_null(strstr(r.text, "Connection refused"), "%s", r.text);
}

Test(haproxy_socket, addresses_that_are_none_are_refused, .init = setup, .fini = teardown)
{
	static const char *const paths[] = {"localhost:1", "10.0.0.1", ":80", "", "[::1]:x"};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		snprintf(t.path, sizeof(t.path), "%s", paths[i]);
		send_and_wait(false, "x", 5000);
		cr_assert(r.failed && strstr(r.text, "ADDRESS:PORT") != NULL, "%s", r.text);
	}
	snprintf(t.path, sizeof(t.path), "127.0.0.1:1");
	send_and_wait(false, "x", 5000);
	cr_assert(r.failed && strstr(r.text, "refused") != NULL, "%s", r.text);
}

Test(haproxy_socket, cancel_never_calls_back, .init = setup, .fini = teardown)
{
	serve(echo);
	haproxy_call_cancel(haproxy_call_start(t.base, t.path, false, "x", 5000, record_cb, NULL));
	haproxy_call_cancel(
	    haproxy_call_start(t.base, "/nonexistent", false, "x", 5000, record_cb, NULL));
	loop_for(t.base, 30);
	cr_assert_not(r.called);
}

static void count_cb(const char *reply, size_t len, const struct err *err, void *arg)
{
	(void)reply;
	(void)len;
	(void)err;
	++*(int *)arg;
}

/* A listener that nobody accepts from: what is sent stays out until its deadline or cancel. */
Test(haproxy_queue, only_so_many_are_out_and_an_urgent_one_goes_at_once, .init = setup,
     .fini = teardown)
{
	struct haproxy_queue *queue = haproxy_queue_create(t.base, t.path, false);
	struct haproxy_call *calls[HAPROXY_QUEUE_MAX + 2];
	int listener = listen_here(), replies = 0, connected = 0;
	struct pollfd ready = {.fd = listener, .events = POLLIN};

	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		calls[i] =
		    haproxy_queue_send(queue, HAPROXY_QUEUED, "x", 60000, NULL, count_cb, &replies);
	haproxy_call_cancel(
	    haproxy_queue_send(queue, HAPROXY_AT_ONCE, "y", 60000, NULL, count_cb, NULL));
	for (; poll(&ready, 1, 0) == 1; connected++)
		close(accept(listener, NULL, NULL));
	cr_assert_eq(connected, HAPROXY_QUEUE_MAX + 1);
	haproxy_call_cancel(calls[HAPROXY_QUEUE_MAX]);
	loop_for(t.base, 20);
	cr_assert_eq(replies, HAPROXY_QUEUE_MAX, "the closed ones have ended");
	cr_assert_eq(poll(&ready, 1, 1000), 1, "the next one did not go out");
	haproxy_call_cancel(calls[HAPROXY_QUEUE_MAX + 1]);
	haproxy_queue_destroy(queue);
	close(listener);
}

/* Root may all: a child becomes nobody. */
Test(haproxy_socket, whom_its_mode_keeps_out_is_told_what_to_do)
{
	char path[] = "/tmp/segue-shut-XXXXXX";
	int fd = mkstemp(path), status = 0;
	pid_t child;

	cr_assert(fd >= 0);
	close(fd);
	if (geteuid() != 0) {
		unlink(path);
		cr_skip_test("only root can become somebody else");
	}
	cr_expect_null(haproxy_socket_shut(path));
	cr_expect_null(haproxy_socket_shut("127.0.0.1:1"));
	cr_assert_eq(chmod(path, 0600), 0);
	child = fork();
	if (child == 0) {
		auto_free char *shut = setuid(65534) == 0 ? haproxy_socket_shut(path) : NULL;

		_exit(shut != NULL && strstr(shut, "its mode keeps out the user ") != NULL ? 0 : 1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	unlink(path);
}
