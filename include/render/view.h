/* The view: the JSON that a template reads. man/segue-templates.7 documents it; change both
 * together. */
#ifndef SEGUE_RENDER_VIEW_H
#define SEGUE_RENDER_VIEW_H

#include <jansson.h>

#include "base/err.h"
#include "config/config.h"
#include "render/escape.h"
#include "render/mustache.h"
#include "topology/topology.h"

/* The view has cluster, zxid, timeline, system_identifier, promoted_at, publisher, primary (absent
 * if there is none), standbys, has_standbys, standbys_port, members, slots, hold_wait_ms,
 * hold_retries, target, vars, env. The caller calls json_decref(). Members without a slot are given
 * one. Fails only if the configuration is wrong (var.slots out of range), never because of a
 * topology. */
json_t *view_build(const struct config_cluster *cluster, const struct config_target *target,
                   const struct topology *topology, struct err *err) MUST_CHECK;

/* Compiles the target's template. Refuses names that no view has, missing partials, and a var.NAME
 * of segue.ini that no template reads, because each of these silently renders as nothing. */
struct mustache *view_compile(const struct config_target *target, struct err *err) MUST_CHECK;
bool view_check_template(const struct mustache *mustache, const struct config_target *target,
                         struct err *err) MUST_CHECK;
const struct mustache_fields *view_fields(void); /* all names of a view */

/* Renders the template with the view of `topology`, and appends the text. */
bool view_render(const struct config_cluster *cluster, const struct config_target *target,
                 const struct topology *topology, const struct mustache *template,
                 struct strbuf *out, struct err *err) MUST_CHECK;

/* How values are escaped for a target of this kind. */
enum escape_mode view_escape(enum config_target_kind kind);

#endif
