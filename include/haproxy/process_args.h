/* The configuration files that a HAProxy command line names: every -f, and what a folder behind one
 * means (haproxy(1)); and which ones a running HAProxy was started with. */
#ifndef SEGUE_HAPROXY_PROCESS_ARGS_H
#define SEGUE_HAPROXY_PROCESS_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

struct haproxy_files {
	char **items;
	size_t count;
};

/* Takes the path over. */
void haproxy_files_add(struct haproxy_files *files, char *path);
void haproxy_files_free(struct haproxy_files *files);

/* Appends what stands behind every -f and behind a --: files and folders, as they are spelled. */
void haproxy_files_of_arguments(char *const *argv, struct haproxy_files *out);

/* Appends `path`, or where it is a folder the files that HAProxy takes of it, in its order. */
void haproxy_files_expand(const char *path, struct haproxy_files *out);

/* "orders.cfg", and not ".orders.cfg" nor "orders.cfg.old": what HAProxy takes of a folder. */
bool haproxy_files_is_loaded_name(const char *name);

/* By whom the arguments are known. */
enum haproxy_started {
	HAPROXY_STARTED_UNKNOWN,
	HAPROXY_STARTED_PROCESS, /* its own command line */
	HAPROXY_STARTED_DEBIAN,  /* /etc/default/haproxy, which has it load the output */
	HAPROXY_STARTED_COMMAND, /* check_command */
};

/* Appends the files and folders of its -f arguments; absolute, where the folder that it was started
 * in is known. `pid`: of the HAProxy behind the target's socket; 0, or one that this process cannot
 * look into: not known. */
enum haproxy_started haproxy_started_with(const struct config_target *target, int64_t pid,
                                          struct haproxy_files *out) MUST_CHECK;

/* The output is one of these files, or HAProxy takes it from one of these folders. */
bool haproxy_started_loads(const struct haproxy_files *arguments, const char *output) MUST_CHECK;

/* Appends the files that HAProxy reads for these arguments, without the outputs of targets. */
void haproxy_started_own_files(const struct config *config, const struct haproxy_files *arguments,
                               struct haproxy_files *out);

/* Who reads the files: a worker's master, or the process itself. */
int64_t haproxy_starter(int64_t pid) MUST_CHECK;

/* However they are spelled: "./", "..", symbolic links. */
bool haproxy_started_same_file(const char *a, const char *b) MUST_CHECK;

#endif
