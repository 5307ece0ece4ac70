/* What is looked at of a server's bytes before libpq reads them; whole, and byte by byte. */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "sidecar/postgres/postgres_internal.h"

static void append(struct strbuf *out, char type, const void *body, size_t len)
{
	const unsigned char head[5] = {(unsigned char)type, 0, (unsigned char)((len + 4) >> 16),
	                               (unsigned char)((len + 4) >> 8), (unsigned char)(len + 4)};

	strbuf_append(out, head, sizeof(head));
	strbuf_append(out, body, len);
}

static void append_scram(struct strbuf *out, const char *iterations)
{
	char body[256] = "\0\0\0\v";
	int len = snprintf(body + 4, sizeof(body) - 4, "r=nonce,s=c2FsdA==,i=%s", iterations);

	append(out, 'R', body, (size_t)len + 4);
}

/* In pieces of `step` bytes. */
static bool is_taken(enum pq_scan_state first, const struct strbuf *bytes, size_t step,
                     struct err *err)
{
	struct pq_scan scan;

	pq_scan_init(&scan, first);
	for (size_t at = 0; at < bytes->len; at += step) {
		size_t left = bytes->len - at;

		if (!pq_scan_take(&scan, bytes->data + at, left < step ? left : step, err))
			return false;
	}
	return true;
}

static void expect(enum pq_scan_state first, const struct strbuf *bytes, const char *problem)
{
	static const size_t steps[] = {1, 2, 7, 100000};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct err err = {0};
		bool taken = is_taken(first, bytes, steps[i], &err);

		cr_expect_eq(taken, problem == NULL, "in steps of %zu: %s", steps[i], err.message);
		if (problem != NULL)
			cr_expect_not_null(strstr(err.message, problem), "%s", err.message);
	}
}

Test(postgres_relay, a_login_and_an_answer_pass)
{
	auto_strbuf struct strbuf bytes = STRBUF_INIT;

	append(&bytes, 'R', "\0\0\0\nSCRAM-SHA-256\0", 19);
	append_scram(&bytes, "4096");
	append(&bytes, 'R', "\0\0\0\fv=c2ln", 10);
	append(&bytes, 'R', "\0\0\0\0", 4);
	append(&bytes, 'S', "TimeZone\0UTC\0", 13);
	append(&bytes, 'Z', "I", 1);
	append(&bytes, 'D', "\0\1\0\0\0\5,i=9999999999", 18);
	append(&bytes, 'I', "", 0);
	expect(PQ_SCAN_HEAD, &bytes, NULL);
}

Test(postgres_relay, iterations_are_bounded)
{
	static const struct {
		const char *iterations;
		bool good;
	} cases[] = {{"1", true},           {"100000", true}, {"100001", false},
	             {"2000000000", false}, {"-1", false},    {"99999999999999999999999999", false},
	             {" 2000000000", false}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_strbuf struct strbuf bytes = STRBUF_INIT;

		append_scram(&bytes, cases[i].iterations);
		expect(PQ_SCAN_HEAD, &bytes, cases[i].good ? NULL : "SCRAM iterations");
	}
}

Test(postgres_relay, a_nonce_that_hides_them_does_not)
{
	auto_strbuf struct strbuf bytes = STRBUF_INIT;

	append(&bytes, 'R', "\0\0\0\vr=n,i=1,s=c2FsdA==,i=2000000000", 36);
	expect(PQ_SCAN_HEAD, &bytes, "SCRAM iterations");
}

Test(postgres_relay, a_long_message_about_authentication_is_refused)
{
	static char body[2000] = "\0\0\0\v";
	auto_strbuf struct strbuf bytes = STRBUF_INIT;

	append(&bytes, 'R', body, sizeof(body));
	expect(PQ_SCAN_HEAD, &bytes, "authentication message of");
}

Test(postgres_relay, what_is_no_message_is_refused)
{
	auto_strbuf struct strbuf bytes = STRBUF_INIT;

	strbuf_append(&bytes, "R\0\0\0\3", 5);
	expect(PQ_SCAN_HEAD, &bytes, "which is not valid in");
}

Test(postgres_relay, parameters_are_counted)
{
	auto_strbuf struct strbuf bytes = STRBUF_INIT;

	for (int i = 0; i < PQ_PARAMETERS_MAX; i++)
		append(&bytes, 'S', "a\0b\0", 4);
	expect(PQ_SCAN_HEAD, &bytes, NULL);
	append(&bytes, 'S', "a\0b\0", 4);
	expect(PQ_SCAN_HEAD, &bytes, "ParameterStatus messages");
}

Test(postgres_relay,
     behind_a_refused_request_for_tls_it_goes_on_and_behind_a_granted_one_it_is_blind)
{
	auto_strbuf struct strbuf refused = STRBUF_INIT, granted = STRBUF_INIT,
	                          failed = STRBUF_INIT;

	strbuf_append(&refused, "N", 1);
	append_scram(&refused, "2000000000");
	expect(PQ_SCAN_TLS_REPLY, &refused, "SCRAM iterations");
	strbuf_append(&granted, "S", 1);
	append_scram(&granted, "2000000000");
	expect(PQ_SCAN_TLS_REPLY, &granted, NULL);
	append(&failed, 'E', "SFATAL\0", 8);
	append_scram(&failed, "2000000000");
	expect(PQ_SCAN_TLS_REPLY, &failed, "SCRAM iterations");
}

static void ignore(void *arg)
{
	(void)arg;
}

/* dup3() refuses a number above the limit, though the descriptor itself is open. */
Test(postgres_relay, a_descriptor_that_cannot_be_replaced_is_an_error)
{
	struct event_base *base = event_base_new();
	struct rlimit limit;
	struct err err = {0};
	int pair[2], fd;
	char byte = 0;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fd = fcntl(pair[0], F_DUPFD, 200);
	cr_assert_eq(fd, 200);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 200;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert_null(pq_relay_insert(base, fd, PQ_SCAN_HEAD, ignore, NULL, &err));
	cr_expect_not_null(strstr(err.message, "in place of the connection"), "%s", err.message);
	cr_expect_eq(write(pair[1], "x", 1), 1);
	cr_expect_eq(read(fd, &byte, 1), 1, "it is still the connection");
	event_base_free(base);
}
