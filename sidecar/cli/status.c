/* segue status: asks the segue on this machine for its status and prints it. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "cli/cli.h"
#include "report/client.h"
#include "report/status_table.h"

#define TIMEOUT_MS 5000

static const char usage[] =
    "usage: segue status [-c FILE] [-s SOCKET] [--json] [CLUSTER]\n"
    "\n"
    "  -c, --config FILE    the configuration (" CONFIG_DEFAULT_FILE "), for its listen\n"
    "  -s, --socket SOCKET  where segue listens instead: /PATH, unix:/PATH or host:port\n"
    "      --json           print the JSON document, see segue(1)\n"
    "\n"
    "Prints the status of the segue on this machine, for CLUSTER or for all.\n" CMD_EXIT_CODES;

/* Returns the HTTP status of the reply; 0: there is none, and the reason is printed. */
static int ask(const char *verb, const char *listen, const char *path, int64_t timeout_ms,
               struct strbuf *body)
{
	const struct client_call call = {
	    .listen = listen, .method = "GET", .path = path, .body = "", .timeout_ms = timeout_ms};
	enum client_reach reach;
	struct err err;
	int status = 0;

	if (client_request(&call, &status, body, &reach, &err))
		return status;
	fprintf(
	    stderr, "segue %s: %s%s\n", verb,
	    reach == CLIENT_NOBODY
	        ? "segue does not run here (systemctl status segue segue-pgbouncer), or it could "
	          "not create its socket (event=status_unavailable in its log): "
	        : "",
	    err.message);
	return 0;
}

static const json_t *find_cluster(const json_t *document, const char *name)
{
	const json_t *clusters = json_object_get(document, "clusters"), *cluster;
	size_t index;

	json_array_foreach(clusters, index, cluster)
	{
		const char *found = json_string_value(json_object_get(cluster, "name"));

		if (found != NULL && strcmp(found, name) == 0)
			return cluster;
	}
	return NULL;
}

/* `cluster`: NULL: all of them. */
static int show(const struct strbuf *body, const char *cluster, bool as_json)
{
	json_error_t error;
	json_auto_t *document = json_loadb(body->data, body->len, 0, &error);

	if (!json_is_object(document)) {
		fputs("segue status: segue's answer is no JSON object\n", stderr);
		return CMD_FAILED;
	}
	if (cluster != NULL && find_cluster(document, cluster) == NULL) {
		fprintf(stderr, "segue status: the segue on this machine has no cluster \"%s\"\n",
		        cluster);
		return CMD_FAILED;
	}
	if (as_json) {
		json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
		putchar('\n');
	} else {
		status_table_print(document, cluster, cmd_colour(), stdout);
	}
	return fflush(stdout) == 0 ? CMD_OK : CMD_FAILED;
}

int cmd_status(int argc, char **argv)
{
	struct cmd_args args;
	bool as_json = false;
	const struct cmd_syntax syntax = {
	    .usage = usage,
	    .words_max = 1,
	    .options = {CMD_CONFIG(args), CMD_SOCKET(args), {.name = "json", .flag = &as_json}}};
	auto_strbuf struct strbuf body = STRBUF_INIT;
	auto_free char *listen = NULL;
	int code, status;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	listen = cmd_listen("status", &args);
	if (listen == NULL)
		return CMD_USAGE;
	status = ask("status", listen, "/status", TIMEOUT_MS, &body);
	if (status == 200)
		return show(&body, args.words[0], as_json);
	if (status != 0)
		fprintf(stderr, "segue status: %s: answered with HTTP status %d\n", listen, status);
	return CMD_FAILED;
}

/* segue health: reports by its exit code whether the segue on this machine is healthy, for programs
 * that restart containers or wait for them. Prints nothing if it is healthy; changes nothing. */

#define HEALTH_TIMEOUT_MS 2000

static const char health_usage[] =
    "usage: segue health [-c FILE] [-s SOCKET] [--ready]\n"
    "\n"
    "  -c, --config FILE    the configuration (" CONFIG_DEFAULT_FILE "), for its listen\n"
    "  -s, --socket SOCKET  where segue listens instead: /PATH, unix:/PATH or host:port\n"
    "      --ready          healthy only if every target is confirmed on an admitted primary\n"
    "\n"
    "Asks the segue run on this machine. Without --ready only its answer counts: if\n"
    "ZooKeeper is down the proxies stay as they are, so a restart would not help. Exit code: 0 it\n"
    "answers within two seconds, 1 it does not, 2 usage or configuration.\n";

int cmd_health(int argc, char **argv)
{
	struct cmd_args args;
	bool ready = false;
	const struct cmd_syntax syntax = {
	    .usage = health_usage,
	    .options = {CMD_CONFIG(args), CMD_SOCKET(args), {.name = "ready", .flag = &ready}}};
	auto_strbuf struct strbuf body = STRBUF_INIT;
	auto_free char *listen = NULL;
	int code;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	listen = cmd_listen("health", &args);
	if (listen == NULL)
		return CMD_USAGE;
	if (ask("health", listen, ready ? "/readyz" : "/healthz", HEALTH_TIMEOUT_MS, &body) == 200)
		return CMD_OK;
	fputs(body.data, stderr);
	return CMD_FAILED;
}
