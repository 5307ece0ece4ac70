/* The verbs. Each takes argc and argv from its own name on ("run", "-c", ...) and returns the exit
 * code: 0 fine, 1 failed, 2 usage or configuration. */
#ifndef SEGUE_CLI_CLI_H
#define SEGUE_CLI_CLI_H

#include <stdbool.h>

#include "base/util.h"
#include "config/config.h"

#define CMD_CONFIG_VARIABLE "SEGUE_CONFIG"

enum { CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 2 };

/* The end of a verb's usage, where the verb has no more to say of them. */
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

/* What a verb's command line may hold: -c FILE and --help always. */
struct cmd_syntax {
	const char *usage;
	int words_min, words_max; /* arguments that are no options */
	bool takes_socket;        /* -s, --socket SOCKET */
	bool takes_json;          /* --json */
	bool takes_once;          /* --once, --dry-run */
	bool takes_ready;         /* --ready */
	bool takes_gone;          /* --gone */
	bool takes_wait;          /* --zxid ZXID, --timeout TIME, --allow-empty */
	bool takes_name;          /* --name NAME */
	bool takes_force;         /* --force */
};

/* The configuration where no -c is given: of the environment, or CONFIG_DEFAULT_FILE. */
const char *cmd_config_file(void);

struct cmd_args {
	const char *config_file;
	const char *socket; /* NULL: not given */
	bool json;
	bool once, dry_run;
	bool ready;
	const char *zxid, *timeout; /* NULL: not given */
	bool allow_empty;
	bool gone;
	const char *name; /* NULL: not given */
	bool force;
	char **words;
	int word_count;
};

/* False when the verb ends with *code: --help was asked for, or the line is wrong, which is said.
 */
bool cmd_options(int argc, char **argv, const struct cmd_syntax *syntax, struct cmd_args *out,
                 int *code) MUST_CHECK;

/* Who runs the verb, as user@host: sudo's user rather than root. Printable ASCII, cut where it is
 * too long: it is for people. */
void cmd_person(char *out, size_t size);

/* Where the segue that runs here listens, as segue.ini has it: -s, or what the configuration says.
 * The caller frees it; NULL after the reason was printed. */
char *cmd_listen(const char *verb, const struct cmd_args *args) MUST_CHECK;

#endif
