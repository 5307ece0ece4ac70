/* The topology value; see the header. */
#include "topology.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

void topology_init(struct topology *topology)
{
	*topology = (struct topology){.standbys = NULL};
	topology->primary.lag_bytes = -1;
}

void topology_fini(struct topology *topology)
{
	free(topology->standbys);
	topology_init(topology);
}

void topology_copy(struct topology *to, const struct topology *from)
{
	struct member *standbys = NULL;

	if (from->standby_count > 0) {
		standbys = xcalloc(from->standby_count, sizeof(*standbys));
		memcpy(standbys, from->standbys, from->standby_count * sizeof(*standbys));
	}
	free(to->standbys);
	*to = *from;
	to->standbys = standbys;
}

struct member *topology_add_standby(struct topology *topology)
{
	struct member *added;

	if (topology->standby_count >= TOPOLOGY_STANDBYS_MAX)
		return NULL;
	topology->standbys = xreallocarray(topology->standbys, topology->standby_count + 1,
	                                   sizeof(*topology->standbys));
	added = &topology->standbys[topology->standby_count++];
	*added = (struct member){.lag_bytes = -1};
	return added;
}

static bool same_server(const struct member *a, const struct member *b)
{
	return a->port == b->port && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->host, b->host) == 0 && strcmp(a->address, b->address) == 0;
}

bool topology_same_servers(const struct topology *a, const struct topology *b)
{
	if (a->has_primary != b->has_primary || a->standby_count != b->standby_count)
		return false;
	if (a->has_primary && !same_server(&a->primary, &b->primary))
		return false;
	for (size_t i = 0; i < a->standby_count; i++)
		if (!same_server(&a->standbys[i], &b->standbys[i]))
			return false;
	return true;
}
