/* Checks of a new template or configuration. It is refused before it is taken over if its text
 * leads no client to the primary; an alarm is raised if it leads clients elsewhere than before.
 * Each template is checked once, not for each move. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "cluster/state_file.h"
#include "cluster/target_kinds.h"
#include "cluster_internal.h"
#include "haproxy/model/lint.h"
#include "haproxy/model/routes.h"
#include "render/view.h"
#include "target/install.h"

bool cluster_of_rendered(struct err *err)
{
	const struct err text = *err;

	return err_set(err, text.line > 0 ? "rendered %s" : "rendered: %s", text.message);
}

bool cluster_try_template(const struct cluster *cluster, const struct config_target *target,
                          const struct mustache *template, struct strbuf *text, struct err *err)
{
	const struct topology *topology = &cluster->applied.topology;
	const struct cluster_target *running = cluster_find_target(cluster, target);
	auto_strbuf struct strbuf before = STRBUF_INIT;
	struct err ignored;

	if (!cluster->applied.has_topology)
		return true;
	if (!view_render(cluster->config, target, topology, template, text, err))
		return false;
	if (!text_check_leads(target, true, text->data, text->len, topology->primary.address,
	                      topology->primary.port, err) ||
	    !state_or_example_leads_to_any(cluster->config, target, template, topology, err))
		return cluster_of_rendered(err);
	return running == NULL ||
	       !view_render(cluster->config, running->config, topology, running->template, &before,
	                    &ignored) ||
	       text_check_keeps(target, before.data, before.len, text->data, text->len, err) ||
	       cluster_of_rendered(err);
}

/* --- what a person has to look at --- */

static void add(struct strbuf *alarm, const char *finding)
{
	if (*finding != '\0')
		strbuf_printf(alarm, "%s%s", alarm->len > 0 ? "; " : "", finding);
}

/* Compares the new text with the output file, which is still the one that HAProxy has loaded or
 * will start with. */
static void compare_ways(const struct cluster *cluster, const struct config_target *target,
                         const struct strbuf *text, struct strbuf *alarm)
{
	const struct member *primary = &cluster->applied.topology.primary;
	const struct haproxy_routes_text now = {
	    text->data, text->len, {primary->address, primary->port}};
	auto_strbuf struct strbuf file = STRBUF_INIT, found = STRBUF_INIT;
	struct haproxy_routes_text before;
	struct err ignored;

	if (!target->leads_to_primary || !cluster->has_found ||
	    !file_read(target->output, INSTALL_MAX, &file, NULL, &ignored))
		return;
	before = (struct haproxy_routes_text){
	    file.data, file.len, {cluster->found.address, cluster->found.port}};
	haproxy_routes_compare(&before, &now, &found);
	if (found.len > 0)
		strbuf_printf(&found, ": if this is intended, the next SIGHUP ends this alarm");
	add(alarm, found.data);
}

void cluster_look_at_text(const struct cluster *cluster, struct cluster_target *entry,
                          const struct strbuf *text)
{
	const struct config_target *target = entry->config;
	auto_strbuf struct strbuf alarm = STRBUF_INIT, idle = STRBUF_INIT;
	struct err err;

	if (!entry->taken || entry->looked)
		return;
	entry->looked = true;
	if (target->kind == CONFIG_TARGET_HAPROXY) {
		compare_ways(cluster, target, text, &alarm);
		haproxy_lint_idle(text->data, text->len, &idle);
		add(&alarm, idle.data);
	}
	if (!state_or_example_leads_to_any(cluster->config, target, entry->template,
	                                   &cluster->applied.topology, &err))
		add(&alarm, err.message);
	if (alarm.len == 0)
		return;
	entry->alarm =
	    xasprintf("%s/%s: %s", config_target_kind_name(target->kind), target->name, alarm.data);
	log_warning("text_alarm", KV_STR("cluster", cluster->config->name),
	            KV_STR("target", target->name), KV_STR("template", target->template_file),
	            KV_STR("found", alarm.data),
	            KV_STR("next", "applied nevertheless; check the template and its var. lines in "
	                           "segue.ini, then reload segue"));
}
