/* The text of a presence znode; see the header. */

#include <jansson.h>
#include <string.h>

#include "decide_internal.h"

static const char *says(const struct node_state *node_state)
{
	if (node_state->class != SERVER_ANSWERED)
		return server_class_name(node_state->class);
	if (node_state->role == NODE_WITNESS)
		return "witness";
	return node_state->in_recovery ? "standby" : "primary";
}

char *seen_nodes_encode(const char *publisher, const struct node_state *states, size_t count)
{
	json_auto_t *document = json_object(), *nodes = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct node_state *node_state = &states[i];

		json_array_append_new(nodes,
		                      json_pack("{s:s, s:s, s:i, s:s, s:I}", "name",
		                                node_state->name, "host", node_state->host, "port",
		                                (int)node_state->port, "says", says(node_state),
		                                "timeline", (json_int_t)node_state->timeline));
	}
	json_object_set_new(document, "version", json_integer(1));
	json_object_set_new(document, "publisher", json_string(publisher));
	json_object_set(document, "nodes", nodes);
	return json_dumps(document, JSON_COMPACT);
}

static bool is_primary_of(const json_t *node, const struct topology *topology)
{
	const struct member *primary = &topology->primary;
	const char *name, *host, *what;
	json_int_t timeline;
	int port;

	if (json_unpack((json_t *)node, "{s:s, s:s, s:i, s:s, s:I}", "name", &name, "host", &host,
	                "port", &port, "says", &what, "timeline", &timeline) != 0)
		return false;
	if (strcmp(what, "primary") != 0 || timeline < topology->timeline)
		return false;
	if (name[0] != '\0' && primary->name[0] != '\0')
		return strcmp(name, primary->name) == 0;
	return port == primary->port && strcmp(host, primary->host) == 0;
}

bool seen_nodes_has_primary(const char *data, size_t size, const struct topology *topology)
{
	json_auto_t *document = size > 0 ? json_loadb(data, size, 0, NULL) : NULL;
	const json_t *node;
	size_t i;

	if (!topology->has_primary)
		return false;
	json_array_foreach(json_object_get(document, "nodes"), i, node)
	{
		if (is_primary_of(node, topology))
			return true;
	}
	return false;
}
