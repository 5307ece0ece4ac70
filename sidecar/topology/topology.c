/* The topology value; see the header. */
#include "topology/topology.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

void member_endpoint(const struct member *member, char out[MEMBER_ENDPOINT_MAX])
{
	if (member == NULL)
		snprintf(out, MEMBER_ENDPOINT_MAX, "none");
	else
		endpoint_format(out, MEMBER_ENDPOINT_MAX, member->address, member->port);
}

void topology_init(struct topology *topology)
{
	*topology = (struct topology){.standbys = NULL};
	topology->primary.lag_bytes = -1;
}

void topology_fini(struct topology *topology)
{
	free(topology->standbys);
	free(topology->leader);
	topology_init(topology);
}

void topology_copy(struct topology *to, const struct topology *from)
{
	char *leader = from->leader != NULL ? xstrdup(from->leader) : NULL;
	struct member *standbys = NULL;

	if (from->standby_count > 0) {
		standbys = xcalloc(from->standby_count, sizeof(*standbys));
		memcpy(standbys, from->standbys, from->standby_count * sizeof(*standbys));
	}
	free(to->standbys);
	free(to->leader);
	*to = *from;
	to->standbys = standbys;
	to->leader = leader;
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

const char *topology_tags(const struct member *member)
{
	return member->name + strlen(member->name) + 1;
}

bool topology_set_tags(struct member *member, const char *tags)
{
	size_t at = strlen(member->name) + 1, size = strlen(tags) + 1;

	if (size > sizeof(member->name) - at)
		return false;
	memcpy(member->name + at, tags, size);
	return true;
}

void topology_example(struct topology *topology)
{
	topology->has_primary = true;
	topology->primary = (struct member){.name = "primary",
	                                    .host = "192.0.2.1",
	                                    .address = "192.0.2.1",
	                                    .port = 5432,
	                                    .lag_bytes = -1};
	*topology_add_standby(topology) = (struct member){.name = "standby",
	                                                  .host = "192.0.2.2",
	                                                  .address = "192.0.2.2",
	                                                  .port = 5432,
	                                                  .lag_bytes = 0};
}

bool topology_is_example(const struct topology *topology)
{
	struct topology example;
	bool same;

	topology_init(&example);
	topology_example(&example);
	same = topology_same_servers(topology, &example);
	topology_fini(&example);
	return same;
}

bool topology_is_set(const struct topology *topology)
{
	return topology->set_by.id[0] != '\0' && topology->timeline <= topology->set_by.timeline;
}

bool topology_is_set_anew(const struct topology *now, const struct topology *before)
{
	return now->set_by.id[0] != '\0' &&
	       (before == NULL || strcmp(now->set_by.id, before->set_by.id) != 0);
}

bool topology_same_address(const struct member *a, const struct member *b)
{
	return a->port == b->port && strcmp(a->address, b->address) == 0;
}

/* The primary first, then the standbys; NULL after the last one. */
static struct member *member_at(const struct topology *topology, size_t index)
{
	if (topology->has_primary && index-- == 0)
		return (struct member *)&topology->primary;
	return index < topology->standby_count ? &topology->standbys[index] : NULL;
}

static bool same_server(const struct member *a, const struct member *b)
{
	return a->port == b->port && a->no_reads == b->no_reads && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->host, b->host) == 0 && strcmp(a->address, b->address) == 0 &&
	       strcmp(topology_tags(a), topology_tags(b)) == 0;
}

bool topology_same_servers(const struct topology *a, const struct topology *b)
{
	bool same = a->has_primary == b->has_primary && a->standby_count == b->standby_count;

	for (size_t i = 0; same && member_at(a, i) != NULL; i++)
		same = same_server(member_at(a, i), member_at(b, i));
	return same;
}

/* -- the times of the cluster manager -- */

/* Lost leader: its key expires ttl after its last update, the other members look every loop_wait,
 * and may retry their requests to the store and to each other for retry_timeout. Crashed PostgreSQL
 * under a running leader: the leader notices it within loop_wait, and gives up the key one
 * loop_wait after start_timeout. */
int64_t manager_times_ms(const struct manager_times *times, bool starting)
{
	int64_t lost = times->ttl + times->loop_wait + times->retry_timeout;
	int64_t restarted = 2 * times->loop_wait + times->start_timeout;

	if (times->ttl == 0)
		return 0;
	return (starting && restarted > lost ? restarted : lost) * 1000;
}

bool manager_times_same(const struct manager_times *a, const struct manager_times *b)
{
	return a->ttl == b->ttl && a->loop_wait == b->loop_wait &&
	       a->retry_timeout == b->retry_timeout && a->start_timeout == b->start_timeout &&
	       a->assumed == b->assumed;
}

/* -- slots -- */

/* The host where there is no `text`. */
static const char *or_host(const struct member *member, const char *text)
{
	return *text != '\0' ? text : member->host;
}

int topology_compare(const struct member *a, const struct member *b)
{
	int order = strcmp(or_host(a, a->name), or_host(b, b->name));

	if (order == 0)
		order = strcmp(or_host(a, a->address), or_host(b, b->address));
	return order != 0 ? order : (int)a->port - (int)b->port;
}

static bool same_place(const struct member *a, const struct member *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* Members with the same name are told apart by host and port, as long as these do not change. */
static bool is_unchanged(const struct member *a, const struct member *b)
{
	return strcmp(a->name, b->name) == 0 && same_place(a, b);
}

static bool is_same_member(const struct member *a, const struct member *b)
{
	if (a->name[0] == '\0' || b->name[0] == '\0')
		return same_place(a, b);
	return strcmp(a->name, b->name) == 0;
}

struct slots {
	unsigned of[TOPOLOGY_SLOTS_MAX];    /* by the index of member_at(); 0: none yet */
	bool taken[TOPOLOGY_SLOTS_MAX + 1]; /* [0] is not used */
};

static void inherit(struct slots *slots, const struct topology *now, const struct topology *before,
                    bool (*same)(const struct member *a, const struct member *b))
{
	const struct member *member, *old;

	for (size_t i = 0; (member = member_at(now, i)) != NULL; i++)
		for (size_t j = 0; slots->of[i] == 0 && (old = member_at(before, j)) != NULL; j++)
			if (old->slot != 0 && !slots->taken[old->slot] && same(member, old)) {
				slots->of[i] = old->slot;
				slots->taken[old->slot] = true;
			}
}

/* The index of the first member without a slot, in the order of topology_compare(); -1: none. */
static int find_without(const struct slots *slots, const struct topology *now)
{
	const struct member *member, *first = NULL;
	int found = -1;

	for (int i = 0; (member = member_at(now, (size_t)i)) != NULL; i++)
		if (slots->of[i] == 0 && (first == NULL || topology_compare(member, first) < 0)) {
			first = member;
			found = i;
		}
	return found;
}

void topology_assign_slots(struct topology *now, const struct topology *before)
{
	struct slots slots = {.of = {0}};
	struct member *member;
	unsigned lowest = 1;
	int index;

	if (before != NULL) {
		inherit(&slots, now, before, is_unchanged);
		inherit(&slots, now, before, is_same_member);
	}
	while ((index = find_without(&slots, now)) >= 0) {
		while (slots.taken[lowest])
			lowest++;
		slots.of[index] = lowest++;
	}
	for (size_t i = 0; (member = member_at(now, i)) != NULL; i++)
		member->slot = slots.of[i];
}

void topology_follow(struct topology *topology, const struct topology *next)
{
	struct topology before = *topology;

	topology_init(topology);
	topology_copy(topology, next);
	topology_assign_slots(topology, &before);
	topology_fini(&before);
}
