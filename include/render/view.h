/* The view: what a template sees. Documented in man/segue-templates.7; change both together. */
#ifndef SEGUE_RENDER_VIEW_H
#define SEGUE_RENDER_VIEW_H

#include <jansson.h>

#include "base/err.h"
#include "config/config.h"
#include "render/escape.h"
#include "render/mustache_names.h"
#include "topology/topology.h"

/* cluster, zxid, timeline, primary (absent when there is none), standbys, standbys_port, members,
 * slots, hold_wait_ms, hold_retries, target, vars, env. Caller json_decref()s. Members without a
 * slot are given one. Fails only on what the config says (var.slots out of range), not on any
 * topology. */
json_t *view_build(const struct config_cluster *cluster, const struct config_target *target,
                   const struct topology *topology, struct err *err) MUST_CHECK;

/* Compiles the target's template, and refuses names that no view has, partials that are missing,
 * and a var.NAME of segue.ini that nothing in them reads, as each of these renders as nothing. */
struct mustache *view_compile(const struct config_target *target, struct err *err) MUST_CHECK;
bool view_check_template(const struct mustache *mustache, const struct config_target *target,
                         struct err *err) MUST_CHECK;
const struct mustache_fields *view_fields(void); /* all that may be looked up in a view */

/* Appends what the template makes of the view of that topology. */
bool view_render(const struct config_cluster *cluster, const struct config_target *target,
                 const struct topology *topology, const struct mustache *template,
                 struct strbuf *out, struct err *err) MUST_CHECK;

/* How values are escaped for a target of that kind. */
enum escape_mode view_escape(enum config_target_kind kind);

#endif
