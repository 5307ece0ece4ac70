/* One blocking HTTP request to a running segue, for the verbs of the command line. */
#ifndef SEGUE_REPORT_CLIENT_H
#define SEGUE_REPORT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"

#define CLIENT_REPLY_MAX ((size_t)64 * 1024 * 1024) /* bytes: 1,000 clusters are 2 to 6 MB */

struct client_call {
	const char *listen; /* one address, as in segue.ini */
	const char *method, *path;
	const char *body; /* JSON; "" for none */
	int64_t timeout_ms;
};

enum client_reach {
	CLIENT_NOBODY,    /* no process listens there */
	CLIENT_UNREACHED, /* nothing was sent, for another reason */
	/* It was sent, at least in part. Only a reply says what became of it. */
	CLIENT_REACHED,
};

/* Appends the body of the reply to `body` and sets *status. True for any complete reply, whatever
 * its status. `reach` is always set. */
bool client_request(const struct client_call *call, int *status, struct strbuf *body,
                    enum client_reach *reach, struct err *err) MUST_CHECK;

/* Picks one address from the key `listen`: the unix socket, because it also accepts commands, or
 * else the first one. Caller frees. */
char *client_pick_listen(const char *list) MUST_CHECK;

#endif
