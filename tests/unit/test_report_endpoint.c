/* The endpoint on real sockets, with a source that is made up: server and clients on one loop. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "report/endpoint.h"
#include "sidecar/report/endpoint_internal.h"
#include "unit/loop.h"

#define PATIENCE_MS 5000

static struct {
	struct event_base *base;
	struct report_server *server;
	char dir[64], path[96], listen[128];
	int asked;
	size_t parts; /* of the status, but for its end */
	char ordered[512];
	const char *why; /* it is not ready */
} t;

/* In parts that take a while each. */
static bool status(void *arg, struct report_cursor *at, struct strbuf *text)
{
	(void)arg;
	t.asked++;
	if (at->next++ < t.parts) {
		strbuf_append_str(text, at->next == 1 ? "{\"segue\":" : " ");
		for (int64_t until_us = clock_now_us() + 1000; clock_now_us() < until_us;)
			;
		return true;
	}
	strbuf_append_str(text, "\"test\"}\n");
	return false;
}

static bool override(void *arg, const char *cluster, const json_t *body, struct err *err)
{
	char *text = json_dumps(body, JSON_COMPACT);

	(void)arg;
	snprintf(t.ordered, sizeof(t.ordered), "%s %s", cluster, text);
	free(text);
	return strcmp(cluster, "orders") == 0 ||
	       err_set(err, "there is no cluster \"%s\"", cluster);
}

static bool ready(void *arg, struct strbuf *why)
{
	(void)arg;
	strbuf_append_str(why, t.why);
	return t.why[0] == '\0';
}

static bool metrics(void *arg, struct report_cursor *at, struct strbuf *text)
{
	(void)arg;
	(void)at;
	strbuf_append_str(text, "up 1\n");
	return false;
}

static const struct report_source source = {
    .status = status, .metrics = metrics, .ready = ready, .override = override};

static struct report_server *serve(const char *listen)
{
	struct err err;
	struct report_server *server = report_server_create(t.base, listen, &source, &err);

	cr_assert_not_null(server, "%s", err.message);
	return server;
}

static void setup(void)
{
	log_configure(LOG_ERROR, LOG_TEXT);
	t.why = "";
	t.parts = 1;
	t.base = event_base_new();
	snprintf(t.dir, sizeof(t.dir), "/tmp/segue-report-XXXXXX");
	cr_assert_not_null(mkdtemp(t.dir));
	snprintf(t.path, sizeof(t.path), "%s/sock", t.dir);
	snprintf(t.listen, sizeof(t.listen), "unix:%s", t.path);
	t.server = serve(t.listen);
	cr_assert_str_eq(report_server_problem(t.server), "");
}

static void teardown(void)
{
	report_server_destroy(t.server);
	cr_assert_neq(access(t.path, F_OK), 0, "the socket was left");
	cr_assert_eq(rmdir(t.dir), 0);
	event_base_free(t.base);
	libevent_global_shutdown();
}

TestSuite(report_endpoint, .init = setup, .fini = teardown, .timeout = 60);

static int dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", t.path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%s",
	             strerror(errno));
	return fd;
}

static int dial_tcp(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%s",
	             strerror(errno));
	cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Sends all of it, and appends what comes until the server closes its half; true when it did. */
static bool talk_on(int fd, const char *text, size_t len, struct strbuf *reply)
{
	int64_t until = clock_now_ms() + PATIENCE_MS;

	while (clock_now_ms() < until) {
		char buffer[4096];
		ssize_t sent = len > 0 ? send(fd, text, len, MSG_NOSIGNAL) : 0, got;

		if (sent > 0) {
			text += sent;
			len -= (size_t)sent;
		}
		loop_for(t.base, 1);
		got = recv(fd, buffer, sizeof(buffer), 0);
		if (got == 0)
			return true;
		if (got < 0 && errno != EAGAIN)
			return false;
		if (got > 0)
			strbuf_append(reply, buffer, (size_t)got);
	}
	return false;
}

static void expect_reply(int fd, const char *text, size_t len, const char *head, const char *body)
{
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	const char *found;

	cr_assert(talk_on(fd, text, len, &reply), "no end after \"%s\"", reply.data);
	close(fd);
	found = strstr(reply.data, "\r\n\r\n");
	cr_assert_eq(strncmp(reply.data, head, strlen(head)), 0, "%s", reply.data);
	cr_assert_not_null(found, "%s", reply.data);
	cr_assert_str_eq(found + 4, body);
}

static void expect(const char *text, const char *head, const char *body)
{
	expect_reply(dial(), text, strlen(text), head, body);
}

#define GET(path)        "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST(path, body) "POST " path " HTTP/1.1\r\nContent-Length: " body
#define ERROR(text)      "{\"error\":\"" text "\"}\n"

static const char no_such_path[] = ERROR("there is /, /status, /healthz, /readyz, /metrics");

Test(report_endpoint, the_status_is_the_source_s)
{
	expect(GET("/status"), "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
	       "{\"segue\":\"test\"}\n");
	expect(GET("/status?pretty"), "HTTP/1.1 200 OK", "{\"segue\":\"test\"}\n");
	expect(GET("/healthz"), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n", "ok\n");
	cr_assert_eq(t.asked, 4);
}

Test(report_endpoint, who_is_not_ready_says_why)
{
	expect(GET("/readyz?verbose"), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n",
	       "ready\n");
	t.why = "cluster orders: haproxy/a: not confirmed: reading\n";
	expect(GET("/readyz"), "HTTP/1.1 503 Service Unavailable", t.why);
	expect(POST("/readyz", "0\r\n\r\n"), "HTTP/1.1 405 ", ERROR("only GET is allowed here"));
}

Test(report_endpoint, a_long_document_keeps_nobody_waiting)
{
	static const char long_one[] = GET("/status"), short_one[] = GET("/healthz");
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	auto_close int patient = dial();

	t.parts = 300;
	cr_assert_gt(send(patient, long_one, strlen(long_one), MSG_NOSIGNAL), 0);
	while (t.asked == 0)
		loop_for(t.base, 1);
	expect(short_one, "HTTP/1.1 200 OK", "ok\n");
	cr_assert_lt(t.asked, 300, "the short one has waited for all of it");
	cr_assert(talk_on(patient, "", 0, &reply), "%s", reply.data);
	cr_assert_eq(t.asked, 301);
	cr_assert_not_null(strstr(reply.data, "\r\nContent-Length: 316\r\n"), "%s", reply.data);
}

/* Who goes while it is made is forgotten. */
Test(report_endpoint, a_long_document_that_nobody_waits_for_is_given_up)
{
	static const char long_one[] = GET("/status");
	int impatient = dial();

	t.parts = 300;
	cr_assert_gt(send(impatient, long_one, strlen(long_one), MSG_NOSIGNAL), 0);
	while (t.asked == 0)
		loop_for(t.base, 1);
	cr_assert_eq(setsockopt(impatient, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
	                        sizeof(struct linger)),
	             0);
	close(impatient);
	loop_for(t.base, 20);
	expect(GET("/healthz"), "HTTP/1.1 200 OK", "ok\n");
}

Test(report_endpoint, metrics_are_prometheus_text)
{
	expect(GET("/metrics"),
	       "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n",
	       "up 1\n");
}

Test(report_endpoint, head_is_get_without_the_body)
{
	expect("HEAD /status HTTP/1.1\r\n\r\n",
	       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n", "");
	expect("HEAD /nothing HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", "");
}

Test(report_endpoint, what_is_not_there_is_404_and_405)
{
	expect(GET("/nothing"), "HTTP/1.1 404 Not Found", no_such_path);
	expect(GET("/statusx"), "HTTP/1.1 404 ", no_such_path);
	expect(GET("/override/orders"), "HTTP/1.1 405 ", ERROR("an override is set by POST"));
	expect(POST("/status", "0\r\n\r\n"), "HTTP/1.1 405 ", ERROR("only GET is allowed here"));
	expect("DELETE /override/orders HTTP/1.1\r\n\r\n", "HTTP/1.1 405 ",
	       ERROR("an override is set by POST"));
	cr_assert_str_eq(t.ordered, "");
}

Test(report_endpoint, an_order_reaches_the_source)
{
	expect(POST("/override/orders", "17\r\n\r\n{\"kind\":\"freeze\"}"), "HTTP/1.1 200 OK",
	       "{\"ok\":true}\n");
	cr_assert_str_eq(t.ordered, "orders {\"kind\":\"freeze\"}");
	expect(POST("/override/other", "2\r\n\r\n{}"), "HTTP/1.1 409 Conflict",
	       ERROR("there is no cluster \\\"other\\\""));
}

Test(report_endpoint, an_order_that_is_none_does_not)
{
	static const char none[] = ERROR("the body is not a JSON object");

	expect(POST("/override/orders", "0\r\n\r\n"), "HTTP/1.1 400 ", none);
	expect(POST("/override/orders", "2\r\n\r\n[]"), "HTTP/1.1 400 ", none);
	expect(POST("/override/orders", "16\r\n\r\n{\"a\":1, \"a\":2}  "), "HTTP/1.1 400 ", none);
	expect(POST("/override/", "2\r\n\r\n{}"), "HTTP/1.1 404 ",
	       ERROR("no cluster can have that name"));
	expect(POST("/override/../x", "2\r\n\r\n{}"), "HTTP/1.1 404 ",
	       ERROR("no cluster can have that name"));
	cr_assert_str_eq(t.ordered, "");
}

Test(report_endpoint, nonsense_is_answered_with_its_reason)
{
	expect("GARBAGE\r\n\r\n", "HTTP/1.1 400 Bad Request",
	       ERROR("the request line must be like \\\"GET /path HTTP/1.1\\\""));
	expect(POST("/override/orders", "x\r\n\r\n"), "HTTP/1.1 400 ",
	       ERROR("Content-Length must be one number"));
}

/* The reply is read although the server has not taken all that was sent. */
Test(report_endpoint, big_bodies_and_heads_are_refused)
{
	static const char slow_head[] = "GET / HTTP/1.1\r\nA: ";
	static const char big_body[] = POST("/override/orders", "1048000\r\n\r\n");
	size_t len = (size_t)1024 * 1024;
	auto_free char *big = xcalloc(len + 1, 1);

	memset(big, 'a', len);
	memcpy(big, slow_head, sizeof(slow_head) - 1);
	expect_reply(dial(), big, len, "HTTP/1.1 431 ",
	             ERROR("the headers are too large: 16 kB are allowed"));
	memset(big, 'a', len);
	memcpy(big, big_body, sizeof(big_body) - 1);
	expect_reply(dial(), big, len, "HTTP/1.1 413 ",
	             ERROR("the body is too large: 16 kB are allowed"));
	cr_assert_str_eq(t.ordered, "");
}

static uint16_t free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

Test(report_endpoint, over_tcp_nobody_changes_anything)
{
	uint16_t port = free_port();
	auto_free char *listen = xasprintf("localhost:%u", port);
	static const char order[] = POST("/override/orders", "2\r\n\r\n{}");
	struct err err;

	cr_assert(report_server_set_listen(t.server, listen, &err), "%s", err.message);
	cr_assert_str_eq(report_server_problem(t.server), "");
	report_server_set_names(t.server, "x");
	expect_reply(dial_tcp(port), GET("/healthz"), strlen(GET("/healthz")), "HTTP/1.1 200 OK",
	             "ok\n");
	expect_reply(dial_tcp(port), order, strlen(order), "HTTP/1.1 405 ",
	             ERROR("only GET is allowed over TCP: send commands over a unix socket"));
	cr_assert_str_eq(t.ordered, "");
}

#define GET_FROM(host) "GET / HTTP/1.1\r\nHost: " host "\r\n\r\n"

Test(report_endpoint, over_tcp_only_its_own_names_are_answered)
{
	static const char wrong[] = GET_FROM("evil.example:80"), listed[] = GET_FROM("proxy1");
	uint16_t port = free_port();
	auto_free char *listen = xasprintf("localhost:%u", port);
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	int fd;
	struct err err;

	expect("GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 200 OK", "ok\n");
	cr_assert(report_server_set_listen(t.server, listen, &err), "%s", err.message);
	expect_reply(dial_tcp(port), wrong, strlen(wrong), "HTTP/1.1 421 Misdirected Request",
	             ERROR("the Host header \\\"evil.example:80\\\" is not allowed. Allowed: an IP "
	                   "address, localhost, and the names in listen_hosts of segue.ini: add "
	                   "this name there if clients use it"));
	report_server_set_names(t.server, "proxy1,.example.org");
	fd = dial_tcp(port);
	cr_assert(talk_on(fd, listed, strlen(listed), &reply));
	close(fd);
	cr_assert_eq(strncmp(reply.data, "HTTP/1.1 200 OK", 15), 0, "%s", reply.data);
}

static size_t count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	size_t count = 0;

	cr_assert_not_null(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

Test(report_endpoint, a_hundred_connections_that_say_nothing_cost_at_most_64_descriptors)
{
	size_t before = count_descriptors();
	int fds[100];

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = dial();
		loop_for(t.base, 1);
	}
	cr_assert_leq(count_descriptors(), before + ARRAY_LEN(fds) + HTTP_CONNECTIONS_MAX);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	expect(GET("/healthz"), "HTTP/1.1 200 OK", "ok\n");
	cr_assert_leq(count_descriptors(), before + 1);
}

Test(report_endpoint, a_hundred_that_ask_at_once_are_all_answered)
{
	int fds[100];

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = dial();
		cr_assert_gt(send(fds[i], GET("/healthz"), strlen(GET("/healthz")), 0), 0);
		loop_for(t.base, 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		expect_reply(fds[i], "", 0, "HTTP/1.1 200 OK", "ok\n");
}

Test(report_endpoint, a_client_that_closes_its_half_gets_its_answer)
{
	int fd = dial();

	cr_assert_gt(send(fd, GET("/healthz"), strlen(GET("/healthz")), 0), 0);
	cr_assert_eq(shutdown(fd, SHUT_WR), 0);
	expect_reply(fd, "", 0, "HTTP/1.1 200 OK", "ok\n");
}

Test(report_endpoint, the_socket_is_for_owner_and_group)
{
	struct stat st;

	cr_assert_eq(stat(t.path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0660);
}

Test(report_endpoint, it_ends_with_clients_in_every_state)
{
	int silent = dial(), half = dial(), asking = dial();

	cr_assert_gt(send(half, "GET / HT", 8, 0), 0);
	cr_assert_gt(send(asking, GET("/status"), strlen(GET("/status")), 0), 0);
	loop_for(t.base, 5);
	report_server_destroy(STEAL(t.server));
	cr_assert_neq(access(t.path, F_OK), 0);
	close(silent);
	close(half);
	close(asking);
}

Test(report_endpoint, two_on_one_socket_the_second_takes_over_when_the_first_is_gone)
{
	struct report_server *second = serve(t.listen);
	struct stat before, after;
	int64_t until = clock_now_ms() + PATIENCE_MS;

	cr_assert_not_null(strstr(report_server_problem(second), "another process listens on"),
	                   "%s", report_server_problem(second));
	cr_assert_not_null(strstr(report_server_problem(second), t.path));
	cr_assert_eq(stat(t.path, &before), 0);
	expect(GET("/healthz"), "HTTP/1.1 200 OK", "ok\n");
	cr_assert_eq(stat(t.path, &after), 0);
	cr_assert_eq(before.st_ino, after.st_ino, "the first one's socket was replaced");
	report_server_destroy(t.server);
	t.server = second;
	while (*report_server_problem(second) != '\0' && clock_now_ms() < until)
		loop_for(t.base, 5);
	expect(GET("/healthz"), "HTTP/1.1 200 OK", "ok\n");
}

Test(report_endpoint, who_did_not_get_the_socket_does_not_remove_it)
{
	report_server_destroy(serve(t.listen));
	expect(GET("/healthz"), "HTTP/1.1 200 OK", "ok\n");
}

/* As kill -9 leaves it: a file, and nobody behind it. */
static void leave_stale_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", t.path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

Test(report_endpoint, a_stale_socket_is_replaced)
{
	report_server_destroy(t.server);
	leave_stale_socket();
	t.server = serve(t.listen);
	cr_assert_str_eq(report_server_problem(t.server), "");
	expect(GET("/healthz"), "HTTP/1.1 200 OK", "ok\n");
}

Test(report_endpoint, a_file_that_is_no_socket_stays)
{
	int fd;

	report_server_destroy(t.server);
	fd = creat(t.path, 0600);
	close(fd);
	t.server = serve(t.listen);
	cr_assert_not_null(strstr(report_server_problem(t.server), "exists and is not a socket"),
	                   "%s", report_server_problem(t.server));
	cr_assert_eq(unlink(t.path), 0);
}

Test(report_endpoint, a_missing_folder_is_said_and_waited_for)
{
	auto_free char *folder = xasprintf("%s/later", t.dir);
	auto_free char *listen = xasprintf("unix:%s/sock", folder);
	int64_t until = clock_now_ms() + PATIENCE_MS;
	struct err err;

	cr_assert(report_server_set_listen(t.server, listen, &err), "%s", err.message);
	cr_assert_neq(access(t.path, F_OK), 0, "the old socket was left");
	cr_assert_not_null(strstr(report_server_problem(t.server), "No such file"), "%s",
	                   report_server_problem(t.server));
	cr_assert_eq(mkdir(folder, 0700), 0);
	while (*report_server_problem(t.server) != '\0' && clock_now_ms() < until)
		loop_for(t.base, 5);
	cr_assert_str_eq(report_server_problem(t.server), "");
	cr_assert(report_server_set_listen(t.server, "", &err));
	cr_assert_eq(rmdir(folder), 0, "the socket was left");
}

Test(report_endpoint, a_reload_with_the_same_address_keeps_listener_and_clients)
{
	int fd = dial();
	struct stat before, after;
	struct err err;

	loop_for(t.base, 5);
	cr_assert_eq(stat(t.path, &before), 0);
	cr_assert(report_server_set_listen(t.server, t.listen, &err));
	cr_assert_eq(stat(t.path, &after), 0);
	cr_assert_eq(before.st_ino, after.st_ino);
	expect_reply(fd, GET("/healthz"), strlen(GET("/healthz")), "HTTP/1.1 200 OK", "ok\n");
}

Test(report_endpoint, of_several_addresses_each_answers_by_its_own_rules)
{
	uint16_t port = free_port();
	auto_free char *both = xasprintf("127.0.0.1:%u,%s", port, t.listen);
	static const char order[] = POST("/override/orders", "2\r\n\r\n{}");
	struct stat before, after;
	struct err err;

	cr_assert_eq(stat(t.path, &before), 0);
	cr_assert(report_server_set_listen(t.server, both, &err), "%s", err.message);
	cr_assert_str_eq(report_server_problem(t.server), "");
	cr_assert_eq(stat(t.path, &after), 0);
	cr_assert_eq(before.st_ino, after.st_ino, "the one that stays was opened anew");
	expect(GET("/healthz"), "HTTP/1.1 200 OK", "ok\n");
	expect_reply(dial_tcp(port), order, strlen(order), "HTTP/1.1 405 ",
	             ERROR("only GET is allowed over TCP: send commands over a unix socket"));
	cr_assert_str_eq(t.ordered, "");
	expect(order, "HTTP/1.1 200 OK", "{\"ok\":true}\n");
	cr_assert(report_server_set_listen(t.server, t.listen, &err), "%s", err.message);
	expect(GET("/healthz"), "HTTP/1.1 200 OK", "ok\n");
}

/* They say nothing, and are not slow enough yet to go for the next one. */
Test(report_endpoint, who_fills_one_address_shuts_nobody_out_of_the_other)
{
	uint16_t port = free_port();
	auto_free char *both = xasprintf("127.0.0.1:%u,%s", port, t.listen);
	int fds[HTTP_CONNECTIONS_MAX];
	struct err err;

	cr_assert(report_server_set_listen(t.server, both, &err), "%s", err.message);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = dial_tcp(port);
	loop_for(t.base, 5);
	expect(GET("/healthz"), "HTTP/1.1 200 OK", "ok\n");
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}

static void never(const struct request *request, const char *body, struct http_reply *reply,
                  void *arg)
{
	(void)request;
	(void)body;
	(void)reply;
	(void)arg;
	cr_assert_fail("there was no request");
}

/* A byte now and then keeps nobody in: the time counts for the whole request. */
Test(report_endpoint, who_sends_slowly_is_shown_out)
{
	auto_free char *path = xasprintf("%s/slow", t.dir);
	auto_free char *listen = xasprintf("unix:%s", path);
	struct listen_address address;
	struct listen_file file;
	struct http *http;
	struct err err;
	int64_t start, took_ms;
	int fd, listener;

	cr_assert(listen_parse(listen, &address, &err), "%s", err.message);
	listener = listen_open(&address, &file, &err);
	cr_assert_geq(listener, 0, "%s", err.message);
	http = http_create(t.base, listener, 100, never, NULL);
	snprintf(t.path, sizeof(t.path), "%s", path);
	fd = dial();
	start = clock_now_ms();
	while (send(fd, "a", 1, MSG_NOSIGNAL) == 1 && clock_now_ms() < start + PATIENCE_MS)
		loop_for(t.base, 5);
	took_ms = clock_now_ms() - start;
	close(fd);
	http_destroy(http);
	listen_remove(&address, &file);
	snprintf(t.path, sizeof(t.path), "%s/sock", t.dir);
	cr_assert_lt(took_ms, PATIENCE_MS);
}

Test(report_endpoint, what_is_no_address_is_refused)
{
	static const char *const wrong[] = {"80",
	                                    "unix:sock",
	                                    "unix:",
	                                    "db1.example.org:80",
	                                    "127.0.0.1:0",
	                                    "127.0.0.1:1,80",
	                                    "unix:/a,unix:/b,unix:/c,unix:/d,unix:/e"};
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		cr_assert_not(report_server_set_listen(t.server, wrong[i], &err), "%s", wrong[i]);
		cr_assert(strstr(err.message, wrong[i]) != NULL ||
		              strstr(err.message, "\"80\"") != NULL ||
		              strstr(err.message, "more than 4") != NULL,
		          "%s", err.message);
		cr_assert_null(report_server_create(t.base, wrong[i], &source, &err));
	}
	expect(GET("/healthz"), "HTTP/1.1 200 OK", "ok\n");
}
