/* One HTTP request to a segue that runs, blocking: for the verbs. */
#ifndef SEGUE_REPORT_CLIENT_H
#define SEGUE_REPORT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"

#define CLIENT_REPLY_MAX ((size_t)64 * 1024 * 1024) /* bytes: 1,000 clusters are 2 to 6 MB */

struct client_call {
	const char *listen; /* as segue.ini has it */
	const char *method, *path;
	const char *body; /* JSON; "" for none */
	int64_t timeout_ms;
};

enum client_reach {
	CLIENT_NOBODY,    /* nobody listens there */
	CLIENT_UNREACHED, /* nothing was sent, for another reason */
	CLIENT_REACHED,   /* it was sent, at least in part: what became of it, only a reply tells */
};

/* Appends the body of the reply to `body` and sets *status; true for any whole reply, whatever its
 * status. `reach` is set in any case. */
bool client_request(const struct client_call *call, int *status, struct strbuf *body,
                    enum client_reach *reach, struct err *err) MUST_CHECK;

/* Of the addresses in the key `listen` the unix socket, which takes orders, too; else the first.
 * Caller frees. */
char *client_pick_listen(const char *list) MUST_CHECK;

#endif
