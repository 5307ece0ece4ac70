/* What observe.c (the rounds) and observe.c (who is asked) share. Nobody else includes it. */
#ifndef SEGUE_PUBLISHER_OBSERVE_INTERNAL_H
#define SEGUE_PUBLISHER_OBSERVE_INTERNAL_H

#include "publisher/node.h"
#include "publisher/observe.h"

struct observed {
	struct observe *observe;
	struct node *node; /* NULL: shadowed */
	struct member member;
	char *conninfo;          /* as the list had it: known by it until its name is */
	bool configured, listed; /* in `nodes`; in repmgr.nodes */
	bool awaited;            /* the round is not over without it */
	enum node_role role;     /* by repmgr, as are the next two */
	bool inactive;
	bool told; /* something of it is in the log: */
	enum server_class told_class;
	bool told_recovery;
	int64_t told_timeline;
};

struct observe {
	struct observe_options options;
	struct node_query node_query;
	struct observed **servers;
	size_t count;
	struct event *over; /* ends the round in a turn of its own */
	bool looking, again;
	int64_t started_us;
	unsigned rounds_more; /* that this look took so far */
};

node_cb observe_node_event;

#endif
