/* The verbs of the command line. Each gets argc and argv from its own name on ("run", "-c", ...)
 * and returns the exit code: 0 success, 1 failure, 2 wrong usage or configuration. */
#ifndef SEGUE_CLI_CLI_H
#define SEGUE_CLI_CLI_H

#include <stdbool.h>

#include "base/util.h"
#include "config/config.h"

#define CMD_CONFIG_VARIABLE "SEGUE_CONFIG"

enum { CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 2 };

/* Last line of a verb's usage, for verbs whose exit codes need no further explanation. */
#define CMD_EXIT_CODES "Exit code: 0 fine, 1 failed, 2 usage or configuration.\n"

int cmd_init(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_render(int argc, char **argv);
int cmd_publish(int argc, char **argv);
int cmd_notify(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_health(int argc, char **argv);
int cmd_fleet(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_pin(int argc, char **argv);
int cmd_freeze(int argc, char **argv);
int cmd_release(int argc, char **argv);
int cmd_set_primary(int argc, char **argv);

#define CMD_OPTIONS_MAX 10
#define CMD_WORDS_MAX   2

/* An option of a verb. What it points to keeps its value if the option is not given. */
struct cmd_option {
	const char *name;   /* "json": --json */
	char letter;        /* 's': -s; 0: it has no short form */
	const char **value; /* set to the argument, borrowed from argv; NULL: it takes none */
	bool *flag;         /* set to true, if `value` is NULL */
};

/* -c, --config FILE and -s, --socket SOCKET of a struct cmd_args. */
#define CMD_CONFIG(args)                                                      \
	{                                                                     \
		.name = "config", .letter = 'c', .value = &(args).config_file \
	}
#define CMD_SOCKET(args)                                                 \
	{                                                                \
		.name = "socket", .letter = 's', .value = &(args).socket \
	}

/* The command line of a verb. Every verb takes -h and --help, too. */
struct cmd_syntax {
	const char *usage;
	int words_min, words_max; /* arguments that are not options; at most CMD_WORDS_MAX */
	struct cmd_option options[CMD_OPTIONS_MAX + 1]; /* ends with one without a name */
};

/* The configuration file if -c is not given: from $SEGUE_CONFIG, otherwise CONFIG_DEFAULT_FILE. */
const char *cmd_config_file(void);

struct cmd_args {
	const char *config_file;
	const char *socket;               /* NULL: not given */
	const char *words[CMD_WORDS_MAX]; /* NULL: not given */
};

/* Sets `out`, and what the given options of `syntax` point to. False if the verb has to end with
 * exit code *code: --help was given, or the command line is wrong. The usage or an error message is
 * then printed already. */
bool cmd_options(int argc, char **argv, const struct cmd_syntax *syntax, struct cmd_args *out,
                 int *code) MUST_CHECK;

/* Loads the configuration. NULL: it has errors, which are printed. Caller frees. */
struct config *cmd_load(const char *file) MUST_CHECK;

/* NULL, with the names that there are in `err`: the configuration has no [cluster NAME]. */
const struct config_cluster *cmd_cluster(const struct config *config, const char *name,
                                         struct err *err) MUST_CHECK;

/* True if stdout is a terminal and $NO_COLOR (no-color.org) is not set. */
bool cmd_colour(void);

/* The user who runs the verb, as user@host; with sudo, the user who called sudo. For display only:
 * cut to `size`, with "?" for what is not printable ASCII. */
void cmd_person(char *out, size_t size);

/* The address where the segue on this machine listens, spelled as in segue.ini: from -s, otherwise
 * from the configuration. Caller frees. NULL if it is not known; the reason is printed. */
char *cmd_listen(const char *verb, const struct cmd_args *args) MUST_CHECK;

#endif
