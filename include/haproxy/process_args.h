/* The configuration files that a HAProxy command line names: every -f, and what a folder behind one
 * means. haproxy(1). */
#ifndef SEGUE_HAPROXY_PROCESS_ARGS_H
#define SEGUE_HAPROXY_PROCESS_ARGS_H

#include <stdbool.h>
#include <stddef.h>

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

#endif
