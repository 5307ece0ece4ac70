/* The endpoint: which requests it accepts, and its listeners, each of which is tried again until it
 * listens. It changes nothing by itself. Anybody may connect over TCP, so no request over TCP
 * changes anything. Always holds: each listener has its own limit of connections, so that many
 * clients on one do not block another. */
#include "report/endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/timer.h"
#include "config/grammar.h"
#include "endpoint_internal.h"
#include "page_bytes.h"
#include "report/metrics.h"

#define TIMEOUT_MS      10000
#define RETRY_FIRST_MS  1000
#define RETRY_MAX_MS    30000
#define OVERRIDE_PREFIX "/override/"

/* One address that it listens on. */
struct listener {
	struct report_server *server;
	char *listen; /* as configured */
	struct listen_address address;
	struct listen_file file;
	struct http *http; /* NULL: it does not listen */
	struct timer *retry;
	unsigned attempt;
	struct err problem; /* of the last attempt; "" while it listens */
};

struct report_server {
	struct event_base *base;
	struct report_source source;
	char *names;
	struct listener *listeners[LISTEN_MAX];
	size_t listener_count;
};

static void refuse_method(struct http_reply *reply, const char *allow, const char *why)
{
	reply->allow = allow;
	http_refuse(reply, 405, why);
}

static void override(struct report_server *server, const char *cluster, const char *body,
                     size_t len, struct http_reply *reply)
{
	json_error_t error;
	json_auto_t *document = json_loadb(body, len, JSON_REJECT_DUPLICATES, &error);
	struct err err = {0};

	reply->type = "application/json";
	if (!grammar_name(cluster))
		http_refuse(reply, 404, "no cluster can have that name");
	else if (!json_is_object(document))
		http_refuse(reply, 400, "the body is not a JSON object");
	else if (!server->source.override(server->source.arg, cluster, document, &err))
		http_refuse(reply, 409, err.message);
	else
		strbuf_append_str(&reply->body, "{\"ok\":true}\n");
}

/* --- GET --- */

static bool more_status(struct http_reply *reply, void *arg)
{
	const struct report_server *server = ((const struct listener *)arg)->server;

	return server->source.status(server->source.arg, &reply->at, &reply->body);
}

static bool more_metrics(struct http_reply *reply, void *arg)
{
	const struct report_server *server = ((const struct listener *)arg)->server;

	return server->source.metrics(server->source.arg, &reply->at, &reply->body);
}

static bool more_ready(struct http_reply *reply, void *arg)
{
	const struct report_server *server = ((const struct listener *)arg)->server;

	if (server->source.ready(server->source.arg, &reply->body))
		strbuf_append_str(&reply->body, "ready\n");
	else
		reply->status = 503;
	return false;
}

/* The status page is built by the Makefile from page.html, page.css and page.js. Everybody gets the
 * same bytes: its script requests the data. It may run its own script and send requests to its own
 * origin, and nothing else. */
#define POLICY                                                                               \
	"default-src 'none'; connect-src 'self'; img-src data:; style-src '" PAGE_STYLE_HASH \
	"'; script-src '" PAGE_SCRIPT_HASH                                                   \
	"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const struct route {
	const char *path, *type, *policy;
	const void *body;
	size_t len;
	bool (*more)(struct http_reply *reply, void *arg);
} routes[] = {
    {"/", "text/html; charset=utf-8", POLICY, page_bytes, sizeof(page_bytes), NULL},
    {"/status", "application/json", NULL, "", 0, more_status},
    {"/healthz", "text/plain", NULL, "ok\n", 3, NULL},
    {"/readyz", "text/plain", NULL, "", 0, more_ready},
    {"/metrics", METRICS_TYPE, NULL, "", 0, more_metrics},
};

static void answer_get(const char *path, struct http_reply *reply)
{
	auto_strbuf struct strbuf why = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		strbuf_printf(&why, "%s %s", i == 0 ? "there is" : ",", routes[i].path);
		if (strcmp(routes[i].path, path) != 0)
			continue;
		reply->type = routes[i].type;
		reply->policy = routes[i].policy;
		reply->more = routes[i].more;
		strbuf_append(&reply->body, routes[i].body, routes[i].len);
		return;
	}
	if (strncmp(path, OVERRIDE_PREFIX, strlen(OVERRIDE_PREFIX)) == 0)
		refuse_method(reply, "POST", "an override is set by POST");
	else
		http_refuse(reply, 404, why.data);
}

static void refuse_host(const struct report_server *server, const char *host,
                        struct http_reply *reply)
{
	auto_free char *why = xasprintf(
	    "the Host header \"%s\" is not allowed. Allowed: an IP address, localhost%s%s, and the "
	    "names in listen_hosts of segue.ini: add this name there if clients use it",
	    host, *server->names != '\0' ? ", " : "", server->names);

	http_refuse(reply, 421, why);
}

static void answer(const struct request *request, const char *body, struct http_reply *reply,
                   void *arg)
{
	const struct listener *listener = arg;
	struct report_server *server = listener->server;
	const char *path = request->path;
	bool is_override = strncmp(path, OVERRIDE_PREFIX, strlen(OVERRIDE_PREFIX)) == 0;

	if (!listener->address.is_unix && !host_is_allowed(request->host, server->names))
		refuse_host(server, request->host, reply);
	else if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0)
		answer_get(path, reply);
	else if (!listener->address.is_unix)
		refuse_method(reply, "GET, HEAD",
		              "only GET is allowed over TCP: send commands over a unix socket");
	else if (!is_override)
		refuse_method(reply, "GET, HEAD", "only GET is allowed here");
	else if (strcmp(request->method, "POST") != 0)
		refuse_method(reply, "POST", "an override is set by POST");
	else
		override(server, path + strlen(OVERRIDE_PREFIX), body, request->body_len, reply);
}

/* --- listeners --- */

static void listener_open(void *arg)
{
	struct listener *listener = arg;
	struct err err = {0};
	int fd = listen_open(&listener->address, &listener->file, &err);
	int64_t retry_ms;

	if (fd >= 0) {
		listener->http =
		    http_create(listener->server->base, fd, TIMEOUT_MS, answer, listener);
		listener->attempt = 0;
		listener->problem.message[0] = '\0';
		log_info("status_served", KV_STR("listen", listener->listen));
		return;
	}
	retry_ms = clock_backoff_ms(++listener->attempt, RETRY_FIRST_MS, RETRY_MAX_MS);
	timer_start(listener->retry, retry_ms);
	/* Logged once for each reason, not for each attempt. */
	if (strcmp(err.message, listener->problem.message) != 0)
		log_warning("status_unavailable", KV_STR("listen", listener->listen), KV_ERR(&err),
		            KV_MS("retry_ms", retry_ms * 1000));
	listener->problem = err;
}

static void listener_destroy(struct listener *listener)
{
	if (listener->http != NULL) {
		listen_remove(&listener->address, &listener->file);
		http_destroy(listener->http);
	}
	timer_free(listener->retry);
	free(listener->listen);
	free(listener);
}

static struct listener *listener_create(struct report_server *server, const char *listen,
                                        const struct listen_address *address)
{
	struct listener *listener = xcalloc(1, sizeof(*listener));

	listener->server = server;
	listener->listen = xstrdup(listen);
	listener->address = *address;
	listener->retry = timer_new(server->base, listener_open, listener);
	listener_open(listener);
	return listener;
}

/* Removes the listener from the server and returns it; NULL: the server has none for `listen`. */
static struct listener *take_listener(struct report_server *server, const char *listen)
{
	for (size_t i = 0; i < server->listener_count; i++) {
		struct listener *listener = server->listeners[i];

		if (strcmp(listener->listen, listen) == 0) {
			server->listeners[i] = server->listeners[--server->listener_count];
			return listener;
		}
	}
	return NULL;
}

/* Listeners that are no longer configured are closed before new ones are opened, because a new one
 * may need the same port. */
bool report_server_set_listen(struct report_server *server, const char *listen, struct err *err)
{
	struct listen_address addresses[LISTEN_MAX];
	char *items[LISTEN_MAX];
	struct listener *listeners[LISTEN_MAX];
	auto_free char *list = xstrdup(listen);
	size_t count;

	if (!listen_split(list, items, addresses, &count, err))
		return false;
	for (size_t i = 0; i < count; i++)
		listeners[i] = take_listener(server, items[i]);
	while (server->listener_count > 0)
		listener_destroy(server->listeners[--server->listener_count]);
	for (size_t i = 0; i < count; i++) {
		if (listeners[i] == NULL)
			listeners[i] = listener_create(server, items[i], &addresses[i]);
		server->listeners[server->listener_count++] = listeners[i];
	}
	return true;
}

struct report_server *report_server_create(struct event_base *base, const char *listen,
                                           const struct report_source *source, struct err *err)
{
	struct report_server *server = xcalloc(1, sizeof(*server));

	server->base = base;
	server->source = *source;
	server->names = xstrdup("");
	if (report_server_set_listen(server, listen, err))
		return server;
	report_server_destroy(server);
	return NULL;
}

void report_server_destroy(struct report_server *server)
{
	if (server == NULL)
		return;
	while (server->listener_count > 0)
		listener_destroy(server->listeners[--server->listener_count]);
	free(server->names);
	free(server);
}

void report_server_set_names(struct report_server *server, const char *names)
{
	free(server->names);
	server->names = xstrdup(names);
}

const char *report_server_problem(const struct report_server *server)
{
	for (size_t i = 0; i < server->listener_count; i++)
		if (server->listeners[i]->problem.message[0] != '\0')
			return server->listeners[i]->problem.message;
	return "";
}
