/* What observe.c (the rounds) and observe_list.c (who is asked) share. Nobody else includes it. */
#ifndef SEGUE_PUBLISHER_OBSERVE_INTERNAL_H
#define SEGUE_PUBLISHER_OBSERVE_INTERNAL_H

#include "publisher/observe.h"
#include "publisher/peer.h"

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

/* Those of `nodes`. */
bool observe_list_configured(struct observe *observe, struct err *err) MUST_CHECK;
/* Those of repmgr.nodes, by the server that is most likely to know; true: there are new ones, which
 * nobody has asked yet. */
bool observe_list_merge(struct observe *observe);
void observed_destroy(struct observed *server);

node_cb observe_node_event;

#endif
