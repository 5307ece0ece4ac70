/* The last applied topology of a cluster, kept in <state_dir>/<cluster>.json over restarts. By its
 * zxid an older value of the store is recognised as older. */
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

/* How the error begins when a state file cannot be written. */
#define STATE_NOT_WRITTEN "cannot write the state file"

void applied_init(struct applied *applied);
void applied_fini(struct applied *applied);

/* The file's name; caller frees. */
char *state_file(const char *state_dir, const struct config_cluster *cluster) MUST_CHECK;

/* Reads the cluster's state file. `out` is initialised by the call and has to be ended with
 * applied_fini() in any case. If there is no file, nothing was applied, and that is a success. If
 * the file was written for another store (other hosts, chroot, path or layout), zxids cannot be
 * compared: the topology is read, zxid and floor are 0, and `note` says so, for the log.
 * `store_hosts` is zookeeper_hosts of the configuration. */
bool state_load(const char *state_dir, const struct config_cluster *cluster,
                const char *store_hosts, struct applied *out, struct strbuf *note,
                struct err *err) MUST_CHECK;

/* Stages the file for the file_writer, see file_stage(). *path is the file that it replaces; the
 * caller frees both. On failure returns NULL, and *path is NULL, too. */
char *state_stage(const char *state_dir, const struct config_cluster *cluster,
                  const char *store_hosts, const struct applied *applied, char **path,
                  struct err *err) MUST_CHECK;

/* Replaces the file atomically and durably; waits for the disk. */
bool state_save(const char *state_dir, const struct config_cluster *cluster,
                const char *store_hosts, const struct applied *applied, struct err *err) MUST_CHECK;

/* --- a topology to render with before the store has been read --- */

/* Returns true if `out` is what was applied last, according to the state file. If that names no
 * primary, `out` becomes the example, two servers that do not exist, and the call returns false.
 * `out` is initialised by the call and ended with topology_fini(). `problem` says why the state
 * file cannot be used, or is "". */
bool state_or_example_topology(const struct config *config, size_t cluster, struct topology *out,
                               struct err *problem);

/* Appends the text that the target's template gives for that topology. Returns true if it is what
 * was applied last. Appends nothing if it cannot be rendered, which may well work with real
 * servers. */
bool state_or_example_render(const struct config *config, size_t target,
                             const struct mustache *template, struct strbuf *text);

/* The text has to lead to the primary whichever server that is. Returns false with an error if it
 * does not with one of the standbys as the primary (or, without standbys, with a server that does
 * not exist). */
bool state_or_example_leads_to_any(const struct config_cluster *cluster,
                                   const struct config_target *target,
                                   const struct mustache *template, const struct topology *topology,
                                   struct err *err) MUST_CHECK;

#endif
