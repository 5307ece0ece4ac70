/* segue fleet: prints once what every sidecar of a cluster reports about itself. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli_internal.h"

#define ANSWER_MAX_S 10

static const char usage[] =
    "usage: segue fleet [-c FILE] [--json] CLUSTER\n"
    "\n"
    "  -c, --config FILE  the configuration (" CONFIG_DEFAULT_FILE "), for [zookeeper] and\n"
    "                     [cluster CLUSTER]\n"
    "      --json         print a JSON document, see segue(1)\n"
    "\n"
    "Shows every live sidecar with fleet = yes, and marks those that are on another primary or on\n"
    "an older value than ZooKeeper has. Exit code: 0 all are on the primary, 1 one is not, or\n"
    "cannot be read, or there is none, 2 usage or configuration.\n";

static int show(struct fleet_reader *fleet_reader, bool as_json)
{
	const struct fleet_view *view;

	if (!fleet_reader_wait(fleet_reader, (int64_t)ANSWER_MAX_S * 1000, NULL, NULL)) {
		fprintf(stderr, "segue fleet: not everything was read in %d s: %s\n", ANSWER_MAX_S,
		        fleet_reader_problem(fleet_reader));
		return CMD_FAILED;
	}
	view = fleet_reader_view(fleet_reader);
	if (as_json) {
		json_auto_t *document = fleet_view_json(view);

		json_dumpf(document, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		fleet_table_print(view, cmd_colour(), stdout);
	}
	if (view->count == 0)
		fprintf(stderr,
		        "segue fleet: no sidecar has a znode: set fleet = yes in [cluster %s] of "
		        "each sidecar\n",
		        view->cluster);
	return fflush(stdout) == 0 && fleet_is_well(view) ? CMD_OK : CMD_FAILED;
}

int cmd_fleet(int argc, char **argv)
{
	struct cmd_args args;
	bool as_json = false;
	const struct cmd_syntax syntax = {
	    .usage = usage,
	    .words_min = 1,
	    .words_max = 1,
	    .options = {CMD_CONFIG(args), {.name = "json", .flag = &as_json}}};
	struct fleet_reader *fleet_reader;
	int code;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	fleet_reader = fleet_reader_open("fleet", args.config_file, args.words[0]);
	if (fleet_reader == NULL)
		return CMD_USAGE;
	code = show(fleet_reader, as_json);
	fleet_reader_close(fleet_reader);
	return code;
}
