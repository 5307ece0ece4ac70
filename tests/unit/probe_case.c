/* The verifier under test, and the server that it asks; see the header. */
#include "unit/probe_case.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "unit/loop.h"

struct probe_case t;

static void on_change(void *arg)
{
	size_t count;
	const struct server_fact *facts = verifier_facts(t.verifier, &count);

	(void)arg;
	t.calls++;
	for (size_t i = 0; i < count; i++)
		if (facts[i].running > t.most_running[facts[i].class])
			t.most_running[facts[i].class] = facts[i].running;
}

int probe_case_bind(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

void probe_case_init(void)
{
	memset(&t, 0, sizeof(t));
	t.base = event_base_new();
	snprintf(t.name, sizeof(t.name), "a");
	snprintf(t.conninfo, sizeof(t.conninfo), "user=segue dbname=postgres sslmode=disable");
	t.config = (struct config_cluster){.name = t.name,
	                                   .verify = CONFIG_VERIFY_PREFER,
	                                   .verify_conninfo = t.conninfo,
	                                   .verify_timeout_ms = 100};
	snprintf(t.member.host, sizeof(t.member.host), "db1.example");
	snprintf(t.member.address, sizeof(t.member.address), "127.0.0.1");
	t.listener = probe_case_bind(&t.member.port);
	t.connections =
	    mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	t.verifier = verifier_create(t.base, &t.config, on_change, NULL);
}

void probe_case_stop_server(void)
{
	if (t.server > 0) {
		kill(t.server, SIGKILL);
		waitpid(t.server, NULL, 0);
	}
	t.server = 0;
}

void probe_case_fini(void)
{
	probe_case_stop_server();
	verifier_destroy(t.verifier);
	close(t.listener);
	munmap(t.connections, sizeof(int));
	event_base_free(t.base);
}

/* What the fake server has to say. */
static struct strbuf out = STRBUF_INIT;

static void send_out(int fd)
{
	if (out.len > 0 && write(fd, out.data, out.len) < 0)
		_exit(1);
	strbuf_reset(&out);
}

void probe_case_serve(serve_fn *fn)
{
	cr_assert_eq(listen(t.listener, 128), 0);
	t.server = fork();
	for (int fd; t.server == 0; close(fd)) {
		fd = accept(t.listener, NULL, NULL);
		fn(fd, ++*t.connections);
		send_out(fd);
	}
}

void probe_case_follow(void)
{
	verifier_follow(t.verifier, (const struct member *const[]){&t.member}, 1);
	cr_assert_eq(t.calls, 0, "called inside a call from the left");
}

const struct server_fact *probe_case_fact(void)
{
	size_t count;
	const struct server_fact *facts = verifier_facts(t.verifier, &count);

	cr_assert_eq(count, 1);
	return facts;
}

void probe_case_expect(enum server_class class, unsigned running)
{
	int64_t until = clock_now_ms() + 10000;

	while ((probe_case_fact()->class != class || probe_case_fact()->running < running) &&
	       clock_now_ms() < until)
		loop_for(t.base, 5);
	cr_assert_eq(probe_case_fact()->class, class, "%s: %s",
	             server_class_name(probe_case_fact()->class), probe_case_fact()->problem);
	cr_assert_geq(probe_case_fact()->running, running);
}

void fake_put(char type, const void *body, size_t len)
{
	const unsigned char head[5] = {(unsigned char)type, 0, 0, (unsigned char)((len + 4) >> 8),
	                               (unsigned char)(len + 4)};

	strbuf_append(&out, head, sizeof(head));
	strbuf_append(&out, body, len);
}

void fake_put_raw(const char *text)
{
	strbuf_append_str(&out, text);
}

void fake_flush(int fd)
{
	send_out(fd);
}

bool fake_take_text(int fd, char *text, size_t size)
{
	send_out(fd);
	memset(text, 0, size);
	return read(fd, text, size - 1) > 0;
}

bool fake_take(int fd)
{
	char bytes[4096];

	return fake_take_text(fd, bytes, sizeof(bytes));
}

void fake_log_in(int fd)
{
	fake_take(fd);
	fake_put('R', "\0\0\0\0", 4);
	fake_put('Z', "I", 1);
}

void fake_put_error(const char *sqlstate, const char *text)
{
	char body[256];
	int len = snprintf(body, sizeof(body), "SFEHLER%cC%s%cM%s%c%c", 0, sqlstate, 0, text, 0, 0);

	fake_put('E', body, (size_t)len);
}

/* Columns of no name and no type that matters, and one row of texts. */
void fake_put_row(const char *const *values, int count)
{
	unsigned char columns[256] = {0, (unsigned char)count},
	              row[256] = {0, (unsigned char)count};
	size_t len = 2;

	fake_put('T', columns, 2 + (size_t)count * 19); /* name, table, column, type, size, ... */
	for (int i = 0; i < count; i++) {
		size_t size = strlen(values[i]);

		row[len + 3] = (unsigned char)size;
		memcpy(row + len + 4, values[i], size);
		len += 4 + size;
	}
	fake_put('D', row, len);
	fake_put('C', "SELECT 1", 9);
	fake_put('Z', "I", 1);
}

void fake_answer(void)
{
	static const char *const primary[] = {"f", "00000002", "4096", "77"};

	fake_put_row(primary, 4);
}

void fake_primary(int fd, int n)
{
	(void)n;
	fake_log_in(fd);
	while (fake_take(fd))
		fake_answer();
}
