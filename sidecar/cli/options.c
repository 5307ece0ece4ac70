/* Shared by the verbs: reads their options, and finds the segue that runs on this machine. */
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "cli/cli.h"
#include "config/config.h"
#include "config/last_good.h"
#include "report/client.h"

#define DEFAULT_LISTEN "unix:/run/segue/segue.sock"

static bool end_with(const struct cmd_syntax *syntax, int result, int *code)
{
	fputs(syntax->usage, result == CMD_OK ? stdout : stderr);
	*code = result;
	return false;
}

static bool check_words(const char *verb, const struct cmd_syntax *syntax,
                        const struct cmd_args *args, int *code)
{
	if (args->word_count < syntax->words_min)
		return end_with(syntax, CMD_USAGE, code);
	if (args->word_count <= syntax->words_max)
		return true;
	fprintf(stderr, "segue %s: unexpected argument \"%s\"\n", verb,
	        args->words[syntax->words_max]);
	*code = CMD_USAGE;
	return false;
}

const char *cmd_config_file(void)
{
	const char *file = getenv(CMD_CONFIG_VARIABLE);

	return file != NULL && *file != '\0' ? file : CONFIG_DEFAULT_FILE;
}

bool cmd_options(int argc, char **argv, const struct cmd_syntax *syntax, struct cmd_args *out,
                 int *code)
{
	static const struct option longs[] = {
	    {"config", required_argument, NULL, 'c'},  {"help", no_argument, NULL, 'h'},
	    {"socket", required_argument, NULL, 's'},  {"json", no_argument, NULL, 'j'},
	    {"once", no_argument, NULL, 'o'},          {"dry-run", no_argument, NULL, 'n'},
	    {"ready", no_argument, NULL, 'r'},         {"zxid", required_argument, NULL, 'z'},
	    {"timeout", required_argument, NULL, 't'}, {"allow-empty", no_argument, NULL, 'e'},
	    {"gone", no_argument, NULL, 'g'},          {"name", required_argument, NULL, 'm'},
	    {"force", no_argument, NULL, 'f'},         {NULL, 0, NULL, 0}};
	int option;

	*out = (struct cmd_args){.config_file = cmd_config_file()};
	optind = 1;
	while ((option = getopt_long(argc, argv, "c:hs:", longs, NULL)) != -1) {
		if (option == 'c')
			out->config_file = optarg;
		else if (option == 's' && syntax->takes_socket)
			out->socket = optarg;
		else if (option == 'j' && syntax->takes_json)
			out->json = true;
		else if (option == 'o' && syntax->takes_once)
			out->once = true;
		else if (option == 'n' && syntax->takes_once)
			out->dry_run = true;
		else if (option == 'r' && syntax->takes_ready)
			out->ready = true;
		else if (option == 'z' && syntax->takes_wait)
			out->zxid = optarg;
		else if (option == 't' && syntax->takes_wait)
			out->timeout = optarg;
		else if (option == 'e' && syntax->takes_wait)
			out->allow_empty = true;
		else if (option == 'g' && syntax->takes_gone)
			out->gone = true;
		else if (option == 'm' && syntax->takes_name)
			out->name = optarg;
		else if (option == 'f' && syntax->takes_force)
			out->force = true;
		else
			return end_with(syntax, option == 'h' ? CMD_OK : CMD_USAGE, code);
	}
	out->words = argv + optind;
	out->word_count = argc - optind;
	return check_words(argv[0], syntax, out, code);
}

void cmd_person(char *out, size_t size)
{
	const char *sudo = getuid() == 0 ? getenv("SUDO_USER") : NULL;
	const struct passwd *user = getpwuid(getuid());
	char host[65] = "";
	int written;

	gethostname(host, sizeof(host) - 1);
	written = snprintf(out, size, "%s@%s",
	                   sudo != NULL && *sudo != '\0' ? sudo
	                   : user != NULL                ? user->pw_name
	                                                 : "?",
	                   host);
	if (written < 0)
		out[0] = '\0';
	for (; *out != '\0'; out++)
		if (*out < ' ' || *out > '~')
			*out = '?';
}

/* segue.ini is wrong, but the running segue keeps the configuration that it accepted last. Prints
 * how to ask it with -s. */
static void print_way_without(const char *verb, const char *problems)
{
	auto_strbuf struct strbuf ignored = STRBUF_INIT;
	struct config *last = last_good_load(&ignored);
	auto_free char *listen = client_pick_listen(
	    last != NULL && *last->listen != '\0' ? last->listen : DEFAULT_LISTEN);

	fprintf(stderr,
	        "%ssegue %s: the segue that runs here can be asked all the same: segue %s -s %s\n",
	        problems, verb, verb, listen + (strncmp(listen, "unix:", 5) == 0 ? 5 : 0));
	config_free(last);
}

char *cmd_listen(const char *verb, const struct cmd_args *args)
{
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	struct config *config;
	char *listen = NULL;

	if (args->socket != NULL)
		return xasprintf("%s%s", args->socket[0] == '/' ? "unix:" : "", args->socket);
	config = config_load(args->config_file, &errors);
	if (config == NULL)
		print_way_without(verb, errors.data);
	else if (*config->listen == '\0')
		fprintf(stderr, "segue %s: %s: listen is empty: this segue cannot be asked\n", verb,
		        args->config_file);
	else
		listen = client_pick_listen(config->listen);
	config_free(config);
	return listen;
}
