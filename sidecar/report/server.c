/* The endpoint: what may be asked, and how, and the listener that is tried again until there is
 * one. Changes nothing by itself; over TCP, which anybody may reach, nobody changes anything. */
#include "report/server.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/grammar.h"
#include "report/host.h"
#include "report/http.h"
#include "report/listen.h"
#include "report/metrics.h"
#include "report/page.h"

#define TIMEOUT_MS      10000
#define RETRY_FIRST_MS  1000
#define RETRY_MAX_MS    30000
#define OVERRIDE_PREFIX "/override/"

struct report_server {
	struct event_base *base;
	struct report_source source;
	char *listen; /* as configured; "" for nowhere */
	char *names;
	struct listen_address address;
	struct listen_file file;
	struct http *http; /* NULL: it does not listen */
	struct event *retry;
	unsigned attempt;
	struct err problem; /* of the last attempt; "" when it listens */
};

static void refuse_method(struct http_reply *reply, const char *allow, const char *why)
{
	reply->allow = allow;
	http_refuse(reply, 405, why);
}

static void set_json(struct http_reply *reply, json_t *document)
{
	auto_free char *text = document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;

	json_decref(document);
	if (text == NULL) {
		http_refuse(reply, 503, "there is nothing to show");
		return;
	}
	reply->type = "application/json";
	strbuf_printf(&reply->body, "%s\n", text);
}

static void override(struct report_server *server, const char *cluster, const char *body,
                     size_t len, struct http_reply *reply)
{
	json_error_t error;
	json_auto_t *document = json_loadb(body, len, JSON_REJECT_DUPLICATES, &error);
	struct err err = {""};

	if (!grammar_name(cluster))
		http_refuse(reply, 404, "no cluster can have that name");
	else if (!json_is_object(document))
		http_refuse(reply, 400, "the body is no JSON object");
	else if (!server->source.override(server->source.arg, cluster, document, &err))
		http_refuse(reply, 409, err.message);
	else
		set_json(reply, json_pack("{s:b}", "ok", 1));
}

/* --- what may be read --- */

static void get_page(const struct report_server *server, struct http_reply *reply)
{
	(void)server;
	page_fill(reply);
}

static bool more_status(struct http_reply *reply, void *arg)
{
	const struct report_server *server = arg;

	return server->source.status(server->source.arg, &reply->at, &reply->body);
}

static bool more_metrics(struct http_reply *reply, void *arg)
{
	const struct report_server *server = arg;

	return server->source.metrics(server->source.arg, &reply->at, &reply->body);
}

static void get_metrics(const struct report_server *server, struct http_reply *reply)
{
	(void)server;
	reply->type = METRICS_TYPE;
	reply->more = more_metrics;
}

static void get_status(const struct report_server *server, struct http_reply *reply)
{
	(void)server;
	reply->type = "application/json";
	reply->more = more_status;
}

static void get_health(const struct report_server *server, struct http_reply *reply)
{
	(void)server;
	strbuf_append_str(&reply->body, "ok\n");
}

static void get_ready(const struct report_server *server, struct http_reply *reply)
{
	if (server->source.ready(server->source.arg, &reply->body))
		strbuf_append_str(&reply->body, "ready\n");
	else
		reply->status = 503;
}

static const struct route {
	const char *path;
	void (*get)(const struct report_server *server, struct http_reply *reply);
} routes[] = {
    {"/", get_page},        {"/status", get_status},   {"/healthz", get_health},
    {"/readyz", get_ready}, {"/metrics", get_metrics},
};

static void refuse_path(struct http_reply *reply)
{
	auto_strbuf struct strbuf why = STRBUF_INIT;

	strbuf_append_str(&why, "there is");
	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		strbuf_printf(&why, "%s %s", i == 0 ? "" : ",", routes[i].path);
	http_refuse(reply, 404, why.data);
}

static void answer_get(const struct report_server *server, const char *path,
                       struct http_reply *reply)
{
	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		if (strcmp(routes[i].path, path) == 0) {
			routes[i].get(server, reply);
			return;
		}
	if (strncmp(path, OVERRIDE_PREFIX, strlen(OVERRIDE_PREFIX)) == 0)
		refuse_method(reply, "POST", "an override is set by POST");
	else
		refuse_path(reply);
}

static void refuse_host(const struct report_server *server, const char *host,
                        struct http_reply *reply)
{
	auto_free char *why = xasprintf(
	    "the Host header is \"%s\": allowed: an IP address, localhost%s%s, and what "
	    "listen_hosts in segue.ini lists, where this name belongs if people are to ask by it",
	    host, *server->names != '\0' ? ", " : "", server->names);

	http_refuse(reply, 421, why);
}

static void answer(const struct request *request, const char *body, struct http_reply *reply,
                   void *arg)
{
	struct report_server *server = arg;
	const char *path = request->path;
	bool is_override = strncmp(path, OVERRIDE_PREFIX, strlen(OVERRIDE_PREFIX)) == 0;

	if (!server->address.is_unix && !host_is_allowed(request->host, server->names))
		refuse_host(server, request->host, reply);
	else if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0)
		answer_get(server, path, reply);
	else if (!server->address.is_unix)
		refuse_method(reply, "GET, HEAD",
		              "over TCP nothing but GET is taken: orders go through a unix socket");
	else if (!is_override)
		refuse_method(reply, "GET, HEAD", "only GET is taken here");
	else if (strcmp(request->method, "POST") != 0)
		refuse_method(reply, "POST", "an override is set by POST");
	else
		override(server, path + strlen(OVERRIDE_PREFIX), body, request->body_len, reply);
}

/* Said once for each reason, not at each attempt. */
static void note_failure(struct report_server *server, const struct err *err, int64_t retry_ms)
{
	if (strcmp(err->message, server->problem.message) != 0)
		log_warning("status_unavailable", KV_STR("listen", server->listen), KV_ERR(err),
		            KV_MS("retry_ms", retry_ms * 1000));
	server->problem = *err;
}

static void try_listen(struct report_server *server)
{
	struct err err = {""};
	int fd = listen_open(&server->address, &server->file, &err);
	int64_t wait_ms;
	struct timeval wait;

	if (fd >= 0) {
		server->http = http_create(server->base, fd, TIMEOUT_MS, answer, server);
		server->attempt = 0;
		server->problem.message[0] = '\0';
		log_info("status_served", KV_STR("listen", server->listen));
		return;
	}
	wait_ms = clock_backoff_ms(++server->attempt, RETRY_FIRST_MS, RETRY_MAX_MS);
	wait = (struct timeval){.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
	event_add(server->retry, &wait);
	note_failure(server, &err, wait_ms);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	try_listen(arg);
}

static void stop(struct report_server *server)
{
	event_del(server->retry);
	if (server->http == NULL)
		return;
	listen_remove(&server->address, &server->file);
	http_destroy(STEAL(server->http));
}

bool report_server_set_listen(struct report_server *server, const char *listen, struct err *err)
{
	struct listen_address address = {.len = 0};

	if (server->listen != NULL && strcmp(server->listen, listen) == 0)
		return true;
	if (*listen != '\0' && !listen_parse(listen, &address, err))
		return false;
	stop(server);
	free(server->listen);
	server->listen = xstrdup(listen);
	server->address = address;
	server->attempt = 0;
	server->problem.message[0] = '\0';
	if (*listen != '\0')
		try_listen(server);
	return true;
}

struct report_server *report_server_create(struct event_base *base, const char *listen,
                                           const struct report_source *source, struct err *err)
{
	struct report_server *server = xcalloc(1, sizeof(*server));

	server->base = base;
	server->source = *source;
	server->names = xstrdup("");
	server->retry = evtimer_new(base, on_retry, server);
	if (report_server_set_listen(server, listen, err))
		return server;
	report_server_destroy(server);
	return NULL;
}

void report_server_destroy(struct report_server *server)
{
	if (server == NULL)
		return;
	stop(server);
	event_free(server->retry);
	free(server->listen);
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
	return server->problem.message;
}
