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
     "write a segue.ini and a template for the HAProxy or PgBouncer that is here"},
    {"run", cmd_run, "keep the targets of segue.ini on the primary that the store names"},
    {"check", cmd_check, "say what is wrong with the configuration, the proxies and the store"},
    {"render", cmd_render, "print what a template or a target renders to"},
    {"publish", cmd_publish, "observe the servers and tell the store who is primary"},
    {"notify", cmd_notify, "wake the segue publish that runs here"},
    {"status", cmd_status, "show what the segue that runs here knows and does"},
    {"health", cmd_health, "say by the exit code whether the segue that runs here is well"},
    {"fleet", cmd_fleet, "show every sidecar of a cluster, and who is not on the primary"},
    {"wait", cmd_wait, "wait until every sidecar of a cluster has confirmed a change"},
    {"pin", cmd_pin, "make a server the primary of a cluster, whatever the store says"},
    {"freeze", cmd_freeze, "leave a cluster as it is, whatever happens"},
    {"release", cmd_release, "end segue pin and segue freeze"},
    {"set-primary", cmd_set_primary,
     "name the primary of a cluster in the store, once and for all"},
    {"resume", cmd_resume, "let go of the clients that segue keeps waiting"},
};

static void print_help(FILE *out)
{
	fputs(
	    "segue moves PostgreSQL traffic to the new primary, so that applications need not know.\n"
	    "\n"
	    "usage: segue VERB [options]      (segue VERB --help tells them)\n"
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
