/* The program segue: looks up the verb of the command line in a table and runs it. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "cli/cli.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
    {"init", cmd_init,
     "write a segue.ini and a template for the HAProxy or PgBouncer on this machine"},
    {"run", cmd_run, "keep the targets of segue.ini on the primary that ZooKeeper names"},
    {"check", cmd_check, "check the configuration, the proxies and ZooKeeper, and report problems"},
    {"render", cmd_render, "print what a template or a target renders to"},
    {"publish", cmd_publish, "ask the servers which one is the primary, and write it to ZooKeeper"},
    {"notify", cmd_notify, "make the segue publish on this machine ask the servers at once"},
    {"status", cmd_status, "show the status of the segue on this machine"},
    {"health", cmd_health, "report by the exit code whether the segue on this machine is healthy"},
    {"fleet", cmd_fleet, "show every sidecar of a cluster, and which ones are not on the primary"},
    {"wait", cmd_wait, "wait until every sidecar of a cluster has confirmed a change"},
    {"pin", cmd_pin, "make a server the primary of a cluster, regardless of ZooKeeper"},
    {"freeze", cmd_freeze, "keep a cluster as it is, whatever happens"},
    {"release", cmd_release, "end segue pin and segue freeze"},
    {"set-primary", cmd_set_primary, "write the primary of a cluster to ZooKeeper; obeyed once"},
    {"resume", cmd_resume, "release the clients that segue holds in HAProxy or PgBouncer"},
};

static void print_help(FILE *out)
{
	fputs(
	    "segue moves PostgreSQL traffic to the new primary, so that applications need not know.\n"
	    "\n"
	    "usage: segue VERB [options]      (see segue VERB --help)\n"
	    "\n",
	    out);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		fprintf(out, "  %-11s %s\n", verbs[i].name, verbs[i].help);
	fputs(
	    "  --help      this text\n"
	    "  --version   the version\n"
	    "\n"
	    "Exit codes: 0 fine, 1 failed, 2 usage or configuration. Manual: segue(1), segue.ini(5),\n"
	    "segue-templates(7).\n",
	    out);
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(word, verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
		print_help(stdout);
		return CMD_OK;
	}
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
		puts("segue " SEGUE_VERSION);
		return CMD_OK;
	}
	if (*word == '\0')
		print_help(stderr);
	else
		fprintf(stderr, "segue: unknown verb \"%s\": see segue --help\n", word);
	return CMD_USAGE;
}
