/* The HTTP server. The states of a connection:
 *
 *    READING --complete or refused--> MAKING --body complete--> REPLYING --all written--> LINGERING
 *
 * In each state it is closed when its time is over or the connection breaks. All events run at the
 * lowest priority, so that no proxy has to wait for a client of this server. */

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/timer.h"
#include "endpoint_internal.h"
#include "report/fleet.h"

/* --- parsing a request ---
 *
 * Of the lines only the first one, Host and Content-Length count. A request that would need more (a
 * chunked body, several lengths or hosts) is refused, never guessed. */

enum { BAD_REQUEST = 400, TOO_LARGE = 413, HEAD_TOO_LARGE = 431, NOT_IMPLEMENTED = 501 };

struct line {
	const char *text;
	size_t len; /* without its end */
};

static enum request_verdict refuse(struct request *out, int status, const char *why,
                                   struct err *err)
{
	out->status = status;
	err_set(err, "%s", why);
	return REQUEST_REFUSED;
}

/* The line at *offset, which moves behind it; false if the end of the line has not come yet. */
static bool next_line(const char *data, size_t len, size_t *offset, struct line *out)
{
	const char *start = data + *offset, *end = memchr(start, '\n', len - *offset);

	if (end == NULL)
		return false;
	*offset = (size_t)(end - data) + 1;
	*out = (struct line){.text = start, .len = (size_t)(end - start)};
	out->len -= out->len > 0 && out->text[out->len - 1] == '\r';
	return true;
}

/* Takes the word up to the next space off the front of the line. It has to be visible ASCII, and to
 * fit into `out`. */
static bool take_word(struct line *line, char *out, size_t size)
{
	size_t len = 0;

	while (len < line->len && line->text[len] > ' ' && line->text[len] < 0x7f)
		len++;
	if (len == 0 || len >= size || (len < line->len && line->text[len] != ' '))
		return false;
	memcpy(out, line->text, len);
	out[len] = '\0';
	len += len < line->len;
	line->text += len;
	line->len -= len;
	return true;
}

static bool parse_request_line(struct line line, struct request *out)
{
	char version[10];

	if (!take_word(&line, out->method, sizeof(out->method)) ||
	    !take_word(&line, out->path, sizeof(out->path)) ||
	    !take_word(&line, version, sizeof(version)) || line.len > 0)
		return false;
	if (out->path[0] != '/' || strncmp(version, "HTTP/1.", 7) != 0)
		return false;
	out->path[strcspn(out->path, "?#")] = '\0';
	return true;
}

/* The value of the header `name`; false if the line is another header. */
static bool header_value(struct line line, const char *name, struct line *value)
{
	size_t len = strlen(name);

	if (line.len <= len || strncasecmp(line.text, name, len) != 0 || line.text[len] != ':')
		return false;
	*value = (struct line){.text = line.text + len + 1, .len = line.len - len - 1};
	while (value->len > 0 && strchr(" \t", value->text[0]) != NULL) {
		value->text++;
		value->len--;
	}
	while (value->len > 0 && strchr(" \t", value->text[value->len - 1]) != NULL)
		value->len--;
	return true;
}

/* Digits only. A number above the limit stays above it, however long it is. */
static bool parse_length(struct line value, size_t *out)
{
	size_t length = 0;

	for (size_t i = 0; i < value.len; i++) {
		if (value.text[i] < '0' || value.text[i] > '9')
			return false;
		if (length <= REQUEST_BODY_MAX)
			length = length * 10 + (size_t)(value.text[i] - '0');
	}
	*out = length;
	return value.len > 0;
}

/* A second Host is refused: something in between could have checked the other one. */
static enum request_verdict parse_header(struct line line, struct request *out, struct err *err)
{
	struct line value;

	if (header_value(line, "Transfer-Encoding", &value))
		return refuse(out, NOT_IMPLEMENTED,
		              "Transfer-Encoding is not supported: send a Content-Length", err);
	if (header_value(line, "Content-Length", &value)) {
		if (out->has_length || !parse_length(value, &out->body_len))
			return refuse(out, BAD_REQUEST, "Content-Length must be one number", err);
		out->has_length = true;
		if (out->body_len > REQUEST_BODY_MAX)
			return refuse(out, TOO_LARGE, "the body is too large: 16 kB are allowed",
			              err);
	} else if (header_value(line, "Host", &value)) {
		if (out->has_host ||
		    (value.len > 0 && !take_word(&value, out->host, sizeof(out->host))) ||
		    value.len > 0)
			return refuse(out, BAD_REQUEST, "Host must be one name", err);
		out->has_host = true;
	}
	return REQUEST_COMPLETE;
}

static enum request_verdict parse_head(const char *data, size_t len, struct request *out,
                                       struct err *err)
{
	enum request_verdict verdict = REQUEST_COMPLETE;
	size_t offset = 0;
	struct line line;

	if (!next_line(data, len, &offset, &line))
		return REQUEST_PARTIAL;
	if (!parse_request_line(line, out))
		return refuse(out, BAD_REQUEST,
		              "the request line must be like \"GET /path HTTP/1.1\"", err);
	while (verdict == REQUEST_COMPLETE && next_line(data, len, &offset, &line)) {
		out->head_len = offset;
		if (line.len == 0)
			return REQUEST_COMPLETE;
		verdict = parse_header(line, out, err);
	}
	return verdict == REQUEST_COMPLETE ? REQUEST_PARTIAL : verdict;
}

enum request_verdict request_parse(const char *data, size_t len, struct request *out,
                                   struct err *err)
{
	size_t visible = len < REQUEST_HEAD_MAX ? len : REQUEST_HEAD_MAX;
	enum request_verdict verdict;

	*out = (struct request){.status = 0};
	verdict = parse_head(data, visible, out, err);
	if (verdict == REQUEST_PARTIAL && len >= REQUEST_HEAD_MAX)
		return refuse(out, HEAD_TOO_LARGE, "the headers are too large: 16 kB are allowed",
		              err);
	if (verdict == REQUEST_COMPLETE && len - out->head_len < out->body_len)
		return REQUEST_PARTIAL;
	return verdict;
}

#define SLICE_US        500 /* of making a body, before the loop handles everything else */
#define LINGER_MS       1000
#define ACCEPT_PAUSE_MS 1000
/* a connection that has been in its state this long is closed if the next one needs its place */
#define SLOW_MS         100
#define POLICY_NOTHING  "default-src 'none'; frame-ancestors 'none'"

enum connection_state {
	HTTP_READING,  /* the request is not complete; at most timeout_ms */
	HTTP_MAKING,   /* the body is not complete; at most timeout_ms */
	HTTP_REPLYING, /* the reply is not written; at most timeout_ms */
	/* What still comes is dropped, because closing now would reset the connection, and the
	 * client would lose the reply. At most LINGER_MS. */
	HTTP_LINGERING,
};

struct connection {
	struct http *http;
	struct bufferevent *stream;
	struct timer *deadline, *more;
	enum connection_state state;
	int64_t since_ms; /* when it entered this state */
	struct http_reply reply;
	bool head_only; /* the request was HEAD */
	bool has_ended; /* the client has closed its half of the connection */
};

struct http {
	struct event_base *base;
	struct evconnlistener *listener;
	struct timer *accept_again;
	int timeout_ms;
	http_answer_fn *answer;
	void *arg;
	struct connection *connections[HTTP_CONNECTIONS_MAX];
	size_t connection_count;
};

/* The only place where `state` is written. */
static void connection_enter(struct connection *connection, enum connection_state state)
{
	connection->state = state;
	connection->since_ms = clock_now_ms();
	timer_start(connection->deadline,
	            state == HTTP_LINGERING ? LINGER_MS : connection->http->timeout_ms);
}

static void connection_free(struct connection *connection)
{
	timer_free(connection->deadline);
	timer_free(connection->more);
	strbuf_fini(&connection->reply.body);
	bufferevent_free(connection->stream);
	free(connection);
}

static void connection_leave(void *arg)
{
	struct connection *connection = arg;
	struct http *http = connection->http;
	size_t index = 0;

	while (http->connections[index] != connection)
		index++;
	if (http->connection_count == HTTP_CONNECTIONS_MAX)
		evconnlistener_enable(http->listener);
	http->connections[index] = http->connections[--http->connection_count];
	connection_free(connection);
}

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {{200, "OK"},
	               {400, "Bad Request"},
	               {404, "Not Found"},
	               {405, "Method Not Allowed"},
	               {409, "Conflict"},
	               {413, "Content Too Large"},
	               {421, "Misdirected Request"},
	               {431, "Request Header Fields Too Large"},
	               {501, "Not Implemented"},
	               {503, "Service Unavailable"}};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

void http_refuse(struct http_reply *reply, int status, const char *why)
{
	json_auto_t *document = json_pack("{s:o}", "error", report_text_json(why));
	auto_free char *text = json_dumps(document, JSON_COMPACT);

	reply->status = status;
	reply->type = "application/json";
	strbuf_reset(&reply->body);
	strbuf_printf(&reply->body, "%s\n", text);
}

static void send_reply(struct connection *connection)
{
	struct http_reply *reply = &connection->reply;
	struct evbuffer *out = bufferevent_get_output(connection->stream);

	evbuffer_add_printf(out,
	                    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	                    "Cache-Control: no-store\r\nConnection: close\r\n"
	                    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
	                    "Content-Security-Policy: %s\r\n",
	                    reply->status, reason(reply->status), reply->type, reply->body.len,
	                    reply->policy != NULL ? reply->policy : POLICY_NOTHING);
	if (reply->allow != NULL)
		evbuffer_add_printf(out, "Allow: %s\r\n", reply->allow);
	evbuffer_add(out, "\r\n", 2);
	if (!connection->head_only)
		evbuffer_add(out, reply->body.data, reply->body.len);
	strbuf_fini(&reply->body);
	connection_enter(connection, HTTP_REPLYING);
}

/* Works for SLICE_US at most: a long body must not block the loop. */
static void make_more(void *arg)
{
	struct connection *connection = arg;
	struct http_reply *reply = &connection->reply;
	int64_t until_us = clock_now_us() + SLICE_US;

	while (reply->more != NULL) {
		if (!reply->more(reply, connection->http->arg)) {
			reply->more = NULL;
		} else if (clock_now_us() >= until_us) {
			timer_start(connection->more, 0); /* after all other work of the loop */
			return;
		}
	}
	send_reply(connection);
}

static void read_request(struct connection *connection)
{
	struct evbuffer *in = bufferevent_get_input(connection->stream);
	size_t len = evbuffer_get_length(in);
	const char *data = (const char *)evbuffer_pullup(in, -1);
	struct http_reply *reply = &connection->reply;
	struct request request;
	struct err err = {0};

	switch (request_parse(data, len, &request, &err)) {
	case REQUEST_PARTIAL:
		return;
	case REQUEST_REFUSED:
		http_refuse(reply, request.status, err.message);
		break;
	case REQUEST_COMPLETE:
		connection->http->answer(&request, data + request.head_len, reply,
		                         connection->http->arg);
		break;
	}
	evbuffer_drain(in, len);
	connection->head_only = strcmp(request.method, "HEAD") == 0;
	connection_enter(connection, HTTP_MAKING);
	make_more(connection);
}

static void on_read(struct bufferevent *stream, void *arg)
{
	struct connection *connection = arg;
	struct evbuffer *in = bufferevent_get_input(stream);

	if (connection->state == HTTP_READING)
		read_request(connection);
	else
		evbuffer_drain(in, evbuffer_get_length(in));
}

static void on_written(struct bufferevent *stream, void *arg)
{
	struct connection *connection = arg;

	if (connection->state != HTTP_REPLYING)
		return;
	if (connection->has_ended) {
		connection_leave(connection);
		return;
	}
	shutdown(bufferevent_getfd(stream), SHUT_WR);
	connection_enter(connection, HTTP_LINGERING);
}

/* A client that has closed its half may still wait for the reply. The connection is broken only if
 * writing fails, too. */
static void on_end(struct bufferevent *stream, short what, void *arg)
{
	struct connection *connection = arg;

	(void)stream;
	if ((what & BEV_EVENT_EOF) != 0 && (what & BEV_EVENT_READING) != 0 &&
	    (connection->state == HTTP_MAKING || connection->state == HTTP_REPLYING))
		connection->has_ended = true;
	else
		connection_leave(connection);
}

/* Which connection is closed first to make room: one that still sends its request, then one that
 * has its whole reply, then one that reads its reply slowly. 0: it is never closed. */
static const int ranks[] = {
    [HTTP_READING] = 3, [HTTP_LINGERING] = 2, [HTTP_REPLYING] = 1, [HTTP_MAKING] = 0};

static bool goes_before(const struct connection *a, const struct connection *b)
{
	int more = ranks[a->state] - ranks[b->state];

	return more > 0 || (more == 0 && a->since_ms < b->since_ms);
}

/* Every connection has SLOW_MS in each state, which is enough for a normal client. Until then the
 * next one waits in the backlog. */
static void make_room(struct http *http)
{
	int64_t slow_ms = clock_now_ms() - SLOW_MS;
	struct connection *first = NULL;

	for (size_t i = 0; i < http->connection_count; i++) {
		struct connection *connection = http->connections[i];

		if (connection->since_ms <= slow_ms && ranks[connection->state] > 0 &&
		    (first == NULL || goes_before(connection, first)))
			first = connection;
	}
	if (first != NULL)
		connection_leave(first);
	else
		timer_start(http->accept_again, SLOW_MS);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int address_len, void *arg)
{
	struct http *http = arg;
	struct connection *connection = xcalloc(1, sizeof(*connection));
	int priority = event_base_get_npriorities(http->base) - 1;

	(void)address;
	(void)address_len;
	connection->http = http;
	connection->deadline = timer_new(http->base, connection_leave, connection);
	connection->more = timer_new(http->base, make_more, connection);
	connection->reply = (struct http_reply){.status = 200, .type = "text/plain"};
	strbuf_init(&connection->reply.body);
	connection->stream = bufferevent_socket_new(http->base, fd, BEV_OPT_CLOSE_ON_FREE);
	timer_set_priority(connection->deadline, priority);
	timer_set_priority(connection->more, priority);
	bufferevent_priority_set(connection->stream, priority);
	bufferevent_setwatermark(connection->stream, EV_READ, 0,
	                         REQUEST_HEAD_MAX + REQUEST_BODY_MAX);
	bufferevent_setcb(connection->stream, on_read, on_written, on_end, connection);
	http->connections[http->connection_count++] = connection;
	connection_enter(connection, HTTP_READING);
	bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
	if (http->connection_count < HTTP_CONNECTIONS_MAX)
		return;
	evconnlistener_disable(listener);
	make_room(http);
}

/* Most likely there are no file descriptors left: trying again at once would only use CPU time. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct http *http = arg;

	evconnlistener_disable(listener);
	timer_start(http->accept_again, ACCEPT_PAUSE_MS);
}

static void on_accept_again(void *arg)
{
	struct http *http = arg;

	if (http->connection_count < HTTP_CONNECTIONS_MAX)
		evconnlistener_enable(http->listener);
	else
		make_room(http);
}

struct http *http_create(struct event_base *base, int fd, int timeout_ms, http_answer_fn *answer,
                         void *arg)
{
	struct http *http = xcalloc(1, sizeof(*http));

	http->base = base;
	http->timeout_ms = timeout_ms;
	http->answer = answer;
	http->arg = arg;
	http->accept_again = timer_new(base, on_accept_again, http);
	http->listener = evconnlistener_new(base, on_accept, http,
	                                    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	evconnlistener_set_error_cb(http->listener, on_accept_error);
	return http;
}

void http_destroy(struct http *http)
{
	if (http == NULL)
		return;
	for (size_t i = 0; i < http->connection_count; i++)
		connection_free(http->connections[i]);
	evconnlistener_free(http->listener);
	timer_free(http->accept_again);
	free(http);
}
