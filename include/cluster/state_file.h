/* The last applied topology of a cluster, kept in <state_dir>/<cluster>.json over restarts: it is
 * what makes an older value of the store an older one. */
#ifndef SEGUE_CLUSTER_STATE_FILE_H
#define SEGUE_CLUSTER_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "decide/decide.h"
#include "render/mustache.h"
#include "topology/topology.h"

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

/* A topology to render with while the store has not been asked. */

/* `out` (initialised by the call, ended with topology_fini()) becomes what was applied last, going
 * by the state file: true; or, where that names no primary, two servers that nobody has: false.
 * `problem` gets words when the state file cannot be used, else "". */
bool state_or_example_topology(const struct config *config, size_t cluster, struct topology *out,
                               struct err *problem);

/* Appends what the target's template makes of that topology. True: of what was applied last. A text
 * that cannot be rendered stays empty, as with real servers it may well be. */
bool state_or_example_render(const struct config *config, size_t target,
                             const struct mustache *template, struct strbuf *text);

/* The text is to lead to the primary whoever that is: false, with words, when it would not with one
 * of the standbys (where there is none, with a server that nobody has) as the primary. */
bool state_or_example_leads_to_any(const struct config_cluster *cluster,
                                   const struct config_target *target,
                                   const struct mustache *template, const struct topology *topology,
                                   struct err *err) MUST_CHECK;

#endif
