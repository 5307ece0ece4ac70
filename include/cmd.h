/* Verbs of the binary that have a file of their own. argv[0] is the verb. */
#ifndef SEGUE_CMD_H
#define SEGUE_CMD_H

/* Exit codes of every verb. */
#define CMD_OK     0
#define CMD_FAILED 1
#define CMD_USAGE  2 /* wrong usage or configuration */

/* `segue render`: any template with any JSON, or what a target would get, to stdout. With --diff
 * CMD_FAILED says that the installed file differs. */
int cmd_render(int argc, char **argv);

/* `segue check`: tries all that `segue run` would need, changes nothing; one line a finding. */
int cmd_check(int argc, char **argv);

#endif
