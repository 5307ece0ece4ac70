/* segue pin, freeze and release: the operator's last word, given to the segue that runs here. It is
 * segue that keeps it: without one nothing is written, as nobody would know whether it counts. */
#include <arpa/inet.h>
#include <jansson.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "cmd.h"
#include "config/grammar.h"
#include "override.h"
#include "report/client.h"

#define TIMEOUT_MS 5000
#define OPTIONS                                                                               \
	"\n"                                                                                  \
	"  -c, --config FILE    the configuration (" CMD_DEFAULT_CONFIG "), for its listen\n" \
	"  -s, --socket SOCKET  the unix socket of the segue that runs here instead\n"        \
	"\n"

struct order {
	const char *verb;
	const char *listen, *cluster;
	struct override override;
};

static bool numeric(const struct addrinfo *info, char out[TOPOLOGY_ADDRESS_MAX])
{
	const void *bytes =
	    info->ai_family == AF_INET6
	        ? (const void *)&((const struct sockaddr_in6 *)info->ai_addr)->sin6_addr
	        : (const void *)&((const struct sockaddr_in *)info->ai_addr)->sin_addr;

	return inet_ntop(info->ai_family, bytes, out, TOPOLOGY_ADDRESS_MAX) != NULL;
}

/* Tells which address a name has become, and which ones were not taken. */
static void tell_addresses(const char *host, const char *address, const struct addrinfo *rest)
{
	char other[TOPOLOGY_ADDRESS_MAX];

	if (strcmp(host, address) != 0)
		printf("%s is %s\n", host, address);
	for (; rest != NULL; rest = rest->ai_next)
		if (numeric(rest, other))
			printf("%s is also %s: the first is taken\n", host, other);
}

static bool resolve(const char *host, struct override *out, struct err *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int result = getaddrinfo(host, NULL, &hints, &found);
	bool ok;

	if (result != 0)
		return err_set(err, "%s: %s", host, gai_strerror(result));
	ok = numeric(found, out->address) || err_set(err, "%s: no IP address", host);
	if (ok)
		tell_addresses(host, out->address, found->ai_next);
	freeaddrinfo(found);
	return ok;
}

static json_t *encode(const struct override *override)
{
	json_t *body = override_to_json(override);

	if (!json_is_object(body)) {
		json_decref(body);
		body = json_pack("{s:s, s:s}", "kind", "none", "by", override->by);
	}
	json_object_del(body, "since"); /* when segue has taken it */
	return body;
}

/* True when it was taken; otherwise `err` says why, for the person. */
static bool judge(int status, const struct strbuf *reply, struct err *err)
{
	json_error_t error;
	json_auto_t *document = json_loadb(reply->data, reply->len, 0, &error);
	const char *reason = json_string_value(json_object_get(document, "error"));

	if (status == 200)
		return true;
	if (reason == NULL)
		return err_set(err, "segue answered %d without a reason", status);
	return err_set(err, "%s", reason);
}

static bool send_order(const struct order *order, enum client_reach *reach, struct err *err)
{
	auto_free char *path = xasprintf("/override/%s", order->cluster);
	json_auto_t *document = encode(&order->override);
	auto_free char *body = json_dumps(document, JSON_COMPACT);
	const struct client_call call = {.listen = order->listen,
	                                 .method = "POST",
	                                 .path = path,
	                                 .body = body != NULL ? body : "",
	                                 .timeout_ms = TIMEOUT_MS};
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	int status = 0;

	return client_request(&call, &status, &reply, reach, err) && judge(status, &reply, err);
}

static void tell_done(const struct order *order)
{
	bool is6 = strchr(order->override.address, ':') != NULL;

	switch (order->override.kind) {
	case OVERRIDE_PIN:
		printf("%s is pinned to %s%s%s:%u, whatever the store says, until: segue release "
		       "%s\n",
		       order->cluster, is6 ? "[" : "", order->override.address, is6 ? "]" : "",
		       order->override.port, order->cluster);
		return;
	case OVERRIDE_FREEZE:
		printf("%s is frozen: nothing is moved or held, until: segue release %s\n",
		       order->cluster, order->cluster);
		return;
	case OVERRIDE_NONE:
		printf("%s is released: segue follows the store again\n", order->cluster);
		return;
	}
}

static int carry_out(const struct order *order)
{
	static const char *const then[] = {
	    [CLIENT_NOBODY] = "; nothing was changed\nsegue does not run here. Start it (systemctl "
	                      "start segue) and say it again, or name the socket of the one that "
	                      "runs with -s.",
	    [CLIENT_UNREACHED] = "; nothing was changed",
	    [CLIENT_REACHED] = "; segue status tells what counts now"};
	enum client_reach reach;
	struct err err;

	if (send_order(order, &reach, &err)) {
		tell_done(order);
		return CMD_OK;
	}
	fprintf(stderr, "segue %s: %s%s\n", order->verb, err.message, then[reach]);
	return CMD_FAILED;
}

/* Everything but the server of a pin. */
static int give(const struct cmd_args *args, const char *verb, struct override override)
{
	auto_free char *listen = cmd_listen(verb, args);
	const struct order order = {
	    .verb = verb, .listen = listen, .cluster = args->words[0], .override = override};

	if (listen == NULL)
		return CMD_USAGE;
	if (!grammar_name(order.cluster)) {
		fprintf(stderr, "segue %s: \"%s\" is no cluster's name\n", verb, order.cluster);
		return CMD_USAGE;
	}
	if (strncmp(listen, "unix:", 5) != 0) {
		fprintf(stderr,
		        "segue %s: segue listens on %s, and over TCP nobody gives orders: set "
		        "listen = unix:PATH\n",
		        verb, listen);
		return CMD_FAILED;
	}
	return carry_out(&order);
}

static int give_simple(int argc, char **argv, const char *usage, enum override_kind kind)
{
	const struct cmd_syntax syntax = {
	    .usage = usage, .words_min = 1, .words_max = 1, .takes_socket = true};
	struct override override = {.kind = kind};
	struct cmd_args args;
	int code;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	cmd_person(override.by, sizeof(override.by));
	return give(&args, argv[0], override);
}

int cmd_freeze(int argc, char **argv)
{
	return give_simple(argc, argv,
	                   "usage: segue freeze [-c FILE] [-s SOCKET] CLUSTER\n" OPTIONS
	                   "All of CLUSTER stays as it is, whatever happens, also over restarts of "
	                   "segue,\nuntil segue release.\n" CMD_EXIT_CODES,
	                   OVERRIDE_FREEZE);
}

int cmd_release(int argc, char **argv)
{
	return give_simple(
	    argc, argv,
	    "usage: segue release [-c FILE] [-s SOCKET] CLUSTER\n" OPTIONS
	    "Ends segue pin and segue freeze: CLUSTER follows the store again.\n" CMD_EXIT_CODES,
	    OVERRIDE_NONE);
}

int cmd_pin(int argc, char **argv)
{
	static const struct cmd_syntax syntax = {
	    .usage = "usage: segue pin [-c FILE] [-s SOCKET] CLUSTER HOST:PORT\n" OPTIONS
	             "HOST:PORT is the primary of CLUSTER, whatever the store and the servers say, "
	             "also over\nrestarts of segue, until segue release. A name becomes an address "
	             "here and now.\n" CMD_EXIT_CODES,
	    .words_min = 2,
	    .words_max = 2,
	    .takes_socket = true};
	struct override override = {.kind = OVERRIDE_PIN};
	auto_free char *host = NULL;
	struct cmd_args args;
	struct err err;
	int code;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	if (!grammar_host_port(args.words[1], &host, &override.port)) {
		fprintf(stderr, "segue pin: \"%s\" is no HOST:PORT, as 10.0.0.1:5432\n",
		        args.words[1]);
		return CMD_USAGE;
	}
	if (!resolve(host, &override, &err)) {
		fprintf(stderr, "segue pin: %s; nothing was changed\n", err.message);
		return CMD_FAILED;
	}
	cmd_person(override.by, sizeof(override.by));
	return give(&args, argv[0], override);
}
