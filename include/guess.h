/* A topology to render with while the store has not been asked. */
#ifndef SEGUE_GUESS_H
#define SEGUE_GUESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "config.h"
#include "render/mustache.h"
#include "topology.h"

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
