/* The observe object. Only observe.c includes it. */
#ifndef SEGUE_PUBLISHER_OBSERVE_INTERNAL_H
#define SEGUE_PUBLISHER_OBSERVE_INTERNAL_H

#include "publisher/node.h"
#include "publisher/observe.h"

struct observed {
	struct observe *observe;
	struct node *node; /* NULL: it is the same server as another one, and is not asked */
	struct member member;
	char *conninfo;          /* as the list has it; identifies a row of repmgr.nodes */
	bool configured, listed; /* in `nodes`; in repmgr.nodes */
	bool awaited;            /* the round waits for it */
	enum node_role role;     /* from repmgr, as is `inactive` */
	bool inactive;
	bool told; /* its state was logged, as the next three have it */
	enum server_class told_class;
	bool told_recovery;
	int64_t told_timeline;
};

struct observe {
	struct observe_options options;
	struct node_query node_query;
	struct observed **servers;
	size_t count;
	struct event *over; /* ends the round in a loop iteration of its own */
	bool looking, again;
	int64_t started_us;
	unsigned rounds_more; /* extra rounds that this look has taken so far */
};

node_cb observe_node_event;

#endif
