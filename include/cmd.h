/* The verbs. Each takes argc and argv from its own name on ("run", "-c", ...) and returns the exit
 * code: 0 fine, 1 failed, 2 usage or configuration. */
#ifndef SEGUE_CMD_H
#define SEGUE_CMD_H

#define CMD_DEFAULT_CONFIG "/etc/segue/segue.ini"

enum { CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 2 };

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_render(int argc, char **argv);
int cmd_resume(int argc, char **argv);

#endif
