/* Any bytes as a znode: the first chooses the layout. What is accepted has to be safe to hand to
 * resolvers, proxies and templates, and to survive being stored and read again. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "topology/layout.h"
#include "topology/layout_fields.h"

#define CHECK(condition)                  \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config_node nodes[] = {{(char *)"node1", (char *)"10.0.0.1", 5432},
                                     {(char *)"node2", (char *)"db2.example.com", 6432}};

static void check_member(const struct member *member)
{
	char address[TOPOLOGY_ADDRESS_MAX];

	CHECK(member->host[0] != '\0' && layout_host_problem(member->host) == NULL);
	CHECK(member->port >= 1);
	CHECK(member->lag_bytes >= -1);
	CHECK(member->name[0] == '\0' || layout_name_problem(member->name) == NULL);
	if (layout_host_numeric(member->host, address))
		CHECK(strcmp(member->address, address) == 0);
	if (member->address[0] != '\0')
		CHECK(layout_host_numeric(member->address, address) &&
		      strcmp(member->address, address) == 0);
}

static void check_topology(const struct topology *topology)
{
	if (topology->has_primary)
		check_member(&topology->primary);
	CHECK(topology->standby_count <= TOPOLOGY_STANDBYS_MAX);
	for (size_t i = 0; i < topology->standby_count; i++)
		check_member(&topology->standbys[i]);
	CHECK(strspn(topology->system_identifier, "0123456789") ==
	      strlen(topology->system_identifier));
	CHECK(topology->timeline >= 0 && topology->timeline <= UINT32_MAX);
	CHECK(topology->promoted_at[0] == '\0' ||
	      layout_time_problem(topology->promoted_at) == NULL);
}

static void check_round_trip(struct config_cluster *cluster, const struct topology *topology)
{
	auto_strbuf struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;
	struct topology again;
	struct err err;

	layout_segue_encode(topology, &first);
	cluster->layout = CONFIG_LAYOUT_SEGUE;
	CHECK(layout_decode(cluster, first.data, first.len, &again, &err));
	layout_segue_encode(&again, &second);
	CHECK(strcmp(first.data, second.data) == 0);
	CHECK(again.has_primary == topology->has_primary && again.timeline == topology->timeline);
	topology_fini(&again);
}

static void check_error(const struct err *err)
{
	CHECK(err->message[0] != '\0' && memchr(err->message, '\0', sizeof(err->message)) != NULL);
	for (const char *c = err->message; *c != '\0'; c++)
		CHECK(*c >= 0x20 && *c < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_cluster cluster = {.name = (char *)"orders",
	                                 .path = (char *)"/segue/orders",
	                                 .nodes = nodes,
	                                 .node_count = ARRAY_LEN(nodes)};
	struct topology topology;
	struct err err = {0};

	if (size < 1)
		return 0;
	cluster.layout = data[0] % 2 == 0 ? CONFIG_LAYOUT_SEGUE : CONFIG_LAYOUT_PLAIN;
	if (!layout_decode(&cluster, (const char *)data + 1, size - 1, &topology, &err)) {
		check_error(&err);
		return 0;
	}
	check_topology(&topology);
	check_round_trip(&cluster, &topology);
	topology_fini(&topology);
	return 0;
}
