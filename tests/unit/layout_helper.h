/* Decoding in one call, for the layout tests: a cluster with the nodes node1, node2 and v6. */
#ifndef SEGUE_TESTS_LAYOUT_HELPER_H
#define SEGUE_TESTS_LAYOUT_HELPER_H

#include <criterion/criterion.h>
#include <string.h>

#include "topology/layout.h"

static struct config_node helper_nodes[] = {
    {(char *)"node1", (char *)"10.0.0.1", 5432},
    {(char *)"node2", (char *)"db2.example.com", 6432},
    {(char *)"v6", (char *)"2001:DB8::1", 5433},
};

static struct config_cluster helper_cluster(enum config_layout layout)
{
	return (struct config_cluster){.name = (char *)"orders",
	                               .layout = layout,
	                               .path = (char *)"/segue/orders",
	                               .nodes = helper_nodes,
	                               .node_count = ARRAY_LEN(helper_nodes)};
}

static inline struct topology helper_accept_bytes(enum config_layout layout, const char *data,
                                                  size_t len)
{
	struct config_cluster cluster = helper_cluster(layout);
	struct err err = {0};
	struct topology out;

	cr_assert(layout_decode(&cluster, data, len, &out, &err), "refused: %s: %.*s", err.message,
	          (int)len, data);
	return out;
}

static inline void helper_refuse_bytes(enum config_layout layout, const char *data, size_t len,
                                       const char *message_part)
{
	struct config_cluster cluster = helper_cluster(layout);
	struct err err = {0};
	struct topology out;

	cr_assert_not(layout_decode(&cluster, data, len, &out, &err), "accepted: %.*s", (int)len,
	              data);
	cr_assert_null(out.standbys);
	cr_assert_not_null(strstr(err.message, message_part), "\"%s\" is not in \"%s\" for %.*s",
	                   message_part, err.message, (int)len, data);
}

#endif
