/* segue health: a yes or no about the segue that runs here, as an exit code, for what restarts
 * containers or waits for them. Silent where all is well; changes nothing. */
#include <stdio.h>

#include "base/strbuf.h"
#include "cmd.h"
#include "report/client.h"

#define TIMEOUT_MS 2000

static const char usage[] =
    "usage: segue health [-c FILE] [-s SOCKET] [--ready]\n"
    "\n"
    "  -c, --config FILE    the configuration (" CMD_DEFAULT_CONFIG "), for its listen\n"
    "  -s, --socket SOCKET  where segue listens instead: /PATH, unix:/PATH or host:port\n"
    "      --ready          and every target is confirmed on an admitted primary\n"
    "\n"
    "Asks the segue run that runs here. Without --ready nothing but its answer counts: a store that\n"
    "is away is no reason to restart what stays where it is. Exit code: 0 it answers within two\n"
    "seconds, 1 it does not, 2 usage or configuration.\n";

int cmd_health(int argc, char **argv)
{
	static const struct cmd_syntax syntax = {
	    .usage = usage, .takes_socket = true, .takes_ready = true};
	struct client_call call = {.method = "GET", .body = "", .timeout_ms = TIMEOUT_MS};
	auto_strbuf struct strbuf body = STRBUF_INIT;
	auto_free char *listen = NULL;
	struct cmd_args args;
	enum client_reach reach;
	struct err err;
	int code, status = 0;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	listen = cmd_listen("health", &args);
	if (listen == NULL)
		return CMD_USAGE;
	call.listen = listen;
	call.path = args.ready ? "/readyz" : "/healthz";
	if (!client_request(&call, &status, &body, &reach, &err)) {
		fprintf(stderr, "segue health: %s\n", err.message);
		return CMD_FAILED;
	}
	if (status == 200)
		return CMD_OK;
	fputs(body.data, stderr);
	return CMD_FAILED;
}
