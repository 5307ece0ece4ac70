/* What a publisher asks each server, in one round trip: what postgres/question.h asks, whether a
 * standby receives from its primary, the content of repmgr's tables, and whether a row can be
 * written. Pure. */
#ifndef SEGUE_PUBLISHER_NODE_QUERY_H
#define SEGUE_PUBLISHER_NODE_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "config/config.h"
#include "publisher/decide.h"
#include "topology/facts.h"

#define NODE_QUERY_COLUMNS 11

enum node_query_repmgr {
	NODE_QUERY_REPMGR_UNKNOWN,
	NODE_QUERY_REPMGR_ABSENT, /* that schema has no table nodes */
	NODE_QUERY_REPMGR_DENIED, /* it has one, but the role may not read it */
	NODE_QUERY_REPMGR_READABLE,
};

/* A row of repmgr.nodes. */
struct repmgr_node {
	char name[TOPOLOGY_NAME_MAX]; /* "": segue does not accept the name */
	enum node_role role;
	bool inactive;
	char *conninfo;
};

struct node_query_answer {
	struct server_fact fact; /* in_recovery, timeline (also of a standby), lsn, identifier */
	bool receiving;
	char instance[64]; /* the same for one running server, whatever address leads to it */
	enum node_query_repmgr repmgr;
	struct repmgr_node *nodes; /* owned */
	size_t node_count;
	char promoted_name[TOPOLOGY_NAME_MAX]; /* the latest promotion; "": none */
	char promoted_at[PUBLISH_TIME_MAX];
	char refused[160]; /* why a row cannot be written; "": it can, or it was not tried */
};

/* The SQL texts of the question, for one publisher. */
struct node_query {
	char *plain, *reduced, *with_repmgr;
};

void node_query_init(struct node_query *node_query, const struct config_publisher *config);
void node_query_fini(struct node_query *node_query);

/* Reads the row. On failure `out` stays as it was; otherwise its old content is freed. */
bool node_query_parse(const char *const row[NODE_QUERY_COLUMNS], struct node_query_answer *out,
                      struct err *err) MUST_CHECK;
void node_query_answer_fini(struct node_query_answer *answer);

/* True if the nodes of `a` are to be believed rather than those of `b`. The roles: of the servers
 * that gave the answers. The server that takes writes on the highest timeline knows best which
 * servers belong to the cluster: a standby has a copy, and a returned old primary an old list. A
 * witness, which takes writes on a timeline of its own, has a copy, too: anybody else comes first.
 */
bool node_query_knows_better(const struct node_query_answer *a, enum node_role role_a,
                             const struct node_query_answer *b, enum node_role role_b) MUST_CHECK;

#endif
