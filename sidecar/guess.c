/* What was applied last, or the example: nothing ever answers there. */
#include "guess.h"

#include <string.h>

#include "apply/sense.h"
#include "render/view.h"
#include "state.h"

bool state_or_example_topology(const struct config *config, size_t cluster, struct topology *out,
                               struct err *problem)
{
	auto_strbuf struct strbuf note = STRBUF_INIT;
	struct applied applied;
	bool known;

	*problem = (struct err){""};
	topology_init(out);
	known = state_load(config->state_dir, &config->clusters[cluster], config->zookeeper_hosts,
	                   &applied, &note, problem) &&
	        applied.has_topology && applied.topology.has_primary;
	if (known)
		topology_copy(out, &applied.topology);
	else
		topology_example(out);
	applied_fini(&applied);
	return known;
}

bool state_or_example_render(const struct config *config, size_t target,
                             const struct mustache *template, struct strbuf *text)
{
	const struct config_target *of = &config->targets[target];
	struct topology topology;
	struct err ignored;
	bool known = state_or_example_topology(config, of->cluster_index, &topology, &ignored);

	if (!view_render(&config->clusters[of->cluster_index], of, &topology, template, text,
	                 &ignored))
		strbuf_reset(text);
	topology_fini(&topology);
	return known;
}

static bool leads(const struct config_cluster *cluster, const struct config_target *target,
                  const struct mustache *template, const struct topology *topology, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	const struct member *primary = &topology->primary;

	return view_render(cluster, target, topology, template, &text, err) &&
	       text_check_judge(target, text.data, text.len, primary->address, primary->port, err);
}

/* All but the address is the primary's, as a template may look at its port and name. */
static void add_nobody(struct topology *topology)
{
	struct member *nobody = topology_add_standby(topology);

	*nobody = topology->primary;
	nobody->slot = 0;
	memcpy(nobody->address, "192.0.2.1", sizeof("192.0.2.1")); /* RFC 5737 */
	memcpy(nobody->host, "192.0.2.1", sizeof("192.0.2.1"));
}

bool state_or_example_leads_to_any(const struct config_cluster *cluster,
                                   const struct config_target *target,
                                   const struct mustache *template, const struct topology *topology,
                                   struct err *err)
{
	struct topology trial = {0};
	bool fine = true;

	if (!target->leads_to_primary || !topology->has_primary)
		return true;
	topology_copy(&trial, topology);
	if (trial.standby_count == 0)
		add_nobody(&trial);
	for (size_t i = 0; i < trial.standby_count && fine; i++) {
		const struct member now = trial.primary;

		trial.primary = trial.standbys[i];
		trial.standbys[i] = now;
		fine = trial.primary.address[0] == '\0' ||
		       leads(cluster, target, template, &trial, err) ||
		       err_wrap(err,
		                "the text is right only for the primary of now: with %s port "
		                "%u as the primary",
		                trial.primary.address, (unsigned)trial.primary.port);
		trial.standbys[i] = trial.primary;
		trial.primary = now;
	}
	topology_fini(&trial);
	return fine;
}
