/* What a client may send, and what is refused before anybody looks at it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sidecar/report/endpoint_internal.h"

static enum request_verdict parse(const char *text, struct request *out, struct err *err)
{
	return request_parse(text, strlen(text), out, err);
}

Test(report_http, a_get_is_complete)
{
	struct request request;
	struct err err;

	cr_assert_eq(parse("GET /status?x=1 HTTP/1.1\r\nHost: a\r\n\r\nmore", &request, &err),
	             REQUEST_COMPLETE);
	cr_assert_str_eq(request.method, "GET");
	cr_assert_str_eq(request.path, "/status");
	cr_assert_eq(request.body_len, 0);
	cr_assert_eq(request.head_len, strlen("GET /status?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"));
}

Test(report_http, lines_may_end_as_a_person_types_them)
{
	struct request request;
	struct err err;

	cr_assert_eq(parse("GET / HTTP/1.0\n\n", &request, &err), REQUEST_COMPLETE);
	cr_assert_str_eq(request.path, "/");
}

Test(report_http, the_body_is_waited_for)
{
	const char *text = "POST /a HTTP/1.1\r\ncontent-length:\t 4 \r\n\r\n{\"a\"";
	struct request request;
	struct err err;

	for (size_t len = 0; len < strlen(text); len++) {
		char *cut = strndup(text, len);

		cr_assert_eq(parse(cut, &request, &err), REQUEST_PARTIAL, "%zu bytes", len);
		free(cut);
	}
	cr_assert_eq(parse(text, &request, &err), REQUEST_COMPLETE);
	cr_assert_eq(request.body_len, 4);
	cr_assert_str_eq(text + request.head_len, "{\"a\"");
}

static void refuse(const char *text, int status)
{
	struct request request;
	struct err err = {0};

	cr_assert_eq(parse(text, &request, &err), REQUEST_REFUSED, "not refused: %s", text);
	cr_assert_eq(request.status, status, "%d for %s", request.status, text);
	cr_assert_neq(err.message[0], '\0');
}

#define POST "POST / HTTP/1.1\r\n"

Test(report_http, what_is_no_request_is_refused)
{
	refuse("\r\n", 400);
	refuse("GARBAGE\r\n", 400);
	refuse("GET /\r\n", 400);
	refuse(" GET / HTTP/1.1\r\n", 400);
	refuse("GET  / HTTP/1.1\r\n", 400);
	refuse("GET / HTTP/1.1 x\r\n", 400);
	refuse("GET / HTTP/2.0\r\n", 400);
	refuse("GET http://x/ HTTP/1.1\r\n", 400);
	refuse("GET /\x01 HTTP/1.1\r\n", 400);
	refuse("GET /\xff HTTP/1.1\r\n", 400);
	refuse("G\tT / HTTP/1.1\r\n", 400);
	refuse("ANUNREASONABLEMETHOD / HTTP/1.1\r\n", 400);
	refuse("\x16\x03\x01\x02\n", 400);
}

Test(report_http, lengths_are_never_guessed)
{
	refuse(POST "Content-Length: -1\r\n", 400);
	refuse(POST "Content-Length: 1 2\r\n", 400);
	refuse(POST "Content-Length: 0x10\r\n", 400);
	refuse(POST "Content-Length:\r\n", 400);
	refuse(POST "Content-Length: 1\r\nContent-Length: 1\r\n", 400);
	refuse(POST "Content-Length: 16385\r\n", 413);
	refuse(POST "Content-Length: 18446744073709551617\r\n", 413);
	refuse(POST "Transfer-Encoding: chunked\r\n", 501);
}

Test(report_http, a_host_is_one_word_or_none)
{
	struct request request;

	cr_assert_eq(
	    parse("GET / HTTP/1.1\r\nhost:  a.example:80 \r\n\r\n", &request, &(struct err){0}),
	    REQUEST_COMPLETE);
	cr_assert_str_eq(request.host, "a.example:80");
	cr_assert_eq(parse("GET / HTTP/1.1\r\nHost:\r\n\r\n", &request, &(struct err){0}),
	             REQUEST_COMPLETE);
	cr_assert_str_eq(request.host, "");
	refuse("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400);
	refuse("GET / HTTP/1.1\r\nHost:\r\nHost: a\r\n", 400);
	refuse("GET / HTTP/1.1\r\nHost: a b\r\n", 400);
	refuse("GET / HTTP/1.1\r\nHost: a\x7f\r\n", 400);
	refuse("GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n", 400);
}

Test(report_http, headers_are_bounded)
{
	size_t len = REQUEST_HEAD_MAX;
	char *text = calloc(len + 1, 1);

	memset(text, 'a', len);
	memcpy(text, "GET / HTTP/1.1\r\nA: ", 19);
	refuse(text, 431);
	text[len - 1] = '\0';
	cr_assert_eq(parse(text, &(struct request){0}, &(struct err){0}), REQUEST_PARTIAL);
	memset(text, 'a', len - 1);
	text[len - 1] = 'a';
	refuse(text, 431);
	free(text);
}
