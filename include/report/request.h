/* What an HTTP client has sent, as far as the endpoint needs it. Pure; hostile bytes in, a checked
 * value out. One request a connection: nothing behind the body is ever looked at. */
#ifndef SEGUE_REPORT_REQUEST_H
#define SEGUE_REPORT_REQUEST_H

#include <stddef.h>

#include "base/err.h"

#define REQUEST_HEAD_MAX ((size_t)16 * 1024) /* bytes of the request line and the headers */
#define REQUEST_BODY_MAX ((size_t)16 * 1024)
#define REQUEST_HOST_MAX 264 /* a name of 253 bytes, a port */

enum request_verdict {
	REQUEST_PARTIAL, /* more has to come */
	REQUEST_COMPLETE,
	REQUEST_REFUSED, /* never will be one */
};

struct request {
	char method[16];
	char path[256];              /* without the query */
	char host[REQUEST_HOST_MAX]; /* of the Host header: visible ASCII; "": there was none */
	size_t head_len;             /* the body starts there */
	size_t body_len;
	int status; /* REQUEST_REFUSED: the HTTP status to answer with */
};

/* `err` says why where the verdict is REQUEST_REFUSED. */
enum request_verdict request_parse(const char *data, size_t len, struct request *out,
                                   struct err *err);

#endif
