/* The last applied topology of a cluster, kept in <state_dir>/<cluster>.json over restarts: it is
 * what makes an older value of the store an older one. */
#ifndef SEGUE_STATE_H
#define SEGUE_STATE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config.h"
#include "decide.h"

/* In front of what the disk says of it. */
#define STATE_NOT_WRITTEN "cannot write the state file"

void applied_init(struct applied *applied);
void applied_fini(struct applied *applied);

/* Its name; caller frees. */
char *state_file(const char *state_dir, const struct config_cluster *cluster) MUST_CHECK;

/* Reads the cluster's state file. `out` is initialised by the call and to be ended with
 * applied_fini() in any case. No file: nothing was applied, success. A file that was written for
 * another store (other hosts, chroot, path or layout: zxids do not compare) gives the topology with
 * zxid and floor 0; `note` then says so, for the log. `store_hosts` is config's zookeeper_hosts. */
bool state_load(const char *state_dir, const struct config_cluster *cluster,
                const char *store_hosts, struct applied *out, struct strbuf *note,
                struct err *err) MUST_CHECK;

/* Stages the file, for the file_writer: see file_stage(). *path is what it is to replace; the
 * caller frees both. NULL on failure, and *path is then NULL, too. */
char *state_stage(const char *state_dir, const struct config_cluster *cluster,
                  const char *store_hosts, const struct applied *applied, char **path,
                  struct err *err) MUST_CHECK;

/* Replaces the file atomically and durably: waits for the disk. */
bool state_save(const char *state_dir, const struct config_cluster *cluster,
                const char *store_hosts, const struct applied *applied, struct err *err) MUST_CHECK;

#endif
