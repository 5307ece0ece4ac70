/* The HTTP request parser: any bytes get one of three verdicts, and more bytes never take back a
 * complete request or a refusal. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sidecar/report/endpoint_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct request *request, enum request_verdict verdict, size_t len)
{
	if (verdict == REQUEST_COMPLETE &&
	    (request->head_len + request->body_len > len || request->path[0] != '/' ||
	     request->body_len > REQUEST_BODY_MAX))
		abort();
	if (verdict == REQUEST_REFUSED && request->status < 400)
		abort();
	if (verdict == REQUEST_PARTIAL && len >= REQUEST_HEAD_MAX + REQUEST_BODY_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request whole, half;
	enum request_verdict first, second;
	struct err err;

	second = request_parse((const char *)data, size, &whole, &err);
	check(&whole, second, size);
	first = request_parse((const char *)data, size / 2, &half, &err);
	check(&half, first, size / 2);
	if (first == REQUEST_COMPLETE && second != REQUEST_COMPLETE)
		abort();
	if (first == REQUEST_REFUSED && (second != REQUEST_REFUSED || half.status != whole.status))
		abort();
	return 0;
}
