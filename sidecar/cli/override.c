/* segue pin, freeze and release: send an override to the segue that runs on this machine, which
 * keeps it. If none runs, nothing is written, because nobody would know whether it is in force. A
 * pin's server is asked first and, without --force, refused if it is no primary of the cluster. */
#include <event2/event.h>
#include <inttypes.h>
#include <jansson.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/endpoint.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "cli/cli.h"
#include "cli_internal.h"
#include "cluster/override.h"
#include "cluster/state_file.h"
#include "config/config.h"
#include "config/grammar.h"
#include "report/client.h"
#include "topology/layout_fields.h"
#include "zookeeper/resolver.h"

#define TIMEOUT_MS 5000
#define OPTIONS                                                                                \
	"\n"                                                                                   \
	"  -c, --config FILE    the configuration (" CONFIG_DEFAULT_FILE "), for its listen\n" \
	"  -s, --socket SOCKET  the unix socket of the segue on this machine\n"                \
	"\n"

static bool numeric(const struct addrinfo *info, char out[TOPOLOGY_ADDRESS_MAX])
{
	return getnameinfo(info->ai_addr, info->ai_addrlen, out, TOPOLOGY_ADDRESS_MAX, NULL, 0,
	                   NI_NUMERICHOST) == 0;
}

/* Prints the address that is used if `host` is a name, and its other addresses. */
static bool resolve(const char *host, struct override *out, struct err *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	char other[TOPOLOGY_ADDRESS_MAX];
	struct addrinfo *found = NULL;
	int result = getaddrinfo(host, NULL, &hints, &found);
	bool ok;

	if (result != 0)
		return err_set(err, "%s: %s", host, gai_strerror(result));
	ok = numeric(found, out->address) || err_set(err, "%s: no IP address", host);
	if (ok && strcmp(host, out->address) != 0)
		printf("%s is %s\n", host, out->address);
	for (const struct addrinfo *rest = found->ai_next; ok && rest != NULL; rest = rest->ai_next)
		if (numeric(rest, other))
			printf("%s is also %s: the first is used\n", host, other);
	freeaddrinfo(found);
	return ok;
}

/* --- the server of a pin --- */

struct pin {
	struct config *config;
	const struct config_cluster *cluster;
	struct member member;
	struct event_base *base;
	struct resolver *resolver;
	struct ask_server *asking;
};

static bool ask(struct pin *pin, struct err *err)
{
	pin->base = event_base_new();
	if (pin->base == NULL)
		return err_set(err, "cannot create an event loop");
	pin->resolver = resolver_create(pin->base, err);
	if (pin->resolver == NULL)
		return false;
	pin->asking = ask_server_create(pin->base, pin->resolver, pin->config, pin->cluster, err);
	if (pin->asking == NULL || !ask_server_add(pin->asking, &pin->member, err))
		return false;
	ask_server_run(pin->asking);
	return true;
}

/* The system identifier in the state file of segue run; "": it is not known, or this user may not
 * read that file. */
static void find_identifier(const struct pin *pin, char out[32])
{
	auto_strbuf struct strbuf note = STRBUF_INIT;
	struct applied applied;
	struct err ignored;

	*out = '\0';
	if (state_load(pin->config->state_dir, pin->cluster, pin->config->zookeeper_hosts, &applied,
	               &note, &ignored))
		snprintf(out, 32, "%s", applied.topology.system_identifier);
	applied_fini(&applied);
}

/* Appends to `problem` why this server should not be pinned. */
static void judge_server(struct pin *pin, const struct cmd_args *args, struct strbuf *problem)
{
	auto_strbuf struct strbuf name = STRBUF_INIT;
	const struct server_fact *fact;
	char identifier[32];
	struct err err;

	pin->config = cmd_load(args->config_file);
	if (pin->config == NULL) {
		strbuf_printf(problem, "it cannot be asked: %s cannot be read", args->config_file);
		return;
	}
	pin->cluster = cmd_cluster(pin->config, args->words[0], &err);
	if (pin->cluster != NULL && pin->cluster->verify == CONFIG_VERIFY_DISABLE) {
		printf("the server was not asked: verify = disable\n");
	} else if (pin->cluster == NULL || !ask(pin, &err)) {
		strbuf_printf(problem, "it cannot be asked: %s", err.message);
	} else {
		find_identifier(pin, identifier);
		ask_server_object(pin->asking, identifier, problem);
		if (problem->len > 0)
			return;
		fact = ask_server_fact(pin->asking);
		ask_server_append_name(&pin->member, &name);
		printf("%s takes writes on timeline %" PRId64 "%s\n", name.data, fact->timeline,
		       *identifier == '\0' || fact->system_identifier[0] == '\0'
		           ? "; it is not known whether it belongs to this cluster"
		           : "");
	}
}

static bool may_be_pinned(const struct cmd_args *args, bool force, const struct override *override)
{
	struct pin pin = {.member = {.lag_bytes = -1}};
	auto_strbuf struct strbuf problem = STRBUF_INIT;
	struct err err;

	log_configure(LOG_ERROR, LOG_TEXT); /* the printed result shows problems */
	if (layout_member_set(&pin.member, "HOST:PORT", override->address, override->port, false,
	                      &err))
		judge_server(&pin, args, &problem);
	else
		strbuf_append_str(&problem, err.message);
	ask_server_destroy(pin.asking);
	resolver_destroy(pin.resolver);
	if (pin.base != NULL)
		event_base_free(pin.base);
	config_free(pin.config);
	if (problem.len > 0)
		fprintf(stderr, "segue pin: %s: %s; %s\n", args->words[0], problem.data,
		        force ? "done anyway, because of --force"
		              : "nothing was changed (use --force to do it anyway)");
	return problem.len == 0 || force;
}

/* --- sending the override --- */

static json_t *encode(const struct override *override)
{
	json_t *body = override_to_json(override);

	if (!json_is_object(body)) {
		json_decref(body);
		body = json_pack("{s:s, s:s}", "kind", "none", "by", override->by);
	}
	json_object_del(body, "since"); /* segue sets it when it accepts the override */
	return body;
}

static void tell_done(const char *cluster, const struct override *override)
{
	char endpoint[ENDPOINT_MAX];

	switch (override->kind) {
	case OVERRIDE_PIN:
		printf(
		    "%s is pinned to %s, regardless of ZooKeeper, until: segue release %s\n",
		    cluster,
		    endpoint_format(endpoint, sizeof(endpoint), override->address, override->port),
		    cluster);
		return;
	case OVERRIDE_FREEZE:
		printf("%s is frozen: nothing is moved or held, until: segue release %s\n", cluster,
		       cluster);
		return;
	case OVERRIDE_NONE:
		printf("%s is released: segue follows ZooKeeper again\n", cluster);
		return;
	}
}

static int send_override(const char *verb, const char *listen, const char *cluster,
                         const struct override *override)
{
	static const char *const then[] = {
	    [CLIENT_NOBODY] = "; nothing was changed\nsegue does not run here. Start it (systemctl "
	                      "start segue) and repeat the command, or name the socket of the "
	                      "running one with -s.",
	    [CLIENT_UNREACHED] = "; nothing was changed",
	    [CLIENT_REACHED] = "; segue status shows what is in force now"};
	auto_free char *path = xasprintf("/override/%s", cluster);
	json_auto_t *document = encode(override), *answer = NULL;
	auto_free char *body = json_dumps(document, JSON_COMPACT);
	const struct client_call call = {.listen = listen,
	                                 .method = "POST",
	                                 .path = path,
	                                 .body = body != NULL ? body : "",
	                                 .timeout_ms = TIMEOUT_MS};
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	enum client_reach reach;
	const char *reason;
	struct err err;
	int status = 0;

	if (client_request(&call, &status, &reply, &reach, &err)) {
		if (status == 200) {
			tell_done(cluster, override);
			return CMD_OK;
		}
		answer = json_loadb(reply.data, reply.len, 0, NULL);
		reason = json_string_value(json_object_get(answer, "error"));
		if (reason != NULL)
			err_set(&err, "%s", reason);
		else
			err_set(&err, "segue answered %d without a reason", status);
	}
	fprintf(stderr, "segue %s: %s%s\n", verb, err.message, then[reach]);
	return CMD_FAILED;
}

/* Sends the override. Does not check the server of a pin. */
static int give(const struct cmd_args *args, const char *verb, struct override *override)
{
	auto_free char *listen = cmd_listen(verb, args);
	const char *cluster = args->words[0];

	if (listen == NULL)
		return CMD_USAGE;
	if (!grammar_name(cluster)) {
		fprintf(stderr, "segue %s: \"%s\" is not a valid cluster name\n", verb, cluster);
		return CMD_USAGE;
	}
	if (strncmp(listen, "unix:", 5) != 0) {
		fprintf(stderr,
		        "segue %s: segue listens on %s, and it accepts no commands over TCP: set "
		        "listen = unix:PATH\n",
		        verb, listen);
		return CMD_FAILED;
	}
	cmd_person(override->by, sizeof(override->by));
	return send_override(verb, listen, cluster, override);
}

static int give_simple(int argc, char **argv, const char *usage, enum override_kind kind)
{
	struct cmd_args args;
	const struct cmd_syntax syntax = {.usage = usage,
	                                  .words_min = 1,
	                                  .words_max = 1,
	                                  .options = {CMD_CONFIG(args), CMD_SOCKET(args)}};
	struct override override = {.kind = kind};
	int code;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	return give(&args, argv[0], &override);
}

int cmd_freeze(int argc, char **argv)
{
	return give_simple(argc, argv,
	                   "usage: segue freeze [-c FILE] [-s SOCKET] CLUSTER\n" OPTIONS
	                   "CLUSTER stays as it is, whatever happens, also across restarts of "
	                   "segue,\nuntil segue release.\n" CMD_EXIT_CODES,
	                   OVERRIDE_FREEZE);
}

int cmd_release(int argc, char **argv)
{
	return give_simple(
	    argc, argv,
	    "usage: segue release [-c FILE] [-s SOCKET] CLUSTER\n" OPTIONS
	    "Ends segue pin and segue freeze: CLUSTER follows ZooKeeper again.\n" CMD_EXIT_CODES,
	    OVERRIDE_NONE);
}

int cmd_pin(int argc, char **argv)
{
	struct cmd_args args;
	bool force = false;
	const struct cmd_syntax syntax = {
	    .usage =
	        "usage: segue pin [-c FILE] [-s SOCKET] [--force] CLUSTER HOST:PORT\n"
	        "\n"
	        "  -c, --config FILE    the configuration (" CONFIG_DEFAULT_FILE ")\n"
	        "  -s, --socket SOCKET  the unix socket of the segue on this machine\n"
	        "      --force          also if the server is a standby, does not answer, or "
	        "belongs to\n"
	        "                       another cluster\n"
	        "\n"
	        "HOST:PORT is the primary of CLUSTER, regardless of ZooKeeper and the servers, "
	        "also across\nrestarts of segue, until segue release. The server is asked first, "
	        "and has to take\nwrites. A host name is resolved once, "
	        "now.\n" CMD_EXIT_CODES,
	    .words_min = 2,
	    .words_max = 2,
	    .options = {CMD_CONFIG(args), CMD_SOCKET(args), {.name = "force", .flag = &force}}};
	struct override override = {.kind = OVERRIDE_PIN};
	auto_free char *host = NULL;
	struct err err;
	int code;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	if (!grammar_host_port(args.words[1], &host, &override.port)) {
		fprintf(stderr, "segue pin: \"%s\" is no HOST:PORT like 10.0.0.1:5432\n",
		        args.words[1]);
		return CMD_USAGE;
	}
	if (!resolve(host, &override, &err)) {
		fprintf(stderr, "segue pin: %s; nothing was changed\n", err.message);
		return CMD_FAILED;
	}
	if (!may_be_pinned(&args, force, &override))
		return CMD_FAILED;
	return give(&args, argv[0], &override);
}
