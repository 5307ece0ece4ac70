/* The socket that the endpoint listens on: "unix:PATH", created with mode 0660 and removed at its
 * end, or "host:port". The host is an IP address or localhost, so that no name is looked up in the
 * event loop. */
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
	bool is_unix; /* the path is then a string: its NUL is inside `sockaddr` */
};

#define LISTEN_MAX GRAMMAR_LISTEN_MAX

/* Splits a list at its commas, in place: items[i] is the text of addresses[i]. "" has none. An
 * address that is listed twice counts once. */
bool listen_split(char *list, char *items[LISTEN_MAX], struct listen_address addresses[LISTEN_MAX],
                  size_t *count, struct err *err) MUST_CHECK;
bool listen_parse(const char *listen, struct listen_address *out, struct err *err) MUST_CHECK;

/* Which file a listener has created, so that it removes no other one. */
struct listen_file {
	dev_t device;
	ino_t inode;
};

/* Returns a non-blocking, close-on-exec socket; -1 on failure. A socket file that no process
 * listens on is replaced. It is an error if a process does, or if the file is not a socket. */
int listen_open(const struct listen_address *address, struct listen_file *file,
                struct err *err) MUST_CHECK;
/* Removes the file of a unix socket, unless it has been replaced since. */
void listen_remove(const struct listen_address *address, const struct listen_file *file);

/* --- the Host header ---
 *
 * A web page in somebody's browser can point its own name to the endpoint's address (DNS
 * rebinding), and read the replies. The Host header then has the name of that page, so only known
 * names are allowed. Pure. */

/* `host`: the value of the header, with or without a port; "" if there was no header (browsers
 * always send it). `names`: comma separated; ".example.org" stands for that name and all names
 * below it; "" for none. IP addresses and localhost are always allowed. */
bool host_is_allowed(const char *host, const char *names);

#endif
