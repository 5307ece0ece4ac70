#ifndef SEGUE_REPORT_ENDPOINT_INTERNAL_H
#define SEGUE_REPORT_ENDPOINT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config/grammar.h"
#include "report/endpoint.h"

/* Parses what an HTTP client has sent, as far as the endpoint needs it. Pure. The input may be
 * hostile; the result is checked. One request per connection: what follows the body is ignored. */

#define REQUEST_HEAD_MAX ((size_t)16 * 1024) /* bytes of the request line and the headers */
#define REQUEST_BODY_MAX ((size_t)16 * 1024)
#define REQUEST_HOST_MAX 264 /* a name of 253 bytes and a port */

enum request_verdict {
	REQUEST_PARTIAL, /* more bytes have to come */
	REQUEST_COMPLETE,
	REQUEST_REFUSED, /* it can never become a valid request */
};

struct request {
	char method[16];
	char path[256];              /* without the query */
	char host[REQUEST_HOST_MAX]; /* of the Host header: visible ASCII; "": there was none */
	size_t head_len;             /* offset of the body */
	size_t body_len;
	bool has_host, has_length; /* these headers may come only once */
	int status;                /* REQUEST_REFUSED: the HTTP status to answer with */
};

/* Sets `err` if it returns REQUEST_REFUSED. */
enum request_verdict request_parse(const char *data, size_t len, struct request *out,
                                   struct err *err);

/* A small HTTP server: one request per connection, few connections, little time for each.
 *
 * It is not evhttp of libevent 2.1, which limits neither the number nor the age of connections,
 * although the drivers of the proxies need the file descriptors. It also answers refused requests
 * with HTML pages. */

#define HTTP_CONNECTIONS_MAX 64 /* then the oldest slow one is closed for the next client */

struct event_base;
struct http;

struct http_reply {
	int status;
	const char *type;  /* Content-Type; a static string */
	const char *allow; /* for a 405; a static string, or NULL */
	/* The Content-Security-Policy: what a browser may load with it. A static string, or NULL
	 * for nothing at all. */
	const char *policy;
	struct strbuf body; /* not sent in reply to HEAD, but its length is */
	/* For a body that takes long to make: appends the next part. It is called again, from the
	 * event loop, as long as it returns true. NULL: the body is complete. `arg` is
	 * http_create()'s. */
	bool (*more)(struct http_reply *reply, void *arg);
	struct report_cursor at; /* used by more() */
};

/* `body` has request->body_len bytes. All pointers are borrowed. Must not destroy the server. */
typedef void http_answer_fn(const struct request *request, const char *body,
                            struct http_reply *reply, void *arg);

/* Makes `reply` an error with the body {"error": "..."}. */
void http_refuse(struct http_reply *reply, int status, const char *why);

/* `fd` listens already, and is closed with the server. A client has `timeout_ms` to send the whole
 * request, and again to read the whole reply. */
struct http *http_create(struct event_base *base, int fd, int timeout_ms, http_answer_fn *answer,
                         void *arg);
void http_destroy(struct http *http);

/* The socket that the endpoint listens on: "unix:PATH", created with mode 0660 and removed at its
 * end, or "host:port". The host is an IP address or localhost, so that no name is looked up in the
 * event loop. */

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
