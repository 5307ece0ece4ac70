/* segue notify: wakes the publishers on this machine, for repmgr's event_notification_command
 * and for promotion scripts. It must never delay or fail a promotion: it ends within TIMEOUT_MS,
 * whatever hangs, and always with exit code 0. Errors are printed on stderr. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "cli/cli.h"
#include "config/config.h"
#include "publisher/notify_socket.h"

#define TIMEOUT_MS 80

static void give_up(int signal)
{
	(void)signal;
	_exit(CMD_OK);
}

static void limit_time(void)
{
	const struct itimerval limit = {.it_value.tv_usec = TIMEOUT_MS * 1000L};
	const struct sigaction action = {.sa_handler = give_up};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &limit, NULL);
}

static bool is_first(const struct config *config, size_t index)
{
	const struct config_publisher *publishers = config->publishers;

	for (size_t i = 0; i < index; i++)
		if (strcmp(publishers[i].cluster, publishers[index].cluster) == 0 &&
		    strcmp(publishers[i].notify_socket, publishers[index].notify_socket) == 0)
			return false;
	return true;
}

static void send_one(const char *path, const char *cluster)
{
	struct err err;

	if (!notify_socket_send(path, cluster, &err))
		fprintf(
		    stderr,
		    "segue notify: no publisher was notified, they ask at their next interval: %s\n",
		    err.message);
}

static void send_all(const struct config *config, const char *cluster)
{
	size_t found = 0;

	for (size_t i = 0; i < config->publisher_count; i++) {
		const struct config_publisher *publisher = &config->publishers[i];

		if (strcmp(publisher->cluster, cluster) != 0 || *publisher->notify_socket == '\0' ||
		    !is_first(config, i))
			continue;
		found++;
		send_one(publisher->notify_socket, cluster);
	}
	if (found == 0)
		fprintf(
		    stderr,
		    "segue notify: no publisher was notified: %s has no [publisher NAME] with cluster = "
		    "%s and a notify_socket\n",
		    config->file, cluster);
}

static void notify(const struct cmd_args *args)
{
	struct config *config;

	if (args->socket != NULL) {
		send_one(args->socket, args->words[0]);
		return;
	}
	config = cmd_load(args->config_file);
	if (config != NULL)
		send_all(config, args->words[0]);
	else
		fputs("segue notify: no publisher was notified: -s works without a configuration\n",
		      stderr);
	config_free(config);
}

int cmd_notify(int argc, char **argv)
{
	struct cmd_args args;
	const struct cmd_syntax syntax = {
	    .usage =
	        "usage: segue notify [-c FILE] [-s SOCKET] CLUSTER\n"
	        "\n"
	        "  -c, --config FILE    the configuration (" CONFIG_DEFAULT_FILE
	        "), for its notify_socket\n"
	        "  -s, --socket SOCKET  this socket, without a configuration\n"
	        "\n"
	        "Makes the segue publish on this machine ask the servers at once. For repmgr's\n"
	        "event_notification_command and promotion scripts. Exit code: always 0, within a tenth of a second.\n",
	    .words_min = 1,
	    .words_max = 1,
	    .options = {CMD_CONFIG(args), CMD_SOCKET(args)}};
	int ignored;

	if (!cmd_options(argc, argv, &syntax, &args, &ignored))
		return CMD_OK;
	limit_time();
	notify(&args);
	return CMD_OK;
}
