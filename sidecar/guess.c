/* What was applied last, or the example: nothing ever answers there. */
#include "guess.h"

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
