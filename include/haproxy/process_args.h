/* The configuration files in the arguments of a HAProxy: each -f, and the files of a folder given
 * with -f (haproxy(1)). Also finds the arguments of a running HAProxy. */
#ifndef SEGUE_HAPROXY_PROCESS_ARGS_H
#define SEGUE_HAPROXY_PROCESS_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/string_list.h"
#include "config/config.h"

/* Appends `path`. If it is a folder, appends the files that HAProxy loads from it instead, in the
 * order in which HAProxy loads them. */
void haproxy_files_expand(const char *path, struct string_list *out);

/* HAProxy loads a file of this name from a folder: "orders.cfg", but not ".orders.cfg" nor
 * "orders.cfg.old". */
bool haproxy_files_is_loaded_name(const char *name);

/* Where the arguments were found. */
enum haproxy_started {
	HAPROXY_STARTED_UNKNOWN,
	HAPROXY_STARTED_PROCESS, /* its own command line */
	HAPROXY_STARTED_DEBIAN,  /* /etc/default/haproxy, if HAProxy then loads the output */
	HAPROXY_STARTED_COMMAND, /* check_command */
};

/* Fills `out`, which is empty, with the files and folders of HAProxy's -f arguments. The paths are
 * absolute if the folder that HAProxy was started in is known. `pid`: of the HAProxy that listens
 * at the target's socket; 0: not known. The command line of a process that segue may not inspect is
 * not used. */
enum haproxy_started haproxy_started_with(const struct config_target *target, int64_t pid,
                                          struct string_list *out) MUST_CHECK;

/* `output` is one of these files, or HAProxy loads it from one of these folders. */
bool haproxy_started_loads(const struct string_list *arguments, const char *output) MUST_CHECK;

/* Appends the files that HAProxy loads for these arguments, without the outputs of targets. */
void haproxy_started_own_files(const struct config *config, const struct string_list *arguments,
                               struct string_list *out);

/* The pid of the process that reads the files: the master of this worker, or `pid` itself. */
int64_t haproxy_starter(int64_t pid) MUST_CHECK;

/* Both paths name the same file, also by "./", ".." or a symbolic link. */
bool haproxy_started_same_file(const char *a, const char *b) MUST_CHECK;

#endif
