/* What was applied last, or the example: nothing ever answers there. */
#include "guess.h"

#include "render/view.h"
#include "state.h"

bool guess_topology(const struct config *config, size_t cluster, struct topology *out,
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

bool guess_render(const struct config *config, size_t target, const struct mustache *template,
                  struct strbuf *text)
{
	const struct config_target *of = &config->targets[target];
	struct topology topology;
	struct err ignored;
	bool known = guess_topology(config, of->cluster_index, &topology, &ignored);
	json_t *view = view_build(&config->clusters[of->cluster_index], of, &topology, &ignored);

	if (view == NULL || !mustache_render(template, view, view_escape(of->kind), text, &ignored))
		strbuf_reset(text);
	json_decref(view);
	topology_fini(&topology);
	return known;
}
