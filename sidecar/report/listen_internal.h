/* The socket that the endpoint listens on. "unix:PATH", made with mode 0660 and removed at its end,
 * or "host:port", host an IP address or localhost: no name is ever looked up in the loop. */
#ifndef SEGUE_REPORT_LISTEN_INTERNAL_H
#define SEGUE_REPORT_LISTEN_INTERNAL_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/err.h"
#include "config/grammar.h"

struct listen_address {
	struct sockaddr_storage sockaddr;
	socklen_t len;
	bool is_unix; /* the path may then be used as a string: its NUL is inside `sockaddr` */
};

#define LISTEN_MAX GRAMMAR_LISTEN_MAX

/* Splits a list at its commas, in place: items[i] is the text of addresses[i]. "": none. One that
 * is there twice counts once. */
bool listen_split(char *list, char *items[LISTEN_MAX], struct listen_address addresses[LISTEN_MAX],
                  size_t *count, struct err *err) MUST_CHECK;
bool listen_parse(const char *listen, struct listen_address *out, struct err *err) MUST_CHECK;

/* Which file a listener has made, so that it removes no other. */
struct listen_file {
	dev_t device;
	ino_t inode;
};

/* Non-blocking, close-on-exec. A socket file that nobody listens on is replaced; one where somebody
 * does is an error, like any other file there. -1 on failure. */
int listen_open(const struct listen_address *address, struct listen_file *file,
                struct err *err) MUST_CHECK;
/* Removes the file of a unix socket, unless it is somebody else's by now. */
void listen_remove(const struct listen_address *address, const struct listen_file *file);

/* Which names the endpoint goes by. A web page that a person has open can lead its own name to this
 * endpoint's address (DNS rebinding) and read on; its name is then in the Host header. Pure. */

/* `host`: the header's value, with or without a port; "" where there was none, which no browser
 * sends. `names`: comma separated, ".example.org" for that and all below it; "" for none. IP
 * addresses and localhost always are. */
bool host_is_allowed(const char *host, const char *names);

#endif
