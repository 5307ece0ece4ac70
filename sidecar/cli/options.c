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

const char *cmd_config_file(void)
{
	const char *file = getenv(CMD_CONFIG_VARIABLE);

	return file != NULL && *file != '\0' ? file : CONFIG_DEFAULT_FILE;
}

/* getopt_long() returns the index of an option that is given by its name. */
static void fill_getopt(const struct cmd_option *options, struct option *longs, char *letters)
{
	for (int i = 0; options[i].name != NULL; i++) {
		bool has_value = options[i].value != NULL;

		longs[i] = (struct option){options[i].name,
		                           has_value ? required_argument : no_argument, NULL, i};
		if (options[i].letter != 0)
			*letters++ = options[i].letter;
		if (options[i].letter != 0 && has_value)
			*letters++ = ':';
	}
}

/* `found`: an index or a letter. False if no option has it. */
static bool take_option(const struct cmd_option *options, int found)
{
	for (int i = 0; options[i].name != NULL; i++) {
		if (found != i && found != options[i].letter)
			continue;
		if (options[i].value != NULL)
			*options[i].value = optarg;
		else
			*options[i].flag = true;
		return true;
	}
	return false;
}

bool cmd_options(int argc, char **argv, const struct cmd_syntax *syntax, struct cmd_args *out,
                 int *code)
{
	struct option longs[CMD_OPTIONS_MAX + 2] = {{"help", no_argument, NULL, 'h'}};
	char letters[2 * CMD_OPTIONS_MAX + 2] = "h";
	int found, count;

	*out = (struct cmd_args){.config_file = cmd_config_file()};
	fill_getopt(syntax->options, longs + 1, letters + 1);
	optind = 1;
	while ((found = getopt_long(argc, argv, letters, longs, NULL)) != -1)
		if (!take_option(syntax->options, found))
			break;
	count = argc - optind;
	*code = found == 'h' ? CMD_OK : CMD_USAGE;
	if (found != -1 || count < syntax->words_min) {
		fputs(syntax->usage, *code == CMD_OK ? stdout : stderr);
		return false;
	}
	if (count > syntax->words_max) {
		fprintf(stderr, "segue %s: unexpected argument \"%s\"\n", argv[0],
		        argv[optind + syntax->words_max]);
		return false;
	}
	for (int i = 0; i < count; i++)
		out->words[i] = argv[optind + i];
	return true;
}

struct config *cmd_load(const char *file)
{
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	struct config *config = config_load(file, &errors);

	fputs(errors.data, stderr);
	return config;
}

const struct config_cluster *cmd_cluster(const struct config *config, const char *name,
                                         struct err *err)
{
	const struct config_cluster *found = config_cluster_find(config, name);
	auto_strbuf struct strbuf known = STRBUF_INIT;

	for (size_t i = 0; i < config->cluster_count; i++)
		strbuf_printf(&known, "%s%s", i > 0 ? ", " : "", config->clusters[i].name);
	if (found == NULL)
		err_set(err, "%s: found no [cluster %s]: there is: %s", config->file, name,
		        known.data);
	return found;
}

bool cmd_colour(void)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) == 1 && (no_color == NULL || *no_color == '\0');
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

	fprintf(stderr, "%ssegue %s: the running segue can still be asked: segue %s -s %s\n",
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
		fprintf(stderr, "segue %s: %s: listen is empty: segue cannot be asked\n", verb,
		        args->config_file);
	else
		listen = client_pick_listen(config->listen);
	config_free(config);
	return listen;
}
