/* See the header. */
#include "zk_case.h"

#include <criterion/criterion.h>
#include <string.h>

#include "sidecar/zookeeper/session_internal.h"

struct event_base *zk_case_base;
struct zk *zk_case;

static int64_t zxid;

void zk_case_open(void)
{
	const struct zk_options options = {
	    .hosts = "127.0.0.1:1", .session_timeout_ms = 6000, .auth = ""};
	struct err err;

	zk_case_base = event_base_new();
	zk_case = zk_create(zk_case_base, NULL, &options, &err);
	cr_assert_not_null(zk_case, "%s", err.message);
}

void zk_case_close(void)
{
	zk_destroy(zk_case);
	event_base_free(zk_case_base);
}

static struct zk_node *find(const char *path)
{
	for (size_t i = 0; i < zk_case->node_count; i++)
		if (zk_case->nodes[i]->cb != NULL && strcmp(zk_case->nodes[i]->path, path) == 0)
			return zk_case->nodes[i];
	return NULL;
}

bool zk_case_is_watched(const char *path)
{
	return find(path) != NULL;
}

void zk_case_tell(const char *path, struct zk_node_fact fact)
{
	struct zk_node *node = find(path);

	cr_assert_not_null(node, "%s is not watched", path);
	node->queued = false;
	node->fact = fact;
	node->cb(&fact, node->arg);
}

void zk_case_data(const char *path, const char *data)
{
	zk_case_tell(path,
	             (struct zk_node_fact){.state = data != NULL ? ZK_NODE_PRESENT : ZK_NODE_ABSENT,
	                                   .connected = true,
	                                   .mzxid = data != NULL ? ++zxid : 0,
	                                   .data = data,
	                                   .size = data != NULL ? strlen(data) : 0});
}

void zk_case_names(const char *path, char *const *names, size_t count)
{
	zk_case_tell(path, (struct zk_node_fact){.state = ZK_NODE_PRESENT,
	                                         .connected = true,
	                                         .pzxid = ++zxid,
	                                         .names = names,
	                                         .name_count = count});
}

void zk_case_denied(const char *path, const char *problem)
{
	zk_case_tell(path, (struct zk_node_fact){
	                       .state = ZK_NODE_DENIED, .connected = true, .problem = problem});
}

void zk_case_disconnect(void)
{
	for (size_t i = 0; i < zk_case->node_count; i++) {
		struct zk_node *node = zk_case->nodes[i];
		struct zk_node_fact fact = node->fact;

		fact.connected = false;
		fact.data = NULL;
		fact.names = NULL;
		fact.name_count = 0;
		if (node->cb != NULL)
			node->cb(&fact, node->arg);
	}
}
